/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service on a private bus, fed with ticks built by hand: what a client sees. Client and service share the main
 * loop, so every call of the client is asynchronous and the loop is turned until it is answered.
 */

#include "cmocka_all.h"
#include "dynmem-bus.h"
#include "fake_tick.h"
#include "names.h"
#include "report/report.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define GUEST_PATH(n) DYNMEM_BUS_GUEST_PREFIX "6a2c0a3e_0000_4000_8000_00000000000" n
/* Long enough for a loaded machine. */
#define PATIENCE_USEC (20 * USEC_PER_SEC)

typedef struct Signal {
    char *path;
    char *interface;
    char *name;
    GVariant *parameters;
} Signal;

typedef struct Fixture {
    GTestDBus *bus;
    char *run_directory;
    Report *report;
    ReportSink sink;
    FakeTick *tick;
    GDBusConnection *client;
    unsigned subscription;
    GPtrArray *signals;
    unsigned reloads;
    unsigned retirements;
    unsigned lost;
    bool taken;
} Fixture;

static void
signal_free(void *data)
{
    Signal *signal = data;

    g_free(signal->path);
    g_free(signal->interface);
    g_free(signal->name);
    g_variant_unref(signal->parameters);
    g_free(signal);
}

static void
signalled(GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
          GVariant *parameters, void *data)
{
    Fixture *fixture = data;
    Signal *signal = g_new0(Signal, 1);

    signal->path = g_strdup(path);
    signal->interface = g_strdup(interface);
    signal->name = g_strdup(name);
    signal->parameters = g_variant_ref(parameters);
    g_ptr_array_add(fixture->signals, signal);
}

static void
reloaded(void *data)
{
    ((Fixture *)data)->reloads++;
}

static void
retired(void *data)
{
    ((Fixture *)data)->retirements++;
}

static void
name_lost(void *data, bool taken, const char *why)
{
    Fixture *fixture = data;

    fixture->lost++;
    fixture->taken = taken;
    assert_non_null(why);
}

/* ---- calls ---- */

typedef struct Reply {
    GVariant *value;
    GError *error;
    bool done;
} Reply;

static void
replied(GObject *source, GAsyncResult *result, void *data)
{
    Reply *reply = data;

    reply->value = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &reply->error);
    reply->done = true;
}

static gboolean
tick_loop(void *data)
{
    return G_SOURCE_CONTINUE;
}

/* Turns the loop until *done, or fails. */
static void
turn_until(const bool *done)
{
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;
    unsigned source = g_timeout_add(20, tick_loop, NULL);

    while (!*done && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
    assert_true(*done);
}

/* Returns the reply, or NULL and sets error. */
static GVariant *
call(Fixture *fixture, const char *name, const char *path, const char *interface, const char *method,
     GVariant *parameters, GError **error)
{
    Reply reply = {0};

    g_dbus_connection_call(fixture->client, name, path, interface, method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                           NULL, replied, &reply);
    turn_until(&reply.done);
    if (reply.error != NULL)
        g_propagate_error(error, reply.error);
    return reply.value;
}

static GVariant *
property(Fixture *fixture, const char *path, const char *interface, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = call(fixture, DYNMEM_BUS_NAME, path, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new("(ss)", interface, name), &error);
    GVariant *value = NULL;

    if (reply == NULL)
        fail_msg("%s of %s: %s", name, path, error->message);
    g_variant_get(reply, "(v)", &value);
    return value;
}

static void
assert_text(Fixture *fixture, const char *path, const char *interface, const char *name, const char *expected)
{
    g_autoptr(GVariant) value = property(fixture, path, interface, name);

    assert_string_equal(g_variant_get_string(value, NULL), expected);
}

static void
assert_size(Fixture *fixture, const char *path, const char *interface, const char *name, uint64_t kib)
{
    g_autoptr(GVariant) value = property(fixture, path, interface, name);

    if (g_variant_get_uint64(value) != kib * 1024)
        fail_msg("%s is %" G_GUINT64_FORMAT, name, g_variant_get_uint64(value));
}

/* Hands the tick in, and lets every signal that it caused arrive: a reply comes after them. */
static void
hand_in(Fixture *fixture)
{
    g_autoptr(GVariant) reply = NULL;

    fixture->sink.tick(fixture->sink.self, &fixture->tick->report);
    reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL);
    assert_non_null(reply);
    fake_tick_next(fixture->tick);
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

/* ---- set-up ---- */

static void
wait_for_name(Fixture *fixture)
{
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;

    while (g_get_monotonic_time() < end) {
        g_autoptr(GVariant) reply =
            call(fixture, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                 g_variant_new("(s)", DYNMEM_BUS_NAME), NULL);
        gboolean owned = FALSE;

        g_variant_get(reply, "(b)", &owned);
        if (owned)
            return;
    }
    fail_msg("the name was not owned");
}

static void
connect_client(Fixture *fixture)
{
    fixture->client = g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(fixture->bus),
                                                             G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                 G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                             NULL, NULL, NULL);
    assert_non_null(fixture->client);
    fixture->subscription = g_dbus_connection_signal_subscribe(fixture->client, DYNMEM_BUS_NAME, NULL, NULL, NULL, NULL,
                                                               G_DBUS_SIGNAL_FLAGS_NONE, signalled, fixture, NULL);
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->run_directory = g_dir_make_tmp("dynmem-report-XXXXXX", NULL);
    assert_non_null(fixture->run_directory);
    fixture->signals = g_ptr_array_new_with_free_func(signal_free);
    connect_client(fixture);
    fixture->report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION,
        .run_directory = fixture->run_directory,
        .reload = reloaded,
        .retire = retired,
        .name_lost = name_lost,
        .user_data = fixture,
    });
    fixture->sink = report_sink(fixture->report);
    fixture->tick = fake_tick_new();
    wait_for_name(fixture);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *metrics = g_build_filename(fixture->run_directory, "metrics.prom", NULL);

    report_free(fixture->report);
    assert_false(g_file_test(metrics, G_FILE_TEST_EXISTS));
    assert_int_equal(g_rmdir(fixture->run_directory), 0);
    g_dbus_connection_signal_unsubscribe(fixture->client, fixture->subscription);
    g_dbus_connection_close_sync(fixture->client, NULL, NULL);
    g_object_unref(fixture->client);
    g_ptr_array_unref(fixture->signals);
    fake_tick_free(fixture->tick);
    g_free(fixture->run_directory);
    g_test_dbus_down(fixture->bus);
    g_object_unref(fixture->bus);
    g_free(fixture);
    return 0;
}

/* ---- tests ---- */

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

static uint64_t
number(Fixture *fixture, const char *path, const char *interface, const char *name)
{
    g_autoptr(GVariant) value = property(fixture, path, interface, name);

    return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64) ? g_variant_get_uint64(value)
                                                              : g_variant_get_uint32(value);
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

/* Calls Explain; the answer or the name of the error. */
static char *
explain(Fixture *fixture, const char *guest, GError **error)
{
    g_autoptr(GVariant) reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Explain",
                                     g_variant_new("(s)", guest), error);
    char *json = NULL;

    if (reply != NULL)
        g_variant_get(reply, "(s)", &json);
    return json;
}

static void
assert_refused(Fixture *fixture, const char *guest, const char *name, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = explain(fixture, guest, &error);
    g_autofree char *remote = NULL;

    assert_null(json);
    remote = g_dbus_error_get_remote_error(error);
    assert_string_equal(remote, name);
    if (strstr(error->message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error->message);
}

static void
explain_takes_a_name_or_a_uuid(void **state)
{
    Fixture *fixture = *state;
    static const char *const names[] = {"web", "6a2c0a3e-0000-4000-8000-000000000000",
                                        "6A2C0A3E_0000_4000_8000_000000000000"};

    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *json = explain(fixture, names[i], &error);

        assert_null(error);
        assert_non_null(strstr(json, "\"name\":\"web\""));
    }
}

/* Calls History; how many points it answers with, or -1 and the error. */
static int
count_points(Fixture *fixture, const char *guest, GError **error)
{
    g_autoptr(GVariant) reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "History",
                                     g_variant_new("(st)", guest, (guint64)0), error);
    g_autoptr(GVariant) history = reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
    g_autoptr(GVariant) column =
        history != NULL ? g_variant_lookup_value(history, "Assigned", G_VARIANT_TYPE("at")) : NULL;

    return column != NULL ? (int)g_variant_n_children(column) : -1;
}

static void
history_is_told_of_who_is_known_or_gone(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *remote = NULL;

    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "off")->state = GUEST_STATE_OFF;
    hand_in(fixture);
    assert_true(count_points(fixture, "web", NULL) >= 1);
    assert_true(count_points(fixture, "6A2C0A3E_0000_4000_8000_000000000000", NULL) >= 1);
    assert_int_equal(count_points(fixture, "off", NULL), 0);
    assert_int_equal(count_points(fixture, "nobody", &error), -1);
    remote = g_dbus_error_get_remote_error(error);
    assert_string_equal(remote, DYNMEM_BUS_ERROR_NO_SUCH_GUEST);
    fake_tick_remove(fixture->tick, 0);
    hand_in(fixture);
    assert_true(count_points(fixture, "web", NULL) >= 1);
}

static void
an_unknown_guest_is_refused_with_near_names(void **state)
{
    Fixture *fixture = *state;

    assert_refused(fixture, "web", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "no guest has been looked at yet");
    fake_tick_add(fixture->tick, "webserver");
    fake_tick_add(fixture->tick, "database");
    fake_tick_add(fixture->tick, "6a2c0a3e-0000-4000-8000-000000000000");
    hand_in(fixture);
    assert_refused(fixture, "websrver", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "near are: webserver");
    assert_refused(fixture, "data", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "near are: database");
    assert_refused(fixture, "mailhost", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "'dm-ctl list' shows all guests");
    assert_refused(fixture, "6a2c0a3e-0000-4000-8000-000000000000", DYNMEM_BUS_ERROR_AMBIGUOUS,
                   "the uuid of the guest 'webserver'");
}

static void
root_may_reload_where_polkit_does_not_run(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Reload", NULL, &error);

    if (geteuid() == 0) {
        assert_non_null(reply);
        assert_int_equal(fixture->reloads, 1);
    } else {
        assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
        assert_int_equal(fixture->reloads, 0);
    }
}

/* ---- a polkit that answers what the test wants ---- */

static const char polkit_xml[] = "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
                                 "<method name='CheckAuthorization'>"
                                 "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
                                 "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
                                 "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
                                 "</method></interface></node>";

typedef struct Polkit {
    bool authorize;
    bool hold; /* do not answer */
    unsigned asked;
    GDBusMethodInvocation *held;
    char *action;
} Polkit;

static void
polkit_called(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
              const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, void *data)
{
    Polkit *polkit = data;

    polkit->asked++;
    g_free(polkit->action);
    g_variant_get(parameters, "((sa{sv})sa{ss}us)", NULL, NULL, &polkit->action, NULL, NULL, NULL);
    if (polkit->hold)
        polkit->held = invocation;
    else
        g_dbus_method_invocation_return_value(invocation, g_variant_new("((bba{ss}))", polkit->authorize, FALSE, NULL));
}

static void
run_polkit(Fixture *fixture, Polkit *polkit)
{
    static const GDBusInterfaceVTable table = {.method_call = polkit_called};
    g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(polkit_xml, NULL);
    g_autoptr(GVariant) reply = NULL;

    g_dbus_connection_register_object(fixture->client, "/org/freedesktop/PolicyKit1/Authority", info->interfaces[0],
                                      &table, polkit, NULL, NULL);
    reply = call(fixture, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                 g_variant_new("(su)", "org.freedesktop.PolicyKit1", 0), NULL);
    assert_non_null(reply);
}

static void
assert_polkit_decides(Fixture *fixture, Polkit *polkit, const char *method, const unsigned *done)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) refused = NULL;
    g_autoptr(GVariant) granted = NULL;

    polkit->asked = 0;
    polkit->authorize = false;
    refused = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, method, NULL, &error);
    assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
    assert_non_null(strstr(error->message, "polkit refuses org.dynmem1.manage"));
    assert_int_equal(*done, 0);
    polkit->authorize = true;
    granted = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, method, NULL, NULL);
    assert_non_null(granted);
    assert_int_equal(*done, 1);
    assert_int_equal(polkit->asked, 2);
    assert_string_equal(polkit->action, DYNMEM_POLKIT_MANAGE);
}

static void
polkit_decides_who_may_reload_and_retire(void **state)
{
    Fixture *fixture = *state;
    Polkit polkit = {0};

    run_polkit(fixture, &polkit);
    assert_polkit_decides(fixture, &polkit, "Reload", &fixture->reloads);
    assert_polkit_decides(fixture, &polkit, "Retire", &fixture->retirements);
    g_free(polkit.action);
}

static void
polkit_decides_who_may_start_guests(void **state)
{
    static const char *const methods[] = {"Reserve", "Release", "Start"};
    Fixture *fixture = *state;
    Polkit polkit = {0};

    run_polkit(fixture, &polkit);
    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) refused = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER,
                                           methods[i], g_variant_new("(s)", "web"), &error);

        assert_null(refused);
        assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
        assert_int_equal(polkit.asked, i + 1);
        assert_string_equal(polkit.action, DYNMEM_POLKIT_MANAGE);
    }
    g_free(polkit.action);
}

static void
a_password_prompt_stops_nothing(void **state)
{
    Fixture *fixture = *state;
    Polkit polkit = {.hold = true};
    Reply replies[20] = {{0}};
    unsigned refused = 0;

    run_polkit(fixture, &polkit);
    fake_tick_add(fixture->tick, "web");
    for (unsigned i = 0; i < G_N_ELEMENTS(replies); i++)
        g_dbus_connection_call(fixture->client, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER,
                               "Reload", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, replied, &replies[i]);
    for (unsigned i = 0; i < 5; i++)
        hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "web");
    assert_int_equal(polkit.asked, 16);
    assert_int_equal(fixture->reloads, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(replies); i++)
        refused += replies[i].done;
    assert_int_equal(refused, G_N_ELEMENTS(replies) - 16);
    /* the service ends while questions are open: they are answered with an error, not left */
    report_free(g_steal_pointer(&fixture->report));
    for (unsigned i = 0; i < G_N_ELEMENTS(replies); i++) {
        turn_until(&replies[i].done);
        assert_null(replies[i].value);
        g_clear_error(&replies[i].error);
    }
    g_free(polkit.action);
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
        TEST(explain_takes_a_name_or_a_uuid),
        TEST(history_is_told_of_who_is_known_or_gone),
        TEST(an_unknown_guest_is_refused_with_near_names),
        TEST(root_may_reload_where_polkit_does_not_run),
        TEST(polkit_decides_who_may_reload_and_retire),
        TEST(polkit_decides_who_may_start_guests),
        TEST(a_password_prompt_stops_nothing),
        TEST(a_second_daemon_is_told_that_the_name_is_taken),
        TEST(the_daemon_goes_on_without_a_bus_and_finds_it_again),
    };

    return cmocka_run_group_tests_name("report on a bus", tests, NULL, NULL);
}
