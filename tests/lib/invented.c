/* SPDX-License-Identifier: MIT */

/* Profiles of programs that never ran: see invented.h. */
#include "tests/lib/invented.h"

#include <stdio.h>
#include <string.h>

#include "analyzers/analyzer.h"
#include "formats/format.h"
#include "src/report.h"
#include "tests/lib/profbuild.h"

#define START_NS (UINT64_C(1767225600) * 1000000000) /* 2026-01-01 */
#define SECOND   UINT64_C(1000000000)

/* xorshift64*: the same tree on every machine. */
static uint64_t seed = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 2685821657736338717u >> 33) % n;
}

static struct hs_site figures(uint64_t allocs, uint64_t size, uint64_t live,
			      uint64_t peak, uint64_t temporaries)
{
	return (struct hs_site){
		.allocs = allocs,
		.frees = allocs - live,
		.bytes = allocs * size,
		.live_blocks = live,
		.live_bytes = live * size,
		.peak_blocks = peak,
		.peak_bytes = peak * size,
		.temporaries = temporaries,
	};
}

/* --- a server --- */

static hs_stack call(struct prof *b, hs_stack caller, const char *function,
		     const char *file, uint32_t line)
{
	return prof_call(b, caller, function, file, line, "/usr/bin/orderd");
}

static hs_stack begin(struct prof *b, const char *main_file)
{
	hs_stack s = prof_call_unnamed(b, prof_root, "/usr/bin/orderd", 0x2451);
	s = prof_call(b, s, "__libc_start_main_impl", "csu/libc-start.c", 360,
		      "/lib/libc.so.6");
	s = prof_call(b, s, "__libc_start_call_main", "nptl/libc_start_call_main.h", 58,
		      "/lib/libc.so.6");
	return call(b, s, "main", main_file, 118);
}

static void push_back(struct prof *b, hs_stack s, const char *type, struct hs_site site)
{
	char name[256], inner[256];
	snprintf(name, sizeof(name),
		 "std::vector<%s, std::allocator<%s > >::push_back(%s const&)", type,
		 type, type);
	snprintf(
		inner, sizeof(inner),
		"void std::vector<%s, std::allocator<%s > >::_M_realloc_insert<%s const&>"
		"(__gnu_cxx::__normal_iterator<%s*, std::vector<%s, std::allocator<%s > "
		"> >, "
		"%s const&)",
		type, type, type, type, type, type, type);
	s = prof_call_inlined(b, s, name, inner, "bits/stl_vector.h", 1287,
			      "/usr/bin/orderd");
	s = prof_call(b, s, "operator new(unsigned long)", "libsupc++/new_op.cc", 50,
		      "/lib/libstdc++.so.6");
	prof_site(b, s, site);
}

static void serve(struct prof *b, hs_stack loop)
{
	hs_stack handle =
		call(b, loop, "orders::Server::handle_request(http::Request const&)",
		     "src/server.cpp", 640);
	hs_stack parse = call(b, handle, "json::Parser::parse_object(json::Value&)",
			      "src/json.cpp", 212);
	hs_stack nested = call(b, parse, "json::Parser::parse_array(json::Value&)",
			       "src/json.cpp", 268);
	prof_site(b, parse, figures(2400000, 72, 310, 52000, 1650000));
	prof_site(b, nested, figures(5200000, 40, 120, 91000, 4100000));
	push_back(b, nested, "json::Value", figures(610000, 256, 12, 9800, 100));
	nested = call(b, nested, "json::Parser::parse_object(json::Value&)",
		      "src/json.cpp", 215);
	prof_site(b, nested, figures(880000, 72, 40, 22000, 610000));

	hs_stack cache =
		call(b, handle, "orders::Cache::insert(std::shared_ptr<orders::Order>)",
		     "src/cache.cpp", 212);
	hs_stack node = call(b, cache, "orders::Cache::node_new()", "src/cache.cpp", 88);
	prof_site(b, node, figures(88412, 371, 88120, 87000, 0));
	prof_site(b, cache, figures(88412, 48, 88120, 87000, 0));

	hs_stack db = call(b, handle, "orders::Store::load(unsigned long)",
			   "src/store.cpp", 77);
	hs_stack pq =
		prof_call(b, db, "PQexecParams", "fe-exec.c", 2267, "/lib/libpq.so.5");
	hs_stack rows =
		prof_call(b, pq, "pqRowProcessor", "fe-exec.c", 1190, "/lib/libpq.so.5");
	prof_site(b, rows, figures(1330000, 512, 20, 30100, 90));
	rows = prof_call(b, pq, "PQmakeEmptyPGresult", "fe-exec.c", 160,
			 "/lib/libpq.so.5");
	prof_site(b, rows, figures(270000, 208, 14, 2100, 0));
	push_back(b, db, "orders::Order", figures(91000, 1408, 0, 7200, 0));

	hs_stack reply =
		call(b, handle, "http::Response::write(std::basic_string_view<char>)",
		     "src/http.cpp", 402);
	hs_stack zip =
		prof_call(b, reply, "deflateInit2_", "deflate.c", 310, "/lib/libz.so.1");
	prof_site(b, zip, figures(270000, 67200, 2, 61, 269000));
	hs_stack tls =
		prof_call(b, reply, "SSL_write", "ssl_lib.c", 2048, "/lib/libssl.so.3");
	tls = prof_call(b, tls, "CRYPTO_malloc", "mem.c", 202, "/lib/libcrypto.so.3");
	prof_site(b, tls, figures(810000, 1184, 620, 6100, 5000));
	hs_stack log =
		call(b, handle, "logging::append(char const*, ...)", "src/log.cpp", 51);
	log = prof_call(b, log, "__strdup", "string/strdup.c", 42, "/lib/libc.so.6");
	prof_site(b, log, figures(540000, 96, 41200, 40900, 12));
}

static void add_history(struct prof *b, uint64_t top, uint64_t end)
{
	struct hs_process_info *info = prof_process(b);
	unsigned n = 240;
	info->start_ns = START_NS;
	info->end_ns = START_NS + 2470 * SECOND;
	for (unsigned i = 0; i <= n; i++) {
		double x = (double)i / n, wave = (double)((i * 37) % 23) / 23;
		double heap =
			(double)top * (0.12 + 0.55 * x + 0.12 * wave * (i % 3 != 0));
		heap = i == 170 ? (double)top : i == n ? (double)end : heap;
		uint64_t bytes = (uint64_t)heap;
		prof_snapshot(
			b, (struct hs_snapshot){
				   .time_ns = START_NS + i * 2470 * SECOND / n,
				   .heap_bytes = bytes,
				   .heap_blocks = bytes / 370,
				   .peak_bytes = bytes + bytes / 40 * (i % 5 == 0),
				   .rss_bytes = (uint64_t)(12e6 +
							   (double)top * (0.5 + 0.6 * x)),
			   });
	}
	prof_peak_time(b, START_NS + 170 * 2470 * SECOND / n);
}

struct hs_profile *invented_server(void)
{
	struct prof *b = prof_new("orderd", 4242);
	hs_stack top = begin(b, "src/main.cpp");
	serve(b, call(b, top, "orders::Server::run()", "src/server.cpp", 301));
	hs_stack config = call(b, top, "config::load(std::filesystem::path const&)",
			       "src/config.cpp", 33);
	prof_site(b, config, figures(1204, 184, 1100, 1150, 4));
	push_back(b, config, "std::pair<std::string, config::Value>",
		  figures(96, 2048, 1, 1, 0));
	prof_process(b)->system = (hs_str){0};
	add_history(b, 89325000u, 42040000u);
	prof_warn(b, "libpq.so.5: no debug file with this build-id; lines are missing.");
	return prof_seal(b);
}

struct hs_profile *invented_worker(void)
{
	struct prof *b = prof_new("orderd-mailer", 4251);
	hs_stack top = begin(b, "src/mailer.cpp");
	hs_stack send = call(b, top, "mail::Queue::flush()", "src/mailer.cpp", 71);
	prof_site(b, send, figures(31000, 840, 12, 2900, 800));
	push_back(b, send, "mail::Message", figures(4100, 640, 40, 610, 0));
	return prof_seal(b);
}

struct hs_profile *invented_series(void)
{
	static const int64_t more[] = {0, 1, 2, 1, 1};
	struct prof *b = prof_new("series", 7);
	hs_stack leak = prof_call(b, prof_root, "main", "series.c", 20, "series");
	leak = prof_call(b, leak, "leak", "series.c", 10, "series");
	prof_site(b, leak, figures(5, 100, 5, 5, 0));
	prof_process(b)->start_ns = START_NS;
	prof_process(b)->end_ns = START_NS + 4 * SECOND;
	for (size_t i = 0; i < HS_COUNT(more); i++) {
		prof_snapshot(b, (struct hs_snapshot){.time_ns = START_NS + i * SECOND});
		prof_mark(b, START_NS + i * SECOND);
		if (more[i])
			prof_more(b, leak, more[i], more[i] * 100);
	}
	return prof_seal(b);
}

/* --- large trees --- */

static const char *name_of(unsigned i)
{
	static const char *const classes[] = {"Buffer", "Session", "Parser", "Table",
					      "Node",   "Index",   "Queue",  "Layer",
					      "Row",    "Cursor"};
	static const char *const verbs[] = {"insert", "append", "decode", "grow",
					    "load",   "clone",  "visit",  "encode",
					    "resize", "open"};
	static char name[160];
	if (i % 3 == 0)
		snprintf(name, sizeof(name), "%s_%s_%u", classes[i % 7], verbs[i % 10],
			 i);
	else
		snprintf(name, sizeof(name),
			 "core%u::%s::%s%u(std::vector<int> const&, int)", i % 13,
			 classes[i / 7 % 10], verbs[i / 3 % 10], i);
	return name;
}

struct hs_profile *invented_tree(unsigned n_nodes)
{
	enum { DEEPEST = 72, TRUNK = 8 };
	static const char *const modules[] = {"app", "libcore.so.1", "libdb.so.5",
					      "libui.so.2"};
	struct prof *b = prof_new("synthetic", 1);
	unsigned n_names = n_nodes < 5000 ? 500 : n_nodes < 500000 ? n_nodes / 25 : 20000;
	hs_stack path[DEEPEST + 1] = {{0}};
	unsigned depth = 0;
	seed = 88172645463325252u;
	for (unsigned n = 0; n < n_nodes;) {
		unsigned keep = depth ? (unsigned)random_below(depth + 1) : 0;
		/* Programs have a trunk: few calls branch off near main. */
		if (keep < TRUNK && depth > TRUNK && random_below(2000))
			keep = TRUNK + (unsigned)random_below(depth - TRUNK);
		depth = keep;
		for (uint64_t add = 1 + random_below(11); add-- && depth < DEEPEST; n++) {
			uint64_t r = random_below(n_names), q = random_below(n_names);
			unsigned i = (unsigned)(r * q / n_names);
			path[depth + 1] =
				prof_call(b, path[depth], name_of(i), "core/file.cpp",
					  i % 900 + 1, modules[i % 4]);
			depth++;
		}
		uint64_t allocs = 1 + random_below(1000), live = random_below(allocs + 1);
		prof_site(b, path[depth],
			  figures(allocs, 16 * (1 + random_below(400)), live / 4, live,
				  allocs / 3));
	}
	return prof_seal(b);
}

/* --- hostile names --- */

struct hs_profile *invented_hostile(void)
{
	static const char *const names[] = {
		"</script><script>window.__pwned=1</script>",
		"<img src=x onerror=\"window.__pwned=2\">",
		"\"><svg/onload=window.__pwned=3>",
		"'-window.__pwned=4-'",
		"${window.__pwned=5}",
		"{{constructor.constructor(\"window.__pwned=6\")()}}",
		"__proto__",
		"constructor",
		"toString",
		"<!--",
		"]]>",
		"&lt;b&gt;",
		"\xe2\x80\xaegnirts",
		"javascript:window.__pwned=7",
		"<style>*{display:none}</style>",
		"a\\u003c/script\\u003e",
		"\xe2\x80\xa8line",
		"\xff\xfe broken \xc3",
		"new\nline\ttab\x01",
		"operator<<<(",
	};
	struct prof *b = prof_new("<script>window.__pwned=8</script>", 1);
	hs_stack top = prof_call(b, prof_root, "main", "</style>.c", 1, "<b>.so");
	for (unsigned i = 0; i < HS_COUNT(names); i++) {
		hs_stack s = prof_call(b, top, names[i], names[i], i, names[i]);
		prof_site(b, s, figures(1, 1000 + i, 1, 1, 0));
	}
	char *huge HS_CLEANUP(hs_freep) = hs_xcalloc(1000001, 1);
	memset(huge, 'x', 1000000);
	prof_site(b, prof_call(b, top, huge, "", 0, ""), figures(1, 5000, 1, 1, 0));
	return prof_seal(b);
}

/* --- a tree small enough to add up by hand --- */

struct hs_profile *invented_known(void)
{
	struct prof *b = prof_new("known", 7);
	hs_stack top = prof_call(b, prof_root, "main", "known.c", 1, "known");
	hs_stack a = prof_call(b, top, "alpha", "known.c", 10, "known");
	hs_stack nested = prof_call(b, a, "beta", "known.c", 20, "known");
	nested = prof_call(b, nested, "alpha", "known.c", 11, "known");
	hs_stack lib = prof_call(b, top, "gamma", "lib.c", 30, "libknown.so");
	hs_stack shared = prof_call(b, lib, "beta", "known.c", 21, "known");
	prof_site(b, a, figures(10, 100, 1, 4, 2));
	prof_site(b, nested, figures(5, 1000, 2, 3, 0));
	prof_site(b, lib, figures(100, 10, 0, 50, 90));
	prof_site(b, shared, figures(4, 500, 4, 0, 0));
	return prof_seal(b);
}

void invented_report(struct hs_profile *const *profiles, size_t n, const char *title,
		     struct hs_out *out)
{
	struct hs_target *targets = hs_xcalloc(n + 1, sizeof(*targets));
	struct hs_findings *findings = hs_findings_new();
	for (size_t i = 0; i < n; i++) {
		targets[i] = (struct hs_target){.profile = profiles[i],
						.has = profiles[i]->has};
		for (const struct hs_analyzer *const *a = hs_analyzers; *a; a++)
			if (((*a)->needs & targets[i].has) == (*a)->needs)
				(*a)->run(&targets[i], findings);
	}
	hs_findings_sort(findings);
	const struct hs_report report = {
		.targets = targets, .n_targets = n, .findings = findings, .title = title};
	hs_format_by_name("html")->write(&report, out);
	hs_findings_free(findings);
	free(targets);
}
