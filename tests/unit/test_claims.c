/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The line of claims: who is served first, who is squeezed how far, and what holds over random cases. */

#include "cmocka_all.h"
#include "decide/claims.h"
#include "decide/faults.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB KIB_PER_MIB
#define MOST 12

typedef struct Case {
    Claim claims[MOST];
    char claim_uuids[MOST][8];
    size_t count;
    ClaimGiver givers[MOST];
    char giver_uuids[MOST][8];
    size_t giver_count;
    ClaimTerms terms;
    Plan plan;
} Case;

static Claim *
add_claim(Case *test, uint64_t need, uint32_t priority)
{
    size_t i = test->count++;

    snprintf(test->claim_uuids[i], sizeof test->claim_uuids[i], "c%02zu", i);
    test->claims[i] = (Claim){.uuid = test->claim_uuids[i],
                              .name = test->claim_uuids[i],
                              .guest = SIZE_MAX,
                              .start = i,
                              .need_kib = need,
                              .priority = priority,
                              .asked_usec = 1};
    return &test->claims[i];
}

static ClaimGiver *
add_giver(Case *test, uint64_t booked, uint64_t demand, uint64_t least, uint32_t priority)
{
    size_t i = test->giver_count++;

    snprintf(test->giver_uuids[i], sizeof test->giver_uuids[i], "g%02zu", i);
    test->givers[i] = (ClaimGiver){.uuid = test->giver_uuids[i],
                                   .name = test->giver_uuids[i],
                                   .booked_kib = booked,
                                   .told_kib = booked,
                                   .least_kib = least,
                                   .demand_kib = demand,
                                   .want_kib = booked,
                                   .priority = priority,
                                   .kept_rule = PLAN_RULE_AT_MINIMUM};
    return &test->givers[i];
}

static void
settle(Case *test)
{
    SharingScratch scratch[MOST];

    test->terms.plan = &test->plan;
    claims_settle(test->claims, test->count, test->givers, test->giver_count, &test->terms, scratch);
}

static const Claim *
claim_of(const Case *test, size_t start)
{
    for (size_t i = 0; i < test->count; i++)
        if (test->claims[i].start == start)
            return &test->claims[i];
    return NULL;
}

/* ---- who is served first ---- */

static bool
higher_priority_is_served_first(Fault fault)
{
    Case test = {.terms = {.free_kib = 1000 * MIB}};

    rules_break(fault);

    add_claim(&test, 800 * MIB, 10);
    add_claim(&test, 800 * MIB, 90);
    settle(&test);
    return claim_of(&test, 1)->granted_kib == 800 * MIB && claim_of(&test, 0)->granted_kib == 200 * MIB;
}

static bool
nobody_gets_what_one_before_waits_for(Fault fault)
{
    Case test = {.terms = {.free_kib = 500 * MIB}};

    rules_break(fault);

    add_claim(&test, 800 * MIB, 90);
    add_claim(&test, 400 * MIB, 10);
    add_giver(&test, 1000 * MIB, 0, 0, 0);
    settle(&test);
    return claim_of(&test, 0)->took_kib == 500 * MIB && claim_of(&test, 1)->granted_kib == 0 &&
           test.givers[0].keep_kib == 300 * MIB;
}

/* Each with its QEMU and what it can't do without; what is left goes by priority. */
static bool
every_restart_gets_what_it_cannot_do_without(Fault fault)
{
    Case test = {.terms = {.free_kib = 1030 * MIB}};

    rules_break(fault);

    for (size_t i = 0; i < 3; i++) {
        Claim *claim = add_claim(&test, 512 * MIB, (uint32_t)i * 10);

        claim->overhead_kib = 10 * MIB;
        claim->base_kib = 300 * MIB;
    }
    settle(&test);
    return claim_of(&test, 0)->granted_kib == 300 * MIB && claim_of(&test, 1)->granted_kib == 300 * MIB &&
           claim_of(&test, 2)->granted_kib == 400 * MIB;
}

static void
who_asked_first_is_served_first_among_equals(void **state)
{
    Case test = {.terms = {.free_kib = 800 * MIB}};

    add_claim(&test, 800 * MIB, 50)->asked_usec = 9;
    add_claim(&test, 800 * MIB, 50)->asked_usec = 8;
    settle(&test);
    assert_int_equal(claim_of(&test, 1)->granted_kib, 800 * MIB);
    assert_int_equal(claim_of(&test, 0)->granted_kib, 0);
}

static void
who_is_first_stands_before_any_priority(void **state)
{
    Case test = {.terms = {.free_kib = 800 * MIB}};

    add_claim(&test, 800 * MIB, 100);
    add_claim(&test, 800 * MIB, 0)->overdue = true;
    settle(&test);
    assert_int_equal(claim_of(&test, 1)->granted_kib, 800 * MIB);
}

/* A start that can't have all of it does not keep a part from those who can. */
static void
what_cannot_be_had_whole_takes_nothing(void **state)
{
    Case test = {.terms = {.free_kib = 500 * MIB}};

    add_claim(&test, 2000 * MIB, 90)->all_or_nothing = true;
    add_claim(&test, 400 * MIB, 10)->all_or_nothing = true;
    settle(&test);
    assert_int_equal(claim_of(&test, 0)->took_kib, 0);
    assert_int_equal(claim_of(&test, 1)->granted_kib, 400 * MIB);
    /* what one before takes may come free again */
    test.terms.free_kib = 2000 * MIB;
    settle(&test);
    assert_int_equal(claim_of(&test, 1)->took_kib, 0);
    assert_int_equal(claim_of(&test, 1)->ahead_kib, 2000 * MIB);
}

static void
overhead_comes_before_memory_and_has_room_of_its_own(void **state)
{
    Case test = {.terms = {.free_kib = 500 * MIB}};

    add_claim(&test, 500 * MIB, 50)->overhead_kib = 60 * MIB;
    settle(&test);
    assert_int_equal(test.claims[0].granted_kib, 440 * MIB);
    assert_int_equal(test.claims[0].took_kib, 500 * MIB);
    test.terms.overhead_room_kib = 100 * MIB;
    settle(&test);
    assert_int_equal(test.claims[0].granted_kib, 500 * MIB);
    assert_int_equal(test.claims[0].took_kib, 500 * MIB);
    assert_int_equal(test.claims[0].free_kib, 560 * MIB);
    test.terms.free_kib = 20 * MIB;
    test.terms.overhead_room_kib = 0;
    settle(&test);
    assert_int_equal(test.claims[0].granted_kib, 0);
}

/* ---- who is squeezed ---- */

static bool
low_claim_takes_nothing_that_a_higher_one_needs(Fault fault)
{
    Case test = {.terms = {.free_kib = 0}};

    rules_break(fault);

    add_claim(&test, 2000 * MIB, 10);
    add_giver(&test, 1000 * MIB, 700 * MIB, 200 * MIB, 80);
    settle(&test);
    return test.givers[0].keep_kib == 700 * MIB && test.claims[0].reclaimable_kib == 300 * MIB &&
           test.claims[0].blocker_count == 1 && test.claims[0].blockers[0].rule == START_BLOCK_PRIORITY &&
           test.claims[0].blockers[0].kept_kib == 700 * MIB;
}

static bool
buffers_go_before_needs(Fault fault)
{
    Case test = {.terms = {.free_kib = 0}};

    rules_break(fault);

    add_claim(&test, 300 * MIB, 50);
    add_giver(&test, 1000 * MIB, 1000 * MIB, 200 * MIB, 10);
    add_giver(&test, 1000 * MIB, 700 * MIB, 200 * MIB, 90);
    settle(&test);
    return test.givers[0].keep_kib == 1000 * MIB && test.givers[1].keep_kib == 700 * MIB;
}

static bool
lowest_priority_is_squeezed_first(Fault fault)
{
    Case test = {.terms = {.free_kib = 0}};

    rules_break(fault);

    add_claim(&test, 400 * MIB, 50);
    add_giver(&test, 1000 * MIB, 400 * MIB, 200 * MIB, 40);
    add_giver(&test, 1000 * MIB, 700 * MIB, 200 * MIB, 20);
    add_giver(&test, 1000 * MIB, 100 * MIB, 200 * MIB, 60);
    settle(&test);
    return test.givers[1].keep_kib == 700 * MIB && test.givers[0].keep_kib == 900 * MIB &&
           test.givers[2].keep_kib == 1000 * MIB;
}

static void
needs_are_taken_lowest_first_down_to_the_least(void **state)
{
    Case test = {0};

    add_claim(&test, 1000 * MIB, 50);
    add_giver(&test, 1000 * MIB, 1000 * MIB, 300 * MIB, 50);
    add_giver(&test, 1000 * MIB, 1000 * MIB, 300 * MIB, 20);
    add_giver(&test, 1000 * MIB, 1000 * MIB, 300 * MIB, 51);
    settle(&test);
    assert_int_equal(test.givers[1].keep_kib, 300 * MIB);
    assert_int_equal(test.givers[0].keep_kib, 700 * MIB);
    assert_int_equal(test.givers[2].keep_kib, 1000 * MIB);
}

static void
who_presses_takes_from_everybody(void **state)
{
    Case test = {0};

    add_claim(&test, 1400 * MIB, 0)->presses = true;
    add_giver(&test, 1000 * MIB, 1000 * MIB, 300 * MIB, 100);
    add_giver(&test, 1000 * MIB, 1000 * MIB, 300 * MIB, 20);
    settle(&test);
    assert_int_equal(test.givers[0].keep_kib, 300 * MIB);
    assert_int_equal(test.givers[1].keep_kib, 300 * MIB);
}

static void
of_equals_who_has_most_gives_first(void **state)
{
    Case test = {0};

    add_claim(&test, 500 * MIB, 50);
    add_giver(&test, 1000 * MIB, 400 * MIB, 100 * MIB, 50);
    add_giver(&test, 1000 * MIB, 900 * MIB, 100 * MIB, 50);
    add_giver(&test, 1000 * MIB, 500 * MIB, 100 * MIB, 50);
    settle(&test);
    assert_int_equal(test.givers[0].keep_kib, 700 * MIB);
    assert_int_equal(test.givers[1].keep_kib, 1000 * MIB);
    assert_int_equal(test.givers[2].keep_kib, 800 * MIB);
}

static void
what_nobody_wants_goes_before_buffers(void **state)
{
    Case test = {0};

    add_claim(&test, 200 * MIB, 50);
    add_giver(&test, 1000 * MIB, 500 * MIB, 100 * MIB, 10);
    add_giver(&test, 1000 * MIB, 500 * MIB, 100 * MIB, 90)->want_kib = 800 * MIB;
    settle(&test);
    assert_int_equal(test.givers[0].keep_kib, 1000 * MIB);
    assert_int_equal(test.givers[1].keep_kib, 800 * MIB);
}

/* Who shrinks anyway gives what a claim lacks, and nobody else has to. */
static void
what_comes_free_anyway_squeezes_nobody(void **state)
{
    Case test = {0};

    add_claim(&test, 300 * MIB, 50);
    add_giver(&test, 1000 * MIB, 100 * MIB, 100 * MIB, 10);
    add_giver(&test, 1000 * MIB, 600 * MIB, 100 * MIB, 90)->told_kib = 600 * MIB;
    settle(&test);
    assert_int_equal(test.givers[0].keep_kib, 1000 * MIB);
    assert_int_equal(test.givers[1].keep_kib, 700 * MIB);
    assert_int_equal(test.claims[0].given_kib, 300 * MIB);
    assert_int_equal(test.claims[0].reclaimable_kib, 1300 * MIB);
}

static void
what_is_owed_is_not_reclaimable(void **state)
{
    Case test = {.terms = {.owed_kib = 500 * MIB}};

    add_claim(&test, 800 * MIB, 50)->all_or_nothing = true;
    add_giver(&test, 1000 * MIB, 100 * MIB, 100 * MIB, 50);
    settle(&test);
    assert_int_equal(test.claims[0].reclaimable_kib, 400 * MIB);
    assert_int_equal(test.givers[0].keep_kib, 1000 * MIB);
}

/* 1800 MiB can be had; 500 MiB of them are owed, and the sharing takes those. */
static void
nobody_is_squeezed_for_what_is_owed(void **state)
{
    Case test = {.terms = {.owed_kib = 500 * MIB}};

    add_claim(&test, 1300 * MIB, 50);
    add_giver(&test, 1000 * MIB, 100 * MIB, 100 * MIB, 50);
    add_giver(&test, 1000 * MIB, 100 * MIB, 100 * MIB, 50);
    settle(&test);
    assert_int_equal(test.claims[0].given_kib, 1300 * MIB);
    assert_int_equal(test.givers[0].keep_kib, 350 * MIB);
    assert_int_equal(test.givers[1].keep_kib, 350 * MIB);
}

static void
who_is_in_the_way_is_told_largest_first(void **state)
{
    Case test = {0};
    const Claim *claim = &test.claims[0];

    add_claim(&test, 9000 * MIB, 50);
    add_giver(&test, 1000 * MIB, 500 * MIB, 100 * MIB, 10);
    add_giver(&test, 1000 * MIB, 500 * MIB, 400 * MIB, 10)->kept_rule = PLAN_RULE_LIMIT;
    add_giver(&test, 1000 * MIB, 500 * MIB, 300 * MIB, 10);
    add_giver(&test, 1000 * MIB, 500 * MIB, 350 * MIB, 90);
    add_giver(&test, 1000 * MIB, 500 * MIB, 200 * MIB, 10);
    settle(&test);
    assert_int_equal(claim->blocker_count, START_BLOCKERS_MAX);
    assert_string_equal(claim->blockers[0].name, "g03");
    assert_int_equal(claim->blockers[0].kept_kib, 500 * MIB);
    assert_string_equal(claim->blockers[1].name, "g01");
    assert_int_equal(claim->blockers[1].rule, PLAN_RULE_LIMIT);
    assert_string_equal(claim->blockers[2].name, "g02");
    assert_string_equal(claim->blockers[3].name, "g04");
}

static void
who_stands_before_and_the_host_are_in_the_way_too(void **state)
{
    Case test = {.terms = {.free_kib = 600 * MIB, .reserved_kib = 300 * MIB},
                 .plan = {.other_kib = 100 * MIB, .reserve_kib = 50 * MIB}};
    const Claim *claim = &test.claims[2];

    add_claim(&test, 400 * MIB, 90);
    add_claim(&test, 200 * MIB, 80)->guest = 0; /* a restart */
    add_claim(&test, 500 * MIB, 70);
    settle(&test);
    assert_int_equal(claim->missing_kib, 500 * MIB);
    assert_int_equal(claim->blocker_count, 4);
    assert_string_equal(claim->blockers[0].name, "c00");
    assert_int_equal(claim->blockers[0].kept_kib, 400 * MIB);
    assert_int_equal(claim->blockers[0].rule, START_BLOCK_AHEAD);
    assert_string_equal(claim->blockers[1].name, "");
    assert_int_equal(claim->blockers[1].kept_kib, 300 * MIB);
    assert_int_equal(claim->blockers[1].rule, START_BLOCK_AHEAD);
    assert_string_equal(claim->blockers[2].name, "c01");
    assert_int_equal(claim->blockers[2].rule, PLAN_RULE_RESTART);
    assert_int_equal(claim->blockers[3].kept_kib, 150 * MIB);
    assert_int_equal(claim->blockers[3].rule, START_BLOCK_HOST);
}

/* It claims nothing more, or stands further back for the rest. */
static void
start_that_is_booked_is_in_the_way_wherever_it_stands(void **state)
{
    Case test = {.terms = {.free_kib = 100 * MIB}};
    const Claim *claim = &test.claims[1];

    add_claim(&test, 300 * MIB, 90)->booked_kib = 300 * MIB;
    add_claim(&test, 500 * MIB, 70);
    add_claim(&test, 400 * MIB, 10)->booked_kib = 200 * MIB;
    settle(&test);
    assert_int_equal(claim->missing_kib, 400 * MIB);
    assert_int_equal(claim->blocker_count, 2);
    assert_string_equal(claim->blockers[0].name, "c00");
    assert_int_equal(claim->blockers[0].kept_kib, 300 * MIB);
    assert_string_equal(claim->blockers[1].name, "c02");
    assert_int_equal(claim->blockers[1].kept_kib, 200 * MIB);
    assert_int_equal(claim->blockers[1].rule, START_BLOCK_AHEAD);
}

/* ---- over random cases ---- */

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
make_random(Case *test, uint64_t *seed)
{
    size_t claims = next_random(seed) % 6;
    size_t givers = next_random(seed) % MOST;

    *test = (Case){.terms = {.free_kib = next_random(seed) % 4 * (next_random(seed) % (500 * MIB)),
                             .owed_kib = next_random(seed) % 3 == 0 ? next_random(seed) % (2000 * MIB) : 0,
                             .overhead_room_kib = next_random(seed) % 3 == 0 ? next_random(seed) % (100 * MIB) : 0}};
    for (size_t i = 0; i < claims; i++) {
        Claim *claim = add_claim(test, next_random(seed) % (2000 * MIB), (uint32_t)(next_random(seed) % 5 * 25));

        claim->booked_kib = next_random(seed) % 3 == 0 ? claim->need_kib / 2 : 0;
        claim->overhead_kib = claim->booked_kib == 0 ? next_random(seed) % (80 * MIB) : 0;
        claim->presses = next_random(seed) % 8 == 0;
        claim->overdue = next_random(seed) % 8 == 0;
        claim->all_or_nothing = claim->booked_kib == 0 && next_random(seed) % 2 == 0;
        claim->base_kib = claim->all_or_nothing || next_random(seed) % 3 > 0 ? 0 : claim->need_kib / 3;
        claim->asked_usec = next_random(seed) % 3;
    }
    for (size_t i = 0; i < givers; i++) {
        uint64_t booked = next_random(seed) % (1000 * MIB);
        ClaimGiver *giver = add_giver(test, booked, next_random(seed) % (1000 * MIB), next_random(seed) % (700 * MIB),
                                      (uint32_t)(next_random(seed) % 5 * 25));

        giver->want_kib = giver->demand_kib + next_random(seed) % (300 * MIB);
        if (next_random(seed) % 3 == 0)
            giver->told_kib = next_random(seed) % (booked + 1);
    }
}

/* Returns what does not hold, or NULL. */
static const char *
broken_property(const Case *test)
{
    uint64_t took = 0;
    uint64_t room = 0;
    uint64_t given = 0;
    uint64_t squeezed = 0;
    uint32_t highest = 0; /* priority up to which needs may be taken */
    bool waits = false;

    for (size_t i = 0; i < test->count; i++) {
        const Claim *claim = &test->claims[i];
        uint64_t lacking = claim->need_kib - claim->booked_kib + claim->overhead_kib;
        uint64_t got = claim->took_kib + claim->room_kib;

        took += claim->took_kib;
        highest = MAX(highest, claim->presses ? 100 : claim->priority);
        room += claim->room_kib;
        given += claim->given_kib;
        if (claim->granted_kib < claim->booked_kib || claim->granted_kib > claim->need_kib)
            return "what is booked stays, and nobody gets more than it needs";
        if (claim->granted_kib - claim->booked_kib > saturating_sub(got, claim->overhead_kib))
            return "what is granted is covered by free memory, overhead first";
        if (got + claim->given_kib > lacking)
            return "nobody takes more than it lacks";
        if (claim->given_kib > claim->reclaimable_kib || claim->buffers_kib > claim->reclaimable_kib)
            return "nobody is given more than there is";
        if (waits && claim->took_kib > claim->base_kib + claim->overhead_kib)
            return "nobody gets what one before waits for";
        if (got < lacking && !(claim->all_or_nothing && got == 0))
            waits = true;
        if (claim->all_or_nothing && got + claim->given_kib < lacking && got > 0 &&
            claim->free_kib + claim->reclaimable_kib < lacking)
            return "what can't be had whole takes nothing";
    }
    if (took > test->terms.free_kib || room > test->terms.overhead_room_kib)
        return "never more than is free";
    for (size_t i = 0; i < test->giver_count; i++) {
        const ClaimGiver *giver = &test->givers[i];
        uint64_t need = MIN(giver->demand_kib, giver->booked_kib);

        if (giver->keep_kib > giver->booked_kib || giver->keep_kib < MIN(giver->least_kib, giver->booked_kib))
            return "nobody is squeezed below its least";
        if (giver->keep_kib < need && giver->priority > highest)
            return "a low claim takes nothing that a higher one needs";
        squeezed += giver->booked_kib - giver->keep_kib;
    }
    if (squeezed != given)
        return "what the claims are given is what others give up";
    return NULL;
}

static void
properties_hold_over_random_cases(void **state)
{
    uint64_t seed = 0x9e3779b97f4a7c15;

    for (unsigned round = 0; round < 50000; round++) {
        Case test;
        const char *broken;

        make_random(&test, &seed);
        settle(&test);
        broken = broken_property(&test);
        if (broken != NULL)
            printf("# round %u: %s\n", round, broken);
        assert_null(broken);
    }
}

static void
order_of_the_arrays_does_not_matter(void **state)
{
    uint64_t seed = 0x2545f4914f6cdd1d;

    for (unsigned round = 0; round < 5000; round++) {
        Case test;
        Case turned;

        make_random(&test, &seed);
        turned = test;
        for (size_t i = 0; i < test.count; i++)
            turned.claims[i] = test.claims[test.count - 1 - i];
        for (size_t i = 0; i < test.giver_count; i++)
            turned.givers[i] = test.givers[test.giver_count - 1 - i];
        settle(&test);
        settle(&turned);
        for (size_t i = 0; i < test.count; i++) {
            assert_int_equal(test.claims[i].start, turned.claims[i].start);
            assert_int_equal(test.claims[i].granted_kib, turned.claims[i].granted_kib);
            assert_int_equal(test.claims[i].reclaimable_kib, turned.claims[i].reclaimable_kib);
            assert_int_equal(test.claims[i].given_kib, turned.claims[i].given_kib);
            assert_int_equal(test.claims[i].blocker_count, turned.claims[i].blocker_count);
            for (unsigned b = 0; b < test.claims[i].blocker_count; b++)
                assert_string_equal(test.claims[i].blockers[b].name, turned.claims[i].blockers[b].name);
        }
        for (size_t i = 0; i < test.giver_count; i++) {
            uint64_t keep = test.givers[i].keep_kib;
            uint64_t other = turned.givers[test.giver_count - 1 - i].keep_kib;

            assert_true(MAX(keep, other) - MIN(keep, other) <= 4);
        }
    }
}

/* ---- rules that can be broken ---- */

static const struct {
    const char *name;
    bool (*holds)(Fault fault);
    Fault fault;
} rules[] = {
    {"higher priority is served first", higher_priority_is_served_first, FAULT_CLAIM_NO_ORDER},
    {"nobody gets what one before waits for", nobody_gets_what_one_before_waits_for, FAULT_CLAIM_OVERTAKES},
    {"every restart gets what it can't do without", every_restart_gets_what_it_cannot_do_without, FAULT_CLAIM_NO_BASE},
    {"a low claim takes nothing that a higher one needs", low_claim_takes_nothing_that_a_higher_one_needs,
     FAULT_CLAIM_TAKES_NEED},
    {"buffers go before needs", buffers_go_before_needs, FAULT_CLAIM_NEED_FIRST},
    {"the lowest priority is squeezed first", lowest_priority_is_squeezed_first, FAULT_CLAIM_NO_RANK},
};

static void
rules_hold_and_can_be_broken(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (!rules[i].holds(0) || rules[i].holds(rules[i].fault))
            printf("# %s\n", rules[i].name);
        assert_true(rules[i].holds(0));
        assert_false(rules[i].holds(rules[i].fault));
        rules_break(FAULT_NONE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_hold_and_can_be_broken),
        cmocka_unit_test(who_asked_first_is_served_first_among_equals),
        cmocka_unit_test(who_is_first_stands_before_any_priority),
        cmocka_unit_test(what_cannot_be_had_whole_takes_nothing),
        cmocka_unit_test(overhead_comes_before_memory_and_has_room_of_its_own),
        cmocka_unit_test(needs_are_taken_lowest_first_down_to_the_least),
        cmocka_unit_test(who_presses_takes_from_everybody),
        cmocka_unit_test(of_equals_who_has_most_gives_first),
        cmocka_unit_test(what_nobody_wants_goes_before_buffers),
        cmocka_unit_test(what_comes_free_anyway_squeezes_nobody),
        cmocka_unit_test(what_is_owed_is_not_reclaimable),
        cmocka_unit_test(nobody_is_squeezed_for_what_is_owed),
        cmocka_unit_test(who_is_in_the_way_is_told_largest_first),
        cmocka_unit_test(who_stands_before_and_the_host_are_in_the_way_too),
        cmocka_unit_test(start_that_is_booked_is_in_the_way_wherever_it_stands),
        cmocka_unit_test(properties_hold_over_random_cases),
        cmocka_unit_test(order_of_the_arrays_does_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
