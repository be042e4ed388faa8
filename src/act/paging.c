/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_private.h"

#include "kernel/guest_group.h"
#include "paging_file.h"
#include "paging_place.h"
#include "swaps.h"
#include "units.h"

#include <string.h>

/* How long an answer about the host holds. */
#define BAR_USEC (5 * USEC_PER_SEC)

static void
file_free(gpointer data)
{
    File *file = data;

    if (file->job != NULL)
        g_atomic_int_set(&file->job->stop, 1);
    g_clear_handle_id(&file->helper_source, g_source_remove); /* the helper goes on */
    g_clear_handle_id(&file->retry_source, g_source_remove);
    g_free(file->record.directory);
    g_free(file->record.error);
    g_free(file->group);
    g_free(file->path);
    g_free(file);
}

/* ---- the table ---- */

/*
 * What makes a file keeps others from it before it is switched on. To do so earlier would keep all from swapping for as long as that
 * takes, on a host that is short of memory, and a disk that hangs for ever.
 */
static bool
is_any_on(const Paging *paging)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, paging->files);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        PagingStage stage = ((const File *)value)->record.stage;

        if (stage == PAGING_STAGE_ON || stage == PAGING_STAGE_EMPTYING)
            return true;
    }
    return false;
}

static gboolean
hold_due(gpointer data)
{
    Paging *paging = data;

    if (g_hash_table_size(paging->files) == 0) {
        paging->hold_source = 0;
        return G_SOURCE_REMOVE;
    }
    if (!paging->holding && !paging->stop.active && is_any_on(paging)) {
        paging->holding = true;
        paging_push_job(paging, paging_begin_job(paging, JOB_HOLD, NULL));
    }
    return G_SOURCE_CONTINUE;
}

static bool
is_over(const File *file)
{
    return file->record.stage == PAGING_STAGE_GONE || file->record.stage == PAGING_STAGE_FAILED;
}

static gboolean
was_looked_at(gpointer key, gpointer value, gpointer user_data)
{
    return ((const File *)value)->shown;
}

/* The main loop runs again: who was shown the records has seen how it ended. */
static gboolean
was_shown(gpointer data)
{
    Paging *paging = data;

    paging->shown_source = 0;
    g_ptr_array_set_size(paging->list, 0);
    g_ptr_array_set_size(paging->over, 0);
    g_hash_table_foreach_remove(paging->files, was_looked_at, NULL);
    return G_SOURCE_REMOVE;
}

static void
forget_soon(Paging *paging)
{
    if (paging->shown_source == 0)
        paging->shown_source = g_idle_add_full(G_PRIORITY_HIGH, was_shown, paging, NULL);
}

/* In the place of one that is over. */
static File *
add_file(Paging *paging, const char *uuid, const char *directory)
{
    File *file = g_new0(File, 1);
    File *before = g_hash_table_lookup(paging->files, uuid);

    if (before != NULL) {
        g_hash_table_steal(paging->files, uuid);
        g_ptr_array_add(paging->over, before);
        forget_soon(paging);
    }
    file->paging = paging;
    g_strlcpy(file->record.uuid, uuid, sizeof file->record.uuid);
    file->record.directory = g_strdup(directory);
    g_hash_table_insert(paging->files, file->record.uuid, file);
    if (paging->hold_source == 0)
        paging->hold_source = g_timeout_add(paging->system->hold_msec, hold_due, paging);
    return file;
}

static void
begin_making(Paging *paging, const PagingRequest *request)
{
    File *file = add_file(paging, request->uuid, request->directory);
    HeldFile *held;
    const char *bar = NULL;
    Job *job;

    file->record.stage = PAGING_STAGE_MAKING;
    file->record.size_kib = request->size_kib;
    file->record.since_usec = (uint64_t)g_get_monotonic_time();
    file->group = guest_group_find(paging->system->root, request->pid, &bar);
    if (file->group == NULL) {
        file->record.stage = PAGING_STAGE_FAILED;
        paging_set_error(file, bar != NULL ? bar : "its QEMU is not there");
        return;
    }
    held = paging_named_file(file);
    held->directory = g_strdup(request->directory);
    held->size_kib = request->size_kib;
    held->since_usec = file->record.since_usec;
    held->group = g_strdup(file->group);
    file->path = paging_work_path(&paging->handle->work, held);
    job = paging_begin_job(paging, JOB_MAKE, held);
    job->minimum_free_kib = request->minimum_free_kib;
    file->job = job;
    paging_push_job(paging, job);
}

static void
world_make(void *self, const PagingRequest *request)
{
    Paging *paging = self;
    File *file = g_hash_table_lookup(paging->files, request->uuid);

    /* before it is known what is on it would be taken for one that was found; it is asked for again */
    if (paging->stop.active || paging->take_over_source != 0)
        return;
    if (file == NULL || is_over(file))
        begin_making(paging, request);
}

static void
world_end(void *self, const char *uuid)
{
    Paging *paging = self;
    File *file = g_hash_table_lookup(paging->files, uuid);

    if (file == NULL || paging->stop.active)
        return;
    file->end_wanted = true;
    if (file->record.stage == PAGING_STAGE_MAKING)
        g_atomic_int_set(&file->job->stop, 1);
    else if (file->record.stage == PAGING_STAGE_ON)
        paging_begin_end(file);
}

static const char *
world_bar(void *self)
{
    Paging *paging = self;
    uint64_t now = (uint64_t)g_get_monotonic_time();

    if (paging->bar_usec == 0 || now - paging->bar_usec >= BAR_USEC) {
        paging->bar = paging_place_host_bar(paging->system);
        paging->bar_usec = now;
    }
    return paging->bar;
}

/* What all files of ours have in them; UINT64_MAX: not known. */
static uint64_t
used_of_ours(const GPtrArray *areas)
{
    uint64_t used = 0;
    char uuid[37];

    if (areas == NULL)
        return UINT64_MAX;
    for (guint i = 0; i < areas->len; i++) {
        const SwapArea *area = g_ptr_array_index(areas, i);

        if (paging_file_uuid(area->path, uuid))
            used = saturating_add(used, area->used_kib);
    }
    return used;
}

/*
 * /proc/swaps also counts what was read back and did not change since, and of two files not whose pages are in which; the
 * guest's group counts what it has in the host's own swap, which stays there when its file is ended.
 */
static void
read_usage(File *file, GPtrArray **areas)
{
    g_autofree char *current = file->group != NULL ? g_strconcat(file->group, "/memory.swap.current", NULL) : NULL;
    PagingRecord *record = &file->record;
    const SwapArea *area;

    if (record->stage != PAGING_STAGE_ON && record->stage != PAGING_STAGE_EMPTYING)
        return;
    if (*areas == NULL)
        *areas = swaps_read(file->paging->system->root, NULL);
    if (current != NULL && group_file_kib(file->paging->system, current, &record->used_kib)) {
        record->used_kib = MIN(record->used_kib, used_of_ours(*areas));
    } else if (*areas != NULL) { /* else it is taken for what it was */
        area = swaps_find(*areas, file->path);
        record->used_kib = area != NULL ? area->used_kib : 0;
    }
    record->peak_kib = MAX(record->peak_kib, record->used_kib);
}

static int
by_uuid(gconstpointer a, gconstpointer b)
{
    const PagingRecord *const *first = a, *const *second = b;

    return strcmp((*first)->uuid, (*second)->uuid);
}

static const PagingRecord *const *
world_records(void *self, size_t *count)
{
    Paging *paging = self;
    g_autoptr(GPtrArray) areas = NULL;
    GHashTableIter iter;
    void *value;

    g_ptr_array_set_size(paging->list, 0);
    g_hash_table_iter_init(&iter, paging->files);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        File *file = value;

        read_usage(file, &areas);
        g_ptr_array_add(paging->list, &file->record);
        file->shown = is_over(file);
        if (file->shown)
            forget_soon(paging);
    }
    g_ptr_array_sort(paging->list, by_uuid);
    *count = paging->list->len;
    return (const PagingRecord *const *)(void *)paging->list->pdata;
}

PagingWorld
paging_world(Paging *paging)
{
    return (PagingWorld){
        .self = paging, .bar = world_bar, .records = world_records, .make = world_make, .end = world_end};
}

/* ---- beginning and end ---- */

/* Until it is known what is on: nobody else keeps others from those files, nor ends them. */
static gboolean
take_over(gpointer data)
{
    Paging *paging = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = paging_work_find(&paging->handle->work, &error);

    if (error != NULL)
        g_debug("%s", error->message);
    if (found == NULL)
        return G_SOURCE_CONTINUE;
    paging->take_over_source = 0;
    for (guint i = 0; i < found->len; i++) {
        const HeldFile *held = g_ptr_array_index(found, i);
        File *file = add_file(paging, held->uuid, held->directory);

        file->group = g_strdup(held->group);
        file->path = paging_work_path(&paging->handle->work, held);
        file->record.found = true;
        file->record.size_kib = held->size_kib;
        file->record.since_usec = held->since_usec;
        file->record.stage = PAGING_STAGE_ON;
        if (file->group != NULL)
            limits_keep(paging->limits, file->group, true);
        if (held->ending) {
            file->end_wanted = true;
            paging_begin_end(file);
        }
    }
    return G_SOURCE_REMOVE;
}

Paging *
paging_new(const ActSystem *system, Held *held, Limits *limits, const char *own_directory)
{
    Paging *paging = g_new0(Paging, 1);

    paging->system = system;
    paging->limits = limits;
    paging->handle = g_new0(Handle, 1);
    g_atomic_ref_count_init(&paging->handle->references);
    paging->handle->paging = paging;
    paging->handle->work =
        (PagingWork){.system = system, .held = held_ref(held), .own_directory = g_strdup(own_directory)};
    paging->files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, file_free);
    paging->list = g_ptr_array_new();
    paging->over = g_ptr_array_new_with_free_func(file_free);
    paging->making = g_thread_pool_new(paging_run_job, NULL, 1, FALSE, NULL); /* one job after the other */
    paging->pool = g_thread_pool_new(paging_run_job, NULL, 1, FALSE, NULL);
    if (take_over(paging) == G_SOURCE_CONTINUE)
        paging->take_over_source = g_timeout_add(system->retry_msec, take_over, paging);
    paging_push_tidy(paging);
    return paging;
}

void
paging_free(Paging *paging)
{
    if (paging == NULL)
        return;
    paging->handle->paging = NULL;
    g_clear_handle_id(&paging->hold_source, g_source_remove);
    g_clear_handle_id(&paging->take_over_source, g_source_remove);
    g_clear_handle_id(&paging->thread_source, g_source_remove);
    g_clear_handle_id(&paging->tidy_source, g_source_remove);
    g_clear_handle_id(&paging->shown_source, g_source_remove);
    g_clear_handle_id(&paging->stop.timer, g_source_remove);
    g_hash_table_unref(paging->files);
    g_ptr_array_unref(paging->list);
    g_ptr_array_unref(paging->over);
    g_thread_pool_free(paging->making, FALSE, FALSE);
    g_thread_pool_free(paging->pool, FALSE, FALSE);
    paging_handle_unref(paging->handle);
    g_free(paging);
}

static gboolean
stop_is_late(gpointer data)
{
    Paging *paging = data;

    paging->stop.timer = 0;
    paging_end_stop(paging);
    return G_SOURCE_REMOVE;
}

void
paging_stop(Paging *paging, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    GHashTableIter iter;
    void *value;

    paging->stop.active = true;
    paging->stop.done = done;
    paging->stop.user_data = user_data;
    g_hash_table_iter_init(&iter, paging->files);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((File *)value)->job != NULL)
            g_atomic_int_set(&((File *)value)->job->stop, 1);
    paging->stop.timer =
        g_timeout_add(paging->running == 0 ? 0 : (guint)(deadline_usec / USEC_PER_MSEC), stop_is_late, paging);
}
