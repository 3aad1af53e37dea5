/* SPDX-License-Identifier: MIT */

/* Sorted blocks, and finding them, against a search that looks at every one. */
#include "src/heap.h"

#include "tests/lib/suite.h"

static uint64_t state = 1;

static uint64_t random_below(uint64_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % n;
}

static uint32_t find_slowly(const struct hs_heap *h, uint64_t addr)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (addr - h->blocks[i].addr < HS_MAX((uint64_t)h->blocks[i].size, 1u))
			return i;
	return HS_HEAP_NONE;
}

START_TEST(a_heap_without_blocks_finds_none)
{
	struct hs_heap *h = hs_heap_build_seal(hs_heap_build_new());
	ck_assert_uint_eq(h->n, 0);
	ck_assert_uint_eq(hs_heap_find(h, 0), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_find(h, 4096), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_find_end(h, 0), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_lower_bound(h, 4096), 0);
	hs_heap_free(h);
}
END_TEST

START_TEST(a_block_is_found_from_its_first_to_its_last_byte)
{
	struct hs_heap_builder *b = hs_heap_build_new();
	hs_heap_build_add(b, 0x2000, 24, HS_BLOCK_USED, 3);
	hs_heap_build_add(b, 0x1000, 16, HS_BLOCK_CACHED, 1);
	hs_heap_build_add(b, 0x3000, 0, HS_BLOCK_USED, 0);
	struct hs_heap *h = hs_heap_build_seal(b);
	ck_assert_uint_eq(h->n, 3);
	ck_assert_uint_eq(h->start, 0x1000);
	ck_assert_uint_eq(h->end, 0x3001);
	ck_assert_uint_eq(h->blocks[0].state, HS_BLOCK_CACHED);
	ck_assert_uint_eq(h->blocks[1].arena, 3);
	ck_assert_uint_eq(hs_heap_find(h, 0xfff), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_find(h, 0x1000), 0);
	ck_assert_uint_eq(hs_heap_find(h, 0x100f), 0);
	ck_assert_uint_eq(hs_heap_find(h, 0x1010), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_find_end(h, 0x1010), 0);
	ck_assert_uint_eq(hs_heap_find(h, 0x2017), 1);
	ck_assert_uint_eq(hs_heap_find_end(h, 0x2018), 1);
	ck_assert_uint_eq(hs_heap_find_end(h, 0x2017), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_find(h, 0x3000), 2);
	ck_assert_uint_eq(hs_heap_find(h, 0x3001), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_find_end(h, 0x3001), HS_HEAP_NONE);
	ck_assert_uint_eq(hs_heap_lower_bound(h, 0), 0);
	ck_assert_uint_eq(hs_heap_lower_bound(h, 0x1000), 0);
	ck_assert_uint_eq(hs_heap_lower_bound(h, 0x1001), 1);
	ck_assert_uint_eq(hs_heap_lower_bound(h, 0x3001), 3);
	hs_heap_set_state(h, 1, HS_BLOCK_FREE);
	ck_assert_uint_eq(h->blocks[1].state, HS_BLOCK_FREE);
	ck_assert_uint_eq(h->blocks[1].size, 24);
	hs_heap_free(h);
}
END_TEST

START_TEST(blocks_that_overlap_others_are_dropped_and_counted)
{
	struct hs_heap_builder *b = hs_heap_build_new();
	hs_heap_build_add(b, 0x1000, 32, HS_BLOCK_USED, 0);
	hs_heap_build_add(b, 0x1010, 64, HS_BLOCK_USED, 0);
	hs_heap_build_add(b, 0x1020, 16, HS_BLOCK_USED, 0);
	hs_heap_build_add(b, 0x1020, 16, HS_BLOCK_USED, 0);
	hs_heap_build_add(b, UINT64_MAX - 4, 16, HS_BLOCK_USED, 0);
	hs_heap_build_add(b, UINT64_C(1) << 40, UINT64_MAX >> 1, HS_BLOCK_USED, 0);
	struct hs_heap *h = hs_heap_build_seal(b);
	ck_assert_uint_eq(h->n, 3);
	ck_assert_uint_eq(h->n_dropped, 3);
	ck_assert_uint_eq(h->blocks[2].size, HS_BLOCK_SIZE_MAX);
	ck_assert_uint_eq(hs_heap_find(h, UINT64_C(1) << 41), 2);
	hs_heap_free(h);
}
END_TEST

/* Clusters at random places, so that spans and granules of all kinds occur. */
static struct hs_heap *random_heap(void)
{
	struct hs_heap_builder *b = hs_heap_build_new();
	uint64_t clusters = 1 + random_below(6);
	while (clusters--) {
		uint64_t at = random_below(1u << 20) << (4 + random_below(23));
		uint64_t n = random_below(120), most = 1 + random_below(9);
		while (n--) {
			at += 8 * random_below(1u << most);
			uint64_t size = random_below(8u << random_below(12));
			hs_heap_build_add(b, at, size, HS_BLOCK_USED, 0);
			at += random_below(16) ? size : 0;
		}
	}
	return hs_heap_build_seal(b);
}

START_TEST(random_heaps_find_what_a_search_over_all_blocks_finds)
{
	for (int round = 0; round < 2000; round++) {
		struct hs_heap *h = random_heap();
		for (uint32_t i = 0; i < h->n; i++) {
			uint64_t end = h->blocks[i].addr + h->blocks[i].size;
			uint64_t near = h->blocks[i].addr + random_below(4096) - 2048;
			ck_assert(!i || h->blocks[i - 1].addr < h->blocks[i].addr);
			ck_assert_uint_eq(hs_heap_find(h, h->blocks[i].addr), i);
			ck_assert_uint_eq(hs_heap_find(h, end), find_slowly(h, end));
			ck_assert_uint_eq(hs_heap_find(h, near), find_slowly(h, near));
			ck_assert_uint_eq(hs_heap_lower_bound(h, h->blocks[i].addr), i);
			ck_assert_uint_eq(hs_heap_lower_bound(h, h->blocks[i].addr + 1),
					  i + 1);
		}
		hs_heap_free(h);
	}
}
END_TEST

HS_SUITE("heap", a_heap_without_blocks_finds_none,
	 a_block_is_found_from_its_first_to_its_last_byte,
	 blocks_that_overlap_others_are_dropped_and_counted,
	 random_heaps_find_what_a_search_over_all_blocks_finds)
