/* SPDX-License-Identifier: MIT */

/*
 * Looking for ELF and debug files where distributions, gdb and users put
 * them.  Opens files and compares build-ids; knows nothing of symbols or of
 * DWARF's contents.
 */
#include "src/debugfile.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "src/array.h"
#include "src/debuginfod.h"
#include "src/file.h"
#include "src/hash.h"
#include "src/symbols.h"
#include "src/vmas.h"

#define DELETED " (deleted)"

/* Some hundred kilobytes for the largest programs. */
#define MAX_DEBUGDATA ((uint64_t)256 << 20)

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int dir_length(const char *path)
{
	return (int)(base_name(path) - path);
}

bool hs_debugfile_is_virtual(const char *path)
{
	const char *base = base_name(path);
	return path[0] == '[' || strncmp(base, "linux-vdso.so", 13) == 0 ||
	       strncmp(base, "linux-gate.so", 13) == 0;
}

/* -- One ELF file ----------------------------------------------------------- */

static char *read_build_id(Elf *elf)
{
	const void *bits;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &bits);
	const uint8_t *p = bits;
	char *hex = hs_xcalloc(1, n > 0 ? 2 * (size_t)n + 1 : 1);
	for (ssize_t i = 0; i < n; i++) {
		hex[2 * i] = "0123456789abcdef"[p[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	return hex;
}

static void close_elf(struct hs_elf_file *e)
{
	if (!e->elf)
		return;
	elf_end(e->elf);
	if (!e->bytes)
		close(e->fd);
	free(e->path);
	free(e->build_id);
	free(e->bytes);
	*e = (struct hs_elf_file){0};
}

/* Take ELF, opened from FD or from BYTES, if it is an ELF file at all. */
static bool adopt(Elf *elf, int fd, void *bytes, const char *path,
		  struct hs_elf_file *ret)
{
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return false;
	}
	*ret = (struct hs_elf_file){.elf = elf,
				    .fd = fd,
				    .bytes = bytes,
				    .path = hs_xstrdup(path),
				    .build_id = read_build_id(elf)};
	return true;
}

/*
 * A recorded path may by now be anything, or come from a hostile capture.  To
 * open a device can have effects, so it is looked at before; O_NONBLOCK is for
 * what became a pipe since.
 */
static bool open_elf(const char *path, struct hs_elf_file *ret)
{
	struct stat st;
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    elf_version(EV_CURRENT) != EV_NONE &&
	    adopt(elf_begin(fd, ELF_C_READ_MMAP, NULL), fd, NULL, path, ret))
		return true;
	close(fd);
	return false;
}

/* The section called NAME that has contents, or NULL. */
static Elf_Scn *find_section(Elf *elf, const char *name)
{
	size_t names;
	GElf_Shdr header;
	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s)) != NULL;) {
		if (!gelf_getshdr(s, &header) || header.sh_type == SHT_NOBITS)
			continue;
		const char *found = elf_strptr(elf, names, header.sh_name);
		if (found && strcmp(found, name) == 0)
			return s;
	}
	return NULL;
}

static bool has_dwarf(Elf *elf)
{
	return find_section(elf, ".debug_info") || find_section(elf, ".zdebug_info");
}

/* -- The module's own file -------------------------------------------------- */

struct search {
	const struct hs_debugfile_query *query;
	const struct hs_symbol_options *options;
	char *path;         /* the recorded one without " (deleted)" */
	char *misfit;       /* the first file found that is not the recorded one */
	char *misfit_id;    /* its build-id */
	bool misfit_by_age; /* it has no build-id, but was written later */
	bool misfit_by_shape;
};

static bool same_id(const char *a, const char *b)
{
	return a[0] && strcmp(a, b) == 0;
}

static bool written_since(const struct hs_elf_file *e, uint64_t recorded_ns)
{
	struct stat st;
	if (!recorded_ns || fstat(e->fd, &st) < 0 || st.st_mtim.tv_sec < 0)
		return false;
	return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec >
	       recorded_ns;
}

uint64_t hs_module_shape(uint64_t shape, uint64_t address, uint64_t size)
{
	const uint64_t fields[] = {address, size};
	return hs_hash_bytes(shape ? shape : HS_HASH_INIT, fields, sizeof(fields));
}

static uint64_t shape_of(Elf *elf)
{
	size_t n;
	uint64_t shape = 0;
	GElf_Phdr header;
	if (elf_getphdrnum(elf, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD)
			shape = hs_module_shape(shape, header.p_vaddr, header.p_memsz);
	return shape;
}

/* Without a build-id: is E the same in what else is known of it? */
static bool looks_same(const struct search *s, const struct hs_elf_file *e)
{
	if (s->query->shape)
		return s->query->shape == shape_of(e->elf);
	return !written_since(e, s->query->recorded_ns);
}

/*
 * Is E the file that was recorded?  TRUSTED says that the user vouches for it.
 */
static bool fits(struct search *s, const struct hs_elf_file *e, bool trusted)
{
	const char *id = s->query->build_id;
	if (id[0] ? same_id(id, e->build_id) : trusted || looks_same(s, e))
		return true;
	if (!s->misfit) {
		s->misfit = hs_xstrdup(e->path);
		s->misfit_id = hs_xstrdup(e->build_id);
		s->misfit_by_shape = !id[0] && s->query->shape;
		s->misfit_by_age = !id[0] && !s->query->shape;
	}
	return false;
}

static bool try_main(struct search *s, const char *path, bool trusted,
		     struct hs_elf_file *ret)
{
	struct hs_elf_file e;
	if (!open_elf(path, &e))
		return false;
	if (fits(s, &e, trusted)) {
		*ret = e;
		return true;
	}
	close_elf(&e);
	return false;
}

/* --exe: one with the same build-id, wherever it lies, else one of that name. */
static bool try_exes(struct search *s, struct hs_elf_file *ret)
{
	const char *const *exes = s->options->exes;
	for (; exes && *exes; exes++) {
		struct hs_elf_file e;
		if (!open_elf(*exes, &e))
			continue;
		bool named = strcmp(base_name(*exes), base_name(s->path)) == 0;
		if (same_id(s->query->build_id, e.build_id) ||
		    (named && fits(s, &e, true))) {
			*ret = e;
			return true;
		}
		close_elf(&e);
	}
	return false;
}

/* Since distributions merged /usr, /lib/x and /usr/lib/x are one file. */
static char *other_name(const char *path)
{
	if (strncmp(path, "/usr/", 5) == 0)
		return hs_xstrdup(path + 4);
	return path[0] == '/' ? hs_xasprintf("/usr%s", path) : hs_xstrdup(path);
}

static bool try_below(struct search *s, const char *root, const char *path,
		      struct hs_elf_file *ret)
{
	HS_CLEANUP(hs_freep) char *below = hs_xasprintf("%s/%s", root, path);
	return try_main(s, below, false, ret);
}

static bool try_sysroots(struct search *s, struct hs_elf_file *ret)
{
	const char *const *roots = s->options->sysroots;
	HS_CLEANUP(hs_freep) char *other = other_name(s->path);
	for (; roots && *roots; roots++)
		if (try_below(s, *roots, s->path, ret) ||
		    try_below(s, *roots, other, ret) ||
		    try_below(s, *roots, base_name(s->path), ret))
			return true;
	return false;
}

static bool find_main(struct search *s, struct hs_elf_file *ret)
{
	if (try_exes(s, ret) || try_sysroots(s, ret))
		return true;
	/* With a sysroot, this machine's files are foreign unless an id says otherwise.
	 */
	bool foreign = s->options->sysroots && s->options->sysroots[0];
	return (!foreign || s->query->build_id[0]) && try_main(s, s->path, false, ret);
}

static char *describe_failure(const struct search *s)
{
	const char *then = s->query->build_id;
	if (!s->misfit)
		return hs_xasprintf(
			"%s is not here (any more): its frames stay unnamed; give "
			"the file with --exe, its folder with --sysroot, or debug "
			"files with --debug-dir",
			s->path);
	if (s->misfit_by_age)
		return hs_xasprintf(
			"%s was changed after the recording began and has no "
			"build-id to compare: its frames stay unnamed; if it is "
			"the same program, give it with --exe",
			s->misfit);
	bool here = strcmp(s->misfit, s->path) == 0;
	if (s->misfit_by_shape)
		return hs_xasprintf(
			"%s %s (its segments have other sizes): its frames stay "
			"unnamed; give the old file's folder with --sysroot, or the "
			"file with --exe",
			s->misfit,
			here ? "was replaced since the recording"
			     : "is not the file that was recorded");
	return hs_xasprintf(
		"%s %s (build-id %.8s.. then, %.8s%s %s): its frames stay unnamed; "
		"give --debug-dir or the old file with --exe",
		s->misfit,
		here ? "was replaced since the recording"
		     : "is not the file that was recorded",
		then, s->misfit_id[0] ? s->misfit_id : "none",
		s->misfit_id[0] ? ".." : "", here ? "now" : "here");
}

/* -- Separate debug information ---------------------------------------------- */

struct path_list {
	char **at;
	size_t n, room;
};

/* The folders that hold debug files, in the order in which they are asked. */
static void list_debug_dirs(const struct hs_symbol_options *options,
			    struct path_list *list)
{
	const char *const *p = options->debug_dirs;
	for (; p && *p; p++)
		hs_array_push(list, hs_xstrdup(*p));
	for (p = options->sysroots; p && *p; p++)
		hs_array_push(list, hs_xasprintf("%s/usr/lib/debug", *p));
	hs_array_push(list, hs_xstrdup("/usr/lib/debug"));
}

static void free_paths(struct path_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->at[i]);
	hs_array_free(list);
}

/* DIR/.build-id/xx/yyyy with SUFFIX; the file must say the same id. */
static bool open_by_id(const struct path_list *dirs, const char *id, const char *suffix,
		       struct hs_elf_file *ret)
{
	if (strlen(id) < 3)
		return false;
	for (size_t i = 0; i < dirs->n; i++) {
		HS_CLEANUP(hs_freep)
		char *path = hs_xasprintf("%s/.build-id/%.2s/%s%s", dirs->at[i], id,
					  id + 2, suffix);
		if (!open_elf(path, ret))
			continue;
		if (same_id(id, ret->build_id))
			return true;
		close_elf(ret);
	}
	return false;
}

static bool has_crc(const struct hs_elf_file *e, uint32_t wanted)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(e->path, 1, &file);
	if (err) {
		hs_error_free(err);
		return false;
	}
	bool same = crc32_z(crc32_z(0, NULL, 0), file.data, file.size) == wanted;
	hs_file_close(&file);
	return same;
}

static bool open_linked(const struct hs_elf_file *main, const char *path, uint32_t crc,
			struct hs_elf_file *ret)
{
	if (!open_elf(path, ret))
		return false;
	bool comparable = main->build_id[0] && ret->build_id[0];
	if (has_dwarf(ret->elf) &&
	    (comparable ? same_id(main->build_id, ret->build_id) : has_crc(ret, crc)))
		return true;
	close_elf(ret);
	return false;
}

/* .gnu_debuglink: gdb's order, with RECORDED's folder below the debug folders. */
static bool open_by_link(const struct hs_elf_file *main, const char *recorded,
			 const struct path_list *dirs, struct hs_elf_file *ret)
{
	GElf_Word crc;
	const char *name = dwelf_elf_gnu_debuglink(main->elf, &crc);
	if (!name || !name[0] || strchr(name, '/'))
		return false;
	struct path_list tries = {0};
	int n = dir_length(main->path);
	hs_array_push(&tries, hs_xasprintf("%.*s%s", n, main->path, name));
	hs_array_push(&tries, hs_xasprintf("%.*s.debug/%s", n, main->path, name));
	for (size_t i = 0; i < dirs->n; i++) {
		n = dir_length(recorded);
		hs_array_push(&tries,
			      hs_xasprintf("%s/%.*s%s", dirs->at[i], n, recorded, name));
		hs_array_push(&tries, hs_xasprintf("%s/%s", dirs->at[i], name));
	}
	bool found = false;
	for (size_t i = 0; i < tries.n && !found; i++)
		found = open_linked(main, tries.at[i], crc, ret);
	free_paths(&tries);
	return found;
}

/* .gnu_debugdata: an ELF file of local symbols, packed with xz (Fedora). */
static void open_mini(struct hs_debugfile *file)
{
	Elf_Scn *section = find_section(file->main.elf, ".gnu_debugdata");
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	struct hs_file unpacked;
	if (!data || !data->d_buf)
		return;
	struct hs_error *err =
		hs_file_unpack(data->d_buf, data->d_size, MAX_DEBUGDATA, &unpacked);
	if (err) {
		hs_error_free(err);
		return;
	}
	char *bytes = unpacked.heap;
	if (!adopt(elf_memory(bytes, unpacked.size), -1, bytes, file->main.path,
		   &file->mini))
		hs_file_close(&unpacked);
}

/* -- DWARF -------------------------------------------------------------------- */

/*
 * dwz moves what several files have in common into one of their own.  libdw
 * would look for it by itself, though not in the user's folders.
 */
static void open_alt(struct hs_debugfile *file, const char *of,
		     const struct path_list *dirs)
{
	const char *name;
	const void *bits;
	ssize_t n = dwelf_dwarf_gnu_debugaltlink(file->dwarf, &name, &bits);
	if (n <= 0 || n > 64)
		return;
	char id[2 * 64 + 1] = "";
	for (ssize_t i = 0; i < n; i++) {
		id[2 * i] = "0123456789abcdef"[((const uint8_t *)bits)[i] >> 4];
		id[2 * i + 1] = "0123456789abcdef"[((const uint8_t *)bits)[i] & 15];
	}
	HS_CLEANUP(hs_freep)
	char *path = name[0] == '/' ? hs_xstrdup(name)
				    : hs_xasprintf("%.*s%s", dir_length(of), of, name);
	struct hs_elf_file *alt = &file->alt;
	if (!open_by_id(dirs, id, ".debug", alt) && !open_elf(path, alt))
		return;
	if (same_id(id, alt->build_id))
		file->alt_dwarf = dwarf_begin_elf(alt->elf, DWARF_C_READ, NULL);
	if (file->alt_dwarf)
		dwarf_setalt(file->dwarf, file->alt_dwarf);
}

/*
 * Sections that are packed were read once, and are megabytes: give those pages back.
 * They come again from the file if somebody wants them; bytes of the heap would not,
 * so it must be a mapping of the file and nothing else.
 */
static void forget_pages(Elf *elf)
{
	struct hs_vmas vmas;
	size_t size;
	const char *raw = elf_rawfile(elf, &size);
	if (!raw || !hs_vmas_read(getpid(), false, &vmas))
		return;
	for (size_t i = 0; i < vmas.list.n; i++) {
		const struct hs_vma *v = &vmas.list.at[i];
		if (v->start == (uint64_t)(uintptr_t)raw && hs_vma_has_file(v) &&
		    !(v->flags & HS_VMA_WRITE) && v->end - v->start >= size)
			(void)madvise((void *)(uintptr_t)raw, size, MADV_DONTNEED);
	}
	hs_vmas_deinit(&vmas);
}

static void open_dwarf(struct hs_debugfile *file, const struct path_list *dirs)
{
	struct hs_elf_file *e = file->debug.elf ? &file->debug : &file->main;
	if (!e->elf || !has_dwarf(e->elf))
		return;
	file->dwarf = dwarf_begin_elf(e->elf, DWARF_C_READ, NULL);
	forget_pages(e->elf);
	if (file->dwarf)
		open_alt(file, e->path, dirs);
}

/* What a server has by the build-id, which the file must have, too. */
static bool open_fetched(const struct search *s, enum hs_debuginfod_kind kind,
			 const char *id, struct hs_elf_file *ret)
{
	HS_CLEANUP(hs_freep)
	char *path = s->options->debuginfod ? hs_debuginfod_fetch(kind, id) : NULL;
	if (!path || !open_elf(path, ret))
		return false;
	if (same_id(id, ret->build_id))
		return true;
	close_elf(ret);
	return false;
}

static bool open_all(struct search *s, const struct path_list *dirs,
		     struct hs_debugfile *file)
{
	const char *id = s->query->build_id;
	if (find_main(s, &file->main) ||
	    open_fetched(s, HS_DEBUGINFOD_EXECUTABLE, id, &file->main)) {
		id = file->main.build_id;
		if (!has_dwarf(file->main.elf) &&
		    !open_by_id(dirs, id, ".debug", &file->debug) &&
		    !open_by_link(&file->main, s->path, dirs, &file->debug))
			open_fetched(s, HS_DEBUGINFOD_DEBUG, id, &file->debug);
		open_mini(file);
	} else if (!open_by_id(dirs, id, ".debug", &file->debug) &&
		   !open_by_id(dirs, id, "", &file->debug) &&
		   !open_fetched(s, HS_DEBUGINFOD_DEBUG, id, &file->debug)) {
		return false;
	}
	if (!s->query->no_dwarf)
		open_dwarf(file, dirs);
	return true;
}

bool hs_debugfile_open(const struct hs_debugfile_query *query,
		       const struct hs_symbol_options *options, struct hs_debugfile *ret,
		       char **warning_ret)
{
	*warning_ret = NULL;
	if (hs_debugfile_is_virtual(query->path))
		return false;
	struct search s = {.query = query, .options = options};
	size_t n = strlen(query->path), cut = sizeof(DELETED) - 1;
	s.path = hs_xstrdup(query->path);
	if (n > cut && strcmp(s.path + n - cut, DELETED) == 0)
		s.path[n - cut] = '\0';
	struct path_list dirs = {0};
	list_debug_dirs(options, &dirs);
	struct hs_debugfile file = {0};
	bool found = open_all(&s, &dirs, &file);
	if (found)
		*ret = file;
	else
		*warning_ret = describe_failure(&s);
	free_paths(&dirs);
	free(s.path);
	free(s.misfit);
	free(s.misfit_id);
	return found;
}

void hs_debugfile_close(struct hs_debugfile *file)
{
	dwarf_end(file->dwarf);
	dwarf_end(file->alt_dwarf);
	close_elf(&file->mini);
	close_elf(&file->alt);
	close_elf(&file->debug);
	close_elf(&file->main);
	*file = (struct hs_debugfile){0};
}

uint64_t hs_debugfile_address(const struct hs_debugfile *file, uint64_t offset)
{
	size_t n;
	if (!file->main.elf || elf_getphdrnum(file->main.elf, &n) != 0)
		return offset;
	for (size_t i = 0; i < n && i < INT_MAX; i++) {
		GElf_Phdr p;
		if (gelf_getphdr(file->main.elf, (int)i, &p) && p.p_type == PT_LOAD &&
		    offset >= p.p_offset && offset - p.p_offset < p.p_filesz)
			return p.p_vaddr + (offset - p.p_offset);
	}
	return offset;
}
