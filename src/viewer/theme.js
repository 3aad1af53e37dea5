// SPDX-License-Identifier: MIT
// Light or dark: as the system has it, until the button says otherwise.
import { el } from './dom.js';

const NEXT = { auto: 'light', light: 'dark', dark: 'auto' };
const TEXT = { auto: '◐ Auto', light: '○ Light', dark: '● Dark' };

export class Theme {
	// onchange(theme) with 'light' or 'dark'; paper is always light.
	constructor(onchange) {
		this.onchange = onchange;
		this.chosen = 'auto';
		this.system = matchMedia('(prefers-color-scheme: dark)');
		this.button = el('button', {
			type: 'button', 'data-hs': 'theme', onclick: () => {
				this.chosen = NEXT[this.chosen];
				this.apply();
			},
		});
		this.system.addEventListener('change', () => this.apply());
		addEventListener('beforeprint', () => this.set('light'));
		addEventListener('afterprint', () => this.apply());
	}

	apply() {
		this.button.textContent = TEXT[this.chosen];
		this.button.setAttribute('aria-label', `Theme: ${this.chosen}`);
		this.set(this.chosen === 'auto' ? (this.system.matches ? 'dark' : 'light') : this.chosen);
	}

	set(theme) {
		document.documentElement.dataset.theme = theme;
		this.onchange(theme);
	}
}
