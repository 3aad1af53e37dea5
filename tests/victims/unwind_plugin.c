/* SPDX-License-Identifier: MIT */

/*
 * A library of which two variants exist, with FRAME bytes of stack in a
 * function that is at the same place in both; and a function that is chosen by
 * a resolver when it is first called.
 */
void plugin_call(void (*callback)(void));
int plugin_use_chosen(int n);
int plugin_chosen(int n);
extern void (*plugin_on_choice)(void);

void (*plugin_on_choice)(void);

void plugin_call(void (*callback)(void))
{
	char room[FRAME];
	__asm__ volatile("" ::"r"(room) : "memory");
	callback();
	__asm__ volatile("" ::"r"(room) : "memory");
}

static int increment(int n)
{
	return n + 1;
}

/* clang does not see that the ifunc below uses it. */
static __attribute__((__used__)) int (*plugin_choose(void))(int)
{
	if (plugin_on_choice)
		plugin_on_choice();
	__asm__ volatile("" ::: "memory");
	return increment;
}

int plugin_chosen(int n) __attribute__((__ifunc__("plugin_choose")));

int plugin_use_chosen(int n)
{
	return plugin_chosen(n);
}
