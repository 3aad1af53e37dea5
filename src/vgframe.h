/* SPDX-License-Identifier: MIT */

/*
 * Frames as valgrind's tools write them: "0x109166: keep (mini.c:4)",
 * "0x48417B4: malloc (in /usr/lib/libx.so)", "0x1: ???".
 */
#ifndef HS_VGFRAME_H
#define HS_VGFRAME_H

#include "src/hash.h"
#include "src/profile.h"
#include "src/scan.h"

struct hs_builder;

struct hs_vgframes {
	struct hs_builder *b;
	struct hs_map modules; /* path -> module */
};

/* What is no frame becomes a remark: "in 4 places" is "[in 4 places]". */
hs_frame hs_vgframe(struct hs_vgframes *v, struct hs_span text);

/* "./mini -x": the arguments, and the process's name by the first. */
void hs_vgframe_command(struct hs_builder *b, struct hs_span command);

#endif /* HS_VGFRAME_H */
