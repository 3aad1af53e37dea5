/* SPDX-License-Identifier: MIT */

/* Telling the capture which objects are loaded where.  See also unwind.h. */
#ifndef TR_MODULES_H
#define TR_MODULES_H

#include "src/tracker/sys.h"

/* A capture begins: nothing has been told in it yet. */
TR_HIDDEN void tr_modules_start(void);

/*
 * After a dlclose: if code was unloaded, a new epoch begins.  Addresses of the
 * old epoch keep the names of the objects that were there then.  Takes the
 * loader's lock, so it is called by the dlclose wrapper alone.
 */
TR_HIDDEN void tr_modules_check_unloaded(void);

#endif /* TR_MODULES_H */
