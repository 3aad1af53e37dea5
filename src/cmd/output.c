/* SPDX-License-Identifier: MIT */

/* Output files, replaced in one step. */
#include "src/cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/names.h"

char *hs_path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	return hs_xasprintf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

char *hs_path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return hs_xstrdup(".");
	return slash == path ? hs_xstrdup("/")
			     : hs_xasprintf("%.*s", (int)(slash - path), path);
}

/* The mode that open(2) would have given. */
static mode_t usual_mode(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

static struct hs_error *open_directly(struct hs_output *o)
{
	o->fd = open(o->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return o->fd < 0 ? hs_error("cannot write %s: %s", o->path, strerror(errno))
			 : NULL;
}

static struct hs_error *open_temporary(struct hs_output *o, mode_t mode)
{
	char *dir = hs_path_dir(o->path);
	char *name = hs_xasprintf(".%s.XXXXXX", hs_base_name(o->path));
	o->temporary = hs_path_join(dir, name);
	free(name);
	o->fd = mkostemp(o->temporary, O_CLOEXEC);
	struct hs_error *err = NULL;
	if (o->fd < 0) {
		err = hs_error("cannot write %s: cannot make a file in %s: %s", o->path,
			       dir, strerror(errno));
		free(HS_TAKE(o->temporary));
	} else {
		/* Fails on file systems without modes, where it does not matter. */
		(void)!fchmod(o->fd, mode);
	}
	free(dir);
	return err;
}

/* The name that the file really has: a link stays a link. */
static void resolve(struct hs_output *o)
{
	char *real = realpath(o->path, NULL);
	if (!real)
		return;
	free(o->path);
	o->path = hs_xstrdup(real);
	free(real);
}

/* Give RET the file that O describes, or free what it has. */
static struct hs_error *begin(struct hs_output *o, struct hs_error *err,
			      struct hs_output *ret)
{
	if (err) {
		free(o->path);
		return err;
	}
	hs_out_init(&o->out, o->fd);
	*ret = *o;
	return NULL;
}

struct hs_error *hs_output_open(const char *path, struct hs_output *ret)
{
	struct hs_output o = {.fd = STDOUT_FILENO, .path = hs_xstrdup(path)};
	struct hs_error *err = NULL;
	struct stat st;
	bool there = strcmp(path, "-") != 0 && stat(path, &st) == 0;
	/* /dev/stdout and its like: what they lead to has a writer already. */
	bool special = !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);

	if (!strcmp(path, "-")) {
		free(o.path);
		o.path = hs_xstrdup("stdout");
	} else if (there && S_ISDIR(st.st_mode)) {
		err = hs_error("cannot write %s: it is a directory", path);
	} else if (special || (there && !S_ISREG(st.st_mode))) {
		err = open_directly(&o);
	} else {
		resolve(&o);
		err = open_temporary(&o, there ? st.st_mode & 0777 : usual_mode());
	}
	return begin(&o, err, ret);
}

struct hs_error *hs_output_create(const char *path, struct hs_output *ret)
{
	struct hs_output o = {.fd = -1, .path = hs_xstrdup(path)};
	struct hs_error *err = NULL;
	struct stat st;
	mode_t mode = usual_mode();
	bool there = lstat(path, &st) == 0;

	/* An older report may have been made private; nobody makes ours public. */
	if (there && S_ISREG(st.st_mode))
		mode &= st.st_mode;
	if (there && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		err = hs_error("cannot write %s: %s is there, and is not a file; remove "
			       "it",
			       path, path);
	else
		err = open_temporary(&o, mode);
	return begin(&o, err, ret);
}

struct hs_error *hs_output_close(struct hs_output *o)
{
	struct hs_error *err = hs_out_finish(&o->out, o->path);
	if (o->fd != STDOUT_FILENO && close(o->fd) != 0 && !err)
		err = hs_error("cannot write %s: %s", o->path, strerror(errno));
	if (!err && o->temporary && rename(o->temporary, o->path) != 0)
		err = hs_error("cannot write %s: %s", o->path, strerror(errno));
	if (err && o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	free(o->path);
	*o = (struct hs_output){.fd = -1};
	return err;
}

void hs_output_discard(struct hs_output *o)
{
	o->out.n = 0; /* what is pending stays so */
	hs_error_free(hs_out_finish(&o->out, o->path));
	if (o->fd != STDOUT_FILENO)
		close(o->fd);
	if (o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	free(o->path);
	*o = (struct hs_output){.fd = -1};
}
