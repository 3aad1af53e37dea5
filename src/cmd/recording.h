/* SPDX-License-Identifier: MIT */

/*
 * The recorder as seen from `heapsnap run`: a process that may already be
 * there, and may vanish at any moment without harm to the program.
 */
#ifndef HS_RECORDING_H
#define HS_RECORDING_H

#include "src/array.h"
#include "src/recorder/protocol.h"

struct hs_recording {
	int fd; /* of the control socket; -1: the recorder is gone */
	char *dir;
	HS_ARRAY(char *) before;   /* captures that were in DIR at the start, sorted */
	HS_ARRAY(char *) names;    /* captures that are done, in their order */
	HS_ARRAY(char *) troubles; /* sentences for the user */
	bool noted, bye;
	uint32_t living; /* processes that go on, said by BYE */
};

/* Start the recorder RECORDER for DIR, or find the one that serves it. */
HS_MUST_USE struct hs_error *hs_recording_start(const char *recorder, const char *dir,
						uint64_t interval_ns, uint64_t max_disk,
						struct hs_recording *ret);

/* The program is PID. */
void hs_recording_main(struct hs_recording *r, int pid);

/* It ended and is a zombie; returns when the recorder has looked at it. */
void hs_recording_ended(struct hs_recording *r, int pid, uint32_t how, int code);

/* Take what the recorder has to say; call it when `fd` is readable. */
void hs_recording_receive(struct hs_recording *r);

/*
 * Wait until the captures of all processes that ended are rewritten.  If the
 * recorder is gone, `names` are all captures that came since the start.
 */
void hs_recording_finish(struct hs_recording *r);

void hs_recording_deinit(struct hs_recording *r);

#endif /* HS_RECORDING_H */
