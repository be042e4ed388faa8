/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the two halves of paging.h share: paging.c has the table and the beginning and end of it all, paging_life.c
 * takes each file from stage to stage. Main thread only, but for what a Job says.
 */

#include "paging.h"
#include "paging_work.h"

typedef enum JobKind {
    JOB_MAKE,
    JOB_CLOSE,
    JOB_FINISH,
    JOB_HOLD,
    JOB_TIDY,
} JobKind;

/* What threads and the main loop share: it outlives the one that goes first. */
typedef struct Handle {
    gatomicrefcount references;
    Paging *paging; /* main thread only; NULL: gone */
    PagingWork work;
} Handle;

typedef struct Job {
    Handle *handle;
    JobKind kind;
    HeldFile *file; /* JOB_MAKE: all of it; JOB_CLOSE, JOB_FINISH: its uuid */
    uint64_t minimum_free_kib;
    int stop; /* atomic: call the making off */
    bool good;
    PagingLeft left; /* JOB_FINISH */
    GError *error;
} Job;

typedef struct File {
    PagingRecord record;
    Paging *paging;
    char *group;
    char *path;
    Job *job; /* under way */
    GPid helper;
    guint helper_source;
    guint retry_source;
    unsigned retries;
    bool end_wanted;
    bool shown; /* how it ended */
} File;

struct Paging {
    const ActSystem *system;
    Handle *handle;
    Limits *limits;
    GHashTable *files;   /* uuid -> File */
    GPtrArray *list;     /* the records, sorted by uuid; made by records() */
    GPtrArray *over;     /* File whose guest has another one now; who was shown it may still look at it */
    GThreadPool *making; /* JOB_MAKE, JOB_TIDY: in turn, as what is left is not to be told from what is being made */
    GThreadPool *pool;   /* all others: they wait for no disk on which a file is to be made */
    unsigned running;
    bool holding;
    guint hold_source;
    guint take_over_source;
    guint thread_source; /* a thread could not be had */
    guint tidy_source;
    unsigned tidy_retries;
    guint shown_source;
    const char *bar;
    uint64_t bar_usec;
    struct {
        bool active;
        guint timer;
        void (*done)(void *user_data);
        void *user_data;
    } stop;
};

void paging_handle_unref(Handle *handle);

/* ---- paging_life.c ---- */

/* A thread: does a Job of its pool. */
void paging_run_job(gpointer job, gpointer unused);
/* A job for a thread; file is taken over. Its end goes on from there. */
Job *paging_begin_job(Paging *paging, JobKind kind, HeldFile *file);
void paging_push_job(Paging *paging, Job *job);
/* A HeldFile with nothing but its uuid. */
HeldFile *paging_named_file(const File *file);

void paging_set_error(File *file, const char *message);
/* Closes it, switches it off, deletes it, until all is done. */
void paging_begin_end(File *file);
void paging_push_tidy(Paging *paging);
/* Nothing more is waited for. */
void paging_end_stop(Paging *paging);
