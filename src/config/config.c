/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "config_file.h"
#include "names.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Where files may be, the first hiding the others. */
static const char *const directories[] = {"/etc/dynmem", "/run/dynmem", "/usr/lib/dynmem"};

/* Larger than any that was written by a person. */
#define FILE_SIZE_LIMIT ((size_t)256 * 1024)

/* Why a file or directory can't be read, by errno. Caller frees. */
static char *
access_text(int number)
{
    return number == EACCES
               ? g_strdup_printf(
                     "%s (dynmemd is root without the capability to pass over permissions: it must belong to "
                     "root, or be readable by all)",
                     g_strerror(number))
               : g_strdup(g_strerror(number));
}

/* The file's bytes, or NULL with message set. A file that is absent has *absent set and no message. */
static GString *
read_file(const char *path, bool *absent, bool *denied, char **message)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    g_autoptr(GString) text = NULL;

    *absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    *denied = fd < 0 && errno == EACCES;
    if (fd < 0) {
        g_autofree char *why = access_text(errno);

        if (!*absent)
            *message = g_strdup_printf("can't be opened: %s; it is passed over", why);
        return NULL;
    }
    if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))) {
        *message = g_strdup("is neither a file nor a link to one or to /dev/null; it is passed over");
        close(fd);
        return NULL;
    }
    text = g_string_new(NULL);
    for (;;) {
        char block[4096];
        ssize_t got = read(fd, block, sizeof block);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *message = g_strdup_printf("can't be read: %s; it is passed over", g_strerror(errno));
        else if (text->len + (size_t)got > FILE_SIZE_LIMIT)
            *message = g_strdup_printf("is larger than %zu KiB; it is passed over", FILE_SIZE_LIMIT / 1024);
        if (*message != NULL || got <= 0)
            break;
        g_string_append_len(text, block, got);
    }
    close(fd);
    return *message == NULL ? g_steal_pointer(&text) : NULL;
}

/* Returns false where there is no such file. */
static bool
apply_path(const char *path, Settings *settings, GPtrArray *problems)
{
    bool absent, denied;
    char *message = NULL;
    g_autoptr(GString) text = read_file(path, &absent, &denied, &message);

    if (text != NULL)
        config_file_apply(path, text->str, text->len, settings, problems);
    else if (!absent)
        config_problem_add(problems, path, 0, message)->denied = denied;
    return !absent;
}

/* Adds the drop-ins of directory to those found, except for names that are there already. */
static void
find_drop_ins(const char *directory, GHashTable *found, GPtrArray *problems)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
    const char *name;

    if (dir == NULL) {
        bool denied = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES);
        g_autofree char *why = denied ? access_text(EACCES) : g_strdup(error->message);

        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
            !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
            config_problem_add(problems, directory, 0, g_strdup_printf("can't be read: %s; it is passed over", why))
                ->denied = denied;
        return;
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (name[0] == '.' || !g_str_has_suffix(name, ".conf") || g_hash_table_contains(found, name))
            continue;
        g_hash_table_insert(found, g_strdup(name), g_build_filename(directory, name, NULL));
    }
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
apply_drop_ins(GHashTable *found, Settings *settings, GPtrArray *problems)
{
    guint count;
    g_autofree const char **names = (const char **)g_hash_table_get_keys_as_array(found, &count);

    qsort(names, count, sizeof *names, compare_names);
    for (guint i = 0; i < count; i++)
        apply_path(g_hash_table_lookup(found, names[i]), settings, problems);
}

/* What two keys say of each other, which may stand in two files in any order. */
static void
check_together(const char *file, const Settings *settings, GPtrArray *problems)
{
    if (settings->priority > settings->priority_most)
        config_problem_add(problems, file, 0,
                           g_strdup_printf("Priority= is %" PRIu32 ", above PriorityMost=, which is %" PRIu32
                                           ": guests that name no priority have %" PRIu32
                                           "; expected a Priority= of at most that",
                                           settings->priority, settings->priority_most, settings->priority_most));
}

void
config_check_host(const Settings *settings, uint64_t memory_kib, GPtrArray *problems)
{
    g_autofree char *reserve = NULL;
    g_autofree char *memory = units_format_size(memory_kib);

    if (settings->reserve_kib == SETTINGS_RESERVE_AUTO || settings->reserve_kib < memory_kib)
        return;
    reserve = units_format_size(settings->reserve_kib);
    config_problem_add(problems, settings->reserve_file != NULL ? settings->reserve_file : DYNMEM_CONFIG_NAME,
                       settings->reserve_line,
                       g_strdup_printf("Reserve= is %s, and this host has %s: nothing is left for guests, so none gets "
                                       "more than its minimum and none can start; expected less, or auto",
                                       reserve, memory));
}

Settings *
config_load(const char *root, const char *file, GPtrArray **problems)
{
    Settings *settings = settings_new();
    g_autoptr(GHashTable) drop_ins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    *problems = g_ptr_array_new_with_free_func((GDestroyNotify)config_problem_free);
    if (file != NULL) {
        g_autofree char *directory = g_strconcat(file, ".d", NULL);

        if (!apply_path(file, settings, *problems))
            config_problem_add(*problems, file, 0, g_strdup("there is no such file; the defaults are in force"));
        find_drop_ins(directory, drop_ins, *problems);
    } else {
        bool main_found = false;

        for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
            g_autofree char *path = g_strconcat(root, directories[i], "/" DYNMEM_CONFIG_NAME, NULL);
            g_autofree char *directory = g_strconcat(path, ".d", NULL);

            if (!main_found)
                main_found = apply_path(path, settings, *problems);
            find_drop_ins(directory, drop_ins, *problems);
        }
    }
    apply_drop_ins(drop_ins, settings, *problems);
    check_together(file != NULL ? file : DYNMEM_CONFIG_NAME, settings, *problems);
    return settings;
}
