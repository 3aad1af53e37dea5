/* SPDX-License-Identifier: MIT */

/*
 * Entry stubs for AArch64: hand each hook, behind its own arguments, the place
 * of its return address and the caller's frame pointer.
 *
 * The return address comes in x30, so it is put down in a frame of 16 bytes: then
 * it lies just below the caller's frame, as the rest of the tracker knows it from
 * architectures that push it, and is not signed.  Arguments are passed in x0 to
 * x7 (AAPCS64, 6.8.2); the tracker's halves are named tr_NAME.
 *
 * Calls may be indirect: hint #34 is bti c, which does nothing where branches are
 * not guarded.
 */
	.macro	ENTER name
	.globl	\name
	.type	\name, %function
	.p2align 4
\name:
	.cfi_startproc
	hint	#34
	stp	x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset 29, -16
	.cfi_offset 30, -8
	.endm

	.macro	LEAVE name, half
	.hidden	\half
	mov	x29, sp
	bl	\half
	ldp	x29, x30, [sp], #16
	.cfi_restore 29
	.cfi_restore 30
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.macro	HOOK name, slot, fp
	ENTER	\name
	add	\slot, sp, #8
	mov	\fp, x29
	LEAVE	\name, tr_\name
	.endm

	.text
	HOOK	malloc, x1, x2
	HOOK	free, x1, x2
	HOOK	calloc, x2, x3
	HOOK	realloc, x2, x3
	HOOK	reallocarray, x3, x4
	HOOK	posix_memalign, x3, x4
	HOOK	aligned_alloc, x2, x3
	HOOK	memalign, x2, x3
	HOOK	valloc, x1, x2
	HOOK	pvalloc, x1, x2

/*
 * operator new and delete: all forms have at most three arguments, so one
 * function serves all, and is told which: the number in enum tr_cxx_op.
 */
	.macro	CXX name, op, half
	ENTER	\name
	add	x3, sp, #8
	mov	x4, x29
	mov	x5, #\op
	LEAVE	\name, \half
	.endm

	CXX	_Znwm, 0, tr_new
	CXX	_Znam, 1, tr_new
	CXX	_ZnwmRKSt9nothrow_t, 2, tr_new
	CXX	_ZnamRKSt9nothrow_t, 3, tr_new
	CXX	_ZnwmSt11align_val_t, 4, tr_new
	CXX	_ZnamSt11align_val_t, 5, tr_new
	CXX	_ZnwmSt11align_val_tRKSt9nothrow_t, 6, tr_new
	CXX	_ZnamSt11align_val_tRKSt9nothrow_t, 7, tr_new
	CXX	_ZdlPv, 8, tr_delete
	CXX	_ZdaPv, 9, tr_delete
	CXX	_ZdlPvm, 10, tr_delete
	CXX	_ZdaPvm, 11, tr_delete
	CXX	_ZdlPvRKSt9nothrow_t, 12, tr_delete
	CXX	_ZdaPvRKSt9nothrow_t, 13, tr_delete
	CXX	_ZdlPvSt11align_val_t, 14, tr_delete
	CXX	_ZdaPvSt11align_val_t, 15, tr_delete
	CXX	_ZdlPvmSt11align_val_t, 16, tr_delete
	CXX	_ZdaPvmSt11align_val_t, 17, tr_delete
	CXX	_ZdlPvSt11align_val_tRKSt9nothrow_t, 18, tr_delete
	CXX	_ZdaPvSt11align_val_tRKSt9nothrow_t, 19, tr_delete

/* Hooks that find this frame themselves; see TR_PLAIN_FRAME. */
	.macro	PLAIN name
	ENTER	\name
	LEAVE	\name, tr_\name
	.endm

	PLAIN	mmap
	PLAIN	mmap64
	PLAIN	munmap
	PLAIN	mremap

	.section .note.GNU-stack, "", %progbits

/* This file's branches may be guarded: GNU_PROPERTY_AARCH64_FEATURE_1_AND, BTI. */
	.section .note.gnu.property, "a", %note
	.p2align 3
	.word	4, 16, 5
	.asciz	"GNU"
	.word	0xc0000000, 4, 1, 0
