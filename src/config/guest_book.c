/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One entry a guest, in the order of the records. An entry is worked out anew only when its XML or the
 * configuration is another, so that a tick in which nothing happened costs one comparison a guest.
 *
 * Which XML counts: of a running guest the live one, because that is what its QEMU was given; of one that is
 * off the inactive one. Two values of a running guest come from the inactive XML all the same, because libvirt
 * changes them in the live one when the guest is ballooned or asked for statistics: the default of startup
 * (<currentMemory>) and the period of the statistics. A transient guest has no inactive XML; what its live one
 * said when it was first seen, or at its last start, is kept.
 *
 * An interface on a libvirt network that hands out host devices is "network" in the inactive XML and "hostdev" in the live
 * one (libvirt src/conf/domain_conf.c, virDomainNetDefFormat): that its memory will be pinned is known of a guest that ran once.
 *
 * What a bad element does: the attributes that were last good stay in force, with the startup that they were
 * good with. Where there were none, or where they no longer go with the guest's memory, the guest counts as
 * mode=static with no attributes: booked in full and left alone until the element is put right. Squeezing or
 * growing it by defaults that its administrator did not ask for could hurt it; leaving it alone can't.
 */

#include "guest_book.h"

#include "guest_table.h"

typedef struct Entry {
    bool known;      /* the serials below are of an update */
    uint64_t serial; /* of the record: what is known here is of that one only */
    uint64_t definition_serial;
    uint64_t settings_serial;
    bool off;
    uint64_t boots;

    GuestSettings *settings;     /* on its own: it outlives the entry, see guest_book_update */
    DomainElement good;          /* the last good one, which may be none at all ... */
    StartupDefault good_startup; /* ... and what it was good with */
    bool has_good;
    StartupDefault startup;
    uint32_t period_sec;
    bool configured_known; /* the two above were read */
    bool element_gone;     /* as in GuestSettings */
    bool network_pins;     /* when it ran, its libvirt network had given it a host device */
    bool next_is_bare;     /* it runs with the element, and its definition for the next start has none */
    char *next_wrong;      /* likewise: what can't be used of the settings in that; NULL: nothing */
    GuestIssue issue;      /* message is NULL: none */
    GPtrArray *gone;       /* the book's, where the settings go */
} Entry;

struct GuestBook {
    GuestTable *entries;   /* of Entry */
    GPtrArray *settings;   /* of GuestSettings, borrowed from the entries */
    GPtrArray *issues;     /* of GuestIssue, borrowed from the entries */
    GPtrArray *complaints; /* of char *: of the guest at hand */
    GPtrArray *gone;       /* of GuestSettings: handed out, of guests that are no more */
};

static void
free_settings(void *data)
{
    guest_settings_clear(data);
    g_free(data);
}

static void
entry_clear(void *data)
{
    Entry *entry = data;

    domain_element_clear(&entry->good);
    if (entry->settings != NULL)
        g_ptr_array_add(entry->gone, entry->settings);
    g_free(entry->next_wrong);
    g_free(entry->issue.name);
    g_free(entry->issue.message);
}

GuestBook *
guest_book_new(void)
{
    GuestBook *book = g_new0(GuestBook, 1);

    book->entries = guest_table_new(sizeof(Entry), entry_clear);
    book->settings = g_ptr_array_new();
    book->issues = g_ptr_array_new();
    book->complaints = g_ptr_array_new_with_free_func(g_free);
    book->gone = g_ptr_array_new_with_free_func(free_settings);
    return book;
}

void
guest_book_free(GuestBook *book)
{
    if (book == NULL)
        return;
    g_ptr_array_unref(book->issues);
    g_ptr_array_unref(book->settings);
    guest_table_free(book->entries);
    g_ptr_array_unref(book->complaints);
    g_ptr_array_unref(book->gone);
    g_free(book);
}

/* All that is wrong is one issue: it is put right in one place, and told once. */
static void
note_issue(Entry *entry, const GuestRecord *record, bool rejected, GPtrArray *complaints)
{
    g_clear_pointer(&entry->issue.name, g_free);
    g_clear_pointer(&entry->issue.message, g_free);
    if (complaints->len == 0)
        return;
    g_strlcpy(entry->issue.uuid, record->uuid, sizeof entry->issue.uuid);
    entry->issue.name = g_strdup(record->name);
    entry->issue.rejected = rejected;
    g_ptr_array_add(complaints, NULL);
    entry->issue.message = g_strjoinv("; ", (char **)complaints->pdata);
}

/* Of a guest that runs: 'virsh edit' changes that definition alone, and what is wrong in it should not wait for the next start. */
static void
judge_next(Entry *entry, const DomainXml *next, const Settings *settings)
{
    const StartupDefault startup = {.known = next->memory.has_current, .kib = next->memory.current_kib};
    g_autoptr(GPtrArray) wrong = g_ptr_array_new_with_free_func(g_free);
    g_auto(GuestSettings) read = {0};
    g_autofree char *all = NULL;

    if (!next->element.present)
        return;
    guest_element_resolve(next, &next->element, startup, settings, &read, wrong);
    if (wrong->len == 0)
        return;
    g_ptr_array_add(wrong, NULL);
    all = g_strjoinv("; ", (char **)wrong->pdata);
    entry->next_wrong = g_strdup_printf("its definition for the next start can't be used as it is: %s", all);
}

/* Keeps what libvirt changes in the live XML; see the head of this file. started: a new QEMU runs. */
static void
remember_configured(Entry *entry, const GuestRecord *record, const DomainXml *in_force, bool started,
                    const Settings *settings, GPtrArray *complaints)
{
    g_auto(DomainXml) inactive = {0};
    g_autoptr(GError) error = NULL;
    const DomainXml *from = NULL;

    entry->next_is_bare = false;
    g_clear_pointer(&entry->next_wrong, g_free);
    if (record->inactive_xml == NULL) {
        if (started || !entry->configured_known)
            from = in_force;
    } else if (record->life == GUEST_LIFE_OFF || record->live_xml == NULL) {
        from = in_force;
    } else if (domain_xml_parse(record->inactive_xml, &inactive, &error)) {
        from = &inactive;
        entry->network_pins = in_force->hostdev_interface && !inactive.hostdev_interface && inactive.on_network;
        entry->next_is_bare = in_force->element.present && !inactive.element.present;
        judge_next(entry, &inactive, settings);
    } else {
        g_ptr_array_add(complaints, g_strdup_printf("configuration for the next start: %s", error->message));
    }
    if (from == NULL)
        return;
    entry->startup.known = from->memory.has_current;
    entry->startup.kib = from->memory.current_kib;
    entry->period_sec = from->period_sec;
    entry->configured_known = true;
}

static void
work_out_settings(Entry *entry, DomainXml *domain, const Settings *settings, GPtrArray *complaints)
{
    const DomainElement bare = {.present = true};

    if (!domain->memory.has_total)
        g_ptr_array_add(complaints, g_strdup("<memory> is absent or makes no sense; expected the guest's memory"));
    guest_settings_clear(entry->settings);
    entry->element_gone = !domain->element.present && (entry->element_gone || (entry->has_good && entry->good.present));
    if (guest_element_resolve(domain, &domain->element, entry->startup, settings, entry->settings, complaints)) {
        domain_element_clear(&entry->good);
        entry->good = domain->element;
        domain->element = (DomainElement){0};
        entry->good_startup = entry->startup;
        entry->has_good = true;
    } else if (entry->has_good &&
               guest_element_resolve(domain, &entry->good, entry->good_startup, settings, entry->settings, NULL)) {
        g_ptr_array_add(complaints, g_strdup("until that is put right the last good settings stay in force"));
    } else {
        /* can't fail: there is nothing in it that could be bad */
        guest_element_resolve(domain, &bare, entry->startup, settings, entry->settings, NULL);
        entry->settings->mode = GUEST_MODE_STATIC;
        g_ptr_array_add(complaints, g_strdup("until that is put right the guest counts as static"));
    }
    entry->settings->configured_period_sec = entry->period_sec;
    entry->settings->element_gone = entry->element_gone;
    if (entry->network_pins && domain->on_network && entry->settings->bar == BALLOON_USABLE)
        entry->settings->bar = BALLOON_VFIO;
}

static void
entry_update(Entry *entry, const GuestRecord *record, const Settings *settings, GPtrArray *complaints)
{
    bool started = record->boots != entry->boots && !record->boot_in_place;
    bool rejected;
    const char *xml = record->live_xml;
    g_auto(DomainXml) domain = {0};
    g_autoptr(GError) error = NULL;

    entry->boots = record->boots;
    if (record->inactive_xml != NULL && (record->life == GUEST_LIFE_OFF || xml == NULL))
        xml = record->inactive_xml;
    g_ptr_array_set_size(complaints, 0);
    if (xml == NULL) {
        /* libvirt has not told yet; what was known stays */
    } else if (domain_xml_parse(xml, &domain, &error)) {
        remember_configured(entry, record, &domain, started, settings, complaints);
        work_out_settings(entry, &domain, settings, complaints);
    } else {
        g_ptr_array_add(complaints, g_strdup(error->message));
    }
    if (entry->settings->vcpus == 0) {
        /* nothing could ever be read of this guest */
        entry->settings->mode = GUEST_MODE_STATIC;
        entry->settings->bar = BALLOON_BAD_MEMORY;
        entry->settings->vcpus = 1;
    }
    entry->settings->presumed = record->life != GUEST_LIFE_OFF && record->live_xml == NULL;
    rejected = complaints->len > 0;
    guest_element_advise(entry->settings, complaints);
    if (entry->next_is_bare && !settings->manage_all)
        g_ptr_array_add(complaints,
                        g_strdup("its definition for the next start has no <dynmem:memory> in its metadata: "
                                 "started from that it is not managed, and booked with all its memory"));
    if (entry->next_wrong != NULL && !rejected)
        g_ptr_array_add(complaints, g_strdup(entry->next_wrong));
    note_issue(entry, record, rejected, complaints);
}

const GuestSettings *const *
guest_book_update(GuestBook *book, const Settings *settings, uint64_t settings_serial,
                  const GuestRecord *const *records, size_t count)
{
    bool changed = guest_table_match(book->entries, records, count);

    for (size_t i = 0; i < count; i++) {
        Entry *entry = guest_table_get(book->entries, i);
        const GuestRecord *record = records[i];

        if (entry->settings == NULL || entry->serial != record->serial) {
            entry_clear(entry);
            *entry = (Entry){.serial = record->serial, .settings = g_new0(GuestSettings, 1), .gone = book->gone};
            changed = true; /* what was handed out of the old one is void */
        }
        if (entry->known && entry->definition_serial == record->definition_serial &&
            entry->settings_serial == settings_serial && entry->off == (record->life == GUEST_LIFE_OFF) &&
            entry->boots == record->boots)
            continue;
        entry->known = true;
        entry->definition_serial = record->definition_serial;
        entry->settings_serial = settings_serial;
        entry->off = record->life == GUEST_LIFE_OFF;
        entry_update(entry, record, settings, book->complaints);
        changed = true;
    }
    if (changed) {
        g_ptr_array_set_size(book->settings, 0);
        g_ptr_array_set_size(book->issues, 0);
        for (size_t i = 0; i < count; i++) {
            Entry *entry = guest_table_get(book->entries, i);

            g_ptr_array_add(book->settings, entry->settings);
            if (entry->issue.message != NULL)
                g_ptr_array_add(book->issues, &entry->issue);
        }
    }
    return (const GuestSettings *const *)book->settings->pdata;
}

void
guest_book_forget_gone(GuestBook *book)
{
    g_ptr_array_set_size(book->gone, 0);
}

StartupDefault
guest_book_startup(const GuestBook *book, const GuestRecord *record)
{
    const Entry *entry = guest_table_find(book->entries, record);

    return entry != NULL ? entry->startup : (StartupDefault){0};
}

const GPtrArray *
guest_book_issues(const GuestBook *book)
{
    return book->issues;
}
