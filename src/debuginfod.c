/* SPDX-License-Identifier: MIT */

/* libdebuginfod (elfutils 0.178 and later), by dlopen. */
#include "src/debuginfod.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

/* As <elfutils/debuginfod.h> has them; a build_id_len of 0 means text. */
struct debuginfod_client;
typedef int find_fn(struct debuginfod_client *client, const unsigned char *build_id,
		    int build_id_len, char **path_ret);

static struct {
	struct debuginfod_client *client;
	find_fn *find[2];
} lib;

struct hs_error *hs_debuginfod_begin(void)
{
	if (lib.client)
		return NULL;
	void *so = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!so)
		return hs_error("--debuginfod needs libdebuginfod (Debian: "
				"libdebuginfod1): %s",
				dlerror());
	struct debuginfod_client *(*begin)(void);
	*(void **)&begin = dlsym(so, "debuginfod_begin");
	*(void **)&lib.find[HS_DEBUGINFOD_DEBUG] = dlsym(so, "debuginfod_find_debuginfo");
	*(void **)&lib.find[HS_DEBUGINFOD_EXECUTABLE] =
		dlsym(so, "debuginfod_find_executable");
	if (begin && lib.find[0] && lib.find[1])
		lib.client = begin();
	return lib.client ? NULL : hs_error("libdebuginfod cannot be used here");
}

char *hs_debuginfod_fetch(enum hs_debuginfod_kind kind, const char *build_id)
{
	char *path = NULL;
	if (!lib.client || !build_id[0])
		return NULL;
	int fd = lib.find[kind](lib.client, (const unsigned char *)build_id, 0, &path);
	if (fd < 0)
		return NULL;
	close(fd);
	return path;
}
