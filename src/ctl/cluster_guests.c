/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_guests.h"

#include "cluster/score.h"
#include "config/guest_element.h"
#include "decide/budget.h"

#include <string.h>

/* Reads the file that the resource names. False: there is none that can be read. */
static bool
read_file(const Cib *cib, const CibGuest *guest, DomainXml *domain)
{
    const char *path = cib_parameter(cib, guest, "config");
    g_autofree char *text = NULL;

    return path != NULL && g_file_get_contents(path, &text, NULL, NULL) && domain_xml_parse(text, domain, NULL);
}

char *
cluster_guest_identity(const Cib *cib, const CibGuest *guest)
{
    g_auto(DomainXml) domain = {0};

    if (!cib_is_agent(cib, guest, CLUSTER_GUEST_AGENT))
        return g_strdup(guest->name);
    if (!read_file(cib, guest, &domain))
        return NULL;
    return g_strdup(domain.uuid != NULL ? domain.uuid : domain.name);
}

uint64_t
cluster_guest_need(const Cib *cib, const CibGuest *guest)
{
    g_autoptr(Settings) settings = settings_new();
    g_auto(DomainXml) domain = {0};
    g_auto(GuestSettings) found = {0};
    StartupDefault startup;

    if (!read_file(cib, guest, &domain))
        return 0;
    startup = (StartupDefault){.known = domain.memory.has_current, .kib = domain.memory.current_kib};
    if (!guest_element_resolve(&domain, &domain.element, startup, settings, &found, NULL))
        return 0;
    return cluster_guest_utilization(found.minimum_kib, overhead_estimate(&found));
}

uint64_t
cluster_guest_overhead_kib(uint64_t memory_kib)
{
    const GuestSettings settings = {.maximum_kib = memory_kib, .vcpus = 1};

    return overhead_estimate(&settings);
}
