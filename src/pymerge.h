/* SPDX-License-Identifier: MIT */

/*
 * Stacks that were recorded twice, by native and by Python frames, made one: each
 * call of the interpreter's loop is replaced by the Python frames that it ran.
 */
#ifndef HS_PYMERGE_H
#define HS_PYMERGE_H

struct hs_profile;

/*
 * Merge all joined stacks (struct hs_frame_info) of PROFILE, which must not be
 * shared yet; symbols.h has named its frames.  Where the loop's frames have no
 * names or are too few, a stack is its Python frames alone.
 */
void hs_merge_python(struct hs_profile *profile);

#endif /* HS_PYMERGE_H */
