/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_need.h"

#include "config/guest_element.h"
#include "units.h"

/* Takes over what the last good element says, as far as it goes with the guest's memory. Returns false where it does not. */
static bool
use_last_good(const GuestSettings *known, GuestSettings *guest)
{
    if (known == NULL || known->startup_kib > guest->maximum_kib)
        return false;
    guest->managed = known->managed;
    guest->mode = known->mode;
    guest->minimum_kib = known->minimum_kib;
    guest->startup_kib = known->startup_kib;
    guest->buffer_percent = known->buffer_percent;
    guest->priority = known->priority;
    guest->smart_paging = known->smart_paging;
    g_free(guest->paging_directory);
    guest->paging_directory = g_strdup(known->paging_directory);
    return true;
}

static void
read_settings(const DomainXml *domain, StartKind kind, const GuestSettings *known, const Settings *settings,
              GuestSettings *guest)
{
    const DomainElement bare = {.present = false};
    StartupDefault startup = {.known = domain->memory.has_current, .kib = domain->memory.current_kib};

    /* of a guest that comes with its memory <currentMemory> is what it had, not what it starts with */
    if (kind != START_BOOT)
        startup = (StartupDefault){.known = known != NULL, .kib = known != NULL ? known->startup_kib : 0};
    if (!guest_element_resolve(domain, &domain->element, startup, settings, guest, NULL)) {
        /* what is bad is reported with the guest, not here */
        guest_element_resolve(domain, &bare, startup, settings, guest, NULL);
        if (!use_last_good(known, guest))
            guest->mode = GUEST_MODE_STATIC;
    }
    /* its network gives it a host device, which its XML says only once it runs */
    if (known != NULL && known->bar == BALLOON_VFIO && domain->on_network && guest->bar == BALLOON_USABLE)
        guest->bar = BALLOON_VFIO;
    guest->element_gone =
        known != NULL && !domain->element.present && (known->element_gone || (known->managed && !guest->managed));
}

/*
 * Going back to a snapshot of the running guest looks like a boot: libvirt's hook says "prepare" and no more. But the XML is
 * that of the moment when the snapshot was taken, with what the guest had then as <currentMemory>, and not what its definition
 * says. A definition that is a moment newer than the one that is known looks the same, and gets the larger of both, too.
 * A transient guest has no definition: it ran, and was not stopped in a way after which it boots.
 */
static bool
may_be_snapshot(const StartAsk *ask, const GuestRecord *record, const DomainMemory *memory)
{
    g_auto(DomainXml) defined = {0};

    if (!ask->hook || ask->xml == NULL || record == NULL)
        return false;
    if (record->inactive_xml == NULL)
        return record->life == GUEST_LIFE_OFF && record->boot_usec != 0 && record->stop_usec == 0;
    return domain_xml_parse(record->inactive_xml, &defined, NULL) && defined.memory.has_current &&
           memory->has_current && defined.memory.current_kib != memory->current_kib;
}

/* Ordinary memory, without overhead. */
static uint64_t
need_of(const StartRequest *request, const DomainMemory *memory, bool snapshot)
{
    const GuestSettings *guest = &request->settings;
    uint64_t boots = MAX(guest->startup_kib, guest_floor_kib(guest->maximum_kib));
    uint64_t brought =
        memory->has_current ? MIN(pages_up(memory->current_kib), guest->maximum_kib) : guest->maximum_kib;

    if (!guest_settings_need_reports(guest) || guest->immediate)
        return guest_settings_full_kib(guest);
    if (request->kind != START_BOOT)
        return brought + guest->fixed_kib;
    return (snapshot ? MAX(boots, brought) : boots) + guest->fixed_kib;
}

/*
 * A restart is let in with a part of its memory, and held to that. No paging file can be there, and nothing holds it, where
 * all of its memory is touched before it runs, or where it can't be ballooned.
 */
static RestartKind
restart_of(const StartRequest *request, const GuestRecord *record, const Settings *settings, Keep *keep,
           uint64_t now_usec)
{
    g_autofree char *ran = NULL;

    if (request->kind != START_BOOT || request->settings.immediate || request->settings.bar != BALLOON_USABLE)
        return RESTART_NONE;
    if (record != NULL)
        return restart_kind(false, false, record->ran_at_host_down, record->stop_usec, now_usec,
                            settings->restart_window_usec);
    ran = keep_get(keep, KEEP_RAN_BEFORE, request->uuid);
    return ran != NULL ? RESTART_HOST : RESTART_NONE;
}

static void
settle_ahead(const StartAsk *ask, const Settings *settings, StartRequest *request)
{
    const StartAhead *ahead = ask->ahead;

    g_strlcpy(request->uuid, ask->uuid, sizeof request->uuid);
    request->name = g_strdup(ahead->name);
    request->kind = START_MIGRATION;
    request->ahead = true;
    request->need_kib = saturating_add(ahead->brings_kib, ahead->overhead_kib);
    request->settings = (GuestSettings){
        .managed = true,
        .minimum_kib = ahead->brings_kib,
        .startup_kib = ahead->brings_kib,
        .maximum_kib = MAX(ahead->maximum_kib, ahead->brings_kib),
        .buffer_percent = settings->buffer_percent,
        .priority = 0, /* it runs elsewhere: no guest here gives up for it what it needs itself */
        .vcpus = 1,
    };
}

uint64_t
start_need_run(const StartAsk *ask)
{
    g_auto(DomainXml) domain = {0};

    return ask->hook && ask->kind == START_BOOT && ask->xml != NULL && domain_xml_parse(ask->xml, &domain, NULL)
               ? domain.run
               : 0;
}

char *
start_need_settle(const StartAsk *ask, const GuestRecord *record, const GuestSettings *known, const Settings *settings,
                  Keep *keep, uint64_t now_usec, StartRequest *request)
{
    g_auto(DomainXml) domain = {0};
    g_autoptr(GError) error = NULL;
    StartKind kind = ask->kind;
    const char *xml = ask->xml;
    bool snapshot;

    if (ask->ahead != NULL) {
        settle_ahead(ask, settings, request);
        return NULL;
    }
    if (xml == NULL && record != NULL && !ask->hook && record->saved_xml != NULL) {
        xml = record->saved_xml;
        kind = START_RESTORE;
    }
    if (xml == NULL && record != NULL)
        xml = record->inactive_xml != NULL ? record->inactive_xml : record->live_xml;
    if (xml == NULL)
        return g_strdup("the guest is not known");
    if (!domain_xml_parse(xml, &domain, &error))
        return g_strdup(error->message);
    g_strlcpy(request->uuid, ask->uuid, sizeof request->uuid);
    request->kind = kind;
    request->name = g_strdup(record != NULL ? record->name : domain.name != NULL ? domain.name : ask->uuid);
    read_settings(&domain, kind, known, settings, &request->settings);
    snapshot = kind == START_BOOT && may_be_snapshot(ask, record, &domain.memory);
    request->need_kib = need_of(request, &domain.memory, snapshot);
    request->pool_kib = request->settings.hugepages_kib;
    request->pool_page_kib = request->settings.hugepage_size_kib;
    request->forced = !request->settings.managed || !settings->admission_enabled ||
                      (kind == START_MIGRATION && !settings->admission_refuse_migration);
    request->restart = snapshot ? RESTART_NONE : restart_of(request, record, settings, keep, now_usec);
    return NULL;
}
