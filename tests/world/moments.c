/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* At what moments things happened to the daemon and its guests: that each met each is what random worlds are for. */

#include "world.h"

#define TOLERANCE_KIB FROM_MIB(32)

static const char *const names[MOMENTS] = {"idle", "squeezed", "growing", "told",       "booting",   "starting",
                                           "made", "on",       "emptied", "no dynmemd", "no libvirt"};

static unsigned
bit(Moment moment, bool is_so)
{
    return is_so ? 1U << moment : 0;
}

static unsigned
of_guest(const Seat *seat)
{
    const Machine *machine = seat->machine;
    const GuestRecord *record = &seat->known.record;
    PagingStage stage = seat->file.there ? seat->file.record.stage : PAGING_STAGE_GONE;
    uint64_t actual = machine != NULL ? machine_actual(machine) : 0;
    bool follows = machine != NULL && machine->driver && record->target_known && truth_is_ours(seat);

    return bit(MOMENT_SQUEEZED, follows && record->target_kib + TOLERANCE_KIB < actual) |
           bit(MOMENT_GROWING, follows && record->target_kib > actual + TOLERANCE_KIB) |
           bit(MOMENT_TOLD, machine != NULL && record->target_pending) |
           bit(MOMENT_BOOTING, machine != NULL && !machine->driver) |
           bit(MOMENT_STARTING, machine == NULL && seat->start.stage != STARTING_NOT) |
           bit(MOMENT_FILE_MADE, stage == PAGING_STAGE_MAKING) | bit(MOMENT_FILE_ON, stage == PAGING_STAGE_ON) |
           bit(MOMENT_FILE_EMPTIED, stage == PAGING_STAGE_EMPTYING);
}

unsigned
moments_of(const World *world, const Seat *seat)
{
    unsigned moments = 0;

    if (seat != NULL)
        moments = of_guest(seat);
    for (unsigned i = 0; seat == NULL && i < world->count; i++)
        moments |= of_guest(&world->seats[i]);
    moments |= bit(MOMENT_NO_DAEMON, world->engine == NULL) | bit(MOMENT_NO_LIBVIRT, world->libvirtd_away);
    return moments != 0 ? moments : 1U << MOMENT_IDLE;
}

const char *
moment_name(Moment moment)
{
    return names[moment];
}
