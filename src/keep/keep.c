/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep.h"

#include "sealed.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_FILE "state"
#define GROUP_HOST "host"
#define KEY_BOOT_ID "boot-id"
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
/* Changes that come together are one write. */
#define WRITE_DELAY_MSEC 50
/* What could not be written is tried again, as on a disk that was full. */
#define RETRY_DELAY_MSEC 2000

/* A write that a thread does. Its source is on the main loop when the thread has ended. */
typedef struct Write {
    Keep *keep;
    char *path;
    char *text;
    GError *error;
    GThread *thread;
} Write;

struct Keep {
    char *path; /* NULL: in memory only */
    GKeyFile *file;
    bool host_was_down;
    bool dirty;
    guint write_source;
    Write *write; /* under way */
    char *problem;
};

static char *
read_boot_id(const char *boot_id)
{
    char *text = NULL;

    if (boot_id != NULL)
        return g_strdup(boot_id);
    if (!g_file_get_contents(BOOT_ID_FILE, &text, NULL, NULL))
        return g_strdup("");
    return g_strstrip(text);
}

static void
load(Keep *keep, char **problem)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = NULL;
    g_autofree char *why = NULL;

    if (keep->path == NULL || sealed_load(keep->file, keep->path, &error) ||
        g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return;
    g_key_file_unref(keep->file);
    keep->file = g_key_file_new();
    aside = g_strconcat(keep->path, ".bad", NULL);
    why = g_utf8_make_valid(error->message, -1); /* it quotes the file */
    *problem =
        g_strdup_printf("%s can't be used and is set aside as %s: %s; guests that restart now count as started anew",
                        keep->path, aside, why);
    if (g_rename(keep->path, aside) != 0)
        g_unlink(keep->path);
}

Keep *
keep_open(const char *directory, const char *boot_id, char **problem)
{
    Keep *keep = g_new0(Keep, 1);
    g_autofree char *now = read_boot_id(boot_id);
    g_autofree char *before = NULL;

    *problem = NULL;
    keep->file = g_key_file_new();
    if (directory != NULL) {
        keep->path = g_build_filename(directory, STATE_FILE, NULL);
        if (g_mkdir_with_parents(directory, 0700) != 0)
            *problem = g_strdup_printf("%s can't be made: %s; nothing is kept there", directory, g_strerror(errno));
        else
            load(keep, problem);
    }
    before = keep_get(keep, GROUP_HOST, KEY_BOOT_ID);
    keep->host_was_down = g_strcmp0(before, now) != 0;
    if (keep->host_was_down) {
        keep_set(keep, GROUP_HOST, KEY_BOOT_ID, now);
        keep_clear_group(keep, KEEP_STARTS);
        keep_clear_group(keep, KEEP_STAYS);
    }
    return keep;
}

static gboolean write_due(gpointer data);

static void
write_after(Keep *keep, guint delay_msec)
{
    keep->dirty = true;
    if (keep->path != NULL && keep->write_source == 0 && keep->write == NULL)
        keep->write_source = g_timeout_add(delay_msec, write_due, keep);
}

static void
write_soon(Keep *keep)
{
    write_after(keep, WRITE_DELAY_MSEC);
}

static void
finish_write(Keep *keep)
{
    Write *write = g_steal_pointer(&keep->write);

    if (write->thread != NULL)
        g_thread_join(write->thread);
    g_clear_pointer(&keep->problem, g_free);
    if (write->error != NULL) {
        keep->problem = g_strdup_printf("%s can't be written: %s", write->path, write->error->message);
        keep->dirty = true;
    }
    g_free(write->path);
    g_free(write->text);
    g_clear_error(&write->error);
    g_free(write);
}

static gboolean
written(gpointer data)
{
    Write *write = data;
    Keep *keep = write->keep;
    bool failed = write->error != NULL;

    finish_write(keep);
    if (keep->dirty)
        write_after(keep, failed ? RETRY_DELAY_MSEC : WRITE_DELAY_MSEC);
    return G_SOURCE_REMOVE;
}

static void
do_write(Write *write)
{
    g_file_set_contents_full(write->path, write->text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                             0600, &write->error);
}

static gpointer
write_thread(gpointer data)
{
    do_write(data);
    g_idle_add(written, data);
    return NULL;
}

/* Returns false where there is no thread to be had. */
static bool
begin_write(Keep *keep)
{
    keep->dirty = false;
    keep->write = g_new0(Write, 1);
    keep->write->keep = keep;
    keep->write->path = g_strdup(keep->path);
    keep->write->text = sealed_text(keep->file);
    keep->write->thread = g_thread_try_new("keep", write_thread, keep->write, &keep->write->error);
    return keep->write->thread != NULL;
}

static gboolean
write_due(gpointer data)
{
    Keep *keep = data;

    keep->write_source = 0;
    if (!begin_write(keep)) {
        finish_write(keep);
        write_after(keep, RETRY_DELAY_MSEC);
    }
    return G_SOURCE_REMOVE;
}

/* The thread has added its source by the time it is joined. */
static void
wait_for_write(Keep *keep)
{
    Write *write = keep->write;

    if (write == NULL)
        return;
    finish_write(keep);
    g_source_remove_by_user_data(write);
}

void
keep_free(Keep *keep)
{
    if (keep == NULL)
        return;
    g_clear_handle_id(&keep->write_source, g_source_remove);
    wait_for_write(keep);
    if (keep->dirty && keep->path != NULL) {
        if (!begin_write(keep)) {
            g_clear_error(&keep->write->error);
            do_write(keep->write);
        }
        wait_for_write(keep);
    }
    g_key_file_unref(keep->file);
    g_free(keep->path);
    g_free(keep->problem);
    g_free(keep);
}

bool
keep_host_was_down(const Keep *keep)
{
    return keep->host_was_down;
}

char *
keep_get(const Keep *keep, const char *group, const char *key)
{
    return g_key_file_get_string(keep->file, group, key, NULL);
}

void
keep_set(Keep *keep, const char *group, const char *key, const char *value)
{
    g_autofree char *before = keep_get(keep, group, key);

    if (g_strcmp0(before, value) == 0)
        return;
    if (value == NULL)
        g_key_file_remove_key(keep->file, group, key, NULL);
    else
        g_key_file_set_string(keep->file, group, key, value);
    write_soon(keep);
}

char **
keep_keys(const Keep *keep, const char *group)
{
    char **keys = g_key_file_get_keys(keep->file, group, NULL, NULL);

    return keys != NULL ? keys : g_new0(char *, 1);
}

void
keep_clear_group(Keep *keep, const char *group)
{
    if (g_key_file_remove_group(keep->file, group, NULL))
        write_soon(keep);
}

const char *
keep_problem(const Keep *keep)
{
    return keep->problem;
}
