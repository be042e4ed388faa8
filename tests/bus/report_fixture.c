/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report_fixture.h"

#include <glib/gstdio.h>

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

void
name_lost(void *data, bool taken, const char *why)
{
    Fixture *fixture = data;

    fixture->lost++;
    fixture->taken = taken;
    assert_non_null(why);
}

/* ---- calls ---- */

void
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

void
turn_until(const bool *done)
{
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;
    unsigned source = g_timeout_add(20, tick_loop, NULL);

    while (!*done && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
    assert_true(*done);
}

GVariant *
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

GVariant *
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

void
assert_text(Fixture *fixture, const char *path, const char *interface, const char *name, const char *expected)
{
    g_autoptr(GVariant) value = property(fixture, path, interface, name);

    assert_string_equal(g_variant_get_string(value, NULL), expected);
}

void
hand_in(Fixture *fixture)
{
    g_autoptr(GVariant) reply = NULL;

    fixture->sink.tick(fixture->sink.self, &fixture->tick->report);
    reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL);
    assert_non_null(reply);
    fake_tick_next(fixture->tick);
}

/* ---- set-up ---- */

void
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

void
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

int
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

int
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
