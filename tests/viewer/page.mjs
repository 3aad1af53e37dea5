// SPDX-License-Identifier: MIT
// The page in a real browser, from file://, through the hooks of the interface.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { blockOf } from './data.mjs';

const PATIENCE_MS = 120000; // of one step, on a busy machine

const hook = name => `[data-hs="${name}"]`;

// No waitForFunction: the policy forbids it to evaluate a string.
async function until(page, fn, arg) {
	const end = Date.now() + PATIENCE_MS;
	for (;;) {
		const value = await page.evaluate(fn, arg);
		if (value)
			return value;
		if (Date.now() > end)
			throw new Error(`waited in vain: ${fn}`);
		await new Promise(r => setTimeout(r, 20));
	}
}

async function open(browser, file, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
	const page = await context.newPage();
	page.setDefaultTimeout(PATIENCE_MS);
	page.trouble = [];
	const url = pathToFileURL(file).href;
	page.on('request', r => {
		if (r.url().split('#')[0] !== url)
			page.trouble.push(`request ${r.url().slice(0, 80)}`);
	});
	page.on('console', m => page.trouble.push(`console: ${m.text()}`));
	page.on('pageerror', e => page.trouble.push(`error: ${e.message}`));
	page.on('dialog', d => {
		page.trouble.push('a dialog');
		d.dismiss();
	});
	if (options.javaScriptEnabled !== false)
		await page.addInitScript(() => {
			window.violations = [];
			document.addEventListener('securitypolicyviolation', e => window.violations.push(e.violatedDirective));
		});
	await page.goto(url + (options.hash || ''));
	if (options.javaScriptEnabled !== false && !options.damaged)
		await until(page, () => document.querySelector('[data-hs=total][data-bytes]'));
	return page;
}

async function close(page) {
	const violations = await page.evaluate(() => window.violations || []);
	assert.deepEqual([...page.trouble, ...violations], [], 'the page made trouble');
	await page.context().close();
}

const total = page => page.evaluate(() => Number(document.querySelector('[data-hs=total]').dataset.bytes));
const found = page => page.evaluate(() => Number(document.querySelector('[data-hs=search-total]').dataset.bytes));
const details = page => page.evaluate(() => document.querySelector('[data-hs=details]').innerText);
const view = (page, name) => page.click(`[data-view=${name}]`);

// The page of KNOWN with another data block.
function withBlock(dir, name, change) {
	const page = readFileSync(`${dir}/known.html`, 'utf8');
	const [, size, base64] = /data-size="(\d+)">([^<]*)</.exec(page);
	const now = change(blockOf(`${dir}/known.html`), base64, size);
	writeFileSync(`${dir}/${name}.html`, page.replace(`data-size="${size}">${base64}<`, () => `data-size="${now.size}">${now.base64}<`));
	return `${dir}/${name}.html`;
}

function packed(block) {
	return { size: block.length, base64: gzipSync(block).toString('base64') };
}

// Background of ELEMENT as a sum of red, green and blue.
const brightness = page => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0));

export function pageTests(dir) {
	const known = `${dir}/known.html`;
	const server = `${dir}/server.html`;
	return [
		['a report opens without a request, a violation or an error', async browser => {
			for (const file of [known, server]) {
				const page = await open(browser, file);
				assert.match(await page.title(), /(known|orderd).*heapsnap/);
				for (const name of ['suspects', 'search', 'search-total', 'graph', 'details', 'total', 'timeline', 'theme', 'help'])
					assert.equal(await page.locator(hook(name)).count(), 1, name);
				assert.equal(await page.locator(hook('range')).count(), 0);
				await close(page);
			}
		}],
		['each view has the total that was added up by hand', async browser => {
			const page = await open(browser, known);
			for (const [name, bytes] of [['peak', 3900], ['live', 4100], ['allocated', 9000]]) {
				await view(page, name);
				assert.equal(await total(page), bytes, name);
			}
			await view(page, 'temporary');
			assert.equal(await page.getAttribute(hook('total'), 'data-blocks'), '92');
			assert.equal(await page.getAttribute(hook('total'), 'data-bytes'), null);
			await view(page, 'allocated');
			await page.click('button[data-value=blocks]');
			assert.equal(await page.getAttribute(hook('total'), 'data-blocks'), '119');
			assert.equal(await total(page), 9000);
			await close(page);
		}],
		['each view has the total that the JSON of the same capture tells', async browser => {
			const { totals } = JSON.parse(readFileSync(`${dir}/real.json`, 'utf8')).processes[0];
			const page = await open(browser, `${dir}/real.html`);
			for (const [name, bytes] of [['peak', totals.peak_bytes], ['live', totals.live_bytes], ['allocated', totals.allocated_bytes]]) {
				await view(page, name);
				assert.equal(await total(page), bytes, name);
			}
			await page.click('button[data-value=blocks]');
			assert.equal(await page.getAttribute(hook('total'), 'data-blocks'), String(totals.allocations));
			await close(page);
		}],
		['a suspect has a picture of what it held over time', async browser => {
			const page = await open(browser, `${dir}/series.html`);
			const spark = page.locator('[data-hs=suspects] [data-hs=spark]');
			assert.equal(await spark.count(), 1);
			assert.equal(await spark.getAttribute('data-bytes'), '500');
			// 120 wide; 500 bytes are 22 high, below a margin of 1
			const points = (await spark.locator('polyline').getAttribute('points')).split(' ');
			assert.deepEqual(points, [0, 100, 300, 400, 500].map((bytes, i) => `${(30 * i).toFixed(1)},${(1 + 22 * (1 - bytes / 500)).toFixed(1)}`));
			assert.match(await spark.getAttribute('aria-label'), /0 B at first, at most 500 B, 500 B at the end/);
			assert((await spark.boundingBox()).width > 100);
			await close(page);
		}],
		['a core tells of its heap and its threads what the JSON tells', async browser => {
			if (!existsSync(`${dir}/core.html`))
				return 'no core could be made here';
			const json = JSON.parse(readFileSync(`${dir}/core.json`, 'utf8'));
			for (const width of [1280, 420]) {
				const page = await open(browser, `${dir}/core.html`, { viewport: { width, height: 800 } });
				const cell = (row, figure) => page.evaluate(([r, f]) => Number(document.querySelector(`[data-hs-heap=${r}] [data-${f}]`).dataset[f]), [row, figure]);
				for (const row of ['used', 'free', 'cached', 'mapped'])
					for (const figure of ['blocks', 'bytes'])
						assert.equal(await cell(row, figure), json.heap[`${row}_${figure}`], `${row} ${figure}`);
				// tests/victims/lost.c: 11 blocks, the head of a chain, and a cycle
				assert.equal(await cell('direct', 'blocks'), 13);
				assert.equal(await cell('indirect', 'blocks'), 3);
				assert.equal(await page.locator('.arenas tbody tr').count(), json.heap.arenas.length);
				const threads = await page.innerText(hook('threads'));
				for (const { tid } of json.threads)
					assert(threads.includes(String(tid)), `thread ${tid}`);
				assert.equal(await page.isVisible(hook('graph')), false, 'an empty flame graph');
				assert(await page.evaluate(() => document.documentElement.scrollWidth) <= width);
				await close(page);
			}
		}],
		['a search tells the bytes of what matches, in the view', async browser => {
			const page = await open(browser, known);
			for (const [name, query, bytes] of [['peak', 'alpha', 3400], ['peak', 'nothing', 0], ['allocated', 'beta', 7000], ['live', '/^gam+a$/', 2000]]) {
				await view(page, name);
				await page.fill(`input${hook('search')}`, query);
				assert.equal(await found(page), bytes, query);
			}
			await page.click('button[data-value=up]');
			assert.equal(await found(page), 2000);
			await page.fill(`input${hook('search')}`, '/(/');
			assert.match(await page.innerText(hook('search-total')), /regular expression/);
			await close(page);
		}],
		['a click zooms in, Escape zooms out, the address keeps it', async browser => {
			const page = await open(browser, known);
			await view(page, 'allocated');
			const box = await page.locator(hook('graph')).boundingBox();
			// Third row: alpha is 6000 of 9000 bytes, so it comes first.
			await page.mouse.click(box.x + box.width * 0.2, box.y + 2 * 20 + 10);
			assert.equal(await total(page), 6000);
			assert.match(await details(page), /alpha/);
			const hash = await page.evaluate(() => location.hash);
			await page.keyboard.press('Escape');
			assert.equal(await total(page), 9000);
			const again = await open(browser, known, { hash });
			assert.equal(await total(again), 6000);
			await close(again);
			await page.goBack();
			await until(page, () => document.querySelector('[data-hs=total]').dataset.bytes === '6000');
			await close(page);
		}],
		['everything is done by keyboard', async browser => {
			const page = await open(browser, known);
			await page.keyboard.press('/');
			await page.keyboard.type('beta');
			assert.equal(await found(page), 3000);
			await page.keyboard.press('Enter');
			assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
			assert.match(await details(page), /^beta[\s\S]*Stack[\s\S]*beta[\s\S]*alpha[\s\S]*main/);
			await page.keyboard.press('/');
			await page.keyboard.press('Escape');
			assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
			await page.keyboard.press('Home');
			assert.equal(await found(page), 0);
			await page.keyboard.press('3');
			assert.equal(await total(page), 9000);
			const seen = [];
			for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowLeft', 'ArrowRight']) {
				await page.keyboard.press(key);
				seen.push((await details(page)).split('\n')[0]);
			}
			assert.deepEqual(seen, ['Everything', 'main', 'alpha', 'gamma', 'alpha', 'gamma']);
			await page.keyboard.press('Enter');
			assert.equal(await total(page), 3000);
			await page.keyboard.press('Escape');
			assert.equal(await total(page), 9000);
			await page.keyboard.press('?');
			assert.equal(await page.isVisible(hook('help')), true);
			await page.keyboard.press('Escape');
			assert.equal(await page.isVisible(hook('help')), false);
			await page.keyboard.press('t');
			assert.equal(await page.isVisible('.functions table'), true);
			await close(page);
		}],
		['the table has own and total amounts, sorted', async browser => {
			const page = await open(browser, known);
			await page.click('button[data-value=table]');
			const rows = () => page.evaluate(() => [...document.querySelectorAll('.functions tbody tr')].map(r => [...r.children].map(c => c.innerText)).map(c => `${c[4]} ${c[0]} ${c[2]}`));
			assert.deepEqual(await rows(), ['alpha 3.32 KiB 3.32 KiB', 'gamma 500 B 500 B', 'main 0 B 3.81 KiB', 'beta 0 B 2.93 KiB']);
			await page.click('.functions th.name button');
			assert.deepEqual((await rows()).map(r => r.split(' ')[0]), ['alpha', 'beta', 'gamma', 'main']);
			await close(page);
		}],
		['a suspect leads to its place in the graph', async browser => {
			const page = await open(browser, server);
			const first = page.locator('[data-hs=suspects] [data-hs-id]').first();
			assert.match(await first.getAttribute('data-hs-id'), /^HS-[0-9a-z]{10}$/);
			assert.equal(await first.getAttribute('id'), await first.getAttribute('data-hs-id'));
			await first.locator('button.place').click();
			assert.match(await details(page), /orders::Cache::node_new\(\)[\s\S]*31\.2 MiB[\s\S]*handle_request/);
			await close(page);
		}],
		['processes have a switch', async browser => {
			const page = await open(browser, server);
			const before = await total(page);
			await page.selectOption('.headtools select', { index: 1 });
			// 31000 x 840 and 4100 x 640 bytes, 2900 and 610 blocks at the peak
			assert.equal(await total(page), 2900 * 840 + 610 * 640);
			await page.selectOption('.headtools select', { index: 0 });
			assert.equal(await total(page), before);
			await close(page);
		}],
		['the theme follows the system until the button says otherwise', async browser => {
			for (const colorScheme of ['light', 'dark']) {
				const page = await open(browser, known, { colorScheme });
				const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
				assert.equal(await theme(), colorScheme);
				assert.equal(await brightness(page) < 240, colorScheme === 'dark');
				const seen = [];
				for (let i = 0; i < 3; i++) {
					await page.click(hook('theme'));
					seen.push(await theme());
				}
				assert.deepEqual(seen, ['light', 'dark', colorScheme]);
				await close(page);
			}
		}],
		['hostile names are shown and do nothing', async browser => {
			const page = await open(browser, `${dir}/hostile.html`);
			for (const query of ['onerror', '__proto__', 'constructor', 'script>', '<!--', 'gnirts']) {
				await page.fill(`input${hook('search')}`, query);
				assert(await found(page) > 0, query);
			}
			await page.click('button[data-value=table]');
			await page.click('button[data-value=summary]');
			await page.click('button[data-value=flame]');
			await page.fill(`input${hook('search')}`, '');
			for (const key of ['ArrowDown', 'ArrowDown', ...Array(22).fill('ArrowRight')]) {
				await page.keyboard.press('Escape');
				await page.keyboard.press(key);
			}
			const state = await page.evaluate(() => [window.__pwned, Object.prototype.bytes, document.querySelectorAll('img, svg[onload], b script, iframe').length, document.scripts.length]);
			assert.deepEqual(state, [undefined, undefined, 0, 2]);
			await close(page);
		}],
		['damaged data give a message and leave the summary', async browser => {
			const cases = {
				changed: (block, base64, size) => ({ size, base64: base64.slice(0, 200) + (base64[200] === 'A' ? 'B' : 'A') + base64.slice(201) }),
				cut: (block, base64, size) => ({ size, base64: base64.slice(0, base64.length >> 3 << 2) }),
				'no-base64': (block, base64, size) => ({ size, base64: '%%%' }),
				empty: () => ({ size: 0, base64: '' }),
				newer: block => packed(block.with ? block.with(3, 2) : Uint8Array.from(block, (b, i) => i === 3 ? 2 : b)),
				index: block => packed(Uint8Array.from(block, (b, i) => i === block.length - 60 ? 255 : b)),
				bomb: (block, base64) => ({ size: 2 ** 31, base64 }),
			};
			for (const [name, change] of Object.entries(cases)) {
				const page = await open(browser, withBlock(dir, `bad-${name}`, change), { damaged: true });
				await until(page, () => document.querySelector('[data-hs=damage]'));
				assert.match(await page.innerText(hook('damage')), /Damaged report/, name);
				assert.equal(await page.isVisible('#hs-processes table'), true, name);
				await close(page);
			}
		}],
		['without JavaScript the summary reads', async browser => {
			const page = await open(browser, server, { javaScriptEnabled: false });
			const text = await page.locator('body').innerText();
			for (const part of ['Leak suspects', '31.2 MiB in 88,120 blocks', 'orders::Cache::node_new()', 'Totals', 'Where memory goes', 'With JavaScript'])
				assert(text.includes(part), part);
			await page.context().close();
		}],
		['a phone sees all of it without scrolling sideways', async browser => {
			const page = await open(browser, server, { viewport: { width: 420, height: 800 } });
			const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector('[data-hs=graph]').clientWidth]);
			assert(wide[0] <= 420 && wide[1] > 340, `${wide}`);
			await close(page);
		}],
		['the graph is drawn, and only what can be seen is visited', async browser => {
			const page = await open(browser, server);
			const seen = await until(page, () => {
				const host = document.querySelector('[data-hs=graph]');
				const canvas = host.querySelector('canvas');
				const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
				const colors = new Set();
				for (let i = 0; i < pixels.length; i += 4)
					colors.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
				return colors.size > 20 && { visited: Number(host.dataset.visited), drawn: Number(host.dataset.drawn) };
			});
			assert(seen.visited < 200 && seen.drawn > 10 && seen.drawn <= seen.visited + 10, JSON.stringify(seen));
			await close(page);
		}],
		['the peak is marked at its time', async browser => {
			const page = await open(browser, server);
			const circle = await page.locator('[data-hs=timeline] circle').boundingBox();
			const chart = await page.locator('[data-hs=timeline] svg').boundingBox();
			// 170 of 240 steps
			const share = (circle.x + circle.width / 2 - chart.x - 58) / (chart.width - 58 - 8);
			assert(Math.abs(share - 170 / 240) < 0.01, `${share}`);
			await close(page);
		}],
		['it prints', async browser => {
			const page = await open(browser, server, { colorScheme: 'dark' });
			await page.emulateMedia({ media: 'print' });
			assert((await page.pdf()).length > 20000);
			await close(page);
		}],
	];
}
