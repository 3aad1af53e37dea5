/* SPDX-License-Identifier: MIT */

/*
 * Which sections lie in a stretch of a capture.  Reads only their headers, and
 * not through a mapping: others may cut the file meanwhile.
 */
#ifndef RC_SURVEY_H
#define RC_SURVEY_H

#include "src/base.h"
#include "src/wire.h"

/* HEAD's generation and number are 0 where the section has none. */
typedef void rc_survey_fn(void *context, uint64_t page,
			  const struct hs_wire_records *head);

/*
 * Call FN for each section that begins in the pages FROM ... TO - 1, where one
 * begins or a hole, and does not reach beyond.
 */
void rc_survey(int fd, uint64_t from, uint64_t to, rc_survey_fn *fn, void *context);

#endif /* RC_SURVEY_H */
