/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lane.h"

/* An atomic rc box. */
struct LaneOpener {
    CallLaneOps ops;
    void *self;
    GDestroyNotify self_free;
};

/* An atomic rc box: of the main thread until it closes it, and of each thread. */
struct LaneHome {
    GMutex lock;
    GQueue letters; /* Letter; under lock */
    bool awake;     /* the main loop has been told to look; under lock */
    bool closed;    /* main thread only, like what follows */
    LaneListener listener;
};

/* What a thread tells. */
typedef struct Letter {
    Lane *lane;       /* not to be looked at once the home is closed */
    LaneOrder *order; /* that has returned; NULL: the lane has been opened, or could not be */
    void *handle;
    GError *error;
} Letter;

/* The thread's own, handed to it when it starts; what the main thread needs to reach it are the orders. */
struct LaneThread {
    LaneHome *home;
    LaneOpener *opener;
    Lane *lane;          /* only to be named in letters */
    GAsyncQueue *orders; /* LaneOrder or order_quit */
};

static char order_quit;

LaneOpener *
lane_opener_new(const CallLaneOps *ops, void *self, GDestroyNotify self_free)
{
    LaneOpener *opener = g_atomic_rc_box_new0(LaneOpener);

    opener->ops = *ops;
    opener->self = self;
    opener->self_free = self_free;
    return opener;
}

static void
opener_clear(void *data)
{
    LaneOpener *opener = data;

    if (opener->self_free != NULL)
        opener->self_free(opener->self);
}

void
lane_opener_unref(LaneOpener *opener)
{
    g_atomic_rc_box_release_full(opener, opener_clear);
}

const CallLaneOps *
lane_opener_ops(const LaneOpener *opener)
{
    return &opener->ops;
}

/* ---- letters ---- */

static void
letter_free(void *data)
{
    Letter *letter = data;

    if (letter->order != NULL)
        letter->order->discard(letter->order);
    g_clear_error(&letter->error);
    g_free(letter);
}

static void
home_clear(void *data)
{
    LaneHome *home = data;

    g_queue_clear_full(&home->letters, letter_free);
    g_mutex_clear(&home->lock);
}

static void
home_unref(void *home)
{
    g_atomic_rc_box_release_full(home, home_clear);
}

LaneHome *
lane_home_new(const LaneListener *listener)
{
    LaneHome *home = g_atomic_rc_box_new0(LaneHome);

    g_mutex_init(&home->lock);
    g_queue_init(&home->letters);
    home->listener = *listener;
    return home;
}

void
lane_home_close(LaneHome *home)
{
    home->closed = true;
    home_unref(home);
}

static void
read_letter(LaneHome *home, Letter *letter)
{
    Lane *lane = letter->lane;

    if (letter->order != NULL) {
        lane->order = NULL;
        home->listener.returned(home->listener.user_data, lane, g_steal_pointer(&letter->order));
    } else {
        lane->open = true;
        lane->handle = letter->handle;
        home->listener.opened(home->listener.user_data, lane, letter->error);
    }
}

static gboolean
read_letters(void *data)
{
    LaneHome *home = data;
    GQueue letters;
    Letter *letter;

    g_mutex_lock(&home->lock);
    letters = home->letters;
    g_queue_init(&home->letters);
    home->awake = false;
    g_mutex_unlock(&home->lock);

    while ((letter = g_queue_pop_head(&letters)) != NULL) {
        if (!home->closed)
            read_letter(home, letter);
        letter_free(letter);
    }
    if (!home->closed)
        home->listener.caught_up(home->listener.user_data);
    return G_SOURCE_REMOVE;
}

/*
 * Any thread. An idle source of our own instead of g_main_context_invoke: that one runs the function right here when the
 * main thread happens not to be inside an iteration of its loop.
 */
static void
post(LaneHome *home, const Letter *what)
{
    Letter *letter = g_new0(Letter, 1);
    bool wake;

    *letter = *what;
    g_mutex_lock(&home->lock);
    g_queue_push_tail(&home->letters, letter);
    wake = !home->awake;
    home->awake = true;
    g_mutex_unlock(&home->lock);

    if (wake) {
        GSource *source = g_idle_source_new();

        g_source_set_priority(source, G_PRIORITY_DEFAULT);
        g_source_set_callback(source, read_letters, g_atomic_rc_box_acquire(home), home_unref);
        g_source_attach(source, NULL);
        g_source_unref(source);
    }
}

/* ---- threads ---- */

static void
thread_free(LaneThread *thread)
{
    g_async_queue_unref(thread->orders);
    lane_opener_unref(thread->opener);
    home_unref(thread->home);
    g_free(thread);
}

static void *
run_lane(void *data)
{
    LaneThread *thread = data;
    const CallLaneOps *ops = &thread->opener->ops;
    GError *error = NULL;
    void *handle = ops->open(thread->opener->self, &error);
    void *order;

    post(thread->home, &(Letter){.lane = thread->lane, .handle = handle, .error = error});
    while ((order = g_async_queue_pop(thread->orders)) != &order_quit) {
        LaneOrder *call = order;

        call->broke_lane = !call->run(handle, call->data);
        post(thread->home, &(Letter){.lane = thread->lane, .order = call});
    }
    if (handle != NULL)
        ops->close(handle);
    thread_free(thread);
    return NULL;
}

Lane *
lane_start(LaneHome *home, LaneOpener *opener)
{
    Lane *lane = g_new0(Lane, 1);
    GThread *started;

    lane->thread = g_new0(LaneThread, 1);
    lane->thread->home = g_atomic_rc_box_acquire(home);
    lane->thread->opener = g_atomic_rc_box_acquire(opener);
    lane->thread->lane = lane;
    lane->thread->orders = g_async_queue_new();
    started = g_thread_try_new("libvirt-call", run_lane, lane->thread, NULL);
    if (started == NULL) {
        thread_free(lane->thread);
        g_free(lane);
        return NULL;
    }
    g_thread_unref(started);
    return lane;
}

void
lane_begin(Lane *lane, LaneOrder *order)
{
    g_assert(lane->open && lane->handle != NULL && lane->order == NULL);
    lane->order = order;
    g_async_queue_push(lane->thread->orders, order);
}

void
lane_dismiss(Lane *lane)
{
    /* The thread frees its own reference as soon as it has read the order, which may be before push returns. */
    g_autoptr(GAsyncQueue) orders = g_async_queue_ref(lane->thread->orders);

    g_free(lane);
    g_async_queue_push(orders, &order_quit);
}
