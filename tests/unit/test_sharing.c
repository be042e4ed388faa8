/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sharing: known answers, and the eight properties over random cases. A case that fails is made
 * smaller until nothing more can be left out, and printed as C, ready to become a known answer.
 */

#include "cmocka_all.h"
#include "decide/faults.h"
#include "decide/sharing.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GUESTS_MAX 12
#define RANDOM_CASES 1000000
/* of one guest: its weight, in the place of a stage that has no level, and its levels */
#define FIGURES ((size_t)PLAN_STAGES)

__extension__ typedef unsigned __int128 Wide;

typedef struct Case {
    SharingGuest guests[GUESTS_MAX];
    size_t count;
    uint64_t budget;
    uint64_t more; /* a larger budget to compare with */
    bool give_away;
} Case;

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* ---- the properties ---- */

static uint64_t
least_of(const SharingGuest *input)
{
    return input->level_kib[PLAN_STAGE_MINIMUM];
}

static uint64_t
most_of(const SharingGuest *input)
{
    return MAX(input->level_kib[PLAN_STAGE_SURPLUS], least_of(input));
}

/* The levels of a case need not be in order: each stage goes at least as far as those before it. */
static uint64_t
level(const SharingGuest *input, PlanStage stage)
{
    uint64_t most = 0;

    for (PlanStage each = PLAN_STAGE_MINIMUM; each <= stage; each++)
        most = MAX(most, input->level_kib[each]);
    return MIN(most, most_of(input));
}

static PlanStage
last_stage(const Case *c)
{
    return c->give_away ? PLAN_STAGE_SURPLUS : PLAN_STAGE_PEAK;
}

static PlanStage
run(const Case *c, uint64_t budget, SharingGuest *guests)
{
    SharingScratch scratch[GUESTS_MAX];

    memset(scratch, 0xa5, sizeof scratch);
    memcpy(guests, c->guests, c->count * sizeof *guests);
    return sharing_share(guests, c->count, budget, last_stage(c), scratch);
}

/* The stage that ran out of memory by the outcome alone: the lowest level that not everybody has. */
static PlanStage
short_stage(const Case *c, const SharingGuest *shared)
{
    for (PlanStage stage = PLAN_STAGE_DEMAND; stage <= last_stage(c); stage++) {
        for (size_t i = 0; i < c->count; i++) {
            if (shared[i].target_kib < level(&c->guests[i], stage))
                return stage;
        }
    }
    return PLAN_STAGE_NONE;
}

static const char *
weights_fault(const Case *c, const SharingGuest *shared, PlanStage stage)
{
    for (size_t i = 0; i < c->count; i++) {
        const SharingGuest *a = &c->guests[i];
        uint64_t a_gap = level(a, stage) - level(a, stage - 1);
        uint64_t a_got = shared[i].target_kib - level(a, stage - 1);

        if (a_got == a_gap)
            continue;
        for (size_t j = 0; j < c->count; j++) {
            const SharingGuest *b = &c->guests[j];
            uint64_t b_got = shared[j].target_kib - level(b, stage - 1);

            if (j == i || shared[j].target_kib < level(b, stage - 1))
                continue;
            /* nobody got more than one unit above what a's level gives by weight */
            if ((Wide)b_got * a->weight > (Wide)(a_got + 1) * b->weight + a->weight)
                return "4: shares of a stage go by weight";
        }
    }
    return NULL;
}

/* NULL, or the first property that c breaks. */
static const char *
broken_property(const Case *c)
{
    SharingGuest shared[GUESTS_MAX] = {0};
    SharingGuest again[GUESTS_MAX] = {0};
    PlanStage told;
    PlanStage stage;
    uint64_t sum = 0;
    uint64_t minimums = 0;
    uint64_t weights = 0;

    told = run(c, c->budget, shared);
    for (size_t i = 0; i < c->count; i++) {
        sum += shared[i].target_kib;
        minimums += least_of(&c->guests[i]);
        weights += c->guests[i].weight;
        if (shared[i].target_kib < least_of(&c->guests[i]) || shared[i].target_kib > most_of(&c->guests[i]))
            return "2: every target is within minimum and maximum";
    }
    if ((told != PLAN_STAGE_MINIMUM) != (minimums <= c->budget))
        return "1: it is said whether the minimums fit";
    if (told == PLAN_STAGE_MINIMUM)
        return sum == minimums ? NULL : "1: minimums that do not fit are all there is";
    if (sum > c->budget)
        return "1: the targets never add up to more than the budget";

    stage = short_stage(c, shared);
    if (stage != PLAN_STAGE_NONE && sum < c->budget)
        return "6: in a shortage nothing is left over";
    for (size_t i = 0; stage != PLAN_STAGE_NONE && i < c->count; i++) {
        if (shared[i].target_kib > level(&c->guests[i], stage))
            return "3: nobody gets the next stage before everybody has this one";
    }
    if (stage != PLAN_STAGE_NONE) {
        const char *fault = weights_fault(c, shared, stage);

        if (fault != NULL)
            return fault;
    }
    for (size_t i = 0; i < c->count; i++) {
        uint64_t fair =
            least_of(&c->guests[i]) + (uint64_t)((Wide)(c->budget - minimums) * c->guests[i].weight / MAX(weights, 1));

        if (shared[i].target_kib + 1 < MIN(level(&c->guests[i], PLAN_STAGE_DEMAND), fair))
            return "7: no claim of others pushes a guest below its fair share";
    }

    if ((told == PLAN_STAGE_NONE) != (stage == PLAN_STAGE_NONE))
        return "6: it is said whether somebody is short";

    run(c, c->budget + c->more, again);
    for (size_t i = 0; i < c->count; i++) {
        if (again[i].target_kib + 1 < shared[i].target_kib)
            return "5: a larger budget never lowers a target";
    }
    run(c, c->budget, again);
    for (size_t i = 0; i < c->count; i++) {
        if (again[i].target_kib != shared[i].target_kib || again[i].stage != shared[i].stage)
            return "8: the same inputs give the same targets";
    }
    return NULL;
}

/* ---- random cases, and making them smaller ---- */

static void
make_case(Case *c, uint64_t *seed)
{
    /* small figures for the remainders, large ones for the arithmetic */
    static const unsigned sizes[] = {3, 5, 8, 16, 24, 33, 41};
    unsigned bits = sizes[next_random(seed) % G_N_ELEMENTS(sizes)];
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    uint64_t scale = 0;

    c->count = 1 + next_random(seed) % GUESTS_MAX;
    c->give_away = next_random(seed) % 4 == 0;
    for (size_t i = 0; i < c->count; i++) {
        SharingGuest *guest = &c->guests[i];

        *guest = (SharingGuest){.weight = 1 + (uint32_t)(next_random(seed) % 101)};
        for (PlanStage stage = PLAN_STAGE_MINIMUM; stage < PLAN_STAGES; stage++)
            guest->level_kib[stage] = next_random(seed) & (stage == PLAN_STAGE_MINIMUM ? mask >> 1 : mask);
        guest->level_kib[PLAN_STAGE_WANT] = guest->level_kib[PLAN_STAGE_DEMAND] + (next_random(seed) & (mask >> 2));
        guest->level_kib[PLAN_STAGE_SURPLUS] =
            least_of(guest) + (next_random(seed) % 8 == 0 ? 0 : guest->level_kib[PLAN_STAGE_SURPLUS]);
        scale += most_of(guest);
    }
    c->budget = scale == 0 ? 0 : next_random(seed) % (scale + scale / 4 + 1);
    c->more = next_random(seed) & (mask >> (next_random(seed) % bits));
}

static bool
still_fails(Case *smaller, Case *c)
{
    if (broken_property(smaller) == NULL)
        return false;
    *c = *smaller;
    return true;
}

/* Leaves out guests and halves figures as long as a property stays broken. */
static void
shrink_case(Case *c)
{
    bool smaller_found = true;

    while (smaller_found) {
        smaller_found = false;
        for (size_t i = 0; i < c->count && c->count > 1; i++) {
            Case smaller = *c;

            smaller.count--;
            memmove(&smaller.guests[i], &smaller.guests[i + 1], (smaller.count - i) * sizeof *smaller.guests);
            smaller_found |= still_fails(&smaller, c);
        }
        for (size_t field = 0; field < FIGURES * c->count + 2; field++) {
            for (unsigned how = 1; how <= 6; how++) {
                Case smaller = *c;
                SharingGuest *guest = &smaller.guests[MIN(field / FIGURES, c->count - 1)];
                uint64_t weight = guest->weight;
                uint64_t *figure = field % FIGURES == 0 ? &weight : &guest->level_kib[field % FIGURES];

                if (field >= FIGURES * c->count)
                    figure = field % FIGURES == 0 ? &smaller.budget : &smaller.more;
                /* by large parts, and one by one where it is small */
                if (*figure == 0 || (*figure >> how == 0 && how > 1))
                    continue;
                *figure -= MAX(*figure >> how, 1);
                guest->weight = (uint32_t)weight;
                if (guest->weight == 0)
                    continue;
                smaller_found |= still_fails(&smaller, c);
            }
        }
    }
}

static void
print_case(const Case *c)
{
    printf("# property %s\n# budget %" PRIu64 ", more %" PRIu64 "%s\n", broken_property(c), c->budget, c->more,
           c->give_away ? ", give away" : "");
    for (size_t i = 0; i < c->count; i++) {
        printf("# {.level_kib = {0");
        for (PlanStage stage = PLAN_STAGE_MINIMUM; stage < PLAN_STAGES; stage++)
            printf(", %" PRIu64, c->guests[i].level_kib[stage]);
        printf("}, .weight = %u},\n", c->guests[i].weight);
    }
}

/* The first failing one of count random cases, made small; false: none fails. */
static bool
find_failing_case(uint64_t count, Case *c)
{
    uint64_t seed = 0x9e3779b97f4a7c15;

    for (uint64_t i = 0; i < count; i++) {
        make_case(c, &seed);
        if (broken_property(c) == NULL)
            continue;
        shrink_case(c);
        return true;
    }
    return false;
}

static void
the_eight_properties_hold(void **state)
{
    Case c;

    if (find_failing_case(RANDOM_CASES, &c)) {
        print_case(&c);
        fail();
    }
}

static void
each_broken_rule_breaks_a_property(void **state)
{
    static const struct {
        Fault fault;
        char property;
    } cases[] = {
        {FAULT_NO_WEIGHTS, '4'},
        {FAULT_BUFFER_FIRST, '3'},
        {FAULT_FORGET_REMAINDERS, '6'},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Case c;

        rules_break(cases[i].fault);
        assert_true(find_failing_case(10000, &c));
        if (broken_property(&c)[0] != cases[i].property || c.count > 3)
            print_case(&c);
        assert_int_equal(broken_property(&c)[0], cases[i].property);
        assert_true(c.count <= 3);
        rules_break(FAULT_NONE);
    }
}

/* ---- known answers ---- */

static void
shortage_is_shared_by_weight(void **state)
{
    SharingGuest guests[4];
    SharingScratch scratch[4];

    for (uint32_t i = 0; i < 4; i++)
        guests[i] = (SharingGuest){.level_kib = {0, 1000, 9000, 9500, 0, 0, 10000}, .weight = i + 1};
    assert_int_equal(sharing_share(guests, 4, 4000 + 10000, PLAN_STAGE_PEAK, scratch), PLAN_STAGE_DEMAND);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(guests[i].target_kib, 1000 + 1000 * (i + 1));
        assert_int_equal(guests[i].stage, PLAN_STAGE_DEMAND);
    }
}

static void
who_needs_little_leaves_the_rest_to_the_others(void **state)
{
    SharingGuest guests[3] = {
        {.level_kib = {0, 0, 10, 10, 0, 0, 100}, .weight = 100},
        {.level_kib = {0, 0, 90, 90, 0, 0, 100}, .weight = 1},
        {.level_kib = {0, 0, 90, 90, 0, 0, 100}, .weight = 1},
    };
    SharingScratch scratch[3];

    sharing_share(guests, 3, 110, PLAN_STAGE_PEAK, scratch);
    assert_int_equal(guests[0].target_kib, 10);
    assert_int_equal(guests[1].target_kib, 50);
    assert_int_equal(guests[2].target_kib, 50);
}

static void
buffers_wait_for_every_demand(void **state)
{
    SharingGuest guests[2] = {
        {.level_kib = {0, 0, 40, 80, 0, 0, 100}, .weight = 100},
        {.level_kib = {0, 0, 60, 80, 0, 0, 100}, .weight = 1},
    };
    SharingScratch scratch[2];

    assert_int_equal(sharing_share(guests, 2, 100, PLAN_STAGE_PEAK, scratch), PLAN_STAGE_WANT);
    assert_int_equal(guests[0].target_kib, 40);
    assert_int_equal(guests[1].target_kib, 60);
}

static void
growth_waits_for_every_buffer_and_peaks_for_growth(void **state)
{
    SharingGuest guests[2] = {
        {.level_kib = {0, 0, 40, 50, 80, 0, 100}, .weight = 1},
        {.level_kib = {0, 0, 20, 40, 0, 70, 100}, .weight = 100},
    };
    SharingScratch scratch[2];

    sharing_share(guests, 2, 110, PLAN_STAGE_PEAK, scratch);
    assert_int_equal(guests[0].target_kib, 70);
    assert_int_equal(guests[0].stage, PLAN_STAGE_GROWTH);
    assert_int_equal(guests[1].target_kib, 40);
    assert_int_equal(sharing_share(guests, 2, 130, PLAN_STAGE_PEAK, scratch), PLAN_STAGE_PEAK);
    assert_int_equal(guests[0].target_kib, 80);
    assert_int_equal(guests[1].target_kib, 50);
    assert_int_equal(guests[1].stage, PLAN_STAGE_PEAK);
}

static void
surplus_is_given_away_only_when_asked(void **state)
{
    for (unsigned give = 0; give < 2; give++) {
        SharingGuest guests[2] = {
            {.level_kib = {0, 0, 10, 20, 0, 0, 100}, .weight = 1},
            {.level_kib = {0, 0, 10, 20, 0, 0, 30}, .weight = 3},
        };
        SharingScratch scratch[2];
        PlanStage last = give != 0 ? PLAN_STAGE_SURPLUS : PLAN_STAGE_PEAK;

        assert_int_equal(sharing_share(guests, 2, 80, last, scratch), give != 0 ? PLAN_STAGE_SURPLUS : PLAN_STAGE_NONE);
        assert_int_equal(guests[0].target_kib, give != 0 ? 50 : 20);
        assert_int_equal(guests[1].target_kib, give != 0 ? 30 : 20);
        assert_int_equal(guests[0].stage, give != 0 ? PLAN_STAGE_SURPLUS : PLAN_STAGE_WANT);
    }
}

static void
minimums_that_do_not_fit_are_told(void **state)
{
    SharingGuest guests[2] = {
        {.level_kib = {0, 60, 100, 100, 0, 0, 100}, .weight = 1},
        {.level_kib = {0, 50, 100, 100, 0, 0, 100}, .weight = 1},
    };
    SharingScratch scratch[2];

    assert_int_equal(sharing_share(guests, 2, 100, PLAN_STAGE_SURPLUS, scratch), PLAN_STAGE_MINIMUM);
    assert_int_equal(guests[0].target_kib, 60);
    assert_int_equal(guests[1].target_kib, 50);
}

static void
nobody_to_share_with_is_no_problem(void **state)
{
    assert_int_equal(sharing_share(NULL, 0, 100, PLAN_STAGE_SURPLUS, NULL), PLAN_STAGE_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shortage_is_shared_by_weight),
        cmocka_unit_test(who_needs_little_leaves_the_rest_to_the_others),
        cmocka_unit_test(buffers_wait_for_every_demand),
        cmocka_unit_test(growth_waits_for_every_buffer_and_peaks_for_growth),
        cmocka_unit_test(surplus_is_given_away_only_when_asked),
        cmocka_unit_test(minimums_that_do_not_fit_are_told),
        cmocka_unit_test(nobody_to_share_with_is_no_problem),
        cmocka_unit_test(the_eight_properties_hold),
        cmocka_unit_test(each_broken_rule_breaks_a_property),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
