/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The document that explain answers with; what its sentences say is tested in test_explain.c. */

#include "cmocka_all.h"
#include "fake_tick.h"
#include "report/explain.h"
#include "report/held_tick.h"

#include <json-glib/json-glib.h>
#include <string.h>

static FakeTick *
two_guests(void)
{
    FakeTick *tick = fake_tick_new();

    fake_tick_add(tick, "web");
    fake_tick_add(tick, "db");
    return tick;
}

/* The start of web waits for memory, which db gives up. */
static FakeTick *
waits_to_start(void)
{
    FakeTick *tick = two_guests();
    StartPlan *start = fake_tick_start(tick, 0, START_WAITS);

    start->blockers[0] = (StartBlocker){.name = "db", .kept_kib = KIB_PER_GIB, .rule = PLAN_RULE_AT_MINIMUM};
    start->blocker_count = 1;
    tick->requests[0].restart = RESTART_SOON;
    tick->plans[1].rule = PLAN_RULE_MAKE_ROOM;
    tick->plans[1].ideal_kib = KIB_PER_GIB;
    return tick;
}

/* The paging file of web should be gone and can't be switched off. */
static FakeTick *
leaves_overdue(void)
{
    FakeTick *tick = two_guests();
    GuestPlan *guest = &tick->plans[0];

    guest->state = GUEST_STATE_PAGING;
    guest->rule = PLAN_RULE_PAGING_LEAVE;
    guest->restart = RESTART_RESET;
    guest->paging_phase = PAGING_PHASE_LEAVE;
    guest->paging_urgency = PAGING_URGENCY_OVERDUE;
    guest->paging_deadline_usec = tick->report.now_usec - 30 * USEC_PER_SEC;
    fake_tick_file(tick, 0, PAGING_STAGE_ON)->error = g_strdup("swapoff: Cannot allocate memory");
    return tick;
}

static void
the_json_has_the_ground_and_what_the_balloon_would_leave(void **state)
{
    g_autoptr(FakeTick) tick = two_guests();
    g_autofree char *json = NULL;

    tick->plans[0].ground = GROUND_LIMIT;
    tick->plans[0].balloon_kib = 3 * KIB_PER_GIB;
    tick->snapshot.host.figures.arc_kib = KIB_PER_GIB;
    json = explain_guest(&tick->plans[0], &tick->report);
    assert_non_null(strstr(json, "\"ground\":\"limit\",\"balloon\":3221225472"));
    assert_non_null(strstr(json, "\"arc\":1073741824"));
}

static void
the_json_has_bytes_and_bus_names(void **state)
{
    g_autoptr(FakeTick) tick = two_guests();
    g_autofree char *json = explain_guest(&tick->plans[0], &tick->report);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root;
    JsonObject *host;

    assert_true(json_parser_load_from_data(parser, json, -1, NULL));
    root = json_node_get_object(json_parser_get_root(parser));
    assert_string_equal(json_object_get_string_member(root, "name"), "web");
    assert_string_equal(json_object_get_string_member(root, "state"), "active");
    assert_string_equal(json_object_get_string_member(root, "rule"), "satisfied");
    assert_int_equal(json_object_get_int_member(root, "assigned"), INT64_C(2) << 30);
    assert_int_equal(json_object_get_int_member(root, "weight"), 51);
    assert_true(json_array_get_length(json_object_get_array_member(root, "why")) > 0);
    assert_true(json_array_get_length(json_object_get_array_member(root, "toGetMore")) > 0);
    host = json_object_get_object_member(root, "host");
    assert_int_equal(json_object_get_int_member(host, "budget"), INT64_C(12) << 30);
    assert_string_equal(json_object_get_string_member(host, "link"), "read-write");
}

/* The member that is an object. */
static JsonObject *
object(JsonObject *root, const char *name)
{
    assert_true(json_object_has_member(root, name));
    return json_object_get_object_member(root, name);
}

static JsonObject *
parse(JsonParser *parser, FakeTick *tick)
{
    g_autofree char *json = explain_guest(&tick->plans[0], &tick->report);

    assert_true(json_parser_load_from_data(parser, json, -1, NULL));
    return json_node_get_object(json_parser_get_root(parser));
}

static void
a_start_is_an_object_with_who_gives(void **state)
{
    g_autoptr(FakeTick) tick = waits_to_start();
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root = parse(parser, tick);
    JsonObject *starting = object(root, "starting");
    JsonObject *giver = json_array_get_object_element(json_object_get_array_member(starting, "from"), 0);

    assert_string_equal(json_object_get_string_member(starting, "verdict"), "waiting");
    assert_string_equal(json_object_get_string_member(starting, "restart"), "soon");
    assert_int_equal(json_object_get_int_member(starting, "needed"), INT64_C(2198) << 20);
    assert_int_equal(json_object_get_int_member(starting, "missing"), INT64_C(662) << 20);
    assert_string_equal(json_object_get_string_member(giver, "name"), "db");
    assert_int_equal(json_object_get_int_member(giver, "target"), INT64_C(1) << 30);
    assert_int_equal(json_array_get_length(json_object_get_array_member(starting, "blockers")), 1);
    assert_false(json_object_has_member(root, "paging"));
}

/* Between ticks explain is asked for what was kept of the last one. */
static void
what_is_kept_of_a_tick_outlives_it(void **state)
{
    g_autoptr(HeldTick) held = held_tick_new();
    const TickReport *report;

    for (unsigned i = 0; i < 3; i++) {
        FakeTick *tick = leaves_overdue();

        fake_tick_start(tick, 1, START_WAITS);
        fake_tick_limit(tick, 0)->bar = "none";
        if (i == 2) {
            fake_tick_drop_starts(tick);
            fake_tick_drop_files(tick);
        }
        held_tick_update(held, &tick->report);
        fake_tick_free(tick);
        report = held_tick_report(held);
        {
            g_autofree char *web = explain_guest(&report->plan->guests[0], report);
            g_autofree char *db = explain_guest(&report->plan->guests[1], report);

            assert_int_equal(strstr(web, "Cannot allocate memory") != NULL, i < 2);
            assert_int_equal(strstr(db, "\"waiting\"") != NULL, i < 2);
        }
    }
}

static void
a_paging_file_is_an_object(void **state)
{
    g_autoptr(FakeTick) tick = leaves_overdue();
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *paging;

    fake_tick_limit(tick, 0);
    paging = object(parse(parser, tick), "paging");
    assert_string_equal(json_object_get_string_member(paging, "state"), "overdue");
    assert_int_equal(json_object_get_int_member(paging, "used"), INT64_C(300) << 20);
    assert_string_equal(json_object_get_string_member(paging, "reason"), "swapoff: Cannot allocate memory");
    assert_int_equal(json_object_get_int_member(object(parse(parser, tick), "limit"), "high"), INT64_C(2) << 30);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_has_bytes_and_bus_names),
        cmocka_unit_test(the_json_has_the_ground_and_what_the_balloon_would_leave),
        cmocka_unit_test(a_start_is_an_object_with_who_gives),
        cmocka_unit_test(a_paging_file_is_an_object),
        cmocka_unit_test(what_is_kept_of_a_tick_outlives_it),
    };

    return cmocka_run_group_tests_name("explain's document", tests, NULL, NULL);
}
