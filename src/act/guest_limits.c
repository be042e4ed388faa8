/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading is a pread of five files of a few bytes for each guest and tick; they are kept open, up to a limit, and
 * belong to their group: they fail once that is gone.
 *
 * A write that lowers the limit reclaims memory in the writer until the group is below it, or gives up (kernel
 * mm/memcontrol.c, memory_high_write): seconds, with a disk's worth of swapping in them. It runs on a thread, in steps,
 * so that a newer value need not wait for all of it.
 */

#include "guest_limits.h"

#include "error.h"
#include "kernel/guest_group.h"
#include "kernel/proc_file.h"
#include "units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What is lowered in one write. */
#define STEP_KIB (64 * KIB_PER_MIB)
/* More writes than this at once are not begun: each may hold a thread for seconds. */
#define THREADS_MAX 16
#define KEPT_FILES_MAX 400
#define LOOKUP_USEC (60 * USEC_PER_SEC)
#define FORGET_USEC (60 * USEC_PER_SEC)

#define BAR_OFF "it does not run"
#define BAR_FOREIGN                                                                                                    \
    "memory.high of its control group was set by somebody else; take that away (virsh memtune --soft-limit -1) to "    \
    "let "                                                                                                             \
    "dynmem set it"

#define NEWER_LIMIT "a newer limit has taken its place"
#define DAEMON_ENDS "dynmemd is about to end"

enum {
    FILE_HIGH,
    FILE_CURRENT,
    FILE_SWAP_CURRENT,
    FILE_SWAP_MAX,
    FILE_EVENTS,
    FILE_COUNT
};

static const char *const file_names[FILE_COUNT] = {"memory.high", "memory.current", "memory.swap.current",
                                                   "memory.swap.max", "memory.events"};

/* What threads and the main loop share: it outlives the one that goes first. */
typedef struct Handle {
    gatomicrefcount references;
    Limits *limits; /* main thread only; NULL: gone */
} Handle;

/* One value to be written, by a thread. */
typedef struct Job {
    Handle *handle;
    const ActSystem *system;
    Held *held;
    char uuid[37];
    pid_t pid;
    char *file; /* memory.high of its group */
    uint64_t from_kib;
    uint64_t to_kib;
    GuestLimitDone done;
    void *user_data;
    int superseded; /* atomic: stop at the next step */
    GError *error;
} Job;

typedef struct Guest {
    pid_t pid;
    char uuid[37];
    char *group; /* NULL: none, bar says why */
    const char *bar;
    uint64_t looked_usec;
    uint64_t read_usec;
    char *paths[FILE_COUNT];
    int fds[FILE_COUNT];
    bool known;        /* whether memory.high is ours has been looked up */
    bool ours;         /* memory.high is what was written here: high_kib */
    uint64_t high_kib; /* last written */
    Job *job;          /* under way */
    Job *next;         /* waits for it */
} Guest;

struct Limits {
    const ActSystem *system;
    Held *held;
    Handle *handle;
    GHashTable *guests; /* pid -> Guest */
    GHashTable *kept;   /* groups whose limit outlives this daemon */
    GThreadPool *pool;
    unsigned open_files;
    unsigned running;
    uint64_t swept_usec;
    struct {
        bool active;
        bool releasing;
        guint timer;
        void (*done)(void *user_data);
        void *user_data;
    } stop;
};

static uint64_t
now_usec(void)
{
    return (uint64_t)g_get_monotonic_time();
}

static void
handle_unref(Handle *handle)
{
    if (g_atomic_ref_count_dec(&handle->references))
        g_free(handle);
}

static void
job_free(Job *job)
{
    handle_unref(job->handle);
    held_unref(job->held);
    g_free(job->file);
    g_clear_error(&job->error);
    g_free(job);
}

/* ---- guests ---- */

static void
close_file(Limits *limits, int *fd)
{
    if (*fd < 0)
        return;
    close(*fd);
    *fd = -1;
    limits->open_files--;
}

static void
let_go(Limits *limits, Guest *guest)
{
    for (unsigned i = 0; i < FILE_COUNT; i++) {
        close_file(limits, &guest->fds[i]);
        g_clear_pointer(&guest->paths[i], g_free);
    }
    g_clear_pointer(&guest->group, g_free);
    guest->bar = NULL;
    guest->known = false;
}

static void
look_up(Limits *limits, Guest *guest)
{
    g_autofree char *before = g_steal_pointer(&guest->group);
    g_autofree char *group = guest_group_find(limits->system->root, guest->pid, &guest->bar);

    guest->looked_usec = now_usec();
    if (before != NULL && g_strcmp0(before, group) == 0) {
        guest->group = g_steal_pointer(&before);
        return;
    }
    let_go(limits, guest);
    if (group == NULL) {
        guest_group_find(limits->system->root, guest->pid, &guest->bar);
        return;
    }
    guest->group = g_steal_pointer(&group);
    for (unsigned i = 0; i < FILE_COUNT; i++)
        guest->paths[i] = g_strconcat(limits->system->root, GUEST_GROUP_MOUNT, guest->group, "/", file_names[i], NULL);
}

static Guest *
find_guest(Limits *limits, const GuestRecord *record)
{
    Guest *guest = g_hash_table_lookup(limits->guests, GINT_TO_POINTER(record->pid));

    if (guest == NULL) {
        guest = g_new0(Guest, 1);
        guest->pid = record->pid;
        for (unsigned i = 0; i < FILE_COUNT; i++)
            guest->fds[i] = -1;
        g_hash_table_insert(limits->guests, GINT_TO_POINTER(record->pid), guest);
    }
    if (strcmp(guest->uuid, record->uuid) != 0) { /* another process of this number */
        g_strlcpy(guest->uuid, record->uuid, sizeof guest->uuid);
        let_go(limits, guest);
        guest->looked_usec = 0;
    }
    if (guest->looked_usec == 0 || now_usec() - guest->looked_usec >= LOOKUP_USEC)
        look_up(limits, guest);
    return guest;
}

static void
sweep(Limits *limits)
{
    uint64_t now = now_usec();
    GHashTableIter iter;
    void *value;

    if (now - limits->swept_usec < FORGET_USEC)
        return;
    limits->swept_usec = now;
    g_hash_table_iter_init(&iter, limits->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Guest *guest = value;

        if (now - guest->read_usec < FORGET_USEC || guest->job != NULL)
            continue;
        let_go(limits, guest);
        g_hash_table_iter_remove(&iter);
    }
}

/* ---- reading ---- */

static bool
read_text(Limits *limits, Guest *guest, unsigned file, char *buffer, size_t size)
{
    bool was_open = guest->fds[file] >= 0;
    gssize length = proc_file_read(guest->paths[file], &guest->fds[file], buffer, size);

    if (was_open && guest->fds[file] < 0)
        limits->open_files--;
    else if (!was_open && guest->fds[file] >= 0)
        limits->open_files++;
    if (limits->open_files > KEPT_FILES_MAX)
        close_file(limits, &guest->fds[file]);
    return length >= 0;
}

static bool
read_kib(Limits *limits, Guest *guest, unsigned file, uint64_t *kib)
{
    char buffer[64];
    uint64_t bytes;

    if (!read_text(limits, guest, file, buffer, sizeof buffer))
        return false;
    if (g_str_has_prefix(buffer, "max"))
        *kib = LIMIT_NONE;
    else if (proc_file_number(buffer, &bytes) != NULL)
        *kib = kib_from_bytes(bytes);
    else
        return false;
    return true;
}

static char *
high_file(const Guest *guest)
{
    return g_strconcat(guest->group, "/", file_names[FILE_HIGH], NULL);
}

/*
 * Whose memory.high is. Ours: none at all, what was written here last, or, once after the start of the daemon, what
 * an earlier one has claimed.
 */
static const char *
judge_high(Limits *limits, Guest *guest, uint64_t high_kib)
{
    g_autofree char *file = NULL;

    if (guest->job != NULL)
        return NULL;
    if (high_kib == LIMIT_NONE) {
        guest->known = true;
        guest->ours = false;
        return NULL;
    }
    if (guest->ours && guest->high_kib == high_kib)
        return NULL;
    if (!guest->known) {
        file = high_file(guest);
        guest->known = true;
        guest->ours = held_has(limits->held, file);
        guest->high_kib = high_kib;
    } else {
        guest->ours = false;
    }
    return guest->ours ? NULL : BAR_FOREIGN;
}

static void
read_figures(Limits *limits, Guest *guest, uint64_t high_kib, GuestLimits *figures)
{
    char buffer[1024];

    figures->pending = guest->job != NULL;
    figures->high_kib = high_kib;
    if (guest->job != NULL) {
        const Job *last = guest->next != NULL ? guest->next : guest->job;

        figures->high_kib = MAX(high_kib, last->to_kib);
    }
    figures->set = figures->usable && (guest->ours || guest->job != NULL);
    figures->swap_max_kib = LIMIT_NONE;
    read_kib(limits, guest, FILE_CURRENT, &figures->charged_kib);
    read_kib(limits, guest, FILE_SWAP_CURRENT, &figures->swapped_kib);
    read_kib(limits, guest, FILE_SWAP_MAX, &figures->swap_max_kib);
    if (read_text(limits, guest, FILE_EVENTS, buffer, sizeof buffer))
        proc_file_find(buffer, "high ", &figures->held_back);
}

static void
world_read(void *self, const GuestRecord *record, GuestLimits *figures)
{
    Limits *limits = self;
    uint64_t high_kib = LIMIT_NONE;
    Guest *guest;

    *figures = (GuestLimits){.bar = BAR_OFF, .high_kib = LIMIT_NONE, .swap_max_kib = LIMIT_NONE};
    sweep(limits);
    if (record->life == GUEST_LIFE_OFF)
        return;
    guest = find_guest(limits, record);
    guest->read_usec = now_usec();
    figures->bar = guest->bar;
    if (guest->group == NULL)
        return;
    if (!read_kib(limits, guest, FILE_HIGH, &high_kib)) {
        figures->bar = guest_group_bar(limits->system->root);
        if (figures->bar == NULL)
            figures->bar = "its control group can't be read";
        guest->looked_usec = 0; /* maybe it has another one next time */
        return;
    }
    figures->bar = judge_high(limits, guest, high_kib);
    figures->usable = figures->bar == NULL;
    read_figures(limits, guest, high_kib, figures);
}

/* ---- writing ---- */

/* On a thread. */
static void
lower(Job *job)
{
    g_autofree char *current_file = g_strndup(job->file, strlen(job->file) - strlen(file_names[FILE_HIGH]));
    g_autofree char *file = g_strconcat(current_file, file_names[FILE_CURRENT], NULL);
    uint64_t charged_kib = 0, step_kib;

    group_file_kib(job->system, file, &charged_kib);
    /* nothing is to be reclaimed above what it uses */
    step_kib = MAX(job->to_kib, MIN(charged_kib, job->from_kib));
    while (job->error == NULL) {
        g_autofree char *value = NULL;

        step_kib = MAX(job->to_kib, saturating_sub(step_kib, STEP_KIB));
        value = group_value_text(job->system, step_kib);
        group_file_write(job->system, job->file, value, &job->error);
        act_system_step(job->system, "limit lowered");
        if (step_kib == job->to_kib)
            return;
        if (g_atomic_int_get(&job->superseded))
            g_set_error(&job->error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, NEWER_LIMIT);
    }
}

static void
raise_to(Job *job)
{
    g_autofree char *value = group_value_text(job->system, job->to_kib);

    group_file_write(job->system, job->file, value, &job->error);
    act_system_step(job->system, "limit raised");
}

static gboolean job_ended(gpointer data);

static void
run_job(gpointer data, gpointer unused)
{
    Job *job = data;
    const char *file = job->file;

    if (job->to_kib == LIMIT_NONE) {
        held_release(job->held, &file, 1, &job->error);
    } else if (held_claim(job->held, file, &job->error)) {
        if (job->to_kib < job->from_kib)
            lower(job);
        else
            raise_to(job);
    }
    g_idle_add(job_ended, job);
}

/* Nobody is told twice. */
static void
tell_end(Job *job, const GError *error)
{
    GuestLimitDone done = job->done;

    job->done = NULL;
    if (done != NULL)
        done(job->user_data, job->uuid, job->to_kib, error);
}

static void
drop_waiting(Guest *guest, const char *why)
{
    Job *waiting = g_steal_pointer(&guest->next);
    g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, why);

    if (waiting == NULL)
        return;
    tell_end(waiting, error);
    job_free(waiting);
}

static void
begin_job(Limits *limits, Guest *guest, Job *job)
{
    g_autoptr(GError) error = NULL;

    job->from_kib = LIMIT_NONE;
    group_file_kib(limits->system, job->file, &job->from_kib);
    guest->job = job;
    limits->running++;
    g_thread_pool_push(limits->pool, job, &error); /* an error still queues it */
}

static void release_all(Limits *limits);

static gboolean
job_ended(gpointer data)
{
    Job *job = data;
    Limits *limits = job->handle->limits;
    Guest *guest;
    uint64_t high_kib;

    if (limits == NULL) {
        job_free(job);
        return G_SOURCE_REMOVE;
    }
    limits->running--;
    guest = g_hash_table_lookup(limits->guests, GINT_TO_POINTER(job->pid));
    g_assert(guest != NULL && guest->job == job);
    guest->job = NULL;
    /* an error may leave any of its steps */
    high_kib = job->to_kib;
    if (job->error != NULL)
        group_file_kib(limits->system, job->file, &high_kib);
    guest->ours = high_kib != LIMIT_NONE;
    guest->high_kib = group_value_round(limits->system, high_kib);
    guest->known = true;
    if (guest->next != NULL)
        begin_job(limits, guest, g_steal_pointer(&guest->next));
    tell_end(job, job->error);
    job_free(job);
    if (limits->stop.active && limits->running == 0)
        release_all(limits);
    return G_SOURCE_REMOVE;
}

static void
world_set(void *self, const GuestRecord *record, uint64_t high_kib, GuestLimitDone done, void *user_data)
{
    Limits *limits = self;
    Guest *guest = find_guest(limits, record);
    Job *job;

    if (guest->group == NULL || limits->stop.active) {
        g_autoptr(GError) error =
            g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, limits->stop.active ? DAEMON_ENDS : guest->bar);

        done(user_data, record->uuid, high_kib, error);
        return;
    }
    job = g_new0(Job, 1);
    job->handle = limits->handle;
    g_atomic_ref_count_inc(&limits->handle->references);
    job->system = limits->system;
    job->held = held_ref(limits->held);
    g_strlcpy(job->uuid, record->uuid, sizeof job->uuid);
    job->pid = record->pid;
    job->file = high_file(guest);
    job->to_kib = high_kib;
    job->done = done;
    job->user_data = user_data;
    if (guest->job == NULL) {
        begin_job(limits, guest, job);
        return;
    }
    g_atomic_int_set(&guest->job->superseded, 1);
    drop_waiting(guest, NEWER_LIMIT);
    guest->next = job;
}

LimitWorld
limits_world(Limits *limits)
{
    return (LimitWorld){.self = limits, .read = world_read, .set = world_set};
}

/* ---- beginning and end ---- */

/* Raises go first: they are done at once, and somebody waits for memory. */
static int
raises_first(const void *a, const void *b, void *unused)
{
    const Job *first = a, *second = b;

    return (first->to_kib < first->from_kib) - (second->to_kib < second->from_kib);
}

Limits *
limits_new(const ActSystem *system, Held *held)
{
    Limits *limits = g_new0(Limits, 1);

    limits->system = system;
    limits->held = held_ref(held);
    limits->handle = g_new0(Handle, 1);
    g_atomic_ref_count_init(&limits->handle->references);
    limits->handle->limits = limits;
    limits->guests = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    limits->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    limits->pool = g_thread_pool_new(run_job, NULL, THREADS_MAX, FALSE, NULL);
    g_thread_pool_set_sort_function(limits->pool, raises_first, NULL);
    return limits;
}

void
limits_free(Limits *limits)
{
    GHashTableIter iter;
    void *value;

    if (limits == NULL)
        return;
    g_clear_handle_id(&limits->stop.timer, g_source_remove);
    limits->handle->limits = NULL;
    g_hash_table_iter_init(&iter, limits->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Guest *guest = value;

        if (guest->job != NULL) {
            g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, DAEMON_ENDS);

            g_atomic_int_set(&guest->job->superseded, 1);
            tell_end(guest->job, error);
        }
        drop_waiting(guest, DAEMON_ENDS);
        let_go(limits, guest);
    }
    g_thread_pool_free(limits->pool, FALSE, FALSE);
    g_hash_table_unref(limits->guests);
    g_hash_table_unref(limits->kept);
    held_unref(limits->held);
    handle_unref(limits->handle);
    g_free(limits);
}

void
limits_keep(Limits *limits, const char *group, bool keep)
{
    if (keep)
        g_hash_table_add(limits->kept, g_strdup(group));
    else
        g_hash_table_remove(limits->kept, group);
}

/* Puts back what an orderly stop puts back, on a thread: what is remembered on disk changes. */
typedef struct Release {
    Handle *handle;
    Held *held;
    char **files;
} Release;

static void
end_stop(Limits *limits)
{
    void (*done)(void *user_data) = limits->stop.done;

    limits->stop.done = NULL;
    if (done != NULL)
        done(limits->stop.user_data);
}

static gboolean
released(gpointer data)
{
    Release *release = data;
    Limits *limits = release->handle->limits;

    if (limits != NULL) {
        g_clear_handle_id(&limits->stop.timer, g_source_remove);
        end_stop(limits);
    }
    handle_unref(release->handle);
    held_unref(release->held);
    g_strfreev(release->files);
    g_free(release);
    return G_SOURCE_REMOVE;
}

static gpointer
release_thread(gpointer data)
{
    Release *release = data;

    held_release(release->held, (const char *const *)release->files, g_strv_length(release->files), NULL);
    g_idle_add(released, release);
    return NULL;
}

static void
release_all(Limits *limits)
{
    g_auto(GStrv) files = NULL;
    g_autoptr(GPtrArray) due = g_ptr_array_new();
    Release *release;

    if (limits->stop.releasing)
        return;
    limits->stop.releasing = true;
    files = held_list(limits->held, "/memory.high");
    for (size_t i = 0; files[i] != NULL; i++) {
        g_autofree char *group = g_path_get_dirname(files[i]);

        if (!g_hash_table_contains(limits->kept, group))
            g_ptr_array_add(due, g_strdup(files[i]));
    }
    g_ptr_array_add(due, NULL);
    release = g_new0(Release, 1);
    release->handle = limits->handle;
    g_atomic_ref_count_inc(&limits->handle->references);
    release->held = held_ref(limits->held);
    release->files = (char **)g_ptr_array_free(g_steal_pointer(&due), FALSE);
    g_thread_unref(g_thread_new("limits", release_thread, release));
}

/* Half way: who still lowers a limit is not waited for. At the end: neither is the disk. */
static gboolean
stop_is_late(gpointer data)
{
    Limits *limits = data;

    if (!limits->stop.releasing) {
        release_all(limits);
        return G_SOURCE_CONTINUE;
    }
    limits->stop.timer = 0;
    end_stop(limits);
    return G_SOURCE_REMOVE;
}

void
limits_stop(Limits *limits, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    GHashTableIter iter;
    void *value;

    limits->stop.active = true;
    limits->stop.done = done;
    limits->stop.user_data = user_data;
    limits->stop.timer = g_timeout_add((guint)(deadline_usec / 2 / USEC_PER_MSEC), stop_is_late, limits);
    g_hash_table_iter_init(&iter, limits->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Guest *guest = value;

        if (guest->job == NULL || (guest->group != NULL && g_hash_table_contains(limits->kept, guest->group)))
            continue;
        g_atomic_int_set(&guest->job->superseded, 1);
        drop_waiting(guest, DAEMON_ENDS);
    }
    if (limits->running == 0)
        release_all(limits);
}
