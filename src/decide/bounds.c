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

/* One that still has left_kib where there was none. */
static Bound *
find_or_add(Bounds *bounds, uint64_t above_id, uint64_t nodes, uint64_t left_kib)
{
    Bound *bound = find(bounds, above_id, nodes);

    if (bound != NULL)
        return bound;
    if (bounds->count == bounds->capacity) {
        bounds->capacity = MAX(8, bounds->capacity * 2);
        bounds->bounds = g_renew(Bound, bounds->bounds, bounds->capacity);
    }
    bound = &bounds->bounds[bounds->count++];
    *bound = (Bound){.above_id = above_id, .nodes = nodes, .limit_kib = left_kib};
    return bound;
}

/* To a bound that there may be: NULL is none. What is left of it and what its guests hold is theirs; the rest is others'. */
static void
add_member(Bound *bound, const LedgerEntry *entry)
{
    if (bound == NULL)
        return;
    bound->members_kib += entry->booked_kib + entry->lent_kib + entry->overhead_kib;
    bound->limit_kib = saturating_add(bound->limit_kib, entry->resident_kib);
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

/* Of who is strictly bound to these nodes; NULL: it is bound to none that the host has. A node keeps its part of the reserve. */
static Bound *
bound_of_nodes(Bounds *bounds, const HostFigures *figures, uint64_t nodes, uint64_t reserve_kib)
{
    HostNode sum;
    uint64_t reserve = 0;

    if (nodes == 0 || figures->nodes[0].total_kib == 0)
        return NULL;
    sum = sum_of(figures, nodes);
    if (figures->total_kib >= 1024)
        reserve = MIN(reserve_kib, reserve_kib / 1024 * (sum.total_kib / (figures->total_kib / 1024)));
    return find_or_add(bounds, 0, nodes, saturating_sub(sum.available_kib, reserve));
}

uint64_t
bounds_find(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib)
{
    const HostFigures *figures = &snapshot->host.figures;
    uint64_t running = 0, least = UINT64_MAX;

    bounds->count = 0;
    for (size_t i = 0; i < snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &snapshot->guests[i];
        const GuestLimits *limits = &guest->limits;
        const LedgerEntry *entry = ledger_guest(ledger, i);

        if (guest->life == GUEST_LIFE_OFF)
            continue;
        running++;
        if (limits->above_id != 0)
            add_member(
                find_or_add(bounds, limits->above_id, 0, saturating_sub(limits->above_kib, limits->above_charged_kib)),
                entry);
        add_member(bound_of_nodes(bounds, figures, guest->settings->strict_nodes, reserve_kib), entry);
    }
    for (size_t i = 0; i < bounds->count; i++)
        if (bounds->bounds[i].above_id != 0 && bounds->bounds[i].guests == running)
            least = MIN(least, bounds->bounds[i].limit_kib);
    for (size_t i = 0; i < snapshot->start_count; i++) {
        Bound *bound = bound_of_nodes(bounds, figures, snapshot->starts[i]->settings.strict_nodes, reserve_kib);

        if (!ledger_start(ledger, i)->open)
            add_member(bound, ledger_start(ledger, i));
    }
    return least;
}

void
bounds_clear(Bounds *bounds)
{
    g_clear_pointer(&bounds->bounds, g_free);
    bounds->count = bounds->capacity = 0;
}

static uint64_t
room_of(const Bound *bound)
{
    return bound == NULL ? UINT64_MAX : saturating_sub(bound->limit_kib, bound->members_kib);
}

uint64_t
bounds_room(const Bounds *bounds, uint64_t above_id, uint64_t nodes)
{
    return MIN(room_of(find(bounds, above_id, 0)), room_of(find(bounds, 0, nodes)));
}

uint64_t
bounds_take(Bounds *bounds, uint64_t above_id, uint64_t nodes, uint64_t kib)
{
    Bound *of[] = {find(bounds, above_id, 0), find(bounds, 0, nodes)};
    uint64_t taken = MIN(kib, bounds_room(bounds, above_id, nodes));

    for (size_t i = 0; i < G_N_ELEMENTS(of); i++)
        if (of[i] != NULL)
            of[i]->members_kib += taken;
    return taken;
}

uint64_t
bounds_nodes_kept(const Bounds *bounds, const HostFigures *figures, uint64_t nodes)
{
    return saturating_sub(sum_of(figures, nodes).total_kib, bounds_room(bounds, 0, nodes));
}
