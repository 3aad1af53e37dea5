/* SPDX-License-Identifier: MIT */

/* Opening and mapping a capture that its process still writes. */
#include "src/recorder/target.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/counter.h"
#include "src/recorder/io.h"

/* A capture may not be larger: offsets stay far from overflow. */
#define MAX_PAGES (UINT64_C(1) << 34)

static enum rc_open judge(const struct hs_wire_header *h)
{
	static const char zero[sizeof(h->magic)];
	bool begun = memcmp(h->magic, zero, sizeof(zero)) != 0;
	if (!begun || (!memcmp(h->magic, HS_WIRE_MAGIC, sizeof(zero)) && !h->state))
		return RC_OPEN_LATER;
	if (memcmp(h->magic, HS_WIRE_MAGIC, sizeof(zero)) != 0 ||
	    h->version != HS_WIRE_VERSION || h->word_size != 8 ||
	    (h->clock != HS_WIRE_CLOCK_TSC && h->clock != HS_WIRE_CLOCK_COUNTER) ||
	    h->state != HS_WIRE_LIVE)
		return RC_OPEN_NEVER;
	return RC_OPEN_OK;
}

static enum rc_open read_header(struct rc_target *t, uint32_t *flags)
{
	struct hs_wire_header h;
	if (rc_read(t->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return RC_OPEN_LATER;
	t->pid = (pid_t)h.pid;
	t->ppid = (pid_t)h.ppid;
	t->pid_ns = h.pid_ns;
	t->start_ticks = h.start_ticks;
	t->start_ns = h.start_ns;
	t->clock = h.clock;
	*flags = h.flags;
	return judge(&h);
}

static enum rc_open open_file(struct rc_target *t, int dir_fd)
{
	/* Not blocking: a fifo of that name must not hold us up. */
	t->fd = openat(dir_fd, t->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	if (t->fd < 0 || fstat(t->fd, &st) || !S_ISREG(st.st_mode))
		return RC_OPEN_NEVER;
	t->device = st.st_dev;
	t->inode = st.st_ino;
	uint32_t flags = 0;
	enum rc_open opened = read_header(t, &flags);
	if (opened != RC_OPEN_OK)
		return opened;
	void *p = mmap(NULL, HS_WIRE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (p == MAP_FAILED)
		return RC_OPEN_NEVER;
	t->header = p;
	rc_store_init(&t->store, t->fd, t->header);
	rc_pages_init(&t->round.lent, t->fd, t->header);
	t->store.folds = !(flags & HS_WIRE_KEEP_LOG);
	return RC_OPEN_OK;
}

enum rc_open rc_target_open(int dir_fd, const char *name, struct rc_target **ret)
{
	struct rc_target *t = hs_xcalloc(1, sizeof(*t));
	t->name = hs_xstrdup(name);
	t->fd = t->pid_fd = -1;
	enum rc_open opened = open_file(t, dir_fd);
	if (opened == RC_OPEN_OK)
		*ret = t;
	else
		rc_target_free(t);
	return opened;
}

void rc_target_free(struct rc_target *t)
{
	if (!t)
		return;
	rc_round_stop(t);
	if (t->map)
		munmap(t->map, t->map_size);
	if (t->header)
		munmap(t->header, HS_WIRE_PAGE);
	if (t->fd >= 0)
		close(t->fd);
	if (t->pid_fd >= 0)
		close(t->pid_fd);
	rc_store_deinit(&t->store);
	hs_array_free(&t->chunks);
	hs_array_free(&t->streams);
	hs_map_deinit(&t->stream_index);
	free(t->name);
	free(t);
}

static sigjmp_buf bus_return;
static volatile sig_atomic_t bus_expected;

static void on_bus(int sig, siginfo_t *info HS_UNUSED, void *context HS_UNUSED)
{
	if (bus_expected)
		siglongjmp(bus_return, 1);
	/* A mistake of ours: die of it, after the return to the instruction. */
	signal(sig, SIG_DFL);
}

bool rc_target_guarded(struct rc_target *t, void (*fn)(struct rc_target *t, void *arg),
		       void *arg)
{
	static bool installed;
	if (!installed) {
		struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_NODEFER};
		sa.sa_sigaction = on_bus;
		sigaction(SIGBUS, &sa, NULL);
		installed = true;
	}
	if (sigsetjmp(bus_return, 0)) {
		bus_expected = 0;
		return false;
	}
	bus_expected = 1;
	fn(t, arg);
	bus_expected = 0;
	return true;
}

/* Make the mapping cover what the file has by now. */
static bool map_more(struct rc_target *t, uint64_t needed)
{
	struct stat st;
	if (fstat(t->fd, &st) || (uint64_t)st.st_size < needed)
		return false;
	/* Beyond the file's end, too: addresses cost nothing, growing does. */
	uint64_t size = 16u << 20;
	while (size < needed)
		size *= 2;
	void *p = t->map ? mremap(t->map, t->map_size, size, MREMAP_MAYMOVE)
			 : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (p == MAP_FAILED)
		return false;
	t->map = p;
	t->map_size = size;
	return true;
}

void *rc_target_at(struct rc_target *t, uint64_t page, uint64_t pages)
{
	if (page == 0 || page > MAX_PAGES || pages == 0 || pages > MAX_PAGES)
		return NULL;
	uint64_t end = (page + pages) * HS_WIRE_PAGE;
	if (end > t->map_size && !map_more(t, end))
		return NULL;
	return t->map + page * HS_WIRE_PAGE;
}

uint64_t rc_target_stamp(struct rc_target *t)
{
	if (t->clock == HS_WIRE_CLOCK_COUNTER)
		return __atomic_add_fetch(&t->header->sequence, 1, __ATOMIC_ACQ_REL);
	return hs_counter();
}

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t rc_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t rc_clock_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
