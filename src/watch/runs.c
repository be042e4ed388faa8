/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runs.h"

#include "units.h"

#include <string.h>

/* A guest that stopped so long before the daemon's end went down with the host. */
#define HOST_DOWN_USEC (600 * USEC_PER_SEC)
/* RestartWindowSec= can't be longer; what is older tells nothing. */
#define STOP_KEPT_USEC (3600 * USEC_PER_SEC)

/* Of the daemon itself, in KEEP_DAEMON. */
#define KEY_ENDED "ended"
#define KEY_LISTED "listed"

struct Runs {
    Keep *keep;
    Keep *own; /* where none is given */
};

/* "USEC NAME". False where it isn't that. */
static bool
read_stop(const char *text, uint64_t *usec, const char **name)
{
    char *end = NULL;

    if (text == NULL)
        return false;
    *usec = g_ascii_strtoull(text, &end, 10);
    if (end == text || *end != ' ')
        return false;
    *name = end + 1;
    return true;
}

static void
settle_who_ran(Runs *runs)
{
    Keep *keep = runs->keep;
    g_auto(GStrv) running = keep_keys(keep, KEEP_RUNNING);
    g_auto(GStrv) stopped = keep_keys(keep, KEEP_STOPPED);
    g_autofree char *ended = keep_get(keep, KEEP_DAEMON, KEY_ENDED);
    g_autofree char *listed = keep_get(keep, KEEP_DAEMON, KEY_LISTED);

    if (listed != NULL)
        keep_clear_group(keep, KEEP_RAN_BEFORE);
    for (size_t i = 0; running[i] != NULL; i++) {
        g_autofree char *name = keep_get(keep, KEEP_RUNNING, running[i]);

        keep_set(keep, KEEP_RAN_BEFORE, running[i], name);
    }
    for (size_t i = 0; ended != NULL && stopped[i] != NULL; i++) {
        g_autofree char *text = keep_get(keep, KEEP_STOPPED, stopped[i]);
        uint64_t ended_usec = g_ascii_strtoull(ended, NULL, 10), stop_usec;
        const char *name;

        if (read_stop(text, &stop_usec, &name) && saturating_sub(ended_usec, stop_usec) <= HOST_DOWN_USEC)
            keep_set(keep, KEEP_RAN_BEFORE, stopped[i], name);
    }
    keep_clear_group(keep, KEEP_RUNNING);
    keep_clear_group(keep, KEEP_STOPPED);
    keep_set(keep, KEEP_DAEMON, KEY_LISTED, NULL);
}

static void
forget_old_stops(Runs *runs, uint64_t now_usec)
{
    g_auto(GStrv) stopped = keep_keys(runs->keep, KEEP_STOPPED);

    for (size_t i = 0; stopped[i] != NULL; i++) {
        g_autofree char *text = keep_get(runs->keep, KEEP_STOPPED, stopped[i]);
        uint64_t stop_usec;
        const char *name;

        if (!read_stop(text, &stop_usec, &name) || stop_usec > now_usec || now_usec - stop_usec > STOP_KEPT_USEC)
            keep_set(runs->keep, KEEP_STOPPED, stopped[i], NULL);
    }
}

Runs *
runs_new(Keep *keep, uint64_t now_usec)
{
    Runs *runs = g_new0(Runs, 1);

    if (keep == NULL) {
        g_autofree char *problem = NULL;

        keep = runs->own = keep_open(NULL, NULL, &problem);
    }
    runs->keep = keep;
    if (keep_host_was_down(keep))
        settle_who_ran(runs);
    forget_old_stops(runs, now_usec);
    keep_set(keep, KEEP_DAEMON, KEY_ENDED, NULL);
    return runs;
}

void
runs_free(Runs *runs)
{
    if (runs == NULL)
        return;
    keep_free(runs->own);
    g_free(runs);
}

void
runs_note_end(Runs *runs, uint64_t now_usec)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, now_usec);

    keep_set(runs->keep, KEEP_DAEMON, KEY_ENDED, text);
}

void
runs_note_listed(Runs *runs)
{
    keep_set(runs->keep, KEEP_DAEMON, KEY_LISTED, "yes");
}

void
runs_note_running(Runs *runs, const char *uuid, const char *name)
{
    keep_set(runs->keep, KEEP_RUNNING, uuid, name);
}

void
runs_note_started(Runs *runs, const char *uuid)
{
    keep_set(runs->keep, KEEP_RAN_BEFORE, uuid, NULL);
}

void
runs_note_off(Runs *runs, const char *uuid, const char *name, uint64_t stop_usec)
{
    g_autofree char *text = NULL;

    keep_set(runs->keep, KEEP_RUNNING, uuid, NULL);
    if (stop_usec != 0) {
        forget_old_stops(runs, stop_usec);
        text = g_strdup_printf("%" G_GUINT64_FORMAT " %s", stop_usec, name != NULL ? name : uuid);
    }
    keep_set(runs->keep, KEEP_STOPPED, uuid, text);
}

bool
runs_is_running(const Runs *runs, const char *uuid)
{
    g_autofree char *name = keep_get(runs->keep, KEEP_RUNNING, uuid);

    return name != NULL;
}

char **
runs_running(const Runs *runs)
{
    return keep_keys(runs->keep, KEEP_RUNNING);
}

bool
runs_ran_at_host_down(const Runs *runs, const char *uuid)
{
    g_autofree char *name = keep_get(runs->keep, KEEP_RAN_BEFORE, uuid);

    return name != NULL;
}

uint64_t
runs_stop_usec(const Runs *runs, const char *uuid, uint64_t now_usec)
{
    g_autofree char *text = keep_get(runs->keep, KEEP_STOPPED, uuid);
    uint64_t stop_usec;
    const char *name;

    return read_stop(text, &stop_usec, &name) && stop_usec <= now_usec ? stop_usec : 0;
}
