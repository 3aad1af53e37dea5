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

	.section .note.GNU-stack, "", @progbits
