/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How well dynmem shares memory, on loads that nobody can tune to: each run draws its own from a fresh seed. The host, its
 * guests and their loads are the bench's own; of dynmem it uses decide() alone, and whatever else divides memory runs on
 * the very same loads. The measure is what guests lacked of the memory they needed, in GiB times seconds, beside what an
 * allocator would have lacked that sees every need at once and moves the same balloons.
 *
 *   bench_policy                          all families and policies, one fresh seed
 *   bench_policy --seeds 5 --family tails       five seeds of the families whose names begin so
 *   bench_policy --family mixed-tight --seed 4711 --policy dynmem --causes     what its guests waited for
 *   bench_policy --family mixed-tight --seed 4711 --policy dynmem --trace 3    ... guest 3, second by second
 *   bench_policy --check                  fails where the medians are above tests/bench/policy-bounds
 */

#include "decide/faults.h"
#include "policy_results.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * --check draws a few seeds a family, to be quick. By chance they may be unlike most: a family that misses its bound is
 * looked at with more, and fails when it misses it with all of them, or by far.
 */
static const size_t check_seeds[] = {3, 12, 40};
#define FAR 2

/* A limit that a policy beats by more than chance is none. Chance, as GiB*s a guest. */
#define BEATEN_PART 1.02
#define BEATEN_GIB_SEC 0.02

static const Policy *const all_policies[] = {&policy_dynmem, &policy_reference, &policy_proxmox, &policy_mom,
                                             &policy_static, &policy_late,      &policy_limit,   &policy_ahead};

typedef struct Options {
    uint64_t seed;
    int seeds;
    char *family;
    char *policy;
    bool check;
    bool json;
    bool causes;
    bool propose;
    WorldTerms terms;
    const Policy *policies[POLICIES_MAX];
    size_t policy_count;
    const char *bounds; /* its file */
} Options;

typedef struct Bound {
    double unmet;
    double changes;
    double wait_sec; /* where something is waited for */
} Bound;

static bool beaten; /* a limit was */

/* The best of all ways that a policy can be tried in. */
static void
run_policy(const Load *load, const Policy *policy, const WorldTerms *terms, Figures *best, double *follow_changes)
{
    double wait = HUGE_VAL;

    for (unsigned variant = 0; variant < policy->variants; variant++) {
        Figures figures;

        world_run(load, policy, variant, terms, &figures);
        if (variant == POLICY_FOLLOW && follow_changes != NULL)
            *follow_changes = figures.changes;
        wait = MIN(wait, figures.wait_sec);
        if (variant == 0 || figures.unmet_gib_sec < best->unmet_gib_sec)
            *best = figures;
    }
    best->wait_sec = wait;
}

/*
 * Whether it is less than can be had: less than the limit comes to, and than one that sees ahead. A buffer that happens to be
 * where need comes to be is as good as knowing of it.
 */
static bool
is_beaten(const Load *load, const Run *run, double unmet_gib_sec)
{
    WorldTerms quiet = {.trace = false};
    double bar = unmet_gib_sec * BEATEN_PART + BEATEN_GIB_SEC * (double)run->guests;
    Figures ahead = {0};

    if (bar >= run->limit_gib_sec)
        return false;
    run_policy(load, &policy_ahead, &quiet, &ahead, NULL);
    return bar < ahead.unmet_gib_sec;
}

static void
run_seed(const Options *options, const Family *family, uint64_t seed, Run *run)
{
    WorldTerms quiet = {.trace = false};
    Load load = {.guests = NULL};
    Figures limit = {0};

    load_draw(family, seed, &load);
    *run = (Run){
        .seed = seed, .guests = load.guest_count, .capacity_gib = (double)load.capacity_kib / (double)KIB_PER_GIB};
    run_policy(&load, &policy_limit, &quiet, &limit, &run->follow_changes);
    run->limit_gib_sec = limit.unmet_gib_sec;
    run->floor_gib_sec = load_rises(&load) * FLOOR_SEC + FLOOR_GIB_SEC * (double)load.guest_count;
    for (size_t i = 0; i < options->policy_count; i++) {
        const Policy *policy = options->policies[i];

        if (policy == &policy_limit)
            run->figures[i] = limit;
        else
            run_policy(&load, policy, &options->terms, &run->figures[i], NULL);
        if (policy->is_limit || !is_beaten(&load, run, run->figures[i].unmet_gib_sec))
            continue;
        beaten = true;
        fprintf(stderr, "%s: the limit's unmet of %.2f GiB*s is beaten by %s with %.2f; seed %" PRIu64 "\n",
                family_name(family), run->limit_gib_sec, policy->name, run->figures[i].unmet_gib_sec, seed);
    }
    load_clear(&load);
}

/* Adds runs until there are `seeds` of them. */
static void
run_family(const Options *options, const Family *family, size_t seeds, Results *results)
{
    results->family = family;
    results->policies = options->policies;
    results->policy_count = options->policy_count;
    results->runs = g_renew(Run, results->runs, seeds);
    for (; results->run_count < seeds; results->run_count++)
        run_seed(options, family, options->seed + results->run_count, &results->runs[results->run_count]);
}

static bool
is_chosen(const Options *options, const Family *family)
{
    return options->family == NULL || g_str_has_prefix(family_name(family), options->family);
}

/* ---- to look at ---- */

static void
show(const Options *options)
{
    bool first = true;

    if (options->json)
        printf("{\"runs\":[");
    else
        printf("seeds %" PRIu64 " to %" PRIu64 "\n", options->seed, options->seed + (uint64_t)options->seeds - 1);
    if (!options->json && !options->causes && !options->propose)
        results_print_head();
    for (size_t i = 0; family_get(i) != NULL; i++) {
        Results results = {.runs = NULL};

        if (!is_chosen(options, family_get(i)))
            continue;
        run_family(options, family_get(i), (size_t)options->seeds, &results);
        if (options->json)
            results_print_json(&results, &first);
        else if (options->causes)
            results_print_causes(&results);
        else if (options->propose)
            printf("%-14s %8.2f %8.3f\n", family_name(results.family),
                   results_at(&results, 0, MEASURE_RATIO, 0.5) * 1.3,
                   results_at(&results, 0, MEASURE_CHANGES_RATIO, 0.5) * 1.3);
        else
            results_print(&results);
        fflush(stdout);
        g_free(results.runs);
    }
    if (options->json)
        printf("\n]}\n");
}

/* ---- the check ---- */

/* A line a family: its name and its bounds, the last one only where something is waited for. */
static bool
find_bound(const char *text, const Family *family, Bound *bound)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (size_t i = 0; lines[i] != NULL; i++) {
        char name[64];

        bound->wait_sec = HUGE_VAL;

        if (lines[i][0] != '#' &&
            sscanf(lines[i], "%63s %lf %lf %lf", name, &bound->unmet, &bound->changes, &bound->wait_sec) >= 3 &&
            strcmp(name, family_name(family)) == 0)
            return true;
    }
    return false;
}

/* By how much the medians are above their bounds: 1 is just within. */
static double
excess(const Results *results, const Bound *bound)
{
    double unmet = results_at(results, 0, MEASURE_RATIO, 0.5) / bound->unmet;
    double changes = results_at(results, 0, MEASURE_CHANGES_RATIO, 0.5) / bound->changes;
    double wait = results_at(results, 0, MEASURE_WAIT, 0.5);

    return MAX(MAX(unmet, changes), wait > bound->wait_sec ? wait / bound->wait_sec : 0);
}

static bool
check_family(const Options *options, const Family *family, const Bound *bound)
{
    Results results = {.runs = NULL};
    bool within = false;

    for (size_t stage = 0; stage < G_N_ELEMENTS(check_seeds) && !within; stage++) {
        if (stage > 1 && excess(&results, bound) > FAR)
            break;
        run_family(options, family, check_seeds[stage], &results);
        within = excess(&results, bound) <= 1;
    }
    printf("%s %-14s unmet %6.2f of %6.2f  changes %6.3f of %6.3f  seeds %2zu\n", within ? "ok  " : "FAIL",
           family_name(family), results_at(&results, 0, MEASURE_RATIO, 0.5), bound->unmet,
           results_at(&results, 0, MEASURE_CHANGES_RATIO, 0.5), bound->changes, results.run_count);
    if (bound->wait_sec != HUGE_VAL)
        printf("     %-14s whole after %.1f s of %.1f\n", family_name(family),
               results_at(&results, 0, MEASURE_WAIT, 0.5), bound->wait_sec);
    if (!within) {
        for (size_t i = 0; i < results.run_count; i++)
            printf("     seed %" PRIu64
                   ": %3zu guests on %6.1f GiB, unmet %.2f GiB*s, the limit's %.2f, floor %.2f: %.2f; %.1f "
                   "changes, %.3f of one that follows\n",
                   results.runs[i].seed, results.runs[i].guests, results.runs[i].capacity_gib,
                   run_measure(&results.runs[i], 0, MEASURE_UNMET), results.runs[i].limit_gib_sec,
                   results.runs[i].floor_gib_sec, run_measure(&results.runs[i], 0, MEASURE_RATIO),
                   run_measure(&results.runs[i], 0, MEASURE_CHANGES),
                   run_measure(&results.runs[i], 0, MEASURE_CHANGES_RATIO));
        printf("     again: bench_policy --family %s --seed %" PRIu64 " --seeds %zu\n", family_name(family),
               options->seed, results.run_count);
    }
    fflush(stdout);
    g_free(results.runs);
    return within;
}

static bool
check(Options *options)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    bool good = true;

    if (!g_file_get_contents(options->bounds, &text, NULL, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return false;
    }
    options->policies[0] = &policy_dynmem;
    options->policy_count = 1;
    printf("seed %" PRIu64 "; medians, as multiples of what the limits come to\n", options->seed);
    for (size_t i = 0; family_get(i) != NULL; i++) {
        Bound bound;

        if (!is_chosen(options, family_get(i)))
            continue;
        if (!find_bound(text, family_get(i), &bound)) {
            printf("FAIL %-14s has no line in %s\n", family_name(family_get(i)), options->bounds);
            good = false;
            continue;
        }
        good = check_family(options, family_get(i), &bound) && good;
    }
    return good;
}

/* ---- what was asked for ---- */

static bool
choose_policies(Options *options)
{
    for (size_t i = 0; i < G_N_ELEMENTS(all_policies); i++) {
        if (options->policy == NULL || strcmp(options->policy, all_policies[i]->name) == 0)
            options->policies[options->policy_count++] = all_policies[i];
    }
    return options->policy_count > 0;
}

static bool
family_exists(const Options *options)
{
    for (size_t i = 0; family_get(i) != NULL; i++) {
        if (is_chosen(options, family_get(i)))
            return true;
    }
    return false;
}

static void
list_all(void)
{
    for (size_t i = 0; family_get(i) != NULL; i++)
        printf("family %-14s %s\n", family_name(family_get(i)), family_what(family_get(i)));
    for (size_t i = 0; i < G_N_ELEMENTS(all_policies); i++)
        printf("policy %-14s %s\n", all_policies[i]->name, all_policies[i]->what);
}

int
main(int argc, char **argv)
{
    Options options = {.seeds = 1, .bounds = POLICY_BOUNDS};
    gint64 seed = -1;
    gint trace = -2;
#ifdef DYNMEM_BREAK_RULES
    gint fault = FAULT_NONE;
#endif
    gboolean check_asked = FALSE;
    gboolean json = FALSE;
    gboolean causes = FALSE;
    gboolean propose = FALSE;
    gboolean list = FALSE;
    const GOptionEntry entries[] = {
        {"seeds", 0, 0, G_OPTION_ARG_INT, &options.seeds, "How many runs of each family", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "The first one's seed; from the clock unless given", "S"},
        {"family", 0, 0, G_OPTION_ARG_STRING, &options.family, "Families whose names begin so", "NAME"},
        {"policy", 0, 0, G_OPTION_ARG_STRING, &options.policy, "This policy alone", "NAME"},
        {"causes", 0, 0, G_OPTION_ARG_NONE, &causes, "What guests waited for, GiB*s a run", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "All runs as one JSON document", NULL},
        {"check", 0, 0, G_OPTION_ARG_NONE, &check_asked, "Compare with the bounds", NULL},
        {"propose", 0, 0, G_OPTION_ARG_NONE, &propose, "Lines of the bounds: 1.3 times the first policy's medians",
         NULL},
        {"list", 0, 0, G_OPTION_ARG_NONE, &list, "Families and policies", NULL},
        {"trace", 0, 0, G_OPTION_ARG_INT, &trace, "A line a second of this guest; -1: of all", "GUEST"},
#ifdef DYNMEM_BREAK_RULES
        {"break", 0, 0, G_OPTION_ARG_INT, &fault, "Without the rule of this number in src/decide/faults.h", "NUMBER"},
#endif
        {.long_name = NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    bool good = true;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "%s\n", error != NULL ? error->message : "unknown argument");
        return 2;
    }
#ifdef DYNMEM_BREAK_RULES
    rules_break((Fault)fault);
#endif
    options.seed = seed >= 0 ? (uint64_t)seed : (uint64_t)g_get_real_time() % 100000000;
    options.json = json;
    options.causes = causes;
    options.propose = propose;
    options.terms = (WorldTerms){.trace = trace >= -1, .trace_guest = trace < 0 ? SIZE_MAX : (size_t)trace};
    if (list) {
        list_all();
    } else if (options.seeds < 1 || !choose_policies(&options) || !family_exists(&options)) {
        fprintf(stderr, "no such family or policy, or no seeds; see --list\n");
        return 2;
    } else if (check_asked) {
        good = check(&options);
    } else {
        show(&options);
    }
    g_free(options.family);
    g_free(options.policy);
    return good && !beaten ? 0 : 1;
}
