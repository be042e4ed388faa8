/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top_why.h"

#include "explain_text.h"
#include "names.h"
#include "text.h"

#define TIMEOUT_MSEC 10000

/* Calls that are under way hold references. */
struct TopWhy {
    GDBusConnection *bus;
    GCancellable *cancellable;
    char *uuid;
    char *name;
    void (*changed)(void *user_data);
    void *user_data;
    bool asking;
    JsonNode *explanation; /* NULL: there is none yet */
    char *failure;         /* NULL: the last answer was one */
};

static void
clear(void *data)
{
    TopWhy *why = data;

    g_object_unref(why->bus);
    g_object_unref(why->cancellable);
    g_free(why->uuid);
    g_free(why->name);
    g_clear_pointer(&why->explanation, json_node_unref);
    g_free(why->failure);
}

static void
release(TopWhy *why)
{
    g_rc_box_release_full(why, clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TopWhy, release)

TopWhy *
top_why_new(GDBusConnection *bus, const GuestView *guest, void (*changed)(void *user_data), void *user_data)
{
    TopWhy *why = g_rc_box_new0(TopWhy);

    why->bus = g_object_ref(bus);
    why->cancellable = g_cancellable_new();
    why->uuid = g_strdup(guest->uuid);
    why->name = g_strdup(guest->name);
    why->changed = changed;
    why->user_data = user_data;
    top_why_ask(why);
    return why;
}

void
top_why_free(TopWhy *why)
{
    if (why == NULL)
        return;
    g_cancellable_cancel(why->cancellable);
    release(why);
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(TopWhy) why = user_data;
    GError *raw = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(why->bus, result, &raw);
    g_autoptr(GError) error = NULL;
    JsonNode *explanation = NULL;
    const char *json;

    why->asking = false;
    if (g_cancellable_is_cancelled(why->cancellable)) {
        g_clear_error(&raw);
        return;
    }
    if (reply != NULL) {
        g_variant_get(reply, "(&s)", &json);
        explanation = explain_parse(json, why->name, &error);
    } else {
        client_take_error(raw, &error);
    }
    g_clear_pointer(&why->failure, g_free);
    if (explanation != NULL) {
        g_clear_pointer(&why->explanation, json_node_unref);
        why->explanation = explanation;
    } else {
        why->failure = g_strdup(error->message);
    }
    why->changed(why->user_data);
}

void
top_why_ask(TopWhy *why)
{
    if (why->asking)
        return;
    why->asking = true;
    g_dbus_connection_call(why->bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Explain",
                           g_variant_new("(s)", why->uuid), G_VARIANT_TYPE("(s)"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           TIMEOUT_MSEC, why->cancellable, on_answer, g_rc_box_acquire(why));
}

char *
top_why_text(const TopWhy *why, unsigned columns)
{
    g_autofree char *clean = NULL;

    if (why->failure == NULL && why->explanation != NULL)
        return explain_text(json_node_get_object(why->explanation), columns);
    clean = text_clean(why->failure != NULL ? why->failure : "dynmemd is asked ...");
    return text_wrap(clean, columns, 0);
}
