/* SPDX-License-Identifier: MIT */

/* Scans as bytes. */
#include "src/scanned.h"

#include <stdio.h>
#include <string.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/out.h"

/* The reaches as bytes; they are forever. */
static const uint8_t codes[HS_REACH_COUNT] = {[HS_REACH_REACHABLE] = 1,
					      [HS_REACH_WEAK] = 2,
					      [HS_REACH_DIRECT] = 3,
					      [HS_REACH_INDIRECT] = 4};

void hs_scanned_encode(const struct hs_scanned *s, struct hs_out *out)
{
	size_t n = strlen(s->why);
	hs_put_uleb(out, s->stamp);
	hs_put_uleb(out, s->flags);
	hs_put_uleb(out, s->duration_ns);
	hs_put_uleb(out, s->unread_root_bytes);
	hs_put_uleb(out, s->unread_block_bytes);
	for (int i = HS_REACH_REACHABLE; i < HS_REACH_COUNT; i++) {
		hs_put_uleb(out, s->counts[i].blocks);
		hs_put_uleb(out, s->counts[i].bytes);
	}
	hs_put_uleb(out, n);
	hs_put(out, s->why, n);
}

static uint32_t lost_index(const struct hs_graph *g, uint32_t block)
{
	uint32_t low = 0, high = g->n_lost;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (g->lost[middle] < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void put_block(const struct hs_graph *g, uint32_t i, uint64_t before,
		      struct hs_out *out)
{
	hs_put_uleb(out, g->heap->blocks[i].addr - before);
	hs_put_uleb(out, codes[g->reach[i]]);
	if (g->reach[i] == HS_REACH_WEAK)
		return;
	uint32_t leak = g->lost_to[lost_index(g, i)];
	if (g->reach[i] == HS_REACH_DIRECT) {
		hs_put_uleb(out, g->leaks[leak].retained.blocks);
		hs_put_uleb(out, g->leaks[leak].retained.bytes);
	} else {
		hs_put_uleb(out, leak == HS_HEAP_NONE
					 ? 0
					 : g->heap->blocks[g->leaks[leak].block].addr);
	}
}

void hs_scanned_encode_blocks(const struct hs_graph *g, uint32_t *next, uint32_t n,
			      struct hs_out *out)
{
	uint64_t before = 0;
	for (; *next < g->heap->n && n; ++*next) {
		uint8_t reach = g->reach[*next];
		if (reach == HS_REACH_NO_BLOCK || reach == HS_REACH_REACHABLE)
			continue;
		put_block(g, *next, before, out);
		before = g->heap->blocks[*next].addr;
		n--;
	}
}

/* -- Reading ---------------------------------------------------------------------- */

static void read_head(struct hs_cursor *in, struct hs_scanned *s)
{
	s->stamp = hs_cur_uleb(in);
	s->flags = hs_cur_uleb(in);
	s->duration_ns = hs_cur_uleb(in);
	s->unread_root_bytes = hs_cur_uleb(in);
	s->unread_block_bytes = hs_cur_uleb(in);
	for (int i = HS_REACH_REACHABLE; i < HS_REACH_COUNT; i++) {
		s->counts[i].blocks = hs_cur_uleb(in);
		s->counts[i].bytes = hs_cur_uleb(in);
	}
	size_t n = hs_cur_count(in, 1);
	const uint8_t *why = hs_cur_bytes(in, n);
	for (size_t i = 0; why && i < n && i < sizeof(s->why) - 1; i++)
		s->why[i] = why[i] >= ' ' && why[i] < 127 ? (char)why[i] : '?';
}

static enum hs_reach reach_of(uint64_t code)
{
	for (int i = HS_REACH_WEAK; i < HS_REACH_COUNT; i++)
		if (codes[i] == code)
			return (enum hs_reach)i;
	return HS_REACH_NO_BLOCK;
}

/* LEADERS: of each block, the address of the leak that holds it. */
struct leaders {
	HS_ARRAY(uint64_t) at;
};

static bool read_blocks(struct hs_cursor *in, struct hs_scanned *s, struct leaders *l)
{
	uint64_t addr = 0;
	while (hs_cur_left(in) && !hs_cur_failed(in)) {
		struct hs_scanned_block b = {.leak = HS_HEAP_NONE};
		uint64_t leader = 0;
		addr += hs_cur_uleb(in);
		b.addr = addr;
		b.reach = reach_of(hs_cur_uleb(in));
		if (b.reach == HS_REACH_DIRECT) {
			b.retained.blocks = hs_cur_uleb(in);
			b.retained.bytes = hs_cur_uleb(in);
		} else if (b.reach == HS_REACH_INDIRECT) {
			leader = hs_cur_uleb(in);
		}
		if (b.reach == HS_REACH_NO_BLOCK ||
		    (s->blocks.n && addr <= s->blocks.at[s->blocks.n - 1].addr))
			return false;
		hs_array_push(&s->blocks, b);
		hs_array_push(&l->at, leader);
	}
	return !hs_cur_failed(in);
}

static void find_leaders(struct hs_scanned *s, const struct leaders *l)
{
	for (size_t i = 0; i < s->blocks.n; i++) {
		const struct hs_scanned_block *b = NULL;
		if (l->at.at[i])
			b = hs_scanned_find(s, l->at.at[i]);
		if (b && b->reach == HS_REACH_DIRECT)
			s->blocks.at[i].leak = (uint32_t)(b - s->blocks.at);
	}
}

bool hs_scanned_decode(const struct hs_capture_record *records, size_t n,
		       struct hs_scanned *ret)
{
	struct leaders leaders = {0};
	bool good;
	size_t i = n;
	*ret = (struct hs_scanned){0};
	while (i > 0 && records[i - 1].tag != HS_WIRE_SCAN)
		i--;
	if (!i)
		return false;
	struct hs_cursor in =
		hs_cursor(records[i - 1].payload.at, records[i - 1].payload.n, NULL);
	read_head(&in, ret);
	good = !hs_cur_failed(&in);
	for (; good && i < n; i++) {
		if (records[i].tag != HS_WIRE_SCAN_BLOCKS)
			continue;
		in = hs_cursor(records[i].payload.at, records[i].payload.n, NULL);
		good = read_blocks(&in, ret, &leaders);
	}
	if (good)
		find_leaders(ret, &leaders);
	else
		hs_scanned_deinit(ret);
	hs_array_free(&leaders.at);
	return good;
}

void hs_scanned_deinit(struct hs_scanned *s)
{
	hs_array_free(&s->blocks);
}

const struct hs_scanned_block *hs_scanned_find(const struct hs_scanned *s, uint64_t addr)
{
	size_t low = 0, high = s->blocks.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->blocks.at[middle].addr < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->blocks.n && s->blocks.at[low].addr == addr ? &s->blocks.at[low]
								   : NULL;
}
