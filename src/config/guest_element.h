/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what stands in a domain XML to the settings of a guest: values read, defaults applied, relations checked. */

#include "domain_xml.h"

/* Where the default of startup comes from. */
typedef struct StartupDefault {
    bool known;
    uint64_t kib; /* <currentMemory>; used as far as it fits below the maximum */
} StartupDefault;

/*
 * The settings that follow from domain and element (the one of domain, or an older one). Returns false when an
 * attribute or a relation is bad; each is then a line in complaints (of char *, may be NULL); *guest is untouched.
 * Unknown names are complained of, and nothing worse. *guest must be clear before.
 */
bool guest_element_resolve(const DomainXml *domain, const DomainElement *element, StartupDefault startup,
                           const Settings *settings, GuestSettings *guest, GPtrArray *complaints);

/* Adds what is unwise about settings that are in force or held down by a cap, one line (char *) each, with the figures. */
void guest_element_advise(const GuestSettings *guest, GPtrArray *complaints);
