// SPDX-License-Identifier: MIT
// Heap and resident memory over time, with the highest point marked.
import { el, svg } from './dom.js';
import { formatBytes, formatCount, formatSeconds } from './names.js';

const HEIGHT = 84;
const LEFT = 58;
const BOTTOM = 18;
const TOP = 8;

const ROUND_SECONDS = [10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

// A round step in seconds such that about N of them make up SPAN.
function niceStep(span, n) {
	const raw = span / n;
	const power = 10 ** Math.floor(Math.log10(raw));
	const decimal = [1, 2, 5, 10].find(m => m * power >= raw) * power;
	return decimal <= 10 ? decimal : ROUND_SECONDS.find(s => s >= raw) || Math.ceil(raw / 86400) * 86400;
}

// Likewise for bytes: 1, 2, 4 ... 512 of a unit.
function niceBytes(span, n) {
	return 2 ** Math.ceil(Math.log2(Math.max(span / n, 1)));
}

export class Timeline {
	constructor() {
		this.caption = el('p', { class: 'caption' });
		this.box = el('div', { class: 'plot' });
		this.panel = el('section', { class: 'timeline', 'data-hs': 'timeline', 'aria-label': 'Memory over time' }, this.box, this.caption);
		this.data = null;
		this.box.addEventListener('mousemove', e => this.point(e.clientX));
		this.box.addEventListener('mouseleave', () => this.rest());
		new ResizeObserver(() => this.draw()).observe(this.box);
	}

	show(data, process) {
		this.data = data;
		this.process = process;
		this.panel.classList.toggle('empty', data.n < 2);
		this.draw();
		this.rest();
	}

	x(time) {
		return LEFT + (this.width - LEFT - 8) * (time / this.last);
	}

	y(bytes) {
		return TOP + (HEIGHT - TOP - BOTTOM) * (1 - bytes / this.top);
	}

	// Between two snapshots the heap may have been higher: its own highest
	// point is drawn in the middle of them.
	path(values) {
		const { data } = this;
		return [...values].map((v, i) => `${i ? 'L' : 'M'}${this.x(data.time[i]).toFixed(1)} ${this.y(v).toFixed(1)}`).join('');
	}

	draw() {
		const { data, box } = this;
		this.width = box.clientWidth;
		if (!data || data.n < 2 || !(this.width > LEFT + 40)) {
			box.replaceChildren();
			return;
		}
		const rss = this.process.rss;
		// The peak may lie behind the last snapshot.
		this.last = Math.max(data.time[data.n - 1], this.process.peak_us || 0, 1);
		this.top = Math.max(1, ...data.heap, ...data.peak, ...(rss ? data.rss : [])) * 1.04;
		const base = this.y(0).toFixed(1);
		const heap = this.path(data.heap);
		this.cursor = svg('line', { class: 'cursor', y1: TOP, y2: base, x1: -9, x2: -9 });
		const chart = svg('svg', { width: this.width, height: HEIGHT, 'aria-hidden': 'true' }, ...this.axes(base),
			svg('path', { class: 'heaparea', d: `${heap}L${this.x(data.time[data.n - 1]).toFixed(1)} ${base}L${this.x(data.time[0]).toFixed(1)} ${base}Z` }),
			svg('path', { class: 'heap', d: heap }),
			...(rss ? [svg('path', { class: 'rss', d: this.path(data.rss) })] : []), ...this.peak(), this.cursor);
		box.replaceChildren(chart);
	}

	axes(base) {
		const parts = [];
		const step = niceBytes(this.top, 3);
		for (let v = 0; v <= this.top; v += step) {
			const y = this.y(v).toFixed(1);
			const text = svg('text', { x: LEFT - 8, y, class: 'ylabel' });
			text.textContent = formatBytes(v);
			parts.push(svg('line', { class: 'grid', x1: LEFT, x2: this.width - 8, y1: y, y2: y }), text);
		}
		const unit = this.process.clock ? 1 : 1e6;
		const last = this.last / unit;
		const tick = niceStep(last, Math.max(2, Math.floor(this.width / 140)));
		for (let t = 0; t <= last * 1.0001; t += tick) {
			const text = svg('text', { x: this.x(t * unit).toFixed(1), y: Number(base) + 13, class: 'xlabel' });
			text.textContent = this.process.clock ? formatCount(t) : formatSeconds(t);
			parts.push(text);
		}
		return parts;
	}

	peak() {
		const { process, data } = this;
		if (!(process.peak_us >= 0))
			return [];
		const x = this.x(process.peak_us).toFixed(1);
		const y = this.y(Math.max(...data.peak, ...data.heap)).toFixed(1);
		return [svg('line', { class: 'peakline', x1: x, x2: x, y1: y, y2: this.y(0).toFixed(1) }),
			svg('circle', { class: 'peak', cx: x, cy: y, r: 3.5 })];
	}

	// Times count microseconds, or what the process's clock is called after.
	moment(time) {
		const { clock } = this.process;
		return clock ? `${formatCount(time)} ${clock}` : formatSeconds(time / 1e6);
	}

	point(clientX) {
		const { data } = this;
		if (!data || data.n < 2 || !this.cursor)
			return;
		const x = clientX - this.box.getBoundingClientRect().left;
		const time = (x - LEFT) / (this.width - LEFT - 8) * this.last;
		let i = data.time.findIndex(t => t >= time);
		if (i < 0)
			i = data.n - 1;
		if (i > 0 && time - data.time[i - 1] < data.time[i] - time)
			i--;
		this.cursor.setAttribute('x1', this.x(data.time[i]));
		this.cursor.setAttribute('x2', this.x(data.time[i]));
		this.say([`${this.moment(data.time[i])}:`, ['heap', `heap ${formatBytes(data.heap[i])}`],
			...(this.process.uncounted ? [] : [`in ${formatCount(data.blocks[i])} blocks`]), ...(this.process.rss ? [['rss', `RSS ${formatBytes(data.rss[i])}`]] : [])]);
	}

	rest() {
		const { data, process } = this;
		if (this.cursor) {
			this.cursor.setAttribute('x1', -9);
			this.cursor.setAttribute('x2', -9);
		}
		if (!data || data.n < 2) {
			this.say(['No time line: the recording holds fewer than two snapshots.']);
			return;
		}
		this.say([['heap', 'heap'], ...(process.rss ? [['rss', 'resident (RSS)']] : []),
			...(process.peak_us >= 0 ? [['peak', `peak after ${this.moment(process.peak_us)}`]] : []), `${formatCount(data.n)} snapshots`]);
	}

	say(parts) {
		this.caption.replaceChildren(...parts.flatMap(p => [typeof p === 'string' ? el('span', {}, p) : el('span', { class: `key ${p[0]}` }, p[1]), ' ']));
	}
}
