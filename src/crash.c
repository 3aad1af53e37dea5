/* SPDX-License-Identifier: MIT */

/* Signals in words, by <asm-generic/siginfo.h>; and __abort_msg of glibc. */
#include "src/crash.h"

#include <signal.h>
#include <string.h>

#include "src/build.h"
#include "src/image.h"
#include "src/imagefiles.h"
#include "src/names.h"
#include "src/symtab.h"

#define MAX_MESSAGE 1024u

static const struct code {
	int signal; /* 0: any */
	int code;
	const char *name, *meaning;
} codes[] = {
	{0, SI_USER, "SI_USER", "sent by kill"},
	{0, SI_KERNEL, "SI_KERNEL", "sent by the kernel"},
	{0, SI_QUEUE, "SI_QUEUE", "sent by sigqueue"},
	{0, SI_TIMER, "SI_TIMER", "a timer expired"},
	{0, SI_MESGQ, "SI_MESGQ", "a message queue got a message"},
	{0, SI_ASYNCIO, "SI_ASYNCIO", "asynchronous I/O ended"},
	{0, SI_SIGIO, "SI_SIGIO", "I/O became possible"},
	{0, SI_TKILL, "SI_TKILL", "sent by tkill, raise or abort"},
	{SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR", "nothing is mapped there"},
	{SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR", "the mapping does not allow it"},
	{SIGSEGV, SEGV_BNDERR, "SEGV_BNDERR", "a bounds check failed"},
	{SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR", "a protection key forbids it"},
	{SIGSEGV, 8, "SEGV_MTEAERR", "memory tags did not match, noticed later"},
	{SIGSEGV, 9, "SEGV_MTESERR", "memory tags did not match"},
	{SIGSEGV, 10, "SEGV_CPERR", "the shadow stack did not match"},
	{SIGBUS, BUS_ADRALN, "BUS_ADRALN", "a misaligned address"},
	{SIGBUS, BUS_ADRERR, "BUS_ADRERR",
	 "no memory behind the mapping: its file is shorter, or the disk is full"},
	{SIGBUS, BUS_OBJERR, "BUS_OBJERR", "a hardware error of this object"},
	{SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR", "the memory is damaged"},
	{SIGBUS, BUS_MCEERR_AO, "BUS_MCEERR_AO", "damaged memory was found"},
	{SIGFPE, FPE_INTDIV, "FPE_INTDIV", "an integer was divided by zero"},
	{SIGFPE, FPE_INTOVF, "FPE_INTOVF", "an integer overflowed"},
	{SIGFPE, FPE_FLTDIV, "FPE_FLTDIV", "a float was divided by zero"},
	{SIGFPE, FPE_FLTOVF, "FPE_FLTOVF", "a float overflowed"},
	{SIGFPE, FPE_FLTUND, "FPE_FLTUND", "a float underflowed"},
	{SIGFPE, FPE_FLTRES, "FPE_FLTRES", "an inexact float"},
	{SIGFPE, FPE_FLTINV, "FPE_FLTINV", "an invalid operation on floats"},
	{SIGFPE, FPE_FLTSUB, "FPE_FLTSUB", "a subscript out of range"},
	{SIGILL, ILL_ILLOPC, "ILL_ILLOPC", "no such instruction"},
	{SIGILL, ILL_ILLOPN, "ILL_ILLOPN", "no such operand"},
	{SIGILL, ILL_ILLADR, "ILL_ILLADR", "no such addressing mode"},
	{SIGILL, ILL_ILLTRP, "ILL_ILLTRP", "no such trap"},
	{SIGILL, ILL_PRVOPC, "ILL_PRVOPC", "a privileged instruction"},
	{SIGILL, ILL_PRVREG, "ILL_PRVREG", "a privileged register"},
	{SIGILL, ILL_COPROC, "ILL_COPROC", "an error of the coprocessor"},
	{SIGILL, ILL_BADSTK, "ILL_BADSTK", "an error of the internal stack"},
	{SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT", "a breakpoint"},
	{SIGTRAP, TRAP_TRACE, "TRAP_TRACE", "a single step"},
	{SIGSYS, 1, "SYS_SECCOMP", "seccomp forbids the system call"},
};

bool hs_crash_code(int signal, int code, const char **name_ret, const char **meaning_ret)
{
	*name_ret = *meaning_ret = "";
	for (size_t i = 0; i < HS_COUNT(codes); i++)
		if ((!codes[i].signal || codes[i].signal == signal) &&
		    codes[i].code == code) {
			*name_ret = codes[i].name;
			*meaning_ret = codes[i].meaning;
			return true;
		}
	return false;
}

/* The kernel says where for these; for a general protection fault it cannot. */
static bool has_address(const struct hs_image_signal *s)
{
	bool fault = s->number == SIGSEGV || s->number == SIGBUS || s->number == SIGFPE ||
		     s->number == SIGILL || s->number == SIGTRAP;
	return fault && s->detailed && s->code > 0 && s->code != SI_KERNEL;
}

/* Module I's copy of __abort_msg leads to {unsigned size; char text[]} (glibc 2.36). */
static hs_str read_message(const struct hs_image *image, struct hs_imagefiles *files,
			   size_t i, struct hs_builder *b)
{
	uint64_t symbol, at;
	const struct hs_debugfile *file = hs_imagefiles_open(files, i);
	if (!file || !hs_symtab_find_object(file, "__abort_msg", &symbol) ||
	    !hs_image_word(image, image->modules.at[i].bias + symbol, &at) || !at)
		return (hs_str){0};
	const char *text = hs_image_text(image, at + 4, MAX_MESSAGE);
	return hs_build_string(b, text, strcspn(text, "\n"));
}

static hs_str find_message(const struct hs_image *image, struct hs_imagefiles *files,
			   struct hs_builder *b)
{
	hs_str message = {0};
	for (size_t i = 0; i < image->modules.n && !message.i; i++) {
		const struct hs_image_module *m = &image->modules.at[i];
		if (m->executable || !strncmp(hs_base_name(m->path), "libc", 4))
			message = read_message(image, files, i, b);
	}
	return message;
}

void hs_crash_tell(const struct hs_image *image, struct hs_imagefiles *files,
		   struct hs_builder *b)
{
	const struct hs_image_signal *s = &image->signal;
	struct hs_process_info *process = hs_build_process(b);
	const char *code = "", *meaning = "";
	if (!s->number)
		return;
	if (s->detailed)
		hs_crash_code(s->number, s->code, &code, &meaning);
	process->crash = (struct hs_crash){
		.code = hs_build_cstring(b, code),
		.meaning = hs_build_cstring(b, meaning),
		.address = s->address,
		.has_address = has_address(s),
		.thread = {image->threads.n ? 1 : 0},
	};
	if (s->number == SIGABRT)
		process->crash.message = find_message(image, files, b);
	process->end = HS_END_SIGNAL;
	process->signal = s->number;
	hs_build_has(b, HS_HAS_CRASH);
}
