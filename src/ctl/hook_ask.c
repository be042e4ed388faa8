/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hook's side of the bus. */

#include "hook.h"
#include "names.h"

#include <gio/gio.h>
#include <unistd.h>

/* How often a daemon that went away is looked for. */
#define AGAIN_USEC 100000

/* A connection of its own: the shared one ends the process when the bus goes away. NULL: there is no bus. */
static GDBusConnection *
connect_bus(void)
{
    g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);

    if (address == NULL)
        return NULL;
    return g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        NULL, NULL);
}

/* How a call ended. */
typedef enum CallEnd {
    CALL_ANSWERED, /* *answer is it */
    CALL_NOBODY,   /* nobody has the name, or there is no bus */
    CALL_LOST,     /* who had it has gone before the answer */
} CallEnd;

static CallEnd
call_once(const HookCall *call, int64_t left_usec, HookAnswer *answer, char **reason)
{
    g_autoptr(GDBusConnection) bus = connect_bus();
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    gboolean granted = FALSE;

    if (bus == NULL)
        return CALL_NOBODY;
    reply = g_dbus_connection_call_sync(
        bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Hook",
        g_variant_new("(sssss)", call->guest, call->operation, call->suboperation, call->extra, call->xml),
        G_VARIANT_TYPE("(bs)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, (int)(left_usec / 1000) + 1, NULL, &error);
    if (reply != NULL) {
        g_variant_get(reply, "(bs)", &granted, reason);
        *answer = granted ? HOOK_ANSWER_GRANTED : HOOK_ANSWER_REFUSED;
        return CALL_ANSWERED;
    }
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
        return CALL_NOBODY;
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
        return CALL_LOST;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        *answer = HOOK_ANSWER_LATE;
        return CALL_ANSWERED;
    }
    g_dbus_error_strip_remote_error(error);
    *reason = g_strdup(error->message);
    *answer = HOOK_ANSWER_FAILED;
    return CALL_ANSWERED;
}

HookAnswer
hook_ask(const HookCall *call, int64_t deadline_usec, const HookPatience *patience, char **reason)
{
    int64_t absent_until_usec = g_get_monotonic_time() + (int64_t)patience->absent_usec;
    HookAnswer so_far = HOOK_ANSWER_LATE;
    pid_t parent = getppid();

    *reason = NULL;
    for (;;) {
        int64_t left_usec = deadline_usec - g_get_monotonic_time();
        HookAnswer answer = HOOK_ANSWER_LATE;
        CallEnd end;

        if (left_usec <= 0)
            return so_far;
        end = call_once(call, left_usec, &answer, reason);
        if (end == CALL_ANSWERED)
            return answer;
        if (end == CALL_LOST || so_far == HOOK_ANSWER_LOST)
            so_far = HOOK_ANSWER_LOST;
        else
            so_far = HOOK_ANSWER_ABSENT;
        if (so_far == HOOK_ANSWER_LOST ? !patience->lost : g_get_monotonic_time() >= absent_until_usec)
            return so_far;
        /* libvirtd has ended: it starts nothing any more, and nothing is to be booked for that */
        if (getppid() != parent)
            return so_far;
        g_usleep(AGAIN_USEC);
    }
}
