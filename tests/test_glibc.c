/* SPDX-License-Identifier: MIT */

/*
 * The walker of glibc's malloc on heaps made by hand: of every layout, sound ones, with
 * every kind of damage, and cut off anywhere.  What is true of them is known from their
 * making.
 */
#include <stdio.h>
#include <string.h>

#include "analyzers/walker.h"
#include "src/walked.h"
#include "tests/lib/mallocbuild.h"
#include "tests/lib/suite.h"

extern const struct hs_walker hs_walker_glibc;

static struct hs_walked *walk(struct mb *m)
{
	return hs_walker_glibc.walk(m->image ? m->image : mb_seal(m));
}

/* -- What must be found ----------------------------------------------------------- */

static bool is_top(const struct mb *m, const struct hs_block *b)
{
	for (uint32_t i = 0; i < m->n_arenas; i++)
		if (b->addr == mb_peek(m, mb_top_at(m, i)) + 16)
			return b->state == HS_BLOCK_FREE;
	return false;
}

static const struct hs_block *found(const struct hs_walked *w, uint64_t addr)
{
	uint32_t i = hs_heap_find(w->heap, addr);
	return i != HS_HEAP_NONE && w->heap->blocks[i].addr == addr ? &w->heap->blocks[i]
								    : NULL;
}

/* All blocks but the one at EXCEPT are as they are, and no others are there. */
static void check_blocks(const struct mb *m, const struct hs_walked *w, uint64_t except)
{
	ck_assert_ptr_nonnull(w);
	for (uint32_t i = 0; i < m->n_blocks; i++) {
		const struct hs_block *want = &m->blocks[i];
		const struct hs_block *got = found(w, want->addr);
		if (want->addr == except)
			continue;
		ck_assert_msg(got, "no block at 0x%llx", (unsigned long long)want->addr);
		ck_assert_msg(got->size == want->size && got->state == want->state,
			      "0x%llx: size 0x%llx, state %u, not 0x%llx, %u",
			      (unsigned long long)want->addr,
			      (unsigned long long)got->size, (unsigned)got->state,
			      (unsigned long long)want->size, (unsigned)want->state);
	}
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->heap->n; i++)
		n += !is_top(m, &w->heap->blocks[i]);
	ck_assert_uint_eq(n, m->n_blocks);
}

static void check_sound(struct mb *m)
{
	struct hs_walked *w = walk(m);
	check_blocks(m, w, 0);
	for (size_t i = 0; i < w->corruption.n; i++)
		ck_abort_msg("%s at 0x%llx: %s",
			     hs_corruption_name(w->corruption.at[i].kind),
			     (unsigned long long)w->corruption.at[i].address,
			     w->corruption.at[i].detail);
	ck_assert_uint_eq(w->warnings.n, 0);
	ck_assert_uint_eq(w->arenas.n, m->n_arenas);
	ck_assert(w->arenas.at[0].main);
	hs_walked_free(w);
}

/* One thing is broken, KIND at ADDR; the other blocks are what they are. */
static void check_one(struct mb *m, enum hs_corruption_kind kind, uint64_t addr,
		      uint64_t except)
{
	struct hs_walked *w = walk(m);
	ck_assert_ptr_nonnull(w);
	for (size_t i = 0; i < w->corruption.n; i++)
		ck_assert_msg(w->corruption.at[i].kind == kind &&
				      w->corruption.at[i].address == addr,
			      "version %d: %s at 0x%llx: %s; not %s at 0x%llx",
			      (int)m->version,
			      hs_corruption_name(w->corruption.at[i].kind),
			      (unsigned long long)w->corruption.at[i].address,
			      w->corruption.at[i].detail, hs_corruption_name(kind),
			      (unsigned long long)addr);
	ck_assert_msg(w->corruption.n == 1, "version %d: no %s at 0x%llx",
		      (int)m->version, hs_corruption_name(kind),
		      (unsigned long long)addr);
	check_blocks(m, w, except);
	hs_walked_free(w);
}

/* -- Heaps ------------------------------------------------------------------------ */

#define N_SMALL 12u

/* A bit of everything in ARENA; the small ones are kept in SMALL. */
static void fill(struct mb *m, uint32_t arena, uint32_t thread, uint64_t small[N_SMALL])
{
	uint64_t freed[9];
	for (uint32_t i = 0; i < N_SMALL; i++)
		small[i] = mb_alloc(m, arena, 0x20 + 16 * (i % 4));
	for (uint32_t i = 0; i < 9; i++) {
		freed[i] = mb_alloc(m, arena, i < 6 ? 0x40 : 0x500);
		mb_alloc(m, arena, 0x30); /* free ones are never neighbours */
	}
	for (uint32_t i = 0; i < 3; i++)
		mb_free_to_cache(m, thread, freed[i]);
	for (uint32_t i = 3; i < 6 && m->version != MB_2_43; i++)
		mb_free_to_fastbin(m, arena, freed[i]);
	mb_free_to_bin(m, arena, freed[6], 0);
	mb_free_to_bin(m, arena, freed[7], 0);
	mb_free_to_bin(m, arena, freed[8], 67);
}

struct world {
	struct mb *m;
	uint64_t small[N_SMALL]; /* of the main arena */
};

static struct world make(enum mb_version version, bool is_static)
{
	struct world w = {.m = mb_new(version, 3, is_static)};
	uint64_t other[N_SMALL];
	for (uint32_t i = 0; i < 3; i++)
		fill(w.m, i, mb_thread(w.m, i), i ? other : w.small);
	mb_next_heap(w.m, 2);
	for (uint32_t i = 0; i < 50; i++)
		mb_alloc(w.m, 2, 0x20 + 16 * (i % 7));
	mb_map(w.m, 33);
	mb_map(w.m, 34);
	return w;
}

START_TEST(blocks_of_every_layout_are_what_they_are)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++) {
		struct world w = make(v, false);
		check_sound(w.m);
		mb_free(w.m);
	}
}
END_TEST

START_TEST(a_static_executable_has_a_heap)
{
	struct world w = make(MB_2_35, true);
	check_sound(w.m);
	mb_free(w.m);
}
END_TEST

START_TEST(a_single_arena_without_threads_is_enough)
{
	struct mb *m = mb_new(MB_2_35, 1, false);
	for (int i = 0; i < 20; i++)
		mb_alloc(m, 0, 0x20);
	check_sound(m);
	mb_free(m);
}
END_TEST

START_TEST(a_cache_no_thread_knows_is_a_cache)
{
	for (enum mb_version v = MB_2_26; v < MB_2_42; v++) {
		struct world w = make(v, false);
		mb_seal(w.m);
		w.m->image->threads.n = 0;
		check_sound(w.m);
		mb_free(w.m);
	}
}
END_TEST

START_TEST(no_heap_is_no_heap)
{
	static const uint8_t zero[4096];
	struct hs_image *image = hs_image_new();
	hs_array_push(&image->mappings,
		      ((struct hs_mapping){.start = 0x10000,
					   .end = 0x11000,
					   .flags = HS_MAPPING_READ | HS_MAPPING_WRITE,
					   .bytes = zero,
					   .n_bytes = sizeof(zero)}));
	hs_image_seal(image);
	ck_assert_ptr_null(hs_walker_glibc.walk(image));
	hs_image_free(image);
}
END_TEST

/* -- Damage ----------------------------------------------------------------------- */

START_TEST(arenas_are_found_though_their_ring_is_broken)
{
	static const uint64_t values[] = {0, 0x5a5a5a5a5a5a5a5a, 0x7f0000200000};
	for (enum mb_version v = 0; v < MB_VERSIONS; v++)
		for (uint32_t a = 0; a < 3; a++)
			for (size_t i = 0; i < HS_COUNT(values); i++) {
				struct world w = make(v, false);
				mb_seal(w.m);
				mb_poke(w.m, mb_next_at(w.m, a), values[i]);
				struct hs_walked *walked = walk(w.m);
				check_blocks(w.m, walked, 0);
				ck_assert_uint_eq(walked->arenas.n, 3);
				ck_assert_uint_ne(walked->warnings.n, 0);
				hs_walked_free(walked);
				mb_free(w.m);
			}
}
END_TEST

START_TEST(a_header_written_over_costs_its_own_block_alone)
{
	static const uint64_t values[] = {
		0, 0x4141414141414141, 0x18, 0x5a5a5a5a5a5a5a5a, UINT64_MAX, 0x7fffffff1};
	for (enum mb_version v = 0; v < MB_VERSIONS; v++)
		for (uint32_t at = 0; at < N_SMALL; at++)
			for (size_t i = 0; i < HS_COUNT(values); i++) {
				struct world w = make(v, false);
				mb_seal(w.m);
				mb_poke(w.m, w.small[at] - 8, values[i]);
				check_one(w.m, HS_CORRUPTION_CHUNK_HEADER, w.small[at],
					  0);
				mb_free(w.m);
			}
}
END_TEST

START_TEST(a_top_written_over_hides_nothing)
{
	static const uint64_t values[] = {0, 0x4141414141414141, UINT64_MAX};
	for (enum mb_version v = 0; v < MB_VERSIONS; v++)
		for (uint32_t a = 0; a < 3; a++)
			for (size_t i = 0; i < HS_COUNT(values); i++) {
				struct world w = make(v, false);
				mb_seal(w.m);
				uint64_t top = mb_peek(w.m, mb_top_at(w.m, a));
				mb_poke(w.m, top + 8, values[i]);
				check_one(w.m, HS_CORRUPTION_TOP_CHUNK, top + 16,
					  w.m->arenas[a].at);
				mb_free(w.m);
			}
}
END_TEST

START_TEST(a_block_twice_in_a_cache_was_freed_twice)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++) {
		struct world w = make(v, false);
		mb_free_to_cache(w.m, 0, w.small[0]);
		mb_free_to_cache(w.m, 0, w.small[4]);
		mb_free_to_cache(w.m, 0, w.small[0]);
		check_one(w.m, HS_CORRUPTION_DOUBLE_FREE, w.small[0], 0);
		mb_free(w.m);
	}
}
END_TEST

START_TEST(a_block_twice_in_a_fastbin_was_freed_twice)
{
	for (enum mb_version v = 0; v < MB_2_43; v++) {
		struct world w = make(v, false);
		mb_free_to_fastbin(w.m, 0, w.small[1]);
		mb_free_to_fastbin(w.m, 0, w.small[5]);
		mb_free_to_fastbin(w.m, 0, w.small[1]);
		check_one(w.m, HS_CORRUPTION_DOUBLE_FREE, w.small[1], 0);
		mb_free(w.m);
	}
}
END_TEST

START_TEST(a_block_in_a_cache_and_in_a_fastbin_was_freed_twice)
{
	for (enum mb_version v = 0; v < MB_2_43; v++) {
		struct world w = make(v, false);
		mb_free_to_fastbin(w.m, 0, w.small[1]);
		mb_free_to_cache(w.m, 0, w.small[3]);
		mb_seal(w.m);
		/* The head of the fastbin for its size: ten of them end before top. */
		mb_poke(w.m, mb_top_at(w.m, 0) - 8 * (10 - 3), w.small[3] - 16);
		check_one(w.m, HS_CORRUPTION_DOUBLE_FREE, w.small[3], 0);
		mb_free(w.m);
	}
}
END_TEST

/* What a program writes into memory that it has freed. */
static const uint64_t written[] = {0, 1, 0x4141414141414141, UINT64_MAX};

START_TEST(a_link_written_over_in_a_cache_is_told)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++)
		for (size_t i = v < MB_2_32; i < HS_COUNT(written); i++) {
			struct world w = make(v, false);
			mb_free_to_cache(w.m, 0, w.small[0]);
			mb_free_to_cache(w.m, 0, w.small[4]);
			mb_seal(w.m);
			mb_poke(w.m, w.small[4], written[i]);
			check_one(w.m, HS_CORRUPTION_WRITE_AFTER_FREE, w.small[4],
				  w.small[0]);
			mb_free(w.m);
		}
}
END_TEST

START_TEST(the_last_link_written_over_in_a_cache_is_told)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++)
		for (size_t i = v < MB_2_32; i < HS_COUNT(written); i++) {
			struct world w = make(v, false);
			mb_free_to_cache(w.m, 0, w.small[0]);
			mb_free_to_cache(w.m, 0, w.small[4]);
			mb_seal(w.m);
			mb_poke(w.m, w.small[0], written[i]);
			check_one(w.m, HS_CORRUPTION_WRITE_AFTER_FREE, w.small[0], 0);
			mb_free(w.m);
		}
}
END_TEST

START_TEST(a_link_written_over_in_a_fastbin_is_told)
{
	for (enum mb_version v = 0; v < MB_2_43; v++)
		for (size_t i = v < MB_2_32; i < HS_COUNT(written); i++) {
			struct world w = make(v, false);
			mb_free_to_fastbin(w.m, 0, w.small[0]);
			mb_free_to_fastbin(w.m, 0, w.small[4]);
			mb_seal(w.m);
			mb_poke(w.m, w.small[4], written[i]);
			check_one(w.m, HS_CORRUPTION_WRITE_AFTER_FREE, w.small[4],
				  w.small[0]);
			mb_free(w.m);
		}
}
END_TEST

START_TEST(a_link_written_over_in_a_bin_is_told)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++)
		for (unsigned link = 0; link < 2; link++)
			for (size_t i = 0; i < HS_COUNT(written); i++) {
				struct world w = make(v, false);
				mb_free_to_bin(w.m, 0, w.small[3], 0);
				mb_free_to_bin(w.m, 0, w.small[5], 0);
				mb_seal(w.m);
				mb_poke(w.m, w.small[5] + 8 * link, written[i]);
				check_one(w.m, HS_CORRUPTION_WRITE_AFTER_FREE, w.small[5],
					  0);
				mb_free(w.m);
			}
}
END_TEST

START_TEST(the_end_of_a_free_block_written_over_is_told)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++) {
		struct world w = make(v, false);
		mb_free_to_bin(w.m, 0, w.small[5], 0);
		mb_seal(w.m);
		mb_poke(w.m, w.small[5] + 0x30 - 16, 0x4242);
		check_one(w.m, HS_CORRUPTION_WRITE_AFTER_FREE, w.small[5], 0);
		mb_free(w.m);
	}
}
END_TEST

START_TEST(a_list_that_does_not_lead_back_is_broken)
{
	for (enum mb_version v = 0; v < MB_VERSIONS; v++) {
		struct world w = make(v, false);
		mb_free_to_bin(w.m, 0, w.small[3], 5);
		mb_free_to_bin(w.m, 0, w.small[5], 5);
		mb_free_to_bin(w.m, 0, w.small[7], 5);
		mb_seal(w.m);
		/* As if the one in the middle had been unlinked in part. */
		mb_poke(w.m, w.small[7], w.small[3] - 16);
		check_one(w.m, HS_CORRUPTION_LIST, w.small[3], 0);
		mb_free(w.m);
	}
}
END_TEST

/* -- Hostile images --------------------------------------------------------------- */

static void walk_anything(struct mb *m)
{
	struct hs_walked *w = walk(m);
	for (uint32_t i = 0; w && i + 1 < w->heap->n; i++)
		ck_assert_uint_le(w->heap->blocks[i].addr + w->heap->blocks[i].size,
				  w->heap->blocks[i + 1].addr);
	hs_walked_free(w);
}

START_TEST(an_image_cut_off_anywhere_is_read_as_far_as_it_goes)
{
	struct world w = make(MB_2_35, false);
	struct hs_image *image = w.m->image;
	mb_seal(w.m);
	image = w.m->image;
	for (size_t i = 0; i < image->mappings.n; i++) {
		uint64_t whole = image->mappings.at[i].n_bytes;
		for (uint64_t n = 0; n < whole; n += n < 0x2000 ? 0x3d : 0x1771) {
			image->mappings.at[i].n_bytes = n;
			walk_anything(w.m);
		}
		image->mappings.at[i].n_bytes = whole;
	}
	check_sound(w.m);
	mb_free(w.m);
}
END_TEST

static uint64_t state = 11;

static uint64_t below(uint64_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % n;
}

/* A word anywhere becomes another, a neighbour's, or one off. */
static void damage(struct mb *m)
{
	const struct mb_region *r = &m->regions[below(m->n_regions)];
	uint64_t at = r->start + 8 * below(below(2) ? r->size / 8 : 0x200);
	uint64_t value = mb_peek(m, at);
	switch (below(4)) {
	case 0:
		value = mb_peek(m, r->start + 8 * below(0x200));
		break;
	case 1:
		value ^= (uint64_t)1 << below(64);
		break;
	case 2:
		value = m->blocks[below(m->n_blocks)].addr - 16 * below(2);
		break;
	default:
		value += 8 * below(9) - 32;
	}
	mb_poke(m, at, value);
}

START_TEST(random_damage_of_any_layout_is_survived)
{
	for (unsigned round = 0; round < 400; round++) {
		struct world w = make(round % MB_VERSIONS, round % 2);
		mb_seal(w.m);
		for (uint64_t i = 1 + below(40); i; i--)
			damage(w.m);
		walk_anything(w.m);
		mb_free(w.m);
	}
}
END_TEST

HS_SUITE("glibc", blocks_of_every_layout_are_what_they_are,
	 a_static_executable_has_a_heap, a_single_arena_without_threads_is_enough,
	 a_cache_no_thread_knows_is_a_cache, no_heap_is_no_heap,
	 arenas_are_found_though_their_ring_is_broken,
	 a_header_written_over_costs_its_own_block_alone,
	 a_top_written_over_hides_nothing, a_block_twice_in_a_cache_was_freed_twice,
	 a_block_twice_in_a_fastbin_was_freed_twice,
	 a_block_in_a_cache_and_in_a_fastbin_was_freed_twice,
	 a_link_written_over_in_a_cache_is_told,
	 the_last_link_written_over_in_a_cache_is_told,
	 a_link_written_over_in_a_fastbin_is_told, a_link_written_over_in_a_bin_is_told,
	 the_end_of_a_free_block_written_over_is_told,
	 a_list_that_does_not_lead_back_is_broken,
	 an_image_cut_off_anywhere_is_read_as_far_as_it_goes,
	 random_damage_of_any_layout_is_survived)
