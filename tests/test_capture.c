/* SPDX-License-Identifier: MIT */

/* Captures: what was written is read, in order, whole or cut or damaged. */
#include "src/capture.h"

#include <string.h>

#include "src/array.h"
#include "src/cursor.h"
#include "tests/lib/capbuild.h"
#include "tests/lib/heapmodel.h"
#include "tests/lib/suite.h"

static struct hs_capture *opened(const uint8_t *file, size_t size)
{
	struct hs_capture *c = NULL;
	struct hs_cursor in = hs_cursor(file, size, "test");
	struct hs_error *err = hs_capture_open(&in, &c);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return c;
}

typedef HS_ARRAY(struct hs_capture_event) event_array;

static void read_all(struct hs_capture *c, event_array *events)
{
	const struct hs_capture_event *some;
	for (size_t n; (n = hs_capture_next(c, &some));)
		for (size_t i = 0; i < n; i++)
			hs_array_push(events, some[i]);
	ck_assert_uint_eq(hs_capture_next(c, &some), 0);
}

static bool whole(const struct hs_capture *c)
{
	const struct hs_capture_loss none = {0};
	return !memcmp(&c->loss, &none, sizeof(none));
}

START_TEST(every_width_of_every_field_is_read)
{
	const uint64_t stacks[] = {1,         0xffff,     0x10000, 0xffffff,
				   0x1000000, UINT32_MAX, 5};
	const uint64_t sizes[] = {0, 255, 256, 65535, 65536, UINT64_MAX, 1};
	const uint64_t addrs[] = {
		16,  16 + 0x7fff * 16, 32, 0x7f1234567890, 0x7f1234567891, UINT64_MAX,
		0x10};
	const uint64_t passed[] = {0, 1, 0xffff, 0x10000, UINT32_MAX, (uint64_t)1 << 40,
				   3};
	struct cap cap;
	struct cap_stream s;
	uint64_t stamp = 1000;
	cap_init(&cap);
	cap_stream(&s, 0, 77, stamp);
	for (size_t i = 0; i < HS_COUNT(stacks); i++)
		cap_event(&s, HS_WIRE_MALLOC + i % 4, (uint32_t)stacks[i], sizes[i],
			  addrs[i], stamp += passed[i]);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert_uint_eq(events.n, HS_COUNT(stacks));
	stamp = 1000;
	for (size_t i = 0; i < events.n; i++) {
		const struct hs_capture_event *e = &events.at[i];
		ck_assert_uint_eq(e->stack, stacks[i]);
		ck_assert_uint_eq(e->size, sizes[i]);
		ck_assert_uint_eq(e->addr, addrs[i]);
		ck_assert_uint_eq(e->stamp, stamp += passed[i]);
		ck_assert_uint_eq(e->kind, HS_WIRE_MALLOC + i % 4);
		ck_assert_uint_eq(c->threads[e->thread].tid, 77);
	}
	ck_assert(whole(c));
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

struct told {
	uint32_t stream;
	struct hs_capture_event event;
};

static int by_stamp_and_stream(const void *a, const void *b)
{
	const struct told *x = a, *y = b;
	if (x->event.stamp != y->event.stamp)
		return x->event.stamp < y->event.stamp ? -1 : 1;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return (x->event.size > y->event.size) - (x->event.size < y->event.size);
}

/* Events of random streams, cut into chunks and pieces at random. */
static void merge_random(uint64_t random)
{
	enum { STREAMS = 5, EVENTS = 2000 };
	struct told told[EVENTS];
	struct cap cap;
	struct cap_stream s[STREAMS];
	struct hs_out records;
	uint64_t n_streams = 1 + model_random(&random, STREAMS);
	cap_init(&cap);
	hs_out_init(&records, -1);
	for (uint32_t i = 0; i < STREAMS; i++)
		cap_stream(&s[i], i * 3, 100 + i, 1000);
	for (uint64_t i = 0; i < EVENTS; i++) {
		uint32_t k = (uint32_t)model_random(&random, n_streams);
		struct hs_capture_event e = {
			.addr = model_random(&random, 1 << 20) * 8,
			.size = i, /* tells the order within a stream */
			.stack = (uint32_t)model_random(&random, 70000),
			.stamp = s[k].stamp + model_random(&random, 4),
			.thread = k,
			.kind = HS_WIRE_MALLOC,
		};
		cap_event(&s[k], HS_WIRE_MALLOC, e.stack, e.size, e.addr, e.stamp);
		told[i] = (struct told){k, e};
		if (model_random(&random, 60) == 0) {
			if (model_random(&random, 2))
				cap_chunk(&cap, &s[k], HS_WIRE_CHUNK_CLOSED);
			else
				cap_piece(&records, &s[k]);
		}
	}
	for (uint32_t i = 0; i < STREAMS; i++)
		cap_chunk(&cap, &s[i], HS_WIRE_CHUNK_OPEN);
	cap_section(&cap, &records);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert(whole(c));
	ck_assert_uint_eq(events.n, EVENTS);
	qsort(told, EVENTS, sizeof(told[0]), by_stamp_and_stream);
	for (size_t i = 0; i < EVENTS; i++) {
		const struct hs_capture_event *e = &events.at[i], *t = &told[i].event;
		ck_assert_uint_eq(c->threads[e->thread].tid, 100 + t->thread);
		ck_assert_uint_eq(e->size, t->size);
		ck_assert_uint_eq(e->addr, t->addr);
		ck_assert_uint_eq(e->stack, t->stack);
		ck_assert_uint_eq(e->stamp, t->stamp);
	}
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}

START_TEST(streams_are_merged_by_stamp_and_then_by_number)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		merge_random(seed * 0x9e3779b97f4a7c15);
}
END_TEST

START_TEST(a_snapshot_comes_after_the_events_of_its_stamp)
{
	const uint64_t snapshots[][6] = {{2005, 50, 1, 2, 3, 4}, {1500, 20, 5, 6, 7, 8}};
	struct cap cap;
	struct cap_stream s, other;
	struct hs_out records;
	cap_init(&cap);
	hs_out_init(&records, -1);
	cap_stream(&s, 0, 1, 1000);
	cap_stream(&other, 1, 2, 1000);
	for (uint64_t stamp = 1400; stamp <= 1600; stamp += 100)
		cap_event(&s, HS_WIRE_MALLOC, 1, 8, stamp * 16, stamp);
	cap_event(&other, HS_WIRE_CALLOC, 1, 8, 0x10, 1500);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	cap_chunk(&cap, &other, HS_WIRE_CHUNK_OPEN);
	for (size_t i = 0; i < 2; i++)
		cap_ulebs(&records, HS_WIRE_SNAPSHOT, snapshots[i], 6);
	cap_section(&cap, &records);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	const uint32_t kinds[] = {HS_WIRE_MALLOC, HS_WIRE_MALLOC,
				  HS_WIRE_CALLOC, HS_CAPTURE_SNAPSHOT,
				  HS_WIRE_MALLOC, HS_CAPTURE_SNAPSHOT};
	ck_assert_uint_eq(events.n, HS_COUNT(kinds));
	for (size_t i = 0; i < events.n; i++)
		ck_assert_uint_eq(events.at[i].kind, kinds[i]);
	ck_assert_uint_eq(c->snapshots[events.at[3].stack].rss, 5);
	ck_assert_uint_eq(c->snapshots[events.at[5].stack].shmem, 4);
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

START_TEST(a_chunk_that_is_also_a_piece_counts_once_and_gaps_are_counted)
{
	struct cap cap;
	struct cap_stream s, twin;
	struct hs_out records;
	cap_init(&cap);
	hs_out_init(&records, -1);
	cap_stream(&s, 3, 1, 1000);
	cap_stream(&twin, 3, 1, 1000);
	for (int i = 0; i < 2; i++)
		cap_event(i ? &twin : &s, HS_WIRE_MALLOC, 1, 8, 0x1000, 0);
	cap_piece(&records, &s);
	cap_chunk(&cap, &twin, HS_WIRE_CHUNK_CLOSED);
	s.sequence = 4; /* 1, 2 and 3 are missing */
	cap_event(&s, HS_WIRE_FREE, 0, 0, 0x1000, 0);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	cap_event(&s, HS_WIRE_MALLOC, 1, 8, 0x2000, 0);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_FREE); /* what it holds does not count */
	cap_section(&cap, &records);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert_uint_eq(events.n, 2);
	ck_assert_uint_eq(c->loss.missing_pieces, 3);
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

START_TEST(chunks_that_a_recorder_may_take_are_read_as_well)
{
	struct cap cap;
	struct cap_stream s;
	cap_init(&cap);
	cap.header.state = HS_WIRE_LIVE;
	cap.header.recorder_pid = 1;
	cap_stream(&s, 0, 1, 1000);
	for (uint64_t i = 0; i < 3; i++) {
		cap_event(&s, HS_WIRE_MALLOC, 1, i, 0x1000 * (i + 1), 0);
		cap_chunk(&cap, &s, i < 2 ? HS_WIRE_CHUNK_CLOSED : HS_WIRE_CHUNK_OPEN);
	}
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	/* What happens to the file from now on does not matter. */
	memset(file + HS_WIRE_PAGE, 0xff, size - HS_WIRE_PAGE);
	event_array events = {0};
	read_all(c, &events);
	ck_assert(whole(c));
	ck_assert_uint_eq(events.n, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(events.at[i].size, i);
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

START_TEST(what_is_unknown_is_skipped)
{
	struct cap cap;
	struct cap_stream s;
	struct hs_out records;
	const uint64_t numbers[] = {1, 2, 3};
	cap_init(&cap);
	hs_out_init(&records, -1);
	cap_ulebs(&cap.records, 1000, numbers, 3);
	cap_text(&cap.records, HS_WIRE_NAME, "first", 5);
	cap_hole(&cap);
	cap_ulebs(&records, 999, numbers, 3);
	cap_text(&records, HS_WIRE_NAME, "second", 6);
	cap_section(&cap, &records);
	cap_ulebs(&records, 999, numbers, 3);
	size_t unknown = cap.pages.n;
	cap_section(&cap, &records);
	cap.pages.buf[unknown + 4] = 99; /* the section's tag */
	cap_stream(&s, 0, 1, 1000);
	cap_event(&s, 14, 9, 9, 0x1000, 1005); /* an unknown kind: its fields count */
	cap_event_record(&s, 777, &records);
	cap_event(&s, HS_WIRE_MALLOC, 9, 7, 0x1000, 0);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert_uint_eq(events.n, 1);
	ck_assert_uint_eq(events.at[0].stack, 9);
	ck_assert_uint_eq(events.at[0].addr, 0x1000);
	ck_assert_uint_eq(events.at[0].stamp, 1005);
	ck_assert_uint_eq(c->loss.unknown_events, 1);
	ck_assert_uint_eq(c->loss.damaged_pieces + c->loss.damaged_records, 0);
	ck_assert_mem_eq(c->name.at, "second", 6);
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

static size_t frames_of(const struct hs_capture *c, uint32_t id, uint64_t *pcs)
{
	const struct hs_capture_stack *s = hs_capture_stack(c, id);
	size_t n = 0;
	ck_assert_ptr_nonnull(s);
	for (uint32_t i = s->node; i; i = c->nodes[i].parent)
		pcs[n++] = c->nodes[i].pc;
	return n;
}

START_TEST(stacks_share_frames_and_may_be_defined_after_their_use)
{
	const uint64_t deep[] = {0x401000, 0x402000, 0x403000},
		       side[] = {0x401000, 0x402000, 0x1};
	struct cap cap;
	struct cap_stream s;
	uint64_t pcs[8];
	cap_init(&cap);
	cap_stream(&s, 0, 1, 1000);
	cap_event(&s, HS_WIRE_MALLOC, 2, 8, 0x1000, 0);
	cap_stack(&s, 1, 0, 0, deep, 3);
	cap_stack(&s, 2, 0, HS_WIRE_STACK_CUT, side, 3);
	cap_stack(&s, 3, 1, 0, side, 3); /* another epoch */
	cap_stack(&s, 1, 0, 0, side, 1); /* told again: the first counts */
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert(whole(c));
	ck_assert_uint_eq(events.at[0].stack, 2);
	ck_assert_uint_eq(frames_of(c, 2, pcs), 3);
	ck_assert_uint_eq(pcs[0], 0x1);
	ck_assert_uint_eq(pcs[2], 0x401000);
	ck_assert_uint_eq(hs_capture_stack(c, 2)->flags, HS_WIRE_STACK_CUT);
	ck_assert_uint_eq(frames_of(c, 1, pcs), 3);
	ck_assert_uint_eq(pcs[0], 0x403000);
	ck_assert_uint_eq(c->nodes[hs_capture_stack(c, 3)->node].epoch, 1);
	ck_assert_ptr_null(hs_capture_stack(c, 4));
	/* 3 new frames, 1, 3 and 1, besides the root. */
	ck_assert_uint_eq(c->n_nodes, 1 + 3 + 1 + 3 + 1);
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

START_TEST(an_address_belongs_to_the_module_of_its_epoch)
{
	struct cap cap;
	struct hs_out records;
	cap_init(&cap);
	hs_out_init(&records, -1);
	cap_module(&records, 2, 0x1000, 0x3000, 0, "b", "second");
	cap_module(&records, 0, 0x1000, 0x2000, 0, "a", "first");
	cap_module(&records, 0, 0x1000, 0x2000, 0, "a", "first"); /* again */
	cap_module(&records, 5, 0x8000, 0x9000, 0, "c", "late");
	cap_section(&cap, &records);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert_uint_eq(c->n_modules, 3);
	const struct {
		uint32_t epoch;
		uint64_t pc;
		char build_id;
	} cases[] = {{0, 0x1001, 'a'}, {1, 0x1001, 'a'}, {2, 0x1001, 'b'},
		     {9, 0x2000, 'b'}, {0, 0x2001, 'b'}, /* covered by none of its epoch
							    or before */
		     {0, 0x3000, 'b'}, {9, 0x3001, 0},   {9, 0x1000, 0},
		     {0, 0x9000, 'c'}, {9, 0, 0},        {9, UINT64_MAX, 0}};
	for (size_t i = 0; i < HS_COUNT(cases); i++) {
		const struct hs_capture_module *m =
			hs_capture_find_module(c, cases[i].epoch, cases[i].pc);
		ck_assert_int_eq(m ? *m->build_id.at : 0, cases[i].build_id);
	}
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

START_TEST(times_lie_between_the_moments_that_are_known)
{
	const uint64_t snapshot[] = {2000, 1700000000000002000, 0, 0, 0, 0};
	const uint64_t ended[] = {HS_WIRE_HOW_EXIT, 3 << 1, 3000, 1700000000000004000};
	const uint64_t start = 1700000000000000000;
	struct cap cap;
	struct hs_out records;
	size_t size;
	cap_init(&cap);
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	ck_assert_uint_eq(hs_capture_time(c, 1000), start);
	ck_assert_uint_eq(hs_capture_time(c, 1001), 0);
	hs_capture_free(c);
	free(file);

	cap_init(&cap);
	hs_out_init(&records, -1);
	cap_ulebs(&records, HS_WIRE_SNAPSHOT, snapshot, 6);
	cap_ulebs(&records, HS_WIRE_ENDED, ended, 4);
	cap_section(&cap, &records);
	file = cap_finish(&cap, &size);
	c = opened(file, size);
	ck_assert(c->ended);
	ck_assert_uint_eq(c->end_how, HS_WIRE_HOW_EXIT);
	ck_assert_int_eq(c->end_code, 3);
	ck_assert_uint_eq(hs_capture_time(c, 500), start);
	ck_assert_uint_eq(hs_capture_time(c, 1500), start + 1000);
	ck_assert_uint_eq(hs_capture_time(c, 2000), start + 2000);
	ck_assert_uint_eq(hs_capture_time(c, 2500), start + 3000);
	ck_assert_uint_eq(hs_capture_time(c, 3500), start + 5000);
	ck_assert_uint_eq(hs_capture_time(c, UINT64_MAX), UINT64_MAX);
	hs_capture_free(c);
	free(file);
}
END_TEST

static void refused(const uint8_t *file, size_t size, const char *why)
{
	struct hs_capture *c = NULL;
	struct hs_cursor in = hs_cursor(file, size, "test");
	struct hs_error *err = hs_capture_open(&in, &c);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(hs_error_message(err), why), "%s", hs_error_message(err));
	hs_error_free(err);
}

START_TEST(what_cannot_be_read_is_refused_with_the_reason)
{
	struct cap cap;
	size_t size;
	cap_init(&cap);
	uint8_t *file = cap_finish(&cap, &size);
	refused(file, 0, "empty");
	refused((const uint8_t *)"HEAPSNIP", 8, "no heapsnap capture");
	refused(file, 111, "ends within its header");
	file[8] = 2;
	refused(file, size, "version 2, and this heapsnap knows version 1: use a newer");
	file[8] = 0;
	refused(file, size, "damaged");
	file[8] = 1;
	file[10] = 4;
	refused(file, size, "32-bit");
	file[10] = 8;
	file[13] = 0xff;
	refused(file, size, "damaged");
	free(file);
}
END_TEST

/* A file with everything in it. */
static uint8_t *rich_file(size_t *size)
{
	const uint64_t pcs[] = {0x401000, 0x402000, 0x403000};
	const uint64_t snapshot[] = {1500, 1700000000000001000, 9, 9, 9, 9};
	const uint64_t ended[] = {HS_WIRE_HOW_EXIT, 0, 9000, 1700000000000009000};
	const uint64_t thread[] = {0, 1, 0, 0};
	struct cap cap;
	struct cap_stream s, t;
	struct hs_out records;
	cap_init(&cap);
	hs_out_init(&records, -1);
	cap_text(&cap.records, HS_WIRE_NAME, "rich", 4);
	cap_text(&cap.records, HS_WIRE_ARGV, "rich\0-v\0", 8);
	cap_stream(&s, 0, 1, 1000);
	cap_stream(&t, 1, 2, 1000);
	cap_ulebs(&records, HS_WIRE_THREAD, thread, 4);
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 40 == 0)
			cap_stack(&s, 1 + i / 40, 0, 0, pcs, 1 + i % 3);
		cap_event(&s, HS_WIRE_MALLOC, 1 + i % 5, i, 0x1000 + i * 32, 1000 + i);
		cap_event(&t, HS_WIRE_FREE, 0, 0, 0x1000 + i * 32, 1001 + i);
		if (i == 99)
			cap_piece(&records, &s);
	}
	cap_module(&records, 0, 0x400000, 0x500000, 0x400000, "abc", "/bin/rich");
	cap_ulebs(&records, HS_WIRE_SNAPSHOT, snapshot, 6);
	cap_section(&cap, &records);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	cap_hole(&cap);
	cap_ulebs(&records, HS_WIRE_ENDED, ended, 4);
	cap_section(&cap, &records);
	cap_chunk(&cap, &t, HS_WIRE_CHUNK_CLOSED);
	return cap_finish(&cap, size);
}

START_TEST(a_file_cut_at_any_byte_yields_a_part_of_the_whole)
{
	size_t size;
	uint8_t *file = rich_file(&size);
	struct hs_capture *c = opened(file, size);
	event_array all = {0};
	read_all(c, &all);
	ck_assert(whole(c));
	ck_assert_uint_eq(all.n, 401); /* and the snapshot */
	hs_capture_free(c);
	size_t most = 0;
	for (size_t cut = 112; cut < size; cut++) {
		/* A copy of its own, so that a read past the end is noticed. */
		uint8_t *part = hs_xmalloc(cut);
		memcpy(part, file, cut);
		event_array some = {0};
		c = opened(part, cut);
		read_all(c, &some);
		ck_assert(c->loss.cut);
		ck_assert_uint_le(some.n, all.n);
		ck_assert_uint_ge(some.n, most); /* a longer part never tells less */
		most = some.n;
		hs_capture_free(c);
		hs_array_free(&some);
		free(part);
	}
	ck_assert_uint_eq(most, all.n);
	hs_array_free(&all);
	free(file);
}
END_TEST

static void survive(const uint8_t *file, size_t size)
{
	struct hs_capture *c = NULL;
	struct hs_cursor in = hs_cursor(file, size, "test");
	struct hs_error *err = hs_capture_open(&in, &c);
	if (!err) {
		event_array events = {0};
		read_all(c, &events);
		for (size_t i = 0; i < events.n; i++) {
			ck_assert(!i || events.at[i - 1].stamp <= events.at[i].stamp);
			ck_assert(events.at[i].kind == HS_CAPTURE_SNAPSHOT ||
				  events.at[i].thread < c->n_threads);
			(void)hs_capture_time(c, events.at[i].stamp);
		}
		for (size_t i = 1; i < c->n_nodes; i++) {
			ck_assert_uint_lt(c->nodes[i].parent, i);
			(void)hs_capture_find_module(c, 0, c->nodes[i].pc);
		}
		for (size_t i = 0; i < c->n_stacks; i++)
			ck_assert_uint_lt(c->stacks[i].node, c->n_nodes);
		hs_array_free(&events);
	}
	hs_error_free(err);
	hs_capture_free(c);
}

START_TEST(flipped_bits_never_crash_the_reader)
{
	size_t size;
	uint8_t *file = rich_file(&size);
	for (size_t i = 0; i < size; i++) {
		/* Most of a page is unused; all bits of what frames the rest. */
		if (i > 8 && !file[i] && !file[i - 8])
			continue;
		for (unsigned bit = i % 8; bit < 8;
		     bit += i % HS_WIRE_PAGE < 80 ? 1 : 8) {
			file[i] ^= (uint8_t)(1u << bit);
			survive(file, size);
			file[i] ^= (uint8_t)(1u << bit);
		}
	}
	free(file);
}
END_TEST

START_TEST(a_small_file_cannot_ask_for_much_memory)
{
	/* One deep stack, then many that claim to share all of it. */
	struct cap cap;
	struct cap_stream s;
	struct hs_out payload;
	const size_t deep = 20000, many = 5000;
	cap_init(&cap);
	cap_stream(&s, 0, 1, 1000);
	hs_out_init(&payload, -1);
	for (size_t i = 0; i <= many; i++) {
		const uint64_t head[] = {i + 1, 0, 0, i ? deep : 0, i ? 0 : deep};
		for (size_t k = 0; k < HS_COUNT(head); k++)
			hs_put_uleb(&payload, head[k]);
		for (size_t k = 0; k < deep && !i; k++)
			cap_zigzag(&payload, 16);
		cap_event_record(&s, HS_WIRE_STACK, &payload);
	}
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	size_t size;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_capture *c = opened(file, size);
	event_array events = {0};
	read_all(c, &events);
	ck_assert_uint_eq(c->n_stacks, many + 1);
	ck_assert_uint_eq(c->n_nodes, deep + 1);
	hs_array_free(&events);
	hs_capture_free(c);
	free(file);
}
END_TEST

HS_SUITE("capture", every_width_of_every_field_is_read,
	 streams_are_merged_by_stamp_and_then_by_number,
	 a_snapshot_comes_after_the_events_of_its_stamp,
	 a_chunk_that_is_also_a_piece_counts_once_and_gaps_are_counted,
	 chunks_that_a_recorder_may_take_are_read_as_well, what_is_unknown_is_skipped,
	 stacks_share_frames_and_may_be_defined_after_their_use,
	 an_address_belongs_to_the_module_of_its_epoch,
	 times_lie_between_the_moments_that_are_known,
	 what_cannot_be_read_is_refused_with_the_reason,
	 a_file_cut_at_any_byte_yields_a_part_of_the_whole,
	 flipped_bits_never_crash_the_reader, a_small_file_cannot_ask_for_much_memory)
