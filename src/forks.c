/* SPDX-License-Identifier: MIT */

/* What a process held when it forked. */
#include "src/forks.h"

#include "src/cursor.h"
#include "src/fold.h"
#include "src/out.h"

void hs_forks_note(struct hs_forks *forks, const struct hs_fold *f, uint64_t stamp)
{
	const struct hs_fold_totals *t = hs_fold_totals(f);
	if (forks->list.n == HS_FORKS_MAX)
		return;
	hs_array_push(&forks->list,
		      ((struct hs_fork){stamp, t->live_blocks, t->live_bytes,
					t->unmatched_frees}));
}

void hs_forks_encode(const struct hs_forks *forks, struct hs_out *out)
{
	uint64_t stamp = 0;
	hs_put_uleb(out, forks->list.n);
	for (size_t i = 0; i < forks->list.n; i++) {
		const struct hs_fork *fork = &forks->list.at[i];
		hs_put_uleb(out, fork->stamp - stamp);
		hs_put_uleb(out, fork->live_blocks);
		hs_put_uleb(out, fork->live_bytes);
		hs_put_uleb(out, fork->unmatched_frees);
		stamp = fork->stamp;
	}
}

struct hs_error *hs_forks_decode(struct hs_cursor *in, struct hs_forks *forks)
{
	uint64_t stamp = 0;
	size_t n = hs_cur_count(in, 4);
	for (size_t i = 0; i < n; i++) {
		uint64_t passed = hs_cur_uleb(in);
		struct hs_fork fork = {.live_blocks = hs_cur_uleb(in)};
		fork.live_bytes = hs_cur_uleb(in);
		fork.unmatched_frees = hs_cur_uleb(in);
		if (passed > UINT64_MAX - stamp)
			hs_cur_fail(in);
		if (hs_cur_failed(in))
			break;
		fork.stamp = stamp += passed;
		hs_array_push(&forks->list, fork);
	}
	return hs_cur_check(in, "forks");
}
