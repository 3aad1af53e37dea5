/* SPDX-License-Identifier: MIT */

/*
 * .eh_frame: find an entry, run its CFA programs.  Nothing here is fast path:
 * a row is computed once for each pc and then kept by rows.c.
 */
#include "src/tracker/ehframe.h"

#include <dlfcn.h>
#include <string.h>

/* Pointer encodings: LSB 5.0, section 10.5. */
#define ENCODING_ABSOLUTE 0x00
#define ENCODING_UDATA4   0x03
#define ENCODING_OMIT     0xff
#define ENCODING_FORMAT   0x0f
#define ENCODING_PCREL    0x10
#define ENCODING_BASE     0x70
#define ENCODING_INDIRECT 0x80
#define ENCODING_TABLE    0x3b /* datarel, sdata4: what every linker writes */

uint64_t tr_bytes_fixed(struct tr_bytes *b, size_t size)
{
	uint64_t value = 0;
	if ((size_t)(b->end - b->at) < size) {
		b->bad = true;
		b->at = b->end;
		return 0;
	}
	memcpy(&value, b->at, size);
	b->at += size;
	return value;
}

int64_t tr_bytes_signed(struct tr_bytes *b, size_t size)
{
	unsigned shift = 64 - 8 * (unsigned)size;
	return (int64_t)(tr_bytes_fixed(b, size) << shift) >> shift;
}

uint64_t tr_bytes_uleb(struct tr_bytes *b)
{
	uint64_t value = 0, byte;
	unsigned shift = 0;
	do {
		byte = tr_bytes_fixed(b, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

int64_t tr_bytes_sleb(struct tr_bytes *b)
{
	uint64_t value = 0, byte;
	unsigned shift = 0;
	do {
		byte = tr_bytes_fixed(b, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~(uint64_t)0 << shift;
	return (int64_t)value;
}

struct tr_bytes tr_bytes_take(struct tr_bytes *b, uint64_t size)
{
	struct tr_bytes part = {b->at, b->at, false};
	if (size > (uint64_t)(b->end - b->at)) {
		b->bad = part.bad = true;
		b->at = b->end;
		return part;
	}
	part.end = b->at += size;
	return part;
}

/* The part of a pointer's encoding that says how its bytes are to be read. */
static uint64_t encoded_number(struct tr_bytes *b, uint8_t encoding)
{
	switch (encoding & ENCODING_FORMAT) {
	case 0x00:
	case 0x04:
	case 0x0c:
		return tr_bytes_fixed(b, 8);
	case 0x01:
		return tr_bytes_uleb(b);
	case 0x02:
		return tr_bytes_fixed(b, 2);
	case 0x03:
		return tr_bytes_fixed(b, 4);
	case 0x09:
		return (uint64_t)tr_bytes_sleb(b);
	case 0x0a:
		return (uint64_t)tr_bytes_signed(b, 2);
	case 0x0b:
		return (uint64_t)tr_bytes_signed(b, 4);
	default:
		b->bad = true;
		return 0;
	}
}

static uint64_t encoded_pointer(struct tr_bytes *b, uint8_t encoding)
{
	uint64_t here = (uintptr_t)b->at;
	uint64_t value = encoded_number(b, encoding);
	if ((encoding & ENCODING_BASE) == ENCODING_PCREL)
		return here + value;
	/* Text-, data- and function-relative code pointers exist nowhere here. */
	if ((encoding & ENCODING_BASE) != ENCODING_ABSOLUTE)
		b->bad = true;
	return value;
}

/* Read the CIE's augmentation: string AUG (ends with NUL, inside B), then data. */
static void cie_augmentation(struct tr_bytes *b, const uint8_t *aug, struct tr_fde *fde)
{
	if (*aug != 'z') {
		b->bad |= *aug != '\0'; /* "eh" is of gcc 2 */
		return;
	}
	struct tr_bytes data = tr_bytes_take(b, tr_bytes_uleb(b));
	for (aug++; *aug; aug++) {
		if (*aug == 'R') {
			fde->pointer_encoding = (uint8_t)tr_bytes_fixed(&data, 1);
		} else if (*aug == 'L') {
			tr_bytes_fixed(&data, 1);
		} else if (*aug == 'P') {
			uint8_t encoding = (uint8_t)tr_bytes_fixed(&data, 1);
			/* Its value does not matter here, only its length. */
			encoded_number(&data, encoding);
		} else if (*aug == 'S') {
			fde->signal = true;
		} else if (*aug != 'B' && *aug != 'G') { /* AArch64's; without data */
			break; /* the length lets us skip what we do not know */
		}
	}
	b->bad |= data.bad;
}

/* Read the CIE in B, which begins with the version. */
static void cie_parse(struct tr_bytes b, struct tr_fde *fde, bool *augmented, bool *bad)
{
	uint64_t version = tr_bytes_fixed(&b, 1);
	const uint8_t *aug = b.at;
	while (tr_bytes_fixed(&b, 1) != '\0')
		;
	if (b.bad || (version != 1 && version != 3 && version != 4)) {
		*bad = true;
		return;
	}
	if (version == 4) /* sizes of an address and of a segment selector */
		b.bad |= tr_bytes_fixed(&b, 2) != 8;
	fde->code_align = tr_bytes_uleb(&b);
	fde->data_align = tr_bytes_sleb(&b);
	b.bad |= (version == 1 ? tr_bytes_fixed(&b, 1) : tr_bytes_uleb(&b)) != TR_RA;
	*augmented = *aug == 'z';
	cie_augmentation(&b, aug, fde);
	fde->common = b;
	*bad = b.bad;
}

/* Cut the record at AT out of START..END, without its length; bad if it does not fit. */
static struct tr_bytes record_at(const uint8_t *at, const uint8_t *start,
				 const uint8_t *end)
{
	struct tr_bytes b = {at, end, at < start || at > end};
	if (b.bad)
		return b;
	uint64_t length = tr_bytes_fixed(&b, 4);
	/* 0 ends the section; all ones is a 64-bit length, which nobody writes. */
	b.bad |= length == 0 || length == UINT32_MAX;
	struct tr_bytes record = tr_bytes_take(&b, length);
	record.bad |= b.bad;
	return record;
}

bool tr_fde_parse(const uint8_t *at, const uint8_t *start, const uint8_t *end,
		  struct tr_fde *ret)
{
	struct tr_bytes b = record_at(at, start, end);
	if (b.bad)
		return false;
	const uint8_t *here = b.at;
	uint64_t back = tr_bytes_fixed(&b, 4);
	if (b.bad || back == 0 || back > (uint64_t)(here - start))
		return false; /* 0: this is a CIE itself */
	struct tr_bytes cie = record_at(here - back, start, end);
	if (cie.bad || tr_bytes_fixed(&cie, 4) != 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	bool augmented = false, bad = false;
	cie_parse(cie, ret, &augmented, &bad);
	if (bad || (ret->pointer_encoding & ENCODING_INDIRECT))
		return false;
	ret->start = encoded_pointer(&b, ret->pointer_encoding);
	ret->size = encoded_number(&b, ret->pointer_encoding & ENCODING_FORMAT);
	if (augmented)
		tr_bytes_take(&b, tr_bytes_uleb(&b)); /* language-specific data */
	ret->own = b;
	return !b.bad;
}

/* The search table's entry: code and FDE, relative to the table's header. */
struct table_entry {
	int32_t code, fde;
};

/* Find the last entry whose code begins at or before OFFSET. */
static bool table_search(const uint8_t *table, size_t n, int64_t offset,
			 struct table_entry *ret)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct table_entry entry;
		memcpy(&entry, table + middle * sizeof(entry), sizeof(entry));
		if (entry.code <= offset) {
			*ret = entry;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0;
}

/* Without a table: look at every entry from SECTION on. */
static bool section_search(const uint8_t *section, const uint8_t *start,
			   const uint8_t *end, uint64_t pc, struct tr_fde *ret)
{
	const uint8_t *at = section;
	for (;;) {
		struct tr_bytes record = record_at(at, start, end);
		if (record.bad)
			return false;
		if (tr_fde_parse(at, start, end, ret) && pc - ret->start < ret->size)
			return true;
		at = record.end;
	}
}

/*
 * Widen or move START..END so that it holds AT.  Where an object has gaps
 * between its segments, glibc tells only of the segment of an address.
 */
static bool enter_segment(const uint8_t *at, const uint8_t **start, const uint8_t **end)
{
	struct dl_find_object segment;
	if (at >= *start && at < *end)
		return true;
	if (_dl_find_object((void *)(uintptr_t)at, &segment) != 0)
		return false;
	*start = segment.dlfo_map_start;
	*end = segment.dlfo_map_end;
	return true;
}

bool tr_fde_find(const struct dl_find_object *object, uint64_t pc, struct tr_fde *ret)
{
	const uint8_t *header = object->dlfo_eh_frame;
	const uint8_t *start = object->dlfo_map_start, *end = object->dlfo_map_end;
	if (!header || !enter_segment(header, &start, &end))
		return false;
	struct tr_bytes b = {header, end, false};
	uint64_t version = tr_bytes_fixed(&b, 1);
	uint8_t section_encoding = (uint8_t)tr_bytes_fixed(&b, 1);
	uint8_t count_encoding = (uint8_t)tr_bytes_fixed(&b, 1);
	uint8_t table_encoding = (uint8_t)tr_bytes_fixed(&b, 1);
	if (version != 1 || section_encoding == ENCODING_OMIT)
		return false;
	const uint8_t *at =
		(const uint8_t *)(uintptr_t)encoded_pointer(&b, section_encoding);
	if (count_encoding != ENCODING_UDATA4 || table_encoding != ENCODING_TABLE)
		return !b.bad && enter_segment(at, &start, &end) &&
		       section_search(at, start, end, pc, ret);
	uint64_t n = tr_bytes_fixed(&b, 4);
	struct tr_bytes table = tr_bytes_take(&b, n * sizeof(struct table_entry));
	struct table_entry entry;
	if (b.bad ||
	    !table_search(table.at, n, (int64_t)(pc - (uintptr_t)header), &entry))
		return false;
	at = (const uint8_t *)((uintptr_t)header + (uint64_t)(int64_t)entry.fde);
	return enter_segment(at, &start, &end) && tr_fde_parse(at, start, end, ret) &&
	       pc - ret->start < ret->size;
}
