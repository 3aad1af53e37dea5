/* SPDX-License-Identifier: MIT */

/*
 * Findings: what is worth telling.  Analyzers add them, writers show them.
 * Order after hs_findings_sort() is stable: (confidence, bytes, id) for
 * leaks, (by, bytes or blocks, id) for hotspots.
 */
#ifndef HS_FINDINGS_H
#define HS_FINDINGS_H

#include "src/profile.h"

enum hs_finding_type {
	HS_FINDING_LEAK,
	HS_FINDING_HOTSPOT,
};

enum hs_leak_kind {
	HS_LEAK_UNREACHABLE,
	HS_LEAK_INDIRECT,
	HS_LEAK_GROWTH,
	HS_LEAK_NEVER_FREED,
	HS_LEAK_REACHABLE,
};

enum hs_pattern {
	HS_PATTERN_STEADY,
	HS_PATTERN_LATE,
	HS_PATTERN_BURST,
	HS_PATTERN_LOGARITHMIC,
	HS_PATTERN_PLATEAU,
	HS_PATTERN_SAWTOOTH,
	HS_PATTERN_ONE_OFF,
	HS_PATTERN_UNKNOWN,
};

enum hs_confidence { HS_HIGH, HS_MEDIUM, HS_LOW };

/* Why something of kind reachable is no leak. */
enum hs_excuse {
	HS_EXCUSE_NONE,
	HS_EXCUSE_KEPT,      /* by libc or the loader, by design */
	HS_EXCUSE_EXEC,      /* another program took the process over */
	HS_EXCUSE_IN_FLIGHT, /* young: it would have been freed soon */
	HS_EXCUSE_PATTERN,   /* it does not grow: a cache */
	HS_EXCUSE_HELD,      /* something still points to it */
	HS_EXCUSES,
};

enum hs_hotspot_by {
	HS_BY_PEAK,
	HS_BY_ALLOCATED,
	HS_BY_ALLOCATIONS,
	HS_BY_TEMPORARY,
};

#define HS_ID_SIZE 14 /* "HS-" + 10 characters of base32 + NUL */

struct hs_finding {
	enum hs_finding_type type;
	char id[HS_ID_SIZE];
	const struct hs_profile *profile; /* borrowed; outlives the findings */
	hs_stack stack;                   /* a representative stack */
	uint32_t culprit; /* index of the first frame (innermost first, inlines counted)
			     that is not allocator, libc or another wrapper */
	uint64_t bytes, blocks; /* 0: unknown, as bytes are for HS_BY_TEMPORARY */
	double bytes_variance,
		blocks_variance; /* where they are estimates; see weight.h */
	uint32_t n_stacks; /* stacks with the same culprit that were summed up here */

	/* leaks */
	enum hs_leak_kind kind;
	enum hs_pattern pattern;
	enum hs_confidence confidence;
	enum hs_excuse excuse;
	uint64_t bytes_per_hour, first_ns, last_ns; /* 0: unknown */
	uint64_t since_ns;           /* when growth began, or the step was; 0: unknown */
	uint64_t allocs, frees;      /* in all at these places */
	const char *const *evidence; /* sentences, NULL-terminated; may be NULL */

	/* hotspots */
	enum hs_hotspot_by by;
};

struct hs_findings;

struct hs_findings *hs_findings_new(void);
void hs_findings_free(struct hs_findings *findings);

/* A zeroed finding with type, profile, stack, id and culprit set. */
struct hs_finding *hs_findings_add(struct hs_findings *findings,
				   enum hs_finding_type type,
				   const struct hs_profile *profile, hs_stack stack);

/* Add a sentence to F's evidence. */
void hs_finding_say(struct hs_findings *findings, struct hs_finding *f,
		    const char *format, ...) HS_PRINTF(3, 4);

void hs_findings_sort(struct hs_findings *findings);
const struct hs_finding *hs_findings_get(const struct hs_findings *findings,
					 size_t *n_ret);

/* Who is to blame for what a stack allocated. */
struct hs_culprit {
	/*
	 * What is the same for all stacks that end in the same culprit, called
	 * in the same way: a hash over the frames from the culprit outward, by
	 * module base names and function names without template arguments and
	 * parameters; no addresses, no lines, no frames of libc and the like.
	 * A frame without a name counts as build-id and function start (or
	 * offset).  Recursion is folded: a function that is already on the
	 * path takes the path back to there.  hs_finding.id is this key in
	 * base32.
	 */
	uint64_t key;
	uint32_t index; /* as hs_finding.culprit */
	bool found;     /* false: all frames are library; index is the best guess */
	bool kept;      /* held by libc or the loader until the end, by design */
};

struct hs_culprit hs_findings_culprit(struct hs_findings *findings,
				      const struct hs_profile *profile, hs_stack stack);

/* The id of findings whose culprit has KEY. */
void hs_finding_id(uint64_t key, char ret[HS_ID_SIZE]);

/*
 * The stack of a finding as frames, innermost first, inlined calls expanded.
 * Fills at most ROOM ids; returns how many there are.
 */
size_t hs_stack_frames(const struct hs_profile *profile, hs_stack stack, hs_frame *frames,
		       size_t room);

/* Allocator, C/C++ runtime, container template, strdup-like wrapper? */
bool hs_frame_is_library(const struct hs_profile *profile, hs_frame frame);

/* Words of interface.md. */
const char *hs_leak_kind_name(enum hs_leak_kind kind);
const char *hs_pattern_name(enum hs_pattern pattern);
const char *hs_confidence_name(enum hs_confidence confidence);
const char *hs_hotspot_by_name(enum hs_hotspot_by by);

#endif /* HS_FINDINGS_H */
