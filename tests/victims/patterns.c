/* SPDX-License-Identifier: MIT */

/*
 * Patterns: a server that leaks in one way, or only looks like it.
 *
 * patterns HOW [exit]: does one step for each byte that it reads; then, with `exit`, it
 * gives back what is not leaked and returns, else it waits for more.  Each step is 50
 * requests, of which each has 3 blocks in its function handle_request(), freed when
 * the next one is over.  Besides, by HOW, of STEPS = 60 steps:
 *
 *   clean        nothing
 *   steady       leak_steadily() leaks 48 bytes a step
 *   late         leak_late() leaks 2 blocks of 56 bytes a step after the first 30
 *   rare         handle_request() itself leaks one block of 64 bytes a step, of 150
 *   plateau      fill_cache() keeps a block of 80 bytes a step in the first 30, each of
 *                which is replaced by another one now and then
 *   sawtooth     fill_batch() keeps 96 bytes a step, and frees all in each 10th
 *   one_off      load_config() allocates 4096 bytes in the first step
 *   burst        fail_once() leaks 20 blocks of 112 bytes in the 30th step
 *   logarithmic  warm_up() keeps 128 bytes in steps 1, 2, 4, 8 ... and frees one other
 *
 * After each step it prints how many were done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUESTS 50
#define STEPS    60

static void *kept[STEPS * REQUESTS];
static size_t n_kept;
static void *in_flight[3];
static const char *how;
static unsigned step;

static int is(const char *pattern)
{
	return strcmp(how, pattern) == 0;
}

static __attribute__((noinline)) void handle_request(unsigned number)
{
	for (int i = 0; i < 3; i++) {
		void *block = malloc(64);
		if (i == 0 && number == 0 && is("rare")) {
			kept[n_kept++] = block; /* never looked at again */
			block = malloc(64);
		}
		free(in_flight[i]);
		in_flight[i] = block;
	}
}

static __attribute__((noinline)) void leak_steadily(void)
{
	kept[n_kept++] = malloc(48);
}

static __attribute__((noinline)) void leak_late(void)
{
	if (step <= 30)
		return;
	kept[n_kept++] = malloc(56);
	kept[n_kept++] = malloc(56);
}

static void *cache[30];

static __attribute__((noinline)) void fill_cache(void)
{
	void **slot = &cache[(step - 1) % 30];
	free(*slot);
	*slot = malloc(80);
}

static void *batch[10];

static __attribute__((noinline)) void fill_batch(void)
{
	batch[step % 10] = malloc(96);
	for (unsigned i = 0; step % 10 == 0 && i < 10; i++) {
		free(batch[i]);
		batch[i] = NULL;
	}
}

static void *config;

static __attribute__((noinline)) void load_config(void)
{
	if (step == 1)
		config = malloc(4096);
}

static __attribute__((noinline)) void fail_once(void)
{
	for (int i = 0; step == 30 && i < 20; i++)
		kept[n_kept++] = malloc(112);
}

static void *warm[16];

static __attribute__((noinline)) void warm_up(void)
{
	void *other = malloc(128);
	if ((step & (step - 1)) == 0)
		warm[__builtin_ctz(step)] = malloc(128);
	free(other);
}

static void one_step(void)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} acts[] = {{"steady", leak_steadily}, {"late", leak_late},
		    {"plateau", fill_cache},   {"sawtooth", fill_batch},
		    {"one_off", load_config},  {"burst", fail_once},
		    {"logarithmic", warm_up}};
	step++;
	for (unsigned i = 0; i < REQUESTS; i++)
		handle_request(i);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (is(acts[i].name))
			acts[i].act();
}

static void clean_up(void)
{
	for (int i = 0; i < 3; i++)
		free(in_flight[i]);
	for (int i = 0; i < 30; i++)
		free(cache[i]);
	for (int i = 0; i < 10; i++)
		free(batch[i]);
	for (int i = 0; i < 16; i++)
		free(warm[i]);
	free(config);
}

int main(int argc, char **argv)
{
	static char buffer[64];
	char c;
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	how = argc > 1 ? argv[1] : "clean";
	while (read(STDIN_FILENO, &c, 1) == 1) {
		one_step();
		printf("%u\n", step);
	}
	if (argc < 3)
		for (;;)
			pause();
	clean_up();
	memset(kept, 0, sizeof(kept));
	return 0;
}
