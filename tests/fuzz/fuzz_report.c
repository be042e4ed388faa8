/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever two guests report, and whenever they are reset meanwhile: what decide/ gets to see of them is bounded, and so is what it
 * makes of that.
 */

#include "fuzz.h"

#include "decide/decide.h"
#include "observe/observe.h"
#include "units.h"

typedef struct Input {
    const uint8_t *data;
    size_t size;
} Input;

static uint8_t
take_byte(Input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* Small, large and impossible ones in equal parts, so that something happens. */
static uint64_t
take_amount(Input *input)
{
    uint64_t byte = take_byte(input);

    switch (take_byte(input) % 4) {
    case 0:
        return byte * 64 * KIB_PER_MIB;
    case 1:
        return byte * 64 * KIB_PER_MIB + take_byte(input);
    case 2:
        return UINT64_C(1) << byte % 64;
    default:
        return UINT64_MAX - byte;
    }
}

#define GUESTS 2

/* Its figures can't always be had. */
static bool
read_host(void *self, HostFigures *figures, GError **error)
{
    const bool *there = self;

    if (*there)
        *figures = (HostFigures){.total_kib = 16 * KIB_PER_GIB, .available_kib = 8 * KIB_PER_GIB};
    return *there;
}

static bool
no_resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    return false;
}

static void
check(const GuestSnapshot *guest, uint64_t now_usec)
{
    uint64_t maximum = guest->settings->maximum_kib, all = maximum + guest->settings->fixed_kib;

    g_assert_cmpuint(guest->actual_kib, <=, maximum);
    g_assert_cmpuint(guest->report_actual_kib, <=, maximum);
    g_assert_cmpuint(guest->total_kib, <=, all);
    g_assert_cmpuint(guest->unseen_kib, <=, guest->has_actual ? guest->actual_kib : maximum);
    g_assert_cmpuint(guest->usable_kib, <=, guest->report_actual_kib + guest->settings->fixed_kib);
    g_assert_cmpuint(guest->unused_kib, <=, all);
    g_assert_cmpuint(guest->cache_kib, <=, all);
    g_assert_cmpuint(guest->swapped_in_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(guest->swapped_out_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(guest->resident_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(guest->report_usec, <=, now_usec);
    g_assert_cmpuint(guest->driver_usec, <=, now_usec);
    if (!guest->driver_up)
        g_assert_false(guest->fresh || guest->has_usable || guest->has_total);
    if (guest->life == GUEST_LIFE_OFF)
        g_assert_false(guest->driver_up || guest->has_actual);
}

static void
check_plan(const GuestPlan *plan)
{
    const GuestSettings *settings = plan->guest->settings;
    /* it may have been told more before a dimm was pulled */
    uint64_t most = MAX(settings->maximum_kib, plan->guest->target_kib);
    uint64_t least;

    g_assert_cmpuint(plan->demand_kib, <=, settings->maximum_kib);
    g_assert_cmpuint(plan->want_kib, <=, settings->maximum_kib);
    g_assert_cmpuint(plan->assigned_kib, <=, most);
    g_assert_cmpuint(plan->committed_kib, <=, most + settings->fixed_kib + plan->guest->resident_kib);
    g_assert_cmpuint(plan->overhead_kib, <=, KIB_LIMIT);
    if (plan->tell) {
        g_assert_cmpuint(plan->target_kib, <=, settings->maximum_kib);
        /* one that waits for its minimum, or is stuck, may be told what it has, which may be less */
        least = pages_down(plan->guest->actual_kib);
        g_assert_cmpuint(plan->target_kib, >=, MIN(settings->minimum_kib, least));
        g_assert_cmpuint(plan->committed_kib, >=, MIN(plan->target_kib, settings->maximum_kib));
    }
}

static void
check_host(const Plan *plan)
{
    g_assert_cmpuint(plan->committed_kib, <=, 4 * KIB_LIMIT);
    g_assert_cmpuint(plan->budget_kib, <=, 16 * KIB_PER_GIB);
    g_assert_cmpuint(plan->free_kib, <=, plan->budget_kib);
    g_assert_true(plan->free_kib == 0 || plan->free_kib + plan->committed_kib == plan->budget_kib);
}

static void
step(Input *input, GuestRecord *record, uint64_t now_usec)
{
    uint8_t what = take_byte(input);

    if ((what & 0x0f) == 0)
        record->life = (GuestLife)(take_byte(input) % 4);
    if ((what & 0x0f) == 1) {
        record->boots++;
        record->boot_usec = now_usec;
        record->boot_in_place = take_byte(input) % 2;
    }
    if ((what & 0x0f) == 2)
        record->gap_usec = now_usec;
    if ((what & 0x0f) == 3) {
        record->target_known = take_byte(input) % 2;
        /* what was told here, and no guest's word */
        record->target_kib = KIB_PER_GIB + take_byte(input) * 64 * KIB_PER_MIB;
    }
    if ((what & 0x10) != 0)
        return; /* no answer */
    record->report.serial++;
    record->report.asked_usec = now_usec - (what & 0x20 ? 3 * USEC_PER_SEC : 0);
    record->report.answered_usec = now_usec + (what & 0x40 ? 1 : 0);
    record->report.fields = take_byte(input) | (what & 0x80 ? 0x1ffu : 0);
    record->report.actual_kib = take_amount(input);
    record->report.usable_kib = take_amount(input);
    record->report.total_kib = take_amount(input);
    record->report.unused_kib = take_amount(input);
    record->report.cache_kib = take_amount(input);
    record->report.swap_in_kib = take_amount(input);
    record->report.swap_out_kib = take_amount(input);
    record->report.major_faults = take_amount(input);
    record->report.last_update_sec = take_byte(input);
    record->report.resident_kib = take_amount(input);
}

/* A dimm is plugged or pulled. */
static void
plug(Input *input, GuestSettings *guest)
{
    guest->dimms_kib = take_byte(input) % 4 * KIB_PER_GIB;
    guest->maximum_kib = 8 * KIB_PER_GIB + guest->dimms_kib;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {data, size};
    char name[] = "fuzz";
    GuestRecord records[GUESTS];
    GuestSettings guests[GUESTS];
    const GuestRecord *record_list[GUESTS];
    const GuestSettings *settings_list[GUESTS];
    bool host_there = true;
    const Ports ports = {.host = {.self = &host_there, .read = read_host, .resident = no_resident}};
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(Observer) observer = observer_new();
    g_autoptr(DecideState) state = decide_state_new();
    Snapshot snapshot = {0};
    Plan plan = {0};
    uint64_t now_usec = 1000 * USEC_PER_SEC;

    for (unsigned i = 0; i < GUESTS; i++) {
        records[i] = (GuestRecord){.serial = 1, .name = name, .life = GUEST_LIFE_RUNNING, .answering = true};
        g_snprintf(records[i].uuid, sizeof records[i].uuid, "00000000-0000-0000-0000-00000000000%u", i);
        guests[i] = (GuestSettings){.managed = true,
                                    .minimum_kib = KIB_PER_GIB,
                                    .startup_kib = KIB_PER_GIB,
                                    .maximum_kib = 8 * KIB_PER_GIB,
                                    .buffer_percent = 20,
                                    .priority = 50,
                                    .vcpus = 1};
        guests[i].fixed_kib = take_byte(&input) % 2 * KIB_PER_GIB;
        guests[i].autodeflate = take_byte(&input) % 2;
        record_list[i] = &records[i];
        settings_list[i] = &guests[i];
    }
    while (input.size > 0) {
        unsigned which = take_byte(&input) % GUESTS;

        now_usec += (take_byte(&input) + UINT64_C(1)) * 10 * USEC_PER_MSEC;
        step(&input, &records[which], now_usec);
        if (records[which].report.serial % 8 == 0)
            plug(&input, &guests[which]);
        host_there = records[0].report.serial % 16 != 7;
        observer_observe(observer, record_list, settings_list, GUESTS, WORLD_LINK_READ_WRITE, &ports, USEC_PER_SEC,
                         now_usec, &snapshot);
        decide(state, &snapshot, settings, false, &plan);
        check_host(&plan);
        for (unsigned i = 0; i < GUESTS; i++) {
            check(&snapshot.guests[i], now_usec);
            check_plan(&plan.guests[i]);
        }
    }
    plan_clear(&plan);
    snapshot_clear(&snapshot);
    return 0;
}
