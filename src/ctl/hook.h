/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What libvirt's hook for qemu does at each of libvirt's moments, and what comes of the daemon's answer. libvirt waits for the
 * hook with the guest locked, without any limit, and takes every exit status but 0 as a veto (src/util/virhook.c,
 * virHookCall); a veto of "started" or "reconnect" kills a guest that runs (src/qemu/qemu_process.c). So all that is not
 * known here passes.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum HookAct {
    HOOK_ACT_PASS, /* nobody is asked or told anything */
    HOOK_ACT_ASK,  /* dynmemd is asked, and may refuse */
    HOOK_ACT_NOTE, /* dynmemd is told; whatever comes of it, libvirt goes on */
} HookAct;

/* What to do when libvirt calls with operation and suboperation, any text. */
HookAct hook_act(const char *operation, const char *suboperation);

typedef enum HookAnswer {
    HOOK_ANSWER_GRANTED,
    HOOK_ANSWER_REFUSED,
    HOOK_ANSWER_ABSENT, /* dynmemd or the bus is not there */
    HOOK_ANSWER_LOST,   /* it went away before it answered, and did not come back in time */
    HOOK_ANSWER_LATE,   /* it is there and does not answer */
    HOOK_ANSWER_FAILED, /* it answered with an error */
} HookAnswer;

/* Whether libvirt may go on. allow_when_absent is WhenAbsent=allow. */
bool hook_may_go_on(HookAct act, HookAnswer answer, bool allow_when_absent);

/*
 * The one line for who started the guest, without a newline: why it may not go on and what would help. reason is the
 * daemon's or the error's text, or NULL. Caller frees.
 */
char *hook_line(HookAnswer answer, const char *reason, uint64_t waited_sec);

/* What libvirt calls its hook with. */
typedef struct HookCall {
    const char *guest; /* uuid, or the name where that is not known */
    const char *operation;
    const char *suboperation;
    const char *extra;
    const char *xml; /* "" for none */
} HookCall;

/* How long a daemon that is not there is waited for. */
typedef struct HookPatience {
    uint64_t absent_usec; /* from the beginning, when nobody is there */
    bool lost;            /* when it goes away before it answers: to the end, and asked again */
} HookPatience;

/*
 * Asks or tells dynmemd, until deadline_usec (monotonic) at the latest; not again once the process that started this one, libvirtd, has
 * ended. All texts must be valid UTF-8. *reason is the text that came with the answer, or NULL; caller frees.
 */
HookAnswer hook_ask(const HookCall *call, int64_t deadline_usec, const HookPatience *patience, char **reason);

/*
 * All of it, for the words that libvirt calls its hook with (NAME OPERATION SUBOPERATION EXTRA), maybe after
 * --config=FILE and --. Returns the exit status: 0, or 1 for a refusal, with its line on stderr. Nothing is ever printed on
 * stdout, which libvirt reads as other XML. May end the process itself when the time is over.
 */
int hook_run(char **words);
