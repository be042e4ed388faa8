/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of guests: what it tells, and that it stays bounded whatever happens. */

#include "cmocka_all.h"
#include "fake_tick.h"
#include "report/history.h"
#include "report/history_reply.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define WEB "6a2c0a3e-0000-4000-8000-000000000000"
/* Some moment at which points begin. */
#define START_USEC (UINT64_C(900000) * USEC_PER_SEC)

typedef struct Fixture {
    History *history;
    FakeTick *tick;
    uint64_t now_usec;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->history = history_new();
    fixture->tick = fake_tick_new();
    fixture->now_usec = START_USEC;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    history_free(fixture->history);
    fake_tick_free(fixture->tick);
    g_free(fixture);
    return 0;
}

/* A tick a second, for so long. */
static void
pass(Fixture *fixture, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        history_add(fixture->history, &fixture->tick->report, fixture->now_usec);
        fixture->now_usec += USEC_PER_SEC;
    }
}

static void
note(Fixture *fixture, ChangeKind kind, const char *uuid, const char *message)
{
    Change change = {
        .kind = kind, .name = (char *)"web", .reason = (char *)"", .message = (char *)message, .directory = (char *)""};

    g_strlcpy(change.uuid, uuid, sizeof change.uuid);
    history_note(fixture->history, &change, fixture->now_usec);
}

/* Oldest first, none over another, none empty. Returns how many there are. */
static unsigned
assert_ordered(const Fixture *fixture, const char *uuid)
{
    g_autoptr(GArray) spans = history_spans(fixture->history, uuid, 0);

    for (unsigned i = 0; i < spans->len; i++) {
        const HistorySpan *span = &g_array_index(spans, HistorySpan, i);

        assert_true(span->length_usec > 0);
        if (i > 0)
            assert_true(span->start_usec >= span[-1].start_usec + span[-1].length_usec);
    }
    return spans->len;
}

static HistorySpan
last_span(const Fixture *fixture, const char *uuid)
{
    g_autoptr(GArray) spans = history_spans(fixture->history, uuid, 0);

    assert_true(spans->len > 0);
    return g_array_index(spans, HistorySpan, spans->len - 1);
}

static void
a_short_need_is_seen_in_the_most_and_not_in_the_mean(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *web = fake_tick_add(fixture->tick, "web");
    HistorySpan span;

    pass(fixture, 8);
    web->demand_kib = 5 * KIB_PER_GIB;
    web->status = GUEST_STATUS_WARNING;
    web->rule = PLAN_RULE_SHORTAGE;
    pass(fixture, 1);
    web->demand_kib = 1536 * KIB_PER_MIB;
    web->status = GUEST_STATUS_OK;
    web->rule = PLAN_RULE_SATISFIED;
    pass(fixture, 1);
    span = last_span(fixture, WEB);
    assert_int_equal(span.start_usec, START_USEC);
    assert_int_equal(span.assigned_kib, 2 * KIB_PER_GIB);
    assert_int_equal(span.demand_most_kib, 5 * KIB_PER_GIB);
    assert_int_equal(span.lacked_kib, 3 * KIB_PER_GIB);
    assert_in_range(span.demand_kib, 1536 * KIB_PER_MIB, 2 * KIB_PER_GIB);
    assert_int_equal(span.status, GUEST_STATUS_WARNING);
    assert_int_equal(span.rule, PLAN_RULE_SHORTAGE);
    assert_int_equal(span.state, GUEST_STATE_ACTIVE);
}

static void
what_is_not_known_is_in_no_mean(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *web = fake_tick_add(fixture->tick, "web");
    uint64_t demand_kib = web->demand_kib, want_kib = web->want_kib;
    HistorySpan fine, coarse;
    g_autoptr(GArray) spans = NULL;

    web->demand_kib = web->want_kib = 0;
    pass(fixture, 7);
    assert_int_equal(last_span(fixture, WEB).demand_kib, 0);
    web->demand_kib = demand_kib;
    web->want_kib = want_kib;
    pass(fixture, 3);
    fine = last_span(fixture, WEB);
    assert_in_range(fine.demand_kib, demand_kib - 64, demand_kib + 64);
    assert_in_range(fine.want_kib, want_kib - 64, want_kib + 64);
    assert_int_equal(fine.assigned_kib, web->assigned_kib);
    /* nor in that of the coarser point, into which this one goes with 29 in which nothing is known */
    web->demand_kib = web->want_kib = 0;
    pass(fixture, 2 * 3600);
    spans = history_spans(fixture->history, WEB, 0);
    coarse = g_array_index(spans, HistorySpan, 0);
    assert_int_equal(coarse.length_usec, (uint64_t)HISTORY_COARSE_SEC * USEC_PER_SEC);
    assert_in_range(coarse.demand_kib, demand_kib - 64, demand_kib + 64);
    assert_in_range(coarse.want_kib, want_kib - 64, want_kib + 64);
}

static void
the_last_hour_is_finer_than_the_day_before(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *web = fake_tick_add(fixture->tick, "web");
    g_autoptr(GArray) spans = NULL;
    uint64_t end_usec;

    web->assigned_kib = KIB_PER_GIB;
    pass(fixture, 3 * 3600);
    web->assigned_kib = 3 * KIB_PER_GIB;
    pass(fixture, 2 * 3600);
    spans = history_spans(fixture->history, WEB, 0);
    assert_ordered(fixture, WEB);
    assert_int_equal(g_array_index(spans, HistorySpan, 0).length_usec, HISTORY_COARSE_SEC * USEC_PER_SEC);
    assert_int_equal(g_array_index(spans, HistorySpan, 0).assigned_kib, KIB_PER_GIB);
    assert_int_equal(g_array_index(spans, HistorySpan, spans->len - 2).length_usec, HISTORY_FINE_SEC * USEC_PER_SEC);
    /* nothing is missing between the first and the last */
    end_usec = START_USEC;
    for (unsigned i = 0; i < spans->len; i++) {
        const HistorySpan *span = &g_array_index(spans, HistorySpan, i);

        assert_true(span->start_usec <= end_usec);
        assert_int_equal(span->assigned_kib,
                         span->start_usec < START_USEC + 3 * 3600 * USEC_PER_SEC ? KIB_PER_GIB : 3 * KIB_PER_GIB);
        end_usec = span->start_usec + span->length_usec;
    }
    assert_true(end_usec >= fixture->now_usec - USEC_PER_SEC);
}

static void
what_is_asked_for_is_all_that_is_told(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GArray) spans = NULL;
    uint64_t since_usec;

    fake_tick_add(fixture->tick, "web");
    pass(fixture, 2 * 3600);
    since_usec = fixture->now_usec - 5400 * USEC_PER_SEC - 7 * USEC_PER_SEC;
    spans = history_spans(fixture->history, WEB, since_usec);
    assert_int_equal(g_array_index(spans, HistorySpan, 0).start_usec, since_usec);
    assert_true(g_array_index(spans, HistorySpan, 0).length_usec < HISTORY_COARSE_SEC * USEC_PER_SEC);
}

static void
it_holds_25_hours_and_wraps(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *web = fake_tick_add(fixture->tick, "web");
    size_t full;

    for (unsigned hour = 0; hour < 80; hour++) {
        web->assigned_kib = (hour + 1) * KIB_PER_MIB * 64;
        pass(fixture, 3600);
        assert_in_range(assert_ordered(fixture, WEB), 1, HISTORY_FINE_POINTS + HISTORY_COARSE_POINTS + 2);
        if (hour == 30)
            full = history_bytes(fixture->history);
    }
    assert_int_equal(history_bytes(fixture->history), full);
    assert_true(full < HISTORY_GUEST_BYTES);
    {
        g_autoptr(GArray) spans = history_spans(fixture->history, WEB, 0);
        const HistorySpan *first = &g_array_index(spans, HistorySpan, 0);

        assert_in_range(fixture->now_usec - first->start_usec, 24 * 3600 * USEC_PER_SEC, 26 * 3600 * USEC_PER_SEC);
        assert_in_range(first->assigned_kib, 54 * KIB_PER_MIB * 64, 56 * KIB_PER_MIB * 64);
    }
}

static void
time_that_goes_back_or_leaps_harms_nothing(void **state)
{
    Fixture *fixture = *state;
    static const int64_t leaps_sec[] = {-5, -100000, 30000, -1, 1000000, 0, -1000000, 7};

    fake_tick_add(fixture->tick, "web");
    for (unsigned round = 0; round < 50; round++)
        for (size_t i = 0; i < G_N_ELEMENTS(leaps_sec); i++) {
            pass(fixture, 37);
            note(fixture, CHANGE_GUEST_RESET, WEB, "it was reset");
            fixture->now_usec += (uint64_t)(leaps_sec[i] * (int64_t)USEC_PER_SEC);
            assert_in_range(assert_ordered(fixture, WEB), 1, HISTORY_FINE_POINTS + HISTORY_COARSE_POINTS + 2);
            assert_true(history_bytes(fixture->history) < HISTORY_GUEST_BYTES);
        }
}

static void
the_time_that_the_host_slept_is_missing(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GArray) spans = NULL;
    uint64_t known_usec = 0;

    fake_tick_add(fixture->tick, "web");
    fixture->now_usec += 100 * USEC_PER_SEC;
    pass(fixture, 600);
    fixture->now_usec += 3 * 3600 * USEC_PER_SEC;
    pass(fixture, 600);
    spans = history_spans(fixture->history, WEB, 0);
    for (unsigned i = 0; i < spans->len; i++)
        known_usec += g_array_index(spans, HistorySpan, i).length_usec;
    assert_in_range(known_usec, 1190 * USEC_PER_SEC, 1210 * USEC_PER_SEC);
}

static void
a_guest_that_never_ran_costs_nothing(void **state)
{
    Fixture *fixture = *state;

    fake_tick_add(fixture->tick, "web")->state = GUEST_STATE_OFF;
    pass(fixture, 100);
    assert_int_equal(history_guests(fixture->history), 0);
    fixture->tick->plans[0].state = GUEST_STATE_STARTING;
    pass(fixture, 1);
    fixture->tick->plans[0].state = GUEST_STATE_OFF;
    pass(fixture, 100);
    assert_int_equal(history_guests(fixture->history), 1);
    assert_int_equal(last_span(fixture, WEB).state, GUEST_STATE_OFF);
}

static void
a_guest_that_is_gone_is_found_until_nothing_is_left_of_it(void **state)
{
    Fixture *fixture = *state;
    HistoryOwner owner;

    fake_tick_add(fixture->tick, "web");
    pass(fixture, 100);
    fake_tick_remove(fixture->tick, 0);
    pass(fixture, 20 * 3600);
    assert_true(history_find(fixture->history, "web", &owner));
    assert_string_equal(owner.uuid, WEB);
    assert_true(history_find(fixture->history, "6A2C0A3E-0000-4000-8000-000000000000", &owner));
    assert_string_equal(owner.name, "web");
    assert_false(history_find(fixture->history, "we", &owner));
    pass(fixture, 6 * 3600);
    assert_false(history_find(fixture->history, "web", &owner));
    assert_int_equal(history_guests(fixture->history), 0);
}

static void
a_guest_that_comes_again_goes_on_where_it_was(void **state)
{
    Fixture *fixture = *state;
    unsigned before;

    fake_tick_add(fixture->tick, "web");
    pass(fixture, 300);
    before = assert_ordered(fixture, WEB);
    fake_tick_remove(fixture->tick, 0);
    pass(fixture, 3600);
    fake_tick_add(fixture->tick, "web");
    pass(fixture, 300);
    assert_in_range(assert_ordered(fixture, WEB), before + 29, before + 32);
}

static void
guests_without_end_take_no_more_than_there_is_for_them(void **state)
{
    Fixture *fixture = *state;
    HistoryOwner owner;

    fake_tick_add(fixture->tick, "stays");
    fake_tick_add(fixture->tick, "comes and goes");
    for (unsigned i = 0; i < 4 * HISTORY_GUESTS; i++) {
        snprintf(fixture->tick->uuids[1], 37, "7a2c0a3e-0000-4000-8000-%012u", i);
        pass(fixture, 2);
        note(fixture, CHANGE_START_REFUSED, fixture->tick->uuids[1], "its start was refused");
        /* the clock leaps as well, so that those from before are old */
        fixture->now_usec += 60 * USEC_PER_SEC;
        assert_true(history_guests(fixture->history) <= HISTORY_GUESTS);
    }
    assert_true(history_find(fixture->history, WEB, &owner));
    assert_true(history_find(fixture->history, fixture->tick->uuids[1], &owner));
}

static void
of_too_many_at_once_the_first_keep_theirs(void **state)
{
    Fixture *fixture = *state;
    HistoryOwner owner;

    fake_tick_add(fixture->tick, "stays");
    pass(fixture, 1);
    for (unsigned i = 0; i < 2 * HISTORY_GUESTS; i++) {
        g_autofree char *uuid = g_strdup_printf("7a2c0a3e-0000-4000-8000-%012u", i);

        note(fixture, CHANGE_GUEST_RESET, uuid, "it was reset");
    }
    assert_int_equal(history_guests(fixture->history), HISTORY_GUESTS);
    assert_true(history_find(fixture->history, WEB, &owner));
    assert_false(history_find(fixture->history, "7a2c0a3e-0000-4000-8000-000000002047", &owner));
}

static void
events_are_the_last_ones_and_cut(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *long_message = g_strnfill(5000, 'x');
    g_autoptr(GPtrArray) events = NULL;
    const HistoryEvent *last;

    /* what is cut is no broken character */
    memcpy(long_message + HISTORY_MESSAGE_BYTES - 5, "\u00e4\u00e4\u00e4", 6);
    fake_tick_add(fixture->tick, "web");
    pass(fixture, 1);
    for (unsigned i = 0; i < 1000; i++) {
        note(fixture, CHANGE_TARGET_CHANGED, WEB, "another target");
        note(fixture, CHANGE_GUEST_RESET, WEB, i == 999 ? long_message : "it was reset");
        note(fixture, CHANGE_OVER_BUDGET, "", "over the budget");
        pass(fixture, 1);
    }
    events = history_events(fixture->history, WEB, 0);
    assert_int_equal(events->len, HISTORY_GUEST_EVENTS + HISTORY_HOST_EVENTS);
    for (unsigned i = 0; i < events->len; i++) {
        const HistoryEvent *event = g_ptr_array_index(events, i);

        assert_true(event->kind != CHANGE_TARGET_CHANGED);
        assert_true(strlen(event->message) <= HISTORY_MESSAGE_BYTES);
        assert_true(g_utf8_validate(event->message, -1, NULL));
        if (i > 0)
            assert_true(event->time_usec >= ((const HistoryEvent *)g_ptr_array_index(events, i - 1))->time_usec);
    }
    last = g_ptr_array_index(events, events->len - 1);
    assert_int_equal(last->time_usec, fixture->now_usec - USEC_PER_SEC);
    {
        g_autoptr(GArray) spans = history_spans(fixture->history, WEB, 0);
        unsigned changes = 0;

        for (unsigned i = 0; i < spans->len; i++)
            changes += g_array_index(spans, HistorySpan, i).target_changes;
        assert_int_equal(changes, 1000);
    }
    assert_true(history_bytes(fixture->history) < HISTORY_GUEST_BYTES + HISTORY_HOST_EVENTS * 500);
}

/* What the manual says a guest takes at most is what it takes, all of it in use, and malloc says the same. */
static void
a_guest_takes_what_is_said(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *message = g_strnfill(HISTORY_MESSAGE_BYTES, 'x');
    struct mallinfo2 before = mallinfo2();
    size_t bytes;
    size_t taken;

    for (unsigned i = 0; i < FAKE_GUESTS; i++)
        fake_tick_add(fixture->tick, "web");
    for (unsigned i = 0; i < 26 * 360; i++) {
        history_add(fixture->history, &fixture->tick->report, fixture->now_usec);
        fixture->now_usec += HISTORY_FINE_SEC * USEC_PER_SEC;
    }
    for (unsigned i = 0; i < FAKE_GUESTS * HISTORY_GUEST_EVENTS; i++)
        note(fixture, CHANGE_GUEST_RESET, fixture->tick->uuids[i % FAKE_GUESTS], message);
    taken = mallinfo2().uordblks + mallinfo2().hblkhd - before.uordblks - before.hblkhd;
    bytes = history_bytes(fixture->history) / FAKE_GUESTS;
    print_message("%zu bytes a guest by count, %zu by malloc\n", bytes, taken / FAKE_GUESTS);
    assert_in_range(bytes, HISTORY_GUEST_BYTES / 2, HISTORY_GUEST_BYTES);
    assert_true(taken / FAKE_GUESTS <= HISTORY_GUEST_BYTES);
}

static const char *const figures[] = {"Time", "Length", "Assigned", "Demand",       "DemandMost",
                                      "Want", "Lacked", "Paged",    "TargetChanges"};
static const char *const words[] = {"State", "Status", "Rule"};

static void
the_reply_has_columns_of_one_length_in_real_time(void **state)
{
    Fixture *fixture = *state;
    const HistoryOwner owner = {WEB, "web"};
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) rules = NULL;
    g_autoptr(GVariant) events = NULL;
    uint64_t real_usec = (uint64_t)g_get_real_time();
    gsize count = 0;

    fake_tick_add(fixture->tick, "web");
    pass(fixture, 3600);
    note(fixture, CHANGE_GUEST_RESET, WEB, "it was reset");
    reply = g_variant_ref_sink(history_reply(fixture->history, &owner, 60, fixture->now_usec));
    for (size_t i = 0; i < G_N_ELEMENTS(figures); i++) {
        g_autoptr(GVariant) column = g_variant_lookup_value(reply, figures[i], G_VARIANT_TYPE("at"));

        assert_non_null(column);
        if (i == 0)
            count = g_variant_n_children(column);
        assert_int_equal(g_variant_n_children(column), count);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GVariant) column = g_variant_lookup_value(reply, words[i], G_VARIANT_TYPE("as"));

        assert_int_equal(g_variant_n_children(column), count);
    }
    assert_in_range(count, 6, 7);
    {
        g_autoptr(GVariant) time = g_variant_lookup_value(reply, "Time", NULL);
        uint64_t first;

        g_variant_get_child(time, 0, "t", &first);
        assert_in_range(first, real_usec - 61 * USEC_PER_SEC, real_usec);
    }
    rules = g_variant_lookup_value(reply, "Rules", G_VARIANT_TYPE("a{ss}"));
    assert_int_equal(g_variant_n_children(rules), 1);
    events = g_variant_lookup_value(reply, "Events", G_VARIANT_TYPE("a(tsbtts)"));
    assert_int_equal(g_variant_n_children(events), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_short_need_is_seen_in_the_most_and_not_in_the_mean),
        TEST(what_is_not_known_is_in_no_mean),
        TEST(the_last_hour_is_finer_than_the_day_before),
        TEST(what_is_asked_for_is_all_that_is_told),
        TEST(it_holds_25_hours_and_wraps),
        TEST(time_that_goes_back_or_leaps_harms_nothing),
        TEST(the_time_that_the_host_slept_is_missing),
        TEST(a_guest_that_never_ran_costs_nothing),
        TEST(a_guest_that_is_gone_is_found_until_nothing_is_left_of_it),
        TEST(a_guest_that_comes_again_goes_on_where_it_was),
        TEST(guests_without_end_take_no_more_than_there_is_for_them),
        TEST(of_too_many_at_once_the_first_keep_theirs),
        TEST(events_are_the_last_ones_and_cut),
        TEST(a_guest_takes_what_is_said),
        TEST(the_reply_has_columns_of_one_length_in_real_time),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
