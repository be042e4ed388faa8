/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ways to more memory: those that several rules share, and what rules say of their own. */

#include "rule_ways.h"
#include "names.h"
#include "units.h"

#include <inttypes.h>

/* Less than this is not worth a change of settings. */
#define WORTH_KIB (64 * KIB_PER_MIB)

void
raise_maximum(ExplainText *text)
{
    tell(text, "Raise its maximum, now {maximum} (<memory> in its XML); it takes effect when the guest is started "
               "again.");
}

bool
shares_alone(const ExplainText *text)
{
    for (size_t i = 0; i < text->plan->guest_count; i++)
        if (&text->plan->guests[i] != text->guest && is_sharing(&text->plan->guests[i]))
            return false;
    return true;
}

void
raise_minimum(ExplainText *text)
{
    if (!shares_alone(text) && text->guest->ideal_kib < text->settings->maximum_kib)
        say(text, "Raise its minimum, now {minimum}, above %s: minimums are served before everything else.",
            fitted(text, text->guest->ideal_kib > text->settings->minimum_kib ? "{share}" : "{minimum}"));
}

void
raise_priority(ExplainText *text)
{
    if (shares_alone(text))
        return;
    if (text->settings->priority < 100)
        tell(text, "Raise its priority, now {priority} of 100: a shortage is shared by it.");
    else
        tell(text,
             "Lower the priority of other guests: a shortage is shared by it, and its own is the highest already.");
}

/* Memory that a guest that shares is given by its minimum alone. */
static uint64_t
idle_minimum_score(const GuestPlan *other)
{
    uint64_t idle;

    if (!is_sharing(other) || other->demand_kib == 0)
        return 0;
    idle = saturating_sub(other->guest->settings->minimum_kib, other->demand_kib);
    return idle >= WORTH_KIB ? idle : 0;
}

static const char *
idle_minimum_text(ExplainText *text, const GuestPlan *other)
{
    g_autofree char *figures = g_strdup_printf("%s, it needs %s", size(text, other->guest->settings->minimum_kib),
                                               size(text, other->demand_kib));

    return g_string_chunk_insert(text->strings, figures);
}

static uint64_t
minimum_score(const GuestPlan *other)
{
    return is_sharing(other) ? other->guest->settings->minimum_kib : 0;
}

static const char *
minimum_text(ExplainText *text, const GuestPlan *other)
{
    return size(text, other->guest->settings->minimum_kib);
}

static uint64_t
counted_score(const GuestPlan *other)
{
    return other->rule == PLAN_RULE_UNMANAGED || other->rule == PLAN_RULE_STATIC ? other->committed_kib : 0;
}

void
take_from_others(ExplainText *text)
{
    const char *idle = others(text, idle_minimum_score, idle_minimum_text);
    const char *counted = others(text, counted_score, committed_text);
    const char *largest = others(text, committed_score, committed_text);

    if (idle != NULL)
        say(text, "Lower the minimum of guests that need less: %s.", idle);
    if (counted != NULL)
        say(text, "Let dynmem manage guests that it only counts: %s.", counted);
    if (largest != NULL)
        say(text, "Stop or move another guest; the largest are %s.", largest);
}

void
raise_budget(ExplainText *text)
{
    const Plan *plan = text->plan;
    uint64_t host_kib = MIN(plan->budget_total_kib, plan->budget_available_kib);

    if (plan->budget_limit == BUDGET_BY_SETTING) {
        if (host_kib > plan->budget_kib)
            say(text, "Raise Budget= in %s, now {budget}; the host itself has room for %s.", DYNMEM_CONFIG_NAME,
                size(text, host_kib));
        return;
    }
    if (plan->other_kib >= WORTH_KIB)
        tell(text, text->report->snapshot->host.figures.arc_kib > 0
                       ? "Free memory of the host: processes that are no guests use {others-use}, ZFS's cache (ARC) at "
                         "its minimum included; the {arc} that it holds beyond that are counted as available."
                       : "Free memory of the host: processes that are no guests use {others-use}.");
    if (plan->reserve_kib > 0)
        say(text, "Lower Reserve= in %s: {reserve} are kept for the host itself.", DYNMEM_CONFIG_NAME);
}

void
need_more(ExplainText *text)
{
    if (text->guest->ideal_kib >= text->settings->maximum_kib) {
        raise_maximum(text);
        return;
    }
    tell(text, "It gets more as soon as it needs more, up to its maximum of {maximum} and as far as the budget goes.");
    if (text->settings->buffer_percent < 2000)
        tell(text, "A larger buffer, now {buffer} percent, keeps more ready beyond what it needs.");
    tell(text, "A minimum above {share}, now {minimum}, gives it more in any case.");
}

void
settle_shortage(ExplainText *text)
{
    raise_priority(text);
    raise_minimum(text);
    take_from_others(text);
    raise_budget(text);
}

void
settle_minimums(ExplainText *text)
{
    const char *minimums = others(text, minimum_score, minimum_text);

    if (minimums != NULL)
        say(text, "Lower the minimums of other guests; the largest are %s.", minimums);
    take_from_others(text);
    raise_budget(text);
    if (text->settings->priority < 100 && !shares_alone(text))
        tell(text, "Raise its priority, now {priority} of 100: memory that comes free is handed out by it.");
}

void
settle_pressure(ExplainText *text)
{
    tell(text, "Free memory of the host: processes that are no guests use {others-use}, and {available} of {total} are "
               "available. Buffers come back once the pressure has been over for a while.");
    raise_minimum(text);
}

void
enlarge_share(ExplainText *text)
{
    PlanRule limit = shared_limit(text);

    if (limit == PLAN_RULE_SHORTAGE)
        settle_shortage(text);
    else if (limit == PLAN_RULE_MINIMUMS)
        settle_minimums(text);
    else if (limit == PLAN_RULE_PRESSURE)
        settle_pressure(text);
    else
        need_more(text);
}

/* ---- of one rule each ---- */

void
set_by_hand(ExplainText *text)
{
    if (text->guest->assigned_kib < text->settings->maximum_kib)
        tell(text, "Until then its memory can be changed by hand, as with 'virsh setmem', up to its maximum of "
                   "{maximum}.");
}

void
more_wait_free(ExplainText *text)
{
    if (!text->report->snapshot->host.figures_valid)
        tell(text, "The figures of the host must be readable again: see whether /proc/meminfo can be read.");
    if (shared_limit(text) != PLAN_RULE_SATISFIED) {
        enlarge_share(text);
        return;
    }
    take_from_others(text);
    raise_budget(text);
}

void
more_surplus(ExplainText *text)
{
    if (text->guest->ideal_kib >= text->settings->maximum_kib) {
        raise_maximum(text);
        return;
    }
    if (text->settings->priority < 100 && !shares_alone(text))
        tell(text, "Raise its priority, now {priority} of 100: what nobody wants is handed out by it.");
    take_from_others(text);
    raise_budget(text);
}

void
more_bound(ExplainText *text)
{
    if (has_max(text))
        tell(text, "Raise its <hard_limit>, now {max}, or take it away, as with 'virsh memtune --hard-limit -1'.");
    if (text->snapshot->limits.above.group[0].id != 0)
        tell(text, "Raise the limit of the group above it, now {above}, as with 'systemctl set-property machine.slice "
                   "MemoryMax=', or stop another guest in that group.");
    if (text->settings->strict_nodes != 0)
        tell(text, "Let it have memory of more NUMA nodes: another nodeset, or mode='preferred', in <numatune>.");
    if (!has_max(text) && text->snapshot->limits.above.group[0].id == 0 && text->settings->strict_nodes == 0)
        raise_maximum(text);
}

void
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

    tell(text, ways[text->settings->bar]);
    if (text->settings->bar != BALLOON_BAD_MEMORY)
        tell(text, "As it is it has a fixed size: raise <memory> in its XML, now {maximum}, and start it again.");
}

void
more_observe(ExplainText *text)
{
    if (text->report->dry_run)
        tell(text, "Run dynmemd without --dry-run.");
    else if (text->report->snapshot->host.link == WORLD_LINK_READ_ONLY)
        tell(text, "Give dynmemd a connection to libvirt that may write: run it as root.");
    else
        tell(text, "Set its mode to dynamic ('dm-ctl mode').");
    if (is_sharing(text->guest))
        enlarge_share(text);
}

void
more_let_go(ExplainText *text)
{
    tell(text, text->settings->managed
                   ? "Set its mode to dynamic ('dm-ctl mode') to have its memory follow its need."
                   : "Give it settings again ('dm-ctl set', 'dm-ctl manage') to have its memory follow its need.");
}

void
more_frozen(ExplainText *text)
{
    tell(text, text->snapshot->migrating                      ? "The migration must end first."
               : text->snapshot->life == GUEST_LIFE_SUSPENDED ? "It must wake up first, as with 'virsh dompmwakeup'."
                                                              : "It must run first, as with 'virsh resume'.");
}
