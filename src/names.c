/* SPDX-License-Identifier: MIT */

/* Function names taken apart. */
#include "src/names.h"

#include <string.h>

const char *hs_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* What hs_function_base() is in the middle of. */
struct name {
	const char *pos;
	char *out;
	size_t n;
	unsigned braces;  /* open '{' */
	bool angle;       /* inside a leading '<', or that of "<lambda" */
	bool is_operator; /* after the word `operator`: spaces belong to the name */
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80);
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static void copy(struct name *p, size_t n)
{
	memmove(p->out + p->n, p->pos, n);
	p->n += n;
	p->pos += n;
}

static bool ends_with(const struct name *p, const char *s)
{
	size_t n = strlen(s);
	return p->n >= n && !memcmp(p->out + p->n - n, s, n);
}

/*
 * The end of the bracket that opens at S: behind its partner, or the end of
 * the string.  Round brackets inside angular ones shield their '>'.
 */
static const char *skip_bracket(const char *s)
{
	unsigned angular = 0, round = 0;
	for (char before = 0; *s; before = *s++) {
		if (*s == '(')
			round++;
		else if (*s == ')' && round)
			round--;
		else if (*s == '<' && !round)
			angular++;
		else if (*s == '>' && !round && angular && before != '-')
			angular--;
		if (!round && !angular)
			return s + 1;
	}
	return s;
}

/* "operator" and its symbol, so that "operator<" opens no template. */
static void read_operator(struct name *p)
{
	static const char *const symbols[] = {
		"()", "[]", "<=>", "<<=", ">>=", "->*", "<<",
		">>", "<=", ">=",  "->",  "<",   ">"};
	copy(p, strlen("operator"));
	p->is_operator = true;
	for (size_t i = 0; i < HS_COUNT(symbols); i++)
		if (starts(p->pos, symbols[i])) {
			copy(p, strlen(symbols[i]));
			return;
		}
}

/* '(' at P: false if it closes the name. */
static bool read_round(struct name *p)
{
	static const char anonymous[] = "(anonymous namespace)";
	if (starts(p->pos, anonymous)) {
		copy(p, sizeof(anonymous) - 1);
		return true;
	}
	/* Go: main.(*T).f */
	if (p->n == 0 || p->out[p->n - 1] == '.') {
		copy(p, 1);
		return true;
	}
	p->pos = skip_bracket(p->pos);
	if (starts(p->pos, " const::"))
		p->pos += strlen(" const");
	/* A local entity follows its function; elsewhere parameters are the end. */
	return p->braces || p->angle || ends_with(p, "decltype") ||
	       starts(p->pos, "::") || starts(p->pos, ")");
}

static void read_angle(struct name *p)
{
	bool names_itself =
		p->n == 0 || starts(p->pos, "<lambda") || starts(p->pos, "<unnamed");
	if (names_itself && !p->angle) {
		p->angle = true;
		copy(p, 1);
		return;
	}
	p->pos = skip_bracket(p->pos);
	/* Rust writes f::<T>. */
	if (ends_with(p, "::") && !starts(p->pos, "::"))
		p->n -= 2;
	else if (ends_with(p, "::"))
		p->pos += 2;
}

/* Does a compiler's suffix begin at this dot? */
static bool is_suffix(const char *s)
{
	static const char *const words[] = {".constprop", ".isra", ".part",    ".cold",
					    ".lto_priv",  ".llvm", ".resolved"};
	for (size_t i = 0; i < HS_COUNT(words); i++)
		if (starts(s, words[i]))
			return true;
	return s[1] >= '0' && s[1] <= '9';
}

/* One step; false at the end of the name. */
static bool step(struct name *p)
{
	char c = *p->pos;
	bool inside = p->braces || p->angle;
	if (!c || c == '@' || starts(p->pos, " [clone"))
		return false;
	if (c == 'o' && starts(p->pos, "operator") && !is_word(p->pos[8]) &&
	    (p->n == 0 || !is_word(p->out[p->n - 1]))) {
		read_operator(p);
	} else if (c == '(') {
		return read_round(p);
	} else if (c == '<') {
		read_angle(p);
	} else if (starts(p->pos, "[abi:")) {
		p->pos += strcspn(p->pos, "]") + (strchr(p->pos, ']') != NULL);
	} else if (c == ' ' && !inside && !p->is_operator) {
		p->n = 0; /* that was a type, or "virtual thunk to" */
		p->pos++;
	} else if (c == '.' && p->n && !inside && is_suffix(p->pos)) {
		return false;
	} else {
		p->braces += c == '{';
		p->braces -= c == '}' && p->braces;
		p->angle = p->angle && c != '>';
		copy(p, 1);
	}
	return true;
}

char *hs_function_base(const char *name)
{
	if (name[0] == '[') /* a remark */
		return hs_xstrdup(name);
	struct name p = {.pos = name, .out = hs_xmalloc(strlen(name) + 1)};
	while (step(&p))
		;
	if (!p.n) {
		free(p.out);
		return hs_xstrdup(name);
	}
	while (p.n > 1 && p.out[p.n - 1] == ' ')
		p.n--;
	p.out[p.n] = '\0';
	return p.out;
}
