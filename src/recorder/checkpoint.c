/* SPDX-License-Identifier: MIT */

/* From an image of the capture to sections of a checkpoint. */
#include "src/recorder/checkpoint.h"

#include "src/capture.h"
#include "src/cursor.h"
#include "src/recorder/finalize.h"
#include "src/recorder/image.h"
#include "src/recorder/pages.h"
#include "src/recorder/rewrite.h"
#include "src/recorder/sections.h"

static struct hs_error *put(const struct rc_checkpoint *k, struct hs_capture *c)
{
	struct rc_sections out;
	rc_sections_init_checkpoint(&out, k->pages, k->limit, k->generation);
	rc_put_checkpoint(&out, c, k->horizon);
	return rc_sections_finish(&out);
}

struct hs_error *rc_checkpoint_write(const struct rc_checkpoint *k,
				     const struct rc_image *image)
{
	struct hs_capture *c = NULL;
	struct hs_cursor in = hs_cursor(image->data, image->size, NULL);
	struct hs_error *err =
		hs_capture_open_until(&in, k->generation - 1, k->horizon, &c);
	if (!err)
		err = put(k, c);
	/* It would no longer be told that something is missing. */
	if (!err && rc_is_damaged(c))
		err = hs_error("the log is damaged");
	hs_capture_free(c);
	return err;
}
