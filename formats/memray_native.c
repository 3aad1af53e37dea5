/* SPDX-License-Identifier: MIT */

/*
 * Native stacks of memray captures: return addresses as a tree, and the images
 * that were mapped, of which a complete list follows each change.  An address
 * means something only together with the list that was valid then.
 */
#include "formats/memray_parts.h"

#include "src/debugfile.h"

void memray_native_deinit(struct memray_native *n)
{
	hs_array_free(&n->nodes);
	hs_array_free(&n->segments);
	hs_array_free(&n->images);
	hs_array_free(&n->generations);
	hs_map_deinit(&n->image_of);
	hs_map_deinit(&n->stack_of);
}

bool memray_read_node(struct memray *m)
{
	struct memray_native *n = &m->native;
	uint64_t ip = n->ip + (uint64_t)hs_cur_zigzag(m->in);
	uint64_t parent = n->id + (uint64_t)hs_cur_zigzag(m->in);
	if (hs_cur_failed(m->in))
		return false;
	n->ip = ip;
	n->id = parent;
	if (!n->nodes.n)
		(void)hs_array_add(&n->nodes);
	/* Parents come first, so that no walk to the root is endless. */
	const struct memray_node node = {
		.ip = ip, .parent = parent < n->nodes.n ? (uint32_t)parent : 0};
	hs_array_push(&n->nodes, node);
	return true;
}

void memray_new_generation(struct memray *m)
{
	struct memray_native *n = &m->native;
	if (!n->generations.n)
		(void)hs_array_add(&n->generations);
	hs_array_push(&n->generations,
		      ((struct memray_generation){.first = n->segments.n}));
}

static bool is_image(const struct memray_image *i, const struct hs_module_info *wanted)
{
	return i->path.i == wanted->path.i && i->bias == wanted->bias &&
	       i->shape == wanted->shape;
}

/* The image with this path at this place; most are in all lists. */
static uint32_t intern_image(struct memray *m, const struct hs_module_info *info)
{
	struct memray_native *n = &m->native;
	const uint64_t fields[] = {info->path.i, info->bias, info->shape};
	for (uint64_t key = hs_hash_bytes(HS_HASH_INIT, fields, sizeof(fields));; key++) {
		bool fresh;
		uint32_t *index = hs_map_put(&n->image_of, key, &fresh);
		if (!fresh && is_image(&n->images.at[*index], info))
			return *index;
		if (!fresh)
			continue;
		*index = (uint32_t)n->images.n;
		hs_array_push(
			&n->images,
			((struct memray_image){.path = info->path,
					       .shape = info->shape,
					       .bias = info->bias,
					       .module = hs_build_module(m->b, info)}));
		return *index;
	}
}

static bool read_segments(struct memray *m, uint64_t count, struct hs_module_info *info)
{
	struct memray_native *n = &m->native;
	for (uint64_t i = 0; i < count; i++) {
		uint8_t tag = hs_cur_u8(m->in);
		uint64_t address = hs_cur_u64(m->in);
		uint64_t size = hs_cur_uleb(m->in), start = info->bias + address;
		if (hs_cur_failed(m->in) || (tag & 15) != MEMRAY_SEGMENT)
			return false;
		info->shape = hs_module_shape(info->shape, address, size);
		uint64_t end = size > UINT64_MAX - start ? UINT64_MAX : start + size;
		hs_array_push(&n->segments, ((struct memray_segment){start, end, 0}));
		info->mapped.start = i ? HS_MIN(info->mapped.start, start) : start;
		info->mapped.end = HS_MAX(info->mapped.end, end);
	}
	return true;
}

bool memray_read_image(struct memray *m)
{
	struct memray_native *n = &m->native;
	struct hs_module_info info = {.path = memray_string(m)};
	uint64_t count = hs_cur_uleb(m->in);
	info.bias = hs_cur_u64(m->in);
	if (!n->generations.n) /* without a list's beginning */
		memray_new_generation(m);
	size_t first = n->segments.n;
	bool whole = read_segments(m, count, &info);
	if (!whole)
		n->segments.n = first;
	if (first < n->segments.n) {
		info.epoch = (uint32_t)n->generations.n - 1;
		uint32_t image = intern_image(m, &info);
		for (size_t i = first; i < n->segments.n; i++)
			n->segments.at[i].image = image;
		n->generations.at[n->generations.n - 1].n += n->segments.n - first;
	}
	return whole;
}

static int by_address(const void *a, const void *b)
{
	const struct memray_segment *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

void memray_settle_native(struct memray *m)
{
	struct memray_native *n = &m->native;
	n->settled = true;
	for (size_t i = 0; i < n->generations.n; i++) {
		const struct memray_generation *g = &n->generations.at[i];
		if (g->n)
			qsort(n->segments.at + g->first, g->n, sizeof(*n->segments.at),
			      by_address);
	}
}

static const struct memray_image *find_image(const struct memray_native *n,
					     uint32_t generation, uint64_t ip)
{
	if (generation >= n->generations.n)
		return NULL;
	const struct memray_generation *g = &n->generations.at[generation];
	const struct memray_segment *s = n->segments.at + g->first;
	size_t low = 0, high = g->n; /* those before `low` start at IP or below */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s[middle].start <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low && ip < s[low - 1].end ? &n->images.at[s[low - 1].image] : NULL;
}

/* PARENT with the frame at IP; code outside of all images is left out, as memray does. */
static hs_stack extend(struct memray *m, hs_stack parent, uint32_t generation,
		       uint64_t ip)
{
	const struct memray_image *image = find_image(&m->native, generation, ip);
	if (!image)
		return parent;
	return hs_build_stack(m->b, parent,
			      hs_build_location(m->b, image->module, ip - image->bias));
}

hs_stack memray_native_stack(struct memray *m, uint32_t node, uint32_t generation)
{
	struct memray_native *n = &m->native;
	HS_ARRAY(uint32_t) way = {0};
	hs_stack stack = {0};
	for (; node && node < n->nodes.n; node = n->nodes.at[node].parent) {
		uint64_t key = (uint64_t)node << 32 | generation;
		const uint32_t *known = hs_map_get(&n->stack_of, key);
		if (known) {
			stack.i = *known;
			break;
		}
		hs_array_push(&way, node);
	}
	while (way.n) {
		node = way.at[--way.n];
		stack = extend(m, stack, generation, n->nodes.at[node].ip);
		*hs_map_put(&n->stack_of, (uint64_t)node << 32 | generation, NULL) =
			stack.i;
	}
	hs_array_free(&way);
	return stack;
}
