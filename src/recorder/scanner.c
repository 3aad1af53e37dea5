/* SPDX-License-Identifier: MIT */

/* One scan, from the first stopped thread to the last record. */
#include "src/recorder/scanner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/fold.h"
#include "src/folding.h"
#include "src/image.h"
#include "src/live.h"
#include "src/out.h"
#include "src/recorder/image.h"
#include "src/recorder/target.h"
#include "src/roots.h"
#include "src/scanned.h"
#include "src/stopper.h"

/* Folding what is not yet folded may take so much of the time that there is. */
#define BLOCKS_AT_ONCE 4096u
#define MOST_FRAMES    65536u /* bytes of the tracker's own frames */

struct scan {
	const struct rc_scanner *options;
	uint64_t deadline_ns;
	struct hs_scanned said;
	struct hs_stopper stopper;
	bool stopped;
	struct hs_heap *heap;
	struct hs_image *image;
	struct hs_roots roots;
	struct hs_graph *graph;
	uint64_t own_memory; /* in the process: what its tracker mapped */
	HS_ARRAY(struct hs_root_hole) holes;
};

/* -- Which blocks there are --------------------------------------------------------- */

static void take_blocks(struct scan *s, const struct hs_fold *fold)
{
	size_t n;
	struct hs_fold_block *live = hs_fold_live(fold, &n);
	struct hs_heap_builder *b = hs_heap_build_new();
	hs_heap_build_reserve(b, n);
	for (size_t i = 0; i < n; i++)
		hs_heap_build_add(b, live[i].addr, live[i].size, HS_BLOCK_USED, 0);
	free(live);
	s->heap = hs_heap_build_seal(b);
}

static struct hs_error *fold(struct scan *s, const struct rc_image *log)
{
	struct hs_capture *c = NULL;
	struct hs_cursor in = hs_cursor(log->data, log->size, NULL);
	struct hs_error *err = hs_capture_open_until(
		&in, s->options->target->store.generation, s->said.stamp, &c);
	if (err)
		return err;
	if (c->sample_mean)
		err = hs_error("blocks were sampled: most are not known");
	else if (c->header.flags & HS_WIRE_OUTRUN)
		err = hs_error("the process has a malloc of its own");
	if (!err) {
		struct hs_folding *f = hs_folding_run(c, true);
		/* Others' blocks may hold ours: see hs_roots_find(). */
		if (c->header.flags & (HS_WIRE_FORKED | HS_WIRE_ATTACHED) ||
		    c->header.lost_events)
			s->said.flags |= HS_SCANNED_CAUTIOUS;
		s->own_memory = c->own_memory;
		take_blocks(s, f->fold);
		hs_folding_free(f);
	}
	hs_capture_free(c);
	return err;
}

static struct hs_error *find_blocks(struct scan *s)
{
	struct rc_target *t = s->options->target;
	struct rc_reaches reaches = {0};
	struct rc_image log = {0};
	/* What is committed by now has stamps up to this one. */
	s->said.stamp = rc_target_stamp(t);
	struct hs_error *err = rc_barrier(t, &reaches);
	if (!err)
		err = rc_image_read(&t->store, &reaches, &log);
	if (!err && write(s->options->said_fd, "", 1) != 1)
		err = hs_error("nobody waits for it");
	if (!err)
		err = fold(s, &log);
	rc_image_free(&log);
	hs_array_free(&reaches.at);
	return err;
}

/* -- Who holds them ------------------------------------------------------------------ */

static void add_hole(struct scan *s, uint64_t start, uint64_t size)
{
	if (size && start + size > start)
		hs_array_push(&s->holes, ((struct hs_root_hole){start, start + size}));
}

/* The tracker's memory, and the tracker itself. */
static struct hs_error *find_own_memory(struct scan *s)
{
	struct hs_wire_own *own HS_CLEANUP(hs_freep) = hs_xmalloc(sizeof(*own));
	if (!s->own_memory ||
	    !hs_image_read_all(s->image, s->own_memory, own, sizeof(*own)))
		return hs_error("the memory of the tracker itself is not known");
	for (uint64_t i = 0; i < HS_MIN(own->n, HS_WIRE_OWN_MAX); i++)
		add_hole(s, own->at[i].start, own->at[i].size);
	for (size_t i = 0; i < s->image->threads.n; i++) {
		struct hs_image_thread *t = &s->image->threads.at[i];
		uint64_t sp = hs_image_sp(s->image, t);
		if (s->options->at_exit && t->tid == own->asker_tid &&
		    own->asker_sp > sp && own->asker_sp - sp < MOST_FRAMES)
			t->registers[s->image->machine == HS_MACHINE_X86_64 ? 7 : 31] =
				own->asker_sp;
		add_hole(s, t->tls - own->tls_below, own->tls_size);
	}
	const struct hs_image_module *m = hs_image_module(s->image, s->own_memory);
	if (m)
		add_hole(s, m->start, m->end - m->start);
	return NULL;
}

static struct hs_error *follow_pointers(struct scan *s)
{
	const struct hs_graph_options o = {.deadline_ns = s->deadline_ns};
	struct hs_error *err =
		hs_live_open_stopped(s->options->target->pid, &s->stopper, &s->image);
	if (!err)
		err = find_own_memory(s);
	if (err)
		return err;
	const struct hs_root_options r = {.holes = s->holes.at,
					  .n_holes = s->holes.n,
					  .gaps = s->said.flags & HS_SCANNED_CAUTIOUS};
	hs_roots_find(s->image, s->heap, &r, &s->roots);
	if (s->roots.missing.n)
		s->said.flags |= HS_SCANNED_PARTIAL;
	err = hs_graph_make(s->image, s->heap, &s->roots, &o, &s->graph);
	if (err)
		return err;
	memcpy(s->said.counts, s->graph->counts, sizeof(s->said.counts));
	s->said.unread_root_bytes = s->graph->unread_root_bytes;
	s->said.unread_block_bytes = s->graph->unread_block_bytes;
	return NULL;
}

/* -- Telling ------------------------------------------------------------------------- */

static bool put_record(int fd, uint32_t tag, struct hs_out *payload)
{
	size_t n;
	char *bytes HS_CLEANUP(hs_freep) = hs_out_take(payload, &n);
	const uint32_t head[] = {tag, (uint32_t)n};
	return write(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
	       write(fd, bytes, n) == (ssize_t)n;
}

static void tell(struct scan *s)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_scanned_encode(&s->said, &out);
	bool good = put_record(s->options->result_fd, HS_WIRE_SCAN, &out);
	for (uint32_t next = 0; good && s->graph && next < s->heap->n;) {
		hs_out_init(&out, -1);
		hs_scanned_encode_blocks(s->graph, &next, BLOCKS_AT_ONCE, &out);
		good = put_record(s->options->result_fd, HS_WIRE_SCAN_BLOCKS, &out);
	}
}

/* The process may go on, whatever came of it. */
static void release(struct scan *s, uint64_t start_ns)
{
	if (s->stopped)
		hs_stopper_release(&s->stopper);
	s->said.duration_ns = rc_clock_ns() - start_ns;
	if (s->options->asker_fd >= 0)
		(void)!send(s->options->asker_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drop(struct scan *s)
{
	hs_graph_free(s->graph);
	hs_roots_deinit(&s->roots);
	hs_image_free(s->image);
	hs_heap_free(s->heap);
	hs_array_free(&s->holes);
}

void rc_scanner_run(const struct rc_scanner *options)
{
	uint64_t start = rc_clock_ns();
	struct scan s = {.options = options, .deadline_ns = start + options->limit_ns};
	s.said.flags = options->at_exit ? HS_SCANNED_AT_EXIT : 0;
	struct hs_error *err = hs_stopper_stop(options->target->pid, &s.stopper);
	s.stopped = !err;
	if (!err)
		err = find_blocks(&s);
	if (!err)
		err = follow_pointers(&s);
	release(&s, start);
	if (err) {
		s.said.flags |= HS_SCANNED_FAILED;
		snprintf(s.said.why, sizeof(s.said.why), "%s", hs_error_message(err));
		hs_error_free(err);
	}
	tell(&s);
	drop(&s);
}

/* -- In the recorder ------------------------------------------------------------------
 */

struct hs_error *rc_scanner_append(struct rc_target *t, int result_fd)
{
	struct stat st;
	struct hs_error *err = NULL;
	if (fstat(result_fd, &st) || !st.st_size)
		return hs_error("the scan of its memory did not come to its end");
	uint8_t *at =
		mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, result_fd, 0);
	if (at == MAP_FAILED)
		return hs_error("cannot map what a scan has found: %s", strerror(errno));
	uint64_t size = (uint64_t)st.st_size, pos = 0;
	while (!err && size - pos >= 8) {
		uint32_t head[2];
		memcpy(head, at + pos, sizeof(head));
		pos += sizeof(head);
		if (head[1] > size - pos)
			break;
		const struct iovec part = {.iov_base = at + pos, .iov_len = head[1]};
		err = rc_store_append(&t->store, head[0], &part, 1);
		pos += head[1];
	}
	munmap(at, (size_t)st.st_size);
	return err;
}
