/* SPDX-License-Identifier: MIT */

/*
 * Notes of cores, by the kernel's fs/binfmt_elf.c and include/linux/elfcore.h.
 * Knows layouts; knows nothing of program headers or of memory.
 */
#include "src/corenotes.h"

#include <elf.h>
#include <signal.h>
#include <string.h>

#include "src/arena.h"
#include "src/cursor.h"
#include "src/image.h"

/* -- Registers ------------------------------------------------------------------ */

/*
 * struct user_regs_struct of x86-64 (sys/user.h), each with its DWARF number
 * (psABI, figure 3.36), or -1.
 */
static const int8_t x86_64_numbers[27] = {
	15, 14, 13, 12, 6,  3, 11, 10, 9,  8,  0,  2,  1,  4,
	5,  -1, 16, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1,
};
#define X86_64_FS_BASE 21

static void read_x86_64(struct hs_cursor *in, struct hs_image_thread *t)
{
	for (int i = 0; i < (int)HS_COUNT(x86_64_numbers); i++) {
		uint64_t value = hs_cur_u64(in);
		if (x86_64_numbers[i] >= 0)
			t->registers[x86_64_numbers[i]] = value;
		if (i == X86_64_FS_BASE)
			t->tls = value;
	}
}

/* x0 to x30, sp, pc are DWARF's 0 to 32 (AAPCS64 DWARF, 4.1); then pstate. */
static void read_aarch64(struct hs_cursor *in, struct hs_image_thread *t)
{
	for (int i = 0; i < HS_IMAGE_REGISTERS; i++)
		t->registers[i] = hs_cur_u64(in);
	hs_cur_skip(in, 8);
}

bool hs_corenotes_registers(struct hs_cursor *in, struct hs_image_thread *ret,
			    enum hs_machine machine)
{
	if (machine == HS_MACHINE_X86_64)
		read_x86_64(in, ret);
	else
		read_aarch64(in, ret);
	return !hs_cur_failed(in);
}

/* -- Notes ---------------------------------------------------------------------- */

/* struct elf_prstatus, up to its registers: the same on both machines. */
static void read_prstatus(struct hs_cursor *in, struct hs_image *image)
{
	struct hs_image_thread t = {.name = ""};
	hs_cur_skip(in, 12); /* of siginfo: NT_SIGINFO has all of it */
	int signal = hs_cur_u16(in);
	hs_cur_skip(in, 18);
	t.tid = hs_cur_u32(in);
	uint32_t ppid = hs_cur_u32(in);
	hs_cur_skip(in, 72);
	if (!hs_corenotes_registers(in, &t, image->machine))
		return;
	if (!image->threads.n) {
		image->signal.number = signal;
		image->ppid = ppid;
	}
	hs_array_push(&image->threads, t);
}

static const char *read_text(struct hs_cursor *in, struct hs_image *image, size_t size)
{
	const char *text = (const char *)hs_cur_bytes(in, size);
	return text ? hs_arena_strndup(image->arena, text, strnlen(text, size)) : "";
}

/* struct elf_prpsinfo. */
static void read_prpsinfo(struct hs_cursor *in, struct hs_image *image)
{
	hs_cur_skip(in, 24);
	uint32_t pid = hs_cur_u32(in);
	hs_cur_skip(in, 12);
	const char *name = read_text(in, image, 16);
	const char *arguments = read_text(in, image, 80);
	if (hs_cur_failed(in))
		return;
	image->pid = pid;
	image->name = name;
	image->arguments = arguments;
}

/* siginfo_t; the layout of its union goes by the signal and by who sent it. */
static void read_siginfo(struct hs_cursor *in, struct hs_image *image)
{
	struct hs_image_signal s = {.detailed = true};
	s.number = (int)hs_cur_u32(in);
	hs_cur_skip(in, 4);
	s.code = (int)hs_cur_u32(in);
	hs_cur_skip(in, 4);
	uint64_t first = hs_cur_u64(in);
	if (hs_cur_failed(in) || image->signal.detailed)
		return;
	if (s.code <= 0) /* SI_USER, SI_TKILL ...: sent, by this process */
		s.pid = (uint32_t)first;
	else
		s.address = first;
	/* gcore stops the process by a signal that is none of its own. */
	if (image->signal.number == s.number)
		image->signal = s;
}

void hs_corenotes_auxv(struct hs_cursor *in, struct hs_image *image)
{
	if (image->auxv.n)
		return;
	while (hs_cur_left(in) >= 16) {
		struct hs_image_auxv entry = {.type = hs_cur_u64(in)};
		entry.value = hs_cur_u64(in);
		if (entry.type == AT_NULL)
			break;
		hs_array_push(&image->auxv, entry);
	}
}

/* Count, page size, ranges in pages of the file; then their names one by one. */
static void read_files(struct hs_cursor *in, struct hs_image *image)
{
	uint64_t count = hs_cur_u64(in), page = hs_cur_u64(in);
	if (count > hs_cur_left(in) / 25) /* three words and a NUL each */
		return;
	struct hs_cursor names = *in;
	hs_cur_skip(&names, count * 24);
	for (uint64_t i = 0; i < count; i++) {
		struct hs_file_range r = {.start = hs_cur_u64(in)};
		r.end = hs_cur_u64(in);
		r.offset = hs_cur_u64(in) * page;
		size_t left = hs_cur_left(&names);
		size_t length = strnlen((const char *)names.pos, left);
		if (length == left)
			return;
		r.path = read_text(&names, image, length + 1);
		if (r.start < r.end)
			hs_array_push(&image->files, r);
	}
}

static void set_tls(struct hs_cursor *in, struct hs_image *image)
{
	uint64_t tls = hs_cur_u64(in);
	if (image->threads.n && !hs_cur_failed(in))
		image->threads.at[image->threads.n - 1].tls = tls;
}

/* struct user_pac_mask: of data pointers, of code pointers. */
static void set_pac_mask(struct hs_cursor *in, struct hs_image *image)
{
	hs_cur_skip(in, 8);
	uint64_t mask = hs_cur_u64(in);
	if (!hs_cur_failed(in))
		image->pac_mask = mask;
}

/* Threads follow one another; what lies between two belongs to the first. */
static void read_note(struct hs_image *image, const char *owner, uint32_t type,
		      struct hs_cursor *in)
{
	bool core = !strcmp(owner, "CORE"), kernel = !strcmp(owner, "LINUX");
	if (core && type == NT_PRSTATUS)
		read_prstatus(in, image);
	else if (core && type == NT_PRPSINFO)
		read_prpsinfo(in, image);
	else if (core && type == NT_SIGINFO)
		read_siginfo(in, image);
	else if (core && type == NT_AUXV)
		hs_corenotes_auxv(in, image);
	else if (core && type == NT_FILE)
		read_files(in, image);
	else if (kernel && type == NT_ARM_TLS)
		set_tls(in, image);
	else if (kernel && type == NT_ARM_PAC_MASK)
		set_pac_mask(in, image);
}

static void skip_padding(struct hs_cursor *in, uint32_t size)
{
	hs_cur_skip(in, HS_MIN((4 - size % 4) % 4, hs_cur_left(in)));
}

/* Where no note says which bits sign: none that a program's address has. */
#define PAC_MASK_DEFAULT ((uint64_t)0xffff << 48)

bool hs_corenotes_read(struct hs_cursor *in, struct hs_image *image)
{
	if (image->machine == HS_MACHINE_AARCH64 && !image->pac_mask)
		image->pac_mask = PAC_MASK_DEFAULT; /* qemu's cores, some of gdb's */
	while (hs_cur_left(in) >= 12) {
		uint32_t n_owner = hs_cur_u32(in), n_bytes = hs_cur_u32(in);
		uint32_t type = hs_cur_u32(in);
		const char *owner = (const char *)hs_cur_bytes(in, n_owner);
		skip_padding(in, n_owner);
		struct hs_cursor bytes = hs_cur_sub(in, n_bytes);
		if (hs_cur_failed(in))
			return false;
		skip_padding(in, n_bytes);
		if (n_owner && owner[n_owner - 1] == '\0')
			read_note(image, owner, type, &bytes);
	}
	return true;
}
