/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must be known of guests' earlier runs, across restarts of the daemon and of the host: who runs, who ran when the
 * host went down and has not been started since, when each stopped last. Stands in Keep.
 *
 * Who ran when the host went down is settled at the first start of the daemon after it: whoever ran by what was kept last,
 * and whoever stopped within ten minutes before the daemon's own orderly end in that boot. The latter because an orderly
 * shutdown ends guests one after the other (libvirt-guests.service, 300 s for each) before it ends the daemon.
 *
 * Times are those of CLOCK_MONOTONIC: within a boot of the host it goes on across restarts of the daemon and does not
 * step, and times of an earlier boot are only compared with one another.
 *
 * Main thread only.
 */

#include "keep/keep.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Runs Runs;

/* keep is borrowed; NULL: nothing outlives this. */
Runs *runs_new(Keep *keep, uint64_t now_usec);
void runs_free(Runs *runs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Runs, runs_free)

/* The daemon ends in an orderly way. */
void runs_note_end(Runs *runs, uint64_t now_usec);
/* libvirt has told of all guests. A boot of the host in which it never does is none: who ran before it still counts. */
void runs_note_listed(Runs *runs);

void runs_note_running(Runs *runs, const char *uuid, const char *name);
/* It was started since the host went down. */
void runs_note_started(Runs *runs, const char *uuid);
/* It stopped; stop_usec 0: so that a start is no restart. name may be NULL. */
void runs_note_off(Runs *runs, const char *uuid, const char *name, uint64_t stop_usec);

bool runs_is_running(const Runs *runs, const char *uuid);
/* Who runs, as far as is known. NULL-terminated; free with g_strfreev. */
char **runs_running(const Runs *runs);
/* It ran when the host went down, and has not been started since. */
bool runs_ran_at_host_down(const Runs *runs, const char *uuid);
/* When it stopped last in this boot of the host; 0: not known, or in such a way that a start is no restart. */
uint64_t runs_stop_usec(const Runs *runs, const char *uuid, uint64_t now_usec);
