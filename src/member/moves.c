/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "moves.h"

#include "units.h"

#include <string.h>

struct Moves {
    ClusterTell tell;
    void *user_data;
    GArray *list; /* of ClusterMotion, newest last; the last one goes on where its end is 0 */
};

static void
clear_motion(void *data)
{
    cluster_motion_clear(data);
}

Moves *
moves_new(ClusterTell tell, void *user_data)
{
    Moves *moves = g_new0(Moves, 1);

    moves->tell = tell;
    moves->user_data = user_data;
    moves->list = g_array_new(FALSE, TRUE, sizeof(ClusterMotion));
    g_array_set_clear_func(moves->list, clear_motion);
    return moves;
}

void
moves_free(Moves *moves)
{
    if (moves == NULL)
        return;
    g_array_unref(moves->list);
    g_free(moves);
}

/* The newest, or NULL. */
static ClusterMotion *
newest(const Moves *moves)
{
    return moves->list->len > 0 ? &g_array_index(moves->list, ClusterMotion, moves->list->len - 1) : NULL;
}

/* The one that goes on, or NULL. */
static ClusterMotion *
current(const Moves *moves)
{
    ClusterMotion *last = newest(moves);

    return last != NULL && last->ended_usec == 0 ? last : NULL;
}

static void
tell(const Moves *moves, ClusterNews news, const ClusterMotion *motion, const char *detail)
{
    if (moves->tell != NULL)
        moves->tell(moves->user_data, news, motion, detail);
}

static void
end(ClusterMotion *motion, bool done, char *reason, uint64_t now_usec)
{
    motion->ended_usec = now_usec;
    motion->done = done;
    g_free(motion->reason);
    motion->reason = reason;
}

/* The guest that moves now. */
static ClusterMotion *
begin(Moves *moves, const MovesStep *step)
{
    const ClusterFigures *figures = &step->step->figures;
    bool gives = figures->phase == CLUSTER_PHASE_OFFERS || figures->phase == CLUSTER_PHASE_LEAVES;
    ClusterMotion motion = {
        .began_usec = step->now_usec,
        .guest = g_strdup(step->guest != NULL ? step->guest : figures->guest.resource),
        .reason = g_strdup(""),
    };

    g_strlcpy(motion.uuid, figures->guest.uuid, sizeof motion.uuid);
    g_strlcpy(motion.resource, figures->guest.resource, sizeof motion.resource);
    g_strlcpy(motion.source, gives ? step->node : figures->partner, sizeof motion.source);
    g_strlcpy(motion.target, gives ? figures->partner : step->node, sizeof motion.target);
    if (moves->list->len == MOVES_MAX)
        g_array_remove_index(moves->list, 0);
    g_array_append_val(moves->list, motion);
    return current(moves);
}

static char *
detail_of(const ClusterStep *step)
{
    const ClusterMove *move = &step->move;
    g_autofree char *brings = units_format_size(step->figures.guest.brings_kib);
    g_autofree char *overhead = units_format_size(step->figures.guest.overhead_kib);

    if (step->figures.phase == CLUSTER_PHASE_OFFERS && move->found)
        return g_strdup_printf("guests here want %u %% of what they may have, and %u %% without it; there it is %u %% "
                               "and %u %% with it",
                               move->source_before, move->source_after, move->target_before, move->target_after);
    return g_strdup_printf("it comes with %s, and %s for its QEMU", brings, overhead);
}

/* What is new about a motion that goes on. */
static void
note_phase(const Moves *moves, ClusterMotion *motion, const MovesStep *step)
{
    const ClusterFigures *now = &step->step->figures;
    bool known = strcmp(step->before->guest.uuid, now->guest.uuid) == 0 && step->before->phase != CLUSTER_PHASE_IDLE;
    g_autofree char *detail = detail_of(step->step);

    motion->phase = cluster_phase_name(now->phase);
    if (now->phase == CLUSTER_PHASE_OFFERS && !known)
        tell(moves, CLUSTER_NEWS_OFFERED, motion, detail);
    else if (now->phase == CLUSTER_PHASE_BOOKS && !known)
        tell(moves, CLUSTER_NEWS_BOOKED, motion, detail);
    else if (now->phase == CLUSTER_PHASE_WISHES && (!known || step->before->phase != now->phase))
        tell(moves, CLUSTER_NEWS_WISHED, motion, detail);
    if (now->phase != CLUSTER_PHASE_COMES || step->booking != CLUSTER_BOOKING_RUNS)
        return;
    end(motion, true, g_strdup(cluster_end_text(CLUSTER_END_CAME)), step->now_usec);
    tell(moves, CLUSTER_NEWS_ARRIVED, motion, "");
}

static void
note_end(const Moves *moves, ClusterMotion *motion, const MovesStep *step)
{
    ClusterEnd why = step->step->end;
    const char *text = cluster_end_text(why);
    bool left = why == CLUSTER_END_LEFT;

    end(motion, left,
        why == CLUSTER_END_NO_ROOM && step->refusal != NULL ? g_strdup_printf("%s: %s", text, step->refusal)
                                                            : g_strdup(text),
        step->now_usec);
    tell(moves, left ? CLUSTER_NEWS_LEFT : CLUSTER_NEWS_WITHDRAWN, motion, motion->reason);
}

/* Its guest runs here: the motion is at its end before its phase is. */
static bool
has_come(const Moves *moves, const MovesStep *step)
{
    const ClusterFigures *now = &step->step->figures;
    const ClusterMotion *last = newest(moves);

    return last != NULL && now->phase == CLUSTER_PHASE_COMES && step->before->phase == CLUSTER_PHASE_COMES &&
           g_strcmp0(last->uuid, now->guest.uuid) == 0;
}

void
moves_note(Moves *moves, const MovesStep *step)
{
    const ClusterFigures *now = &step->step->figures;
    ClusterMotion *motion = current(moves);

    if (now->phase == CLUSTER_PHASE_IDLE) {
        if (motion != NULL)
            note_end(moves, motion, step);
        return;
    }
    if (motion == NULL && has_come(moves, step))
        return;
    if (motion == NULL)
        motion = begin(moves, step);
    note_phase(moves, motion, step);
}

void
moves_break_off(Moves *moves, const char *reason, uint64_t now_usec)
{
    ClusterMotion *motion = current(moves);

    if (motion == NULL)
        return;
    end(motion, false, g_strdup(reason), now_usec);
    tell(moves, CLUSTER_NEWS_WITHDRAWN, motion, motion->reason);
}

void
moves_list(const Moves *moves, GArray *list)
{
    for (guint i = moves->list->len; i-- > 0;) {
        ClusterMotion copy;

        cluster_motion_copy(&g_array_index(moves->list, ClusterMotion, i), &copy);
        g_array_append_val(list, copy);
    }
}
