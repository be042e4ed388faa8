/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "journal.h"

#include "names.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* A guest and kind may write that many records at once, and one more each time this span has passed. A guest that
   grows or shrinks by all it has is told its targets in fewer. */
#define BURST 20
#define REFILL_USEC (5 * USEC_PER_SEC)
/* Records left out and not followed by another are summed up after that. */
#define SETTLE_USEC (60 * USEC_PER_SEC)

/* One guest and kind. */
typedef struct Bucket {
    char *key;
    unsigned tokens;
    uint64_t refilled_usec;
    uint64_t last_usec;
    unsigned left_out;
    Change last; /* the last one left out; strings owned, NULL while left_out is 0 */
} Bucket;

struct Journal {
    JournalWrite write;
    void *user_data;
    GHashTable *buckets; /* key, in the value -> Bucket */
    uint64_t settled_usec;
};

static void
bucket_drop_last(Bucket *bucket)
{
    g_clear_pointer(&bucket->last.name, g_free);
    g_clear_pointer(&bucket->last.reason, g_free);
    g_clear_pointer(&bucket->last.message, g_free);
    bucket->left_out = 0;
}

static void
bucket_free(void *data)
{
    Bucket *bucket = data;

    bucket_drop_last(bucket);
    g_free(bucket->key);
    g_free(bucket);
}

static void
write_stderr(const JournalRecord *record, void *user_data)
{
    static const char *const words[] = {"emergency", "alert",  "critical", "error",
                                        "warning",   "notice", "info",     "debug"};

    fprintf(stderr, "dynmemd: %s: %s\n", words[change_kind_priority(record->change->kind) & 7], record->message);
}

static void
write_journal(const JournalRecord *record, void *user_data)
{
    const Change *change = record->change;

    /* Its result is not looked at: there is nowhere else to complain. */
    (void)sd_journal_send("MESSAGE=%s", record->message, "MESSAGE_ID=%s", change_kind_message_id(change->kind),
                          "PRIORITY=%d", change_kind_priority(change->kind), DYNMEM_FIELD_GUEST "=%s", change->name,
                          DYNMEM_FIELD_UUID "=%s", change->uuid, DYNMEM_FIELD_OLD "=%" PRIu64,
                          bytes_from_kib(change->old_kib), DYNMEM_FIELD_NEW "=%" PRIu64,
                          bytes_from_kib(change->new_kib), DYNMEM_FIELD_REASON "=%s", change->reason,
                          DYNMEM_FIELD_LEFT_OUT "=%u", record->left_out, NULL);
    if (isatty(STDERR_FILENO))
        write_stderr(record, user_data);
}

Journal *
journal_new(JournalWrite write, void *user_data)
{
    Journal *journal = g_new0(Journal, 1);

    /* libsystemd drops records without a word where journald is not there */
    journal->write = write != NULL ? write : access(JOURNAL_SOCKET, W_OK) == 0 ? write_journal : write_stderr;
    journal->user_data = user_data;
    journal->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, bucket_free);
    return journal;
}

void
journal_free(Journal *journal)
{
    if (journal == NULL)
        return;
    g_hash_table_unref(journal->buckets);
    g_free(journal);
}

static Bucket *
bucket_of(Journal *journal, const Change *change, uint64_t now_usec)
{
    g_autofree char *key = g_strdup_printf("%s %s", change->uuid, change_kind_name(change->kind));
    Bucket *bucket = g_hash_table_lookup(journal->buckets, key);
    uint64_t refills;

    if (bucket == NULL) {
        bucket = g_new0(Bucket, 1);
        bucket->key = g_steal_pointer(&key);
        bucket->tokens = BURST;
        bucket->refilled_usec = now_usec;
        g_hash_table_insert(journal->buckets, bucket->key, bucket);
        return bucket;
    }
    refills = (now_usec - bucket->refilled_usec) / REFILL_USEC;
    bucket->tokens = (unsigned)MIN(BURST, bucket->tokens + refills);
    bucket->refilled_usec += refills * REFILL_USEC;
    return bucket;
}

static void
write_record(Journal *journal, const Change *change, unsigned left_out)
{
    g_autofree char *message = left_out == 0 ? NULL
                                             : g_strdup_printf("%s (%u record%s of this kind left out before)",
                                                               change->message, left_out, left_out == 1 ? "" : "s");
    JournalRecord record = {
        .change = change,
        .message = message != NULL ? message : change->message,
        .left_out = left_out,
    };

    journal->write(&record, journal->user_data);
}

void
journal_write(Journal *journal, const Change *change, uint64_t now_usec)
{
    Bucket *bucket;

    /* Lines of the configuration are each told, once a reload. */
    if (change->kind == CHANGE_CONFIG_REJECTED) {
        write_record(journal, change, 0);
        return;
    }
    bucket = bucket_of(journal, change, now_usec);
    bucket->last_usec = now_usec;
    if (bucket->tokens > 0) {
        unsigned left_out = bucket->left_out;

        bucket->tokens--;
        bucket_drop_last(bucket);
        write_record(journal, change, left_out);
        return;
    }
    {
        unsigned left_out = bucket->left_out;

        bucket_drop_last(bucket);
        bucket->left_out = left_out + 1;
        bucket->last = *change;
        bucket->last.name = g_strdup(change->name);
        bucket->last.reason = g_strdup(change->reason);
        bucket->last.message = g_strdup(change->message);
    }
}

void
journal_settle(Journal *journal, uint64_t now_usec)
{
    GHashTableIter iter;
    void *value;

    if (now_usec - journal->settled_usec < SETTLE_USEC)
        return;
    journal->settled_usec = now_usec;
    g_hash_table_iter_init(&iter, journal->buckets);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Bucket *bucket = value;

        if (now_usec - bucket->last_usec < SETTLE_USEC)
            continue;
        /* the last one left out is written after all: it says how things stand */
        if (bucket->left_out > 0)
            write_record(journal, &bucket->last, bucket->left_out - 1);
        bucket_drop_last(bucket);
        if (now_usec - bucket->refilled_usec >= BURST * REFILL_USEC)
            g_hash_table_iter_remove(&iter);
    }
}
