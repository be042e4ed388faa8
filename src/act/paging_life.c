/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_private.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#define RETRY_LAST_MSEC 30000
#define ENDED_ELSEWHERE "an earlier dynmemd's process still switches it off"

void
paging_handle_unref(Handle *handle)
{
    if (!g_atomic_ref_count_dec(&handle->references))
        return;
    held_unref(handle->work.held);
    g_free(handle->work.own_directory);
    g_free(handle);
}

static void
job_free(Job *job)
{
    paging_handle_unref(job->handle);
    held_file_free(job->file);
    g_clear_error(&job->error);
    g_free(job);
}

static guint
retry_delay(const Paging *paging, unsigned retries)
{
    return MIN(RETRY_LAST_MSEC, paging->system->retry_msec << MIN(retries, 5U));
}

/* ---- the threads ---- */

static gboolean job_ended(gpointer data);

void
paging_run_job(gpointer data, gpointer unused)
{
    Job *job = data;
    const PagingWork *work = &job->handle->work;

    switch (job->kind) {
    case JOB_MAKE:
        job->good = paging_work_make(work, job->file, job->minimum_free_kib, &job->stop, &job->error);
        break;
    case JOB_CLOSE:
        job->good = paging_work_close(work, job->file->uuid, &job->error);
        break;
    case JOB_FINISH:
        job->left = paging_work_finish(work, job->file->uuid, &job->error);
        break;
    case JOB_HOLD:
        job->good = paging_work_hold(work, &job->error);
        break;
    case JOB_TIDY:
        job->good = paging_work_tidy(work, &job->error);
        break;
    }
    g_idle_add(job_ended, job);
}

Job *
paging_begin_job(Paging *paging, JobKind kind, HeldFile *file)
{
    Job *job = g_new0(Job, 1);

    job->handle = paging->handle;
    g_atomic_ref_count_inc(&paging->handle->references);
    job->kind = kind;
    job->file = file;
    paging->running++;
    return job;
}

/* Setting how many there may be begins what is queued. */
static gboolean
thread_due(gpointer data)
{
    Paging *paging = data;

    if (!g_thread_pool_set_max_threads(paging->pool, 1, NULL) ||
        !g_thread_pool_set_max_threads(paging->making, 1, NULL))
        return G_SOURCE_CONTINUE;
    paging->thread_source = 0;
    return G_SOURCE_REMOVE;
}

void
paging_push_job(Paging *paging, Job *job)
{
    GThreadPool *pool = job->kind == JOB_MAKE || job->kind == JOB_TIDY ? paging->making : paging->pool;

    /* an error still queues it */
    if (!g_thread_pool_push(pool, job, NULL) && paging->thread_source == 0)
        paging->thread_source = g_timeout_add(paging->system->retry_msec, thread_due, paging);
}

HeldFile *
paging_named_file(const File *file)
{
    HeldFile *named = g_new0(HeldFile, 1);

    g_strlcpy(named->uuid, file->record.uuid, sizeof named->uuid);
    return named;
}

/* What is not begun when the daemon is about to end the next one begins. */
static void
push_file_job(File *file, JobKind kind)
{
    if (file->paging->stop.active)
        return;
    file->job = paging_begin_job(file->paging, kind, paging_named_file(file));
    paging_push_job(file->paging, file->job);
}

/* ---- the end of a file ---- */

void
paging_set_error(File *file, const char *message)
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
    file->retry_source = g_timeout_add(retry_delay(file->paging, file->retries++), retry_due, file);
}

static void
end_failed(File *file, const char *why)
{
    file->record.failures++;
    paging_set_error(file, why);
}

static void
swap_off_failed(File *file, const char *why)
{
    g_autofree char *message = g_strdup_printf("the paging file can't be switched off yet: %s; it is tried again", why);

    end_failed(file, message);
}

/* The process has ended; whether the file is off is for a thread to look up. */
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
        paging_set_error(file, ENDED_ELSEWHERE);
        file->retries = 0; /* it is about to end */
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

void
paging_begin_end(File *file)
{
    file->record.stage = PAGING_STAGE_EMPTYING;
    push_file_job(file, JOB_CLOSE);
}

/* ---- ends of jobs ---- */

static void
was_made(File *file, const Job *job)
{
    if (!job->good) {
        g_autoptr(HeldFile) left = held_get_file(job->handle->work.held, file->record.uuid);

        file->record.stage = file->end_wanted ? PAGING_STAGE_GONE : PAGING_STAGE_FAILED;
        paging_set_error(file, job->error->message);
        /* what could not be undone is tried again */
        if (left != NULL)
            paging_push_tidy(file->paging);
        return;
    }
    file->record.stage = PAGING_STAGE_ON;
    limits_keep(file->paging->limits, file->group, true);
    if (file->end_wanted)
        paging_begin_end(file);
}

/* It is switched off whether or not that could be noted: what it takes may be all that a full disk lacks. */
static void
was_closed(File *file, const Job *job)
{
    if (!job->good)
        end_failed(file, job->error->message);
    begin_swap_off(file);
}

static void
was_finished(File *file, const Job *job)
{
    if (job->left == PAGING_LEFT_UNDONE || job->left == PAGING_LEFT_ON) {
        if (job->left == PAGING_LEFT_UNDONE || file->record.error == NULL) /* else what swapoff said is the reason */
            end_failed(file, job->error->message);
        retry_later(file);
        return;
    }
    file->record.stage = PAGING_STAGE_GONE;
    file->record.used_kib = 0;
    g_clear_pointer(&file->record.error, g_free);
    if (job->left == PAGING_LEFT_ON_DISK) {
        paging_set_error(file, job->error->message);
        paging_push_tidy(file->paging);
    }
    if (file->group != NULL)
        limits_keep(file->paging->limits, file->group, false);
}

/* As long as nobody else is kept from its pages it is to be seen why. */
static void
was_held(Paging *paging, const Job *job)
{
    g_autofree char *message =
        job->good ? NULL : g_strdup_printf("others may swap to it: %s; it is tried again", job->error->message);
    GHashTableIter iter;
    void *value;

    paging->holding = false;
    g_hash_table_iter_init(&iter, paging->files);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((File *)value)->record.stage == PAGING_STAGE_ON)
            paging_set_error(value, message);
}

static gboolean
tidy_due(gpointer data)
{
    Paging *paging = data;

    paging->tidy_source = 0;
    paging_push_tidy(paging);
    return G_SOURCE_REMOVE;
}

void
paging_push_tidy(Paging *paging)
{
    if (!paging->stop.active)
        paging_push_job(paging, paging_begin_job(paging, JOB_TIDY, NULL));
}

static void
was_tidied(Paging *paging, const Job *job)
{
    if (job->good)
        paging->tidy_retries = 0;
    if (job->good || paging->tidy_source != 0)
        return;
    g_debug("what is left of paging files is not all gone: %s", job->error->message);
    paging->tidy_source = g_timeout_add(retry_delay(paging, paging->tidy_retries++), tidy_due, paging);
}

void
paging_end_stop(Paging *paging)
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
            was_held(paging, job);
        else if (job->kind == JOB_TIDY)
            was_tidied(paging, job);
        else
            file_job_ended(paging, job);
        if (paging->stop.active && paging->running == 0)
            paging_end_stop(paging);
    }
    job_free(job);
    return G_SOURCE_REMOVE;
}
