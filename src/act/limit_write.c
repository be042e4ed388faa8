/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit_write.h"

#include "error.h"
#include "paging.h"
#include "units.h"

#include <errno.h>
#include <string.h>

/* What is lowered in one write. */
#define STEP_KIB (64 * KIB_PER_MIB)

/* A guest that is gone has no limit, and none that failed. */
static bool
write_kib(const LimitWrite *write, uint64_t kib, const char *step, GError **error)
{
    g_autofree char *value = group_value_text(write->system, kib);
    g_autoptr(GError) why = NULL;
    bool good = group_file_write(write->system, write->file, value, &why);

    if (!good && group_file_inode(write->system, write->file) == 0 && group_errno_absent(errno))
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "its control group is gone");
    else if (!good)
        g_propagate_error(error, g_steal_pointer(&why));
    act_system_step(write->system, step);
    return good;
}

static bool
lower(const LimitWrite *write, GError **error)
{
    g_autofree char *group = g_path_get_dirname(write->file);
    g_autofree char *current_file = g_strconcat(group, "/memory.current", NULL);
    uint64_t charged_kib = 0, step_kib;

    group_file_kib(write->system, current_file, &charged_kib);
    /* nothing is to be reclaimed above what it uses */
    step_kib = MAX(write->to_kib, MIN(charged_kib, write->from_kib));
    do {
        if (g_atomic_int_get(&write->superseded)) {
            g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "a newer limit has taken its place");
            return false;
        }
        step_kib = MAX(write->to_kib, saturating_sub(step_kib, STEP_KIB));
        if (!write_kib(write, step_kib, "limit lowered", error))
            return false;
    } while (step_kib > write->to_kib);
    return true;
}

bool
limit_write_run(const LimitWrite *write, GError **error)
{
    const char *file = write->file;

    if (write->to_kib == LIMIT_NONE && !write->stay_claimed)
        return held_release(write->held, &file, 1, error);
    if (!held_claim(write->held, file, error))
        return false;
    return write->to_kib < write->from_kib ? lower(write, error)
                                           : write_kib(write, write->to_kib, "limit raised", error);
}
