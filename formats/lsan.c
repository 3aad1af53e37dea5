/* SPDX-License-Identifier: MIT */

/*
 * The leaks as LeakSanitizer prints them, for whatever reads its output already.
 * Addresses are offsets in the modules, which, unlike addresses, mean something to
 * a reader.
 */
#include "formats/format.h"

#include "src/array.h"
#include "src/names.h"
#include "src/out.h"
#include "src/report.h"

static bool is_leak(const struct hs_finding *f)
{
	return f->type == HS_FINDING_LEAK && f->kind != HS_LEAK_REACHABLE;
}

/* "#1 0x1a2f in parse src/parse.c:12" or "#1 0x1a2f  (libapp.so+0x1a2f)" */
static void put_frame(struct hs_out *out, const struct hs_profile *p, size_t number,
		      const struct hs_frame_info *f)
{
	hs_printf(out, "    #%zu 0x%llx ", number, (unsigned long long)f->offset);
	const char *function = hs_string(p, f->function), *file = hs_string(p, f->file);
	if (*function) {
		hs_puts(out, "in ");
		hs_put_plain(out, function);
		hs_putc(out, ' ');
	}
	if (*file) {
		hs_put_plain(out, file);
		if (f->line)
			hs_printf(out, ":%u", f->line);
	} else {
		hs_putc(out, '(');
		hs_put_plain(out, hs_string(p, p->modules[f->module.i].path));
		hs_printf(out, "+0x%llx)", (unsigned long long)f->offset);
	}
	hs_putc(out, '\n');
}

static void put_leak(struct hs_out *out, const struct hs_finding *f)
{
	const struct hs_profile *p = f->profile;
	size_t n = hs_stack_frames(p, f->stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(p, f->stack, frames, n);
	hs_printf(out,
		  "\n%s leak of %llu byte(s) in %llu object(s) allocated from: [%s]\n",
		  f->kind == HS_LEAK_INDIRECT ? "Indirect" : "Direct",
		  (unsigned long long)f->bytes, (unsigned long long)f->blocks, f->id);
	for (size_t i = 0; i < n; i++)
		put_frame(out, p, i, &p->frames[frames[i].i]);
	free(frames);
}

static void put_process(struct hs_out *out, const struct hs_report *report,
			const struct hs_profile *p)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	bool begun = false;
	for (const struct hs_finding *end = f + n; f < end; f++) {
		if (f->profile != p || !is_leak(f))
			continue;
		if (!begun)
			hs_printf(out,
				  "\n==%u==ERROR: LeakSanitizer: detected memory leaks\n",
				  p->process.pid);
		begun = true;
		put_leak(out, f);
	}
}

static void lsan_write(const struct hs_report *report, struct hs_out *out)
{
	uint64_t bytes = 0, blocks = 0;
	size_t n;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	for (size_t i = 0; i < n; i++) {
		bytes += is_leak(&f[i]) ? f[i].bytes : 0;
		blocks += is_leak(&f[i]) ? f[i].blocks : 0;
	}
	for (size_t i = 0; i < report->n_targets; i++)
		put_process(out, report, report->targets[i].profile);
	if (bytes || blocks)
		hs_printf(out,
			  "\nSUMMARY: heapsnap: %llu byte(s) leaked in %llu "
			  "allocation(s).\n",
			  (unsigned long long)bytes, (unsigned long long)blocks);
}

const struct hs_format hs_format_lsan = {
	.name = "lsan",
	.summary = "leaks as LeakSanitizer prints them",
	.write = lsan_write,
};
