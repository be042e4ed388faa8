/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's hook: what each of libvirt's moments comes to, for every state of the daemon. */

#include "cmocka_all.h"
#include "ctl/hook.h"

#include <string.h>

static const struct {
    const char *operation;
    const char *suboperation;
    HookAct act;
} moments[] = {
    {"prepare", "begin", HOOK_ACT_ASK},      {"restore", "begin", HOOK_ACT_ASK},
    {"migrate", "begin", HOOK_ACT_ASK},      {"started", "begin", HOOK_ACT_NOTE},
    {"stopped", "end", HOOK_ACT_NOTE},       {"release", "end", HOOK_ACT_NOTE},
    {"start", "begin", HOOK_ACT_PASS},       {"reconnect", "begin", HOOK_ACT_PASS},
    {"attach", "begin", HOOK_ACT_PASS},      {"prepare", "end", HOOK_ACT_PASS},
    {"migrate", "end", HOOK_ACT_PASS},       {"", "", HOOK_ACT_PASS},
    {"what-comes", "begin", HOOK_ACT_PASS},  {"Prepare", "begin", HOOK_ACT_PASS},
    {"reconnect", "prepare", HOOK_ACT_PASS},
};

static const HookAnswer answers[] = {HOOK_ANSWER_GRANTED, HOOK_ANSWER_REFUSED, HOOK_ANSWER_ABSENT,
                                     HOOK_ANSWER_LOST,    HOOK_ANSWER_LATE,    HOOK_ANSWER_FAILED};

static void
each_moment_of_libvirt_has_its_act(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(moments); i++)
        if (hook_act(moments[i].operation, moments[i].suboperation) != moments[i].act)
            fail_msg("%s %s", moments[i].operation, moments[i].suboperation);
}

static void
only_a_start_that_is_asked_for_can_be_vetoed(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(moments); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(answers); j++) {
            for (int allow = 0; allow <= 1; allow++) {
                bool goes_on = hook_may_go_on(moments[i].act, answers[j], allow != 0);
                bool expected = moments[i].act != HOOK_ACT_ASK || answers[j] == HOOK_ANSWER_GRANTED ||
                                (answers[j] != HOOK_ANSWER_REFUSED && allow != 0);

                if (goes_on != expected)
                    fail_msg("%s %s, answer %u, allow %d", moments[i].operation, moments[i].suboperation,
                             (unsigned)answers[j], allow);
            }
        }
    }
    /* said once more without the formula, for what would kill a guest */
    assert_true(hook_may_go_on(hook_act("reconnect", "begin"), HOOK_ANSWER_REFUSED, false));
    assert_true(hook_may_go_on(hook_act("started", "begin"), HOOK_ANSWER_ABSENT, false));
    assert_false(hook_may_go_on(HOOK_ACT_ASK, HOOK_ANSWER_REFUSED, true));
}

static void
a_refusal_is_one_line_that_says_what_would_help(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *line = hook_line(answers[i], "web\nneeds\tmore \033[31m", 33);

        assert_true(g_str_has_prefix(line, "dynmem: "));
        for (const char *p = line; *p != '\0'; p++)
            assert_true((unsigned char)*p >= ' ');
        if (answers[i] != HOOK_ANSWER_GRANTED && answers[i] != HOOK_ANSWER_REFUSED)
            assert_non_null(strstr(line, "WhenAbsent=refuse"));
    }
    {
        g_autofree char *line = hook_line(HOOK_ANSWER_REFUSED, " web needs 1 GiB; stop db ", 33);

        assert_string_equal(line, "dynmem: web needs 1 GiB; stop db");
    }
    {
        g_autofree char *line = hook_line(HOOK_ANSWER_LATE, NULL, 33);

        assert_non_null(strstr(line, "33 s"));
    }
    {
        g_autofree char *line = hook_line(HOOK_ANSWER_FAILED, "broken \xff text", 33);

        assert_true(g_utf8_validate(line, -1, NULL));
        assert_non_null(strstr(line, "broken"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_moment_of_libvirt_has_its_act),
        cmocka_unit_test(only_a_start_that_is_asked_for_can_be_vetoed),
        cmocka_unit_test(a_refusal_is_one_line_that_says_what_would_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
