// SPDX-License-Identifier: MIT
// Colours mean something: a hue is a module, a tint one of its source files, grey
// the runtime.  Eight hues that stay apart for the colour-blind; text on them has
// a contrast above 4.5 in both themes.
import { FOLDED, RUNTIME } from './data.js';
import { el } from './dom.js';
import { visible } from './names.js';
import { totalsOf } from './tree.js';

export const COLORS = {
	light: {
		modules: ['#a7c9f0', '#f6c58f', '#9cdcc4', '#eedf8f', '#d4bdec', '#f3b4a8', '#a5deef', '#efbcd8'],
		runtime: '#d3d9e1', root: '#e4e8ee', text: '#18202b', dim: 0.28, match: '#ffb000', matchText: '#1b1300',
		hatch: '#8d97a5', hatchBack: '#eef1f5', select: '#0b57d0',
	},
	dark: {
		modules: ['#2e5a8c', '#7d5220', '#1f6a54', '#665e1c', '#5f478a', '#86432f', '#22647f', '#7c3b61'],
		runtime: '#434b57', root: '#353c47', text: '#eef2f7', dim: 0.35, match: '#ffb000', matchText: '#1b1300',
		hatch: '#6d7785', hatchBack: '#242a33', select: '#8ab8ff',
	},
};

// A tint mixes white (above 0) or black into the hue.
const MIXES = { light: [0, 0.2, 0.36, -0.07], dark: [0, -0.16, 0.09, -0.28] };
const TINTS = MIXES.light.length;

function mixed(color, amount) {
	const to = amount > 0 ? 255 : 0;
	const part = Math.abs(amount);
	const channels = [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16));
	return `rgb(${channels.map(c => Math.round(c + (to - c) * part)).join(',')})`;
}

const HUES = COLORS.light.modules.length;
const FILLS = Object.fromEntries(Object.entries(COLORS).map(([theme, c]) =>
	[theme, [c.runtime, ...c.modules].map(color => MIXES[theme].map(amount => mixed(color, amount)))]));

// INDEX of a module's hue, or -1 for the runtime.
export function colorOf(index, theme, tint = 0) {
	const fills = FILLS[theme];
	return fills[index < 0 ? 0 : 1 + index % (fills.length - 1)][tint];
}

export class Colors {
	constructor(report) {
		this.report = report;
		this.legend = el('p', { class: 'legend', 'aria-label': 'Colours' });
		this.theme = 'light';
		this.shown = []; // modules of the legend
		this.hue = new Int16Array(report.functions.n).fill(-1);
		this.tint = this.makeTints();
	}

	// Neighbours of one module differ by tint.
	makeTints() {
		const { functions, files } = this.report;
		const ofFile = files.map(file => {
			let h = 7;
			for (let i = 0; i < file.length; i++)
				h = Math.imul(h, 31) + file.charCodeAt(i) | 0;
			return (h >>> 3) % TINTS;
		});
		return Uint8Array.from(functions.file, file => ofFile[file]);
	}

	// Hues go to the modules that allocate most in TREE, most first.
	rank(tree) {
		const { functions, frames, modules } = this.report;
		const weight = new Float64Array(modules.length / 2);
		const figure = tree.figures.findIndex(f => f && f.some(v => v > 0));
		const share = totalsOf(tree, Math.max(0, figure));
		for (let i = 1; i < tree.n; i++) {
			const fn = frames.fn[tree.frame[i]];
			if (!(functions.flags[fn] & RUNTIME))
				weight[functions.module[fn]] += share[i];
		}
		const ranked = [...weight.keys()].filter(m => weight[m] > 0).sort((a, b) => weight[b] - weight[a] || a - b);
		const index = new Map(ranked.map((m, i) => [m, i % HUES]));
		for (let fn = FOLDED + 1; fn < functions.n; fn++)
			this.hue[fn] = functions.flags[fn] & RUNTIME ? -1 : index.get(functions.module[fn]) ?? -1;
		this.shown = ranked.slice(0, HUES).filter(m => weight[m] > weight[ranked[0]] / 1000);
		this.showLegend();
	}

	setTheme(theme) {
		this.theme = theme;
		this.showLegend();
	}

	showLegend() {
		const swatch = (index, name) => {
			const s = el('span', { class: 'swatch', 'aria-hidden': 'true' });
			s.style.backgroundColor = colorOf(index, this.theme);
			return el('span', { class: 'entry' }, s, name);
		};
		const name = m => visible(this.report.modules[2 * m]).replace(/\.cpython-[\w-]+\.so$/, '.so') || 'no module';
		this.legend.replaceChildren(...this.shown.map((m, i) => swatch(i, name(m))), swatch(-1, 'runtime, allocators'));
	}
}
