/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one error domain. Errors of libraries (libvirt, D-Bus, files) are translated into it once, at
 * the edge of the folder that calls the library, with a message that says what, where and why.
 */

#include <glib.h>

#define DYNMEM_ERROR (dynmem_error_quark())

typedef enum DynmemError {
    DYNMEM_ERROR_FAILED,       /* anything without a better code */
    DYNMEM_ERROR_INVALID,      /* bad input: a value, a file, an argument */
    DYNMEM_ERROR_NOT_FOUND,    /* no such guest, file, connection */
    DYNMEM_ERROR_REFUSED,      /* understood, and not done, for the reason given */
    DYNMEM_ERROR_TIMEOUT,      /* no answer within the deadline */
    DYNMEM_ERROR_DISCONNECTED, /* libvirt or the bus is away */
    DYNMEM_ERROR_UNSUPPORTED,  /* this host, guest or version can't do it */
} DynmemError;

GQuark dynmem_error_quark(void);
