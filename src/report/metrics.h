/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The figures of the last tick as OpenMetrics text, for node_exporter's textfile collector and whoever else
 * reads files. Written to the side and renamed, so that a reader never sees half of it.
 */

#include "change.h"

typedef struct Metrics Metrics;

/* path is copied. */
Metrics *metrics_new(const char *path);
/* Takes the file away: figures of a daemon that is not there would be taken for present ones. */
void metrics_free(Metrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Metrics, metrics_free)

/* Counts what was told. */
void metrics_count(Metrics *metrics, const Change *change);

/* Counts what was done and writes the file where the last time is a few seconds ago. Failures are told in debug. */
void metrics_update(Metrics *metrics, const TickReport *report);

/* The text. Owned by metrics, valid until the next call. */
const char *metrics_format(Metrics *metrics, const TickReport *report);
