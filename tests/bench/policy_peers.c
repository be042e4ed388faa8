/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What dynmem is compared with: a reference that is as simple as a policy of its kind can be, the rules of two managers that
 * people run today, written down anew from what they do, and no policy at all.
 */

#include "policy.h"

#include <math.h>

typedef struct Remembered {
    uint64_t serial;
    double demand;
    double step; /* the last one while it is starved */
    double peak;
} Remembered;

typedef struct Peer {
    Remembered *guests;
    double *gaps;
    double *weights;
    double *shares;
    double *ideal;
    double *need;
    double *averages;
    double average_free;
    unsigned ticks;
} Peer;

static void *
begin(const Load *load, unsigned variant)
{
    Peer *peer = g_new0(Peer, 1);
    double **arrays[] = {&peer->gaps, &peer->weights, &peer->shares, &peer->ideal, &peer->need, &peer->averages};

    peer->guests = g_new0(Remembered, load->guest_count);
    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
        *arrays[i] = g_new0(double, load->guest_count);
    return peer;
}

static void
end(void *self)
{
    Peer *peer = self;
    double *arrays[] = {peer->gaps, peer->weights, peer->shares, peer->ideal, peer->need, peer->averages};

    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_free(arrays[i]);
    g_free(peer->guests);
    g_free(peer);
}

static double
keep_within(const GuestView *guest, double kib)
{
    return CLAMP(kib, (double)guest->minimum_kib, (double)guest->maximum_kib);
}

static uint64_t
as_target(const GuestView *guest, double kib)
{
    return clamp_u64(pages_down((uint64_t)MAX(kib, 0)), guest->minimum_kib, guest->maximum_kib);
}

/* It has used so much, as its last report says. */
static double
used(const GuestView *guest)
{
    return (double)(guest->report_actual_kib - guest->usable_kib);
}

/* ---- the reference ---- */

/* Twice as much more with each report in which it is starved: all used, or swapping with little left. */
static void
remember(Remembered *memory, const GuestView *guest)
{
    double has = (double)guest->report_actual_kib;
    double left = (double)guest->usable_kib / has;
    bool swaps = guest->swapped_in_kib > KIB_PER_MIB && guest->swapped_out_kib > KIB_PER_MIB;

    memory->serial = guest->serial;
    memory->peak = MAX(memory->peak * exp2(-1.0 / 60), used(guest));
    if (left < 0.02 || (left < 0.1 && swaps)) {
        memory->step = memory->step > 0 ? memory->step * 2 : has / 8;
        memory->demand = has + memory->step;
    } else {
        memory->step = 0;
        memory->demand = used(guest) * 1.03;
    }
}

/* Fills ideal towards goal. Returns what is left. */
static double
fill_stage(Peer *peer, const double *goal, const HostView *view, double rest)
{
    for (size_t i = 0; i < view->guest_count; i++)
        peer->gaps[i] = MAX(0, keep_within(&view->guests[i], goal[i]) - peer->ideal[i]);
    rest = policy_fill(peer->gaps, peer->weights, view->guest_count, rest, peer->shares);
    for (size_t i = 0; i < view->guest_count; i++)
        peer->ideal[i] += peer->shares[i];
    return rest;
}

/* Raises targets to need, or to the ideal, as far as there is room. Returns what is left of it. */
static double
raise_stage(Peer *peer, const HostView *view, bool to_need, double room, uint64_t *target_kib)
{
    for (size_t i = 0; i < view->guest_count; i++) {
        double told = (double)MAX(target_kib[i], view->guests[i].actual_kib);
        double goal = to_need ? MIN(peer->need[i], peer->ideal[i]) : peer->ideal[i];
        double band = to_need ? 0 : told / 20;

        peer->gaps[i] = goal > told + band ? goal - told : 0;
    }
    room = policy_fill(peer->gaps, peer->weights, view->guest_count, room, peer->shares);
    for (size_t i = 0; i < view->guest_count; i++) {
        double told = (double)MAX(target_kib[i], view->guests[i].actual_kib);

        if (peer->shares[i] > 0)
            target_kib[i] = as_target(&view->guests[i], told + peer->shares[i]);
    }
    return room;
}

static void
decide_reference(void *self, const HostView *view, uint64_t *target_kib)
{
    Peer *peer = self;
    double rest = (double)view->capacity_kib;
    double room = rest;
    double missing = 0;

    for (size_t i = 0; i < view->guest_count; i++) {
        const GuestView *guest = &view->guests[i];

        if (peer->guests[i].serial != guest->serial)
            remember(&peer->guests[i], guest);
        peer->weights[i] = guest->priority + 1;
        peer->need[i] = keep_within(guest, peer->guests[i].demand);
        peer->ideal[i] = (double)guest->minimum_kib;
        rest -= peer->ideal[i];
        room -= (double)MAX(target_kib[i], guest->actual_kib);
    }
    rest = fill_stage(peer, peer->need, view, rest);
    for (unsigned stage = 0; stage < 2; stage++) {
        for (size_t i = 0; i < view->guest_count; i++)
            peer->averages[i] =
                stage == 0 ? peer->need[i] * (1 + view->guests[i].buffer_percent / 100.0) : peer->guests[i].peak * 1.03;
        rest = fill_stage(peer, peer->averages, view, rest);
    }
    /* what others have beyond their share is taken once it is lacked, and no more of it */
    for (size_t i = 0; i < view->guest_count; i++) {
        double told = (double)target_kib[i];

        missing += peer->need[i] > told || peer->ideal[i] > told * 1.05 ? MAX(0, peer->ideal[i] - told) : 0;
        peer->gaps[i] = told > peer->ideal[i] * 1.01 ? told - peer->ideal[i] : 0;
        /* what is on its way to be free already */
        missing -= (double)saturating_sub(view->guests[i].actual_kib, target_kib[i]);
    }
    policy_fill(peer->gaps, NULL, view->guest_count, MAX(0, missing - MAX(room, 0)), peer->shares);
    for (size_t i = 0; i < view->guest_count; i++) {
        if (peer->shares[i] > 0)
            target_kib[i] = as_target(&view->guests[i], (double)target_kib[i] - peer->shares[i]);
    }
    room = raise_stage(peer, view, true, MAX(room, 0), target_kib);
    raise_stage(peer, view, false, room, target_kib);
}

const Policy policy_reference = {.name = "reference",
                                 .what = "staged water-filling in thirty lines",
                                 .keeps_book = true,
                                 .variants = 1,
                                 .begin = begin,
                                 .decide = decide_reference,
                                 .end = end};

/* ---- Proxmox VE ---- */

#define PROXMOX_EVERY 10
#define PROXMOX_GOAL 0.8
#define PROXMOX_DEAD_KIB (10.0 * (double)KIB_PER_MIB)
#define PROXMOX_MOST_KIB (100.0 * (double)KIB_PER_MIB)

/* One round for those chosen: by shares from their minimums up, each 100 MiB at most. Returns whether anything changed. */
static bool
proxmox_round(const Peer *peer, const HostView *view, double goal, const bool *chosen, uint64_t *target_kib)
{
    double pool = goal;
    double weights = 0;
    bool changed = false;

    for (size_t i = 0; i < view->guest_count; i++) {
        if (!chosen[i])
            continue;
        pool += (double)view->guests[i].actual_kib - (double)view->guests[i].minimum_kib;
        weights += peer->weights[i];
    }
    for (size_t i = 0; i < view->guest_count; i++) {
        const GuestView *guest = &view->guests[i];
        double has = (double)guest->actual_kib;
        double wish;

        if (!chosen[i])
            continue;
        wish = keep_within(guest, (double)guest->minimum_kib + MAX(0, pool) * peer->weights[i] / weights);
        wish = CLAMP(wish, has - PROXMOX_MOST_KIB, has + PROXMOX_MOST_KIB);
        target_kib[i] = as_target(guest, wish);
        changed = changed || fabs(wish - has) > (double)KIB_PER_MIB;
    }
    return changed;
}

/* The host is to be used at four fifths. Who is nearly out of memory grows first and shrinks last. */
static void
decide_proxmox(void *self, const HostView *view, uint64_t *target_kib)
{
    Peer *peer = self;
    double goal = (double)view->total_kib * PROXMOX_GOAL - (double)(view->total_kib - view->available_kib);
    g_autofree bool *chosen = g_new0(bool, view->guest_count);
    bool first = false;

    if (peer->ticks++ % PROXMOX_EVERY != 0 || fabs(goal) < PROXMOX_DEAD_KIB)
        return;
    for (size_t i = 0; i < view->guest_count; i++) {
        bool nearly_out = view->guests[i].usable_kib <= view->guests[i].minimum_kib / 4;

        peer->weights[i] = view->guests[i].priority + 1;
        chosen[i] = nearly_out == (goal > 0);
        first = first || chosen[i];
    }
    if (first && proxmox_round(peer, view, goal, chosen, target_kib))
        return;
    for (size_t i = 0; i < view->guest_count; i++)
        chosen[i] = true;
    proxmox_round(peer, view, goal, chosen, target_kib);
}

const Policy policy_proxmox = {.name = "proxmox",
                               .what = "the rules of Proxmox VE's automatic balloon",
                               .variants = 1,
                               .begin = begin,
                               .decide = decide_proxmox,
                               .end = end};

/* ---- MoM ---- */

#define MOM_EVERY 10
#define MOM_PRESSURE 0.20
#define MOM_HARD_PRESSURE 0.05
#define MOM_STEP 0.05
#define MOM_LEAST_CHANGE 0.0025

/* With a fifth of the host free guests grow in steps of five percent, with less they shrink in such steps. */
static void
decide_mom(void *self, const HostView *view, uint64_t *target_kib)
{
    Peer *peer = self;
    double free;

    peer->average_free += (double)view->available_kib / (double)view->total_kib / MOM_EVERY;
    for (size_t i = 0; i < view->guest_count; i++)
        peer->averages[i] += used(&view->guests[i]) / MOM_EVERY;
    if (++peer->ticks % MOM_EVERY != 0)
        return;
    free = peer->average_free;
    for (size_t i = 0; i < view->guest_count; i++) {
        const GuestView *guest = &view->guests[i];
        double has = (double)guest->actual_kib;
        double part = free <= MOM_HARD_PRESSURE ? free - MOM_HARD_PRESSURE : free;
        double wish = peer->averages[i] + (free < MOM_PRESSURE ? part : MOM_PRESSURE) * has;

        wish = MAX(wish, free < MOM_PRESSURE ? has * (1 - MOM_STEP) : has * (1 + MOM_STEP));
        wish = keep_within(guest, wish);
        if ((free < MOM_PRESSURE ? wish <= has : has < (double)guest->maximum_kib) &&
            fabs(wish - has) > MOM_LEAST_CHANGE * has)
            target_kib[i] = as_target(guest, wish);
        peer->averages[i] = 0;
    }
    peer->average_free = 0;
}

const Policy policy_mom = {
    .name = "mom", .what = "the rules of oVirt's MoM", .variants = 1, .begin = begin, .decide = decide_mom, .end = end};

/* ---- none ---- */

/* All have the same, as far as their minimums and maximums let them, and nothing is ever changed. */
static void
decide_static(void *self, const HostView *view, uint64_t *target_kib)
{
    Peer *peer = self;
    double low = 0;
    double high = (double)view->capacity_kib;

    if (peer->ticks++ != 0)
        return;
    while (high - low > 1) {
        double level = (low + high) / 2;
        double sum = 0;

        for (size_t i = 0; i < view->guest_count; i++)
            sum += keep_within(&view->guests[i], level);
        *(sum > (double)view->capacity_kib ? &high : &low) = level;
    }
    for (size_t i = 0; i < view->guest_count; i++)
        target_kib[i] = as_target(&view->guests[i], low);
}

const Policy policy_static = {.name = "static",
                              .what = "equal shares, never changed",
                              .variants = 1,
                              .begin = begin,
                              .decide = decide_static,
                              .end = end};
