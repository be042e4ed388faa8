/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "observe.h"

#include "beat.h"
#include "glance.h"
#include "guest_table.h"
#include "guest_track.h"
#include "units.h"

#include <string.h>

#define NO_PAGING_WORLD "this host has no paging files"
#define NO_LIMIT_WORLD "limits of guests can't be set here"

/* Of a guest in the last snapshot, which is looked at after the guest's record is gone. */
typedef struct Label {
    char uuid[37];
    char *name;
} Label;

struct Observer {
    GuestTable *tracks;  /* of GuestTrack */
    GuestTable *labels;  /* of Label */
    GuestTable *beats;   /* of Beat */
    GuestTable *glances; /* of Glance */
    HostFigures figures; /* the last that could be read */
    bool pressure;
};

static void
label_clear(void *data)
{
    g_free(((Label *)data)->name);
}

Observer *
observer_new(void)
{
    Observer *observer = g_new0(Observer, 1);

    observer->labels = guest_table_new(sizeof(Label), label_clear);
    observer->tracks = guest_table_new(sizeof(GuestTrack), NULL);
    observer->beats = guest_table_new(sizeof(Beat), NULL);
    observer->glances = guest_table_new(sizeof(Glance), NULL);
    return observer;
}

void
observer_free(Observer *observer)
{
    if (observer == NULL)
        return;
    guest_table_free(observer->glances);
    guest_table_free(observer->beats);
    guest_table_free(observer->tracks);
    guest_table_free(observer->labels);
    g_free(observer);
}

void
observer_note_pressure(Observer *observer)
{
    observer->pressure = true;
}

void
observer_note_answers(Observer *observer, const GuestRecord *const *records, size_t count, uint64_t period_usec,
                      uint64_t part_usec)
{
    guest_table_match(observer->beats, records, count);
    guest_table_match(observer->glances, records, count);
    for (size_t i = 0; i < count; i++)
        if (beat_note(guest_table_get(observer->beats, i), records[i], period_usec, part_usec))
            glance_note_report(guest_table_get(observer->glances, i), records[i]->report.asked_usec);
}

bool
observer_is_due(const Observer *observer, const GuestRecord *record, uint64_t now_usec)
{
    const Beat *beat = guest_table_find(observer->beats, record);

    return beat == NULL || beat_is_due(beat, record, now_usec);
}

bool
observer_has_news(const Observer *observer, const GuestRecord *record)
{
    const Beat *beat = guest_table_find(observer->beats, record);

    return beat != NULL && beat->fresh;
}

void
observer_glance(Observer *observer, const LimitWorld *limits, const GuestRecord *const *records, size_t count)
{
    guest_table_match(observer->glances, records, count);
    for (size_t i = 0; i < count; i++)
        glance_look(guest_table_get(observer->glances, i), limits, records[i]);
}

bool
observer_moment(const Observer *observer, const GuestRecord *record, GuestMoment *moment)
{
    const Glance *glance = guest_table_find(observer->glances, record);

    return glance != NULL && glance_moment(glance, moment);
}

void
observer_note_questions(Observer *observer, const GuestRecord *const *records, size_t count)
{
    guest_table_match(observer->glances, records, count);
    for (size_t i = 0; i < count; i++)
        glance_note_questions(guest_table_get(observer->glances, i));
}

void
observer_await(Observer *observer, const GuestRecord *record, uint64_t now_usec, uint64_t until_usec)
{
    Beat *beat = guest_table_find(observer->beats, record);
    Glance *glance = guest_table_find(observer->glances, record);

    if (beat != NULL)
        beat_disturb(beat);
    if (glance != NULL)
        glance_await(glance, now_usec, until_usec);
}

bool
observer_awaits(const Observer *observer, const GuestRecord *record, uint64_t now_usec)
{
    const Glance *glance = guest_table_find(observer->glances, record);

    return glance != NULL && now_usec < glance->awaited_usec;
}

/* How often the guest reports: the actuator asks those whose reports are needed, the others do what their XML says. */
static uint64_t
period_usec(const GuestSettings *settings, uint64_t interval_usec)
{
    uint64_t seconds = (interval_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;

    if (interval_usec == 0)
        return settings->current_period_sec * USEC_PER_SEC;
    if (!guest_settings_need_reports(settings))
        return settings->configured_period_sec * USEC_PER_SEC;
    return seconds * USEC_PER_SEC;
}

static void
observe_host(Observer *observer, const Ports *ports, WorldLink link, HostSnapshot *snapshot)
{
    snapshot->figures_valid = ports->host.read(ports->host.self, &observer->figures, NULL);
    snapshot->figures = observer->figures;
    snapshot->pressure_event = observer->pressure;
    snapshot->link = link;
    snapshot->unread = ports->guests.unread != NULL && ports->guests.unread(ports->guests.self);
    observer->pressure = false;
}

static void
observe_resident(const HostWorld *host, const GuestRecord *record, const GuestSettings *settings, GuestSnapshot *guest)
{
    GuestResident resident = {0};

    /* an answer of an earlier QEMU tells nothing about this one */
    if (!host->resident(host->self, record, settings, &resident) && (record->report.fields & REPORT_RESIDENT) != 0 &&
        record->report.resident_kib <= KIB_LIMIT &&
        (record->report.asked_usec >= record->boot_usec || record->boot_in_place))
        resident.memory_kib = record->report.resident_kib;
    guest->resident_kib = resident.memory_kib;
    guest->group_other_kib = resident.other_kib;
}

static void
observe_label(Label *label, const GuestRecord *record, GuestSnapshot *guest)
{
    memcpy(label->uuid, record->uuid, sizeof label->uuid);
    if (g_strcmp0(label->name, record->name) != 0) {
        g_free(label->name);
        label->name = g_strdup(record->name);
    }
    guest->uuid = label->uuid;
    guest->name = label->name;
}

/* The group of one that was only just started is not found yet, nor is that of one whose QEMU is gone. */
static void
observe_limits(const LimitWorld *world, const GuestRecord *record, const GuestSettings *settings, GuestLimits *limits)
{
    limits->bar = NO_LIMIT_WORLD;
    if (world->read != NULL)
        world->read(world->self, record, limits);
    if (world->above != NULL && !limits->usable && limits->bar == NULL)
        world->above(world->self, settings->partition, &limits->above);
}

static void
observe_files(const PagingWorld *paging, Snapshot *snapshot)
{
    snapshot->files = NULL;
    snapshot->file_count = 0;
    snapshot->paging_bar = NO_PAGING_WORLD;
    if (paging->records == NULL)
        return;
    snapshot->files = paging->records(paging->self, &snapshot->file_count);
    snapshot->paging_bar = paging->bar(paging->self);
}

/* Each guest's own file: both are sorted by uuid. */
static void
match_files(Snapshot *snapshot)
{
    size_t file = 0;

    for (size_t i = 0; i < snapshot->guest_count; i++) {
        while (file < snapshot->file_count && strcmp(snapshot->files[file]->uuid, snapshot->guests[i].uuid) < 0)
            file++;
        if (file < snapshot->file_count && strcmp(snapshot->files[file]->uuid, snapshot->guests[i].uuid) == 0)
            snapshot->guests[i].paging = snapshot->files[file];
    }
}

void
observer_observe(Observer *observer, const GuestRecord *const *records, const GuestSettings *const *settings,
                 size_t count, WorldLink link, const Ports *ports, uint64_t interval_usec, uint64_t now_usec,
                 Snapshot *snapshot)
{
    guest_table_match(observer->tracks, records, count);
    guest_table_match(observer->labels, records, count);
    if (snapshot->guest_count != count) {
        snapshot->guests = g_renew(GuestSnapshot, snapshot->guests, count);
        snapshot->guest_count = count;
    }
    if (count > 0)
        memset(snapshot->guests, 0, count * sizeof *snapshot->guests);
    snapshot->now_usec = now_usec;
    observe_host(observer, ports, link, &snapshot->host);
    observe_files(&ports->paging, snapshot);
    snapshot->limit_bar = ports->limits.bar != NULL ? ports->limits.bar(ports->limits.self) : NO_LIMIT_WORLD;
    guest_table_match(observer->beats, records, count);
    for (size_t i = 0; i < count; i++) {
        ((Beat *)guest_table_get(observer->beats, i))->fresh = false;
        guest_track_look(guest_table_get(observer->tracks, i), records[i], settings[i],
                         period_usec(settings[i], interval_usec), now_usec, &snapshot->guests[i]);
        observe_label(guest_table_get(observer->labels, i), records[i], &snapshot->guests[i]);
        if (records[i]->life == GUEST_LIFE_OFF)
            continue;
        observe_resident(&ports->host, records[i], settings[i], &snapshot->guests[i]);
        observe_limits(&ports->limits, records[i], settings[i], &snapshot->guests[i].limits);
    }
    match_files(snapshot);
}

void
snapshot_clear(Snapshot *snapshot)
{
    g_clear_pointer(&snapshot->guests, g_free);
    *snapshot = (Snapshot){0};
}
