// SPDX-License-Identifier: MIT
// What is known of the selected frame: figures in every view, its whole stack.
import { FOLDED } from './data.js';
import { copyButton, el } from './dom.js';
import { formatBytes, formatCount, formatPercent, visible } from './names.js';
import { VIEWS } from './state.js';
import { sumBetween } from './tree.js';

const LARGEST_STACK = 400; // frames shown
const LARGEST_LIST = 40; // hidden frames offered

// "Objects/call.c:299 · python3.11"; the module only where it is not that of
// BESIDE, if given.
export function placeOf(report, frame, beside = -1) {
	const { functions, files, modules, frames } = report;
	const fn = frames.fn[frame];
	const file = visible(files[functions.file[fn]]);
	const line = frames.line[frame];
	const parts = [];
	if (file)
		parts.push(line && fn !== FOLDED ? `${file}:${line}` : file);
	const same = beside >= 0 && functions.module[frames.fn[beside]] === functions.module[fn];
	if (modules[2 * functions.module[fn]] && !same)
		parts.push(visible(modules[2 * functions.module[fn]]));
	return parts.join(' · ');
}

export function nameOf(report, frame) {
	const fn = report.frames.fn[frame];
	if (fn === FOLDED)
		return `+${formatCount(report.frames.line[frame])} left out`;
	return visible(report.names[report.functions.name[fn]]);
}

export function amountText(value, unit, noun) {
	if (unit === 'bytes')
		return formatBytes(value);
	return `${formatCount(value)} ${value === 1 ? noun.replace(/s$/, '') : noun}`;
}

export function stackText(report, stack) {
	return stack.map((frame, i) => `#${i} ${nameOf(report, frame)}  ${placeOf(report, frame)}`.trimEnd()).join('\n') + '\n';
}

export class Details {
	constructor(report) {
		this.report = report;
		this.panel = el('section', { class: 'details', 'data-hs': 'details', 'aria-label': 'Selected frame' });
		this.clear();
	}

	clear() {
		this.panel.replaceChildren(el('h2', {}, 'Selection'),
			el('p', { class: 'none' }, 'Click a frame to zoom into it, or walk with the arrow keys. Its figures and its whole stack appear here.'));
	}

	// What of the tree the node stands for, per view; null where unknown.
	figures(tree, node) {
		const rows = [];
		for (const view of VIEWS) {
			const bytes = view.bytes < 0 ? null : sumBetween(tree, view.bytes, node, tree.end[node]);
			const blocks = sumBetween(tree, view.blocks, node, tree.end[node]);
			if (bytes === null && blocks === null)
				continue;
			const whole = view.bytes < 0 ? sumBetween(tree, view.blocks, 0, tree.n) : sumBetween(tree, view.bytes, 0, tree.n);
			rows.push(el('tr', {}, el('th', { scope: 'row' }, view.label),
				el('td', {}, bytes === null ? '' : formatBytes(bytes)),
				el('td', {}, blocks === null ? '' : formatCount(blocks)),
				el('td', {}, formatPercent(bytes === null ? blocks : bytes, whole))));
		}
		return el('table', { class: 'figures' },
			el('thead', {}, el('tr', {}, ...['', 'Bytes', 'Blocks', 'Share'].map(t => el('th', { scope: 'col' }, t)))),
			el('tbody', {}, ...rows));
	}

	// NODE is a node of TREE, or -1 where the source is bottom-up.
	show(source, id, tree, node, current) {
		const { report } = this;
		const stack = source.stack(id);
		const title = id === source.root ? 'Everything' : nameOf(report, source.frame(id));
		const place = id === source.root ? '' : placeOf(report, source.frame(id));
		const shown = stack.slice(0, LARGEST_STACK);
		this.panel.replaceChildren(
			el('h2', { class: 'name' }, title),
			place ? el('p', { class: 'where' }, place) : '',
			el('p', { class: 'current' }, current),
			node >= 0 ? this.figures(tree, node) : '',
			stack.length ? el('div', { class: 'stackhead' }, el('h3', {}, node >= 0 ? 'Stack, innermost first' : 'Callers, outermost last'),
				copyButton('Copy', () => `${title}\n${current}\n${stackText(report, stack)}`)) : '',
			el('ol', { class: 'stack' }, ...shown.map((frame, i) => el('li', {},
				el('code', {}, nameOf(report, frame)), ' ', el('span', { class: 'where' }, placeOf(report, frame, i ? shown[i - 1] : -1))))),
			stack.length > shown.length ? el('p', { class: 'none' }, `and ${stack.length - shown.length} more callers`) : '');
	}

	// A hatched block: its largest frames, each a way in.
	showHidden(source, hidden, amount, zoom) {
		const largest = [...hidden].sort((a, b) => source.total(b) - source.total(a)).slice(0, LARGEST_LIST);
		const sum = hidden.reduce((s, id) => s + source.total(id), 0);
		this.panel.replaceChildren(
			el('h2', { class: 'name' }, `+${formatCount(hidden.length)} more`),
			el('p', { class: 'current' }, `${amount(sum)} in frames too narrow to draw`),
			el('ol', { class: 'stack' }, ...largest.map(id => el('li', {}, el('button', { type: 'button', class: 'link', onclick: () => zoom(id) },
				nameOf(this.report, source.frame(id))), ' ', el('span', { class: 'where' }, amount(source.total(id)))))),
			hidden.length > largest.length ? el('p', { class: 'none' }, `and ${formatCount(hidden.length - largest.length)} smaller ones`) : '');
	}
}
