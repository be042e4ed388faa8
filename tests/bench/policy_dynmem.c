/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dynmem's decision as one of the bench's policies: what is seen as a snapshot, and the plan's targets. */

#include "decide/decide.h"
#include "engine.h"
#include "policy.h"

#include <stdio.h>

#define UP_SINCE_USEC (3600 * USEC_PER_SEC)

typedef struct Daemon {
    DecideState *state;
    Settings *settings;
    Snapshot snapshot;
    GuestSettings *guests;
    char (*uuids)[37];
    Plan plan;
} Daemon;

static void *
begin(const Load *load, unsigned variant)
{
    Daemon *self = g_new0(Daemon, 1);

    self->state = decide_state_new();
    self->settings = settings_new();
    self->snapshot.guests = g_new0(GuestSnapshot, load->guest_count);
    self->snapshot.guest_count = load->guest_count;
    self->guests = g_new0(GuestSettings, load->guest_count);
    self->uuids = g_malloc0_n(load->guest_count, sizeof *self->uuids);
    for (size_t i = 0; i < load->guest_count; i++) {
        snprintf(self->uuids[i], sizeof *self->uuids, "00000000-0000-0000-0000-%012u", (unsigned)i);
        self->guests[i] = (GuestSettings){.managed = true,
                                          .minimum_kib = load->guests[i].minimum_kib,
                                          .startup_kib = load->guests[i].minimum_kib,
                                          .maximum_kib = load->guests[i].maximum_kib,
                                          .buffer_percent = load->guests[i].buffer_percent,
                                          .priority = load->guests[i].priority,
                                          .configured_period_sec = 1,
                                          .current_period_sec = 1,
                                          .vcpus = 2};
        self->snapshot.guests[i] = (GuestSnapshot){.uuid = self->uuids[i],
                                                   .serial = i + 1,
                                                   .name = self->uuids[i],
                                                   .settings = &self->guests[i],
                                                   .life = GUEST_LIFE_RUNNING,
                                                   .answering = true,
                                                   .boots = 1,
                                                   .driver_up = true,
                                                   .driver_known = true,
                                                   .fresh = true,
                                                   .period_usec = USEC_PER_SEC,
                                                   .has_actual = true,
                                                   .has_usable = true,
                                                   .has_total = true,
                                                   .has_unused = true,
                                                   .target_known = true,
                                                   .limits.bar = "there are no limits here"};
    }
    return self;
}

static void
end(void *data)
{
    Daemon *self = data;

    plan_clear(&self->plan);
    decide_state_free(self->state);
    settings_free(self->settings);
    g_free(self->snapshot.guests);
    g_free(self->guests);
    g_free(self->uuids);
    g_free(self);
}

static void
show_guest(GuestSnapshot *guest, const GuestView *view, uint64_t now_usec)
{
    if (guest->boot_usec == 0) {
        guest->boot_usec = now_usec - UP_SINCE_USEC;
        guest->driver_usec = guest->boot_usec + 20 * USEC_PER_SEC;
    }
    if (guest->report_serial != view->serial) {
        guest->report_span_usec = guest->report_serial == 0 ? 0 : now_usec - guest->report_usec;
        guest->report_serial = view->serial;
        guest->report_usec = now_usec;
        guest->report_actual_kib = guest->total_kib = view->report_actual_kib;
        guest->usable_kib = guest->unused_kib = view->usable_kib;
        guest->swapped_in_kib = view->swapped_in_kib;
        guest->swapped_out_kib = view->swapped_out_kib;
        guest->major_faults = view->major_faults;
    }
    guest->asked_usec = now_usec;
    guest->actual_kib = view->actual_kib;
    guest->resident_kib = view->resident_kib;
    if (guest->target_kib != view->target_kib)
        guest->target_usec = now_usec;
    guest->target_kib = view->target_kib;
}

static void
decide_dynmem(void *data, const HostView *view, uint64_t *target_kib)
{
    Daemon *self = data;

    self->settings->reserve_kib = view->reserve_kib;
    self->settings->budget_kib = view->capacity_kib;
    self->snapshot.now_usec = view->now_usec;
    self->snapshot.host = (HostSnapshot){
        .figures = {.total_kib = view->total_kib, .available_kib = view->available_kib, .has_pressure = true},
        .figures_valid = true,
        .link = WORLD_LINK_READ_WRITE};
    for (size_t i = 0; i < view->guest_count; i++)
        show_guest(&self->snapshot.guests[i], &view->guests[i], view->now_usec);
    decide(self->state, &self->snapshot, self->settings, false, &self->plan);
    /* it shares what all policies share: the host's own figures leave room for more */
    g_assert_true(self->plan.budget_kib == view->capacity_kib);
    for (size_t i = 0; i < view->guest_count; i++) {
        if (self->plan.guests[i].tell)
            target_kib[i] = self->plan.guests[i].target_kib;
    }
}

static const char *
rule(void *data, size_t guest)
{
    const Daemon *self = data;

    return plan_rule_name(self->plan.guests[guest].rule);
}

const Policy policy_dynmem = {.name = "dynmem",
                              .what = "what the daemon decides",
                              .parts = ENGINE_PARTS,
                              .keeps_book = true,
                              .variants = 1,
                              .begin = begin,
                              .decide = decide_dynmem,
                              .end = end,
                              .rule = rule};
