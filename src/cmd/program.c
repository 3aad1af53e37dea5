/* SPDX-License-Identifier: MIT */

/* Looking at a program's file: ELF headers, #! lines, privileges. */
#include "src/cmd/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "src/cmd/elf.h"

/* How many #! lines the kernel follows (BINPRM_MAX_RECURSION). */
#define MOST_INTERPRETERS 5

/* Linux reads this much of a file to find a #! line. */
#define LINE_ROOM 256

static struct hs_error *cannot_run(const char *path, const char *why)
{
	return hs_error("cannot run '%s': %s", path, why);
}

static struct hs_error *check_file(const char *path)
{
	struct stat st;
	if (stat(path, &st))
		return cannot_run(path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return cannot_run(path, "it is a directory; name a program");
	if (!S_ISREG(st.st_mode))
		return cannot_run(path, "it is not an ordinary file");
	/* Root may do anything but execute what nobody may. */
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return cannot_run(path, errno == EACCES ? "it is not executable; see "
							  "'chmod +x', and the mount's "
							  "noexec"
							: strerror(errno));
	return NULL;
}

/* Search $PATH.  Like execvp(), go on after what may not be executed. */
static struct hs_error *search(const char *name, char **ret)
{
	const char *path = getenv("PATH");
	struct hs_error *denied = NULL;
	for (const char *p = path ? path : "/bin:/usr/bin"; p;) {
		size_t n = strcspn(p, ":");
		char *file = n ? hs_xasprintf("%.*s/%s", (int)n, p, name)
			       : hs_xasprintf("./%s", name);
		p = p[n] ? p + n + 1 : NULL;
		struct hs_error *err = access(file, F_OK) ? NULL : check_file(file);
		if (!access(file, F_OK) && !err) {
			hs_error_free(denied);
			*ret = file;
			return NULL;
		}
		free(file);
		if (err && !denied)
			denied = err;
		else
			hs_error_free(err);
	}
	if (denied)
		return denied;
	return hs_error("cannot find a program '%s' in PATH; give its path, as ./%s",
			name, name);
}

static struct hs_error *locate(const char *name, char **ret)
{
	if (!*name)
		return hs_error("cannot run a program whose name is empty");
	if (!strchr(name, '/'))
		return search(name, ret);
	struct hs_error *err = check_file(name);
	if (!err)
		*ret = hs_xstrdup(name);
	return err;
}

/*
 * Will the kernel set AT_SECURE?  Then ld.so ignores LD_PRELOAD.  It does so
 * when the effective ids become other than the real ones, and when somebody
 * other than root gains capabilities (security/commoncap.c).
 */
static bool gains_privilege(const char *path)
{
	struct stat st;
	struct statvfs fs;
	if (stat(path, &st) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (!statvfs(path, &fs) && (fs.f_flag & ST_NOSUID))
		return false;
	bool user = (st.st_mode & S_ISUID) && st.st_uid != getuid();
	bool group =
		(st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid();
	bool caps = getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
	return user || group || caps;
}

static struct hs_error *check_elf(const char *path, const struct hs_elf *elf)
{
	if (!elf->machine_fits)
		return hs_error("cannot record '%s': it is a program for %s, and "
				"heapsnap records 64-bit programs of this machine only",
				path, elf->machine);
	if (!elf->interpreter)
		return hs_error("cannot record '%s': it is statically linked, so no "
				"library can be preloaded; link it without -static",
				path);
	if (strstr(elf->interpreter, "ld-musl"))
		return hs_error("cannot record '%s': it uses the C library musl, and "
				"heapsnap needs glibc",
				path);
	if (access(elf->interpreter, F_OK))
		return hs_error("cannot run '%s': its loader %s does not exist", path,
				elf->interpreter);
	if (gains_privilege(path))
		return hs_error("cannot record '%s': it is setuid, setgid or has file "
				"capabilities, so that LD_PRELOAD is ignored; run it as "
				"the user it changes to, or record a copy without them",
				path);
	return NULL;
}

/* The interpreter of a file that begins with LINE, or NULL. */
static char *interpreter_of(char *line)
{
	if (line[0] != '#' || line[1] != '!')
		return NULL;
	line[strcspn(line, "\n")] = 0;
	char *p = line + 2 + strspn(line + 2, " \t");
	p[strcspn(p, " \t")] = 0;
	return *p ? hs_xstrdup(p) : NULL;
}

static struct hs_error *read_start(const char *path, char line[LINE_ROOM])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return hs_error("cannot look at '%s': %s; heapsnap must be able to read "
				"a program to record it",
				path, strerror(errno));
	ssize_t n = read(fd, line, LINE_ROOM - 1);
	close(fd);
	line[n > 0 ? n : 0] = 0;
	return NULL;
}

/* Look at FILE: *NEXT is its interpreter where it is a script. */
static struct hs_error *look(const char *file, struct hs_program *program, char **next)
{
	char line[LINE_ROOM];
	struct hs_elf elf;
	struct hs_error *err = check_file(file);
	if (!err)
		err = read_start(file, line);
	if (err)
		return err;
	*next = interpreter_of(line);
	if (*next)
		return NULL;
	if (memcmp(line, ELFMAG, SELFMAG) != 0)
		return cannot_run(file, "it is neither an ELF program nor a script that "
					"begins with #!; a shell's commands go with "
					"'heapsnap run -- sh FILE'");
	err = hs_elf_read(file, &elf);
	if (!err) {
		err = check_elf(file, &elf);
		program->sanitizer = elf.sanitizer;
		hs_elf_deinit(&elf);
	}
	return err;
}

struct hs_error *hs_program_find(const char *name, struct hs_program *ret)
{
	struct hs_program program = {0};
	struct hs_error *err = locate(name, &program.path);
	char *file = err ? NULL : hs_xstrdup(program.path);
	for (int i = 0; file && !err; i++) {
		char *next = NULL;
		err = look(file, &program, &next);
		if (err && i)
			err = hs_error_in(err, "the interpreter of '%s'", program.path);
		if (!err && next && i == MOST_INTERPRETERS)
			err = cannot_run(program.path, "it is a script of a script of a "
						       "script without end");
		free(file);
		file = next;
	}
	free(file);
	if (err)
		hs_program_deinit(&program);
	else
		*ret = program;
	return err;
}

void hs_program_deinit(struct hs_program *program)
{
	free(program->path);
	*program = (struct hs_program){0};
}
