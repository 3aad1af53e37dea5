/* SPDX-License-Identifier: MIT */

/*
 * Bytes as an .eh_frame section: parse, run programs, take a step.  Input: u16
 * offset of an FDE, u16 distance of the pc into its code, then the section.
 * Memory that expressions ask for is the input again, at address 0x10000.
 */
#include <dlfcn.h>
#include <string.h>

#include "src/tracker/machine.h"
#include "src/tracker/peek.h"
#include "tests/fuzz/fuzz.h"

#define MEMORY 0x10000u

static const uint8_t *memory;
static size_t memory_size;

bool tr_peek(uint64_t addr, size_t size, uint64_t *ret)
{
	if (addr < MEMORY || addr - MEMORY > memory_size ||
	    memory_size - (addr - MEMORY) < size)
		return false;
	*ret = 0;
	memcpy(ret, memory + (addr - MEMORY), size);
	return true;
}

static void step(const struct tr_row *row, uint32_t known)
{
	struct tr_machine m = {.known = known};
	for (unsigned reg = 0; reg < TR_REGISTERS; reg++)
		m.reg[reg] = MEMORY + 8 * reg;
	tr_machine_step_row(&m, row);
}

static void try_row(const struct tr_fde *fde, uint64_t pc)
{
	struct tr_row row;
	if (!tr_row_compute(fde, pc, &row))
		return;
	step(&row, (1u << TR_REGISTERS) - 1);
	step(&row, 1u << TR_RSP | 1u << TR_RBP | 1u << TR_RIP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t offset, distance;
	struct tr_fde fde;
	if (size < 4)
		return 0;
	memcpy(&offset, data, 2);
	memcpy(&distance, data + 2, 2);
	data += 4;
	size -= 4;
	memory = data;
	memory_size = size;
	if (offset <= size && tr_fde_parse(data + offset, data, data + size, &fde)) {
		try_row(&fde, fde.start + distance);
		try_row(&fde, fde.start);
	}
	struct dl_find_object object = {.dlfo_map_start = (void *)(uintptr_t)data,
					.dlfo_map_end = (void *)(uintptr_t)(data + size),
					.dlfo_eh_frame = (void *)(uintptr_t)data};
	if (size && tr_fde_find(&object, (uintptr_t)data + distance, &fde))
		try_row(&fde, fde.start);
	return 0;
}
