/* SPDX-License-Identifier: MIT */

/*
 * A C program that opens the C++ plugin named by its argument, RTLD_LOCAL, so
 * that the plugin's C++ runtime is nowhere in the global scope; three times,
 * 50 rounds each.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	for (int i = 0; argc > 1 && i < 3; i++) {
		void *handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
		void *symbol = handle ? dlsym(handle, "plugin_run") : NULL;
		int (*run)(int);
		if (!symbol)
			return 3;
		memcpy(&run, &symbol, sizeof(run));
		if (run(50) != 50)
			return 4;
		if (dlclose(handle))
			return 5;
	}
	return 0;
}
