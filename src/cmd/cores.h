/* SPDX-License-Identifier: MIT */

/*
 * Ties captures to the cores of their processes.  The 16 bytes at AT_RANDOM are
 * in both and, with the pid (a fork has its parent's), match one process.
 */
#ifndef HS_CORES_H
#define HS_CORES_H

struct hs_inputs;

/*
 * For each capture: the core among IN; else, if its process died of a signal,
 * one that lies where the kernel or systemd-coredump put it.  Captures then
 * know the path of their core, and cores the names of their threads.
 */
void hs_cores_link(struct hs_inputs *in);

#endif /* HS_CORES_H */
