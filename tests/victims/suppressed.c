/* SPDX-License-Identifier: MIT */

/*
 * Leaks 10 blocks of 100 bytes in session_leak(), 20 of 50 in plugin_leak(), and 5 of
 * 1000 in known_leak(), which it has a suppression for in itself.  Nothing points to
 * any of them.  Exits with 7.
 */
#include <stdlib.h>

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "# kept for the life of the process\n"
	       "leak:known_leak\n";
}

#define LEAK(name, bytes)                                    \
	static __attribute__((__noinline__)) void name(void) \
	{                                                    \
		void *volatile p = malloc(bytes);            \
		(void)p;                                     \
		p = NULL;                                    \
	}
LEAK(session_leak, 100)
LEAK(plugin_leak, 50)
LEAK(known_leak, 1000)

int main(void)
{
	for (int i = 0; i < 10; i++)
		session_leak();
	for (int i = 0; i < 20; i++)
		plugin_leak();
	for (int i = 0; i < 5; i++)
		known_leak();
	return 7;
}
