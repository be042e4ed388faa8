/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "journal.h"

#include "journal_queue.h"
#include "names.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
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
    Change last; /* the last one left out; a copy, clear while left_out is 0 */
} Bucket;

struct Journal {
    JournalQueue *queue; /* NULL: write takes the records */
    JournalWrite write;
    void *user_data;
    GHashTable *buckets; /* key, in the value -> Bucket */
    uint64_t settled_usec;
};

static void
bucket_drop_last(Bucket *bucket)
{
    change_clear(&bucket->last);
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

static void add_field(GPtrArray *fields, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void
add_field(GPtrArray *fields, const char *name, const char *format, ...)
{
    g_autofree char *value = NULL;
    va_list arguments;

    va_start(arguments, format);
    value = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_ptr_array_add(fields, g_strdup_printf("%s=%s", name, value));
}

static void
add_size(GPtrArray *fields, const char *name, uint64_t kib)
{
    add_field(fields, name, "%" PRIu64, bytes_from_kib(kib));
}

GPtrArray *
journal_fields(const JournalRecord *record)
{
    const Change *change = record->change;
    GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);

    add_field(fields, "MESSAGE", "%s", record->message);
    add_field(fields, "MESSAGE_ID", "%s", change_kind_message_id(change->kind));
    add_field(fields, "PRIORITY", "%d", change_kind_priority(change->kind));
    add_field(fields, DYNMEM_FIELD_GUEST, "%s", change->name);
    add_field(fields, DYNMEM_FIELD_UUID, "%s", change->uuid);
    add_size(fields, DYNMEM_FIELD_OLD, change->old_kib);
    add_size(fields, DYNMEM_FIELD_NEW, change->new_kib);
    add_field(fields, DYNMEM_FIELD_REASON, "%s", change->reason);
    add_field(fields, DYNMEM_FIELD_LEFT_OUT, "%u", record->left_out);
    switch (change_kind_figures(change->kind)) {
    case CHANGE_FIGURES_PAGING:
        add_size(fields, DYNMEM_FIELD_SIZE, change->size_kib);
        add_size(fields, DYNMEM_FIELD_USED, change->used_kib);
        add_size(fields, DYNMEM_FIELD_PEAK, change->peak_kib);
        add_size(fields, DYNMEM_FIELD_SHORTFALL, change->shortfall_kib);
        add_field(fields, DYNMEM_FIELD_SECONDS, "%" PRIu64, change->age_usec / USEC_PER_SEC);
        add_field(fields, DYNMEM_FIELD_DIRECTORY, "%s", change->directory);
        break;
    case CHANGE_FIGURES_START:
        add_size(fields, DYNMEM_FIELD_NEEDED, change->needed_kib);
        add_size(fields, DYNMEM_FIELD_FREE, change->free_kib);
        add_size(fields, DYNMEM_FIELD_RECLAIMABLE, change->reclaimable_kib);
        break;
    case CHANGE_FIGURES_NONE:
        break;
    }
    return fields;
}

/* ---- the queue's thread ---- */

/* The value of a field, or "". */
static const char *
find_value(const GPtrArray *fields, const char *name)
{
    for (unsigned i = 0; i < fields->len; i++) {
        const char *field = g_ptr_array_index(fields, i);

        if (g_str_has_prefix(field, name))
            return field + strlen(name);
    }
    return "";
}

static void
send_to_stderr(const GPtrArray *fields, void *unused)
{
    static const char *const words[] = {"emergency", "alert",  "critical", "error",
                                        "warning",   "notice", "info",     "debug"};

    fprintf(stderr, "dynmemd: %s: %s\n", words[g_ascii_strtoull(find_value(fields, "PRIORITY="), NULL, 10) & 7],
            find_value(fields, "MESSAGE="));
}

static void
send_to_journal(const GPtrArray *fields, void *unused)
{
    g_autofree struct iovec *vector = g_new(struct iovec, fields->len);

    for (unsigned i = 0; i < fields->len; i++) {
        char *field = g_ptr_array_index(fields, i);

        vector[i] = (struct iovec){.iov_base = field, .iov_len = strlen(field)};
    }
    /* Its result is not looked at: there is nowhere else to complain. */
    (void)sd_journal_sendv(vector, (int)fields->len);
    if (isatty(STDERR_FILENO))
        send_to_stderr(fields, NULL);
}

/* ---- records ---- */

Journal *
journal_new(JournalWrite write, void *user_data)
{
    Journal *journal = g_new0(Journal, 1);

    /* libsystemd drops records without a word where journald is not there */
    if (write == NULL)
        journal->queue = journal_queue_new(access(JOURNAL_SOCKET, W_OK) == 0 ? send_to_journal : send_to_stderr, NULL);
    journal->write = write;
    journal->user_data = user_data;
    journal->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, bucket_free);
    return journal;
}

void
journal_free(Journal *journal)
{
    if (journal == NULL)
        return;
    journal_queue_free(journal->queue);
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

    if (journal->write != NULL)
        journal->write(&record, journal->user_data);
    else
        journal_queue_push(journal->queue, journal_fields(&record));
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
        change_copy(change, &bucket->last);
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
