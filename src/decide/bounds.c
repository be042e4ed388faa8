/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/bounds.h"

#include "decide/faults.h"
#include "decide/limit.h"
#include "units.h"

/*
 * What others held counts so long, and up to twice that: a QEMU that is gone is heard of by then. Not as long as in the budget of the
 * host, as guests that are bound to no node, and end, are others on each of them.
 */
#define OTHERS_USEC (5 * USEC_PER_SEC)

static bool
is_same(const Bound *a, const Bound *b)
{
    return a->above_id == b->above_id && a->nodes == b->nodes;
}

/* Its place, from 1; new where there was none. */
static uint32_t
find_or_add(Bounds *bounds, const Bound *sought)
{
    for (size_t i = 0; i < bounds->count; i++)
        if (is_same(&bounds->bounds[i], sought))
            return (uint32_t)i + 1;
    if (bounds->count == bounds->capacity) {
        bounds->capacity = MAX(8, bounds->capacity * 2);
        bounds->bounds = g_renew(Bound, bounds->bounds, bounds->capacity);
        bounds->before = g_renew(Bound, bounds->before, bounds->capacity);
    }
    bounds->bounds[bounds->count] = *sought;
    for (size_t i = 0; i < bounds->before_count; i++)
        if (is_same(&bounds->before[i], sought))
            bounds->bounds[bounds->count].other = bounds->before[i].other;
    bounds->count++;
    return (uint32_t)bounds->count;
}

/* Of who is strictly bound to these nodes; 0: it is bound to none that the host has. A node keeps its part of the reserve. */
static uint32_t
bound_of_nodes(Bounds *bounds, uint64_t nodes)
{
    const HostFigures *figures = bounds->figures;
    HostNode sum = {0};
    uint64_t reserve = 0;

    if (nodes == 0 || figures->nodes[0].total_kib == 0)
        return 0;
    for (unsigned n = 0; n < HOST_NODES_MAX; n++)
        if ((nodes >> n & 1) != 0) {
            sum.total_kib = saturating_add(sum.total_kib, figures->nodes[n].total_kib);
            sum.available_kib = saturating_add(sum.available_kib, figures->nodes[n].available_kib);
        }
    if (figures->total_kib >= 1024 && !broken(FAULT_BOUND_NODES_WHOLE))
        reserve = MIN(bounds->reserve_kib, bounds->reserve_kib / 1024 * (sum.total_kib / (figures->total_kib / 1024)));
    return find_or_add(
        bounds,
        &(Bound){.nodes = nodes, .total_kib = sum.total_kib, .has_kib = sum.available_kib, .reserve_kib = reserve});
}

static uint32_t
bound_of_group(Bounds *bounds, const LimitAbove *above)
{
    if (above->id == 0)
        return 0;
    return find_or_add(bounds, &(Bound){.above_id = above->id,
                                        .total_kib = above->limit_kib,
                                        .has_kib = above->limit_kib,
                                        .others_kib = broken(FAULT_BOUND_ALL_OURS) ? 0 : above->charged_kib});
}

static void
bind_entry(Bounds *bounds, LedgerEntry *entry, const GroupsAbove *above, uint64_t nodes)
{
    entry->bounds[0] = bound_of_nodes(bounds, nodes);
    for (size_t i = 0; i < LIMITS_ABOVE; i++)
        entry->bounds[1 + i] = i > 0 && broken(FAULT_BOUND_FIRST_ALONE) ? 0 : bound_of_group(bounds, &above->group[i]);
}

static bool
is_anybody_bound(const Snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->guest_count; i++)
        if (snapshot->guests[i].limits.above.group[0].id != 0 || snapshot->guests[i].settings->strict_nodes != 0)
            return true;
    for (size_t i = 0; i < snapshot->start_count; i++)
        if (snapshot->starts[i]->above.group[0].id != 0 || snapshot->starts[i]->settings.strict_nodes != 0)
            return true;
    return false;
}

/* One of an entry; NULL: there is none. */
static Bound *
bound_of(const Bounds *bounds, const LedgerEntry *entry, size_t which)
{
    uint32_t place = entry->bounds[which];

    return place != 0 && place <= bounds->count ? &bounds->bounds[place - 1] : NULL;
}

/*
 * What bounds an entry, one after another from NULL on; NULL: no more. Its groups; its nodes; and those of guests that may have memory
 * of its nodes and of others: what it is booked at is not there for them.
 */
static Bound *
next_of(const Bounds *bounds, const LedgerEntry *entry, const Bound *before)
{
    const Bound *nodes = bound_of(bounds, entry, 0);
    bool passed = before == NULL;
    size_t i = 0;

    for (size_t which = 1; which < G_N_ELEMENTS(entry->bounds); which++) {
        Bound *group = bound_of(bounds, entry, which);

        if (group != NULL && passed)
            return group;
        passed |= group == before;
    }
    if (nodes == NULL)
        return NULL;
    if (before != NULL && before->nodes != 0)
        i = (size_t)(before - bounds->bounds) + 1;
    for (; i < bounds->count; i++)
        if ((bounds->bounds[i].nodes & nodes->nodes) == nodes->nodes &&
            !(broken(FAULT_BOUND_NODES_ALONE) && &bounds->bounds[i] != nodes))
            return &bounds->bounds[i];
    return NULL;
}

/* What is left of them and what their guests hold is theirs, but for what these hold beyond their booking; the rest is others'. */
static void
add_member(Bounds *bounds, const LedgerEntry *entry, uint64_t holds_kib, uint64_t slack_kib, bool runs)
{
    uint64_t all = entry->booked_kib + entry->lent_kib + entry->overhead_kib;

    for (Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;) {
        bound->members_kib += all;
        bound->lent_kib += entry->lent_kib;
        bound->has_kib = saturating_add(bound->has_kib, MIN(holds_kib, all));
        /* a limit may stand half of that too high (limit.h) */
        if (!broken(FAULT_BOUND_NO_SLACK))
            bound->slack_kib += slack_kib + slack_kib / 2;
        if (entry->resident_kib == 0 && (entry->open || entry->begun))
            bound->unseen_kib += all;
        bound->guests += runs;
    }
}

/*
 * What its guests may be booked at together: no more than there is. What they hold may be more than it is charged with, as what is
 * the same is charged once (KSM), its charge is read a little earlier, and a QEMU may be gone since: then nobody sees what others
 * hold, which is what it was before.
 */
static uint64_t
limit_of(const Bound *bound)
{
    uint64_t seen = saturating_sub(bound->has_kib, bound->others_kib);

    return saturating_sub(MIN(saturating_sub(bound->total_kib, recent_most(&bound->other)), seen),
                          MAX(bound->reserve_kib, bound->slack_kib));
}

/* What is not known to be held by its guests is others', but for what QEMUs may hold that are not seen yet: they are booked. */
static void
note_others(Bound *bound, uint64_t now_usec)
{
    uint64_t other = saturating_sub(bound->total_kib, saturating_sub(bound->has_kib, bound->others_kib));

    if (broken(FAULT_BOUND_OTHERS_NOW))
        bound->other = (RecentMost){0};
    other -= MIN(bound->unseen_kib, saturating_sub(other, recent_most(&bound->other)));
    recent_note(&bound->other, other, OTHERS_USEC, now_usec);
}

/* Which bounds there are, and whose. */
static void
find_bounds(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger)
{
    static const GroupsAbove none;

    for (size_t i = 0; i < snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &snapshot->guests[i];

        if (guest->life != GUEST_LIFE_OFF)
            bind_entry(bounds, ledger_guest(ledger, i), &guest->limits.above, guest->settings->strict_nodes);
    }
    for (size_t i = 0; i < snapshot->start_count; i++) {
        const StartRequest *request = snapshot->starts[i];
        LedgerEntry *entry = ledger_start(ledger, i);

        if (!entry->open)
            bind_entry(bounds, entry, broken(FAULT_BOUND_STARTS_FREE) ? &none : &request->above,
                       request->settings.strict_nodes);
    }
}

static void
add_members(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib)
{
    const HostFigures *figures = &snapshot->host.figures;

    for (size_t i = 0; i < snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &snapshot->guests[i];
        const LedgerEntry *entry = ledger_guest(ledger, i);
        uint64_t slack = entry->ground == GROUND_FULL
                             ? 0
                             : limit_slack(figures, reserve_kib, entry->booked_kib + entry->overhead_kib);

        if (guest->life != GUEST_LIFE_OFF)
            add_member(bounds, entry, entry->resident_kib, slack, true);
    }
    for (size_t i = 0; i < snapshot->start_count; i++) {
        const LedgerEntry *entry = ledger_start(ledger, i);

        if (!entry->open)
            add_member(bounds, entry, 0, limit_slack(figures, reserve_kib, entry->booked_kib + entry->overhead_kib),
                       false);
    }
}

uint64_t
bounds_find(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib)
{
    uint64_t running = 0, least = UINT64_MAX;
    Bound *before = bounds->bounds;

    bounds->bounds = bounds->before;
    bounds->before = before;
    bounds->before_count = bounds->count;
    bounds->count = 0;
    bounds->figures = &snapshot->host.figures;
    bounds->reserve_kib = reserve_kib;
    if (!is_anybody_bound(snapshot))
        return least;
    find_bounds(bounds, snapshot, ledger);
    add_members(bounds, snapshot, ledger, reserve_kib);
    for (size_t i = 0; i < snapshot->guest_count; i++)
        running += snapshot->guests[i].life != GUEST_LIFE_OFF;
    for (size_t i = 0; i < bounds->count; i++) {
        Bound *bound = &bounds->bounds[i];

        note_others(bound, snapshot->now_usec);
        if (bound->above_id == 0 || bound->guests < running || broken(FAULT_BOUND_NOT_SHARED))
            continue;
        /* the slack of all limits is a part of the reserve */
        bound->reserve_kib = MIN(reserve_kib / 4 * 3, limit_most_slack(bound->total_kib));
        bound->of_all = true;
        least = MIN(least, limit_of(bound));
    }
    return least;
}

/* A raise brings slack of the limit with it. A group that keeps nothing for that has no room for it but its own. */
static uint64_t
slack_of(const Bounds *bounds, const Bound *bound, uint64_t raise_kib)
{
    return bound->reserve_kib != 0 || broken(FAULT_BOUND_NO_SLACK)
               ? 0
               : limit_raise_slack(bounds->figures, bounds->reserve_kib, raise_kib);
}

static uint64_t
room_of(const Bounds *bounds, const Bound *bound)
{
    uint64_t room;

    if (bound == NULL)
        return UINT64_MAX;
    room = saturating_sub(limit_of(bound), bound->members_kib);
    return room - slack_of(bounds, bound, room);
}

const Bound *
bounds_tightest(const Bounds *bounds, const LedgerEntry *entry)
{
    const Bound *tightest = NULL;

    for (const Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;)
        if (tightest == NULL || room_of(bounds, bound) < room_of(bounds, tightest))
            tightest = bound;
    return tightest;
}

uint64_t
bounds_room(const Bounds *bounds, const LedgerEntry *entry)
{
    return room_of(bounds, bounds_tightest(bounds, entry));
}

uint64_t
bounds_claimable(const Bounds *bounds, const LedgerEntry *entry)
{
    uint64_t most = UINT64_MAX;

    for (const Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;)
        if (!bound->of_all && !broken(FAULT_BOUND_CLAIM_ALL))
            most = MIN(most, room_of(bounds, bound));
    return most;
}

uint64_t
bounds_owed(const Bounds *bounds, const LedgerEntry *entry)
{
    uint64_t owed = 0;

    for (const Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;)
        owed = MAX(owed, saturating_sub(bound->members_kib, limit_of(bound)));
    return broken(FAULT_BOUND_NOT_OWED) ? 0 : owed;
}

uint64_t
bounds_take(Bounds *bounds, const LedgerEntry *entry, uint64_t kib)
{
    uint64_t taken;

    if (bounds->count == 0)
        return kib;
    taken = broken(FAULT_BOUND_NO_GATE) ? kib : MIN(kib, bounds_room(bounds, entry));
    for (Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;)
        bound->members_kib += broken(FAULT_BOUND_TAKEN_TWICE) ? 0 : taken + slack_of(bounds, bound, taken);
    return taken;
}

void
bounds_wait(Bounds *bounds, const LedgerEntry *entry, uint64_t kib)
{
    for (Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;)
        bound->waited_kib = saturating_add(bound->waited_kib, kib);
}

uint64_t
bounds_lendable(const Bounds *bounds, const LedgerEntry *entry)
{
    uint64_t least = UINT64_MAX;

    /* a group of all guests is what the host lends of (budget.h) */
    for (const Bound *bound = NULL; (bound = next_of(bounds, entry, bound)) != NULL;)
        if (!bound->of_all && !broken(FAULT_BOUND_LEND_ON)) {
            uint64_t booked = bound->members_kib - MIN(bound->lent_kib, bound->members_kib);
            uint64_t others = bound->lent_kib - MIN(entry->lent_kib, bound->lent_kib);

            least = MIN(least, saturating_sub(saturating_sub(limit_of(bound), booked + bound->waited_kib) / 2, others));
        }
    return least;
}

void
bounds_grant(Bounds *bounds, LedgerEntry *entry, uint64_t kib)
{
    uint64_t all = entry->granted_kib + kib + entry->fixed_kib;
    /* what it is booked at beyond what it was granted is none of its own where that does not fit; memory.max may have it at less */
    uint64_t raise = broken(FAULT_BOUND_GRANT_ALL)    ? 0
                     : bounds_owed(bounds, entry) > 0 ? kib
                                                      : MIN(kib, saturating_sub(all, entry->booked_kib));

    ledger_grant(entry, kib - (raise - bounds_take(bounds, entry, raise)));
}
