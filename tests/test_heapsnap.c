/* SPDX-License-Identifier: MIT */

/* Captures as profiles: from the log, from folded records, and with damage. */
#include "formats/format.h"

#include <string.h>

#include "src/array.h"
#include "src/build.h"
#include "src/capture.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/fold.h"
#include "src/forks.h"
#include "src/segment.h"
#include "tests/lib/capbuild.h"
#include "tests/lib/heapmodel.h"
#include "tests/lib/suite.h"

extern const struct hs_format hs_format_heapsnap;

static struct hs_profile *profile_of(const uint8_t *file, size_t size)
{
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(file, size, "/some/where/prog.4242.hsnap");
	struct hs_error *err = hs_format_heapsnap.read(&in, b);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return hs_build_seal(b);
}

/* Model kinds and stacks in terms of the wire. */
static enum hs_wire_kind wire_kind(uint32_t kind)
{
	return (enum hs_wire_kind[]){HS_WIRE_MALLOC, HS_WIRE_CALLOC, HS_WIRE_NEW}[kind];
}

static enum hs_alloc_kind alloc_kind(uint32_t kind)
{
	return (enum hs_alloc_kind[]){HS_ALLOC_MALLOC, HS_ALLOC_CALLOC,
				      HS_ALLOC_NEW}[kind];
}

/* Stack i: i + 1 frames in one module, the innermost at 0x400100 + i. */
static void tell_stacks(struct cap_stream *s)
{
	uint64_t pcs[MODEL_STACKS];
	for (uint32_t i = 0; i < MODEL_STACKS; i++) {
		pcs[i] = 0x400100 + i;
		cap_stack(s, i + 1, 0, 0, pcs, i + 1);
	}
}

static void tell_identity(struct cap *cap)
{
	/* One ns for each stamp. */
	cap->header.start_ns = 1700000000000000000 + cap->header.start_stamp;
	cap_text(&cap->records, HS_WIRE_NAME, "prog", 4);
	cap_text(&cap->records, HS_WIRE_EXE, "/bin/prog", 9);
	cap_text(&cap->records, HS_WIRE_ARGV, "prog\0-x\0", 8);
	cap_text(&cap->records, HS_WIRE_VERSION_OF, "0.1.0", 5);
	cap_text(&cap->records, HS_WIRE_SYSTEM, "Linux 6.1\0glibc 2.36", 20);
	cap_module(&cap->records, 0, 0x400000, 0x500000, 0x3ff000, "\xab\x01",
		   "/bin/prog");
}

static void tell_end(struct hs_out *records, uint64_t how, int64_t code, uint64_t stamp)
{
	struct hs_out payload;
	hs_out_init(&payload, -1);
	hs_put_uleb(&payload, how);
	cap_zigzag(&payload, code);
	hs_put_uleb(&payload, stamp);
	hs_put_uleb(&payload, 1700000000000000000 + stamp);
	cap_record(records, HS_WIRE_ENDED, &payload);
}

static void tell_event(struct cap_stream *s, const struct model_event *e)
{
	static const enum hs_wire_kind kinds[] = {[MODEL_FREE] = HS_WIRE_FREE,
						  [MODEL_RELEASE] = HS_WIRE_RELEASE,
						  [MODEL_RETAIN] = HS_WIRE_RETAIN};
	enum hs_wire_kind kind =
		e->what == MODEL_ALLOC ? wire_kind(e->kind) : kinds[e->what];
	cap_event(s, kind, e->stack + 1, e->size, e->addr, e->time);
}

struct story {
	struct model model;
	uint8_t *log;
	size_t log_size;
	uint64_t end; /* its last stamp */
};

/* A random program of several threads as a log, and what became of its heap. */
static void tell_story(struct story *story, uint64_t random)
{
	struct cap cap;
	struct cap_stream s[MODEL_THREADS];
	struct hs_out records;
	struct model *m = &story->model;
	memset(m, 0, sizeof(*m));
	uint64_t now = 1000;
	cap_init(&cap);
	hs_out_init(&records, -1);
	tell_identity(&cap);
	for (uint32_t i = 0; i < MODEL_THREADS; i++)
		cap_stream(&s[i], i, 500 + i, 1000);
	tell_stacks(&s[MODEL_THREADS - 1]);
	for (int i = 0; i < 300; i++) {
		struct model_event e = model_make(m, &random, false);
		/* A later event of another thread has a later stamp. */
		e.time = ++now;
		model_apply(m, &e);
		tell_event(&s[e.thread], &e);
		if (model_random(&random, 40) == 0) {
			const uint64_t snapshot[] = {now,
						     1700000000000000000 + now,
						     4096 * (uint64_t)i + 1,
						     1,
						     2,
						     3};
			cap_ulebs(&records, HS_WIRE_SNAPSHOT, snapshot, 6);
			cap_piece(&records, &s[e.thread]);
		}
	}
	for (uint32_t i = 0; i < MODEL_THREADS; i++)
		cap_chunk(&cap, &s[i], HS_WIRE_CHUNK_CLOSED);
	tell_end(&records, HS_WIRE_HOW_EXIT, 3, now);
	cap_section(&cap, &records);
	model_settle(m);
	story->end = now;
	story->log = cap_finish(&cap, &story->log_size);
}

static void totals_agree(const struct hs_profile *p, const struct model *m)
{
	ck_assert_uint_eq(p->totals.allocs, m->sum.allocs);
	ck_assert_uint_eq(p->totals.frees, m->sum.frees);
	ck_assert_uint_eq(p->totals.bytes, m->sum.bytes);
	ck_assert_uint_eq(p->totals.temporaries, m->sum.temporaries);
	ck_assert_uint_eq(p->totals.live_blocks, m->sum.live_blocks);
	ck_assert_uint_eq(p->totals.live_bytes, m->sum.live_bytes);
	ck_assert_uint_eq(p->totals.peak_bytes, m->peak_bytes);
	ck_assert_uint_eq(p->totals.peak_blocks, m->peak_blocks);
	ck_assert_uint_eq(p->totals.peak_ns,
			  m->peak_time ? 1700000000000000000 + m->peak_time : 0);
	ck_assert_uint_eq(p->totals.unmatched_frees, m->unmatched);
	ck_assert_uint_eq(p->n_live, m->n_blocks);
}

static void sites_agree(const struct hs_profile *p, const struct model *m)
{
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &p->sites[i];
		const struct hs_frame_info *f = &p->frames[p->stacks[s->stack.i].frame.i];
		uint32_t stack = (uint32_t)(f->offset - 0x1100), kind = 0;
		while (alloc_kind(kind) != s->kind)
			kind++;
		ck_assert_uint_lt(stack, MODEL_STACKS);
		ck_assert_str_eq(hs_string(p, p->modules[f->module.i].path), "/bin/prog");
		ck_assert_uint_eq(s->allocs, m->sites[stack][kind].allocs);
		ck_assert_uint_eq(s->frees, m->sites[stack][kind].frees);
		ck_assert_uint_eq(s->live_bytes, m->sites[stack][kind].live_bytes);
		ck_assert_uint_eq(s->peak_bytes, m->at_peak[stack][kind].live_bytes);
		ck_assert_uint_eq(s->peak_blocks, m->at_peak[stack][kind].live_blocks);
		uint32_t depth = 0;
		for (uint32_t k = s->stack.i; k; k = p->stacks[k].parent.i)
			depth++;
		ck_assert_uint_eq(depth, stack + 1);
	}
}

START_TEST(a_log_becomes_the_profile_that_the_model_has)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct story story;
		tell_story(&story, seed * 0x9e3779b97f4a7c15);
		struct hs_profile *p = profile_of(story.log, story.log_size);
		totals_agree(p, &story.model);
		sites_agree(p, &story.model);
		ck_assert(p->process.complete);
		hs_profile_free(p);
		free(story.log);
	}
}
END_TEST

static struct hs_segment boundary(struct hs_segments *cutter, struct hs_fold *fold,
				  const struct hs_capture *c)
{
	struct hs_segment s;
	hs_segments_cut(cutter, fold, c->threads, &s);
	return s;
}

static void put_segment(struct hs_out *records, const struct hs_segment *s)
{
	struct hs_out payload;
	hs_out_init(&payload, -1);
	hs_segment_encode(s, &payload);
	cap_record(records, HS_WIRE_SEGMENT, &payload);
}

static void fold_one(struct hs_fold *f, const struct hs_capture_event *e)
{
	if (e->kind == HS_WIRE_FREE)
		hs_fold_dealloc(f, e->addr, e->stamp);
	else if (e->kind == HS_WIRE_RELEASE)
		hs_fold_release(f, e->thread, e->addr, e->stamp);
	else if (e->kind == HS_WIRE_RETAIN)
		hs_fold_retain(f, e->thread, e->stamp);
	else
		hs_fold_alloc(f, e->thread, e->kind, e->stack, e->addr, e->size,
			      e->stamp);
}

/* Rewrite a log as a recorder does that does not keep it. */
static uint8_t *folded(const uint8_t *log, size_t log_size, size_t *size)
{
	struct hs_cursor in = hs_cursor(log, log_size, NULL);
	struct hs_capture *c;
	struct hs_fold *fold = hs_fold_new();
	struct hs_segments *cutter = hs_segments_new();
	struct hs_out records, payload;
	struct cap cap;
	struct cap_stream s;
	const struct hs_capture_event *e;
	ck_assert_ptr_null(hs_capture_open(&in, &c));
	cap_init(&cap);
	hs_out_init(&records, -1);
	hs_out_init(&payload, -1);
	tell_identity(&cap);
	for (size_t n; (n = hs_capture_next(c, &e));) {
		for (size_t i = 0; i < n; i++) {
			if (e[i].kind != HS_CAPTURE_SNAPSHOT) {
				fold_one(fold, &e[i]);
				continue;
			}
			const struct hs_capture_snapshot *snap =
				&c->snapshots[e[i].stack];
			struct hs_segment segment = boundary(cutter, fold, c);
			segment.flags |= HS_SEGMENT_SNAPSHOT;
			segment.to_stamp = snap->stamp;
			segment.time_ns = snap->time_ns;
			segment.rss = snap->rss;
			segment.anon = snap->anon;
			segment.file = snap->file;
			segment.shmem = snap->shmem;
			put_segment(&records, &segment);
		}
	}
	hs_fold_settle(fold);
	struct hs_segment last = boundary(cutter, fold, c);
	put_segment(&records, &last);
	size_t n_live;
	struct hs_fold_block *live = hs_fold_live(fold, &n_live);
	const size_t half = n_live / 2; /* several records are one set */
	hs_live_set_encode(fold, live, half, c->threads, &payload);
	cap_record(&records, HS_WIRE_LIVE_SET, &payload);
	hs_live_set_encode(fold, live + half, n_live - half, c->threads, &payload);
	cap_record(&records, HS_WIRE_LIVE_SET, &payload);
	free(live);
	hs_peak_encode(fold, &payload);
	cap_record(&records, HS_WIRE_PEAK, &payload);
	size_t n_sites;
	(void)hs_fold_sites(fold, &n_sites);
	hs_spreads_encode(fold, 0, n_sites / 2, &payload);
	cap_record(&records, HS_WIRE_SPREADS, &payload);
	hs_spreads_encode(fold, n_sites / 2, n_sites - n_sites / 2, &payload);
	cap_record(&records, HS_WIRE_SPREADS, &payload);
	for (size_t i = 0; i < c->n_threads; i++) {
		const uint64_t thread[] = {i, c->threads[i].tid, 0, 0};
		cap_ulebs(&records, HS_WIRE_THREAD, thread, 4);
	}
	tell_end(&records, HS_WIRE_HOW_EXIT, 3, c->end_stamp);
	cap_section(&cap, &records);
	cap_stream(&s, 0, 500, 1000);
	tell_stacks(&s);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_CLOSED);
	hs_segments_free(cutter);
	hs_fold_free(fold);
	hs_capture_free(c);
	return cap_finish(&cap, size);
}

static void same_thread(const struct hs_profile *p, hs_thread a,
			const struct hs_profile *q, hs_thread b)
{
	ck_assert_uint_eq(p->threads[a.i].tid, q->threads[b.i].tid);
}

static void same_tables(const struct hs_profile *p, const struct hs_profile *q)
{
	ck_assert_uint_eq(p->n_sites, q->n_sites);
	ck_assert_uint_eq(p->n_live, q->n_live);
	ck_assert_uint_eq(p->n_snapshots, q->n_snapshots);
	for (uint32_t i = 0; i < p->n_sites; i++)
		same_thread(p, p->sites[i].thread, q, q->sites[i].thread);
	for (uint32_t i = 0; i < p->n_live; i++) {
		ck_assert_uint_eq(p->live[i].addr, q->live[i].addr);
		ck_assert_uint_eq(p->live[i].size, q->live[i].size);
		ck_assert_uint_eq(p->live[i].born_ns, q->live[i].born_ns);
		same_thread(p, p->live[i].thread, q, q->live[i].thread);
	}
	for (uint32_t i = 0; i < p->n_snapshots; i++)
		ck_assert_mem_eq(&p->snapshots[i], &q->snapshots[i],
				 sizeof(p->snapshots[i]));
	/* Samples may be older than these. */
	const uint32_t young = HS_HAS_LEVELS | HS_HAS_SPREADS;
	ck_assert_uint_eq(p->has & ~young, q->has & ~young);
}

static void same_history(const struct hs_profile *p, const struct hs_profile *q)
{
	ck_assert_uint_eq(p->has, q->has);
	ck_assert_uint_eq(p->n_marks, q->n_marks);
	ck_assert_uint_eq(p->n_levels, q->n_levels);
	for (uint32_t i = 0; i < p->n_marks; i++) {
		ck_assert_uint_eq(p->marks[i].snapshot, q->marks[i].snapshot);
		if (p->marks[i].snapshot) /* folded() has no time for the end */
			ck_assert_uint_eq(p->marks[i].time_ns, q->marks[i].time_ns);
	}
	for (uint32_t i = 0; i < p->n_levels; i++)
		ck_assert_mem_eq(&p->levels[i], &q->levels[i], sizeof(p->levels[i]));
	for (uint32_t i = 0; i < p->n_sites; i++)
		ck_assert_mem_eq(&p->sites[i].spread, &q->sites[i].spread,
				 sizeof(p->sites[i].spread));
}

/* The levels at the last mark are what lives in the end. */
static void levels_end_where_sites_do(const struct hs_profile *p)
{
	uint64_t allocs = 0;
	for (uint32_t i = 0; i < p->n_levels; i++) {
		const struct hs_level *l = &p->levels[i];
		allocs += l->allocs;
		if (i + 1 < p->n_levels && l[1].site == l->site)
			continue;
		ck_assert_uint_eq(l->blocks, p->sites[l->site].live_blocks);
		ck_assert_uint_eq(l->bytes, p->sites[l->site].live_bytes);
	}
	ck_assert_uint_eq(allocs, p->totals.allocs);
}

START_TEST(folded_records_tell_what_the_log_told)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct story story;
		size_t size;
		tell_story(&story, seed * 0x9e3779b97f4a7c15);
		uint8_t *file = folded(story.log, story.log_size, &size);
		struct hs_profile *p = profile_of(story.log, story.log_size);
		struct hs_profile *q = profile_of(file, size);
		totals_agree(q, &story.model);
		sites_agree(q, &story.model);
		same_tables(p, q);
		same_history(p, q);
		levels_end_where_sites_do(p);
		ck_assert(q->process.complete);
		hs_profile_free(p);
		hs_profile_free(q);
		free(file);
		free(story.log);
	}
}
END_TEST

START_TEST(identity_and_end_are_what_the_records_say)
{
	struct story story;
	tell_story(&story, 7);
	struct hs_profile *p = profile_of(story.log, story.log_size);
	const struct hs_process_info *process = &p->process;
	ck_assert_str_eq(hs_string(p, process->id), "prog.4242");
	ck_assert_str_eq(hs_string(p, process->name), "prog");
	ck_assert_str_eq(hs_string(p, process->source), "heapsnap");
	ck_assert_str_eq(hs_string(p, process->system), "Linux 6.1 / glibc 2.36");
	ck_assert_str_eq(hs_string(p, process->build_id), "ab01");
	ck_assert_uint_eq(process->n_argv, 2);
	ck_assert_str_eq(hs_string(p, process->argv[1]), "-x");
	ck_assert_uint_eq(process->pid, 4242);
	ck_assert_int_eq(process->end, HS_END_EXIT);
	ck_assert_int_eq(process->code, 3);
	ck_assert_uint_eq(process->end_ns, 1700000000000000000 + story.end);
	ck_assert_uint_eq(p->threads[1].tid, 500);
	ck_assert(p->has & HS_HAS_TIME);
	ck_assert(p->has & HS_HAS_RSS);
	hs_profile_free(p);
	free(story.log);
}
END_TEST

/* A capture without events, changed by the caller. */
static struct hs_profile *end_of(uint32_t exit_kind, int64_t how, int64_t code)
{
	struct cap cap;
	struct hs_out records;
	size_t size;
	cap_init(&cap);
	hs_out_init(&records, -1);
	cap.header.state = HS_WIRE_LIVE;
	cap.header.exit_kind = exit_kind;
	cap.header.exit_code = 9;
	if (how >= 0)
		tell_end(&records, (uint64_t)how, code, 2000);
	cap_section(&cap, &records);
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_profile *p = profile_of(file, size);
	free(file);
	return p;
}

START_TEST(the_end_is_the_recorder_s_then_the_exit_hook_s_then_unknown)
{
	const struct {
		uint32_t exit_kind;
		int64_t how, code;
		enum hs_end end;
		int want_code, want_signal;
	} cases[] = {
		{0, -1, 0, HS_END_UNKNOWN, 0, 0},
		{HS_WIRE_EXIT_UEXIT, -1, 0, HS_END_EXIT, 9, 0},
		{HS_WIRE_EXIT_EXIT, HS_WIRE_HOW_UNKNOWN, 0, HS_END_EXIT, 9, 0},
		{HS_WIRE_EXIT_EXIT, HS_WIRE_HOW_SIGNAL, 11, HS_END_SIGNAL, 0, 11},
		{0, HS_WIRE_HOW_EXIT, 255, HS_END_EXIT, 255, 0},
		{0, HS_WIRE_HOW_KILLED, 9, HS_END_KILLED, 0, 9},
		{0, 77, 9, HS_END_UNKNOWN, 0, 0},
	};
	for (size_t i = 0; i < HS_COUNT(cases); i++) {
		struct hs_profile *p =
			end_of(cases[i].exit_kind, cases[i].how, cases[i].code);
		ck_assert_int_eq(p->process.end, cases[i].end);
		ck_assert_int_eq(p->process.code, cases[i].want_code);
		ck_assert_int_eq(p->process.signal, cases[i].want_signal);
		ck_assert(p->process.complete);
		hs_profile_free(p);
	}
}
END_TEST

START_TEST(stacks_that_were_cut_are_marked_and_unknown_addresses_kept)
{
	const uint64_t pcs[] = {0x400101, 0x700000};
	struct cap cap;
	struct cap_stream s;
	size_t size;
	cap_init(&cap);
	tell_identity(&cap);
	cap_stream(&s, 0, 1, 1000);
	cap_stack(&s, 1, 0, 0, pcs, 2);
	cap_stack(&s, 2, 0, HS_WIRE_STACK_CUT, pcs, 2);
	cap_event(&s, HS_WIRE_MALLOC, 1, 8, 0x1000, 0);
	cap_event(&s, HS_WIRE_MALLOC, 2, 8, 0x2000, 0);
	cap_event(&s, HS_WIRE_MALLOC, 3, 8, 0x3000, 0); /* never defined */
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_profile *p = profile_of(file, size);
	ck_assert_uint_eq(p->n_sites, 3);
	ck_assert_uint_eq(p->sites[0].stack.i, 0);
	hs_stack whole = p->sites[1].stack, cut = p->sites[2].stack;
	const struct hs_frame_info *leaf = &p->frames[p->stacks[whole.i].frame.i];
	ck_assert_uint_eq(leaf->module.i, 0);
	ck_assert_uint_eq(leaf->offset, 0x700000);
	ck_assert_uint_eq(p->stacks[cut.i].frame.i, p->stacks[whole.i].frame.i);
	hs_stack top = p->stacks[p->stacks[cut.i].parent.i].parent;
	ck_assert_uint_eq(p->stacks[top.i].parent.i, 0);
	ck_assert(strstr(hs_string(p, p->frames[p->stacks[top.i].frame.i].function),
			 "cut"));
	ck_assert(!p->process.complete); /* for the undefined stack */
	ck_assert_uint_eq(p->n_warnings, 1);
	hs_profile_free(p);
	free(file);
}
END_TEST

START_TEST(lost_events_make_a_capture_incomplete_and_are_told)
{
	struct cap cap;
	size_t size;
	cap_init(&cap);
	cap.header.lost_events = 5;
	uint8_t *file = cap_finish(&cap, &size);
	struct hs_profile *p = profile_of(file, size);
	ck_assert(!p->process.complete);
	ck_assert_uint_eq(p->process.lost_events, 5);
	ck_assert(strstr(p->warnings[0], "5 events could not be recorded"));
	hs_profile_free(p);
	free(file);
}
END_TEST

/* A sample's bytes, malloc'ed. */
static uint8_t *sample_bytes(const char *name, size_t *size_ret)
{
	const char *top = getenv("top_srcdir");
	char *path HS_CLEANUP(hs_freep) =
		hs_xasprintf("%s/tests/files/heapsnap/%s", top ? top : ".", name);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	uint8_t *bytes = hs_xmalloc(file.size);
	memcpy(bytes, file.data, file.size);
	*size_ret = file.size;
	hs_file_close(&file);
	return bytes;
}

static struct hs_profile *sample(const char *name)
{
	size_t size;
	uint8_t *bytes = sample_bytes(name, &size);
	struct hs_profile *p = profile_of(bytes, size);
	free(bytes);
	return p;
}

/* Ten blocks of 100 bytes, seven freed: by hand, as the specification puts it. */
START_TEST(the_samples_tell_the_figures_that_their_readme_promises)
{
	const char *const names[] = {"good-log.hsnap", "good-folded.hsnap",
				     "good-killed.hsnap"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		struct hs_profile *p = sample(names[i]);
		ck_assert(p->process.complete);
		ck_assert_uint_eq(p->n_sites, 1);
		ck_assert_uint_eq(p->totals.allocs, 10);
		ck_assert_uint_eq(p->totals.frees, 7);
		ck_assert_uint_eq(p->totals.bytes, 1000);
		ck_assert_uint_eq(p->totals.temporaries, 0);
		ck_assert_uint_eq(p->totals.live_blocks, 3);
		ck_assert_uint_eq(p->totals.peak_bytes, 1000);
		ck_assert_uint_eq(p->totals.peak_blocks, 10);
		ck_assert_uint_eq(p->n_live, 3);
		ck_assert_uint_eq(p->live[2].addr, 0x500000 + 9 * 112);
		ck_assert_uint_eq(p->threads[p->sites[0].thread.i].tid, 4242);
		ck_assert_uint_eq(p->n_snapshots, i == 2 ? 0 : 1);
		if (p->n_snapshots) {
			ck_assert_uint_eq(p->snapshots[0].heap_bytes, 600);
			ck_assert_uint_eq(p->snapshots[0].heap_blocks, 6);
			ck_assert_uint_eq(p->snapshots[0].allocs, 6);
			ck_assert_uint_eq(p->snapshots[0].rss_bytes, 5 << 20);
		}
		hs_profile_free(p);
	}
	struct hs_profile *log = sample("good-log.hsnap"),
			  *folded_log = sample("good-folded.hsnap");
	same_tables(log, folded_log);
	ck_assert_uint_eq(log->totals.peak_ns, folded_log->totals.peak_ns);
	hs_profile_free(log);
	hs_profile_free(folded_log);
}
END_TEST

START_TEST(a_log_and_what_it_came_to_tell_the_same_of_mappings_and_forks)
{
	const char *const names[] = {"good-mappings.hsnap", "good-mapped.hsnap"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		struct hs_profile *p = sample(names[i]);
		ck_assert(p->process.complete);
		ck_assert(p->has & HS_HAS_MMAP);
		ck_assert_uint_eq(p->mmap.calls, 3);
		ck_assert_uint_eq(p->mmap.mapped_bytes, 12 * 4096);
		ck_assert_uint_eq(p->mmap.peak_bytes, 16 * 4096);
		ck_assert_uint_eq(p->totals.bytes, 1000);
		ck_assert_uint_eq(p->process.fork_stamp, 900);
		ck_assert_uint_eq(p->n_forks, 1);
		ck_assert_uint_eq(p->forks[0].stamp, 1028);
		ck_assert_uint_eq(p->forks[0].live_blocks, 3);
		ck_assert_uint_eq(p->forks[0].live_bytes, 300);
		ck_assert_uint_eq(p->forks[0].unmatched_frees, 0);
		hs_profile_free(p);
	}
	struct hs_profile *p = sample("good-log.hsnap");
	ck_assert(!(p->has & HS_HAS_MMAP));
	hs_profile_free(p);
}
END_TEST

START_TEST(missing_pieces_are_told_in_good_english)
{
	for (uint32_t missing = 1; missing <= 2; missing++) {
		struct cap cap;
		struct cap_stream s;
		size_t size;
		cap_init(&cap);
		cap_stream(&s, 0, 1, 1000);
		s.sequence = missing;
		cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
		uint8_t *file = cap_finish(&cap, &size);
		struct hs_profile *p = profile_of(file, size);
		ck_assert(!p->process.complete);
		ck_assert_uint_eq(p->n_warnings, 1);
		ck_assert_str_eq(p->warnings[0],
				 missing == 1 ? "1 piece of the event log is missing."
					      : "2 pieces of the event log are missing.");
		hs_profile_free(p);
		free(file);
	}
}
END_TEST

/* Reads and seals whatever comes; seal checks every invariant. */
static bool survive(const uint8_t *file, size_t size)
{
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(file, size, "x");
	struct hs_error *err = hs_format_heapsnap.read(&in, b);
	bool read = !err;
	hs_error_free(err);
	hs_profile_free(hs_build_seal(b));
	return read;
}

START_TEST(cut_and_damaged_captures_stay_valid_profiles)
{
	struct story story;
	size_t sizes[4];
	tell_story(&story, 99);
	uint8_t *files[4] = {story.log, folded(story.log, story.log_size, &sizes[1]),
			     sample_bytes("good-mappings.hsnap", &sizes[2]),
			     sample_bytes("good-mapped.hsnap", &sizes[3])};
	sizes[0] = story.log_size;
	for (size_t f = 0; f < HS_COUNT(files); f++) {
		for (size_t cut = 0; cut < sizes[f]; cut += 1 + cut / 64) {
			uint8_t *part = hs_xmalloc(cut);
			memcpy(part, files[f], cut);
			ck_assert_int_eq(survive(part, cut), cut >= 112);
			free(part);
		}
		for (size_t i = 0; i < sizes[f]; i++) {
			if (i > 8 && !files[f][i] && !files[f][i - 8])
				continue;
			files[f][i] ^= (uint8_t)(1u << i % 8);
			survive(files[f], sizes[f]);
			files[f][i] ^= (uint8_t)(1u << i % 8);
		}
		free(files[f]);
	}
}
END_TEST

HS_SUITE("heapsnap", a_log_becomes_the_profile_that_the_model_has,
	 folded_records_tell_what_the_log_told, identity_and_end_are_what_the_records_say,
	 the_end_is_the_recorder_s_then_the_exit_hook_s_then_unknown,
	 stacks_that_were_cut_are_marked_and_unknown_addresses_kept,
	 the_samples_tell_the_figures_that_their_readme_promises,
	 a_log_and_what_it_came_to_tell_the_same_of_mappings_and_forks,
	 lost_events_make_a_capture_incomplete_and_are_told,
	 missing_pieces_are_told_in_good_english,
	 cut_and_damaged_captures_stay_valid_profiles)
