/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_exchange.h"

#include "client_cluster.h"
#include "cluster/constraints.h"
#include "cluster/figures.h"
#include "cluster_guests.h"
#include "cluster_tool.h"
#include "error.h"

#include <string.h>

/* Changes of the room within so long are one. */
#define ROOM_DELAY "10s"
/* An end that is waited for is looked for so often. */
#define LOOK_USEC (2 * G_USEC_PER_SEC)
/* A cluster that follows a wish has begun to within that; its scheduler runs as soon as the wish is written down. */
#define FOLLOW_USEC (2 * G_USEC_PER_SEC)

/* What the cluster says of itself. */
typedef struct ClusterNow {
    char *node;
    Cib *cib;
    GPtrArray *lines; /* of ClusterLine */
} ClusterNow;

static void
cluster_now_clear(ClusterNow *now)
{
    g_clear_pointer(&now->node, g_free);
    g_clear_pointer(&now->cib, cib_free);
    g_clear_pointer(&now->lines, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ClusterNow, cluster_now_clear)

static bool
look(ClusterNow *now, GError **error)
{
    g_autofree char *xml = NULL;

    cluster_now_clear(now);
    now->node = cluster_tool_read_node(error);
    now->lines = now->node != NULL ? cluster_tool_read_lines(error) : NULL;
    /* after the lines: a migration that has begun by then is seen in it */
    xml = now->lines != NULL ? cluster_tool_read_cib(error) : NULL;
    now->cib = xml != NULL ? cib_new(xml, error) : NULL;
    return now->cib != NULL;
}

static bool
publish(const char *attribute, const char *value, const char *how, GError **error)
{
    const char *const words[] = {"attrd_updater", "--name", attribute, "--update", value, how, NULL};
    g_autofree char *out = cluster_tool_run(words, NULL, NULL, error);

    return out != NULL;
}

static bool
take_back(const char *attribute, bool private, GError **error)
{
    const char *const words[] = {"attrd_updater", "--name", attribute, "--delete", private ? "--private" : NULL, NULL};
    g_autofree char *out = cluster_tool_run(words, NULL, NULL, error);

    return out != NULL;
}

bool
cluster_wish_stays(const Cib *cib, const GPtrArray *lines, const char *host, const char *resource)
{
    if (cib_is_coming(cib, resource, host))
        return true;
    if (g_strcmp0(cib_runs_on(cib, resource), host) == 0)
        return false;
    for (guint i = 0; i < lines->len; i++) {
        const ClusterLine *line = g_ptr_array_index(lines, i);
        ClusterFigures figures;
        bool comes, leaves;

        if (!cluster_figures_parse(line->line, &figures, NULL) || strcmp(figures.guest.resource, resource) != 0)
            continue;
        comes = figures.phase == CLUSTER_PHASE_COMES && strcmp(line->host, host) == 0;
        leaves = figures.phase == CLUSTER_PHASE_LEAVES && strcmp(figures.partner, host) == 0;
        if (comes || leaves)
            return true;
    }
    return false;
}

/*
 * The cluster may have begun to follow a wish just before it was taken back. Without it a guest that is under way would be stopped: so it
 * comes back with the score that it had, and *stays is set.
 */
static bool
put_followed_back(const ClusterNow *before, const GPtrArray *taken, bool *stays, GError **error)
{
    g_auto(ClusterNow) now = {0};
    bool good = true;

    g_usleep(FOLLOW_USEC);
    if (!look(&now, error))
        return false;
    for (guint i = 0; i < taken->len; i++) {
        const char *attribute = g_ptr_array_index(taken, i);

        if (!cib_is_coming(now.cib, attribute + strlen(CLUSTER_WISH_PREFIX), now.node))
            continue;
        *stays = true;
        good =
            publish(attribute, cib_transient(before->cib, before->node, attribute), NULL, good ? error : NULL) && good;
    }
    return good;
}

/*
 * Takes back all wishes of this host but that one (NULL: all of them). *stays: one more stays, whose guest is on its way.
 * Returns false and sets error where one could not be taken back; the others are.
 */
static bool
take_wishes_back(const ClusterNow *now, const char *wanted, bool *stays, GError **error)
{
    g_autoptr(GPtrArray) names = cib_transient_names(now->cib, now->node, CLUSTER_WISH_PREFIX);
    g_autoptr(GPtrArray) taken = g_ptr_array_new(); /* of guests that may be sent yet */
    bool good = true;

    *stays = false;
    for (guint i = 0; i < names->len; i++) {
        const char *attribute = g_ptr_array_index(names, i);
        const char *resource = attribute + strlen(CLUSTER_WISH_PREFIX);

        if (g_strcmp0(resource, wanted) == 0)
            continue;
        if (cluster_wish_stays(now->cib, now->lines, now->node, resource)) {
            *stays = true;
            continue;
        }
        good = take_back(attribute, false, good ? error : NULL) && good;
        if (g_strcmp0(cib_runs_on(now->cib, resource), now->node) != 0)
            g_ptr_array_add(taken, (void *)attribute);
    }
    return (taken->len == 0 || put_followed_back(now, taken, stays, good ? error : NULL)) && good;
}

/* ---- withdrawing ---- */

static bool
withdraw_once(ClusterNow *now, bool *stays, GError **error)
{
    bool good;

    *stays = false;
    if (!look(now, error))
        return false; /* whether a guest is on its way is not known */
    good = take_wishes_back(now, NULL, stays, error);
    good = take_back(CLUSTER_ROOM_ATTRIBUTE, false, good ? error : NULL) && good;
    if (!*stays)
        good = take_back(CLUSTER_LINE_ATTRIBUTE, true, good ? error : NULL) && good;
    return good;
}

bool
cluster_withdraw(unsigned wait_sec, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)wait_sec * G_USEC_PER_SEC;
    g_autoptr(GDBusConnection) bus = client_connect(NULL);
    g_auto(ClusterNow) now = {0};
    bool stays = false;

    if (bus != NULL)
        client_cluster_withdraw(bus, NULL); /* where there is no dynmemd nothing is to be told to it */
    if (!withdraw_once(&now, &stays, error))
        return false;
    while (stays && g_get_monotonic_time() < end) {
        g_usleep(LOOK_USEC);
        if (!withdraw_once(&now, &stays, error))
            return false;
    }
    return true;
}

/* ---- exchanging ---- */

static GVariant *
lines_of(const ClusterNow *now)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ss)"));
    for (guint i = 0; i < now->lines->len; i++) {
        const ClusterLine *line = g_ptr_array_index(now->lines, i);

        g_variant_builder_add(&builder, "(ss)", line->host, line->line);
    }
    return g_variant_builder_end(&builder);
}

/* As this host has published it. */
static bool
is_in_motion(const ClusterNow *now, const char *resource)
{
    for (guint i = 0; i < now->lines->len; i++) {
        const ClusterLine *line = g_ptr_array_index(now->lines, i);
        ClusterFigures figures;

        if (strcmp(line->host, now->node) == 0 && cluster_figures_parse(line->line, &figures, NULL))
            return figures.phase != CLUSTER_PHASE_IDLE && strcmp(figures.guest.resource, resource) == 0;
    }
    return false;
}

/*
 * Those that can be migrated live, and whose guest is known. The daemon looks for the end of a motion itself: one that the cluster has
 * just begun to leave alone, or would stop the next time, is handed over until then.
 */
static GVariant *
resources_of(const ClusterNow *now, const char *agent)
{
    const GPtrArray *guests = cib_guests(now->cib, agent);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ss)"));
    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);
        g_autofree char *identity = NULL;

        bool stays = cib_is_blocked(now->cib, guest->name) || cib_knows_half_a_move(now->cib, guest->name);

        if (!cib_guest_may_move(now->cib, guest) || !cluster_name_is_good(guest->name) ||
            (stays && !is_in_motion(now, guest->name)))
            continue;
        identity = cluster_guest_identity(now->cib, guest);
        if (identity != NULL)
            g_variant_builder_add(&builder, "(ss)", guest->name, identity);
    }
    return g_variant_builder_end(&builder);
}

/* The wish last: the line that tells of it is to be seen before it is followed. */
static bool
publish_all(const ClusterNow *now, const ClusterReply *reply, GError **error)
{
    g_autofree char *wish = reply->wish[0] != '\0' ? cluster_wish_attribute(reply->wish) : NULL;
    g_autofree char *score = g_strdup_printf("%u", reply->score);
    g_autofree char *room = g_strdup_printf("%u", reply->room);
    bool stays = false;

    if (!take_wishes_back(now, wish != NULL ? reply->wish : NULL, &stays, error) ||
        !publish(CLUSTER_LINE_ATTRIBUTE, reply->line, "--private", error))
        return false;
    if (g_strcmp0(cib_transient(now->cib, now->node, CLUSTER_ROOM_ATTRIBUTE), room) != 0 &&
        !publish(CLUSTER_ROOM_ATTRIBUTE, room, "--delay=" ROOM_DELAY, error))
        return false;
    /* two wishes would move two guests */
    if (wish == NULL || stays || g_strcmp0(cib_transient(now->cib, now->node, wish), score) == 0)
        return true;
    return publish(wish, score, NULL, error);
}

static bool
exchange(const char *agent, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_auto(ClusterNow) now = {0};
    g_auto(ClusterReply) reply = {0};

    return bus != NULL && look(&now, error) &&
           client_cluster_exchange(bus, now.node, lines_of(&now), resources_of(&now, agent), &reply, error) &&
           publish_all(&now, &reply, error);
}

bool
cluster_exchange(const char *agent, GError **error)
{
    if (exchange(agent, error))
        return true;
    cluster_withdraw(0, NULL); /* why it failed is told; the next one tries again */
    return false;
}
