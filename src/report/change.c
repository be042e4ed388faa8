/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change.h"

#include "names.h"

#include <syslog.h>

static const struct {
    const char *name;
    const char *message_id;
    int priority;
    ChangeFigures figures;
} kinds[CHANGE_KIND_COUNT] = {
    [CHANGE_TARGET_CHANGED] = {"target-changed", DYNMEM_MESSAGE_TARGET_CHANGED, LOG_INFO},
    [CHANGE_TARGET_FAILED] = {"target-failed", DYNMEM_MESSAGE_TARGET_FAILED, LOG_WARNING},
    [CHANGE_STATE_CHANGED] = {"state-changed", DYNMEM_MESSAGE_STATE_CHANGED, LOG_INFO},
    [CHANGE_GUEST_STUCK] = {"guest-stuck", DYNMEM_MESSAGE_GUEST_STUCK, LOG_WARNING},
    [CHANGE_GUEST_RECOVERED] = {"guest-recovered", DYNMEM_MESSAGE_GUEST_RECOVERED, LOG_NOTICE},
    [CHANGE_GUEST_UNRESPONSIVE] = {"guest-unresponsive", DYNMEM_MESSAGE_GUEST_UNRESPONSIVE, LOG_WARNING},
    [CHANGE_GUEST_BACK] = {"guest-back", DYNMEM_MESSAGE_GUEST_BACK, LOG_NOTICE},
    [CHANGE_GUEST_STATIC] = {"guest-static", DYNMEM_MESSAGE_GUEST_STATIC, LOG_NOTICE},
    [CHANGE_GUEST_RESET] = {"guest-reset", DYNMEM_MESSAGE_GUEST_RESET, LOG_NOTICE},
    [CHANGE_STATUS_WARNING] = {"status-warning", DYNMEM_MESSAGE_STATUS_WARNING, LOG_WARNING},
    [CHANGE_STATUS_OK] = {"status-ok", DYNMEM_MESSAGE_STATUS_OK, LOG_NOTICE},
    [CHANGE_STATISTICS_DOUBTED] = {"statistics-doubted", DYNMEM_MESSAGE_STATISTICS_DOUBTED, LOG_WARNING},
    [CHANGE_SETTINGS_REJECTED] = {"settings-rejected", DYNMEM_MESSAGE_SETTINGS_REJECTED, LOG_WARNING},
    [CHANGE_SETTINGS_ACCEPTED] = {"settings-accepted", DYNMEM_MESSAGE_SETTINGS_ACCEPTED, LOG_NOTICE},
    [CHANGE_CONFIG_REJECTED] = {"config-rejected", DYNMEM_MESSAGE_CONFIG_REJECTED, LOG_WARNING},
    [CHANGE_MINIMUMS_DO_NOT_FIT] = {"minimums-do-not-fit", DYNMEM_MESSAGE_MINIMUMS_DO_NOT_FIT, LOG_ERR},
    [CHANGE_MINIMUMS_FIT] = {"minimums-fit", DYNMEM_MESSAGE_MINIMUMS_FIT, LOG_NOTICE},
    [CHANGE_OVER_BUDGET] = {"over-budget", DYNMEM_MESSAGE_OVER_BUDGET, LOG_WARNING},
    [CHANGE_WITHIN_BUDGET] = {"within-budget", DYNMEM_MESSAGE_WITHIN_BUDGET, LOG_NOTICE},
    [CHANGE_LIBVIRT_LOST] = {"libvirt-lost", DYNMEM_MESSAGE_LIBVIRT_LOST, LOG_WARNING},
    [CHANGE_LIBVIRT_BACK] = {"libvirt-back", DYNMEM_MESSAGE_LIBVIRT_BACK, LOG_NOTICE},
    [CHANGE_GUEST_RESTARTED] = {"guest-restarted", DYNMEM_MESSAGE_GUEST_RESTARTED, LOG_NOTICE},
    [CHANGE_START_WAITING] = {"start-waiting", DYNMEM_MESSAGE_START_WAITING, LOG_NOTICE, CHANGE_FIGURES_START},
    [CHANGE_START_ADMITTED] = {"start-admitted", DYNMEM_MESSAGE_START_ADMITTED, LOG_INFO, CHANGE_FIGURES_START},
    [CHANGE_START_REFUSED] = {"start-refused", DYNMEM_MESSAGE_START_REFUSED, LOG_WARNING, CHANGE_FIGURES_START},
    [CHANGE_START_DROPPED] = {"start-dropped", DYNMEM_MESSAGE_START_DROPPED, LOG_INFO, CHANGE_FIGURES_START},
    [CHANGE_PAGING_STARTED] = {"paging-started", DYNMEM_MESSAGE_PAGING_STARTED, LOG_NOTICE, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_ENDED] = {"paging-ended", DYNMEM_MESSAGE_PAGING_ENDED, LOG_NOTICE, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_HARDER] = {"paging-harder", DYNMEM_MESSAGE_PAGING_HARDER, LOG_NOTICE, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_HARDEST] = {"paging-hardest", DYNMEM_MESSAGE_PAGING_HARDEST, LOG_WARNING, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_OVERDUE] = {"paging-overdue", DYNMEM_MESSAGE_PAGING_OVERDUE, LOG_CRIT, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_REFUSED] = {"paging-refused", DYNMEM_MESSAGE_PAGING_REFUSED, LOG_WARNING, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_STUCK] = {"paging-stuck", DYNMEM_MESSAGE_PAGING_STUCK, LOG_WARNING, CHANGE_FIGURES_PAGING},
    [CHANGE_PAGING_UNAVAILABLE] = {"paging-unavailable", DYNMEM_MESSAGE_PAGING_UNAVAILABLE, LOG_NOTICE},
    [CHANGE_LIMIT_FAILED] = {"limit-failed", DYNMEM_MESSAGE_LIMIT_FAILED, LOG_WARNING},
    [CHANGE_LIMITS_UNAVAILABLE] = {"limits-unavailable", DYNMEM_MESSAGE_LIMITS_UNAVAILABLE, LOG_NOTICE},
    [CHANGE_GUEST_HELD_BACK] = {"guest-held-back", DYNMEM_MESSAGE_GUEST_HELD_BACK, LOG_NOTICE},
    [CHANGE_BALLOON_MOVED] = {"balloon-moved", DYNMEM_MESSAGE_BALLOON_MOVED, LOG_NOTICE},
    [CHANGE_BALLOON_EMPTIED] = {"balloon-emptied", DYNMEM_MESSAGE_BALLOON_EMPTIED, LOG_WARNING},
    [CHANGE_BALLOON_REFILLED] = {"balloon-refilled", DYNMEM_MESSAGE_BALLOON_REFILLED, LOG_NOTICE},
    [CHANGE_ELEMENT_GONE] = {"element-gone", DYNMEM_MESSAGE_ELEMENT_GONE, LOG_WARNING},
    [CHANGE_LETTING_GO] = {"letting-go", DYNMEM_MESSAGE_LETTING_GO, LOG_NOTICE},
    [CHANGE_LET_GO] = {"let-go", DYNMEM_MESSAGE_LET_GO, LOG_NOTICE},
    [CHANGE_LET_BE] = {"let-be", DYNMEM_MESSAGE_LET_BE, LOG_WARNING},
    [CHANGE_SQUEEZED_AGAIN] = {"squeezed-again", DYNMEM_MESSAGE_SQUEEZED_AGAIN, LOG_NOTICE},
    [CHANGE_MEMORY_UNSEEN] = {"memory-unseen", DYNMEM_MESSAGE_MEMORY_UNSEEN, LOG_NOTICE},
    [CHANGE_GROUP_HOLDS_MORE] = {"group-holds-more", DYNMEM_MESSAGE_GROUP_HOLDS_MORE, LOG_WARNING},
    [CHANGE_PERIOD_CHANGED] = {"period-changed", DYNMEM_MESSAGE_PERIOD_CHANGED, LOG_NOTICE},
    [CHANGE_SETTINGS_ADVICE] = {"settings-advice", DYNMEM_MESSAGE_SETTINGS_ADVICE, LOG_NOTICE},
    [CHANGE_SETTINGS_CHANGED] = {"settings-changed", DYNMEM_MESSAGE_SETTINGS_CHANGED, LOG_NOTICE},
    [CHANGE_GUEST_RENAMED] = {"guest-renamed", DYNMEM_MESSAGE_GUEST_RENAMED, LOG_NOTICE},
    [CHANGE_RETIRING] = {"retiring", DYNMEM_MESSAGE_RETIRING, LOG_NOTICE},
    [CHANGE_RETIRING_ENDED] = {"retiring-ended", DYNMEM_MESSAGE_RETIRING_ENDED, LOG_NOTICE},
    [CHANGE_MOVE_OFFERED] = {"move-offered", DYNMEM_MESSAGE_MOVE_OFFERED, LOG_NOTICE},
    [CHANGE_MOVE_BOOKED] = {"move-booked", DYNMEM_MESSAGE_MOVE_BOOKED, LOG_INFO},
    [CHANGE_MOVE_WISHED] = {"move-wished", DYNMEM_MESSAGE_MOVE_WISHED, LOG_NOTICE},
    [CHANGE_MOVE_LEFT] = {"move-left", DYNMEM_MESSAGE_MOVE_LEFT, LOG_NOTICE},
    [CHANGE_MOVE_ARRIVED] = {"move-arrived", DYNMEM_MESSAGE_MOVE_ARRIVED, LOG_NOTICE},
    [CHANGE_MOVE_WITHDRAWN] = {"move-withdrawn", DYNMEM_MESSAGE_MOVE_WITHDRAWN, LOG_WARNING},
};

const char *
change_kind_name(ChangeKind kind)
{
    return kinds[kind].name;
}

const char *
change_kind_message_id(ChangeKind kind)
{
    return kinds[kind].message_id;
}

int
change_kind_priority(ChangeKind kind)
{
    return kinds[kind].priority;
}

ChangeFigures
change_kind_figures(ChangeKind kind)
{
    return kinds[kind].figures;
}

void
change_copy(const Change *change, Change *copy)
{
    *copy = *change;
    copy->name = g_strdup(change->name);
    copy->reason = g_strdup(change->reason);
    copy->message = g_strdup(change->message);
    copy->directory = g_strdup(change->directory);
}

void
change_clear(Change *change)
{
    g_clear_pointer(&change->name, g_free);
    g_clear_pointer(&change->reason, g_free);
    g_clear_pointer(&change->message, g_free);
    g_clear_pointer(&change->directory, g_free);
}

static void
change_free(void *data)
{
    change_clear(data);
    g_free(data);
}

GPtrArray *
change_list_new(void)
{
    return g_ptr_array_new_with_free_func(change_free);
}

Change *
change_list_add(GPtrArray *list, ChangeKind kind, const char *uuid, const char *name, const char *reason, char *message)
{
    Change *change = g_new0(Change, 1);

    change->kind = kind;
    g_strlcpy(change->uuid, uuid, sizeof change->uuid);
    /* the bus takes UTF-8 only, and texts of other libraries go in here */
    change->name = g_utf8_make_valid(name, -1);
    change->reason = g_utf8_make_valid(reason, -1);
    change->message = g_utf8_make_valid(message, -1);
    change->directory = g_strdup("");
    g_free(message);
    g_ptr_array_add(list, change);
    return change;
}

Change *
change_list_add_guest(GPtrArray *list, ChangeKind kind, const GuestPlan *guest, uint64_t old_kib, uint64_t new_kib,
                      const char *reason, char *message)
{
    Change *change = change_list_add(list, kind, guest->guest->uuid, guest->guest->name, reason, message);

    change->old_kib = old_kib;
    change->new_kib = new_kib;
    return change;
}

bool
lasting_update(Lasting *lasting, bool is, uint64_t now_usec)
{
    if (is == lasting->told) {
        lasting->since_usec = 0;
        return false;
    }
    if (lasting->since_usec == 0)
        lasting->since_usec = MAX(now_usec, 1);
    if (now_usec - lasting->since_usec < LASTING_USEC)
        return false;
    lasting->told = is;
    lasting->since_usec = 0;
    return true;
}
