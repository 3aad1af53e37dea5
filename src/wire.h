/* SPDX-License-Identifier: MIT */

/*
 * The capture file, as bytes.  doc/capture-format.md is the specification;
 * this header is its only transcription, and the only header which tracker,
 * recorder and reader share.  It includes nothing but fixed-width types and
 * defines no function.  All integers are little-endian; "uleb" is LEB128,
 * "zigzag" is LEB128 of (v << 1) ^ (v >> 63).
 *
 *      page 0      struct hs_wire_header, then records up to tag 0
 *      page 1...   sections: each begins on a page with a struct
 *                  hs_wire_section, and is skipped by its `pages`
 *
 * A page where a section should begin and that does not begin with
 * HS_WIRE_SECTION_MAGIC is skipped alone: it was reserved but not yet used.
 */
#ifndef HS_WIRE_H
#define HS_WIRE_H

#include <stdint.h>

#define HS_WIRE_MAGIC         "HEAPSNAP"
#define HS_WIRE_VERSION       1u
#define HS_WIRE_PAGE          4096u
#define HS_WIRE_SECTION_MAGIC 0x63655348u /* "HSec" */

/* header.clock */
enum hs_wire_clock {
	HS_WIRE_CLOCK_TSC = 1,     /* counter.h */
	HS_WIRE_CLOCK_COUNTER = 2, /* header.sequence, a number per stamp */
};

/* header.state */
enum hs_wire_state {
	HS_WIRE_LIVE = 1,  /* the tracker may still write */
	HS_WIRE_FINAL = 2, /* rewritten by the recorder after the process's end */
};

/* header.exit_kind: what the process's own exit hook saw, if anything. */
enum hs_wire_exit {
	HS_WIRE_EXIT_NONE = 0,
	HS_WIRE_EXIT_EXIT = 1,  /* exit() or return from main */
	HS_WIRE_EXIT_UEXIT = 2, /* _exit, _Exit, quick_exit */
};

/* header.flags */
#define HS_WIRE_FORKED   1u  /* began by fork: older blocks are unknown */
#define HS_WIRE_ATTACHED 2u  /* began after the program's first allocation */
#define HS_WIRE_KEEP_LOG 4u  /* the raw events are to be kept */
#define HS_WIRE_OUTRUN   8u  /* another malloc comes before ours in lookup order */
#define HS_WIRE_FREES_BY 16u /* FREE, DELETE and DELETE_ARRAY have a stack */

struct hs_wire_header {
	char magic[8];
	uint16_t version;
	uint8_t word_size;     /* 8 */
	uint8_t clock;         /* enum hs_wire_clock */
	uint32_t header_size;  /* records of the header page begin here */
	uint8_t id[16];        /* random: the capture's identity */
	uint8_t at_random[16]; /* the 16 bytes that auxv's AT_RANDOM points to */
	uint32_t pid, ppid;
	uint64_t pid_ns;       /* inode of /proc/self/ns/pid */
	uint64_t start_ticks;  /* field 22 of /proc/PID/stat: tells reused pids apart */
	uint64_t start_ns;     /* CLOCK_REALTIME when recording began */
	uint64_t start_stamp;  /* the stamp at that moment */
	uint8_t parent_id[16]; /* id of the capture this process was forked from, or 0 */
	uint32_t flags;

	/* From here on: changed while the process lives, each field atomically. */
	uint32_t generation;   /* of the checkpoint that counts, or 0; see RECORDS */
	uint32_t state;        /* enum hs_wire_state */
	uint32_t tick;         /* bumped by the recorder at each snapshot */
	uint64_t end_page;     /* first page that nobody has reserved yet */
	uint64_t newest_chunk; /* page of the newest events section, or 0 */
	uint64_t sequence;     /* HS_WIRE_CLOCK_COUNTER */
	uint64_t lost_events;
	uint64_t stacks; /* stack ids handed out: ids are 1..stacks */
	uint64_t exit_stamp;
	uint32_t exit_kind; /* enum hs_wire_exit */
	int32_t exit_code;
	uint32_t recorder_pid; /* 0: nobody drains */
	uint32_t epoch;        /* modules were unloaded so many times */
};

/* section.tag; values are forever. */
enum hs_wire_section_tag {
	HS_WIRE_EVENTS = 1,     /* struct hs_wire_chunk, then events */
	HS_WIRE_RECORDS = 2,    /* struct hs_wire_section or _records, then records */
	HS_WIRE_CHECKPOINT = 3, /* struct hs_wire_records, then records */
	HS_WIRE_UNUSED = 4,   /* struct hs_wire_section; the recorder may use it again */
	HS_WIRE_COUNTERS = 5, /* struct hs_wire_section, then struct hs_wire_counters */
};

struct hs_wire_section {
	uint32_t magic;
	uint16_t tag;
	uint16_t header_size; /* payload begins here, counted from the section */
	uint32_t pages;       /* whole section, at least 1 */
	uint32_t length;      /* payload bytes that count; stored last */
};

/*
 * A section of records with its generation; that of a RECORDS section whose
 * header_size is smaller is 0.  While a process lives its recorder replaces
 * what it has written by a checkpoint: all sections of the generations before
 * by CHECKPOINT sections of a new one, which count from the moment at which
 * that is stored to header.generation.  So a RECORDS section counts if its
 * generation is not below header.generation, a CHECKPOINT section if the two
 * are equal.
 */
struct hs_wire_records {
	struct hs_wire_section section;
	uint32_t generation;
	uint32_t number; /* greater in later sections: pages are used again */
};

/*
 * What threads have done so far, where allocations are sampled: all of it, while
 * events tell but of samples.  Each is written by one thread at a time, and several
 * may use one, one after another; the process's figures are the sums.
 */
struct hs_wire_counters {
	uint64_t allocations, bytes;
	uint64_t frees; /* calls that gave back a block, known or not */
	uint64_t unused[5];
};

/* chunk.state */
enum hs_wire_chunk_state {
	HS_WIRE_CHUNK_OPEN = 1,   /* its thread appends to it */
	HS_WIRE_CHUNK_CLOSED = 2, /* full; the recorder may copy it */
	HS_WIRE_CHUNK_FREE = 3,   /* copied; its thread may use it again */
};

/*
 * A chunk: a piece of one stream's log.  A stream is one thread's sequence of
 * events (plus one for each level of signal handlers that interrupted it in
 * the tracker); its chunks are numbered.
 */
struct hs_wire_chunk {
	struct hs_wire_section section;
	uint32_t state; /* enum hs_wire_chunk_state */
	uint32_t stream;
	uint32_t sequence; /* of the chunk in its stream, from 0 */
	uint32_t tid;
	uint64_t base_stamp; /* stamps count from here */
	uint64_t previous;   /* page of the chunk published before, or 0 */
};

/*
 * An event: a 16-bit tag, then the fields the tag announces, in this order:
 * stack, size, address, stamp.  Encoding state (stack, size and address 0;
 * stamp base_stamp) begins anew with each chunk.
 *
 *      bits 0-3    kind
 *      bits 4-5    stack id: 0 as before, 1 u16, 2 u24, 3 u32
 *      bits 6-7    size: 0 as before, 1 u8, 2 u16, 3 u64
 *      bits 8-9    address: 0 as before, 1 i16 and 2 i32 difference in units of
 *                  16 bytes, 3 u64
 *      bits 10-11  stamp: 0 as before, 1 u16, 2 u32, 3 u64 difference
 *      bits 12-15  zero
 *
 * A kind that a reader does not know is skipped: its tag announces its fields
 * like any other's.  HS_WIRE_RECORD has no fields: its tag is 0.
 */
enum hs_wire_kind {
	HS_WIRE_RECORD = 0, /* no fields; a record follows */
	HS_WIRE_MALLOC = 1,
	HS_WIRE_CALLOC = 2,
	HS_WIRE_ALIGNED = 3, /* posix_memalign, aligned_alloc, memalign, *valloc */
	HS_WIRE_REALLOC = 4, /* the block that a realloc returned */
	HS_WIRE_FREE = 5,    /* stamped before the block is given back; address only */
	HS_WIRE_RELEASE = 6, /* a realloc's old block, likewise */
	HS_WIRE_RETAIN = 7,  /* that realloc failed: the stream's last release is void */
	HS_WIRE_NEW = 8,
	HS_WIRE_NEW_ARRAY = 9,
	HS_WIRE_DELETE = 10,
	HS_WIRE_DELETE_ARRAY = 11,
	HS_WIRE_FORK = 12, /* the process is about to fork; always has a stamp */
	HS_WIRE_GONE = 13, /* that realloc has succeeded; its block was not sampled */
};

#define HS_WIRE_STACK_SHIFT   4
#define HS_WIRE_SIZE_SHIFT    6
#define HS_WIRE_ADDRESS_SHIFT 8
#define HS_WIRE_STAMP_SHIFT   10
#define HS_WIRE_TAG_MASK      0x0fffu
#define HS_WIRE_EVENT_MAX     30u /* tag 2, stack 4, size 8, address 8, stamp 8 */

/*
 * Records: uleb tag, uleb length, payload.  An unknown tag is skipped, and so
 * is what follows the fields that a reader knows.  They occur in the header
 * page, in RECORDS sections and as HS_WIRE_RECORD events.  "bytes" is a uleb
 * length and so many bytes; "text" is the rest of the payload.
 *
 * A STACK tells its frames from the outermost to the innermost.  The first
 * n_shared are those of the STACK before it in the same chunk, PIECE or
 * section: none for the first one there, and none where the epoch differs.
 * Each further frame is a return address, as the difference to the frame
 * before it (to 0 where there is none).
 *
 * A MODULE's epoch is header.epoch when it was seen.  An address in a stack of
 * epoch E belongs to the module with the greatest epoch up to E that covers
 * it, or else to the one with the smallest epoch.
 */
enum hs_wire_record {
	HS_WIRE_END_OF_RECORDS = 0,

	/* Of the tracker. */
	HS_WIRE_STACK = 1,    /* uleb id, epoch, flags, n_shared, n_new; n_new zigzag */
	HS_WIRE_MODULE = 2,   /* uleb epoch, start, end, bias; bytes build_id, path */
	HS_WIRE_THREAD = 3,   /* uleb stream, tid, nesting level; bytes name */
	HS_WIRE_MAPPING = 46, /* uleb op, address, length, prot, flags, stack, stamp */

	/* Of the process; in the header page or by the recorder (the later wins). */
	HS_WIRE_NAME = 10,       /* text */
	HS_WIRE_EXE = 11,        /* text: path of the executable */
	HS_WIRE_ARGV = 12,       /* arguments, each ended by NUL */
	HS_WIRE_VERSION_OF = 13, /* text: version of the tracker */
	HS_WIRE_SYSTEM = 14,     /* text: kernel, libc, host; separated by NUL */
	HS_WIRE_FORKED_AT = 15,  /* uleb stamp: the FORK in the parent's log */
	HS_WIRE_SAMPLED = 48,    /* uleb mean bytes from one sample to the next */

	/* Of the recorder. */
	HS_WIRE_PIECE = 20,    /* uleb stream, sequence, tid, base_stamp; events */
	HS_WIRE_SNAPSHOT = 21, /* uleb stamp, time_ns, rss, anon, file, shmem bytes */
	HS_WIRE_ENDED = 22,    /* uleb how, zigzag code, uleb stamp, time_ns */
	HS_WIRE_MAPS = 23,     /* uleb stamp; text of /proc/PID/maps */

	/* Folded: what replaces the log when it is not kept.  See segment.h. */
	HS_WIRE_SEGMENT = 30,  /* uleb from_stamp, to_stamp, time_ns; site deltas */
	HS_WIRE_LIVE_SET = 31, /* blocks alive at the end */
	HS_WIRE_PEAK = 32,     /* composition of the highest point */
	HS_WIRE_MAPPED = 33,   /* what all mappings came to; see mapped.h */
	/*
	 * How far the log was folded.  uleb stamp, overlaps; uleb n, n times stream,
	 * sequence, bytes; uleb n, n times tid, flags, address of the last allocation;
	 * with HS_WIRE_LAST_RELEASED also address, size, stamp, stack, kind and tid of
	 * the block that a realloc gave back.
	 */
	HS_WIRE_FOLDED = 34,
	HS_WIRE_FORKS = 35,       /* what was live at each FORK; see forks.h */
	HS_WIRE_WEIGHTS = 40,     /* how sure estimates are; see segment.h */
	HS_WIRE_FREE_STACKS = 45, /* who has freed what; see segment.h */
	HS_WIRE_COUNTS = 49, /* uleb allocations, bytes, frees: sums of all counters */

	/*
	 * A scan for what is still held; see scanned.h.  SCAN comes first, then its
	 * blocks; the latest scan counts.
	 */
	HS_WIRE_SCAN = 44,
	HS_WIRE_SCAN_BLOCKS = 52,
	/* In the header page: uleb address of the process's struct hs_wire_own. */
	HS_WIRE_OWN = 54,

	/* Reserved: inherited blocks, Python code, marks, inline module data. */
	HS_WIRE_INHERITED = 41,
	HS_WIRE_PYTHON_CODE = 42,
	HS_WIRE_MARK = 43,
	HS_WIRE_MODULE_DATA = 47,

	/* Folded, too. */
	HS_WIRE_SPREADS = 56, /* sizes and lifetimes by site; see spread.h */
};

/* MAPPING's op */
enum hs_wire_mapping {
	HS_WIRE_MAP_MMAP = 1,    /* [address, +length) is mapped, over what was there */
	HS_WIRE_MAP_MUNMAP = 2,  /* nothing is mapped there; stamped before the call */
	HS_WIRE_MAP_MREMAP = 3,  /* the range that mremap returned */
	HS_WIRE_MAP_RELEASE = 4, /* what it gave up; stamped before the call */
};
/* FOLDED's flags of a thread */
#define HS_WIRE_LAST_LIVES    1u  /* its last allocation was not freed yet */
#define HS_WIRE_LAST_RELEASED 2u  /* a realloc has given back a block and is not over */
#define HS_WIRE_LAST_UNKNOWN  4u  /* likewise, of a block that was not known */
#define HS_WIRE_LAST_WAS_LAST 8u  /* it was the last allocation of its thread */
#define HS_WIRE_LAST_NO_LATER 16u /* which made none since */

/* STACK's flags */
#define HS_WIRE_STACK_CUT     1u /* deeper than was walked, or could not be walked on */
#define HS_WIRE_STACK_GUESSED 2u /* frame pointers were followed in code without CFI */

/* ENDED's how */
enum hs_wire_how {
	HS_WIRE_HOW_UNKNOWN = 0,
	HS_WIRE_HOW_EXIT = 1,   /* code: exit status */
	HS_WIRE_HOW_SIGNAL = 2, /* code: signal number, not SIGKILL */
	HS_WIRE_HOW_KILLED = 3, /* SIGKILL */
	HS_WIRE_HOW_EXEC = 4,
	HS_WIRE_HOW_RUNNING = 5,
};

/*
 * In the memory of the process: what the tracker has mapped for itself, which holds
 * nothing of the program.  If there are more than HS_WIRE_OWN_MAX, the rest is not
 * told.
 */
#define HS_WIRE_OWN_MAX 4096u
struct hs_wire_own {
	/* Of each thread's own data, so far below its thread pointer. */
	uint64_t tls_below, tls_size;
	/* Of the thread that asks for a scan: where the program's part of its stack
	 * begins. */
	uint64_t asker_tid, asker_sp;
	uint64_t n; /* may be beyond HS_WIRE_OWN_MAX */
	struct {
		uint64_t start, size;
	} at[HS_WIRE_OWN_MAX];
};

/*
 * A process that ends asks for a scan by this socket in its capture's folder: it
 * sends one byte, and goes on when it gets one, or the other end is closed.
 */
#define HS_WIRE_SCAN_SOCKET ".heapsnap.scan"

#define HS_WIRE_AT(type, field, offset) \
	_Static_assert(__builtin_offsetof(type, field) == (offset), #field)
HS_WIRE_AT(struct hs_wire_header, id, 16);
HS_WIRE_AT(struct hs_wire_header, pid, 48);
HS_WIRE_AT(struct hs_wire_header, start_ns, 72);
HS_WIRE_AT(struct hs_wire_header, parent_id, 88);
HS_WIRE_AT(struct hs_wire_header, state, 112);
HS_WIRE_AT(struct hs_wire_header, end_page, 120);
HS_WIRE_AT(struct hs_wire_header, epoch, 180);
_Static_assert(sizeof(struct hs_wire_header) == 184, "header");
_Static_assert(sizeof(struct hs_wire_section) == 16, "section");
_Static_assert(sizeof(struct hs_wire_records) == 24, "records");
_Static_assert(sizeof(struct hs_wire_chunk) == 48, "chunk");
_Static_assert(sizeof(struct hs_wire_counters) == 64, "counters");

#endif /* HS_WIRE_H */
