/* SPDX-License-Identifier: MIT */

/* The heaps of glibc's malloc, by malloc/malloc.c and malloc/arena.c. */
#include "tests/lib/mallocbuild.h"

#include <assert.h>
#include <string.h>

#define LIBC_DATA   UINT64_C(0x7f0000200000)
#define LIBC_SIZE   UINT64_C(0x4000)
#define BRK         UINT64_C(0x555555600000)
#define BRK_SIZE    UINT64_C(0x40000)
#define HEAPS       UINT64_C(0x7e0000000000)
#define HEAP_MAX    (UINT64_C(64) << 20)
#define HEAP_SIZE   UINT64_C(0x21000)
#define MAPPED      UINT64_C(0x7f1000000000)
#define MAPPED_SIZE UINT64_C(0x80000)
#define STORAGE     UINT64_C(0x7f2000000000) /* threads' */
#define PAGE        UINT64_C(4096)

#define PREV_INUSE UINT64_C(1)
#define MMAPPED    UINT64_C(2)
#define NON_MAIN   UINT64_C(4)

static struct mb_region *region_of(const struct mb *m, uint64_t addr)
{
	for (uint32_t i = 0; i < m->n_regions; i++) {
		const struct mb_region *r = &m->regions[i];
		if (addr >= r->start && addr - r->start <= r->size - 8)
			return (struct mb_region *)(uintptr_t)r;
	}
	abort();
}

uint64_t mb_peek(const struct mb *m, uint64_t addr)
{
	uint64_t value;
	const struct mb_region *r = region_of(m, addr);
	memcpy(&value, r->bytes + (addr - r->start), sizeof(value));
	return value;
}

void mb_poke(struct mb *m, uint64_t addr, uint64_t value)
{
	struct mb_region *r = region_of(m, addr);
	memcpy(r->bytes + (addr - r->start), &value, sizeof(value));
}

static void add_region(struct mb *m, uint64_t start, uint64_t size)
{
	assert(m->n_regions < MB_REGIONS);
	m->regions[m->n_regions++] = (struct mb_region){start, size, hs_xcalloc(1, size)};
}

struct hs_block *mb_block(struct mb *m, uint64_t addr)
{
	for (uint32_t i = 0; i < m->n_blocks; i++)
		if (m->blocks[i].addr == addr)
			return &m->blocks[i];
	abort();
}

static uint64_t add_block(struct mb *m, uint64_t addr, uint64_t size)
{
	assert(m->n_blocks < MB_BLOCKS);
	m->blocks[m->n_blocks++] = (struct hs_block){
		.addr = addr, .size = size & HS_BLOCK_SIZE_MAX, .state = HS_BLOCK_USED};
	return addr;
}

/* -- struct malloc_state ---------------------------------------------------------- */

/* int mutex, flags; 2.27 to 2.42: int have_fastchunks. */
static uint64_t fastbins_offset(const struct mb *m)
{
	return m->version == MB_2_26 ? 8 : 16;
}

static uint64_t top_offset(const struct mb *m)
{
	return m->version == MB_2_43 ? 8 : fastbins_offset(m) + 10 * 8;
}

uint64_t mb_top_at(const struct mb *m, uint32_t arena)
{
	return m->arenas[arena].state + top_offset(m);
}

/* The head of a bin is used as if it were a chunk with only its links. */
uint64_t mb_bin_at(const struct mb *m, uint32_t arena, uint32_t bin)
{
	return mb_top_at(m, arena) + 16 + 16 * (uint64_t)bin - 16;
}

/* Behind top, last_remainder, bins[254] and binmap[4] of four bytes. */
uint64_t mb_next_at(const struct mb *m, uint32_t arena)
{
	return mb_top_at(m, arena) + 16 + 254 * 8 + 16;
}

/* Behind next: next_free, attached_threads, system_mem, max_system_mem. */
static uint64_t state_size(const struct mb *m)
{
	return top_offset(m) + 16 + 254 * 8 + 16 + 5 * 8;
}

static void init_state(struct mb *m, uint32_t arena, uint64_t system_mem)
{
	for (uint32_t bin = 0; bin < 127; bin++) {
		uint64_t head = mb_bin_at(m, arena, bin);
		mb_poke(m, head + 16, head);
		mb_poke(m, head + 24, head);
	}
	mb_poke(m, mb_next_at(m, arena) + 24, system_mem);
	mb_poke(m, mb_next_at(m, arena) + 32, system_mem);
}

/* struct heap_info: arena, heap before, size, mprotect_size; pagesize since 2.35. */
static uint64_t heap_header(const struct mb *m)
{
	return m->version >= MB_2_35 ? 0x30 : 0x20;
}

static void add_heap(struct mb *m, uint32_t arena, uint64_t heap, uint64_t before)
{
	struct mb_arena *a = &m->arenas[arena];
	add_region(m, heap, HEAP_SIZE);
	mb_poke(m, heap, a->state);
	mb_poke(m, heap + 8, before);
	mb_poke(m, heap + 16, HEAP_SIZE);
	mb_poke(m, heap + 24, HEAP_SIZE);
	if (m->version >= MB_2_35)
		mb_poke(m, heap + 32, PAGE);
	a->heap = heap;
	a->at = heap + heap_header(m);
	a->end = heap + HEAP_SIZE;
}

static void add_arena(struct mb *m, uint32_t i)
{
	struct mb_arena *a = &m->arenas[i];
	uint64_t heap = HEAPS + 2 * i * HEAP_MAX;
	a->state = heap + heap_header(m);
	add_heap(m, i, heap, 0);
	init_state(m, i, HEAP_SIZE);
	a->at = (a->state + state_size(m) + 15) & ~UINT64_C(15);
}

struct mb *mb_new(enum mb_version version, uint32_t n_arenas, bool is_static)
{
	struct mb *m = hs_xcalloc(1, sizeof(*m));
	m->version = version;
	m->is_static = is_static;
	m->n_arenas = n_arenas;
	add_region(m, LIBC_DATA, LIBC_SIZE);
	add_region(m, BRK, BRK_SIZE);
	add_region(m, MAPPED, MAPPED_SIZE);
	m->arenas[0] = (struct mb_arena){
		.state = LIBC_DATA + 0xc60, .at = BRK, .end = BRK + BRK_SIZE};
	init_state(m, 0, BRK_SIZE);
	for (uint32_t i = 1; i < n_arenas; i++)
		add_arena(m, i);
	for (uint32_t i = 0; i < n_arenas; i++)
		mb_poke(m, mb_next_at(m, i), m->arenas[(i + 1) % n_arenas].state);
	return m;
}

void mb_free(struct mb *m)
{
	hs_image_free(m->image);
	for (uint32_t i = 0; i < m->n_regions; i++)
		free(m->regions[i].bytes);
	free(m);
}

/* -- Chunks ----------------------------------------------------------------------- */

static uint64_t flag_of(uint32_t arena)
{
	return arena ? NON_MAIN : 0;
}

uint64_t mb_alloc(struct mb *m, uint32_t arena, uint64_t chunk)
{
	struct mb_arena *a = &m->arenas[arena];
	uint64_t at = a->at;
	assert(chunk >= 0x20 && chunk % 16 == 0 && chunk + 0x20 <= a->end - at);
	mb_poke(m, at + 8, chunk | PREV_INUSE | flag_of(arena));
	a->at += chunk;
	return add_block(m, at + 16, chunk - 8);
}

uint64_t mb_map(struct mb *m, uint32_t pages)
{
	uint64_t at = MAPPED + m->n_mapped * PAGE, size = pages * PAGE;
	m->n_mapped += pages;
	assert(m->n_mapped * PAGE <= MAPPED_SIZE);
	/* 2.43 counts what follows the header. */
	mb_poke(m, at + 8, (m->version == MB_2_43 ? size - 16 : size) | MMAPPED);
	return add_block(m, at + 16, size - 16);
}

/* Links of lists for threads and of fastbins are mangled since 2.32. */
static uint64_t mangle(const struct mb *m, uint64_t place, uint64_t link)
{
	return m->version >= MB_2_32 ? place >> 12 ^ link : link;
}

void mb_free_to_fastbin(struct mb *m, uint32_t arena, uint64_t addr)
{
	struct hs_block *b = mb_block(m, addr);
	uint64_t bin = (b->size + 8 - 0x20) / 16;
	uint64_t head = m->arenas[arena].state + fastbins_offset(m) + 8 * bin;
	assert(m->version != MB_2_43 && bin < 10);
	mb_poke(m, addr, mangle(m, addr, mb_peek(m, head)));
	mb_poke(m, head, addr - 16);
	b->state = HS_BLOCK_CACHED;
}

void mb_free_to_bin(struct mb *m, uint32_t arena, uint64_t addr, uint32_t bin)
{
	struct hs_block *b = mb_block(m, addr);
	uint64_t chunk = addr - 16, size = b->size + 8;
	uint64_t head = mb_bin_at(m, arena, bin), first = mb_peek(m, head + 16);
	uint64_t next = chunk + size;
	mb_poke(m, next, size);
	mb_poke(m, next + 8, mb_peek(m, next + 8) & ~PREV_INUSE);
	mb_poke(m, chunk + 16, first);
	mb_poke(m, chunk + 24, head);
	mb_poke(m, first + 24, chunk);
	mb_poke(m, head + 16, chunk);
	b->state = HS_BLOCK_FREE;
}

void mb_next_heap(struct mb *m, uint32_t arena)
{
	struct mb_arena *a = &m->arenas[arena];
	uint64_t old = a->heap, rest = (a->end - a->at - 0x20) & ~UINT64_C(15);
	/* sysmalloc(): the old top is freed, before two fence posts. */
	uint64_t freed = mb_alloc(m, arena, rest);
	mb_poke(m, a->at + 8, 0x10 | PREV_INUSE);
	mb_poke(m, a->at + 24, 0 | PREV_INUSE);
	mb_free_to_bin(m, arena, freed, 0);
	add_heap(m, arena, old + HEAP_MAX, old);
}

/* -- Threads ---------------------------------------------------------------------- */

static bool counts_slots(const struct mb *m)
{
	return m->version >= MB_2_42;
}

/* struct tcache_perthread_struct: counters, then the first entry of each list. */
static uint64_t counter_width(const struct mb *m)
{
	return m->version < MB_2_30 ? 1 : 2;
}

static uint64_t n_lists(const struct mb *m)
{
	return counts_slots(m) ? 64 + 12 : 64;
}

static void add_to_counter(struct mb *m, uint64_t cache, uint64_t bin, uint64_t n)
{
	uint64_t place = cache + bin * counter_width(m);
	uint64_t shift = 8 * (place % 8);
	mb_poke(m, place & ~UINT64_C(7), mb_peek(m, place & ~UINT64_C(7)) + (n << shift));
}

uint32_t mb_thread(struct mb *m, uint32_t arena)
{
	uint32_t t = m->n_threads++;
	uint64_t storage = STORAGE + t * 0x10000;
	uint64_t size = n_lists(m) * (counter_width(m) + 8);
	add_region(m, storage, PAGE);
	m->caches[t] = mb_alloc(m, arena, (size + 8 + 15) & ~UINT64_C(15));
	for (uint64_t bin = 0; counts_slots(m) && bin < n_lists(m); bin++)
		add_to_counter(m, m->caches[t], bin, m->version == MB_2_43 ? 16 : 7);
	/* The variables tcache and thread_arena. */
	mb_poke(m, storage + 0x800 - 0x48, m->caches[t]);
	mb_poke(m, storage + 0x800 - 0x38, m->arenas[arena].state);
	return t;
}

void mb_free_to_cache(struct mb *m, uint32_t thread, uint64_t addr)
{
	struct hs_block *b = mb_block(m, addr);
	uint64_t cache = m->caches[thread], bin = (b->size + 8 - 0x20) / 16;
	uint64_t head = cache + n_lists(m) * counter_width(m) + 8 * bin;
	mb_poke(m, addr, mangle(m, addr, mb_peek(m, head)));
	/* Since 2.29; glibc takes the cache's address, and since 2.34 a random word. */
	if (m->version >= MB_2_30)
		mb_poke(m, addr + 8, m->version >= MB_2_35 ? 0x123456789abcdef1 : cache);
	mb_poke(m, head, addr);
	add_to_counter(m, cache, bin, counts_slots(m) ? UINT64_MAX : 1);
	b->state = HS_BLOCK_CACHED;
}

/* -- The image -------------------------------------------------------------------- */

static void write_tops(struct mb *m)
{
	for (uint32_t i = 0; i < m->n_arenas; i++) {
		const struct mb_arena *a = &m->arenas[i];
		mb_poke(m, mb_top_at(m, i), a->at);
		/* No free chunk lies before top: free() merges them. */
		mb_poke(m, a->at + 8, (a->end - a->at) | PREV_INUSE | flag_of(i));
	}
}

const struct hs_image *mb_seal(struct mb *m)
{
	write_tops(m);
	m->image = hs_image_new();
	m->image->machine = HS_MACHINE_X86_64;
	m->image->complete = true;
	for (uint32_t i = 0; i < m->n_regions; i++) {
		const struct mb_region *r = &m->regions[i];
		hs_array_push(
			&m->image->mappings,
			((struct hs_mapping){.start = r->start,
					     .end = r->start + r->size,
					     .flags = HS_MAPPING_READ | HS_MAPPING_WRITE,
					     .bytes = r->bytes,
					     .n_bytes = r->size}));
	}
	hs_array_push(&m->image->modules,
		      ((struct hs_image_module){.start = LIBC_DATA,
						.end = LIBC_DATA + LIBC_SIZE,
						.path = m->is_static ? "/bin/static"
								     : "/lib/libc.so.6",
						.build_id = "",
						.executable = m->is_static}));
	for (uint32_t t = 0; t < m->n_threads; t++)
		hs_array_push(
			&m->image->threads,
			((struct hs_image_thread){.tid = 100 + t,
						  .tls = STORAGE + t * 0x10000 + 0x800,
						  .name = ""}));
	hs_image_seal(m->image);
	return m->image;
}
