/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "config/config.h"
#include "config/config_file.h"
#include "config/config_keys.h"
#include "error.h"
#include "units.h"

#include <ftw.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Fixture {
    char *root;
    Settings *settings;
    GPtrArray *problems;
} Fixture;

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

/* The files of a test are in one folder of the build's, emptied before as well: a test may have been interrupted. */
static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->root = g_strdup(TEST_WORK);
    nftw(f->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    g_mkdir_with_parents(f->root, 0700);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    nftw(f->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    g_free(f->root);
    settings_free(f->settings);
    g_clear_pointer(&f->problems, g_ptr_array_unref);
    g_free(f);
    return 0;
}

static char *
place(Fixture *f, const char *path)
{
    char *full = g_build_filename(f->root, path, NULL);
    g_autofree char *directory = g_path_get_dirname(full);

    g_mkdir_with_parents(directory, 0700);
    return full;
}

static void
put(Fixture *f, const char *path, const char *text)
{
    g_autofree char *full = place(f, path);

    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static Settings *
load(Fixture *f, const char *file)
{
    settings_free(f->settings);
    g_clear_pointer(&f->problems, g_ptr_array_unref);
    f->settings = config_load(f->root, file, &f->problems);
    return f->settings;
}

static const ConfigProblem *
problem(const Fixture *f, guint i)
{
    assert_true(i < f->problems->len);
    return g_ptr_array_index(f->problems, i);
}

static void
assert_problem(const Fixture *f, guint i, const char *file, unsigned line, const char *part)
{
    const ConfigProblem *p = problem(f, i);

    assert_true(g_str_has_suffix(p->file, file));
    assert_int_equal(p->line, line);
    if (strstr(p->message, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", p->message, part);
}

static void
without_any_file_the_defaults_are_in_force(void **state)
{
    Fixture *f = *state;
    g_autoptr(Settings) defaults = settings_new();
    size_t count;
    const ConfigKey *keys = config_keys(&count);

    load(f, NULL);
    assert_int_equal(f->problems->len, 0);
    for (size_t i = 0; i < count; i++) {
        g_autofree char *got = config_key_format(&keys[i], f->settings);
        g_autofree char *expected = config_key_format(&keys[i], defaults);

        assert_string_equal(got, expected);
    }
}

static void
every_key_is_read(void **state)
{
    Fixture *f = *state;
    Settings *s;

    put(f, "etc/dynmem/dynmemd.conf",
        "[Host]\nReserve=3GiB\nBudget = 16 GiB \n[Policy]\nManage=all\nBuffer=30\nPriority=60\nPriorityMost=80\n"
        "MinimumMost=8GiB\nCacheShare=25%\n"
        "GiveAway=on\nInterval=500ms\n[SmartPaging]\nEnabled=false\nDirectory=/srv//paging/\nDeadlineSec=1min 30s\n"
        "RestartWindowSec=90\nMinimumFreeDisk=10GiB\n[Admission]\nEnabled=0\nTimeoutSec=5\nWhenAbsent="
        "refuse\nMigration=refuse\n"
        "[Enforcement]\nMemoryHigh=No\n"
        "[Cluster]\nLevel=Confirm\nPressurePercent=120%\nGainPercent=5\nHoldSec=1min\nCooldownSec=2h\n");
    s = load(f, NULL);
    assert_int_equal(f->problems->len, 0);
    assert_int_equal(s->reserve_kib, 3 * KIB_PER_GIB);
    assert_int_equal(s->budget_kib, 16 * KIB_PER_GIB);
    assert_true(s->manage_all);
    assert_int_equal(s->buffer_percent, 30);
    assert_int_equal(s->priority, 60);
    assert_int_equal(s->priority_most, 80);
    assert_int_equal(s->minimum_most.kib, 8 * KIB_PER_GIB);
    assert_int_equal(s->minimum_most.percent, 0);
    assert_int_equal(s->cache_share_percent, 25);
    assert_true(s->give_away);
    assert_int_equal(s->interval_usec, 500 * USEC_PER_MSEC);
    assert_false(s->paging_enabled);
    assert_string_equal(s->paging_directory, "/srv/paging");
    assert_int_equal(s->paging_deadline_usec, 90 * USEC_PER_SEC);
    assert_int_equal(s->restart_window_usec, 90 * USEC_PER_SEC);
    assert_int_equal(s->minimum_free_disk_kib, 10 * KIB_PER_GIB);
    assert_false(s->admission_enabled);
    assert_int_equal(s->admission_timeout_usec, 5 * USEC_PER_SEC);
    assert_false(s->admission_allow_when_absent);
    assert_true(s->admission_refuse_migration);
    assert_false(s->memory_high);
    assert_int_equal(s->cluster_level, CLUSTER_LEVEL_CONFIRM);
    assert_int_equal(s->cluster_pressure_percent, 120);
    assert_int_equal(s->cluster_gain_percent, 5);
    assert_int_equal(s->cluster_hold_usec, 60 * USEC_PER_SEC);
    assert_int_equal(s->cluster_cooldown_usec, 7200 * USEC_PER_SEC);
}

static void
words_and_percents_out_of_range_are_told_with_what_is_expected(void **state)
{
    Fixture *f = *state;
    Settings *s;

    put(f, "etc/dynmem/dynmemd.conf", "[Cluster]\nLevel=always\nGainPercent=0\nLevel=manual\n");
    s = load(f, NULL);
    assert_int_equal(f->problems->len, 2);
    assert_int_equal(s->cluster_level, CLUSTER_LEVEL_MANUAL);
    assert_int_equal(s->cluster_gain_percent, 10);
    assert_non_null(strstr(((ConfigProblem *)g_ptr_array_index(f->problems, 0))->message, "confirm"));
    assert_non_null(strstr(((ConfigProblem *)g_ptr_array_index(f->problems, 1))->message, "1%"));
}

static void
bad_lines_are_told_with_their_place_and_the_rest_is_in_force(void **state)
{
    Fixture *f = *state;
    Settings *s;

    put(f, "etc/dynmem/dynmemd.conf",
        "\xef\xbb\xbf# a comment\n"                   /* 1 */
        "Buffer=5\n"                                  /* 2 */
        "[Policy]\n"                                  /* 3 */
        "; another\r\n"                               /* 4 */
        "Interval=fast\r\n"                           /* 5 */
        "Buffer=7\r\n"                                /* 6 */
        "Priorty=9\n"                                 /* 7 */
        "buffer=8\n"                                  /* 8 */
        "Budget=1GiB\n"                               /* 9 */
        "Something=1\n"                               /* 10 */
        "no assignment\n"                             /* 11 */
        "Interval=0.1s\n"                             /* 12 */
        "[Polcy]\n"                                   /* 13 */
        "Buffer=99\n"                                 /* 14: told once, with its group */
        "[X-Other]\nAnything=1\n"                     /* 15, 16 */
        "[Policy\nBuffer=98\n"                        /* 17, 18 */
        "[Host]\nReserve=\xff\n"                      /* 19, 20 */
        "Reserve=12\n"                                /* 21 */
        "X-Mine=1\nBudget=100B\n"                     /* 22, 23 */
        "# \\\nReserve=5\\\n# between\nGiB\n"         /* 24 to 27 */
        "[SmartPaging]\nDirectory=paging\nEnabled="); /* 28, 29, 30 */
    s = load(f, NULL);
    assert_problem(f, 0, "/etc/dynmem/dynmemd.conf", 2, "before the first group");
    assert_problem(f, 1, "dynmemd.conf", 5, "Interval=: 'fast' is no span of time; expected");
    assert_problem(f, 2, "dynmemd.conf", 7, "there is no key Priorty= in [Policy]; Priority= was probably meant");
    assert_problem(f, 3, "dynmemd.conf", 8, "there is no key buffer= in [Policy]; Buffer= was probably meant");
    assert_problem(f, 4, "dynmemd.conf", 9, "there is no key Budget= in [Policy]; it belongs in [Host]");
    assert_problem(f, 5, "dynmemd.conf", 10, "there is no key Something= in [Policy]");
    assert_problem(f, 6, "dynmemd.conf", 11, "'no assignment' is neither a group nor Key=value");
    assert_problem(f, 7, "dynmemd.conf", 12, "Interval=: '0.1s' is out of range; expected 200ms to 1min");
    assert_problem(f, 8, "dynmemd.conf", 13, "there is no group [Polcy]; [Policy] was probably meant");
    assert_problem(f, 9, "dynmemd.conf", 17, "this is no group; expected [Name]");
    assert_problem(f, 10, "dynmemd.conf", 20, "not UTF-8");
    assert_problem(f, 11, "dynmemd.conf", 21, "Reserve=: '12' has no unit; a size is");
    assert_problem(f, 11, "dynmemd.conf", 21, ", or auto");
    assert_problem(f, 12, "dynmemd.conf", 23, "Budget=: '100B' is out of range");
    assert_problem(f, 13, "dynmemd.conf", 29, "Directory=: 'paging' is not an absolute path");
    assert_int_equal(f->problems->len, 14);
    assert_int_equal(s->buffer_percent, 7);
    assert_int_equal(s->interval_usec, USEC_PER_SEC);
    assert_int_equal(s->priority, 50);
    assert_int_equal(s->reserve_kib, 5 * KIB_PER_GIB);
    assert_int_equal(s->budget_kib, SETTINGS_BUDGET_NONE);
    assert_true(s->paging_enabled);
}

static void
of_the_main_files_the_first_is_read(void **state)
{
    Fixture *f = *state;
    g_autofree char *etc = place(f, "etc/dynmem/dynmemd.conf");

    put(f, "usr/lib/dynmem/dynmemd.conf", "[Policy]\nBuffer=3\nPriority=3\n");
    assert_int_equal(load(f, NULL)->buffer_percent, 3);
    put(f, "run/dynmem/dynmemd.conf", "[Policy]\nBuffer=2\n");
    assert_int_equal(load(f, NULL)->buffer_percent, 2);
    assert_int_equal(f->settings->priority, 50);
    put(f, "etc/dynmem/dynmemd.conf", "[Policy]\nBuffer=1\n");
    assert_int_equal(load(f, NULL)->buffer_percent, 1);
    g_remove(etc);
    assert_int_equal(symlink("/dev/null", etc), 0); /* masks the other two */
    assert_int_equal(load(f, NULL)->buffer_percent, 20);
    assert_int_equal(f->problems->len, 0);
}

static void
drop_ins_are_merged_by_name_and_applied_in_order(void **state)
{
    Fixture *f = *state;
    g_autofree char *mask = place(f, "etc/dynmem/dynmemd.conf.d/30-c.conf");

    put(f, "etc/dynmem/dynmemd.conf", "[Policy]\nBuffer=1\nPriority=1\nCacheShare=1\n[Host]\nReserve=1GiB\n");
    put(f, "usr/lib/dynmem/dynmemd.conf.d/10-a.conf", "[Policy]\nBuffer=10\n");
    put(f, "run/dynmem/dynmemd.conf.d/10-a.conf", "[Policy]\nPriority=11\n");       /* hides it */
    put(f, "usr/lib/dynmem/dynmemd.conf.d/20-b.conf", "[Policy]\nCacheShare=20\n"); /* after 10, before 50 */
    put(f, "etc/dynmem/dynmemd.conf.d/50-d.conf", "[Policy]\nCacheShare=50\nbad\n");
    put(f, "run/dynmem/dynmemd.conf.d/30-c.conf", "[Policy]\nBuffer=30\n"); /* masked */
    assert_int_equal(symlink("/dev/null", mask), 0);
    put(f, "etc/dynmem/dynmemd.conf.d/40-e.conf~", "[Policy]\nBuffer=40\n");
    put(f, "etc/dynmem/dynmemd.conf.d/60-folder.conf/x", "");
    put(f, "etc/dynmem/dynmemd.conf.d/.45.conf", "[Policy]\nBuffer=45\n");
    put(f, "usr/lib/dynmem/dynmemd.conf.d/70.conf", "[Host]\nReserve=\n"); /* back to the default */
    load(f, NULL);
    assert_int_equal(f->settings->buffer_percent, 1);
    assert_int_equal(f->settings->priority, 11);
    assert_int_equal(f->settings->cache_share_percent, 50);
    assert_int_equal(f->settings->reserve_kib, SETTINGS_RESERVE_AUTO);
    assert_int_equal(f->problems->len, 2);
    assert_problem(f, 0, "etc/dynmem/dynmemd.conf.d/50-d.conf", 3, "neither");
    assert_problem(f, 1, "60-folder.conf", 0, "is neither a file nor a link");
}

static void
a_file_by_name_has_its_own_drop_ins(void **state)
{
    Fixture *f = *state;
    g_autofree char *file = place(f, "my/own.conf");

    put(f, "etc/dynmem/dynmemd.conf", "[Policy]\nBuffer=1\nPriority=1\n");
    put(f, "etc/dynmem/dynmemd.conf.d/1.conf", "[Policy]\nCacheShare=1\n");
    load(f, file);
    assert_problem(f, 0, "my/own.conf", 0, "there is no such file");
    put(f, "my/own.conf", "[Policy]\nBuffer=2\n");
    put(f, "my/own.conf.d/1.conf", "[Policy]\nPriority=3\n");
    load(f, file);
    assert_int_equal(f->problems->len, 0);
    assert_int_equal(f->settings->buffer_percent, 2);
    assert_int_equal(f->settings->priority, 3);
    assert_int_equal(f->settings->cache_share_percent, 0);
}

static void
a_size_takes_the_place_of_a_percentage_and_the_other_way_round(void **state)
{
    g_autoptr(Settings) settings = settings_new();

    assert_true(config_set(settings, "Policy", "MinimumMost", "25%", NULL));
    assert_int_equal(settings->minimum_most.percent, 25);
    assert_true(config_set(settings, "Policy", "MinimumMost", "2GiB", NULL));
    assert_int_equal(settings->minimum_most.percent, 0);
    assert_int_equal(settings->minimum_most.kib, 2 * KIB_PER_GIB);
    assert_false(config_set(settings, "Policy", "MinimumMost", "much", NULL));
    assert_int_equal(settings->minimum_most.kib, 2 * KIB_PER_GIB);
}

/* What counts is what is in force when all files are read, whichever of the two keys comes first. */
static void
a_default_priority_above_the_cap_is_told(void **state)
{
    Fixture *f = *state;

    put(f, "etc/dynmem/dynmemd.conf", "[Policy]\nPriorityMost=40\n");
    put(f, "etc/dynmem/dynmemd.conf.d/1.conf", "[Policy]\nPriority=60\n");
    load(f, NULL);
    assert_int_equal(f->problems->len, 1);
    assert_problem(f, 0, "dynmemd.conf", 0, "Priority= is 60, above PriorityMost=, which is 40");
    put(f, "etc/dynmem/dynmemd.conf.d/2.conf", "[Policy]\nPriorityMost=60\n");
    load(f, NULL);
    assert_int_equal(f->problems->len, 0);
}

static void
files_that_are_too_large_or_garbage_do_no_harm(void **state)
{
    Fixture *f = *state;
    g_autofree char *large = g_strnfill((gsize)300 * 1024, '#');
    GString *garbage = g_string_new("[Policy]\n");

    put(f, "etc/dynmem/dynmemd.conf", large);
    load(f, NULL);
    assert_problem(f, 0, "dynmemd.conf", 0, "larger than 256 KiB");
    for (int i = 0; i < 5000; i++)
        g_string_append(garbage, "rubbish\n");
    g_string_append(garbage, "Buffer=5\n");
    put(f, "etc/dynmem/dynmemd.conf", garbage->str);
    g_string_free(garbage, TRUE);
    load(f, NULL);
    assert_int_equal(f->problems->len, 100);
    assert_problem(f, 99, "dynmemd.conf", 101, "too many problems");
    assert_int_equal(f->settings->buffer_percent, 5);
}

static void
a_zero_byte_spoils_its_own_line_only(void **state)
{
    Fixture *f = *state;
    static const char text[] = "[Policy]\nBuffer=5\0\nPriority=4\n";

    f->settings = settings_new();
    f->problems = g_ptr_array_new_with_free_func((GDestroyNotify)config_problem_free);
    config_file_apply("zero", text, sizeof text - 1, f->settings, f->problems);
    assert_problem(f, 0, "zero", 2, "zero byte");
    assert_int_equal(f->settings->priority, 4);
}

static void
values_are_read_as_the_manual_says(void **state)
{
    static const struct {
        const char *group, *key, *value;
        const char *shown; /* NULL: refused */
    } cases[] = {
        {"Policy", "Interval", "1", "1s"},
        {"Policy", "Interval", "0.25", "250ms"},
        {"Policy", "Interval", "200ms", "200ms"},
        {"Policy", "Interval", "199ms", NULL},
        {"Policy", "Interval", "60s", "1min"},
        {"Policy", "Interval", "1min 1ms", NULL},
        {"Policy", "Interval", "-1s", NULL},
        {"Policy", "Interval", "1s1", NULL},
        {"Policy", "Interval", "1 s", "1s"},
        {"Policy", "Interval", "1x", NULL},
        {"Policy", "Interval", "s", NULL},
        {"Policy", "Interval", "1.", NULL},
        {"Policy", "Interval", "99999999999999999999s", NULL},
        {"Policy", "Interval", "99999999999999h", NULL},
        {"SmartPaging", "RestartWindowSec", "1h", "60min"},
        {"SmartPaging", "RestartWindowSec", "1h1s", NULL},
        {"SmartPaging", "RestartWindowSec", "0", "0s"},
        {"SmartPaging", "DeadlineSec", "10min", "10min"},
        {"SmartPaging", "DeadlineSec", "601", NULL},
        {"SmartPaging", "DeadlineSec", "9s", NULL},
        {"SmartPaging", "Directory", "beside-disk", "beside-disk"},
        {"SmartPaging", "Directory", "/", "/"},
        {"SmartPaging", "Directory", "/a/./b", NULL},
        {"SmartPaging", "Directory", "beside", NULL},
        {"Policy", "Buffer", "2000%", "2000%"},
        {"Policy", "Buffer", "2001", NULL},
        {"Policy", "Buffer", "20 %", NULL},
        {"Policy", "Buffer", "99999999999", NULL},
        {"Policy", "Buffer", "1e3", NULL},
        {"Policy", "Priority", "100", "100"},
        {"Policy", "Priority", "50%", NULL},
        {"Policy", "PriorityMost", "0", "0"},
        {"Policy", "PriorityMost", "101", NULL},
        {"Policy", "PriorityMost", "none", NULL},
        {"Policy", "MinimumMost", "1MiB", "1MiB"},
        {"Policy", "MinimumMost", "1023KiB", NULL},
        {"Policy", "MinimumMost", "None", "none"},
        {"Policy", "MinimumMost", "1%", "1%"},
        {"Policy", "MinimumMost", "100%", "100%"},
        {"Policy", "MinimumMost", "0%", NULL},
        {"Policy", "MinimumMost", "101%", NULL},
        {"Policy", "MinimumMost", "50", NULL},
        {"Policy", "MinimumMost", "%", NULL},
        {"Policy", "CacheShare", "101%", NULL},
        {"Policy", "Manage", "Marked", "marked"},
        {"Policy", "Manage", "none", NULL},
        {"Policy", "GiveAway", "TRUE", "yes"},
        {"Policy", "GiveAway", "2", NULL},
        {"Host", "Reserve", "AUTO", "auto"},
        {"Host", "Reserve", "0", "0KiB"},
        {"Host", "Reserve", "none", NULL},
        {"Host", "Budget", "none", "none"},
        {"Host", "Budget", "auto", NULL},
        {"Host", "Budget", "0", NULL},
        {"Host", "Budget", "5000TiB", NULL},
        {"policy", "buffer", "9", "9%"},
        {"policy", "budget", "1GiB", NULL},
        {"polizei", "buffer", "9", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Settings) settings = settings_new();
        g_autoptr(GError) error = NULL;
        bool set = config_set(settings, cases[i].group, cases[i].key, cases[i].value, &error);
        const ConfigKey *key = config_key_find(cases[i].group, cases[i].key, false, NULL);

        if (cases[i].shown == NULL) {
            g_autoptr(Settings) untouched = settings_new();

            if (set)
                fail_msg("%s=%s was taken", cases[i].key, cases[i].value);
            assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID));
            if (key != NULL) {
                g_autofree char *is = config_key_format(key, settings);
                g_autofree char *was = config_key_format(key, untouched);

                assert_string_equal(is, was);
            }
        } else {
            g_autofree char *shown = NULL;

            if (!set)
                fail_msg("%s=%s was refused: %s", cases[i].key, cases[i].value, error->message);
            shown = config_key_format(key, settings);
            assert_string_equal(shown, cases[i].shown);
        }
    }
}

static void
what_is_shown_of_a_setting_reads_back_to_it(void **state)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(Settings) copy = settings_new();
    size_t count;
    const ConfigKey *keys = config_keys(&count);

    assert_true(config_set(settings, "Host", "Budget", "17GiB", NULL));
    assert_true(config_set(settings, "Policy", "Interval", "1.5s", NULL));
    assert_true(config_set(settings, "SmartPaging", "Directory", "/a", NULL));
    assert_true(config_set(settings, "Policy", "MinimumMost", "25%", NULL));
    for (size_t i = 0; i < count; i++) {
        g_autofree char *text = config_key_format(&keys[i], settings);
        g_autofree char *again = NULL;

        assert_true(config_key_set(&keys[i], copy, text, NULL));
        again = config_key_format(&keys[i], copy);
        assert_string_equal(text, again);
        assert_true(config_key_set(&keys[i], copy, "", NULL)); /* empty: the default */
    }
    assert_int_equal(copy->budget_kib, SETTINGS_BUDGET_NONE);
    assert_int_equal(copy->minimum_most.kib, SETTINGS_MINIMUM_ANY);
    assert_int_equal(copy->minimum_most.percent, 0);
    assert_string_equal(copy->paging_directory, "/var/lib/dynmem/paging");
}

static char *
source(const char *path)
{
    g_autofree char *full = g_build_filename(TEST_DATA, "../../..", path, NULL);
    char *text = NULL;

    if (!g_file_get_contents(full, &text, NULL, NULL))
        fail_msg("%s can't be read", full);
    return text;
}

/* data/dynmemd.conf holds each key once, in the table's order, as a comment with the default, each with a sentence. */
static void
the_default_file_the_manual_and_the_table_of_keys_say_the_same(void **state)
{
    g_autoptr(Settings) defaults = settings_new();
    g_autofree char *text = source("data/dynmemd.conf");
    g_autofree char *manual = source("man/dynmemd.conf.5");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *group = g_strdup("");
    const char *before = "";
    size_t count, next = 0;
    const ConfigKey *keys = config_keys(&count);

    for (size_t i = 0; lines[i] != NULL; i++) {
        const char *line = lines[i];
        bool is_key = line[0] == '#' && g_ascii_isupper(line[1]);

        if (line[0] == '[') {
            g_free(group);
            group = g_strndup(line + 1, strlen(line) - 2);
        } else if (is_key) {
            g_autofree char *value = NULL;
            g_autofree char *expected = NULL;

            assert_true(next < count);
            value = config_key_format(&keys[next], defaults);
            expected = g_strdup_printf("#%s=%s", keys[next].name, value);
            assert_string_equal(line, expected);
            assert_string_equal(group, keys[next].group);
            assert_true(g_str_has_prefix(before, "# ") && g_str_has_suffix(before, "."));
            next++;
        } else {
            assert_true(line[0] == '#' || line[0] == '\0');
        }
        before = line;
    }
    assert_int_equal(next, count);

    for (size_t i = 0; i < count; i++) {
        g_autofree char *value = config_key_format(&keys[i], defaults);
        g_autofree char *heading = g_strdup_printf(".SH THE GROUP [%s]\n", keys[i].group);
        g_autofree char *entry = g_strdup_printf("\n.IR %s= ", keys[i].name);
        g_autofree char *said = g_strdup_printf("\nDefault: %s.\n", value);
        const char *in_group = strstr(manual, heading);
        const char *at_entry, *at_default, *entry_end;

        assert_non_null(in_group);
        at_entry = strstr(in_group, entry);
        if (at_entry == NULL)
            fail_msg("the manual does not explain %s= in [%s]", keys[i].name, keys[i].group);
        at_default = strstr(at_entry, said);
        entry_end = strstr(at_entry, "\n.TP\n");
        if (at_default == NULL || (entry_end != NULL && at_default > entry_end))
            fail_msg("the manual names another default of %s= than %s", keys[i].name, value);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(without_any_file_the_defaults_are_in_force),
        test(every_key_is_read),
        test(words_and_percents_out_of_range_are_told_with_what_is_expected),
        test(bad_lines_are_told_with_their_place_and_the_rest_is_in_force),
        test(of_the_main_files_the_first_is_read),
        test(drop_ins_are_merged_by_name_and_applied_in_order),
        test(a_file_by_name_has_its_own_drop_ins),
        cmocka_unit_test(a_size_takes_the_place_of_a_percentage_and_the_other_way_round),
        test(a_default_priority_above_the_cap_is_told),
        test(files_that_are_too_large_or_garbage_do_no_harm),
        test(a_zero_byte_spoils_its_own_line_only),
        cmocka_unit_test(values_are_read_as_the_manual_says),
        cmocka_unit_test(what_is_shown_of_a_setting_reads_back_to_it),
        cmocka_unit_test(the_default_file_the_manual_and_the_table_of_keys_say_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
