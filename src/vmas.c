/* SPDX-License-Identifier: MIT */

/* Parsing /proc/PID/maps and smaps, without sscanf: a process has thousands. */
#include "src/vmas.h"

#include <stdio.h>

#include "src/arena.h"

/* The fields of a line, of which spaces part all but the path, which has the rest. */
enum { FLAGS = 1, OFFSET = 2, PATH = 5, FIELDS = 6 };

static void split(char *line, const char *fields[FIELDS])
{
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < FIELDS; i++) {
		fields[i] = line;
		line += i < PATH ? strcspn(line, " ") : 0;
		if (i < PATH && *line)
			*line++ = '\0';
		line += strspn(line, " ");
	}
}

/* 00400000-0040b000 r-xp 00000000 fe:01 1234   /bin/x */
static void read_range(struct hs_vmas *v, char *line)
{
	char *dash;
	const char *fields[FIELDS];
	split(line, fields);
	const char *flags = fields[FLAGS];
	struct hs_vma m = {.start = strtoull(fields[0], &dash, 16)};
	if (*dash != '-' || strlen(flags) < 4)
		return;
	m.end = strtoull(dash + 1, NULL, 16);
	m.offset = strtoull(fields[OFFSET], NULL, 16);
	m.flags = (flags[0] == 'r' ? HS_VMA_READ : 0u) |
		  (flags[1] == 'w' ? HS_VMA_WRITE : 0u) |
		  (flags[2] == 'x' ? HS_VMA_EXEC : 0u) |
		  (flags[3] == 's' ? HS_VMA_SHARED : 0u);
	m.path = hs_arena_strndup(v->arena, fields[PATH], strlen(fields[PATH]));
	hs_array_push(&v->list, m);
}

static uint32_t advice_of(const char *words)
{
	static const struct {
		char name[3];
		uint32_t flag;
	} known[] = {{"dd", HS_VMA_DONTDUMP},
		     {"io", HS_VMA_IO},
		     {"pf", HS_VMA_IO},
		     {"ht", HS_VMA_HUGETLB}};
	uint32_t flags = 0;
	for (; *words; words += strcspn(words, " "), words += strspn(words, " "))
		for (size_t i = 0; i < HS_COUNT(known); i++)
			if (!strncmp(words, known[i].name, 2))
				flags |= known[i].flag;
	return flags;
}

static void read_detail(struct hs_vma *m, const char *line)
{
	if (!strncmp(line, "VmFlags: ", 9))
		m->flags |= advice_of(line + 9);
	else if (!strncmp(line, "Anonymous:", 10))
		m->anonymous_bytes += strtoull(line + 10, NULL, 10) * 1024;
	else if (!strncmp(line, "Swap:", 5))
		m->anonymous_bytes += strtoull(line + 5, NULL, 10) * 1024;
}

/* Details begin with a capital, ranges with a small hexadecimal digit. */
static void read_line(struct hs_vmas *v, char *line)
{
	if (line[0] < 'A' || line[0] > 'Z')
		read_range(v, line);
	else if (v->list.n)
		read_detail(&v->list.at[v->list.n - 1], line);
}

bool hs_vmas_read(pid_t pid, bool details, struct hs_vmas *ret)
{
	char path[64], *line = NULL;
	size_t room = 0;
	*ret = (struct hs_vmas){0};
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, details ? "smaps" : "maps");
	FILE *in = fopen(path, "re");
	if (!in)
		return false;
	ret->arena = hs_arena_new();
	while (getline(&line, &room, in) > 0)
		read_line(ret, line);
	free(line);
	fclose(in);
	return true;
}

void hs_vmas_deinit(struct hs_vmas *v)
{
	hs_array_free(&v->list);
	if (v->arena)
		hs_arena_free(v->arena);
	v->arena = NULL;
}

bool hs_vma_has_file(const struct hs_vma *v)
{
	return v->path[0] == '/';
}
