/* SPDX-License-Identifier: MIT */

/*
 * Streams: what one thread tells.  A thread enters its stream, appends events
 * to the open chunk, and leaves.  A signal handler that interrupts a thread
 * inside its stream gets a nested stream of its own, so nothing is ever
 * appended to a half-written event.
 *
 * Streams lie in memory that a forked child finds zeroed.  There, `ready` is
 * false like in a stream in use, so the fast path needs no check for forks.
 *
 * A handler may also fork or switch to another stack, and then return into the
 * middle of an entry: to a stream that was zeroed, or that another entry took
 * over as stale.  Whoever writes an event therefore loads `pos` once and
 * commits only if it is still there.
 */
#ifndef TR_STREAM_H
#define TR_STREAM_H

#include <string.h>

#include "src/tracker/sys.h"
#include "src/tracker/unwind.h"
#include "src/wire.h"

#define TR_MAX_FRAMES 4096u /* deeper stacks are cut at the outer end and marked */
/*
 * Chunks that a stream hopes to use again: few, or many (64 MiB) as soon as the
 * recorder lags.  What is forgotten stays in the file for nothing.
 */
#define TR_FEW_CHUNKS  16u
#define TR_MANY_CHUNKS 1024u

struct tr_stream {
	/* Hot: one cache line and a half. */
	bool ready;    /* alive and nobody inside */
	bool alive;    /* false: zeroed by fork */
	uint8_t level; /* of nesting */
	bool cut_off;  /* no room for a chunk: events are being lost */
	uint32_t tick; /* header.tick at the last event; TR_ALWAYS_STAMP: no use comparing
			*/
	uint8_t *pos;  /* where the next event goes in the open chunk */
	uint8_t *limit; /* an event may begin up to here; NULL without a chunk */
	struct hs_wire_chunk *chunk;
	uint64_t last_addr, last_size, last_stamp;
	uint32_t last_stack;
	uint32_t id;
	uintptr_t guard;        /* stack address where it was entered */
	struct tr_trail *trail; /* the last stack; NULL until the thread is busy */
	struct tr_memo *memo;   /* other stacks; NULL until it is busier still */

	/* Of the thread's first stream, where blocks are sampled; see mode.h. */
	int64_t left; /* bytes to allocate before the next sample; below 0: it is here */
	struct hs_wire_counters *counters;
	uint64_t dice;

	uint32_t n_walks; /* stacks that neither knew; see recall.h */
	uint32_t n_given; /* trails so far */

	uint32_t tid;
	uint32_t sequence;   /* of the next chunk */
	uint32_t lost_since; /* events lost since the last attempt to get a chunk */
	uint32_t n_chunks, first_chunk;
	struct hs_wire_chunk **many;              /* TR_MANY_CHUNKS; NULL: `few` serve */
	struct hs_wire_chunk *few[TR_FEW_CHUNKS]; /* closed ones, oldest first, a ring */
	struct tr_stream *nested;
	struct tr_stream *next_dead;
	char name[16];

	uint64_t *pcs;      /* TR_MAX_FRAMES return addresses: the stack being walked */
	uint64_t *last_pcs; /* the last stack that was written to the open chunk */
	uint32_t n_last_pcs;
	uint32_t last_epoch; /* in which those are meant */
	struct tr_shape shape;
};

#define TR_ALWAYS_STAMP UINT32_MAX

/*
 * What operator new or delete tells the malloc hook; see cxx.h.  CALL is its
 * return address (48 bits), enum hs_wire_kind and enum tr_cxx_op (8 each), in a
 * word that is stored last; 0: no note.
 */
struct tr_cxx_note {
	uint64_t call;
	uint64_t word; /* of new: the caller's frame pointer; of delete: the block */
	uint16_t slot; /* where the return address lies: the lower bits tell it */
	/* Not of the note, but static TLS is scarce: all libraries share it. */
	uint16_t calls;   /* of hooks, while this process is not selected */
	uint32_t in_real; /* see tr_real_enter */
};

struct tr_tls {
	struct tr_stream *stream;
	struct tr_cxx_note note;
	uint64_t fork_stamp; /* of the fork that this thread is in, or 0; see fork.h */
};
extern TR_HIDDEN __thread struct tr_tls tr_tls __attribute__((tls_model("initial-exec")));

/*
 * A process that is not selected: where its title begins, and with what; NULL where
 * it is to be looked at again, or is recorded.  Set by select.c.
 */
struct tr_sleep {
	const char *title;
	uint64_t head;
};
extern TR_HIDDEN struct tr_sleep tr_sleep;

#define TR_SLEEP_CALLS 16u /* of hooks between two looks at the clock */

/* Nothing to do, most probably: two compares and a counter. */
static inline bool tr_asleep(void)
{
	uint64_t head;
	const char *title = __atomic_load_n(&tr_sleep.title, __ATOMIC_ACQUIRE);
	if (!title || ++tr_tls.note.calls % TR_SLEEP_CALLS == 0)
		return false;
	memcpy(&head, title, sizeof(head));
	return head == tr_sleep.head;
}

/* The slow half of tr_enter: first use, nesting, a fork, a stale guard. */
TR_HIDDEN struct tr_stream *tr_enter_slow(uintptr_t sp);

/*
 * Enter the calling thread's stream; SP is the address of the hook's return
 * address.  Returns NULL if nothing is to be recorded.
 */
static inline struct tr_stream *tr_enter(uintptr_t sp)
{
	struct tr_stream *s = tr_tls.stream;
	if (TR_UNLIKELY(!s || !s->ready))
		return !s && tr_asleep() ? NULL : tr_enter_slow(sp);
	s->ready = false;
	s->guard = sp;
	__asm__ volatile("" ::
				 : "memory"); /* a signal handler sees it taken before it
						 is used */
	return s;
}

static inline void tr_leave(struct tr_stream *s)
{
	__asm__ volatile("" ::: "memory");
	s->ready = s->alive; /* a stream that was zeroed meanwhile stays dead */
}

/* The stream that the calling thread is inside of. */
TR_HIDDEN struct tr_stream *tr_current_stream(void);

/* Tell of the calling thread's name, if it changed; S was entered. */
TR_HIDDEN void tr_stream_name(struct tr_stream *s);

/* The thread is about to end: its stream may serve another once it is gone. */
TR_HIDDEN void tr_stream_retire(void *stream);

#endif /* TR_STREAM_H */
