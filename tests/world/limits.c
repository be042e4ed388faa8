/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * memory.high being written. A raise is there in milliseconds; a lower one is in force at once and its writer reclaims, for
 * up to seconds (mm/memcontrol.c, memory_high_write). One write a guest, the newest waits.
 */

#include "error.h"
#include "world.h"

static void write_next(World *world, Seat *seat);

static void
tell(LimitWrite *write, const Seat *seat, const char *problem)
{
    LimitWrite ended = *write;
    g_autoptr(GError) error = problem == NULL ? NULL : g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, problem);

    *write = (LimitWrite){0};
    if (ended.active && ended.done != NULL)
        ended.done(ended.user_data, seat->uuid, ended.to_kib, error);
}

static void
write_ends(World *world, Seat *seat, uint64_t number, void *data)
{
    bool failed = data != NULL;

    if (!seat->writing.active || seat->writing.number != number)
        return;
    tell(&seat->writing, seat, failed ? "memory.high can't be written: device or resource busy" : NULL);
    write_next(world, seat);
}

static void
write_done(World *world, Seat *seat, uint64_t number, void *data)
{
    Machine *machine = seat->machine;
    bool failed = data != NULL;
    uint64_t reclaim = 0;

    if (!seat->writing.active || seat->writing.number != number || machine == NULL)
        return;
    if (!failed) {
        if (seat->writing.to_kib < machine_resident(machine) + machine->cache_kib)
            reclaim = rng_between(&world->rng, 200, 4000) * USEC_PER_MSEC;
        machine->high_kib = seat->writing.to_kib;
        machine->high_ours = seat->writing.to_kib != LIMIT_NONE;
    }
    trace(world, seat, "memory.high %s %.0f MiB", failed ? "can't be set to" : "is",
          seat->writing.to_kib == LIMIT_NONE ? -1.0 : MIB(seat->writing.to_kib));
    /* a newer value need not wait for all of it */
    if (seat->waiting.active && !has_bug(BUG_RAISE_WAITS))
        reclaim = MIN(reclaim, 200 * USEC_PER_MSEC);
    world_after(world, reclaim + 2000, write_ends, seat, number, data);
}

static void
begin(World *world, Seat *seat)
{
    static int failed;
    LimitWrite *write = &seat->writing;
    bool raise = write->to_kib >= seat->machine->high_kib;
    bool fails = world->options.limits_flaky && rng_hits(&world->rng, 30);
    uint64_t delay = rng_between(&world->rng, 300, raise ? 4000 : 60000);

    if (world->options.limits_flaky && rng_hits(&world->rng, 30))
        delay += rng_between(&world->rng, 1000, 900000); /* all threads are busy */
    write->number = world_number(world);
    world_after(world, delay, write_done, seat, write->number, fails ? &failed : NULL);
}

static void
write_next(World *world, Seat *seat)
{
    if (!seat->waiting.active || seat->machine == NULL)
        return;
    seat->writing = seat->waiting;
    seat->waiting = (LimitWrite){0};
    begin(world, seat);
}

static bool
is_there(const Seat *seat, const GuestRecord *record)
{
    return seat != NULL && seat->machine != NULL && record->pid == (pid_t)seat->machine->number;
}

static const char *
limit_bar(void *self)
{
    (void)self;
    return NULL;
}

/* The groups of this partition, that which has least left first, as limits_above.c has it; there whether a guest runs in them or not. */
static void
limit_above(void *self, const char *partition, GroupsAbove *above)
{
    const World *world = self;
    uint64_t outer_kib = world_resident(world, WITHIN_GROUP) + world->options.among_kib;
    LimitAbove outer = {.id = 1, .limit_kib = world->options.above_kib, .charged_kib = outer_kib};
    LimitAbove inner = {
        .id = 2, .limit_kib = world->options.inner_kib, .charged_kib = world_resident(world, WITHIN_INNER)};
    bool is_inner = partition != NULL && g_str_has_suffix(partition, "inner");

    *above = (GroupsAbove){0};
    if (is_inner &&
        saturating_sub(inner.limit_kib, inner.charged_kib) < saturating_sub(outer.limit_kib, outer.charged_kib))
        *above = (GroupsAbove){.group = {inner, outer}};
    else if (is_inner)
        *above = (GroupsAbove){.group = {outer, inner}};
    else if (partition != NULL)
        *above = (GroupsAbove){.group = {outer}};
}

static void
limit_read(void *self, const GuestRecord *record, GuestLimits *figures)
{
    Seat *seat = world_seat(self, record->uuid);
    const Machine *machine;

    *figures = (GuestLimits){.high_kib = LIMIT_NONE, .swap_max_kib = LIMIT_NONE};
    if (!is_there(seat, record))
        return;
    machine = seat->machine;
    figures->usable = true;
    figures->pending = seat->writing.active;
    figures->set = machine->high_ours || seat->writing.active;
    figures->high_kib = machine->high_kib;
    if (seat->writing.active)
        figures->high_kib = MAX(figures->high_kib, seat->writing.to_kib);
    if (seat->waiting.active)
        figures->high_kib = MAX(figures->high_kib, seat->waiting.to_kib);
    figures->charged_kib = machine_resident(machine) + machine->cache_kib;
    figures->swapped_kib = machine->paged_kib;
    if (seat->file.there && seat->file.machine == machine->number)
        figures->swap_max_kib = machine->swap_max_kib;
    figures->max_kib = machine->hard_limit_kib != 0 ? machine->hard_limit_kib : LIMIT_NONE;
    if (world_is_within(seat, WITHIN_GROUP))
        limit_above(self, world_is_within(seat, WITHIN_INNER) ? "inner" : "", &figures->above);
    figures->held_back = machine->held_back;
}

static bool
limit_glance(void *self, const GuestRecord *record, GuestGlance *glance)
{
    const Seat *seat = world_seat(self, record->uuid);

    if (!is_there(seat, record))
        return false;
    *glance = (GuestGlance){.charged_kib = machine_resident(seat->machine) + seat->machine->cache_kib,
                            .held_back = seat->machine->held_back};
    return true;
}

static void
limit_set(void *self, const GuestRecord *record, uint64_t high_kib, GuestLimitDone done, void *user_data)
{
    World *world = self;
    Seat *seat = world_seat(world, record->uuid);
    LimitWrite write = {.active = true, .to_kib = high_kib, .done = done, .user_data = user_data};

    if (!is_there(seat, record)) {
        g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "it does not run");

        done(user_data, record->uuid, high_kib, error);
        return;
    }
    if (!seat->writing.active) {
        seat->writing = write;
        begin(world, seat);
        return;
    }
    if (seat->waiting.active)
        tell(&seat->waiting, seat, "a newer limit has taken its place");
    /* a raise waits for nothing: what is being lowered ends where it is */
    if (high_kib > seat->writing.to_kib && !has_bug(BUG_RAISE_WAITS)) {
        tell(&seat->writing, seat, "a newer limit has taken its place");
        seat->writing = write;
        begin(world, seat);
        return;
    }
    seat->waiting = write;
}

LimitWorld
limits_of(World *world)
{
    return (LimitWorld){.self = world,
                        .bar = limit_bar,
                        .glance = limit_glance,
                        .read = limit_read,
                        .above = limit_above,
                        .set = limit_set};
}

void
limits_gone(World *world, Seat *seat)
{
    tell(&seat->writing, seat, "its cgroup is gone");
    tell(&seat->waiting, seat, "its cgroup is gone");
}

/* The threads die with the daemon: what is not written yet never is. */
void
limits_orphan(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        tell(&world->seats[i].writing, &world->seats[i], "dynmemd is about to end");
        tell(&world->seats[i].waiting, &world->seats[i], "dynmemd is about to end");
    }
}
