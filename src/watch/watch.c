/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include "guest_calls.h"
#include "guest_element.h"
#include "guest_period.h"
#include "guest_start.h"
#include "inventory.h"
#include "link.h"
#include "units.h"
#include "virt.h"
#include "watch_private.h"

#include <string.h>

/*
 * Of libvirtd's workers (max_workers in libvirtd.conf) each call that hangs in a QEMU, waits for a guest that is locked or for
 * a hook keeps one busy. All of ours together leave some to others.
 */
#define LIBVIRTD_WORKERS 20
#define WORKERS_OF_OTHERS 4
#define MONITOR_CONNECTIONS 8
#define READ_CONNECTIONS 3
#define START_CONNECTIONS 4
#define WRITE_CONNECTIONS 1 /* each is a moment's work, unless a job holds its guest */
G_STATIC_ASSERT(MONITOR_CONNECTIONS + READ_CONNECTIONS + START_CONNECTIONS + WRITE_CONNECTIONS <=
                LIBVIRTD_WORKERS - WORKERS_OF_OTHERS);
/* So many make hundreds of calls quick; each is a round trip that is spent waiting. */
#define USUAL_CONNECTIONS 3
#define PATIENCE_USEC (250 * USEC_PER_MSEC)
#define REOPEN_USEC (2 * USEC_PER_SEC)
#define CHANGES_APART_USEC (250 * USEC_PER_MSEC)
#define CALL_DEADLINE_USEC (3 * USEC_PER_SEC)
/* Longer than [Admission] TimeoutSec= can be. */
#define HOOK_PATIENCE_USEC (660 * USEC_PER_SEC)

void
watch_post(GSourceFunc function, void *data)
{
    GSource *source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, function, data, NULL);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

WatchHandle *
watch_handle_ref(WatchHandle *handle)
{
    return g_atomic_rc_box_acquire(handle);
}

void
watch_handle_unref(WatchHandle *handle)
{
    g_atomic_rc_box_release(handle);
}

static gboolean
call_changed(void *data)
{
    Watch *watch = data;

    watch->changed_source = 0;
    watch->changed_usec = (uint64_t)g_get_monotonic_time();
    watch->changed(watch->user_data);
    return G_SOURCE_REMOVE;
}

/* The first of several is told at once. A guest that resets itself over and over must not set the daemon's pace. */
void
watch_note_change(Watch *watch)
{
    uint64_t since_usec = (uint64_t)g_get_monotonic_time() - watch->changed_usec;
    uint64_t pause_usec = saturating_sub(CHANGES_APART_USEC, since_usec);

    if (watch->changed != NULL && watch->changed_source == 0 && !watch->stop.active)
        watch->changed_source = g_timeout_add((guint)(pause_usec / USEC_PER_MSEC), call_changed, watch);
}

static void
reset_pools(Watch *watch, bool read_only)
{
    CallPool *pools[] = {watch->reads, watch->monitor, watch->creates, watch->writes};

    for (size_t i = 0; i < G_N_ELEMENTS(pools); i++)
        call_pool_reset(pools[i], virt_lane_key_new(watch->uri, read_only), virt_lane_key_free);
}

void
watch_note_connected(Watch *watch, bool read_only)
{
    reset_pools(watch, read_only);
    if (!watch->stop.active)
        inventory_start(watch);
}

void
watch_note_disconnected(Watch *watch)
{
    inventory_stop(watch);
    reset_pools(watch, false);
    guest_calls_disconnect(watch);
    watch_note_change(watch);
}

/* From the loop: whoever told of the hook may be in the middle of a tick. Before all else: nothing must be begun that
   waits for the hook. */
static gboolean
follow_hooks(void *data)
{
    Watch *watch = data;

    watch->hooks_source = 0;
    guest_calls_follow_hooks(watch);
    guest_element_follow_hooks(watch);
    if (!watch->stop.active)
        inventory_follow_hooks(watch);
    return G_SOURCE_REMOVE;
}

static void
on_hooks_changed(void *user_data)
{
    Watch *watch = user_data;

    if (watch->hooks_source == 0)
        watch->hooks_source = g_idle_add_full(G_PRIORITY_HIGH, follow_hooks, watch, NULL);
}

static void
on_process_ended(void *user_data, Guest *guest)
{
    Watch *watch = user_data;

    g_debug("the QEMU of the guest %s has ended", guest->record.name);
    inventory_read_guest(watch, guest);
    guest_calls_settle(watch, guest);
    watch_note_change(watch);
}

/* Where libvirt's QEMU driver keeps its state: by its configuration's rules for the system and for a user. */
static char *
find_pid_directory(const char *uri)
{
    const char *path = strstr(uri, ":///");

    if (!g_str_has_prefix(uri, "qemu") || path == NULL) /* another driver, or another host */
        return NULL;
    path += strlen(":///");
    if (g_str_has_prefix(path, "system"))
        return g_strdup("/run/libvirt/qemu");
    if (g_str_has_prefix(path, "session"))
        return g_build_filename(g_get_user_runtime_dir(), "libvirt", "qemu", "run", NULL);
    return NULL;
}

Watch *
watch_new(const WatchOptions *options, void (*changed)(void *user_data), void *user_data)
{
    static const CallLaneOps lane_ops = {.open = virt_lane_open, .close = virt_lane_close};
    CallPoolOptions pool = {
        .usual_lanes = 2,
        .lanes = READ_CONNECTIONS,
        .patience_usec = PATIENCE_USEC,
        .reopen_usec = REOPEN_USEC,
    };
    Watch *watch = g_new0(Watch, 1);

    virt_init();
    watch->uri = g_strdup(options->uri != NULL ? options->uri : "qemu:///system");
    watch->pid_directory =
        options->pid_directory != NULL ? g_strdup(options->pid_directory) : find_pid_directory(watch->uri);
    watch->call_deadline_usec = options->call_deadline_usec != 0 ? options->call_deadline_usec : CALL_DEADLINE_USEC;
    watch->changed = changed;
    watch->user_data = user_data;
    watch->handle = g_atomic_rc_box_new0(WatchHandle);
    watch->handle->watch = watch;
    watch->runs = runs_new(options->keep, (uint64_t)g_get_monotonic_time());
    watch->hooks = hook_notes_new(HOOK_PATIENCE_USEC, on_hooks_changed, watch);
    watch->starts = g_hash_table_new(g_str_hash, g_str_equal);
    watch->edits = g_hash_table_new(g_str_hash, g_str_equal);
    watch->registry = registry_new(watch->runs, on_process_ended, watch);
    watch->reads = call_pool_new(&pool, &lane_ops, virt_lane_key_new(watch->uri, false), virt_lane_key_free);
    pool.usual_lanes = USUAL_CONNECTIONS;
    pool.lanes = MONITOR_CONNECTIONS;
    watch->monitor = call_pool_new(&pool, &lane_ops, virt_lane_key_new(watch->uri, false), virt_lane_key_free);
    pool.lanes = START_CONNECTIONS;
    watch->creates = call_pool_new(&pool, &lane_ops, virt_lane_key_new(watch->uri, false), virt_lane_key_free);
    pool.usual_lanes = 1;
    pool.lanes = WRITE_CONNECTIONS;
    watch->writes = call_pool_new(&pool, &lane_ops, virt_lane_key_new(watch->uri, false), virt_lane_key_free);
    watch->link = link_new(watch);
    watch->text = g_string_new(NULL);
    return watch;
}

void
watch_start(Watch *watch)
{
    link_start(watch->link);
}

void
watch_stop(Watch *watch, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    g_assert(!watch->stop.active);
    watch->stop.active = true;
    watch->stop.done = done;
    watch->stop.user_data = user_data;
    g_clear_handle_id(&watch->changed_source, g_source_remove);
    runs_note_end(watch->runs, (uint64_t)g_get_monotonic_time());
    guest_start_stop(watch);
    guest_element_stop(watch);
    guest_period_restore_all(watch, deadline_usec);
}

void
watch_free(Watch *watch)
{
    if (watch == NULL)
        return;
    watch->handle->watch = NULL;
    watch_handle_unref(watch->handle);
    g_clear_handle_id(&watch->changed_source, g_source_remove);
    g_clear_handle_id(&watch->round.timer, g_source_remove);
    g_clear_handle_id(&watch->stop.timer, g_source_remove);
    g_clear_handle_id(&watch->inventory.retry, g_source_remove);
    g_clear_handle_id(&watch->inventory.look, g_source_remove);
    g_clear_handle_id(&watch->hooks_source, g_source_remove);
    link_free(watch->link);
    call_pool_free(watch->monitor);
    call_pool_free(watch->reads);
    call_pool_free(watch->creates);
    call_pool_free(watch->writes);
    registry_free(watch->registry);
    hook_notes_free(watch->hooks);
    runs_free(watch->runs);
    g_hash_table_unref(watch->starts);
    g_hash_table_unref(watch->edits);
    g_string_free(watch->text, TRUE);
    g_free(watch->pid_directory);
    g_free(watch->uri);
    g_free(watch);
}

/* ---- the table ---- */

static void
world_collect(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    guest_calls_collect(self, chosen, deadline_usec, done, user_data);
}

static const GuestRecord *const *
world_records(void *self, size_t *count)
{
    Watch *watch = self;

    return registry_records(watch->registry, count);
}

/* Not up before the inventory is complete: nothing can be decided before everybody is known. */
static WorldLink
world_link(void *self)
{
    Watch *watch = self;

    return guest_calls_possible(watch) ? link_state(watch->link) : WORLD_LINK_DOWN;
}

static bool
world_unread(void *self)
{
    return inventory_unread(self);
}

static void
world_set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    guest_calls_set_target(self, uuid, target_kib, done, user_data);
}

static void
world_set_period(void *self, const char *uuid, uint32_t seconds)
{
    guest_period_set(self, uuid, seconds);
}

static void
world_ask_now(void *self, const char *uuid)
{
    guest_period_ask(self, uuid);
}

static void
world_start(void *self, const char *uuid, GuestStartDone done, void *user_data)
{
    guest_start(self, uuid, done, user_data);
}

static void
world_edit_element(void *self, const char *uuid, ElementWork work, void *data, GDestroyNotify free_data,
                   ElementDone done, void *user_data)
{
    guest_element_edit(self, uuid, work, data, free_data, done, user_data);
}

static void
world_note_hook(void *self, const char *uuid, HookMoment moment, uint64_t at_usec)
{
    Watch *watch = self;

    hook_notes_note(watch->hooks, uuid, moment, at_usec);
    if (moment == HOOK_WAITS)
        on_hooks_changed(watch);
}

GuestWorld
watch_guest_world(Watch *watch)
{
    return (GuestWorld){
        .self = watch,
        .collect = world_collect,
        .records = world_records,
        .link = world_link,
        .unread = world_unread,
        .set_target = world_set_target,
        .set_period = world_set_period,
        .ask_now = world_ask_now,
        .start = world_start,
        .edit_element = world_edit_element,
        .note_hook = world_note_hook,
    };
}

const char *
watch_link_text(const Watch *watch)
{
    CallPoolFigures figures = call_pool_figures(watch->monitor);

    g_string_assign(watch->text, link_text(watch->link));
    if (link_state(watch->link) != WORLD_LINK_DOWN && !watch->inventory.complete)
        g_string_append(watch->text, ", reading the guests");
    if (figures.late > 0)
        g_string_append_printf(watch->text, figures.late == 1 ? ", %u call hangs" : ", %u calls hang", figures.late);
    if (figures.late >= MONITOR_CONNECTIONS)
        g_string_append(watch->text, ": no guest can be asked until one returns");
    return watch->text->str;
}
