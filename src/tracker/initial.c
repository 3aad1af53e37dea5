/* SPDX-License-Identifier: MIT */

/* The initial stack of the process, as the System V ABI lays it out. */
#include "src/tracker/initial.h"

#include <elf.h>
#include <string.h>

/* ld.so's: where the kernel put argc; argv, the environment and auxv follow. */
extern void *__libc_stack_end;

char **tr_argv(void)
{
	return (char **)__libc_stack_end + 1;
}

static char **initial_environment(void)
{
	long argc = *(long *)__libc_stack_end;
	return tr_argv() + argc + 1;
}

char *tr_env_entry(const char *prefix)
{
	size_t n = strlen(prefix);
	for (char **e = initial_environment(); *e; e++)
		if (!strncmp(*e, prefix, n))
			return *e;
	return NULL;
}

const char *tr_env(const char *name)
{
	size_t n = strlen(name);
	for (char **e = initial_environment(); *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

/* The value of the entry TYPE, or 0. */
static uint64_t auxiliary(uint64_t type)
{
	char **e = initial_environment();
	while (*e)
		e++;
	for (const Elf64_auxv_t *a = (const void *)(e + 1); a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}

uint64_t tr_page_size(void)
{
	static uint64_t known; /* programs write over what the kernel put there */
	uint64_t size = known ? known : auxiliary(AT_PAGESZ);
	return known = size > 4096 && !(size & (size - 1)) ? size : 4096;
}

void tr_at_random(uint8_t ret[16])
{
	uint64_t at = auxiliary(AT_RANDOM);
	if (at)
		memcpy(ret, (const void *)at, 16);
}
