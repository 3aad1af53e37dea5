// SPDX-License-Identifier: MIT
// Making elements.  Text goes in as text: nothing here parses markup.

export function el(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (name.startsWith('on'))
			e.addEventListener(name.slice(2), value);
		else if (value === true)
			e.setAttribute(name, '');
		else if (value !== false && value !== null && value !== undefined)
			e.setAttribute(name, value);
	}
	e.append(...children.filter(c => c !== null && c !== undefined && c !== false));
	return e;
}

export function svg(tag, attributes = {}, ...children) {
	const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes))
		e.setAttribute(name, value);
	e.append(...children);
	return e;
}

// One of several: buttons that behave as radio buttons.
export function choice(label, options, onchoose) {
	const buttons = options.map(([value, text, title]) =>
		el('button', { type: 'button', 'data-value': value, title, 'aria-pressed': 'false', onclick: () => onchoose(value) }, text));
	const group = el('div', { class: 'choice', role: 'group', 'aria-label': label }, ...buttons);
	return {
		group,
		show(value) {
			for (const b of buttons)
				b.setAttribute('aria-pressed', String(b.dataset.value === value));
		},
	};
}

export async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// From file:// some browsers allow only the old way.
		const area = el('textarea', { class: 'offscreen' });
		area.value = text;
		document.body.append(area);
		area.select();
		const done = document.execCommand('copy');
		area.remove();
		return done;
	}
}

export function copyButton(label, text) {
	const button = el('button', {
		type: 'button', class: 'quiet', onclick: async () => {
			button.textContent = await copyText(text()) ? 'Copied' : 'Cannot copy here';
			setTimeout(() => {
				button.textContent = label;
			}, 1500);
		},
	}, label);
	return button;
}
