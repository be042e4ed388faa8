/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_book.h"

#include "config/guest_element.h"
#include "units.h"

#include <string.h>

/* An admitted start that nobody begins, or that ends in a guest nobody sees, keeps its memory so long. */
#define ADMITTED_USEC (60 * USEC_PER_SEC)
/* One that libvirt has begun: it tells of the end, and on a slow host takes minutes to get there. */
#define BEGUN_USEC (300 * USEC_PER_SEC)

typedef struct Asker {
    StartAnswer answer;
    void *user_data;
    bool hook;
} Asker;

typedef struct Entry {
    StartRequest request;
    GArray *askers; /* of Asker, who wait */
    char *owner;    /* NULL: nobody */
    bool boots_known;
    uint64_t boots;         /* of the guest when it was asked for: another number is the start */
    bool begun;             /* libvirt has asked for it, in its hook */
    bool started;           /* libvirt says that it has started it */
    uint64_t admitted_usec; /* or when it was last heard of */
} Entry;

struct StartBook {
    Keep *keep;
    GuestWorld guests;
    bool linked;         /* the guests have been known, once */
    GPtrArray *entries;  /* of Entry, sorted by uuid */
    GPtrArray *requests; /* of StartRequest, as handed out */
    GPtrArray *gone; /* of Entry, no longer in the book: what was handed out stays valid until the next handing out */
};

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_array_unref(entry->askers);
    guest_settings_clear(&entry->request.settings);
    g_free(entry->request.name);
    g_free(entry->owner);
    g_free(entry);
}

static Entry *
entry_new(const char *uuid)
{
    Entry *entry = g_new0(Entry, 1);

    g_strlcpy(entry->request.uuid, uuid, sizeof entry->request.uuid);
    entry->askers = g_array_new(FALSE, TRUE, sizeof(Asker));
    return entry;
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
    const Entry *const *first = a, *const *second = b;

    return strcmp((*first)->request.uuid, (*second)->request.uuid);
}

static void
add_entry(StartBook *book, Entry *entry)
{
    g_ptr_array_add(book->entries, entry);
    g_ptr_array_sort(book->entries, compare_entries);
}

static Entry *
find_entry(StartBook *book, const char *uuid)
{
    for (guint i = 0; i < book->entries->len; i++) {
        Entry *entry = g_ptr_array_index(book->entries, i);

        if (strcmp(entry->request.uuid, uuid) == 0)
            return entry;
    }
    return NULL;
}

static void
note_hook(StartBook *book, const char *uuid, HookMoment moment)
{
    if (book->guests.note_hook != NULL)
        book->guests.note_hook(book->guests.self, uuid, moment);
}

/* ---- what outlives the daemon ---- */

enum {
    KEPT_KIND,
    KEPT_RESTART,
    KEPT_FORCED,
    KEPT_NEED,
    KEPT_BOOKED,
    KEPT_MAXIMUM,
    KEPT_VCPUS,
    KEPT_PRIORITY,
    KEPT_STARTED,
    KEPT_NUMBERS,
};

static void
keep_entry(StartBook *book, const Entry *entry)
{
    const StartRequest *request = &entry->request;
    g_autofree char *text = NULL;

    if (request->waiting)
        return; /* who asks asks again */
    text = g_strdup_printf("%d %d %d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %u %u %d %s",
                           request->kind, request->restart, request->forced, request->need_kib, request->booked_kib,
                           request->settings.maximum_kib, request->settings.vcpus, request->settings.priority,
                           entry->started, request->name);
    keep_set(book->keep, KEEP_STARTS, request->uuid, text);
}

static Entry *
read_kept(const char *uuid, const char *text, uint64_t now_usec)
{
    g_auto(GStrv) parts = g_strsplit(text, " ", KEPT_NUMBERS + 1);
    uint64_t numbers[KEPT_NUMBERS];
    Entry *entry;

    if (g_strv_length(parts) != KEPT_NUMBERS + 1 || strlen(uuid) != sizeof entry->request.uuid - 1)
        return NULL;
    for (unsigned i = 0; i < KEPT_NUMBERS; i++)
        if (!g_ascii_string_to_unsigned(parts[i], 10, 0, KIB_LIMIT, &numbers[i], NULL))
            return NULL;
    if (numbers[KEPT_KIND] > START_MIGRATION || numbers[KEPT_RESTART] > RESTART_HOST)
        return NULL;
    entry = entry_new(uuid);
    entry->request.name = g_strdup(parts[KEPT_NUMBERS]);
    entry->request.kind = (StartKind)numbers[KEPT_KIND];
    entry->request.restart = (RestartKind)numbers[KEPT_RESTART];
    entry->request.forced = numbers[KEPT_FORCED] != 0;
    entry->request.need_kib = numbers[KEPT_NEED];
    entry->request.booked_kib = numbers[KEPT_BOOKED];
    entry->request.settings = (GuestSettings){
        .managed = true,
        .minimum_kib = MIN(numbers[KEPT_NEED], numbers[KEPT_MAXIMUM]),
        .startup_kib = MIN(numbers[KEPT_NEED], numbers[KEPT_MAXIMUM]),
        .maximum_kib = numbers[KEPT_MAXIMUM],
        .priority = (uint32_t)MIN(numbers[KEPT_PRIORITY], 100),
        .vcpus = (uint32_t)CLAMP(numbers[KEPT_VCPUS], 1, 4096),
    };
    entry->request.asked_usec = entry->request.deadline_usec = entry->admitted_usec = now_usec;
    entry->started = numbers[KEPT_STARTED] != 0;
    return entry;
}

/* Starts of an earlier boot of the host are none any more. */
static void
load_kept(StartBook *book)
{
    g_auto(GStrv) uuids = NULL;

    if (keep_host_was_down(book->keep))
        keep_clear_group(book->keep, KEEP_STARTS);
    uuids = keep_keys(book->keep, KEEP_STARTS);
    for (size_t i = 0; uuids[i] != NULL; i++) {
        g_autofree char *text = keep_get(book->keep, KEEP_STARTS, uuids[i]);
        Entry *entry = read_kept(uuids[i], text != NULL ? text : "", 0);

        if (entry == NULL) {
            keep_set(book->keep, KEEP_STARTS, uuids[i], NULL);
            continue;
        }
        add_entry(book, entry);
        if (entry->started)
            note_hook(book, uuids[i], HOOK_STARTED);
    }
}

StartBook *
start_book_new(Keep *keep, const GuestWorld *guests)
{
    StartBook *book = g_new0(StartBook, 1);

    book->keep = keep;
    book->guests = *guests;
    book->entries = g_ptr_array_new_with_free_func(entry_free);
    book->requests = g_ptr_array_new();
    book->gone = g_ptr_array_new_with_free_func(entry_free);
    load_kept(book);
    return book;
}

/* ---- answering and letting go ---- */

/* The callbacks may come back into the book: what they are about has been done by then. */
static void
answer_all(GArray *askers, bool granted, const char *reason)
{
    for (guint i = 0; i < askers->len; i++) {
        const Asker *asker = &g_array_index(askers, Asker, i);

        asker->answer(asker->user_data, granted, reason);
    }
    g_array_unref(askers);
}

static bool
has_hook(const GArray *askers)
{
    for (guint i = 0; i < askers->len; i++)
        if (g_array_index(askers, Asker, i).hook)
            return true;
    return false;
}

static GArray *
take_askers(StartBook *book, Entry *entry)
{
    GArray *askers = entry->askers;

    if (has_hook(askers))
        note_hook(book, entry->request.uuid, HOOK_ANSWERED);
    entry->askers = g_array_new(FALSE, TRUE, sizeof(Asker));
    return askers;
}

static guint
index_of(const StartBook *book, const Entry *entry)
{
    guint index = 0;

    while (g_ptr_array_index(book->entries, index) != entry)
        index++;
    return index;
}

static void
remove_entry(StartBook *book, Entry *entry, const char *why)
{
    GArray *askers = take_askers(book, entry);

    keep_set(book->keep, KEEP_STARTS, entry->request.uuid, NULL);
    g_ptr_array_steal_index(book->entries, index_of(book, entry));
    g_ptr_array_add(book->gone, entry);
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

/* The settings that libvirt's XML of a start means; known where there is no XML. Returns why not, or NULL. */
static char *
settle_request(StartRequest *request, const StartAsk *ask, const GuestRecord *record, const GuestSettings *known,
               const Settings *settings)
{
    g_auto(DomainXml) domain = {0};
    g_autoptr(GError) error = NULL;
    const DomainElement bare = {.present = false};
    StartupDefault startup;
    bool ballooned;
    const char *xml = ask->xml;

    if (xml == NULL && record != NULL)
        xml = record->inactive_xml != NULL ? record->inactive_xml : record->live_xml;
    if (xml == NULL)
        return g_strdup("the guest is not known");
    if (!domain_xml_parse(xml, &domain, &error))
        return g_strdup(error->message);
    startup = (StartupDefault){.known = domain.memory.has_current, .kib = domain.memory.current_kib};
    if (record != NULL)
        request->name = g_strdup(record->name);
    else
        request->name = g_strdup(domain.name != NULL ? domain.name : ask->uuid);
    /* a bad element is reported with the guest; what was last good is in force */
    if (known != NULL && ask->kind == START_BOOT)
        guest_settings_copy(known, &request->settings);
    else if (!guest_element_resolve(&domain, &domain.element, startup, settings, &request->settings, NULL)) {
        guest_element_resolve(&domain, &bare, startup, settings, &request->settings, NULL);
        request->settings.mode = GUEST_MODE_STATIC;
    }
    ballooned = request->settings.managed && request->settings.mode != GUEST_MODE_STATIC &&
                request->settings.bar == BALLOON_USABLE;
    if (request->settings.bar == BALLOON_HUGEPAGES)
        request->need_kib = 0; /* its pool is outside of every figure */
    else if (!ballooned)
        request->need_kib = request->settings.maximum_kib + request->settings.fixed_kib;
    else if (ask->kind == START_BOOT)
        request->need_kib = request->settings.startup_kib + request->settings.fixed_kib;
    else
        request->need_kib = (domain.memory.has_current ? MIN(domain.memory.current_kib, request->settings.maximum_kib)
                                                       : request->settings.maximum_kib) +
                            request->settings.fixed_kib;
    request->forced = !request->settings.managed || !settings->admission_enabled;
    return NULL;
}

static RestartKind
kind_of_restart(StartBook *book, const StartAsk *ask, const GuestRecord *record, const Settings *settings,
                uint64_t now_usec)
{
    g_autofree char *ran = NULL;

    if (ask->kind != START_BOOT)
        return RESTART_NONE;
    if (record != NULL)
        return restart_kind(false, false, record->ran_at_host_down, record->stop_usec, now_usec,
                            settings->restart_window_usec);
    ran = keep_get(book->keep, KEEP_RAN_BEFORE, ask->uuid);
    return ran != NULL ? RESTART_HOST : RESTART_NONE;
}

static void
add_asker(StartBook *book, Entry *entry, const StartAsk *ask, StartAnswer answer, void *user_data)
{
    const Asker asker = {.answer = answer, .user_data = user_data, .hook = ask->hook};
    bool waits = has_hook(entry->askers);

    g_array_append_val(entry->askers, asker);
    entry->begun = entry->begun || ask->hook;
    if (ask->hook && !waits)
        note_hook(book, entry->request.uuid, HOOK_WAITS);
}

bool
start_book_ask(StartBook *book, const StartAsk *ask, const GuestRecord *record, const GuestSettings *known,
               const Settings *settings, uint64_t now_usec, StartAnswer answer, void *user_data)
{
    Entry *entry = find_entry(book, ask->uuid);
    g_autofree char *why = NULL;

    if (entry != NULL && !entry->request.waiting) {
        entry->admitted_usec = now_usec;
        entry->begun = entry->begun || ask->hook;
        answer(user_data, true, "its memory is booked already");
        return false;
    }
    if (entry != NULL) {
        add_asker(book, entry, ask, answer, user_data);
        return true;
    }
    if (record != NULL && record->life != GUEST_LIFE_OFF && !ask->hook) {
        answer(user_data, false, "it runs already");
        return false;
    }
    entry = entry_new(ask->uuid);
    why = settle_request(&entry->request, ask, record, known, settings);
    if (why != NULL) {
        entry_free(entry);
        answer(user_data, false, why);
        return false;
    }
    entry->request.kind = ask->kind;
    entry->request.restart = kind_of_restart(book, ask, record, settings, now_usec);
    entry->request.asked_usec = now_usec;
    entry->request.deadline_usec = now_usec + settings->admission_timeout_usec;
    entry->request.waiting = true;
    entry->owner = g_strdup(ask->owner);
    entry->boots_known = record != NULL;
    entry->boots = record != NULL ? record->boots : 0;
    add_entry(book, entry);
    add_asker(book, entry, ask, answer, user_data);
    return true;
}

bool
start_book_release(StartBook *book, const char *uuid, const char *why)
{
    Entry *entry = find_entry(book, uuid);

    if (entry == NULL)
        return false;
    remove_entry(book, entry, why);
    return true;
}

void
start_book_drop_owner(StartBook *book, const char *owner)
{
    for (guint i = book->entries->len; i-- > 0;) {
        Entry *entry = g_ptr_array_index(book->entries, i);

        if (g_strcmp0(entry->owner, owner) == 0 && !entry->started)
            remove_entry(book, entry, "who asked for the start is gone");
    }
}

void
start_book_note(StartBook *book, const char *uuid, StartNote note, uint64_t now_usec)
{
    Entry *entry = find_entry(book, uuid);

    if (note == START_NOTE_STOPPED) {
        note_hook(book, uuid, HOOK_STOPPED);
        if (entry != NULL)
            remove_entry(book, entry, "its start has ended");
        return;
    }
    note_hook(book, uuid, HOOK_STARTED);
    if (entry == NULL)
        return;
    entry->started = true;
    entry->admitted_usec = now_usec;
    keep_entry(book, entry);
}

/* ---- before and after decide() ---- */

static bool
is_seen_running(const Entry *entry, const GuestRecord *const *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const GuestRecord *record = records[i];

        if (strcmp(record->uuid, entry->request.uuid) == 0)
            return record->life != GUEST_LIFE_OFF && !(entry->boots_known && entry->boots == record->boots);
    }
    return false;
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

const StartRequest *const *
start_book_requests(StartBook *book, const GuestRecord *const *records, size_t count, WorldLink link, uint64_t now_usec,
                    size_t *start_count)
{
    for (guint i = book->entries->len; i-- > 0;) {
        Entry *entry = g_ptr_array_index(book->entries, i);
        uint64_t patience_usec;

        if (entry->admitted_usec == 0)
            entry->admitted_usec = now_usec; /* it was kept */
        patience_usec = entry->begun || entry->started ? BEGUN_USEC : ADMITTED_USEC;
        if (link != WORLD_LINK_DOWN && is_seen_running(entry, records, count))
            remove_entry(book, entry, "it runs already");
        else if (!entry->request.waiting && now_usec - entry->admitted_usec >= patience_usec &&
                 !(entry->started && link == WORLD_LINK_DOWN))
            remove_entry(book, entry, "it was not started in time");
    }
    g_ptr_array_set_size(book->requests, 0);
    g_ptr_array_set_size(book->gone, 0);
    book->linked = book->linked || link != WORLD_LINK_DOWN;
    for (guint i = 0; i < book->entries->len; i++) {
        StartRequest *request = &((Entry *)g_ptr_array_index(book->entries, i))->request;

        if (!is_too_early(book, request, now_usec))
            g_ptr_array_add(book->requests, request);
    }
    *start_count = book->requests->len;
    return (const StartRequest *const *)book->requests->pdata;
}

/* Takes over what was decided of one request. */
static void
settle_entry(StartBook *book, Entry *entry, const StartPlan *plan, uint64_t now_usec)
{
    g_autofree char *reason = NULL;
    bool was_waiting = entry->request.waiting;
    uint64_t booked = entry->request.booked_kib;

    entry->request.booked_kib = plan->booked_kib;
    if (was_waiting && plan->verdict != START_WAITS)
        reason = start_plan_text(plan);
    if (was_waiting && plan->verdict == START_ADMITTED) {
        GArray *askers;

        entry->request.waiting = false;
        entry->admitted_usec = now_usec;
        keep_entry(book, entry);
        askers = take_askers(book, entry);
        answer_all(askers, true, reason);
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
        Entry *entry = NULL;

        for (guint j = 0; j < book->entries->len && entry == NULL; j++) {
            Entry *candidate = g_ptr_array_index(book->entries, j);

            if (&candidate->request == plan->starts[i].request)
                entry = candidate;
        }
        if (entry != NULL)
            settle_entry(book, entry, &plan->starts[i], now_usec);
    }
}
