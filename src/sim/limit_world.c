/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * memory.high of the simulated guests' cgroups. As in the kernel the new value is in force at once, and the write lasts
 * until what is above it has been reclaimed, or can't be (mm/memcontrol.c, memory_high_write).
 */

#include "error.h"
#include "world_private.h"

/* The kernel gives up reclaiming in the writer after so long where nothing comes of it. */
#define RECLAIM_SECONDS 16

static const char *
bar_of(const SimWorld *world)
{
    switch (world->scenario->cgroup) {
    case SIM_CGROUP_V1:
        return "this host has cgroup v1, where memory has no limit that holds a guest back";
    case SIM_CGROUP_NONE:
        return "it has no memory cgroup of its own";
    case SIM_CGROUP_V2:
    case SIM_CGROUP_BROKEN:
    default:
        return NULL;
    }
}

static void
end_write(SimSeat *seat, SimLimitWrite *write, const char *problem)
{
    SimLimitWrite ended = *write;
    g_autoptr(GError) error = problem == NULL ? NULL : g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_FAILED, problem);

    if (!ended.active)
        return;
    *write = (SimLimitWrite){.active = false};
    ended.done(ended.user_data, seat->record.uuid, ended.high_kib, error);
}

static void
put(SimSeat *seat, uint64_t high_kib)
{
    seat->guest.high_kib = high_kib;
    seat->limit.set = high_kib != LIMIT_NONE;
}

void
sim_limit_forget(SimSeat *seat)
{
    end_write(seat, &seat->limit.writing, "the guest is gone");
    end_write(seat, &seat->limit.waiting, "the guest is gone");
    seat->limit.set = false;
}

static bool
is_reclaimed(const SimSeat *seat)
{
    const SimGuest *guest = &seat->guest;

    return sim_guest_resident(guest) <= seat->limit.writing.high_kib || guest->paged_kib >= guest->swap_max_kib ||
           seat->limit.reclaim_seconds >= RECLAIM_SECONDS;
}

void
sim_limits_begin(SimWorld *world)
{
    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];
        SimLimit *limit = &seat->limit;

        if (!seat->guest.running) {
            sim_limit_forget(seat);
            continue;
        }
        if (!limit->writing.active)
            continue;
        if (limit->reclaim_seconds++ == 0)
            put(seat, limit->writing.high_kib);
        if (!is_reclaimed(seat))
            continue;
        end_write(seat, &limit->writing, NULL);
        limit->writing = limit->waiting;
        limit->waiting.active = false;
        limit->reclaim_seconds = 0;
    }
}

static const char *
limit_bar(void *self)
{
    return bar_of(self);
}

static void
limit_read(void *self, const GuestRecord *guest, GuestLimits *figures)
{
    SimWorld *world = self;
    const SimSeat *seat = sim_world_seat(world, guest->uuid);

    *figures = (GuestLimits){.bar = bar_of(world), .high_kib = LIMIT_NONE, .swap_max_kib = LIMIT_NONE};
    if (seat == NULL || !seat->guest.running || figures->bar != NULL)
        return;
    figures->usable = true;
    figures->pending = seat->limit.writing.active;
    figures->set = seat->limit.set;
    figures->high_kib = seat->guest.high_kib;
    if (seat->limit.writing.active)
        figures->high_kib = MAX(figures->high_kib, seat->limit.writing.high_kib);
    if (seat->limit.waiting.active)
        figures->high_kib = MAX(figures->high_kib, seat->limit.waiting.high_kib);
    /* While it is being lowered the guest may still hold more: it is booked until that is gone. */
    if (seat->limit.writing.active && seat->limit.reclaim_seconds > 0)
        figures->high_kib = MAX(figures->high_kib, sim_guest_resident(&seat->guest));
    figures->charged_kib = sim_guest_resident(&seat->guest);
    figures->swapped_kib = seat->guest.paged_kib;
    figures->swap_max_kib = seat->file.there ? seat->guest.swap_max_kib : LIMIT_NONE;
    figures->held_back = seat->guest.held_back;
}

static void
limit_set(void *self, const GuestRecord *guest, uint64_t high_kib, GuestLimitDone done, void *user_data)
{
    SimWorld *world = self;
    SimSeat *seat = sim_world_seat(world, guest->uuid);
    SimLimitWrite write = {true, high_kib, done, user_data};

    if (seat == NULL || !seat->guest.running || bar_of(world) != NULL) {
        g_autoptr(GError) error =
            g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "there is nothing to set memory.high of");

        if (seat != NULL && bar_of(world) != NULL)
            sim_world_blame(world, seat, "was limited where nothing can be limited");
        done(user_data, guest->uuid, high_kib, error);
        return;
    }
    if (world->scenario->cgroup == SIM_CGROUP_BROKEN) {
        g_autoptr(GError) error =
            g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "memory.high can't be written: permission denied");

        done(user_data, guest->uuid, high_kib, error);
        return;
    }
    if (!seat->limit.writing.active) {
        seat->limit.writing = write;
        seat->limit.reclaim_seconds = 0;
        /* to raise it nothing has to be reclaimed first */
        if (high_kib > seat->guest.high_kib)
            put(seat, high_kib);
        return;
    }
    end_write(seat, &seat->limit.waiting, "a newer value came");
    seat->limit.waiting = write;
}

LimitWorld
sim_limit_world(SimWorld *world)
{
    return (LimitWorld){.self = world, .bar = limit_bar, .read = limit_read, .set = limit_set};
}
