/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs every named scenario, or those whose names are given, and prints what each shows and what came of it. */

#include "scenario_checks.h"

#include <stdio.h>
#include <string.h>

static bool
is_asked_for(const char *name, char **names)
{
    if (*names == NULL)
        return true;
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static bool
run(const ScenarioCheck *check)
{
    g_autoptr(SimScenario) scenario = scenario_load(check);
    g_autoptr(Trace) trace = trace_run(scenario);
    g_autofree char *wrong = scenario_verdict(check, trace);
    g_autofree char *sentence = scenario_sentence(check);
    uint64_t from = trace->seconds > 600 ? trace->seconds - 600 : 0;
    double changes = 0;

    for (size_t i = 0; i < trace->count; i++)
        changes += trace_changes(trace, i, from, trace->seconds);
    printf("%-4s %-22s unmet %8.1f GiB s, %5.1f changes a guest in the last ten minutes\n     %s\n",
           *wrong == '\0' ? "ok" : "FAIL", check->name, trace_unmet(trace, TRACE_ALL, 0, trace->seconds),
           changes / (double)trace->count, sentence != NULL ? sentence : "FAIL its file begins with no sentence");
    if (*wrong != '\0')
        printf("%s", wrong);
    return *wrong == '\0' && sentence != NULL;
}

/* Every file in the folder has its check. */
static bool
all_have_checks(void)
{
    const char *directory = g_getenv("SIM_SCENARIOS");
    g_autoptr(GDir) folder = g_dir_open(directory != NULL ? directory : "scenarios", 0, NULL);
    bool all = folder != NULL;

    for (const char *name = all ? g_dir_read_name(folder) : NULL; name != NULL; name = g_dir_read_name(folder)) {
        bool found = false;

        for (const ScenarioCheck *check = scenario_checks; check->name != NULL; check++)
            found |= g_str_has_prefix(name, check->name) && strcmp(name + strlen(check->name), ".ini") == 0;
        if (!found)
            printf("FAIL %s has no check\n", name);
        all &= found;
    }
    return all;
}

int
main(int argc, char **argv)
{
    bool good = all_have_checks();

    for (const ScenarioCheck *check = scenario_checks; check->name != NULL; check++)
        if (is_asked_for(check->name, argv + 1))
            good &= run(check);
    return good ? 0 : 1;
}
