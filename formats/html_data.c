/* SPDX-License-Identifier: MIT */

/* Encoding call trees and time lines as columns; see html_data.h. */
#include "formats/html_data.h"

#include <string.h>
#include <zlib.h>

#include "config.h"
#include "src/array.h"
#include "src/hash.h"

#define LARGEST_NUMBER ((UINT64_C(1) << 53) - 1)
#define MAX_NAME       8192 /* bytes; template names longer than this help nobody */
#define MAX_POINTS     1000 /* of a time line */

/* Indices are varints: the commonest frames shall have the shortest. */
struct frame_use {
	uint32_t function, line, uses, first;
};

struct packer {
	z_stream z;
	struct hs_out gzip; /* in memory */
	size_t raw_size;

	HS_ARRAY(struct frame_use) frames;
	struct hs_map frame_of; /* function << 32 | line */
	uint32_t *frame_id;     /* by index into frames: its place in the file */
	uint32_t *function_id;  /* by function: its place in the file */
};

static void deflate_bytes(struct packer *p, const void *data, size_t size, int flush)
{
	unsigned char buf[16384];
	p->z.next_in = (unsigned char *)(uintptr_t)data;
	p->z.avail_in = (uInt)size;
	do {
		p->z.next_out = buf;
		p->z.avail_out = sizeof(buf);
		deflate(&p->z, flush);
		hs_put(&p->gzip, buf, sizeof(buf) - p->z.avail_out);
	} while (p->z.avail_out == 0);
}

static void put_raw(struct packer *p, const void *data, size_t size)
{
	static const size_t step = (size_t)1 << 30;
	p->raw_size += size;
	for (const char *s = data; size > 0;) {
		size_t n = HS_MIN(size, step);
		deflate_bytes(p, s, n, Z_NO_FLUSH);
		s += n;
		size -= n;
	}
}

/* Write BODY as a section and free it. */
static void put_section(struct packer *p, const char *tag, struct hs_out *body)
{
	size_t size;
	char *bytes HS_CLEANUP(hs_freep) = hs_out_take(body, &size);
	unsigned char head[8];
	memcpy(head, tag, 4);
	for (unsigned i = 0; i < 4; i++)
		head[4 + i] = (unsigned char)(size >> 8 * i);
	put_raw(p, head, sizeof(head));
	put_raw(p, bytes, size);
}

static void put_number(struct hs_out *out, uint64_t v)
{
	hs_put_uleb(out, HS_MIN(v, LARGEST_NUMBER));
}

/* A string of a table; NUL ends it, so the reader can split without looking. */
static void put_string(struct hs_out *out, const char *s)
{
	size_t length = strlen(s);
	if (length > MAX_NAME) {
		hs_put(out, s, MAX_NAME);
		hs_puts(out, "\xe2\x80\xa6");
	} else {
		hs_put(out, s, length);
	}
	hs_putc(out, '\0');
}

/* --- which functions and frames are used, and their ids in the file --- */

static void use_frame(struct packer *p, const struct hs_calltree_node *node)
{
	bool fresh;
	uint64_t key = (uint64_t)node->function << 32 | node->line;
	uint32_t *slot = hs_map_put(&p->frame_of, key, &fresh);
	if (fresh) {
		*slot = (uint32_t)p->frames.n;
		hs_array_push(&p->frames,
			      ((struct frame_use){node->function, node->line, 0, *slot}));
	}
	p->frames.at[*slot].uses++;
}

static int compare_uses(const void *a, const void *b)
{
	const struct frame_use *f = a, *g = b;
	if (f->uses != g->uses)
		return f->uses > g->uses ? -1 : 1;
	return (f->first > g->first) - (f->first < g->first);
}

static void number_frames(struct packer *p)
{
	if (p->frames.n)
		qsort(p->frames.at, p->frames.n, sizeof(*p->frames.at), compare_uses);
	p->frame_id = hs_xcalloc(p->frames.n + 1, sizeof(*p->frame_id));
	for (uint32_t i = 0; i < p->frames.n; i++)
		p->frame_id[p->frames.at[i].first] = i;
}

static uint32_t frame_id(const struct packer *p, const struct hs_calltree_node *node)
{
	return p->frame_id[*hs_map_get(&p->frame_of,
				       (uint64_t)node->function << 32 | node->line)];
}

/* --- tables --- */

/* Pairs of strings by id; a single string has "" as its second. */
struct pair_table {
	struct hs_map ids;              /* by content */
	HS_ARRAY(const char *) strings; /* two for each id */
};

static uint32_t pair_id(struct pair_table *t, const char *a, const char *b)
{
	uint64_t h = hs_hash_bytes(HS_HASH_INIT, a, strlen(a) + 1);
	h = hs_hash_bytes(h, b, strlen(b));
	for (;; h = hs_hash_u64(h + 1)) {
		bool fresh;
		uint32_t *slot = hs_map_put(&t->ids, h, &fresh);
		if (fresh) {
			*slot = (uint32_t)(t->strings.n / 2);
			hs_array_push(&t->strings, a);
			hs_array_push(&t->strings, b);
		}
		const char *const *pair = &t->strings.at[2 * (size_t)*slot];
		if (!strcmp(pair[0], a) && !strcmp(pair[1], b))
			return *slot;
	}
}

static void free_pairs(struct pair_table *t)
{
	hs_map_deinit(&t->ids);
	hs_array_free(&t->strings);
}

static int compare_names(const void *a, const void *b, void *context)
{
	const struct hs_function *list = context;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	/* The two that are no functions stay in front. */
	if (x <= HS_FUNCTION_FOLDED || y <= HS_FUNCTION_FOLDED)
		return (x > y) - (x < y);
	int d = strcmp(list[x].name, list[y].name);
	return d ? d : (x > y) - (x < y);
}

/* Number the functions that are used; returns their indices in that order. */
static uint32_t *number_functions(struct packer *p, const struct hs_functions *functions,
				  uint32_t *n_ret)
{
	uint32_t n;
	const struct hs_function *list = hs_functions_get(functions, &n);
	uint32_t *order = hs_xcalloc(n, sizeof(*order));
	p->function_id = hs_xcalloc(n, sizeof(*p->function_id));
	p->function_id[HS_FUNCTION_ROOT] = p->function_id[HS_FUNCTION_FOLDED] = 1;
	for (size_t i = 0; i < p->frames.n; i++)
		p->function_id[p->frames.at[i].function] = 1;
	uint32_t used = 0;
	for (uint32_t i = 0; i < n; i++)
		if (p->function_id[i])
			order[used++] = i;
	qsort_r(order, used, sizeof(*order), compare_names, (void *)(uintptr_t)list);
	for (uint32_t i = 0; i < used; i++)
		p->function_id[order[i]] = i;
	*n_ret = used;
	return order;
}

static void put_names(struct packer *p, const struct hs_function *list,
		      const uint32_t *order, uint32_t n)
{
	struct hs_out names;
	hs_out_init(&names, -1);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || strcmp(list[order[i]].name, list[order[i - 1]].name) != 0)
			put_string(&names, list[order[i]].name);
	put_section(p, "NAMS", &names);
}

static void put_pairs(struct packer *p, const char *tag, const struct pair_table *t,
		      size_t step)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	for (size_t i = 0; i < t->strings.n; i += step)
		put_string(&out, t->strings.at[i]);
	put_section(p, tag, &out);
}

static void put_functions(struct packer *p, const struct hs_functions *functions)
{
	uint32_t n, n_all;
	uint32_t *order = number_functions(p, functions, &n);
	const struct hs_function *list = hs_functions_get(functions, &n_all);
	struct pair_table files = {0}, modules = {0};
	struct hs_out out;
	put_names(p, list, order, n);
	hs_out_init(&out, -1);
	put_number(&out, n);
	for (uint32_t i = 0; i < n; i++)
		put_number(&out, i && strcmp(list[order[i]].name,
					     list[order[i - 1]].name) != 0);
	for (uint32_t i = 0; i < n; i++)
		put_number(&out, pair_id(&files, list[order[i]].file, ""));
	for (uint32_t i = 0; i < n; i++)
		put_number(&out, pair_id(&modules, list[order[i]].module,
					 list[order[i]].build_id));
	for (uint32_t i = 0; i < n; i++)
		put_number(&out, list[order[i]].named + 2 * list[order[i]].runtime);
	put_pairs(p, "FILS", &files, 2);
	put_pairs(p, "MODS", &modules, 1);
	put_section(p, "FUNC", &out);
	free_pairs(&files);
	free_pairs(&modules);
	free(order);
}

static void put_frames(struct packer *p)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put_number(&out, p->frames.n);
	for (size_t i = 0; i < p->frames.n; i++)
		put_number(&out, p->function_id[p->frames.at[i].function]);
	for (size_t i = 0; i < p->frames.n; i++)
		put_number(&out, p->frames.at[i].line);
	put_section(p, "FRAM", &out);
}

/* --- trees and time lines --- */

static void put_depths(struct hs_out *out, const struct hs_calltree *t)
{
	uint32_t *depth = hs_xcalloc(t->n, sizeof(*depth));
	for (uint32_t i = 1; i < t->n; i++) {
		depth[i] = depth[t->nodes[i].parent] + 1;
		put_number(out, depth[i - 1] + 1 - depth[i]);
	}
	free(depth);
}

static void put_gaps(struct hs_out *out, const struct hs_calltree *t)
{
	uint32_t last = 0;
	for (uint32_t i = 0; i < t->n; i++) {
		if (!t->nodes[i].figures)
			continue;
		put_number(out, i - last);
		last = i;
	}
}

static void put_figures(struct hs_out *out, const struct hs_calltree *t, unsigned figure)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->nodes[i].figures)
			put_number(out, t->figures[t->nodes[i].figures].v[figure]);
}

/* The figures that the profile knows: what it does not know is not zero. */
static unsigned known_figures(uint32_t has)
{
	unsigned mask = 0;
	if (has & HS_HAS_PEAK)
		mask |= 1u << HS_FIGURE_PEAK_BYTES | 1u << HS_FIGURE_PEAK_BLOCKS;
	if (has & HS_HAS_LIVE)
		mask |= 1u << HS_FIGURE_LIVE_BYTES | 1u << HS_FIGURE_LIVE_BLOCKS;
	if (has & HS_HAS_TOTALS)
		mask |= 1u << HS_FIGURE_BYTES | 1u << HS_FIGURE_ALLOCATIONS;
	if (has & HS_HAS_TEMPORARIES)
		mask |= 1u << HS_FIGURE_TEMPORARIES;
	if (has & HS_BYTES_ALONE)
		mask &= 1u << HS_FIGURE_PEAK_BYTES | 1u << HS_FIGURE_LIVE_BYTES |
			1u << HS_FIGURE_BYTES;
	return mask;
}

static void put_tree(struct packer *p, const struct hs_calltree *t, uint32_t has)
{
	struct hs_out out;
	unsigned mask = known_figures(has);
	hs_out_init(&out, -1);
	put_number(&out, t->n);
	put_number(&out, t->n_figures - 1);
	put_number(&out, mask);
	put_depths(&out, t);
	for (uint32_t i = 1; i < t->n; i++)
		put_number(&out, frame_id(p, &t->nodes[i]));
	put_gaps(&out, t);
	for (unsigned f = 0; f < HS_FIGURES; f++)
		if (mask & 1u << f)
			put_figures(&out, t, f);
	put_section(p, "TREE", &out);
}

/* Merge STEP snapshots to one: the last state, the highest point of all. */
static struct hs_snapshot merged(const struct hs_snapshot *s, uint32_t n)
{
	struct hs_snapshot m = s[n - 1];
	for (uint32_t i = 0; i < n; i++) {
		m.peak_bytes = HS_MAX(m.peak_bytes, s[i].peak_bytes);
		m.rss_bytes = HS_MAX(m.rss_bytes, s[i].rss_bytes);
	}
	return m;
}

static void put_timeline(struct packer *p, const struct hs_profile *profile)
{
	struct hs_out out;
	HS_ARRAY(struct hs_snapshot) points = {0};
	uint32_t n = profile->has & HS_HAS_SNAPSHOTS ? profile->n_snapshots : 0;
	uint32_t step = n / MAX_POINTS + 1;
	for (uint32_t i = 0; i < n; i += step)
		hs_array_push(&points,
			      merged(&profile->snapshots[i], HS_MIN(step, n - i)));

	hs_out_init(&out, -1);
	put_number(&out, points.n);
	uint64_t last = profile->process.start_ns;
	uint64_t unit = profile->process.clock.i ? 1 : 1000;
	for (size_t i = 0; i < points.n; i++) {
		uint64_t t = points.at[i].time_ns;
		put_number(&out, t > last ? t / unit - last / unit : 0);
		last = HS_MAX(t, last);
	}
	for (size_t i = 0; i < points.n; i++)
		put_number(&out, points.at[i].heap_bytes);
	for (size_t i = 0; i < points.n; i++)
		put_number(&out, points.at[i].heap_blocks);
	for (size_t i = 0; i < points.n; i++)
		put_number(&out, points.at[i].peak_bytes);
	for (size_t i = 0; i < points.n; i++)
		put_number(&out, points.at[i].rss_bytes);
	put_section(p, "TIME", &out);
	hs_array_free(&points);
}

/* --- the description --- */

static void put_key(struct hs_out *out, const char *key, uint64_t v)
{
	hs_printf(out, ",\"%s\":%llu", key,
		  (unsigned long long)HS_MIN(v, LARGEST_NUMBER));
}

static void put_process(struct hs_out *out, const struct hs_profile *p,
			const struct hs_calltree *tree)
{
	const struct hs_process_info *info = &p->process;
	hs_puts(out, "{\"id\":");
	hs_put_json_string(out, hs_string(p, info->id));
	hs_puts(out, ",\"name\":");
	hs_put_json_string(out, hs_string(p, info->name));
	if (p->has & HS_HAS_PID)
		put_key(out, "pid", info->pid);
	if (p->has & HS_HAS_TIME) {
		if (info->start_ns)
			put_key(out, "start_ms", info->start_ns / 1000000);
		if (p->has & HS_HAS_PEAK && p->totals.peak_ns >= info->start_ns)
			put_key(out, "peak_us",
				p->totals.peak_ns / 1000 - info->start_ns / 1000);
	}
	if (info->clock.i) {
		hs_puts(out, ",\"clock\":");
		hs_put_json_string(out, hs_string(p, info->clock));
		if (p->has & HS_HAS_PEAK)
			put_key(out, "peak_us", p->totals.peak_ns);
	}
	if (p->has & HS_BYTES_ALONE)
		hs_puts(out, ",\"uncounted\":true");
	hs_printf(out, ",\"rss\":%s", p->has & HS_HAS_RSS ? "true" : "false");
	if (p->has & (HS_HAS_PEAK | HS_HAS_LIVE | HS_HAS_TOTALS))
		put_key(out, "bytes",
			p->has & HS_HAS_PEAK   ? p->totals.peak_bytes
			: p->has & HS_HAS_LIVE ? p->totals.live_bytes
					       : p->totals.bytes);
	put_key(out, "nodes", tree->n);
	put_key(out, "folded", tree->n_folded);
	hs_putc(out, '}');
}

static void put_meta(struct packer *p, const struct hs_report *report,
		     struct hs_calltree *const *trees)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_puts(&out, "{\"tool\":\"heapsnap " PACKAGE_VERSION "\",\"title\":");
	hs_put_json_string(&out, report->title ? report->title : "");
	hs_puts(&out, ",\"processes\":[");
	for (size_t i = 0, n = 0; i < report->n_targets; i++) {
		if (!report->targets[i].profile)
			continue;
		if (n++)
			hs_putc(&out, ',');
		put_process(&out, report->targets[i].profile, trees[i]);
	}
	hs_puts(&out, "]}");
	put_section(p, "META", &out);
}

struct hs_html_data hs_html_data_make(const struct hs_report *report,
				      const struct hs_functions *functions,
				      struct hs_calltree *const *trees)
{
	struct packer p = {0};
	hs_out_init(&p.gzip, -1);
	/* Level 9 gains 1.5 % and takes twice the time.  16: gzip, without a clock. */
	if (deflateInit2(&p.z, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* only ever for want of memory */
	for (size_t i = 0; i < report->n_targets; i++)
		for (uint32_t k = 1; trees[i] && k < trees[i]->n; k++)
			use_frame(&p, &trees[i]->nodes[k]);
	number_frames(&p);

	put_raw(&p, "hsv\1", 4);
	put_meta(&p, report, trees);
	put_functions(&p, functions);
	put_frames(&p);
	for (size_t i = 0; i < report->n_targets; i++) {
		if (!trees[i])
			continue;
		put_tree(&p, trees[i], report->targets[i].profile->has);
		put_timeline(&p, report->targets[i].profile);
	}
	deflate_bytes(&p, "", 0, Z_FINISH);
	deflateEnd(&p.z);

	struct hs_html_data data = {.raw_size = p.raw_size};
	data.gzip = (uint8_t *)hs_out_take(&p.gzip, &data.gzip_size);
	hs_array_free(&p.frames);
	hs_map_deinit(&p.frame_of);
	free(p.frame_id);
	free(p.function_id);
	return data;
}

void hs_html_put_base64(struct hs_out *out, const uint8_t *data, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < size; i += 3) {
		size_t n = HS_MIN(size - i, (size_t)3);
		uint32_t v = (uint32_t)data[i] << 16;
		v |= n > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		v |= n > 2 ? data[i + 2] : 0;
		char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
				digits[v >> 6 & 63], digits[v & 63]};
		memset(four + 1 + n, '=', 3 - n);
		hs_put(out, four, sizeof(four));
	}
}
