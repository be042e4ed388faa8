/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest that dynmem lets use the last of the host's memory is what an early killer of processes waits for: memory is meant to be
 * full, and a paging file is made as large as it will be used.
 *
 * earlyoom (its main.c and kill.c) acts when available memory and free swap are both below a part of their totals, 10 percent by
 * default; without any swap the latter always holds. It kills who has the highest oom_score, as a rule the largest guest. --avoid takes
 * 300 off that, which a guest of more than half of the host has too much of all the same; --ignore, new in version 1.8, leaves it out.
 *
 * systemd-oomd (src/oom/oomd-manager.c) watches the units that have ManagedOOMSwap=kill (90 percent of memory and of swap in use) or
 * ManagedOOMMemoryPressure=kill, and chooses among the groups below them: those without groups in them, and those with memory.oom.group.
 * libvirt's groups of guests have threaded groups in them, which oomd passes over, so a guest is chosen only where somebody has set
 * memory.oom.group.
 */

#include "killer_checks.h"

#include "guest_files.h"
#include "kernel/guest_group.h"
#include "memory_checks.h"
#include "text.h"

#include <string.h>

#define EARLYOOM_PERCENT 10
/* What Reserve=auto keeps at most. */
#define RESERVE_PERCENT 6

/* The id of a process whose name begins so, and its whole name; NULL: there is none. The caller frees both. */
static char *
find_process(const char *root, const char *start, char **name)
{
    g_autofree char *proc = g_strconcat(root, "/proc", NULL);
    g_autoptr(GDir) directory = g_dir_open(proc, 0, NULL);
    const char *entry;

    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_strconcat("/proc/", entry, "/comm", NULL);
        g_autofree char *comm = g_ascii_isdigit(entry[0]) ? check_read(root, path) : NULL;

        if (comm == NULL || !g_str_has_prefix(comm, start))
            continue;
        if (name != NULL)
            *name = g_steal_pointer(&comm);
        return g_strdup(entry);
    }
    return NULL;
}

/* ---- earlyoom ---- */

typedef struct Earlyoom {
    double memory_percent; /* -m */
    double memory_kib;     /* -M; 0: not given */
    double swap_percent;   /* -s */
    double swap_kib;       /* -S; likewise */
    const char *avoid;     /* --avoid, --ignore, of its words; NULL: not given */
    const char *ignore;
} Earlyoom;

/* Its words are as of getopt_long: "-m 5", "-m5", "--avoid X", "--avoid=X". What is unknown is passed over. */
static void
read_words(Earlyoom *earlyoom, char **words)
{
    for (; *words != NULL; words++) {
        const char *word = *words;
        bool is_long = g_str_has_prefix(word, "--");
        const char *equals = is_long ? strchr(word, '=') : NULL;
        const char *value = equals != NULL ? equals + 1 : is_long || strlen(word) == 2 ? words[1] : word + 2;

        if (value == NULL || word[0] != '-')
            continue;
        if (g_str_has_prefix(word, "--avoid"))
            earlyoom->avoid = value;
        else if (g_str_has_prefix(word, "--ignore") && !g_str_has_prefix(word, "--ignore-"))
            earlyoom->ignore = value;
        else if (g_str_has_prefix(word, "-m"))
            earlyoom->memory_percent = g_ascii_strtod(value, NULL);
        else if (g_str_has_prefix(word, "-M"))
            earlyoom->memory_kib = g_ascii_strtod(value, NULL);
        else if (g_str_has_prefix(word, "-s"))
            earlyoom->swap_percent = g_ascii_strtod(value, NULL);
        else if (g_str_has_prefix(word, "-S"))
            earlyoom->swap_kib = g_ascii_strtod(value, NULL);
    }
}

/* Anybody may call a process earlyoom: regcomp(3) would take gigabytes for "(((a{255}){255}){255})", GRegex refuses it. */
static bool
regex_matches(const char *pattern, const char *text)
{
    g_autoptr(GRegex) regex = pattern != NULL ? g_regex_new(pattern, G_REGEX_RAW, 0, NULL) : NULL;

    return regex != NULL && g_regex_match(regex, text, 0, NULL);
}

static char **
read_command(const char *root, const char *pid)
{
    g_autofree char *path = g_strconcat(root, "/proc/", pid, "/cmdline", NULL);
    g_autofree char *text = NULL;
    size_t length;
    GPtrArray *words = g_ptr_array_new();

    if (g_file_get_contents(path, &text, &length, NULL))
        for (size_t at = 0; at < length; at += strlen(text + at) + 1)
            g_ptr_array_add(words, g_strdup(text + at));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

/* Returns false where it is not running. */
static bool
check_earlyoom(GPtrArray *checks, const char *root, uint64_t reserve)
{
    g_autofree char *pid = find_process(root, "earlyoom", NULL);
    g_auto(GStrv) words = pid != NULL ? read_command(root, pid) : NULL;
    Earlyoom earlyoom = {.memory_percent = EARLYOOM_PERCENT, .swap_percent = EARLYOOM_PERCENT};
    g_autofree char *guest = NULL, *guest_pid = NULL, *least_text = NULL;
    const char *shown;
    double total = (double)memory_checks_info(root, "MemTotal:"), least, least_swap;
    uint64_t swap, swap_used;
    bool ignored, avoided;

    if (pid == NULL)
        return false;
    read_words(&earlyoom, words);
    guest_pid = find_process(root, "qemu-", &guest);
    shown = guest_pid != NULL ? guest : "qemu-system-x86";
    ignored = regex_matches(earlyoom.ignore, shown);
    avoided = regex_matches(earlyoom.avoid, shown);
    least = total * earlyoom.memory_percent / 100;
    if (earlyoom.memory_kib > 0)
        least = MIN(least, earlyoom.memory_kib * 1024);
    memory_checks_swap(root, &swap, &swap_used, NULL);
    least_swap = (double)swap * earlyoom.swap_percent / 100;
    if (earlyoom.swap_kib > 0)
        least_swap = MIN(least_swap, earlyoom.swap_kib * 1024);
    least_text = text_size((uint64_t)least);
    if (reserve == 0)
        reserve = (uint64_t)(total * RESERVE_PERCENT / 100);
    if (ignored)
        check_add(checks, "earlyoom", CHECK_OK, g_strdup("earlyoom runs, and is told to pass guests over"), NULL);
    else if (avoided)
        check_add(checks, "earlyoom", CHECK_OK,
                  g_strdup("earlyoom runs, and is told to avoid guests, but for one of more than half of the host"),
                  NULL);
    else if (least <= (double)reserve)
        check_add(checks, "earlyoom", CHECK_OK,
                  g_strdup_printf("earlyoom acts below %s, which the host keeps for itself", least_text), NULL);
    else
        check_add(
            checks, "earlyoom", (double)(swap - MIN(swap_used, swap)) <= least_swap ? CHECK_WARNING : CHECK_NOTE,
            g_strdup_printf("earlyoom kills the largest process, which is a guest, when less than %s are available%s; "
                            "dynmem lets guests use more than that leaves",
                            least_text, swap > 0 && earlyoom.swap_percent < 100 ? " and the host's swap is full" : ""),
            g_strdup("add --ignore '^qemu' (before version 1.8: --avoid '^qemu') to EARLYOOM_ARGS in "
                     "/etc/default/earlyoom, then "
                     "systemctl restart earlyoom"));
    return true;
}

/* ---- systemd-oomd ---- */

/* Where systemd looks for units, what counts more first. */
static const char *const unit_directories[] = {
    "/etc/systemd/system.control", "/run/systemd/system.control",   "/run/systemd/transient",  "/etc/systemd/system",
    "/run/systemd/system",         "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
};

/* value: as the file sets it last; untouched where it does not. */
static void
read_setting(const char *root, const char *path, const char *key, char **value)
{
    g_autofree char *text = check_read(root, path);
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);

    for (size_t i = 0; lines[i] != NULL; i++) {
        char *line = g_strstrip(lines[i]);

        if (!g_str_has_prefix(line, key))
            continue;
        line = g_strchug(line + strlen(key));
        if (*line != '=')
            continue;
        g_free(*value);
        *value = g_strdup(g_strchug(line + 1));
    }
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Reads the drop-ins of a unit in the order in which they count; one of the same name hides those of later directories. */
static void
read_drop_ins(const char *root, const char *unit, const char *key, char **value)
{
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree const char **names = NULL;
    guint count;

    for (size_t i = 0; i < G_N_ELEMENTS(unit_directories); i++) {
        g_autofree char *below = g_strdup_printf("%s/%s.d", unit_directories[i], unit);
        g_autofree char *path = g_strconcat(root, below, NULL);
        g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
        const char *entry;

        while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL)
            if (g_str_has_suffix(entry, ".conf") && !g_hash_table_contains(paths, entry))
                g_hash_table_insert(paths, g_strdup(entry), g_build_filename(below, entry, NULL));
    }
    names = (const char **)g_hash_table_get_keys_as_array(paths, &count);
    qsort(names, count, sizeof *names, compare_names);
    for (guint i = 0; i < count; i++)
        read_setting(root, g_hash_table_lookup(paths, names[i]), key, value);
}

/* Whether oomd is to watch a slice for what the key says. */
static bool
is_watched(const char *root, const char *slice, const char *key)
{
    g_autofree char *value = NULL;

    for (size_t i = G_N_ELEMENTS(unit_directories); i-- > 0;) {
        g_autofree char *path = g_build_filename(unit_directories[i], slice, NULL);
        g_autofree char *whole = g_strconcat(root, path, NULL);

        if (!g_file_test(whole, G_FILE_TEST_EXISTS))
            continue;
        g_clear_pointer(&value, g_free); /* it hides those of the directories after it */
        read_setting(root, path, key, &value);
    }
    read_drop_ins(root, "slice", key, &value);
    read_drop_ins(root, slice, key, &value);
    return g_strcmp0(value, "kill") == 0;
}

/* Whether the group, or one above it, is one to be killed as a whole, or has no groups in it. */
static bool
can_be_chosen(const char *root, const char *group)
{
    g_autofree char *whole = g_strconcat(root, GUEST_GROUP_MOUNT, group, NULL);
    g_autofree char *above = g_strdup(group);
    g_autoptr(GDir) directory = g_dir_open(whole, 0, NULL);
    bool leaf = true;
    const char *entry;

    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_build_filename(whole, entry, NULL);

        leaf = leaf && !g_file_test(path, G_FILE_TEST_IS_DIR);
    }
    for (; !leaf && above[0] != '\0'; *strrchr(above, '/') = '\0') {
        g_autofree char *file = g_strconcat(GUEST_GROUP_MOUNT, above, "/memory.oom.group", NULL);
        g_autofree char *text = check_read(root, file);

        leaf = g_strcmp0(text, "1") == 0;
    }
    return leaf;
}

static bool
check_oomd(GPtrArray *checks, const GPtrArray *guests, const char *root)
{
    g_autofree char *pid = find_process(root, "systemd-oomd", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *shown = NULL;
    bool root_pressure, pressure, swaps;
    uint64_t swap, swap_used;
    static const char advice[] = "systemctl edit -- -.slice, and machine.slice: in [Slice], ManagedOOMSwap=auto and "
                                 "ManagedOOMMemoryPressure=auto; where it is wanted, set it for user.slice instead";

    if (pid == NULL)
        return false;
    root_pressure = is_watched(root, "-.slice", "ManagedOOMMemoryPressure");
    pressure = root_pressure || is_watched(root, "machine.slice", "ManagedOOMMemoryPressure");
    swaps = is_watched(root, "-.slice", "ManagedOOMSwap") || is_watched(root, "machine.slice", "ManagedOOMSwap");
    for (guint i = 0; i < guests->len; i++) {
        const GuestFile *guest = g_ptr_array_index(guests, i);

        if (guest->group != NULL && can_be_chosen(root, guest->group))
            g_ptr_array_add(names, guest->domain.name);
    }
    shown = check_names(names);
    memory_checks_swap(root, &swap, &swap_used, NULL);
    if (!pressure && !swaps)
        check_add(checks, "oomd", CHECK_OK, g_strdup("systemd-oomd runs, and does not watch guests"), NULL);
    else if (names->len > 0)
        check_add(checks, "oomd", CHECK_WARNING,
                  g_strdup_printf(
                      "systemd-oomd watches guests' slice, and may kill %s: full memory, a full paging file and guests "
                      "at their memory.high look to it as if the host were failing",
                      shown),
                  g_strdup(advice));
    else if (root_pressure)
        check_add(
            checks, "oomd", CHECK_WARNING,
            g_strdup(
                "systemd-oomd watches the whole host's memory pressure, in which guests at their memory.high count: it "
                "kills services for that, though no guest"),
            g_strdup(advice));
    else if (swaps && swap > 0)
        check_add(checks, "oomd", CHECK_NOTE,
                  g_strdup("systemd-oomd watches the host's swap, of which a paging file counts as a part: while one "
                           "is full it may "
                           "kill a service that has been swapped out, though no guest"),
                  g_strdup(advice));
    else
        check_add(checks, "oomd", CHECK_OK, g_strdup("systemd-oomd runs, and can't choose a guest"), NULL);
    return true;
}

void
killer_checks_add(GPtrArray *checks, const GPtrArray *guests, const char *root, uint64_t reserve)
{
    bool earlyoom = check_earlyoom(checks, root, reserve);
    bool oomd = check_oomd(checks, guests, root);

    if (!earlyoom && !oomd)
        check_add(checks, "oomd", CHECK_OK, g_strdup("neither systemd-oomd nor earlyoom runs"), NULL);
}
