/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging.h"

#include "error.h"
#include "kernel/guest_group.h"
#include "paging_place.h"
#include "paging_work.h"
#include "swaps.h"
#include "units.h"

#include <string.h>
#include <sys/wait.h>

#define RETRY_LAST_MSEC 30000
/* How long an answer about the host holds. */
#define BAR_USEC (5 * USEC_PER_SEC)

#define ENDED_ELSEWHERE "an earlier dynmemd's process still switches it off"

typedef enum JobKind {
    JOB_MAKE,
    JOB_CLOSE,
    JOB_FINISH,
    JOB_HOLD,
    JOB_TIDY,
} JobKind;

/* What the thread and the main loop share: it outlives the one that goes first. */
typedef struct Handle {
    gatomicrefcount references;
    Paging *paging; /* main thread only; NULL: gone */
    PagingWork work;
    GMutex one_at_a_time;
} Handle;

typedef struct Job {
    Handle *handle;
    JobKind kind;
    HeldFile *file; /* JOB_MAKE: all of it; JOB_CLOSE, JOB_FINISH: its uuid */
    uint64_t minimum_free_kib;
    int stop; /* atomic: call the making off */
    bool good;
    bool on;
    GError *error;
} Job;

typedef struct File {
    PagingRecord record;
    Paging *paging;
    char *name; /* of its guest */
    char *group;
    char *path;
    pid_t pid;
    uint64_t high_kib;
    Job *job; /* under way */
    GPid helper;
    guint helper_source;
    guint retry_source;
    unsigned retries;
    bool end_wanted;
} File;

struct Paging {
    const ActSystem *system;
    Handle *handle;
    Limits *limits;
    GHashTable *files; /* uuid -> File */
    GPtrArray *list;   /* the records, sorted by uuid; made by records() */
    GThreadPool *pool;
    unsigned running;
    bool holding;
    guint hold_source;
    guint tidy_source;
    unsigned tidy_retries;
    guint shown_source;
    const char *bar;
    uint64_t bar_usec;
    struct {
        bool active;
        guint timer;
        void (*done)(void *user_data);
        void *user_data;
    } stop;
};

static void
handle_unref(Handle *handle)
{
    if (!g_atomic_ref_count_dec(&handle->references))
        return;
    held_unref(handle->work.held);
    g_free(handle->work.own_directory);
    g_mutex_clear(&handle->one_at_a_time);
    g_free(handle);
}

static void
job_free(Job *job)
{
    handle_unref(job->handle);
    held_file_free(job->file);
    g_clear_error(&job->error);
    g_free(job);
}

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
    g_free(file->name);
    g_free(file->group);
    g_free(file->path);
    g_free(file);
}

static guint
retry_delay(const Paging *paging, unsigned retries)
{
    return MIN(RETRY_LAST_MSEC, paging->system->retry_msec << MIN(retries, 5U));
}

/* ---- the thread ---- */

static gboolean job_ended(gpointer data);

static void
run_job(gpointer data, gpointer unused)
{
    Job *job = data;
    const PagingWork *work = &job->handle->work;

    g_mutex_lock(&job->handle->one_at_a_time);
    switch (job->kind) {
    case JOB_MAKE:
        job->good = paging_work_make(work, job->file, job->minimum_free_kib, &job->stop, &job->error);
        break;
    case JOB_CLOSE:
        job->good = paging_work_close(work, job->file->uuid, &job->error);
        break;
    case JOB_FINISH:
        job->good = paging_work_finish(work, job->file->uuid, &job->on, &job->error);
        break;
    case JOB_HOLD:
        job->good = paging_work_hold(work, &job->error);
        break;
    case JOB_TIDY:
        job->good = paging_work_tidy(work, &job->error);
        break;
    }
    g_mutex_unlock(&job->handle->one_at_a_time);
    g_idle_add(job_ended, job);
}

static Job *
begin_job(Paging *paging, JobKind kind, HeldFile *file)
{
    Job *job = g_new0(Job, 1);

    job->handle = paging->handle;
    g_atomic_ref_count_inc(&paging->handle->references);
    job->kind = kind;
    job->file = file;
    paging->running++;
    return job;
}

static void
push_job(Paging *paging, Job *job)
{
    g_thread_pool_push(paging->pool, job, NULL); /* an error still queues it */
}

static HeldFile *
named_file(const File *file)
{
    HeldFile *named = g_new0(HeldFile, 1);

    g_strlcpy(named->uuid, file->record.uuid, sizeof named->uuid);
    return named;
}

static void
push_file_job(File *file, JobKind kind)
{
    file->job = begin_job(file->paging, kind, named_file(file));
    push_job(file->paging, file->job);
}

/* ---- the end of a file ---- */

static void
set_error(File *file, const char *message)
{
    g_free(file->record.error);
    file->record.error = g_strdup(message);
}

static gboolean
retry_due(gpointer data)
{
    File *file = data;

    file->retry_source = 0;
    push_file_job(file, JOB_CLOSE);
    return G_SOURCE_REMOVE;
}

static void
retry_later(File *file)
{
    if (!file->paging->stop.active)
        file->retry_source = g_timeout_add(retry_delay(file->paging, file->retries++), retry_due, file);
}

static void
swap_off_failed(File *file, const char *why)
{
    g_autofree char *message = g_strdup_printf("the paging file can't be switched off yet: %s; it is tried again", why);

    file->record.failures++;
    set_error(file, message);
}

/* The process has ended; whether the file is off is for the thread to look up. */
static void
helper_ended(GPid pid, int status, gpointer data)
{
    File *file = data;
    int why = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

    file->helper_source = 0;
    file->helper = 0;
    g_spawn_close_pid(pid);
    if (WIFSIGNALED(status)) {
        g_autofree char *text = g_strdup_printf(
            "its process was killed by signal %d%s", WTERMSIG(status),
            WTERMSIG(status) == SIGKILL ? ", as the kernel does when memory runs out; free memory on the host" : "");

        swap_off_failed(file, text);
    } else if (why == ENOMEM) {
        swap_off_failed(file, "there is not enough memory to take back what it holds; free memory on the host");
    } else if (why == EINVAL) {
        set_error(file, ENDED_ELSEWHERE);
    } else if (why != 0) {
        swap_off_failed(file, g_strerror(why));
    }
    push_file_job(file, JOB_FINISH);
}

static void
begin_swap_off(File *file)
{
    g_autoptr(GError) error = NULL;

    if (!file->paging->system->swap_off(file->path, &file->helper, &error)) {
        swap_off_failed(file, error->message);
        retry_later(file);
        return;
    }
    file->helper_source = g_child_watch_add(file->helper, helper_ended, file);
}

static void
begin_end(File *file)
{
    file->record.stage = PAGING_STAGE_EMPTYING;
    push_file_job(file, JOB_CLOSE);
}

/* ---- ends of jobs ---- */

static void
high_was_set(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    Handle *handle = user_data;
    File *file = handle->paging != NULL ? g_hash_table_lookup(handle->paging->files, uuid) : NULL;

    if (error != NULL && file != NULL && file->record.stage == PAGING_STAGE_ON)
        set_error(file, error->message);
    handle_unref(handle);
}

/* Once there is somewhere to swap to, and not before: at its limit without swap a guest hardly moves. */
static void
set_high(File *file)
{
    GuestRecord guest = {.pid = file->pid, .life = GUEST_LIFE_RUNNING};
    LimitWorld world = limits_world(file->paging->limits);

    if (file->pid <= 0 || file->high_kib == 0)
        return;
    g_strlcpy(guest.uuid, file->record.uuid, sizeof guest.uuid);
    g_atomic_ref_count_inc(&file->paging->handle->references);
    world.set(world.self, &guest, file->high_kib, high_was_set, file->paging->handle);
}

static void
was_made(File *file, const Job *job)
{
    if (!job->good) {
        file->record.stage = file->end_wanted ? PAGING_STAGE_GONE : PAGING_STAGE_FAILED;
        set_error(file, job->error->message);
        return;
    }
    file->record.stage = PAGING_STAGE_ON;
    limits_keep(file->paging->limits, file->group, true);
    if (file->end_wanted)
        begin_end(file);
    else
        set_high(file);
}

static void
was_closed(File *file, const Job *job)
{
    if (!job->good) {
        set_error(file, job->error->message);
        retry_later(file);
        return;
    }
    begin_swap_off(file);
}

static void
was_finished(File *file, const Job *job)
{
    if (!job->good) {
        if (!job->on || file->record.error == NULL)
            set_error(file, job->error->message);
        retry_later(file);
        return;
    }
    file->record.stage = PAGING_STAGE_GONE;
    file->record.used_kib = 0;
    g_clear_pointer(&file->record.error, g_free);
    if (file->group != NULL)
        limits_keep(file->paging->limits, file->group, false);
}

static void push_tidy(Paging *paging);

static gboolean
tidy_due(gpointer data)
{
    Paging *paging = data;

    paging->tidy_source = 0;
    push_tidy(paging);
    return G_SOURCE_REMOVE;
}

static void
push_tidy(Paging *paging)
{
    push_job(paging, begin_job(paging, JOB_TIDY, NULL));
}

static void
was_tidied(Paging *paging, const Job *job)
{
    if (job->good || paging->stop.active)
        return;
    g_debug("what an earlier dynmemd left is not all gone: %s", job->error->message);
    paging->tidy_source = g_timeout_add(retry_delay(paging, paging->tidy_retries++), tidy_due, paging);
}

static void
end_stop(Paging *paging)
{
    void (*done)(void *user_data) = paging->stop.done;

    paging->stop.done = NULL;
    g_clear_handle_id(&paging->stop.timer, g_source_remove);
    if (done != NULL)
        done(paging->stop.user_data);
}

static void
file_job_ended(Paging *paging, const Job *job)
{
    File *file = g_hash_table_lookup(paging->files, job->file->uuid);

    g_assert(file != NULL && file->job == job);
    file->job = NULL;
    if (job->kind == JOB_MAKE)
        was_made(file, job);
    else if (job->kind == JOB_CLOSE)
        was_closed(file, job);
    else
        was_finished(file, job);
}

static gboolean
job_ended(gpointer data)
{
    Job *job = data;
    Paging *paging = job->handle->paging;

    if (paging != NULL) {
        paging->running--;
        if (job->kind == JOB_HOLD)
            paging->holding = false;
        else if (job->kind == JOB_TIDY)
            was_tidied(paging, job);
        else
            file_job_ended(paging, job);
        if (paging->stop.active && paging->running == 0)
            end_stop(paging);
    }
    job_free(job);
    return G_SOURCE_REMOVE;
}

/* ---- the table ---- */

static gboolean
hold_due(gpointer data)
{
    Paging *paging = data;

    if (g_hash_table_size(paging->files) == 0) {
        paging->hold_source = 0;
        return G_SOURCE_REMOVE;
    }
    if (!paging->holding && !paging->stop.active) {
        paging->holding = true;
        push_job(paging, begin_job(paging, JOB_HOLD, NULL));
    }
    return G_SOURCE_CONTINUE;
}

static File *
add_file(Paging *paging, const char *uuid, const char *directory)
{
    File *file = g_new0(File, 1);

    file->paging = paging;
    g_strlcpy(file->record.uuid, uuid, sizeof file->record.uuid);
    file->record.directory = g_strdup(directory);
    g_hash_table_replace(paging->files, file->record.uuid, file);
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

    file->name = g_strdup(request->name);
    file->pid = request->pid;
    file->high_kib = request->high_kib;
    file->record.stage = PAGING_STAGE_MAKING;
    file->record.size_kib = request->size_kib;
    file->record.since_usec = (uint64_t)g_get_monotonic_time();
    file->group = guest_group_find(paging->system->root, request->pid, &bar);
    if (file->group == NULL) {
        file->record.stage = PAGING_STAGE_FAILED;
        set_error(file, bar);
        return;
    }
    held = named_file(file);
    held->directory = g_strdup(request->directory);
    held->size_kib = request->size_kib;
    held->since_usec = file->record.since_usec;
    held->group = g_strdup(file->group);
    file->path = paging_work_path(&paging->handle->work, held);
    job = begin_job(paging, JOB_MAKE, held);
    job->minimum_free_kib = request->minimum_free_kib;
    file->job = job;
    push_job(paging, job);
}

static void
world_make(void *self, const PagingRequest *request)
{
    Paging *paging = self;
    File *file = g_hash_table_lookup(paging->files, request->uuid);

    if (paging->stop.active)
        return;
    if (file == NULL || file->record.stage == PAGING_STAGE_GONE || file->record.stage == PAGING_STAGE_FAILED) {
        begin_making(paging, request);
        return;
    }
    file->pid = request->pid;
    file->high_kib = request->high_kib;
    if (file->record.stage == PAGING_STAGE_ON)
        set_high(file);
}

static void
world_end(void *self, const char *uuid)
{
    Paging *paging = self;
    File *file = g_hash_table_lookup(paging->files, uuid);

    if (file == NULL || file->end_wanted || paging->stop.active)
        return;
    file->end_wanted = true;
    if (file->record.stage == PAGING_STAGE_MAKING && file->job != NULL)
        g_atomic_int_set(&file->job->stop, 1);
    else if (file->record.stage == PAGING_STAGE_ON)
        begin_end(file);
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

/* /proc/swaps also counts what was read back and did not change since, so it is asked only where nobody else knows. */
static void
read_usage(File *file, GPtrArray **areas)
{
    g_autofree char *current = file->group != NULL ? g_strconcat(file->group, "/memory.swap.current", NULL) : NULL;
    PagingRecord *record = &file->record;
    const SwapArea *area;

    if (record->stage != PAGING_STAGE_ON && record->stage != PAGING_STAGE_EMPTYING)
        return;
    if (current == NULL || !group_file_kib(file->paging->system, current, &record->used_kib)) {
        if (*areas == NULL)
            *areas = swaps_read(file->paging->system->root, NULL);
        area = *areas != NULL ? swaps_find(*areas, file->path) : NULL;
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

static gboolean
is_over(gpointer key, gpointer value, gpointer user_data)
{
    const File *file = value;

    return file->job == NULL && (file->record.stage == PAGING_STAGE_GONE || file->record.stage == PAGING_STAGE_FAILED);
}

/* The main loop runs again: who was shown the records has seen how it ended. */
static gboolean
was_shown(gpointer data)
{
    Paging *paging = data;

    paging->shown_source = 0;
    g_ptr_array_set_size(paging->list, 0);
    g_hash_table_foreach_remove(paging->files, is_over, NULL);
    return G_SOURCE_REMOVE;
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
        if (is_over(NULL, file, NULL) && paging->shown_source == 0)
            paging->shown_source = g_idle_add_full(G_PRIORITY_HIGH, was_shown, paging, NULL);
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

static void
take_over(Paging *paging)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = paging_work_find(&paging->handle->work, &error);

    if (error != NULL)
        g_debug("%s", error->message);
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
            begin_end(file);
        }
    }
}

Paging *
paging_new(const ActSystem *system, Held *held, Limits *limits, const char *own_directory)
{
    Paging *paging = g_new0(Paging, 1);

    paging->system = system;
    paging->limits = limits;
    paging->handle = g_new0(Handle, 1);
    g_atomic_ref_count_init(&paging->handle->references);
    g_mutex_init(&paging->handle->one_at_a_time);
    paging->handle->paging = paging;
    paging->handle->work =
        (PagingWork){.system = system, .held = held_ref(held), .own_directory = g_strdup(own_directory)};
    paging->files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, file_free);
    paging->list = g_ptr_array_new();
    paging->pool = g_thread_pool_new(run_job, NULL, 1, FALSE, NULL);
    push_tidy(paging);
    take_over(paging);
    return paging;
}

void
paging_free(Paging *paging)
{
    if (paging == NULL)
        return;
    paging->handle->paging = NULL;
    g_clear_handle_id(&paging->hold_source, g_source_remove);
    g_clear_handle_id(&paging->tidy_source, g_source_remove);
    g_clear_handle_id(&paging->shown_source, g_source_remove);
    g_clear_handle_id(&paging->stop.timer, g_source_remove);
    g_hash_table_unref(paging->files);
    g_ptr_array_unref(paging->list);
    g_thread_pool_free(paging->pool, FALSE, FALSE);
    handle_unref(paging->handle);
    g_free(paging);
}

static gboolean
stop_is_late(gpointer data)
{
    Paging *paging = data;

    paging->stop.timer = 0;
    end_stop(paging);
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
