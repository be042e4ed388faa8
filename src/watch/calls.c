/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who owns what: a Call belongs to the main thread, except for its order between the hand-over to a lane and its
 * return. Lanes are the pool's; their threads are on their own (lane.c).
 */
#include "calls.h"

#include "lane.h"

/* More calls than this waiting for each lane are many. */
#define CROWD 16

typedef enum CallState {
    CALL_WAITING,
    CALL_RUNNING,
    CALL_LATE,
} CallState;

typedef struct Call {
    LaneOrder order; /* first: an order is its call */
    char *key;
    CallSpec spec;
    CallState state;
    uint64_t since_usec; /* when it was submitted, later when it began */
} Call;

struct CallPool {
    CallPoolOptions options;
    LaneOpener *opener;
    LaneHome *home;
    GPtrArray *lanes;  /* Lane, also those left behind that still carry calls */
    GQueue waiting;    /* Call */
    GHashTable *calls; /* key -> Call, waiting or under way */
    GSource *timer;
    uint64_t timer_usec; /* when it goes off; UINT64_MAX: never */
    uint64_t reopen_at_usec;
};

static uint64_t
now_usec(void)
{
    return (uint64_t)g_get_monotonic_time();
}

static void
call_free(Call *call)
{
    if (call->spec.data_free != NULL)
        call->spec.data_free(call->spec.data);
    g_free(call->key);
    g_free(call);
}

static void
discard_order(LaneOrder *order)
{
    call_free((Call *)order);
}

static const Call *
lane_call(const Lane *lane)
{
    return (const Call *)lane->order;
}

static bool
lane_is_idle(const Lane *lane)
{
    return lane->open && !lane->left && lane->order == NULL;
}

/* Nothing is begun on it any more; it goes when its call has returned. */
static void
pool_leave_lane(CallPool *pool, Lane *lane)
{
    lane->left = true;
    if (lane->order != NULL || !lane->open)
        return;
    g_ptr_array_remove_fast(pool->lanes, lane);
    lane_dismiss(lane);
}

static void
pool_arm(CallPool *pool, uint64_t at_usec)
{
    if (at_usec >= pool->timer_usec)
        return;
    pool->timer_usec = at_usec;
    g_source_set_ready_time(pool->timer, (gint64)at_usec);
}

/*
 * Opens a lane when those there can't be expected to be free soon, or too many calls wait for them. Returns the
 * time when to look again, UINT64_MAX when some other event will say so.
 */
static uint64_t
pool_grow(CallPool *pool)
{
    uint64_t now = now_usec(), soonest_usec = UINT64_MAX;
    unsigned usable = 0;
    Lane *started;

    for (guint i = 0; i < pool->lanes->len; i++) {
        const Lane *lane = pool->lanes->pdata[i];

        if (lane->left)
            continue;
        if (!lane->open)
            return UINT64_MAX; /* one is on its way */
        usable++;
        if (lane_call(lane)->since_usec + pool->options.patience_usec > now)
            soonest_usec = MIN(soonest_usec, lane_call(lane)->since_usec + pool->options.patience_usec);
    }
    /* With one call that may end soon it is worth waiting. */
    if (soonest_usec != UINT64_MAX &&
        (usable >= pool->options.usual_lanes || pool->waiting.length <= (guint)usable * CROWD))
        return soonest_usec;
    /* Those left behind have calls that hang as well, and cost libvirt the same. */
    if (usable >= pool->options.lanes || pool->lanes->len >= 2 * pool->options.lanes)
        return UINT64_MAX;
    if (now < pool->reopen_at_usec)
        return pool->reopen_at_usec;
    started = lane_start(pool->home, pool->opener);
    if (started == NULL) {
        pool->reopen_at_usec = now + pool->options.reopen_usec;
        return pool->reopen_at_usec;
    }
    g_ptr_array_add(pool->lanes, started);
    return UINT64_MAX;
}

/* When it has waited, or been under way, for too long. */
static uint64_t
call_end_usec(const Call *call)
{
    bool waits = call->state == CALL_WAITING && call->spec.wait_usec != 0;

    return call->since_usec + (waits ? call->spec.wait_usec : call->spec.deadline_usec);
}

static void
pool_dispatch(CallPool *pool)
{
    for (guint i = 0; i < pool->lanes->len && !g_queue_is_empty(&pool->waiting); i++) {
        Lane *lane = pool->lanes->pdata[i];
        Call *call;

        if (!lane_is_idle(lane))
            continue;
        call = g_queue_pop_head(&pool->waiting);
        call->state = CALL_RUNNING;
        call->since_usec = now_usec();
        lane_begin(lane, &call->order);
        pool_arm(pool, call_end_usec(call));
    }
    if (!g_queue_is_empty(&pool->waiting))
        pool_arm(pool, pool_grow(pool));
}

/* Takes call out of the books and tells its owner. Frees it. */
static void
pool_finish_call(CallPool *pool, Call *call, CallEnd end)
{
    g_hash_table_remove(pool->calls, call->key);
    if (g_hash_table_size(pool->calls) == 0 && pool->timer_usec != UINT64_MAX) {
        pool->timer_usec = UINT64_MAX;
        g_source_set_ready_time(pool->timer, -1);
    }
    call->spec.done(call->spec.user_data, call->key, call->spec.data, end);
    call_free(call);
}

static void
pool_end_waiting(CallPool *pool, CallEnd end)
{
    GQueue ended = pool->waiting;
    Call *call;

    g_queue_init(&pool->waiting);
    while ((call = g_queue_pop_head(&ended)) != NULL)
        pool_finish_call(pool, call, end);
}

static void
on_opened(void *user_data, Lane *lane, const GError *error)
{
    CallPool *pool = user_data;

    if (lane->handle == NULL) {
        g_debug("a connection for calls could not be opened: %s", error->message);
        pool->reopen_at_usec = now_usec() + pool->options.reopen_usec;
        pool_leave_lane(pool, lane);
    } else if (lane->left) {
        pool_leave_lane(pool, lane);
    }
}

static void
on_returned(void *user_data, Lane *lane, LaneOrder *order)
{
    CallPool *pool = user_data;
    unsigned idle = 0;

    for (guint i = 0; i < pool->lanes->len; i++)
        idle += lane_is_idle(pool->lanes->pdata[i]);
    if (lane->left || order->broke_lane || (idle > pool->options.usual_lanes && g_queue_is_empty(&pool->waiting)))
        pool_leave_lane(pool, lane);
    pool_finish_call(pool, (Call *)order, CALL_RETURNED);
}

static void
on_caught_up(void *user_data)
{
    pool_dispatch(user_data);
}

/* Marks what is late, drops what has waited too long, and looks when to look again. */
static gboolean
pool_sweep(void *data)
{
    g_autoptr(GPtrArray) late = g_ptr_array_new();
    CallPool *pool = data;
    GQueue expired = G_QUEUE_INIT;
    uint64_t now = now_usec(), next_usec = UINT64_MAX;
    GHashTableIter iter;
    void *value;
    Call *call;

    pool->timer_usec = UINT64_MAX;
    g_source_set_ready_time(pool->timer, -1);

    g_hash_table_iter_init(&iter, pool->calls);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        call = value;
        if (call->state == CALL_LATE)
            continue;
        if (call_end_usec(call) > now) {
            next_usec = MIN(next_usec, call_end_usec(call));
        } else if (call->state == CALL_RUNNING) {
            call->state = CALL_LATE;
            g_ptr_array_add(late, call);
        }
    }
    for (GList *link = pool->waiting.head; link != NULL;) {
        GList *following = link->next;

        call = link->data;
        if (call_end_usec(call) <= now) {
            g_queue_unlink(&pool->waiting, link);
            g_queue_push_tail_link(&expired, link);
        }
        link = following;
    }
    pool_arm(pool, next_usec);
    pool_dispatch(pool);

    /* Only lanes end calls under way, so those in the list are still there whatever the owners do now. */
    for (guint i = 0; i < late->len; i++) {
        call = late->pdata[i];
        if (call->spec.late != NULL)
            call->spec.late(call->spec.user_data, call->key);
    }
    while ((call = g_queue_pop_head(&expired)) != NULL)
        pool_finish_call(pool, call, CALL_EXPIRED);
    return G_SOURCE_CONTINUE;
}

static gboolean
pool_timer_dispatch(GSource *source, GSourceFunc callback, void *data)
{
    return callback(data);
}

CallPool *
call_pool_new(const CallPoolOptions *options, const CallLaneOps *ops, void *self, GDestroyNotify self_free)
{
    static GSourceFuncs timer_functions = {.dispatch = pool_timer_dispatch};
    CallPool *pool = g_new0(CallPool, 1);

    g_assert(options->lanes >= 1 && options->usual_lanes >= 1);
    pool->options = *options;
    pool->opener = lane_opener_new(ops, self, self_free);
    pool->home = lane_home_new(
        &(LaneListener){.opened = on_opened, .returned = on_returned, .caught_up = on_caught_up, .user_data = pool});
    pool->lanes = g_ptr_array_new();
    g_queue_init(&pool->waiting);
    pool->calls = g_hash_table_new(g_str_hash, g_str_equal);
    pool->timer = g_source_new(&timer_functions, sizeof(GSource));
    pool->timer_usec = UINT64_MAX;
    g_source_set_callback(pool->timer, pool_sweep, pool, NULL);
    g_source_attach(pool->timer, NULL);
    return pool;
}

void
call_pool_free(CallPool *pool)
{
    Call *call;

    if (pool == NULL)
        return;
    lane_home_close(pool->home);
    while ((call = g_queue_pop_head(&pool->waiting)) != NULL)
        call_free(call);
    for (guint i = 0; i < pool->lanes->len; i++)
        lane_dismiss(pool->lanes->pdata[i]);
    g_ptr_array_unref(pool->lanes);
    g_hash_table_unref(pool->calls);
    lane_opener_unref(pool->opener);
    g_source_destroy(pool->timer);
    g_source_unref(pool->timer);
    g_free(pool);
}

void
call_pool_submit(CallPool *pool, const char *key, const CallSpec *spec)
{
    Call *call = g_new0(Call, 1);

    g_assert(!call_pool_is_busy(pool, key));
    call->key = g_strdup(key);
    call->spec = *spec;
    call->order = (LaneOrder){.run = spec->run, .data = spec->data, .discard = discard_order};
    call->state = CALL_WAITING;
    call->since_usec = now_usec();
    g_hash_table_insert(pool->calls, call->key, call);
    g_queue_push_tail(&pool->waiting, call);
    pool_arm(pool, call_end_usec(call));
    pool_dispatch(pool);
}

bool
call_pool_is_busy(const CallPool *pool, const char *key)
{
    return g_hash_table_contains(pool->calls, key);
}

bool
call_pool_is_late(const CallPool *pool, const char *key)
{
    const Call *call = g_hash_table_lookup(pool->calls, key);

    return call != NULL && call->state == CALL_LATE;
}

void
call_pool_withdraw(CallPool *pool, const char *key)
{
    Call *call = g_hash_table_lookup(pool->calls, key);

    if (call == NULL || call->state != CALL_WAITING)
        return;
    g_queue_remove(&pool->waiting, call);
    pool_finish_call(pool, call, CALL_WITHDRAWN);
}

void
call_pool_reset(CallPool *pool, void *self, GDestroyNotify self_free)
{
    g_autoptr(GPtrArray) lanes = g_ptr_array_copy(pool->lanes, NULL, NULL);
    LaneOpener *old = pool->opener;

    pool->opener = lane_opener_new(lane_opener_ops(old), self, self_free);
    lane_opener_unref(old);
    pool->reopen_at_usec = 0;
    for (guint i = 0; i < lanes->len; i++)
        pool_leave_lane(pool, lanes->pdata[i]);
    pool_end_waiting(pool, CALL_DISCONNECTED);
}

CallPoolFigures
call_pool_figures(const CallPool *pool)
{
    CallPoolFigures figures = {.waiting = pool->waiting.length};
    GHashTableIter iter;
    void *value;

    for (guint i = 0; i < pool->lanes->len; i++) {
        const Lane *lane = pool->lanes->pdata[i];

        if (lane->left)
            figures.left++;
        else
            figures.lanes++;
    }
    g_hash_table_iter_init(&iter, pool->calls);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Call *call = value;

        figures.running += call->state != CALL_WAITING;
        figures.late += call->state == CALL_LATE;
    }
    return figures;
}
