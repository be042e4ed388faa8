/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records on their way to the journal. journald's socket is one of datagrams, and sd_journal_sendv() waits where it is full
 * (systemd src/libsystemd/sd-journal/journal-send.c: a blocking sendmsg), for as long as journald takes nothing. So a thread
 * of its own sends them, and whoever has something to tell never waits. While journald hangs records are kept, up to a
 * limit; what is left out beyond that is said in a record of its own.
 */

#include <glib.h>

typedef struct JournalQueue JournalQueue;

/* Sends a record, its fields as "NAME=value"; on the queue's thread, where it may block. */
typedef void (*JournalSend)(const GPtrArray *fields, void *user_data);

/* How many records wait at most. */
#define JOURNAL_QUEUE_MOST 2000

JournalQueue *journal_queue_new(JournalSend send, void *user_data);
/* Waits a moment for what is still to be sent. A thread that hangs is left behind, and user_data must then stay. */
void journal_queue_free(JournalQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalQueue, journal_queue_free)

/* Never blocks. fields is taken over. Main thread. */
void journal_queue_push(JournalQueue *queue, GPtrArray *fields);
