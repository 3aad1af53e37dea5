/* SPDX-License-Identifier: MIT */

/*
 * The data block of the HTML report: what src/viewer/data.js decodes.
 *
 *      gzip( "hsv" version  section... )        version is 1
 *      section: 4 bytes tag, u32 length (little-endian), payload
 *
 * Numbers in payloads are LEB128 varints of at most 53 bits, so that a
 * JavaScript number holds them; larger ones are written as 2^53 - 1.
 *
 *      META  JSON: title, what was left out, each process's identity and totals
 *      NAMS  function names, sorted, each followed by a NUL
 *      FILS  file names likewise, MODS module name and build-id in turn
 *      FUNC  count; columns: name (step to the one before), file, module, flags
 *            (1: a real name, 2: allocator, libc or container).  Functions 0
 *            and 1 are the root and "left out"
 *      FRAM  count; columns: function, line (0: unknown or several)
 *      TREE  one for each process: count n, count k of nodes that allocate, mask
 *            of figures; columns: depth step (depth of the node before + 1 - own
 *            depth) for n - 1 nodes, frame for n - 1 nodes, gap to the next
 *            allocating node for k, then for each figure of the mask its k values
 *      TIME  one for each process: count; columns: microseconds since the one
 *            before, heap bytes, heap blocks, highest heap bytes since, RSS bytes
 *
 * Unknown tags are skipped.
 */
#ifndef HS_HTML_DATA_H
#define HS_HTML_DATA_H

#include "src/calltree.h"
#include "src/out.h"
#include "src/report.h"

#define HS_HTML_DATA_VERSION 1

/* gzip'ed bytes on the heap, and how long they are decompressed. */
struct hs_html_data {
	uint8_t *gzip;
	size_t gzip_size, raw_size;
};

struct hs_html_data hs_html_data_make(const struct hs_report *report,
				      const struct hs_functions *functions,
				      struct hs_calltree *const *trees);

void hs_html_put_base64(struct hs_out *out, const uint8_t *data, size_t size);

#endif /* HS_HTML_DATA_H */
