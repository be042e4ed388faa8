/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger_changes.h"

#include "explain_state.h"
#include "held_tick.h"
#include "memories.h"
#include "units.h"

/* A balloon that gives so much more than is granted is emptied; less is a size that was rounded, or a page on its way. */
#define EMPTIED_KIB (64 * KIB_PER_MIB)

/* What was told about one guest in its present run. Guests that nothing is to be told of have none. */
typedef struct GuestMemory {
    char uuid[37];
    Lasting emptied;
    Lasting unseen;
    Lasting other;
    bool let_be;
    bool let_go;
} GuestMemory;

struct LedgerChanges {
    GHashTable *memories; /* uuid, in the value -> GuestMemory */
};

LedgerChanges *
ledger_changes_new(void)
{
    LedgerChanges *changes = g_new0(LedgerChanges, 1);

    changes->memories = memories_new(g_free);
    return changes;
}

void
ledger_changes_free(LedgerChanges *changes)
{
    if (changes == NULL)
        return;
    g_hash_table_unref(changes->memories);
    g_free(changes);
}

/* ---- its balloon ---- */

static void
compare_moved(const GuestPlan *before, const GuestPlan *now, GPtrArray *list)
{
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    uint64_t was_kib;

    if (!now->moved || before == NULL || before->moved)
        return;
    was_kib = before->guest->actual_kib;
    if (was_kib == now->guest->actual_kib)
        was_kib = before->target_kib; /* it was seen there while a call to it was under way, and could not be judged */
    from = units_format_size(was_kib);
    to = units_format_size(now->guest->actual_kib);
    change_list_add_guest(
        list, CHANGE_BALLOON_MOVED, now, was_kib, now->guest->actual_kib,
        "neither dynmemd nor its target asked for that",
        g_strdup_printf("The balloon of guest %s was moved from %s to %s by somebody else ('virsh setmem', another "
                        "manager) or by the guest itself%s.",
                        now->guest->name, from, to, now->tell ? "; its target is told again" : ""));
}

/* While a guest boots its balloon means nothing, and the limit is there for that. */
static bool
is_settled(const GuestPlan *guest)
{
    return guest->state == GUEST_STATE_ACTIVE || guest->state == GUEST_STATE_STUCK ||
           guest->state == GUEST_STATE_SUSPENDED || guest->state == GUEST_STATE_MIGRATING ||
           guest->state == GUEST_STATE_UNRESPONSIVE;
}

static bool
has_emptied(const GuestPlan *guest)
{
    return guest->ground == GROUND_LIMIT &&
           guest->balloon_kib + guest->guest->settings->fixed_kib >= guest->committed_kib + EMPTIED_KIB;
}

static void
compare_emptied(GuestMemory *memory, const GuestPlan *now, uint64_t now_usec, GPtrArray *list)
{
    g_autofree char *booked = NULL;
    g_autofree char *balloon = NULL;

    if (!is_settled(now)) {
        memory->emptied = (Lasting){.told = false};
        return;
    }
    if (!lasting_update(&memory->emptied, has_emptied(now), now_usec))
        return;
    booked = units_format_size(now->committed_kib);
    balloon = units_format_size(memory->emptied.told ? now->balloon_kib : now->assigned_kib);
    if (memory->emptied.told)
        change_list_add_guest(
            list, CHANGE_BALLOON_EMPTIED, now, now->committed_kib, now->balloon_kib,
            "its balloon was emptied, and its limit (memory.high) holds it",
            g_strdup_printf(
                "Guest %s empties its balloon by itself, or somebody else does: that would leave it %s. Its "
                "limit (memory.high) holds it at the %s that it is booked at, and what it touches beyond that "
                "makes it slow.",
                now->guest->name, balloon, booked));
    else
        change_list_add_guest(
            list, CHANGE_BALLOON_REFILLED, now, now->committed_kib, now->assigned_kib, "",
            g_strdup_printf("Guest %s is where its balloon was told to be again: it has %s and is booked at %s.",
                            now->guest->name, balloon, booked));
}

/* ---- let go ---- */

static void
compare_element(const GuestPlan *before, const GuestPlan *now, GPtrArray *list)
{
    const GuestSnapshot *guest = now->guest;
    const char *then;

    if (before == NULL || before->guest->serial != guest->serial || before->guest->settings->element_gone ||
        !guest->settings->element_gone)
        return;
    then = guest->settings->managed        ? "it is managed by the defaults instead (Manage=all)"
           : guest->life == GUEST_LIFE_OFF ? "it is no longer managed, and all its memory is booked at its next start"
           : now->rule == PLAN_RULE_LET_GO ? "it is no longer managed: it gets its startup memory back first, and all "
                                             "its memory is booked for it from then on"
                                           : "it is no longer managed, and all its memory is booked for it from now on";
    change_list_add_guest(list, CHANGE_ELEMENT_GONE, now, before->committed_kib, now->committed_kib,
                          "its definition has no dynmem element any more",
                          g_strdup_printf("The dynmem element of guest %s is gone from its definition: %s. If nobody "
                                          "took it out, a tool that defines guests anew has lost it.",
                                          guest->name, then));
}

static void
compare_let_go(GuestMemory *memory, const GuestPlan *now, GPtrArray *list)
{
    const GuestSettings *settings = now->guest->settings;
    g_autofree char *assigned = units_format_size(now->assigned_kib);
    g_autofree char *startup = units_format_size(settings->startup_kib);

    if (now->rule == PLAN_RULE_LET_GO && !memory->let_go) {
        memory->let_go = true;
        change_list_add_guest(
            list, CHANGE_LETTING_GO, now, now->assigned_kib, settings->startup_kib,
            settings->managed ? "its mode is static now" : "it is no longer managed",
            g_strdup_printf("Guest %s gets its startup memory back before it is let go: it has %s of %s, and %s.",
                            now->guest->name, assigned, startup,
                            settings->managed ? "its mode is static now" : "it is no longer managed"));
    } else if (memory->let_go && (now->rule == PLAN_RULE_UNMANAGED || now->rule == PLAN_RULE_STATIC)) {
        memory->let_go = false;
        change_list_add_guest(list, CHANGE_LET_GO, now, 0, now->assigned_kib, "",
                              g_strdup_printf("Guest %s is let go: it has %s, and its memory is changed no more.",
                                              now->guest->name, assigned));
    } else if (settings->managed && settings->mode != GUEST_MODE_STATIC) {
        memory->let_go = false;
    }
}

/* ---- let be ---- */

/* Its rule is that only while it would be squeezed: it is let be until it is. */
static void
compare_let_be(GuestMemory *memory, const GuestPlan *before, const GuestPlan *now, GPtrArray *list)
{
    g_autofree char *assigned = NULL;
    g_autofree char *target = NULL;

    if (now->rule == PLAN_RULE_LET_BE && !memory->let_be) {
        memory->let_be = true;
        assigned = units_format_size(now->assigned_kib);
        change_list_add_guest(
            list, CHANGE_LET_BE, now, now->ideal_kib, now->assigned_kib,
            "it was reset again and again soon after it was squeezed",
            g_strdup_printf("Guest %s is let be with %s: it was reset again and again soon after it was "
                            "squeezed, so it is not squeezed for a while. Its minimum may be too small.",
                            now->guest->name, assigned));
    } else if (memory->let_be && before != NULL && before->guest->boots == now->guest->boots && now->tell &&
               now->target_kib < before->target_kib) {
        memory->let_be = false;
        target = units_format_size(now->target_kib);
        change_list_add_guest(
            list, CHANGE_SQUEEZED_AGAIN, now, before->target_kib, now->target_kib, "",
            g_strdup_printf(
                "Guest %s is squeezed again, to %s: it has been let be for a while after it was reset again "
                "and again.",
                now->guest->name, target));
    }
}

/* ---- what no balloon reaches ---- */

static void
compare_out_of_reach(GuestMemory *memory, const GuestPlan *now, uint64_t now_usec, GPtrArray *list)
{
    const GuestSnapshot *guest = now->guest;

    if (lasting_update(&memory->unseen, guest->unseen_kib != 0, now_usec) && memory->unseen.told) {
        g_autofree char *unseen = units_format_size(guest->unseen_kib);

        change_list_add_guest(
            list, CHANGE_MEMORY_UNSEEN, now, 0, guest->unseen_kib, "its kernel does not see all that its QEMU gives it",
            g_strdup_printf(
                "Guest %s has %s that its kernel does not see (a dimm that is not online): that much is not "
                "squeezed.",
                guest->name, unseen));
    }
    if (lasting_update(&memory->other, guest->group_other_kib >= OTHER_WORTH_KIB, now_usec) && memory->other.told) {
        g_autofree char *other = units_format_size(guest->group_other_kib);

        change_list_add_guest(
            list, CHANGE_GROUP_HOLDS_MORE, now, 0, guest->group_other_kib,
            "its control group holds more than its memory",
            g_strdup_printf(
                "The control group of guest %s holds %s that is not its memory (a disk image on tmpfs?): that "
                "is booked besides, and no balloon gives it back.",
                guest->name, other));
    }
}

/* ---- all ---- */

static bool
has_news(const GuestPlan *guest)
{
    return has_emptied(guest) || guest->rule == PLAN_RULE_LET_GO || guest->rule == PLAN_RULE_LET_BE ||
           guest->guest->unseen_kib != 0 || guest->guest->group_other_kib >= OTHER_WORTH_KIB;
}

static void
compare_guest(LedgerChanges *changes, const GuestPlan *before, const GuestPlan *now, uint64_t now_usec, GPtrArray *list)
{
    GuestMemory *memory = g_hash_table_lookup(changes->memories, now->guest->uuid);

    compare_moved(before, now, list);
    compare_element(before, now, list);
    if (memory == NULL && !has_news(now))
        return;
    memory = memories_make(changes->memories, now->guest->uuid, sizeof *memory);
    compare_emptied(memory, now, now_usec, list);
    compare_let_go(memory, now, list);
    compare_let_be(memory, before, now, list);
    compare_out_of_reach(memory, now, now_usec, list);
}

void
ledger_changes_compare(LedgerChanges *changes, const TickReport *before, const TickReport *now, GPtrArray *list)
{
    for (size_t i = 0; i < now->plan->guest_count; i++) {
        const GuestPlan *guest = &now->plan->guests[i];

        compare_guest(changes, before != NULL ? plan_find(before->plan, guest->guest->uuid) : NULL, guest,
                      now->now_usec, list);
    }
    memories_forget_off(changes->memories, now->plan);
}
