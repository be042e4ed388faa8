/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world_private.h"

#include "error.h"
#include "names.h"
#include "units.h"

#include <string.h>

/* A host whose guests want more than it has stalls: PSI memory "some" and "full", in hundredths of a percent. */
#define EXHAUSTED_SOME_CENTI 6000
#define EXHAUSTED_FULL_CENTI 3000

/* Guests that run at second 0 have been up for so long. */
#define SETTLED_SEC 3600

static void
append_size_attribute(GString *xml, const char *name, uint64_t kib)
{
    g_autofree char *size = NULL;

    if (kib == SIM_UNSET)
        return;
    size = units_format_size_exact(kib);
    g_string_append_printf(xml, " %s='%s'", name, size);
}

static void
append_number_attribute(GString *xml, const char *name, uint64_t number)
{
    if (number != SIM_UNSET)
        g_string_append_printf(xml, " %s='%" G_GUINT64_FORMAT "'", name, number);
}

/* The domain XML as an administrator would have written it, so that the real reader reads it. */
static char *
domain_xml(const SimGuestSpec *spec)
{
    static const char *const modes[] = {
        [GUEST_MODE_DYNAMIC] = "dynamic", [GUEST_MODE_OBSERVE] = "observe", [GUEST_MODE_STATIC] = "static"};
    GString *xml = g_string_new("<domain type='kvm'>\n");
    g_autofree char *name = g_markup_escape_text(spec->name, -1);

    g_string_append_printf(xml, "  <name>%s</name>\n  <uuid>%s</uuid>\n", name, spec->uuid);
    if (spec->managed) {
        g_string_append(xml, "  <metadata>\n    <dynmem:memory xmlns:dynmem='" DYNMEM_METADATA_URI "'");
        append_size_attribute(xml, "minimum", spec->minimum_kib);
        append_size_attribute(xml, "startup", spec->startup_kib);
        append_number_attribute(xml, "buffer", spec->buffer_percent);
        append_number_attribute(xml, "priority", spec->priority);
        if (spec->no_paging)
            g_string_append(xml, " smart-paging='no'");
        g_string_append_printf(xml, " mode='%s'/>\n  </metadata>\n", modes[spec->mode]);
    }
    g_string_append_printf(xml,
                           "  <memory unit='KiB'>%" G_GUINT64_FORMAT "</memory>\n"
                           "  <currentMemory unit='KiB'>%" G_GUINT64_FORMAT "</currentMemory>\n"
                           "  <vcpu>1</vcpu>\n"
                           "  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
                           "  <devices>\n"
                           "    <memballoon model='virtio'%s><stats period='1'/></memballoon>\n"
                           "  </devices>\n"
                           "</domain>\n",
                           spec->maximum_kib, sim_guest_spec_startup(spec),
                           (spec->behaviours & SIM_AUTODEFLATE) != 0 ? " autodeflate='on'" : "");
    return g_string_free(xml, FALSE);
}

static uint64_t
second_usec(uint64_t second)
{
    return (SIM_MONOTONIC_START_SEC + second) * USEC_PER_SEC;
}

/* What happened to the guest's boots as far as this daemon has seen it. */
static void
update_boots(SimSeat *seat)
{
    const SimGuest *guest = &seat->guest;
    GuestRecord *record = &seat->record;
    bool seen = guest->boots > seat->unseen_boots;

    record->boots = guest->boots - seat->unseen_boots;
    record->boot_usec = second_usec(seen ? guest->boot_second : seat->seen_second);
    if (!seen && seat->seen_second == 0)
        record->boot_usec -= SETTLED_SEC * USEC_PER_SEC;
    record->boot_in_place = seen && guest->boot_in_place;
    record->boot_resumed = seen && guest->boot_resumed;
}

/* The record follows the guest: what the watch would have learnt from libvirt's events by now. */
static void
update_record(SimSeat *seat)
{
    const SimGuest *guest = &seat->guest;
    GuestRecord *record = &seat->record;
    bool ran = record->live_xml != NULL;
    bool new_process = record->boots != guest->boots - seat->unseen_boots && !guest->boot_in_place;

    if (ran != guest->running)
        record->definition_serial++;
    if (!guest->running || new_process) {
        record->target_known = false;
        record->target_bounded = !guest->boot_resumed;
        record->target_kib = 0;
        record->report = (GuestReport){.serial = record->report.serial};
    }
    record->live_xml = guest->running ? seat->xml : NULL;
    record->life = !guest->running ? GUEST_LIFE_OFF : guest->paused ? GUEST_LIFE_PAUSED : GUEST_LIFE_RUNNING;
    record->migrating = guest->migrating;
    record->answering = !guest->hanging;
    update_boots(seat);
    record->stop_usec = guest->has_stopped ? second_usec(guest->stop_second) : 0;
    record->ran_at_host_down = guest->ran_at_host_down;
    record->pid = guest->running ? 1 + (pid_t)guest->boots : 0;
}

SimWorld *
sim_world_new(const SimScenario *scenario)
{
    SimWorld *world = g_new0(SimWorld, 1);

    world->scenario = scenario;
    world->count = scenario->guests->len;
    world->seats = g_new0(SimSeat, world->count);
    world->records = g_new0(const GuestRecord *, world->count + 1);
    world->files = g_new0(const PagingRecord *, world->count + 1);
    world->by_uuid = g_hash_table_new(g_str_hash, g_str_equal);
    world->link = WORLD_LINK_READ_WRITE;
    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];
        const SimGuestSpec *spec = g_ptr_array_index(scenario->guests, i);

        sim_guest_init(&seat->guest, spec, scenario);
        seat->xml = domain_xml(spec);
        memcpy(seat->record.uuid, spec->uuid, sizeof seat->record.uuid);
        seat->record.name = spec->name;
        seat->record.inactive_xml = seat->xml;
        seat->record.definition_serial = 1;
        seat->record.target_bounded = true; /* libvirt told it its startup memory, long ago */
        update_record(seat);
        g_hash_table_insert(world->by_uuid, seat->record.uuid, seat);
        world->records[i] = &seat->record;
    }
    return world;
}

void
sim_world_free(SimWorld *world)
{
    if (world == NULL)
        return;
    for (size_t i = 0; i < world->count; i++) {
        sim_limit_forget(&world->seats[i]);
        g_free(world->seats[i].xml);
    }
    sim_paging_fall(world);
    g_hash_table_unref(world->by_uuid);
    g_free(world->misdeed);
    g_free(world->files);
    g_free(world->records);
    g_free(world->seats);
    g_free(world);
}

void
sim_world_settle(SimWorld *world, uint64_t before)
{
    world->now_usec = second_usec(0) - before * USEC_PER_SEC;
    for (size_t i = 0; i < world->count; i++) {
        SimGuest *guest = &world->seats[i].guest;
        uint64_t buffer = guest->spec->buffer_percent;

        sim_guest_settle(guest, buffer == SIM_UNSET ? world->scenario->settings->buffer_percent : buffer,
                         SIM_WALL_START_SEC - before);
    }
}

void
sim_world_begin(SimWorld *world, uint64_t second)
{
    world->second = second;
    world->now_usec = second_usec(second);
    sim_limits_begin(world);
    sim_paging_begin(world);
    for (size_t i = 0; i < world->count; i++) {
        if (second == 0) /* what happened while settling is no part of the run */
            world->seats[i].target_changes = 0;
        sim_guest_begin(&world->seats[i].guest, second, SIM_WALL_START_SEC + second);
        update_record(&world->seats[i]);
    }
}

void
sim_world_move(SimWorld *world, uint64_t second)
{
    for (size_t i = 0; i < world->count; i++)
        sim_guest_move(&world->seats[i].guest, second);
}

size_t
sim_world_guest_count(const SimWorld *world)
{
    return world->count;
}

const SimGuest *
sim_world_guest(const SimWorld *world, size_t index)
{
    return &world->seats[index].guest;
}

uint64_t
sim_world_target_changes(const SimWorld *world, size_t index)
{
    return world->seats[index].target_changes;
}

void
sim_world_start_guest(SimWorld *world, size_t index, uint64_t second)
{
    sim_limit_forget(&world->seats[index]);
    sim_guest_start(&world->seats[index].guest, second);
}

bool
sim_world_take_asking(SimWorld *world, size_t index)
{
    bool asks = world->seats[index].guest.asks;

    world->seats[index].guest.asks = false;
    return asks;
}

bool
sim_world_take_stop(SimWorld *world, size_t index)
{
    bool stopped = world->seats[index].guest.stopped;

    world->seats[index].guest.stopped = false;
    return stopped;
}

const GuestRecord *
sim_world_record(const SimWorld *world, size_t index)
{
    return &world->seats[index].record;
}

const PagingRecord *
sim_world_file(const SimWorld *world, size_t index)
{
    const SimFile *file = &world->seats[index].file;

    return file->there && file->record.stage != PAGING_STAGE_GONE && file->record.stage != PAGING_STAGE_FAILED
               ? &file->record
               : NULL;
}

void
sim_world_lose_daemon(SimWorld *world, uint64_t second)
{
    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];

        seat->hook_waits = false;
        seat->unseen_boots = seat->guest.boots;
        seat->seen_second = second;
        update_record(seat);
        seat->record.target_known = seat->record.target_bounded = false;
        seat->record.target_kib = 0;
    }
    sim_paging_find(world);
}

void
sim_world_lose_host(SimWorld *world, uint64_t second)
{
    sim_world_lose_daemon(world, second);
    sim_paging_fall(world);
    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];
        bool ran = seat->guest.running;

        sim_limit_forget(seat);
        sim_guest_fall(&seat->guest);
        seat->guest.ran_at_host_down |= ran;
        seat->guest.asks = ran;
        update_record(seat);
    }
}

SimSeat *
sim_world_seat(SimWorld *world, const char *uuid)
{
    return g_hash_table_lookup(world->by_uuid, uuid);
}

void
sim_world_blame(SimWorld *world, const SimSeat *seat, const char *deed)
{
    if (world->misdeed == NULL)
        world->misdeed = g_strdup_printf("guest %s %s", seat->guest.spec->name, deed);
}

const char *
sim_world_misdeed(const SimWorld *world)
{
    return world->misdeed;
}

uint64_t
sim_world_resident(const SimWorld *world)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < world->count; i++)
        sum += sim_guest_resident(&world->seats[i].guest);
    return sum;
}

void
sim_world_set_link(SimWorld *world, WorldLink link)
{
    world->link = link;
}

/* ---- GuestWorld ---- */

static void
world_collect(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    SimWorld *world = self;

    for (size_t i = 0; i < world->count; i++) {
        SimSeat *seat = &world->seats[i];
        GuestReport *report = &seat->record.report;
        uint64_t serial = report->serial;

        if (seat->hook_waits && seat->guest.running)
            sim_world_blame(world, seat, "was asked for its memory while libvirt waits with it locked");
        if (!seat->guest.running || seat->guest.hanging || world->link == WORLD_LINK_DOWN)
            continue;
        sim_guest_answer(&seat->guest, report);
        report->serial = serial + 1;
        report->asked_usec = report->answered_usec = world->now_usec;
    }
    done(user_data);
}

static const GuestRecord *const *
world_records(void *self, size_t *count)
{
    SimWorld *world = self;

    *count = world->count;
    return world->records;
}

static WorldLink
world_link(void *self)
{
    SimWorld *world = self;

    return world->link;
}

static void
world_set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    SimWorld *world = self;
    SimSeat *seat = sim_world_seat(world, uuid);
    g_autoptr(GError) error = NULL;

    if (seat != NULL && seat->hook_waits)
        sim_world_blame(world, seat, "was told a target while libvirt waits with it locked");
    if (seat == NULL || !seat->guest.running) {
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "the guest is not running");
    } else if (seat->guest.hanging || world->link != WORLD_LINK_READ_WRITE) {
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT, "the guest's QEMU does not answer");
    } else {
        uint64_t before = seat->record.target_known ? seat->record.target_kib : seat->guest.target_kib;

        seat->target_changes += before != target_kib;
        seat->guest.target_kib = target_kib;
        seat->record.target_known = seat->record.target_bounded = true;
        seat->record.target_usec = world->now_usec;
        seat->record.target_kib = target_kib;
    }
    done(user_data, uuid, target_kib, error);
}

static void
world_set_period(void *self, const char *uuid, uint32_t seconds)
{
    SimWorld *world = self;
    SimSeat *seat = sim_world_seat(world, uuid);

    if (seat != NULL)
        seat->guest.period_sec = seconds == PERIOD_RELEASE ? 1 : seconds; /* as its XML says */
}

static void
world_note_hook(void *self, const char *uuid, HookMoment moment, uint64_t at_usec)
{
    SimWorld *world = self;
    SimSeat *seat = sim_world_seat(world, uuid);

    (void)at_usec;
    if (seat != NULL && (moment == HOOK_WAITS || moment == HOOK_ANSWERED))
        seat->hook_waits = moment == HOOK_WAITS;
}

/* ---- HostWorld, Clock ---- */

static bool
host_read(void *self, HostFigures *figures, GError **error)
{
    SimWorld *world = self;
    const SimScenario *scenario = world->scenario;
    uint64_t used = sim_world_resident(world) + sim_level(scenario->other, world->second);
    uint32_t some = (uint32_t)sim_level(scenario->pressure, world->second) * 100;
    bool exhausted = used > scenario->memory_kib;
    uint64_t swap = 0;
    uint64_t swapped = 0;

    for (size_t i = 0; i < world->count; i++) {
        const PagingRecord *file = sim_world_file(world, i);

        if (file == NULL || file->stage == PAGING_STAGE_MAKING)
            continue;
        swap += file->size_kib;
        swapped += world->seats[i].guest.paged_kib;
    }
    *figures = (HostFigures){
        .total_kib = scenario->memory_kib,
        .available_kib = saturating_sub(scenario->memory_kib, used),
        .swap_total_kib = swap,
        .swap_free_kib = saturating_sub(swap, swapped),
        .pressure_some_centi = exhausted ? EXHAUSTED_SOME_CENTI : some,
        .pressure_full_centi = exhausted ? EXHAUSTED_FULL_CENTI : some / 2,
        .has_pressure = true,
    };
    return true;
}

static bool
host_resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    SimWorld *world = self;
    const SimSeat *seat = sim_world_seat(world, guest->uuid);

    if (seat == NULL || !seat->guest.running)
        return false;
    *resident = (GuestResident){.memory_kib = sim_guest_resident(&seat->guest)};
    return true;
}

static uint64_t
clock_now(void *self)
{
    SimWorld *world = self;

    return world->now_usec;
}

Ports
sim_world_ports(SimWorld *world)
{
    return (Ports){
        .guests = {.self = world,
                   .collect = world_collect,
                   .records = world_records,
                   .link = world_link,
                   .set_target = world_set_target,
                   .set_period = world_set_period,
                   .note_hook = world_note_hook},
        .host = {.self = world, .read = host_read, .resident = host_resident},
        .limits = sim_limit_world(world),
        .paging = sim_paging_world(world),
        .clock = {.self = world, .now_usec = clock_now},
    };
}
