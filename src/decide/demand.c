/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/demand.h"

#include "decide/faults.h"
#include "units.h"

/*
 * With less than this part usable a guest is starved: what Linux calls available ends near its low
 * watermark. AIR must be the larger part, or a guest that got exactly its demand would be called starved.
 */
#define STARVED_PART 50
#define AIR_PART 32
/* Some programs wait where memory is short rather than push on: a guest that stays below this part is starved as well. */
#define EDGE_PART 40
#define EDGE_USEC (5 * USEC_PER_SEC)

/* Swapping in or faulting at these rates is only taken for need while usable is short as well, and not right after
   the guest grew: then it fetches its pages back for a while although it has room. One that swaps out at the same
   time does not fetch: it works on more than it has, with a little always usable because it swaps. */
#define SHORT_PART 10
#define STARVED_SWAP_KIB_PER_SEC 1024
#define STARVED_FAULTS_PER_SEC 100
#define FETCHING_USEC (10 * USEC_PER_SEC)

/* Uniform noise moves by a third of its range from one report to the next, so five times that covers it. */
#define NOISE_BAND 5
#define NOISE_SMOOTHING 32
/* The most that is held for noise: a quarter of the need, for small guests what 150 MiB up and down come to. */
#define NOISE_MOST_PART 4
#define NOISE_MOST_KIB (320 * KIB_PER_MIB)
/* A change larger than this part is a step of the load, not noise. */
#define NOISE_STEP_PART 8

/* A guest that was starved so short a while ago did not stop to need what it had because one report says so. */
#define STILL_STARVED_USEC (10 * USEC_PER_SEC)

/* What a guest needed in the last one to two minutes is the first guess when it is starved. */
#define RECENT_USEC (60 * USEC_PER_SEC)
#define DOUBTFUL_USEC (8 * USEC_PER_SEC)

#define PEAK_HALF_LIFE_USEC (60 * USEC_PER_SEC)

static bool
is_starved(const DemandMemory *memory, const GuestSnapshot *guest, uint64_t usable_kib, uint64_t now_usec)
{
    uint64_t span_msec = guest->report_span_usec / USEC_PER_MSEC;
    uint64_t much_kib = STARVED_SWAP_KIB_PER_SEC * span_msec / 1000;

    if (usable_kib < guest->report_actual_kib / STARVED_PART)
        return true;
    if (memory->edge_usec != 0 && now_usec - memory->edge_usec >= EDGE_USEC)
        return true;
    if (usable_kib >= guest->report_actual_kib / SHORT_PART || span_msec == 0)
        return false;
    if (guest->swapped_in_kib >= much_kib && guest->swapped_out_kib >= much_kib && !broken(FAULT_SWAP_IS_FETCHING))
        return true;
    if (memory->grown_usec != 0 && now_usec - memory->grown_usec < FETCHING_USEC)
        return false;
    return guest->swapped_in_kib >= much_kib || guest->major_faults >= STARVED_FAULTS_PER_SEC * span_msec / 1000;
}

static void
follow_noise(DemandMemory *memory, uint64_t measured_kib)
{
    uint64_t change = MAX(measured_kib, memory->measured_kib) - MIN(measured_kib, memory->measured_kib);
    uint64_t band;

    if (!memory->valid) {
        memory->noise_kib = 0;
        memory->noise_count = 0;
        memory->envelope_kib = measured_kib;
        return;
    }
    if (change <= MAX(measured_kib / NOISE_STEP_PART, 256 * KIB_PER_MIB)) {
        /* the plain average at first, so that the noise is known after a few reports */
        memory->noise_count = MIN(memory->noise_count + 1, NOISE_SMOOTHING);
        memory->noise_kib = (memory->noise_kib * (memory->noise_count - 1) + change) / memory->noise_count;
    }
    band = MIN(memory->noise_kib * NOISE_BAND, MAX(measured_kib / NOISE_MOST_PART, NOISE_MOST_KIB));
    if (broken(FAULT_NO_ENVELOPE))
        band = 0;
    if (measured_kib > memory->envelope_kib || memory->envelope_kib - measured_kib > band)
        memory->envelope_kib = measured_kib;
}

static void
hold_peak(DemandMemory *memory, uint64_t now_usec, uint64_t since_usec)
{
    uint64_t above = saturating_sub(memory->peak_kib, memory->envelope_kib);
    uint64_t elapsed = MIN(now_usec - MIN(since_usec, now_usec), PEAK_HALF_LIFE_USEC);

    /* linear over less than one half-life: close enough, and whole numbers */
    above -= above / 2 * (elapsed / USEC_PER_MSEC) / (PEAK_HALF_LIFE_USEC / USEC_PER_MSEC);
    memory->peak_kib = memory->envelope_kib + above;
}

/*
 * What a starved guest needs: as much as lately, while it has less than that and may only have been caught at a
 * peak of its noise; otherwise a large step more than it has.
 */
static uint64_t
starved_demand(const DemandMemory *memory, uint64_t actual_kib, uint64_t maximum_kib, uint64_t now_usec)
{
    uint64_t recent = broken(FAULT_NO_RECENT) ? 0 : recent_most(&memory->recent);
    uint64_t step = MAX(actual_kib / 4, maximum_kib / 8);

    recent += recent / AIR_PART;
    return recent > actual_kib && now_usec - memory->starving_usec < DOUBTFUL_USEC ? recent : actual_kib + step;
}

static void
take_report(DemandMemory *memory, const GuestSnapshot *guest, const Settings *settings, uint64_t now_usec)
{
    uint64_t actual = guest->report_actual_kib;
    uint64_t usable = MIN(guest->usable_kib, actual);
    uint64_t maximum = guest->settings->maximum_kib;
    uint64_t measured;
    bool starved;

    /*
     * A guest that claims more usable memory than it has is not squeezed on that word, nor may it gain by
     * it: it counts as one that needs all it has, which in a shortage is bounded by its share.
     */
    if ((guest->doubts & (DOUBT_USABLE_ABOVE_TOTAL | DOUBT_IMPOSSIBLE)) != 0 && !broken(FAULT_TRUST_REPORTS))
        measured = MIN(actual, maximum);
    else
        measured = actual - usable;
    if (guest->has_cache && settings->cache_share_percent > 0)
        measured += MIN(percent_of(MIN(guest->cache_kib, usable), settings->cache_share_percent), actual - measured);

    if (memory->valid && actual > memory->actual_kib)
        memory->grown_usec = now_usec;
    memory->actual_kib = actual;
    if (usable >= actual / EDGE_PART)
        memory->edge_usec = 0;
    else if (memory->edge_usec == 0)
        memory->edge_usec = now_usec;
    follow_noise(memory, measured);
    starved = (guest->doubts & (DOUBT_USABLE_ABOVE_TOTAL | DOUBT_IMPOSSIBLE)) == 0 &&
              is_starved(memory, guest, usable, now_usec);
    if (starved && !memory->starved)
        memory->starving_usec = now_usec;
    memory->starved = starved;
    /* a starved guest shows what it has, not what it needs */
    recent_note(&memory->recent, starved ? 0 : memory->envelope_kib, RECENT_USEC, now_usec);
    memory->demand_kib = memory->envelope_kib + memory->envelope_kib / AIR_PART;
    if (memory->starved && !broken(FAULT_NO_STARVED))
        memory->demand_kib = MAX(memory->demand_kib, starved_demand(memory, actual, maximum, now_usec));
    if (memory->starved) {
        memory->starved_usec = now_usec;
        memory->starved_kib = actual;
    } else if (memory->starved_usec != 0 && now_usec - memory->starved_usec < STILL_STARVED_USEC &&
               !broken(FAULT_STARVED_ONCE)) {
        memory->demand_kib = MAX(memory->demand_kib, MIN(memory->starved_kib, actual));
    }
    hold_peak(memory, now_usec, memory->valid ? memory->report_usec : now_usec);
    memory->measured_kib = measured;
    memory->serial = guest->report_serial;
    memory->report_usec = now_usec;
    memory->valid = true;
}

void
demand_work_out(DemandMemory *memory, const GuestSnapshot *guest, const Settings *settings, uint64_t now_usec,
                Demand *demand)
{
    uint64_t maximum = guest->settings->maximum_kib;

    if (guest->has_usable && guest->driver_up && (!memory->valid || memory->serial != guest->report_serial))
        take_report(memory, guest, settings, now_usec);

    *demand = (Demand){.known = memory->valid};
    if (!memory->valid)
        return;
    demand->floor_kib = guest_floor_kib(maximum);
    demand->demand_kib = MIN(MAX(memory->demand_kib, demand->floor_kib), KIB_LIMIT);
    demand->want_kib = MAX(demand->demand_kib + percent_of(demand->demand_kib, guest->settings->buffer_percent),
                           memory->peak_kib + memory->peak_kib / AIR_PART);
    demand->starved = memory->starved;
}
