// SPDX-License-Identifier: MIT
// How numbers and names are written for people.  No DOM.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

// 1536 -> "1.50 KiB"; as the C side writes it.
export function formatBytes(bytes) {
	let v = bytes;
	let unit = 0;
	while (v >= 999.5 && unit + 1 < UNITS.length) {
		v /= 1024;
		unit++;
	}
	if (unit === 0)
		return `${bytes} B`;
	return `${v.toFixed(v < 9.995 ? 2 : v < 99.95 ? 1 : 0)} ${UNITS[unit]}`;
}

// 1204113 -> "1,204,113"
export function formatCount(n) {
	return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function formatPercent(part, whole) {
	if (!(whole > 0))
		return '0 %';
	const p = part / whole * 100;
	if (p > 0 && p < 0.1)
		return '< 0.1 %';
	return `${p.toFixed(p < 99.95 ? 1 : 0)} %`;
}

// 2470.5 s -> "41m10s"
export function formatSeconds(s) {
	const two = v => String(Math.floor(v)).padStart(2, '0');
	if (s >= 3600)
		return `${Math.floor(s / 3600)}h${two(s / 60 % 60)}m`;
	if (s >= 60)
		return `${Math.floor(s / 60)}m${two(s % 60)}s`;
	return s >= 10 || s === 0 ? `${s.toFixed(0)} s` : s >= 1 ? `${Number(s.toFixed(1))} s` : `${Number((s * 1000).toFixed(1))} ms`;
}

// Controls and direction overrides would let a name pretend to be another.
export function visible(text) {
	return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
		c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

// Index behind the bracket that closes the one at FROM, or -1.
function closing(name, from, open, close) {
	let depth = 0;
	for (let i = from; i < name.length; i++) {
		if (name[i] === open)
			depth++;
		else if (name[i] === close && --depth === 0)
			return i + 1;
	}
	return -1;
}

// "void std::f" -> "std::f": what stands before the last space outside brackets.
function withoutType(name) {
	const end = name.search(/(^|[^\w$])operator\b/);
	let depth = 0;
	for (let i = (end < 0 ? name.length : end + 1) - 1; i > 0; i--) {
		if ('>)}]'.includes(name[i]))
			depth++;
		else if ('<({['.includes(name[i]))
			depth--;
		else if (name[i] === ' ' && depth === 0 && name[i + 1] !== '[')
			return name.slice(i + 1);
	}
	return name;
}

// void std::vector<int, std::allocator<int> >::assign<int*>(int*, int*)
//   -> std::vector<…>::assign<…>
export function shortName(name) {
	if (name.length > 4096 || !/[<(]/.test(name))
		return name;
	const bare = withoutArguments(name.replace(/^decltype *\(auto\) */, ''));
	return withoutType(bare) || bare;
}

function withoutArguments(name) {
	let out = '';
	for (let i = 0; i < name.length;) {
		const c = name[i];
		const operator = /(^|[^\w$])operator *$/.test(out);
		if (c === '<' && i > 0 && !operator) {
			const after = closing(name, i, '<', '>');
			if (after < 0)
				return name;
			out += after - i > 4 ? '<…>' : name.slice(i, after);
			i = after;
		} else if (c === '(' && name.startsWith('(anonymous namespace)', i)) {
			out += '(anon)';
			i += '(anonymous namespace)'.length;
		} else if (c === '(' && i > 0 && !operator) {
			const after = closing(name, i, '(', ')');
			if (after < 0)
				return out.trim() || name;
			// f(int)::{lambda(int)#1}::g() goes on behind the parameters.
			const rest = name.slice(after).replace(/^( const| volatile| &&?| noexcept)+/, '');
			if (!/^(::|#)/.test(rest))
				return (out + (rest.startsWith(' [') ? rest : '')).trim() || name;
			i = name.length - rest.length;
		} else if (operator && (c === '<' || c === '(')) {
			// operator<, operator<<, operator(): part of the name
			const sign = /^(<<=|<=>|<<|<=|<|\(\))/.exec(name.slice(i));
			out += sign ? sign[0] : c;
			i += sign ? sign[0].length : 1;
		} else {
			out += c;
			i++;
		}
	}
	return out;
}

// Where TEXT's last part begins: behind the last "::" outside brackets.
function lastPart(text) {
	let depth = 0;
	for (let i = text.length - 1; i > 0; i--) {
		if ('>)]}'.includes(text[i]))
			depth++;
		else if ('<([{'.includes(text[i]))
			depth--;
		else if (depth <= 0 && text[i] === ':' && text[i - 1] === ':')
			return i + 1;
	}
	return 0;
}

// At most N characters.  Qualifiers go first, from the left; then the middle,
// since both ends tell most.
export function fit(text, n) {
	if (text.length <= n)
		return text;
	if (n < 3)
		return '';
	const last = text.length < 1000 ? lastPart(text) : 0;
	for (let at = text.indexOf('::') + 2; at > 1 && at <= last; at = text.indexOf('::', at) + 2)
		if (text.length - at <= n)
			return text.slice(at);
	const rest = text.slice(last);
	const tail = Math.floor((n - 1) * 0.5);
	return rest.length <= n ? rest : rest.slice(0, n - 1 - tail) + '…' + rest.slice(rest.length - tail);
}
