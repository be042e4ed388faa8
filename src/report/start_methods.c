/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_methods.h"

#include "error.h"
#include "methods.h"
#include "names.h"
#include "rating_json.h"
#include "units.h"

#include <string.h>

/* As GuestSettings.priority. */
#define PRIORITY_MAX 100

struct StartMethods {
    BusManager *manager;
    ReportOptions options;
    const HeldTick *held;
    GCancellable *cancellable;
    GPtrArray *waiting; /* of Waiting, not owned: each ends with its answer */
    GHashTable *owners; /* unique name -> id of its watch */
    PolkitQuestions questions;
};

/* A method that is answered later. */
typedef struct Waiting {
    StartMethods *methods; /* NULL: nobody is to be answered any more */
    GDBusMethodInvocation *invocation;
    char *uuid;
    bool start;  /* the guest is to be started once its memory is booked */
    bool *ended; /* set when the start has ended, while it is being handed over; NULL: it is not */
} Waiting;

static Waiting *
waiting_new(StartMethods *methods, GDBusMethodInvocation *invocation, const char *uuid)
{
    Waiting *waiting = g_new0(Waiting, 1);

    waiting->methods = methods;
    waiting->invocation = invocation;
    waiting->uuid = g_strdup(uuid);
    g_ptr_array_add(methods->waiting, waiting);
    return waiting;
}

static void
reply(GDBusMethodInvocation *invocation, bool granted, const char *reason)
{
    g_autofree char *valid = g_utf8_make_valid(reason, -1);

    g_dbus_method_invocation_return_value(invocation, g_variant_new("(bs)", (gboolean)granted, valid));
}

/*
 * Answers and frees. When the daemon ends there is no answer: the bus tells who waits that it is gone, and they can ask
 * the next one. A refusal would keep libvirt from starting the guest.
 */
static void
waiting_end(Waiting *waiting, bool granted, const char *reason)
{
    if (waiting->methods != NULL)
        g_ptr_array_remove_fast(waiting->methods->waiting, waiting);
    if (waiting->methods != NULL && strcmp(reason, START_REASON_STOPPING) != 0)
        reply(waiting->invocation, granted, reason);
    else
        g_object_unref(waiting->invocation);
    g_free(waiting->uuid);
    g_free(waiting);
}

static void
note(const StartMethods *methods, const char *uuid, StartNote what)
{
    if (methods != NULL && methods->options.note_start != NULL)
        methods->options.note_start(methods->options.user_data, uuid, what);
}

/*
 * What becomes of what was booked for a start that libvirt was asked for and that ended in error. Where it is not known
 * whether libvirt goes on, and where it was refused because another one is under way or has ended in a running guest, it
 * stays until that is seen.
 */
static void
settle_failed(const Waiting *waiting, const GError *error)
{
    if (!g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED) &&
        !g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT) &&
        !g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED))
        note(waiting->methods, waiting->uuid, START_NOTE_STOPPED);
}

static void
guest_started(void *data, const char *uuid, const GError *error)
{
    Waiting *waiting = data;
    StartMethods *methods = waiting->methods;
    g_autofree char *text = NULL;

    if (waiting->ended != NULL)
        *waiting->ended = true;
    if (error == NULL) {
        note(methods, waiting->uuid, START_NOTE_STARTED);
        waiting_end(waiting, true, "it runs");
        return;
    }
    if (waiting->ended == NULL)
        settle_failed(waiting, error);
    else if (methods != NULL && methods->options.release_start != NULL)
        /* libvirt was not asked; this leaves alone what it has begun for somebody else */
        methods->options.release_start(methods->options.user_data, waiting->uuid);
    text = g_strdup_printf("its memory was booked, but libvirt could not start it: %s", error->message);
    waiting_end(waiting, false, text);
}

/* A StartAnswer. */
static void
answered(void *data, bool granted, const char *reason)
{
    Waiting *waiting = data;
    StartMethods *methods = waiting->methods;
    bool ended = false;

    if (!granted || !waiting->start || methods == NULL) {
        waiting_end(waiting, granted, reason);
        return;
    }
    waiting->ended = &ended;
    methods->options.start_guest(methods->options.user_data, waiting->uuid, guest_started, waiting);
    if (ended)
        return;
    waiting->ended = NULL;
    /* who asked may leave the bus now, but libvirt goes on */
    note(methods, waiting->uuid, START_NOTE_HANDED);
}

/* ---- who asked ---- */

static void
owner_vanished(GDBusConnection *connection, const char *name, void *data)
{
    StartMethods *methods = data;
    g_autofree char *owner = g_strdup(name);
    unsigned id = GPOINTER_TO_UINT(g_hash_table_lookup(methods->owners, owner));

    g_hash_table_remove(methods->owners, owner);
    if (methods->options.owner_gone != NULL)
        methods->options.owner_gone(methods->options.user_data, owner);
    g_bus_unwatch_name(id);
}

static void
watch_owner(StartMethods *methods, GDBusMethodInvocation *invocation)
{
    const char *owner = g_dbus_method_invocation_get_sender(invocation);
    unsigned id;

    if (g_hash_table_contains(methods->owners, owner))
        return;
    id = g_bus_watch_name_on_connection(g_dbus_method_invocation_get_connection(invocation), owner,
                                        G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, owner_vanished, methods, NULL);
    g_hash_table_insert(methods->owners, g_strdup(owner), GUINT_TO_POINTER(id));
}

/* ---- what all have in common ---- */

/* The guest's uuid, or NULL, and the invocation is answered with why. Caller frees. */
static char *
find_guest(StartMethods *methods, GDBusMethodInvocation *invocation, const char *text)
{
    const GuestPlan *plan = method_find_guest(invocation, methods->held, text);

    return plan != NULL ? g_strdup(plan->guest->uuid) : NULL;
}

/* The one argument of most methods; the invocation's. */
static const char *
first_argument(GDBusMethodInvocation *invocation)
{
    const char *text;

    g_variant_get_child(g_dbus_method_invocation_get_parameters(invocation), 0, "&s", &text);
    return text;
}

static void
ask(StartMethods *methods, GDBusMethodInvocation *invocation, bool start)
{
    g_autofree char *uuid = NULL;
    Waiting *waiting;

    if (methods->options.ask_start == NULL || (start && methods->options.start_guest == NULL)) {
        method_refuse(invocation, "this daemon starts no guests");
        return;
    }
    uuid = find_guest(methods, invocation, first_argument(invocation));
    if (uuid == NULL)
        return;
    watch_owner(methods, invocation);
    waiting = waiting_new(methods, invocation, uuid);
    waiting->start = start;
    methods->options.ask_start(
        methods->options.user_data,
        &(StartAsk){.uuid = uuid, .kind = START_BOOT, .owner = g_dbus_method_invocation_get_sender(invocation)},
        answered, waiting);
}

/* ---- Reserve, Start, Release ---- */

static void
may_reserve(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    StartMethods *methods = data;

    if (method_is_allowed(&methods->questions, invocation, refusal))
        ask(methods, invocation, false);
}

static gboolean
handle_reserve(BusManager *manager, GDBusMethodInvocation *invocation, const char *text, void *data)
{
    StartMethods *methods = data;

    return method_ask_polkit(&methods->questions, invocation, may_reserve, methods);
}

static void
may_start(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    StartMethods *methods = data;

    if (method_is_allowed(&methods->questions, invocation, refusal))
        ask(methods, invocation, true);
}

static gboolean
handle_start(BusManager *manager, GDBusMethodInvocation *invocation, const char *text, void *data)
{
    StartMethods *methods = data;

    return method_ask_polkit(&methods->questions, invocation, may_start, methods);
}

static void
may_release(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    StartMethods *methods = data;
    g_autofree char *uuid = NULL;

    if (!method_is_allowed(&methods->questions, invocation, refusal))
        return;
    uuid = find_guest(methods, invocation, first_argument(invocation));
    if (uuid == NULL)
        return;
    if (methods->options.release_start != NULL && methods->options.release_start(methods->options.user_data, uuid))
        bus_manager_complete_release(methods->manager, invocation);
    else
        method_refuse(
            invocation,
            "there is no start of this guest to take back: none waits and none is booked ('dm-ctl list' shows those "
            "that are as reserved), or libvirt has begun it already, and 'virsh destroy' ends it");
}

static gboolean
handle_release(BusManager *manager, GDBusMethodInvocation *invocation, const char *text, void *data)
{
    StartMethods *methods = data;

    return method_ask_polkit(&methods->questions, invocation, may_release, methods);
}

/* ---- Hook ---- */

typedef enum HookOperation {
    HOOK_OPERATION_OTHER,
    HOOK_OPERATION_ASKS,
    HOOK_OPERATION_STARTED,
    HOOK_OPERATION_STOPPED,
} HookOperation;

/* What libvirt's operation means here; kind is for those that ask. */
static HookOperation
read_operation(const char *operation, const char *suboperation, StartKind *kind)
{
    static const struct {
        const char *operation;
        const char *suboperation;
        HookOperation meaning;
        StartKind kind;
    } operations[] = {
        {"prepare", "begin", HOOK_OPERATION_ASKS, START_BOOT},
        {"restore", "begin", HOOK_OPERATION_ASKS, START_RESTORE},
        {"migrate", "begin", HOOK_OPERATION_ASKS, START_MIGRATION},
        {"started", "begin", HOOK_OPERATION_STARTED, START_BOOT},
        {"stopped", "end", HOOK_OPERATION_STOPPED, START_BOOT},
        {"release", "end", HOOK_OPERATION_STOPPED, START_BOOT},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (strcmp(operations[i].operation, operation) != 0 || strcmp(operations[i].suboperation, suboperation) != 0)
            continue;
        *kind = operations[i].kind;
        return operations[i].meaning;
    }
    return HOOK_OPERATION_OTHER;
}

/* text as a uuid: the hook may know it of a guest that nobody else knows yet. Otherwise as find_guest. */
static char *
hook_guest(StartMethods *methods, GDBusMethodInvocation *invocation, const char *text)
{
    if (g_uuid_string_is_valid(text))
        return g_ascii_strdown(text, -1);
    return find_guest(methods, invocation, text);
}

static void
may_hook(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    StartMethods *methods = data;
    const ReportOptions *options = &methods->options;
    const char *guest, *operation, *suboperation, *extra, *xml;
    StartKind kind = START_BOOT;
    HookOperation meaning;
    g_autofree char *uuid = NULL;

    if (refusal != NULL) {
        g_dbus_method_invocation_return_gerror(invocation, refusal);
        return;
    }
    g_variant_get(g_dbus_method_invocation_get_parameters(invocation), "(&s&s&s&s&s)", &guest, &operation,
                  &suboperation, &extra, &xml);
    bus_manager_set_hook_calls(methods->manager, bus_manager_get_hook_calls(methods->manager) + 1);
    bus_manager_set_hook_called(methods->manager, (uint64_t)g_get_real_time());
    if (options->hook_called != NULL)
        options->hook_called(options->user_data, bus_manager_get_hook_called(methods->manager));
    uuid = hook_guest(methods, invocation, guest);
    if (uuid == NULL)
        return;
    meaning = read_operation(operation, suboperation, &kind);
    if (meaning == HOOK_OPERATION_ASKS && options->dry_run) {
        reply(invocation, true, "dynmemd runs dry: it refuses nothing");
    } else if (meaning == HOOK_OPERATION_ASKS && options->ask_start != NULL) {
        options->ask_start(options->user_data,
                           &(StartAsk){.uuid = uuid, .xml = xml[0] != '\0' ? xml : NULL, .kind = kind, .hook = true},
                           answered, waiting_new(methods, invocation, uuid));
    } else {
        if (meaning != HOOK_OPERATION_OTHER && meaning != HOOK_OPERATION_ASKS && options->note_start != NULL)
            options->note_start(options->user_data, uuid,
                                meaning == HOOK_OPERATION_STARTED ? START_NOTE_STARTED : START_NOTE_STOPPED);
        reply(invocation, true, "");
    }
}

static gboolean
handle_hook(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, const char *operation,
            const char *suboperation, const char *extra, const char *xml, void *data)
{
    StartMethods *methods = data;

    authorize_self(invocation, methods->cancellable, may_hook, methods);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- Rate ---- */

static gboolean
handle_rate(BusManager *manager, GDBusMethodInvocation *invocation, uint64_t startup, uint32_t priority, void *data)
{
    StartMethods *methods = data;
    g_auto(StartRating) rating = {0};
    g_autofree char *json = NULL;

    if (startup < 1024 || priority > PRIORITY_MAX) {
        g_dbus_method_invocation_return_dbus_error(invocation, DYNMEM_BUS_ERROR_INVALID,
                                                   startup < 1024 ? "startup: it must be at least 1 KiB"
                                                                  : "priority: expected 0 to 100");
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
    if (methods->options.rate == NULL || held_tick_report(methods->held) == NULL) {
        method_refuse(invocation, "nothing is known of the host yet; try again in a moment");
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
    methods->options.rate(methods->options.user_data, kib_from_bytes(startup), priority, &rating);
    json = rating_json(&rating);
    bus_manager_complete_rate(manager, invocation, json);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- life ---- */

StartMethods *
start_methods_new(BusManager *manager, const ReportOptions *options, const HeldTick *held, GCancellable *cancellable)
{
    StartMethods *methods = g_new0(StartMethods, 1);

    methods->manager = manager;
    methods->options = *options;
    methods->held = held;
    methods->cancellable = cancellable;
    bus_manager_set_hook_called(manager, options->hook_called_usec);
    methods->questions.cancellable = cancellable;
    methods->waiting = g_ptr_array_new();
    methods->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_signal_connect(manager, "handle-reserve", G_CALLBACK(handle_reserve), methods);
    g_signal_connect(manager, "handle-start", G_CALLBACK(handle_start), methods);
    g_signal_connect(manager, "handle-release", G_CALLBACK(handle_release), methods);
    g_signal_connect(manager, "handle-hook", G_CALLBACK(handle_hook), methods);
    g_signal_connect(manager, "handle-rate", G_CALLBACK(handle_rate), methods);
    return methods;
}

void
start_methods_free(StartMethods *methods)
{
    GHashTableIter iter;
    void *id;

    if (methods == NULL)
        return;
    g_signal_handlers_disconnect_by_data(methods->manager, methods);
    for (unsigned i = 0; i < methods->waiting->len; i++)
        ((Waiting *)g_ptr_array_index(methods->waiting, i))->methods = NULL;
    g_ptr_array_unref(methods->waiting);
    g_hash_table_iter_init(&iter, methods->owners);
    while (g_hash_table_iter_next(&iter, NULL, &id))
        g_bus_unwatch_name(GPOINTER_TO_UINT(id));
    g_hash_table_unref(methods->owners);
    g_free(methods);
}
