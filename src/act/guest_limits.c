/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "guest_limits.h"

#include "error.h"
#include "kernel/guest_group.h"
#include "limit_files.h"
#include "limit_slot.h"
#include "limits_above.h"
#include "units.h"

#include <string.h>

/* Where a guest lives is looked up so often; while it has no group so far, more often: it may be just starting. */
#define LOOKUP_USEC (60 * USEC_PER_SEC)
#define LOOKUP_MISSING_USEC (2 * USEC_PER_SEC)
#define FORGET_USEC (60 * USEC_PER_SEC)

#define BAR_OFF "it does not run"
#define BAR_FOREIGN                                                                                                    \
    "memory.high of its control group was set by somebody else; virsh memtune --soft-limit -1 takes that away"

#define DAEMON_ENDS "dynmemd is about to end"

/* What threads and the main loop share: it outlives the one that goes first. */
typedef struct Handle {
    gatomicrefcount references;
    Limits *limits; /* main thread only; NULL: gone */
} Handle;

typedef struct Guest {
    pid_t pid;
    char uuid[37];
    LimitFiles files;
    uint64_t first_usec; /* when it was first asked for */
    uint64_t looked_usec;
    uint64_t read_usec;
    bool known;         /* whether memory.high is ours has been looked up */
    bool ours;          /* memory.high is what was written here: high_kib */
    bool claimed;       /* it was ours, or was to be: that is given up once somebody else sets it */
    uint64_t high_kib;  /* last written */
    uint64_t held_back; /* last read */
    LimitSlot slot;
} Guest;

struct Limits {
    const ActSystem *system;
    const char *host_bar; /* why no guest can have a limit; NULL where it can */
    Held *held;
    Handle *handle;
    GHashTable *guests; /* pid -> Guest */
    GHashTable *kept;   /* groups whose limit outlives this daemon */
    GHashTable *theirs; /* groups whose limit was ours until somebody else set it, and is about to be forgotten */
    LimitWrites *writes;
    LimitsAbove *above;
    unsigned open_files;
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

/* ---- guests ---- */

static void
let_go(Limits *limits, Guest *guest)
{
    limit_files_clear(&guest->files, &limits->open_files);
    guest->held_back = 0;
    guest->known = false;
}

static void
look_up(Limits *limits, Guest *guest)
{
    g_autofree char *before = g_strdup(guest->files.group);

    guest->looked_usec = now_usec();
    limit_files_find(&guest->files, limits->system, guest->pid, &limits->open_files);
    if (g_strcmp0(before, guest->files.group) != 0)
        guest->known = false;
}

static Guest *
find_guest(Limits *limits, const GuestRecord *record)
{
    Guest *guest = g_hash_table_lookup(limits->guests, GINT_TO_POINTER(record->pid));

    if (guest == NULL) {
        guest = g_new0(Guest, 1);
        guest->pid = record->pid;
        limit_files_init(&guest->files);
        guest->first_usec = now_usec();
        g_hash_table_insert(limits->guests, GINT_TO_POINTER(record->pid), guest);
    }
    if (strcmp(guest->uuid, record->uuid) != 0) { /* another process of this number */
        g_strlcpy(guest->uuid, record->uuid, sizeof guest->uuid);
        let_go(limits, guest);
        guest->first_usec = now_usec();
        guest->looked_usec = 0;
    }
    if (guest->looked_usec == 0 ||
        now_usec() - guest->looked_usec >= (guest->files.group != NULL ? LOOKUP_USEC : LOOKUP_MISSING_USEC))
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

        if (now - guest->read_usec < FORGET_USEC || !limit_slot_is_idle(&guest->slot))
            continue;
        let_go(limits, guest);
        g_hash_table_iter_remove(&iter);
    }
}

/* ---- giving back ---- */

/* Many values at once, on a thread of their own: what is remembered on disk changes. */
typedef struct Release {
    Handle *handle;
    Held *held;
    char **files;
    bool forget; /* they are left as they are */
} Release;

static void
end_stop(Limits *limits)
{
    void (*done)(void *user_data) = limits->stop.done;

    g_clear_handle_id(&limits->stop.timer, g_source_remove);
    limits->stop.done = NULL;
    if (done != NULL)
        done(limits->stop.user_data);
}

static gboolean
released(gpointer data)
{
    Release *release = data;
    Limits *limits = release->handle->limits;

    if (limits != NULL && release->forget) {
        g_autofree char *group = g_path_get_dirname(release->files[0]);

        g_hash_table_remove(limits->theirs, group);
    } else if (limits != NULL) {
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
    const char *const *files = (const char *const *)release->files;

    /* what fails is known to the next daemon */
    if (release->forget)
        held_forget(release->held, files, g_strv_length(release->files), NULL);
    else
        held_release(release->held, files, g_strv_length(release->files), NULL);
    g_idle_add(released, release);
    return NULL;
}

/* Takes files over. */
static void
begin_release(Limits *limits, char **files, bool forget)
{
    Release *release = g_new0(Release, 1);
    GThread *thread;

    release->handle = limits->handle;
    g_atomic_ref_count_inc(&limits->handle->references);
    release->held = held_ref(limits->held);
    release->files = files;
    release->forget = forget;
    thread = g_thread_try_new("limits", release_thread, release, NULL);
    if (thread != NULL)
        g_thread_unref(thread);
    else
        release_thread(release); /* then it is waited for */
}

/* Somebody else has set it: neither this daemon nor the next shall put anything back. */
static void
disown(Limits *limits, const Guest *guest)
{
    char **files = g_new0(char *, 2);

    g_hash_table_add(limits->theirs, g_strdup(guest->files.group));
    files[0] = limit_files_high(&guest->files);
    begin_release(limits, files, true);
}

/* ---- reading ---- */

/*
 * Whose memory.high is. Ours: none at all, what was written here last, or, once after the start of the daemon, what
 * an earlier one has claimed.
 */
static const char *
judge_high(Limits *limits, Guest *guest, uint64_t high_kib)
{
    g_autofree char *file = NULL;

    if (!limit_slot_is_idle(&guest->slot))
        return NULL;
    if (high_kib == LIMIT_NONE) {
        guest->known = true;
        guest->ours = false;
        return NULL;
    }
    if (guest->ours && guest->high_kib == high_kib)
        return NULL;
    if (!guest->known) {
        file = limit_files_high(&guest->files);
        guest->known = true;
        guest->ours = guest->claimed = held_has(limits->held, file);
        guest->high_kib = high_kib;
    } else {
        if (guest->claimed)
            disown(limits, guest);
        guest->ours = guest->claimed = false;
    }
    return guest->ours ? NULL : BAR_FOREIGN;
}

static void
read_figures(Limits *limits, Guest *guest, uint64_t high_kib, GuestLimits *figures)
{
    LimitFiles *files = &guest->files;
    unsigned *kept = &limits->open_files;

    limit_slot_show(&guest->slot, high_kib, figures);
    figures->set = figures->usable && (guest->ours || !limit_slot_is_idle(&guest->slot));
    figures->swap_max_kib = LIMIT_NONE;
    limit_files_kib(files, LIMIT_SWAP_CURRENT, &figures->swapped_kib, kept);
    limit_files_kib(files, LIMIT_SWAP_MAX, &figures->swap_max_kib, kept);
    limit_files_held_back(files, &guest->held_back, kept);
    figures->held_back = guest->held_back;
    figures->max_kib = limit_files_max(files, kept);
    limits_above_read(limits->above, files->group, now_usec(), kept, &figures->above);
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
    if (!limits->stop.active)
        limit_slot_look(&guest->slot);
    figures->bar = guest->files.bar;
    if (guest->files.group == NULL) {
        figures->max_kib = limit_files_max(&guest->files, &limits->open_files);
        if (limits->host_bar == NULL &&
            guest->read_usec - guest->first_usec < limits->system->starting_msec * USEC_PER_MSEC)
            figures->bar = NULL;
        return;
    }
    if (!limit_files_kib(&guest->files, LIMIT_HIGH, &high_kib, &limits->open_files) ||
        !limit_files_kib(&guest->files, LIMIT_CURRENT, &figures->charged_kib, &limits->open_files)) {
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

static void
world_above(void *self, const char *partition, GroupsAbove *above)
{
    Limits *limits = self;

    limits_above_of_partition(limits->above, partition != NULL ? partition : SETTINGS_DEFAULT_PARTITION, now_usec(),
                              &limits->open_files, above);
}

/* A guest this close to its memory.high may have been held back: reclaim leaves it below by a few MiB a processor. */
#define NEAR_PART 32

static bool
world_glance(void *self, const GuestRecord *record, GuestGlance *glance)
{
    Limits *limits = self;
    Guest *guest = g_hash_table_lookup(limits->guests, GINT_TO_POINTER(record->pid));
    uint64_t charged_kib;

    if (guest == NULL || guest->files.group == NULL || strcmp(guest->uuid, record->uuid) != 0 ||
        !limit_files_kib(&guest->files, LIMIT_CURRENT, &charged_kib, &limits->open_files))
        return false;
    if (guest->ours && charged_kib >= guest->high_kib - guest->high_kib / NEAR_PART)
        limit_files_held_back(&guest->files, &guest->held_back, &limits->open_files);
    *glance = (GuestGlance){.charged_kib = charged_kib, .held_back = guest->held_back};
    return true;
}

/* ---- writing ---- */

static void release_all(Limits *limits);

static void
write_ended(void *user_data, LimitSlot *slot, uint64_t high_kib)
{
    Limits *limits = user_data;
    Guest *guest = (Guest *)((char *)slot - G_STRUCT_OFFSET(Guest, slot));

    guest->ours = high_kib != LIMIT_NONE;
    guest->high_kib = group_value_round(limits->system, high_kib);
    guest->known = true;
    if (limits->stop.active && limit_writes_running(limits->writes) == 0)
        release_all(limits);
}

static void
world_set(void *self, const GuestRecord *record, uint64_t high_kib, GuestLimitDone done, void *user_data)
{
    Limits *limits = self;
    Guest *guest = find_guest(limits, record);
    g_autofree char *file = NULL;

    if (guest->files.group == NULL || limits->stop.active) {
        g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                                                      limits->stop.active        ? DAEMON_ENDS
                                                      : guest->files.bar != NULL ? guest->files.bar
                                                                                 : BAR_OFF);

        done(user_data, record->uuid, high_kib, error);
        return;
    }
    g_hash_table_remove(limits->theirs, guest->files.group);
    guest->claimed = true;
    file = limit_files_high(&guest->files);
    limit_slot_set(limits->writes, &guest->slot, file, record->uuid, high_kib, done, user_data);
}

static const char *
world_bar(void *self)
{
    const Limits *limits = self;

    return limits->host_bar;
}

LimitWorld
limits_world(Limits *limits)
{
    return (LimitWorld){.self = limits,
                        .bar = world_bar,
                        .glance = world_glance,
                        .read = world_read,
                        .above = world_above,
                        .set = world_set};
}

/* ---- beginning and end ---- */

Limits *
limits_new(const ActSystem *system, Held *held)
{
    Limits *limits = g_new0(Limits, 1);

    limits->system = system;
    limits->host_bar = guest_group_bar(system->root);
    limits->held = held_ref(held);
    limits->handle = g_new0(Handle, 1);
    g_atomic_ref_count_init(&limits->handle->references);
    limits->handle->limits = limits;
    limits->above = limits_above_new(system);
    limits->guests = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    limits->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    limits->theirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    limits->writes = limit_writes_new(system, held, write_ended, limits);
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

        limit_slot_abandon(&guest->slot, DAEMON_ENDS);
        let_go(limits, guest);
    }
    limit_writes_free(limits->writes);
    g_hash_table_unref(limits->guests);
    limits_above_free(limits->above);
    g_hash_table_unref(limits->kept);
    g_hash_table_unref(limits->theirs);
    held_unref(limits->held);
    handle_unref(limits->handle);
    g_free(limits);
}

unsigned
limits_disowned(const Limits *limits)
{
    return g_hash_table_size(limits->theirs);
}

void
limits_keep(Limits *limits, const char *group, bool keep)
{
    if (keep)
        g_hash_table_add(limits->kept, g_strdup(group));
    else
        g_hash_table_remove(limits->kept, group);
}

static void
release_all(Limits *limits)
{
    g_auto(GStrv) files = NULL;
    GPtrArray *due;

    limits->stop.releasing = true;
    files = held_list(limits->held, "/memory.high");
    due = g_ptr_array_new();
    for (size_t i = 0; files[i] != NULL; i++) {
        g_autofree char *group = g_path_get_dirname(files[i]);

        if (!g_hash_table_contains(limits->kept, group) && !g_hash_table_contains(limits->theirs, group))
            g_ptr_array_add(due, g_strdup(files[i]));
    }
    g_ptr_array_add(due, NULL);
    begin_release(limits, (char **)g_ptr_array_free(due, FALSE), false);
}

/* Half way: who still lowers a limit is not waited for any more. At the end: nor is the disk. */
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

        if (guest->files.group == NULL || !g_hash_table_contains(limits->kept, guest->files.group))
            limit_slot_stop(&guest->slot, DAEMON_ENDS);
    }
    if (limit_writes_running(limits->writes) == 0)
        release_all(limits);
}
