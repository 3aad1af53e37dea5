/* SPDX-License-Identifier: MIT */

/* Going from section to section, as readers do. */
#include "src/recorder/survey.h"

#include <unistd.h>

#include "src/recorder/io.h"

static bool section_at(int fd, uint64_t page, uint64_t to, struct hs_wire_records *ret)
{
	*ret = (struct hs_wire_records){0};
	const struct hs_wire_section *s = &ret->section;
	if (rc_read(fd, ret, sizeof(*ret), page * HS_WIRE_PAGE) < (ssize_t)sizeof(*s) ||
	    s->magic != HS_WIRE_SECTION_MAGIC || !s->pages || s->pages > to - page)
		return false;
	if (s->tag == HS_WIRE_EVENTS || s->header_size < sizeof(*ret))
		ret->generation = ret->number = 0;
	return true;
}

/* The next page from PAGE on that is not known to read as zeros. */
static uint64_t skip_hole(int fd, uint64_t page, uint64_t to)
{
	off_t at = lseek(fd, (off_t)(page * HS_WIRE_PAGE), SEEK_DATA);
	return at < 0 ? to : (uint64_t)at / HS_WIRE_PAGE;
}

void rc_survey(int fd, uint64_t from, uint64_t to, rc_survey_fn *fn, void *context)
{
	for (uint64_t page = from; page < to;) {
		struct hs_wire_records head;
		if (section_at(fd, page, to, &head)) {
			fn(context, page, &head);
			page += head.section.pages;
		} else {
			page = skip_hole(fd, page + 1, to);
		}
	}
}
