/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What everybody may ask for is bounded: who asks in a flood is told so, and nothing else waits for that. */

#include "bus_limit.h"
#include "cmocka_all.h"
#include "fake_tick.h"
#include "names.h"
#include "report/report.h"

#include <glib/gstdio.h>

#define CALLS 5000
/* Unanswered at once: the bus itself lets nobody have more than 128. */
#define OPEN_CALLS 100
#define TICK_MSEC 10
/* Of the loop, on a loaded machine. */
#define LATE_USEC (3 * USEC_PER_SEC)
#define PATIENCE_USEC (60 * USEC_PER_SEC)

/* ---- the sums ---- */

static unsigned
takes(BusLimit *limit, const char *sender, unsigned cost, unsigned times, uint64_t now_usec)
{
    unsigned got = 0;

    for (unsigned i = 0; i < times; i++)
        got += bus_limit_take(limit, sender, cost, now_usec);
    return got;
}

static void
each_caller_has_its_part_and_no_more(void **state)
{
    g_autoptr(BusLimit) limit = bus_limit_new();
    uint64_t now = 1000 * USEC_PER_SEC;

    assert_int_equal(takes(limit, ":1.1", 10, 1000, now), 100);
    assert_int_equal(takes(limit, ":1.2", 100, 1000, now), 10);
    now += USEC_PER_SEC;
    assert_int_equal(takes(limit, ":1.1", 10, 1000, now), 50);
    now += 100 * USEC_PER_SEC;
    assert_int_equal(takes(limit, ":1.1", 10, 1000, now), 100);
}

static void
many_callers_have_no_more_than_all_may_have_and_are_forgotten(void **state)
{
    g_autoptr(BusLimit) limit = bus_limit_new();
    uint64_t now = 1000 * USEC_PER_SEC;
    unsigned got = 0;

    for (unsigned i = 0; i < 1000000; i++) {
        g_autofree char *sender = g_strdup_printf(":1.%u", i);

        now += 100; /* ten thousand a second, for a hundred seconds */
        got += bus_limit_take(limit, sender, 10, now);
        assert_in_range(bus_limit_callers(limit), 0, 1000);
    }
    assert_in_range(got, 20000, 20400);
}

static void
all_costs_by_its_size_but_what_is_for_root_alone(void **state)
{
    static const char properties[] = "org.freedesktop.DBus.Properties";

    assert_int_equal(bus_limit_cost(DYNMEM_BUS_INTERFACE_MANAGER, "Explain"), 10);
    assert_in_range(bus_limit_cost(DYNMEM_BUS_INTERFACE_MANAGER, "History"), 20, 100);
    assert_in_range(bus_limit_cost("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"), 100, 1000);
    assert_int_equal(bus_limit_cost(properties, "GetAll"), 1);
    /* who asks polkit, or for nothing that there is, is heard first */
    assert_int_equal(bus_limit_cost(DYNMEM_BUS_INTERFACE_MANAGER, "Start"), 10);
    assert_int_equal(bus_limit_cost(DYNMEM_BUS_INTERFACE_CLUSTER, "Confirm"), 10);
    assert_in_range(bus_limit_cost(properties, "Hook"), 1, 100);
    assert_in_range(bus_limit_cost(NULL, "Hook"), 1, 100);
    assert_in_range(bus_limit_cost(NULL, NULL), 1, 100);

    assert_int_equal(bus_limit_cost(DYNMEM_BUS_INTERFACE_MANAGER, "Hook"), 0);
    assert_int_equal(bus_limit_cost(DYNMEM_BUS_INTERFACE_CLUSTER, "Exchange"), 0);
    assert_int_equal(bus_limit_cost(DYNMEM_BUS_INTERFACE_CLUSTER, "Withdraw"), 0);
}

/* ---- a flood ---- */

typedef struct Flood {
    char *address;
    GDBusMessage *(*call)(unsigned i);
    int answered; /* atomic, as the next */
    int refused;
    gint64 last_usec; /* of the loop's timer */
    gint64 longest_usec;
    unsigned ticks;
} Flood;

static GDBusConnection *
connect_to(const char *address)
{
    GDBusConnection *connection = g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        NULL, NULL);

    assert_non_null(connection);
    return connection;
}

static GDBusMessage *
count(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data)
{
    Flood *flood = data;

    if (incoming && g_strcmp0(g_dbus_message_get_error_name(message), DYNMEM_BUS_ERROR_TOO_OFTEN) == 0)
        g_atomic_int_inc(&flood->refused);
    else if (incoming && g_dbus_message_get_reply_serial(message) != 0)
        g_atomic_int_inc(&flood->answered);
    return message;
}

static GDBusMessage *
message_to(const char *interface, const char *method, GVariant *body)
{
    GDBusMessage *message = g_dbus_message_new_method_call(DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, interface, method);

    if (body != NULL)
        g_dbus_message_set_body(message, body);
    return message;
}

static GDBusMessage *
call_to_explain(unsigned i)
{
    if (i % 2 == 0)
        return message_to(DYNMEM_BUS_INTERFACE_MANAGER, "Explain", g_variant_new("(s)", "web"));
    return message_to(DYNMEM_BUS_INTERFACE_MANAGER, "Rate", g_variant_new("(tu)", G_GUINT64_CONSTANT(1) << 30, 50));
}

/* Each is refused, or no work at all. */
static GDBusMessage *
call_in_vain(unsigned i)
{
    if (i % 2 == 0)
        return message_to(DYNMEM_BUS_INTERFACE_MANAGER, "Reload", NULL);
    return message_to(DYNMEM_BUS_INTERFACE_MANAGER, "SetMode", g_variant_new("(ss)", "web", "static"));
}

static GDBusMessage *
call_for_properties(unsigned i)
{
    return message_to("org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", DYNMEM_BUS_INTERFACE_MANAGER));
}

static gpointer
pour(gpointer data)
{
    Flood *flood = data;
    g_autoptr(GDBusConnection) connection = connect_to(flood->address);

    g_dbus_connection_add_filter(connection, count, flood, NULL);
    for (unsigned i = 0; i < CALLS; i++) {
        g_autoptr(GDBusMessage) message = flood->call(i);

        while (i - (unsigned)g_atomic_int_get(&flood->answered) - (unsigned)g_atomic_int_get(&flood->refused) >=
               OPEN_CALLS)
            g_usleep(100);
        assert_true(g_dbus_connection_send_message(connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
    }
    g_dbus_connection_flush_sync(connection, NULL, NULL);
    while (g_atomic_int_get(&flood->answered) + g_atomic_int_get(&flood->refused) < CALLS)
        g_usleep(1000);
    g_dbus_connection_close_sync(connection, NULL, NULL);
    return NULL;
}

static gboolean
loop_goes_on(gpointer data)
{
    Flood *flood = data;
    gint64 now = g_get_monotonic_time();

    flood->longest_usec = MAX(flood->longest_usec, now - flood->last_usec);
    flood->last_usec = now;
    flood->ticks++;
    return G_SOURCE_CONTINUE;
}

static void
rate(void *user_data, uint64_t startup_kib, uint32_t priority, StartRating *rating)
{
    *rating = (StartRating){.startup_kib = startup_kib, .priority = priority};
}

static void
appeared(GDBusConnection *connection, const char *name, const char *owner, void *data)
{
    *(bool *)data = true;
}

static void
wait_for_name(GDBusConnection *connection)
{
    bool there = false;
    unsigned id = g_bus_watch_name_on_connection(connection, DYNMEM_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, appeared,
                                                 NULL, &there, NULL);

    while (!there)
        g_main_context_iteration(NULL, TRUE);
    g_bus_unwatch_name(id);
}

/* most, a second, is what may be answered. */
static void
flood_with(GDBusMessage *(*call_with)(unsigned i), int64_t most)
{
    g_autoptr(GTestDBus) bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_autofree char *directory = g_dir_make_tmp("dynmem-limit-XXXXXX", NULL);
    FakeTick *tick = fake_tick_new();
    Flood flood = {.call = call_with};
    Report *report;
    ReportSink sink;
    GDBusConnection *watcher;
    GThread *thread;
    unsigned timer;
    gint64 begun, took;

    g_test_dbus_up(bus);
    report = report_new(&(ReportOptions){.bus_type = G_BUS_TYPE_SESSION, .run_directory = directory, .rate = rate});
    sink = report_sink(report);
    fake_tick_add(tick, "web");
    sink.tick(sink.self, &tick->report);
    watcher = connect_to(g_test_dbus_get_bus_address(bus));
    wait_for_name(watcher);

    flood.address = g_strdup(g_test_dbus_get_bus_address(bus));
    begun = flood.last_usec = g_get_monotonic_time();
    timer = g_timeout_add(TICK_MSEC, loop_goes_on, &flood);
    thread = g_thread_new("flood", pour, &flood);
    while (g_atomic_int_get(&flood.answered) + g_atomic_int_get(&flood.refused) < CALLS) {
        g_main_context_iteration(NULL, TRUE);
        assert_in_range(g_get_monotonic_time() - begun, 0, PATIENCE_USEC);
    }
    took = g_get_monotonic_time() - begun;
    g_thread_join(thread);
    g_source_remove(timer);
    assert_in_range(flood.answered, 1, 2 * most + most * (took / (gint64)USEC_PER_SEC + 1));
    assert_int_equal(flood.answered + flood.refused, CALLS);
    assert_true(flood.ticks > 0);
    assert_in_range(flood.longest_usec, 0, LATE_USEC);

    g_dbus_connection_close_sync(watcher, NULL, NULL);
    g_object_unref(watcher);
    report_free(report);
    fake_tick_free(tick);
    g_free(flood.address);
    g_test_dbus_down(bus);
    assert_int_equal(g_rmdir(directory), 0);
}

static void
ticks_do_not_wait_for_a_flood_of_calls(void **state)
{
    flood_with(call_to_explain, 50);
}

static void
nor_for_calls_that_are_refused(void **state)
{
    flood_with(call_in_vain, 50);
}

static void
nor_for_properties(void **state)
{
    flood_with(call_for_properties, 500);
}

static void
what_is_too_large_is_not_kept(void **state)
{
    g_autoptr(GTestDBus) bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_autoptr(GDBusConnection) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *large = g_strnfill(1 << 20, 'x');
    Report *report;

    g_test_dbus_up(bus);
    report = report_new(&(ReportOptions){.bus_type = G_BUS_TYPE_SESSION, .run_directory = "/nonexistent"});
    client = connect_to(g_test_dbus_get_bus_address(bus));
    wait_for_name(client);
    /* on the connection's own thread: the main loop does not turn meanwhile */
    reply = g_dbus_connection_call_sync(client, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER,
                                        "SetMode", g_variant_new("(ss)", "web", large), NULL, G_DBUS_CALL_FLAGS_NONE,
                                        20000, NULL, &error);
    assert_null(reply);
    assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED));

    g_dbus_connection_close_sync(client, NULL, NULL);
    report_free(report);
    g_test_dbus_down(bus);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_caller_has_its_part_and_no_more),
        cmocka_unit_test(many_callers_have_no_more_than_all_may_have_and_are_forgotten),
        cmocka_unit_test(all_costs_by_its_size_but_what_is_for_root_alone),
        cmocka_unit_test(ticks_do_not_wait_for_a_flood_of_calls),
        cmocka_unit_test(nor_for_calls_that_are_refused),
        cmocka_unit_test(nor_for_properties),
        cmocka_unit_test(what_is_too_large_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
