/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "fake_tick.h"
#include "report/explain.h"
#include "report/rules.h"

#include <string.h>

/* ---- helpers ---- */

static char *
joined(GPtrArray *sentences)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < sentences->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)g_ptr_array_index(sentences, i));
    g_ptr_array_unref(sentences);
    return g_string_free(text, FALSE);
}

static char *
why(FakeTick *tick)
{
    return joined(explain_why(&tick->plans[0], &tick->report));
}

static char *
more(FakeTick *tick)
{
    return joined(explain_more(&tick->plans[0], &tick->report));
}

static void
assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void
assert_silent(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in:\n%s", part, text);
}

/*
 * A guest under a rule, with the plan as decide/ would leave it, and what must and must not be said of it. parts are
 * separated by '|'.
 */
typedef struct Case {
    PlanRule rule;
    void (*arrange)(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings);
    const char *why_says;
    const char *more_says;
    const char *more_silent;
} Case;

/* Out of the sharing, with everything that it may have booked. */
static void
stand_out(FakeTick *tick, GuestPlan *guest, GuestState state)
{
    guest->state = state;
    guest->weight = 0;
    guest->stage = PLAN_STAGE_NONE;
    guest->ideal_kib = 0;
    guest->committed_kib = 4 * KIB_PER_GIB;
}

static void
short_of_memory(FakeTick *tick, GuestPlan *guest)
{
    guest->demand_kib = 3 * KIB_PER_GIB;
    guest->want_kib = 3686 * KIB_PER_MIB;
    guest->ideal_kib = 2560 * KIB_PER_MIB;
    tick->plan.demands_kib = 14 * KIB_PER_GIB;
    tick->plan.wants_kib = 16 * KIB_PER_GIB;
}

static void
at_minimum(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->demand_kib = 300 * KIB_PER_MIB;
    guest->want_kib = guest->ideal_kib = KIB_PER_GIB;
    guest->stage = PLAN_STAGE_MINIMUM;
}

static void
at_maximum(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->want_kib = guest->ideal_kib = guest->demand_kib = 4 * KIB_PER_GIB;
}

static void
shortage(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    short_of_memory(tick, guest);
    fake_tick_settings(tick, 1)->minimum_kib = 2 * KIB_PER_GIB;
    tick->plans[1].demand_kib = 700 * KIB_PER_MIB;
}

static void
shortage_of_buffer(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    short_of_memory(tick, guest);
    guest->demand_kib = 2 * KIB_PER_GIB;
    settings->priority = 100;
    tick->plan.budget_limit = BUDGET_BY_SETTING;
    tick->plan.budget_kib = 6 * KIB_PER_GIB;
}

static void
shortage_alone(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    short_of_memory(tick, guest);
    stand_out(tick, &tick->plans[1], GUEST_STATE_STATIC);
    tick->plans[1].rule = PLAN_RULE_UNMANAGED;
}

static void
minimums(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    short_of_memory(tick, guest);
    guest->ideal_kib = KIB_PER_GIB;
    tick->plan.minimums_fit = false;
    tick->plan.minimums_kib = 13 * KIB_PER_GIB;
}

static void
pressure(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = guest->demand_kib;
    tick->plan.host_pressure = true;
}

static void
surplus(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = 3 * KIB_PER_GIB;
    guest->stage = PLAN_STAGE_SURPLUS;
}

static void
surplus_at_maximum(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = 4 * KIB_PER_GIB;
    guest->stage = PLAN_STAGE_SURPLUS;
}

static void
wait_free(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = guest->want_kib = 3 * KIB_PER_GIB;
    tick->plans[1].target_kib = KIB_PER_GIB;
}

static void
wait_free_blind(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = guest->want_kib = 3 * KIB_PER_GIB;
    tick->snapshot.host.figures_valid = false;
    stand_out(tick, &tick->plans[1], GUEST_STATE_ACTIVE);
    tick->plans[1].rule = PLAN_RULE_ADOPTING;
}

static void
others_awaited(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = guest->target_kib;
    stand_out(tick, &tick->plans[1], GUEST_STATE_ACTIVE);
    tick->plans[1].rule = PLAN_RULE_ADOPTING;
}

static void
step(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->target_kib = 1900 * KIB_PER_MIB;
}

static void
small(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = guest->target_kib - 40 * KIB_PER_MIB;
}

static void
small_in_shortage(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    short_of_memory(tick, guest);
    guest->target_kib = guest->assigned_kib = guest->ideal_kib - 20 * KIB_PER_MIB;
}

static void
peak(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = 3 * KIB_PER_GIB;
    guest->stage = PLAN_STAGE_PEAK;
}

static void
stale(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    snapshot->fresh = false;
    snapshot->report_usec = tick->report.now_usec - 12 * USEC_PER_SEC;
    guest->ideal_kib = guest->target_kib;
}

/* By its last report it needs 1.2 GiB. */
static void
doubtful(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->shown_kib = 1229 * KIB_PER_MIB;
    guest->doubtful = true;
}

static void
goes_up_and_down(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->shown_kib = 1229 * KIB_PER_MIB;
}

static void
starved(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->starved = true;
    guest->demand_kib = 2500 * KIB_PER_MIB;
    guest->want_kib = guest->ideal_kib = guest->target_kib = 3000 * KIB_PER_MIB;
}

static void
settling(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    snapshot->driver_usec = tick->report.now_usec - 3 * USEC_PER_SEC;
    guest->ideal_kib = guest->target_kib;
}

static void
off(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_OFF);
    guest->target_kib = guest->assigned_kib = guest->committed_kib = 0;
    snapshot->life = GUEST_LIFE_OFF;
}

static void
unmanaged(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STATIC);
    guest->target_kib = 0;
    settings->managed = false;
}

static void
is_static(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STATIC);
    settings->mode = GUEST_MODE_STATIC;
}

static void
vfio(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STATIC);
    settings->bar = BALLOON_VFIO;
}

static void
inhibited(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STATIC);
    snapshot->resident_kib = 3900 * KIB_PER_MIB;
}

static void
stand_static(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STATIC);
}

static void
observe(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->state = GUEST_STATE_OBSERVED;
    settings->mode = GUEST_MODE_OBSERVE;
}

static void
observe_alone(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    observe(tick, guest, snapshot, settings);
    tick->plan.minimums_kib = tick->plan.demands_kib = tick->plan.wants_kib = 0;
}

static void
dry_run(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->state = GUEST_STATE_OBSERVED;
    tick->report.dry_run = true;
    short_of_memory(tick, guest);
}

static void
read_only(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->state = GUEST_STATE_OBSERVED;
    tick->snapshot.host.link = WORLD_LINK_READ_ONLY;
}

static void
starting(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STARTING);
    snapshot->boot_usec = tick->report.now_usec - 7 * USEC_PER_SEC;
}

static void
adopting(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_ACTIVE);
}

static void
reset(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_RESTARTING);
    snapshot->boot_usec = tick->report.now_usec - 9 * USEC_PER_SEC;
}

static void
stuck(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STUCK);
    guest->flagged_usec = tick->report.now_usec - 30 * USEC_PER_SEC;
    guest->retry_usec = tick->report.now_usec + 45 * USEC_PER_SEC;
}

static void
unresponsive(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_UNRESPONSIVE);
}

static void
paused(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_SUSPENDED);
    snapshot->life = GUEST_LIFE_PAUSED;
}

static void
migrating(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_MIGRATING);
    snapshot->migrating = true;
}

static void
make_room(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ideal_kib = 1280 * KIB_PER_MIB;
    fake_tick_start(tick, 1, START_WAITS);
}

static void
reserved(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    fake_tick_start(tick, 0, START_ADMITTED)->shortfall_kib = 200 * KIB_PER_MIB;
}

static void
waits_to_start(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    StartPlan *start = fake_tick_start(tick, 0, START_WAITS);

    start->blockers[0] = (StartBlocker){.name = "db", .kept_kib = KIB_PER_GIB, .rule = PLAN_RULE_AT_MINIMUM};
    start->blocker_count = 1;
    tick->requests[0].restart = RESTART_SOON;
    tick->plans[1].rule = PLAN_RULE_MAKE_ROOM;
    tick->plans[1].ideal_kib = KIB_PER_GIB;
}

/* Started again a minute ago, with 300 MiB of its 2 GiB missing. */
static void
restarts(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_RESTARTING);
    guest->restart = RESTART_RESET;
    guest->granted_kib = guest->committed_kib = 1748 * KIB_PER_MIB;
    guest->shortfall_kib = 300 * KIB_PER_MIB;
    guest->paging_phase = PAGING_PHASE_WAIT;
    snapshot->boot_usec = tick->report.now_usec - 60 * USEC_PER_SEC;
    snapshot->driver_up = false;
}

static void
restarts_without_file(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    restarts(tick, guest, snapshot, settings);
    guest->paging_phase = PAGING_PHASE_REFUSED;
    guest->paging_bar = "vm.swappiness is 0";
}

static void
pages(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    restarts(tick, guest, snapshot, settings);
    guest->state = GUEST_STATE_PAGING;
    guest->paging_phase = PAGING_PHASE_BOOT;
    guest->paging_deadline_usec = tick->report.now_usec + 540 * USEC_PER_SEC;
    fake_tick_file(tick, 0, PAGING_STAGE_ON);
}

static void
leaves_overdue(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    pages(tick, guest, snapshot, settings);
    snapshot->driver_up = true;
    guest->paging_phase = PAGING_PHASE_LEAVE;
    guest->paging_urgency = PAGING_URGENCY_OVERDUE;
    guest->paging_deadline_usec = tick->report.now_usec - 30 * USEC_PER_SEC;
    tick->files[0].error = g_strdup("swapoff: Cannot allocate memory");
}

static void
link_down(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    tick->snapshot.host.link = WORLD_LINK_DOWN;
}

/* Squeezed to 2 GiB, and its share is 1.8: it is not taken. */
static void
let_be(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    guest->ground = GROUND_BALLOON;
}

/* 3 GiB of <hard_limit> leave it 2.8 GiB. */
static void
bound_by_its_own(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    fake_tick_limit(tick, 0)->max_kib = 3 * KIB_PER_GIB;
    guest->demand_kib = guest->want_kib = guest->ideal_kib = guest->target_kib = 2867 * KIB_PER_MIB;
}

static void
bound_by_group_and_nodes(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    GuestLimits *limits = fake_tick_limit(tick, 0);

    limits->above.group[0].id = 7;
    limits->above.group[0].limit_kib = 10 * KIB_PER_GIB;
    limits->above.group[0].charged_kib = 9 * KIB_PER_GIB;
    settings->strict_nodes = 1;
    guest->demand_kib = guest->want_kib = guest->ideal_kib = 2867 * KIB_PER_MIB;
}

/* Restored 4 s ago with 3 GiB. */
static void
brought(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_STARTING);
    snapshot->boot_resumed = true;
    snapshot->boot_usec = tick->report.now_usec - 4 * USEC_PER_SEC;
    guest->committed_kib = 3 * KIB_PER_GIB;
    guest->ground = GROUND_BROUGHT;
}

/* Its element was taken out while it has 1 GiB of its 2 GiB. */
static void
let_go(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    stand_out(tick, guest, GUEST_STATE_ACTIVE);
    guest->assigned_kib = guest->target_kib = guest->committed_kib = KIB_PER_GIB;
    settings->managed = false;
    settings->element_gone = true;
}

static void
let_go_static(FakeTick *tick, GuestPlan *guest, GuestSnapshot *snapshot, GuestSettings *settings)
{
    let_go(tick, guest, snapshot, settings);
    settings->managed = true;
    settings->mode = GUEST_MODE_STATIC;
}

static const Case cases[] = {
    {PLAN_RULE_SATISFIED, NULL,
     "It has 2 GiB, as its balloon was told.|It needs 1.5 GiB; with its buffer of 20 percent|wants 1.8 GiB.|said that "
     "512 "
     "MiB of 2 GiB were usable|which covers all that it wants|may have 12 GiB together",
     "as soon as it needs more, up to its maximum of 4 GiB|A larger buffer, now 20 percent|A minimum above 1.8 GiB, "
     "now 1 GiB",
     "priority|Stop or move|Reserve=|Budget="},
    {PLAN_RULE_SATISFIED, doubtful, "It needs 1.5 GiB|By that it needs 1.2 GiB; but it lacked memory a while ago", "",
     "goes up and down"},
    {PLAN_RULE_SATISFIED, goes_up_and_down, "By that it needs 1.2 GiB; but its need goes up and down", "",
     "a while ago"},
    {PLAN_RULE_AT_MINIMUM, at_minimum, "less than its minimum of 1 GiB|it wants 1 GiB, its minimum",
     "as soon as it needs more|A minimum above 1 GiB", "priority|Stop or move"},
    {PLAN_RULE_AT_MAXIMUM, at_maximum, "more than its maximum of 4 GiB|wants 4 GiB, its maximum",
     "Raise its maximum, now 4 GiB|started again", "priority|minimum|buffer"},
    {PLAN_RULE_SHORTAGE, shortage,
     "shared by priority: with priority 50 its share is 2.5 GiB, which is 1.1 GiB less than it wants and 512 MiB less "
     "than it "
     "needs|what they need adds up to 14 GiB",
     "Raise its priority, now 50 of 100|Raise its minimum, now 1 GiB, above 2.5 GiB|need less: db (2 GiB, it needs 700 "
     "MiB)|Stop or move another guest; the largest are db (2 GiB)|no guests use 1 GiB|Lower Reserve= in dynmemd.conf: "
     "2 GiB",
     "Budget=|buffer|Manage"},
    {PLAN_RULE_SHORTAGE, shortage_of_buffer, "which covers what it needs and is 1.1 GiB less than it wants",
     "Lower the priority of other guests|Raise Budget= in dynmemd.conf, now 6 GiB; the host itself has room for 12 GiB",
     "Raise its priority|Reserve="},
    {PLAN_RULE_SHORTAGE, shortage_alone, "shared by priority",
     "Let dynmem manage guests that it only counts: db (4 GiB)|Reserve=", "priority|minimum"},
    {PLAN_RULE_MINIMUMS, minimums,
     "they add up to 13 GiB, and the guests may have 12 GiB together. It is to have 1 GiB",
     "Lower the minimums of other guests; the largest are db (1 GiB)|Raise its priority, now 50", "Raise its minimum"},
    {PLAN_RULE_PRESSURE, pressure, "buffers are given up: it is to have 1.5 GiB",
     "Free memory of the host: processes that are no guests use 1 GiB, and 9 GiB of 16 GiB are available|Raise its "
     "minimum",
     "priority|Budget="},
    {PLAN_RULE_SURPLUS, surplus, "handed out (GiveAway=): it is to have 3 GiB, which is 1.2 GiB more than it wants",
     "Raise its priority, now 50|Stop or move", "maximum"},
    {PLAN_RULE_SURPLUS, surplus_at_maximum, "it is to have 4 GiB", "Raise its maximum, now 4 GiB", "priority"},
    {PLAN_RULE_WAIT_FREE, wait_free,
     "It is to have 3 GiB|committed 4 GiB of a budget of 12 GiB|are giving memory back: db (1 GiB)",
     "as soon as memory is seen to be free|Stop or move|Reserve=", "priority|/proc/meminfo|buffer"},
    {PLAN_RULE_WAIT_FREE, wait_free_blind,
     "1 guest that ran before dynmemd did might have more|figures of the host can't be read",
     "see whether /proc/meminfo can be read", "priority"},
    {PLAN_RULE_WAIT_SURPLUS, NULL, "Its share is 1.8 GiB|taken back only when", "as soon as it needs more", "priority"},
    {PLAN_RULE_WAIT_SURPLUS, others_awaited, "Nobody is squeezed until the guests that ran before",
     "as soon as it needs more", "priority"},
    {PLAN_RULE_STEP, step, "It has 2 GiB, and its target is 1.9 GiB.|shrunk to 1.8 GiB|the present one ends at 1.9 GiB",
     "as soon as it needs more", "priority"},
    {PLAN_RULE_SMALL, small, "differs from its target by 40 MiB only", "as soon as it needs more", "priority"},
    {PLAN_RULE_SMALL, small_in_shortage, "differs from its target by 20 MiB only|shared by priority",
     "Raise its priority, now 50", "buffer"},
    {PLAN_RULE_PEAK, peak, "needed more a short while ago|to have 3 GiB, which is 1.2 GiB more than it wants now",
     "as soon as it needs more", "priority"},
    {PLAN_RULE_STALE, stale, "have not changed for 12 s", "statistics must change again|Raise its minimum", "priority"},
    {PLAN_RULE_STARVED, starved, "It is starved|shows what it has, not what it needs|to have",
     "as soon as it needs more", "priority"},
    {PLAN_RULE_SETTLING, settling, "driver came up 3 s ago", "as soon as it needs more", "priority"},
    {PLAN_RULE_RETRY, NULL, "It did not follow its target before", "It must follow its target for a while", "priority"},
    {PLAN_RULE_LIMIT, settling, "It gave what it could", "as soon as it needs more", "priority"},
    {PLAN_RULE_LET_BE, let_be, "reset again and again soon after it was squeezed|its share would be 1.8 GiB",
     "as soon as it needs more", "priority"},
    {PLAN_RULE_BOUND, bound_by_its_own,
     "would want more than 2.8 GiB, and a limit above it leaves no more|control group may hold 3 GiB (memory.max",
     "Raise its <hard_limit>, now 3 GiB", "priority|machine.slice|numatune|maximum"},
    {PLAN_RULE_BOUND, bound_by_group_and_nodes,
     "is to have 2.8 GiB, and a limit above it leaves it no more than 2 GiB for now|group above it may hold 10 GiB "
     "(memory.max), and holds 9 GiB|NUMA nodes",
     "limit of the group above it, now 10 GiB|<numatune>", "priority|hard_limit|maximum"},
    {PLAN_RULE_OFF, off, "It is off and has no memory", "Start it; it needs 2 GiB to boot", "priority"},
    {PLAN_RULE_UNMANAGED, unmanaged, "no dynmem element in its metadata. Its memory is counted (4 GiB)",
     "dm-ctl manage|Manage=all|'virsh setmem', up to its maximum of 4 GiB", "priority"},
    {PLAN_RULE_STATIC, is_static, "Its mode is static: its memory is counted (4 GiB)", "dm-ctl mode", "priority"},
    {PLAN_RULE_BAR, vfio, "through VFIO|counted with 4 GiB", "Take the host device|raise <memory>", "priority"},
    {PLAN_RULE_INHIBITED, inhibited, "its QEMU kept it, and holds 3.8 GiB", "what holds its memory", "priority"},
    {PLAN_RULE_NO_DRIVER, stand_static, "balloon driver has not answered|4 GiB are counted", "virtio_balloon",
     "priority"},
    {PLAN_RULE_NO_STATISTICS, stand_static, "sends no statistics", "balloon service", "priority"},
    {PLAN_RULE_OBSERVE, observe_alone, "No guest shares memory so far; those that will may have 12 GiB together",
     "dm-ctl mode", "0 KiB"},
    {PLAN_RULE_OBSERVE, observe, "Its mode is observe|it would have 1.8 GiB", "dm-ctl mode", "--dry-run|priority"},
    {PLAN_RULE_OBSERVE, dry_run, "This is a dry run|shared by priority", "without --dry-run|Raise its priority",
     "dm-ctl mode"},
    {PLAN_RULE_OBSERVE, read_only, "may only read", "run it as root", "dm-ctl mode|--dry-run"},
    {PLAN_RULE_STARTING, starting, "It started 7 s ago|4 GiB are booked", "once its balloon driver has answered",
     "priority"},
    {PLAN_RULE_ADOPTING, adopting, "It ran before dynmemd did", "once its first report has come", "priority"},
    {PLAN_RULE_BROUGHT, brought,
     "It came with its memory 4 s ago|booked at 3 GiB, because it came with its memory and has not reported yet",
     "once its first report has come", "priority"},
    {PLAN_RULE_LET_GO, let_go,
     "Its dynmem element is gone from its definition|gets its startup memory of 2 GiB back first|it is let go",
     "as soon as memory is seen to be free|dm-ctl manage", "dm-ctl mode|priority"},
    {PLAN_RULE_LET_GO, let_go_static, "Its mode is static now", "dm-ctl mode", "dm-ctl manage|priority"},
    {PLAN_RULE_RESET, reset, "It was reset 9 s ago|4 GiB are booked", "takes part in the sharing", "priority"},
    {PLAN_RULE_STUCK, stuck, "noticed 30 s ago|tried again in 45 s",
     "balloon must move again|raise its minimum, now 1 GiB", "priority"},
    {PLAN_RULE_UNRESPONSIVE, unresponsive, "QEMU does not answer. It is set aside with 4 GiB booked",
     "QEMU must answer again", "priority"},
    {PLAN_RULE_FROZEN, paused, "It is paused: what it had, 4 GiB", "virsh resume", "migration"},
    {PLAN_RULE_FROZEN, migrating, "It is being migrated", "The migration must end", "resume"},
    {PLAN_RULE_MAKE_ROOM, make_room, "squeezed to 1.3 GiB so that another guest|waited for by db.",
     "its share again once|Raise its priority|Raise its minimum", "Stop or move"},
    {PLAN_RULE_RESERVED, reserved, "about to start: 2 GiB are booked for it, and 150 MiB for its QEMU|200 MiB of what",
     "Nothing need be changed", "priority"},
    {PLAN_RULE_RESERVED, waits_to_start,
     "counts as a restart|it was stopped a moment before|needs 2.1 GiB, 150 MiB of them for its QEMU; 512 MiB are free "
     "and "
     "1 GiB can be taken|given up by others: db (2 GiB, on its way to 1 GiB)|In the way: db keeps 1 GiB (that is its "
     "minimum)|in 25 s",
     "as soon as memory is seen|Lower its startup memory, now 2 GiB", "priority"},
    {PLAN_RULE_RESTART, restarts, "restarted 1 min ago: it was reset|Of the 2 GiB|1.7 GiB are found, and 300 MiB",
     "as it comes free", "priority|dm-ctl check"},
    {PLAN_RULE_RESTART, restarts_without_file, "can't be had: vm.swappiness is 0|held back", "dm-ctl check",
     "priority"},
    {PLAN_RULE_PAGING, pages,
     "needs to boot is in a paging file|1.7 GiB are found, and 300 MiB are missing|is 1 min old and has 512 MiB, of "
     "which 300 MiB are used|gone in",
     "comes free goes to it before all|look at its console", "priority"},
    {PLAN_RULE_PAGING_LEAVE, leaves_overdue, "driver is back|gone 30 s ago|failed last: swapoff: Cannot allocate",
     "comes free goes to it before all", "priority|console"},
    {PLAN_RULE_LINK_DOWN, link_down, "no connection to libvirt", "libvirt must be back", "priority"},
};

static FakeTick *
arrange(const Case *test)
{
    FakeTick *tick = fake_tick_new();

    fake_tick_add(tick, "web");
    fake_tick_add(tick, "db");
    tick->plans[0].rule = test->rule;
    if (test->arrange != NULL)
        test->arrange(tick, &tick->plans[0], fake_tick_snapshot(tick, 0), fake_tick_settings(tick, 0));
    return tick;
}

static void
for_each_part(const char *parts, const char *text, void (*check)(const char *text, const char *part))
{
    g_auto(GStrv) split = g_strsplit(parts, "|", -1);

    for (size_t i = 0; split[i] != NULL; i++)
        check(text, split[i]);
}

/* ---- tests ---- */

static void
every_rule_is_explained_by_what_belongs_to_it(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FakeTick) tick = arrange(&cases[i]);
        g_autofree char *because = why(tick);
        g_autofree char *ways = more(tick);

        for_each_part(cases[i].why_says, because, assert_says);
        for_each_part(cases[i].more_says, ways, assert_says);
        for_each_part(cases[i].more_silent, ways, assert_silent);
    }
}

static void
every_rule_has_a_case(void **state)
{
    for (PlanRule rule = 0; rule < PLAN_RULE_COUNT; rule++) {
        bool found = false;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
            found = found || cases[i].rule == rule;
        if (!found)
            fail_msg("no case for %s", plan_rule_name(rule));
    }
}

static void
assert_sentences(GPtrArray *sentences)
{
    assert_true(sentences->len > 0);
    for (unsigned i = 0; i < sentences->len; i++) {
        const char *sentence = g_ptr_array_index(sentences, i);

        assert_true(g_ascii_isupper(sentence[0]) || g_ascii_isdigit(sentence[0]) ||
                    g_str_has_prefix(sentence, "dynmem") || g_str_has_prefix(sentence, "libvirt"));
        assert_true(g_str_has_suffix(sentence, "."));
        assert_null(strstr(sentence, "(null)"));
        assert_null(strstr(sentence, ".."));
    }
    g_ptr_array_unref(sentences);
}

static void
every_rule_has_whole_sentences_in_any_arrangement(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (PlanRule rule = 0; rule < PLAN_RULE_COUNT; rule++) {
            g_autoptr(FakeTick) tick = arrange(&cases[i]);
            g_autofree char *reason = NULL;

            tick->plans[0].rule = rule;
            assert_sentences(explain_why(&tick->plans[0], &tick->report));
            assert_sentences(explain_more(&tick->plans[0], &tick->report));
            reason = reason_text(&tick->plans[0], &tick->plan);
            assert_true(reason[0] != '\0' && !g_str_has_suffix(reason, "."));
            assert_null(strstr(reason, "(null)"));
        }
    }
}

/* As a record of the journal has it, behind the target that it explains. */
static void
a_reason_has_the_figure_that_the_target_comes_from(void **state)
{
    static const struct {
        Case guest;
        uint64_t target_kib;
        const char *says;
    } targets[] = {
        {{.rule = PLAN_RULE_AT_MINIMUM, .arrange = at_minimum}, KIB_PER_GIB, "its minimum is 1 GiB, it needs 300 MiB"},
        /* it had all its memory until its driver was up */
        {{.rule = PLAN_RULE_SETTLING, .arrange = settling},
         2 * KIB_PER_GIB,
         "below its startup yet: its startup is 2 GiB"},
        {{.rule = PLAN_RULE_SETTLING, .arrange = settling}, KIB_PER_GIB, "yet: it keeps the 1 GiB that it was told"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        g_autoptr(FakeTick) tick = arrange(&targets[i].guest);
        g_autofree char *reason = NULL;

        tick->plans[0].target_kib = targets[i].target_kib;
        reason = reason_text(&tick->plans[0], &tick->plan);
        assert_says(reason, targets[i].says);
    }
}

static void
each_kind_of_bar_has_its_way_out(void **state)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (BalloonBar bar = BALLOON_USABLE; bar <= BALLOON_BAD_MEMORY; bar++) {
        g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_BAR, .arrange = vfio});
        char *ways;

        fake_tick_settings(tick, 0)->bar = bar;
        ways = more(tick);
        assert_true(g_hash_table_add(seen, ways));
    }
}

static void
the_largest_three_others_are_named(void **state)
{
    g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SHORTAGE, .arrange = shortage});
    g_autofree char *ways = NULL;

    for (unsigned i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("g%u", i);

        fake_tick_add(tick, name)->committed_kib = (i + 3) * KIB_PER_GIB;
    }
    ways = more(tick);
    assert_says(ways, "the largest are g4 (7 GiB), g3 (6 GiB), g2 (5 GiB).");
}

static void
wrong_settings_and_doubts_are_said(void **state)
{
    g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SATISFIED});
    g_autofree char *because = NULL;

    fake_tick_reject(tick, 0, "minimum '8GiB' is above the maximum");
    fake_tick_snapshot(tick, 0)->doubts = DOUBT_USABLE_ABOVE_TOTAL;
    because = why(tick);
    assert_says(because, "minimum '8GiB' is above the maximum");
    assert_says(because, "What it reports can't be right");
}

/* On each ground web is booked at 2 GiB while its balloon would leave it 3.5. */
static void
what_it_is_booked_at_is_said_with_the_ground(void **state)
{
    static const struct {
        LedgerGround ground;
        const char *says;
    } grounds[] = {
        {GROUND_LIMIT, "booked at 2 GiB, because memory.high holds it there; its balloon would leave it 3.5 GiB."},
        {GROUND_BALLOON, "booked at 2 GiB, because its balloon leaves it no more."},
        {GROUND_BROUGHT, "booked at 2 GiB, because it came with its memory and has not reported yet"},
        {GROUND_MAXIMUM, "booked at 2 GiB, because neither its balloon nor a limit is known to hold it to less."},
        {GROUND_FULL, "booked at 2 GiB, all its memory"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(grounds); i++) {
        g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SATISFIED});
        g_autofree char *because = NULL;

        tick->plans[0].ground = grounds[i].ground;
        tick->plans[0].balloon_kib = 3584 * KIB_PER_MIB;
        because = why(tick);
        assert_says(because, grounds[i].says);
        assert_silent(because, "target that may be in force");
    }
}

static void
a_ground_is_told_apart_further_where_it_is_another_thing(void **state)
{
    g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SATISFIED});
    g_autofree char *raised = NULL;
    g_autofree char *adopted = NULL;
    g_autofree char *most = NULL;
    g_autofree char *gone = NULL;

    tick->plans[0].ground = GROUND_BALLOON;
    tick->plans[0].committed_kib = 3 * KIB_PER_GIB;
    raised = why(tick);
    assert_says(raised, "booked at 3 GiB, because its balloon leaves it no more, at the largest target that may be in");
    tick->plans[0].ground = GROUND_BROUGHT;
    tick->snapshots[0].adopted = true;
    adopted = why(tick);
    assert_says(adopted, "because it ran before dynmemd did and has not reported yet");
    fake_tick_limit(tick, 0)->max_kib = 3 * KIB_PER_GIB;
    most = why(tick);
    assert_says(most, "may hold no more (memory.max, its <hard_limit>)");
    tick->plans[0].state = GUEST_STATE_OFF;
    gone = why(tick);
    assert_silent(gone, "booked");
}

static void
what_no_balloon_reaches_is_said(void **state)
{
    g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SATISFIED});
    g_autofree char *without = why(tick);
    g_autofree char *because = NULL;

    assert_silent(without, "virtio-mem");
    assert_silent(without, "kernel does not see");
    assert_silent(without, "that is not its memory");
    tick->snapshots[0].unseen_kib = 256 * KIB_PER_MIB;
    tick->snapshots[0].group_other_kib = 3 * KIB_PER_GIB;
    fake_tick_settings(tick, 0)->fixed_kib = 512 * KIB_PER_MIB;
    because = why(tick);
    assert_says(because, "512 MiB of that are memory devices (virtio-mem)");
    assert_says(because, "does not see 256 MiB of what it has (a dimm that is not online)");
    assert_says(because, "holds 3 GiB that is not its memory (a disk image on tmpfs, say)");
}

static void
reports_in_another_rhythm_are_said(void **state)
{
    g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SATISFIED});
    g_autofree char *calm = why(tick);
    g_autofree char *because = NULL;

    assert_silent(calm, "It reports");
    tick->snapshots[0].rhythm_sec = 5;
    because = why(tick);
    assert_says(because, "It reports every 5 s, and every 1 s is asked for");
}

static void
advice_is_not_said_as_a_refusal(void **state)
{
    g_autoptr(FakeTick) tick = arrange(&(Case){.rule = PLAN_RULE_SATISFIED});
    g_autofree char *because = NULL;

    fake_tick_advise(tick, 0, "startup is 1 GiB, and it needs 2 GiB for itself");
    because = why(tick);
    assert_says(because, "in force, and may not work out: startup is 1 GiB");
    assert_silent(because, "can't be used");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_explained_by_what_belongs_to_it),
        cmocka_unit_test(every_rule_has_a_case),
        cmocka_unit_test(every_rule_has_whole_sentences_in_any_arrangement),
        cmocka_unit_test(a_reason_has_the_figure_that_the_target_comes_from),
        cmocka_unit_test(each_kind_of_bar_has_its_way_out),
        cmocka_unit_test(the_largest_three_others_are_named),
        cmocka_unit_test(wrong_settings_and_doubts_are_said),
        cmocka_unit_test(what_it_is_booked_at_is_said_with_the_ground),
        cmocka_unit_test(a_ground_is_told_apart_further_where_it_is_another_thing),
        cmocka_unit_test(what_no_balloon_reaches_is_said),
        cmocka_unit_test(reports_in_another_rhythm_are_said),
        cmocka_unit_test(advice_is_not_said_as_a_refusal),
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
