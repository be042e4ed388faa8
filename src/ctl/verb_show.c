/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl show GUEST: everything known of one guest. */

#include "client.h"
#include "ctl.h"
#include "facts.h"
#include "guest_text.h"
#include "output.h"
#include "text.h"

#include <inttypes.h>

/* Shown by print_guest in its own words; anything else that the daemon tells is shown as it comes. */
static const char *const known[] = {
    "Name",      "Uuid",    "State",   "Status",   "Reason",   "Rule",     "Managed",  "Mode",
    "Issue",     "Minimum", "Startup", "Maximum",  "Buffer",   "Priority", "Assigned", "Target",
    "Committed", "Demand",  "Want",    "Resident", "Pressure", NULL,
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
    if (!guest->managed || g_str_equal(guest->state, "off"))
        return "";
    if (g_str_equal(guest->status, "ok"))
        return " (it has all it wants)";
    if (g_str_equal(guest->status, "low"))
        return " (its demand is covered, its buffer is not)";
    return " (its demand is not covered)";
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
    fact_print_size("Committed", guest->committed, "");
    fact_print_size("Resident", guest->resident, "");
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
    guest = client_find_guest(guests, arguments[0], error);
    if (guest == NULL)
        return false;
    if (options->json)
        output_print_json_object(output_json_from_properties(guest->properties), true);
    else
        print_guest(guest);
    return true;
}
