// SPDX-License-Identifier: MIT
// Sums, searches and the two directions of a decoded call tree.  No DOM.
import { FOLDED } from './data.js';

export function sumOf(values) {
	let sum = 0;
	for (let i = 0; i < values.length; i++)
		sum += values[i];
	return sum;
}

// The sum of FIGURE over each node's subtree.
export function totalsOf(tree, figure) {
	const total = new Float64Array(tree.n);
	const values = tree.figures[figure];
	if (!values)
		return total;
	for (let k = 0; k < values.length; k++)
		total[tree.site[k]] = values[k];
	for (let i = tree.n - 1; i > 0; i--)
		total[tree.parent[i]] += total[i];
	return total;
}

// First index k with site[k] >= NODE.
function siteFrom(tree, node) {
	let low = 0;
	let high = tree.site.length;
	while (low < high) {
		const middle = low + high >> 1;
		if (tree.site[middle] < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// FIGURE summed over the nodes [FROM, TO) in preorder; null if it is unknown.
export function sumBetween(tree, figure, from, to) {
	const values = tree.figures[figure];
	if (!values)
		return null;
	let sum = 0;
	for (let k = siteFrom(tree, from); k < values.length && tree.site[k] < to; k++)
		sum += values[k];
	return sum;
}

// What to look for: plain text in any case, or /an expression/.
export function parseQuery(query) {
	if (query.length > 200)
		return { error: 'The search is limited to 200 characters.' };
	const expression = /^\/(.+)\/(i?)$/.exec(query);
	if (!expression) {
		const wanted = query.toLowerCase();
		return { test: text => text.toLowerCase().includes(wanted) };
	}
	try {
		const re = new RegExp(expression[1], expression[2]);
		return { test: text => re.test(text) };
	} catch (e) {
		return { error: `Not a regular expression: ${e.message}` };
	}
}

// Which functions match; stops with null when PATIENCE milliseconds are over,
// since an expression may take for ever.
export function matchFunctions(report, test, patience = 3000) {
	const { functions, names, files, modules } = report;
	const until = Date.now() + patience;
	const cache = new Map();
	const matches = text => {
		let m = cache.get(text);
		if (m === undefined)
			cache.set(text, m = test(text));
		return m;
	};
	const mask = new Uint8Array(functions.n);
	for (let i = FOLDED + 1; i < functions.n; i++) {
		if (i % 64 === 0 && Date.now() > until)
			return null;
		mask[i] = test(names[functions.name[i]]) || matches(files[functions.file[i]])
			|| matches(modules[2 * functions.module[i]]) ? 1 : 0;
	}
	return mask;
}

// Sum of what lies at or below matching nodes, each byte once.
export function matchedTotal(tree, fnOf, total, mask, root) {
	let sum = 0;
	for (let i = root; i < tree.end[root];) {
		const match = i > 0 && mask[fnOf[tree.frame[i]]];
		sum += match ? total[i] : 0;
		i = match ? tree.end[i] : i + 1;
	}
	return sum;
}

// The outermost matching nodes at or below ROOT, the largest first.
export function matchedNodes(tree, fnOf, total, mask, root) {
	const list = [];
	for (let i = root; i < tree.end[root];) {
		const match = i > 0 && mask[fnOf[tree.frame[i]]];
		if (match && total[i] > 0)
			list.push(i);
		i = match ? tree.end[i] : i + 1;
	}
	return list.sort((a, b) => total[b] - total[a] || a - b);
}

// Self and total of each function; recursion counts once.
export function functionTotals(tree, fnOf, total, nFunctions) {
	const all = new Float64Array(nFunctions);
	const self = new Float64Array(nFunctions);
	const open = new Int32Array(nFunctions); // activations on the way to the root
	const path = [];
	for (let i = 1; i < tree.n; i++) {
		while (path.length && tree.end[path[path.length - 1]] <= i)
			open[fnOf[tree.frame[path.pop()]]]--;
		const fn = fnOf[tree.frame[i]];
		if (open[fn]++ === 0)
			all[fn] += total[i];
		path.push(i);
		self[fn] += total[i];
		if (tree.parent[i] > 0)
			self[fnOf[tree.frame[tree.parent[i]]]] -= total[i];
	}
	return { self, all };
}

// Callers above callees: ids are the tree's own nodes.
export class TopDown {
	constructor(tree, fnOf, total) {
		Object.assign(this, { tree, fnOf, totals: total, root: 0 });
	}

	total(i) {
		return this.totals[i];
	}

	fn(i) {
		return i ? this.fnOf[this.tree.frame[i]] : 0;
	}

	frame(i) {
		return this.tree.frame[i];
	}

	parent(i) {
		return this.tree.parent[i];
	}

	// Those with anything to show, in the order of the file (by name).
	children(i) {
		const { tree, totals } = this;
		const list = [];
		for (let c = i + 1; c < tree.end[i]; c = tree.end[c])
			if (totals[c] > 0)
				list.push(c);
		return list;
	}

	// Frames from node I to the outermost call.
	stack(i) {
		const list = [];
		for (let n = i; n > 0; n = this.tree.parent[n])
			list.push(this.tree.frame[n]);
		return list;
	}

	matched(mask, i) {
		return matchedTotal(this.tree, this.fnOf, this.totals, mask, i);
	}
}

// Allocating functions first, their callers below.  Eagerly this is eight times
// the tree; so nodes are made when they are looked at: each holds the sites it
// stands for, as (cursor: where the walk to the root has come, weight).
export class BottomUp {
	constructor(tree, fnOf, values) {
		Object.assign(this, { tree, fnOf, root: 0 });
		const cursors = [];
		const weights = [];
		let sum = 0;
		for (let k = 0; values && k < values.length; k++) {
			if (values[k] > 0) {
				cursors.push(tree.site[k]);
				weights.push(values[k]);
				sum += values[k];
			}
		}
		this.nodes = [{ fn: 0, frame: 0, parent: -1, sum, cursors, weights, kids: null }];
	}

	total(i) {
		return this.nodes[i].sum;
	}

	fn(i) {
		return this.nodes[i].fn;
	}

	frame(i) {
		return this.nodes[i].frame;
	}

	parent(i) {
		return this.nodes[i].parent;
	}

	children(i) {
		const node = this.nodes[i];
		if (node.kids)
			return node.kids;
		const groups = new Map();
		for (let k = 0; k < node.cursors.length; k++) {
			// At the root the cursor is the allocating node itself.
			const c = i === 0 ? node.cursors[k] : this.tree.parent[node.cursors[k]];
			if (c <= 0)
				continue;
			const frame = this.tree.frame[c];
			const fn = this.fnOf[frame];
			let group = groups.get(fn);
			if (!group)
				groups.set(fn, group = { fn, frame, parent: i, sum: 0, cursors: [], weights: [], kids: null });
			group.sum += node.weights[k];
			group.cursors.push(c);
			group.weights.push(node.weights[k]);
		}
		const sorted = [...groups.values()].sort((a, b) => a.fn - b.fn);
		node.kids = sorted.map(group => this.nodes.push(group) - 1);
		return node.kids;
	}

	// From the allocating function to node I.
	stack(i) {
		const list = [];
		for (let n = i; n > 0; n = this.nodes[n].parent)
			list.push(this.nodes[n].frame);
		return list.reverse();
	}

	matched(mask, i) {
		if (mask[this.nodes[i].fn])
			return this.nodes[i].sum;
		const { tree, fnOf } = this;
		const seen = new Int8Array(tree.n); // 1: a match at or above, 2: none
		seen[0] = 2;
		const { cursors, weights } = this.nodes[i];
		let sum = 0;
		for (let k = 0; k < cursors.length; k++) {
			let c = cursors[k];
			while (!seen[c] && !mask[fnOf[tree.frame[c]]])
				c = tree.parent[c];
			const verdict = seen[c] || 1;
			for (let n = cursors[k]; n !== c; n = tree.parent[n])
				seen[n] = verdict;
			seen[c] = verdict;
			if (verdict === 1)
				sum += weights[k];
		}
		return sum;
	}
}

// --- paths that survive a new report: hashes over function and module names ---

function hashText(h, text) {
	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
	return h;
}

function mix(h, k) {
	h = Math.imul(h ^ k, 0x85ebca6b);
	return h ^ h >>> 13;
}

const hashes = new WeakMap(); // by report: computed once

function functionHashes(report) {
	if (hashes.has(report))
		return hashes.get(report);
	const { functions, names, modules } = report;
	const hash = new Int32Array(functions.n);
	for (let i = 0; i < functions.n; i++)
		hash[i] = hashText(hashText(0x811c9dc5, names[functions.name[i]]), '\0' + modules[2 * functions.module[i]]);
	hashes.set(report, hash);
	return hash;
}

function hex(a, b) {
	return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
}

// The name of node I: 16 hexadecimal digits.
export function pathHash(report, tree, i) {
	const path = [];
	for (let n = i; n > 0; n = tree.parent[n])
		path.push(n);
	const hash = functionHashes(report);
	let a = 1;
	let b = 2;
	while (path.length) {
		const h = hash[report.frames.fn[tree.frame[path.pop()]]];
		a = mix(a, h);
		b = mix(b, Math.imul(h, 0x9e3779b1));
	}
	return hex(a, b);
}

// The node of that name, or 0.
export function nodeOfHash(report, tree, wanted) {
	const hash = functionHashes(report);
	const a = new Int32Array(tree.n);
	const b = new Int32Array(tree.n);
	a[0] = 1;
	b[0] = 2;
	const wantedA = parseInt(wanted.slice(0, 8), 16) | 0;
	const wantedB = parseInt(wanted.slice(8), 16) | 0;
	for (let i = 1; i < tree.n; i++) {
		const h = hash[report.frames.fn[tree.frame[i]]];
		a[i] = mix(a[tree.parent[i]], h);
		b[i] = mix(b[tree.parent[i]], Math.imul(h, 0x9e3779b1));
		if (a[i] === wantedA && b[i] === wantedB)
			return i;
	}
	return 0;
}
