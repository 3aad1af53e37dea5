/* SPDX-License-Identifier: MIT */

/*
 * What `heapsnap run` and the recorder tell each other, over a SOCK_SEQPACKET
 * socket: one fixed-size message a packet.  Both come from the same build, so
 * there is no version.
 *
 *      recorder  READY, or FAILED, or BUSY: another recorder has the directory,
 *                and listens on the socket RC_SOCKET_NAME in it
 *      run       MAIN      before the program starts
 *      run       ENDED     the program ended, and is still a zombie
 *      recorder  NOTED     it may be reaped now
 *      run       CLOSE     tell me when the captures of this run are done
 *      recorder  FINALIZED for each of them, at any time
 *      recorder  TROUBLE   of one capture, at any time; the others go on
 *      recorder  BYE       all that ended are done; `count` go on
 *
 * Either side may vanish at any moment.
 */
#ifndef RC_PROTOCOL_H
#define RC_PROTOCOL_H

#include <stdint.h>

#define RC_SOCKET_NAME ".heapsnap.sock"

enum rc_message_kind {
	RC_READY = 1,
	RC_FAILED = 2, /* text */
	RC_BUSY = 3,
	RC_MAIN = 4,  /* pid */
	RC_ENDED = 5, /* pid, how, code */
	RC_NOTED = 6, /* pid */
	RC_CLOSE = 7,
	RC_FINALIZED = 8, /* pid, name; text if it could not be rewritten */
	RC_BYE = 9,       /* count */
	RC_TROUBLE = 10,  /* pid, name, text */
};

struct rc_message {
	uint32_t kind; /* enum rc_message_kind */
	uint32_t pid;
	uint32_t how; /* enum hs_wire_how */
	int32_t code;
	uint32_t count;
	char name[256]; /* a file in the directory */
	char text[300]; /* a sentence, or empty */
};

#endif /* RC_PROTOCOL_H */
