/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every name that the world outside relies on, once. tests/unit/test_names.py holds the files in data/
 * against this list.
 */

#define DYNMEM_METADATA_URI "urn:dynmem:domain:1"

#define DYNMEM_BUS_NAME "org.dynmem1"
#define DYNMEM_BUS_PATH "/org/dynmem1"
#define DYNMEM_BUS_GUEST_PREFIX "/org/dynmem1/guest/" /* uuid follows, '-' as '_' */
#define DYNMEM_BUS_INTERFACE_MANAGER "org.dynmem1.Manager"
#define DYNMEM_BUS_INTERFACE_GUEST "org.dynmem1.Guest"
#define DYNMEM_POLKIT_MANAGE "org.dynmem1.manage"

/* Errors on the bus. */
#define DYNMEM_BUS_ERROR_NO_SUCH_GUEST "org.dynmem1.Error.NoSuchGuest"
#define DYNMEM_BUS_ERROR_AMBIGUOUS "org.dynmem1.Error.Ambiguous"
#define DYNMEM_BUS_ERROR_REFUSED "org.dynmem1.Error.Refused"
#define DYNMEM_BUS_ERROR_INVALID "org.dynmem1.Error.Invalid"

/* Journal fields. */
#define DYNMEM_FIELD_GUEST "DYNMEM_GUEST"
#define DYNMEM_FIELD_UUID "DYNMEM_UUID"
#define DYNMEM_FIELD_OLD "DYNMEM_OLD"
#define DYNMEM_FIELD_NEW "DYNMEM_NEW"
#define DYNMEM_FIELD_REASON "DYNMEM_REASON"
#define DYNMEM_FIELD_LEFT_OUT "DYNMEM_LEFT_OUT" /* records of this guest and kind not written before this one */

/* Message ids, each with an entry in data/dynmem.catalog. */
#define DYNMEM_MESSAGE_TARGET_CHANGED "bf0f682a9f1a4a4f83459d2874d6064f"
#define DYNMEM_MESSAGE_GUEST_STUCK "7190df2ba6c1427585c786ac280715aa"
#define DYNMEM_MESSAGE_GUEST_RECOVERED "653841b944e34d66bea18e29cf556760"
#define DYNMEM_MESSAGE_GUEST_UNRESPONSIVE "195049d0f1cf49a9b30ccae4684d8542"
#define DYNMEM_MESSAGE_GUEST_STATIC "5ee3a78398cb4454a70e3e78de71700c"
#define DYNMEM_MESSAGE_GUEST_RESET "d3dd70409dfb4649b425ec47adbc1815"
#define DYNMEM_MESSAGE_SETTINGS_REJECTED "4983b39d1fdf4abea6280ae10d3de150"
#define DYNMEM_MESSAGE_CONFIG_REJECTED "ecf3fb945c5f4224a0bd47adcd4d79af"
#define DYNMEM_MESSAGE_MINIMUMS_DO_NOT_FIT "fb75cb1413e34349b75130cd8c3cadf2"
#define DYNMEM_MESSAGE_OVER_BUDGET "df760be1b2dd45a7bd23d6299888bd9c"
#define DYNMEM_MESSAGE_LIBVIRT_LOST "01f9bdf95bf946339c4bcd0e11f184f8"
#define DYNMEM_MESSAGE_LIBVIRT_BACK "f0ab260cfa7849269887e5d43c4ade20"
#define DYNMEM_MESSAGE_TARGET_FAILED "5161a32857344cf78cf00a5fdb70f382"
#define DYNMEM_MESSAGE_STATISTICS_DOUBTED "fee83279f60b4464b9363ef61b1623ec"
#define DYNMEM_MESSAGE_STATUS_WARNING "1a9de9798688405ca5adfb4c6894005c"
#define DYNMEM_MESSAGE_STATUS_OK "7698c481af484c76892ce21fe9407401"
#define DYNMEM_MESSAGE_STATE_CHANGED "117b201c3dc04f338d1a1243fa5c0ecc"
#define DYNMEM_MESSAGE_GUEST_BACK "b71467bb3d7c424fb8477f92936905c0"
#define DYNMEM_MESSAGE_SETTINGS_ACCEPTED "24cbc56ab49b46e581c925ea742fe80d"
#define DYNMEM_MESSAGE_MINIMUMS_FIT "a5ea5f90c22c4af49f4a78f7306caecd"
#define DYNMEM_MESSAGE_WITHIN_BUDGET "410f55018c744856943b72aa9f789675"

/* Places. */
#define DYNMEM_CONFIG_NAME "dynmemd.conf"
#define DYNMEM_RUN_DIRECTORY "/run/dynmem"
#define DYNMEM_STATE_DIRECTORY "/var/lib/dynmem"
#define DYNMEM_PAGING_SUFFIX ".dynmem-paging" /* of a paging file, behind its guest's uuid */
#define DYNMEM_METRICS_FILE "/run/dynmem/metrics.prom"
