/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One change of the element in a guest's metadata: the libvirt calls that do it, and those that undo it. */

#include "ports.h"

typedef struct ElementCall {
    char uuid[37];
    ElementWork work;
    void *work_data;
    GDestroyNotify work_free;
    GError *error; /* found; NULL: done */
} ElementCall;

ElementCall *element_call_new(const char *uuid, ElementWork work, void *data, GDestroyNotify free_data);
void element_call_free(void *call);

/* CallRun on a VirtLane; data is an ElementCall. */
bool element_call_run(void *lane, void *data);
