/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* dm-ctl cluster status, plan, rate and confirm: what dynmemd knows of the cluster, and the one thing that it is told. */

#include "ctl.h"

bool cluster_view_status(const CtlOptions *options, GError **error);
bool cluster_view_plan(const CtlOptions *options, GError **error);
bool cluster_view_rate(const CtlOptions *options, const char *size, GError **error);
bool cluster_view_confirm(const CtlOptions *options, const char *guest, GError **error);
