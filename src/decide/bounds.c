/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/bounds.h"

#include "units.h"

static Bound *
find(const Bounds *bounds, uint64_t above_id, uint64_t nodes)
{
    for (size_t i = 0; i < bounds->count; i++)
        if (bounds->bounds[i].above_id == above_id && bounds->bounds[i].nodes == nodes)
            return &bounds->bounds[i];
    return NULL;
}

/* One without members where there was none. */
static Bound *
find_or_add(Bounds *bounds, uint64_t above_id, uint64_t nodes)
{
    Bound *bound = find(bounds, above_id, nodes);

    if (bound != NULL)
        return bound;
    if (bounds->count == bounds->capacity) {
        bounds->capacity = MAX(8, bounds->capacity * 2);
        bounds->bounds = g_renew(Bound, bounds->bounds, bounds->capacity);
    }
    bound = &bounds->bounds[bounds->count++];
    *bound = (Bound){.above_id = above_id, .nodes = nodes};
    return bound;
}

/* To a bound that there may be: NULL is none. */
static void
add_member(Bound *bound, const LedgerEntry *entry)
{
    if (bound == NULL)
        return;
    bound->members_kib += entry->booked_kib + entry->lent_kib + entry->overhead_kib;
    bound->resident_kib += entry->resident_kib;
    bound->guests++;
}

/* What the nodes have together. */
static HostNode
sum_of(const HostFigures *figures, uint64_t nodes)
{
    HostNode sum = {0};

    for (unsigned n = 0; n < HOST_NODES_MAX; n++)
        if ((nodes >> n & 1) != 0) {
            sum.total_kib = saturating_add(sum.total_kib, figures->nodes[n].total_kib);
            sum.available_kib = saturating_add(sum.available_kib, figures->nodes[n].available_kib);
        }
    return sum;
}

uint64_t
bounds_nodes_total(const HostFigures *figures, uint64_t nodes)
{
    return sum_of(figures, nodes).total_kib;
}

/* A node keeps its part of the host's reserve. */
static uint64_t
reserve_on(const HostFigures *figures, uint64_t nodes, uint64_t reserve_kib)
{
    uint64_t total = bounds_nodes_total(figures, nodes);

    return figures->total_kib < 1024 ? 0 : MIN(reserve_kib, reserve_kib / 1024 * (total / (figures->total_kib / 1024)));
}

/*
 * Of who is strictly bound to these nodes, also where nobody runs there; NULL: it is bound to none that the host has. It is what
 * the nodes have left now; what their guests hold is added when all of those are known.
 */
static Bound *
bound_of_nodes(Bounds *bounds, const HostFigures *figures, uint64_t nodes)
{
    Bound *bound;

    if (nodes == 0 || figures->nodes[0].total_kib == 0)
        return NULL;
    bound = find(bounds, 0, nodes);
    if (bound != NULL)
        return bound;
    bound = find_or_add(bounds, 0, nodes);
    bound->limit_kib =
        saturating_sub(sum_of(figures, nodes).available_kib, reserve_on(figures, nodes, bounds->reserve_kib));
    return bound;
}

void
bounds_find(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib)
{
    const HostFigures *figures = &snapshot->host.figures;

    bounds->count = bounds->running = 0;
    bounds->reserve_kib = reserve_kib;
    for (size_t i = 0; i < snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &snapshot->guests[i];
        Bound *bound;

        if (guest->life == GUEST_LIFE_OFF)
            continue;
        bounds->running++;
        if (guest->limits.above_id != 0) {
            bound = find_or_add(bounds, guest->limits.above_id, 0);
            add_member(bound, ledger_guest(ledger, i));
            /* what others have of it is taken off below */
            bound->limit_kib = saturating_sub(guest->limits.above_kib, guest->limits.above_charged_kib);
        }
        add_member(bound_of_nodes(bounds, figures, guest->settings->strict_nodes), ledger_guest(ledger, i));
    }
    for (size_t i = 0; i < snapshot->start_count; i++) {
        const StartRequest *request = snapshot->starts[i];
        const LedgerEntry *entry = ledger_start(ledger, i);

        if (entry->booked_kib > 0 && !entry->open)
            add_member(bound_of_nodes(bounds, figures, request->settings.strict_nodes), entry);
    }
    /* what is left of it, and what its guests hold: the rest is others' */
    for (size_t i = 0; i < bounds->count; i++)
        bounds->bounds[i].limit_kib = saturating_add(bounds->bounds[i].limit_kib, bounds->bounds[i].resident_kib);
}

void
bounds_clear(Bounds *bounds)
{
    g_clear_pointer(&bounds->bounds, g_free);
    bounds->count = bounds->capacity = 0;
}

uint64_t
bounds_of_all(const Bounds *bounds)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < bounds->count; i++)
        if (bounds->bounds[i].above_id != 0 && bounds->bounds[i].guests == bounds->running)
            least = MIN(least, bounds->bounds[i].limit_kib);
    return least;
}

static uint64_t
room_of(const Bound *bound)
{
    return bound == NULL ? UINT64_MAX : saturating_sub(bound->limit_kib, bound->members_kib);
}

uint64_t
bounds_take(Bounds *bounds, const GuestSnapshot *guest, uint64_t kib)
{
    Bound *group = find(bounds, guest->limits.above_id, 0);
    Bound *nodes = find(bounds, 0, guest->settings->strict_nodes);
    uint64_t taken = MIN(kib, MIN(room_of(group), room_of(nodes)));

    if (group != NULL)
        group->members_kib += taken;
    if (nodes != NULL)
        nodes->members_kib += taken;
    return taken;
}

uint64_t
bounds_room(Bounds *bounds, const HostFigures *figures, uint64_t nodes)
{
    return room_of(bound_of_nodes(bounds, figures, nodes));
}

void
bounds_take_start(Bounds *bounds, const HostFigures *figures, uint64_t nodes, uint64_t kib)
{
    Bound *bound = bound_of_nodes(bounds, figures, nodes);

    if (bound != NULL)
        bound->members_kib += kib;
}
