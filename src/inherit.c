/* SPDX-License-Identifier: MIT */

/*
 * Each process is settled after its parent: what a child's child inherits is what
 * the child had allocated itself by then, and what was left of its inheritance.
 * Of blocks that were freed meanwhile the number is known, but not the sizes.
 */
#include "src/inherit.h"

#include <string.h>

#include "src/forks.h"

/* P's fork at STAMP, or NULL. */
static const struct hs_fork *fork_at(const struct hs_profile *p, uint64_t stamp)
{
	size_t low = 0, high = p->n_forks;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->forks[middle].stamp < stamp)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->n_forks && p->forks[low].stamp == stamp ? &p->forks[low] : NULL;
}

static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

/* What CHILD got from PARENT, which is settled. */
static void take_over(struct hs_profile *child, const struct hs_profile *parent)
{
	const struct hs_fork *fork = fork_at(parent, child->process.fork_stamp);
	if (!child->process.fork_stamp || !fork)
		return;
	struct hs_inherited *got = &child->inherited;
	uint32_t has = HS_HAS_INHERITED | HS_HAS_INHERITED_BYTES;
	got->blocks = fork->live_blocks;
	got->bytes = fork->live_bytes;
	if (parent->process.forked) {
		const struct hs_inherited *had = &parent->inherited;
		uint64_t freed = HS_MIN(fork->unmatched_frees, had->blocks);
		add(&got->blocks, had->blocks - freed);
		add(&got->bytes, had->bytes);
		has &= parent->has;
		if (freed)
			has &= ~(uint32_t)HS_HAS_INHERITED_BYTES;
	}
	child->has |= has;
}

static void settle(struct hs_profile *p, const struct hs_profile *parent)
{
	if (!p->process.forked)
		return;
	if (parent)
		take_over(p, parent);
	struct hs_inherited *got = &p->inherited;
	uint64_t unknown = p->totals.unmatched_frees;
	got->frees = p->has & HS_HAS_INHERITED ? HS_MIN(unknown, got->blocks) : unknown;
	p->totals.unmatched_frees = unknown - got->frees;
}

void hs_inherit(struct hs_profile *const *profiles, const uint32_t *parents, size_t n)
{
	uint8_t *seen HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*seen));
	uint32_t *line HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*line));
	for (uint32_t i = 0; i < n; i++) {
		size_t n_line = 0;
		for (uint32_t at = i; at != HS_NO_PARENT && !seen[at]; at = parents[at]) {
			seen[at] = 1;
			line[n_line++] = at;
		}
		while (n_line--) {
			uint32_t child = line[n_line], parent = parents[child];
			settle(profiles[child],
			       parent == HS_NO_PARENT ? NULL : profiles[parent]);
		}
	}
}
