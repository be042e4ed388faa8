/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"
#include "units.h"

#include <stdarg.h>

/* ---- who is in the way ---- */

static const char *
block_text(int rule)
{
    switch (rule) {
    case START_BLOCK_PRIORITY:
        return "it needs that, and its priority is higher";
    case START_BLOCK_AHEAD:
        return "its start comes first";
    case PLAN_RULE_AT_MINIMUM:
        return "that is its minimum";
    case PLAN_RULE_WAIT_SURPLUS:
        return "the first reports of guests that ran before are awaited";
    default:
        return plan_rule_text((PlanRule)rule);
    }
}

char *
start_blocker_text(const StartBlocker *blocker)
{
    g_autofree char *kept = units_format_size(blocker->kept_kib);

    if (blocker->rule == START_BLOCK_BUDGET)
        return g_strdup_printf("[Host] Budget= keeps %s from all guests", kept);
    if (blocker->rule == START_BLOCK_HOST)
        return g_strdup_printf("the host keeps %s (its own processes and the reserve)", kept);
    if (blocker->rule == START_BLOCK_NODE)
        return g_strdup_printf("of the NUMA nodes that it is bound to %s are kept by others", kept);
    if (blocker->rule == START_BLOCK_GROUP)
        return g_strdup_printf("memory.max of the control group above it keeps %s", kept);
    if (blocker->name[0] == '\0')
        return g_strdup_printf("%s are booked for other starts", kept);
    return g_strdup_printf("%s keeps %s (%s)", blocker->name, kept, block_text(blocker->rule));
}

/* ---- what would help ---- */

static void add_help(GString *help, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add_help(GString *help, const char *format, ...)
{
    va_list arguments;

    g_string_append(help, help->len > 0 ? ", or " : "");
    va_start(arguments, format);
    g_string_append_vprintf(help, format, arguments);
    va_end(arguments);
}

/* Startup memory with which it would have fitted. */
static void
add_smaller_startup(GString *help, const StartPlan *plan)
{
    const StartRequest *request = plan->request;
    const GuestSettings *guest = &request->settings;
    uint64_t lacking = MAX(plan->missing_kib, plan->timed_out ? saturating_sub(plan->needed_kib, plan->free_kib) : 0);
    uint64_t startup = saturating_sub(request->need_kib, lacking + guest->fixed_kib) / KIB_PER_MIB;
    uint64_t least = MAX(guest->minimum_kib, guest_floor_kib(guest->maximum_kib));

    if (request->kind != START_BOOT || !guest_settings_need_reports(guest) || guest->immediate)
        return; /* its startup memory is not what it needs */
    if (lacking > 0 && startup > 0 && startup * KIB_PER_MIB >= least)
        add_help(help, "a startup of at most %" G_GUINT64_FORMAT " MiB", startup);
}

static void
add_help_of(GString *help, const StartBlocker *blocker)
{
    switch (blocker->rule) {
    case START_BLOCK_BUDGET:
        add_help(help, "a larger [Host] Budget=");
        break;
    case START_BLOCK_HOST:
        break;
    case START_BLOCK_NODE:
        add_help(help, "to let it have memory of other NUMA nodes (<numatune>)");
        break;
    case START_BLOCK_GROUP:
        add_help(help,
                 "a larger memory.max of that group (as with systemctl set-property machine.slice MemoryMax=...)");
        break;
    case START_BLOCK_AHEAD:
    case PLAN_RULE_STARTING:
    case PLAN_RULE_RESET:
    case PLAN_RULE_SETTLING:
    case PLAN_RULE_RESTART:
        add_help(help, "to wait until %s is up", blocker->name[0] != '\0' ? blocker->name : "the others");
        break;
    case PLAN_RULE_ADOPTING:
    case PLAN_RULE_BROUGHT:
        add_help(help, "to wait until %s has reported", blocker->name);
        break;
    case START_BLOCK_PRIORITY:
        add_help(help, "a priority not below that of %s", blocker->name);
        break;
    case PLAN_RULE_AT_MINIMUM:
        add_help(help, "a smaller minimum of %s", blocker->name);
        break;
    case PLAN_RULE_UNMANAGED:
        add_help(help, "to have %s managed, or to stop it", blocker->name);
        break;
    case PLAN_RULE_LET_GO:
        add_help(help, "to have %s managed again, or to stop it", blocker->name);
        break;
    case PLAN_RULE_STATIC:
    case PLAN_RULE_OBSERVE:
        add_help(help, "mode=dynamic for %s, or to stop it", blocker->name);
        break;
    case PLAN_RULE_FROZEN:
        add_help(help, "to resume or stop %s", blocker->name);
        break;
    case PLAN_RULE_LINK_DOWN:
        add_help(help, "to try again when dynmemd is connected to libvirt");
        break;
    default:
        add_help(help, "to stop %s", blocker->name);
        break;
    }
}

/* At most two ways besides, or nobody reads the line to its end. */
static char *
what_would_help(const StartPlan *plan)
{
    GString *help = g_string_new(NULL);

    if (plan->timed_out && plan->missing_kib == 0)
        add_help(help, "to try again, or a longer [Admission] TimeoutSec=");
    add_smaller_startup(help, plan);
    for (unsigned i = 0; i < MIN(plan->blocker_count, 2); i++)
        add_help_of(help, &plan->blockers[i]);
    if (help->len == 0)
        add_help(help, "to stop other guests or processes of the host");
    return g_string_free(help, FALSE);
}

/* ---- the answer ---- */

static char *
figures(const StartPlan *plan)
{
    g_autofree char *needed = units_format_size(plan->needed_kib);
    g_autofree char *memory = units_format_size(plan->request->need_kib);
    g_autofree char *overhead = units_format_size(plan->overhead_kib);
    g_autofree char *free_text = units_format_size(plan->free_kib);
    g_autofree char *reclaimable = units_format_size(plan->reclaimable_kib);
    g_autofree char *pages = units_format_size(plan->pool_kib);
    g_autofree char *pool =
        plan->pool_kib > 0 ? g_strdup_printf(", %s of huge pages that their pool lacks", pages) : g_strdup("");

    return g_strdup_printf(
        "%s needs %s to start (%s%s and %s for its QEMU), %s are free and %s can be taken from others",
        plan->request->name, needed, memory, pool, overhead, free_text, reclaimable);
}

static char *
refused_text(const StartPlan *plan)
{
    g_autofree char *needs = figures(plan);
    g_autofree char *help = what_would_help(plan);
    g_autoptr(GString) blockers = g_string_new(NULL);

    for (unsigned i = 0; i < plan->blocker_count; i++) {
        g_autofree char *blocker = start_blocker_text(&plan->blockers[i]);

        g_string_append_printf(blockers, "%s%s", i == 0 ? "; " : ", ", blocker);
    }
    return g_strdup_printf("%s%s%s; what would help: %s", needs,
                           plan->timed_out && plan->missing_kib == 0 ? ", which did not come free in time" : "",
                           blockers->str, help);
}

static char *
admitted_text(const StartPlan *plan)
{
    const StartRequest *request = plan->request;
    g_autofree char *booked = units_format_size(plan->booked_kib);
    g_autofree char *overhead = units_format_size(plan->overhead_kib);
    g_autofree char *needed = units_format_size(request->need_kib);
    g_autofree char *lacking = units_format_size(saturating_sub(request->need_kib, plan->booked_kib));

    if (plan->booked_kib >= request->need_kib)
        return g_strdup_printf("%s may start: %s and %s for its QEMU are booked", request->name, booked, overhead);
    if (plan->shortfall_kib > 0)
        return g_strdup_printf(
            "%s may start again: %s of the %s it needs are booked, what lacks (%s) comes from a paging "
            "file where it may have one",
            request->name, booked, needed, lacking);
    return g_strdup_printf("%s may start, though only %s of the %s it needs are free; %s more could not be had",
                           request->name, booked, needed, lacking);
}

char *
start_plan_text(const StartPlan *plan)
{
    g_autofree char *needs = NULL;

    switch (plan->verdict) {
    case START_ADMITTED:
        return admitted_text(plan);
    case START_REFUSED:
        return refused_text(plan);
    case START_WAITS:
    default:
        needs = figures(plan);
        return g_strdup_printf("%s; it waits until enough is free", needs);
    }
}

/* ---- ratings ---- */

static void
squeeze_clear(gpointer data)
{
    StartSqueeze *squeeze = data;

    g_free(squeeze->name);
}

void
start_rating_clear(StartRating *rating)
{
    g_clear_pointer(&rating->squeezes, g_array_unref);
    *rating = (StartRating){0};
}

void
start_rating_add(StartRating *rating, const StartSqueeze *squeeze)
{
    StartSqueeze copy = *squeeze;

    if (rating->squeezes == NULL) {
        rating->squeezes = g_array_new(FALSE, TRUE, sizeof(StartSqueeze));
        g_array_set_clear_func(rating->squeezes, squeeze_clear);
    }
    copy.name = g_strdup(squeeze->name);
    g_array_append_val(rating->squeezes, copy);
}
