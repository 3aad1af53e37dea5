// SPDX-License-Identifier: MIT
// What is shown, in one place; the address carries it, so a link restores it.

export const VIEWS = [
	{ id: 'peak', label: 'Peak', bytes: 0, blocks: 1, noun: 'blocks' },
	{ id: 'live', label: 'Live at end', bytes: 2, blocks: 3, noun: 'blocks' },
	{ id: 'allocated', label: 'Allocated', bytes: 4, blocks: 5, noun: 'allocations' },
	{ id: 'temporary', label: 'Temporary', bytes: -1, blocks: 6, noun: 'temporary allocations' },
];

export const DEFAULTS = {
	process: 0, view: '', unit: 'bytes', tab: 'flame', direction: 'down', order: 'size', query: '', root: '',
};

const ALLOWED = {
	view: ['', ...VIEWS.map(v => v.id)],
	unit: ['bytes', 'blocks'],
	tab: ['flame', 'table', 'summary'],
	direction: ['down', 'up'],
	order: ['size', 'name'],
};

// "#v=1&view=live&q=x" -> a state; what does not fit is ignored.  MAIN is the
// process to show if none is named.
export function parseHash(hash, processIds, main = 0) {
	const state = { ...DEFAULTS, process: main };
	const given = new URLSearchParams(hash.replace(/^#/, ''));
	for (const [key, values] of Object.entries(ALLOWED))
		if (values.includes(given.get(key)))
			state[key] = given.get(key);
	state.query = (given.get('q') || '').slice(0, 200);
	if (/^[0-9a-f]{16}$/.test(given.get('root') || ''))
		state.root = given.get('root');
	const process = processIds.indexOf(given.get('process'));
	if (process >= 0)
		state.process = process;
	return state;
}

export function formatHash(state, processIds, main = 0) {
	const out = new URLSearchParams();
	out.set('v', '1');
	if (state.process !== main)
		out.set('process', processIds[state.process]);
	for (const key of Object.keys(ALLOWED))
		if (state[key] !== DEFAULTS[key])
			out.set(key, state[key]);
	if (state.query)
		out.set('q', state.query);
	if (state.root)
		out.set('root', state.root);
	return '#' + out.toString();
}
