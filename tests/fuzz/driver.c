/* SPDX-License-Identifier: MIT */

/*
 * Runs a fuzz target without libFuzzer, as a test: over the files and folders
 * that are named, or else over tests/files and tests/fuzz/corpus; each file as
 * it is and with random changes, the same ones in each run.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define MAX_SIZE  ((size_t)1 << 20)
#define MUTATIONS 150

static uint64_t random_state = 88172645463325252;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state % n);
}

/* Change a few bytes of the N at DATA; returns the new length, at most N. */
static size_t mutate(uint8_t *data, size_t n)
{
	static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff};
	for (size_t i = 1 + random_below(8); i > 0; i--) {
		size_t at = random_below(n), run = 1 + random_below(8);
		switch (random_below(4)) {
		case 0:
			data[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 1:
			data[at] = odd[random_below(sizeof(odd))];
			break;
		case 2:
			for (size_t k = at; k < n && k < at + run; k++)
				data[k] = (uint8_t)random_below(256);
			break;
		default:
			if (at + run < n)
				memmove(data + at, data + random_below(n - run), run);
			break;
		}
	}
	return random_below(6) ? n : 1 + random_below(n);
}

static void try_bytes(const uint8_t *data, size_t n)
{
	/* A copy of its own, so that a sanitizer sees reads past the end. */
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	if (n)
		memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void try_file(const char *path)
{
	static uint8_t data[MAX_SIZE], changed[MAX_SIZE];
	FILE *in = fopen(path, "rb");
	if (!in)
		return;
	size_t n = fread(data, 1, sizeof(data), in);
	fclose(in);
	try_bytes(data, n);
	for (int i = 0; i < MUTATIONS && n; i++) {
		memcpy(changed, data, n);
		try_bytes(changed, mutate(changed, n));
	}
}

static unsigned try_path(const char *path)
{
	struct stat st;
	if (stat(path, &st))
		return 0;
	if (!S_ISDIR(st.st_mode)) {
		try_file(path);
		return 1;
	}
	unsigned n = 0;
	struct dirent **entries;
	int n_entries = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n_entries; i++) {
		char inner[4096];
		if (entries[i]->d_name[0] != '.' &&
		    snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name) <
			    (int)sizeof(inner))
			n += try_path(inner);
		free(entries[i]);
	}
	if (n_entries >= 0)
		free(entries);
	return n;
}

int main(int argc, char **argv)
{
	unsigned n = 0;
	if (argc < 2) {
		const char *top = getenv("top_srcdir");
		char path[4096];
		snprintf(path, sizeof(path), "%s/tests/files", top ? top : ".");
		n += try_path(path);
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus", top ? top : ".");
		n += try_path(path);
	}
	for (int i = 1; i < argc; i++)
		n += try_path(argv[i]);
	printf("1..1\n%sok 1 - %u files and changes of them are survived\n",
	       n ? "" : "not ", n);
	return n ? 0 : 1;
}
