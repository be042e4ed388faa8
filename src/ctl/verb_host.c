/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl host: the host's ledger and the daemon's connection to libvirt. */

#include "client.h"
#include "ctl.h"
#include "facts.h"
#include "output.h"
#include "text.h"

#include <inttypes.h>

/* Which figure the budget is, in words. */
static const char *
budget_remark(const HostView *host)
{
    static const struct {
        const char *limit;
        const char *text;
    } remarks[] = {
        {"total", "the host's memory less reserve, huge pages, other processes and overhead"},
        {"available", "what is committed and what the host has available, less the reserve"},
        {"setting", "set by Budget= in the configuration"},
        {"group", "what a limit on a cgroup above all guests leaves them (systemctl show machine.slice -p MemoryHigh "
                  "-p MemoryMax)"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(remarks); i++)
        if (g_str_equal(host->budget_limit, remarks[i].limit))
            return remarks[i].text;
    return "";
}

static void
print_warnings(const HostView *host)
{
    if (host->over_budget)
        fact_print("Warning",
                   "more is committed than the budget allows: other processes took memory, a guest outgrew its "
                   "booking, or one was "
                   "let in that did not fit",
                   CELL_BAD);
    if (!host->minimums_fit)
        fact_print("Warning", "not even the minimums of all guests fit in the budget; stop a guest or lower a minimum",
                   CELL_BAD);
    if (host->host_pressure)
        fact_print("Warning", "the kernel reports that the host suffers from lack of memory; buffers are given up",
                   CELL_BAD);
    if (g_str_equal(host->link, "down"))
        fact_print("Warning", "libvirt is away: guests keep their targets, the figures are the last ones known",
                   CELL_BAD);
    if (g_str_equal(host->link, "read-only"))
        fact_print("Warning", "the connection to libvirt may only look: nothing is changed in any guest", CELL_LOW);
    if (host->retiring)
        fact_print("Warning",
                   "dynmemd is to end for good (dm-ctl retire): no guest is held below its startup memory; 'systemctl "
                   "reload dynmemd' takes it back",
                   CELL_LOW);
    if (host->dry_run)
        fact_print("Warning", "dynmemd runs dry: everything is worked out, nothing is changed in any guest", CELL_LOW);
}

/* Starts that are under way; nothing where there is none. */
static void
print_starts(const HostView *host)
{
    g_autofree char *waiting = host->starts_waiting > 0
                                   ? g_strdup_printf("%" PRIu32 " start%s for memory", host->starts_waiting,
                                                     host->starts_waiting == 1 ? " waits" : "s wait")
                                   : NULL;
    g_autofree char *admitted = host->starts_admitted > 0
                                    ? g_strdup_printf("%" PRIu32 " admitted and not seen yet", host->starts_admitted)
                                    : NULL;
    g_autofree char *text = NULL;

    if (waiting == NULL && admitted == NULL && host->reserved == 0)
        return;
    text = g_strdup_printf("%s%s%s", waiting != NULL ? waiting : "", waiting != NULL && admitted != NULL ? ", " : "",
                           admitted != NULL ? admitted : "");
    fact_print_size("Reserved", host->reserved, "part of committed, for guests about to start");
    fact_print("Starts", text, CELL_LOW);
}

static void
print_paging(const HostView *host)
{
    g_autofree char *text = NULL;

    if (host->paging_files > 0)
        text = g_strdup_printf("%" PRIu32 " paging file%s, see 'dm-ctl paging'", host->paging_files,
                               host->paging_files == 1 ? "" : "s");
    else if (host->paging_bar[0] != '\0')
        text = g_strdup_printf("not available: %s", host->paging_bar);
    else
        text = g_strdup("available, not in use");
    if (host->limit_bar[0] != '\0') {
        g_autofree char *limits = g_strdup_printf("none: %s", host->limit_bar);

        fact_print("Limits", limits, CELL_PLAIN);
    }
    fact_print("Paging", text, host->paging_files > 0 ? CELL_LOW : CELL_PLAIN);
}

static void
print_host(const HostView *host)
{
    /* before the first look nothing is known of the host */
    void (*print_amount)(const char *, uint64_t, const char *) = host->total > 0 ? fact_print_amount : fact_print_size;
    g_autofree char *share = host->budget > 0 ? g_strdup_printf("%.0f %% of the budget",
                                                                100.0 * (double)host->committed / (double)host->budget)
                                              : g_strdup("");
    g_autofree char *pressure =
        g_strdup_printf("%" PRIu32 " %% (what guests want in percent of what they have)", host->pressure);
    g_autofree char *available = text_size(host->available);
    g_autofree char *arc = text_size(host->arc);
    g_autofree char *memory =
        host->arc > 0
            ? g_strdup_printf("%s available, %s of that held by ZFS's cache (ARC), which gives it back", available, arc)
            : g_strdup_printf("%s available", available);
    g_autofree char *link =
        host->link_text[0] != '\0' ? g_strdup_printf("%s (%s)", host->link_text, host->link) : g_strdup(host->link);

    print_amount("Budget", host->budget, budget_remark(host));
    print_amount("Committed", host->committed, share);
    print_amount("Free", host->free, "");
    if (host->lent > 0)
        fact_print_size("Lent", host->lent, "of that, to the host's cache of guests' disks, until somebody needs it");
    print_starts(host);
    fact_print_size("Demand", host->demand, "");
    fact_print_size("Want", host->want, "");
    fact_print("Pressure", host->pressure > 0 ? pressure : "-", host->pressure > 100 ? CELL_LOW : CELL_PLAIN);
    fact_print_size("Reserve", host->reserve, "kept for the host itself");
    fact_print_size("Overhead", host->overhead, "what guests cost besides their memory");
    fact_print_size("Other", host->other, "used by processes that are no guests");
    fact_print_size("Memory", host->total, memory);
    print_paging(host);
    fact_print("Libvirt", link, CELL_PLAIN);
    fact_print("Version", host->version, CELL_PLAIN);
    print_warnings(host);
}

bool
verb_host(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(HostView) host = NULL;

    if (bus == NULL)
        return false;
    host = client_read_host(bus, error);
    if (host == NULL)
        return false;
    if (options->json)
        output_print_json_object(output_json_from_properties(host->properties), true);
    else
        print_host(host);
    return true;
}
