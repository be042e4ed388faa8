/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held.h"

#include "error.h"
#include "sealed.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define STATE_FILE "held"
#define GROUP_HOST "host"
#define KEY_BOOT_ID "boot-id"
#define GROUP_VALUES "values"
#define GROUP_FILE "file "
/* The value of what is claimed. */
#define ANY_VALUE "*"

/* One value, in GROUP_VALUES under its file: inode, original, value, value before that one. */
enum {
    PART_INODE,
    PART_ORIGINAL,
    PART_VALUE,
    PART_BEFORE,
    PART_COUNT
};

struct Held {
    gatomicrefcount references;
    const ActSystem *system;
    char *path;
    GMutex lock;    /* of state; held shortly */
    GMutex writing; /* one write at a time, in the order of the changes; taken before lock */
    char *written;  /* the sum of what was written last; of writing */
    GKeyFile *state;
};

void
held_file_free(HeldFile *file)
{
    if (file == NULL)
        return;
    g_free(file->directory);
    g_free(file->group);
    g_free(file);
}

/* ---- the file ---- */

/* Whether it is certain that the group of a file is gone. */
static bool
is_gone(const Held *held, const char *file)
{
    return group_file_inode(held->system, file) == 0 && group_errno_absent(errno);
}

/* Called locked. */
static void
drop_the_gone(Held *held)
{
    g_auto(GStrv) keys = g_key_file_get_keys(held->state, GROUP_VALUES, NULL, NULL);

    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++) {
        g_autofree char *file = g_uri_unescape_string(keys[i], NULL);

        if (file == NULL || *file != '/' || is_gone(held, file))
            g_key_file_remove_key(held->state, GROUP_VALUES, keys[i], NULL);
    }
}

/*
 * Guests come and go: without their groups, what is remembered would grow with every guest there ever was. Who waited for another
 * write finds what is to be remembered in that one: a thousand limits that are set at once are not a thousand writes.
 */
static bool
save(Held *held, GError **error)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) writing = g_mutex_locker_new(&held->writing);
    g_autoptr(GError) why = NULL;
    g_autofree char *text = NULL;
    g_autofree char *sum = NULL;

    g_mutex_lock(&held->lock);
    drop_the_gone(held);
    text = sealed_text(held->state);
    g_mutex_unlock(&held->lock);
    sum = g_strndup(text, strcspn(text, "\n"));
    if (g_strcmp0(sum, held->written) == 0)
        return true;
    g_clear_pointer(&held->written, g_free);
    if (g_file_set_contents_full(held->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                 0600, &why)) {
        held->written = g_steal_pointer(&sum);
        return true;
    }
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "what is changed can't be remembered in %s: %s", held->path,
                why->message);
    return false;
}

static void
read_state(Held *held, char **problem)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = g_strconcat(held->path, ".bad", NULL);
    g_autofree char *why = NULL;
    const char *kept;

    if (sealed_load(held->state, held->path, &error) || g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return;
    g_key_file_unref(held->state);
    held->state = g_key_file_new();
    why = g_utf8_make_valid(error->message, -1); /* it quotes the file */
    kept = g_rename(held->path, aside) == 0 ? " and is set aside with .bad at its end" : "";
    *problem = g_strdup_printf("%s can't be used%s: %s; limits that an earlier dynmemd left in control groups count as "
                               "somebody else's until their guests are started anew",
                               held->path, kept, why);
}

/* File systems that were away are mounted by now, or gone for good. */
static void
forget_left(Held *held)
{
    g_auto(GStrv) groups = g_key_file_get_groups(held->state, NULL);

    for (size_t i = 0; groups[i] != NULL; i++)
        if (g_str_has_prefix(groups[i], GROUP_FILE))
            g_key_file_set_boolean(held->state, groups[i], "off", false);
}

Held *
held_open(const ActSystem *system, const char *directory, char **problem)
{
    Held *held = g_new0(Held, 1);
    g_autofree char *boot_path = g_strconcat(system->root, system->boot_file, NULL);
    g_autofree char *boot = NULL;
    g_autofree char *before = NULL;

    g_atomic_ref_count_init(&held->references);
    g_mutex_init(&held->lock);
    g_mutex_init(&held->writing);
    held->system = system;
    held->path = g_build_filename(directory, STATE_FILE, NULL);
    held->state = g_key_file_new();
    *problem = NULL;
    if (g_mkdir_with_parents(directory, 0700) != 0)
        *problem = g_strdup_printf("%s can't be made: %s; no limits are set", directory, g_strerror(errno));
    else
        read_state(held, problem);

    if (!g_file_get_contents(boot_path, &boot, NULL, NULL))
        boot = g_strdup("");
    g_strstrip(boot);
    before = g_key_file_get_string(held->state, GROUP_HOST, KEY_BOOT_ID, NULL);
    if (g_strcmp0(boot, before) != 0) {
        g_key_file_remove_group(held->state, GROUP_VALUES, NULL);
        forget_left(held);
        g_key_file_set_string(held->state, GROUP_HOST, KEY_BOOT_ID, boot);
    }
    return held;
}

Held *
held_ref(Held *held)
{
    g_atomic_ref_count_inc(&held->references);
    return held;
}

void
held_unref(Held *held)
{
    if (held == NULL || !g_atomic_ref_count_dec(&held->references))
        return;
    g_key_file_unref(held->state);
    g_mutex_clear(&held->lock);
    g_mutex_clear(&held->writing);
    g_free(held->written);
    g_free(held->path);
    g_free(held);
}

/* ---- values ---- */

/* Keys of key files can't have all that names of groups can. */
static char *
key_of(const char *file)
{
    return g_uri_escape_string(file, "/", FALSE);
}

/*
 * The parts of what is known of a file whose group is still the one of inode; 0: it is not seen. Called locked. Free with
 * g_strfreev.
 */
static char **
lookup(const Held *held, const char *file, uint64_t inode)
{
    g_autofree char *key = key_of(file);
    g_auto(GStrv) parts = g_key_file_get_string_list(held->state, GROUP_VALUES, key, NULL, NULL);

    if (inode == 0 || parts == NULL || g_strv_length(parts) != PART_COUNT ||
        g_ascii_strtoull(parts[PART_INODE], NULL, 10) != inode)
        return NULL;
    return g_steal_pointer(&parts);
}

static bool
is_ours(char **parts, const char *present)
{
    return strcmp(parts[PART_VALUE], ANY_VALUE) == 0 || strcmp(parts[PART_VALUE], present) == 0 ||
           strcmp(parts[PART_BEFORE], present) == 0;
}

/* What stands in a file, and the inode of its group. Returns false with error; *present is NULL where the file is not there. */
static bool
look_at(const Held *held, const char *file, char **present, uint64_t *inode, GError **error)
{
    *present = NULL;
    *inode = group_file_inode(held->system, file);
    if (*inode != 0)
        *present = group_file_read(held->system, file);
    if (*present != NULL || group_errno_absent(errno))
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s of the control groups can't be read: %s", file,
                g_strerror(errno));
    return false;
}

/*
 * Notes what is about to be written. value before: after a crash between the note and the write it is what stands there.
 * *due tells whether there is something to write. Returns false with error, and then it is not to be written.
 */
static bool
note_value(Held *held, const char *file, const char *value, bool *due, GError **error)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);
    g_auto(GStrv) known = NULL;
    g_autofree char *key = key_of(file);
    g_autofree char *present = NULL;
    g_autofree char *inode_text = NULL;
    const char *parts[PART_COUNT];
    uint64_t inode;

    *due = false;
    if (!look_at(held, file, &present, &inode, error))
        return false;
    if (present == NULL)
        return true; /* gone meanwhile */
    known = lookup(held, file, inode);
    if (known != NULL && strcmp(known[PART_VALUE], value) == 0 &&
        (strcmp(value, ANY_VALUE) == 0 || strcmp(present, value) == 0))
        return true;
    inode_text = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)inode);
    parts[PART_INODE] = inode_text;
    parts[PART_ORIGINAL] = known != NULL && is_ours(known, present) ? known[PART_ORIGINAL] : present;
    parts[PART_VALUE] = value;
    parts[PART_BEFORE] = present;
    g_key_file_set_string_list(held->state, GROUP_VALUES, key, parts, PART_COUNT);
    *due = true;
    return true;
}

/* A group that is gone has no value, and that is no error. */
static bool
write_value(Held *held, const char *file, const char *value, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (group_file_write(held->system, file, value, &why) || is_gone(held, file))
        return true;
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

bool
held_set(Held *held, const HeldValue *values, size_t count, GError **error)
{
    g_autoptr(GPtrArray) due = g_ptr_array_new();
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        bool is_due;

        good = note_value(held, values[i].file, values[i].value, &is_due, good ? error : NULL) && good;
        if (is_due)
            g_ptr_array_add(due, (gpointer)&values[i]);
    }
    if (due->len == 0)
        return good;
    if (!save(held, good ? error : NULL))
        return false;
    act_system_step(held->system, "values noted");
    for (guint i = 0; i < due->len; i++) {
        const HeldValue *value = g_ptr_array_index(due, i);

        good = write_value(held, value->file, value->value, good ? error : NULL) && good;
        act_system_step(held->system, "value written");
    }
    return good;
}

static void
forget(Held *held, const char *file)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);
    g_autofree char *key = key_of(file);

    g_key_file_remove_key(held->state, GROUP_VALUES, key, NULL);
}

bool
held_claim(Held *held, const char *file, GError **error)
{
    bool due;

    if (!note_value(held, file, ANY_VALUE, &due, error))
        return false;
    if (!due || save(held, error))
        return true;
    forget(held, file); /* what others write to it from here on is theirs */
    return false;
}

bool
held_forget(Held *held, const char *const *files, size_t count, GError **error)
{
    for (size_t i = 0; i < count; i++)
        forget(held, files[i]);
    return save(held, error);
}

/* *original is NULL where nothing is to be put back. Returns false with error where that can't be known. */
static bool
find_original(Held *held, const char *file, char **original, GError **error)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);
    g_auto(GStrv) known = NULL;
    g_autofree char *present = NULL;
    uint64_t inode;

    if (!look_at(held, file, &present, &inode, error))
        return false;
    known = present != NULL ? lookup(held, file, inode) : NULL;
    *original = known != NULL && is_ours(known, present) ? g_strdup(known[PART_ORIGINAL]) : NULL;
    return true;
}

bool
held_release(Held *held, const char *const *files, size_t count, GError **error)
{
    bool good = true;

    if (count == 0)
        return true;
    for (size_t i = 0; i < count; i++) {
        g_autofree char *original = NULL;

        if (find_original(held, files[i], &original, good ? error : NULL) &&
            (original == NULL || write_value(held, files[i], original, good ? error : NULL)))
            forget(held, files[i]);
        else
            good = false;
        act_system_step(held->system, "value put back");
    }
    return save(held, good ? error : NULL) && good;
}

bool
held_has(Held *held, const char *file)
{
    g_autofree char *value = held_value(held, file);

    return value != NULL;
}

char *
held_value(Held *held, const char *file)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);
    g_auto(GStrv) known = lookup(held, file, group_file_inode(held->system, file));

    return known != NULL ? g_strdup(known[PART_VALUE]) : NULL;
}

char **
held_list(Held *held, const char *suffix)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);
    g_auto(GStrv) keys = g_key_file_get_keys(held->state, GROUP_VALUES, NULL, NULL);
    g_autoptr(GPtrArray) files = g_ptr_array_new();

    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++) {
        g_autofree char *file = g_uri_unescape_string(keys[i], NULL);

        if (file != NULL && *file == '/' && g_str_has_suffix(file, suffix))
            g_ptr_array_add(files, g_steal_pointer(&file));
    }
    g_ptr_array_add(files, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&files), FALSE);
}

/* ---- paging files ---- */

bool
held_put_file(Held *held, const HeldFile *file, GError **error)
{
    g_autofree char *group = g_strconcat(GROUP_FILE, file->uuid, NULL);

    g_mutex_lock(&held->lock);
    g_key_file_set_string(held->state, group, "directory", file->directory);
    g_key_file_set_uint64(held->state, group, "size-kib", file->size_kib);
    g_key_file_set_uint64(held->state, group, "since-usec", file->since_usec);
    g_key_file_set_string(held->state, group, "group", file->group != NULL ? file->group : "");
    g_key_file_set_boolean(held->state, group, "ending", file->ending);
    g_key_file_set_boolean(held->state, group, "off", file->off);
    g_key_file_set_uint64(held->state, group, "device", file->device);
    g_mutex_unlock(&held->lock);
    return save(held, error);
}

bool
held_drop_file(Held *held, const char *uuid, GError **error)
{
    g_autofree char *group = g_strconcat(GROUP_FILE, uuid, NULL);

    g_mutex_lock(&held->lock);
    g_key_file_remove_group(held->state, group, NULL);
    g_mutex_unlock(&held->lock);
    return save(held, error);
}

/* Called locked. */
static HeldFile *
read_file(const Held *held, const char *uuid)
{
    g_autofree char *group = g_strconcat(GROUP_FILE, uuid, NULL);
    g_autoptr(HeldFile) file = NULL;

    if (!g_key_file_has_group(held->state, group) || !g_uuid_string_is_valid(uuid))
        return NULL;
    file = g_new0(HeldFile, 1);
    g_strlcpy(file->uuid, uuid, sizeof file->uuid);
    file->directory = g_key_file_get_string(held->state, group, "directory", NULL);
    file->size_kib = g_key_file_get_uint64(held->state, group, "size-kib", NULL);
    file->since_usec = g_key_file_get_uint64(held->state, group, "since-usec", NULL);
    file->group = g_key_file_get_string(held->state, group, "group", NULL);
    file->ending = g_key_file_get_boolean(held->state, group, "ending", NULL);
    file->off = g_key_file_get_boolean(held->state, group, "off", NULL);
    file->device = g_key_file_get_uint64(held->state, group, "device", NULL);
    if (file->group != NULL && *file->group != '/')
        g_clear_pointer(&file->group, g_free);
    return file->directory != NULL ? g_steal_pointer(&file) : NULL;
}

HeldFile *
held_get_file(Held *held, const char *uuid)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);

    return read_file(held, uuid);
}

GPtrArray *
held_files(Held *held)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&held->lock);
    g_auto(GStrv) groups = g_key_file_get_groups(held->state, NULL);
    GPtrArray *files = g_ptr_array_new_with_free_func((GDestroyNotify)held_file_free);

    for (size_t i = 0; groups[i] != NULL; i++) {
        HeldFile *file =
            g_str_has_prefix(groups[i], GROUP_FILE) ? read_file(held, groups[i] + strlen(GROUP_FILE)) : NULL;

        if (file != NULL)
            g_ptr_array_add(files, file);
    }
    return files;
}
