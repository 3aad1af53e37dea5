/* SPDX-License-Identifier: MIT */

/* heapsnap snap --dump: a core of a process that goes on. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/cmd/command.h"
#include "src/cmd/options.h"
#include "src/cmd/output.h"
#include "src/cmd/progress.h"
#include "src/dump.h"
#include "src/log.h"
#include "src/names.h"
#include "src/pack.h"

enum { OPT_DUMP = 1, OPT_OUTPUT, OPT_COMPRESS, OPT_FILE_PAGES, OPT_QUIET };

static const struct hs_option options[] = {
	{OPT_DUMP, "dump", 0, NULL, "write a core of the process, which goes on", NULL},
	{OPT_OUTPUT, "output", 'o', "FILE", "write it there; - is stdout", NULL},
	{OPT_COMPRESS, "compress", 0, "METHOD", "zstd, gzip, lz4 or xz", HS_PACK_NAMES},
	{OPT_FILE_PAGES, "file-pages", 0, NULL, "also what is unchanged in files", NULL},
	{OPT_QUIET, "quiet", 'q', NULL, "no progress, no notes", NULL},
	{0},
};

struct request {
	pid_t pid;
	const char *path, *method;
	bool dump, file_pages, quiet;
};

static void read_option(struct hs_options *o, int id, struct request *r)
{
	switch (id) {
	case HS_OPTION_OPERAND:
		if (r->pid)
			hs_options_wrong(o, "one process at a time");
		r->pid = hs_parse_pid(o->value);
		if (!r->pid)
			hs_options_wrong(o, "'%s' is no number of a process", o->value);
		break;
	case OPT_DUMP:
		r->dump = true;
		break;
	case OPT_OUTPUT:
		r->path = o->value;
		break;
	case OPT_COMPRESS:
		r->method = o->value;
		if (!hs_pack_suffix(o->value))
			hs_options_wrong(o,
					 "--compress is zstd, gzip, lz4 or xz, not '%s'",
					 o->value);
		break;
	case OPT_FILE_PAGES:
		r->file_pages = true;
		break;
	case OPT_QUIET:
		r->quiet = true;
		break;
	default:
		abort();
	}
}

/* -- Where it goes ---------------------------------------------------------------- */

/* A signal that would end us leaves no half file behind. */
static volatile sig_atomic_t interrupted;

static void note_signal(int signal HS_UNUSED)
{
	interrupted = 1;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = note_signal};
	struct sigaction old;
	for (size_t i = 0; i < HS_COUNT(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

struct target {
	struct hs_output output;
	struct hs_packer *packer; /* or NULL */
	bool sparse;              /* a plain file, with holes */
	uint64_t done, total;     /* bytes but for zeros */
	off_t at;                 /* in the plain file */
	int err;
};

static bool write_at(struct target *t, const uint8_t *bytes, size_t size)
{
	while (size && !t->err) {
		ssize_t n =
			pwrite(t->output.fd, bytes, HS_MIN(size, (size_t)1 << 20), t->at);
		if (n < 0 && errno != EINTR)
			t->err = errno;
		if (n <= 0)
			continue;
		t->at += n;
		t->done += (uint64_t)n;
		bytes += n;
		size -= (size_t)n;
		hs_progress(NULL, (size_t)t->done, (size_t)t->total);
	}
	return !t->err;
}

static bool put_bytes(struct target *t, const void *bytes, size_t size)
{
	if (t->sparse)
		return write_at(t, bytes, size);
	if (t->packer && !hs_packer_put(t->packer, bytes, size))
		t->err = EIO;
	else if (!t->packer)
		hs_put(&t->output.out, bytes, size);
	return !t->err && !t->output.out.err;
}

static bool put(void *context, const void *bytes, size_t size)
{
	struct target *t = context;
	const uint8_t *at = bytes;
	const size_t piece = (size_t)1 << 20;
	bool good = true;
	for (size_t n; size && good && !interrupted; at += n, size -= n) {
		n = HS_MIN(size, piece);
		good = put_bytes(t, at, n);
		t->done += t->sparse ? 0 : n;
		hs_progress(NULL, (size_t)t->done, (size_t)t->total);
	}
	return good && !interrupted;
}

static bool skip(void *context, uint64_t size)
{
	static const uint8_t zeros[65536];
	struct target *t = context;
	bool good = !interrupted;
	if (t->sparse) {
		t->at += (off_t)size;
		return good;
	}
	while (size && good && !interrupted) {
		size_t n = (size_t)HS_MIN(size, (uint64_t)sizeof(zeros));
		good = put_bytes(t, zeros, n);
		size -= n;
	}
	return good && !interrupted;
}

/* NAME.PID.core beside us, where nothing is yet. */
static struct hs_error *choose_path(const struct request *r, const char *name, char **ret)
{
	struct stat st;
	if (r->path) {
		*ret = hs_xstrdup(r->path);
		return NULL;
	}
	HS_CLEANUP(hs_freep) char *safe = hs_xstrdup(*name ? name : "process");
	for (char *c = safe; *c; c++)
		if (*c == '/' || *c == ':' || (unsigned char)*c < ' ')
			*c = '_';
	char *path = hs_xasprintf("%s.%d.core%s", safe, r->pid,
				  r->method ? hs_pack_suffix(r->method) : "");
	if (lstat(path, &st) == 0) {
		struct hs_error *err =
			hs_error("%s is there already; -o names another file", path);
		free(path);
		return err;
	}
	*ret = path;
	return NULL;
}

static struct hs_error *open_target(const struct request *r, const char *path,
				    struct target *t)
{
	*t = (struct target){0};
	if (!strcmp(path, "-") && isatty(STDOUT_FILENO))
		return hs_error("a core is nothing for a terminal; -o FILE names a file");
	struct hs_error *err = hs_output_open(path, &t->output);
	if (err)
		return err;
	t->sparse = t->output.temporary && !r->method;
	if (r->method)
		t->packer = hs_packer_new(r->method, &t->output.out);
	/* It has what the process has in memory: keys, passwords. */
	if (t->output.temporary)
		(void)!fchmod(t->output.fd, 0600);
	return NULL;
}

static struct hs_error *close_target(struct target *t, const char *path, bool good)
{
	if (good && t->packer && !hs_packer_finish(t->packer))
		t->err = EIO;
	if (good && t->sparse && !t->err && ftruncate(t->output.fd, t->at) != 0)
		t->err = errno;
	hs_packer_free(t->packer);
	if (good && !t->err)
		return hs_output_close(&t->output);
	int err = t->err ? t->err : t->output.out.err;
	hs_output_discard(&t->output);
	if (interrupted)
		return hs_error("interrupted: there is no dump");
	if (err == ENOSPC || err == EDQUOT)
		return hs_error("cannot write %s: %s; nothing of it was kept; "
				"--compress=zstd makes it smaller, -o names another disk",
				path, strerror(err));
	return hs_error("cannot write %s: %s; nothing of it was kept", path,
			strerror(err));
}

/* -- Telling ------------------------------------------------------------------------ */

static char *size_text(uint64_t bytes)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_put_size(&out, bytes);
	return hs_out_take(&out, NULL);
}

static void tell(const struct request *r, const struct hs_dump *dump, const char *path)
{
	const struct hs_dump_stats *s = hs_dump_stats(dump);
	HS_CLEANUP(hs_freep) char *copied = size_text(s->copied);
	hs_log_note("%s: %s of process %d, %zu thread%s; it was stopped for %.1f ms",
		    path, copied, r->pid, s->n_threads, s->n_threads == 1 ? "" : "s",
		    (double)s->stopped_ns / 1e6);
	if (s->unreadable) {
		HS_CLEANUP(hs_freep) char *size = size_text(s->unreadable);
		hs_log_warning("%s could not be read, and are zero in the dump", size);
	}
	if (s->not_touched) {
		HS_CLEANUP(hs_freep) char *size = size_text(s->not_touched);
		hs_log_warning("of shared memory, %s that this process has not touched "
			       "count as zero; root can see what others stored there",
			       size);
	}
}

static struct hs_error *write_dump(const struct request *r, struct hs_dump *dump,
				   const char *path)
{
	struct target t;
	struct hs_error *err = open_target(r, path, &t);
	if (err)
		return err;
	t.total = hs_dump_stats(dump)->copied;
	hs_progress_task("writing %s", path);
	const struct hs_dump_sink sink = {.put = put, .skip = skip, .context = &t};
	bool good = hs_dump_write(dump, &sink);
	err = close_target(&t, path, good);
	hs_progress_clear();
	if (!err && !r->quiet)
		tell(r, dump, strcmp(path, "-") ? path : "stdout");
	return err;
}

/* What does not fit into memory goes where the dump will be. */
static char *spill_folder(const struct request *r)
{
	if (r->path && strcmp(r->path, "-") != 0)
		return hs_path_dir(r->path);
	const char *folder = getenv("TMPDIR");
	return hs_xstrdup(r->path ? folder && *folder ? folder : "/var/tmp" : ".");
}

static struct hs_error *snap(const struct request *r)
{
	struct hs_dump *dump;
	HS_CLEANUP(hs_freep) char *folder = spill_folder(r);
	const struct hs_dump_options how = {.file_pages = r->file_pages,
					    .folder = folder};
	char *path = NULL;
	if (r->quiet)
		hs_log_set_level(HS_LOG_ERROR);
	hs_progress_enable(!r->quiet);
	hs_progress_task("copying process %d", r->pid);
	catch_signals();
	struct hs_error *err = hs_dump_take(r->pid, &how, &dump);
	if (err)
		return err;
	err = choose_path(r, hs_dump_name(dump), &path);
	if (!err)
		err = write_dump(r, dump, path);
	free(path);
	hs_dump_free(dump);
	return err;
}

static int snap_run(const struct hs_command *self, int argc, char **argv)
{
	struct request r = {0};
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;)
		read_option(&o, id, &r);
	if (!o.stop && !r.dump)
		hs_options_wrong(&o, "what of the process? --dump writes a core");
	if (!o.stop && !r.pid)
		hs_options_wrong(&o, "which process?");
	return o.stop ? o.status : hs_fail(snap(&r));
}

const struct hs_command hs_command_snap = {
	.name = "snap",
	.synopsis = "--dump [OPTION...] PID",
	.summary = "write a core of a process that goes on",
	.options = options,
	.help = "All threads are stopped while registers and memory are copied into "
		"memory of\n"
		"heapsnap, and go on before anything is written. gdb, eu-stack and "
		"'heapsnap core'\n"
		"read the file. Zeros are holes in it; pages that the process never "
		"touched are\n"
		"not touched; what programs exclude by MADV_DONTDUMP is left out. "
		"Without -o it is\n"
		"NAME.PID.core in this folder. It appears only when it is whole, and "
		"nobody else\n"
		"may read it.\n\n"
		"Examples\n"
		"  heapsnap snap --dump 4242\n"
		"  heapsnap snap --dump --compress=zstd -o /var/tmp/server.core.zst "
		"4242\n"
		"  heapsnap snap --dump -o - 4242 | ssh host 'cat >server.core'\n",
	.run = snap_run,
};
