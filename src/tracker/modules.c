/* SPDX-License-Identifier: MIT */

/*
 * Loaded objects.  Nothing is asked of the loader: when the unwinder meets a
 * pc for the first time it has the object at hand, and an object that was not
 * told of yet is told then, before the first stack that needs it.
 */
#include "src/tracker/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "src/tracker/emit.h"
#include "src/tracker/state.h"
#include "src/tracker/unwind.h"

#define KNOWN 512u /* power of two; a collision only repeats a record */

/* Objects that were told of in this epoch, by start address. */
static struct known {
	uint64_t start, end;
	uint32_t epoch_plus_1;
} known[KNOWN];

static char exe_path[4096];

void tr_modules_start(void)
{
	sys_readlink("/proc/self/exe", exe_path, sizeof(exe_path));
	memset(known, 0, sizeof(known));
}

/* The build-id among the notes of the object whose ELF header lies at BASE. */
static const uint8_t *find_build_id(uint64_t base, uint64_t end, uint64_t bias,
				    size_t *size_ret)
{
	const ElfW(Ehdr) *e = (const void *)base;
	if (end - base < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) ||
	    e->e_phentsize != sizeof(ElfW(Phdr)) ||
	    e->e_phoff + (uint64_t)e->e_phnum * sizeof(ElfW(Phdr)) > HS_WIRE_PAGE)
		return NULL;
	const ElfW(Phdr) *ph = (const void *)(base + e->e_phoff);
	for (unsigned i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type != PT_NOTE)
			continue;
		uint64_t p = bias + ph[i].p_vaddr, stop = p + ph[i].p_memsz;
		if (p < base || stop > end || stop < p)
			continue;
		while (stop - p >= sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *n = (const void *)p;
			uint64_t desc = p + sizeof(*n) + ((n->n_namesz + 3u) & ~3u);
			uint64_t next = desc + ((n->n_descsz + 3u) & ~3u);
			if (next > stop || next <= p)
				break;
			if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
			    !memcmp(n + 1, "GNU", 4)) {
				*size_ret = n->n_descsz;
				return (const void *)desc;
			}
			p = next;
		}
	}
	return NULL;
}

static void tell(struct tr_stream *s, const struct dl_find_object *o, const char *path)
{
	uint64_t start = (uint64_t)o->dlfo_map_start, end = (uint64_t)o->dlfo_map_end;
	uint64_t bias = o->dlfo_link_map->l_addr;
	size_t size = 0;
	const uint8_t *id = find_build_id(start, end, bias, &size);
	uint64_t numbers[] = {tr_epoch, start, end, bias};
	tr_emit_text(s, HS_WIRE_MODULE, numbers, 4, id ? id : (const uint8_t *)"", size,
		     path, strlen(path));
}

/* dlopen("./x.so") leaves a relative name; the program may change its folder later. */
static void tell_relative(struct tr_stream *s, const struct dl_find_object *o,
			  const char *name)
{
	char path[1024];
	char *p = path;
	if (sys_getcwd(path, sizeof(path)) > 0)
		p += strlen(path);
	*p = '\0';
	tr_append(&p, path + sizeof(path), "/");
	tr_append(&p, path + sizeof(path), name);
	tell(s, o, path);
}

void tr_module_seen(const struct dl_find_object *o)
{
	struct tr_stream *s = tr_current_stream();
	if (!s || !o->dlfo_link_map)
		return;
	uint64_t start = (uint64_t)o->dlfo_map_start;
	struct known *k = &known[(start >> 12) * 0x9e3779b97f4a7c15u >> 55 & (KNOWN - 1)];
	if (k->start == start && k->end == (uint64_t)o->dlfo_map_end &&
	    k->epoch_plus_1 == tr_epoch + 1)
		return;
	const char *name = o->dlfo_link_map->l_name;
	if (!name || !*name)
		tell(s, o, exe_path);
	else if (*name == '/' || !strncmp(name, "linux-vdso", 10))
		tell(s, o, name);
	else
		tell_relative(s, o, name);
	/* Torn by a racing thread, it repeats a record. */
	*k = (struct known){start, (uint64_t)o->dlfo_map_end, tr_epoch + 1};
}

static int count_unloads(struct dl_phdr_info *info, size_t size, void *ret)
{
	(void)size;
	*(unsigned long long *)ret = info->dlpi_subs;
	return 1;
}

void tr_modules_check_unloaded(void)
{
	static unsigned long long seen;
	unsigned long long now = seen;
	dl_iterate_phdr(count_unloads, &now);
	if (__atomic_exchange_n(&seen, now, __ATOMIC_ACQ_REL) == now)
		return;
	tr_unwind_forget();
	uint32_t epoch = __atomic_add_fetch(&tr_epoch, 1, __ATOMIC_ACQ_REL);
	if (tr_header)
		__atomic_store_n(&tr_header->epoch, epoch, __ATOMIC_RELEASE);
}
