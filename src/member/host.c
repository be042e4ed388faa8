/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include "units.h"

#include <string.h>

#define TYPICAL_KIB (2 * KIB_PER_GIB)
#define TYPICAL_PART 8

/* Guests may have that much together, overheads included, as what they want includes them. */
static uint64_t
budget_of(const Plan *plan)
{
    return saturating_add(plan->budget_kib, plan->overhead_kib);
}

uint64_t
host_typical_kib(const Plan *plan)
{
    return MAX(MIN(TYPICAL_KIB, budget_of(plan) / TYPICAL_PART), 1);
}

/* Without overhead. Who is not ballooned, or has not reported, wants what it is booked at. */
static uint64_t
want_of(const GuestPlan *plan)
{
    const GuestSettings *settings = plan->guest->settings;

    if (!guest_settings_need_reports(settings) || plan->want_kib == 0)
        return plan->committed_kib;
    return plan->want_kib + settings->fixed_kib;
}

void
host_sums(const Plan *plan, const Snapshot *snapshot, const StartRating *rating, ClusterHost *host)
{
    bool away = snapshot->host.link == WORLD_LINK_DOWN;

    host->budget_kib = budget_of(plan);
    host->besides = plan->budget_limit == BUDGET_BY_SETTING;
    /* what is booked for a start is wanted by it, whether its guest is known or not */
    host->want_kib = saturating_add(plan->overhead_kib, plan->reserved_kib);
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].guest->life != GUEST_LIFE_OFF)
            host->want_kib = saturating_add(host->want_kib, want_of(&plan->guests[i]));
    host->free_kib = away ? 0 : plan->free_kib;
    host->available_kib = snapshot->host.figures_valid ? snapshot->host.figures.available_kib : 0;
    host->reclaimable_kib = away ? 0 : rating->buffers_kib;
}

/* QEMU can't send it, or it can't be told from here whether another host could take it. */
static bool
is_bound_here(const GuestSettings *settings)
{
    return settings->hugepages_kib > 0 || settings->bar == BALLOON_VFIO || settings->bar == BALLOON_VDPA ||
           settings->bar == BALLOON_NVME || settings->bar == BALLOON_SEV || settings->bar == BALLOON_BAD_MEMORY;
}

/* It has booted, its figures can be believed, and nothing is being done to it. */
static bool
is_settled(const GuestPlan *plan)
{
    switch ((int)plan->state) {
    case GUEST_STATE_ACTIVE:
        return plan->guest->fresh && plan->rule != PLAN_RULE_ADOPTING && plan->rule != PLAN_RULE_BROUGHT;
    case GUEST_STATE_OBSERVED:
        return plan->guest->fresh;
    case GUEST_STATE_STATIC:
        return plan->rule == PLAN_RULE_UNMANAGED || plan->rule == PLAN_RULE_STATIC;
    default:
        return false;
    }
}

static bool
is_movable(const GuestPlan *plan, const Snapshot *snapshot)
{
    const GuestSnapshot *guest = plan->guest;

    return snapshot->host.link != WORLD_LINK_DOWN && guest->life == GUEST_LIFE_RUNNING && !guest->migrating &&
           guest->answering && guest->paging == NULL && plan->paging_phase == PAGING_PHASE_NONE &&
           !guest->settings->presumed && !is_bound_here(guest->settings) && is_settled(plan);
}

/*
 * What it comes with: what its balloon leaves it now, and what it wants, since the balloon may get there before it is sent,
 * and it is to have that at its new host.
 */
static uint64_t
brings_of(const GuestPlan *plan)
{
    const GuestSettings *settings = plan->guest->settings;
    uint64_t has = MAX(plan->committed_kib, plan->guest->actual_kib + settings->fixed_kib);

    if (!guest_settings_need_reports(settings) || settings->immediate)
        return guest_settings_full_kib(settings);
    return MAX(has, want_of(plan));
}

bool
host_candidate(const GuestPlan *plan, const Snapshot *snapshot, const char *resource, ClusterCandidate *candidate)
{
    const GuestSettings *settings = plan->guest->settings;
    uint64_t maximum = MIN(saturating_add(settings->maximum_kib, settings->fixed_kib), KIB_LIMIT);
    uint64_t brings = MIN(brings_of(plan), maximum);

    if (plan->guest->life == GUEST_LIFE_OFF || brings == 0 || !cluster_name_is_good(resource))
        return false;
    *candidate = (ClusterCandidate){
        .guest = {.maximum_kib = maximum,
                  .brings_kib = brings,
                  .want_kib = MIN(want_of(plan), KIB_LIMIT),
                  .overhead_kib = MIN(plan->overhead_kib, KIB_LIMIT)},
        .movable = is_movable(plan, snapshot),
        .leaving = plan->guest->migrating,
    };
    g_strlcpy(candidate->guest.uuid, plan->guest->uuid, sizeof candidate->guest.uuid);
    g_strlcpy(candidate->guest.resource, resource, sizeof candidate->guest.resource);
    return true;
}

const GuestPlan *
host_guest(const Plan *plan, const char *uuid)
{
    for (size_t i = 0; i < plan->guest_count; i++)
        if (strcmp(plan->guests[i].guest->uuid, uuid) == 0)
            return &plan->guests[i];
    return NULL;
}

GHashTable *
host_guests(const Plan *plan)
{
    GHashTable *guests = g_hash_table_new(g_str_hash, g_str_equal);

    for (size_t i = 0; i < plan->guest_count; i++)
        g_hash_table_insert(guests, (void *)plan->guests[i].guest->name, (void *)&plan->guests[i]);
    /* no name stands before a uuid */
    for (size_t i = 0; i < plan->guest_count; i++)
        g_hash_table_insert(guests, (void *)plan->guests[i].guest->uuid, (void *)&plan->guests[i]);
    return guests;
}

const GuestPlan *
host_guest_called(GHashTable *guests, const char *text)
{
    g_autofree char *uuid = g_ascii_strdown(text, -1);
    const GuestPlan *found = g_hash_table_lookup(guests, uuid);

    return found != NULL ? found : g_hash_table_lookup(guests, text);
}
