/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tick that is kept: what it borrows stays valid, and nothing stays of the ticks before it. */

#include "cmocka_all.h"
#include "fake_tick.h"
#include "heap.h"
#include "report/held_tick.h"

#include <stdio.h>

#define TICKS 20000

static void
clauses_are_those_of_the_last_tick(void **state)
{
    g_autoptr(HeldTick) held = held_tick_new();
    g_autoptr(FakeTick) tick = fake_tick_new();
    char bar[160], paging_bar[160];
    size_t before = 0;

    fake_tick_add(tick, "web");
    fake_tick_snapshot(tick, 0)->limits.bar = bar;
    tick->plans[0].paging_bar = paging_bar;
    tick->snapshot.paging_bar = paging_bar;
    for (unsigned i = 0; i < 2 * TICKS; i++) {
        const TickReport *report;

        snprintf(bar, sizeof bar, "a reason that names the guest number %u and what is the matter with it", i);
        snprintf(paging_bar, sizeof paging_bar, "/srv/paging has %u bytes free, too few for a paging file", i);
        held_tick_update(held, &tick->report);
        report = held_tick_report(held);
        assert_string_equal(report->plan->guests[0].guest->limits.bar, bar);
        assert_string_equal(report->plan->guests[0].paging_bar, paging_bar);
        assert_string_equal(report->snapshot->paging_bar, paging_bar);
        if (i == TICKS)
            before = heap_bytes();
    }
    assert_true(heap_bytes() < before + 1000); /* the sentences grow with their numbers */
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clauses_are_those_of_the_last_tick)};

    return cmocka_run_group_tests_name("held_tick", tests, NULL, NULL);
}
