/* SPDX-License-Identifier: MIT */

/* The directory for captures: made, and tried, before the program starts. */
#include "src/cmd/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "src/out.h"

#define ROOM_BYTES (1 << 20)

char *hs_expand_dir(const char *pattern, const char *path)
{
	struct hs_out out;
	struct utsname host;
	const char *slash = strrchr(path, '/');
	hs_out_init(&out, -1);
	for (const char *p = pattern; *p; p++) {
		if (*p != '%' || !p[1]) {
			hs_putc(&out, *p);
			continue;
		}
		p++;
		if (*p == 'n')
			hs_puts(&out, slash ? slash + 1 : path);
		else if (*p == 'h')
			hs_puts(&out, uname(&host) ? "localhost" : host.nodename);
		else if (*p == 'p')
			hs_printf(&out, "%d", (int)getpid());
		else if (*p == '%')
			hs_putc(&out, '%');
	}
	return hs_out_take(&out, NULL);
}

static struct hs_error *cannot_use(const char *dir, const char *why)
{
	return hs_error("cannot write captures to '%s': %s", dir, why);
}

/* Make DIR and what leads to it.  *MADE_RET: the first folder that was new. */
static struct hs_error *make(const char *dir, char **made_ret)
{
	HS_CLEANUP(hs_freep) char *path = hs_xstrdup(dir);
	*made_ret = NULL;
	for (char *p = path + 1;; p++) {
		if (*p != '/' && *p)
			continue;
		char end = *p;
		*p = 0;
		if (!mkdir(path, 0777)) {
			if (!*made_ret)
				*made_ret = hs_xstrdup(path);
		} else if (errno != EEXIST) {
			return hs_error(
				"cannot write captures to '%s': cannot make '%s': "
				"%s; choose another directory with -o",
				dir, path, strerror(errno));
		}
		*p = end;
		if (!end)
			return NULL;
	}
}

/* A file without a name, or one whose name is gone at once. */
static int temporary(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	char *name = hs_xasprintf("%s/.heapsnap-XXXXXX", dir);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	return fd;
}

/* Is there room for a first megabyte?  Returns 0 or an errno. */
static int try_room(int fd)
{
	static const char block[4096];
	if (!fallocate(fd, 0, 0, ROOM_BYTES))
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return errno;
	for (int i = 0; i < ROOM_BYTES; i += (int)sizeof(block))
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return errno ? errno : ENOSPC;
	return 0;
}

static struct hs_error *try_dir(const char *dir)
{
	struct stat st;
	if (stat(dir, &st))
		return cannot_use(dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return cannot_use(dir, "it is not a directory; choose another with -o");
	int fd = temporary(dir);
	if (fd < 0) {
		char *why = hs_xasprintf("%s; choose another directory with -o",
					 strerror(errno));
		struct hs_error *err = cannot_use(dir, why);
		free(why);
		return err;
	}
	/* A limit on the size of files is to be told, not to be died of. */
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	sigaction(SIGXFSZ, &ignore, &before);
	int failed = try_room(fd);
	sigaction(SIGXFSZ, &before, NULL);
	close(fd);
	if (failed == EFBIG)
		return cannot_use(dir, "files may not have a megabyte here; see 'ulimit "
				       "-f'");
	if (failed)
		return hs_error("cannot write captures to '%s': there is no room for a "
				"megabyte (%s); make room, or choose another directory "
				"with -o",
				dir, strerror(failed));
	return NULL;
}

struct hs_error *hs_output_dir(const char *dir, char **ret)
{
	char cwd[PATH_MAX];
	if (!*dir)
		return hs_error("cannot write captures: the directory's name is empty");
	if (*dir != '/' && !getcwd(cwd, sizeof(cwd)))
		return cannot_use(dir, "the current directory was removed");
	char *path = *dir == '/' ? hs_xstrdup(dir) : hs_xasprintf("%s/%s", cwd, dir);
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = 0;
	HS_CLEANUP(hs_freep) char *made = NULL;
	struct hs_error *err = make(path, &made);
	if (!err)
		err = try_dir(path);
	if (err) {
		/* Leave nothing behind: only an empty folder goes. */
		if (made)
			rmdir(made);
		free(path);
		return err;
	}
	*ret = path;
	return NULL;
}
