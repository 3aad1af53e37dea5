/* SPDX-License-Identifier: MIT */

/*
 * A database of SQLite with all that the report has (doc/sqlite.md).  It is made in
 * memory, since it goes out as bytes like every other format; it is about as large
 * as the profiles that it is made from.
 */
#include "formats/format.h"

#include <sqlite3.h>
#include <string.h>

#include "config.h"
#include "src/log.h"
#include "src/names.h"
#include "src/out.h"
#include "src/report.h"

static const char schema[] =
	"CREATE TABLE process(id TEXT PRIMARY KEY, pid INTEGER, parent TEXT, name TEXT,"
	" exe TEXT, build_id TEXT, source TEXT, start_ns INTEGER, end_ns INTEGER,"
	" \"end\" TEXT, complete INTEGER, lost_events INTEGER, allocations INTEGER,"
	" frees INTEGER, allocated_bytes INTEGER, temporary INTEGER, live_blocks INTEGER,"
	" live_bytes INTEGER, peak_blocks INTEGER, peak_bytes INTEGER, peak_ns INTEGER);"
	"CREATE TABLE place(id INTEGER PRIMARY KEY, function TEXT, file TEXT,"
	" line INTEGER, module TEXT, module_path TEXT, build_id TEXT, offset INTEGER,"
	" inlined INTEGER);"
	"CREATE TABLE stack_frame(stack INTEGER, depth INTEGER, place INTEGER"
	" REFERENCES place, PRIMARY KEY(stack, depth)) WITHOUT ROWID;"
	"CREATE TABLE site(id INTEGER PRIMARY KEY, process TEXT REFERENCES process,"
	" pid INTEGER, stack INTEGER, kind TEXT, tid INTEGER, allocations INTEGER,"
	" frees INTEGER, allocated_bytes INTEGER, temporary INTEGER, live_blocks INTEGER,"
	" live_bytes INTEGER, peak_blocks INTEGER, peak_bytes INTEGER);"
	"CREATE TABLE snapshot(process TEXT REFERENCES process, time_ns INTEGER,"
	" heap_bytes INTEGER, heap_blocks INTEGER, rss_bytes INTEGER,"
	" allocations INTEGER);"
	"CREATE TABLE leak(id TEXT, process TEXT REFERENCES process, kind TEXT,"
	" pattern TEXT, confidence TEXT, bytes INTEGER, blocks INTEGER,"
	" bytes_per_hour INTEGER, stack INTEGER, culprit INTEGER, evidence TEXT);"
	"CREATE TABLE warning(process TEXT REFERENCES process, text TEXT);";

static const char views[] =
	"CREATE INDEX site_by_stack ON site(stack);"
	"CREATE VIEW frame AS SELECT site.id AS site, depth, function, file, line, "
	"module,"
	" module_path, build_id, offset, inlined FROM site JOIN stack_frame USING(stack)"
	" JOIN place ON place.id = stack_frame.place;"
	"CREATE VIEW site_text AS SELECT site.*, (SELECT group_concat(name, ';') FROM"
	" (SELECT coalesce(nullif(function, ''), module || '+' || offset) AS name FROM"
	" stack_frame JOIN place ON place.id = stack_frame.place WHERE"
	" stack_frame.stack = site.stack ORDER BY depth DESC)) AS folded FROM site;"
	"CREATE VIEW by_function AS SELECT function, module,"
	" sum(allocations) AS allocations, sum(allocated_bytes) AS allocated_bytes,"
	" sum(live_bytes) AS live_bytes, sum(peak_bytes) AS peak_bytes FROM site JOIN"
	" (SELECT DISTINCT stack, function, module FROM stack_frame JOIN place ON"
	" place.id = place) USING(stack) GROUP BY function, module;"
	"CREATE VIEW by_allocator AS SELECT function, file, line, module,"
	" sum(allocations) AS allocations, sum(allocated_bytes) AS allocated_bytes,"
	" sum(live_bytes) AS live_bytes, sum(peak_bytes) AS peak_bytes FROM site JOIN"
	" stack_frame USING(stack) JOIN place ON place.id = place WHERE depth = 0"
	" GROUP BY function, file, line, module;";

struct writing {
	sqlite3 *db;
	sqlite3_stmt *process, *place, *frame, *site, *snapshot, *leak, *warning;
	int64_t n_places, n_stacks, n_sites;
	bool failed;
};

static void say_failed(struct writing *w)
{
	if (!w->failed)
		hs_log_error("sqlite: %s", sqlite3_errmsg(w->db));
	w->failed = true;
}

static void execute(struct writing *w, const char *sql)
{
	if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		say_failed(w);
}

static sqlite3_stmt *prepare(struct writing *w, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(w->db, sql, -1, &statement, NULL) != SQLITE_OK)
		say_failed(w);
	return statement;
}

/* ---- one row ---- */

struct row {
	sqlite3_stmt *statement;
	int column;
};

static void add_null(struct row *r)
{
	sqlite3_bind_null(r->statement, ++r->column);
}

/* SQLite's integers are signed; hostile sums stay at the largest. */
static void add_number(struct row *r, uint64_t value)
{
	sqlite3_bind_int64(r->statement, ++r->column,
			   (sqlite3_int64)HS_MIN(value, (uint64_t)INT64_MAX));
}

static void add_known(struct row *r, bool known, uint64_t value)
{
	if (known)
		add_number(r, value);
	else
		add_null(r);
}

static void add_text(struct row *r, const char *text)
{
	struct hs_out out;
	size_t size;
	hs_out_init(&out, -1);
	hs_put_utf8(&out, text);
	char *clean = hs_out_take(&out, &size);
	sqlite3_bind_text64(r->statement, ++r->column, clean, size, free, SQLITE_UTF8);
}

static void add_word(struct row *r, const char *text)
{
	if (*text)
		add_text(r, text);
	else
		add_null(r);
}

static void end_row(struct writing *w, struct row *r)
{
	if (sqlite3_step(r->statement) != SQLITE_DONE)
		say_failed(w);
	sqlite3_reset(r->statement);
}

/* ---- tables ---- */

struct figures {
	uint64_t allocs, frees, bytes, temporaries, live_blocks, live_bytes, peak_blocks,
		peak_bytes;
};

/* allocations to peak_bytes: the same columns for processes and sites. */
static void add_figures(struct row *r, const struct hs_profile *p, struct figures f)
{
	add_known(r, hs_has_counts(p, HS_HAS_TOTALS), f.allocs);
	add_known(r, hs_has_frees(p), f.frees);
	add_known(r, p->has & HS_HAS_TOTALS, f.bytes);
	add_known(r, p->has & HS_HAS_TEMPORARIES, f.temporaries);
	add_known(r, hs_has_counts(p, HS_HAS_LIVE), f.live_blocks);
	add_known(r, p->has & HS_HAS_LIVE, f.live_bytes);
	add_known(r, hs_has_counts(p, HS_HAS_PEAK), f.peak_blocks);
	add_known(r, p->has & HS_HAS_PEAK, f.peak_bytes);
}

static void put_process(struct writing *w, const struct hs_profile *p)
{
	struct row r = {.statement = w->process};
	const struct hs_process_info *i = &p->process;
	const struct hs_totals *t = &p->totals;
	bool dated = i->start_ns && !i->clock.i;
	add_text(&r, hs_string(p, i->id));
	add_known(&r, p->has & HS_HAS_PID, i->pid);
	add_word(&r, hs_string(p, i->parent));
	add_text(&r, hs_string(p, i->name));
	add_word(&r, hs_string(p, i->exe));
	add_word(&r, hs_string(p, i->build_id));
	add_word(&r, hs_string(p, i->source));
	add_known(&r, dated, i->start_ns);
	add_known(&r, dated && i->end_ns, i->end_ns);
	add_text(&r, hs_end_name(i->end));
	add_number(&r, i->complete);
	add_number(&r, i->lost_events);
	add_figures(&r, p,
		    (struct figures){t->allocs, t->frees, t->bytes, t->temporaries,
				     t->live_blocks, t->live_bytes, t->peak_blocks,
				     t->peak_bytes});
	add_known(&r, t->peak_ns && !i->clock.i, t->peak_ns);
	end_row(w, &r);
	for (uint32_t k = 0; k < p->n_warnings; k++) {
		struct row warning = {.statement = w->warning};
		add_text(&warning, hs_string(p, i->id));
		add_text(&warning, p->warnings[k]);
		end_row(w, &warning);
	}
}

static int64_t put_place(struct writing *w, const struct hs_profile *p, hs_frame frame)
{
	struct row r = {.statement = w->place};
	const struct hs_frame_info *f = &p->frames[frame.i];
	const struct hs_module_info *m = &p->modules[f->module.i];
	const char *path = hs_string(p, m->path);
	add_number(&r, (uint64_t)++w->n_places);
	add_text(&r, hs_string(p, f->function));
	add_word(&r, hs_string(p, f->file));
	add_known(&r, f->line, f->line);
	add_word(&r, hs_base_name(path));
	add_word(&r, path);
	add_word(&r, hs_string(p, m->build_id));
	add_known(&r, f->offset, f->offset);
	add_number(&r, f->inlined);
	end_row(w, &r);
	return w->n_places;
}

/* Only stacks of sites and leaks are written, each once. */
static uint32_t put_stack(struct writing *w, const struct hs_profile *p, uint32_t *stacks,
			  int64_t *places, hs_stack stack)
{
	if (stacks[stack.i] || !stack.i)
		return stacks[stack.i];
	size_t n = hs_stack_frames(p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(HS_MAX(n, (size_t)1), sizeof(*frames));
	hs_stack_frames(p, stack, frames, n);
	stacks[stack.i] = (uint32_t)++w->n_stacks;
	for (size_t i = 0; i < n; i++) {
		struct row r = {.statement = w->frame};
		if (!places[frames[i].i])
			places[frames[i].i] = put_place(w, p, frames[i]);
		add_number(&r, stacks[stack.i]);
		add_number(&r, i);
		add_number(&r, (uint64_t)places[frames[i].i]);
		end_row(w, &r);
	}
	free(frames);
	return stacks[stack.i];
}

static void put_site(struct writing *w, const struct hs_profile *p,
		     const struct hs_site *s, uint32_t stack)
{
	struct row r = {.statement = w->site};
	add_number(&r, (uint64_t)++w->n_sites);
	add_text(&r, hs_string(p, p->process.id));
	add_known(&r, p->has & HS_HAS_PID, p->process.pid);
	add_known(&r, stack, stack);
	add_text(&r, hs_alloc_kind_name(s->kind));
	add_known(&r, s->thread.i, p->threads[s->thread.i].tid);
	add_figures(&r, p,
		    (struct figures){s->allocs, s->frees, s->bytes, s->temporaries,
				     s->live_blocks, s->live_bytes, s->peak_blocks,
				     s->peak_bytes});
	end_row(w, &r);
}

static void put_snapshot(struct writing *w, const struct hs_profile *p,
			 const struct hs_snapshot *s)
{
	struct row r = {.statement = w->snapshot};
	add_text(&r, hs_string(p, p->process.id));
	add_number(&r, s->time_ns);
	add_number(&r, s->heap_bytes);
	add_known(&r, hs_has_counts(p, HS_HAS_LIVE), s->heap_blocks);
	add_known(&r, p->has & HS_HAS_RSS, s->rss_bytes);
	add_known(&r, s->allocs, s->allocs);
	end_row(w, &r);
}

static void put_evidence(struct row *r, const struct hs_finding *f)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	for (const char *const *e = f->evidence; e && *e; e++)
		hs_printf(&out, "%s%s", e == f->evidence ? "" : "\n", *e);
	char *text = hs_out_take(&out, NULL);
	add_word(r, text);
	free(text);
}

static void put_leak(struct writing *w, const struct hs_finding *f, uint32_t stack)
{
	struct row r = {.statement = w->leak};
	add_text(&r, f->id);
	add_text(&r, hs_string(f->profile, f->profile->process.id));
	add_text(&r, hs_leak_kind_name(f->kind));
	add_text(&r, hs_pattern_name(f->pattern));
	add_text(&r, hs_confidence_name(f->confidence));
	add_number(&r, f->bytes);
	add_known(&r, f->blocks, f->blocks);
	add_known(&r, f->bytes_per_hour, f->bytes_per_hour);
	add_known(&r, stack, stack);
	add_number(&r, f->culprit);
	put_evidence(&r, f);
	end_row(w, &r);
}

static void put_target(struct writing *w, const struct hs_report *report, size_t target)
{
	const struct hs_profile *p = report->targets[target].profile;
	uint32_t *stacks = hs_xcalloc(HS_MAX(p->n_stacks, 1u), sizeof(*stacks));
	int64_t *places = hs_xcalloc(HS_MAX(p->n_frames, 1u), sizeof(*places));
	put_process(w, p);
	for (uint32_t i = 0; i < p->n_sites; i++)
		put_site(w, p, &p->sites[i],
			 put_stack(w, p, stacks, places, p->sites[i].stack));
	for (uint32_t i = 0; i < p->n_snapshots; i++)
		put_snapshot(w, p, &p->snapshots[i]);
	size_t n;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	for (; n--; f++)
		if (f->type == HS_FINDING_LEAK && f->profile == p)
			put_leak(w, f, put_stack(w, p, stacks, places, f->stack));
	free(stacks);
	free(places);
}

/* ---- the whole ---- */

static void begin(struct writing *w)
{
	execute(w, "PRAGMA journal_mode=OFF; PRAGMA page_size=4096;");
	execute(w, "BEGIN");
	execute(w, schema);
	w->process =
		prepare(w, "INSERT INTO process VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
			   "?,?,?,?,?,?)");
	w->place = prepare(w, "INSERT INTO place VALUES(?,?,?,?,?,?,?,?,?)");
	w->frame = prepare(w, "INSERT INTO stack_frame VALUES(?,?,?)");
	w->site = prepare(w, "INSERT INTO site VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
	w->snapshot = prepare(w, "INSERT INTO snapshot VALUES(?,?,?,?,?,?)");
	w->leak = prepare(w, "INSERT INTO leak VALUES(?,?,?,?,?,?,?,?,?,?,?)");
	w->warning = prepare(w, "INSERT INTO warning VALUES(?,?)");
}

static void end(struct writing *w)
{
	sqlite3_stmt *const statements[] = {w->process, w->place,    w->frame,  w->site,
					    w->leak,    w->snapshot, w->warning};
	for (size_t i = 0; i < HS_COUNT(statements); i++)
		sqlite3_finalize(statements[i]);
	execute(w, views);
	/* The application's id is "hsnp" in ASCII; the version that of doc/sqlite.md. */
	execute(w, "PRAGMA application_id=0x68736e70; PRAGMA user_version=1; COMMIT;");
}

static void sqlite_write(const struct hs_report *report, struct hs_out *out)
{
	struct writing w = {0};
	sqlite3_int64 most = INT64_MAX, size = 0;
	/* This kind of memory is one piece, which need not be copied to be written. */
	if (sqlite3_open_v2("file:heapsnap?vfs=memdb", &w.db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
			    NULL) != SQLITE_OK)
		say_failed(&w);
	sqlite3_file_control(w.db, "main", SQLITE_FCNTL_SIZE_LIMIT, &most);
	if (!w.failed)
		begin(&w);
	for (size_t i = 0; i < report->n_targets && !w.failed; i++)
		put_target(&w, report, i);
	if (!w.failed)
		end(&w);
	const void *bytes = w.failed ? NULL
				     : sqlite3_serialize(w.db, "main", &size,
							 SQLITE_SERIALIZE_NOCOPY);
	if (bytes)
		hs_put(out, bytes, (size_t)size);
	else
		hs_out_fail(out);
	sqlite3_close(w.db);
}

const struct hs_format hs_format_sqlite = {
	.name = "sqlite",
	.summary = "a database of SQLite: all figures, for questions of your own",
	.suffixes = (const char *const[]){".sqlite", ".db", NULL},
	.write = sqlite_write,
};
