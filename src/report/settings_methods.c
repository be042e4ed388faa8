/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings_methods.h"

#include "error.h"
#include "methods.h"
#include "names.h"
#include "settings_json.h"

#include <string.h>

struct SettingsMethods {
    BusManager *manager;
    ReportOptions options;
    const HeldTick *held;
    PolkitQuestions questions;
    GPtrArray *waiting; /* of Waiting, not owned: each ends with its answer */
};

/* A change that is answered later. */
typedef struct Waiting {
    SettingsMethods *methods; /* NULL: nobody is to be answered any more */
    GDBusMethodInvocation *invocation;
    char *name; /* of the guest */
} Waiting;

/* ---- what is asked for ---- */

/* A value as text, and whether it was a number; NULL where it can't be one. Caller frees. */
static char *
value_text(GVariant *value, bool *number)
{
    const char *type = g_variant_get_type_string(value);

    *number = strlen(type) == 1 && strchr("nqiuxt", type[0]) != NULL;
    if (*number)
        return g_variant_print(value, FALSE);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_variant_dup_string(value, NULL);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        return g_strdup(g_variant_get_boolean(value) ? "yes" : "no");
    return NULL;
}

/* settings is a{sv}. NULL, and the invocation is answered, where a value is of no use. */
static SettingsAsk *
read_settings(GDBusMethodInvocation *invocation, GVariant *settings)
{
    g_autoptr(SettingsAsk) ask = settings_ask_new();
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_iter_init(&iter, settings);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        bool number;
        g_autofree char *text = value_text(value, &number);

        if (text == NULL) {
            g_autofree char *problem =
                g_strdup_printf("%s: a value of type '%s' is of no use; expected a string (s), a number (t or u) or a "
                                "boolean (b)",
                                name, g_variant_get_type_string(value));

            g_dbus_method_invocation_return_dbus_error(invocation, DYNMEM_BUS_ERROR_INVALID, problem);
            g_variant_unref(value);
            return NULL;
        }
        settings_ask_add(ask, name, text, number);
    }
    return g_steal_pointer(&ask);
}

/* ---- answers ---- */

static void
answer_error(GDBusMethodInvocation *invocation, const char *guest, const GError *error)
{
    g_autofree char *text = g_strdup_printf("settings of %s: %s", guest, error->message);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char *name = DYNMEM_BUS_ERROR_FAILED;

    if (g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID))
        name = DYNMEM_BUS_ERROR_INVALID;
    else if (g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED))
        name = DYNMEM_BUS_ERROR_REFUSED;
    else if (g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND))
        name = DYNMEM_BUS_ERROR_NO_SUCH_GUEST;
    g_dbus_method_invocation_return_dbus_error(invocation, name, valid);
}

/* An ElementDone. */
static void
changed(void *data, const char *uuid, const GError *error)
{
    Waiting *waiting = data;

    if (waiting->methods == NULL) {
        g_object_unref(waiting->invocation);
    } else {
        g_ptr_array_remove_fast(waiting->methods->waiting, waiting);
        if (error != NULL)
            answer_error(waiting->invocation, waiting->name, error);
        else
            g_dbus_method_invocation_return_value(waiting->invocation, NULL);
    }
    g_free(waiting->name);
    g_free(waiting);
}

static void
change(SettingsMethods *methods, GDBusMethodInvocation *invocation, const char *text, const SettingsAsk *ask)
{
    const GuestPlan *plan = method_find_guest(invocation, methods->held, text);
    g_autofree char *uuid = NULL;
    Waiting *waiting;

    if (plan == NULL)
        return;
    uuid = g_strdup(plan->guest->uuid);
    waiting = g_new0(Waiting, 1);
    waiting->methods = methods;
    waiting->invocation = invocation;
    waiting->name = g_strdup(plan->guest->name);
    g_ptr_array_add(methods->waiting, waiting);
    methods->options.change_settings(methods->options.user_data, uuid, ask, changed, waiting);
}

/* ---- SetGuest, SetMode, UnsetGuest ---- */

static void
may_set_guest(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    SettingsMethods *methods = data;
    g_autoptr(GVariant) settings = NULL;
    g_autoptr(SettingsAsk) ask = NULL;
    const char *guest;

    if (!method_is_allowed(&methods->questions, invocation, refusal))
        return;
    g_variant_get(g_dbus_method_invocation_get_parameters(invocation), "(&s@a{sv})", &guest, &settings);
    ask = read_settings(invocation, settings);
    if (ask != NULL)
        change(methods, invocation, guest, ask);
}

static void
may_set_mode(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    SettingsMethods *methods = data;
    g_autoptr(SettingsAsk) ask = settings_ask_new();
    const char *guest, *mode;

    if (!method_is_allowed(&methods->questions, invocation, refusal))
        return;
    g_variant_get(g_dbus_method_invocation_get_parameters(invocation), "(&s&s)", &guest, &mode);
    settings_ask_add(ask, element_attribute_names[ELEMENT_MODE], mode, false);
    change(methods, invocation, guest, ask);
}

static void
may_unset_guest(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    SettingsMethods *methods = data;
    g_autoptr(SettingsAsk) ask = settings_ask_new();
    const char *guest;

    if (!method_is_allowed(&methods->questions, invocation, refusal))
        return;
    g_variant_get(g_dbus_method_invocation_get_parameters(invocation), "(&s)", &guest);
    ask->remove = true;
    change(methods, invocation, guest, ask);
}

/* All read their arguments when they are authorised. */
static gboolean
ask_polkit(SettingsMethods *methods, GDBusMethodInvocation *invocation, AuthorizeDone may)
{
    if (methods->options.change_settings != NULL)
        return method_ask_polkit(&methods->questions, invocation, may, methods);
    method_refuse(invocation, "this daemon changes no settings");
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_set_guest(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, GVariant *settings,
                 void *data)
{
    return ask_polkit(data, invocation, may_set_guest);
}

static gboolean
handle_set_mode(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, const char *mode, void *data)
{
    return ask_polkit(data, invocation, may_set_mode);
}

static gboolean
handle_unset_guest(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, void *data)
{
    return ask_polkit(data, invocation, may_unset_guest);
}

/* ---- PreviewGuest ---- */

static void
preview(SettingsMethods *methods, GDBusMethodInvocation *invocation, const char *text, const SettingsAsk *ask)
{
    const GuestPlan *plan = method_find_guest(invocation, methods->held, text);
    g_autoptr(SettingsChange) change = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *json = NULL;

    if (plan == NULL)
        return;
    change = methods->options.preview_settings(methods->options.user_data, plan->guest->uuid, ask, &error);
    if (change == NULL) {
        answer_error(invocation, plan->guest->name, error);
        return;
    }
    json = settings_json(plan->guest->name, plan->guest->uuid, change);
    bus_manager_complete_preview_guest(methods->manager, invocation, json);
}

static gboolean
handle_preview_guest(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, GVariant *settings,
                     gboolean unset, void *data)
{
    SettingsMethods *methods = data;
    g_autoptr(SettingsAsk) ask = NULL;

    if (methods->options.preview_settings == NULL) {
        method_refuse(invocation, "this daemon changes no settings");
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
    if (unset && g_variant_n_children(settings) > 0) {
        g_dbus_method_invocation_return_dbus_error(invocation, DYNMEM_BUS_ERROR_INVALID,
                                                   "unset: expected no settings beside it");
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
    ask = read_settings(invocation, settings);
    if (ask != NULL) {
        ask->remove = unset;
        preview(methods, invocation, guest, ask);
    }
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- life ---- */

SettingsMethods *
settings_methods_new(BusManager *manager, const ReportOptions *options, const HeldTick *held, GCancellable *cancellable)
{
    SettingsMethods *methods = g_new0(SettingsMethods, 1);

    methods->manager = manager;
    methods->options = *options;
    methods->held = held;
    methods->questions.cancellable = cancellable;
    methods->waiting = g_ptr_array_new();
    g_signal_connect(manager, "handle-set-guest", G_CALLBACK(handle_set_guest), methods);
    g_signal_connect(manager, "handle-set-mode", G_CALLBACK(handle_set_mode), methods);
    g_signal_connect(manager, "handle-unset-guest", G_CALLBACK(handle_unset_guest), methods);
    g_signal_connect(manager, "handle-preview-guest", G_CALLBACK(handle_preview_guest), methods);
    return methods;
}

void
settings_methods_free(SettingsMethods *methods)
{
    if (methods == NULL)
        return;
    g_signal_handlers_disconnect_by_data(methods->manager, methods);
    for (guint i = 0; i < methods->waiting->len; i++)
        ((Waiting *)g_ptr_array_index(methods->waiting, i))->methods = NULL;
    g_ptr_array_unref(methods->waiting);
    g_free(methods);
}
