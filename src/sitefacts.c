/* SPDX-License-Identifier: MIT */

/* WEIGHTS and FREE_STACKS; rows are sorted, so that equal folds are equal bytes. */
#include "src/sitefacts.h"

#include <string.h>

#include "src/cursor.h"
#include "src/out.h"

#define KIND_BITS 4

static uint64_t key_of(uint32_t stack, uint32_t kind)
{
	return (uint64_t)stack << KIND_BITS | kind;
}

/* KEY, in its parts; IN fails if it is none. */
static void split_key(struct hs_cursor *in, uint64_t key, uint32_t *stack, uint32_t *kind)
{
	*kind = (uint32_t)(key & ((1u << KIND_BITS) - 1));
	*stack = (uint32_t)(key >> KIND_BITS);
	if (key >> KIND_BITS > UINT32_MAX)
		hs_cur_fail(in);
}

static void put_double(struct hs_out *out, double v)
{
	uint64_t bits;
	uint8_t bytes[sizeof(bits)];
	memcpy(&bits, &v, sizeof(bits));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(bits >> (8 * i));
	hs_put(out, bytes, sizeof(bytes));
}

/* No variance is negative, or no number, or so large that a sum is none. */
static double get_variance(struct hs_cursor *in)
{
	uint64_t bits = hs_cur_u64(in);
	double v;
	memcpy(&v, &bits, sizeof(v));
	if (!(v >= 0 && v < 0x1p256))
		hs_cur_fail(in);
	return v;
}

static int by_key(const void *a, const void *b)
{
	const struct hs_weights_row *x = a, *y = b;
	uint64_t kx = key_of(x->stack, x->kind), ky = key_of(y->stack, y->kind);
	return (kx > ky) - (kx < ky);
}

void hs_weights_encode(const struct hs_fold *f, struct hs_out *out)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	const struct hs_fold_variance *variances = hs_fold_variances(f);
	struct hs_weights_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*rows));
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct hs_weights_row){sites[i].stack, sites[i].kind,
						  variances[i]};
	if (n)
		qsort(rows, n, sizeof(*rows), by_key);
	hs_put_uleb(out, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t before = i ? key_of(rows[i - 1].stack, rows[i - 1].kind) : 0;
		hs_put_uleb(out, key_of(rows[i].stack, rows[i].kind) - before);
		put_double(out, rows[i].variance.allocs);
		put_double(out, rows[i].variance.bytes);
		put_double(out, rows[i].variance.peak_blocks);
		put_double(out, rows[i].variance.peak_bytes);
	}
}

struct hs_error *hs_weights_decode(struct hs_cursor *in, struct hs_weights_row **ret,
				   size_t *n_ret)
{
	size_t n = hs_cur_count(in, 1 + 4 * sizeof(uint64_t));
	struct hs_weights_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*rows));
	uint64_t key = 0;
	for (size_t i = 0; i < n && !hs_cur_failed(in); i++) {
		key += hs_cur_uleb(in);
		split_key(in, key, &rows[i].stack, &rows[i].kind);
		rows[i].variance.allocs = get_variance(in);
		rows[i].variance.bytes = get_variance(in);
		rows[i].variance.peak_blocks = get_variance(in);
		rows[i].variance.peak_bytes = get_variance(in);
	}
	struct hs_error *err = hs_cur_check(in, "weights");
	if (err)
		return err;
	*ret = HS_TAKE(rows);
	*n_ret = n;
	return NULL;
}

static int by_key_and_stack(const void *a, const void *b)
{
	const struct hs_frees_row *x = a, *y = b;
	uint64_t kx = key_of(x->stack, x->kind), ky = key_of(y->stack, y->kind);
	if (kx != ky)
		return kx < ky ? -1 : 1;
	return (x->by > y->by) - (x->by < y->by);
}

void hs_frees_encode(const struct hs_fold *f, struct hs_out *out)
{
	size_t n, n_sites;
	const struct hs_fold_frees *frees = hs_fold_frees(f, &n);
	const struct hs_fold_site *sites = hs_fold_sites(f, &n_sites);
	struct hs_frees_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*rows));
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *s = &sites[frees[i].site];
		rows[i] = (struct hs_frees_row){s->stack, s->kind, frees[i].stack,
						frees[i].frees, frees[i].bytes};
	}
	if (n)
		qsort(rows, n, sizeof(*rows), by_key_and_stack);
	hs_put_uleb(out, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t before = i ? key_of(rows[i - 1].stack, rows[i - 1].kind) : 0;
		hs_put_uleb(out, key_of(rows[i].stack, rows[i].kind) - before);
		hs_put_uleb(out, rows[i].by);
		hs_put_uleb(out, rows[i].frees);
		hs_put_uleb(out, rows[i].bytes);
	}
}

struct hs_error *hs_frees_decode(struct hs_cursor *in, struct hs_frees_row **ret,
				 size_t *n_ret)
{
	size_t n = hs_cur_count(in, 4);
	struct hs_frees_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*rows));
	uint64_t key = 0;
	for (size_t i = 0; i < n && !hs_cur_failed(in); i++) {
		key += hs_cur_uleb(in);
		split_key(in, key, &rows[i].stack, &rows[i].kind);
		uint64_t by = hs_cur_uleb(in);
		if (by > UINT32_MAX)
			hs_cur_fail(in);
		rows[i].by = (uint32_t)by;
		rows[i].frees = hs_cur_uleb(in);
		rows[i].bytes = hs_cur_uleb(in);
	}
	struct hs_error *err = hs_cur_check(in, "stacks of frees");
	if (err)
		return err;
	*ret = HS_TAKE(rows);
	*n_ret = n;
	return NULL;
}
