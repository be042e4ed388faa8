/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Properties of the bus as plain structs. */

#include "client.h"

static const char *
get_string(GVariant *properties, const char *name)
{
    const char *value = "";

    g_variant_lookup(properties, name, "&s", &value);
    return value;
}

static uint64_t
get_size(GVariant *properties, const char *name)
{
    guint64 value = 0;

    g_variant_lookup(properties, name, "t", &value);
    return value;
}

static uint32_t
get_number(GVariant *properties, const char *name)
{
    guint32 value = 0;

    g_variant_lookup(properties, name, "u", &value);
    return value;
}

static bool
get_flag(GVariant *properties, const char *name, bool absent)
{
    gboolean value = absent;

    g_variant_lookup(properties, name, "b", &value);
    return value;
}

GuestView *
guest_view_new(const char *path, GVariant *properties)
{
    GuestView *guest = g_new0(GuestView, 1);

    guest->path = g_strdup(path);
    guest->properties = g_variant_ref(properties);
    guest->name = get_string(properties, "Name");
    guest->uuid = get_string(properties, "Uuid");
    guest->state = get_string(properties, "State");
    guest->status = get_string(properties, "Status");
    guest->reason = get_string(properties, "Reason");
    guest->mode = get_string(properties, "Mode");
    guest->issue = get_string(properties, "Issue");
    guest->managed = get_flag(properties, "Managed", false);
    guest->minimum = get_size(properties, "Minimum");
    guest->startup = get_size(properties, "Startup");
    guest->maximum = get_size(properties, "Maximum");
    guest->buffer = get_number(properties, "Buffer");
    guest->priority = get_number(properties, "Priority");
    guest->assigned = get_size(properties, "Assigned");
    guest->target = get_size(properties, "Target");
    guest->committed = get_size(properties, "Committed");
    guest->ground = get_string(properties, "Ground");
    guest->demand = get_size(properties, "Demand");
    guest->want = get_size(properties, "Want");
    guest->resident = get_size(properties, "Resident");
    guest->total = get_size(properties, "Total");
    guest->usable = get_size(properties, "Usable");
    guest->pressure = get_number(properties, "Pressure");
    guest->restart = get_string(properties, "Restart");
    guest->shortfall = get_size(properties, "Shortfall");
    guest->limit = get_size(properties, "Limit");
    guest->lent = get_size(properties, "Lent");
    guest->limit_bar = get_string(properties, "LimitBar");
    guest->paging_state = get_string(properties, "PagingState");
    guest->paging_directory = get_string(properties, "PagingDirectory");
    guest->paging_reason = get_string(properties, "PagingReason");
    guest->paging_size = get_size(properties, "PagingSize");
    guest->paging_used = get_size(properties, "PagingUsed");
    guest->paging_peak = get_size(properties, "PagingPeak");
    guest->paging_since = get_size(properties, "PagingSince");
    guest->paging_deadline = get_size(properties, "PagingDeadline");
    return guest;
}

void
guest_view_free(GuestView *guest)
{
    if (guest == NULL)
        return;
    g_variant_unref(guest->properties);
    g_free(guest->path);
    g_free(guest);
}

HostView *
host_view_new(GVariant *properties)
{
    HostView *host = g_new0(HostView, 1);

    host->properties = g_variant_ref(properties);
    host->version = get_string(properties, "Version");
    host->link = get_string(properties, "Link");
    host->link_text = get_string(properties, "LinkText");
    host->budget_limit = get_string(properties, "BudgetLimit");
    host->dry_run = get_flag(properties, "DryRun", false);
    host->over_budget = get_flag(properties, "OverBudget", false);
    host->minimums_fit = get_flag(properties, "MinimumsFit", true);
    host->host_pressure = get_flag(properties, "HostPressure", false);
    host->retiring = get_flag(properties, "Retiring", false);
    host->budget = get_size(properties, "Budget");
    host->committed = get_size(properties, "Committed");
    host->free = get_size(properties, "Free");
    host->lent = get_size(properties, "Lent");
    host->reserve = get_size(properties, "Reserve");
    host->overhead = get_size(properties, "Overhead");
    host->other = get_size(properties, "Other");
    host->total = get_size(properties, "Total");
    host->available = get_size(properties, "Available");
    host->arc = get_size(properties, "Arc");
    host->demand = get_size(properties, "Demand");
    host->want = get_size(properties, "Want");
    host->pressure = get_number(properties, "Pressure");
    host->reserved = get_size(properties, "Reserved");
    host->starts_waiting = get_number(properties, "StartsWaiting");
    host->starts_admitted = get_number(properties, "StartsAdmitted");
    host->paging_files = get_number(properties, "PagingFiles");
    host->paging_bar = get_string(properties, "PagingBar");
    host->limit_bar = get_string(properties, "LimitBar");
    return host;
}

void
host_view_free(HostView *host)
{
    if (host == NULL)
        return;
    g_variant_unref(host->properties);
    g_free(host);
}
