// SPDX-License-Identifier: MIT
// node bench.mjs GEN_REPORT [NODES...]: how large a report is, how long until it
// can be used, and what a search, a zoom and turning the tree cost.  The best of
// five loads; on a shared machine, repeat before quoting.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { pathToFileURL } from 'node:url';

const [generator, ...given] = process.argv.slice(2);
const sizes = given.length ? given : ['10000', '100000', '1000000'];
const { chromium } = createRequire(`${process.cwd()}/`)('playwright-core');
const dir = mkdtempSync(`${tmpdir()}/heapsnap-bench-`);
const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// In the page: milliseconds of the main thread that ACTION takes.
async function cost(page, action) {
	return page.evaluate(name => {
		const fire = {
			search: () => {
				const box = document.querySelector('[data-hs=search]');
				box.value = 'Session_append';
				box.dispatchEvent(new Event('input'));
			},
			view: () => document.querySelector('[data-view=allocated]').click(),
			turn: () => document.querySelector('button[data-value=up]').click(),
		};
		const before = performance.now();
		fire[name]();
		return performance.now() - before;
	}, action);
}

async function load(url) {
	const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
	// Navigation start to usable, by the page's own clock.
	await page.addInitScript(() => {
		const watch = new MutationObserver(() => {
			if (document.querySelector('[data-hs=total][data-bytes]')) {
				window.usable = performance.now();
				watch.disconnect();
			}
		});
		watch.observe(document, { childList: true, subtree: true, attributes: true });
	});
	await page.goto(url);
	while (!await page.evaluate(() => window.usable))
		await new Promise(r => setTimeout(r, 20));
	const figures = { usable: await page.evaluate(() => window.usable) };
	await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
	const { visited, drawn } = await page.evaluate(() => ({ ...document.querySelector('[data-hs=graph]').dataset }));
	Object.assign(figures, { visited, drawn });
	for (const action of ['search', 'view', 'turn'])
		figures[action] = await cost(page, action);
	await page.close();
	return figures;
}

console.log('nodes       size MB  usable ms  search ms  view ms  bottom-up ms  visited  drawn');
for (const nodes of sizes) {
	const file = `${dir}/${nodes}.html`;
	const out = openSync(file, 'w');
	execFileSync(generator, ['nodes', nodes], { stdio: ['ignore', out, 'inherit'] });
	closeSync(out);
	const runs = [];
	for (let i = 0; i < 5; i++)
		runs.push(await load(pathToFileURL(file).href));
	const best = key => Math.min(...runs.map(r => r[key])).toFixed(0);
	console.log([nodes.padEnd(10), (statSync(file).size / 1e6).toFixed(2).padStart(8), best('usable').padStart(10), best('search').padStart(10),
		best('view').padStart(8), best('turn').padStart(13), runs[0].visited.padStart(8), runs[0].drawn.padStart(6)].join(' '));
}
await browser.close();
rmSync(dir, { recursive: true });
