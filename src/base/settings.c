/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"
#include "config_problem.h"
#include "units.h"

Settings *
settings_new(void)
{
    Settings *settings = g_new0(Settings, 1);

    settings->reserve_kib = SETTINGS_RESERVE_AUTO;
    settings->budget_kib = SETTINGS_BUDGET_NONE;
    settings->buffer_percent = 20;
    settings->priority = 50;
    settings->cache_share_percent = 0;
    settings->interval_usec = USEC_PER_SEC;
    settings->paging_enabled = true;
    settings->paging_directory = g_strdup("/var/lib/dynmem/paging");
    settings->paging_deadline_usec = 600 * USEC_PER_SEC;
    settings->restart_window_usec = 120 * USEC_PER_SEC;
    settings->minimum_free_disk_kib = 2 * KIB_PER_GIB;
    settings->admission_enabled = true;
    settings->admission_timeout_usec = 30 * USEC_PER_SEC;
    settings->admission_allow_when_absent = true;
    settings->memory_high = true;
    return settings;
}

Settings *
settings_copy(const Settings *settings)
{
    Settings *copy = g_memdup2(settings, sizeof *settings);

    copy->paging_directory = g_strdup(settings->paging_directory);
    return copy;
}

void
settings_free(Settings *settings)
{
    if (settings == NULL)
        return;
    g_free(settings->paging_directory);
    g_free(settings);
}

bool
guest_settings_need_reports(const GuestSettings *settings)
{
    return settings->managed && settings->mode != GUEST_MODE_STATIC && settings->bar == BALLOON_USABLE;
}

void
guest_settings_copy(const GuestSettings *settings, GuestSettings *copy)
{
    *copy = *settings;
    copy->paging_directory = g_strdup(settings->paging_directory);
}

void
guest_settings_clear(GuestSettings *settings)
{
    g_clear_pointer(&settings->paging_directory, g_free);
}

void
config_problem_free(ConfigProblem *problem)
{
    if (problem == NULL)
        return;
    g_free(problem->file);
    g_free(problem->message);
    g_free(problem);
}
