/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The little that watch itself needs to know of a domain's XML. Everything else is read in config/ and observe/. */

#include <stdbool.h>
#include <stdint.h>

/*
 * Two live XMLs of one guest say the same, apart from what libvirt writes into it as it changes at run time:
 * the balloon's size, the statistics period (which is ours) and whether the guest opened a channel. What a virtio-mem
 * device is asked for and has plugged is a difference: it is memory of the guest.
 */
bool guest_xml_is_same(const char *a, const char *b);

/* Seconds in <memballoon><stats period=>; 0 where there is none, or xml is NULL. */
uint32_t guest_xml_period(const char *xml);

/*
 * What QEMU reckons the balloon's targets from: <memory> less the memory devices in it that are no dimms (QEMU 7.2,
 * hw/virtio/virtio-balloon.c, get_current_ram_size). 0 where there is none, or xml is NULL. libvirt writes sizes in KiB.
 */
uint64_t guest_xml_balloon_base_kib(const char *xml);

/* The guest has a virtio-mem device: what it is asked for can change without an event. */
bool guest_xml_has_virtio_mem(const char *xml);
