/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/pass.h"

#include <string.h>

/* With less than this part of its demand a guest suffers. */
#define SUFFERS_PERCENT 75

static unsigned
count_stars(const DecideState *state, const StartRating *rating, bool somebody_suffers)
{
    uint64_t buffer = percent_of(rating->startup_kib, state->rate_buffer_percent);

    if (rating->missing_kib > 0)
        return 0;
    if (rating->needed_kib <= rating->free_kib)
        return rating->needed_kib + buffer <= rating->free_kib ? 5 : 4;
    if (rating->needed_kib <= rating->free_kib + rating->buffers_kib)
        return 3;
    return somebody_suffers ? 1 : 2;
}

static int
compare_squeezes(const void *a, const void *b)
{
    const StartSqueeze *first = a, *second = b;
    uint64_t gives = first->assigned_kib - first->target_kib;
    uint64_t other = second->assigned_kib - second->target_kib;

    if (gives != other)
        return gives > other ? -1 : 1;
    return strcmp(first->uuid, second->uuid);
}

void
decide_rate(const DecideState *state, const Plan *plan, uint64_t startup_kib, uint32_t priority, StartRating *rating)
{
    const GuestSettings settings = {.maximum_kib = startup_kib, .vcpus = 1};
    Claim claim = {.uuid = "",
                   .name = "",
                   .guest = SIZE_MAX,
                   .need_kib = startup_kib,
                   .overhead_kib = overhead_estimate(&settings),
                   .priority = priority};
    ClaimTerms terms = state->rate_terms;
    bool somebody_suffers = false;

    *rating = (StartRating){.startup_kib = startup_kib, .priority = priority};
    /* what was told after the claims were settled may have taken some of what they left */
    terms.free_kib = MIN(terms.free_kib, plan->free_kib);
    terms.reserved_kib = plan->reserved_kib;
    terms.plan = plan;
    claims_settle(&claim, 1, state->givers, state->giver_count, &terms, state->scratch);
    rating->needed_kib = claim.need_kib + claim.overhead_kib;
    rating->free_kib = claim.free_kib;
    rating->buffers_kib = claim.buffers_kib;
    rating->demand_kib = claim.reclaimable_kib - claim.buffers_kib;
    rating->missing_kib = claim.missing_kib;
    rating->blocker_count = claim.blocker_count;
    memcpy(rating->blockers, claim.blockers, sizeof rating->blockers);
    for (size_t i = 0; i < state->giver_count; i++) {
        const ClaimGiver *giver = &state->givers[i];
        StartSqueeze squeeze = {.name = (char *)giver->name,
                                .assigned_kib = giver->booked_kib,
                                .target_kib = giver->keep_kib,
                                .below_demand = giver->keep_kib < giver->demand_kib};

        if (giver->keep_kib == giver->booked_kib)
            continue;
        somebody_suffers |= giver->keep_kib < percent_of(giver->demand_kib, SUFFERS_PERCENT);
        g_strlcpy(squeeze.uuid, giver->uuid, sizeof squeeze.uuid);
        start_rating_add(rating, &squeeze);
    }
    if (rating->squeezes != NULL)
        g_array_sort(rating->squeezes, compare_squeezes);
    rating->stars = count_stars(state, rating, somebody_suffers);
}
