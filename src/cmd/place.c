/* SPDX-License-Identifier: MIT */

/*
 * An installed tree may be moved as a whole, and a build tree works as it is:
 * first the neighbourhood of the executable, then what configure was told.
 */
#include "src/cmd/place.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define TRACKER  "libheapsnap.so"
#define RECORDER "heapsnap-recorder"

static const char *const tracker_places[] = {
	"/.libs/" TRACKER,
	"/../lib/heapsnap/" TRACKER,
	"/../lib64/heapsnap/" TRACKER,
	"/../lib/" HS_MULTIARCH "/heapsnap/" TRACKER,
	NULL,
};

static const char *const recorder_places[] = {
	"/" RECORDER,
	"/../libexec/heapsnap/" RECORDER,
	"/../lib/heapsnap/" RECORDER,
	NULL,
};

static struct hs_error *own_folder(char folder[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	if (n < 0)
		return hs_error("cannot read /proc/self/exe: %s; is /proc mounted?",
				strerror(errno));
	folder[n] = 0;
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = 0;
	return NULL;
}

static char *find(const char *folder, const char *const *places, const char *configured,
		  int mode)
{
	for (; *places; places++) {
		char *path = hs_xasprintf("%s%s", folder, *places);
		char *real = access(path, mode) ? NULL : realpath(path, NULL);
		free(path);
		if (real)
			return real;
	}
	return access(configured, mode) ? NULL : hs_xstrdup(configured);
}

/* ld.so(8): the names in LD_PRELOAD are separated by spaces and colons. */
static struct hs_error *check_tracker(const char *path)
{
	if (!path)
		return hs_error("cannot find " TRACKER " near the heapsnap program or as "
				"%s; install heapsnap again",
				HS_TRACKER_DIR "/" TRACKER);
	if (strpbrk(path, " :"))
		return hs_error(
			"cannot preload '%s': a path with a space or a colon does "
			"not work in LD_PRELOAD; install heapsnap elsewhere",
			path);
	return NULL;
}

struct hs_error *hs_place_find(struct hs_place *ret)
{
	char folder[PATH_MAX];
	if (!HS_HAVE_TRACKER)
		return hs_error("this heapsnap cannot record, only analyze: it was built "
				"without its tracker, which knows Linux with glibc on "
				"x86_64 and aarch64; record on such a machine");
	struct hs_error *err = own_folder(folder);
	if (err)
		return err;
	struct hs_place place = {
		.tracker = find(folder, tracker_places, HS_TRACKER_DIR "/" TRACKER, R_OK),
		.recorder =
			find(folder, recorder_places, HS_RECORDER_DIR "/" RECORDER, X_OK),
	};
	err = check_tracker(place.tracker);
	if (!err && !place.recorder)
		err = hs_error("cannot find " RECORDER " near the heapsnap program or as "
			       "%s; install heapsnap again",
			       HS_RECORDER_DIR "/" RECORDER);
	if (err)
		hs_place_deinit(&place);
	else
		*ret = place;
	return err;
}

void hs_place_deinit(struct hs_place *place)
{
	free(place->tracker);
	free(place->recorder);
	*place = (struct hs_place){0};
}
