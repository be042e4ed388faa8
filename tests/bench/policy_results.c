/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy_results.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double
run_measure(const Run *run, size_t policy, Measure measure)
{
    const Figures *figures = &run->figures[policy];

    switch (measure) {
    case MEASURE_UNMET:
        return figures->unmet_gib_sec;
    case MEASURE_RATIO:
        return figures->unmet_gib_sec / MAX(run->limit_gib_sec, run->floor_gib_sec);
    case MEASURE_CHANGES:
        return figures->changes;
    case MEASURE_CHANGES_RATIO:
        return figures->changes / MAX(run->follow_changes, FLOOR_CHANGES);
    case MEASURE_WAIT:
    default:
        return figures->wait_sec;
    }
}

static int
compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return a < b ? -1 : a > b;
}

double
results_at(const Results *results, size_t policy, Measure measure, double part)
{
    g_autofree double *values = g_new(double, results->run_count);
    double at = (double)(results->run_count - 1) * part;
    size_t below = (size_t)at;
    size_t above = MIN(below + 1, results->run_count - 1);

    for (size_t i = 0; i < results->run_count; i++)
        values[i] = run_measure(&results->runs[i], policy, measure);
    qsort(values, results->run_count, sizeof *values, compare);
    if (at <= (double)below || values[below] == values[above])
        return values[below];
    return values[below] + (values[above] - values[below]) * (at - (double)below);
}

void
results_print_head(void)
{
    printf("%-14s %-10s %19s %17s %17s %17s\n", "", "", "unmet, GiB*s", "to the limit", "changes/10 min",
           "whole after, s");
    printf("%-14s %-10s %9s %9s %8s %8s %8s %8s %8s %8s\n", "family", "policy", "median", "worst", "median", "worst",
           "median", "worst", "median", "worst");
}

void
results_print(const Results *results)
{
    for (size_t policy = 0; policy < results->policy_count; policy++) {
        double wait = results_at(results, policy, MEASURE_WAIT, 0.5);

        printf("%-14s %-10s %9.2f %9.2f %8.2f %8.2f %8.1f %8.1f", policy == 0 ? family_name(results->family) : "",
               results->policies[policy]->name, results_at(results, policy, MEASURE_UNMET, 0.5),
               results_at(results, policy, MEASURE_UNMET, 1), results_at(results, policy, MEASURE_RATIO, 0.5),
               results_at(results, policy, MEASURE_RATIO, 1), results_at(results, policy, MEASURE_CHANGES, 0.5),
               results_at(results, policy, MEASURE_CHANGES, 1));
        if (wait == HUGE_VAL)
            printf(" %8s %8s", "never", "never");
        else if (wait >= 0)
            printf(" %8.1f %8.1f", wait, results_at(results, policy, MEASURE_WAIT, 1));
        printf("\n");
    }
}

static int
compare_rules(const void *left, const void *right)
{
    double a = ((const RuleLack *)left)->gib_sec;
    double b = ((const RuleLack *)right)->gib_sec;

    return a > b ? -1 : a < b;
}

static void
print_rules(const Results *results, size_t policy)
{
    RuleLack rules[RULES_MAX] = {{.rule = NULL}};

    for (size_t i = 0; i < results->run_count; i++) {
        const RuleLack *more = results->runs[i].figures[policy].rules;

        for (size_t j = 0; j < RULES_MAX && more[j].rule != NULL; j++) {
            for (size_t k = 0; k < RULES_MAX; k++) {
                if (rules[k].rule == NULL)
                    rules[k].rule = more[j].rule;
                if (strcmp(rules[k].rule, more[j].rule) != 0)
                    continue;
                rules[k].gib_sec += more[j].gib_sec;
                break;
            }
        }
    }
    qsort(rules, RULES_MAX, sizeof *rules, compare_rules);
    for (size_t i = 0; i < 4 && rules[i].rule != NULL && rules[i].gib_sec > 0; i++)
        printf("  %s %.1f", rules[i].rule, rules[i].gib_sec / (double)results->run_count);
}

void
results_print_causes(const Results *results)
{
    for (size_t policy = 0; policy < results->policy_count; policy++) {
        printf("%-14s %-10s", policy == 0 ? family_name(results->family) : "", results->policies[policy]->name);
        for (unsigned cause = 0; cause < LACK_CAUSES; cause++) {
            double sum = 0;

            for (size_t i = 0; i < results->run_count; i++)
                sum += results->runs[i].figures[policy].causes[cause];
            printf(" %s %8.1f ", lack_cause_name((LackCause)cause), sum / (double)results->run_count);
        }
        print_rules(results, policy);
        printf("\n");
    }
}

static void
print_wait(double wait)
{
    if (wait == HUGE_VAL || wait < 0)
        printf("null");
    else
        printf("%.2f", wait);
}

void
results_print_json(const Results *results, bool *first)
{
    for (size_t i = 0; i < results->run_count; i++) {
        const Run *run = &results->runs[i];

        for (size_t policy = 0; policy < results->policy_count; policy++) {
            const Figures *figures = &run->figures[policy];

            printf("%s\n{\"family\":\"%s\",\"seed\":%" PRIu64 ",\"guests\":%zu,\"capacityGiB\":%.2f,\"policy\":\"%s\"",
                   *first ? "" : ",", family_name(results->family), run->seed, run->guests, run->capacity_gib,
                   results->policies[policy]->name);
            printf(",\"unmetGiBs\":%.4f,\"limitGiBs\":%.4f,\"floorGiBs\":%.4f,\"unmetRatio\":%.4f,\"changes\":%.3f,"
                   "\"changesRatio\":%.4f,\"wholeAfterSec\":",
                   figures->unmet_gib_sec, run->limit_gib_sec, run->floor_gib_sec,
                   run_measure(run, policy, MEASURE_RATIO), figures->changes,
                   run_measure(run, policy, MEASURE_CHANGES_RATIO));
            print_wait(figures->wait_sec);
            for (unsigned cause = 0; cause < LACK_CAUSES; cause++)
                printf(",\"%sGiBs\":%.4f", lack_cause_name((LackCause)cause), figures->causes[cause]);
            printf("}");
            *first = false;
        }
    }
}
