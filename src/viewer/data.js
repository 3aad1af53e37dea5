// SPDX-License-Identifier: MIT
// Reading the data block (its layout: formats/html_data.h).  Every length and
// every index is checked here, so that the rest may trust them.  No DOM.

export const VERSION = 1;
export const FIGURES = 7; // peak bytes, peak blocks, live ..., bytes, allocations, temporaries
export const FOLDED = 1; // the function that stands for calls left out
export const RUNTIME = 2; // flag of a function: allocator, libc, container
const LARGEST_BLOCK = 2 ** 30;

export class Damaged extends Error {}

function damaged(what) {
	throw new Damaged(what);
}

export function bytesOfBase64(text) {
	try {
		if (Uint8Array.fromBase64)
			return Uint8Array.fromBase64(text);
		const s = atob(text);
		const bytes = new Uint8Array(s.length);
		for (let i = 0; i < s.length; i++)
			bytes[i] = s.charCodeAt(i);
		return bytes;
	} catch {
		return damaged('the data block is not base64');
	}
}

// Decompress to exactly SIZE bytes; more or fewer mean damage.
export async function gunzip(packed, size) {
	if (!(size >= 4 && size <= LARGEST_BLOCK))
		damaged('the size of the data is missing or absurd');
	const out = new Uint8Array(size);
	let at = 0;
	try {
		const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
		for (const reader = stream.getReader(); ;) {
			const { done, value } = await reader.read();
			if (done)
				break;
			if (at + value.length > size)
				damaged('the data are longer than announced');
			out.set(value, at);
			at += value.length;
		}
	} catch (e) {
		damaged(e instanceof Damaged ? e.message : 'the data do not decompress');
	}
	if (at !== size)
		damaged('the data end too early');
	return out;
}

// A section of the block, read from front to back.
export class Reader {
	constructor(bytes) {
		this.bytes = bytes;
		this.at = 0;
	}

	// N varints, each at most LARGEST, behind SKIP zeros.  Always one type of
	// array: the loop is the heart of loading, and engines make it fast only so.
	column(n, largest, skip = 0) {
		const { bytes } = this;
		const end = bytes.length;
		let at = this.at;
		if (n > end - at)
			damaged('a column is too short');
		const array = new Float64Array(skip + n);
		for (let i = skip; i < skip + n; i++) {
			let v = bytes[at++];
			if (v >= 128) {
				v -= 128;
				let byte = 128;
				for (let scale = 128; byte >= 128; scale *= 128) {
					if (at >= end || scale > 2 ** 49)
						damaged('a number does not end');
					byte = bytes[at++];
					v += (byte & 127) * scale;
				}
			}
			if (!(v <= largest))
				damaged('a number is out of range');
			array[i] = v;
		}
		this.at = at;
		return array;
	}

	// Likewise, for numbers that fit 32 bits.
	ints(n, largest, skip = 0) {
		return new Int32Array(this.column(n, largest, skip));
	}

	number(largest) {
		return this.column(1, largest)[0];
	}

	// A count of items which take at least SIZE bytes each.
	count(size) {
		return this.number(Math.floor((this.bytes.length - this.at) / size));
	}

	finish() {
		if (this.at !== this.bytes.length)
			damaged('a section is longer than its columns');
	}
}

// [{tag, bytes}], in file order.
export function sectionsOf(block) {
	if (block.length < 4 || block[0] !== 0x68 || block[1] !== 0x73 || block[2] !== 0x76)
		damaged('this is not a heapsnap data block');
	if (block[3] !== VERSION)
		damaged(`the data have version ${block[3]}, this page reads ${VERSION}`);
	const view = new DataView(block.buffer, block.byteOffset, block.length);
	const sections = [];
	for (let at = 4; at < block.length;) {
		if (block.length - at < 8)
			damaged('a section has no head');
		const tag = String.fromCharCode(...block.subarray(at, at + 4));
		const size = view.getUint32(at + 4, true);
		if (size > block.length - at - 8)
			damaged(`section ${tag} is cut off`);
		sections.push({ tag, bytes: block.subarray(at + 8, at + 8 + size) });
		at += 8 + size;
	}
	return sections;
}

function strings(bytes) {
	const list = new TextDecoder().decode(bytes).split('\0');
	if (list.pop() !== '')
		damaged('a string does not end');
	return list;
}

function metaOf(bytes) {
	let meta;
	try {
		meta = JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		damaged('the description is not JSON');
	}
	if (typeof meta !== 'object' || meta === null || !Array.isArray(meta.processes))
		damaged('the description names no processes');
	for (const p of meta.processes)
		if (typeof p !== 'object' || p === null || typeof p.name !== 'string' || typeof p.id !== 'string')
			damaged('a process has no name');
	return meta;
}

function functionsOf(bytes, names, files, modules) {
	const r = new Reader(bytes);
	const n = r.count(4);
	const name = r.ints(n, 1);
	for (let i = 1; i < n; i++)
		name[i] += name[i - 1];
	if (n < 2 || name[0] !== 0 || name[n - 1] >= names.length)
		damaged('functions and names do not fit');
	const file = r.ints(n, files.length - 1);
	const module = r.ints(n, modules.length / 2 - 1);
	const flags = r.ints(n, 255);
	r.finish();
	return { n, name, file, module, flags };
}

function framesOf(bytes, nFunctions) {
	const r = new Reader(bytes);
	const n = r.count(2);
	const fn = r.ints(n, nFunctions - 1);
	const line = r.column(n, 2 ** 32);
	r.finish();
	return { n, fn, line };
}

// Trees stay packed until they are shown.
export function decodeReport(block) {
	const sections = sectionsOf(block);
	const one = tag => {
		const found = sections.filter(s => s.tag === tag);
		return found.length === 1 ? found[0].bytes : damaged(`there is no one section ${tag}`);
	};
	const all = tag => sections.filter(s => s.tag === tag).map(s => s.bytes);
	const meta = metaOf(one('META'));
	const names = strings(one('NAMS'));
	const files = strings(one('FILS'));
	const modules = strings(one('MODS'));
	const functions = functionsOf(one('FUNC'), names, files, modules);
	const frames = framesOf(one('FRAM'), functions.n);
	const trees = all('TREE');
	const times = all('TIME');
	if (trees.length !== meta.processes.length || times.length !== trees.length)
		damaged('a process has no tree');
	return { meta, names, files, modules, functions, frames, trees, times };
}

// Nodes in preorder; parent[i] < i < end[i], where end is one past the subtree.
export function decodeTree(bytes, nFrames) {
	const r = new Reader(bytes);
	const n = r.count(1);
	const k = r.number(n);
	const mask = r.number(2 ** FIGURES - 1);
	if (n < 1)
		damaged('a tree has no root');
	const step = r.ints(n - 1, n, 1);
	const frame = r.ints(n - 1, nFrames - 1, 1);
	const parent = new Int32Array(n);
	const above = new Int32Array(n + 1); // the last node at each depth
	parent[0] = -1;
	for (let i = 1, depth = 0; i < n; i++) {
		depth += 1 - step[i];
		if (depth < 1)
			damaged('a node lies above the root');
		parent[i] = above[depth - 1];
		above[depth] = i;
	}
	const end = above.fill(0, 0, n).subarray(0, n);
	for (let i = n - 1; i >= 0; i--) {
		if (end[i] === 0)
			end[i] = i + 1;
		if (i > 0 && end[parent[i]] < end[i])
			end[parent[i]] = end[i];
	}
	const site = r.ints(k, n);
	for (let i = 1; i < k; i++) {
		if (site[i] === 0)
			damaged('a node allocates twice');
		site[i] += site[i - 1];
		if (site[i] >= n)
			damaged('a node that allocates does not exist');
	}
	if (k && site[0] >= n)
		damaged('a node that allocates does not exist');
	const figures = [];
	for (let f = 0; f < FIGURES; f++)
		figures.push(mask & 1 << f
			? r.column(k, Number.MAX_SAFE_INTEGER) : null);
	r.finish();
	return { n, parent, end, frame, site, figures };
}

// Times are microseconds since the process began.
export function decodeTimeline(bytes) {
	const r = new Reader(bytes);
	const n = r.count(5);
	if (n > 10000)
		damaged('a time line has too many points');
	const column = () => r.column(n, Number.MAX_SAFE_INTEGER);
	const time = column();
	for (let i = 1; i < n; i++)
		time[i] += time[i - 1];
	const t = { n, time, heap: column(), blocks: column(), peak: column(), rss: column() };
	r.finish();
	return t;
}
