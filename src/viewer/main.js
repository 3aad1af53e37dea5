// SPDX-License-Identifier: MIT
// Puts the page together: reads the data, builds the controls around the markup
// that is there already, and keeps all parts at the same state.
import { Colors } from './colors.js';
import { bytesOfBase64, decodeReport, decodeTimeline, decodeTree, FOLDED, gunzip } from './data.js';
import { Details, amountText, nameOf, placeOf } from './details.js';
import { choice, el } from './dom.js';
import { Flame } from './flame.js';
import { actOnKey, helpDialog } from './keys.js';
import { formatBytes, formatCount, formatPercent, shortName, visible } from './names.js';
import { DEFAULTS, VIEWS, formatHash, parseHash } from './state.js';
import { markProcess, wireFindings } from './suspects.js';
import { FunctionTable } from './table.js';
import { Theme } from './theme.js';
import { Timeline } from './timeline.js';
import { BottomUp, TopDown, functionTotals, matchFunctions, matchedNodes, nodeOfHash, parseQuery, pathHash, sumOf, totalsOf } from './tree.js';

const FOCUS_WIDTH = 90; // pixels that a finding shall have at least

class App {
	constructor(report) {
		this.report = report;
		this.processIds = report.meta.processes.map(p => p.id);
		this.bySize = [...this.processIds.keys()].sort((a, b) => (report.meta.processes[b].bytes || 0) - (report.meta.processes[a].bytes || 0) || a - b);
		this.state = parseHash(location.hash, this.processIds, this.bySize[0]);
		this.trees = []; // decoded when first shown
		this.back = []; // zooms to return to by Escape
		this.mask = null; // functions that match the search
		this.labels = [];
		this.root = 0;
		this.build();
		wireFindings(document, (...a) => this.openFinding(...a));
		this.theme.apply();
		this.showProcess();
		addEventListener('popstate', () => this.restore());
		addEventListener('keydown', e => {
			if (actOnKey(this, e))
				e.preventDefault();
		});
	}

	// --- building ---

	build() {
		this.colors = new Colors(this.report);
		this.flame = new Flame(this.colors, {
			label: fn => this.label(fn), matches: fn => Boolean(this.mask && this.mask[fn]),
			onhover: hit => this.describe(hit || this.flame.selected), onselect: hit => this.select(hit), onzoom: id => this.zoomTo(id, true),
		});
		this.details = new Details(this.report);
		this.timeline = new Timeline();
		this.table = new FunctionTable(this.report, fn => this.findFunction(fn));
		this.status = el('p', { class: 'status' });
		this.live = el('p', { class: 'offscreen', 'aria-live': 'polite' });
		this.crumbs = el('nav', { class: 'crumbs', 'aria-label': 'Zoom' });
		this.total = el('output', { class: 'total', 'data-hs': 'total' });
		this.cards = el('div', { class: 'cards', role: 'group', 'aria-label': 'View' });
		const graph = el('section', { class: 'panel flame' },
			el('div', { class: 'bar' }, this.crumbs, this.total), this.flame.host, this.status, this.colors.legend);
		const summary = el('section', { class: 'panel summary' }, ...['hs-cores', 'hs-processes', 'hs-hotspots'].map(id => document.getElementById(id)));
		this.panels = { flame: graph, table: el('section', { class: 'panel table' }, this.table.panel), summary };
		document.getElementById('hs-header').append(this.headTools());
		document.getElementById('hs-main').append(...this.notes(),
			el('aside', {}, document.getElementById('hs-suspects'), this.details.panel),
			el('div', { class: 'work' }, this.cards, this.timeline.panel, this.tools(), ...Object.values(this.panels)), this.live);
		this.help = helpDialog();
		document.body.append(this.help);
		document.documentElement.classList.add('app');
	}

	notes() {
		const list = document.getElementById('hs-doubts');
		const n = list.children.length;
		if (n === 0)
			return [];
		return [el('details', { class: 'notes' }, el('summary', {}, n === 1 ? '1 note on this recording' : `${n} notes on this recording`), list)];
	}

	headTools() {
		const ids = this.bySize.map(i => {
			const { id, bytes } = this.report.meta.processes[i];
			return el('option', { value: String(i) }, `${visible(id)}   ${formatBytes(bytes || 0)}`);
		});
		this.chooser = el('select', { 'aria-label': 'Process', onchange: () => this.change({ process: Number(this.chooser.value), root: '' }) }, ...ids);
		this.theme = new Theme(theme => {
			this.colors.setTheme(theme);
			this.flame.draw();
		});
		return el('div', { class: 'headtools' }, ids.length > 1 ? this.chooser : null, this.theme.button,
			el('button', { type: 'button', 'aria-label': 'Help', title: 'Keys (?)', onclick: () => this.help.showModal() }, '?'));
	}

	tools() {
		this.tabs = choice('Panel', [['flame', 'Flame graph'], ['table', 'Functions'], ['summary', 'Summary']], tab => this.change({ tab }));
		this.directions = choice('Direction', [['down', 'Top-down', 'Callers above what they call (i)'], ['up', 'Bottom-up', 'What allocates above its callers (i)']],
			direction => this.change({ direction, root: '' }));
		this.units = choice('Unit', [['bytes', 'Bytes'], ['blocks', 'Blocks']], unit => this.change({ unit }));
		this.order = el('select', { 'aria-label': 'Order of frames', onchange: () => this.change({ order: this.order.value }) },
			el('option', { value: 'size' }, 'Largest first'), el('option', { value: 'name' }, 'By name'));
		this.search = el('input', {
			type: 'search', 'data-hs': 'search', placeholder: 'Search   /', 'aria-label': 'Search functions, files and modules; /text/ is a regular expression',
			spellcheck: 'false', autocomplete: 'off', oninput: () => this.change({ query: this.search.value }, true),
		});
		this.found = el('output', { class: 'found', 'data-hs': 'search-total', 'data-bytes': '0' });
		return el('div', { class: 'tools' }, this.tabs.group, this.units.group, this.directions.group, this.order,
			el('div', { class: 'search' }, this.search, this.found));
	}

	// --- state ---

	change(what, replace = false) {
		Object.assign(this.state, what);
		// Browsers refuse to write the address at every key of a fast typist.
		clearTimeout(this.saving);
		if (replace)
			this.saving = setTimeout(() => this.save('replaceState'), 300);
		else
			this.save('pushState');
		this.apply(what);
	}

	save(how) {
		history[how](null, '', formatHash(this.state, this.processIds, this.bySize[0]));
	}

	restore() {
		this.state = parseHash(location.hash, this.processIds, this.bySize[0]);
		this.showProcess();
	}

	apply(what) {
		if ('process' in what)
			this.showProcess();
		else if ('view' in what || 'unit' in what || 'direction' in what)
			this.showTree();
		else if ('query' in what)
			this.showSearch();
		else
			this.showPanels();
	}

	showProcess() {
		const { report, state } = this;
		const i = state.process;
		this.trees[i] = this.trees[i] || decodeTree(report.trees[i], report.frames.n);
		this.tree = this.trees[i];
		this.chooser.value = String(i);
		this.sums = VIEWS.map(v => ({ bytes: this.whole(v.bytes), blocks: this.whole(v.blocks) }));
		this.colors.rank(this.tree);
		this.timeline.show(decodeTimeline(report.times[i]), report.meta.processes[i]);
		markProcess(document, i);
		this.back = [];
		this.showTree();
	}

	whole(figure) {
		const values = figure < 0 ? null : this.tree.figures[figure];
		return values ? sumOf(values) : null;
	}

	// The view asked for, or the first one with anything in it.
	view() {
		const full = i => this.sums[i].bytes > 0 || this.sums[i].blocks > 0;
		const wanted = VIEWS.findIndex(v => v.id === this.state.view);
		if (wanted >= 0 && full(wanted))
			return wanted;
		return Math.max(0, VIEWS.findIndex((v, i) => full(i)));
	}

	showTree() {
		const { tree, state, report } = this;
		this.current = this.view();
		const view = VIEWS[this.current];
		this.unit = state.unit === 'bytes' && this.sums[this.current].bytes > 0 || !(this.sums[this.current].blocks > 0) ? 'bytes' : 'blocks';
		this.figure = Math.max(0, this.unit === 'bytes' ? view.bytes : view.blocks);
		this.totals = totalsOf(tree, this.figure);
		this.source = state.direction === 'up' ? new BottomUp(tree, report.frames.fn, tree.figures[this.figure]) : new TopDown(tree, report.frames.fn, this.totals);
		this.root = 0;
		if (state.root && state.direction === 'down')
			this.root = nodeOfHash(report, tree, state.root);
		if (!(this.source.total(this.root) > 0))
			this.root = 0;
		this.functionSums = null;
		this.showCards();
		this.details.clear();
		this.flame.order = state.order;
		this.flame.show(this.source, this.root);
		this.showSearch();
	}

	pickView(i) {
		if (!(this.sums[i].bytes > 0 || this.sums[i].blocks > 0))
			return false;
		this.change({ view: VIEWS[i].id });
		return true;
	}

	showCards() {
		this.cards.replaceChildren(...VIEWS.map((view, i) => {
			const { bytes, blocks } = this.sums[i];
			if (bytes === null && blocks === null)
				return null;
			const some = bytes > 0 || blocks > 0;
			const main = bytes === null ? formatCount(blocks) : formatBytes(bytes);
			const all = this.sums[2].blocks;
			const below = bytes === null ? (all > 0 ? `${formatPercent(blocks, all)} of allocations` : 'allocations')
				: blocks > 0 ? amountText(blocks, 'blocks', view.noun) : '';
			return el('button', {
				type: 'button', class: 'card', 'data-view': view.id, 'aria-pressed': String(i === this.current), disabled: !some, title: this.explain(view.id),
				onclick: () => this.change({ view: view.id }),
			}, el('span', { class: 'label' }, view.label), el('b', {}, main), el('small', {}, below));
		}).filter(Boolean));
	}

	explain(view) {
		return {
			peak: 'What was allocated when the heap was largest',
			live: 'What was still allocated at the end',
			allocated: 'All that was ever allocated, freed or not',
			temporary: 'Freed before the same thread allocated anything else',
		}[view];
	}

	// --- panels ---

	showPanels() {
		const { state } = this;
		// A core without a recording: its summary is all there is.
		const empty = !this.sums.some(s => s.bytes > 0 || s.blocks > 0);
		const tab = empty ? 'summary' : state.tab;
		this.tabs.show(tab);
		this.tabs.group.parentElement.hidden = this.cards.hidden = empty;
		document.documentElement.classList.toggle('nofigures', empty);
		this.units.show(this.unit);
		this.directions.show(state.direction);
		this.order.value = state.order;
		for (const [name, panel] of Object.entries(this.panels))
			panel.hidden = name !== tab;
		for (const group of [this.directions.group, this.order])
			group.hidden = tab !== 'flame';
		this.units.group.hidden = tab === 'summary' || this.sums[this.current].bytes === null || !(this.sums[this.current].blocks > 0);
		if (this.flame.order !== state.order) {
			this.flame.order = state.order;
			this.flame.layout();
		}
		if (tab === 'table')
			this.showTable();
		this.showTotal();
		this.flame.redraw();
	}

	showTable() {
		this.functionSums = this.functionSums || functionTotals(this.tree, this.report.frames.fn, this.totals, this.report.functions.n);
		this.table.show(this.functionSums, this.totals[0], v => this.amount(v), this.mask);
	}

	amount(v) {
		return this.unit === 'bytes' ? formatBytes(v) : formatCount(v);
	}

	amountLong(v) {
		return amountText(v, this.unit, VIEWS[this.current].noun);
	}

	showTotal() {
		const v = this.source.total(this.root);
		this.total.textContent = this.root ? `${this.amountLong(v)}, ${formatPercent(v, this.source.total(0))}` : this.amountLong(v);
		const bytes = this.bytesOf(this.root);
		this.setNumber(this.total, 'bytes', bytes);
		this.setNumber(this.total, 'blocks', this.unit === 'blocks' ? v : null);
		this.flame.host.setAttribute('aria-label', `Flame graph, ${VIEWS[this.current].label}, ${this.total.textContent}`);
		this.showCrumbs();
	}

	setNumber(element, key, value) {
		if (value === null)
			delete element.dataset[key];
		else
			element.dataset[key] = String(value);
	}

	// Bytes of the current view below a node; null where only counts are known.
	bytesOf(id) {
		if (this.unit === 'bytes')
			return this.source.total(id);
		const figure = VIEWS[this.current].bytes;
		const values = figure < 0 ? null : this.tree.figures[figure];
		if (!values)
			return null;
		if (this.state.direction === 'up')
			return id ? null : this.sums[this.current].bytes;
		return totalsOf(this.tree, figure)[id];
	}

	showCrumbs() {
		const { source } = this;
		const path = [];
		for (let id = this.root; id > 0; id = source.parent(id))
			path.push(id);
		path.push(0);
		path.reverse();
		const crumb = id => el('button', { type: 'button', class: 'link', onclick: () => this.zoomTo(id, true) }, id ? shortName(nameOf(this.report, source.frame(id))) : this.rootName());
		const gap = () => el('span', { class: 'sep', 'aria-hidden': 'true' }, '›');
		const shown = path.length > 6 ? [path[0], -1, ...path.slice(-4)] : path;
		this.crumbs.replaceChildren(...shown.flatMap((id, i) => [i ? gap() : '', id < 0 ? el('span', { class: 'sep' }, '…') : crumb(id)]));
	}

	rootName() {
		return visible(this.report.meta.processes[this.state.process].name || 'all');
	}

	// --- names and colours ---

	label(fn) {
		if (fn === 0)
			return this.rootName();
		if (fn === FOLDED)
			return 'left out';
		if (this.labels[fn] === undefined)
			this.labels[fn] = visible(shortName(this.report.names[this.report.functions.name[fn]].slice(0, 1000)));
		return this.labels[fn];
	}

	// --- zoom, selection, search ---

	zoomTo(id, remember) {
		if (id === this.root)
			return;
		if (remember)
			this.back.push(this.root);
		this.root = id;
		this.flame.zoom = id;
		this.flame.host.scrollTop = 0;
		this.flame.layout();
		this.change({ root: id && this.state.direction === 'down' ? pathHash(this.report, this.tree, id) : '' });
		this.countMatches();
		this.showTotal();
	}

	// Back to where the zoom came from, at least until more is seen.
	zoomOut() {
		const before = this.source.total(this.root);
		let id = 0;
		while (this.back.length) {
			id = this.back.pop();
			if (this.source.total(id) > before || id === 0)
				break;
		}
		const from = this.root;
		this.zoomTo(id, false);
		this.flame.select({ id: from, hidden: null });
		this.flame.reveal(from);
	}

	text(id) {
		const v = this.source.total(id);
		return `${this.amountLong(v)}, ${formatPercent(v, this.source.total(0))}`;
	}

	describe(hit) {
		if (!hit) {
			this.status.textContent = '';
			return;
		}
		if (hit.hidden) {
			const sum = hit.hidden.reduce((s, id) => s + this.source.total(id), 0);
			this.status.textContent = `+${formatCount(hit.hidden.length)} more, ${this.amountLong(sum)}`;
			return;
		}
		const { id } = hit;
		const place = id ? placeOf(this.report, this.source.frame(id)) : '';
		this.status.replaceChildren(el('b', {}, id ? nameOf(this.report, this.source.frame(id)) : this.rootName()), ` ${this.text(id)}`,
			place ? el('span', { class: 'where' }, ` ${place}`) : '');
		if (!this.flame.selected)
			this.details.show(this.source, id, this.tree, this.nodeOf(id), this.text(id));
	}

	nodeOf(id) {
		return this.state.direction === 'down' ? id : -1;
	}

	select(hit) {
		if (hit.hidden) {
			this.details.showHidden(this.source, hit.hidden, v => this.amountLong(v), id => this.zoomTo(id, true));
		} else {
			this.details.show(this.source, hit.id, this.tree, this.nodeOf(hit.id), this.text(hit.id));
			this.live.textContent = `${this.label(this.source.fn(hit.id))}, ${this.text(hit.id)}`;
		}
		this.describe(hit);
	}

	showSearch() {
		const { query } = this.state;
		if (this.search.value !== query)
			this.search.value = query;
		this.mask = null;
		this.hits = null;
		this.hit = -1;
		let error = '';
		if (query.trim()) {
			const parsed = parseQuery(query.trim());
			error = parsed.error || '';
			this.mask = error ? null : matchFunctions(this.report, parsed.test);
			if (!error && !this.mask)
				error = 'The expression takes too long.';
		}
		this.flame.searching = Boolean(this.mask);
		this.search.setAttribute('aria-invalid', String(Boolean(error)));
		this.countMatches(error);
		this.showPanels();
	}

	countMatches(error = '') {
		const sum = this.mask ? this.source.matched(this.mask, this.root) : 0;
		this.found.textContent = error || (this.mask ? `${formatPercent(sum, this.source.total(this.root))}, ${this.amount(sum)}` : '');
		this.found.dataset.bytes = this.unit === 'bytes' ? String(sum) : String(this.matchedBytes());
	}

	// Go to the matches one after another, the largest first.
	nextMatch(step) {
		if (!this.mask || this.state.direction === 'up' || this.state.tab !== 'flame')
			return false;
		if (!this.hits)
			this.hits = matchedNodes(this.tree, this.report.frames.fn, this.totals, this.mask, 0);
		if (!this.hits.length)
			return false;
		this.hit = (this.hit + step + this.hits.length) % this.hits.length;
		this.focusOn(this.hits[this.hit]);
		this.live.textContent = `Match ${this.hit + 1} of ${this.hits.length}: ${this.live.textContent}`;
		return true;
	}

	// The bytes of what matches while blocks are shown.
	matchedBytes() {
		const figure = VIEWS[this.current].bytes;
		if (!this.mask || figure < 0 || this.state.direction === 'up')
			return 0;
		return new TopDown(this.tree, this.report.frames.fn, totalsOf(this.tree, figure)).matched(this.mask, this.root);
	}

	findFunction(fn) {
		this.change({ tab: 'flame', query: this.report.names[this.report.functions.name[fn]].slice(0, 200) });
	}

	openFinding(process, view, unit, find) {
		if (!(process >= 0 && process < this.report.trees.length))
			return;
		const other = process !== this.state.process;
		this.change({ ...DEFAULTS, order: this.state.order, process, view, unit });
		if (!other)
			this.showTree();
		const node = find(this.tree);
		if (!(this.source.total(node) > 0))
			return;
		this.focusOn(node);
		if (this.panels.flame.getBoundingClientRect().top > innerHeight * 0.8)
			this.panels.flame.scrollIntoView({ block: 'start' });
	}

	// Show NODE with its surroundings, unless it is too narrow to be seen there.
	focusOn(node) {
		const { tree, source } = this;
		const enough = this.flame.host.clientWidth / FOCUS_WIDTH;
		let top = node;
		while (top > 0 && source.total(tree.parent[top]) <= source.total(node) * enough)
			top = tree.parent[top];
		this.zoomTo(top, true);
		const above = new Set();
		for (let n = node; n >= 0; n = tree.parent[n])
			above.add(n);
		this.flame.select({ id: node, hidden: null }, id => above.has(id) || id > node && id < tree.end[node]);
		this.flame.reveal(node);
	}
}

// Without the data the summary below still stands; say so and leave it alone.
function complain(title, why) {
	document.documentElement.classList.remove('app');
	document.documentElement.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
	document.getElementById('hs-main').prepend(el('div', { class: 'damage', role: 'alert', 'data-hs': 'damage' },
		el('h2', {}, title), el('p', {}, why)));
}

async function start() {
	const data = document.getElementById('hs-data');
	if (typeof DecompressionStream === 'undefined') {
		complain('This browser is too old for the graphs',
			'The summary below is complete; graphs need Chrome 80, Firefox 113, Safari 16.4 or newer.');
		return;
	}
	try {
		const packed = bytesOfBase64(data.textContent.trim());
		const block = await gunzip(packed, Number(data.dataset.size));
		const report = decodeReport(block);
		if (report.trees.length)
			new App(report);
	} catch (e) {
		complain('Damaged report', `The graphs cannot be shown: ${e.message}. The summary below is part of the page itself. Make the report again with “heapsnap analyze”.`);
	}
}

start();
