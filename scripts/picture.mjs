// SPDX-License-Identifier: MIT
// node scripts/picture.mjs REPORT.html PICTURE.png [light|dark]: photograph a
// report as the README shows it.  Needs Debian's chromium, and playwright-core
// from npm in $NODE_PATH or node_modules.  doc/report.png was made by
//
//      HEAPSNAP_INTERVAL=10ms heapsnap run -o DIR -- /usr/bin/python3 scripts/demo-python.py
//      heapsnap analyze DIR
//      node scripts/picture.mjs DIR/report.html doc/report.png
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [report, picture, colorScheme = 'light'] = process.argv.slice(2);
if (!picture) {
	console.error('usage: node picture.mjs REPORT.html PICTURE.png [light|dark]');
	process.exit(2);
}
const { chromium } = createRequire(`${process.cwd()}/`)('playwright-core');
const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ viewport: { width: 1400, height: 880 }, colorScheme });
const page = await context.newPage();
await page.goto(pathToFileURL(report).href);
await page.locator('[data-hs=total][data-bytes]').waitFor();
// The most expensive branch, step by step, as a reader would walk it.
for (let i = 0; i < 22; i++)
	await page.keyboard.press('ArrowDown');
await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
await page.screenshot({ path: picture });
await browser.close();
