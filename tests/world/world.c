/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <stdio.h>
#include <string.h>

/* ---- events: a heap ---- */

static bool
comes_before(const Event *a, const Event *b)
{
    return a->usec != b->usec ? a->usec < b->usec : a->order < b->order;
}

static Event *
event_at(const World *world, guint index)
{
    return &g_array_index(world->events, Event, index);
}

static void
swap_events(World *world, guint a, guint b)
{
    Event kept = *event_at(world, a);

    *event_at(world, a) = *event_at(world, b);
    *event_at(world, b) = kept;
}

void
world_after(World *world, uint64_t usec, Deed deed, Seat *seat, uint64_t number, void *data)
{
    Event event = {world->now_usec + usec, world->order++, deed, seat, number, data};
    guint index = world->events->len;

    g_array_append_val(world->events, event);
    while (index > 0 && comes_before(event_at(world, index), event_at(world, (index - 1) / 2))) {
        swap_events(world, index, (index - 1) / 2);
        index = (index - 1) / 2;
    }
}

static Event
take_event(World *world)
{
    Event first = *event_at(world, 0);
    guint index = 0;

    *event_at(world, 0) = *event_at(world, world->events->len - 1);
    g_array_set_size(world->events, world->events->len - 1);
    for (;;) {
        guint least = index;

        for (guint child = 2 * index + 1; child <= 2 * index + 2 && child < world->events->len; child++)
            if (comes_before(event_at(world, child), event_at(world, least)))
                least = child;
        if (least == index)
            return first;
        swap_events(world, index, least);
        index = least;
    }
}

/* ---- the world ---- */

uint64_t
world_number(World *world)
{
    return ++world->numbers;
}

World *
world_new(const WorldOptions *options)
{
    World *world = g_new0(World, 1);
    g_autofree char *problem = NULL;

    world->options = *options;
    if (world->options.seats == 0)
        world->options.seats = WORLD_SEATS;
    world->seats = g_new0(Seat, world->options.seats);
    world->records = g_new0(const GuestRecord *, world->options.seats);
    world->files = g_new0(const PagingRecord *, world->options.seats);
    world->rng.state = options->seed;
    world->now_usec = WORLD_FIRST_USEC;
    world->events = g_array_new(FALSE, FALSE, sizeof(Event));
    world->calls = g_ptr_array_new_with_free_func(g_free);
    world->keep = keep_open(NULL, "world", &problem);
    return world;
}

void
world_free(World *world)
{
    if (world == NULL)
        return;
    daemon_kill(world);
    for (unsigned i = 0; i < world->count; i++) {
        g_free(world->seats[i].machine);
        paging_clear(&world->seats[i].file);
        g_free(world->seats[i].known.record.name);
        g_free(world->seats[i].known.record.live_xml);
        g_free(world->seats[i].known.record.inactive_xml);
        g_free(world->seats[i].known.record.saved_xml);
    }
    keep_free(world->keep);
    g_ptr_array_unref(world->calls);
    g_array_unref(world->events);
    g_free(world->seats);
    g_free(world->records);
    g_free(world->files);
    g_free(world->broken);
    g_free(world);
}

Seat *
world_seat(World *world, const char *uuid)
{
    /* who asks for one after the other finds each at once */
    for (unsigned i = 0; i < world->count; i++) {
        world->found = (world->found + 1) % world->count;
        if (strcmp(world->seats[world->found].uuid, uuid) == 0)
            return &world->seats[world->found];
    }
    return NULL;
}

Seat *
world_add(World *world, const Definition *definition, const Kernel *kernel)
{
    Seat *seat = &world->seats[world->count];

    g_assert(world->count < world->options.seats);
    *seat =
        (Seat){.world = world, .index = world->count, .defined = true, .definition = *definition, .kernel = *kernel};
    seat->live = *definition;
    snprintf(seat->uuid, sizeof seat->uuid, "00000000-0000-4000-8000-%012u", world->count + 1);
    world->count++;
    return seat;
}

void
world_place(World *world, Seat *seat, uint64_t actual_kib, uint64_t need_kib)
{
    Machine *machine = machine_new(world, &seat->definition);

    seat->machine = machine;
    seat->live = seat->definition;
    seat->wild = truth_is_wild(seat);
    machine->need_kib = need_kib;
    machine->ran = true;
    machine_take_target(machine, actual_kib, false);
    machine->driver = seat->kernel.driver != DRIVER_NONE;
    if (machine->driver)
        machine->balloon_kib = machine->shown_kib = machine->asked_kib;
    machine->booted_usec = world->now_usec - 3600 * USEC_PER_SEC;
    machine->held_kib = MIN(need_kib, machine_actual(machine));
    machine->period_sec = 1;
    machine->device_plugged_kib = machine->device_requested_kib;
    if (machine->driver)
        machine->report.last_update_sec = WORLD_WALL_SEC;
    keep_set(world->keep, KEEP_RUNNING, seat->uuid, seat->definition.name);
}

static void
step(World *world)
{
    world->counts.steps++;
    host_step(world);
    paging_step(world);
    for (unsigned i = 0; i < world->count; i++)
        if (world->seats[i].machine != NULL)
            machine_step(world, &world->seats[i]);
    calls_reap(world);
    truth_step(world);
    truth_check(world);
    needs_check(world);
}

bool
world_run(World *world, uint64_t usec)
{
    uint64_t end_usec = world->now_usec + usec;

    while (world->broken == NULL && world->now_usec < end_usec) {
        uint64_t next_usec = MIN(end_usec, (world->now_usec / WORLD_STEP_USEC + 1) * WORLD_STEP_USEC);

        while (world->broken == NULL && world->events->len > 0 && event_at(world, 0)->usec <= next_usec) {
            Event event = take_event(world);

            world->now_usec = MAX(world->now_usec, event.usec);
            event.deed(world, event.seat, event.number, event.data);
            if (!world->options.coarse)
                truth_check(world);
        }
        world->now_usec = next_usec;
        if (world->broken == NULL && next_usec % WORLD_STEP_USEC == 0)
            step(world);
    }
    return world->broken == NULL;
}
