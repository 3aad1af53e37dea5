/* SPDX-License-Identifier: MIT */

/* The unwinder, by libgcc's own (linked statically and hidden). */
#include "src/tracker/unwind.h"

#include <dlfcn.h>
#include <string.h>
#include <unwind.h>

#include "src/wire.h"

#define SEEN 4096u

/* Pages of code whose object was told of. */
static uint64_t seen[SEEN];

struct walk {
	uint64_t first, *pcs;
	size_t n, room;
};

static void see(uint64_t pc)
{
	uint64_t page = pc >> 12;
	uint64_t *known = &seen[page * 0x9e3779b97f4a7c15u >> 52 & (SEEN - 1)];
	struct dl_find_object object;
	if (*known == page + 1)
		return;
	void *address = (char *)0 + pc;
	if (_dl_find_object(address, &object) == 0)
		tr_module_seen(&object);
	*known = page + 1;
}

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
	struct walk *w = arg;
	uint64_t pc = _Unwind_GetIP(context);
	if (w->n == 0 && pc != w->first)
		return _URC_NO_REASON;
	if (pc == 0)
		return _URC_END_OF_STACK;
	if (w->n == w->room)
		return _URC_END_OF_STACK;
	w->pcs[w->n++] = pc;
	return _URC_NO_REASON;
}

size_t tr_unwind(const uint64_t *slot, uint64_t fp, uint64_t *pcs, size_t room,
		 uint32_t *flags_ret)
{
	struct walk w = {.first = *slot, .pcs = pcs, .room = room};
	(void)fp;
	_Unwind_Backtrace(step, &w);
	if (w.n == 0)
		pcs[w.n++] = *slot;
	if (w.n == room)
		*flags_ret |= HS_WIRE_STACK_CUT;
	for (size_t i = 0; i < w.n; i++)
		see(pcs[i] - 1);
	return w.n;
}

void tr_unwind_forget(void)
{
	memset(seen, 0, sizeof(seen));
}
