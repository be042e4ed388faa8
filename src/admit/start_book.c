/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_book.h"

#include "start_entry.h"
#include "start_need.h"
#include "units.h"

#include <string.h>

/* An admitted start that nobody begins, or that ends in a guest nobody sees, keeps its memory so long. */
#define ADMITTED_USEC (60 * USEC_PER_SEC)
/* One that libvirt has begun: it tells of the end, and on a slow host takes minutes to get there. */
#define BEGUN_USEC (300 * USEC_PER_SEC)
/* ... and as long as it takes to read from a slow disk, or network, what it brings. */
#define LOADED_KIB_PER_SEC (30 * KIB_PER_MIB)

struct StartBook {
    Keep *keep;
    GuestWorld guests;
    LimitWorld limits;
    bool linked;         /* the guests have been known, once */
    GPtrArray *entries;  /* of StartEntry, sorted by uuid */
    GPtrArray *requests; /* of StartRequest, as handed out */
    GPtrArray
        *gone; /* of StartEntry, no longer in the book: what was handed out stays valid until the next handing out */
};

static int
compare_entries(gconstpointer a, gconstpointer b)
{
    const StartEntry *const *first = a, *const *second = b;

    return strcmp((*first)->request.uuid, (*second)->request.uuid);
}

static void
add_entry(StartBook *book, StartEntry *entry)
{
    g_ptr_array_add(book->entries, entry);
    g_ptr_array_sort(book->entries, compare_entries);
}

static StartEntry *
find_entry(const StartBook *book, const char *uuid)
{
    for (guint i = 0; i < book->entries->len; i++) {
        StartEntry *entry = g_ptr_array_index(book->entries, i);

        if (strcmp(entry->request.uuid, uuid) == 0)
            return entry;
    }
    return NULL;
}

static void
note_hook(StartBook *book, const char *uuid, HookMoment moment, uint64_t at_usec)
{
    if (book->guests.note_hook != NULL)
        book->guests.note_hook(book->guests.self, uuid, moment, at_usec);
}

static void
keep_entry(StartBook *book, const StartEntry *entry)
{
    g_autofree char *text = NULL;

    if (entry->request.waiting)
        return; /* who asks asks again; what was booked before is kept as it was */
    text = start_entry_text(entry);
    keep_set(book->keep, KEEP_STARTS, entry->request.uuid, text);
}

static void
load_kept(StartBook *book)
{
    g_auto(GStrv) uuids = keep_keys(book->keep, KEEP_STARTS);

    for (size_t i = 0; uuids[i] != NULL; i++) {
        g_autofree char *text = keep_get(book->keep, KEEP_STARTS, uuids[i]);
        StartEntry *entry = start_entry_read(uuids[i], text != NULL ? text : "");

        if (entry == NULL) {
            keep_set(book->keep, KEEP_STARTS, uuids[i], NULL);
            continue;
        }
        entry->doubt_usec = 1;
        add_entry(book, entry);
        if (entry->started_usec != 0)
            note_hook(book, uuids[i], HOOK_STARTED, entry->started_usec);
    }
}

StartBook *
start_book_new(Keep *keep, const GuestWorld *guests, const LimitWorld *limits)
{
    StartBook *book = g_new0(StartBook, 1);

    book->keep = keep;
    book->guests = *guests;
    book->limits = *limits;
    book->entries = g_ptr_array_new_with_free_func(start_entry_free);
    book->requests = g_ptr_array_new();
    book->gone = g_ptr_array_new_with_free_func(start_entry_free);
    load_kept(book);
    return book;
}

/* ---- answering and letting go ---- */

/* The callbacks may come back into the book: what they are about has been done by then. */
static void
answer_all(GArray *askers, bool granted, const char *reason)
{
    for (guint i = 0; i < askers->len; i++) {
        const StartAsker *asker = &g_array_index(askers, StartAsker, i);

        asker->answer(asker->user_data, granted, reason);
    }
    g_array_unref(askers);
}

static GArray *
take_askers(StartBook *book, StartEntry *entry)
{
    GArray *askers = entry->askers;

    if (entry->hook_waits)
        note_hook(book, entry->request.uuid, HOOK_ANSWERED, 0);
    entry->hook_waits = false;
    entry->askers = g_array_new(FALSE, TRUE, sizeof(StartAsker));
    return askers;
}

static void
remove_entry(StartBook *book, StartEntry *entry, const char *why)
{
    GArray *askers = take_askers(book, entry);
    guint index = 0;

    keep_set(book->keep, KEEP_STARTS, entry->request.uuid, NULL);
    if (g_ptr_array_find(book->entries, entry, &index))
        g_ptr_array_add(book->gone, g_ptr_array_steal_index(book->entries, index));
    answer_all(askers, false, why);
}

void
start_book_free(StartBook *book)
{
    if (book == NULL)
        return;
    for (guint i = 0; i < book->entries->len; i++)
        answer_all(take_askers(book, g_ptr_array_index(book->entries, i)), false, START_REASON_STOPPING);
    g_ptr_array_unref(book->requests);
    g_ptr_array_unref(book->gone);
    g_ptr_array_unref(book->entries);
    g_free(book);
}

/* ---- asking ---- */

/* When the run began that the guest is known by now; 0: it is not known. */
static uint64_t
run_of(const GuestRecord *record)
{
    return record != NULL ? record->boot_usec : 0;
}

static void
wait_for_answer(StartEntry *entry, const Settings *settings, uint64_t now_usec)
{
    entry->request.waiting = true;
    entry->request.asked_usec = now_usec;
    entry->request.deadline_usec = now_usec + settings->admission_timeout_usec;
}

static void
add_asker(StartBook *book, StartEntry *entry, const StartAsk *ask, StartAnswer answer, void *user_data)
{
    const StartAsker asker = {.answer = answer, .user_data = user_data};

    g_array_append_val(entry->askers, asker);
    if (ask->hook && !entry->hook_waits)
        note_hook(book, entry->request.uuid, HOOK_WAITS, 0);
    entry->hook_waits |= ask->hook;
}

/*
 * libvirt's hook says "restore" or "migrate", and then "prepare", once for each run: with another id, or from the beginning, it is
 * another start, and nobody has told of the end of the one before.
 */
static bool
is_another_run(const StartEntry *entry, const StartAsk *ask)
{
    return ask->hook && entry->run != 0 && (ask->kind != START_BOOT || start_need_run(ask) != entry->run);
}

/* libvirt has asked for it, and goes on once it is answered. */
static void
note_begin(StartEntry *entry, const StartAsk *ask)
{
    if (!ask->hook)
        return;
    entry->request.begun = true;
    if (ask->kind != START_BOOT)
        entry->brings = true;
    else if (entry->brings)
        entry->run = start_need_run(ask);
}

/*
 * Somebody asks for a start that is in the book. What is asked for now is what starts: it may be another XML than the one
 * before, or bring its memory. More than what was asked for before must be found first; what is booked stays booked meanwhile.
 * Where it can't be read, what was asked for before holds.
 */
static void
settle_anew(StartBook *book, StartEntry *entry, const StartAsk *ask, const GuestRecord *record,
            const GuestSettings *known, const Settings *settings, uint64_t now_usec)
{
    StartRequest *request = &entry->request;
    StartRequest fresh = {.asked_usec = request->asked_usec,
                          .deadline_usec = request->deadline_usec,
                          .waiting = request->waiting,
                          .begun = request->begun,
                          .booked_kib = request->booked_kib};
    StartEntry *former;
    StartAsk what = *ask;
    g_autofree char *why = NULL;

    if (entry->brings && ask->kind == START_BOOT)
        what.kind = request->kind; /* "prepare" after "restore" or "migrate" */
    why = start_need_settle(&what, record, known, settings, book->keep, now_usec, &fresh);
    if (why != NULL)
        return;
    former = start_entry_new(request->uuid);
    former->request = *request;
    g_ptr_array_add(book->gone, former); /* its name and settings were handed out */
    if (fresh.kind == request->kind)
        fresh.restart = request->restart;
    *request = fresh;
    if (!request->waiting && (request->need_kib > MAX(former->request.need_kib, request->booked_kib) ||
                              request->pool_kib > former->request.pool_kib))
        wait_for_answer(entry, settings, now_usec);
}

bool
start_book_ask(StartBook *book, const StartAsk *ask, const GuestRecord *record, const GuestSettings *known,
               const Settings *settings, uint64_t now_usec, StartAnswer answer, void *user_data)
{
    StartEntry *entry = find_entry(book, ask->uuid);
    g_autofree char *why = NULL;

    if (entry != NULL && is_another_run(entry, ask)) {
        remove_entry(book, entry, "its start has ended");
        entry = NULL;
    }
    if (entry != NULL) {
        note_begin(entry, ask);
        /* of a start that libvirt has begun it alone knows what starts */
        if (ask->hook || !entry->request.begun) {
            settle_anew(book, entry, ask, record, known, settings, now_usec);
            entry->before_usec = run_of(record);
        }
        if (entry->doubt_usec != 0 && entry->owner == NULL)
            entry->owner = g_strdup(ask->owner);
        entry->doubt_usec = 0;
        if (entry->request.waiting) {
            add_asker(book, entry, ask, answer, user_data);
            return true;
        }
        entry->admitted_usec = now_usec;
        keep_entry(book, entry);
        answer(user_data, true, "its memory is booked already");
        return false;
    }
    if (record != NULL && record->life != GUEST_LIFE_OFF && !ask->hook) {
        answer(user_data, false, "it runs already");
        return false;
    }
    entry = start_entry_new(ask->uuid);
    why = start_need_settle(ask, record, known, settings, book->keep, now_usec, &entry->request);
    if (why != NULL) {
        start_entry_free(entry);
        answer(user_data, false, why);
        return false;
    }
    entry->owner = g_strdup(ask->owner);
    entry->before_usec = run_of(record);
    wait_for_answer(entry, settings, now_usec);
    add_entry(book, entry);
    note_begin(entry, ask);
    add_asker(book, entry, ask, answer, user_data);
    return true;
}

StartProgress
start_book_progress(const StartBook *book, const char *uuid)
{
    const StartEntry *entry = find_entry(book, uuid);

    if (entry == NULL)
        return START_PROGRESS_NONE;
    if (entry->request.begun)
        return START_PROGRESS_BEGUN;
    return entry->request.waiting ? START_PROGRESS_WAITS : START_PROGRESS_HELD;
}

bool
start_book_release(StartBook *book, const char *uuid, const char *why)
{
    StartEntry *entry = find_entry(book, uuid);

    if (entry == NULL || (!entry->request.waiting && entry->request.begun))
        return false;
    remove_entry(book, entry, why);
    return true;
}

void
start_book_drop_owner(StartBook *book, const char *owner)
{
    for (guint i = book->entries->len; i-- > 0;) {
        StartEntry *entry = g_ptr_array_index(book->entries, i);

        if (g_strcmp0(entry->owner, owner) == 0 && !entry->request.begun)
            remove_entry(book, entry, "who asked for the start is gone");
    }
}

void
start_book_note(StartBook *book, const char *uuid, StartNote note, uint64_t now_usec)
{
    StartEntry *entry = find_entry(book, uuid);

    if (note == START_NOTE_STOPPED) {
        note_hook(book, uuid, HOOK_STOPPED, now_usec);
        if (entry != NULL)
            remove_entry(book, entry, "its start has ended");
        return;
    }
    if (note == START_NOTE_STARTED)
        note_hook(book, uuid, HOOK_STARTED, now_usec);
    if (entry == NULL)
        return;
    if (note == START_NOTE_STARTED && entry->started_usec == 0)
        entry->started_usec = now_usec;
    entry->request.begun = true;
    entry->admitted_usec = now_usec;
    entry->doubt_usec = 0;
    keep_entry(book, entry);
}

/* ---- before and after decide() ---- */

static const GuestRecord *
find_record(const StartEntry *entry, const GuestRecord *const *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(records[i]->uuid, entry->request.uuid) == 0)
            return records[i];
    return NULL;
}

static bool
is_seen_running(const StartEntry *entry, const GuestRecord *record)
{
    return record != NULL && record->life != GUEST_LIFE_OFF && entry->shown && run_of(record) != entry->before_usec;
}

/* While libvirt starts a guest nobody can read it: its start ended while no daemon was there, or with libvirt; or its guest had started,
   and no hook tells of its end. */
static bool
is_seen_off(const StartEntry *entry, const GuestRecord *record)
{
    uint64_t since = entry->doubt_usec != 0 ? entry->doubt_usec : entry->started_usec;

    return record != NULL && record->life == GUEST_LIFE_OFF && entry->request.begun && since != 0 &&
           record->read_usec > since;
}

/*
 * Guests are known to run, but not yet what they have, since this daemon is new: what seems free may be theirs. Half of the
 * time there is is spent waiting for libvirt; at boot, when it can't answer, nobody is known to run.
 */
static bool
is_too_early(const StartBook *book, const StartRequest *request, uint64_t now_usec)
{
    g_auto(GStrv) running = NULL;

    if (book->linked || !request->waiting ||
        now_usec - request->asked_usec >= (request->deadline_usec - request->asked_usec) / 2)
        return false;
    running = keep_keys(book->keep, KEEP_RUNNING);
    return running[0] != NULL;
}

/*
 * How long an admitted start that is not heard of keeps its memory. A transient guest whose end was not told leaves nothing that could be
 * read; but while libvirt launches a guest it may hold up the list of all.
 */
static uint64_t
patience_of(const StartEntry *entry, const GuestRecord *record)
{
    if (!entry->request.begun || (entry->doubt_usec != 0 && record == NULL))
        return ADMITTED_USEC;
    if (entry->request.kind == START_BOOT)
        return BEGUN_USEC;
    return BEGUN_USEC + entry->request.need_kib / LOADED_KIB_PER_SEC * USEC_PER_SEC;
}

const StartRequest *const *
start_book_requests(StartBook *book, const GuestRecord *const *records, size_t count, WorldLink link, uint64_t now_usec,
                    size_t *start_count)
{
    for (guint i = book->entries->len; i-- > 0;) {
        StartEntry *entry = g_ptr_array_index(book->entries, i);
        const GuestRecord *record = find_record(entry, records, count);

        if (entry->admitted_usec == 0)
            entry->admitted_usec = now_usec; /* it was kept */
        if (link == WORLD_LINK_DOWN && entry->request.begun) {
            entry->admitted_usec = now_usec; /* who could tell of it is away */
            if (entry->doubt_usec == 0)
                entry->doubt_usec = now_usec;
        }
        if (link != WORLD_LINK_DOWN && is_seen_running(entry, record))
            remove_entry(book, entry, "it runs already");
        else if (link != WORLD_LINK_DOWN && is_seen_off(entry, record))
            remove_entry(book, entry, "its start has ended");
        else if (!entry->request.waiting && now_usec - entry->admitted_usec >= patience_of(entry, record))
            remove_entry(book, entry, "it was not started in time");
    }
    g_ptr_array_set_size(book->requests, 0);
    g_ptr_array_set_size(book->gone, 0);
    book->linked = book->linked || link != WORLD_LINK_DOWN;
    for (guint i = 0; i < book->entries->len; i++) {
        StartEntry *entry = g_ptr_array_index(book->entries, i);

        if (is_too_early(book, &entry->request, now_usec))
            continue;
        if (book->limits.above != NULL)
            book->limits.above(book->limits.self, entry->request.settings.partition, &entry->request.above);
        g_ptr_array_add(book->requests, &entry->request);
        entry->shown = true;
    }
    *start_count = book->requests->len;
    return (const StartRequest *const *)book->requests->pdata;
}

/* Takes over what was decided of one request. */
static void
settle_entry(StartBook *book, StartEntry *entry, const StartPlan *plan, uint64_t now_usec)
{
    g_autofree char *reason = NULL;
    bool was_waiting = entry->request.waiting;
    uint64_t booked = entry->request.booked_kib;

    /* one that waits for more keeps what it has */
    entry->request.booked_kib = plan->verdict == START_WAITS ? MAX(booked, plan->booked_kib) : plan->booked_kib;
    if (was_waiting && plan->verdict != START_WAITS)
        reason = start_plan_text(plan);
    if (was_waiting && plan->verdict == START_ADMITTED) {
        entry->request.waiting = false;
        entry->admitted_usec = now_usec;
        keep_entry(book, entry);
        answer_all(take_askers(book, entry), true, reason);
    } else if (was_waiting && plan->verdict == START_REFUSED) {
        remove_entry(book, entry, reason);
    } else if (booked != plan->booked_kib) {
        keep_entry(book, entry);
    }
}

void
start_book_settle(StartBook *book, const Plan *plan, uint64_t now_usec)
{
    /* An answer may change the book; each entry is looked for anew. */
    for (size_t i = 0; i < plan->start_count; i++) {
        StartEntry *entry = find_entry(book, plan->starts[i].request->uuid);

        if (entry != NULL && &entry->request == plan->starts[i].request)
            settle_entry(book, entry, &plan->starts[i], now_usec);
    }
}
