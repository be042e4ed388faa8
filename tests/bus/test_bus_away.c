/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus that ends, or hangs, while the daemon asks it for its name: that is no other daemon, and the bus is tried again, without
   anything else having to wait for it. */

#include "cmocka_all.h"
#include "names.h"
#include "report/report.h"
#include "units.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#define PATIENCE_USEC (60 * USEC_PER_SEC)

/* A bus that lets everybody in and gives no name away. */
typedef struct Bus {
    char *directory;
    GDBusServer *server;
    GPtrArray *connections;
    bool hangs; /* it does not answer who asks for the name; otherwise it closes the connection. Is not changed. */
    int asked;  /* atomic: for the name */
    unsigned lost;
    bool taken;
} Bus;

/* A GDBusMessageFilterFunction. */
static GDBusMessage *
serve(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data)
{
    Bus *bus = data;
    const char *member = g_dbus_message_get_member(message);

    if (!incoming)
        return message;
    if (g_strcmp0(member, "Hello") == 0) {
        g_autoptr(GDBusMessage) reply = g_dbus_message_new_method_reply(message);

        g_dbus_message_set_body(reply, g_variant_new("(s)", ":1.1"));
        g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
    } else if (g_strcmp0(member, "RequestName") == 0) {
        g_atomic_int_inc(&bus->asked);
        if (!bus->hangs)
            g_dbus_connection_close(connection, NULL, NULL, NULL);
    }
    g_object_unref(message);
    return NULL;
}

static gboolean
let_in(GDBusServer *server, GDBusConnection *connection, gpointer data)
{
    Bus *bus = data;

    g_ptr_array_add(bus->connections, g_object_ref(connection));
    g_dbus_connection_add_filter(connection, serve, bus, NULL);
    g_dbus_connection_start_message_processing(connection);
    return TRUE;
}

static void
bus_init(Bus *bus)
{
    g_autofree char *path = NULL;
    g_autofree char *address = NULL;
    g_autofree char *guid = g_dbus_generate_guid();

    bus->directory = g_dir_make_tmp("dynmem-away-XXXXXX", NULL);
    path = g_build_filename(bus->directory, "bus", NULL);
    address = g_strconcat("unix:path=", path, NULL);
    bus->connections = g_ptr_array_new_with_free_func(g_object_unref);
    bus->server = g_dbus_server_new_sync(address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, NULL);
    assert_non_null(bus->server);
    g_signal_connect(bus->server, "new-connection", G_CALLBACK(let_in), bus);
    g_dbus_server_start(bus->server);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
}

static void
bus_clear(Bus *bus)
{
    g_autofree char *path = g_build_filename(bus->directory, "bus", NULL);

    g_dbus_server_stop(bus->server);
    g_object_unref(bus->server);
    for (unsigned i = 0; i < bus->connections->len; i++)
        g_dbus_connection_close_sync(g_ptr_array_index(bus->connections, i), NULL, NULL);
    g_ptr_array_unref(bus->connections);
    g_unlink(path);
    assert_int_equal(g_rmdir(bus->directory), 0);
    g_free(bus->directory);
}

static void
name_lost(void *data, bool taken, const char *why)
{
    Bus *bus = data;

    bus->lost++;
    bus->taken = taken;
}

static gboolean
turn(void *data)
{
    return G_SOURCE_CONTINUE;
}

static void
the_name_is_asked_for_again(bool hangs)
{
    Bus bus = {.hangs = hangs};
    Report *report;
    unsigned timer = g_timeout_add(20, turn, NULL);
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;

    bus_init(&bus);
    report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION, .run_directory = "/nonexistent", .name_lost = name_lost, .user_data = &bus});
    while (g_atomic_int_get(&bus.asked) < 2 && !bus.taken && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    assert_false(bus.taken);
    assert_int_equal(g_atomic_int_get(&bus.asked), 2);
    assert_int_equal(bus.lost, 1);

    report_free(report);
    g_source_remove(timer);
    bus_clear(&bus);
}

static void
a_bus_that_ends_while_it_is_asked_for_the_name_is_no_other_daemon(void **state)
{
    the_name_is_asked_for_again(false);
}

static void
nor_is_one_that_hangs(void **state)
{
    the_name_is_asked_for_again(true);
}

static void
one_that_does_not_even_let_in_is_not_waited_for(void **state)
{
    Bus bus = {.directory = g_dir_make_tmp("dynmem-away-XXXXXX", NULL)};
    g_autofree char *path = g_build_filename(bus.directory, "bus", NULL);
    g_autofree char *address = g_strconcat("unix:path=", path, NULL);
    g_autoptr(GSocketAddress) place = g_unix_socket_address_new(path);
    g_autoptr(GSocket) silent =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
    Report *report;
    unsigned timer = g_timeout_add(20, turn, NULL);
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;

    assert_true(g_socket_bind(silent, place, TRUE, NULL) && g_socket_listen(silent, NULL));
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
    report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION, .run_directory = "/nonexistent", .name_lost = name_lost, .user_data = &bus});
    while (bus.lost == 0 && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(bus.lost, 1);
    assert_false(bus.taken);

    report_free(report);
    g_source_remove(timer);
    g_unlink(path);
    assert_int_equal(g_rmdir(bus.directory), 0);
    g_free(bus.directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bus_that_ends_while_it_is_asked_for_the_name_is_no_other_daemon),
        cmocka_unit_test(nor_is_one_that_hangs),
        cmocka_unit_test(one_that_does_not_even_let_in_is_not_waited_for),
    };

    return cmocka_run_group_tests_name("a bus that goes away", tests, NULL, NULL);
}
