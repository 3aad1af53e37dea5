// SPDX-License-Identifier: MIT
// The decoder and the sums, fed with what the C writer made.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { bytesOfBase64, Damaged, decodeReport, decodeTimeline, decodeTree, gunzip } from '../../src/viewer/data.js';
import { fit, formatBytes, formatCount, formatPercent, shortName, visible } from '../../src/viewer/names.js';
import { formatHash, parseHash, VIEWS } from '../../src/viewer/state.js';
import { BottomUp, functionTotals, matchFunctions, nodeOfHash, parseQuery, pathHash, TopDown, totalsOf } from '../../src/viewer/tree.js';

export function blockOf(file) {
	const [, size, base64] = /id="hs-data" data-size="(\d+)">([^<]*)</.exec(readFileSync(file, 'utf8'));
	const block = gunzipSync(Buffer.from(base64, 'base64'));
	assert.equal(block.length, Number(size));
	return new Uint8Array(block);
}

function open(file) {
	const report = decodeReport(blockOf(file));
	return { report, tree: decodeTree(report.trees[0], report.frames.n) };
}

// "alpha" -> its function
function find(report, name) {
	for (let i = 0; i < report.functions.n; i++)
		if (report.names[report.functions.name[i]] === name)
			return i;
	throw new Error(`no function ${name}`);
}

function path(report, tree, node) {
	return new TopDown(tree, report.frames.fn, []).stack(node).reverse()
		.map(f => report.names[report.functions.name[report.frames.fn[f]]]).join(' ');
}

function searchTotal(file, query, figure) {
	const { report, tree } = open(file);
	const mask = matchFunctions(report, parseQuery(query).test);
	const down = new TopDown(tree, report.frames.fn, totalsOf(tree, figure)).matched(mask, 0);
	const up = new BottomUp(tree, report.frames.fn, tree.figures[figure]).matched(mask, 0);
	assert.equal(down, up, 'both directions find the same');
	return down;
}

// Decode all there is; only a Damaged error is allowed.
function survives(block) {
	try {
		const report = decodeReport(block);
		for (const t of report.trees) {
			const tree = decodeTree(t, report.frames.n);
			for (let i = 0; i < tree.n; i++)
				assert(tree.parent[i] < i && tree.end[i] > i && tree.end[i] <= tree.n);
			for (let i = 1; i < tree.n; i++)
				assert(tree.frame[i] < report.frames.n);
			for (const site of tree.site)
				assert(site < tree.n);
		}
		report.times.forEach(decodeTimeline);
		for (let i = 0; i < report.functions.n; i++)
			assert(report.functions.name[i] < report.names.length);
		return true;
	} catch (e) {
		assert(e instanceof Damaged, `not the decoder's own error: ${e.stack}`);
		return false;
	}
}

export function dataTests(dir) {
	const known = `${dir}/known.html`;
	return [
		['a tree is decoded as it was told', () => {
			const { report, tree } = open(known);
			const paths = [...Array(tree.n).keys()].map(i => path(report, tree, i));
			assert.deepEqual(paths, ['', 'main', 'main alpha', 'main alpha beta', 'main alpha beta alpha', 'main gamma', 'main gamma beta']);
			assert.deepEqual([...tree.end], [7, 7, 5, 5, 5, 7, 7]);
		}],
		['the sums of all figures are those added up by hand', () => {
			const { tree } = open(known);
			assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(f => totalsOf(tree, f)[0]), [3900, 57, 4100, 7, 9000, 119, 92]);
			assert.deepEqual([...totalsOf(tree, 0)], [3900, 3900, 3400, 3000, 3000, 500, 0]);
		}],
		['a search counts each byte once, in both directions', () => {
			assert.equal(searchTotal(known, 'alpha', 0), 3400);
			assert.equal(searchTotal(known, 'beta', 4), 7000);
			assert.equal(searchTotal(known, 'BETA', 4), 7000);
			assert.equal(searchTotal(known, '/^(alpha|gamma)$/', 0), 3900);
			assert.equal(searchTotal(known, '/Alpha/', 0), 0);
			assert.equal(searchTotal(known, '/Alpha/i', 0), 3400);
			assert.equal(searchTotal(known, 'libknown', 4), 3000);
			assert.equal(searchTotal(known, 'nothing of that name', 0), 0);
		}],
		['a bad expression is a sentence', () => {
			assert.match(parseQuery('/(/').error, /regular expression/);
			assert.match(parseQuery('x'.repeat(201)).error, /200/);
		}],
		['an expression that takes for ever is given up', () => {
			const functions = { n: 1000, name: new Int32Array(1000), file: new Int32Array(1000), module: new Int32Array(1000) };
			const report = { functions, names: ['x'], files: ['x'], modules: ['x', ''] };
			assert.equal(matchFunctions(report, () => false, -1), null);
			assert.equal(matchFunctions(report, () => false).length, 1000);
		}],
		['functions have their own and total amounts, recursion once', () => {
			const { report, tree } = open(known);
			const { self, all } = functionTotals(tree, report.frames.fn, totalsOf(tree, 0), report.functions.n);
			const row = name => [self[find(report, name)], all[find(report, name)]];
			assert.deepEqual(row('main'), [0, 3900]);
			assert.deepEqual(row('alpha'), [3400, 3400]);
			assert.deepEqual(row('beta'), [0, 3000]);
			assert.deepEqual(row('gamma'), [500, 500]);
		}],
		['bottom-up, callees come first and sums are the same', () => {
			const { report, tree } = open(known);
			const up = new BottomUp(tree, report.frames.fn, tree.figures[4]);
			const name = i => report.names[report.functions.name[up.fn(i)]];
			const level = i => Object.fromEntries(up.children(i).map(c => [name(c), up.total(c)]));
			assert.equal(up.total(0), 9000);
			assert.deepEqual(level(0), { alpha: 6000, beta: 2000, gamma: 1000 });
			const alpha = up.children(0).find(c => name(c) === 'alpha');
			assert.deepEqual(level(alpha), { main: 1000, beta: 5000 });
		}],
		['the hash of a path finds its node again, and no other', () => {
			const { report, tree } = open(`${dir}/server.html`);
			for (let i = 1; i < tree.n; i++)
				assert.equal(nodeOfHash(report, tree, pathHash(report, tree, i)), i);
			assert.equal(nodeOfHash(report, tree, '0123456789abcdef'), 0);
		}],
		['any changed byte decodes or is called damage', () => {
			for (const file of [known, `${dir}/server.html`]) {
				const block = blockOf(file);
				for (let at = 0; at < block.length; at++) {
					for (const value of [0, 1, 127, 128, 255, block[at] ^ 1, block[at] + 1]) {
						const copy = block.slice();
						copy[at] = value;
						survives(copy);
					}
				}
			}
		}],
		['every cut is called damage', () => {
			const block = blockOf(known);
			for (let n = 0; n < block.length; n++)
				assert.equal(survives(block.slice(0, n)), false, `cut at ${n}`);
		}],
		['a size that does not fit is called damage', async () => {
			const block = blockOf(known);
			const packed = gzipSync(block);
			assert.deepEqual(await gunzip(packed, block.length), block);
			for (const size of [0, 4, block.length - 1, block.length + 1, 2 ** 40, NaN])
				await assert.rejects(gunzip(packed, size), Damaged);
			await assert.rejects(gunzip(packed.subarray(0, 50), block.length), Damaged);
			assert.throws(() => bytesOfBase64('no base64!'), Damaged);
		}],
		['amounts are written as the C side writes them', () => {
			assert.deepEqual([0, 999, 1000, 1536, 10240, 1048576, 33554432, 2 ** 40].map(formatBytes),
				['0 B', '999 B', '0.98 KiB', '1.50 KiB', '10.0 KiB', '1.00 MiB', '32.0 MiB', '1.00 TiB']);
			assert.equal(formatCount(1204113), '1,204,113');
			assert.deepEqual([formatPercent(1, 2), formatPercent(1, 1e6), formatPercent(0, 0)], ['50.0 %', '< 0.1 %', '0 %']);
		}],
		['C++ names lose arguments, not meaning', () => {
			const cases = {
				main: 'main',
				'std::vector<int, std::allocator<int> >::push_back(int const&)': 'std::vector<…>::push_back',
				'(anonymous namespace)::f(char)': '(anon)::f',
				'operator new(unsigned long)': 'operator new',
				'ns::T::operator()(int) const': 'ns::T::operator()',
				'std::operator<< <char>(std::ostream&)': 'std::operator<< <…>',
				'f(int)::{lambda(int)#1}::operator()(int) const': 'f::{lambda#1}::operator()',
				'bool a::operator< (int)': 'a::operator<',
				'void (anonymous namespace)::g<int*>(int)': '(anon)::g<…>',
				'std::node<a const>* std::find<int*>(int)': 'std::find<…>',
				'decltype(auto) visit<a, b>(int)': 'visit<…>',
				'f(int) [clone .cold]': 'f [clone .cold]',
				'<alloc::vec::Vec<core::Node> as Drop>::drop': '<alloc::vec::Vec<…> as Drop>::drop', 'x::Vec<T>::f()': 'x::Vec<T>::f',
				'unbalanced<': 'unbalanced<',
			};
			for (const [long, short] of Object.entries(cases))
				assert.equal(shortName(long), short, long);
			assert.equal(fit('json::Parser::parse_object', 12), 'parse_object');
			assert.equal(fit('json::Parser::parse_object', 22), 'Parser::parse_object');
			assert.equal(fit('abcdefghijkl', 7).length, 7);
			assert.equal(visible('\u202egnirts\u0000'), '\\u202egnirts\\u0000');
		}],
		['the address restores a state and ignores nonsense', () => {
			const ids = ['a.1', 'b.2'];
			const state = { ...parseHash('', ids), process: 1, view: 'live', unit: 'blocks', query: 'a&b=c #', tab: 'table', direction: 'up' };
			assert.deepEqual(parseHash(formatHash(state, ids), ids), state);
			const odd = parseHash('#view=evil&unit=&root=zz&process=nobody&tab=%00&__proto__=x', ids);
			assert.deepEqual(odd, parseHash('', ids));
			assert.equal(VIEWS.length, 4);
		}],
	];
}
