/* SPDX-License-Identifier: MIT */

/*
 * The notes of a dump, in the layouts and the order of the kernel's
 * fs/binfmt_elf.c: src/corenotes.c reads them.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/dump_parts.h"

#ifdef __x86_64__
#define N_REGISTERS 27u
#else
#define N_REGISTERS 34u
#endif

bool hs_dump_fits(const struct hs_dump_thread *t)
{
	return t->regsets[0].size == N_REGISTERS * 8;
}

/* -- Putting ------------------------------------------------------------------------ */

static void put_zeros(struct hs_out *out, size_t n)
{
	while (n--)
		hs_putc(out, '\0');
}

static void put_u32(struct hs_out *out, uint32_t v)
{
	hs_put(out, &v, sizeof(v));
}

static void put_u64(struct hs_out *out, uint64_t v)
{
	hs_put(out, &v, sizeof(v));
}

/* TEXT, cut or filled up to SIZE bytes. */
static void put_text(struct hs_out *out, const char *text, size_t size)
{
	size_t n = strnlen(text, size - 1);
	hs_put(out, text, n);
	put_zeros(out, size - n);
}

static void put_note(struct hs_out *out, const char *owner, uint32_t type,
		     const void *bytes, size_t size)
{
	size_t n = strlen(owner) + 1;
	const Elf64_Nhdr h = {(uint32_t)n, (uint32_t)size, type};
	hs_put(out, &h, sizeof(h));
	hs_put(out, owner, n);
	put_zeros(out, (4 - n % 4) % 4);
	hs_put(out, bytes, size);
	put_zeros(out, (4 - size % 4) % 4);
}

/* The note that BODY is; deinits it. */
static void put_body(struct hs_out *out, uint32_t type, struct hs_out *body)
{
	size_t size;
	char *bytes = hs_out_take(body, &size);
	put_note(out, "CORE", type, bytes, size);
	free(bytes);
}

/* -- The process ------------------------------------------------------------------- */

struct process {
	char state;
	int ppid, group, session;
	uint64_t flags;
	uint32_t uid, gid;
	char arguments[80];
};

/* Returns how many bytes of the file were read, and a NUL behind them. */
static size_t read_proc(pid_t pid, const char *name, char *buffer, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	FILE *in = fopen(path, "re");
	size_t n = in ? fread(buffer, 1, size - 1, in) : 0;
	if (in)
		fclose(in);
	buffer[n] = '\0';
	return n;
}

/* Of /proc/PID/stat (proc(5)): ppid, pgrp, session, tty_nr, tpgid, flags. */
static void read_numbers(char *at, struct process *p)
{
	long n[6];
	for (size_t i = 0; i < HS_COUNT(n); i++) {
		char *end;
		n[i] = strtol(at, &end, 10);
		if (end == at)
			return;
		at = end;
	}
	p->ppid = (int)n[0];
	p->group = (int)n[1];
	p->session = (int)n[2];
	p->flags = (unsigned long)n[5];
}

static struct process read_process(pid_t pid)
{
	struct process p = {.state = 'R'};
	struct stat st;
	char line[1024], path[64];
	read_proc(pid, "stat", line, sizeof(line));
	char *at = strrchr(line, ')'); /* the name may have any character */
	if (at && at[1] == ' ' && at[2]) {
		p.state = at[2];
		read_numbers(at + 3, &p);
	}
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st) == 0) {
		p.uid = st.st_uid;
		p.gid = st.st_gid;
	}
	size_t n = read_proc(pid, "cmdline", p.arguments, sizeof(p.arguments));
	for (size_t i = 0; i < n; i++)
		if (!p.arguments[i])
			p.arguments[i] = ' ';
	return p;
}

/* struct elf_prpsinfo. */
static void put_process(const struct hs_dump *d, const struct process *p,
			struct hs_out *out)
{
	static const char states[] = "RSDTZW";
	struct hs_out body;
	const char *state = strchr(states, p->state);
	hs_out_init(&body, -1);
	hs_putc(&body, (char)(state ? state - states : 0));
	hs_putc(&body, p->state);
	hs_putc(&body, p->state == 'Z');
	put_zeros(&body, 5); /* nice, padding */
	put_u64(&body, p->flags);
	put_u32(&body, p->uid);
	put_u32(&body, p->gid);
	put_u32(&body, (uint32_t)d->pid);
	put_u32(&body, (uint32_t)p->ppid);
	put_u32(&body, (uint32_t)p->group);
	put_u32(&body, (uint32_t)p->session);
	put_text(&body, d->name, 16);
	put_text(&body, p->arguments, 80);
	put_body(out, NT_PRPSINFO, &body);
}

static void put_auxv(const struct hs_dump *d, struct hs_out *out)
{
	char bytes[4096];
	size_t n = read_proc(d->pid, "auxv", bytes, sizeof(bytes));
	put_note(out, "CORE", NT_AUXV, bytes, n);
}

/* Count, page size, ranges in pages of the file; then their names one by one. */
static void put_files(const struct hs_dump *d, struct hs_out *out)
{
	struct hs_out body;
	uint64_t n = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < d->vmas.list.n; i++)
		n += hs_vma_has_file(&d->vmas.list.at[i]);
	hs_out_init(&body, -1);
	put_u64(&body, n);
	put_u64(&body, page);
	for (size_t i = 0; i < d->vmas.list.n; i++) {
		const struct hs_vma *v = &d->vmas.list.at[i];
		if (!hs_vma_has_file(v))
			continue;
		put_u64(&body, v->start);
		put_u64(&body, v->end);
		put_u64(&body, v->offset / page);
	}
	for (size_t i = 0; i < d->vmas.list.n; i++)
		if (hs_vma_has_file(&d->vmas.list.at[i]))
			hs_put(&body, d->vmas.list.at[i].path,
			       strlen(d->vmas.list.at[i].path) + 1);
	put_body(out, NT_FILE, &body);
}

/* It got no signal: all is 0. */
static void put_signal(struct hs_out *out)
{
	static const uint8_t none[128];
	put_note(out, "CORE", NT_SIGINFO, none, sizeof(none));
}

/* -- Threads ------------------------------------------------------------------------- */

/* struct elf_prstatus; its times are not known. */
static void put_status(const struct hs_dump_thread *t, const struct process *p,
		       struct hs_out *out)
{
	struct hs_out body;
	hs_out_init(&body, -1);
	put_zeros(&body, 24); /* signal, pending signals */
	put_u64(&body, t->blocked);
	put_u32(&body, (uint32_t)t->tid);
	put_u32(&body, (uint32_t)p->ppid);
	put_u32(&body, (uint32_t)p->group);
	put_u32(&body, (uint32_t)p->session);
	put_zeros(&body, 64);
	hs_put(&body, t->regsets[0].bytes, t->regsets[0].size);
	put_u32(&body, t->n_regsets > 1); /* has floating-point registers */
	put_zeros(&body, 4);
	put_body(out, NT_PRSTATUS, &body);
}

static void put_regsets(const struct hs_dump_thread *t, struct hs_out *out)
{
	for (size_t i = 1; i < t->n_regsets; i++) {
		const struct hs_dump_regset *r = &t->regsets[i];
		put_note(out, r->type == NT_PRFPREG ? "CORE" : "LINUX", r->type, r->bytes,
			 r->size);
	}
}

void hs_dump_notes(const struct hs_dump *d, struct hs_out *out)
{
	const struct process p = read_process(d->pid);
	for (size_t i = 0; i < d->threads.n; i++) {
		put_status(&d->threads.at[i], &p, out);
		if (i == 0) {
			put_process(d, &p, out);
			put_signal(out);
			put_auxv(d, out);
			put_files(d, out);
		}
		put_regsets(&d->threads.at[i], out);
	}
}
