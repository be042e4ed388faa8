/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal_queue.h"

#include <stdbool.h>

/* So long the end waits for the thread. */
#define END_USEC (G_USEC_PER_SEC)

/* An atomic rc box: of its owner, and of the thread. */
struct JournalQueue {
    JournalSend send;
    void *user_data;
    GMutex lock; /* of what follows; held shortly */
    GCond changed;
    GQueue waiting; /* of GPtrArray */
    unsigned left_out;
    bool sending;
    bool ending;
};

static void
fields_free(void *fields)
{
    g_ptr_array_unref(fields);
}

static void
clear(void *data)
{
    JournalQueue *queue = data;

    g_queue_clear_full(&queue->waiting, fields_free);
    g_mutex_clear(&queue->lock);
    g_cond_clear(&queue->changed);
}

static void
queue_unref(JournalQueue *queue)
{
    g_atomic_rc_box_release_full(queue, clear);
}

static GPtrArray *
what_was_left_out(unsigned count)
{
    GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(fields,
                    g_strdup_printf("MESSAGE=%u records were left out: the journal took none for a while", count));
    g_ptr_array_add(fields, g_strdup("PRIORITY=4"));
    return fields;
}

/* The next to be sent; NULL: the end. Called locked. */
static GPtrArray *
next_record(JournalQueue *queue)
{
    unsigned left_out;

    while (queue->waiting.length == 0 && queue->left_out == 0) {
        if (queue->ending)
            return NULL;
        g_cond_wait(&queue->changed, &queue->lock);
    }
    if (queue->waiting.length > 0)
        return g_queue_pop_head(&queue->waiting);
    left_out = queue->left_out;
    queue->left_out = 0;
    return what_was_left_out(left_out);
}

static gpointer
send_all(gpointer data)
{
    JournalQueue *queue = data;
    GPtrArray *fields;

    g_mutex_lock(&queue->lock);
    while ((fields = next_record(queue)) != NULL) {
        queue->sending = true;
        g_mutex_unlock(&queue->lock);
        queue->send(fields, queue->user_data);
        g_ptr_array_unref(fields);
        g_mutex_lock(&queue->lock);
        queue->sending = false;
        g_cond_broadcast(&queue->changed);
    }
    g_mutex_unlock(&queue->lock);
    queue_unref(queue);
    return NULL;
}

JournalQueue *
journal_queue_new(JournalSend send, void *user_data)
{
    JournalQueue *queue = g_atomic_rc_box_new0(JournalQueue);

    queue->send = send;
    queue->user_data = user_data;
    g_mutex_init(&queue->lock);
    g_cond_init(&queue->changed);
    g_queue_init(&queue->waiting);
    g_thread_unref(g_thread_new("journal", send_all, g_atomic_rc_box_acquire(queue)));
    return queue;
}

void
journal_queue_free(JournalQueue *queue)
{
    gint64 end = g_get_monotonic_time() + END_USEC;

    if (queue == NULL)
        return;
    g_mutex_lock(&queue->lock);
    queue->ending = true;
    g_cond_broadcast(&queue->changed);
    while ((queue->waiting.length > 0 || queue->left_out > 0 || queue->sending) &&
           g_cond_wait_until(&queue->changed, &queue->lock, end))
        ;
    g_mutex_unlock(&queue->lock);
    queue_unref(queue);
}

void
journal_queue_push(JournalQueue *queue, GPtrArray *fields)
{
    bool kept;

    g_mutex_lock(&queue->lock);
    kept = queue->waiting.length < JOURNAL_QUEUE_MOST;
    if (kept)
        g_queue_push_tail(&queue->waiting, fields);
    else
        queue->left_out++;
    g_cond_broadcast(&queue->changed);
    g_mutex_unlock(&queue->lock);
    if (!kept)
        g_ptr_array_unref(fields);
}
