/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "methods.h"

#include "guest_search.h"
#include "names.h"

/* Each may hold a password prompt. */
#define QUESTIONS_AT_ONCE 16

void
method_no_guest(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_dbus_error(
        invocation, error->code == GUEST_SEARCH_AMBIGUOUS ? DYNMEM_BUS_ERROR_AMBIGUOUS : DYNMEM_BUS_ERROR_NO_SUCH_GUEST,
        error->message);
}

const GuestPlan *
method_find_guest(GDBusMethodInvocation *invocation, const HeldTick *held, const char *text)
{
    g_autoptr(GError) error = NULL;
    const GuestPlan *plan = guest_search(held_tick_report(held), text, &error);

    if (plan == NULL)
        method_no_guest(invocation, error);
    return plan;
}

void
method_refuse(GDBusMethodInvocation *invocation, const char *text)
{
    g_dbus_method_invocation_return_dbus_error(invocation, DYNMEM_BUS_ERROR_REFUSED, text);
}

gboolean
method_ask_polkit(PolkitQuestions *questions, GDBusMethodInvocation *invocation, AuthorizeDone may, void *data)
{
    /* anybody may leave prompts open: that keeps others from changing something, and root never */
    if (questions->open++ < QUESTIONS_AT_ONCE)
        authorize(invocation, DYNMEM_POLKIT_MANAGE, questions->cancellable, may, data);
    else
        authorize_root(invocation, "too many callers wait to be authorised; try again when they have been answered",
                       questions->cancellable, may, data);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

bool
method_is_allowed(PolkitQuestions *questions, GDBusMethodInvocation *invocation, const GError *refusal)
{
    questions->open--;
    if (refusal != NULL)
        g_dbus_method_invocation_return_gerror(invocation, refusal);
    return refusal == NULL;
}
