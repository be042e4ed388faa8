/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook_file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line of each version of the file: it is ours. */
#define MARK "\n# dynmem start hook\n"

#define HOOKS_DIRECTORY "/etc/libvirt/hooks"

static bool
fail(GError **error, const char *path, const char *what, int number)
{
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s: it %s: %s%s", path, what, g_strerror(number),
                number == EACCES || number == EPERM ? "; only root may do this" : "");
    return false;
}

static char *
read_template(const HookPlace *place, GError **error)
{
    g_autoptr(GError) raw = NULL;
    char *text = NULL;

    if (g_file_get_contents(place->template_path, &text, NULL, &raw))
        return text;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                "the hook file that comes with dynmem can't be read: %s; install dynmem again", raw->message);
    return NULL;
}

/* text is NULL where there is no file. */
static HookFileState
judge(const char *path, const char *text, const char *template)
{
    if (text == NULL)
        return HOOK_FILE_ABSENT;
    if (strstr(text, MARK) == NULL)
        return HOOK_FILE_FOREIGN;
    if (strcmp(text, template) != 0)
        return HOOK_FILE_OUTDATED;
    return g_access(path, X_OK) == 0 ? HOOK_FILE_CURRENT : HOOK_FILE_DISABLED;
}

/* As hook_file_look; also hands out what is to be there, which the caller frees. */
static bool
look(const HookPlace *place, HookFileState *state, char **template, GError **error)
{
    g_autofree char *path = g_strconcat(place->root, HOOK_FILE_PATH, NULL);
    g_autofree char *wanted = read_template(place, error);
    g_autofree char *text = NULL;
    g_autoptr(GError) raw = NULL;

    if (wanted == NULL)
        return false;
    if (!g_file_get_contents(path, &text, NULL, &raw) && !g_error_matches(raw, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
        !g_error_matches(raw, G_FILE_ERROR, G_FILE_ERROR_NOTDIR)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s; try as root", raw->message);
        return false;
    }
    *state = judge(path, text, wanted);
    if (template != NULL)
        *template = g_steal_pointer(&wanted);
    return true;
}

bool
hook_file_look(const HookPlace *place, HookFileState *state, GError **error)
{
    return look(place, state, NULL, error);
}

/* ---- whether libvirt knows that there are hooks ---- */

/* When the host was booted, in seconds since 1970; 0: not known. */
static uint64_t
boot_sec(const char *root)
{
    g_autofree char *path = g_strconcat(root, "/proc/stat", NULL);
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    line = strstr(text, "\nbtime ");
    return line != NULL ? g_ascii_strtoull(line + strlen("\nbtime "), NULL, 10) : 0;
}

/* When the process started, in seconds since the host's boot; 0: not known. */
static uint64_t
start_sec(const char *root, const char *pid)
{
    g_autofree char *path = g_strconcat(root, "/proc/", pid, "/stat", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *end;

    if (!g_file_get_contents(path, &text, NULL, NULL) || (end = strrchr(text, ')')) == NULL)
        return 0;
    /* behind the name: the state is field 3, the start field 22 (proc(5)) */
    fields = g_strsplit(end + 1, " ", -1);
    if (g_strv_length(fields) < 21)
        return 0;
    return g_ascii_strtoull(fields[20], NULL, 10) / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* libvirt's daemon for qemu that runs, and when it was started (since 1970). */
static const char *
find_libvirt(const char *root, uint64_t *since_sec)
{
    static const char *const names[] = {"libvirtd", "virtqemud"};
    g_autofree char *proc = g_strconcat(root, "/proc", NULL);
    g_autoptr(GDir) directory = g_dir_open(proc, 0, NULL);
    const char *entry;

    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_strconcat(proc, "/", entry, "/comm", NULL);
        g_autofree char *comm = NULL;

        if (!g_ascii_isdigit(entry[0]) || !g_file_get_contents(path, &comm, NULL, NULL))
            continue;
        g_strchomp(comm);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
            if (strcmp(comm, names[i]) != 0)
                continue;
            *since_sec = boot_sec(root) + start_sec(root, entry);
            return names[i];
        }
    }
    return NULL;
}

/* Whether path is a hook that was there at that time. */
static bool
was_there(const char *path, uint64_t time_sec)
{
    GStatBuf status;

    return g_access(path, X_OK) == 0 && g_stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_ctime < time_sec;
}

const char *
hook_file_libvirt(const HookPlace *place, uint64_t *since_sec)
{
    return find_libvirt(place->root, since_sec);
}

bool
hook_file_was_there(const HookPlace *place, uint64_t time_sec)
{
    g_autofree char *script = g_strconcat(place->root, HOOKS_DIRECTORY "/qemu", NULL);
    g_autofree char *drop_ins = g_strconcat(place->root, HOOKS_DIRECTORY "/qemu.d", NULL);
    g_autoptr(GDir) directory = g_dir_open(drop_ins, 0, NULL);
    const char *entry;

    if (was_there(script, time_sec))
        return true;
    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_build_filename(drop_ins, entry, NULL);

        if (was_there(path, time_sec))
            return true;
    }
    return false;
}

const char *
hook_file_unaware(const HookPlace *place)
{
    uint64_t since_sec = 0;
    const char *libvirt = find_libvirt(place->root, &since_sec);

    return libvirt == NULL || hook_file_was_there(place, since_sec) ? NULL : libvirt;
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
hook_file_earlier(const HookPlace *place)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *script = g_strconcat(place->root, HOOKS_DIRECTORY "/qemu", NULL);
    g_autofree char *drop_ins = g_strconcat(place->root, HOOKS_DIRECTORY "/qemu.d", NULL);
    g_autoptr(GDir) directory = g_dir_open(drop_ins, 0, NULL);
    const char *entry;

    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_build_filename(drop_ins, entry, NULL);

        if (strcmp(path + strlen(place->root), HOOK_FILE_PATH) < 0 && was_there(path, UINT64_MAX))
            g_ptr_array_add(paths, g_strdup(path + strlen(place->root)));
    }
    g_ptr_array_sort(paths, compare_texts);
    if (was_there(script, UINT64_MAX))
        g_ptr_array_insert(paths, 0, g_strdup(script + strlen(place->root)));
    return paths;
}

/* ---- putting it there, taking it away ---- */

static bool
refuse_foreign(const char *path, GError **error)
{
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                "%s: it is not dynmem's file, so it is left as it is; move it to another name in that directory", path);
    return false;
}

/* The new file is made beside qemu.d, in which libvirt would call it half written, and moved in as a whole. */
static bool
write_file(const char *root, const char *path, const char *text, GError **error)
{
    g_autofree char *temporary = g_strconcat(root, HOOKS_DIRECTORY "/.50-dynmem.XXXXXX", NULL);
    int fd = g_mkstemp_full(temporary, O_WRONLY | O_CLOEXEC, 0600);
    size_t length = strlen(text);
    int number;

    if (fd < 0)
        return fail(error, path, "can't be made", errno);
    errno = 0;
    if (write(fd, text, length) == (ssize_t)length && fchmod(fd, 0755) == 0 && fsync(fd) == 0) {
        close(fd);
        fd = -1;
        if (g_rename(temporary, path) == 0)
            return true;
    }
    number = errno != 0 ? errno : ENOSPC;
    if (fd >= 0)
        close(fd);
    g_unlink(temporary);
    return fail(error, path, "can't be written", number);
}

bool
hook_file_install(const HookPlace *place, bool *changed, GError **error)
{
    g_autofree char *path = g_strconcat(place->root, HOOK_FILE_PATH, NULL);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *text = NULL;
    HookFileState state = HOOK_FILE_ABSENT;

    if (!look(place, &state, &text, error))
        return false;
    if (state == HOOK_FILE_FOREIGN)
        return refuse_foreign(path, error);
    if (state != HOOK_FILE_CURRENT) {
        if (g_mkdir_with_parents(directory, 0755) != 0)
            return fail(error, directory, "can't be made", errno);
        if (!write_file(place->root, path, text, error))
            return false;
    }
    *changed = state != HOOK_FILE_CURRENT;
    return true;
}

bool
hook_file_remove(const HookPlace *place, bool *changed, GError **error)
{
    g_autofree char *path = g_strconcat(place->root, HOOK_FILE_PATH, NULL);
    HookFileState state = HOOK_FILE_ABSENT;

    if (!look(place, &state, NULL, error))
        return false;
    if (state == HOOK_FILE_FOREIGN)
        return refuse_foreign(path, error);
    if (state != HOOK_FILE_ABSENT && g_unlink(path) != 0)
        return fail(error, path, "can't be removed", errno);
    *changed = state != HOOK_FILE_ABSENT;
    return true;
}
