/* SPDX-License-Identifier: MIT */

/*
 * Parts of the report page: what formats/html.c puts together.  Each writes to
 * PAGE->out; foreign strings go through hs_html_put_text().
 */
#ifndef HS_HTML_PARTS_H
#define HS_HTML_PARTS_H

#include "formats/html_data.h"
#include "src/out.h"
#include "src/report.h"

#define HS_HTML_MAX_FRAMES 40u /* of a stack in the markup */

struct hs_html_series;

struct hs_html_page {
	struct hs_out *out;
	const struct hs_report *report;
	struct hs_functions *functions;
	struct hs_calltree **trees; /* by target; NULL where it has no profile */
	size_t *by_size;            /* targets with a profile, the largest heap first */
	size_t n_processes;
	struct hs_html_data data;
	struct hs_html_series *series; /* of suspects that have one */
	size_t n_series;
};

/* S, cut where it is long. */
void hs_html_put_text(struct hs_out *out, const char *s);

/* 1204113 -> "1,204,113" */
void hs_html_put_count(struct hs_out *out, uint64_t n);

/* Function, and where it is. */
void hs_html_put_frame(struct hs_html_page *page, const struct hs_profile *p,
		       hs_frame frame);

/*
 * What only a core tells: why it died, its heap, where its threads were.  Nothing
 * for TARGET if that is not known.
 */
void hs_html_put_core(struct hs_html_page *page, const struct hs_target *target);

/* Add up what each of the first MAX suspects held over time; free it. */
void hs_html_find_series(struct hs_html_page *page, size_t max);
void hs_html_free_series(struct hs_html_page *page);

/* A picture of what F held over time, if that is known. */
void hs_html_put_series(struct hs_html_page *page, const struct hs_finding *f);

#endif /* HS_HTML_PARTS_H */
