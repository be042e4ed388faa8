/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl show GUEST: everything known of one guest. */

#include "ctl.h"
#include "facts.h"
#include "guest_find.h"
#include "guest_text.h"
#include "output.h"
#include "text.h"

#include <inttypes.h>

/* Shown by print_guest in its own words; anything else that the daemon tells is shown as it comes. */
static const char *const known[] = {
    "Name",       "Uuid",        "State",          "Status",          "Reason",       "Rule",
    "Managed",    "Mode",        "Issue",          "Minimum",         "Startup",      "Maximum",
    "Buffer",     "Priority",    "Assigned",       "Target",          "Committed",    "Demand",
    "Want",       "Resident",    "Total",          "Usable",          "Pressure",     "Restart",
    "Shortfall",  "Limit",       "LimitBar",       "PagingState",     "PagingSize",   "PagingUsed",
    "PagingPeak", "PagingSince", "PagingDeadline", "PagingDirectory", "PagingReason", "Ground",
    "Lent",       NULL,
};

static void
print_rest(GVariant *properties)
{
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        g_autofree char *text = NULL;

        if (g_strv_contains(known, name))
            continue;
        text = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string(value, NULL)
                                                                  : g_variant_print(value, FALSE);
        fact_print(name, text, CELL_PLAIN);
    }
}

static const char *
status_remark(const GuestView *guest)
{
    const char *rule = "";

    /* of one that takes no part in the sharing it is not known what it wants */
    if (!guest->managed || guest_is_off(guest) || guest->want == 0)
        return "";
    g_variant_lookup(guest->properties, "Rule", "&s", &rule);
    if (g_str_equal(guest->status, "ok"))
        return g_str_equal(rule, "at-maximum") ? " (it has its maximum, and is not starved)" : " (it has all it wants)";
    if (g_str_equal(guest->status, "low"))
        return " (its demand is covered, its buffer is not)";
    return guest->demand > guest->assigned ? " (its demand is not covered)" : " (it is starved with what it may have)";
}

/* On what ground it is booked. */
static const char *
ground_remark(const GuestView *guest)
{
    static const struct {
        const char *ground;
        const char *text;
    } remarks[] = {
        {"start", "booked for its start"},
        {"limit", "where memory.high holds it; its balloon would leave it more"},
        {"balloon", "what its balloon leaves it, and what that may have been told"},
        {"brought", "what it came with; it has not reported yet"},
        {"maximum", "nothing is known to hold it to less"},
        {"full", "all its memory, since its balloon is left alone"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(remarks); i++)
        if (g_str_equal(guest->ground, remarks[i].ground))
            return remarks[i].text;
    return "";
}

/* Nothing where its present boot is no restart. */
static void
print_restart(const GuestView *guest)
{
    static const struct {
        const char *kind;
        const char *text;
    } kinds[] = {
        {"reset", "it was reset"},
        {"soon", "it was started soon after it was stopped"},
        {"host", "it was started for the first time since the host went down"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_str_equal(guest->restart, kinds[i].kind))
            fact_print("Restart", kinds[i].text, CELL_PLAIN);
    if (guest->shortfall > 0)
        fact_print_size("Shortfall", guest->shortfall, "of its startup memory could not be found");
}

static void
print_limit(const GuestView *guest)
{
    if (guest->limit > 0)
        fact_print_size("Limit", guest->limit, "what its control group may hold (memory.high)");
    else if (guest->limit_bar[0] != '\0' && guest->managed && !guest_is_off(guest)) {
        g_autofree char *text = g_strdup_printf("none: %s", guest->limit_bar);

        fact_print("Limit", text, CELL_PLAIN);
    }
    if (guest->lent > 0)
        fact_print_size("Lent", guest->lent, "of free memory, to the host's cache of its disks");
}

/* Nothing where there is no paging file and none is needed. */
static void
print_paging(const GuestView *guest)
{
    bool bad = g_str_equal(guest->paging_state, "overdue");
    g_autoptr(GString) text = g_string_new(guest->paging_state);

    if (guest->paging_state[0] == '\0' || g_str_equal(guest->paging_state, "none"))
        return;
    if (guest->paging_size > 0) {
        g_autofree char *used = text_size(guest->paging_used);
        g_autofree char *size = text_size(guest->paging_size);
        g_autofree char *peak = text_size(guest->paging_peak);
        g_autofree char *since = guest_time_text(guest->paging_since);

        g_string_append_printf(text, ": %s of %s used, at most %s, since %s in %s", used, size, peak, since,
                               guest->paging_directory);
        if (guest->paging_deadline > 0) {
            g_autofree char *deadline = guest_time_text(guest->paging_deadline);

            g_string_append_printf(text, ", to be gone by %s", deadline);
        }
    }
    if (guest->paging_reason[0] != '\0')
        g_string_append_printf(text, "; %s", guest->paging_reason);
    fact_print("Paging", text->str, bad ? CELL_BAD : CELL_LOW);
}

static void
print_guest(const GuestView *guest)
{
    const char *rule = "";
    g_autofree char *reason = NULL;
    g_autofree char *status = g_strconcat(guest->status, status_remark(guest), NULL);
    g_autofree char *buffer = g_strdup_printf("%" PRIu32 " %% of the demand", guest->buffer);
    g_autofree char *priority = g_strdup_printf("%" PRIu32, guest->priority);
    g_autofree char *pressure = g_strdup_printf("%" PRIu32 " %% (want in percent of assigned)", guest->pressure);

    g_variant_lookup(guest->properties, "Rule", "&s", &rule);
    reason = rule[0] != '\0' ? g_strdup_printf("%s (%s)", guest->reason, rule) : g_strdup(guest->reason);

    fact_print("Name", guest->name, CELL_PLAIN);
    fact_print("UUID", guest->uuid, CELL_PLAIN);
    fact_print("State", guest->state, guest_state_colour(guest));
    fact_print("Status", status, guest_status_colour(guest));
    fact_print("Reason", reason, CELL_PLAIN);
    fact_print("Mode", guest->managed ? guest->mode : "not managed: its memory is counted, never changed", CELL_PLAIN);
    fact_print("Issue", guest->issue, CELL_BAD);
    fact_print_size("Assigned", guest->assigned, "");
    fact_print_size("Target", guest->target, "");
    fact_print_size("Committed", guest->committed, ground_remark(guest));
    fact_print_size("Resident", guest->resident, "what its QEMU holds of the host");
    fact_print_size("Total", guest->total, "what the guest itself says it has");
    fact_print_size("Usable", guest->usable, "what the guest could use of that without swapping");
    print_limit(guest);
    print_restart(guest);
    print_paging(guest);
    fact_print_size("Demand", guest->demand, "");
    fact_print_size("Want", guest->want, "");
    fact_print("Pressure", guest->pressure > 0 ? pressure : "-", CELL_PLAIN);
    fact_print_size("Minimum", guest->minimum, "");
    fact_print_size("Startup", guest->startup, "");
    fact_print_size("Maximum", guest->maximum, "");
    fact_print("Buffer", buffer, CELL_PLAIN);
    fact_print("Priority", priority, CELL_PLAIN);
    print_rest(guest->properties);
}

bool
verb_show(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(GPtrArray) guests = NULL;
    const GuestView *guest;

    if (bus == NULL)
        return false;
    guests = client_read_guests(bus, error);
    if (guests == NULL)
        return false;
    guest = guest_find(guests, arguments[0], error);
    if (guest == NULL)
        return false;
    if (options->json)
        output_print_json_object(output_json_from_properties(guest->properties), true);
    else
        print_guest(guest);
    return true;
}
