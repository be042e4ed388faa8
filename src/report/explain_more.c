/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What would have to change for a guest to get more memory, one way a sentence, the nearest ones first. Only ways
 * that lead there are named: a higher priority is no advice to a guest that has all it wants.
 */

#include "explain.h"
#include "explain_booked.h"
#include "explain_starts.h"
#include "explain_text.h"
#include "explain_ways.h"
#include "names.h"
#include "units.h"

#include <inttypes.h>

static void
set_by_hand(ExplainText *text)
{
    if (text->guest->assigned_kib < text->settings->maximum_kib)
        say(text, "Until then its memory can be changed by hand, as with 'virsh setmem', up to its maximum of %s.",
            size(text, text->settings->maximum_kib));
}

/* ---- the rules ---- */

static void
more_wait_free(ExplainText *text)
{
    say(text, "It gets its share as soon as memory is seen to be free; for that nothing need be changed.");
    if (!text->report->snapshot->host.figures_valid)
        say(text, "The figures of the host must be readable again: see whether /proc/meminfo can be read.");
    if (shared_limit(text) != PLAN_RULE_SATISFIED) {
        enlarge_share(text);
        return;
    }
    take_from_others(text);
    raise_budget(text);
}

static void
more_stale(ExplainText *text)
{
    say(text,
        "Its statistics must change again, or nobody sees what it needs: see whether the guest hangs and whether its "
        "balloon driver (in Windows the balloon service too) still runs.");
    raise_minimum(text);
}

static void
more_retry(ExplainText *text)
{
    say(text, "It must follow its target for a while, after that it is like the others again.");
    enlarge_share(text);
}

static void
more_surplus(ExplainText *text)
{
    if (text->guest->ideal_kib >= text->settings->maximum_kib) {
        raise_maximum(text);
        return;
    }
    if (text->settings->priority < 100 && !shares_alone(text))
        say(text, "Raise its priority, now %" PRIu32 " of 100: what nobody wants is handed out by it.",
            text->settings->priority);
    take_from_others(text);
    raise_budget(text);
}

static void
more_off(ExplainText *text)
{
    say(text, "Start it; it needs %s to boot.", size(text, text->settings->startup_kib));
}

static void
more_unmanaged(ExplainText *text)
{
    say(text,
        "Give it a dynmem element in its metadata (namespace " DYNMEM_METADATA_URI
        "), or set Manage=all in %s, to have its memory follow its need.",
        DYNMEM_CONFIG_NAME);
    set_by_hand(text);
}

static void
more_static(ExplainText *text)
{
    say(text, "Set mode='dynamic' in its metadata to have its memory follow its need.");
    set_by_hand(text);
}

static void
more_bar(ExplainText *text)
{
    static const char *const ways[] = {
        [BALLOON_USABLE] = "Start the guest again, so that it is looked at anew.",
        [BALLOON_NO_DEVICE] = "Give it a balloon, <memballoon model='virtio'/> in its XML, and start it again.",
        [BALLOON_VFIO] = "Take the host device that is assigned to it out of its XML, and start it again.",
        [BALLOON_VDPA] = "Use another kind of interface than vDPA in its XML, and start it again.",
        [BALLOON_NVME] = "Attach the NVMe disk through the host's driver instead, and start it again.",
        [BALLOON_SEV] = "Run it without memory encryption, if that may be, and start it again.",
        [BALLOON_HUGEPAGES] = "Take <hugepages/> out of its XML, and start it again.",
        [BALLOON_LOCKED] = "Take <locked/> out of its XML, and start it again.",
        [BALLOON_BAD_MEMORY] = "Correct <memory> in its XML.",
    };

    say(text, "%s", ways[text->settings->bar]);
    if (text->settings->bar != BALLOON_BAD_MEMORY)
        say(text, "As it is it has a fixed size: raise <memory> in its XML, now %s, and start it again.",
            size(text, text->settings->maximum_kib));
}

static void
more_inhibited(ExplainText *text)
{
    say(text, "Find what holds its memory (an assigned device, locked or encrypted memory), take it away, and start "
              "the guest "
              "again.");
    set_by_hand(text);
}

static void
more_no_driver(ExplainText *text)
{
    say(text, "Without its driver it may use all of its maximum of %s as it is.",
        size(text, text->settings->maximum_kib));
    say(text,
        "To have its memory follow its need, let the balloon driver run in the guest: virtio_balloon in Linux, the "
        "balloon driver and service of virtio-win in Windows.");
    raise_maximum(text);
}

static void
more_no_statistics(ExplainText *text)
{
    say(text,
        "Let the guest send statistics: in Windows the balloon service of virtio-win must run; in Linux see whether "
        "virtio_balloon is loaded and the guest does not hang.");
    set_by_hand(text);
}

static void
more_observe(ExplainText *text)
{
    if (text->report->dry_run)
        say(text, "Run dynmemd without --dry-run.");
    else if (text->report->snapshot->host.link == WORLD_LINK_READ_ONLY)
        say(text, "Give dynmemd a connection to libvirt that may write: run it as root.");
    else
        say(text, "Set mode='dynamic' in its metadata.");
    if (is_sharing(text->guest))
        enlarge_share(text);
}

static void
more_starting(ExplainText *text)
{
    say(text, "Nothing need be changed: it takes part in the sharing once its balloon driver has answered.");
    say(text, "If that does not come, look at its console, and whether its balloon driver is installed.");
}

static void
more_adopting(ExplainText *text)
{
    say(text, "Nothing need be changed: it takes part in the sharing once its first report has come.");
}

static void
more_reset(ExplainText *text)
{
    say(text,
        "Until its balloon driver is back it may touch all of its memory anyway; then it takes part in the sharing.");
    say(text, "If that does not come, look at its console.");
}

static void
more_stuck(ExplainText *text)
{
    say(text, "Its balloon must move again: see whether the guest hangs, whether its balloon driver still runs, and "
              "whether it "
              "has any memory left that it could give.");
    say(text, "If it can't be squeezed that far, raise its minimum, now %s.", size(text, text->settings->minimum_kib));
}

static void
more_unresponsive(ExplainText *text)
{
    say(text,
        "Its QEMU must answer again: see whether it is stopped or being debugged, waits for storage, or is throttled "
        "because the host has no memory left.");
}

static void
more_frozen(ExplainText *text)
{
    if (text->snapshot->migrating)
        say(text, "The migration must end first.");
    else if (text->snapshot->life == GUEST_LIFE_SUSPENDED)
        say(text, "It must wake up first, as with 'virsh dompmwakeup'.");
    else
        say(text, "It must run first, as with 'virsh resume'.");
}

static void
more_link_down(ExplainText *text)
{
    say(text, "libvirt must be back first: see 'systemctl status libvirtd virtqemud'.");
}

static void (*const ways[PLAN_RULE_COUNT])(ExplainText *text) = {
    [PLAN_RULE_SATISFIED] = need_more,
    [PLAN_RULE_AT_MINIMUM] = need_more,
    [PLAN_RULE_AT_MAXIMUM] = raise_maximum,
    [PLAN_RULE_SHORTAGE] = settle_shortage,
    [PLAN_RULE_MINIMUMS] = settle_minimums,
    [PLAN_RULE_PRESSURE] = settle_pressure,
    [PLAN_RULE_PEAK] = need_more,
    [PLAN_RULE_SURPLUS] = more_surplus,
    [PLAN_RULE_WAIT_FREE] = more_wait_free,
    [PLAN_RULE_WAIT_SURPLUS] = enlarge_share,
    [PLAN_RULE_STEP] = enlarge_share,
    [PLAN_RULE_SMALL] = enlarge_share,
    [PLAN_RULE_STALE] = more_stale,
    [PLAN_RULE_STARVED] = need_more,
    [PLAN_RULE_SETTLING] = enlarge_share,
    [PLAN_RULE_RETRY] = more_retry,
    [PLAN_RULE_MAKE_ROOM] = more_make_room,
    [PLAN_RULE_LIMIT] = enlarge_share,
    [PLAN_RULE_LET_BE] = enlarge_share,
    [PLAN_RULE_BOUND] = more_bound,
    [PLAN_RULE_OFF] = more_off,
    [PLAN_RULE_UNMANAGED] = more_unmanaged,
    [PLAN_RULE_STATIC] = more_static,
    [PLAN_RULE_BAR] = more_bar,
    [PLAN_RULE_INHIBITED] = more_inhibited,
    [PLAN_RULE_NO_DRIVER] = more_no_driver,
    [PLAN_RULE_NO_STATISTICS] = more_no_statistics,
    [PLAN_RULE_OBSERVE] = more_observe,
    [PLAN_RULE_STARTING] = more_starting,
    [PLAN_RULE_ADOPTING] = more_adopting,
    [PLAN_RULE_BROUGHT] = more_adopting,
    [PLAN_RULE_LET_GO] = more_let_go,
    [PLAN_RULE_RESET] = more_reset,
    [PLAN_RULE_STUCK] = more_stuck,
    [PLAN_RULE_UNRESPONSIVE] = more_unresponsive,
    [PLAN_RULE_FROZEN] = more_frozen,
    [PLAN_RULE_RESERVED] = more_reserved,
    [PLAN_RULE_RESTART] = more_restart,
    [PLAN_RULE_PAGING] = more_paging,
    [PLAN_RULE_PAGING_LEAVE] = more_paging,
    [PLAN_RULE_LINK_DOWN] = more_link_down,
};

GPtrArray *
explain_more(const GuestPlan *guest, const TickReport *report)
{
    ExplainText text;

    explain_text_init(&text, guest, report);
    if (ways[guest->rule] != NULL)
        ways[guest->rule](&text);
    if (text.sentences->len == 0)
        say(&text, "All that the host can give to guests is given: it needs more memory, or fewer guests.");
    return explain_text_finish(&text);
}
