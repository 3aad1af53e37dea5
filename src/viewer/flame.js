// SPDX-License-Identifier: MIT
// The flame graph: one canvas of the size of its window, laid out once for each
// change and drawn row by row.  Subtrees too narrow to see are not visited;
// together they are a hatched block at the end of their siblings.
import { COLORS, colorOf } from './colors.js';
import { el } from './dom.js';
import { fit } from './names.js';

export const ROW = 20;
const NARROWEST = 0.6; // pixels
const FONT = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

function hiddenLabel(n, room) {
	return [`+${n} more`, `+${n}`].find(text => text.length <= room) || '';
}

export class Flame {
	// CALLBACKS: label(fn), matches(fn), onhover(hit), onselect(hit), onzoom(id)
	constructor(colors, callbacks) {
		Object.assign(this, callbacks);
		this.colors = colors;
		this.canvas = el('canvas', { 'aria-hidden': 'true' });
		this.spacer = el('div', { class: 'spacer' }, this.canvas);
		this.host = el('div', {
			class: 'graph', 'data-hs': 'graph', tabindex: '0', role: 'img', 'aria-label': 'Flame graph',
		}, this.spacer);
		this.rows = [];
		this.source = null;
		this.zoom = 0;
		this.selected = null; // {id} or {id, hidden: [ids]}
		this.hovered = null;
		this.focus = null; // ids on the way to a finding: the others fade
		this.order = 'size';
		this.searching = false;
		this.pending = 0;
		this.host.addEventListener('scroll', () => this.redraw());
		this.canvas.addEventListener('mousemove', e => this.hover(this.hit(e)));
		this.canvas.addEventListener('mouseleave', () => this.hover(null));
		this.canvas.addEventListener('click', e => this.click(this.hit(e)));
		new ResizeObserver(() => this.layout()).observe(this.host);
	}

	show(source, zoom) {
		this.source = source;
		this.zoom = zoom;
		this.selected = null;
		this.hovered = null;
		this.focus = null;
		this.host.scrollTop = 0;
		this.layout();
	}

	// Children that can be seen, in order; and those that cannot, together.
	arrange(id, scale) {
		const { source } = this;
		const wide = [];
		const hidden = [];
		let rest = 0;
		for (const c of source.children(id)) {
			this.visited++;
			if (source.total(c) * scale >= NARROWEST) {
				wide.push(c);
			} else {
				hidden.push(c);
				rest += source.total(c);
			}
		}
		if (this.order === 'size')
			wide.sort((a, b) => source.total(b) - source.total(a) || a - b);
		return { wide, hidden, rest };
	}

	layout() {
		const width = this.host.clientWidth;
		if (!this.source || !(width > 0))
			return;
		const { source } = this;
		const whole = source.total(this.zoom);
		const scale = whole > 0 ? width / whole : 0;
		this.rows = [];
		this.visited = 1;
		const open = [[this.zoom, 0, 0]];
		while (open.length) {
			const [id, x, row] = open.pop();
			const width_ = source.total(id) * scale;
			this.put(row, { id, x, width: width_, hidden: null });
			const { wide, hidden, rest } = this.arrange(id, scale);
			let at = x;
			for (const c of wide) {
				open.push([c, at, row + 1]);
				at += source.total(c) * scale;
			}
			if (rest * scale >= 1)
				this.put(row + 1, { id, x: at, width: rest * scale, hidden, rest });
		}
		for (const row of this.rows)
			row.sort((a, b) => a.x - b.x);
		this.spacer.style.height = `${this.rows.length * ROW + 2}px`;
		this.host.style.setProperty('--content', `${this.rows.length * ROW + 2}px`);
		this.redraw();
	}

	put(row, box) {
		while (this.rows.length <= row)
			this.rows.push([]);
		this.rows[row].push(box);
	}

	redraw() {
		if (!this.pending)
			this.pending = requestAnimationFrame(() => {
				this.pending = 0;
				this.draw();
			});
	}

	draw() {
		const { canvas, host } = this;
		const ratio = window.devicePixelRatio || 1;
		const width = host.clientWidth;
		const height = host.clientHeight;
		if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(height * ratio);
			canvas.style.width = `${width}px`;
			canvas.style.height = `${height}px`;
		}
		const g = canvas.getContext('2d');
		g.setTransform(ratio, 0, 0, ratio, 0, 0);
		g.clearRect(0, 0, width, height);
		g.font = FONT;
		g.textBaseline = 'middle';
		this.charWidth = this.charWidth || g.measureText('0'.repeat(50)).width / 50;
		const top = host.scrollTop;
		let drawn = 0;
		for (let r = Math.floor(top / ROW); r < this.rows.length && r * ROW - top < height; r++) {
			for (const box of this.rows[r]) {
				this.drawBox(g, box, r * ROW - top);
				drawn++;
			}
		}
		g.globalAlpha = 1;
		host.dataset.visited = this.visited;
		host.dataset.drawn = drawn;
	}

	drawBox(g, box, y) {
		const c = COLORS[this.colors.theme];
		const fn = this.source.fn(box.id);
		const match = this.searching && !box.hidden && box.id !== 0 && this.matches(fn);
		const gap = box.width > 3 ? 1 : 0;
		const width = Math.max(box.width - gap, 0.5);
		const faded = this.searching ? !match : this.focus && (box.hidden || !this.focus(box.id));
		g.globalAlpha = faded ? c.dim : 1;
		if (box.hidden) {
			this.hatch(g, box.x, y, width);
		} else {
			g.fillStyle = match ? c.match : box.id === 0 ? c.root : colorOf(this.colors.hue[fn], this.colors.theme, this.colors.tint[fn]);
			g.fillRect(box.x, y, width, ROW - 1);
		}
		this.drawLabel(g, box, y, width, match ? c.matchText : c.text, fn);
		if (this.selected && this.selected.id === box.id && !this.selected.hidden === !box.hidden) {
			g.globalAlpha = 1;
			g.strokeStyle = c.select;
			g.lineWidth = 2;
			g.strokeRect(box.x + 1, y + 1, Math.max(width - 2, 1), ROW - 3);
		} else if (this.hovered && this.hovered.id === box.id && !this.hovered.hidden === !box.hidden) {
			g.globalAlpha = 1;
			g.strokeStyle = c.text;
			g.lineWidth = 1;
			g.strokeRect(box.x + 0.5, y + 0.5, Math.max(width - 1, 1), ROW - 2);
		}
	}

	drawLabel(g, box, y, width, color, fn) {
		const room = Math.floor((width - 8) / this.charWidth);
		if (room < 3)
			return;
		const text = box.hidden ? hiddenLabel(box.hidden.length, room) : this.label(fn);
		g.fillStyle = color;
		if (g.globalAlpha < 1)
			g.globalAlpha = 0.7;
		g.fillText(fit(text, room), box.x + 4, y + ROW / 2, width - 5);
	}

	hatch(g, x, y, width) {
		const c = COLORS[this.colors.theme];
		g.fillStyle = c.hatchBack;
		g.fillRect(x, y, width, ROW - 1);
		g.save();
		g.beginPath();
		g.rect(x, y, width, ROW - 1);
		g.clip();
		g.strokeStyle = c.hatch;
		g.globalAlpha *= 0.55;
		g.lineWidth = 1;
		g.beginPath();
		for (let at = x - ROW; at < x + width; at += 6) {
			g.moveTo(at, y + ROW);
			g.lineTo(at + ROW, y);
		}
		g.stroke();
		g.restore();
	}

	hit(event) {
		const box = this.canvas.getBoundingClientRect();
		const x = event.clientX - box.left;
		const row = this.rows[Math.floor((event.clientY - box.top + this.host.scrollTop) / ROW)];
		return row ? row.find(b => x >= b.x && x < b.x + Math.max(b.width, 1)) || null : null;
	}

	hover(hit) {
		if (hit === this.hovered)
			return;
		this.hovered = hit;
		this.canvas.classList.toggle('over', Boolean(hit));
		this.onhover(hit);
		this.redraw();
	}

	click(hit) {
		if (!hit)
			return;
		this.select(hit);
		if (!hit.hidden)
			this.onzoom(hit.id);
	}

	select(hit, focus = null) {
		this.selected = hit;
		this.focus = focus;
		this.onselect(hit);
		this.redraw();
	}

	// Scroll so that node ID can be seen, if it is laid out at all.
	reveal(id) {
		const r = this.rows.findIndex(row => row.some(b => b.id === id && !b.hidden));
		if (r < 0)
			return;
		const { host } = this;
		if (r * ROW < host.scrollTop)
			host.scrollTop = r * ROW;
		else if ((r + 1) * ROW > host.scrollTop + host.clientHeight)
			host.scrollTop = (r + 1) * ROW - host.clientHeight;
	}

	// Arrow keys; returns false where there is nothing in that direction.
	move(key) {
		const { source } = this;
		if (!this.selected) {
			this.select({ id: this.zoom, hidden: null });
			return true;
		}
		const id = this.selected.id;
		let to = -1;
		if (key === 'ArrowDown') {
			to = this.arrange(id, Infinity).wide[0] ?? -1;
		} else if (id === this.zoom) {
			return false;
		} else if (key === 'ArrowUp') {
			to = source.parent(id);
		} else {
			const kin = this.arrange(source.parent(id), Infinity).wide;
			to = kin[kin.indexOf(id) + (key === 'ArrowRight' ? 1 : -1)] ?? -1;
		}
		if (to < 0)
			return false;
		this.select({ id: to, hidden: null });
		this.reveal(to);
		return true;
	}
}
