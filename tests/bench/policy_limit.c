/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What can be had at best: an allocator that sees every true need at each step, knows whose balloon is stuck, and moves the
 * same balloons as everybody. It gives to those that lack memory what is free, then what others have beyond their need, from
 * all of them side by side, and takes nothing from who lacks memory itself: that would help nobody on the whole.
 *
 * That part is settled. What it does with memory that nobody needs now is not, since what is best depends on what comes:
 * to have it free when the next guest rises, to let it lie where it was needed last, or to give it to those that may rise.
 * So it is tried in all these ways and the best run counts. The one that sees ahead besides gives to those that will lack
 * memory soon, from what nobody will need by then. The late one is the first, with what guests need as they last told.
 */

#include "policy.h"
#include "policy_world.h"

#include <math.h>

#define AHEAD_SEC 6
/* Of the future it looks at each of so many steps: nothing that matters is shorter. */
#define AHEAD_STRIDE 4
/* Memory that a balloon can't have taken by then is not freed for it yet. */
#define REACH_SEC 2.0
/* Who can't grow as fast as that holds memory while nobody else needs it: it is too late to give it when it needs it. */
#define SLOW_KIB_PER_SEC (512.0 * (double)KIB_PER_MIB)
#define PEAK_HALF_LIFE_STEPS (60.0 * (double)STEPS_PER_SEC)

/* What becomes of memory that nobody needs. */
typedef enum Idle {
    IDLE_FREE,  /* it is taken back, and free; POLICY_FOLLOW */
    IDLE_LIES,  /* it stays where it is */
    IDLE_ALIKE, /* all of it is given out, alike */
    IDLE_BY_NEED,
    IDLE_RECENT, /* to those that needed more a while ago, the rest alike */
    IDLE_COUNT
} Idle;

typedef struct Limit {
    const Load *load;
    Idle idle;
    bool ahead;
    bool late;
    size_t count;
    double *has;
    double *need;
    double *now;   /* needs at once; of those with a slow balloon, as far as that gets in the next seconds */
    double *later; /* the most that it needs soon, likewise */
    double *peak;  /* decays */
    double *slow;  /* of those with a slow balloon: the most that they have needed; others: 0 */
    double *target;
    double *most;
    double *gaps;
    double *weights;
    double *shares;
} Limit;

double
policy_fill(const double *gaps, const double *weights, size_t count, double amount, double *shares)
{
    for (size_t i = 0; i < count; i++)
        shares[i] = 0;
    /* each round satisfies somebody or uses up the amount */
    for (size_t round = 0; round <= count && amount > 0.5; round++) {
        double sum = 0;
        double level;
        bool satisfied = false;

        for (size_t i = 0; i < count; i++)
            sum += gaps[i] > shares[i] ? (weights == NULL ? 1 : weights[i]) : 0;
        if (sum <= 0)
            break;
        level = amount / sum;
        for (size_t i = 0; i < count; i++) {
            double weight = weights == NULL ? 1 : weights[i];

            if (gaps[i] <= shares[i] || gaps[i] - shares[i] > level * weight)
                continue;
            amount -= gaps[i] - shares[i];
            shares[i] = gaps[i];
            satisfied = true;
        }
        for (size_t i = 0; i < count && !satisfied; i++)
            shares[i] += gaps[i] > shares[i] ? level * (weights == NULL ? 1 : weights[i]) : 0;
        if (!satisfied)
            amount = 0;
    }
    return MAX(amount, 0);
}

static void *
begin(const Load *load, unsigned variant, bool ahead)
{
    Limit *limit = g_new0(Limit, 1);
    double **arrays[] = {&limit->has,    &limit->need, &limit->slow, &limit->now,     &limit->later, &limit->peak,
                         &limit->target, &limit->most, &limit->gaps, &limit->weights, &limit->shares};

    limit->load = load;
    limit->idle = (Idle)(variant % IDLE_COUNT);
    limit->ahead = ahead;
    limit->count = load->guest_count;
    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
        *arrays[i] = g_new0(double, load->guest_count);
    return limit;
}

static void *
begin_limit(const Load *load, unsigned variant)
{
    return begin(load, variant, false);
}

/* Seeing ahead can be of no use: the runs without it count as well. */
static void *
begin_ahead(const Load *load, unsigned variant)
{
    return begin(load, variant, variant < IDLE_COUNT);
}

static void *
begin_late(const Load *load, unsigned variant)
{
    Limit *limit = begin(load, variant, false);

    limit->late = true;
    return limit;
}

static void
end(void *self)
{
    Limit *limit = self;

    g_free(limit->has);
    g_free(limit->need);
    g_free(limit->slow);
    g_free(limit->now);
    g_free(limit->later);
    g_free(limit->peak);
    g_free(limit->target);
    g_free(limit->most);
    g_free(limit->gaps);
    g_free(limit->weights);
    g_free(limit->shares);
    g_free(limit);
}

static bool
moves(const Limit *limit, size_t i)
{
    return limit->load->guests[i].misfit != MISFIT_STUCK;
}

static void
look(Limit *limit, const World *world)
{
    for (size_t i = 0; i < limit->count; i++) {
        const LoadGuest *guest = &limit->load->guests[i];
        uint64_t seen = limit->late ? world_reported_need(world, i) : world_need(world, i, 0);
        double need = (double)MAX(seen, guest->minimum_kib);

        double grow = (double)guest->grow_kib;
        bool slow = grow < SLOW_KIB_PER_SEC;
        double reach = slow ? (limit->ahead ? AHEAD_SEC : REACH_SEC) * grow : HUGE_VAL;

        limit->has[i] = (double)world_has(world, i);
        limit->need[i] = moves(limit, i) ? need : limit->has[i];
        limit->now[i] = MIN(limit->need[i], limit->has[i] + (slow ? REACH_SEC * grow : HUGE_VAL));
        limit->later[i] = limit->need[i];
        for (size_t step = 1; limit->ahead && moves(limit, i) && step <= AHEAD_SEC * STEPS_PER_SEC;
             step += AHEAD_STRIDE)
            limit->later[i] = MAX(limit->later[i], (double)world_need(world, i, step));
        limit->later[i] = MIN(limit->later[i], limit->has[i] + reach);
        limit->slow[i] = slow ? MAX(limit->slow[i], limit->need[i]) : 0;
        limit->peak[i] = MAX(limit->peak[i] * exp2(-1 / PEAK_HALF_LIFE_STEPS), limit->need[i]);
        limit->target[i] = limit->has[i];
    }
}

static double
take_from(Limit *limit, const double *floor, bool slow, double amount)
{
    double rest;

    for (size_t i = 0; i < limit->count; i++) {
        limit->gaps[i] = MAX(0, limit->target[i] - MAX(floor[i], limit->now[i]));
        if (limit->has[i] < limit->now[i] || !moves(limit, i) || (limit->slow[i] > 0) != slow)
            limit->gaps[i] = 0;
        limit->weights[i] = (double)limit->load->guests[i].shrink_touched_kib;
    }
    rest = policy_fill(limit->gaps, limit->weights, limit->count, amount, limit->shares);
    for (size_t i = 0; i < limit->count; i++)
        limit->target[i] -= limit->shares[i];
    return rest;
}

/*
 * Lowers the targets of those above floor, side by side, each as its balloon is fast, until amount is found; those that are
 * slow only when it is not. Returns what is not found.
 */
static double
take(Limit *limit, const double *floor, double amount)
{
    double rest = take_from(limit, floor, false, amount);

    return rest > 0 ? take_from(limit, floor, true, rest) : 0;
}

/* Raises targets towards goal as far as amount goes, all alike or by weights. Returns what is left. */
static double
give(Limit *limit, const double *goal, const double *weights, double amount)
{
    double rest;

    for (size_t i = 0; i < limit->count; i++)
        limit->gaps[i] = moves(limit, i) ? MAX(0, goal[i] - limit->target[i]) : 0;
    rest = policy_fill(limit->gaps, weights, limit->count, amount, limit->shares);
    for (size_t i = 0; i < limit->count; i++)
        limit->target[i] += limit->shares[i];
    return rest;
}

/*
 * Nobody waits for others: idle is what there is beyond all that is needed. Who lacks memory grows as if there were nobody
 * else: the others are raised by no more than spare together.
 */
static void
place_idle(Limit *limit, double idle, double spare)
{
    double raised = 0;

    for (size_t i = 0; i < limit->count; i++) {
        if (moves(limit, i))
            limit->target[i] = MAX(limit->later[i], limit->now[i]);
        limit->most[i] = (double)limit->load->guests[i].maximum_kib;
    }
    if (limit->idle != IDLE_FREE) {
        idle = give(limit, limit->slow, NULL, idle);
        if (limit->idle == IDLE_RECENT)
            idle = give(limit, limit->peak, NULL, idle);
        give(limit, limit->most, limit->idle == IDLE_BY_NEED ? limit->need : NULL, idle);
    }
    for (size_t i = 0; i < limit->count; i++)
        raised += MAX(0, limit->target[i] - MAX(limit->has[i], limit->now[i]));
    for (size_t i = 0; i < limit->count && raised > spare; i++) {
        double base = MAX(limit->has[i], limit->now[i]);

        if (limit->target[i] > base)
            limit->target[i] = base + (limit->target[i] - base) * spare / raised;
    }
}

static void
decide_limit(void *self, const HostView *view, uint64_t *target_kib)
{
    Limit *limit = self;
    double lack = 0;
    double soon = 0;
    double free = (double)view->capacity_kib;
    double idle;
    double found;

    look(limit, view->truth);
    idle = free;
    for (size_t i = 0; i < limit->count; i++) {
        free -= limit->has[i];
        idle -= MAX(limit->now[i], limit->later[i]);
        lack += MAX(0, limit->now[i] - limit->has[i]);
        soon += MAX(0, limit->later[i] - MAX(limit->now[i], limit->has[i]));
    }
    if (lack > free)
        found = lack - take(limit, limit->now, take(limit, limit->later, lack - free));
    else
        found = lack;
    for (size_t i = 0; i < limit->count; i++)
        limit->target[i] = MAX(limit->target[i], limit->now[i]);
    if (soon > 0 && found >= lack) {
        double spare = MAX(0, free - lack);
        double missing = soon > spare ? take(limit, limit->later, soon - spare) : 0;

        give(limit, limit->later, NULL, soon - missing);
    } else if (lack <= free && idle > 0 && limit->idle != IDLE_LIES) {
        place_idle(limit, idle, lack > 0 ? free - lack : HUGE_VAL);
    }
    for (size_t i = 0; i < limit->count; i++) {
        const LoadGuest *guest = &limit->load->guests[i];

        /* it is told all that it needs, however long its balloon takes */
        if (limit->has[i] < limit->need[i])
            limit->target[i] = MAX(limit->target[i], limit->need[i]);
        target_kib[i] = clamp_u64(pages_up((uint64_t)limit->target[i]), guest->minimum_kib, guest->maximum_kib);
    }
}

const Policy policy_limit = {.name = "limit",
                             .what = "sees every true need at once",
                             .is_limit = true,
                             .variants = IDLE_COUNT,
                             .begin = begin_limit,
                             .decide = decide_limit,
                             .end = end};

const Policy policy_ahead = {.name = "ahead",
                             .what = "sees every need six seconds ahead",
                             .is_limit = true,
                             .variants = 2 * IDLE_COUNT,
                             .begin = begin_ahead,
                             .decide = decide_limit,
                             .end = end};

const Policy policy_late = {.name = "late",
                            .what = "sees every true need of the last report",
                            .is_limit = true,
                            .variants = IDLE_COUNT,
                            .begin = begin_late,
                            .decide = decide_limit,
                            .end = end};
