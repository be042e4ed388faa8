/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_booked.h"

#include "explain_ways.h"
#include "names.h"
#include "units.h"

/* Differences below are not worth a word. */
#define SAME_KIB (2 * KIB_PER_MIB)

static bool
same(uint64_t a, uint64_t b)
{
    return MAX(a, b) - MIN(a, b) < SAME_KIB;
}

static bool
has_max(const GuestLimits *limits)
{
    return limits->max_kib != 0 && limits->max_kib != LIMIT_NONE;
}

/* ---- what it has, and what is booked ---- */

/* Why it is booked at no less, and at no more. */
static void
say_ground(ExplainText *text)
{
    const GuestPlan *guest = text->guest;
    const char *booked = size(text, guest->committed_kib);

    if (has_max(&text->snapshot->limits) && guest->committed_kib >= text->snapshot->limits.max_kib) {
        say(text, "It is booked at %s, because its control group may hold no more (memory.max, its <hard_limit>).",
            booked);
        return;
    }
    switch (guest->ground) {
    case GROUND_LIMIT:
        if (guest->balloon_kib + text->settings->fixed_kib > guest->committed_kib + SAME_KIB)
            say(text, "It is booked at %s, because memory.high holds it there; its balloon would leave it %s.", booked,
                size(text, guest->balloon_kib));
        else
            say(text, "It is booked at %s, because memory.high holds it there.", booked);
        break;
    case GROUND_BALLOON:
        say(text, "It is booked at %s, because its balloon leaves it no more%s.", booked,
            guest->committed_kib > guest->assigned_kib + text->settings->fixed_kib + SAME_KIB
                ? ", at the largest target that may be in force"
                : "");
        break;
    case GROUND_BROUGHT:
        say(text,
            "It is booked at %s, because %s and has not reported yet: the most of what was booked for it, what it was "
            "told, what it has and what its QEMU holds.",
            booked, text->snapshot->adopted ? "it ran before dynmemd did" : "it came with its memory");
        break;
    case GROUND_MAXIMUM:
        say(text, "It is booked at %s, because neither its balloon nor a limit is known to hold it to less.", booked);
        break;
    case GROUND_FULL:
        say(text,
            "It is booked at %s, all its memory or what it holds of the host's, because its balloon is not counted on.",
            booked);
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
    const GuestSnapshot *snapshot = text->snapshot;

    if (guest->state == GUEST_STATE_OFF || guest->state == GUEST_STATE_RESERVED)
        return;
    if (guest->target_kib == 0 || guest->rule == PLAN_RULE_OBSERVE)
        say(text, "It has %s.", size(text, guest->assigned_kib));
    else if (same(guest->target_kib, guest->assigned_kib))
        say(text, "It has %s, as its balloon was told.", size(text, guest->assigned_kib));
    else
        say(text, "It has %s, and its target is %s.", size(text, guest->assigned_kib), size(text, guest->target_kib));
    say_ground(text);
    if (text->settings->fixed_kib != 0)
        say(text, "%s of that are memory devices (virtio-mem), which its balloon does not reach.",
            size(text, text->settings->fixed_kib));
    if (snapshot->unseen_kib != 0)
        say(text,
            "Its kernel does not see %s of what it has (a dimm that is not online), so that much can't be squeezed.",
            size(text, snapshot->unseen_kib));
    if (snapshot->group_other_kib >= OTHER_WORTH_KIB)
        say(text,
            "Its control group holds %s that is not its memory (a disk image on tmpfs, say); that is counted as its "
            "overhead.",
            size(text, snapshot->group_other_kib));
}

/* ---- let be ---- */

void
why_let_be(ExplainText *text)
{
    say(text,
        "It was reset again and again soon after it was squeezed, as a guest is that runs out of memory. So it is not "
        "squeezed for ten minutes, and longer each time; its share would be %s.",
        size(text, text->guest->ideal_kib));
}

/* ---- bound ---- */

void
why_bound(ExplainText *text)
{
    const GuestLimits *limits = &text->snapshot->limits;

    if (text->guest->ideal_kib > text->guest->target_kib + SAME_KIB)
        say(text, "It is to have %s, and a limit above it leaves it no more than %s for now.",
            size(text, text->guest->ideal_kib), size(text, text->guest->target_kib));
    else
        say(text, "It would want more than %s, and a limit above it leaves no more.",
            size(text, text->guest->ideal_kib));
    if (has_max(limits))
        say(text, "Its control group may hold %s (memory.max, from <hard_limit> in its XML), its QEMU included.",
            size(text, limits->max_kib));
    if (limits->above_id != 0)
        say(text, "The group above it may hold %s (memory.max), and holds %s.", size(text, limits->above_kib),
            size(text, limits->above_charged_kib));
    if (text->settings->strict_nodes != 0)
        say(text, "Its memory may come from certain NUMA nodes of the host only (<numatune> in its XML).");
}

void
more_bound(ExplainText *text)
{
    const GuestLimits *limits = &text->snapshot->limits;

    if (has_max(limits))
        say(text, "Raise its <hard_limit>, now %s, or take it away, as with 'virsh memtune --hard-limit -1'.",
            size(text, limits->max_kib));
    if (limits->above_id != 0)
        say(text,
            "Raise the limit of the group above it, now %s, as with 'systemctl set-property machine.slice MemoryMax=', "
            "or stop another guest in that group.",
            size(text, limits->above_kib));
    if (text->settings->strict_nodes != 0)
        say(text, "Let it have memory of more NUMA nodes: another nodeset, or mode='preferred', in <numatune>.");
    if (!has_max(limits) && limits->above_id == 0 && text->settings->strict_nodes == 0)
        raise_maximum(text);
}

/* ---- brought, let go ---- */

void
why_brought(ExplainText *text)
{
    say(text,
        "It came with its memory %s ago (restored, migrated here, or reverted to a snapshot), and its first report is "
        "awaited: until then it keeps what it came with.",
        since(text, text->snapshot->boot_usec));
}

void
why_let_go(ExplainText *text)
{
    say(text,
        "%s. It gets its startup memory of %s back first, as it comes free; when that, and all else that its balloon "
        "leaves it, is booked for it, it is let go, and its memory is changed no more.",
        text->settings->managed        ? "Its mode is static now"
        : text->settings->element_gone ? "Its dynmem element is gone from its definition, so it is no longer managed"
                                       : "It is no longer managed",
        size(text, text->settings->startup_kib));
}

void
more_let_go(ExplainText *text)
{
    say(text, "It gets its startup memory as soon as memory is seen to be free; for that nothing need be changed.");
    if (text->settings->managed)
        say(text, "Set mode='dynamic' in its metadata to have its memory follow its need.");
    else
        say(text, "Give it back a dynmem element in its metadata (namespace " DYNMEM_METADATA_URI
                  ") to have its memory follow its need.");
}
