/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history_ring.h"

#include "units.h"

/* So little of it is lost, and four bytes hold 256 TiB of it. */
#define UNIT_KIB 64
#define FIRST_SIZE 16

struct HistoryPoint {
    uint32_t slot; /* of ten seconds: for 1,300 years */
    uint32_t assigned;
    uint32_t demand;
    uint32_t demand_most;
    uint32_t want;
    uint32_t lacked;
    uint32_t paged;
    uint8_t target_changes;
    uint8_t state;
    uint8_t status;
    uint8_t rule;
};

G_STATIC_ASSERT(sizeof(HistoryPoint) == 32);

void
history_ring_init(HistoryRing *ring, uint32_t seconds, uint32_t most)
{
    *ring = (HistoryRing){.seconds = seconds, .most = most};
}

void
history_ring_clear(HistoryRing *ring)
{
    g_clear_pointer(&ring->points, g_free);
}

static uint32_t
units(uint64_t kib)
{
    return (uint32_t)MIN((kib + UNIT_KIB / 2) / UNIT_KIB, (uint64_t)UINT32_MAX);
}

static HistoryPoint
point_of(const HistoryOpen *open)
{
    return (HistoryPoint){.slot = (uint32_t)open->slot,
                          .assigned = units(open->assigned_sum / open->msec),
                          .demand = units(open->demand_sum / MAX(open->known_msec, 1)),
                          .demand_most = units(open->most.demand_most_kib),
                          .want = units(open->want_sum / MAX(open->known_msec, 1)),
                          .lacked = units(open->most.lacked_kib),
                          .paged = units(open->most.paged_kib),
                          .target_changes = (uint8_t)MIN(open->target_changes, UINT8_MAX),
                          .state = (uint8_t)open->most.state,
                          .status = (uint8_t)open->most.status,
                          .rule = (uint8_t)open->most.rule};
}

/* Room for one more, until there is all that may be. */
static void
grow(HistoryRing *ring)
{
    if (ring->count < ring->size || ring->size == ring->most)
        return;
    ring->size = ring->size == 0 ? FIRST_SIZE : MIN(ring->size * 2, ring->most);
    ring->points = g_renew(HistoryPoint, ring->points, ring->size);
}

static void
close_open(HistoryRing *ring)
{
    if (ring->open.msec == 0)
        return;
    grow(ring);
    ring->points[ring->next] = point_of(&ring->open);
    ring->next = (ring->next + 1) % ring->most;
    ring->count = MIN(ring->count + 1, ring->most);
}

static bool
open_slot(HistoryRing *ring, uint64_t slot)
{
    bool another = ring->open.msec != 0 && ring->open.slot != slot;

    if (another)
        close_open(ring);
    if (another || ring->open.msec == 0)
        ring->open = (HistoryOpen){.slot = slot, .target_changes = another ? 0 : ring->open.target_changes};
    return another;
}

bool
history_ring_open(HistoryRing *ring, uint64_t now_usec, HistoryOpen *closed)
{
    *closed = ring->open;
    return open_slot(ring, now_usec / USEC_PER_SEC / ring->seconds);
}

/* The rest of what is known of a moment, or of a finer point. */
static void
add_most(HistorySpan *most, const HistorySpan *more, bool first)
{
    most->demand_most_kib = MAX(most->demand_most_kib, more->demand_most_kib);
    most->lacked_kib = MAX(most->lacked_kib, more->lacked_kib);
    most->paged_kib = MAX(most->paged_kib, more->paged_kib);
    most->state = more->state;
    if (first || more->status >= most->status) {
        most->status = more->status;
        most->rule = more->rule;
    }
}

void
history_ring_add(HistoryRing *ring, const GuestPlan *plan, uint64_t msec)
{
    HistoryOpen *open = &ring->open;
    const PagingRecord *file = plan->guest->paging;
    HistorySpan moment = {.demand_most_kib = plan->demand_kib,
                          .lacked_kib = saturating_sub(plan->demand_kib, plan->assigned_kib),
                          .paged_kib = file != NULL ? file->used_kib : 0,
                          .state = plan->state,
                          .status = plan->status,
                          .rule = plan->rule};

    add_most(&open->most, &moment, open->msec == 0);
    open->msec += msec;
    open->assigned_sum += plan->assigned_kib * msec;
    if (plan->demand_kib == 0)
        return;
    open->known_msec += msec;
    open->demand_sum += plan->demand_kib * msec;
    open->want_sum += plan->want_kib * msec;
}

void
history_ring_fold(HistoryRing *ring, const HistoryOpen *finer)
{
    HistoryOpen *open = &ring->open;
    uint32_t parts = ring->seconds / HISTORY_FINE_SEC;

    open_slot(ring, finer->slot / parts);
    add_most(&open->most, &finer->most, open->msec == 0);
    open->msec += finer->msec;
    open->assigned_sum += finer->assigned_sum;
    open->known_msec += finer->known_msec;
    open->demand_sum += finer->demand_sum;
    open->want_sum += finer->want_sum;
    open->target_changes += finer->target_changes;
}

static const HistoryPoint *
point_at(const HistoryRing *ring, uint32_t i)
{
    return &ring->points[ring->count < ring->most ? i : (ring->next + i) % ring->most];
}

bool
history_ring_is_full(const HistoryRing *ring)
{
    return ring->count == ring->most;
}

uint64_t
history_ring_first_usec(const HistoryRing *ring)
{
    if (ring->count > 0)
        return (uint64_t)point_at(ring, 0)->slot * ring->seconds * USEC_PER_SEC;
    return ring->open.msec > 0 ? ring->open.slot * ring->seconds * USEC_PER_SEC : UINT64_MAX;
}

static void
read_point(const HistoryRing *ring, const HistoryPoint *point, uint64_t since_usec, uint64_t until_usec, GArray *spans)
{
    uint64_t start = (uint64_t)point->slot * ring->seconds * USEC_PER_SEC;
    uint64_t end = MIN(start + ring->seconds * USEC_PER_SEC, until_usec);
    HistorySpan span = {.assigned_kib = (uint64_t)point->assigned * UNIT_KIB,
                        .demand_kib = (uint64_t)point->demand * UNIT_KIB,
                        .demand_most_kib = (uint64_t)point->demand_most * UNIT_KIB,
                        .want_kib = (uint64_t)point->want * UNIT_KIB,
                        .lacked_kib = (uint64_t)point->lacked * UNIT_KIB,
                        .paged_kib = (uint64_t)point->paged * UNIT_KIB,
                        .target_changes = point->target_changes,
                        .state = (GuestState)point->state,
                        .status = (GuestStatus)point->status,
                        .rule = (PlanRule)point->rule};

    span.start_usec = MAX(start, since_usec);
    if (end <= span.start_usec)
        return;
    span.length_usec = end - span.start_usec;
    g_array_append_val(spans, span);
}

void
history_ring_read(const HistoryRing *ring, uint64_t since_usec, uint64_t until_usec, GArray *spans)
{
    for (uint32_t i = 0; i < ring->count; i++)
        read_point(ring, point_at(ring, i), since_usec, until_usec, spans);
    if (ring->open.msec > 0) {
        HistoryPoint open = point_of(&ring->open);

        read_point(ring, &open, since_usec, until_usec, spans);
    }
}

size_t
history_ring_bytes(const HistoryRing *ring)
{
    return ring->size * sizeof(HistoryPoint);
}
