/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus_guests.h"

#include "dynmem-bus.h"
#include "held_tick.h"
#include "names.h"
#include "paging_view.h"
#include "rules.h"
#include "units.h"

/* Figures that are another at nearly every tick. */
typedef struct Moving {
    uint64_t assigned_kib;
    uint64_t demand_kib;
    uint64_t want_kib;
    uint64_t resident_kib;
    uint64_t lent_kib;
    uint64_t total_kib;
    uint64_t usable_kib;
    uint32_t pressure_percent;
    uint64_t paging_used_kib;
    uint64_t paging_peak_kib;
    uint64_t shortfall_kib;
} Moving;

/* Everything else, as it was set last, so that what did not change costs a comparison only. */
typedef struct Steady {
    char *name;
    char *issue;
    GuestState state;
    GuestStatus status;
    PlanRule rule;
    bool managed;
    GuestMode mode;
    uint64_t minimum_kib;
    uint64_t startup_kib;
    uint64_t maximum_kib;
    uint32_t buffer_percent;
    uint32_t priority;
    uint64_t target_kib;
    uint64_t committed_kib;
    LedgerGround ground;
    RestartKind restart;
    uint64_t limit_kib;
    char *limit_bar;
    char *paging_state;
    char *paging_directory;
    char *paging_reason;
    uint64_t paging_size_kib;
    uint64_t paging_since_usec;
    uint64_t paging_deadline_usec;
} Steady;

typedef struct BusGuestEntry {
    char uuid[37];
    char *path;
    BusGuest *skeleton;
    Steady steady;
    Moving moving;
    Moving told;
    uint64_t told_usec;
    bool exported;
    uint64_t seen_tick;
} BusGuestEntry;

struct BusGuests {
    GDBusObjectManagerServer *manager;
    GHashTable *entries; /* uuid, in the entry -> BusGuestEntry */
};

bool
moving_figure_jumped(uint64_t told, uint64_t now)
{
    uint64_t difference = told > now ? told - now : now - told;

    return difference > MAX(told, now) / 16;
}

static void
entry_free(void *data)
{
    BusGuestEntry *entry = data;

    g_object_unref(entry->skeleton);
    g_free(entry->path);
    g_free(entry->steady.name);
    g_free(entry->steady.issue);
    g_free(entry->steady.limit_bar);
    g_free(entry->steady.paging_state);
    g_free(entry->steady.paging_directory);
    g_free(entry->steady.paging_reason);
    g_free(entry);
}

BusGuests *
bus_guests_new(GDBusObjectManagerServer *manager)
{
    BusGuests *guests = g_new0(BusGuests, 1);

    guests->manager = g_object_ref(manager);
    guests->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
    return guests;
}

void
bus_guests_free(BusGuests *guests)
{
    if (guests == NULL)
        return;
    g_hash_table_unref(guests->entries);
    g_object_unref(guests->manager);
    g_free(guests);
}

static BusGuestEntry *
entry_new(const char *uuid)
{
    BusGuestEntry *entry = g_new0(BusGuestEntry, 1);
    g_autofree char *element = g_strdelimit(g_strdup(uuid), "-", '_');

    g_strlcpy(entry->uuid, uuid, sizeof entry->uuid);
    entry->path = g_strconcat(DYNMEM_BUS_GUEST_PREFIX, element, NULL);
    entry->skeleton = bus_guest_skeleton_new();
    bus_guest_set_uuid(entry->skeleton, uuid);
    return entry;
}

#define SET(field, value, call)                                                                                        \
    if (all || steady->field != (value)) {                                                                             \
        steady->field = (value);                                                                                       \
        call;                                                                                                          \
        changed = true;                                                                                                \
    }

/* Sets a text that is not as it was, and keeps it in *kept. Returns whether it was another. */
static bool
set_text(BusGuest *skeleton, bool all, char **kept, const char *text, void (*set)(BusGuest *skeleton, const char *text))
{
    g_autofree char *valid = NULL;

    if (!all && g_strcmp0(*kept, text) == 0)
        return false;
    g_free(*kept);
    *kept = g_strdup(text);
    /* the bus takes UTF-8 only */
    valid = text != NULL ? g_utf8_make_valid(text, -1) : NULL;
    set(skeleton, valid != NULL ? valid : "");
    return true;
}

/* What concerns its restart, its paging file and its limit. */
static bool
set_paging(BusGuestEntry *entry, const GuestPlan *guest, const PagingView *view, const TickReport *report)
{
    BusGuest *skeleton = entry->skeleton;
    Steady *steady = &entry->steady;
    bool all = !entry->exported;
    bool changed = false;

    SET(restart, guest->restart, bus_guest_set_restart(skeleton, restart_kind_name(guest->restart)));
    SET(limit_kib, view->limit_kib, bus_guest_set_limit(skeleton, bytes_from_kib(view->limit_kib)));
    SET(paging_size_kib, view->size_kib, bus_guest_set_paging_size(skeleton, bytes_from_kib(view->size_kib)));
    SET(paging_since_usec, view->since_usec,
        bus_guest_set_paging_since(skeleton, wall_clock_usec(report, view->since_usec)));
    SET(paging_deadline_usec, view->deadline_usec,
        bus_guest_set_paging_deadline(skeleton, wall_clock_usec(report, view->deadline_usec)));
    changed = set_text(skeleton, all, &steady->limit_bar, view->limit_bar, bus_guest_set_limit_bar) || changed;
    changed = set_text(skeleton, all, &steady->paging_state, view->state, bus_guest_set_paging_state) || changed;
    changed =
        set_text(skeleton, all, &steady->paging_directory, view->directory, bus_guest_set_paging_directory) || changed;
    return set_text(skeleton, all, &steady->paging_reason, view->reason, bus_guest_set_paging_reason) || changed;
}

/* Sets what is not as it was. Returns whether anything was. */
static bool
set_steady(BusGuestEntry *entry, const GuestPlan *guest, const char *issue)
{
    const GuestSettings *settings = guest->guest->settings;
    Steady *steady = &entry->steady;
    bool all = !entry->exported;
    bool changed = false;

    SET(rule, guest->rule, bus_guest_set_rule(entry->skeleton, plan_rule_name(guest->rule)));
    SET(state, guest->state, bus_guest_set_state(entry->skeleton, guest_state_name(guest->state)));
    SET(status, guest->status, bus_guest_set_status(entry->skeleton, guest_status_name(guest->status)));
    SET(managed, settings->managed, bus_guest_set_managed(entry->skeleton, settings->managed));
    SET(mode, settings->mode, bus_guest_set_mode(entry->skeleton, guest_mode_name(settings->mode)));
    SET(minimum_kib, settings->minimum_kib,
        bus_guest_set_minimum(entry->skeleton, bytes_from_kib(settings->minimum_kib)));
    SET(startup_kib, settings->startup_kib,
        bus_guest_set_startup(entry->skeleton, bytes_from_kib(settings->startup_kib)));
    SET(maximum_kib, settings->maximum_kib,
        bus_guest_set_maximum(entry->skeleton, bytes_from_kib(settings->maximum_kib)));
    SET(buffer_percent, settings->buffer_percent, bus_guest_set_buffer(entry->skeleton, settings->buffer_percent));
    SET(priority, settings->priority, bus_guest_set_priority(entry->skeleton, settings->priority));
    SET(target_kib, guest->target_kib, bus_guest_set_target(entry->skeleton, bytes_from_kib(guest->target_kib)));
    SET(committed_kib, guest->committed_kib,
        bus_guest_set_committed(entry->skeleton, bytes_from_kib(guest->committed_kib)));
    SET(ground, guest->ground, bus_guest_set_ground(entry->skeleton, ledger_ground_name(guest->ground)));
#undef SET

    changed = set_text(entry->skeleton, all, &steady->name, guest->guest->name, bus_guest_set_name) || changed;
    changed = set_text(entry->skeleton, all, &steady->issue, issue, bus_guest_set_issue) || changed;
    return changed;
}

/* Sets the figures that move. Returns whether one of them is far from what was told last. */
static bool
set_moving(BusGuestEntry *entry, const GuestPlan *guest, const PagingView *view)
{
    uint64_t total_kib = guest->guest->has_total ? guest->guest->total_kib : 0;
    uint64_t usable_kib = guest->guest->has_usable ? guest->guest->usable_kib : 0;
    Moving *moving = &entry->moving;
    const Moving *told = &entry->told;
    bool all = !entry->exported;

#define SET(field, value, call)                                                                                        \
    if (all || moving->field != (value)) {                                                                             \
        moving->field = (value);                                                                                       \
        call;                                                                                                          \
    }
    SET(assigned_kib, guest->assigned_kib,
        bus_guest_set_assigned(entry->skeleton, bytes_from_kib(guest->assigned_kib)));
    SET(demand_kib, guest->demand_kib, bus_guest_set_demand(entry->skeleton, bytes_from_kib(guest->demand_kib)));
    SET(want_kib, guest->want_kib, bus_guest_set_want(entry->skeleton, bytes_from_kib(guest->want_kib)));
    SET(resident_kib, guest->guest->resident_kib,
        bus_guest_set_resident(entry->skeleton, bytes_from_kib(guest->guest->resident_kib)));
    SET(lent_kib, guest->lent_kib, bus_guest_set_lent(entry->skeleton, bytes_from_kib(guest->lent_kib)));
    SET(total_kib, total_kib, bus_guest_set_total(entry->skeleton, bytes_from_kib(total_kib)));
    SET(usable_kib, usable_kib, bus_guest_set_usable(entry->skeleton, bytes_from_kib(usable_kib)));
    SET(pressure_percent, guest->pressure_percent, bus_guest_set_pressure(entry->skeleton, guest->pressure_percent));
    SET(paging_used_kib, view->used_kib, bus_guest_set_paging_used(entry->skeleton, bytes_from_kib(view->used_kib)));
    SET(paging_peak_kib, view->peak_kib, bus_guest_set_paging_peak(entry->skeleton, bytes_from_kib(view->peak_kib)));
    SET(shortfall_kib, view->shortfall_kib,
        bus_guest_set_shortfall(entry->skeleton, bytes_from_kib(view->shortfall_kib)));
#undef SET

    return moving_figure_jumped(told->assigned_kib, moving->assigned_kib) ||
           moving_figure_jumped(told->demand_kib, moving->demand_kib) ||
           moving_figure_jumped(told->want_kib, moving->want_kib) ||
           moving_figure_jumped(told->resident_kib, moving->resident_kib) ||
           moving_figure_jumped(told->lent_kib, moving->lent_kib) ||
           moving_figure_jumped(told->total_kib, moving->total_kib) ||
           moving_figure_jumped(told->usable_kib, moving->usable_kib) ||
           moving_figure_jumped(told->paging_used_kib, moving->paging_used_kib) ||
           moving_figure_jumped(told->paging_peak_kib, moving->paging_peak_kib) ||
           moving_figure_jumped(told->shortfall_kib, moving->shortfall_kib);
}

static void
entry_update(BusGuests *guests, BusGuestEntry *entry, const GuestPlan *guest, const TickReport *report,
             const char *issue)
{
    PagingView view;
    bool tell = set_steady(entry, guest, issue);
    g_autofree char *reason = NULL;

    paging_view_fill(guest, report, &view);
    tell = set_paging(entry, guest, &view, report) || tell;
    tell = set_moving(entry, guest, &view) || tell;
    if (entry->exported && !tell && report->now_usec - entry->told_usec < MOVING_FIGURES_USEC)
        return;
    /* has figures that move in it, and costs more than a comparison: so only when something is told anyway */
    reason = reason_text(guest, report->plan);
    bus_guest_set_reason(entry->skeleton, reason);
    if (!entry->exported) {
        g_autoptr(BusObjectSkeleton) object = bus_object_skeleton_new(entry->path);

        bus_object_skeleton_set_guest(object, entry->skeleton);
        g_dbus_object_manager_server_export(guests->manager, G_DBUS_OBJECT_SKELETON(object));
        entry->exported = true;
    } else {
        g_object_thaw_notify(G_OBJECT(entry->skeleton));
        g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(entry->skeleton));
    }
    /* From here on the skeleton's signal waits until it is let go: it sends one when notifications thaw. */
    g_object_freeze_notify(G_OBJECT(entry->skeleton));
    entry->told = entry->moving;
    entry->told_usec = report->now_usec;
}

void
bus_guests_update(BusGuests *guests, const TickReport *report)
{
    const Plan *plan = report->plan;
    bool issues = report->issues != NULL && report->issues->len > 0;

    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];
        BusGuestEntry *entry = g_hash_table_lookup(guests->entries, guest->guest->uuid);
        const GuestIssue *issue = issues ? tick_report_issue(report, guest->guest->uuid) : NULL;

        if (entry == NULL) {
            entry = entry_new(guest->guest->uuid);
            g_hash_table_insert(guests->entries, entry->uuid, entry);
        }
        entry->seen_tick = report->tick;
        entry_update(guests, entry, guest, report, issue != NULL ? issue->message : NULL);
    }

    if (g_hash_table_size(guests->entries) > plan->guest_count) {
        GHashTableIter iter;
        void *value;

        g_hash_table_iter_init(&iter, guests->entries);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
            BusGuestEntry *entry = value;

            if (entry->seen_tick == report->tick)
                continue;
            g_dbus_object_manager_server_unexport(guests->manager, entry->path);
            g_hash_table_iter_remove(&iter);
        }
    }
}
