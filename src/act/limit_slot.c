/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit_slot.h"

#include "error.h"
#include "limit_write.h"

/* More limits than this are not lowered at once: each may hold a thread for seconds. */
#define LOWER_THREADS_MAX 16
/* A raise blocks as well where the guest uses more than it is raised to. */
#define RAISE_THREADS_MAX 64

/* What waits for a thread that could not be had is begun so much later. */
#define THREAD_DELAY_MSEC 100

#define NEWER_LIMIT "a newer limit has taken its place"

struct LimitWrites {
    gatomicrefcount references; /* one of the owner, one of each job */
    bool open;                  /* main thread only; false: the owner is gone */
    const ActSystem *system;
    Held *held;
    LimitWriteEnded ended;
    void *user_data;
    GThreadPool *lowering;
    GThreadPool *raising;
    guint thread_source; /* a thread could not be had */
    unsigned running;
};

/* One value to be written, by a thread. */
struct LimitJob {
    LimitWrites *writes;
    LimitSlot *slot; /* main thread only */
    LimitWrite write;
    char uuid[37];
    GuestLimitDone done; /* NULL: told already, or nobody wants to know */
    void *user_data;
    GError *error;
};

static void
writes_unref(LimitWrites *writes)
{
    if (!g_atomic_ref_count_dec(&writes->references))
        return;
    held_unref(writes->held);
    g_free(writes);
}

static LimitJob *
job_new(LimitWrites *writes, LimitSlot *slot, const char *file, const char *uuid, uint64_t high_kib)
{
    LimitJob *job = g_new0(LimitJob, 1);

    job->writes = writes;
    g_atomic_ref_count_inc(&writes->references);
    job->slot = slot;
    job->write.system = writes->system;
    job->write.held = writes->held;
    job->write.file = g_strdup(file);
    job->write.to_kib = high_kib;
    g_strlcpy(job->uuid, uuid, sizeof job->uuid);
    return job;
}

static void
job_free(LimitJob *job)
{
    g_free(job->write.file);
    g_clear_error(&job->error);
    writes_unref(job->writes);
    g_free(job);
}

/* Nobody is told twice. */
static void
tell_end(LimitJob *job, const GError *error)
{
    GuestLimitDone done = job->done;

    job->done = NULL;
    if (done != NULL)
        done(job->user_data, job->uuid, job->write.to_kib, error);
}

static void
drop_waiting(LimitSlot *slot, const char *why)
{
    LimitJob *waiting = g_steal_pointer(&slot->next);
    g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, why);

    if (waiting == NULL)
        return;
    tell_end(waiting, error);
    job_free(waiting);
}

static uint64_t
present_kib(const LimitJob *job)
{
    uint64_t kib = LIMIT_NONE;

    group_file_kib(job->writes->system, job->write.file, &kib);
    return kib;
}

/* ---- threads ---- */

static gboolean job_ended(gpointer data);

static void
run_job(gpointer data, gpointer unused)
{
    LimitJob *job = data;

    limit_write_run(&job->write, &job->error);
    g_idle_add(job_ended, job);
}

/* Setting how many there may be begins what is queued. */
static gboolean
thread_due(gpointer data)
{
    LimitWrites *writes = data;

    if (!g_thread_pool_set_max_threads(writes->raising, RAISE_THREADS_MAX, NULL) ||
        !g_thread_pool_set_max_threads(writes->lowering, LOWER_THREADS_MAX, NULL))
        return G_SOURCE_CONTINUE;
    writes->thread_source = 0;
    return G_SOURCE_REMOVE;
}

static void
begin_job(LimitJob *job, LimitJob **place)
{
    LimitWrites *writes = job->writes;

    job->write.from_kib = present_kib(job);
    *place = job;
    writes->running++;
    /* an error still queues it */
    if (!g_thread_pool_push(job->write.to_kib < job->write.from_kib ? writes->lowering : writes->raising, job, NULL) &&
        writes->thread_source == 0)
        writes->thread_source = g_timeout_add(THREAD_DELAY_MSEC, thread_due, writes);
}

/* Writes high_kib again, or before its time: nobody waits for this one. */
static LimitJob *
job_repeat(const LimitJob *job, uint64_t high_kib)
{
    LimitJob *again = job_new(job->writes, job->slot, job->write.file, job->uuid, high_kib);

    again->write.stay_claimed = true;
    return again;
}

/* running is under way. What waits overtakes it if it is a raise by now. */
static void
overtake(LimitSlot *slot)
{
    uint64_t high_kib = present_kib(slot->running);

    if (slot->next != NULL && slot->next->write.to_kib >= high_kib) {
        /* The claim is given up only when no step can follow any more: until then the file is opened wide. */
        if (slot->next->write.to_kib != LIMIT_NONE)
            begin_job(g_steal_pointer(&slot->next), &slot->raise);
        else if (high_kib != LIMIT_NONE)
            begin_job(job_repeat(slot->running, LIMIT_NONE), &slot->raise);
    } else if (slot->next == NULL && slot->raised_kib > high_kib) {
        begin_job(job_repeat(slot->running, slot->raised_kib), &slot->raise);
    }
}

/* Begins what can be begun. last has just ended, NULL: none has. */
static void
advance(LimitSlot *slot, const LimitJob *last)
{
    uint64_t raised_kib = slot->raised_kib;

    if (slot->raise != NULL)
        return;
    if (slot->running != NULL) {
        overtake(slot);
        return;
    }
    slot->raised_kib = 0;
    if (last != NULL && raised_kib > present_kib(last))
        begin_job(job_repeat(last, raised_kib), &slot->running);
    else if (slot->next != NULL)
        begin_job(g_steal_pointer(&slot->next), &slot->running);
}

static gboolean
job_ended(gpointer data)
{
    LimitJob *job = data;
    LimitWrites *writes = job->writes;
    LimitSlot *slot = job->slot;
    uint64_t high_kib = job->write.to_kib;

    if (!writes->open) {
        job_free(job);
        return G_SOURCE_REMOVE;
    }
    writes->running--;
    if (job == slot->raise) {
        slot->raise = NULL;
        if (job->error == NULL)
            slot->raised_kib = group_value_round(writes->system, high_kib);
    } else {
        g_assert(job == slot->running);
        slot->running = NULL;
    }
    /* an error may leave any of its steps */
    if (job->error != NULL || slot->raised_kib != 0)
        high_kib = present_kib(job);
    advance(slot, job);
    writes->ended(writes->user_data, slot, high_kib);
    tell_end(job, job->error);
    job_free(job);
    return G_SOURCE_REMOVE;
}

LimitWrites *
limit_writes_new(const ActSystem *system, Held *held, LimitWriteEnded ended, void *user_data)
{
    LimitWrites *writes = g_new0(LimitWrites, 1);

    g_atomic_ref_count_init(&writes->references);
    writes->open = true;
    writes->system = system;
    writes->held = held_ref(held);
    writes->ended = ended;
    writes->user_data = user_data;
    writes->lowering = g_thread_pool_new(run_job, NULL, LOWER_THREADS_MAX, FALSE, NULL);
    writes->raising = g_thread_pool_new(run_job, NULL, RAISE_THREADS_MAX, FALSE, NULL);
    return writes;
}

void
limit_writes_free(LimitWrites *writes)
{
    if (writes == NULL)
        return;
    writes->open = false;
    g_clear_handle_id(&writes->thread_source, g_source_remove);
    g_thread_pool_free(writes->lowering, FALSE, FALSE);
    g_thread_pool_free(writes->raising, FALSE, FALSE);
    writes_unref(writes);
}

unsigned
limit_writes_running(const LimitWrites *writes)
{
    return writes->running;
}

/* ---- slots ---- */

void
limit_slot_set(LimitWrites *writes, LimitSlot *slot, const char *file, const char *uuid, uint64_t high_kib,
               GuestLimitDone done, void *user_data)
{
    LimitJob *job = job_new(writes, slot, file, uuid, high_kib);

    job->done = done;
    job->user_data = user_data;
    drop_waiting(slot, NEWER_LIMIT);
    if (slot->running != NULL)
        g_atomic_int_set(&slot->running->write.superseded, 1);
    slot->next = job;
    advance(slot, NULL);
}

void
limit_slot_look(LimitSlot *slot)
{
    if (!limit_slot_is_idle(slot))
        advance(slot, NULL);
}

bool
limit_slot_is_idle(const LimitSlot *slot)
{
    return slot->running == NULL && slot->raise == NULL;
}

void
limit_slot_show(const LimitSlot *slot, uint64_t high_kib, GuestLimits *figures)
{
    figures->high_kib = high_kib;
    figures->pending = slot->raise != NULL || slot->next != NULL || (slot->running != NULL && slot->raised_kib == 0);
    /* What was overtaken changes nothing any more. */
    if (slot->running != NULL && slot->raised_kib == 0)
        figures->high_kib = MAX(figures->high_kib, slot->running->write.to_kib);
    if (slot->raise != NULL)
        figures->high_kib = MAX(figures->high_kib, slot->raise->write.to_kib);
    if (slot->next != NULL)
        figures->high_kib = MAX(figures->high_kib, slot->next->write.to_kib);
}

void
limit_slot_stop(LimitSlot *slot, const char *why)
{
    drop_waiting(slot, why);
    slot->raised_kib = 0;
    if (slot->running != NULL)
        g_atomic_int_set(&slot->running->write.superseded, 1);
}

void
limit_slot_abandon(LimitSlot *slot, const char *why)
{
    LimitJob *jobs[] = {slot->running, slot->raise};
    g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, why);

    limit_slot_stop(slot, why);
    for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++)
        if (jobs[i] != NULL)
            tell_end(jobs[i], error);
}
