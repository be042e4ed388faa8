/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is remembered of what could not wait for the next tick (decide_alarm). */

#include <stdbool.h>
#include <stdint.h>

/* It is not done again before a pause is over. */
typedef struct AlarmPause {
    uint64_t usec; /* when it was done last; 0: never in this boot of the guest */
    uint64_t pause_usec;
    uint64_t figure_kib; /* that something was to come of, then */
} AlarmPause;

/* Of one guest. */
typedef struct AlarmMemory {
    AlarmPause ask;
    AlarmPause tick;
} AlarmMemory;

/* In any second no more guests are asked at once. */
#define ALARM_ASKS_PER_SEC 4
