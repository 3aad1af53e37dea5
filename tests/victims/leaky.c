/* SPDX-License-Identifier: MIT */

/*
 * leaky: a small server that forgets things.  It answers 1000 requests, then
 * builds an index.  It uses no stdio, so that every block is its own.
 *
 *      format_line       1000 blocks of 64 bytes, each freed at once
 *      parse_header      1000 blocks of 48 bytes, every fourth forgotten
 *      remember_session   100 blocks of 1000 bytes, all forgotten
 *      open_log             1 block of 4096 bytes, kept in a global variable
 *      build_index          8 blocks of 1 MiB, all freed: the highest point
 *
 * truth: totals.allocations 2109
 * truth: totals.frees 1758
 * truth: totals.allocated_bytes 8604704
 * truth: totals.live_blocks 351
 * truth: totals.live_bytes 116096
 * truth: totals.peak_bytes 8504704
 * truth: totals.temporary_allocations 1701
 * truth: leak remember_session 100000 100
 * truth: leak parse_header 12000 250
 * truth: leak open_log 4096 1
 * truth: end exit 0
 *
 * Temporary are all 1000 lines, those 700 of the 750 freed headers after which
 * no session was remembered (50 numbers below 1000 are multiples of 10 but not
 * of 4), and the last block of the index.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_FRAME __attribute__((__noinline__))

static char *log_buffer;

/* Keep the compiler from removing a pair of malloc and free. */
static void *used(void *p)
{
	if (!p)
		abort();
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

OWN_FRAME static void open_log(void)
{
	log_buffer = used(malloc(4096));
}

OWN_FRAME static char *format_line(int number)
{
	char *line = used(malloc(64));
	memset(line, 'a' + number % 26, 64);
	return line;
}

OWN_FRAME static char *parse_header(int number)
{
	char *header = used(malloc(48));
	header[0] = (char)number;
	return header;
}

OWN_FRAME static void remember_session(int number)
{
	char *session = used(malloc(1000));
	session[0] = (char)number;
}

OWN_FRAME static void answer(int number)
{
	char *line = format_line(number);
	free(used(line));
	char *header = parse_header(number);
	if (number % 10 == 0)
		remember_session(number);
	if (number % 4 != 0)
		free(used(header));
}

OWN_FRAME static void build_index(void)
{
	char *part[8];
	for (int i = 0; i < 8; i++)
		part[i] = used(malloc(1 << 20));
	for (int i = 0; i < 8; i++)
		free(used(part[i]));
}

int main(void)
{
	static const char done[] = "1000 requests answered\n";
	open_log();
	for (int i = 0; i < 1000; i++)
		answer(i);
	build_index();
	return write(STDOUT_FILENO, done, sizeof(done) - 1) < 0;
}
