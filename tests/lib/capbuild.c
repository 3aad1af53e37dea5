/* SPDX-License-Identifier: MIT */

/* The test's writer of captures. */
#include "tests/lib/capbuild.h"

#include <string.h>

void cap_init(struct cap *c)
{
	memset(c, 0, sizeof(*c));
	c->header = (struct hs_wire_header){
		.version = HS_WIRE_VERSION,
		.word_size = 8,
		.clock = HS_WIRE_CLOCK_TSC,
		.header_size = sizeof(c->header),
		.pid = 4242,
		.ppid = 4240,
		.start_ns = 1700000000000000000,
		.start_stamp = 1000,
		.state = HS_WIRE_FINAL,
	};
	memcpy(c->header.magic, HS_WIRE_MAGIC, sizeof(c->header.magic));
	hs_out_init(&c->records, -1);
	hs_out_init(&c->pages, -1);
}

static void put_zeros(struct hs_out *out, size_t n)
{
	while (n--)
		hs_putc(out, 0);
}

uint8_t *cap_finish(struct cap *c, size_t *size_ret)
{
	struct hs_out file;
	hs_out_init(&file, -1);
	c->header.end_page = 1 + c->pages.n / HS_WIRE_PAGE;
	hs_put(&file, &c->header, sizeof(c->header));
	hs_put(&file, c->records.buf, c->records.n);
	put_zeros(&file, HS_WIRE_PAGE - file.n);
	hs_put(&file, c->pages.buf, c->pages.n);
	free(hs_out_take(&c->records, NULL));
	free(hs_out_take(&c->pages, NULL));
	return (uint8_t *)hs_out_take(&file, size_ret);
}

void cap_zigzag(struct hs_out *out, int64_t v)
{
	hs_put_uleb(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void cap_bytes(struct hs_out *out, const char *s)
{
	hs_put_uleb(out, strlen(s));
	hs_puts(out, s);
}

void cap_record(struct hs_out *to, uint64_t tag, struct hs_out *payload)
{
	hs_put_uleb(to, tag);
	hs_put_uleb(to, payload->n);
	hs_put(to, payload->buf, payload->n);
	free(hs_out_take(payload, NULL));
	hs_out_init(payload, -1);
}

void cap_text(struct hs_out *to, uint64_t tag, const char *text, size_t n)
{
	struct hs_out payload;
	hs_out_init(&payload, -1);
	hs_put(&payload, text, n);
	cap_record(to, tag, &payload);
}

void cap_ulebs(struct hs_out *to, uint64_t tag, const uint64_t *values, size_t n)
{
	struct hs_out payload;
	hs_out_init(&payload, -1);
	for (size_t i = 0; i < n; i++)
		hs_put_uleb(&payload, values[i]);
	cap_record(to, tag, &payload);
}

void cap_module(struct hs_out *to, uint32_t epoch, uint64_t start, uint64_t end,
		uint64_t bias, const char *build_id, const char *path)
{
	struct hs_out payload;
	hs_out_init(&payload, -1);
	hs_put_uleb(&payload, epoch);
	hs_put_uleb(&payload, start);
	hs_put_uleb(&payload, end);
	hs_put_uleb(&payload, bias);
	cap_bytes(&payload, build_id);
	cap_bytes(&payload, path);
	cap_record(to, HS_WIRE_MODULE, &payload);
}

static void end_page(struct cap *c)
{
	while (c->pages.n % HS_WIRE_PAGE)
		hs_putc(&c->pages, 0);
}

void cap_section(struct cap *c, struct hs_out *records)
{
	struct hs_wire_section head = {
		.magic = HS_WIRE_SECTION_MAGIC,
		.tag = HS_WIRE_RECORDS,
		.header_size = sizeof(head),
		.pages = (uint32_t)((sizeof(head) + records->n + HS_WIRE_PAGE - 1) /
				    HS_WIRE_PAGE),
		.length = (uint32_t)records->n,
	};
	hs_put(&c->pages, &head, sizeof(head));
	hs_put(&c->pages, records->buf, records->n);
	end_page(c);
	free(hs_out_take(records, NULL));
	hs_out_init(records, -1);
}

void cap_hole(struct cap *c)
{
	put_zeros(&c->pages, HS_WIRE_PAGE);
}

void cap_stream(struct cap_stream *s, uint32_t number, uint32_t tid, uint64_t base_stamp)
{
	memset(s, 0, sizeof(*s));
	hs_out_init(&s->events, -1);
	s->number = number;
	s->tid = tid;
	s->base_stamp = s->stamp = base_stamp;
}

/* Begin the next piece with fresh state. */
static void next_piece(struct cap_stream *s)
{
	free(hs_out_take(&s->events, NULL));
	hs_out_init(&s->events, -1);
	s->sequence++;
	s->base_stamp = s->stamp;
	s->stack = 0;
	s->size = s->addr = 0;
	s->n_pcs = 0;
}

static void put_field(struct hs_out *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		hs_putc(out, (char)(v >> (8 * i)));
}

static unsigned address_code(int64_t step)
{
	if (step == 0)
		return 0;
	if (step % 16)
		return 3;
	if (step / 16 == (int16_t)(step / 16))
		return 1;
	return step / 16 == (int32_t)(step / 16) ? 2 : 3;
}

void cap_event(struct cap_stream *s, enum hs_wire_kind kind, uint32_t stack,
	       uint64_t size, uint64_t addr, uint64_t stamp)
{
	static const size_t stack_bytes[] = {0, 2, 3, 4}, size_bytes[] = {0, 1, 2, 8},
			    address_bytes[] = {0, 2, 4, 8}, stamp_bytes[] = {0, 2, 4, 8};
	bool allocates = kind <= HS_WIRE_REALLOC || kind == HS_WIRE_NEW ||
			 kind == HS_WIRE_NEW_ARRAY;
	unsigned k = 0, z = 0, a = 0, t = 0;
	int64_t step = (int64_t)(addr - s->addr);
	uint64_t passed = stamp ? stamp - s->stamp : 0;
	if (allocates && stack != s->stack)
		k = stack < 1u << 16 ? 1 : stack < 1u << 24 ? 2 : 3;
	if (allocates && size != s->size)
		z = size < 1u << 8 ? 1 : size < 1u << 16 ? 2 : 3;
	if (kind != HS_WIRE_RETAIN)
		a = address_code(step);
	if (passed)
		t = passed < 1u << 16 ? 1 : passed < (uint64_t)1 << 32 ? 2 : 3;
	put_field(&s->events,
		  (uint64_t)kind | k << HS_WIRE_STACK_SHIFT | z << HS_WIRE_SIZE_SHIFT |
			  a << HS_WIRE_ADDRESS_SHIFT | t << HS_WIRE_STAMP_SHIFT,
		  2);
	put_field(&s->events, stack, stack_bytes[k]);
	put_field(&s->events, size, size_bytes[z]);
	put_field(&s->events, a == 3 ? addr : (uint64_t)(step / 16), address_bytes[a]);
	put_field(&s->events, passed, stamp_bytes[t]);
	s->stack = k ? stack : s->stack;
	s->size = z ? size : s->size;
	s->addr = a ? addr : s->addr;
	s->stamp += passed;
}

void cap_event_record(struct cap_stream *s, uint64_t tag, struct hs_out *payload)
{
	put_field(&s->events, HS_WIRE_RECORD, 2);
	cap_record(&s->events, tag, payload);
}

void cap_stack(struct cap_stream *s, uint32_t id, uint32_t epoch, uint32_t flags,
	       const uint64_t *pcs, size_t n)
{
	struct hs_out payload;
	size_t shared = 0;
	while (epoch == s->epoch && shared < n && shared < s->n_pcs &&
	       pcs[shared] == s->pcs[shared])
		shared++;
	hs_out_init(&payload, -1);
	hs_put_uleb(&payload, id);
	hs_put_uleb(&payload, epoch);
	hs_put_uleb(&payload, flags);
	hs_put_uleb(&payload, shared);
	hs_put_uleb(&payload, n - shared);
	for (size_t i = shared; i < n; i++)
		cap_zigzag(&payload, (int64_t)(pcs[i] - (i ? pcs[i - 1] : 0)));
	cap_event_record(s, HS_WIRE_STACK, &payload);
	memcpy(s->pcs, pcs, n * sizeof(*pcs));
	s->n_pcs = n;
	s->epoch = epoch;
}

void cap_chunk(struct cap *c, struct cap_stream *s, enum hs_wire_chunk_state state)
{
	size_t bytes = sizeof(struct hs_wire_chunk) + s->events.n;
	struct hs_wire_chunk head = {
		.section = {.magic = HS_WIRE_SECTION_MAGIC,
			    .tag = HS_WIRE_EVENTS,
			    .header_size = sizeof(head),
			    .pages =
				    (uint32_t)((bytes + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE),
			    .length = (uint32_t)s->events.n},
		.state = state,
		.stream = s->number,
		.sequence = s->sequence,
		.tid = s->tid,
		.base_stamp = s->base_stamp,
		.previous = c->header.newest_chunk,
	};
	c->header.newest_chunk = 1 + c->pages.n / HS_WIRE_PAGE;
	hs_put(&c->pages, &head, sizeof(head));
	hs_put(&c->pages, s->events.buf, s->events.n);
	end_page(c);
	next_piece(s);
}

void cap_piece(struct hs_out *records, struct cap_stream *s)
{
	struct hs_out payload;
	hs_out_init(&payload, -1);
	hs_put_uleb(&payload, s->number);
	hs_put_uleb(&payload, s->sequence);
	hs_put_uleb(&payload, s->tid);
	hs_put_uleb(&payload, s->base_stamp);
	hs_put(&payload, s->events.buf, s->events.n);
	cap_record(records, HS_WIRE_PIECE, &payload);
	next_piece(s);
}
