/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dynmemd as src/dynmemd.c wires it: when it ticks, and when it is there at all. */

#include "world.h"

/* As in dynmemd.c. */
#define SOON_USEC (50 * USEC_PER_MSEC)

static uint64_t
clock_now(void *self)
{
    return ((World *)self)->now_usec;
}

static WorldLink
link_now(void *self)
{
    const World *world = self;

    /* not up before everybody was read, as watch.c has it */
    return world->complete ? world->link : WORLD_LINK_DOWN;
}

/* Of those that ran before it, or that it is being told of now; but where a hook waits nobody is listed, as inventory.c has it. */
static bool
unread_now(void *self)
{
    const World *world = self;
    g_auto(GStrv) ran = world->all_read ? NULL : keep_keys(world->keep, KEEP_RUNNING);
    bool waits = false;

    for (unsigned i = 0; i < world->count; i++)
        waits |= world->seats[i].known.hook_waits;
    return !world->all_read && (ran[0] != NULL || (world->link != WORLD_LINK_DOWN && !waits));
}

/* What the last tick said is all that the checks know of the ledger. */
static void
take_tick(void *self, const TickReport *report)
{
    World *world = self;
    const Plan *plan = report->plan;

    world->counts.ticks++;
    world->reserved_kib = plan->reserved_kib;
    world->committed_kib = plan->committed_kib;
    world->budget_kib = plan->budget_kib;
    if (world->complete)
        world->ticked = true;
    for (unsigned i = 0; i < world->count; i++)
        world->seats[i].told = (Told){.limit_kib = LIMIT_NONE};
    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];
        Told *told = &world_seat(world, guest->guest->uuid)->told;

        told->planned = true;
        told->off = guest->guest->life == GUEST_LIFE_OFF;
        told->committed_kib = guest->committed_kib;
        told->lent_kib = guest->lent_kib;
        told->overhead_kib = guest->overhead_kib;
        told->limit_kib = guest->limit_kib;
        told->target_kib = guest->target_kib;
        told->unseen_kib = guest->guest->unseen_kib;
        told->state = guest->state;
        told->rule = guest->rule;
    }
    for (size_t i = 0; i < plan->start_count; i++) {
        const StartPlan *start = &plan->starts[i];
        Told *told = &world_seat(world, start->request->uuid)->told;

        told->starting = start->verdict == START_ADMITTED;
        told->start_kib = start->booked_kib;
        told->start_overhead_kib = start->overhead_kib;
    }
    truth_take_plan(world);
    trace_tick(world);
}

static Settings *
make_settings(const World *world)
{
    Settings *settings = settings_new();

    settings->reserve_kib = world->options.reserve_kib;
    settings->interval_usec = world->options.interval_usec;
    settings->admission_enabled = world->options.admission;
    settings->admission_allow_when_absent = world->options.absent_allows;
    settings->manage_all = world->manage_all;
    settings->paging_enabled = world->options.paging;
    settings->paging_deadline_usec = WORLD_PAGING_SEC * USEC_PER_SEC;
    settings->restart_window_usec = WORLD_RESTART_SEC * USEC_PER_SEC;
    return settings;
}

static void
part_due(World *world, Seat *seat, uint64_t number, void *data)
{
    if (number != world->tick_number || world->engine == NULL)
        return;
    engine_tick_part(world->engine);
    world_after(world, world->options.interval_usec / ENGINE_PARTS, part_due, NULL, number, NULL);
}

static void
glance_due(World *world, Seat *seat, uint64_t number, void *data)
{
    if (number != world->tick_number || world->engine == NULL)
        return;
    engine_glance(world->engine);
    world_after(world, ENGINE_GLANCE_USEC, glance_due, NULL, number, NULL);
}

static void
soon_due(World *world, Seat *seat, uint64_t number, void *data)
{
    if (number != world->daemon)
        return;
    world->tick_soon = false;
    engine_tick(world->engine);
}

void
daemon_tick_soon(World *world)
{
    if (world->engine == NULL || world->tick_soon)
        return;
    world->tick_soon = true;
    world_after(world, SOON_USEC, soon_due, NULL, world->daemon, NULL);
}

/* Of whom an earlier daemon would have known so lately the limit is still to come where it died first. */
#define LATELY_USEC (10 * USEC_PER_SEC)

/* What an earlier daemon, or somebody else, told it does not show, and no limit holds it; or it was started or reset a moment ago. */
static bool
is_in_motion(const World *world, const Machine *machine)
{
    if (machine == NULL)
        return false;
    return !machine->driver || machine->foreign ||
           (machine->high_kib == LIMIT_NONE &&
            (machine->asked_kib < machine->balloon_kib || world->now_usec - machine->booted_usec < LATELY_USEC));
}

void
daemon_start(World *world)
{
    Ports ports = {
        .guests = {.self = world,
                   .collect = calls_collect,
                   .records = watcher_records,
                   .link = link_now,
                   .unread = unread_now,
                   .set_target = calls_set_target,
                   .set_period = calls_set_period,
                   .ask_now = calls_ask_now,
                   .note_hook = watcher_note_hook},
        .host = host_of(world),
        .clock = {.self = world, .now_usec = clock_now},
        .sink = {.self = world, .tick = take_tick},
    };

    if (world->engine != NULL)
        return;
    if (world->options.limits)
        ports.limits = limits_of(world);
    if (world->options.limits && world->options.paging)
        ports.paging = paging_of(world);
    world->daemon = ++world->daemons;
    world->daemon_usec = world->now_usec;
    world->counts.daemons++;
    world->ticked = false;
    world->judged = false;
    trace(world, NULL, "dynmemd %d is started", (int)world->daemon);
    world->engine = engine_new(&ports, make_settings(world), world->keep, false);
    world->tick_number = world_number(world);
    world_after(world, world->options.interval_usec, part_due, NULL, world->tick_number, NULL);
    world_after(world, ENGINE_GLANCE_USEC, glance_due, NULL, world->tick_number, NULL);
    world->link = WORLD_LINK_DOWN;
    world->all_read = false;
    for (unsigned i = 0; i < world->count; i++) {
        world->seats[i].shows = 0;
        if (is_in_motion(world, world->seats[i].machine))
            truth_excuse(&world->seats[i], EXCUSE_ABSENT);
    }
    watcher_connect(world);
}

void
daemon_kill(World *world)
{
    Engine *engine = world->engine;

    if (engine == NULL)
        return;
    trace(world, NULL, "dynmemd %d is killed", (int)world->daemon);
    world->engine = NULL;
    world->daemon = 0;
    world->tick_soon = false;
    world->ticked = false;
    world->judged = false;
    world->collected = NULL;
    world->answers_open = false;
    world->daemon_dies = true;
    calls_orphan(world);
    limits_orphan(world);
    paging_orphan(world);
    engine_free(engine);
    world->daemon_dies = false;
    for (unsigned i = 0; i < world->count; i++)
        world->seats[i].let_go = world->seats[i].let_go && daemon_remembers(world, &world->seats[i]);
    watcher_forget(world);
    world->link = WORLD_LINK_DOWN;
    world->complete = false;
    starts_lose_daemon(world);
}

bool
daemon_remembers(const World *world, const Seat *seat)
{
    return seat->machine != NULL &&
           (seat->machine->high_kib != LIMIT_NONE || (world->daemon != 0 && seat->told_by == world->daemon));
}

void
daemon_set_manage_all(World *world, bool all)
{
    g_autofree bool *were_ours = g_new(bool, world->count);

    trace(world, NULL, "Manage=%s", all ? "all" : "");
    for (unsigned i = 0; i < world->count; i++)
        were_ours[i] = truth_is_ours(&world->seats[i]);
    world->manage_all = all;
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        if (seat->machine != NULL && were_ours[i] && !truth_is_ours(seat) && !seat->wild &&
            daemon_remembers(world, seat))
            seat->let_go = true;
        /* its XML was not read yet, and it is as one that was started as nobody's */
        if (seat->let_go && truth_is_wild(seat) && seat->machine != NULL && truth_is_new(seat))
            seat->forced_usec = world->now_usec;
        seat->let_go = seat->let_go && truth_is_wild(seat);
        seat->wild = seat->wild && truth_is_wild(seat);
        /* nobody hears of a reset, yet or at all, or of a balloon that goes back after it, and from now on it is to be heard of */
        if (all && seat->machine != NULL && (world->link == WORLD_LINK_DOWN || seat->event_usec > world->now_usec) &&
            (!seat->machine->driver || seat->machine->balloon_kib < seat->machine->asked_kib))
            truth_excuse(seat, EXCUSE_MISSED);
    }
    if (world->engine == NULL)
        return;
    engine_set_settings(world->engine, make_settings(world));
    daemon_tick_soon(world);
}

/* A question that waits for so long is not answered, whether the daemon calls it so already or not. */
#define ANSWERED_USEC (500 * USEC_PER_MSEC)

bool
daemon_knows(const World *world, const Seat *seat)
{
    const Known *known = &seat->known;
    bool waits = known->call != NULL && world->now_usec - known->call->made_usec >= ANSWERED_USEC;

    return world->engine != NULL && world->ticked && world->link != WORLD_LINK_DOWN && world->complete &&
           known->shown && !known->hook_waits &&
           (seat->machine == NULL ||
            (!seat->machine->hung && known->record.answering && !waits && known->machine == seat->machine->number));
}
