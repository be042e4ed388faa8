/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Paging files: one takes a while to make, or can't be made; its guest swaps into it what its limit does not let it hold; what
 * it holds comes back when it is ended, whatever the limit is; swapoff fails now and then. They outlive the daemon.
 */

#include "world.h"

#define READ_BACK_KIB_PER_STEP FROM_MIB(12)

static bool
is_over(const PagingFile *file)
{
    return !file->there || file->record.stage == PAGING_STAGE_GONE || file->record.stage == PAGING_STAGE_FAILED;
}

static const char *
paging_bar(void *self)
{
    return NULL;
}

static const PagingRecord *const *
paging_records(void *self, size_t *count)
{
    World *world = self;

    *count = 0;
    for (unsigned i = 0; i < world->count; i++) {
        PagingFile *file = &world->seats[i].file;
        const Machine *machine = world->seats[i].machine;

        if (!file->there)
            continue;
        file->record.used_kib = machine != NULL ? machine->paged_kib : 0;
        file->record.peak_kib = MAX(file->record.peak_kib, file->record.used_kib);
        file->shown = is_over(file);
        world->files[(*count)++] = &file->record;
    }
    return world->files;
}

void
paging_clear(PagingFile *file)
{
    g_free(file->record.directory);
    g_free(file->record.error);
    *file = (PagingFile){0};
}

static bool
has_its_machine(const Seat *seat)
{
    return seat->machine != NULL && seat->machine->number == seat->file.machine;
}

static void
made(World *world, Seat *seat, uint64_t number, void *data)
{
    PagingFile *file = &seat->file;

    if (!file->there || file->number != number || file->record.stage != PAGING_STAGE_MAKING)
        return;
    if (!has_its_machine(seat) || file->end_wanted) {
        file->record.stage = PAGING_STAGE_GONE;
    } else if (!world->options.quiet_calls && rng_hits(&world->rng, 80)) {
        file->record.stage = PAGING_STAGE_FAILED;
        file->record.error = g_strdup("the paging file could not be allocated: no space left on device");
    } else {
        file->record.stage = PAGING_STAGE_ON;
        seat->machine->swap_max_kib = file->record.size_kib;
    }
    trace(world, seat, "its paging file of %.0f MiB: %s", MIB(file->record.size_kib),
          paging_stage_name(file->record.stage));
    daemon_tick_soon(world);
}

static void
paging_make(void *self, const PagingRequest *request)
{
    World *world = self;
    Seat *seat = world_seat(world, request->uuid);
    PagingFile *file = &seat->file;

    if (seat->machine == NULL || request->pid != (pid_t)seat->machine->number)
        return;
    if (!is_over(file))
        return;
    paging_clear(file);
    world->counts.files++;
    file->there = true;
    file->number = world_number(world);
    file->machine = seat->machine->number;
    g_strlcpy(file->record.uuid, seat->uuid, sizeof file->record.uuid);
    file->record.stage = PAGING_STAGE_MAKING;
    file->record.directory = g_strdup(request->directory);
    file->record.size_kib = request->size_kib;
    file->record.since_usec = world->now_usec;
    trace(world, seat, "a paging file of %.0f MiB is being made", MIB(request->size_kib));
    world_after(world, world->options.quiet_calls ? 500000 : rng_between(&world->rng, 100000, 4000000), made, seat,
                file->number, NULL);
}

static void
paging_end(void *self, const char *uuid)
{
    World *world = self;
    Seat *seat = world_seat(world, uuid);
    PagingFile *file = &seat->file;

    if (is_over(file))
        return;
    if (file->record.stage == PAGING_STAGE_MAKING) {
        file->end_wanted = true;
    } else if (file->record.stage == PAGING_STAGE_ON) {
        trace(world, seat, "its paging file is emptied");
        file->record.stage = PAGING_STAGE_EMPTYING;
        if (has_its_machine(seat))
            seat->machine->swap_max_kib = 0;
    }
}

static void
read_back(World *world, Seat *seat)
{
    PagingFile *file = &seat->file;
    Machine *machine = seat->machine;

    if (has_its_machine(seat) && machine->paged_kib > 0) {
        uint64_t step = MIN(machine->paged_kib, READ_BACK_KIB_PER_STEP);

        machine->paged_kib -= step;
        machine->held_kib += step;
        return;
    }
    if (rng_hits(&world->rng, 900)) /* swapoff takes its time, and is tried again where it fails */
        return;
    trace(world, seat, "its paging file is gone");
    file->record.stage = PAGING_STAGE_GONE;
    daemon_tick_soon(world);
}

void
paging_step(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        PagingFile *file = &seat->file;

        if (!file->there)
            continue;
        if (file->record.stage == PAGING_STAGE_EMPTYING && world->engine != NULL)
            read_back(world, seat);
        else if (is_over(file) && file->shown)
            paging_clear(file);
    }
}

void
paging_orphan(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        PagingFile *file = &world->seats[i].file;

        if (!file->there)
            continue;
        file->record.found = true;
        if (file->record.stage == PAGING_STAGE_MAKING)
            file->record.stage = PAGING_STAGE_GONE;
    }
}

PagingWorld
paging_of(World *world)
{
    return (PagingWorld){
        .self = world, .bar = paging_bar, .records = paging_records, .make = paging_make, .end = paging_end};
}
