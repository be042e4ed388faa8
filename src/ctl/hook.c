/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook.h"

#include <string.h>

HookAct
hook_act(const char *operation, const char *suboperation)
{
    static const struct {
        const char *operation;
        const char *suboperation;
        HookAct act;
    } acts[] = {
        {"prepare", "begin", HOOK_ACT_ASK},  {"restore", "begin", HOOK_ACT_ASK}, {"migrate", "begin", HOOK_ACT_ASK},
        {"started", "begin", HOOK_ACT_NOTE}, {"stopped", "end", HOOK_ACT_NOTE},  {"release", "end", HOOK_ACT_NOTE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(acts); i++)
        if (strcmp(acts[i].operation, operation) == 0 && strcmp(acts[i].suboperation, suboperation) == 0)
            return acts[i].act;
    return HOOK_ACT_PASS;
}

bool
hook_may_go_on(HookAct act, HookAnswer answer, bool allow_when_absent)
{
    if (act != HOOK_ACT_ASK || answer == HOOK_ANSWER_GRANTED)
        return true;
    return answer != HOOK_ANSWER_REFUSED && allow_when_absent;
}

/* text without what would break the line or steer a terminal; caller frees. */
static char *
one_line(const char *text)
{
    char *line = g_utf8_make_valid(text, -1);

    for (char *p = line; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    return g_strstrip(line);
}

char *
hook_line(HookAnswer answer, const char *reason, uint64_t waited_sec)
{
    static const char setting[] = "WhenAbsent=refuse in dynmemd.conf forbids starts without it";
    g_autofree char *clean = one_line(reason != NULL ? reason : "no reason was given");

    switch (answer) {
    case HOOK_ANSWER_ABSENT:
        return g_strdup_printf(
            "dynmem: dynmemd does not run, and %s; 'systemctl start dynmemd' starts it, WhenAbsent=allow lets guests "
            "start without it",
            setting);
    case HOOK_ANSWER_LOST:
        return g_strdup_printf("dynmem: dynmemd ended while it looked for memory, and %s; start the guest again once "
                               "'systemctl start dynmemd' has started it",
                               setting);
    case HOOK_ANSWER_LATE:
        return g_strdup_printf("dynmem: dynmemd has not answered for %" G_GUINT64_FORMAT
                               " s, and %s; 'systemctl restart dynmemd' may help, its journal tells why",
                               waited_sec, setting);
    case HOOK_ANSWER_FAILED:
        return g_strdup_printf("dynmem: dynmemd could not be asked: %s; %s", clean, setting);
    case HOOK_ANSWER_GRANTED:
    case HOOK_ANSWER_REFUSED:
    default:
        return g_strdup_printf("dynmem: %s", clean);
    }
}
