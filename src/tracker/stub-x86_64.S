/* SPDX-License-Identifier: MIT */

/*
 * Entry stubs for x86-64: hand each hook, behind its own arguments, the place
 * of its return address and the caller's frame pointer, and jump.  Nothing is
 * pushed, so for every unwinder the hook was called by the program itself.
 *
 * Arguments are passed in rdi, rsi, rdx, rcx, r8, r9 (System V ABI, AMD64
 * supplement, 3.2.3); the tracker's halves are named tr_NAME.
 */
	.macro	HOOK name, slot, fp
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	endbr64
	movq	%rsp, \slot
	movq	%rbp, \fp
	jmp	tr_\name
	.cfi_endproc
	.size	\name, . - \name
	.hidden	tr_\name
	.endm

	.text
	HOOK	malloc, %rsi, %rdx
	HOOK	free, %rsi, %rdx
	HOOK	calloc, %rdx, %rcx
	HOOK	realloc, %rdx, %rcx
	HOOK	reallocarray, %rcx, %r8
	HOOK	posix_memalign, %rcx, %r8
	HOOK	aligned_alloc, %rdx, %rcx
	HOOK	memalign, %rdx, %rcx
	HOOK	valloc, %rsi, %rdx
	HOOK	pvalloc, %rsi, %rdx

/*
 * operator new and delete: all forms have at most three arguments, so one
 * function serves all, and is told which: the number in enum tr_cxx_op.
 */
	.macro	CXX name, op, half
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	endbr64
	movq	%rsp, %rcx
	movq	%rbp, %r8
	movl	$\op, %r9d
	jmp	\half
	.cfi_endproc
	.size	\name, . - \name
	.hidden	\half
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

	.section .note.GNU-stack, "", @progbits
