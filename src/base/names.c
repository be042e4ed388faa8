/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

const char *
guest_state_name(GuestState state)
{
    static const char *const names[] = {
        [GUEST_STATE_OFF] = "off",
        [GUEST_STATE_RESERVED] = "reserved",
        [GUEST_STATE_STARTING] = "starting",
        [GUEST_STATE_ACTIVE] = "active",
        [GUEST_STATE_RESTARTING] = "restarting",
        [GUEST_STATE_PAGING] = "paging",
        [GUEST_STATE_STUCK] = "stuck",
        [GUEST_STATE_UNRESPONSIVE] = "unresponsive",
        [GUEST_STATE_STATIC] = "static",
        [GUEST_STATE_OBSERVED] = "observed",
        [GUEST_STATE_SUSPENDED] = "suspended",
        [GUEST_STATE_MIGRATING] = "migrating",
    };

    return names[state];
}

const char *
guest_status_name(GuestStatus status)
{
    static const char *const names[] = {
        [GUEST_STATUS_OK] = "ok",
        [GUEST_STATUS_LOW] = "low",
        [GUEST_STATUS_WARNING] = "warning",
    };

    return names[status];
}

const char *
plan_stage_name(PlanStage stage)
{
    static const char *const names[] = {
        [PLAN_STAGE_NONE] = "none",       [PLAN_STAGE_MINIMUM] = "minimum", [PLAN_STAGE_DEMAND] = "demand",
        [PLAN_STAGE_WANT] = "want",       [PLAN_STAGE_GROWTH] = "growth",   [PLAN_STAGE_PEAK] = "peak",
        [PLAN_STAGE_SURPLUS] = "surplus",
    };

    return names[stage];
}

const char *
paging_stage_name(PagingStage stage)
{
    static const char *const names[] = {
        [PAGING_STAGE_MAKING] = "making", [PAGING_STAGE_ON] = "on",         [PAGING_STAGE_EMPTYING] = "emptying",
        [PAGING_STAGE_GONE] = "gone",     [PAGING_STAGE_FAILED] = "failed",
    };

    return names[stage];
}

const char *
paging_phase_name(PagingPhase phase)
{
    static const char *const names[] = {
        [PAGING_PHASE_NONE] = "none",       [PAGING_PHASE_WAIT] = "waiting",  [PAGING_PHASE_MAKE] = "making",
        [PAGING_PHASE_BOOT] = "booting",    [PAGING_PHASE_LEAVE] = "leaving", [PAGING_PHASE_EMPTY] = "emptying",
        [PAGING_PHASE_REFUSED] = "refused",
    };

    return names[phase];
}

const char *
restart_kind_name(RestartKind kind)
{
    static const char *const names[] = {
        [RESTART_NONE] = "none",
        [RESTART_RESET] = "reset",
        [RESTART_SOON] = "soon",
        [RESTART_HOST] = "host",
    };

    return names[kind];
}

const char *
start_kind_name(StartKind kind)
{
    static const char *const names[] = {
        [START_BOOT] = "boot",
        [START_RESTORE] = "restore",
        [START_MIGRATION] = "migration",
    };

    return names[kind];
}

const char *
start_verdict_name(StartVerdict verdict)
{
    static const char *const names[] = {
        [START_WAITS] = "waiting",
        [START_ADMITTED] = "admitted",
        [START_REFUSED] = "refused",
    };

    return names[verdict];
}

static const struct {
    const char *name;
    const char *text;
} rules[PLAN_RULE_COUNT] = {
    [PLAN_RULE_SATISFIED] = {"satisfied", "it has all it wants"},
    [PLAN_RULE_AT_MINIMUM] = {"at-minimum", "it wants less than its minimum"},
    [PLAN_RULE_AT_MAXIMUM] = {"at-maximum", "it wants more than its maximum"},
    [PLAN_RULE_SHORTAGE] = {"shortage", "the budget does not suffice and is shared by priority"},
    [PLAN_RULE_MINIMUMS] = {"minimums", "not even the minimums of all guests fit in the budget"},
    [PLAN_RULE_PRESSURE] = {"pressure", "the host is under memory pressure, so buffers are given up"},
    [PLAN_RULE_STARVED] = {"starved", "it is starved and is tried with more than it shows to need"},
    [PLAN_RULE_PEAK] = {"peak", "it has what it needed a short while ago, which nobody else lacks"},
    [PLAN_RULE_SURPLUS] = {"surplus", "memory that nobody wants is handed out"},
    [PLAN_RULE_WAIT_FREE] = {"wait-free", "the raise waits until memory is seen free"},
    [PLAN_RULE_WAIT_SURPLUS] = {"wait-surplus", "its surplus has not lasted long enough to be taken back"},
    [PLAN_RULE_STEP] = {"step", "it is shrunk in steps that it can follow"},
    [PLAN_RULE_SMALL] = {"small", "the change would be too small to be worth it"},
    [PLAN_RULE_STALE] = {"stale", "its statistics have stopped changing, so it is not shrunk"},
    [PLAN_RULE_SETTLING] = {"settling", "its driver came up a moment ago, so it is not squeezed below its startup yet"},
    [PLAN_RULE_RETRY] = {"retry", "it did not follow its target and is tried again"},
    [PLAN_RULE_MAKE_ROOM] = {"make-room", "it is squeezed so that another guest can start or restart"},
    [PLAN_RULE_LET_BE] = {"let-be", "it was reset again and again after it was squeezed, and is let be for a while"},
    [PLAN_RULE_BOUND] = {"bound", "a limit above it leaves no more"},
    [PLAN_RULE_LIMIT] = {"limit", "it gave what it could and can't be squeezed further for now"},
    [PLAN_RULE_OFF] = {"off", "it is off"},
    [PLAN_RULE_UNMANAGED] = {"unmanaged", "it has no dynmem element in its metadata"},
    [PLAN_RULE_STATIC] = {"static", "its mode is static"},
    [PLAN_RULE_BAR] = {"bar", "its balloon can't free memory"},
    [PLAN_RULE_INHIBITED] = {"inhibited", "its balloon moved and the host gained nothing"},
    [PLAN_RULE_NO_DRIVER] = {"no-driver", "its balloon driver never answered"},
    [PLAN_RULE_NO_STATISTICS] = {"no-statistics", "its balloon works but sends no statistics"},
    [PLAN_RULE_OBSERVE] = {"observe", "it is only observed"},
    [PLAN_RULE_STARTING] = {"starting", "it starts and its balloon driver is not up yet"},
    [PLAN_RULE_BROUGHT] = {"brought", "it came with its memory and its first report is awaited"},
    [PLAN_RULE_LET_GO] = {"let-go", "it is to be ballooned no longer and gets its startup memory back first"},
    [PLAN_RULE_ADOPTING] = {"adopting", "it ran before the daemon and its first report is awaited"},
    [PLAN_RULE_RESET] = {"reset", "it was reset and its balloon driver is not up again yet"},
    [PLAN_RULE_STUCK] = {"stuck", "its balloon does not move"},
    [PLAN_RULE_UNRESPONSIVE] = {"unresponsive", "its QEMU does not answer"},
    [PLAN_RULE_FROZEN] = {"frozen", "it is paused, suspended or migrating"},
    [PLAN_RULE_RESERVED] = {"reserved", "it is about to start: memory is booked for it, or looked for"},
    [PLAN_RULE_RESTART] = {"restart", "it restarts, and gets its startup memory as it comes free"},
    [PLAN_RULE_PAGING] = {"paging", "it restarts with a part of its startup memory in a paging file"},
    [PLAN_RULE_PAGING_LEAVE] = {"paging-leave", "it has restarted and gives up what is in its paging file"},
    [PLAN_RULE_LINK_DOWN] = {"link-down", "libvirt is away and guests keep their targets"},
};

const char *
plan_rule_name(PlanRule rule)
{
    return rules[rule].name;
}

const char *
plan_rule_text(PlanRule rule)
{
    return rules[rule].text;
}

const char *
balloon_bar_text(BalloonBar bar)
{
    static const char *const texts[] = {
        [BALLOON_USABLE] = "nothing is known against its balloon",
        [BALLOON_NO_DEVICE] = "it has no balloon device",
        [BALLOON_VFIO] = "a host device is assigned to it through VFIO, which pins its memory",
        [BALLOON_VDPA] = "a vDPA device pins its memory",
        [BALLOON_NVME] = "an NVMe disk driven from user space pins its memory",
        [BALLOON_SEV] = "memory encryption pins its memory",
        [BALLOON_HUGEPAGES] = "its memory is backed by huge pages, which a balloon can't give back",
        [BALLOON_LOCKED] = "its memory is locked",
        [BALLOON_BAD_MEMORY] = "its XML names no usable amount of memory",
    };

    return texts[bar];
}

const char *
ledger_ground_name(LedgerGround ground)
{
    static const char *const names[] = {
        [GROUND_NONE] = "none",       [GROUND_START] = "start",     [GROUND_LIMIT] = "limit",
        [GROUND_BALLOON] = "balloon", [GROUND_BROUGHT] = "brought", [GROUND_MAXIMUM] = "maximum",
        [GROUND_FULL] = "full",
    };

    return names[ground];
}

const char *
budget_limit_name(BudgetLimit limit)
{
    static const char *const names[] = {
        [BUDGET_BY_TOTAL] = "total",
        [BUDGET_BY_AVAILABLE] = "available",
        [BUDGET_BY_SETTING] = "setting",
        [BUDGET_BY_GROUP] = "group",
    };

    return names[limit];
}

const char *
guest_mode_name(GuestMode mode)
{
    static const char *const names[] = {
        [GUEST_MODE_DYNAMIC] = "dynamic",
        [GUEST_MODE_OBSERVE] = "observe",
        [GUEST_MODE_STATIC] = "static",
    };

    return names[mode];
}

const char *
world_link_name(WorldLink link)
{
    static const char *const names[] = {
        [WORLD_LINK_DOWN] = "down",
        [WORLD_LINK_READ_ONLY] = "read-only",
        [WORLD_LINK_READ_WRITE] = "read-write",
    };

    return names[link];
}
