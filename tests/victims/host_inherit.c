/* SPDX-License-Identifier: MIT */

/*
 * Processes that inherit blocks; see tests/host_inherit.py, which knows these
 * figures.  Each says its letter and pid.
 *
 *      P  has 87 blocks, 80,350 bytes, at its first fork, 7 of 350 bytes at the
 *         second and 4 of 200 bytes at the third and fourth
 *      A  P's first child: waits until P has freed 80 blocks, frees 30 of those it
 *         inherited, makes 5 blocks, forks G
 *      G  inherits what A had left, 62 blocks; frees 3 of them
 *      B  P's second child: makes 3 blocks of 11 bytes, forks H, frees 1 of P's
 *      H  inherits 10 blocks, 383 bytes, and frees none
 *      C  P's third child, made by a system call: frees 1 of P's
 *      D  the child of P's fourth child, which does nothing but fork: inherits P's
 *         4 blocks, frees 1
 *
 * Each child makes one block of 10 bytes more and leaves by _exit.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host.h"

static char *large[100], *small[7], *of_a[5], *of_b[3];

static void allocate(char **blocks, int n, size_t size)
{
	for (int i = 0; i < n; i++) {
		blocks[i] = malloc(size);
		NEED(blocks[i]);
	}
}

static void give_back(char **blocks, int n)
{
	for (int i = 0; i < n; i++)
		free(blocks[i]);
}

static void wait_for(pid_t pid)
{
	int status;
	NEED(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		NEED(errno == EINTR);
	NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static _Noreturn void leave(const char *name)
{
	char *p = malloc(10);
	KEEP(p);
	say_number(name, getpid());
	_exit(0);
}

static _Noreturn void be_a(int go)
{
	char c;
	NEED(read(go, &c, 1) == 1);
	give_back(large + 20, 30);
	allocate(of_a, 5, 200);
	pid_t pid = fork();
	if (pid == 0) {
		give_back(large + 50, 2);
		give_back(of_a, 1);
		leave("G");
	}
	wait_for(pid);
	leave("A");
}

static _Noreturn void be_between(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		give_back(small + 4, 1);
		leave("D");
	}
	wait_for(pid);
	_exit(0);
}

static _Noreturn void be_b(void)
{
	allocate(of_b, 3, 11);
	pid_t pid = fork();
	if (pid == 0)
		leave("H");
	wait_for(pid);
	give_back(small, 1);
	leave("B");
}

int main(void)
{
	int go[2];
	NEED(!pipe(go));
	allocate(large, 100, 1000);
	allocate(small, 7, 50);
	give_back(large, 20);
	pid_t pid = fork();
	if (pid == 0)
		be_a(go[0]);
	give_back(large + 20, 80);
	NEED(write(go[1], "!", 1) == 1);
	wait_for(pid);

	pid = fork();
	if (pid == 0)
		be_b();
	wait_for(pid);

	give_back(small, 3);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0) {
		give_back(small + 3, 1);
		leave("C");
	}
	wait_for(pid);

	pid = fork();
	if (pid == 0)
		be_between();
	wait_for(pid);
	say_number("P", getpid());
	return 0;
}
