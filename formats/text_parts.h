/* SPDX-License-Identifier: MIT */

/*
 * Parts of the text report: what formats/text.c puts together.  Each writes to
 * T->out and keeps to what T->report asks for: colour, details.
 */
#ifndef HS_TEXT_PARTS_H
#define HS_TEXT_PARTS_H

#include "src/out.h"
#include "src/report.h"

#define HS_TEXT_WIDTH 100

#define HS_TEXT_BOLD   "\033[1m"
#define HS_TEXT_DIM    "\033[2m"
#define HS_TEXT_RED    "\033[31m"
#define HS_TEXT_YELLOW "\033[33m"

struct hs_text {
	struct hs_out *out;
	const struct hs_report *report;
	const struct hs_profile *p; /* the process that is being told of */
};

void hs_text_paint(const struct hs_text *t, const char *color);
void hs_text_unpaint(const struct hs_text *t);
void hs_text_label(const struct hs_text *t, const char *label);
void hs_text_spaces(const struct hs_text *t, int n); /* none if N < 1 */

/* At most WIDTH bytes of S, cut between characters; returns how many. */
int hs_text_cut(const struct hs_text *t, const char *s, size_t width);

/* "1 block", "2 blocks" */
void hs_text_count(const struct hs_text *t, uint64_t n, const char *one,
		   const char *many);

/* May arguments and directories be told?  With --details, unless --redact. */
bool hs_text_is_open(const struct hs_text *t);

/* Whole if they may be told. */
const char *hs_text_path(const struct hs_text *t, hs_str path);

unsigned hs_text_percent(uint64_t part, uint64_t whole);

/* Lines of a process's header; those of which nothing is known are left out. */
void hs_text_program(const struct hs_text *t);
void hs_text_recorded(const struct hs_text *t);
void hs_text_live_and_peak(const struct hs_text *t);
void hs_text_traffic(const struct hs_text *t);
void hs_text_inherited(const struct hs_text *t);
void hs_text_sampled(const struct hs_text *t);
void hs_text_mapped(const struct hs_text *t);
void hs_text_rss(const struct hs_text *t);
void hs_text_core(const struct hs_text *t);
void hs_text_quality(const struct hs_text *t);
void hs_text_warnings(const struct hs_text *t);

/* How fast all places that grow do so, if there are any. */
void hs_text_growth(const struct hs_text *t);

/* TOP leaks with their stacks, then sums of the others and of what is no leak. */
void hs_text_leaks(const struct hs_text *t, unsigned top);

/* A stack from the culprit outward, a few lines; with --details all of it. */
void hs_text_stack(const struct hs_text *t, const struct hs_finding *finding);

/* With --details, who has freed what FINDING's stack allocated, if that is known. */
void hs_text_freed_by(const struct hs_text *t, const struct hs_finding *finding);

/* Frame NUMBER of a stack, on a line of its own; MARK stands in front. */
void hs_text_frame(const struct hs_text *t, char mark, size_t number,
		   const struct hs_frame_info *f);

/* Of a core or a live process: why it died, and where its threads were. */
void hs_text_crash(const struct hs_text *t);
void hs_text_threads(const struct hs_text *t);

/* And its heap, where an allocator is known. */
void hs_text_heap(const struct hs_text *t);

/* What the rules of T->report hide, if there are any. */
void hs_text_suppressed(const struct hs_text *t);

/* The culprit and who called it, on what is left of a line. */
void hs_text_culprit(const struct hs_text *t, const struct hs_finding *finding);

#endif /* HS_TEXT_PARTS_H */
