/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history.h"

#include "history_ring.h"
#include "units.h"

#include <string.h>
#include <time.h>

/* Nothing older is kept. */
#define KEPT_USEC ((uint64_t)HISTORY_COARSE_SEC * HISTORY_COARSE_POINTS * USEC_PER_SEC)
/* A tick stands for the time since the last one, for so much at most. */
#define TICK_MSEC_MOST 10000

typedef struct GuestHistory {
    char uuid[37];
    char *name;
    uint64_t active_usec; /* when it was last seen other than off, or something happened to it */
    HistoryRing fine;
    HistoryRing coarse;
    GPtrArray *events; /* of HistoryEvent, oldest first */
} GuestHistory;

struct History {
    GHashTable *guests; /* uuid, in the value -> GuestHistory */
    GPtrArray *events;  /* of the host */
    uint64_t began_usec;
    uint64_t now_usec;
    uint64_t swept_usec;
    uint64_t refused_usec; /* when there was no room last; 0: there was always */
};

static void
event_free(void *data)
{
    HistoryEvent *event = data;

    g_free(event->message);
    g_free(event);
}

static void
guest_free(void *data)
{
    GuestHistory *guest = data;

    g_free(guest->name);
    history_ring_clear(&guest->fine);
    history_ring_clear(&guest->coarse);
    g_ptr_array_unref(guest->events);
    g_free(guest);
}

History *
history_new(void)
{
    History *history = g_new0(History, 1);

    history->guests = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, guest_free);
    history->events = g_ptr_array_new_with_free_func(event_free);
    return history;
}

void
history_free(History *history)
{
    if (history == NULL)
        return;
    g_hash_table_unref(history->guests);
    g_ptr_array_unref(history->events);
    g_free(history);
}

uint64_t
history_clock_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static bool
is_over(const History *history, const GuestHistory *guest)
{
    return history->now_usec - guest->active_usec > KEPT_USEC;
}

static gboolean
sweep_guest(gpointer uuid, gpointer value, gpointer history)
{
    return is_over(history, value);
}

/* Makes room for one more, at the cost of who was last active longest ago, if that is not now. */
static bool
make_room(History *history)
{
    GuestHistory *oldest = NULL;
    GHashTableIter iter;
    void *value;

    if (g_hash_table_size(history->guests) < HISTORY_GUESTS)
        return true;
    if (history->refused_usec != 0 && history->now_usec - history->refused_usec < HISTORY_COARSE_SEC * USEC_PER_SEC)
        return false; /* not to be looked for anew in each tick and for each guest */
    g_hash_table_iter_init(&iter, history->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        GuestHistory *guest = value;

        if (oldest == NULL || guest->active_usec < oldest->active_usec)
            oldest = guest;
    }
    if (oldest == NULL || history->now_usec - oldest->active_usec <= HISTORY_COARSE_SEC * USEC_PER_SEC) {
        history->refused_usec = MAX(history->now_usec, 1);
        return false;
    }
    g_hash_table_remove(history->guests, oldest->uuid);
    return true;
}

/* NULL where there is no room. */
static GuestHistory *
guest_new(History *history, const char *uuid)
{
    GuestHistory *guest;

    if (!make_room(history))
        return NULL;
    guest = g_new0(GuestHistory, 1);
    g_strlcpy(guest->uuid, uuid, sizeof guest->uuid);
    history_ring_init(&guest->fine, HISTORY_FINE_SEC, HISTORY_FINE_POINTS);
    history_ring_init(&guest->coarse, HISTORY_COARSE_SEC, HISTORY_COARSE_POINTS);
    guest->events = g_ptr_array_new_with_free_func(event_free);
    g_hash_table_insert(history->guests, guest->uuid, guest);
    return guest;
}

static void
set_name(GuestHistory *guest, const char *name)
{
    if (g_strcmp0(guest->name, name) == 0)
        return;
    g_free(guest->name);
    guest->name = g_strdup(name);
}

static void
advance(History *history, uint64_t now_usec)
{
    history->now_usec = MAX(history->now_usec, now_usec);
    if (history->now_usec - history->swept_usec < HISTORY_COARSE_SEC * USEC_PER_SEC)
        return;
    history->swept_usec = history->now_usec;
    g_hash_table_foreach_remove(history->guests, sweep_guest, history);
}

void
history_add(History *history, const TickReport *report, uint64_t now_usec)
{
    uint64_t msec = clamp_u64(saturating_sub(now_usec, history->now_usec) / USEC_PER_MSEC, 1, TICK_MSEC_MOST);

    advance(history, now_usec);
    if (history->began_usec == 0)
        history->began_usec = MAX(history->now_usec, 1);
    for (size_t i = 0; i < report->plan->guest_count; i++) {
        const GuestPlan *plan = &report->plan->guests[i];
        GuestHistory *guest = g_hash_table_lookup(history->guests, plan->guest->uuid);
        HistoryOpen closed;

        if (guest == NULL && plan->state != GUEST_STATE_OFF)
            guest = guest_new(history, plan->guest->uuid);
        if (guest == NULL)
            continue;
        set_name(guest, plan->guest->name);
        if (plan->state != GUEST_STATE_OFF)
            guest->active_usec = history->now_usec;
        /* what is over goes on to the coarser ring as a whole */
        if (history_ring_open(&guest->fine, history->now_usec, &closed))
            history_ring_fold(&guest->coarse, &closed);
        history_ring_add(&guest->fine, plan, msec);
    }
}

/* The message, or as much of it as is kept. */
static char *
kept_message(const char *message)
{
    const char *end = message + HISTORY_MESSAGE_BYTES - strlen("\u2026");

    if (strlen(message) <= HISTORY_MESSAGE_BYTES)
        return g_strdup(message);
    while ((*end & 0xc0) == 0x80)
        end--;
    return g_strdup_printf("%.*s\u2026", (int)(end - message), message);
}

static void
keep_event(GPtrArray *events, unsigned most, const Change *change, uint64_t now_usec)
{
    HistoryEvent *event = g_new0(HistoryEvent, 1);

    *event = (HistoryEvent){.time_usec = now_usec,
                            .kind = change->kind,
                            .host = change->uuid[0] == '\0',
                            .old_kib = change->old_kib,
                            .new_kib = change->new_kib,
                            .message = kept_message(change->message)};
    if (events->len >= most)
        g_ptr_array_remove_index(events, 0);
    g_ptr_array_add(events, event);
}

void
history_note(History *history, const Change *change, uint64_t now_usec)
{
    GuestHistory *guest;

    advance(history, now_usec);
    if (change->uuid[0] == '\0') {
        keep_event(history->events, HISTORY_HOST_EVENTS, change, history->now_usec);
        return;
    }
    guest = g_hash_table_lookup(history->guests, change->uuid);
    if (guest == NULL)
        guest = guest_new(history, change->uuid);
    if (guest == NULL)
        return;
    guest->active_usec = history->now_usec;
    set_name(guest, change->name);
    if (change->kind == CHANGE_TARGET_CHANGED)
        guest->fine.open.target_changes++;
    else
        keep_event(guest->events, HISTORY_GUEST_EVENTS, change, history->now_usec);
}

uint64_t
history_began_usec(const History *history)
{
    return history->began_usec;
}

bool
history_find(const History *history, const char *text, HistoryOwner *owner)
{
    const GuestHistory *found = NULL;
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, history->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const GuestHistory *guest = value;

        if (g_ascii_strcasecmp(guest->uuid, text) != 0 && g_strcmp0(guest->name, text) != 0)
            continue;
        if (found == NULL || guest->active_usec > found->active_usec)
            found = guest;
    }
    if (found != NULL)
        *owner = (HistoryOwner){.uuid = found->uuid, .name = found->name};
    return found != NULL;
}

GArray *
history_spans(const History *history, const char *uuid, uint64_t since_usec)
{
    const GuestHistory *guest = g_hash_table_lookup(history->guests, uuid);
    GArray *spans = g_array_new(FALSE, FALSE, sizeof(HistorySpan));
    uint64_t fine_usec;

    if (guest == NULL)
        return spans;
    fine_usec = history_ring_first_usec(&guest->fine);
    /* before that the finer ring has it all, and a coarser point would begin before anything was known */
    if (history_ring_is_full(&guest->fine))
        history_ring_read(&guest->coarse, since_usec, fine_usec, spans);
    history_ring_read(&guest->fine, MAX(since_usec, fine_usec), history->now_usec + 1, spans);
    return spans;
}

static void
add_events(GPtrArray *events, const GPtrArray *from, uint64_t since_usec)
{
    for (unsigned i = 0; i < from->len; i++)
        if (((const HistoryEvent *)g_ptr_array_index(from, i))->time_usec >= since_usec)
            g_ptr_array_add(events, g_ptr_array_index(from, i));
}

static int
compare_events(gconstpointer a, gconstpointer b)
{
    const HistoryEvent *left = *(const HistoryEvent *const *)a;
    const HistoryEvent *right = *(const HistoryEvent *const *)b;

    return (left->time_usec > right->time_usec) - (left->time_usec < right->time_usec);
}

GPtrArray *
history_events(const History *history, const char *uuid, uint64_t since_usec)
{
    const GuestHistory *guest = g_hash_table_lookup(history->guests, uuid);
    GPtrArray *events = g_ptr_array_new();

    add_events(events, history->events, since_usec);
    if (guest != NULL)
        add_events(events, guest->events, since_usec);
    g_ptr_array_sort(events, compare_events);
    return events;
}

unsigned
history_guests(const History *history)
{
    return g_hash_table_size(history->guests);
}

static size_t
events_bytes(const GPtrArray *events)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < events->len; i++)
        bytes += sizeof(void *) + sizeof(HistoryEvent) +
                 strlen(((const HistoryEvent *)g_ptr_array_index(events, i))->message) + 1;
    return bytes;
}

size_t
history_bytes(const History *history)
{
    size_t bytes = sizeof *history + events_bytes(history->events);
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, history->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const GuestHistory *guest = value;

        bytes += sizeof *guest + strlen(guest->name) + 1 + history_ring_bytes(&guest->fine) +
                 history_ring_bytes(&guest->coarse) + events_bytes(guest->events);
    }
    return bytes;
}
