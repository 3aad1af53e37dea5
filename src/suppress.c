/* SPDX-License-Identifier: MIT */

/* Reading suppressions, and finding what they fit. */
#include "src/suppress.h"

#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/findings.h"
#include "src/target.h"
#include "src/units.h"

#define NO_RULE (UINT32_MAX - 1) /* above all rules */

struct hs_suppressions {
	struct hs_arena *arena;
	HS_ARRAY(struct hs_suppression) rules;
	HS_ARRAY(uint8_t *) owned; /* by targets */
	bool has_ids;
};

struct hs_suppressions *hs_suppressions_new(void)
{
	struct hs_suppressions *s = hs_xcalloc(1, sizeof(*s));
	s->arena = hs_arena_new();
	return s;
}

void hs_suppressions_free(struct hs_suppressions *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->owned.n; i++)
		free(s->owned.at[i]);
	hs_array_free(&s->owned);
	hs_array_free(&s->rules);
	hs_arena_free(s->arena);
	free(s);
}

const struct hs_suppression *hs_suppressions_get(const struct hs_suppressions *s,
						 size_t *n_ret)
{
	*n_ret = s->rules.n;
	return s->rules.at;
}

/* -- Reading ----------------------------------------------------------------- */

/* Part of a line. */
struct part {
	const char *at;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct part trim(struct part p)
{
	while (p.n && is_blank(*p.at))
		p.at++, p.n--;
	while (p.n && is_blank(p.at[p.n - 1]))
		p.n--;
	return p;
}

/* Take WORD from the beginning of P. */
static bool take(struct part *p, const char *word)
{
	size_t n = strlen(word);
	if (p->n < n || memcmp(p->at, word, n) != 0)
		return false;
	p->at += n;
	p->n -= n;
	return true;
}

/* Take " max=SIZE" from the end of P.  False: it is there, and SIZE is none. */
static bool take_bound(struct part *p, uint64_t *bytes_ret)
{
	size_t start = p->n;
	*bytes_ret = UINT64_MAX;
	while (start && !is_blank(p->at[start - 1]))
		start--;
	struct part last = {p->at + start, p->n - start};
	if (!start || !take(&last, "max="))
		return true;
	char text[32];
	if (last.n >= sizeof(text))
		return false;
	memcpy(text, last.at, last.n);
	text[last.n] = 0;
	*p = trim((struct part){p->at, start});
	return hs_parse_size(text, bytes_ret);
}

static struct hs_error *add_rule(struct hs_suppressions *s, const char *origin,
				 uint32_t line, enum hs_suppression_kind kind,
				 struct part text)
{
	struct hs_suppression rule = {.kind = kind, .origin = origin, .line = line};
	text = trim(text);
	if (!take_bound(&text, &rule.max_bytes))
		return hs_error("%s:%u: max= wants a size, as in max=64k or max=1MiB",
				origin, line);
	if (!text.n)
		return hs_error("%s:%u: there is no pattern; '*' would fit all there is",
				origin, line);
	rule.pattern = hs_arena_strndup(s->arena, text.at, text.n);
	s->has_ids |= kind == HS_SUPPRESS_ID;
	hs_array_push(&s->rules, rule);
	return NULL;
}

static struct hs_error *parse_line(struct hs_suppressions *s, const char *origin,
				   uint32_t number, struct part line)
{
	line = trim(line);
	bool ours = take(&line, "#heapsnap ");
	if (ours)
		line = trim(line);
	if (!line.n || *line.at == '#')
		return NULL;
	if (take(&line, "leak:"))
		return add_rule(s, origin, number, HS_SUPPRESS_PATTERN, line);
	if (take(&line, "leak-id:"))
		return add_rule(s, origin, number, HS_SUPPRESS_ID, line);
	return hs_error("%s:%u: '%.*s' is no suppression; a line is 'leak:PATTERN', "
			"'leak-id:HS-...' or a comment that begins with '#'",
			origin, number, (int)HS_MIN(line.n, 40u), line.at);
}

struct hs_error *hs_suppressions_parse(struct hs_suppressions *s, const char *origin,
				       const char *text, size_t size)
{
	struct hs_error *err = NULL;
	origin = hs_arena_strndup(s->arena, origin, strlen(origin));
	if (memchr(text, 0, size))
		return hs_error("%s: these are no suppressions: it has bytes that are "
				"no text",
				origin);
	for (uint32_t number = 1; size && !err; number++) {
		const char *end = memchr(text, '\n', size);
		size_t n = end ? (size_t)(end - text) : size;
		err = parse_line(s, origin, number, (struct part){text, n});
		text += n + (end != NULL);
		size -= n + (end != NULL);
	}
	return err;
}

/* -- Matching ----------------------------------------------------------------- */

/* Where the N bytes at PIECE lie in TEXT, or NULL. */
static const char *find(const char *text, const char *piece, size_t n)
{
	return memmem(text, strlen(text), piece, n);
}

/*
 * Pieces between asterisks are looked for from left to right, each as early as can
 * be: where that fails, nothing else succeeds.  Only the last may be bound to the end.
 */
bool hs_suppression_fits(const char *pattern, const char *text)
{
	bool at_start = *pattern == '^', first = true;
	if (!*text)
		return false;
	pattern += at_start;
	size_t length = strlen(pattern);
	bool at_end = length && pattern[length - 1] == '$';
	const char *end = pattern + length - at_end;
	for (;; first = false) {
		const char *stop = memchr(pattern, '*', (size_t)(end - pattern));
		size_t n = (size_t)((stop ? stop : end) - pattern);
		bool bound_before = first && at_start, bound_behind = !stop && at_end;
		size_t left = strlen(text);
		if (n > left || (bound_before && memcmp(text, pattern, n) != 0))
			return false;
		if (bound_before && bound_behind)
			return n == left;
		if (bound_behind)
			return !memcmp(text + left - n, pattern, n);
		const char *found = bound_before ? text : find(text, pattern, n);
		if (!found)
			return false;
		if (!stop)
			return true;
		text = found + n;
		pattern = stop + 1;
	}
}

/* The first rule that fits TEXT; each string of a profile is asked about once. */
struct matcher {
	const struct hs_suppressions *s;
	const struct hs_profile *p;
	uint32_t *of_string; /* rule + 1; 0: not asked yet */
};

static uint32_t rule_of_string(struct matcher *m, hs_str text)
{
	uint32_t *known = &m->of_string[text.i];
	if (*known)
		return *known - 1;
	*known = NO_RULE + 1;
	for (uint32_t i = 0; i < m->s->rules.n; i++) {
		const struct hs_suppression *rule = &m->s->rules.at[i];
		if (rule->kind == HS_SUPPRESS_PATTERN &&
		    hs_suppression_fits(rule->pattern, hs_string(m->p, text))) {
			*known = i + 1;
			return i;
		}
	}
	return NO_RULE;
}

/* Of the frame and of those that it was inlined into. */
static uint32_t rule_of_frame(struct matcher *m, hs_frame frame)
{
	uint32_t rule = NO_RULE;
	for (; frame.i; frame = m->p->frames[frame.i].caller) {
		const struct hs_frame_info *f = &m->p->frames[frame.i];
		rule = HS_MIN(rule, rule_of_string(m, f->function));
		rule = HS_MIN(rule, rule_of_string(m, f->file));
		if (f->module.i)
			rule = HS_MIN(rule,
				      rule_of_string(m, m->p->modules[f->module.i].path));
	}
	return rule;
}

/* For each stack the first rule that fits one of its frames. */
static uint32_t *rules_of_stacks(const struct hs_suppressions *s,
				 const struct hs_profile *p)
{
	struct matcher m = {.s = s, .p = p};
	m.of_string = hs_xcalloc(p->n_strings, sizeof(*m.of_string));
	uint32_t *of_frame = hs_xcalloc(p->n_frames, sizeof(*of_frame));
	uint32_t *rules = hs_xcalloc(p->n_stacks, sizeof(*rules));
	for (uint32_t i = 0; i < p->n_frames; i++)
		of_frame[i] = rule_of_frame(&m, (hs_frame){i});
	rules[0] = NO_RULE;
	for (uint32_t i = 1; i < p->n_stacks; i++) /* parents first */
		rules[i] = HS_MIN(rules[p->stacks[i].parent.i],
				  of_frame[p->stacks[i].frame.i]);
	free(m.of_string);
	free(of_frame);
	return rules;
}

static uint32_t rule_of_id(const struct hs_suppressions *s, struct hs_findings *findings,
			   const struct hs_profile *p, hs_stack stack)
{
	char id[HS_ID_SIZE];
	hs_finding_id(hs_findings_culprit(findings, p, stack).key, id);
	for (uint32_t i = 0; i < s->rules.n; i++)
		if (s->rules.at[i].kind == HS_SUPPRESS_ID &&
		    !strcmp(s->rules.at[i].pattern, id))
			return i;
	return NO_RULE;
}

/* For each site of P the rule that fits it; adds up what the rules fit. */
static uint32_t *rules_of_sites(struct hs_suppressions *s, struct hs_findings *findings,
				const struct hs_profile *p)
{
	uint32_t *of_stack = rules_of_stacks(s, p);
	uint32_t *rules = hs_xcalloc(p->n_sites, sizeof(*rules));
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *site = &p->sites[i];
		rules[i] = NO_RULE;
		if (!site->live_blocks && !site->live_bytes)
			continue;
		rules[i] = of_stack[site->stack.i];
		if (s->has_ids)
			rules[i] =
				HS_MIN(rules[i], rule_of_id(s, findings, p, site->stack));
		if (rules[i] == NO_RULE)
			continue;
		s->rules.at[rules[i]].blocks += site->live_blocks;
		s->rules.at[rules[i]].bytes += site->live_bytes;
	}
	free(of_stack);
	return rules;
}

void hs_suppressions_apply(struct hs_suppressions *s, struct hs_findings *findings,
			   struct hs_target *targets, size_t n)
{
	uint32_t **rules = hs_xcalloc(n, sizeof(*rules));
	for (size_t i = 0; i < n; i++)
		rules[i] = targets[i].profile
				   ? rules_of_sites(s, findings, targets[i].profile)
				   : NULL;
	/* Bounds are for all processes together, so they are known only now. */
	for (size_t i = 0; i < s->rules.n; i++)
		s->rules.at[i].exceeded = s->rules.at[i].bytes > s->rules.at[i].max_bytes;
	for (size_t i = 0; i < n; i++) {
		uint32_t n_sites = rules[i] ? targets[i].profile->n_sites : 0;
		uint8_t *hidden = hs_xcalloc(n_sites, sizeof(*hidden));
		for (uint32_t k = 0; k < n_sites; k++)
			hidden[k] = rules[i][k] != NO_RULE &&
				    !s->rules.at[rules[i][k]].exceeded;
		hs_array_push(&s->owned, hidden);
		targets[i].suppressed = hidden;
		free(rules[i]);
	}
	free(rules);
}
