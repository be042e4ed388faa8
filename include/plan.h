/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What decide/ answers: a target for each guest with the reason for it, and the host's ledger.
 * A plan is complete enough that `dm-ctl explain` needs nothing else.
 */

#include "snapshot.h"

typedef enum GuestState {
    GUEST_STATE_OFF,
    GUEST_STATE_RESERVED,
    GUEST_STATE_STARTING,
    GUEST_STATE_ACTIVE,
    GUEST_STATE_RESTARTING,
    GUEST_STATE_PAGING,
    GUEST_STATE_STUCK,
    GUEST_STATE_UNRESPONSIVE,
    GUEST_STATE_STATIC,
    GUEST_STATE_OBSERVED,
    GUEST_STATE_SUSPENDED,
    GUEST_STATE_MIGRATING,
} GuestState;

/* The name design and D-Bus use: "off", "active", … Never NULL. */
const char *guest_state_name(GuestState state);

typedef enum GuestStatus {
    GUEST_STATUS_OK,      /* assigned covers want */
    GUEST_STATUS_LOW,     /* assigned covers demand only */
    GUEST_STATUS_WARNING, /* not even that, or starved at its maximum */
} GuestStatus;

const char *guest_status_name(GuestStatus status);

/* How far the sharing got for a guest: the highest stage it received memory in. */
typedef enum PlanStage {
    PLAN_STAGE_NONE, /* takes no part in the sharing */
    PLAN_STAGE_MINIMUM,
    PLAN_STAGE_DEMAND,
    PLAN_STAGE_WANT,    /* demand and buffer */
    PLAN_STAGE_GROWTH,  /* a starved guest: what it is tried with */
    PLAN_STAGE_PEAK,    /* what it needed a short while ago */
    PLAN_STAGE_SURPLUS, /* its maximum, with GiveAway */
    PLAN_STAGES,
} PlanStage;

/* "minimum", "demand", "want", "growth", "peak", "surplus", "none". */
const char *plan_stage_name(PlanStage stage);

/* The one rule that made the target what it is, and not something else. */
typedef enum PlanRule {
    /* in the sharing, and this limited the answer */
    PLAN_RULE_SATISFIED,  /* has all it wants */
    PLAN_RULE_AT_MINIMUM, /* wants less than its minimum */
    PLAN_RULE_AT_MAXIMUM, /* wants more than its maximum */
    PLAN_RULE_SHORTAGE,   /* the budget did not suffice: shared by priority */
    PLAN_RULE_MINIMUMS,   /* not even all minimums fit in the budget */
    PLAN_RULE_PRESSURE,   /* the host is under memory pressure: buffers are given up */
    PLAN_RULE_STARVED,    /* starved: tried with more than it shows to need */
    PLAN_RULE_PEAK,       /* has what it needed a short while ago */
    PLAN_RULE_SURPLUS,    /* got more than it wants: GiveAway */
    /* in the sharing, and this delayed the answer */
    PLAN_RULE_WAIT_FREE,    /* the raise waits until memory is seen free (rule G) */
    PLAN_RULE_WAIT_SURPLUS, /* the surplus has not lasted long enough to be taken back */
    PLAN_RULE_STEP,         /* shrinking in steps that the guest can follow */
    PLAN_RULE_SMALL,        /* too small a change to be worth it */
    PLAN_RULE_STALE,        /* statistics are stale: not shrunk */
    PLAN_RULE_SETTLING,     /* its driver is up since a moment only: not squeezed yet */
    PLAN_RULE_RETRY,        /* was stuck, is tried again */
    PLAN_RULE_MAKE_ROOM,    /* squeezed so that another guest can start or restart */
    PLAN_RULE_LIMIT,        /* it stopped shrinking with nothing left to give: not squeezed further for a while */
    PLAN_RULE_LET_BE,       /* it was reset again and again soon after it was squeezed: not squeezed for a while */
    PLAN_RULE_BOUND,        /* a limit above it (memory.max, a NUMA node) leaves no more */
    /* out of the sharing */
    PLAN_RULE_OFF,
    PLAN_RULE_UNMANAGED,     /* no metadata element */
    PLAN_RULE_STATIC,        /* mode=static */
    PLAN_RULE_BAR,           /* its balloon can't free memory, settings->bar says why */
    PLAN_RULE_INHIBITED,     /* ballooning it was seen to free nothing */
    PLAN_RULE_NO_DRIVER,     /* its driver never answered */
    PLAN_RULE_NO_STATISTICS, /* its balloon works, its statistics do not come */
    PLAN_RULE_OBSERVE,       /* mode=observe, dry run or read-only connection */
    PLAN_RULE_STARTING,      /* its driver is not up yet */
    PLAN_RULE_ADOPTING,      /* it ran before the daemon: its first report is awaited */
    PLAN_RULE_BROUGHT,       /* it came with its memory (restored, migrated here): its first report is awaited */
    PLAN_RULE_LET_GO,        /* it is no longer managed: it gets its startup memory back first */
    PLAN_RULE_RESET,         /* reset: its driver is not up again yet */
    PLAN_RULE_STUCK,         /* its balloon does not move */
    PLAN_RULE_UNRESPONSIVE,  /* its QEMU does not answer */
    PLAN_RULE_FROZEN,        /* paused, suspended or migrating */
    PLAN_RULE_RESERVED,      /* off, and booked: it is about to start */
    PLAN_RULE_RESTART,       /* restarting under a limit: it gets its startup memory as it comes free */
    PLAN_RULE_PAGING,        /* restarting with a part of its startup memory in a paging file */
    PLAN_RULE_PAGING_LEAVE,  /* its driver is back: it gives up what is in its paging file */
    PLAN_RULE_LINK_DOWN,     /* libvirt is away: guests keep their targets */
    PLAN_RULE_COUNT,
} PlanRule;

/* A short stable name: "satisfied", "shortage", "wait-free", … */
const char *plan_rule_name(PlanRule rule);
/* The rule in one clause for people, no figures: "the budget did not suffice and is shared by priority". */
const char *plan_rule_text(PlanRule rule);
/* Why a balloon is of no use, for people: "a host device is assigned through VFIO". */
const char *balloon_bar_text(BalloonBar bar);

/* On what ground it is believed what a guest may hold of the host's memory. */
typedef enum LedgerGround {
    GROUND_NONE,    /* off, and no start of it is booked */
    GROUND_START,   /* its start was admitted, and its QEMU is not seen yet: what it starts with, or brings */
    GROUND_LIMIT,   /* memory.high is in force, below what its balloon leaves it: what it was granted */
    GROUND_BALLOON, /* its balloon is believed: the largest of its size and of the targets that may be in force */
    GROUND_BROUGHT, /* it came with its memory: the larger of what was booked for that and of what it holds */
    GROUND_MAXIMUM, /* nothing holds it */
    GROUND_FULL,    /* it can't be ballooned, or is not to be: all its memory, or what it holds if that is more */
} LedgerGround;

/* "none", "start", "limit", "balloon", "brought", "maximum", "full". Never NULL. */
const char *ledger_ground_name(LedgerGround ground);

/* How far a restart on a full host has come. */
typedef enum PagingPhase {
    PAGING_PHASE_NONE,
    PAGING_PHASE_WAIT,  /* a restart lacks memory, which others are giving up */
    PAGING_PHASE_MAKE,  /* ... which they can't, or have not in time: its file is being made */
    PAGING_PHASE_BOOT,  /* it boots with the file */
    PAGING_PHASE_LEAVE, /* its driver is back: it is ballooned down, and memory is looked for to take back the rest */
    PAGING_PHASE_EMPTY, /* memory is booked; its file is emptied and switched off, as soon as its limit leaves room for that */
    PAGING_PHASE_REFUSED, /* it needs a file and can't have one: it goes on under memory.high */
} PagingPhase;

/* "none", "waiting", "making", "booting", "leaving", "emptying", "refused". Never NULL. */
const char *paging_phase_name(PagingPhase phase);

/* How hard the daemon presses for a file's end, by its age in parts of [SmartPaging] DeadlineSec=. */
typedef enum PagingUrgency {
    PAGING_URGENCY_NONE,
    PAGING_URGENCY_HARDER,  /* half: its guest goes before all others, and gives up what it does not need itself */
    PAGING_URGENCY_HARDEST, /* eight tenths: others are squeezed to their minimum for it */
    PAGING_URGENCY_OVERDUE, /* all of it */
} PagingUrgency;

typedef enum PagingOrder {
    PAGING_ORDER_NONE,
    PAGING_ORDER_MAKE, /* make a file of paging_size_kib */
    PAGING_ORDER_END,
} PagingOrder;

typedef struct GuestPlan {
    const GuestSnapshot *guest; /* what this was decided from; same index in Snapshot.guests */
    GuestState state;
    GuestStatus status;

    uint64_t target_kib; /* what the balloon should be told, or has been told; 0 where nothing can be told */
    bool tell;           /* tell it now */

    uint64_t ideal_kib; /* the sharing's answer, before any delay */
    uint64_t demand_kib;
    uint64_t want_kib;
    uint64_t shown_kib;     /* what demand would be by the last report alone; 0 where not known */
    uint64_t floor_kib;     /* below it a guest of this size can't live; part of demand */
    uint64_t assigned_kib;  /* actual, or what it must be taken to have where that is void */
    uint64_t committed_kib; /* after this plan is told; without overhead. In state reserved: booked for its start */
    LedgerGround ground;    /* of that */
    uint64_t lent_kib;    /* besides, booked out of what is free: its limit leaves it to the page cache of its disks */
    uint64_t balloon_kib; /* GROUND_LIMIT: what its balloon would leave it, beyond that */
    bool moved;           /* its balloon was at its target and is not any more, though nothing was told */
    uint64_t overhead_kib;
    uint32_t pressure_percent; /* want in percent of assigned */
    uint32_t weight;           /* 0: not in the sharing */

    PlanStage stage;
    PlanRule rule;
    bool starved;
    bool doubtful;         /* was starved: less than it seemed to need then is not believed yet */
    bool retry;            /* told as a trial after having been stuck */
    uint64_t flagged_usec; /* stuck since; 0: not */
    uint64_t retry_usec;   /* next trial of a stuck guest; 0: none */

    /* its limit */
    bool limit_tell;    /* set memory.high now */
    uint64_t limit_kib; /* memory.high as it should be; LIMIT_NONE: none */
    /* a restart */
    RestartKind restart;    /* what its present boot is */
    uint64_t granted_kib;   /* booting under a limit: memory it physically may have, part of committed */
    uint64_t shortfall_kib; /* part of startup that no physical memory could be found for */
    PagingPhase paging_phase;
    PagingUrgency paging_urgency;
    PagingOrder paging_order;
    uint64_t paging_size_kib;
    uint64_t paging_deadline_usec; /* when its file is to be gone; 0: it has none */
    const char *paging_bar;        /* PAGING_PHASE_REFUSED: why, one clause; valid until the next decision */
} GuestPlan;

/* Which figure the budget is. */
typedef enum BudgetLimit {
    BUDGET_BY_TOTAL,     /* MemTotal less huge pages, reserve, other processes, overheads */
    BUDGET_BY_AVAILABLE, /* committed plus MemAvailable less reserve, untouched memory, overheads */
    BUDGET_BY_SETTING,   /* [Host] Budget= */
    BUDGET_BY_GROUP,     /* memory.max of a group that all guests stand in (machine.slice) */
} BudgetLimit;

const char *budget_limit_name(BudgetLimit limit);

typedef struct Plan {
    GuestPlan *guests; /* as many as Snapshot.guests, same order */
    size_t guest_count;
    StartPlan *starts; /* as many as Snapshot.starts, same order */
    size_t start_count;
    bool *end_files; /* by the index of Snapshot.files: this file is to be ended now */
    size_t file_count;

    /* the ledger; budget and committed are net of overheads, so that they can be compared */
    uint64_t budget_kib;
    BudgetLimit budget_limit;
    uint64_t budget_total_kib;     /* figure (a) */
    uint64_t budget_available_kib; /* figure (b) */
    uint64_t committed_kib;        /* after this plan is told */
    uint64_t free_kib;             /* budget less committed, at least 0 */
    uint64_t lent_kib;             /* part of that: to guests' page cache, and taken back when somebody waits for it */
    uint64_t reserve_kib;
    uint64_t overhead_kib;
    uint64_t other_kib; /* what non-guest processes use */

    /* booked for guests about to start; part of committed, and of their guests' where those are known and off */
    uint64_t reserved_kib;
    uint64_t sharing_kib;  /* budget left to those that share it */
    uint64_t minimums_kib; /* their minimums */
    uint64_t demands_kib;
    uint64_t wants_kib;
    bool minimums_fit;
    bool over_budget;          /* committed is above the budget: others took memory, or a guest outgrew its booking */
    bool host_pressure;        /* PSI says that the host suffers */
    uint32_t pressure_percent; /* wants in percent of what the sharing guests have */
} Plan;
