/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The host: what its other processes use, what it can give back at once, and what its kernel says of stalls. */

#include "world.h"

#define CENTI_STALLED 3000

bool
world_is_within(const Seat *seat, Within within)
{
    const WorldOptions *options = &seat->world->options;
    unsigned nodes = seat->machine != NULL ? seat->machine->nodes : seat->definition.strict_nodes;

    if (within == WITHIN_GROUP)
        return (options->above_seats >> seat->index & 1) != 0;
    if (within == WITHIN_INNER)
        return (options->inner_seats >> seat->index & 1) != 0;
    if (within == WITHIN_NODES)
        return nodes != 0;
    return within == WITHIN_HOST || nodes == within - WITHIN_NODE + 1;
}

uint64_t
world_resident(const World *world, Within within)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < world->count; i++) {
        const Machine *machine = world->seats[i].machine;

        if (machine != NULL && world_is_within(&world->seats[i], within))
            sum += machine->huge ? machine->overhead_kib : machine_resident(machine);
    }
    return sum;
}

/* Takes half of kib out of each of two, and more out of one where the other does not have that. */
static void
take_of_both(HostNode *nodes, uint64_t kib)
{
    uint64_t first = MIN(nodes[0].available_kib, kib - MIN(kib / 2, nodes[1].available_kib));

    nodes[0].available_kib -= first;
    nodes[1].available_kib -= MIN(nodes[1].available_kib, kib - first);
}

/*
 * What may lie on several nodes lies where there is room: a kernel moves it (NUMA balancing), and the ledger knows no more. Who is not
 * bound lies on the nodes that nobody is bound to; where there are none such, its memory does not show.
 */
static void
read_nodes(const World *world, HostFigures *figures)
{
    unsigned count = world->options.nodes;
    uint64_t total = world->options.memory_kib / count, others = world->other_kib / count;
    uint64_t bound = world_resident(world, WITHIN_NODES);
    uint64_t of_both = bound, beyond = world_resident(world, WITHIN_HOST) - bound;
    uint64_t elsewhere = saturating_sub(total, others) * (count - 2);

    for (unsigned i = 0; i < count; i++) {
        uint64_t used = others;

        if (i < 2) {
            used += world_resident(world, (Within)(WITHIN_NODE + i));
            of_both -= world_resident(world, (Within)(WITHIN_NODE + i));
        } else {
            used += MIN(beyond, elsewhere) / (count - 2);
        }
        figures->nodes[i] = (HostNode){.total_kib = total, .available_kib = saturating_sub(total, used)};
    }
    take_of_both(figures->nodes, of_both + (count > 2 ? saturating_sub(beyond, elsewhere) : 0));
}

static bool
host_read(void *self, HostFigures *figures, GError **error)
{
    World *world = self;
    uint64_t used = world_resident(world, WITHIN_HOST) + world->other_kib;
    uint64_t available = saturating_sub(world->options.memory_kib, used);

    *figures = (HostFigures){
        .total_kib = world->options.memory_kib,
        .available_kib = available,
        .has_pressure = true,
    };
    if (world->options.nodes != 0)
        read_nodes(world, figures);
    if (world->options.swap) {
        figures->swap_total_kib = FROM_MIB(4096);
        figures->swap_free_kib = FROM_MIB(4096);
    }
    if (world->stalls) {
        figures->pressure_some_centi = CENTI_STALLED;
        figures->pressure_full_centi = CENTI_STALLED / 2;
    }
    return true;
}

static bool
host_resident(void *self, const GuestRecord *record, const GuestSettings *settings, GuestResident *resident)
{
    Seat *seat = world_seat(self, record->uuid);

    if (seat == NULL || seat->machine == NULL || record->pid != (pid_t)seat->machine->number)
        return false;
    *resident = (GuestResident){
        .memory_kib = seat->machine->overhead_kib + (seat->machine->huge ? 0 : seat->machine->held_kib),
        .other_kib = seat->machine->image_kib,
    };
    return true;
}

HostWorld
host_of(World *world)
{
    return (HostWorld){.self = world, .read = host_read, .resident = host_resident};
}

void
host_grow(World *world, uint64_t other_kib)
{
    trace(world, NULL, "other processes go from %.0f to %.0f MiB", MIB(world->other_goal_kib), MIB(other_kib));
    world->other_goal_kib = other_kib;
}

/* It reads what it brings, and is not listed yet: what the host has less, and is booked for a start that was begun, is taken for that. */
static bool
loads_unseen(const Seat *seat)
{
    return seat->machine != NULL && seat->machine->loading && (!seat->told.planned || seat->told.off);
}

static void
note_other(World *world)
{
    uint64_t last = world->other_least_kib[(world->other_next - 1) % G_N_ELEMENTS(world->other_least_kib)];
    uint64_t shown = world->other_kib;

    for (unsigned i = 0; i < world->count; i++)
        if (loads_unseen(&world->seats[i]) && world->other_next > 0)
            shown = MIN(shown, last);
    world->other_least_kib[world->other_next++ % G_N_ELEMENTS(world->other_least_kib)] = shown;
}

void
host_step(World *world)
{
    uint64_t step = FROM_MIB(40);
    bool held = false;
    bool short_of = world_resident(world, WITHIN_HOST) + world->other_kib > world->options.memory_kib / 32 * 31;

    note_other(world);
    if (world->other_kib != world->other_goal_kib)
        world->others_usec = world->now_usec;
    if (world->other_kib < world->other_goal_kib)
        world->other_kib += MIN(step, world->other_goal_kib - world->other_kib);
    else
        world->other_kib -= MIN(step, world->other_kib - world->other_goal_kib);
    /* limits that we set stall those that they hold, and that shows in the host's figure */
    for (unsigned i = 0; i < world->count; i++)
        held = held || (world->seats[i].machine != NULL && world->seats[i].machine->held_now);
    world->stalls = short_of || held;
    if (world->stalls && !world->pressed && world->engine != NULL && rng_hits(&world->rng, 200)) {
        engine_note_pressure(world->engine);
        daemon_tick_soon(world);
    }
}
