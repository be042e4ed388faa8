/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every named scenario is run by the real engine, and what is told of it is read as an administrator would: whole
 * sentences, what begins also ends, and nothing is told again and again.
 */

#include "cmocka_all.h"
#include "report/changes.h"
#include "report/held_tick.h"
#include "sim/sim.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

/* Records of one guest and kind in a minute; more would be a flood. */
#define MANY 32
/* Ticks in a row in which the same is told in the same words: two targets may look alike. */
#define AGAIN 2

/* What was told of a guest. */
typedef struct Told {
    uint64_t second; /* the last time, or since when it is counted */
    unsigned count;
} Told;

typedef struct Run {
    const char *file;
    Changes *changes;
    HeldTick *held;
    unsigned told[CHANGE_KIND_COUNT];
    GHashTable *files; /* uuids of guests whose file was told */
    GHashTable *words; /* uuid and message -> Told, in ticks in a row */
    GHashTable *kinds; /* uuid and kind -> Told, in this minute */
    GString *wrong;
} Run;

static void
complain(Run *run, const SimStep *step, const Change *change, const char *what)
{
    g_string_append_printf(run->wrong, "%s, second %" G_GUINT64_FORMAT ", %s: %s\n", run->file, step->second, what,
                           change->message);
}

static void
check_sentence(Run *run, const SimStep *step, const Change *change)
{
    const char *text = change->message;

    if (!g_ascii_isupper(text[0]) || !g_str_has_suffix(text, ".") || strstr(text, "..") != NULL ||
        strstr(text, "(null)") != NULL || strchr(text, '\n') != NULL)
        complain(run, step, change, "no whole sentence");
    if (strstr(text, ". 0 KiB are booked for it.") != NULL)
        complain(run, step, change, "books nothing");
}

static Told *
find_told(GHashTable *table, const Change *change, const char *what)
{
    g_autofree char *key = g_strconcat(change->uuid, " ", what, NULL);
    Told *told = g_hash_table_lookup(table, key);

    if (told == NULL) {
        told = g_new0(Told, 1);
        g_hash_table_insert(table, g_steal_pointer(&key), told);
    }
    return told;
}

static void
check_words(Run *run, const SimStep *step, const Change *change)
{
    Told *told = find_told(run->words, change, change->message);

    told->count = told->count > 0 && step->second == told->second + 1 ? told->count + 1 : 1;
    told->second = step->second;
    if (told->count > AGAIN)
        complain(run, step, change, "told in each tick");
}

/* "journalctl DYNMEM_GUEST=web" is to find it, and to be understood. */
static void
check_guest(Run *run, const SimStep *step, const Change *change)
{
    if ((change->uuid[0] == '\0') != (change->name[0] == '\0'))
        complain(run, step, change, "whose is it?");
    else if (strstr(change->message, change->name) == NULL)
        complain(run, step, change, "does not name its guest");
}

static void
check_kind(Run *run, const SimStep *step, const Change *change)
{
    Told *told = find_told(run->kinds, change, change_kind_name(change->kind));

    if (step->second >= told->second + 60)
        *told = (Told){.second = step->second};
    if (++told->count == MANY + 1)
        complain(run, step, change, "told again and again");
}

static void
check_order(Run *run, const SimStep *step, const Change *change)
{
    bool file = g_hash_table_contains(run->files, change->uuid);

    if (change->kind == CHANGE_PAGING_STARTED) {
        if (file)
            complain(run, step, change, "a second file");
        g_hash_table_add(run->files, g_strdup(change->uuid));
    } else if (change->kind == CHANGE_PAGING_ENDED) {
        if (!g_hash_table_remove(run->files, change->uuid))
            complain(run, step, change, "no file");
    } else if (change->kind == CHANGE_PAGING_HARDER || change->kind == CHANGE_PAGING_HARDEST ||
               change->kind == CHANGE_PAGING_OVERDUE || change->kind == CHANGE_PAGING_STUCK) {
        if (!file)
            complain(run, step, change, "no file");
    }
}

static bool
look(void *user_data, const SimStep *step)
{
    Run *run = user_data;
    const GPtrArray *list = changes_compare(run->changes, held_tick_report(run->held), step->tick);

    for (unsigned i = 0; i < list->len; i++) {
        const Change *change = g_ptr_array_index(list, i);

        if (g_getenv("SHOW_CHANGES") != NULL)
            g_printerr("%s %4" G_GUINT64_FORMAT " %-20s %s\n", run->file, step->second, change_kind_name(change->kind),
                       change->message);
        run->told[change->kind]++;
        check_words(run, step, change);
        check_guest(run, step, change);
        check_kind(run, step, change);
        check_sentence(run, step, change);
        check_order(run, step, change);
    }
    held_tick_update(run->held, step->tick);
    return true;
}

static void
what_is_told_is_whole_and_in_order_in_every_scenario(void **state)
{
    const char *directory = getenv("SIM_SCENARIOS");
    g_autoptr(GDir) files = NULL;
    g_autoptr(GString) wrong = g_string_new(NULL);
    unsigned told[CHANGE_KIND_COUNT] = {0};
    const char *name;

    assert_non_null(directory);
    files = g_dir_open(directory, 0, NULL);
    assert_non_null(files);
    while ((name = g_dir_read_name(files)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autoptr(SimScenario) scenario = sim_scenario_load(path, NULL);
        g_autoptr(Changes) changes = changes_new();
        g_autoptr(HeldTick) held = held_tick_new();
        g_autoptr(GHashTable) paging = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GHashTable) kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        SimSummary summary = {0};
        Run run = {.file = name,
                   .changes = changes,
                   .held = held,
                   .files = paging,
                   .words = words,
                   .kinds = kinds,
                   .wrong = wrong};

        assert_non_null(scenario);
        sim_run(scenario, look, &run, &summary);
        sim_summary_clear(&summary);
        for (ChangeKind kind = 0; kind < CHANGE_KIND_COUNT; kind++)
            told[kind] += run.told[kind];
    }
    if (wrong->len > 0)
        fail_msg("%s", wrong->str);
    /* or the scenarios would prove nothing */
    assert_true(told[CHANGE_START_WAITING] > 0 && told[CHANGE_START_ADMITTED] > 0 && told[CHANGE_START_REFUSED] > 0);
    assert_true(told[CHANGE_PAGING_STARTED] > 0 && told[CHANGE_PAGING_ENDED] > 0 && told[CHANGE_PAGING_REFUSED] > 0);
    assert_true(told[CHANGE_GUEST_RESTARTED] > 0 && told[CHANGE_PAGING_OVERDUE] > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_whole_and_in_order_in_every_scenario),
    };

    return cmocka_run_group_tests_name("changes in runs", tests, NULL, NULL);
}
