/* SPDX-License-Identifier: MIT */

/* Reading the files and figures of a verdict, and pronouncing it. */
#include "src/cmd/limits.h"

#include <string.h>

#include "src/cursor.h"
#include "src/file.h"
#include "src/log.h"
#include "src/out.h"
#include "src/units.h"

/* Suppressions and baselines are small; what is larger is none. */
#define MAX_FILE ((uint64_t)256 << 20)

static struct hs_error *read_suppressions(struct hs_limits *l, const char *path)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, MAX_FILE, &file);
	if (err)
		return err;
	if (!l->suppressions)
		l->suppressions = hs_suppressions_new();
	err = hs_suppressions_parse(l->suppressions, path, (const char *)file.data,
				    file.size);
	hs_file_close(&file);
	return err;
}

static struct hs_error *read_baseline(struct hs_limits *l, const char *path)
{
	struct hs_file file;
	if (l->baseline)
		return hs_error("--baseline was given twice");
	struct hs_error *err = hs_file_open(path, MAX_FILE, &file);
	if (err)
		return err;
	struct hs_cursor in = hs_cursor(file.data, file.size, path);
	err = hs_error_in(hs_baseline_read(&in, &l->baseline), "%s", path);
	hs_file_close(&file);
	l->gate.baseline = l->baseline;
	return err;
}

/* "1MiB/h", "64k/s", "1GiB/d"; bytes an hour without a time. */
static bool parse_rate(const char *text, uint64_t *bytes_per_hour_ret)
{
	const char *slash = strchr(text, '/');
	char size[32];
	uint64_t bytes, ns = (uint64_t)3600 * 1000000000;
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	if (n >= sizeof(size))
		return false;
	memcpy(size, text, n);
	size[n] = 0;
	if (!hs_parse_size(size, &bytes))
		return false;
	if (slash) {
		/* "h" is "1h". */
		char time[32];
		const char *digit = slash[1] >= '0' && slash[1] <= '9' ? "" : "1";
		if (strlen(slash) + 1 >= sizeof(time))
			return false;
		strcpy(time, digit);
		strcat(time, slash + 1);
		if (!slash[1] || !hs_parse_time(time, &ns) || !ns)
			return false;
	}
	unsigned __int128 rate = (unsigned __int128)bytes * 3600 * 1000000000 / ns;
	*bytes_per_hour_ret = rate > UINT64_MAX ? UINT64_MAX : (uint64_t)rate;
	return true;
}

static void read_file(struct hs_options *o, struct hs_error *err)
{
	if (!err)
		return;
	hs_log_error("%s", hs_error_message(err));
	hs_error_free(err);
	o->stop = true;
	o->status = HS_FAILED;
}

bool hs_limits_read(struct hs_limits *l, struct hs_options *o, int id)
{
	switch (id) {
	case HS_OPT_SUPPRESSIONS:
		read_file(o, read_suppressions(l, o->value));
		return true;
	case HS_OPT_NO_EMBEDDED:
		l->no_embedded = true;
		return true;
	case HS_OPT_BASELINE:
		read_file(o, read_baseline(l, o->value));
		return true;
	case HS_OPT_FAIL_ON_LEAKS:
		l->gate.limits_leaks = true;
		if (!hs_parse_size(o->value, &l->gate.max_leaked_bytes))
			hs_options_wrong(o,
					 "--fail-on-leaks wants a size, as 0 or 64k, "
					 "not '%s'",
					 o->value);
		return true;
	case HS_OPT_FAIL_ON_GROWTH:
		l->gate.limits_growth = true;
		if (!parse_rate(o->value, &l->gate.max_bytes_per_hour))
			hs_options_wrong(o,
					 "--fail-on-growth wants a rate, as 1MiB/h or "
					 "64k/m, not '%s'",
					 o->value);
		return true;
	default:
		return false;
	}
}

void hs_limits_deinit(struct hs_limits *l)
{
	hs_suppressions_free(l->suppressions);
	hs_baseline_free(l->baseline);
	*l = (struct hs_limits){0};
}

/* "NAME: 12.3 KiB in 3 places[; ...], more than the OPTION that was set" */
static void say_exceeded(const char *what, uint64_t bytes, uint32_t places,
			 uint64_t known, const char *option, uint64_t limit,
			 const char *unit)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_puts(&out, what);
	hs_put_size(&out, bytes);
	hs_printf(&out, "%s in %u place%s", unit, places, places == 1 ? "" : "s");
	if (known) {
		hs_puts(&out, " besides ");
		hs_put_size(&out, known);
		hs_puts(&out, " that the baseline has");
	}
	hs_printf(&out, ", more than --%s ", option);
	hs_put_size(&out, limit);
	hs_puts(&out, unit);
	char *text = hs_out_take(&out, NULL);
	hs_log_error("%s", text);
	free(text);
}

int hs_limits_judge(const struct hs_limits *l, const struct hs_findings *findings)
{
	const struct hs_gate *gate = &l->gate;
	if (!gate->limits_leaks && !gate->limits_growth)
		return HS_OK;
	struct hs_gate_result r = hs_gate_check(gate, findings);
	if (r.leaks_failed)
		say_exceeded("leaked ", r.leaked_bytes, r.n_leaks, r.known_bytes,
			     "fail-on-leaks", gate->max_leaked_bytes, "");
	if (r.growth_failed)
		say_exceeded("growing by ", r.bytes_per_hour, r.n_growing, 0,
			     "fail-on-growth", gate->max_bytes_per_hour, "/h");
	return r.leaks_failed || r.growth_failed ? HS_LIMIT : HS_OK;
}
