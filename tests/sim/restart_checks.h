/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The checks of scenarios with restarts, paging files and limits. */

#include "trace.h"

void check_restart_four(const Trace *trace, GString *wrong);
void check_restart_odd(const Trace *trace, GString *wrong);
void check_restart_with_room(const Trace *trace, GString *wrong);
void check_restart_one(const Trace *trace, GString *wrong);
void check_restart_two(const Trace *trace, GString *wrong);
void check_restart_by_start(const Trace *trace, GString *wrong);
void check_start_too_late(const Trace *trace, GString *wrong);
void check_restart_wedged(const Trace *trace, GString *wrong);
void check_restart_wedged_room(const Trace *trace, GString *wrong);
void check_restart_again(const Trace *trace, GString *wrong);
void check_restart_emptying(const Trace *trace, GString *wrong);
void check_restart_destroyed(const Trace *trace, GString *wrong);
void check_restart_frozen(const Trace *trace, GString *wrong);
void check_restart_without_file(const Trace *trace, GString *wrong);
void check_restart_make_fails(const Trace *trace, GString *wrong);
void check_restart_daemon(const Trace *trace, GString *wrong);
void check_restart_daemon_hog(const Trace *trace, GString *wrong);
void check_restart_v1(const Trace *trace, GString *wrong);
void check_restart_paging_no(const Trace *trace, GString *wrong);
void check_restart_hog(const Trace *trace, GString *wrong);
void check_restart_unlimited(const Trace *trace, GString *wrong);
void check_enforced_costly(const Trace *trace, GString *wrong);
void check_enforced(const Trace *trace, GString *wrong);
void check_not_enforced(const Trace *trace, GString *wrong);
void check_restart_host(const Trace *trace, GString *wrong);
void check_restore_not_paged(const Trace *trace, GString *wrong);
