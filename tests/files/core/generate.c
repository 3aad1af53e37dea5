/* SPDX-License-Identifier: MIT */

/* Writes the samples of this folder into the current one; see README. */
#include <stdio.h>
#include <string.h>

#include "tests/lib/corebuild.h"

#define CODE  0x10000u
#define STACK 0x7ffe00000000u
#define SIZE  0x200u

static void save(const char *name, const void *data, size_t size)
{
	FILE *out = fopen(name, "wb");
	if (!out || fwrite(data, 1, size, out) != size || fclose(out)) {
		perror(name);
		exit(1);
	}
}

/* Two threads, one in a function called by another; code and stack are there. */
static uint8_t *small_core(uint16_t machine, size_t *size_ret)
{
	struct core c;
	uint8_t code[SIZE] = {0}, stack[SIZE] = {0};
	const uint64_t auxv[] = {AT_ENTRY, CODE, AT_PHDR, CODE + 64, AT_PHNUM, 1};
	const struct core_file files[] = {{CODE, CODE + 4096, 0, "/bin/small"}};
	memcpy(code + 0x100, machine == EM_X86_64 ? "\xe8\0\0\0" : "\1\0\0\x94", 4);
	core_poke(stack, STACK, STACK + 0x100, 0);
	core_poke(stack, STACK, STACK + 0x108,
		  CODE + (machine == EM_X86_64 ? 0x105 : 0x104));
	core_init(&c, machine);
	core_thread_at(&c, 4243, CODE + 0x40, STACK + 0x80, STACK + 0x100, CODE + 0x104);
	core_process(&c, 4242, "small", "small -x");
	core_signal(&c, 11, 1, 0x1234);
	core_auxv(&c, auxv, 3);
	core_files(&c, files, 1);
	core_thread_at(&c, 4242, 0, STACK + 0x108, 0, 0);
	core_segment(&c, CODE, 4096, PF_R | PF_X, code, SIZE);
	core_segment(&c, STACK, SIZE, PF_R | PF_W, stack, SIZE);
	return core_finish(&c, size_ret);
}

/* Save the small core with the byte at AT changed to VALUE. */
static void save_changed(const char *name, size_t at, uint8_t value)
{
	size_t size;
	uint8_t *data = small_core(EM_X86_64, &size);
	data[at] = value;
	save(name, data, size);
	free(data);
}

int main(void)
{
	size_t size;
	uint8_t *data = small_core(EM_X86_64, &size);
	save("good-x86_64.core", data, size);
	save("good-cut.core", data, size - 0x180);
	save("good-cut-in-notes.core", data, 64 + 3 * 56 + 200);
	save("bad-header-cut.core", data, 60);
	free(data);
	data = small_core(EM_AARCH64, &size);
	save("good-aarch64.core", data, size);
	free(data);
	save_changed("bad-header-size.core", offsetof(Elf64_Ehdr, e_phentsize), 1);
	save_changed("unsupported-32-bit.core", EI_CLASS, ELFCLASS32);
	save_changed("unsupported-machine.core", offsetof(Elf64_Ehdr, e_machine),
		     EM_RISCV);
	return 0;
}
