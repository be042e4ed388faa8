/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "starts.h"

RestartKind
restart_kind(bool in_place, bool resumed, bool ran_at_host_down, uint64_t stop_usec, uint64_t boot_usec,
             uint64_t window_usec)
{
    if (resumed)
        return RESTART_NONE;
    if (in_place)
        return RESTART_RESET;
    if (ran_at_host_down)
        return RESTART_HOST;
    /* a stop after the boot belongs to no earlier run */
    if (stop_usec == 0 || stop_usec > boot_usec)
        return RESTART_NONE;
    return boot_usec - stop_usec <= window_usec ? RESTART_SOON : RESTART_NONE;
}
