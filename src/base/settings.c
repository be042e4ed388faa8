/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"
#include "config_problem.h"
#include "units.h"

const char *const cluster_level_names[CLUSTER_LEVELS + 1] = {
    [CLUSTER_LEVEL_OFF] = "off",
    [CLUSTER_LEVEL_MANUAL] = "manual",
    [CLUSTER_LEVEL_CONFIRM] = "confirm",
    [CLUSTER_LEVEL_AUTOMATIC] = "automatic",
};

Settings *
settings_new(void)
{
    Settings *settings = g_new0(Settings, 1);

    settings->reserve_kib = SETTINGS_RESERVE_AUTO;
    settings->budget_kib = SETTINGS_BUDGET_NONE;
    settings->buffer_percent = 20;
    settings->priority = 50;
    settings->priority_most = 100;
    settings->minimum_most.kib = SETTINGS_MINIMUM_ANY;
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
    settings->cluster_level = CLUSTER_LEVEL_OFF;
    /* above it buffers are not whole: one more burst, and guests lack what they need */
    settings->cluster_pressure_percent = 100;
    /* a guest of a tenth of a host: less is not worth what a migration costs, and noise makes it */
    settings->cluster_gain_percent = 10;
    /* a boot, a backup, a build are over by then */
    settings->cluster_hold_usec = 180 * USEC_PER_SEC;
    /* so that a load that comes and goes each hour carries no guest to and fro */
    settings->cluster_cooldown_usec = 3600 * USEC_PER_SEC;
    settings->hugepage_kib = 2 * KIB_PER_MIB;
    return settings;
}

Settings *
settings_copy(const Settings *settings)
{
    Settings *copy = g_memdup2(settings, sizeof *settings);

    copy->paging_directory = g_strdup(settings->paging_directory);
    copy->reserve_file = g_strdup(settings->reserve_file);
    return copy;
}

void
settings_free(Settings *settings)
{
    if (settings == NULL)
        return;
    g_free(settings->paging_directory);
    g_free(settings->reserve_file);
    g_free(settings);
}

bool
guest_settings_need_reports(const GuestSettings *settings)
{
    return settings->managed && settings->mode != GUEST_MODE_STATIC && settings->bar == BALLOON_USABLE;
}

bool
guest_settings_are_ours(const GuestSettings *settings)
{
    return settings->managed && settings->mode == GUEST_MODE_DYNAMIC && settings->bar == BALLOON_USABLE;
}

uint64_t
guest_settings_full_kib(const GuestSettings *settings)
{
    return saturating_sub(saturating_add(settings->maximum_kib, settings->fixed_kib), settings->hugepages_kib);
}

uint64_t
guest_floor_kib(uint64_t maximum_kib)
{
    /* 32 MiB and a part that gets smaller with size; what remains is 1/64, the kernel's page structures */
    uint64_t first = MIN(maximum_kib, KIB_PER_GIB);
    uint64_t second = MIN(saturating_sub(maximum_kib, KIB_PER_GIB), 7 * KIB_PER_GIB);
    uint64_t rest = saturating_sub(maximum_kib, 8 * KIB_PER_GIB);

    return MIN(32 * KIB_PER_MIB + first / 16 + second / 32 + rest / 64, maximum_kib);
}

void
guest_settings_copy(const GuestSettings *settings, GuestSettings *copy)
{
    *copy = *settings;
    copy->paging_directory = g_strdup(settings->paging_directory);
    copy->partition = g_strdup(settings->partition);
}

void
guest_settings_clear(GuestSettings *settings)
{
    g_clear_pointer(&settings->partition, g_free);
    g_clear_pointer(&settings->paging_directory, g_free);
}

char *
config_problem_text(const ConfigProblem *problem)
{
    return problem->line > 0 ? g_strdup_printf("%s:%u: %s", problem->file, problem->line, problem->message)
                             : g_strdup_printf("%s: %s", problem->file, problem->message);
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
