// SPDX-License-Identifier: MIT
// What the keys do, and the dialog that says so.
import { copyButton, el } from './dom.js';

const KEYS = [
	['/', 'search; Enter goes to the largest match'], ['n N', 'next match, the one before'], ['arrows', 'walk: down to the largest callee, up to the caller, left and right among siblings'],
	['Enter', 'zoom into the selected frame'], ['Escape', 'leave the search, then zoom out'], ['Home', 'zoom out all the way'],
	['1 2 3 4', 'peak, live at end, allocated, temporary'], ['b', 'bytes or blocks'], ['i', 'top-down or bottom-up'],
	['f t s', 'flame graph, table of functions, summary'], ['?', 'this help'],
];

export function helpDialog() {
	const help = el('dialog', { 'data-hs': 'help', 'aria-label': 'Keys' }, el('h2', {}, 'Keys'),
		el('dl', {}, ...KEYS.flatMap(([key, what]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, what)])),
		el('p', { class: 'where' }, 'Width is memory, not time. Colours are modules, tints their source files; grey is the C and C++ runtime. Hatched blocks are frames too narrow to draw.'),
		copyButton('Copy link to this view', () => location.href), ' ',
		el('button', { type: 'button', onclick: () => help.close() }, 'Close'));
	help.addEventListener('click', e => {
		if (e.target === help)
			help.close();
	});
	return help;
}

// The typing in FIELD ends by Enter or Escape.
function leaveField(app, field, key) {
	const search = field === app.search;
	if (key === 'Enter' && search) {
		field.blur();
		app.nextMatch(1);
		return true;
	}
	if (key !== 'Escape')
		return false;
	if (search && field.value)
		app.change({ query: '' }, true);
	field.blur();
	return true;
}

function zoomKey(app, e) {
	const { flame } = app;
	if (e.key === 'Enter') {
		// A focused button or summary acts for itself.
		if (e.target.closest && e.target.closest('button, summary, a') || !flame.selected || flame.selected.hidden)
			return false;
		app.zoomTo(flame.selected.id, true);
	} else if (e.key === 'Home') {
		app.back = [];
		app.zoomTo(0, false);
	} else if (app.state.query) {
		app.change({ query: '' }, true);
	} else if (app.root) {
		app.zoomOut();
	}
	return true;
}

const OTHER = { f: { tab: 'flame' }, t: { tab: 'table' }, s: { tab: 'summary' } };

function letterKey(app, key) {
	if (key === '/') {
		app.search.focus();
		app.search.select();
	} else if (key === '?') {
		app.help.showModal();
	} else if (key === 'n' || key === 'N') {
		return app.nextMatch(key === 'n' ? 1 : -1);
	} else if (/^[1-4]$/.test(key)) {
		return app.pickView(Number(key) - 1);
	} else if (key === 'b') {
		app.change({ unit: app.unit === 'bytes' ? 'blocks' : 'bytes' });
	} else if (key === 'i') {
		app.change({ direction: app.state.direction === 'up' ? 'down' : 'up', root: '' });
	} else if (Object.hasOwn(OTHER, key)) {
		app.change(OTHER[key]);
	} else {
		return false;
	}
	return true;
}

// Returns whether the key was one of ours.
export function actOnKey(app, e) {
	if (e.ctrlKey || e.metaKey || e.altKey || app.help.open)
		return false;
	const field = e.target.closest && e.target.closest('input, select, textarea');
	if (field)
		return leaveField(app, field, e.key);
	if (e.key.startsWith('Arrow'))
		return app.state.tab === 'flame' && app.flame.move(e.key);
	if (['Enter', 'Escape', 'Home'].includes(e.key))
		return zoomKey(app, e);
	return letterKey(app, e.key);
}
