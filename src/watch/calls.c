/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who owns what. A Call belongs to the main thread, except for its data between the hand-over to a lane and
 * its return. A Lane is shared by the main thread and its own thread, which opens it, makes its calls and closes it.
 * What the threads have to tell travels through the Mailbox, which outlives the pool as long as a thread
 * hangs: a pool that is gone is a mailbox without a pool.
 */
#include "calls.h"

/* More calls than this waiting for each lane are many. */
#define CROWD 16

typedef struct Lane Lane;

/* How lanes are opened and closed; shared by those that are opened alike. An atomic rc box. */
typedef struct Opener {
    CallLaneOps ops;
    void *self;
    GDestroyNotify self_free;
} Opener;

typedef enum CallState {
    CALL_WAITING,
    CALL_RUNNING,
    CALL_LATE,
} CallState;

typedef struct Call {
    char *key;
    CallSpec spec;
    CallState state;
    uint64_t since_usec; /* when it was submitted, later when it began */
    bool lane_broken;    /* what run returned */
} Call;

/* What a thread tells the main thread. lane is only looked at while the pool is there: it then has a reference. */
typedef struct Letter {
    Lane *lane;
    Call *call; /* that has returned; NULL: the lane is open, or could not be opened */
    GError *error;
} Letter;

/* An atomic rc box. */
typedef struct Mailbox {
    GMutex lock;
    GQueue letters; /* under lock */
    bool awake;     /* under lock: the main loop has been told to look */
    CallPool *pool; /* main thread only; NULL: gone */
} Mailbox;

struct Lane {
    gatomicrefcount references; /* its thread's; the main thread's as long as it uses the lane or a call is under way */
    Mailbox *mailbox;
    Opener *opener;
    GAsyncQueue *orders; /* Call, order_open or order_quit */
    void *handle;        /* what open returned; set before anything else runs */
    /* main thread only */
    Call *call; /* under way */
    bool open;
    bool left; /* behind: nothing is begun on it any more */
};

static char order_open;
static char order_quit;

struct CallPool {
    CallPoolOptions options;
    Opener *opener;
    Mailbox *mailbox;
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

/* ---- what threads and the main thread share ---- */

static Opener *
opener_new(const CallLaneOps *ops, void *self, GDestroyNotify self_free)
{
    Opener *opener = g_atomic_rc_box_new0(Opener);

    opener->ops = *ops;
    opener->self = self;
    opener->self_free = self_free;
    return opener;
}

static void
opener_clear(void *data)
{
    Opener *opener = data;

    if (opener->self_free != NULL)
        opener->self_free(opener->self);
}

static void
opener_unref(Opener *opener)
{
    g_atomic_rc_box_release_full(opener, opener_clear);
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
letter_free(void *data)
{
    Letter *letter = data;

    g_clear_pointer(&letter->call, call_free);
    g_clear_error(&letter->error);
    g_free(letter);
}

static void
mailbox_clear(void *data)
{
    Mailbox *mailbox = data;

    g_queue_clear_full(&mailbox->letters, letter_free);
    g_mutex_clear(&mailbox->lock);
}

static void
mailbox_unref(void *mailbox)
{
    g_atomic_rc_box_release_full(mailbox, mailbox_clear);
}

static void
lane_unref(Lane *lane)
{
    if (!g_atomic_ref_count_dec(&lane->references))
        return;
    if (lane->handle != NULL)
        lane->opener->ops.close(lane->handle);
    g_async_queue_unref(lane->orders);
    opener_unref(lane->opener);
    mailbox_unref(lane->mailbox);
    g_free(lane);
}

/* ---- threads ---- */

static gboolean mailbox_read(void *data);

/*
 * An idle source of our own instead of g_main_context_invoke: that one runs the function right here when the
 * main thread happens not to be inside an iteration of its loop.
 */
static void
mailbox_post(Mailbox *mailbox, Lane *lane, Call *call, GError *error)
{
    Letter *letter = g_new0(Letter, 1);
    bool wake;

    letter->lane = lane;
    letter->call = call;
    letter->error = error;

    g_mutex_lock(&mailbox->lock);
    g_queue_push_tail(&mailbox->letters, letter);
    wake = !mailbox->awake;
    mailbox->awake = true;
    g_mutex_unlock(&mailbox->lock);

    if (wake) {
        GSource *source = g_idle_source_new();

        g_source_set_priority(source, G_PRIORITY_DEFAULT);
        g_source_set_callback(source, mailbox_read, g_atomic_rc_box_acquire(mailbox), mailbox_unref);
        g_source_attach(source, NULL);
        g_source_unref(source);
    }
}

static void *
lane_thread(void *data)
{
    Lane *lane = data;

    for (;;) {
        void *order = g_async_queue_pop(lane->orders);

        if (order == &order_quit)
            break;
        if (order == &order_open) {
            GError *error = NULL;

            lane->handle = lane->opener->ops.open(lane->opener->self, &error);
            mailbox_post(lane->mailbox, lane, NULL, error);
        } else {
            Call *call = order;

            call->lane_broken = !call->spec.run(lane->handle, call->spec.data);
            mailbox_post(lane->mailbox, lane, call, NULL);
        }
    }
    lane_unref(lane);
    return NULL;
}

/* ---- the main thread's side of lanes ---- */

/* Sends the thread home, which closes the lane. */
static void
lane_dismiss(Lane *lane)
{
    g_autoptr(GAsyncQueue) orders = g_async_queue_ref(lane->orders);

    lane_unref(lane); /* before the thread can drop its own, so that nothing is closed here */
    g_async_queue_push(orders, &order_quit);
}

static bool
pool_start_lane(CallPool *pool)
{
    Lane *lane = g_new0(Lane, 1);
    GThread *thread;

    g_atomic_ref_count_init(&lane->references);
    lane->mailbox = g_atomic_rc_box_acquire(pool->mailbox);
    lane->opener = g_atomic_rc_box_acquire(pool->opener);
    lane->orders = g_async_queue_new();
    thread = g_thread_try_new("libvirt-call", lane_thread, lane, NULL);
    if (thread == NULL) {
        lane_unref(lane);
        return false;
    }
    g_thread_unref(thread);
    g_atomic_ref_count_inc(&lane->references); /* the first one is the thread's, until it gets the order to quit */
    g_async_queue_push(lane->orders, &order_open);
    g_ptr_array_add(pool->lanes, lane);
    return true;
}

/* Nothing is begun on it any more; it goes when its call has returned. */
static void
pool_leave_lane(CallPool *pool, Lane *lane)
{
    lane->left = true;
    if (lane->call != NULL || !lane->open)
        return;
    g_ptr_array_remove_fast(pool->lanes, lane);
    lane_dismiss(lane);
}

static bool
lane_is_idle(const Lane *lane)
{
    return lane->open && !lane->left && lane->call == NULL;
}

static void
lane_begin(Lane *lane, Call *call)
{
    lane->call = call;
    call->state = CALL_RUNNING;
    call->since_usec = now_usec();
    g_async_queue_push(lane->orders, call);
}

/* ---- the pool ---- */

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

    for (guint i = 0; i < pool->lanes->len; i++) {
        const Lane *lane = pool->lanes->pdata[i];

        if (lane->left)
            continue;
        if (!lane->open)
            return UINT64_MAX; /* one is on its way */
        usable++;
        if (lane->call->since_usec + pool->options.patience_usec > now)
            soonest_usec = MIN(soonest_usec, lane->call->since_usec + pool->options.patience_usec);
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
    if (!pool_start_lane(pool)) {
        pool->reopen_at_usec = now + pool->options.reopen_usec;
        return pool->reopen_at_usec;
    }
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

        if (lane_is_idle(lane)) {
            lane_begin(lane, g_queue_pop_head(&pool->waiting));
            pool_arm(pool, call_end_usec(lane->call));
        }
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
pool_note_opened(CallPool *pool, Lane *lane)
{
    lane->open = true;
    if (lane->handle != NULL) {
        if (lane->left)
            pool_leave_lane(pool, lane);
        return;
    }
    pool->reopen_at_usec = now_usec() + pool->options.reopen_usec;
    pool_leave_lane(pool, lane);
}

static void
pool_note_returned(CallPool *pool, Lane *lane, Call *call)
{
    unsigned idle = 0;

    lane->call = NULL;
    for (guint i = 0; i < pool->lanes->len; i++)
        idle += lane_is_idle(pool->lanes->pdata[i]);
    if (lane->left || call->lane_broken || (idle > pool->options.usual_lanes && g_queue_is_empty(&pool->waiting)))
        pool_leave_lane(pool, lane);
    pool_finish_call(pool, call, CALL_RETURNED);
}

static gboolean
mailbox_read(void *data)
{
    Mailbox *mailbox = data;
    GQueue letters;
    Letter *letter;

    g_mutex_lock(&mailbox->lock);
    letters = mailbox->letters;
    g_queue_init(&mailbox->letters);
    mailbox->awake = false;
    g_mutex_unlock(&mailbox->lock);

    while ((letter = g_queue_pop_head(&letters)) != NULL) {
        CallPool *pool = mailbox->pool;

        if (pool != NULL && letter->call != NULL) {
            pool_note_returned(pool, letter->lane, g_steal_pointer(&letter->call));
        } else if (pool != NULL) {
            if (letter->error != NULL)
                g_debug("a connection for calls could not be opened: %s", letter->error->message);
            pool_note_opened(pool, letter->lane);
        }
        letter_free(letter);
    }
    if (mailbox->pool != NULL)
        pool_dispatch(mailbox->pool);
    return G_SOURCE_REMOVE;
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

    /* Only letters end calls under way, so those in the list are still there whatever the owners do now. */
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
    pool->opener = opener_new(ops, self, self_free);
    pool->mailbox = g_atomic_rc_box_new0(Mailbox);
    g_mutex_init(&pool->mailbox->lock);
    g_queue_init(&pool->mailbox->letters);
    pool->mailbox->pool = pool;
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
    pool->mailbox->pool = NULL;
    mailbox_unref(pool->mailbox);
    while ((call = g_queue_pop_head(&pool->waiting)) != NULL)
        call_free(call);
    for (guint i = 0; i < pool->lanes->len; i++)
        lane_dismiss(pool->lanes->pdata[i]);
    g_ptr_array_unref(pool->lanes);
    g_hash_table_unref(pool->calls);
    opener_unref(pool->opener);
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
call_pool_reset(CallPool *pool, void *self, GDestroyNotify self_free)
{
    g_autoptr(GPtrArray) lanes = g_ptr_array_copy(pool->lanes, NULL, NULL);
    CallLaneOps ops = pool->opener->ops;

    opener_unref(pool->opener);
    pool->opener = opener_new(&ops, self, self_free);
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
