/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guests as libvirt's own files tell of them, for when nobody else can be asked: /etc/libvirt/qemu has a definition a guest,
 * /run/libvirt/qemu one a guest that runs (src/qemu/qemu_conf.h, configDir and stateDir), with the id of its QEMU beside it.
 */

#include "config/domain_xml.h"

typedef struct GuestFile {
    DomainXml domain; /* what it runs with, or what its next start is made from */
    bool runs;
    char *group; /* its control group, as of guest_group_find; NULL: none, or it does not run */
} GuestFile;

/*
 * All guests of this host, of GuestFile, by name. What can't be read is left out; *denied: for want of privileges. Caller
 * unrefs.
 */
GPtrArray *guest_files_read(const char *root, bool *denied);
