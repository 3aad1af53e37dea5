/* SPDX-License-Identifier: MIT */

/*
 * The profile: what one process image did with its heap, as plain tables.
 *
 * Readers fill a profile through src/build.h; then it is sealed, symbols.c
 * names its frames, and from there on everybody holds a `const struct
 * hs_profile *`.  All of it lives in one arena: nothing in here is freed on
 * its own, and every pointer is good until hs_profile_free().
 */
#ifndef HS_PROFILE_H
#define HS_PROFILE_H

#include "src/base.h"
#include "src/ids.h"
#include "src/reach.h"
#include "src/spread.h"

struct hs_arena;
struct hs_fork;
struct hs_weight;

/* A half-open address range, [start, end). */
struct hs_range {
	uint64_t start, end;
};

/* What a profile knows.  A missing bit means "unknown", never "zero". */
enum hs_has {
	HS_HAS_TIME = 1 << 0,        /* *_ns */
	HS_HAS_PEAK = 1 << 1,        /* peak and its composition */
	HS_HAS_LIVE = 1 << 2,        /* live counters at the end */
	HS_HAS_LIVE_BLOCKS = 1 << 3, /* the table of live blocks */
	HS_HAS_TOTALS = 1 << 4,      /* allocs, frees, bytes */
	HS_HAS_TEMPORARIES = 1 << 5,
	HS_HAS_SNAPSHOTS = 1 << 6,
	HS_HAS_RSS = 1 << 7,
	HS_HAS_THREADS = 1 << 8,
	HS_HAS_PID = 1 << 9,
	HS_HAS_MMAP = 1 << 10,
	HS_HAS_STACKS = 1 << 11, /* where each thread was */
	HS_HAS_CRASH = 1 << 12,
	HS_HAS_INHERITED = 1 << 13,       /* inherited.blocks */
	HS_HAS_INHERITED_BYTES = 1 << 14, /* inherited.bytes */
	HS_HAS_TEMPORARY_BYTES = 1 << 15,
	HS_HAS_LEVELS = 1 << 18,       /* marks and levels */
	HS_HAS_SPREADS = 1 << 19,      /* spreads of sites */
	HS_HAS_EXACT_TOTALS = 1 << 16, /* though sites are sampled */
	HS_HAS_FREE_STACKS = 1 << 17,  /* the table of frees */
	HS_HAS_REACH = 1 << 21,        /* scan, live_reach, lost */
	HS_BYTES_ALONE = 1 << 20, /* of PEAK, LIVE and TOTALS: blocks were not counted */
};

enum hs_end {
	HS_END_UNKNOWN,
	HS_END_EXIT,   /* code */
	HS_END_SIGNAL, /* signal */
	HS_END_KILLED, /* SIGKILL */
	HS_END_EXEC,
	HS_END_RUNNING,
};

/* Why a process died, by its core. */
struct hs_crash {
	hs_str code;      /* "SEGV_MAPERR", or "" where the kernel did not say */
	hs_str meaning;   /* of the code, in words; or "" */
	hs_str message;   /* what the C library said before abort(), or "" */
	uint64_t address; /* what was accessed, if has_address */
	bool has_address;
	hs_thread thread; /* which one died */
};

struct hs_process_info {
	hs_str id;              /* unique in a report: the capture's file stem */
	hs_str parent;          /* id of the process it was forked from, or "" */
	hs_str uid, parent_uid; /* of the capture and of that process's, or "" */
	hs_str at_random;       /* the bytes at AT_RANDOM in hex, or "" */
	hs_str core, capture;   /* path of its core, id of its capture, or "" */
	hs_str name, exe, build_id;
	hs_str source;  /* "heapsnap", "memray", ... */
	hs_str version; /* of the tool that recorded */
	hs_str system;  /* kernel, libc; for the ticket; may be "" */
	const hs_str *argv;
	uint32_t n_argv;
	uint32_t pid, ppid;
	/* Since the epoch; or, as all times then, since the start, which is 0. */
	uint64_t start_ns, end_ns;
	/* What times count, if they are no times but "instructions", say; or "". */
	hs_str clock;
	enum hs_end end;
	int code, signal;
	struct hs_crash crash; /* if HS_HAS_CRASH */
	bool complete;         /* false: cut off or damaged; `warnings` says how */
	bool forked;           /* older blocks belong to the parent */
	uint64_t fork_stamp;   /* as the parent's capture has it, or 0 */
	uint64_t lost_events;  /* never hide this */
};

struct hs_thread_info {
	uint32_t tid;
	hs_str name;
	hs_stack stack; /* if HS_HAS_STACKS; none: nothing could be read */
};

struct hs_module_info {
	hs_str path, build_id; /* build_id: lower-case hex or "" */
	struct hs_range mapped;
	uint64_t bias; /* address = bias + address in the ELF file */
	uint32_t
		epoch; /* which of the objects that were mapped here, one after another */
	uint64_t shape; /* of its segments, as hs_module_shape() has it; 0: not told */
	bool by_file_offset; /* offsets of its frames count from the file's beginning,
				until symbols.c has seen the file */
	bool unplaced;       /* nobody told where it was mapped: its frames' offsets are
				addresses, which no file of it explains */
};

/* How a stack got to a frame from the one that it called. */
enum hs_frame_how {
	HS_FRAME_BY_TABLES,  /* the compiler's unwind tables: certain */
	HS_FRAME_BY_POINTER, /* the frame pointer: certain if the code keeps one */
	HS_FRAME_BY_SCAN,    /* a word on the stack that looks like a return address */
};

/*
 * A place in code.  Inlined calls chain through `caller`.  Code that is not in
 * memory as such (Python's) has no module, and a function from the beginning.
 *
 * A stack that was recorded twice, by its native and its Python frames, ends in a
 * frame that joins them until src/pymerge.h has merged the two: it has `python`,
 * and of all else only `line`, the number of outermost ones of those to leave out.
 */
struct hs_frame_info {
	hs_module module;
	uint64_t offset; /* return address in terms of the ELF file, so that runs
			    compare; without a module, the address itself */
	bool exact;      /* not a return address, but where the thread was */
	enum hs_frame_how how;
	uint64_t function_start; /* ELF address where the function starts, or 0 */
	hs_str function, file;   /* "" while unknown */
	uint32_t line;
	bool inlined;      /* this function's body is part of `caller`'s code */
	hs_frame caller;   /* the function it was inlined into, or none */
	hs_stack python;   /* the Python frames to be merged, or none */
	bool python_entry; /* Python: called by native code, which comes before it */
};

/* One node of the trie of call stacks.  The root is stack 0. */
struct hs_stack_info {
	hs_stack parent; /* towards main; always a smaller id */
	hs_frame frame;
};

/* How a block was obtained; its order is that of the JSON and the reports. */
enum hs_alloc_kind {
	HS_ALLOC_MALLOC,
	HS_ALLOC_CALLOC,
	HS_ALLOC_REALLOC,
	HS_ALLOC_ALIGNED,
	HS_ALLOC_NEW,
	HS_ALLOC_NEW_ARRAY,
	HS_ALLOC_MMAP,     /* where the recording counts mappings among its blocks */
	HS_ALLOC_PYMALLOC, /* requests to Python's own allocator ... */
	HS_ALLOC_PYCALLOC,
	HS_ALLOC_PYREALLOC,
	HS_ALLOC_KINDS,
};

/* What one stack allocated through one kind of call; sorted by (stack, kind). */
struct hs_site {
	hs_stack stack;
	enum hs_alloc_kind kind;
	uint64_t allocs, frees, bytes;    /* over the whole run */
	uint64_t live_blocks, live_bytes; /* at the end */
	uint64_t peak_blocks, peak_bytes; /* its share of the process's highest point */
	uint64_t temporaries;             /* freed before their thread allocated again */
	uint64_t temporary_bytes;         /* 0 where !HS_HAS_TEMPORARY_BYTES */
	hs_thread thread;                 /* the thread, if all were of one; else none */
	struct hs_spread spread;          /* lifetimes in ticks, see ticks_per_second */
	/*
	 * How sure these figures are, where they are estimates: variances, which add
	 * up as the figures do.  weight.h makes of a sum of them what to say.
	 */
	struct hs_site_variance {
		double allocs, bytes, live_blocks, live_bytes, peak_blocks, peak_bytes;
	} variance;
};

/* What one stack has freed of one site's blocks; sorted by (site, stack). */
struct hs_frees {
	uint32_t site; /* index into sites */
	hs_stack stack;
	uint64_t frees, bytes;
};

/* A block alive at the end of the capture; sorted by addr. */
struct hs_live {
	uint64_t addr, size, born_ns;
	uint32_t site; /* index into sites */
	hs_thread thread;
};

/* One point of the time line: the state at a moment. */
struct hs_snapshot {
	uint64_t time_ns;
	uint64_t heap_bytes, heap_blocks;
	uint64_t peak_bytes; /* highest since the snapshot before */
	uint64_t rss_bytes, anon_bytes, file_bytes, shmem_bytes; /* 0 where !HS_HAS_RSS */
	uint64_t allocs;                                         /* so far */
};

/*
 * A moment at which levels are known: a snapshot, or the end.  Fewer than there are
 * snapshots, where these are many.
 */
struct hs_mark {
	uint64_t time_ns;
	bool snapshot;
};

/*
 * What a site held at a mark; and, between the mark before and this one, allocated
 * and held at its lowest.  Sorted by (site, mark); a site has one for each mark before
 * which anything happened there.
 */
struct hs_level {
	uint32_t site, mark;
	uint64_t blocks, bytes, low_bytes, allocs;
};

/*
 * The sums over all sites; but where allocations were sampled, allocs, frees (all
 * calls that gave back a block, known or not) and bytes are the exact ones, if
 * HS_HAS_EXACT_TOTALS.
 */
struct hs_totals {
	uint64_t allocs, frees, bytes, temporaries;
	uint64_t live_blocks, live_bytes;
	uint64_t peak_blocks, peak_bytes, peak_ns;
	uint64_t unmatched_frees; /* of blocks that were never seen: older than the
				     recording; once hs_inherit() was called, those
				     inherited are told apart */
};

/* Mappings that the program made itself; no part of the heap's totals. */
struct hs_mmap_totals {
	uint64_t mapped_bytes, peak_bytes, calls;
};

/* Of a forked process: its parent's blocks; no part of its totals.  See inherit.h. */
struct hs_inherited {
	uint64_t blocks, bytes; /* at the fork */
	uint64_t frees;         /* by this process */
};

/* A look at the memory of the process: what still holds its blocks. */
struct hs_scan {
	uint64_t time_ns;     /* blocks born later were not looked at */
	uint64_t duration_ns; /* for which the process stood still */
	bool at_exit;         /* it was about to end by itself */
	bool partial;  /* not all memory could be read: some may be held from there */
	bool cautious; /* not all blocks are known: held may be less than it seems */
	struct hs_reach_count counts[HS_REACH_COUNT];
};

/* A live block that nothing holds, and all that is lost with it, itself included. */
struct hs_lost {
	uint32_t live; /* index into live; ascending */
	struct hs_reach_count retained;
};

struct hs_profile {
	struct hs_arena *arena;
	uint32_t has; /* enum hs_has bits */

	struct hs_process_info process;
	struct hs_totals totals;          /* sums over sites, checked */
	struct hs_site_variance variance; /* likewise */
	struct hs_mmap_totals mmap;
	struct hs_inherited inherited;

	const char *const *strings; /* by hs_str.i; strings[0] is "" */
	const struct hs_thread_info *threads;
	const struct hs_module_info *modules;
	const struct hs_frame_info *frames;
	const struct hs_stack_info *stacks;
	const struct hs_site *sites;
	const struct hs_live *live;
	/*
	 * By block of `live`, what it stands for where allocations were sampled; else
	 * NULL: one block and its own bytes.
	 */
	const struct hs_weight *live_weights;

	/* Where HS_HAS_REACH: the last scan; of each live block enum hs_reach; leaks. */
	struct hs_scan scan;
	const uint8_t *live_reach;
	const struct hs_lost *lost;
	uint32_t n_lost;
	const struct hs_frees *frees;
	const struct hs_snapshot *snapshots;
	const struct hs_fork *forks; /* stamps ascend */
	const struct hs_mark *marks;
	const struct hs_level *levels;
	const char *const *warnings; /* sentences: what is missing or doubtful */

	/* Table sizes; where index 0 means "none" it is counted. */
	uint32_t n_strings, n_threads, n_modules, n_frames, n_stacks, n_sites, n_live;
	uint32_t n_snapshots, n_forks, n_warnings, n_marks, n_levels, n_frees;
	uint64_t ticks_per_second; /* what lifetimes are counted in; 0: unknown */

	/*
	 * Bytes from one sampled allocation to the next, on average; 0: each was
	 * recorded.  Sampled, all figures of blocks and bytes are estimates but those
	 * of `mmap` and what hs_totals names.
	 */
	uint64_t sample_mean;
};

_Static_assert(sizeof(struct hs_stack_info) == 8, "the trie is the big one");

/* Does P know how many blocks or calls there were, where it HAS bytes (one bit)? */
static inline bool hs_has_counts(const struct hs_profile *p, enum hs_has has)
{
	return (p->has & (has | HS_BYTES_ALONE)) == (uint32_t)has;
}

/* Sources that fold by themselves may tell allocations, yet nothing of frees. */
static inline bool hs_has_frees(const struct hs_profile *p)
{
	return hs_has_counts(p, HS_HAS_TOTALS) &&
	       (p->totals.frees || p->has & HS_HAS_LIVE);
}

static inline const char *hs_string(const struct hs_profile *p, hs_str s)
{
	return p->strings[s.i];
}

void hs_variance_add(struct hs_site_variance *sum, const struct hs_site_variance *v);

/* Accepts NULL. */
void hs_profile_free(struct hs_profile *p);

/* Add a string to a profile that nobody shares yet. */
hs_str hs_profile_add_string(struct hs_profile *p, const char *s);

/* Name the threads of P that have no name as FROM names those of the same number. */
void hs_profile_name_threads(struct hs_profile *p, const struct hs_profile *from);

/*
 * Check every invariant named above (indices in range, parents smaller than
 * children, sums equal to totals, sort orders); aborts.  Every seal does it.
 */
void hs_profile_check(const struct hs_profile *p);

#endif /* HS_PROFILE_H */
