/* SPDX-License-Identifier: MIT */

/* From an image to its heap and who holds what. */
#include "src/cmd/heaps.h"

#include "analyzers/walker.h"
#include "src/graph.h"
#include "src/image.h"
#include "src/log.h"
#include "src/profile.h"
#include "src/walked.h"

static void walk(const struct hs_image *image, const char *message,
		 struct hs_image_heap *h)
{
	for (const struct hs_walker *const *w = hs_walkers; *w && !h->walked; w++) {
		h->walked = (*w)->walk(image);
		if (h->walked && *message && (*w)->explain)
			(*w)->explain(image, message, h->walked);
	}
}

/* A heap that is broken or cut off leads nowhere from where it is. */
static const char *why_not_marked(const struct hs_image *image,
				  const struct hs_image_heap *h)
{
	if (!image->complete)
		return "the core was cut off";
	for (size_t i = 0; i < h->walked->arenas.n; i++)
		if (h->walked->arenas.at[i].damaged)
			return "the heap is damaged";
	return h->roots.missing.n ? h->roots.missing.at[0] : NULL;
}

void hs_image_heap_read(const struct hs_image *image, struct hs_profile *profile,
			struct hs_image_heap *h)
{
	*h = (struct hs_image_heap){0};
	const char *message = "";
	if (profile->has & HS_HAS_CRASH)
		message = hs_string(profile, profile->process.crash.message);
	walk(image, message, h);
	if (!h->walked)
		return;
	for (size_t i = 0; i < h->walked->warnings.n; i++)
		hs_log_warning("%s: %s", hs_string(profile, profile->process.id),
			       h->walked->warnings.at[i]);
	const struct hs_root_options all = {0};
	hs_roots_find(image, h->walked->heap, &all, &h->roots);
	const char *why = why_not_marked(image, h);
	const struct hs_graph_options options = {0};
	if (why)
		hs_log_warning("%s: what is lost cannot be told: %s",
			       hs_string(profile, profile->process.id), why);
	else
		hs_error_free(hs_graph_make(image, h->walked->heap, &h->roots, &options,
					    &h->graph));
}

void hs_image_heap_deinit(struct hs_image_heap *h)
{
	hs_graph_free(h->graph);
	hs_roots_deinit(&h->roots);
	hs_walked_free(h->walked);
	*h = (struct hs_image_heap){0};
}
