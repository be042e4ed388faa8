/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart_invariants.h"

#include "sim/world.h"
#include "units.h"

#include <inttypes.h>

#define MIB(kib) ((double)(kib) / 1024)

/* A file outlives its guest no longer, but for swapoffs that fail. */
#define GONE_SECONDS 10
#define RETRY_SECONDS 6
/* A guest that runs normally is held back no longer. */
#define HELD_SECONDS 45
/* memory.high is raised by then when a file is emptied. */
#define RAISED_SECONDS 3
/* So long after its driver has come its balloon is believed. */
#define BELIEVED_SECONDS 8

void
restart_invariants_init(RestartInvariants *invariants, const SimScenario *scenario)
{
    *invariants = (RestartInvariants){.scenario = scenario, .guests = g_new0(GuestPast, scenario->guests->len)};
}

void
restart_invariants_clear(RestartInvariants *invariants)
{
    g_clear_pointer(&invariants->guests, g_free);
}

/* The host's memory that nobody holds, but for what the ledger can't know yet of the cost of QEMUs. */
static uint64_t
host_free(const RestartInvariants *invariants, const SimStep *step)
{
    uint64_t other = sim_level(invariants->scenario->other, step->second);
    uint64_t cost = 0;

    for (size_t i = 0; i < step->count; i++)
        if (step->samples[i].resident_kib > 0)
            cost += saturating_sub(invariants->scenario->overhead_kib, step->samples[i].plan->overhead_kib);
    return saturating_sub(invariants->scenario->memory_kib + cost, step->resident_kib + other);
}

/* When its start was asked for, at the earliest. */
static uint64_t
asked_second(const SimGuest *guest)
{
    for (guint i = 0; i < guest->spec->events->len; i++) {
        const SimEvent *event = &g_array_index(guest->spec->events, SimEvent, i);

        if (event->kind == SIM_EVENT_START && event->second >= guest->stop_second)
            return MIN(event->second, guest->boot_second);
    }
    return guest->boot_second;
}

/* Seen from outside of the engine: what counts as one when it is asked for is let in as one, and booted as one. */
static bool
is_restart(const SimGuest *guest, const Settings *settings)
{
    if (guest->boot_in_place || guest->ran_at_host_down)
        return true;
    return !guest->boot_resumed && guest->has_stopped &&
           (asked_second(guest) - guest->stop_second) * USEC_PER_SEC <= settings->restart_window_usec;
}

/* A paging file has appeared. */
static char *
check_new_file(const SimStep *step, const SimSample *sample, const SimGuest *guest, const GuestPast *past)
{
    const Settings *settings = step->tick->settings;
    const GuestSettings *own = sample->plan->guest->settings;
    /* what it held before a reset is in the way of what it needs */
    uint64_t startup = MIN(sim_guest_spec_startup(guest->spec) + guest->garbage_kib, guest->spec->maximum_kib);
    uint64_t size = sample->file->size_kib;

    if (!settings->paging_enabled || !own->smart_paging)
        return g_strdup("is given a paging file though that is switched off");
    if (!own->managed || own->mode != GUEST_MODE_DYNAMIC)
        return g_strdup("is given a paging file though it is not to be touched");
    /* its driver may have come up while the file was being made */
    if (!guest->booting && !past->booting && (guest->spec->behaviours & SIM_NO_STATS) == 0)
        return g_strdup("is given a paging file while it runs");
    if (!is_restart(guest, settings))
        return g_strdup("is given a paging file at a cold start");
    /* one that was started holds nothing yet, so it is the shortfall, and a margin */
    if (!guest->boot_in_place)
        startup = saturating_sub(sim_guest_spec_startup(guest->spec), sample->plan->granted_kib);
    if (size > startup + 64 * KIB_PER_MIB)
        return g_strdup_printf("is given a paging file of %.1f MiB and needs %.1f MiB to boot", MIB(size),
                               MIB(startup));
    return NULL;
}

/* Its file is being emptied: what it holds has its place in memory. */
static char *
check_emptying(const RestartInvariants *invariants, const SimStep *step, const SimSample *sample, const SimGuest *guest,
               const GuestPast *past)
{
    uint64_t cost = MAX(sample->plan->overhead_kib, guest->overhead_kib);
    uint64_t room = saturating_sub(sample->plan->committed_kib + cost, sample->resident_kib);

    if (past->stage != PAGING_STAGE_EMPTYING && sample->paged_kib > host_free(invariants, step))
        return g_strdup_printf("is to read back %.1f MiB and the host has %.1f MiB free", MIB(sample->paged_kib),
                               MIB(host_free(invariants, step)));
    /* it may swap out until the order is carried out */
    if (past->stage != PAGING_STAGE_EMPTYING && sample->paged_kib > room + SIM_PAGING_KIB)
        return g_strdup_printf("is to read back %.1f MiB and %.1f MiB are booked for that", MIB(sample->paged_kib),
                               MIB(room));
    /* one that is reset meanwhile may touch all that its limit lets it before the engine sees that; and until its balloon
       is believed and keeps it within what it was granted its limit is lower, to leave room for what comes back */
    if (past->emptied_seconds > RAISED_SECONDS &&
        step->tick->now_usec >= sample->plan->guest->driver_usec + BELIEVED_SECONDS * USEC_PER_SEC &&
        sample->paged_kib > 0 && guest->boots == past->emptied_boots && sample->plan->guest->driver_up &&
        !guest->booting && sample->plan->guest->actual_kib <= sample->plan->granted_kib &&
        guest->high_kib != LIMIT_NONE &&
        sample->resident_kib + sample->paged_kib > guest->high_kib + cost - sample->plan->overhead_kib)
        return g_strdup_printf("reads back %.1f MiB beyond %.1f MiB under a limit of %.1f MiB", MIB(sample->paged_kib),
                               MIB(sample->resident_kib), MIB(guest->high_kib));
    return NULL;
}

static char *
check_urgency(const SimStep *step, const SimSample *sample)
{
    const Settings *settings = step->tick->settings;
    uint64_t age = step->tick->now_usec - sample->file->since_usec;
    PagingUrgency least = PAGING_URGENCY_NONE;

    if (sample->file->stage == PAGING_STAGE_MAKING || sample->plan->guest->paging == NULL)
        return NULL;
    if (age >= settings->paging_deadline_usec)
        least = PAGING_URGENCY_OVERDUE;
    else if (age >= settings->paging_deadline_usec / 10 * 8)
        least = PAGING_URGENCY_HARDEST;
    else if (age >= settings->paging_deadline_usec / 2)
        least = PAGING_URGENCY_HARDER;
    if (sample->plan->paging_urgency == least)
        return NULL;
    return g_strdup_printf("has a paging file for %" PRIu64 " s and the urgency is %d, expected %d", age / USEC_PER_SEC,
                           sample->plan->paging_urgency, least);
}

static char *
check_file(const RestartInvariants *invariants, const SimStep *step, const SimSample *sample, const SimGuest *guest,
           GuestPast *past)
{
    bool there = sample->file != NULL;
    char *broken = NULL;

    if (sample->paged_kib > 0 && (!there || sample->paged_kib > sample->file->size_kib))
        return g_strdup_printf("has %.1f MiB in a paging file of %.1f MiB", MIB(sample->paged_kib),
                               MIB(there ? sample->file->size_kib : 0));
    if (there && !past->had_file)
        broken = check_new_file(step, sample, guest, past);
    past->emptied_seconds = there && sample->file->stage == PAGING_STAGE_EMPTYING ? past->emptied_seconds + 1 : 0;
    if (past->emptied_seconds == 1)
        past->emptied_boots = guest->boots;
    if (broken == NULL && past->emptied_seconds > 0 && guest->running && !guest->paused && !guest->hanging)
        broken = check_emptying(invariants, step, sample, guest, past);
    if (broken == NULL && there && guest->running)
        broken = check_urgency(step, sample);
    past->off_seconds = there && !guest->running ? past->off_seconds + 1 : 0;
    if (broken == NULL && past->off_seconds > GONE_SECONDS + RETRY_SECONDS * invariants->scenario->paging.off_fails)
        broken = g_strdup_printf("is gone for %" PRIu64 " s and its paging file is still there", past->off_seconds);
    past->had_file = there;
    past->booting = guest->booting;
    past->stage = there ? sample->file->stage : PAGING_STAGE_GONE;
    return broken;
}

/*
 * Memory.high holds back who boots or has a paging file, and nobody else for long. Who keeps what its balloon took must be
 * found out first.
 */
static char *
check_held(const SimSample *sample, const SimGuest *guest, GuestPast *past)
{
    bool held = guest->running && guest->held && (guest->spec->behaviours & (SIM_INHIBITED | SIM_LYING)) == 0 &&
                !guest->booting && !guest->paused && !guest->hanging && sample->file == NULL &&
                sample->plan->state == GUEST_STATE_ACTIVE && sample->plan->ground != GROUND_LIMIT;

    past->held_seconds = held ? past->held_seconds + 1 : 0;
    if (past->held_seconds <= HELD_SECONDS)
        return NULL;
    return g_strdup_printf("runs and is held back at %.1f MiB for %" PRIu64 " s", MIB(guest->high_kib),
                           past->held_seconds);
}

static char *
check_limit(const SimStep *step, const SimSample *sample)
{
    const GuestPlan *plan = sample->plan;

    if (!plan->limit_tell || plan->limit_kib == LIMIT_NONE)
        return NULL;
    if (!step->tick->settings->memory_high && sample->file == NULL && plan->restart == RESTART_NONE)
        return g_strdup("is limited though MemoryHigh=no");
    if (plan->limit_kib < plan->granted_kib && sample->file == NULL)
        return g_strdup_printf("is limited to %.1f MiB and granted %.1f MiB", MIB(plan->limit_kib),
                               MIB(plan->granted_kib));
    return NULL;
}

/* Starts that are never refused go on whether there is memory for them or not. */
static bool
anybody_must_start(const Plan *plan)
{
    for (size_t i = 0; i < plan->start_count; i++)
        if (plan->starts[i].request->forced || plan->starts[i].request->restart != RESTART_NONE)
            return true;
    return false;
}

/* A start is admitted when its memory is there, and refused when it can't be had. */
static char *
check_start(const RestartInvariants *invariants, const SimStep *step, const StartPlan *start)
{
    const Plan *plan = step->tick->plan;
    const StartRequest *request = start->request;

    if (start->verdict == START_REFUSED) {
        if (request->forced || request->restart != RESTART_NONE)
            return g_strdup_printf("the start of %s is refused though it never may be", request->name);
        if (plan->free_kib >= start->needed_kib && plan->start_count == 1)
            return g_strdup_printf("the start of %s is refused: it needs %.1f MiB and %.1f MiB are free", request->name,
                                   MIB(start->needed_kib), MIB(plan->free_kib));
        return NULL;
    }
    if (start->verdict != START_ADMITTED || request->forced || request->restart != RESTART_NONE)
        return NULL;
    if (start->booked_kib < request->need_kib)
        return g_strdup_printf("the start of %s is admitted with %.1f of %.1f MiB booked", request->name,
                               MIB(start->booked_kib), MIB(request->need_kib));
    if (request->waiting && start->needed_kib > host_free(invariants, step))
        return g_strdup_printf("the start of %s is admitted: it needs %.1f MiB and the host has %.1f MiB free",
                               request->name, MIB(start->needed_kib), MIB(host_free(invariants, step)));
    if (request->waiting && plan->over_budget && !anybody_must_start(plan))
        return g_strdup_printf("the start of %s is admitted above the budget", request->name);
    return NULL;
}

char *
restart_invariants_check(RestartInvariants *invariants, const SimStep *step)
{
    const Plan *plan = step->tick->plan;
    const char *misdeed = sim_world_misdeed(step->world);
    char *broken = misdeed != NULL ? g_strdup(misdeed) : NULL;

    for (size_t i = 0; i < plan->start_count && broken == NULL; i++)
        broken = check_start(invariants, step, &plan->starts[i]);
    for (size_t i = 0; i < step->count && broken == NULL; i++) {
        const SimSample *sample = &step->samples[i];
        const SimGuest *guest = sim_world_guest(step->world, i);
        GuestPast *past = &invariants->guests[i];
        g_autofree char *wrong = check_file(invariants, step, sample, guest, past);

        if (wrong == NULL)
            wrong = check_held(sample, guest, past);
        if (wrong == NULL)
            wrong = check_limit(step, sample);
        if (wrong != NULL)
            broken = g_strdup_printf("guest %s %s", guest->spec->name, wrong);
    }
    return broken;
}

char *
restart_invariants_check_end(const SimStep *step)
{
    const Plan *plan = step->tick->plan;

    if (plan->start_count > 0 || plan->reserved_kib > 0)
        return g_strdup_printf("at the end %.1f MiB are still reserved", MIB(plan->reserved_kib));
    for (size_t i = 0; i < step->count; i++) {
        const SimSample *sample = &step->samples[i];
        const SimGuest *guest = sim_world_guest(step->world, i);

        if (sample->file != NULL)
            return g_strdup_printf("at the end guest %s still has a paging file, with %.1f MiB in it", sample->name,
                                   MIB(sample->paged_kib));
        if (!step->tick->settings->memory_high && guest->high_kib != LIMIT_NONE)
            return g_strdup_printf("at the end guest %s is still limited to %.1f MiB", sample->name,
                                   MIB(guest->high_kib));
    }
    return NULL;
}
