/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules.h"

#include "explain_starts.h"
#include "explain_state.h"
#include "explain_text.h"
#include "names.h"
#include "rule_ways.h"
#include "rule_whys.h"

typedef struct RuleWords {
    /* behind the clause of the rule; NULL: it says it all */
    const char *figure;
    const char *(*figure_of)(const ExplainText *text);
    /* why it has what it has, in this order */
    const char *why;
    void (*why_also)(ExplainText *text);
    bool delays; /* the share itself, and what limits that is said too */
    /* what would have to change for it to get more, in this order */
    const char *more[2];
    void (*ways)(ExplainText *text);
} RuleWords;

static const RuleWords rules[PLAN_RULE_COUNT] = {
    /* in the sharing, and this limited the answer */
    [PLAN_RULE_SATISFIED] = {.figure = "{want}",
                             .why = "It is to have {share}, which covers all that it wants.",
                             .ways = need_more},
    [PLAN_RULE_AT_MINIMUM] = {.figure = "its minimum is {minimum}, it needs {demand}",
                              .why = "It would do with less than its minimum of {minimum}, and no guest is squeezed "
                                     "below its minimum.",
                              .ways = need_more},
    [PLAN_RULE_AT_MAXIMUM] = {.figure = "{maximum}",
                              .why = "It would want more than its maximum of {maximum}, and no guest gets more than "
                                     "its maximum.",
                              .ways = raise_maximum},
    [PLAN_RULE_SHORTAGE] = {.figure = "it wants {want}, its share with priority {priority} is {share}",
                            .why_also = why_shortage,
                            .ways = settle_shortage},
    [PLAN_RULE_MINIMUMS] = {.figure = "it wants {want}, its share with priority {priority} is {share}",
                            .why = "Not even the minimums of the guests that share fit: they add up to {minimums}, and "
                                   "the guests may have {shared} together. It is to have {share}.",
                            .ways = settle_minimums},
    [PLAN_RULE_PRESSURE] = {.figure = "it wants {want} and is to have {share}",
                            .why = "The kernel reports that the host itself lacks memory, so buffers are given up: it "
                                   "is to have {share}, which covers what it needs, but not all that it wants.",
                            .ways = settle_pressure},
    [PLAN_RULE_STARVED] = {.figure = "it is to have {share}",
                           .why = "A starved guest shows what it has, not what it needs. It is tried with more, in "
                                  "steps that double, and with up to twice what it has of what nobody else lacks: it "
                                  "is to have {share}.",
                           .ways = need_more},
    [PLAN_RULE_PEAK] = {.figure = "it wants {want} and is to have {share}",
                        .why = "It needed more a short while ago, and nobody else lacks that memory: it is to have "
                               "{share}, which is {share-want} more than it wants now.",
                        .ways = need_more},
    [PLAN_RULE_SURPLUS] = {.figure = "it wants {want} and is to have {share}",
                           .why = "Memory that nobody wants is handed out (GiveAway=): it is to have {share}, which is "
                                  "{share-want} more than it wants.",
                           .ways = more_surplus},
    /* in the sharing, and this delayed the answer */
    [PLAN_RULE_WAIT_FREE] = {.figure = "it is to have {share}, free is {free}",
                             .why = "It is to have {share}, but a raise is told only as far as memory is seen to be "
                                    "free: guests are committed {committed} of a budget of {budget}.",
                             .why_also = why_wait_free,
                             .delays = true,
                             .more = {"It gets its share as soon as memory is seen to be free; for that nothing need "
                                      "be changed."},
                             .ways = more_wait_free},
    [PLAN_RULE_WAIT_SURPLUS] = {.figure = "it has {assigned}",
                                .why_also = why_wait_surplus,
                                .delays = true,
                                .ways = enlarge_share},
    [PLAN_RULE_STEP] = {.figure = "on its way to {share}",
                        .why = "It is being shrunk to {share}, in steps that it can follow; the present one ends at "
                               "{target}.",
                        .delays = true,
                        .ways = enlarge_share},
    [PLAN_RULE_SMALL] = {.figure = "it would be {share}", .why_also = why_small, .delays = true, .ways = enlarge_share},
    [PLAN_RULE_STALE] = {.figure = "it has {assigned}",
                         .why_also = why_stale,
                         .more = {"Its statistics must change again, or nobody sees what it needs: see whether the "
                                  "guest hangs and whether its balloon driver (in Windows the balloon service too) "
                                  "still runs."},
                         .ways = raise_minimum},
    [PLAN_RULE_SETTLING] = {.figure_of = figure_settling,
                            .why = "Its balloon driver came up {driver} ago, and until it has settled it is not "
                                   "squeezed below its startup memory of {startup}.",
                            .ways = enlarge_share},
    [PLAN_RULE_RETRY] = {.figure = "it was told {target} and has {assigned}",
                         .why = "It did not follow its target before and is being tried again; until it has behaved "
                                "for a while nothing that it has yet to give is counted on.",
                         .delays = true,
                         .more = {"It must follow its target for a while, after that it is like the others again."},
                         .ways = enlarge_share},
    [PLAN_RULE_MAKE_ROOM] = {.figure = "it has {assigned}",
                             .why = "It is squeezed to {share} so that another guest can start or restart.",
                             .why_also = why_make_room,
                             .more = {"Nothing need be changed: it gets its share again once the other guest has what "
                                      "it needs."},
                             .ways = more_make_room},
    [PLAN_RULE_LIMIT] = {.figure = "it has {assigned}",
                         .why = "It gave what it could: it stopped shrinking with next to nothing usable left, so it "
                                "is not squeezed further for a while.",
                         .delays = true,
                         .ways = enlarge_share},
    [PLAN_RULE_LET_BE] = {.figure = "it has {assigned}",
                          .why = "It was reset again and again soon after it was squeezed, as a guest is that runs out "
                                 "of memory. So it is not squeezed for ten minutes, and longer each time; its share "
                                 "would be {share}.",
                          .ways = enlarge_share},
    [PLAN_RULE_BOUND] = {.figure_of = figure_bound, .why_also = why_bound, .ways = more_bound},
    /* out of the sharing */
    [PLAN_RULE_OFF] = {.why = "It is off and has no memory.", .more = {"Start it; it needs {startup} to boot."}},
    [PLAN_RULE_UNMANAGED] =
        {.figure = "{booked} are booked for it",
         .why = "dynmem does not manage it: it has no dynmem element in its metadata. Its memory "
                "is counted ({booked}) and never changed.",
         .more = {"Give it a minimum with 'dm-ctl set', or 'dm-ctl manage' it, or set Manage=all in " DYNMEM_CONFIG_NAME
                  ", to have its memory follow its need."},
         .ways = set_by_hand},
    [PLAN_RULE_STATIC] = {.figure = "{booked} are booked for it",
                          .why = "Its mode is static: its memory is counted ({booked}) and never changed.",
                          .more = {"Set its mode to dynamic ('dm-ctl mode') to have its memory follow its need."},
                          .ways = set_by_hand},
    [PLAN_RULE_BAR] = {.figure = "{bar}",
                       .why = "Its memory can't be changed to any use: {bar}. It is counted with {booked}.",
                       .ways = more_bar},
    [PLAN_RULE_INHIBITED] = {.figure = "its QEMU holds {resident} of the host, whatever its balloon takes",
                             .why = "Its balloon took memory and the host gained nothing by it: its QEMU kept it, and "
                                    "holds {resident}. So it is counted with {booked}, and is not squeezed any more.",
                             .more = {"Find what holds its memory (an assigned device, locked or encrypted memory), "
                                      "take it away, and start the guest again."},
                             .ways = set_by_hand},
    [PLAN_RULE_NO_DRIVER] =
        {.figure = "{booked} are booked for it",
         .why = "Its balloon driver has not answered, so it may use all of its memory, and "
                "{booked} are counted for it.",
         .more = {"Without its driver it may use all of its maximum of {maximum} as it is.",
                  "To have its memory follow its need, let the balloon driver run in the guest: virtio_balloon in "
                  "Linux, the balloon driver and service of virtio-win in Windows."},
         .ways = raise_maximum},
    [PLAN_RULE_NO_STATISTICS] =
        {.why = "It sends no statistics that could be used, so nobody knows what it needs: it "
                "is left at what it has, and counted with {booked}.",
         .more = {"Let the guest send statistics: in Windows the balloon service of virtio-win must run; in Linux see "
                  "whether virtio_balloon is loaded and the guest does not hang."},
         .ways = set_by_hand},
    [PLAN_RULE_OBSERVE] = {.figure_of = figure_observe, .why_also = why_observe, .delays = true, .ways = more_observe},
    [PLAN_RULE_STARTING] =
        {.figure = "{booked} are booked for it",
         .why_also = why_starting,
         .more = {"Nothing need be changed: it takes part in the sharing once its balloon driver has "
                  "answered.",
                  "If that does not come, look at its console, and whether its balloon driver is installed."}},
    [PLAN_RULE_ADOPTING] = {.figure = "{booked} are booked for it",
                            .why = "It ran before dynmemd did, and its first report is awaited: until then it keeps "
                                   "what it has.",
                            .more = {"Nothing need be changed: it takes part in the sharing once its first report has "
                                     "come."}},
    [PLAN_RULE_BROUGHT] = {.figure = "{booked} are booked for it",
                           .why = "It came with its memory {boot} ago (restored, migrated here, or reverted to a "
                                  "snapshot), and its first report is awaited: until then it keeps what it came with.",
                           .more = {"Nothing need be changed: it takes part in the sharing once its first report has "
                                    "come."}},
    [PLAN_RULE_LET_GO] = {.figure = "it has {assigned} of {startup}",
                          .why_also = why_let_go,
                          .more = {"It gets its startup memory as soon as memory is seen to be free; for that nothing "
                                   "need be changed."},
                          .ways = more_let_go},
    [PLAN_RULE_RESET] =
        {.figure = "{booked} are booked for it",
         .why = "It was reset {boot} ago. Until its balloon driver is back and settled its balloon is "
                "void and it may touch all of its memory, so {booked} are booked for it.",
         .more = {"Until its balloon driver is back it may touch all of its memory anyway; then it takes "
                  "part in the sharing.",
                  "If that does not come, look at its console."}},
    [PLAN_RULE_STUCK] =
        {.figure = "it was told {target} and has {assigned}",
         .why_also = why_stuck,
         .more = {"Its balloon must move again: see whether the guest hangs, whether its balloon driver "
                  "still runs, and whether it has any memory left that it could give.",
                  "If it can't be squeezed that far, raise its minimum, now {minimum}."}},
    [PLAN_RULE_UNRESPONSIVE] = {.figure = "{booked} are booked for it",
                                .why = "Its QEMU does not answer. It is set aside with {booked} booked, and taken back "
                                       "as soon as it answers.",
                                .more = {"Its QEMU must answer again: see whether it is stopped or being debugged, "
                                         "waits for storage, or is throttled because the host has no memory left."}},
    [PLAN_RULE_FROZEN] = {.figure = "{booked} are booked for it", .why_also = why_frozen, .ways = more_frozen},
    [PLAN_RULE_RESERVED] = {.figure_of = figure_reserved, .why_also = why_reserved, .ways = more_reserved},
    [PLAN_RULE_RESTART] = {.figure = "{booked} of {startup} are booked for it",
                           .why_also = why_restart,
                           .ways = more_restart},
    [PLAN_RULE_PAGING] = {.figure = "{booked} of {startup} are booked for it",
                          .why_also = why_paging,
                          .more = {"Memory that comes free goes to it before all others; for that nothing need be "
                                   "changed."},
                          .ways = more_paging},
    [PLAN_RULE_PAGING_LEAVE] =
        {.figure = "{file-used} are left in it",
         .why = "It has restarted with a paging file, and its balloon driver is back: it is "
                "ballooned down to the memory that it physically has, and memory that comes "
                "free goes to it first, until the file can be emptied.",
         .why_also = why_paging_leave,
         .more = {"Memory that comes free goes to it before all others; for that nothing need be "
                  "changed."},
         .ways = more_paging},
    [PLAN_RULE_LINK_DOWN] = {.why = "There is no connection to libvirt: guests keep the targets that they have.",
                             .more = {"libvirt must be back first: see 'systemctl status libvirtd virtqemud'."}},
};

char *
reason_text(const GuestPlan *guest, const Plan *plan)
{
    const RuleWords *rule = &rules[guest->rule];
    g_autofree char *figure = NULL;
    const char *template;
    ExplainText text;

    explain_text_init(&text, guest, plan, NULL);
    template = rule->figure_of != NULL ? rule->figure_of(&text) : rule->figure;
    figure = template != NULL ? explain_text_fill(&text, template) : NULL;
    g_ptr_array_unref(explain_text_finish(&text));
    return figure == NULL ? g_strdup(plan_rule_text(guest->rule))
                          : g_strdup_printf("%s: %s", plan_rule_text(guest->rule), figure);
}

static void
say_why(ExplainText *text, PlanRule rule)
{
    if (rules[rule].why != NULL)
        tell(text, rules[rule].why);
    if (rules[rule].why_also != NULL)
        rules[rule].why_also(text);
}

GPtrArray *
explain_why(const GuestPlan *guest, const TickReport *report)
{
    ExplainText text;

    explain_text_init(&text, guest, report->plan, report);
    say_what_it_has(&text);
    say_what_it_needs(&text);
    say_why(&text, guest->rule);
    if (rules[guest->rule].delays && shared_limit(&text) != PLAN_RULE_SATISFIED)
        say_why(&text, shared_limit(&text));
    say_what_else(&text);
    return explain_text_finish(&text);
}

GPtrArray *
explain_more(const GuestPlan *guest, const TickReport *report)
{
    const RuleWords *rule = &rules[guest->rule];
    ExplainText text;

    explain_text_init(&text, guest, report->plan, report);
    for (size_t i = 0; i < G_N_ELEMENTS(rule->more) && rule->more[i] != NULL; i++)
        tell(&text, rule->more[i]);
    if (rule->ways != NULL)
        rule->ways(&text);
    if (text.sentences->len == 0)
        tell(&text, "All that the host can give to guests is given: it needs more memory, or fewer guests.");
    return explain_text_finish(&text);
}
