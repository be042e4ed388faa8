/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client of the service sees: guests, their figures, what changes, and a service that comes and goes. */

#include "report_fixture.h"

static void
assert_size(Fixture *fixture, const char *path, const char *interface, const char *name, uint64_t kib)
{
    g_autoptr(GVariant) value = property(fixture, path, interface, name);

    if (g_variant_get_uint64(value) != kib * 1024)
        fail_msg("%s is %" G_GUINT64_FORMAT, name, g_variant_get_uint64(value));
}

static const Signal *
find_signal(Fixture *fixture, const char *path, const char *name)
{
    for (unsigned i = 0; i < fixture->signals->len; i++) {
        const Signal *signal = g_ptr_array_index(fixture->signals, i);

        if (strcmp(signal->path, path) == 0 && strcmp(signal->name, name) == 0)
            return signal;
    }
    return NULL;
}

static unsigned
count_signals(Fixture *fixture, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fixture->signals->len; i++)
        count += strcmp(((const Signal *)g_ptr_array_index(fixture->signals, i))->name, name) == 0;
    return count;
}

/* The value of a property in a PropertiesChanged signal for path, or NULL when it has none. */
static GVariant *
changed_property(Fixture *fixture, const char *path, const char *name)
{
    for (unsigned i = fixture->signals->len; i-- > 0;) {
        const Signal *signal = g_ptr_array_index(fixture->signals, i);
        g_autoptr(GVariant) changed = NULL;
        GVariant *value;

        if (strcmp(signal->path, path) != 0 || strcmp(signal->name, "PropertiesChanged") != 0)
            continue;
        changed = g_variant_get_child_value(signal->parameters, 1);
        value = g_variant_lookup_value(changed, name, NULL);
        if (value != NULL)
            return value;
    }
    return NULL;
}

static uint64_t
number(Fixture *fixture, const char *path, const char *interface, const char *name)
{
    g_autoptr(GVariant) value = property(fixture, path, interface, name);

    return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64) ? g_variant_get_uint64(value)
                                                              : g_variant_get_uint32(value);
}

static void
guests_are_objects_that_appear_and_vanish(void **state)
{
    Fixture *fixture = *state;
    const Signal *signal;
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *removed = NULL;
    g_autoptr(GVariant) objects = NULL;

    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "db");
    hand_in(fixture);
    assert_int_equal(count_signals(fixture, "InterfacesAdded"), 2);
    reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                 NULL, NULL);
    objects = g_variant_get_child_value(reply, 0);
    assert_int_equal(g_variant_n_children(objects), 2);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "web");
    assert_text(fixture, GUEST_PATH("1"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "db");

    fake_tick_remove(fixture->tick, 0);
    hand_in(fixture);
    signal = find_signal(fixture, DYNMEM_BUS_PATH, "InterfacesRemoved");
    assert_non_null(signal);
    removed = g_variant_print(signal->parameters, FALSE);
    assert_null(strstr(removed, "000000000001"));
    assert_text(fixture, GUEST_PATH("1"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "db");
}

static void
all_figures_are_on_the_bus_in_bytes(void **state)
{
    Fixture *fixture = *state;
    static const struct {
        const char *name;
        uint64_t kib;
    } sizes[] = {
        {"Minimum", KIB_PER_GIB},       {"Startup", 2 * KIB_PER_GIB},  {"Maximum", 4 * KIB_PER_GIB},
        {"Assigned", 2 * KIB_PER_GIB},  {"Target", 2 * KIB_PER_GIB},   {"Committed", 2 * KIB_PER_GIB},
        {"Demand", 1536 * KIB_PER_MIB}, {"Want", 1843 * KIB_PER_MIB},  {"Resident", 2 * KIB_PER_GIB},
        {"Total", 2000 * KIB_PER_MIB},  {"Usable", 512 * KIB_PER_MIB},
    };
    static const struct {
        const char *name;
        uint64_t kib;
    } host_sizes[] = {
        {"Budget", 12 * KIB_PER_GIB}, {"Committed", 2 * KIB_PER_GIB}, {"Free", 10 * KIB_PER_GIB},
        {"Reserve", 2 * KIB_PER_GIB}, {"Total", 16 * KIB_PER_GIB},    {"Available", 9 * KIB_PER_GIB},
        {"Arc", 3 * KIB_PER_GIB},
    };
    g_autoptr(GVariant) priority = NULL;
    g_autoptr(GVariant) pressure = NULL;

    fake_tick_add(fixture->tick, "web")->ground = GROUND_LIMIT;
    fixture->tick->snapshots[0].has_total = true;
    fixture->tick->snapshots[0].total_kib = 2000 * KIB_PER_MIB;
    fixture->tick->snapshot.host.figures.arc_kib = 3 * KIB_PER_GIB;
    hand_in(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
        assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, sizes[i].name, sizes[i].kib);
    for (size_t i = 0; i < G_N_ELEMENTS(host_sizes); i++)
        assert_size(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, host_sizes[i].name, host_sizes[i].kib);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "State", "active");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Status", "ok");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Rule", "satisfied");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Ground", "limit");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Reason", "it has all it wants: 1.8 GiB");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Uuid", "6a2c0a3e-0000-4000-8000-000000000000");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Issue", "");
    assert_text(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Version", DYNMEM_VERSION);
    assert_text(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Link", "read-write");
    priority = property(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Priority");
    assert_int_equal(g_variant_get_uint32(priority), 50);
    pressure = property(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Pressure");
    assert_int_equal(g_variant_get_uint32(pressure), 90);
}

static void
a_change_is_one_signal_with_what_changed(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GVariant) target = NULL;
    g_autoptr(GVariant) rule = NULL;
    g_autoptr(GVariant) unchanged = NULL;

    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "db");
    hand_in(fixture);
    g_ptr_array_set_size(fixture->signals, 0);
    fixture->tick->plans[0].target_kib = 3 * KIB_PER_GIB;
    fixture->tick->plans[0].rule = PLAN_RULE_STARVED;
    hand_in(fixture);
    assert_int_equal(count_signals(fixture, "PropertiesChanged"), 1);
    target = changed_property(fixture, GUEST_PATH("0"), "Target");
    assert_int_equal(g_variant_get_uint64(target), UINT64_C(3) << 30);
    rule = changed_property(fixture, GUEST_PATH("0"), "Rule");
    assert_string_equal(g_variant_get_string(rule, NULL), "starved");
    unchanged = changed_property(fixture, GUEST_PATH("0"), "Minimum");
    assert_null(unchanged);
}

static void
figures_that_move_do_not_flood(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GVariant) demand = NULL;

    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    g_ptr_array_set_size(fixture->signals, 0);
    for (unsigned i = 0; i < 20; i++) {
        fixture->tick->plans[0].demand_kib += 4;
        fixture->tick->snapshots[0].resident_kib += 4;
        hand_in(fixture);
        /* whoever asks gets the present value */
        assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Demand", fixture->tick->plans[0].demand_kib);
    }
    assert_in_range(count_signals(fixture, "PropertiesChanged"), 2, 10);

    /* a jump is told at once */
    g_ptr_array_set_size(fixture->signals, 0);
    fixture->tick->plans[0].demand_kib = 2 * KIB_PER_GIB;
    hand_in(fixture);
    demand = changed_property(fixture, GUEST_PATH("0"), "Demand");
    assert_int_equal(g_variant_get_uint64(demand), UINT64_C(2) << 30);
}

static void
nothing_is_sent_while_nothing_changes(void **state)
{
    Fixture *fixture = *state;

    fake_tick_add(fixture->tick, "web");
    for (unsigned i = 0; i < 3; i++)
        hand_in(fixture);
    g_ptr_array_set_size(fixture->signals, 0);
    for (unsigned i = 0; i < 20; i++)
        hand_in(fixture);
    /* Ticks is another at each tick and told every few seconds */
    assert_in_range(fixture->signals->len, 1, 5);
}

static void
targets_and_stuck_guests_are_signalled(void **state)
{
    Fixture *fixture = *state;
    const Signal *signal;
    const char *uuid;
    const char *name;
    const char *reason;
    uint64_t old_size;
    uint64_t new_size;

    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    fake_tick_act(fixture->tick, 0, 2 * KIB_PER_GIB, 3 * KIB_PER_GIB, ACTION_DONE, NULL);
    fixture->tick->plans[0].target_kib = 3 * KIB_PER_GIB;
    hand_in(fixture);
    signal = find_signal(fixture, DYNMEM_BUS_PATH, "TargetChanged");
    assert_non_null(signal);
    assert_string_equal(signal->interface, DYNMEM_BUS_INTERFACE_MANAGER);
    g_variant_get(signal->parameters, "(&s&stt&s)", &uuid, &name, &old_size, &new_size, &reason);
    assert_string_equal(name, "web");
    assert_int_equal(old_size, UINT64_C(2) << 30);
    assert_int_equal(new_size, UINT64_C(3) << 30);
    assert_string_equal(reason, "it has all it wants: 1.8 GiB");

    fixture->tick->plans[0].state = GUEST_STATE_STUCK;
    fixture->tick->plans[0].flagged_usec = 1;
    hand_in(fixture);
    signal = find_signal(fixture, DYNMEM_BUS_PATH, "GuestStuck");
    assert_non_null(signal);
    g_variant_get(signal->parameters, "(&s&stt&s)", &uuid, &name, &old_size, &new_size, &reason);
    assert_int_equal(old_size, UINT64_C(2) << 30);
    assert_int_equal(new_size, UINT64_C(3) << 30);
    assert_int_equal(count_signals(fixture, "Event"), 2);
}

static void
a_paging_file_is_seen_from_its_making_to_its_end(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = fake_tick_add(fixture->tick, "web");
    g_autoptr(GVariant) used = NULL;
    const Signal *signal;
    uint64_t since;
    uint64_t now = (uint64_t)g_get_real_time();

    hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingState", "none");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Restart", "none");
    assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingSize", 0);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingDirectory", "/var/lib/dynmem/paging");

    fake_tick_limit(fixture->tick, 0);
    fake_tick_file(fixture->tick, 0, PAGING_STAGE_ON);
    guest->state = GUEST_STATE_PAGING;
    guest->restart = RESTART_RESET;
    guest->shortfall_kib = 300 * KIB_PER_MIB;
    guest->paging_phase = PAGING_PHASE_BOOT;
    guest->paging_deadline_usec = fixture->tick->files[0].since_usec + 600 * USEC_PER_SEC;
    hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingState", "booting");
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Restart", "reset");
    assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingSize", 512 * KIB_PER_MIB);
    assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingPeak", 400 * KIB_PER_MIB);
    assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Shortfall", 300 * KIB_PER_MIB);
    assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Limit", 2 * KIB_PER_GIB);
    since = number(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingSince");
    assert_in_range(since, now - 61 * USEC_PER_SEC, (uint64_t)g_get_real_time() - 58 * USEC_PER_SEC);
    assert_in_range(number(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingDeadline") - since,
                    599 * USEC_PER_SEC, 601 * USEC_PER_SEC);
    assert_int_equal(number(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "PagingFiles"), 1);
    signal = find_signal(fixture, DYNMEM_BUS_PATH, "PagingStarted");
    assert_non_null(signal);
    {
        g_autofree char *printed = g_variant_print(signal->parameters, FALSE);

        assert_non_null(strstr(printed, "'web', 536870912, 314572800, '/var/lib/dynmem/paging', 'it was reset; "));
    }

    /* the moment it was made does not wander while the clock goes on */
    guest->paging_urgency = PAGING_URGENCY_OVERDUE;
    fixture->tick->files[0].used_kib = 100 * KIB_PER_MIB;
    hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingState", "overdue");
    assert_int_equal(number(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingSince"), since);
    used = changed_property(fixture, GUEST_PATH("0"), "PagingUsed");
    assert_int_equal(g_variant_get_uint64(used), UINT64_C(100) << 20);
    assert_non_null(find_signal(fixture, DYNMEM_BUS_PATH, "PagingOverdue"));

    fixture->tick->files[0].stage = PAGING_STAGE_GONE;
    guest->paging_phase = PAGING_PHASE_NONE;
    guest->paging_urgency = PAGING_URGENCY_NONE;
    hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingState", "none");
    assert_size(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "PagingPeak", 0);
    assert_non_null(find_signal(fixture, DYNMEM_BUS_PATH, "PagingEnded"));
}

static void
starts_are_seen_and_a_refusal_is_signalled(void **state)
{
    Fixture *fixture = *state;
    const Signal *signal;
    const char *uuid;
    const char *name;
    const char *reason;
    uint64_t needed;
    uint64_t free_size;
    uint64_t reclaimable;

    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "db");
    fixture->tick->snapshot.paging_bar = "control groups are of version 1";
    fake_tick_add(fixture->tick, "third");
    fixture->tick->snapshots[2].limits.bar = "it has no control group";
    fake_tick_start(fixture->tick, 0, START_ADMITTED);
    fake_tick_start(fixture->tick, 1, START_WAITS);
    fixture->tick->plan.reserved_kib = 2560 * KIB_PER_MIB;
    hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "State", "reserved");
    assert_size(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Reserved", 2560 * KIB_PER_MIB);
    assert_int_equal(number(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "StartsWaiting"), 1);
    assert_int_equal(number(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "StartsAdmitted"), 1);
    assert_text(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "PagingBar", "control groups are of version 1");
    assert_text(fixture, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "LimitBar", "it has no control group");
    assert_null(find_signal(fixture, DYNMEM_BUS_PATH, "AdmissionRefused"));

    fixture->tick->starts[1].verdict = START_REFUSED;
    hand_in(fixture);
    signal = find_signal(fixture, DYNMEM_BUS_PATH, "AdmissionRefused");
    assert_non_null(signal);
    g_variant_get(signal->parameters, "(&s&sttt&s)", &uuid, &name, &needed, &free_size, &reclaimable, &reason);
    assert_string_equal(name, "db");
    assert_int_equal(needed, UINT64_C(2198) << 20);
    assert_int_equal(free_size, UINT64_C(512) << 20);
    assert_int_equal(reclaimable, UINT64_C(1) << 30);
    assert_true(reason[0] != '\0');
}

static void
a_second_daemon_is_told_that_the_name_is_taken(void **state)
{
    Fixture *fixture = *state;
    Fixture second = {0};
    Report *report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION,
        .run_directory = "/nonexistent",
        .name_lost = name_lost,
        .user_data = &second,
    });

    turn_until(&second.taken);
    assert_int_equal(second.lost, 1);
    assert_int_equal(fixture->lost, 0);
    report_free(report);
}

static void
also_where_the_bus_comes_late(void **state)
{
    Fixture second = {0};
    g_autofree char *address = g_strdup(g_getenv("DBUS_SESSION_BUS_ADDRESS"));
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;
    Report *report;

    g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
    report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION,
        .run_directory = "/nonexistent",
        .name_lost = name_lost,
        .user_data = &second,
    });
    while (second.lost == 0 && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(second.lost, 1);
    assert_false(second.taken);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
    turn_until(&second.taken);
    report_free(report);
}

static void
the_daemon_goes_on_without_a_bus_and_finds_it_again(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *address = g_strdup(g_test_dbus_get_bus_address(fixture->bus));
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;

    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    g_dbus_connection_signal_unsubscribe(fixture->client, fixture->subscription);
    g_dbus_connection_close_sync(fixture->client, NULL, NULL);
    g_clear_object(&fixture->client);
    g_test_dbus_down(fixture->bus);
    /* it is looked for where it was, not anywhere else */
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
    while (fixture->lost == 0 && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(fixture->lost, 1);
    assert_false(fixture->taken);
    fixture->sink.tick(fixture->sink.self, &fixture->tick->report);
    fake_tick_next(fixture->tick);
    fake_tick_add(fixture->tick, "late");
    fixture->sink.tick(fixture->sink.self, &fixture->tick->report);
    fake_tick_next(fixture->tick);

    g_test_dbus_up(fixture->bus);
    connect_client(fixture);
    wait_for_name(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "web");
    assert_text(fixture, GUEST_PATH("1"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "late");
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(guests_are_objects_that_appear_and_vanish),
        TEST(all_figures_are_on_the_bus_in_bytes),
        TEST(a_change_is_one_signal_with_what_changed),
        TEST(figures_that_move_do_not_flood),
        TEST(nothing_is_sent_while_nothing_changes),
        TEST(targets_and_stuck_guests_are_signalled),
        TEST(a_paging_file_is_seen_from_its_making_to_its_end),
        TEST(starts_are_seen_and_a_refusal_is_signalled),
        TEST(a_second_daemon_is_told_that_the_name_is_taken),
        TEST(also_where_the_bus_comes_late),
        TEST(the_daemon_goes_on_without_a_bus_and_finds_it_again),
    };

    return cmocka_run_group_tests_name("report on a bus", tests, NULL, NULL);
}
