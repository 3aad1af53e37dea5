/* SPDX-License-Identifier: MIT */

/*
 * The capture's name and header, and what the environment says of them.
 */
#include "src/tracker/identity.h"
#include "src/tracker/fork.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/utsname.h>

#include "config.h"
#include "src/tracker/capture.h"
#include "src/tracker/initial.h"
#include "src/tracker/mode.h"
#include "src/tracker/scan.h"
#include "src/tracker/select.h"
#include "src/tracker/spawn.h"
#include "src/tracker/state.h"

#define DEFAULT_DIR      "heapsnap_reports"
#define DEFAULT_MAX_DISK (1ull << 30)
#define MAX_NAME         64u

/*
 * What the environment asked for, read once: a program that sets its title
 * writes over the memory where its environment was, and a forked child still
 * needs to know.
 */
static struct {
	char dir[3072]; /* absolute, not expanded */
	uint64_t max_disk;
	bool keep_log;
} settings;

static struct {
	char dir[3072];
	char name[MAX_NAME + 1];
	uint8_t parent_id[16];
} self;

/* What is safe in a file's name; the rest becomes "_". */
static char safe(char c, bool first)
{
	bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		     (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '+' ||
		     c == '@' || (c & 0x80);
	return plain || (c == '.' && !first) ? c : '_';
}

static void name_self(void)
{
	char *p = self.name;
	self.name[0] = '\0';
	tr_append(&p, self.name + sizeof(self.name), tr_process_name());
}

static void append_safe(char **pos, const char *end, const char *s)
{
	for (const char *p = s; *p; p++) {
		char c[2] = {safe(*p, p == s), '\0'};
		tr_append(pos, end, c);
	}
}

void tr_identity_settings(void)
{
	const char *dir = tr_env("HEAPSNAP_DIR"), *max = tr_env("HEAPSNAP_MAX_DISK");
	const char *keep = tr_env("HEAPSNAP_KEEP_LOG");
	const char *sample = tr_env("HEAPSNAP_SAMPLE");
	const char *frees = tr_env("HEAPSNAP_FREE_STACKS");
	char *p = settings.dir, *end = settings.dir + sizeof(settings.dir);
	if (!dir || !*dir)
		dir = DEFAULT_DIR;
	if (*dir != '/' && sys_getcwd(p, sizeof(settings.dir)) > 0) {
		p += strlen(p);
		tr_append(&p, end, "/");
	}
	tr_append(&p, end, dir);
	if (!max || !tr_parse_size(max, &settings.max_disk) || !settings.max_disk)
		settings.max_disk = DEFAULT_MAX_DISK;
	settings.keep_log = keep && *keep == '1';
	tr_free_stacks = frees && *frees == '1';
	if (!sample || !tr_parse_size(sample, &tr_sample_mean))
		tr_sample_mean = 0;
	else if (tr_sample_mean > TR_SAMPLE_MOST)
		tr_sample_mean = TR_SAMPLE_MOST;
	tr_select_start(tr_env("HEAPSNAP_MODULES"));
	tr_scan_settings();
	tr_spawn_settings();
}

/* The directory with %p, %n and %h expanded. */
static void name_dir(void)
{
	char *p = self.dir, *end = self.dir + sizeof(self.dir);
	struct utsname u;
	for (const char *dir = settings.dir; *dir; dir++) {
		char c[2] = {*dir, '\0'};
		if (dir[0] != '%' || !dir[1]) {
			tr_append(&p, end, c);
			continue;
		}
		dir++;
		if (*dir == 'p')
			tr_append_number(&p, end, tr_pid);
		else if (*dir == 'n')
			append_safe(&p, end, self.name);
		else if (*dir == 'h' && sys_uname(&u) == 0)
			append_safe(&p, end, u.nodename);
		else if (*dir == '%')
			tr_append(&p, end, "%");
	}
}

static void make_dirs(void)
{
	for (char *p = self.dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		sys_mkdir(self.dir, 0777);
		*p = '/';
	}
	sys_mkdir(self.dir, 0777);
}

void tr_identity_start(const uint8_t *parent_id)
{
	memset(self.parent_id, 0, sizeof(self.parent_id));
	if (parent_id)
		memcpy(self.parent_id, parent_id, sizeof(self.parent_id));
	name_self();
	name_dir();
	make_dirs();
}

const char *tr_identity_dir(void)
{
	return self.dir;
}

void tr_identity_path(char *path, size_t size, unsigned attempt)
{
	char *p = path, *end = path + size;
	tr_append(&p, end, self.dir);
	tr_append(&p, end, "/");
	append_safe(&p, end, self.name);
	tr_append(&p, end, ".");
	tr_append_number(&p, end, tr_pid);
	if (attempt) {
		tr_append(&p, end, ".");
		tr_append_number(&p, end, attempt);
	}
	tr_append(&p, end, ".hsnap");
}

uint64_t tr_identity_max_disk(void)
{
	return settings.max_disk;
}

/* Field 22 of /proc/self/stat; the name in field 2 may hold anything. */
static uint64_t start_ticks(void)
{
	char buf[1024];
	int fd = (int)sys_open("/proc/self/stat", O_RDONLY, 0);
	long n = fd < 0 ? 0 : sys_read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		sys_close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	const char *p = buf + n;
	while (p > buf && *p != ')')
		p--;
	for (unsigned field = 2; *p && field < 22; p++)
		field += *p == ' ';
	uint64_t v = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

/* A record of the header page; what does not fit is cut. */
static void put_record(uint8_t **pos, const uint8_t *end, uint8_t tag, const char *s,
		       size_t n)
{
	if (end - *pos < 8)
		return;
	if (n > (size_t)(end - *pos) - 8)
		n = (size_t)(end - *pos) - 8;
	uint8_t *p = *pos;
	*p++ = tag;
	*p++ = (uint8_t)(n | 128);
	*p++ = (uint8_t)(n >> 7);
	memcpy(p, s, n);
	*pos = p + n;
}

/* A record of one number, which is left out if it is 0. */
static void put_number(uint8_t **pos, const uint8_t *end, uint8_t tag, uint64_t v)
{
	char bytes[10], *p = bytes;
	if (!v)
		return;
	for (; v >= 128; v >>= 7)
		*p++ = (char)(v | 128);
	*p++ = (char)v;
	put_record(pos, end, tag, bytes, (size_t)(p - bytes));
}

static void put_records(uint8_t *p, const uint8_t *end, uint32_t flags)
{
	static char text[4096]; /* as in name_self */
	put_record(&p, end, HS_WIRE_NAME, self.name, strlen(self.name));
	if (flags & HS_WIRE_FORKED) /* which of the parent's forks we come from */
		put_number(&p, end, HS_WIRE_FORKED_AT, tr_fork_take_stamp());
	put_number(&p, end, HS_WIRE_SAMPLED, tr_sample_mean);
	put_number(&p, end, HS_WIRE_OWN, (uint64_t)(uintptr_t)&tr_own);
	put_record(&p, end, HS_WIRE_VERSION_OF, PACKAGE_VERSION, strlen(PACKAGE_VERSION));

	struct utsname u;
	char *t = text;
	if (sys_uname(&u) == 0) {
		tr_append(&t, text + sizeof(text), u.sysname);
		tr_append(&t, text + sizeof(text), " ");
		tr_append(&t, text + sizeof(text), u.release);
		tr_append(&t, text + sizeof(text), " ");
		tr_append(&t, text + sizeof(text), u.machine);
	}
	*t++ = '\0';
	tr_append(&t, text + sizeof(text), "glibc ");
	tr_append(&t, text + sizeof(text), gnu_get_libc_version());
	put_record(&p, end, HS_WIRE_SYSTEM, text, (size_t)(t - text) + 1);

	long n = sys_readlink("/proc/self/exe", text, sizeof(text));
	put_record(&p, end, HS_WIRE_EXE, text, n > 0 ? (size_t)n : 0);

	/* The arguments lie one behind the other, as the kernel put them. */
	char **argv = tr_argv();
	size_t size = 0;
	for (; *argv && size < sizeof(text); argv++) {
		char *at = text + size;
		tr_append(&at, text + sizeof(text), *argv);
		size = (size_t)(at - text) + 1;
	}
	put_record(&p, end, HS_WIRE_ARGV, text,
		   size < sizeof(text) ? size : sizeof(text));
}

static bool outrun;

void tr_identity_outrun(void)
{
	outrun = true;
	if (tr_header)
		__atomic_fetch_or(&tr_header->flags, HS_WIRE_OUTRUN, __ATOMIC_RELEASE);
}

void tr_identity_fill(struct hs_wire_header *h, uint32_t flags)
{
	h->version = HS_WIRE_VERSION;
	h->word_size = 8;
	h->clock = tr_clock_is_tsc ? HS_WIRE_CLOCK_TSC : HS_WIRE_CLOCK_COUNTER;
	h->header_size = sizeof(*h);
	sys_random(h->id, sizeof(h->id));
	tr_at_random(h->at_random);
	h->pid = tr_pid;
	h->ppid = sys_getppid();
	h->pid_ns = sys_inode("/proc/self/ns/pid");
	h->start_ticks = start_ticks();
	memcpy(h->parent_id, self.parent_id, sizeof(h->parent_id));
	h->flags = flags | (settings.keep_log ? HS_WIRE_KEEP_LOG : 0) |
		   (outrun ? HS_WIRE_OUTRUN : 0) |
		   (tr_free_stacks ? HS_WIRE_FREES_BY : 0);
	h->state = HS_WIRE_LIVE;
	put_records((uint8_t *)h + sizeof(*h), (uint8_t *)h + HS_WIRE_PAGE, flags);
	h->start_ns = sys_realtime_ns();
	h->start_stamp = tr_stamp();
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(h->magic, HS_WIRE_MAGIC, sizeof(h->magic));
}
