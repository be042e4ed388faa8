/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Paging files of simulated guests. One is made in a few seconds, or can't be; its guest may then swap into it and nobody
 * else; it is emptied at the speed of swapping, with memory of the host that somebody must have booked, and is gone
 * a second after that unless swapoff fails, which is tried again.
 */

#include "world_private.h"

#include "units.h"

#include <string.h>

#define RETRY_SECONDS 5

static const char *
paging_bar(void *self)
{
    const SimWorld *world = self;

    switch (world->scenario->cgroup) {
    case SIM_CGROUP_V1:
        return "this host has cgroup v1: what a guest swaps out can't be kept apart there";
    case SIM_CGROUP_NONE:
        return "guests have no memory cgroups on this host";
    case SIM_CGROUP_V2:
    case SIM_CGROUP_BROKEN:
    default:
        return NULL;
    }
}

static const PagingRecord *const *
paging_records(void *self, size_t *count)
{
    SimWorld *world = self;

    *count = 0;
    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];
        SimFile *file = &seat->file;

        if (!file->there)
            continue;
        file->record.used_kib = seat->guest.paged_kib;
        file->record.peak_kib = MAX(file->record.peak_kib, file->record.used_kib);
        file->shown = file->record.stage == PAGING_STAGE_GONE || file->record.stage == PAGING_STAGE_FAILED;
        world->files[(*count)++] = &file->record;
    }
    return world->files;
}

static void
clear_file(SimFile *file)
{
    g_free(file->record.directory);
    g_free(file->record.error);
    *file = (SimFile){.there = false};
}

static void
become(SimWorld *world, SimFile *file, PagingStage stage)
{
    file->record.stage = stage;
    file->begun_second = world->second;
    file->shown = false;
}

static void
paging_make(void *self, const PagingRequest *request)
{
    SimWorld *world = self;
    SimSeat *seat = sim_world_seat(world, request->uuid);
    SimFile *file;

    if (seat == NULL || !seat->guest.running || paging_bar(world) != NULL) {
        if (seat != NULL)
            sim_world_blame(world, seat, "was to be given a paging file while it is off, or where there can be none");
        return;
    }
    file = &seat->file;
    if (file->there && file->record.stage != PAGING_STAGE_GONE && file->record.stage != PAGING_STAGE_FAILED)
        return;
    clear_file(file);
    file->there = true;
    g_strlcpy(file->record.uuid, request->uuid, sizeof file->record.uuid);
    file->record.directory = g_strdup(request->directory);
    file->record.size_kib = request->size_kib;
    file->record.since_usec = world->now_usec;
    file->boots = seat->guest.boots;
    file->off_fails = world->scenario->paging.off_fails;
    become(world, file, PAGING_STAGE_MAKING);
    if (request->size_kib == 0)
        sim_world_blame(world, seat, "was to be given a paging file of no size");
    if (world->scenario->disk_kib != SIM_UNSET &&
        saturating_add(request->size_kib, request->minimum_free_kib) > world->scenario->disk_kib) {
        g_autofree char *size = units_format_size(request->size_kib);
        g_autofree char *space = units_format_size(world->scenario->disk_kib);

        file->record.error = g_strdup_printf(
            "%s has %s free, too little for a paging file of %s and MinimumFreeDisk=", request->directory, space, size);
    } else if (world->scenario->cgroup == SIM_CGROUP_BROKEN) {
        file->record.error = g_strdup("memory.high can't be written: permission denied");
    } else if (world->scenario->paging.refused) {
        file->record.error = g_strdup_printf("%s can't hold a paging file: set another Directory=", request->directory);
    } else if (world->files_failed < world->scenario->paging.make_fails) {
        world->files_failed++;
        file->record.error = g_strdup("the paging file could not be allocated: input/output error");
    }
}

static void
empty(SimWorld *world, SimSeat *seat)
{
    seat->guest.swap_max_kib = 0;
    become(world, &seat->file, PAGING_STAGE_EMPTYING);
    seat->file.retry_second = world->second + 1;
}

static void
paging_end(void *self, const char *uuid)
{
    SimWorld *world = self;
    SimSeat *seat = sim_world_seat(world, uuid);

    if (seat == NULL || !seat->file.there)
        return;
    if (seat->file.record.stage == PAGING_STAGE_MAKING)
        become(world, &seat->file, PAGING_STAGE_GONE);
    else if (seat->file.record.stage == PAGING_STAGE_ON)
        empty(world, seat);
}

static void
go_on_making(SimWorld *world, SimSeat *seat)
{
    SimFile *file = &seat->file;

    if (file->record.error != NULL) {
        become(world, file, PAGING_STAGE_FAILED);
        return;
    }
    if (!seat->guest.running) {
        become(world, file, PAGING_STAGE_GONE);
        return;
    }
    if (world->second < file->begun_second + world->scenario->paging.make_seconds)
        return;
    become(world, file, PAGING_STAGE_ON);
    seat->guest.swap_max_kib = file->record.size_kib;
}

/* What it holds is read back, and when nothing is left it is switched off. */
static void
go_on_emptying(SimWorld *world, SimSeat *seat)
{
    SimFile *file = &seat->file;

    sim_guest_read_back(&seat->guest, SIM_PAGING_KIB);
    if (seat->guest.paged_kib > 0 || world->second < file->retry_second)
        return;
    if (file->off_fails > 0) {
        file->off_fails--;
        file->record.failures++;
        g_free(file->record.error);
        file->record.error = g_strdup("swapoff failed: cannot allocate memory; it is tried again");
        file->retry_second = world->second + RETRY_SECONDS;
        return;
    }
    become(world, file, PAGING_STAGE_GONE);
}

void
sim_paging_begin(SimWorld *world)
{
    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];

        if (!seat->file.there)
            continue;
        switch (seat->file.record.stage) {
        case PAGING_STAGE_MAKING:
            go_on_making(world, seat);
            break;
        case PAGING_STAGE_ON:
            break;
        case PAGING_STAGE_EMPTYING:
            go_on_emptying(world, seat);
            break;
        case PAGING_STAGE_GONE:
        case PAGING_STAGE_FAILED:
            if (seat->file.shown)
                clear_file(&seat->file);
            break;
        }
    }
}

/* One that was being made is deleted, as is one that was deleted already; the others are as they were. */
void
sim_paging_find(SimWorld *world)
{
    for (size_t i = 0; i < world->count; i++) {
        SimFile *file = &world->seats[i].file;

        if (!file->there)
            continue;
        file->record.found = true;
        if (file->record.stage == PAGING_STAGE_MAKING)
            become(world, file, PAGING_STAGE_GONE);
    }
}

void
sim_paging_fall(SimWorld *world)
{
    for (size_t i = 0; i < world->count; i++)
        clear_file(&world->seats[i].file);
}

PagingWorld
sim_paging_world(SimWorld *world)
{
    return (PagingWorld){
        .self = world, .bar = paging_bar, .records = paging_records, .make = paging_make, .end = paging_end};
}
