/* SPDX-License-Identifier: MIT */

/*
 * The verdict as JUnit's XML, which CI systems show: a test case for each limit that
 * was set; without any, one that fails where there are leaks at all.
 */
#include "formats/format.h"

#include "src/gate.h"
#include "src/out.h"
#include "src/report.h"

static void put_rate(struct hs_out *out, uint64_t bytes, bool per_hour)
{
	hs_put_size(out, bytes);
	if (per_hour)
		hs_puts(out, "/h");
}

/* The places, as the text of a failure. */
static void put_places(struct hs_out *out, const struct hs_report *report, bool growing)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	for (const struct hs_finding *end = f + n; f < end; f++) {
		if (!hs_gate_counts(f) || (growing && !f->bytes_per_hour))
			continue;
		const struct hs_profile *p = f->profile;
		hs_put_html(out, hs_string(p, p->process.id));
		hs_printf(out, " %s %s ", f->id, hs_leak_kind_name(f->kind));
		put_rate(out, growing ? f->bytes_per_hour : f->bytes, growing);
		size_t depth = hs_stack_frames(p, f->stack, NULL, 0);
		hs_frame *frames = hs_xcalloc(depth, sizeof(*frames));
		hs_stack_frames(p, f->stack, frames, depth);
		if (f->culprit < depth) {
			hs_puts(out, " in ");
			const struct hs_frame_info *frame =
				&p->frames[frames[f->culprit].i];
			hs_put_html(out, hs_string(p, frame->function));
		}
		free(frames);
		hs_putc(out, '\n');
	}
}

struct limit {
	bool failed, growing;
	uint64_t measured, limit;
};

static void put_case(struct hs_out *out, const struct hs_report *report,
		     const struct limit *c)
{
	const char *what = c->growing ? "leaks grow by at most " : "leaks stay within ";
	hs_puts(out, "    <testcase classname=\"heapsnap\" name=\"");
	hs_puts(out, what);
	put_rate(out, c->limit, c->growing);
	if (!c->failed) {
		hs_puts(out, "\"/>\n");
		return;
	}
	hs_puts(out, "\">\n      <failure message=\"");
	put_rate(out, c->measured, c->growing);
	hs_puts(out, c->growing ? " of growth\">" : " leaked\">");
	put_places(out, report, c->growing);
	hs_puts(out, "</failure>\n    </testcase>\n");
}

static void junit_write(const struct hs_report *report, struct hs_out *out)
{
	static const struct hs_gate none = {.limits_leaks = true};
	const struct hs_gate *gate = report->gate;
	if (!gate || (!gate->limits_leaks && !gate->limits_growth))
		gate = &none;
	struct hs_gate_result r = hs_gate_check(gate, report->findings);
	unsigned failures = (unsigned)r.leaks_failed + r.growth_failed;
	unsigned tests = (unsigned)gate->limits_leaks + gate->limits_growth;
	hs_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	hs_printf(out, "<testsuites tests=\"%u\" failures=\"%u\">\n", tests, failures);
	hs_puts(out, "  <testsuite name=\"");
	hs_put_html(out, report->title ? report->title : "heapsnap");
	hs_printf(out, "\" tests=\"%u\" failures=\"%u\">\n", tests, failures);
	if (gate->limits_leaks)
		put_case(out, report,
			 &(struct limit){r.leaks_failed, false, r.leaked_bytes,
					 gate->max_leaked_bytes});
	if (gate->limits_growth)
		put_case(out, report,
			 &(struct limit){r.growth_failed, true, r.bytes_per_hour,
					 gate->max_bytes_per_hour});
	hs_puts(out, "  </testsuite>\n</testsuites>\n");
}

const struct hs_format hs_format_junit = {
	.name = "junit",
	.summary = "the verdict on the limits as JUnit's XML",
	.write = junit_write,
};
