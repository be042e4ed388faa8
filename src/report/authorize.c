/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authorize.h"

#include <stdint.h>
#include <unistd.h>

#define ALLOW_USER_INTERACTION 1u
/* Long enough for somebody who looks for a password. */
#define INTERACTIVE_TIMEOUT_MSEC (5 * 60 * 1000)
#define TIMEOUT_MSEC (25 * 1000)

typedef struct Question {
    GDBusMethodInvocation *invocation;
    GCancellable *cancellable;
    char *action;
    bool self;       /* who runs the daemon may too */
    const char *why; /* only root may; NULL: for the reason that follows from the rest */
    AuthorizeDone done;
    void *user_data;
} Question;

static void
question_free(Question *question)
{
    g_object_unref(question->invocation);
    g_clear_object(&question->cancellable);
    g_free(question->action);
    g_free(question);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Question, question_free)

static void
answer(Question *question, const char *refusal)
{
    g_autoptr(GError) error = NULL;

    if (refusal != NULL)
        g_set_error(&error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "%s", refusal);
    question->done(question->invocation, error, question->user_data);
}

static bool
cancelled(Question *question, const GError *error)
{
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return false;
    g_dbus_method_invocation_return_error_literal(question->invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                                  "dynmemd is stopping");
    return true;
}

static void
user_known(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(Question) question = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    uint32_t uid = UINT32_MAX;

    if (reply == NULL && cancelled(question, error))
        return;
    if (reply != NULL)
        g_variant_get(reply, "(u)", &uid);
    if (uid == 0 || (question->self && uid == (uint32_t)geteuid()))
        answer(question, NULL);
    else if (question->why != NULL)
        answer(question, question->why);
    else if (question->self)
        answer(question, "only root may do this");
    else
        answer(question, "only root may do this, because polkit does not run; start polkit to let others");
}

/* Asks the bus who it is; user_known takes question over. */
static void
ask_user(Question *question)
{
    g_dbus_connection_call(g_dbus_method_invocation_get_connection(question->invocation), "org.freedesktop.DBus",
                           "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                           g_variant_new("(s)", g_dbus_method_invocation_get_sender(question->invocation)),
                           G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MSEC, question->cancellable,
                           user_known, question);
}

static bool
is_absent(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_FAILED) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_EXEC_FAILED) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_CHILD_EXITED);
}

static void
polkit_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(Question) question = data;
    GDBusConnection *connection = G_DBUS_CONNECTION(source);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(connection, result, &error);
    gboolean authorized = FALSE;
    gboolean challenge = FALSE;
    g_autofree char *text = NULL;

    if (reply == NULL && cancelled(question, error))
        return;
    if (reply == NULL && is_absent(error)) {
        ask_user(g_steal_pointer(&question));
        return;
    }
    if (reply == NULL) {
        g_dbus_error_strip_remote_error(error);
        text = g_strdup_printf("polkit could not be asked whether you may do this (%s): %s", question->action,
                               error->message);
        answer(question, text);
        return;
    }

    g_variant_get(reply, "((bba{ss}))", &authorized, &challenge, NULL);
    if (authorized) {
        answer(question, NULL);
        return;
    }
    text = g_strdup_printf("you may not do this: polkit refuses %s%s", question->action,
                           challenge ? ", which needs an administrator's password, and nobody could ask for it; "
                                       "do it as root (sudo), or on a terminal where pkttyagent can ask"
                                     : "; do it as root (sudo), or see polkit(8) for a rule that lets you");
    answer(question, text);
}

static Question *
question_new(GDBusMethodInvocation *invocation, GCancellable *cancellable, AuthorizeDone done, void *user_data)
{
    Question *question = g_new0(Question, 1);

    question->invocation = g_object_ref(invocation);
    question->cancellable = g_object_ref(cancellable);
    question->done = done;
    question->user_data = user_data;
    return question;
}

void
authorize_self(GDBusMethodInvocation *invocation, GCancellable *cancellable, AuthorizeDone done, void *user_data)
{
    Question *question = question_new(invocation, cancellable, done, user_data);

    question->self = true;
    ask_user(question);
}

void
authorize_root(GDBusMethodInvocation *invocation, const char *why, GCancellable *cancellable, AuthorizeDone done,
               void *user_data)
{
    Question *question = question_new(invocation, cancellable, done, user_data);

    question->why = why;
    ask_user(question);
}

void
authorize(GDBusMethodInvocation *invocation, const char *action, GCancellable *cancellable, AuthorizeDone done,
          void *user_data)
{
    Question *question = question_new(invocation, cancellable, done, user_data);
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    bool interactive = (g_dbus_message_get_flags(message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
    GVariantBuilder subject;
    GVariantBuilder details;

    question->action = g_strdup(action);

    g_variant_builder_init(&subject, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&subject, "{sv}", "name",
                          g_variant_new_string(g_dbus_method_invocation_get_sender(invocation)));
    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    g_dbus_connection_call(
        g_dbus_method_invocation_get_connection(invocation), "org.freedesktop.PolicyKit1",
        "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
        g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject, action, &details,
                      interactive ? ALLOW_USER_INTERACTION : 0u, ""),
        G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, interactive ? INTERACTIVE_TIMEOUT_MSEC : TIMEOUT_MSEC,
        cancellable, polkit_answered, question);
}
