/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * demand = size - usable, where both must be of the same moment. An answer brings the size of now and the
 * guest's figures of its last report, which is up to a period older. A balloon moves at hundreds of MiB a
 * second, so taking one for the other would make a guest that is being shrunk look idle and one that grows look
 * hungry, and feed that back into its target.
 *
 * What is certain: the report is newer than the answer before, which did not bring it, so the size looked for
 * lies between the sizes of these two answers. While the balloon is still they are equal and nothing is left to
 * guess. While it moves:
 *
 * - Where the guest's total follows the balloon (Linux: drivers/virtio/virtio_balloon.c adjusts its managed
 *   pages with every page) the total is a stamp of the moment itself: size = total + gap. The gap, memory the
 *   kernel kept for itself at boot, is constant, and is learnt whenever the balloon is still.
 * - Where the total is constant (Windows; autodeflate) it tells nothing. Then the size is taken at which the
 *   guest's need has changed least since the report before: need = size - usable, so size = need + usable. At
 *   constant need that is exact; a need that grows meanwhile is seen late, by less than what the balloon moves
 *   between two answers, and fully at the next report after the balloon has stopped.
 *
 * Which of the two a guest does is learnt by comparing two moments at which the balloon was still at different
 * sizes. Until then a total that moves is believed, one that does not is not.
 *
 * Memory that is plugged moves size and total without the balloon; which of them, unseen.c finds out.
 *
 * Every estimate is kept within what is certain, so a guest that lies about its total gains nothing, and errors
 * do not add up.
 */

#include "balloon_track.h"

#include "units.h"

/* Balloons move in steps of 1 MiB: less than that is standing still. */
#define STILL_KIB KIB_PER_MIB
/* Totals change a little by themselves (memory hot-added, released by the kernel). */
#define TOTAL_NOISE_KIB (8 * KIB_PER_MIB)
/* Two sizes that differ by this tell how the total behaves. */
#define APART_KIB (32 * KIB_PER_MIB)

static uint64_t
difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

void
balloon_track_reset(BalloonTrack *track, uint64_t size_kib)
{
    /* the gap stays as a first guess: most guests boot the kernel they had before */
    track->last_kib = size_kib;
    track->accounting = BALLOON_ACCOUNTING_UNKNOWN;
    track->anchor_known = false;
    track->first_total_known = false;
    track->need_known = false;
}

void
balloon_track_answer(BalloonTrack *track, uint64_t size_kib)
{
    track->last_kib = size_kib;
}

void
balloon_track_plug(BalloonTrack *track, int64_t unseen_kib)
{
    track->anchor_known = false;
    track->gap_kib += unseen_kib;
    track->need_kib += unseen_kib;
    track->last_kib = (uint64_t)MAX((int64_t)track->last_kib + unseen_kib, 0);
}

static void
learn(BalloonTrack *track, uint64_t size_kib, uint64_t total_kib)
{
    uint64_t moved = difference(size_kib, track->anchor_size_kib);

    track->gap_kib = (int64_t)size_kib - (int64_t)total_kib;
    if (track->anchor_known && moved >= APART_KIB) {
        int64_t size_change = (int64_t)size_kib - (int64_t)track->anchor_size_kib;
        int64_t total_change = (int64_t)total_kib - (int64_t)track->anchor_total_kib;
        int64_t tolerance = (int64_t)(moved / 4);

        if (total_change >= size_change - tolerance && total_change <= size_change + tolerance)
            track->accounting = BALLOON_ACCOUNTING_FOLLOWS;
        else if (total_change >= -tolerance && total_change <= tolerance)
            track->accounting = BALLOON_ACCOUNTING_CONSTANT;
        else
            track->accounting = BALLOON_ACCOUNTING_UNKNOWN;
    }
    if (!track->anchor_known || moved >= APART_KIB || moved <= STILL_KIB) {
        track->anchor_known = true;
        track->anchor_size_kib = size_kib;
        track->anchor_total_kib = total_kib;
    }
}

/* Whether the total can be trusted to move with the balloon. */
static bool
total_follows(const BalloonTrack *track, uint64_t total_kib)
{
    if (track->accounting != BALLOON_ACCOUNTING_UNKNOWN)
        return track->accounting == BALLOON_ACCOUNTING_FOLLOWS;
    return track->first_total_known && difference(total_kib, track->first_total_kib) > TOTAL_NOISE_KIB;
}

static uint64_t
estimate(const BalloonTrack *track, uint64_t high, const uint64_t *total_kib, uint64_t usable_kib, bool constant)
{
    int64_t size;

    if (track->need_known && (constant || total_kib == NULL || !total_follows(track, *total_kib)))
        size = (int64_t)usable_kib + track->need_kib;
    else if (total_kib != NULL)
        size = (int64_t)*total_kib + track->gap_kib;
    else
        return high;
    return size > 0 ? (uint64_t)size : 0;
}

uint64_t
balloon_track_report(BalloonTrack *track, uint64_t size_kib, const uint64_t *total_kib, uint64_t usable_kib,
                     bool constant)
{
    uint64_t low = size_kib < track->last_kib ? size_kib : track->last_kib;
    uint64_t high = size_kib < track->last_kib ? track->last_kib : size_kib;
    uint64_t size = size_kib;

    track->still = high - low <= STILL_KIB;
    if (!track->still)
        size = clamp_u64(estimate(track, high, total_kib, usable_kib, constant), low, high);
    else if (total_kib != NULL)
        learn(track, size_kib, *total_kib);
    if (total_kib != NULL && !track->first_total_known) {
        track->first_total_known = true;
        track->first_total_kib = *total_kib;
    }
    track->need_known = true;
    track->need_kib = (int64_t)size - (int64_t)usable_kib;
    return size;
}
