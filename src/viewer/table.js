// SPDX-License-Identifier: MIT
// The table of functions: own and total amounts, sortable, cut to what a person
// scrolls through.
import { FOLDED } from './data.js';
import { el } from './dom.js';
import { formatPercent, shortName, visible } from './names.js';

const STEP = 200; // rows shown at first and added by the button

export class FunctionTable {
	// onpick(fn): search for that function
	constructor(report, onpick) {
		this.report = report;
		this.onpick = onpick;
		this.sort = 'self';
		this.reverse = false;
		this.rows = [];
		this.limit = STEP;
		this.body = el('tbody');
		this.heads = [['self', 'Own'], ['selfShare', ''], ['all', 'With callees'], ['allShare', ''], ['name', 'Function'], ['place', 'Where']]
			.map(([key, text]) => el('th', { scope: 'col', class: key, 'aria-sort': 'none' },
				text ? el('button', { type: 'button', class: 'link', onclick: () => this.sortBy(key) }, text) : ''));
		this.more = el('button', {
			type: 'button', onclick: () => {
				this.limit += STEP * 5;
				this.render();
			},
		}, 'Show more');
		this.caption = el('caption', {});
		this.panel = el('div', { class: 'functions' }, el('div', { class: 'wide' },
			el('table', {}, this.caption, el('thead', {}, el('tr', {}, ...this.heads)), this.body)), this.more);
	}

	// AMOUNT(value) is the text of an amount; MASK, if there, says what to keep.
	show({ self, all }, whole, amount, mask) {
		const { functions, names, files, modules } = this.report;
		this.whole = whole;
		this.amount = amount;
		this.rows = [];
		for (let fn = FOLDED + 1; fn < functions.n; fn++) {
			if (!(all[fn] > 0) || mask && !mask[fn])
				continue;
			this.rows.push({
				fn, self: self[fn], all: all[fn], name: names[functions.name[fn]],
				place: [files[functions.file[fn]], modules[2 * functions.module[fn]]].filter(Boolean).join(' · '),
			});
		}
		this.limit = STEP;
		this.render();
	}

	sortBy(key) {
		this.reverse = this.sort === key && !this.reverse;
		this.sort = key;
		this.render();
	}

	render() {
		const { sort, rows } = this;
		const text = sort === 'name' || sort === 'place';
		const order = (a, b) => (text ? (a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : 0) : b[sort] - a[sort]) || b.all - a.all || a.fn - b.fn;
		rows.sort(this.reverse ? (a, b) => order(b, a) : order);
		for (const head of this.heads)
			head.setAttribute('aria-sort', !head.classList.contains(sort) ? 'none' : text !== this.reverse ? 'ascending' : 'descending');
		this.body.replaceChildren(...rows.slice(0, this.limit).map(r => this.row(r)));
		this.caption.textContent = rows.length === 1 ? '1 function' : `${rows.length} functions`;
		this.more.hidden = rows.length <= this.limit;
	}

	row(r) {
		const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
		bar.style.width = `${Math.max(0, Math.min(100, r.self / this.whole * 100))}%`;
		return el('tr', {},
			el('td', { class: 'number' }, this.amount(r.self)),
			el('td', { class: 'number share' }, bar, formatPercent(r.self, this.whole)),
			el('td', { class: 'number' }, this.amount(r.all)),
			el('td', { class: 'number share' }, formatPercent(r.all, this.whole)),
			el('td', {}, el('button', { type: 'button', class: 'link name', title: visible(r.name), onclick: () => this.onpick(r.fn) }, visible(shortName(r.name)))),
			el('td', { class: 'where', title: visible(r.place) }, visible(r.place)));
	}
}
