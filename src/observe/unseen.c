/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU counts a plugged dimm in the balloon's size at once (hw/virtio/virtio-balloon.c, get_current_ram_size). The guest's
 * kernel may never bring it online, as Debian's does not by itself. A balloon that is told a size takes the difference to
 * all of that memory from what the guest does see, and a guest can be asked for more than it has.
 *
 * What is unseen is by how much the total lies lower than it did at best in this boot: the gap, what the kernel keeps for
 * itself, does not grow while it runs (page structures of memory that comes online are not taken out of the total). A gap
 * that is wider than at best is never learnt. Where something was plugged before the first report, the gap is not taken
 * for more than what a small kernel keeps: the error is memory that is left to the guest. So it is where it was not seen twice.
 *
 * Nobody has more unseen than was plugged, whatever its total says: its dimms by its XML, what its maximum has grown by,
 * and, since libvirt tells of a new dimm after QEMU counts it, what its size has grown by without its balloon. The last is
 * believed until the next report tells, or where none comes until libvirt would have told, but for a size that is the whole
 * maximum: that is an empty balloon, of a guest whose driver was unloaded and reports no more. So is a size that fell by what was
 * unseen below all that the balloon may have been told: a dimm that was pulled.
 */

#include "unseen.h"

#include "units.h"

/*
 * Memory comes online in blocks of 128 MiB or more (kernel Documentation/admin-guide/mm/memory-hotplug.rst). Less than half
 * of one is no memory that was plugged, but noise or a gap that was guessed.
 */
#define LEAST_KIB (64 * KIB_PER_MIB)
/* Totals change a little by themselves. */
#define NOISE_KIB (8 * KIB_PER_MIB)

/* A question asked after the XML told of a dimm is answered with it; one that was under way may be answered without. */
#define ANNOUNCED_ANSWERS 2
/* The reverse: so many answers, one a second, libvirt takes at most to tell of a dimm in the XML, as it may be busy with its guest.
   Of one whose driver sends no reports nothing else tells that it emptied its balloon by itself. */
#define JUMPED_ANSWERS 30
/*
 * What a kernel keeps for itself at least: a page structure of 64 bytes for each page, and itself. A Linux 6.1 guest of
 * 1 GiB keeps 52 MiB, one of 256 MiB 40 to 60.
 */
#define OWN_PART 64
#define OWN_KIB (32 * KIB_PER_MIB)

void
unseen_reset(UnseenTrack *track, bool new_process)
{
    if (new_process) {
        *track = (UnseenTrack){0};
        return;
    }
    /* what is plugged stays, and the gap, as most guests boot the kernel they had before; until its driver reports all of
       its memory is void */
    track->jumped_kib = 0;
    track->jumps = track->pulled = false;
    track->total_known = false;
    track->unseen_kib = 0;
}

void
unseen_adopt(UnseenTrack *track, const GuestSettings *settings)
{
    track->unseen_kib = track->adopted_kib = settings->dimms_kib;
}

/* No more than this can be unseen. What its size has grown by is what no XML has told of yet. */
static uint64_t
all_plugged(const UnseenTrack *track, const GuestSettings *settings)
{
    return saturating_add(MAX(track->plugged_kib, settings->dimms_kib), track->jumped_kib);
}

/* Of a guest that has not said what it sees: it does not see anything that was plugged. */
static uint64_t
all_unseen(const UnseenTrack *track)
{
    return saturating_add(saturating_add(track->adopted_kib, track->plugged_kib), track->jumped_kib);
}

bool
unseen_note_settings(UnseenTrack *track, const GuestSettings *settings)
{
    uint64_t before = track->maximum_kib, now = settings->maximum_kib;
    bool changed = before != 0 && (before != now || track->fixed_kib != settings->fixed_kib);

    track->maximum_kib = now;
    track->fixed_kib = settings->fixed_kib;
    if (!changed || before == now)
        return changed;
    track->plugged_kib =
        saturating_sub(saturating_add(track->plugged_kib, saturating_sub(now, before)), saturating_sub(before, now));
    track->announced_kib =
        now > before ? saturating_sub(saturating_add(track->announced_kib, now - before), track->jumped_kib) : 0;
    track->announced_answers = ANNOUNCED_ANSWERS;
    track->jumps = false;
    /* that was why the size grew, or it is not there any more */
    track->jumped_kib = saturating_sub(track->jumped_kib, MAX(now, before) - MIN(now, before));
    track->pulled = false;
    if (!track->total_known)
        track->unseen_kib = all_unseen(track);
    track->unseen_kib = MIN(track->unseen_kib, all_plugged(track, settings));
    return true;
}

static bool
is_unchanged(const UnseenTrack *track, uint64_t total_kib)
{
    uint64_t before = track->total_kib;

    return track->total_known && MAX(before, total_kib) - MIN(before, total_kib) <= NOISE_KIB;
}

/* Its balloon took nothing: the size is below all that it was told, by what it does not see. */
static bool
is_pulled(const UnseenTrack *track, uint64_t fall_kib)
{
    return fall_kib >= LEAST_KIB && track->announced_kib == 0 && track->unseen_kib > 0 &&
           fall_kib < track->unseen_kib + LEAST_KIB;
}

int64_t
unseen_note_size(UnseenTrack *track, uint64_t before_kib, uint64_t now_kib, uint64_t told_kib, bool alone,
                 const uint64_t *total_kib)
{
    uint64_t jump = saturating_sub(now_kib, MAX(before_kib, saturating_sub(told_kib, track->announced_kib)));
    uint64_t fall = alone ? saturating_sub(MIN(before_kib, told_kib), now_kib) : 0;

    /* a total that changed shows that it was the balloon, unless something was to come */
    if (total_kib != NULL && track->announced_kib == 0 && !is_unchanged(track, *total_kib))
        return 0;
    if (is_pulled(track, fall)) {
        track->pulled = true;
        track->unseen_kib = saturating_sub(track->unseen_kib, fall);
        return -(int64_t)fall;
    }
    if (jump < LEAST_KIB || now_kib == track->maximum_kib)
        return 0;
    track->jumped_kib = saturating_add(track->jumped_kib, saturating_sub(jump, track->announced_kib));
    track->jumps = total_kib == NULL;
    track->jumped_answers = JUMPED_ANSWERS;
    if (total_kib == NULL && !track->total_known)
        track->unseen_kib = all_unseen(track);
    else if (total_kib == NULL) /* the last report is from before */
        track->unseen_kib = saturating_add(track->unseen_kib, jump);
    return (int64_t)jump;
}

bool
unseen_note_answer(UnseenTrack *track)
{
    bool over = track->jumps && --track->jumped_answers == 0;

    if (over) {
        track->unseen_kib = saturating_sub(track->unseen_kib, track->jumped_kib);
        track->jumped_kib = 0;
        track->jumps = false;
    }
    if (track->announced_answers > 0)
        track->announced_answers--;
    if (track->announced_answers == 0)
        track->announced_kib = 0;
    return over;
}

/* What its kernel keeps, by a gap in which something may be that is not seen. */
static int64_t
guess(int64_t gap, uint64_t maximum_kib)
{
    return MIN(gap, (int64_t)(maximum_kib / OWN_PART + OWN_KIB));
}

/* What its kernel keeps; gap is that of now. A balloon that was elsewhere between two answers shows a gap that never was: what was
   seen once counts for little. */
static int64_t
learn(UnseenGap *known, int64_t gap, bool plugged, uint64_t maximum_kib)
{
    if (!known->known) {
        known->bare = !plugged;
        known->least_kib = plugged ? guess(gap, maximum_kib) : gap;
    } else {
        known->sure |= ABS(gap - (plugged ? known->least_kib : known->last_kib)) <= (int64_t)NOISE_KIB;
        known->least_kib = MIN(known->least_kib, MAX(gap, known->last_kib));
    }
    known->known = true;
    known->last_kib = gap;
    return plugged && known->bare && !known->sure ? guess(known->least_kib, maximum_kib) : known->least_kib;
}

bool
unseen_judge(UnseenTrack *track, const GuestSettings *settings, uint64_t size_kib, uint64_t most_kib,
             uint64_t total_kib, bool still, bool constant)
{
    uint64_t plugged = all_plugged(track, settings), before = track->unseen_kib;
    UnseenGap *known = constant ? &track->maximum_gap : &track->size_gap;
    uint64_t size = still || known->known ? size_kib : most_kib;
    uint64_t all = saturating_add(constant ? settings->maximum_kib : size, settings->fixed_kib);
    int64_t gap = (int64_t)MIN(all, KIB_LIMIT) - (int64_t)total_kib, least;

    track->total_known = true;
    track->total_kib = total_kib;
    track->jumps = false;
    if (still)
        least = learn(known, gap, plugged > 0, settings->maximum_kib);
    else
        least = known->known ? known->least_kib : guess(gap, settings->maximum_kib);
    track->unseen_kib = gap > least ? MIN((uint64_t)(gap - least), plugged) : 0;
    if (track->unseen_kib < LEAST_KIB) {
        track->unseen_kib = 0;
        track->jumped_kib = 0;
    }
    /* it was the balloon */
    if (track->unseen_kib >= before + LEAST_KIB)
        track->pulled = false;
    return MAX(before, track->unseen_kib) - MIN(before, track->unseen_kib) >= LEAST_KIB;
}
