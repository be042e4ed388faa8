/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which numbers can be believed, and for how long.
 *
 * A report is new when last_update or one of the guest's figures is another than before: two of them may come in one second
 * (ports.h, guest_report_is_another). last_update is a second of the wall clock, which is set and slewed, so it is compared with
 * itself only; how old a report is, is measured with the monotonic clock from when it was first seen, leaving out the
 * time the guest was paused, in which it can't report.
 *
 * QEMU keeps the figures of the last report across a reset of the guest (hw/virtio/virtio-balloon.c,
 * virtio_balloon_device_reset), and a question that went out before the reset may be answered after it. So
 * after a reset nothing is believed until a report differs from a baseline, and the baseline is taken from
 * an answer that was asked for after the reset: that one can at worst bring a report of the new driver, and
 * then the next one, a period later, is the first that counts. The same holds for a guest that ran before the
 * daemon: its figures may be from before a reset nobody saw, and for one that brought its memory: libvirt before 8.1 has the
 * QEMU that runs load a snapshot. A new QEMU begins with no figures at all, so of one that boots any report is of its driver.
 *
 * The balloon size is QEMU's own and of now, but after a reset it is void as well until the new driver has set
 * it.
 */

#include "guest_track.h"

#include "units.h"

#include <string.h>

/* Reports missing for this many periods make the last one stale. */
#define STALE_PERIODS 3

static bool
has(const GuestReport *report, GuestReportField field)
{
    return (report->fields & field) != 0;
}

/* The most that the balloon can leave the guest. */
static uint64_t
balloon_limit(const GuestSettings *settings)
{
    return settings->bar == BALLOON_BAD_MEMORY ? KIB_LIMIT : settings->maximum_kib;
}

/*
 * The balloon size of an answer, bounded. It is the guest that tells QEMU how much it gave up, and one that
 * claims more than it ever had makes the size a huge number: it has not given up anything that could be counted
 * on. doubts may be NULL.
 */
static uint64_t
bounded_actual(const GuestReport *report, const GuestSettings *settings, uint32_t *doubts)
{
    uint64_t limit = balloon_limit(settings);

    if (doubts != NULL && report->actual_kib > KIB_LIMIT)
        *doubts |= DOUBT_IMPOSSIBLE;
    if (doubts != NULL && report->actual_kib > limit)
        *doubts |= DOUBT_ACTUAL_ABOVE_MAXIMUM;
    return MIN(report->actual_kib, limit);
}

/*
 * The same, for what is worked out of several answers: QEMU counts a dimm before the XML tells of it. Only a size that can't
 * be is the guest's claim.
 */
static uint64_t
size_now(const GuestReport *report, const GuestSettings *settings)
{
    return report->actual_kib > KIB_LIMIT ? balloon_limit(settings) : report->actual_kib;
}

/* One of the guest's figures, bounded. Returns false where it is absent or impossible. */
static bool
bounded_figure(const GuestReport *report, GuestReportField field, uint64_t value, uint64_t ceiling, GuestDoubt doubt,
               uint64_t *bounded, uint32_t *doubts)
{
    if (!has(report, field))
        return false;
    if (value > KIB_LIMIT) {
        *doubts |= DOUBT_IMPOSSIBLE;
        return false;
    }
    if (value > ceiling)
        *doubts |= doubt;
    *bounded = MIN(value, ceiling);
    return true;
}

/* Fills the figures of the guest's own report. */
static void
fill_figures(const GuestReport *report, const GuestSettings *settings, GuestSnapshot *guest)
{
    uint64_t ceiling = saturating_add(balloon_limit(settings), settings->fixed_kib);

    guest->has_total = bounded_figure(report, REPORT_TOTAL, report->total_kib, ceiling, DOUBT_TOTAL_ABOVE_ACTUAL,
                                      &guest->total_kib, &guest->doubts);
    if (guest->has_total)
        ceiling = guest->total_kib;
    guest->has_usable = bounded_figure(report, REPORT_USABLE, report->usable_kib, ceiling, DOUBT_USABLE_ABOVE_TOTAL,
                                       &guest->usable_kib, &guest->doubts);
    guest->has_unused = bounded_figure(report, REPORT_UNUSED, report->unused_kib, ceiling, DOUBT_USABLE_ABOVE_TOTAL,
                                       &guest->unused_kib, &guest->doubts);
    guest->has_cache = bounded_figure(report, REPORT_CACHE, report->cache_kib, ceiling, DOUBT_USABLE_ABOVE_TOTAL,
                                      &guest->cache_kib, &guest->doubts);
}

/* The change of a counter between two reports. */
static uint64_t
counter_delta(GuestTrack *track, const GuestReport *report, GuestReportField field, uint64_t before, uint64_t now)
{
    if (!has(&track->report, field) || !has(report, field))
        return 0;
    if (now < before) {
        track->counter_went_back = true;
        return 0;
    }
    return now - before;
}

static void
forget_boot(GuestTrack *track, const GuestRecord *record, const GuestSettings *settings)
{
    bool new_process = record->boots > 0 && !record->boot_in_place;

    track->boots = record->boots;
    track->readopted_usec = 0;
    track->baseline_known = new_process && !record->boot_resumed;
    track->seen = (GuestReport){0};
    track->driver_up = false;
    track->driver_usec = 0;
    track->report_usec = 0;
    track->report_age_usec = 0;
    track->report_span_usec = 0;
    memset(track->apart_sec, 0, sizeof track->apart_sec);
    track->report = (GuestReport){0};
    track->report_actual_kib = 0;
    track->swapped_in_kib = 0;
    track->swapped_out_kib = 0;
    track->major_faults = 0;
    track->counter_went_back = false;
    balloon_track_reset(&track->balloon, settings->maximum_kib);
    unseen_reset(&track->unseen, new_process || !track->running);
    if (!new_process && !track->running)
        unseen_adopt(&track->unseen, settings);
}

/*
 * libvirt was away, and a reset may have been missed. Like a guest that ran before the daemon, it has to show that its
 * driver still reports, or the one that came with its memory. One that boots, and whose driver is waited for anyway, is not
 * touched.
 */
static void
readopt(GuestTrack *track, const GuestRecord *record)
{
    track->readopted_usec = record->gap_usec;
    memset(track->apart_sec, 0, sizeof track->apart_sec);
    track->report = (GuestReport){0}; /* its counters may begin anew */
    track->baseline_known = false;
    track->driver_up = false;
}

/* Whether its total is known not to follow its balloon. */
static bool
is_constant(const GuestTrack *track, const GuestSettings *settings)
{
    return settings->autodeflate || track->balloon.accounting == BALLOON_ACCOUNTING_CONSTANT;
}

/* The XML is read before the size that it tells of. */
static void
take_settings(GuestTrack *track, const GuestSettings *settings)
{
    uint64_t before_kib = track->unseen.unseen_kib;

    if (unseen_note_settings(&track->unseen, settings))
        balloon_track_plug(&track->balloon, (int64_t)track->unseen.unseen_kib - (int64_t)before_kib);
}

/* What the size of an answer tells of memory that was plugged or pulled, with the total of a report or (NULL) without. */
static void
take_size(GuestTrack *track, uint64_t size_kib, const GuestRecord *record, const uint64_t *total_kib)
{
    bool alone = record->target_known && !record->target_pending && record->target_usec <= track->seen.asked_usec;
    int64_t plugged_kib =
        unseen_note_size(&track->unseen, track->balloon.last_kib, size_kib, record->target_kib, alone, total_kib);

    if (plugged_kib != 0)
        balloon_track_plug(&track->balloon, plugged_kib);
}

/* The size of an answer with a report. */
static void
take_sizes(GuestTrack *track, uint64_t size_kib, const GuestRecord *record, const GuestSettings *settings,
           const GuestSnapshot *figures)
{
    const uint64_t *total_kib = figures->has_total ? &figures->total_kib : NULL;
    uint64_t all_kib, most_kib;

    if (!is_constant(track, settings))
        take_size(track, size_kib, record, total_kib);
    most_kib = MAX(size_kib, track->balloon.last_kib);
    all_kib = balloon_track_report(&track->balloon, size_kib, total_kib, figures->usable_kib, settings->autodeflate);
    if (total_kib != NULL && unseen_judge(&track->unseen, settings, all_kib, most_kib, *total_kib, track->balloon.still,
                                          is_constant(track, settings)))
        balloon_track_plug(&track->balloon, 0);
    track->report_actual_kib = saturating_sub(all_kib, track->unseen.unseen_kib);
}

static uint64_t
distance(uint64_t a, uint64_t b)
{
    return MAX(a, b) - MIN(a, b);
}

/*
 * How far a report is from the one before, by QEMU's own stamps: N seconds, or one more by rounding and by the time that the
 * guest takes to answer, where its period is N (hw/virtio/virtio-balloon.c, the timer is set anew with each report). It tells
 * nothing where the guest was paused or the clock was set meanwhile, nor where no answer shows that there was none in between:
 * on a busy host we may be the ones that are late.
 */
static void
take_rhythm(GuestTrack *track, const GuestReport *report, uint64_t period_usec, uint64_t now_usec)
{
    uint64_t apart_sec = saturating_sub(report->last_update_sec, track->seen.last_update_sec);
    uint64_t ran_usec = saturating_sub(track->report_age_usec, saturating_sub(now_usec, report->answered_usec));
    uint64_t slack_usec = period_usec + USEC_PER_SEC; /* between two questions */
    bool known = track->driver_up && saturating_sub(report->asked_usec, track->unchanged_usec) <= slack_usec &&
                 distance(apart_sec * USEC_PER_SEC, ran_usec) <= slack_usec;

    memmove(track->apart_sec + 1, track->apart_sec, (RHYTHM_REPORTS - 1) * sizeof *track->apart_sec);
    track->apart_sec[0] = known ? apart_sec : 0;
}

/* See GuestSnapshot. */
static uint64_t
rhythm_sec(const GuestTrack *track, uint64_t period_usec)
{
    uint64_t least = UINT64_MAX, most = 0;

    for (unsigned i = 0; i < RHYTHM_REPORTS; i++) {
        least = MIN(least, track->apart_sec[i]);
        most = MAX(most, track->apart_sec[i]);
    }
    return period_usec != 0 && most - least <= 1 && least * USEC_PER_SEC > period_usec + USEC_PER_SEC ? least : 0;
}

static void
take_report(GuestTrack *track, const GuestRecord *record, const GuestSettings *settings, uint64_t now_usec)
{
    const GuestReport *report = &record->report;
    uint64_t seen_usec = MIN(report->answered_usec, now_usec);
    bool first = !track->driver_up;
    GuestSnapshot figures = {0};

    fill_figures(report, settings, &figures);
    track->counter_went_back = false;
    track->swapped_in_kib =
        counter_delta(track, report, REPORT_SWAP_IN, track->report.swap_in_kib, report->swap_in_kib);
    track->swapped_out_kib =
        counter_delta(track, report, REPORT_SWAP_OUT, track->report.swap_out_kib, report->swap_out_kib);
    track->major_faults =
        counter_delta(track, report, REPORT_MAJOR_FAULTS, track->report.major_faults, report->major_faults);
    track->report_span_usec = first ? 0 : MAX(saturating_sub(seen_usec, track->report_usec), 1);
    if (has(report, REPORT_ACTUAL) && figures.has_usable)
        take_sizes(track, size_now(report, settings), record, settings, &figures);
    else if (has(report, REPORT_ACTUAL) && !first && !is_constant(track, settings))
        take_size(track, size_now(report, settings), record, NULL); /* QEMU stamps also a report with nothing in it */
    track->report = *report;
    track->report_serial++;
    track->report_usec = seen_usec;
    track->report_age_usec = saturating_sub(now_usec, seen_usec);
    if (first)
        track->driver_usec = seen_usec;
    track->driver_up = true;
}

static void
end_answer(GuestTrack *track)
{
    if (unseen_note_answer(&track->unseen))
        balloon_track_plug(&track->balloon, 0);
}

static void
take_answer(GuestTrack *track, const GuestRecord *record, const GuestSettings *settings, uint64_t period_usec,
            uint64_t now_usec)
{
    const GuestReport *report = &record->report;

    track->answer_serial = report->serial;
    if (report->asked_usec < MAX(record->boot_usec, track->gap_usec)) {
        end_answer(track);
        return;
    }
    if (!track->baseline_known) {
        track->baseline_known = true;
        track->seen = *report;
    } else if (guest_report_is_another(&track->seen, report)) {
        take_rhythm(track, report, period_usec, now_usec);
        take_report(track, record, settings, now_usec);
    } else {
        track->unchanged_usec = report->asked_usec;
        if (has(report, REPORT_ACTUAL) && track->driver_up && !is_constant(track, settings))
            take_size(track, size_now(report, settings), record, NULL);
    }
    if (has(report, REPORT_LAST_UPDATE))
        track->seen = *report;
    end_answer(track);
    /* after a reset the size is that of before until the driver has set it */
    if (has(report, REPORT_ACTUAL) && (track->driver_up || !record->boot_in_place))
        balloon_track_answer(&track->balloon, size_now(report, settings));
}

static void
fill_statistics(const GuestTrack *track, const GuestRecord *record, const GuestSettings *settings, GuestSnapshot *guest)
{
    const GuestReport *report = &record->report;

    /* of a new QEMU only its own answers count; a reset one is still the same, void or not */
    guest->has_actual = report->serial != 0 && has(report, REPORT_ACTUAL) &&
                        (report->asked_usec >= record->boot_usec || record->boot_in_place);
    if (guest->has_actual) {
        guest->actual_kib = bounded_actual(report, settings, &guest->doubts);
        guest->asked_usec = report->asked_usec;
    }
    guest->report_serial = track->report_serial;
    guest->unseen_kib = MIN(track->unseen.unseen_kib, guest->has_actual ? guest->actual_kib : settings->maximum_kib);
    if (!track->driver_up)
        return;
    fill_figures(&track->report, settings, guest);
    guest->has_usable = guest->has_usable && has(&track->report, REPORT_ACTUAL);
    if (guest->has_usable) {
        guest->report_actual_kib = MIN(track->report_actual_kib, balloon_limit(settings));
        /* what a guest can use is part of what its balloon leaves it and of its memory devices */
        if (guest->usable_kib > saturating_add(guest->report_actual_kib, settings->fixed_kib)) {
            guest->usable_kib = saturating_add(guest->report_actual_kib, settings->fixed_kib);
            guest->doubts |= DOUBT_USABLE_ABOVE_TOTAL;
        }
    } else {
        guest->usable_kib = 0;
    }
    guest->announced_kib = MAX(track->unseen.announced_kib, track->unseen.jumps ? track->unseen.jumped_kib : 0);
    guest->report_usec = track->report_usec;
    guest->report_span_usec = track->report_span_usec;
    guest->swapped_in_kib = MIN(track->swapped_in_kib, KIB_LIMIT);
    guest->swapped_out_kib = MIN(track->swapped_out_kib, KIB_LIMIT);
    guest->major_faults = track->major_faults;
    if (track->swapped_in_kib > KIB_LIMIT || track->swapped_out_kib > KIB_LIMIT)
        guest->doubts |= DOUBT_IMPOSSIBLE;
    if (track->counter_went_back)
        guest->doubts |= DOUBT_COUNTER_WENT_BACK;
}

void
guest_track_look(GuestTrack *track, const GuestRecord *record, const GuestSettings *settings, uint64_t period_usec,
                 uint64_t now_usec, GuestSnapshot *guest)
{
    bool running = record->life != GUEST_LIFE_OFF;
    bool in_motion = record->life == GUEST_LIFE_RUNNING;

    if (running && (!track->running || track->boots != record->boots))
        forget_boot(track, record, settings);
    else if (track->in_motion && in_motion)
        track->report_age_usec = saturating_add(track->report_age_usec, saturating_sub(now_usec, track->looked_usec));
    if (running && record->gap_usec > track->gap_usec) {
        if (track->driver_up || record->boot_resumed)
            readopt(track, record);
        else
            track->baseline_known = false; /* its driver may have come, and gone again */
    }
    if (running)
        take_settings(track, settings);
    track->gap_usec = record->gap_usec;
    track->running = running;
    track->in_motion = in_motion;
    track->looked_usec = now_usec;
    if (running && record->report.serial != track->answer_serial)
        take_answer(track, record, settings, period_usec, now_usec);

    guest->uuid = record->uuid;
    guest->serial = record->serial;
    guest->name = record->name;
    guest->settings = settings;
    guest->life = record->life;
    guest->migrating = record->migrating;
    guest->answering = record->answering;
    guest->boots = record->boots;
    guest->boot_usec = MAX(record->boot_usec, track->readopted_usec);
    guest->boot_in_place = record->boot_in_place && track->readopted_usec == 0;
    guest->boot_resumed = record->boot_resumed;
    guest->gap_usec = record->gap_usec;
    guest->stop_usec = record->stop_usec;
    guest->ran_at_host_down = record->ran_at_host_down;
    guest->adopted = running && (record->boots == 0 || track->readopted_usec != 0);
    guest->period_usec = period_usec;
    if (!running)
        return;
    guest->period_changed = record->period_changed;
    guest->period_changed_sec = record->period_changed_sec;
    guest->rhythm_sec = rhythm_sec(track, period_usec);
    guest->driver_up = track->driver_up;
    guest->driver_known = has(&record->report, REPORT_LAST_UPDATE) && record->report.last_update_sec != 0;
    guest->driver_usec = track->driver_usec;
    fill_statistics(track, record, settings, guest);
    guest->fresh = track->driver_up && period_usec != 0 && track->report_age_usec < STALE_PERIODS * period_usec;
    guest->target_known = record->target_known && !track->unseen.pulled; /* QEMU's has fallen with what was pulled */
    guest->target_unbounded = !record->target_bounded;
    guest->target_usec = record->target_usec;
    guest->target_pending = record->target_pending;
    guest->target_kib = record->target_kib;
}
