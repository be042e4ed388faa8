/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/restart.h"

RestartKind
restart_of_guest(const GuestSnapshot *guest, uint64_t window_usec, uint64_t now_usec)
{
    if (guest->life == GUEST_LIFE_OFF)
        return restart_kind(false, false, guest->ran_at_host_down, guest->stop_usec, now_usec, window_usec);
    if (guest->adopted)
        return RESTART_NONE;
    return restart_kind(guest->boot_in_place, guest->boot_resumed, guest->ran_at_host_down, guest->stop_usec,
                        guest->boot_usec, window_usec);
}
