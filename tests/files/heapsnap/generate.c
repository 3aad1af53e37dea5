/* SPDX-License-Identifier: MIT */

/*
 * Writes the samples of this folder into the current one; README says why each
 * exists.  Run it after a change of the format:
 *
 *      make tests/files/heapsnap/generate
 *      (cd .../tests/files/heapsnap && .../build/tests/files/heapsnap/generate)
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/capbuild.h"

static void save(const char *name, const uint8_t *file, size_t size)
{
	FILE *out = fopen(name, "wb");
	if (!out || fwrite(file, 1, size, out) != size || fclose(out)) {
		perror(name);
		exit(1);
	}
}

/* The whole file, or its first SIZE bytes. */
static void finish(struct cap *cap, const char *name, size_t size)
{
	size_t all;
	uint8_t *file = cap_finish(cap, &all);
	save(name, file, size ? size : all);
	free(file);
}

static void begin(struct cap *cap)
{
	cap_init(cap);
	cap_text(&cap->records, HS_WIRE_NAME, "sample", 6);
	cap_text(&cap->records, HS_WIRE_EXE, "/usr/bin/sample", 15);
	cap_text(&cap->records, HS_WIRE_ARGV, "sample\0--loud\0", 14);
	cap_text(&cap->records, HS_WIRE_VERSION_OF, "0.1.0", 5);
	cap_module(&cap->records, 0, 0x400000, 0x410000, 0x400000, "\x12\x34\x56\x78",
		   "/usr/bin/sample");
}

/* main -> work -> malloc: ten blocks of 100 bytes, of which seven are freed. */
static void tell_events(struct cap_stream *s)
{
	const uint64_t pcs[] = {0x401010, 0x402020};
	cap_stream(s, 0, 4242, 1000);
	cap_stack(s, 1, 0, 0, pcs, 2);
	for (uint64_t i = 0; i < 10; i++)
		cap_event(s, HS_WIRE_MALLOC, 1, 100, 0x500000 + i * 112, 1010 + i);
	for (uint64_t i = 0; i < 7; i++)
		cap_event(s, HS_WIRE_FREE, 0, 0, 0x500000 + i * 112, 1020 + i);
}

static void tell_end(struct cap *cap)
{
	const uint64_t snapshot[] = {1015, 1700000000500000000, 5 << 20, 3 << 20, 2 << 20,
				     0};
	const uint64_t ended[] = {HS_WIRE_HOW_EXIT, 0, 1030, 1700000001000000000};
	struct hs_out records;
	hs_out_init(&records, -1);
	cap_ulebs(&records, HS_WIRE_SNAPSHOT, snapshot, 6);
	cap_ulebs(&records, HS_WIRE_ENDED, ended, 4);
	cap_section(cap, &records);
}

/* 16 pages are mapped, 2 within unmapped, the last 4 moved and cut to 2. */
static void tell_mappings(struct cap_stream *s)
{
	const uint64_t calls[][7] = {
		{HS_WIRE_MAP_MMAP, 0x700000, 0x10000, 3, 0x22, 1, 1022},
		{HS_WIRE_MAP_MREMAP, 0x720000, 0x2000, 0, 1, 1, 1025},
		{HS_WIRE_MAP_RELEASE, 0x70c000, 0x4000, 0, 0, 1, 1024},
		{HS_WIRE_MAP_MUNMAP, 0x704000, 0x2000, 0, 0, 1, 1023},
	};
	for (size_t i = 0; i < HS_COUNT(calls); i++) {
		struct hs_out payload;
		hs_out_init(&payload, -1);
		for (size_t k = 0; k < HS_COUNT(calls[i]); k++)
			hs_put_uleb(&payload, calls[i][k]);
		cap_event_record(s, HS_WIRE_MAPPING, &payload);
	}
}

/* A log as its process left it, in STATE. */
static void log_file(const char *name, uint32_t state, size_t size)
{
	struct cap cap;
	struct cap_stream s;
	begin(&cap);
	cap.header.state = state;
	tell_events(&s);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	if (state == HS_WIRE_FINAL)
		tell_end(&cap);
	finish(&cap, name, size);
}

/* The same calls and a fork, of a forked process: as a log, which is folded below. */
static void mappings_file(const char *name)
{
	struct cap cap;
	struct cap_stream s;
	const uint64_t forked_at = 900;
	begin(&cap);
	cap_ulebs(&cap.records, HS_WIRE_FORKED_AT, &forked_at, 1);
	tell_events(&s);
	tell_mappings(&s);
	cap_event(&s, HS_WIRE_FORK, 0, 0, s.addr, 1028);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	tell_end(&cap);
	finish(&cap, name, 0);
}

/* The first piece was copied by a recorder, the second one was not. */
static void pieces_file(const char *name)
{
	struct cap cap;
	struct cap_stream s;
	struct hs_out records;
	begin(&cap);
	cap.header.state = HS_WIRE_LIVE;
	hs_out_init(&records, -1);
	tell_events(&s);
	cap_piece(&records, &s);
	cap_event(&s, HS_WIRE_FREE, 0, 0, 0x500000 + 7 * 112, 1040);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	cap_hole(&cap);
	cap_section(&cap, &records);
	finish(&cap, name, 0);
}

/* Tags and kinds of the future. */
static void future_file(const char *name)
{
	struct cap cap;
	struct cap_stream s;
	begin(&cap);
	cap_text(&cap.records, 5000, "what is this?", 13);
	tell_events(&s);
	cap_event(&s, 13, 0, 0, 0x600000, 1050);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	finish(&cap, name, 0);
}

/* A page 0 whose header has BYTE at POS. */
static void header_file(const char *name, size_t pos, uint8_t byte)
{
	struct cap cap;
	size_t size;
	begin(&cap);
	uint8_t *file = cap_finish(&cap, &size);
	file[pos] = byte;
	save(name, file, size);
	free(file);
}

/*
 * What tell_events() tells, folded at stamp 1015 and at the end: as numbers,
 * since that is how the specification puts it.  Zigzag of n is 2n; the key of
 * stack 1 and MALLOC is 17.
 */
static void folded_file(const char *name, bool with_more)
{
	const uint64_t first[] = {
		1000,    1015,    1, 1700000000500000000, 600, 6, 600,   0,   5 << 20,
		3 << 20, 2 << 20, 0, /* one row: */ 1,    17,  6, 2 * 0, 600, 2 * 0,
		4243};
	const uint64_t last[] = {
		1015, 1030, 0, 1700000001000000000, 300, 3, 1000,  0,   0,
		0,    0,    0, /* one row: */ 1,    17,  4, 2 * 7, 400, 2 * 0,
		4243};
	const uint64_t live[] = {
		3,  0x500000 + 7 * 112, 112, 112, 100,      100,   100,  17, 17,
		17, 2 * 4242,           0,   0,   2 * 1017, 2 * 1, 2 * 1};
	const uint64_t peak[] = {1019, 10, 1000, /* one row: */ 1, 17, 10, 1000};
	const uint64_t mapped[] = {3,        0x10000, /* three rows: */ 3,
				   0x700000, 0x4000,  1,
				   1022,     0x2000,  0x6000,
				   1,        1022,    0x14000,
				   0x2000,   1,       1025};
	const uint64_t forks[] = {1, 1028, 3, 300, 0}, forked_at = 900;
	const uint64_t thread[] = {0, 4242, 0, 0};
	const uint64_t stack[] = {1, 0, 0, 0, 2, 2 * 0x401010, 2 * 0x1010};
	struct cap cap;
	struct hs_out records;
	begin(&cap);
	hs_out_init(&records, -1);
	cap_ulebs(&records, HS_WIRE_THREAD, thread, HS_COUNT(thread));
	cap_ulebs(&records, HS_WIRE_STACK, stack, HS_COUNT(stack));
	cap_ulebs(&records, HS_WIRE_SEGMENT, first, HS_COUNT(first));
	cap_ulebs(&records, HS_WIRE_SEGMENT, last, HS_COUNT(last));
	cap_ulebs(&records, HS_WIRE_LIVE_SET, live, HS_COUNT(live));
	cap_ulebs(&records, HS_WIRE_PEAK, peak, HS_COUNT(peak));
	if (with_more) {
		cap_ulebs(&records, HS_WIRE_MAPPED, mapped, HS_COUNT(mapped));
		cap_ulebs(&records, HS_WIRE_FORKS, forks, HS_COUNT(forks));
		cap_ulebs(&records, HS_WIRE_FORKED_AT, &forked_at, 1);
	}
	cap_section(&cap, &records);
	tell_end(&cap);
	finish(&cap, name, 0);
}

/* The worked example of doc/capture-format.md, which test_example compares. */
static void example_file(const char *name)
{
	const uint64_t pcs[] = {0x401136, 0x401190};
	struct cap cap;
	struct cap_stream s;
	cap_init(&cap);
	cap.header.state = HS_WIRE_LIVE;
	cap.header.stacks = 1;
	for (size_t i = 0; i < sizeof(cap.header.id); i++)
		cap.header.id[i] = (uint8_t)(0xa0 + i);
	cap_text(&cap.records, HS_WIRE_NAME, "demo", 4);
	cap_text(&cap.records, HS_WIRE_ARGV, "./demo\0-v\0", 10);
	cap_stream(&s, 0, 4242, 1000);
	cap_stack(&s, 1, 0, 0, pcs, 2);
	cap_event(&s, HS_WIRE_MALLOC, 1, 100, 0x4052a0, 0);
	cap_event(&s, HS_WIRE_MALLOC, 1, 100, 0x405310, 0);
	cap_event(&s, HS_WIRE_FREE, 0, 0, 0x4052a0, 1300);
	cap_chunk(&cap, &s, HS_WIRE_CHUNK_OPEN);
	finish(&cap, name, 0);
}

int main(void)
{
	example_file("good-example.hsnap");
	log_file("good-log.hsnap", HS_WIRE_FINAL, 0);
	log_file("good-killed.hsnap", HS_WIRE_LIVE, 0);
	log_file("good-cut.hsnap", HS_WIRE_LIVE, HS_WIRE_PAGE + 120);
	folded_file("good-folded.hsnap", false);
	mappings_file("good-mappings.hsnap");
	folded_file("good-mapped.hsnap", true);
	pieces_file("good-pieces.hsnap");
	future_file("good-unknown-tags.hsnap");
	save("bad-empty.hsnap", NULL, 0);
	log_file("bad-header-cut.hsnap", HS_WIRE_LIVE, 100);
	header_file("bad-header-size.hsnap", 13, 0xff);
	header_file("bad-magic.hsnap", 4, 'X');
	header_file("unsupported-version.hsnap", 8, 99);
	header_file("unsupported-32-bit.hsnap", 10, 4);
	return 0;
}
