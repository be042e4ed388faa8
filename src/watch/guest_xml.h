/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The little that watch itself needs to know of a domain's XML. Everything else is read in config/ and observe/. */

#include <stdbool.h>
#include <stdint.h>

/*
 * Two live XMLs of one guest say the same, apart from what libvirt writes into it as it changes at run time:
 * balloon and virtio-mem sizes, the statistics period (which is ours) and whether the guest opened a channel.
 */
bool guest_xml_is_same(const char *a, const char *b);

/* Seconds in <memballoon><stats period=>; 0 where there is none, or xml is NULL. */
uint32_t guest_xml_period(const char *xml);
