/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "dm-ctl check" sees in files of this host, without the daemon. */

#include "checks.h"
#include "settings.h"

/* All below root ("" for this host). */
void host_checks_kernel(GPtrArray *checks, const char *root);
/* dynmemd's configuration, and the directory for paging files that it names. Returns the settings; free with settings_free. */
Settings *host_checks_config(GPtrArray *checks, const char *root);
