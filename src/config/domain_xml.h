/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What dynmem needs of a domain XML, as it stands there: memory, devices that matter to a balloon, and the
 * attributes of <dynmem:memory>, not yet judged (guest_element.h does that).
 */

#include "domain_memory.h"
#include "settings_change.h"

#include <stddef.h>

/* <dynmem:memory> as it stands in the metadata. */
typedef struct DomainElement {
    bool present;
    char *attributes[ELEMENT_ATTRIBUTE_COUNT]; /* NULL: not given */
} DomainElement;

typedef struct DomainXml {
    char *name;    /* NULL: not said */
    char *uuid;    /* as it stands there; NULL: not said */
    uint64_t run;  /* libvirt's id of it while it runs or is being started; 0: not said */
    bool emulated; /* type='qemu': no hardware virtualisation, QEMU keeps the translated code */
    DomainMemory memory;
    uint32_t vcpus; /* 0: not said */
    bool has_balloon;
    bool autodeflate;
    bool free_page_reporting;
    uint32_t period_sec; /* <stats period=> */
    BalloonBar bar;      /* what pins or locks memory, huge pages left aside; BALLOON_USABLE where nothing does */
    bool on_network;     /* an interface of its is on a libvirt network, which may give it a host device once it runs */
    bool hostdev_interface; /* an interface of its is a host device */
    bool host_cached;       /* the host's page cache is between it and a disk of its */
    char *disk_file;        /* of the first disk that is a file; NULL: none */

    DomainElement element;
    unsigned element_count; /* elements of its namespace in the metadata, <memory> or not */
    GPtrArray *unknown;     /* of char *: complaints of things in the element or beside it that nobody knows */
} DomainXml;

/*
 * Reads xml into domain (any bytes; nothing is read but the string). Returns false and sets error
 * (DYNMEM_ERROR_INVALID, with line and column) when it is no XML or no domain; *domain is then untouched. Clear with
 * domain_xml_clear.
 */
bool domain_xml_parse(const char *xml, DomainXml *domain, GError **error);

/* A deep copy; *copy must be clear before. */
void domain_element_copy(const DomainElement *element, DomainElement *copy);
/* Both accept what was zeroed. */
void domain_element_clear(DomainElement *element);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainElement, domain_element_clear)
void domain_xml_clear(DomainXml *domain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainXml, domain_xml_clear)
