/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever a guest reports, and whenever it is reset meanwhile, what decide/ gets to see is bounded. */

#include "fuzz.h"

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

static bool
no_host(void *self, HostFigures *figures, GError **error)
{
    return false;
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
    g_assert_cmpuint(guest->unseen_kib, <=, guest->actual_kib);
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
        record->target_kib = take_amount(input);
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {data, size};
    char name[] = "fuzz";
    GuestRecord record = {.uuid = "00000000-0000-0000-0000-000000000000", .name = name, .life = GUEST_LIFE_RUNNING};
    const GuestRecord *records[] = {&record};
    GuestSettings guest = {.managed = true, .minimum_kib = KIB_PER_GIB, .startup_kib = KIB_PER_GIB, .vcpus = 1};
    const GuestSettings *settings[] = {&guest};
    const Ports ports = {.host = {.read = no_host, .resident = no_resident}};
    g_autoptr(Observer) observer = observer_new();
    Snapshot snapshot = {0};
    uint64_t now_usec = 1000 * USEC_PER_SEC;

    guest.maximum_kib = 8 * KIB_PER_GIB;
    guest.fixed_kib = take_byte(&input) % 2 * KIB_PER_GIB;
    guest.autodeflate = take_byte(&input) % 2;
    while (input.size > 0) {
        now_usec += (take_byte(&input) + UINT64_C(1)) * 10 * USEC_PER_MSEC;
        step(&input, &record, now_usec);
        if (record.report.serial % 8 == 0) { /* a dimm is plugged or pulled */
            guest.dimms_kib = take_byte(&input) % 4 * KIB_PER_GIB;
            guest.maximum_kib = 8 * KIB_PER_GIB + guest.dimms_kib;
        }
        observer_observe(observer, records, settings, 1, WORLD_LINK_READ_WRITE, &ports, USEC_PER_SEC, now_usec,
                         &snapshot);
        check(&snapshot.guests[0], now_usec);
    }
    snapshot_clear(&snapshot);
    return 0;
}
