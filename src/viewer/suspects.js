// SPDX-License-Identifier: MIT
// The lists that the page brings as markup become ways into the graph.
import { el } from './dom.js';
import { shortName } from './names.js';

// Node of the culprit: `up` callers above the stack's innermost frame.
function culpritNode(tree, item) {
	let node = Number(item.dataset.node);
	if (!(Number.isInteger(node) && node > 0 && node < tree.n))
		return 0;
	for (let up = Number(item.dataset.up); up > 0 && tree.parent[node] > 0; up--)
		node = tree.parent[node];
	return node;
}

const VIEW_OF_LIST = { peak: 'peak', allocated: 'allocated', allocations: 'allocated', temporary: 'temporary' };

// OPEN(process, view, unit, find) shows a node; find(tree) tells which.
export function wireFindings(root, open) {
	for (const item of root.querySelectorAll('li[data-node]')) {
		const by = item.parentElement.dataset.by;
		const view = by ? VIEW_OF_LIST[by] || 'peak' : 'live';
		const unit = by === 'allocations' || by === 'temporary' ? 'blocks' : 'bytes';
		const show = () => {
			for (const other of document.querySelectorAll('li.current'))
				other.classList.remove('current');
			item.classList.add('current');
			open(Number(item.dataset.process), view, unit, tree => culpritNode(tree, item));
		};
		const place = item.querySelector('.place');
		for (const code of item.querySelectorAll('code')) {
			code.title = code.textContent;
			code.textContent = shortName(code.textContent);
		}
		const button = el('button', { type: 'button', class: 'place link', title: 'Show in the flame graph' }, ...place.childNodes);
		place.replaceWith(button);
		item.classList.add('clickable');
		item.addEventListener('click', e => {
			if (!e.target.closest('details, a') && !String(getSelection()))
				show();
		});
	}
}

// Only suspects of the process that is shown are at full strength.
export function markProcess(root, process) {
	for (const item of root.querySelectorAll('li[data-hs-id]'))
		item.classList.toggle('elsewhere', item.dataset.process !== undefined && Number(item.dataset.process) !== process);
}
