/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_state.h"

#include "held_tick.h"

#include <inttypes.h>

/* Differences below are not worth a word. */
#define SAME_KIB (2 * KIB_PER_MIB)

/* ---- what it has, and what is booked ---- */

/* Why it is booked at no less, and at no more. */
static void
say_ground(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    if (has_max(text) && guest->committed_kib >= text->snapshot->limits.max_kib) {
        tell(text,
             "It is booked at {booked}, because its control group may hold no more (memory.max, its <hard_limit>).");
        return;
    }
    switch (guest->ground) {
    case GROUND_LIMIT:
        tell(text, guest->balloon_kib + text->settings->fixed_kib > guest->committed_kib + SAME_KIB
                       ? "It is booked at {booked}, because memory.high holds it there; its balloon would leave it "
                         "{balloon}."
                       : "It is booked at {booked}, because memory.high holds it there.");
        break;
    case GROUND_BALLOON:
        say(text, "It is booked at {booked}, because its balloon leaves it no more%s.",
            guest->committed_kib > guest->assigned_kib + text->settings->fixed_kib + SAME_KIB
                ? ", at the largest target that may be in force"
                : "");
        break;
    case GROUND_BROUGHT:
        say(text,
            "It is booked at {booked}, because %s and has not reported yet: the most of what was booked for it, what "
            "it was told, what it has and what its QEMU holds.",
            text->snapshot->adopted ? "it ran before dynmemd did" : "it came with its memory");
        break;
    case GROUND_MAXIMUM:
        tell(text, "It is booked at {booked}, because neither its balloon nor a limit is known to hold it to less.");
        break;
    case GROUND_FULL:
        tell(text, "It is booked at {booked}, all its memory or what it holds of the host's, because its balloon is "
                   "not counted on.");
        break;
    case GROUND_START: /* the rules of starts say it */
    case GROUND_NONE:
    default:
        break;
    }
}

void
say_what_it_has(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    if (guest->state == GUEST_STATE_OFF || guest->state == GUEST_STATE_RESERVED)
        return;
    if (guest->target_kib == 0 || guest->rule == PLAN_RULE_OBSERVE)
        tell(text, "It has {assigned}.");
    else if (MAX(guest->target_kib, guest->assigned_kib) - MIN(guest->target_kib, guest->assigned_kib) < SAME_KIB)
        tell(text, "It has {assigned}, as its balloon was told.");
    else
        tell(text, "It has {assigned}, and its target is {target}.");
    say_ground(text);
    if (text->settings->fixed_kib != 0)
        tell(text, "{fixed} of that are memory devices (virtio-mem), which its balloon does not reach.");
    if (text->snapshot->unseen_kib != 0)
        tell(text, "Its kernel does not see {unseen} of what it has (a dimm that is not online), so that much can't be "
                   "squeezed.");
    if (guest->lent_kib != 0)
        tell(
            text,
            "Its limit leaves it {lent} of free memory besides for the host's cache of its disks, until somebody needs "
            "that.");
    if (text->snapshot->group_other_kib >= OTHER_WORTH_KIB)
        tell(text, "Its control group holds {group-other} that is not its memory (a disk image on tmpfs, say); that is "
                   "counted as its overhead.");
}

/* ---- what it needs ---- */

void
say_what_it_needs(ExplainText *text)
{
    const GuestPlan *guest = text->guest;
    const GuestSnapshot *snapshot = text->snapshot;
    const GuestSettings *settings = text->settings;

    /* also of one that takes no part in the sharing, where it is shown */
    if (guest->want_kib == 0)
        return;
    say(text, "It needs {demand}; with its buffer of {buffer} percent it wants {want}%s.",
        guest->want_kib == settings->maximum_kib   ? ", its maximum"
        : guest->want_kib == settings->minimum_kib ? ", its minimum"
                                                   : "");
    if (snapshot->has_usable && snapshot->report_usec != 0)
        tell(text, "Its last report, {report} ago, said that {usable} of {reported} were usable.");
    if (guest->starved || (guest->status == GUEST_STATUS_WARNING && guest->demand_kib <= guest->assigned_kib))
        tell(text, "It is starved (it fetches memory back from its disk, or has almost nothing usable left), so it may "
                   "need more than it shows.");
    else if (guest->shown_kib != 0 && guest->demand_kib > MAX(guest->shown_kib, guest->floor_kib) + SAME_KIB)
        tell(text, guest->doubtful
                       ? "By that it needs {shown}; but it lacked memory a while ago, and what it seemed to need then "
                         "counts until a tenth of its memory is usable."
                       : "By that it needs {shown}; but its need goes up and down, and the most of that counts.");
    if (guest->demand_kib <= guest->floor_kib && guest->floor_kib != 0)
        tell(text, "A guest of its size can't live below {floor}, which is taken as its need.");
    if (text->report->settings->cache_share_percent > 0 && snapshot->has_cache)
        say(text, "%" PRIu32 " percent of its page cache count as needed (CacheShare=).",
            text->report->settings->cache_share_percent);
    if ((snapshot->doubts & (DOUBT_USABLE_ABOVE_TOTAL | DOUBT_IMPOSSIBLE)) != 0)
        tell(text, "What it reports can't be right, so it is taken to need all that it has.");
    else if (snapshot->doubts != 0)
        tell(text, "Some of what it reports can't be right, and is trusted within bounds only.");
}

/* ---- what else ---- */

void
say_what_else(ExplainText *text)
{
    const GuestIssue *issue = tick_report_issue(text->report, text->snapshot->uuid);

    if (text->snapshot->rhythm_sec != 0)
        say(text,
            "It reports every %" PRIu64 " s, and every %" PRIu64 " s is asked for: somebody else has changed that "
            "(virt-manager, cockpit, 'virsh dommemstat'), or the guest is slow.",
            text->snapshot->rhythm_sec, text->snapshot->period_usec / USEC_PER_SEC);
    if (text->guest->retry && text->guest->rule != PLAN_RULE_RETRY)
        tell(text, "It did not follow its target before and is on trial.");
    if (is_sharing(text->guest) && text->plan->wants_kib == 0)
        tell(text, "No guest shares memory so far; those that will may have {shared} together.");
    else if (is_sharing(text->guest))
        tell(text, "The guests that share may have {shared} together; what they need adds up to {demands}, what they "
                   "want to {wants}, their minimums to {minimums}.");
    if (text->plan->over_budget)
        tell(text, "The host is over its budget: guests are committed {committed} of {budget}.");
    if (issue != NULL)
        say(text,
            issue->rejected ? "Its settings can't be used as they are: %s."
                            : "Its settings are in force, and may not work out: %s.",
            issue->message);
}
