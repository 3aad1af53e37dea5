/* SPDX-License-Identifier: MIT */

/*
 * Leaks as SARIF 2.1.0, for code scanning.  A result's fingerprint is the leak's id,
 * which survives a rebuild; `baselineState` tells what a baseline knew.  GitHub takes
 * 25,000 results of a run, and 100 locations of a stack are shown.
 */
#include "formats/format.h"

#include <string.h>

#include "config.h"
#include "src/gate.h"
#include "src/out.h"
#include "src/report.h"

#define MAX_RESULTS 25000u
#define MAX_FRAMES  100u

static const char *const rules[][2] = {
	[HS_LEAK_UNREACHABLE] = {"unreachable", "Nothing points to the memory any more"},
	[HS_LEAK_INDIRECT] = {"indirect", "Only leaked memory points to the memory"},
	[HS_LEAK_GROWTH] = {"growth", "The memory held by this place keeps growing"},
	[HS_LEAK_NEVER_FREED] = {"never_freed", "The memory was not freed by the end"},
	[HS_LEAK_REACHABLE] = {"reachable", "The memory was held until the end"},
};

static void put_rules(struct hs_out *out)
{
	for (size_t i = 0; i < HS_COUNT(rules); i++)
		hs_printf(out,
			  "%s\n      {\"id\": \"heapsnap/%s\", \"name\": \"%s\", "
			  "\"shortDescription\": {\"text\": \"%s\"}}",
			  i ? "," : "", rules[i][0], rules[i][0], rules[i][1]);
}

/* A path as a URI reference (RFC 3986): what is not unreserved is escaped. */
static void put_uri(struct hs_out *out, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/+@";
	hs_puts(out, *path == '/' ? "\"file://" : "\"");
	for (; *path; path++)
		if (strchr(plain, *path))
			hs_putc(out, *path);
		else
			hs_printf(out, "%%%02X", (unsigned char)*path);
	hs_putc(out, '"');
}

static void put_place(struct hs_out *out, const struct hs_report *report,
		      const struct hs_profile *p, const struct hs_frame_info *f)
{
	const char *file = hs_string(p, f->file), *function = hs_string(p, f->function);
	const char *separator = "";
	hs_putc(out, '{');
	if (*file) {
		hs_puts(out, "\"physicalLocation\": {\"artifactLocation\": {\"uri\": ");
		char *path = hs_source_path(report, file);
		put_uri(out, path);
		free(path);
		hs_putc(out, '}');
		if (f->line)
			hs_printf(out, ", \"region\": {\"startLine\": %u}", f->line);
		hs_putc(out, '}');
		separator = ", ";
	}
	hs_printf(out, "%s\"logicalLocations\": [{\"fullyQualifiedName\": ", separator);
	hs_put_json_string(out, *function ? function
					  : hs_string(p, p->modules[f->module.i].path));
	hs_puts(out, "}]}");
}

static void put_stack(struct hs_out *out, const struct hs_report *report,
		      const struct hs_profile *p, const hs_frame *frames, size_t n)
{
	hs_puts(out, ",\n     \"stacks\": [{\"frames\": [");
	for (size_t i = 0; i < n && i < MAX_FRAMES; i++) {
		hs_puts(out, i ? ",\n      {\"location\": " : "\n      {\"location\": ");
		put_place(out, report, p, &p->frames[frames[i].i]);
		hs_putc(out, '}');
	}
	hs_puts(out, "]}]");
}

static void put_message(struct hs_out *out, const struct hs_finding *f)
{
	struct hs_out text;
	hs_out_init(&text, -1);
	hs_put_size(&text, f->bytes);
	hs_printf(&text, " in %llu block%s allocated here: %s, %s confidence",
		  (unsigned long long)f->blocks, f->blocks == 1 ? "" : "s",
		  hs_leak_kind_name(f->kind), hs_confidence_name(f->confidence));
	for (const char *const *e = f->evidence; e && *e; e++)
		hs_printf(&text, "; %s", *e);
	char *s = hs_out_take(&text, NULL);
	hs_put_json_string(out, s);
	free(s);
}

static void put_result(struct hs_out *out, const struct hs_report *report,
		       const struct hs_finding *f)
{
	static const char *const levels[] = {"error", "warning", "note"};
	const struct hs_profile *p = f->profile;
	const struct hs_gate *gate = report->gate;
	uint64_t known;
	size_t n = hs_stack_frames(p, f->stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(p, f->stack, frames, n);
	hs_printf(out, "\n    {\"ruleId\": \"heapsnap/%s\", \"level\": \"%s\",",
		  rules[f->kind][0], levels[f->confidence]);
	hs_puts(out, "\n     \"message\": {\"text\": ");
	put_message(out, f);
	hs_printf(out, "},\n     \"partialFingerprints\": {\"heapsnapLeak/v1\": \"%s\"}",
		  f->id);
	if (gate && gate->baseline)
		hs_printf(out, ",\n     \"baselineState\": \"%s\"",
			  !hs_baseline_find(gate->baseline, f->id, &known) ? "new"
			  : known == f->bytes                              ? "unchanged"
									   : "updated");
	hs_puts(out, ",\n     \"locations\": [");
	if (f->culprit < n)
		put_place(out, report, p, &p->frames[frames[f->culprit].i]);
	hs_putc(out, ']');
	put_stack(out, report, p, frames, n);
	hs_puts(out, ",\n     \"properties\": {\"process\": ");
	hs_put_json_string(out, hs_string(p, p->process.id));
	hs_printf(out, ", \"bytes\": %llu, \"blocks\": %llu}}",
		  (unsigned long long)f->bytes, (unsigned long long)f->blocks);
	free(frames);
}

static void sarif_write(const struct hs_report *report, struct hs_out *out)
{
	hs_puts(out, "{\"$schema\": "
		     "\"https://json.schemastore.org/sarif-2.1.0.json\",\n"
		     " \"version\": \"2.1.0\",\n \"runs\": [\n"
		     "  {\"tool\": {\"driver\": {\"name\": \"heapsnap\", \"version\": "
		     "\"" PACKAGE_VERSION "\",\n     \"rules\": [");
	put_rules(out);
	hs_puts(out, "]}},\n   \"columnKind\": \"utf16CodeUnits\",\n   \"results\": [");
	size_t n, listed = 0;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	for (size_t i = 0; i < n && listed < MAX_RESULTS; i++) {
		if (f[i].type != HS_FINDING_LEAK || f[i].kind == HS_LEAK_REACHABLE)
			continue;
		if (listed++)
			hs_putc(out, ',');
		put_result(out, report, &f[i]);
	}
	hs_puts(out, "]}]}\n");
}

const struct hs_format hs_format_sarif = {
	.name = "sarif",
	.summary = "leaks as SARIF 2.1.0, for code scanning",
	.suffixes = (const char *const[]){".sarif", NULL},
	.write = sarif_write,
};
