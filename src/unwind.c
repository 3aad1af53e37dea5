/* SPDX-License-Identifier: MIT */

/*
 * Stacks of an image, by libdwfl.  The image gives it registers and memory,
 * imagefiles.c the ELF files; where a module has no file, its ELF file is put
 * together from the image's memory.  Knows nothing of names.
 */
#include "src/unwind.h"

#include <elf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/array.h"
#include "src/build.h"
#include "src/debugfile.h"
#include "src/hash.h"
#include "src/image.h"
#include "src/imagefiles.h"
#include "src/unwind_guess.h"

#define MAX_FRAMES       ((size_t)1 << 18) /* of one thread */
#define ALL_FRAMES       ((size_t)1 << 20) /* of all threads: a hostile core has many */
#define MAX_GUESSES      64u               /* of one thread */
#define MAX_MEMORY_FILES ((size_t)64 << 20)

struct frame {
	uint64_t pc;
	bool exact;
	enum hs_frame_how how;
};

struct unwinder;

struct module {
	struct unwinder *unwinder;
	size_t i; /* in the image */
	Dwfl_Module *dwfl;
	void *memory; /* an ELF file put together, or NULL */
	hs_module id;
};

struct unwinder {
	struct hs_image *image;
	struct hs_imagefiles *files;
	struct hs_builder *b;
	Dwfl *dwfl;
	Elf64_Ehdr header; /* a file of nothing else, to tell the machine */
	Elf *machine;
	struct module *modules; /* by index in the image */
	size_t memory_left;     /* for files from memory */
	struct hs_map tables;   /* pc -> whether tables cover it, plus 1 */
	size_t frames_left;

	/* The thread at work. */
	HS_ARRAY(struct frame) frames;
	struct hs_spot spot;                  /* of the last frame */
	const struct hs_image_thread *thread; /* NULL: go on from `spot` */
	enum hs_frame_how how;                /* how the walk got to its first frame */
	bool fresh;                           /* no frame of this walk was seen */
};

/* -- Modules ------------------------------------------------------------------------ */

/* Copy what was loaded of module M to where its file has it; NULL if it is not all there.
 */
static void *collect_file(struct unwinder *u, const struct hs_image_module *m,
			  size_t *size_ret)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;
	uint64_t size = 0;
	if (!hs_image_read_all(u->image, m->start, &h, sizeof(h)) ||
	    memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(p))
		return NULL;
	for (uint32_t i = 0; i < h.e_phnum; i++) {
		uint64_t end;
		if (!hs_image_read_all(u->image, m->start + h.e_phoff + i * sizeof(p), &p,
				       sizeof(p)))
			return NULL;
		if (p.p_type == PT_LOAD && !(p.p_flags & PF_W) &&
		    !__builtin_add_overflow(p.p_offset, p.p_filesz, &end))
			size = HS_MAX(size, end);
	}
	if (!size || size > u->memory_left)
		return NULL;
	uint8_t *file = hs_xcalloc(1, (size_t)size);
	for (uint32_t i = 0; i < h.e_phnum; i++)
		if (hs_image_read_all(u->image, m->start + h.e_phoff + i * sizeof(p), &p,
				      sizeof(p)) &&
		    p.p_type == PT_LOAD && p.p_offset < size &&
		    p.p_filesz <= size - p.p_offset &&
		    !hs_image_read_all(u->image, m->bias + p.p_vaddr, file + p.p_offset,
				       (size_t)p.p_filesz) &&
		    !(p.p_flags & PF_W)) {
			free(file);
			return NULL;
		}
	u->memory_left -= (size_t)size;
	*size_ret = (size_t)size;
	return file;
}

/* Section headers are not loaded: what stands in their place is none. */
static Elf *open_collected(uint8_t *file, size_t size)
{
	Elf64_Ehdr h;
	memcpy(&h, file, sizeof(h));
	bool sections = h.e_shoff && h.e_shoff < size &&
			size - h.e_shoff >= (uint64_t)h.e_shnum * h.e_shentsize;
	if (!sections)
		h.e_shoff = h.e_shnum = h.e_shstrndx = 0;
	memcpy(file, &h, sizeof(h));
	return elf_memory((char *)file, size);
}

static int find_elf(Dwfl_Module *dwfl HS_UNUSED, void **userdata,
		    const char *name HS_UNUSED, Dwarf_Addr base HS_UNUSED,
		    char **file_name, Elf **elfp)
{
	struct module *m = *userdata;
	struct unwinder *u = m->unwinder;
	const struct hs_image_module *loaded = &u->image->modules.at[m->i];
	const struct hs_debugfile *file = hs_imagefiles_open(u->files, m->i);
	if (file && file->main.elf) {
		*file_name = hs_xstrdup(file->main.path);
		return open(file->main.path, O_RDONLY | O_CLOEXEC);
	}
	size_t size;
	m->memory = collect_file(u, loaded, &size);
	if (m->memory) {
		*elfp = open_collected(m->memory, size);
		*file_name = hs_xstrdup(loaded->path);
	}
	return -1;
}

/* .debug_frame without .eh_frame is rare; the files that have it are known. */
static int find_debuginfo(Dwfl_Module *dwfl HS_UNUSED, void **userdata,
			  const char *name HS_UNUSED, Dwarf_Addr base HS_UNUSED,
			  const char *main HS_UNUSED, const char *link HS_UNUSED,
			  GElf_Word crc HS_UNUSED, char **path_ret)
{
	struct module *m = *userdata;
	const struct hs_debugfile *file = hs_imagefiles_open(m->unwinder->files, m->i);
	if (!file || !file->debug.elf)
		return -1;
	*path_ret = hs_xstrdup(file->debug.path);
	return open(file->debug.path, O_RDONLY | O_CLOEXEC);
}

static const Dwfl_Callbacks module_callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static void report_modules(struct unwinder *u)
{
	dwfl_report_begin(u->dwfl);
	for (size_t i = 0; i < u->image->modules.n; i++) {
		void **userdata;
		const struct hs_image_module *m = &u->image->modules.at[i];
		/* By number: libdwfl takes modules of one name for one. */
		HS_CLEANUP(hs_freep) char *name = hs_xasprintf("%zu", i);
		Dwfl_Module *mod = dwfl_report_module(u->dwfl, name, m->start, m->end);
		if (!mod)
			continue;
		dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
		*userdata = &u->modules[i];
		u->modules[i].dwfl = mod;
	}
	dwfl_report_end(u->dwfl, NULL, NULL);
}

/* Do tables say how to get from PC to its caller? */
static bool has_tables(struct unwinder *u, uint64_t pc, bool exact)
{
	uint64_t at = pc - !exact;
	bool fresh;
	uint32_t *known = hs_map_put(&u->tables, at, &fresh);
	if (!fresh)
		return *known == 2;
	Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, at);
	Dwarf_Addr bias;
	Dwarf_Frame *frame = NULL;
	Dwarf_CFI *cfi = mod ? dwfl_module_eh_cfi(mod, &bias) : NULL;
	bool found = cfi && dwarf_cfi_addrframe(cfi, at - bias, &frame) == 0;
	if (!found) {
		cfi = mod ? dwfl_module_dwarf_cfi(mod, &bias) : NULL;
		found = cfi && dwarf_cfi_addrframe(cfi, at - bias, &frame) == 0;
	}
	free(frame);
	*known = found ? 2 : 1;
	return found;
}

/* -- What libdwfl asks for ------------------------------------------------------------
 */

static pid_t next_thread(Dwfl *dwfl HS_UNUSED, void *arg HS_UNUSED,
			 void **thread HS_UNUSED)
{
	return 0;
}

static bool get_thread(Dwfl *dwfl HS_UNUSED, pid_t tid HS_UNUSED, void *arg,
		       void **thread_ret)
{
	*thread_ret = arg;
	return true;
}

static bool read_memory(Dwfl *dwfl HS_UNUSED, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	struct unwinder *u = arg;
	return hs_image_word(u->image, addr, ret);
}

/* DWARF's numbers of the stack pointer and the frame pointer. */
static unsigned sp_number(const struct unwinder *u)
{
	return u->image->machine == HS_MACHINE_X86_64 ? 7 : 31;
}

static unsigned fp_number(const struct unwinder *u)
{
	return u->image->machine == HS_MACHINE_X86_64 ? 6 : 29;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	struct unwinder *u = arg;
	bool x86 = u->image->machine == HS_MACHINE_X86_64;
	if (u->thread) {
		dwfl_thread_state_register_pc(thread, u->spot.pc);
		return dwfl_thread_state_registers(thread, 0, x86 ? 17 : 32,
						   u->thread->registers);
	}
	/* The call, not what follows it: the first frame counts as interrupted. */
	uint64_t pc = u->spot.pc - 1;
	dwfl_thread_state_register_pc(thread, pc);
	return (!x86 || dwfl_thread_state_registers(thread, 16, 1, &pc)) &&
	       dwfl_thread_state_registers(thread, sp_number(u), 1, &u->spot.sp) &&
	       dwfl_thread_state_registers(thread, fp_number(u), 1, &u->spot.fp);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

/* -- Walking ---------------------------------------------------------------------------
 */

static bool add_frame(struct unwinder *u, uint64_t pc, bool exact, enum hs_frame_how how)
{
	if (u->frames.n >= MAX_FRAMES || !u->frames_left)
		return false;
	u->frames_left--;
	hs_array_push(&u->frames, ((struct frame){.pc = pc, .exact = exact, .how = how}));
	return true;
}

static int take_frame(Dwfl_Frame *state, void *arg)
{
	struct unwinder *u = arg;
	Dwarf_Addr pc;
	bool exact, first = u->fresh;
	u->fresh = false;
	if (!dwfl_frame_pc(state, &pc, &exact))
		return DWARF_CB_ABORT;
	if (first && !u->thread) /* a guess added it */
		return has_tables(u, pc, true) ? DWARF_CB_OK : DWARF_CB_ABORT;
	struct hs_spot spot = {.pc = pc};
	if (dwfl_frame_reg(state, sp_number(u), &spot.sp) != 0)
		spot.sp = u->spot.sp;
	if (dwfl_frame_reg(state, fp_number(u), &spot.fp) != 0)
		spot.fp = 0;
	if (!first && spot.pc == u->spot.pc && spot.sp == u->spot.sp)
		return DWARF_CB_ABORT; /* tables that lead nowhere */
	if (first)
		spot.lr = u->spot.lr;
	u->spot = spot;
	if (!add_frame(u, pc, exact, HS_FRAME_BY_TABLES))
		return DWARF_CB_ABORT;
	/* libdwfl would go on by frame pointers without saying so. */
	return has_tables(u, pc, exact) ? DWARF_CB_OK : DWARF_CB_ABORT;
}

/* True at the stack's proper end: tables say that there is no caller. */
static bool walk_by_tables(struct unwinder *u)
{
	u->fresh = true;
	return dwfl_getthread_frames(u->dwfl, 1, take_frame, u) == 0;
}

/* Fill u->frames; returns whether the stack's outer end was reached. */
static bool walk(struct unwinder *u, const struct hs_image_thread *thread)
{
	u->frames.n = 0;
	u->thread = thread;
	u->spot = (struct hs_spot){
		.pc = hs_image_pc(u->image, thread),
		.sp = hs_image_sp(u->image, thread),
		.fp = thread->registers[fp_number(u)],
		.lr = u->image->machine == HS_MACHINE_AARCH64 ? thread->registers[30] : 0,
	};
	for (unsigned i = 0; i <= MAX_GUESSES; i++) {
		enum hs_frame_how how;
		if (walk_by_tables(u))
			return true;
		if (!u->frames.n && !add_frame(u, u->spot.pc, true, HS_FRAME_BY_TABLES))
			return false;
		u->thread = NULL;
		if (!hs_guess_caller(u->image, &u->spot, &how) ||
		    !add_frame(u, u->spot.pc, false, how))
			return false;
	}
	return false;
}

/* -- Telling ---------------------------------------------------------------------------
 */

/* A header that was not dumped, or was cut off, had it; a live process's files fit. */
static void warn_of_no_ids(struct unwinder *u)
{
	size_t missing = 0, n = 0;
	for (size_t i = 0; i < u->image->modules.n; i++) {
		const struct hs_image_module *m = &u->image->modules.at[i];
		n += !hs_debugfile_is_virtual(m->path);
		missing += !hs_debugfile_is_virtual(m->path) && !m->build_id[0];
	}
	if (missing && !u->image->live)
		hs_build_warn(u->b,
			      "%zu of %zu modules have no build-id in the core: their "
			      "files were taken by name, and may be other versions than "
			      "the process had",
			      missing, n);
}

static void add_modules(struct unwinder *u)
{
	warn_of_no_ids(u);
	for (size_t i = 0; i < u->image->modules.n; i++) {
		const struct hs_image_module *m = &u->image->modules.at[i];
		if (!m->known_bias)
			hs_imagefiles_open(u->files, i); /* which tells it */
		const struct hs_module_info info = {
			.path = hs_build_cstring(u->b, m->path),
			.build_id = hs_build_cstring(u->b, m->build_id),
			.mapped = {m->start, m->end},
			.bias = m->bias,
		};
		u->modules[i].unwinder = u;
		u->modules[i].i = i;
		u->modules[i].id = hs_build_module(u->b, &info);
	}
}

/* The name that an ELF file put together from memory has for PC, or "". */
static hs_str name_from_memory(struct unwinder *u, const struct module *m, uint64_t pc)
{
	const char *name = m->memory ? dwfl_module_addrname(m->dwfl, pc) : NULL;
	return hs_build_cstring(u->b, name);
}

static hs_frame tell_frame(struct unwinder *u, const struct frame *f)
{
	struct hs_frame_info info = {.offset = f->pc, .exact = f->exact, .how = f->how};
	const struct hs_image_module *m = hs_image_module(u->image, f->pc - !f->exact);
	if (m) {
		const struct module *known = &u->modules[m - u->image->modules.at];
		info.module = known->id;
		info.offset = f->pc - m->bias;
		info.function = name_from_memory(u, known, f->pc - !f->exact);
	}
	return hs_build_named_frame(u->b, &info);
}

static void tell_stack(struct unwinder *u, hs_thread thread, bool whole)
{
	hs_stack stack = {0};
	if (!whole) {
		const struct hs_frame_info cut = {
			.function = hs_build_cstring(u->b, "[stack was cut here]")};
		stack = hs_build_stack(u->b, stack, hs_build_named_frame(u->b, &cut));
	}
	for (size_t i = u->frames.n; i--;)
		stack = hs_build_stack(u->b, stack, tell_frame(u, &u->frames.at[i]));
	hs_build_thread_stack(u->b, thread, stack);
}

static bool begin(struct unwinder *u)
{
	if (elf_version(EV_CURRENT) == EV_NONE)
		return false;
	memcpy(u->header.e_ident, ELFMAG, SELFMAG);
	u->header.e_ident[EI_CLASS] = ELFCLASS64;
	u->header.e_ident[EI_DATA] = ELFDATA2LSB;
	u->header.e_ident[EI_VERSION] = EV_CURRENT;
	u->header.e_version = EV_CURRENT;
	u->header.e_type = ET_CORE;
	u->header.e_ehsize = sizeof(u->header);
	u->header.e_machine =
		u->image->machine == HS_MACHINE_X86_64 ? EM_X86_64 : EM_AARCH64;
	u->machine = elf_memory((char *)&u->header, sizeof(u->header));
	u->dwfl = dwfl_begin(&module_callbacks);
	if (!u->machine || !u->dwfl)
		return false;
	report_modules(u);
	return dwfl_attach_state(u->dwfl, u->machine, 1, &thread_callbacks, u);
}

static void end(struct unwinder *u)
{
	dwfl_end(u->dwfl);
	elf_end(u->machine);
	for (size_t i = 0; i < u->image->modules.n; i++)
		free(u->modules[i].memory);
	free(u->modules);
	hs_map_deinit(&u->tables);
	hs_array_free(&u->frames);
}

void hs_unwind(struct hs_image *image, struct hs_imagefiles *files,
	       struct hs_builder *builder)
{
	struct unwinder u = {.image = image,
			     .files = files,
			     .b = builder,
			     .memory_left = MAX_MEMORY_FILES,
			     .frames_left = ALL_FRAMES};
	u.modules = hs_xcalloc(image->modules.n + 1, sizeof(*u.modules));
	add_modules(&u);
	if (!begin(&u))
		hs_build_warn(builder, "no stacks: libdwfl: %s", dwfl_errmsg(-1));
	else
		for (size_t i = 0; i < image->threads.n; i++) {
			const struct hs_image_thread *t = &image->threads.at[i];
			hs_thread id = hs_build_thread(
				builder, t->tid, hs_build_cstring(builder, t->name));
			bool whole = walk(&u, t);
			tell_stack(&u, id, whole);
		}
	end(&u);
}
