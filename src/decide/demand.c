/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/demand.h"

#include "decide/faults.h"

/* Swapping in or faulting at these rates is need as long as no more than this part is usable: with more it has stopped
   reclaiming, and fetches back what it had to give up. */
#define PLENTY_PART 10
#define STARVED_SWAP_KIB_PER_SEC 1024
#define STARVED_FAULTS_PER_SEC 100

/* The first step of a starved guest is this part of what it has. */
#define FIRST_STEP_PART 16

/* Uniform noise moves by a third of its range from one report to the next, so five times that covers it. */
#define NOISE_BAND 5
#define NOISE_SMOOTHING 32
/* The most that is held for noise: a quarter of the need, for small guests what 150 MiB up and down come to. */
#define NOISE_MOST_PART 4
#define NOISE_MOST_KIB (320 * KIB_PER_MIB)
/* A change larger than this part is a step of the load, not noise. */
#define NOISE_STEP_PART 8

/* A guest that thrashes fetches back in bursts, and now and then has a little usable: only some of its reports show it. */
#define LATELY_USEC (30 * USEC_PER_SEC)

/* A load that comes again does so within minutes (cron jobs, builds, tests in a row): what was needed in the last one to two
   of these is kept in mind, and forgotten when an idle surplus is collected. */
#define RECENT_USEC (150 * USEC_PER_SEC)

static bool
is_at_edge(const DemandMemory *memory, const GuestSnapshot *guest, uint64_t usable_kib)
{
    uint64_t air = demand_air(guest->report_actual_kib);

    return usable_kib < (memory->starved ? air - air / 4 : air / 2);
}

/*
 * It works on more than it has: its memory goes to its disk and back. While it swaps there is always a little usable. Fetching
 * back alone is what it does after it has been given more.
 */
static bool
is_pressing(const GuestSnapshot *guest, uint64_t usable_kib, bool at_edge)
{
    uint64_t span_msec = guest->report_span_usec / USEC_PER_MSEC;
    uint64_t much_kib = STARVED_SWAP_KIB_PER_SEC * span_msec / 1000;
    bool fetches =
        guest->swapped_in_kib >= much_kib || guest->major_faults >= STARVED_FAULTS_PER_SEC * span_msec / 1000;

    return span_msec != 0 && fetches && usable_kib < guest->report_actual_kib / PLENTY_PART &&
           (at_edge || guest->swapped_out_kib >= much_kib);
}

static void
follow_noise(DemandMemory *memory, uint64_t measured_kib)
{
    uint64_t change = distance_u64(measured_kib, memory->measured_kib);
    uint64_t band;

    if (memory->serial != 0 && change <= MAX(measured_kib / NOISE_STEP_PART, 256 * KIB_PER_MIB)) {
        /* the plain average at first, so that the noise is known after a few reports */
        memory->noise_count = MIN(memory->noise_count + 1, NOISE_SMOOTHING);
        memory->noise_kib = (memory->noise_kib * (memory->noise_count - 1) + change) / memory->noise_count;
    }
    band = MIN(memory->noise_kib * NOISE_BAND, MAX(measured_kib / NOISE_MOST_PART, NOISE_MOST_KIB));
    if (broken(FAULT_NO_ENVELOPE))
        band = 0;
    if (measured_kib > memory->envelope_kib || (memory->envelope_kib - measured_kib > band && !memory->doubtful))
        memory->envelope_kib = measured_kib;
}

/*
 * What it claims while it presses: what it needed lately, or a step above what it has. A step that it has taken and that did not
 * suffice is followed by one twice as large. The claim stands until it has what it claims, or shows that it needs less: were it
 * given up whenever the guest rests, those who share what is short would take turns.
 */
static void
follow_claim(DemandMemory *memory, const GuestSnapshot *guest, uint64_t usable_kib, uint64_t now_usec)
{
    uint64_t actual = guest->report_actual_kib;
    bool believed = (guest->doubts & (DOUBT_USABLE_ABOVE_TOTAL | DOUBT_IMPOSSIBLE)) == 0 && !broken(FAULT_NO_STARVED);
    bool at_edge = believed && is_at_edge(memory, guest, usable_kib);
    bool pressing = believed && is_pressing(guest, usable_kib, at_edge);

    memory->starved = at_edge || pressing;
    if (memory->starved)
        memory->starved_usec = now_usec;
    memory->doubtful |= memory->starved;
    if (pressing) {
        if (memory->step_kib == 0)
            memory->step_kib = actual / FIRST_STEP_PART;
        else if (actual > memory->actual_kib && !broken(FAULT_SAME_STEP))
            memory->step_kib = MIN(2 * memory->step_kib, actual);
        memory->claim_kib =
            MAX(memory->claim_kib, memory->peak_kib > actual ? memory->peak_kib + demand_air(memory->peak_kib)
                                                             : actual + memory->step_kib);
    } else if (!memory->doubtful || (actual >= memory->claim_kib && !memory->starved) || broken(FAULT_FORGET_CLAIM)) {
        memory->claim_kib = memory->step_kib = 0;
    }
}

static void
take_report(DemandMemory *memory, const GuestSnapshot *guest, const Settings *settings, uint64_t now_usec)
{
    uint64_t actual = guest->report_actual_kib;
    uint64_t usable = MIN(guest->usable_kib, actual);
    uint64_t measured;

    /*
     * A guest that claims more usable memory than it has is not squeezed on that word, nor may it gain by
     * it: it counts as one that needs all it has, which in a shortage is bounded by its share.
     */
    if ((guest->doubts & (DOUBT_USABLE_ABOVE_TOTAL | DOUBT_IMPOSSIBLE)) != 0 && !broken(FAULT_TRUST_REPORTS))
        measured = MIN(actual, guest->settings->maximum_kib);
    else
        measured = actual - usable;
    if (guest->has_cache && settings->cache_share_percent > 0)
        measured += MIN(percent_of(MIN(guest->cache_kib, usable), settings->cache_share_percent), actual - measured);
    if (usable >= actual / PLENTY_PART)
        memory->doubtful = false;
    follow_noise(memory, measured);
    memory->peak_kib = recent_note(&memory->recent, memory->envelope_kib, RECENT_USEC, now_usec);
    if (broken(FAULT_NO_PEAK))
        memory->peak_kib = 0;
    follow_claim(memory, guest, usable, now_usec);
    memory->measured_kib = measured;
    memory->actual_kib = actual;
    memory->serial = guest->report_serial;
}

void
demand_work_out(DemandMemory *memory, const GuestSnapshot *guest, const Settings *settings, uint64_t now_usec,
                Demand *demand)
{
    if (guest->has_usable && guest->driver_up && memory->serial != guest->report_serial)
        take_report(memory, guest, settings, now_usec);

    *demand = (Demand){.known = memory->serial != 0,
                       .starved = memory->starved,
                       .starved_lately = memory->starved_usec != 0 && now_usec - memory->starved_usec < LATELY_USEC,
                       .doubtful = memory->doubtful};
    if (!demand->known)
        return;
    demand->demand_kib = MAX(memory->envelope_kib + demand_air(memory->envelope_kib), memory->claim_kib);
    demand->demand_kib = clamp_u64(demand->demand_kib, guest_floor_kib(guest->settings->maximum_kib), KIB_LIMIT);
    demand->shown_kib = memory->measured_kib + demand_air(memory->measured_kib);
    demand->peak_kib = memory->peak_kib + demand_air(memory->peak_kib);
    demand->growth_kib = memory->starved ? 2 * memory->actual_kib : 0;
    demand->want_kib = demand->demand_kib + percent_of(demand->demand_kib, guest->settings->buffer_percent);
}
