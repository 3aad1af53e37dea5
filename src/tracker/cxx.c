/* SPDX-License-Identifier: MIT */

/*
 * Finding the real operator new and delete: in the objects behind ours in the
 * loader's list, by their own hash tables.
 *
 * dlsym(RTLD_NEXT) would not do.  It does not look into what was opened
 * RTLD_LOCAL, which is where a C program's C++ plugins have their runtime; it
 * waits for the loader's lock, which another thread may hold while a
 * constructor waits for this one; and it allocates its error message.
 *
 * The list is in the order of lookup for what the program was started with;
 * what came later stands behind.  The loader adds an object once it is complete
 * (glibc 2.26), and the first call into a runtime comes from code that keeps it
 * loaded.  Objects that only have the old DT_HASH are passed over.
 */
#include "src/tracker/cxx.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "src/tracker/real.h"

struct tr_cxx_real tr_cxx_reals[TR_CXX_OPS];

static const char *const names[TR_CXX_OPS] = {
	"_Znwm",
	"_Znam",
	"_ZnwmRKSt9nothrow_t",
	"_ZnamRKSt9nothrow_t",
	"_ZnwmSt11align_val_t",
	"_ZnamSt11align_val_t",
	"_ZnwmSt11align_val_tRKSt9nothrow_t",
	"_ZnamSt11align_val_tRKSt9nothrow_t",
	"_ZdlPv",
	"_ZdaPv",
	"_ZdlPvm",
	"_ZdaPvm",
	"_ZdlPvRKSt9nothrow_t",
	"_ZdaPvRKSt9nothrow_t",
	"_ZdlPvSt11align_val_t",
	"_ZdaPvSt11align_val_t",
	"_ZdlPvmSt11align_val_t",
	"_ZdaPvmSt11align_val_t",
	"_ZdlPvSt11align_val_tRKSt9nothrow_t",
	"_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

static bool started;

/* What an object's dynamic section leads to. */
struct symbols {
	const uint32_t *hash; /* DT_GNU_HASH */
	const Elf64_Sym *table;
	const char *strings;
};

/* The loader has added the bias in place, but in what it may not write (the vDSO). */
static const void *table_at(const struct link_map *l, const Elf64_Dyn *d)
{
	Elf64_Addr at = d->d_un.d_ptr;
	return (const void *)(at < l->l_addr ? at + l->l_addr : at);
}

static bool symbols_of(const struct link_map *l, struct symbols *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (const Elf64_Dyn *d = l->l_ld; d && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_GNU_HASH)
			ret->hash = table_at(l, d);
		else if (d->d_tag == DT_SYMTAB)
			ret->table = table_at(l, d);
		else if (d->d_tag == DT_STRTAB)
			ret->strings = table_at(l, d);
	}
	return ret->hash && ret->table && ret->strings;
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 5381;
	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static bool is_function(const Elf64_Sym *sym)
{
	return sym->st_shndx != SHN_UNDEF && sym->st_value && sym->st_size &&
	       ELF64_ST_TYPE(sym->st_info) == STT_FUNC;
}

/*
 * DT_GNU_HASH: number of buckets, first symbol, words and shift of the Bloom
 * filter; the filter; buckets; one word per symbol, whose lowest bit ends a chain.
 */
static const Elf64_Sym *look_up(const struct symbols *s, const char *name)
{
	uint32_t h = hash_of(name), n_buckets = s->hash[0], first = s->hash[1];
	uint32_t n_words = s->hash[2], shift = s->hash[3];
	const uint64_t *filter = (const void *)(s->hash + 4);
	const uint32_t *buckets = (const void *)(filter + n_words);
	if (!n_buckets || !n_words)
		return NULL;
	uint64_t word = filter[h / 64 & (n_words - 1)];
	if (!(word >> (h & 63) & word >> (h >> shift & 63) & 1))
		return NULL;
	uint32_t i = buckets[h % n_buckets];
	if (i < first)
		return NULL;
	for (const uint32_t *chain = buckets + n_buckets - first;; i++) {
		if ((chain[i] | 1) == (h | 1) && is_function(&s->table[i]) &&
		    !strcmp(s->strings + s->table[i].st_name, name))
			return &s->table[i];
		if (chain[i] & 1)
			return NULL;
	}
}

static void found(struct tr_cxx_real *r, const struct link_map *l, const Elf64_Sym *sym)
{
	uint64_t start = l->l_addr + sym->st_value;
	tr_cxx_function *call;
	memcpy(&call, &start, sizeof(call));
	r->size = sym->st_size;
	r->own = tr_real.foreign && tr_is_foreign_code(start);
	r->late = started;
	__atomic_store_n(&r->call, call, __ATOMIC_RELEASE);
}

static const struct link_map *own_object(void)
{
	struct dl_find_object o;
	return _dl_find_object(&tr_cxx_reals, &o) ? NULL : o.dlfo_link_map;
}

const struct tr_cxx_real *tr_cxx_find(unsigned op)
{
	tr_real.free(NULL); /* so that the real malloc is known */
	const struct link_map *l = own_object();
	while (l && (l = l->l_next)) {
		struct symbols s;
		const Elf64_Sym *sym = symbols_of(l, &s) ? look_up(&s, names[op]) : NULL;
		if (!sym)
			continue;
		found(&tr_cxx_reals[op], l, sym);
		return &tr_cxx_reals[op];
	}
	return NULL;
}

bool tr_cxx_is_code(uint64_t pc)
{
	for (unsigned op = 0; op < TR_CXX_OPS; op++)
		if (tr_cxx_calls(op, pc))
			return true;
	return false;
}

void tr_cxx_start(void)
{
	for (unsigned op = 0; op < TR_CXX_OPS; op++)
		tr_cxx_find(op);
	started = true;
}

void tr_cxx_forget(void)
{
	for (unsigned op = 0; op < TR_CXX_OPS; op++)
		if (tr_cxx_reals[op].late)
			__atomic_store_n(&tr_cxx_reals[op].call, NULL, __ATOMIC_RELEASE);
}
