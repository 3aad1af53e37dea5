// SPDX-License-Identifier: MIT
// node run.mjs REPORTS CHROMIUM BUILD: run all tests, print TAP.  REPORTS holds
// known.html, server.html and hostile.html as gen_report writes them.
import { createRequire } from 'node:module';
import { dataTests } from './data.mjs';
import { pageTests } from './page.mjs';

const [reports, executablePath, build] = process.argv.slice(2);

function findPlaywright() {
	for (const place of [process.env.HEAPSNAP_NODE_MODULES, `${build}/node_modules`, build]) {
		try {
			if (place)
				return createRequire(`${place}/`)('playwright-core');
		} catch {
			try {
				return createRequire(`${place}/../`)('playwright-core');
			} catch {
				// the next place
			}
		}
	}
	return null;
}

const playwright = findPlaywright();
const why = !executablePath ? 'chromium is not here' : !playwright ? 'playwright-core is not here (npm install playwright-core)' : '';
const tests = [...dataTests(reports).map(t => [...t, '']), ...pageTests(reports).map(t => [...t, why])];
console.log(`1..${tests.length}`);

let browser = null;
let failed = 0;
for (const [i, [name, run, skip]] of tests.entries()) {
	if (skip) {
		console.log(`ok ${i + 1} - ${name} # SKIP ${skip}`);
		continue;
	}
	try {
		if (run.length && !browser)
			browser = await playwright.chromium.launch({
				executablePath, timeout: 300000, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
					'--disable-background-networking', '--disable-component-update', '--disable-sync'],
			});
		const missing = await run(...(run.length ? [browser] : [])); // what the test needs
		console.log(`ok ${i + 1} - ${name}${missing ? ` # SKIP ${missing}` : ''}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${i + 1} - ${name}`);
		console.log(String(e.stack || e).split('\n').slice(0, 12).map(l => `# ${l}`).join('\n'));
	}
}
if (browser)
	await browser.close();
process.exit(failed ? 1 : 0);
