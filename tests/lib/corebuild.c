/* SPDX-License-Identifier: MIT */

/* Cores by the gABI and the kernel's include/linux/elfcore.h, byte by byte. */
#include "tests/lib/corebuild.h"

#include <string.h>

void core_init(struct core *c, uint16_t machine)
{
	*c = (struct core){.note_copies = 1};
	memcpy(c->header.e_ident, ELFMAG, SELFMAG);
	c->header.e_ident[EI_CLASS] = ELFCLASS64;
	c->header.e_ident[EI_DATA] = ELFDATA2LSB;
	c->header.e_ident[EI_VERSION] = EV_CURRENT;
	c->header.e_version = EV_CURRENT;
	c->header.e_type = ET_CORE;
	c->header.e_machine = machine;
	c->header.e_ehsize = sizeof(Elf64_Ehdr);
	c->header.e_phentsize = sizeof(Elf64_Phdr);
	hs_out_init(&c->notes, -1);
	hs_out_init(&c->memory, -1);
}

static void put_u16(struct hs_out *out, uint16_t v)
{
	hs_put(out, &v, sizeof(v));
}

static void put_u32(struct hs_out *out, uint32_t v)
{
	hs_put(out, &v, sizeof(v));
}

static void put_u64(struct hs_out *out, uint64_t v)
{
	hs_put(out, &v, sizeof(v));
}

static void put_zeros(struct hs_out *out, size_t n)
{
	while (n--)
		hs_putc(out, 0);
}

static void pad(struct hs_out *out)
{
	put_zeros(out, (4 - out->n % 4) % 4);
}

void core_note(struct core *c, const char *owner, uint32_t type, const void *bytes,
	       size_t size)
{
	put_u32(&c->notes, (uint32_t)strlen(owner) + 1);
	put_u32(&c->notes, (uint32_t)size);
	put_u32(&c->notes, type);
	hs_put(&c->notes, owner, strlen(owner) + 1);
	pad(&c->notes);
	hs_put(&c->notes, bytes, size);
	pad(&c->notes);
}

static void put_note(struct core *c, const char *owner, uint32_t type,
		     struct hs_out *payload)
{
	size_t n;
	char *bytes = hs_out_take(payload, &n);
	core_note(c, owner, type, bytes, n);
	free(bytes);
}

void core_thread(struct core *c, uint32_t tid, uint16_t signal, const uint64_t *registers,
		 size_t n)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put_zeros(&out, 12);
	put_u16(&out, signal);
	put_zeros(&out, 18);
	put_u32(&out, tid);
	put_u32(&out, 1); /* its parent */
	put_zeros(&out, 72);
	hs_put(&out, registers, n * sizeof(*registers));
	put_u64(&out, 0);
	put_note(c, "CORE", NT_PRSTATUS, &out);
}

void core_thread_at(struct core *c, uint32_t tid, uint64_t pc, uint64_t sp, uint64_t fp,
		    uint64_t lr)
{
	uint64_t r[34] = {0};
	if (c->header.e_machine == EM_X86_64) {
		r[4] = fp;
		r[16] = pc;
		r[19] = sp;
		core_thread(c, tid, 11, r, 27);
		return;
	}
	r[29] = fp;
	r[30] = lr;
	r[31] = sp;
	r[32] = pc;
	core_thread(c, tid, 11, r, 34);
}

static void put_padded(struct hs_out *out, const char *text, size_t room)
{
	char field[80] = "";
	memcpy(field, text, strnlen(text, room));
	hs_put(out, field, room);
}

void core_process(struct core *c, uint32_t pid, const char *name, const char *arguments)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put_zeros(&out, 24);
	put_u32(&out, pid);
	put_zeros(&out, 12);
	put_padded(&out, name, 16);
	put_padded(&out, arguments, 80);
	put_note(c, "CORE", NT_PRPSINFO, &out);
}

void core_signal(struct core *c, uint32_t number, uint32_t code, uint64_t address)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put_u32(&out, number);
	put_u32(&out, 0);
	put_u32(&out, code);
	put_u32(&out, 0);
	put_u64(&out, address);
	put_zeros(&out, 104);
	put_note(c, "CORE", NT_SIGINFO, &out);
}

void core_auxv(struct core *c, const uint64_t *pairs, size_t n_pairs)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_put(&out, pairs, n_pairs * 2 * sizeof(*pairs));
	put_zeros(&out, 16);
	put_note(c, "CORE", NT_AUXV, &out);
}

void core_files(struct core *c, const struct core_file *files, size_t n)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put_u64(&out, n);
	put_u64(&out, 4096);
	for (size_t i = 0; i < n; i++) {
		put_u64(&out, files[i].start);
		put_u64(&out, files[i].end);
		put_u64(&out, files[i].offset);
	}
	for (size_t i = 0; i < n; i++)
		hs_put(&out, files[i].path, strlen(files[i].path) + 1);
	put_note(c, "CORE", NT_FILE, &out);
}

void core_segment(struct core *c, uint64_t start, uint64_t size, uint32_t flags,
		  const void *bytes, size_t n_bytes)
{
	hs_array_push(&c->segments, ((Elf64_Phdr){.p_type = PT_LOAD,
						  .p_flags = flags,
						  .p_offset = c->memory.n,
						  .p_vaddr = start,
						  .p_filesz = n_bytes,
						  .p_memsz = size,
						  .p_align = 4096}));
	hs_put(&c->memory, bytes, n_bytes);
}

void core_poke(uint8_t *bytes, uint64_t start, uint64_t addr, uint64_t value)
{
	memcpy(bytes + (addr - start), &value, sizeof(value));
}

/* Program headers, then notes, then memory; section header 0 comes last. */
uint8_t *core_finish(struct core *c, size_t *size_ret)
{
	struct hs_out out;
	size_t n = c->segments.n + c->note_copies;
	uint64_t notes = sizeof(c->header) + n * sizeof(Elf64_Phdr);
	uint64_t memory = notes + c->notes.n;
	Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = notes, .p_filesz = c->notes.n};
	Elf64_Shdr counts = {.sh_info = (uint32_t)n};
	bool many = n >= PN_XNUM;

	c->header.e_phoff = sizeof(c->header);
	c->header.e_phnum = many ? PN_XNUM : (uint16_t)n;
	c->header.e_shoff = many ? memory + c->memory.n : 0;
	c->header.e_shnum = many;
	c->header.e_shentsize = many ? sizeof(counts) : 0;
	hs_out_init(&out, -1);
	hs_put(&out, &c->header, sizeof(c->header));
	for (uint32_t i = 0; i < c->note_copies; i++)
		hs_put(&out, &note, sizeof(note));
	for (size_t i = 0; i < c->segments.n; i++) {
		c->segments.at[i].p_offset += memory;
		hs_put(&out, &c->segments.at[i], sizeof(Elf64_Phdr));
	}
	hs_put(&out, c->notes.buf, c->notes.n);
	hs_put(&out, c->memory.buf, c->memory.n);
	if (many)
		hs_put(&out, &counts, sizeof(counts));
	free(hs_out_take(&c->notes, NULL));
	free(hs_out_take(&c->memory, NULL));
	hs_array_free(&c->segments);
	return (uint8_t *)hs_out_take(&out, size_ret);
}
