/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the methods of the Manager have in common: the guest they are about, who may call them, how they refuse. */

#include "authorize.h"
#include "held_tick.h"

/* Questions to polkit that stand open. */
typedef struct PolkitQuestions {
    GCancellable *cancellable; /* borrowed; see authorize */
    unsigned open;
} PolkitQuestions;

/* The guest of that name or uuid; or NULL, and the invocation is answered with why. Owned by held. */
const GuestPlan *method_find_guest(GDBusMethodInvocation *invocation, const HeldTick *held, const char *text);

/* Answers with the error of guest_search. */
void method_no_guest(GDBusMethodInvocation *invocation, const GError *error);

/* Answers with DYNMEM_BUS_ERROR_REFUSED. */
void method_refuse(GDBusMethodInvocation *invocation, const char *text);

/* Asks polkit for DYNMEM_POLKIT_MANAGE; may is then called, and answers the invocation. Or answers it, where too many wait. */
gboolean method_ask_polkit(PolkitQuestions *questions, GDBusMethodInvocation *invocation, AuthorizeDone may,
                           void *data);

/* To be called by may. Returns false where the caller may not, and has been told so. */
bool method_is_allowed(PolkitQuestions *questions, GDBusMethodInvocation *invocation, const GError *refusal);
