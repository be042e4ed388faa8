/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_work.h"

#include "error.h"
#include "isolate.h"
#include "names.h"
#include "paging_file.h"
#include "paging_place.h"
#include "swaps.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#define SWAP_CURRENT "/memory.swap.current"
#define SWAP_MAX "/memory.swap.max"
#define ZSWAP_MAX "/memory.zswap.max"
#define ZSWAP_SWITCH "/sys/module/zswap/parameters/enabled"
/* Used before any swap the host has for itself, and by its guest alone (isolate.h). */
#define PRIORITY SWAP_FLAG_PRIO_MASK

static bool
refuse(GError **error, const char *why)
{
    g_set_error_literal(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, why);
    return false;
}

static int
open_directory(const PagingWork *work, const char *directory, bool make, GError **error)
{
    return paging_place_open(work->system, directory, make && g_strcmp0(directory, work->own_directory) == 0, error);
}

char *
paging_work_path(const PagingWork *work, const HeldFile *file)
{
    g_autofree char *name = paging_file_name(file->uuid);
    g_autofree char *path = g_build_filename(file->directory, name, NULL);

    return g_strconcat(work->system->root, path, NULL);
}

/* ---- limits ---- */

/* What everybody's limits are to be follows from which files there are, and nobody changes them by what that was before. */
static GMutex limits_lock;

/* Control groups of the guests whose files are, or are about to be, on. Free with g_strfreev. */
static char **
groups_with_files(const PagingWork *work)
{
    g_autoptr(GPtrArray) files = held_files(work->held);
    GPtrArray *groups = g_ptr_array_new();

    for (guint i = 0; i < files->len; i++) {
        HeldFile *file = g_ptr_array_index(files, i);

        if (file->group != NULL && !file->off)
            g_ptr_array_add(groups, g_steal_pointer(&file->group));
    }
    g_ptr_array_add(groups, NULL);
    return (char **)g_ptr_array_free(groups, FALSE);
}

/* With zswap what is swapped out would stay in memory, compressed, and count against nobody's limit. */
static bool
keep_from_zswap(const PagingWork *work, const char *group, GError **error)
{
    g_autofree char *path = g_strconcat(work->system->root, ZSWAP_SWITCH, NULL);
    g_autofree char *enabled = NULL;
    g_autofree char *file = g_strconcat(group, ZSWAP_MAX, NULL);
    g_autofree char *present = NULL;
    g_autoptr(GError) why = NULL;
    const HeldValue none = {.file = file, .value = "0"};

    /* without that file the kernel has no zswap; where it can't be read it may be on */
    if (g_file_get_contents(path, &enabled, NULL, &why) ? *enabled == 'N' || *enabled == '0'
                                                        : g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return true;
    present = group_file_read(work->system, file);
    if (present == NULL)
        return refuse(error,
                      "zswap is on, which would keep its pages in memory, and this kernel can't leave one guest out "
                      "(Linux 5.19 can); echo 0 > " ZSWAP_SWITCH " would help");
    return held_set(work->held, &none, 1, error);
}

bool
paging_work_hold(const PagingWork *work, GError **error)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limits_lock);
    g_auto(GStrv) groups = groups_with_files(work);

    return groups[0] == NULL || isolate_apply(work->system, work->held, (const char *const *)groups, error);
}

/* Whether there is no file but the one that has ended. */
static bool
was_last(const PagingWork *work, const char *ended)
{
    g_autoptr(GPtrArray) files = held_files(work->held);
    bool last = true;

    for (guint i = 0; i < files->len; i++) {
        const HeldFile *file = g_ptr_array_index(files, i);

        last = last && (file->off || strcmp(file->uuid, ended) == 0);
    }
    return last;
}

/* A file less: its guest is one of the others again, and where it was the last all have the limits that they had. */
static bool
put_back_limits(const PagingWork *work, const HeldFile *ended, GError **error)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limits_lock);
    bool last = was_last(work, ended->uuid), good = true;

    if (ended->group != NULL) {
        g_autofree char *zswap = g_strconcat(ended->group, ZSWAP_MAX, NULL);

        good = isolate_put_back(work->held, zswap, error);
    }
    if (last)
        return good && isolate_end(work->held, error);
    return good && (ended->group == NULL || isolate_allow(work->system, work->held, ended->group, 0, error));
}

/* Until a file was forgotten the other thread may have held others for it, or taken it for one that is not the last. */
static bool
put_back_rest(const PagingWork *work, GError **error)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limits_lock);

    return !was_last(work, "") || isolate_end(work->held, error);
}

/* What is at its place is another file system, or an empty mount point, and says nothing of it. */
static bool
is_elsewhere(int directory_fd, const HeldFile *file, uint64_t device)
{
    g_autofree char *name = paging_file_name(file->uuid);
    struct stat facts;

    return file->device != device && fstatat(directory_fd, name, &facts, AT_SYMLINK_NOFOLLOW) != 0;
}

/* Its directory may be gone, with all that was in it; where its disk had errors that may be being mended. Notes where it is. */
static bool
delete_file(const PagingWork *work, HeldFile *file, GError **error)
{
    g_autoptr(GError) why = NULL;
    struct stat facts = {0};
    int fd = open_directory(work, file->directory, false, &why);
    bool good = false;

    if (fd < 0 && g_error_matches(why, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND) && !file->off)
        return true;
    if (fd < 0) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    fstat(fd, &facts);
    if (!file->off || file->device == 0)
        file->device = facts.st_dev;
    if (is_elsewhere(fd, file, facts.st_dev))
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "what is left of a paging file in %s is not there, as another file system is", file->directory);
    else
        good = paging_file_delete(work->system, fd, file->directory, file->uuid, false, error) &&
               paging_file_stays_deleted(fd, file->directory, file->uuid, error);
    close(fd);
    return good;
}

/*
 * Of a file that is not on. It is forgotten when it is gone, since nobody else knows a file without a header as ours; until then,
 * as on a disk with errors, others are not kept from it. It is deleted whatever else fails: on a full disk what is put back can
 * be remembered with the room that it took.
 */
static PagingLeft
clear_away(const PagingWork *work, const HeldFile *file, GError **error)
{
    HeldFile off = *file;
    bool back = put_back_limits(work, file, error);
    bool deleted = delete_file(work, &off, back ? error : NULL);

    if (!back)
        return PAGING_LEFT_UNDONE;
    if (deleted)
        return held_drop_file(work->held, file->uuid, error) && put_back_rest(work, error) ? PAGING_LEFT_NOTHING
                                                                                           : PAGING_LEFT_UNDONE;
    off.group = NULL;
    off.off = true;
    if (!file->off || file->device != off.device)
        held_put_file(work->held, &off, NULL);
    return put_back_rest(work, NULL) ? PAGING_LEFT_ON_DISK : PAGING_LEFT_UNDONE;
}

/* ---- making, step by step ---- */

static bool
check_guest(const PagingWork *work, const char *group, GError **error)
{
    g_autofree char *file = g_strconcat(group, SWAP_CURRENT, NULL);
    uint64_t kib;

    if (group_file_kib(work->system, file, &kib))
        return true;
    return refuse(error,
                  "what it swaps out is not accounted to its control group; booting the host without swapaccount=0 "
                  "would help");
}

/* A group above may let those in it swap out less, as MemorySwapMax= of a slice: then the file would be of no use. */
static bool
check_groups_above(const PagingWork *work, const HeldFile *file, GError **error)
{
    g_autofree char *group = g_strdup(file->group);

    for (char *slash; (slash = strrchr(group, '/')) != group;) {
        g_autofree char *max = NULL, *current = NULL, *left = NULL;
        uint64_t max_kib = LIMIT_NONE, current_kib = 0;

        *slash = '\0';
        max = g_strconcat(group, SWAP_MAX, NULL);
        current = g_strconcat(group, SWAP_CURRENT, NULL);
        group_file_kib(work->system, max, &max_kib);
        group_file_kib(work->system, current, &current_kib);
        if (max_kib == LIMIT_NONE || saturating_sub(max_kib, current_kib) >= file->size_kib)
            continue;
        left = units_format_size(saturating_sub(max_kib, current_kib));
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "the control group %s lets what is in it swap out no more than %s; systemctl set-property UNIT "
                    "MemorySwapMax=infinity would help",
                    group, left);
        return false;
    }
    return true;
}

static bool
switch_on(const PagingWork *work, const HeldFile *file, int fd, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int why;

    if (work->system->swap_on(path, SWAP_FLAG_PREFER | PRIORITY) == 0)
        return true;
    why = errno;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "the paging file in %s can't be switched on: %s%s",
                file->directory, g_strerror(why),
                why == EINVAL  ? "; its file system can't hold swap files; ext4 and XFS can, btrfs where it is on one "
                                 "device with the profile single"
                : why == EPERM ? "; dynmemd may not, or the kernel takes no more swap areas"
                               : "");
    return false;
}

static bool
goes_on(const PagingWork *work, const char *step, const int *stop, GError **error)
{
    act_system_step(work->system, step);
    return !g_atomic_int_get(stop) || refuse(error, "its making was called off");
}

/* From the file on disk to the file in use. */
static bool
put_to_use(const PagingWork *work, const HeldFile *file, int fd, const int *stop, GError **error)
{
    g_autofree char *current = g_strconcat(file->group, SWAP_CURRENT, NULL);
    uint64_t swapped_kib = 0; /* to the host's own swap, before there was a file */

    group_file_kib(work->system, current, &swapped_kib);
    if (!held_put_file(work->held, file, error) || !paging_work_hold(work, error) ||
        !goes_on(work, "others frozen", stop, error) || !check_groups_above(work, file, error) ||
        !keep_from_zswap(work, file->group, error) ||
        !isolate_allow(work->system, work->held, file->group, saturating_add(file->size_kib, swapped_kib), error) ||
        !goes_on(work, "guest allowed", stop, error) || !switch_on(work, file, fd, error))
        return false;
    act_system_step(work->system, "switched on");
    return true;
}

/* ---- ending ---- */

bool
paging_work_close(const PagingWork *work, const char *uuid, GError **error)
{
    g_autoptr(HeldFile) file = held_get_file(work->held, uuid);

    if (file == NULL)
        return true;
    file->ending = true;
    file->off = false;
    if (!held_put_file(work->held, file, error))
        return false;
    act_system_step(work->system, "end noted");
    return file->group == NULL || isolate_allow(work->system, work->held, file->group, 0, error);
}

PagingLeft
paging_work_finish(const PagingWork *work, const char *uuid, GError **error)
{
    g_autoptr(HeldFile) file = held_get_file(work->held, uuid);
    g_autoptr(GPtrArray) areas = swaps_read(work->system->root, error);
    g_autofree char *path = NULL;

    if (areas == NULL)
        return PAGING_LEFT_ON;
    if (file == NULL)
        return put_back_rest(work, error) ? PAGING_LEFT_NOTHING : PAGING_LEFT_UNDONE;
    path = paging_work_path(work, file);
    if (swaps_find(areas, path) != NULL) {
        refuse(error, "it is still switched on");
        return PAGING_LEFT_ON;
    }
    return clear_away(work, file, error);
}

/* ---- making ---- */

bool
paging_work_make(const PagingWork *work, const HeldFile *file, uint64_t minimum_free_kib, const int *stop,
                 GError **error)
{
    const ActSystem *system = work->system;
    const char *bar = paging_place_host_bar(system);
    HeldFile making = *file;
    bool nocow = false, good = false, noted = false;
    int directory_fd, fd = -1;

    if (bar != NULL)
        return refuse(error, bar);
    /* what is left of an earlier one goes first: the room it takes is to be had */
    if (!check_guest(work, file->group, error) || !paging_place_host_swap(system, error) ||
        paging_work_finish(work, file->uuid, error) != PAGING_LEFT_NOTHING)
        return false;
    directory_fd = open_directory(work, file->directory, true, error);
    if (directory_fd < 0)
        return false;
    if (paging_file_delete(system, directory_fd, file->directory, file->uuid, true, error) &&
        paging_place_check(system, directory_fd, file->directory, file->size_kib, minimum_free_kib, &nocow, error)) {
        noted = true;
        making.off = true; /* its disk may hang: until it is made others are kept from nothing for it */
        good = held_put_file(work->held, &making, error);
    }
    if (good && goes_on(work, "file noted", stop, error))
        fd = paging_file_make(system, directory_fd, file->directory, file->uuid, file->size_kib, nocow, stop, error);
    good = fd >= 0 && put_to_use(work, file, fd, stop, error);
    if (!good && noted)
        clear_away(work, file, NULL); /* the error that led here is told; what fails now is left to tidy */
    if (fd >= 0)
        close(fd);
    close(directory_fd);
    return good;
}

/* ---- what an earlier daemon left ---- */

/* When it was made, where nobody remembers. */
static uint64_t
file_since(const char *path)
{
    uint64_t now = (uint64_t)g_get_monotonic_time();
    uint64_t clock = (uint64_t)g_get_real_time(), made;
    struct stat facts;

    if (stat(path, &facts) != 0)
        return now;
    made = (uint64_t)facts.st_mtim.tv_sec * USEC_PER_SEC;
    return saturating_sub(now, saturating_sub(clock, made));
}

/* The path of one of our files as it is for us: as it is remembered, shown, or would be made here. NULL: it is not ours. */
static char *
true_path(const PagingWork *work, const SwapArea *area, const HeldFile *remembered)
{
    g_autofree char *name = g_path_get_basename(area->path);
    char *paths[] = {remembered != NULL ? paging_work_path(work, remembered) : NULL,
                     g_str_has_prefix(area->path, work->system->root) ? g_strdup(area->path) : NULL,
                     g_strconcat(work->system->root, work->own_directory, "/", name, NULL)};
    char *found = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        if (found == NULL && paths[i] != NULL && swap_area_is(area, paths[i]) &&
            paging_file_is_ours(work->system, paths[i]))
            found = g_steal_pointer(&paths[i]);
        g_free(paths[i]);
    }
    return found;
}

/* What is known of an area; NULL: it is not ours. */
static HeldFile *
complete(const PagingWork *work, const SwapArea *area, const char *uuid, GError **error)
{
    g_autoptr(HeldFile) file = held_get_file(work->held, uuid);
    g_autofree char *path = true_path(work, area, file);
    g_autofree char *directory = path != NULL ? g_path_get_dirname(path + strlen(work->system->root)) : NULL;

    if (path == NULL)
        return NULL;
    if (file != NULL && strcmp(file->directory, directory) == 0) {
        if (file->off) { /* somebody has switched it on */
            file->off = false;
            held_put_file(work->held, file, error);
        }
        return g_steal_pointer(&file);
    }
    g_clear_pointer(&file, held_file_free);
    file = g_new0(HeldFile, 1);
    g_strlcpy(file->uuid, uuid, sizeof file->uuid);
    file->directory = g_steal_pointer(&directory);
    file->size_kib = area->size_kib;
    file->since_usec = file_since(path);
    held_put_file(work->held, file, error);
    return g_steal_pointer(&file);
}

GPtrArray *
paging_work_find(const PagingWork *work, GError **error)
{
    g_autoptr(GPtrArray) areas = swaps_read(work->system->root, error);
    GPtrArray *files;
    char uuid[37];

    if (areas == NULL)
        return NULL;
    files = g_ptr_array_new_with_free_func((GDestroyNotify)held_file_free);
    for (guint i = 0; i < areas->len; i++) {
        const SwapArea *area = g_ptr_array_index(areas, i);
        HeldFile *file = NULL;

        if (paging_file_uuid(area->path, uuid))
            file = complete(work, area, uuid, *error == NULL ? error : NULL);
        if (file != NULL)
            g_ptr_array_add(files, file);
    }
    return files;
}

/* Files in our own directory that nobody remembers: what was remembered was lost. */
static void
delete_unknown(const PagingWork *work, const GPtrArray *areas)
{
    int fd = open_directory(work, work->own_directory, false, NULL);
    g_autofree char *path = g_strconcat(work->system->root, work->own_directory, NULL);
    g_autoptr(GDir) directory = fd >= 0 ? g_dir_open(path, 0, NULL) : NULL;
    const char *name;
    char uuid[37];

    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *file_path = g_build_filename(path, name, NULL);

        if (paging_file_uuid(name, uuid) && swaps_find(areas, file_path) == NULL)
            paging_file_delete(work->system, fd, work->own_directory, uuid, true, NULL);
    }
    if (fd >= 0)
        close(fd);
}

bool
paging_work_tidy(const PagingWork *work, GError **error)
{
    g_autoptr(GPtrArray) areas = swaps_read(work->system->root, error);
    g_autoptr(GPtrArray) files = held_files(work->held);
    bool good = true;

    if (areas == NULL)
        return false;
    for (guint i = 0; i < files->len; i++) {
        const HeldFile *file = g_ptr_array_index(files, i);
        g_autofree char *path = paging_work_path(work, file);

        if (swaps_find(areas, path) == NULL)
            good = paging_work_finish(work, file->uuid, good ? error : NULL) == PAGING_LEFT_NOTHING && good;
    }
    delete_unknown(work, areas);
    /* limits whose file is gone without a trace */
    return files->len == 0 ? isolate_end(work->held, error) : good;
}
