/* SPDX-License-Identifier: MIT */

/*
 * What a fuzz target defines: tries SIZE bytes at DATA, returns 0, and crashes
 * where something is wrong.  The name is libFuzzer's.  Without libFuzzer,
 * driver.c calls it.
 */
#ifndef HS_FUZZ_H
#define HS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* HS_FUZZ_H */
