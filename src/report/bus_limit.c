/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus_limit.h"

#include "names.h"
#include "units.h"

#include <string.h>
#include <unistd.h>

/* Units a second, and at once after a rest. Ten are well below a millisecond where there are a thousand guests. */
#define CALLER_RATE 500
#define CALLER_BURST 1000
#define ALL_RATE 2000
#define ALL_BURST 4000
/* A property, or what GDBus refuses by itself. */
#define LEAST_COST 1
/* All names of guests. */
#define NAMES_COST 2
/* What is worked out, or a question to polkit. */
#define WORK_COST 10
/* A whole day of a guest. */
#define HISTORY_COST 20
/* All properties of all guests. */
#define WALK_COST 100
/* Nobody has that much to say; it may be held for as long as a password prompt stands open. */
#define BYTES_MOST 65536
/* Callers who had a rest are forgotten whenever there are so many. */
#define CALLERS 128
/* ... and of whom it is known whether they are root, with so many. */
#define USERS 1024
/* Questions to the bus at once. */
#define QUESTIONS 32

#define TOO_OFTEN "asked too often; try again in a second"
#define TOO_LARGE "the call is larger than 64 KiB"

typedef struct Bucket {
    unsigned units; /* to be had */
    uint64_t filled_usec;
} Bucket;

/* What is known of a caller. */
typedef enum User {
    USER_UNKNOWN,
    USER_OTHER, /* or the bus has not said yet */
    USER_ROOT,  /* or who runs the daemon */
} User;

/* An atomic rc box: of its owner, and of each connection. */
struct BusLimit {
    GMutex lock;
    Bucket all;
    GHashTable *callers; /* unique name -> Bucket */
    GHashTable *users;   /* unique name -> User */
    GHashTable *asked;   /* serial of a question to the bus -> unique name of whom it is about */
};

BusLimit *
bus_limit_new(void)
{
    BusLimit *limit = g_atomic_rc_box_new0(BusLimit);

    g_mutex_init(&limit->lock);
    limit->all.units = ALL_BURST;
    limit->callers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    limit->users = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    limit->asked = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return limit;
}

static void
clear(void *data)
{
    BusLimit *limit = data;

    g_hash_table_unref(limit->callers);
    g_hash_table_unref(limit->users);
    g_hash_table_unref(limit->asked);
    g_mutex_clear(&limit->lock);
}

void
bus_limit_free(BusLimit *limit)
{
    if (limit != NULL)
        g_atomic_rc_box_release_full(limit, clear);
}

static void
fill(Bucket *bucket, unsigned rate, unsigned burst, uint64_t now_usec)
{
    uint64_t units = saturating_sub(now_usec, bucket->filled_usec) / (USEC_PER_SEC / rate);

    bucket->units = (unsigned)MIN(burst, bucket->units + units);
    bucket->filled_usec += units * (USEC_PER_SEC / rate);
}

static gboolean
had_a_rest(gpointer name, gpointer value, gpointer now_usec)
{
    Bucket *bucket = value;

    fill(bucket, CALLER_RATE, CALLER_BURST, *(const uint64_t *)now_usec);
    return bucket->units == CALLER_BURST;
}

static Bucket *
bucket_of(BusLimit *limit, const char *sender, uint64_t now_usec)
{
    Bucket *bucket = g_hash_table_lookup(limit->callers, sender);

    if (bucket != NULL)
        return bucket;
    if (g_hash_table_size(limit->callers) >= CALLERS)
        g_hash_table_foreach_remove(limit->callers, had_a_rest, &now_usec);
    bucket = g_new0(Bucket, 1);
    *bucket = (Bucket){.units = CALLER_BURST, .filled_usec = now_usec};
    g_hash_table_insert(limit->callers, g_strdup(sender), bucket);
    return bucket;
}

/* Called locked. */
static User
user_of(const BusLimit *limit, const char *sender)
{
    return (User)GPOINTER_TO_INT(g_hash_table_lookup(limit->users, sender));
}

bool
bus_limit_take(BusLimit *limit, const char *sender, unsigned cost, uint64_t now_usec)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limit->lock);
    bool root = user_of(limit, sender) == USER_ROOT;
    Bucket *bucket;

    fill(&limit->all, ALL_RATE, ALL_BURST, now_usec);
    if (limit->all.units < cost && !root)
        return false; /* also so that no more callers are remembered than were given something */
    bucket = bucket_of(limit, sender, now_usec);
    fill(bucket, CALLER_RATE, CALLER_BURST, now_usec);
    if (bucket->units < cost)
        return false;
    bucket->units -= cost;
    limit->all.units -= MIN(limit->all.units, cost);
    return true;
}

unsigned
bus_limit_callers(BusLimit *limit)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limit->lock);

    return g_hash_table_size(limit->callers);
}

unsigned
bus_limit_cost(const char *interface, const char *member)
{
    static const struct {
        const char *interface;
        const char *member;
        unsigned cost;
    } costs[] = {
        /* the bus lets root alone send these */
        {DYNMEM_BUS_INTERFACE_MANAGER, "Hook", 0},
        {DYNMEM_BUS_INTERFACE_CLUSTER, "Exchange", 0},
        {DYNMEM_BUS_INTERFACE_CLUSTER, "Withdraw", 0},
        {DYNMEM_BUS_INTERFACE_MANAGER, "History", HISTORY_COST},
        {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects", WALK_COST},
        {DYNMEM_BUS_INTERFACE_MANAGER, NULL, WORK_COST},
        {DYNMEM_BUS_INTERFACE_CLUSTER, NULL, WORK_COST},
        {"org.freedesktop.DBus.Introspectable", NULL, NAMES_COST},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(costs); i++)
        if (g_strcmp0(costs[i].interface, interface) == 0 &&
            (costs[i].member == NULL || g_strcmp0(costs[i].member, member) == 0))
            return costs[i].cost;
    /* GDBus takes a call without an interface for whatever has such a member */
    return interface == NULL ? WALK_COST : LEAST_COST;
}

/* Answers, unless nobody waits for that. */
static void
refuse(GDBusConnection *connection, GDBusMessage *message, const char *name, const char *text)
{
    g_autoptr(GDBusMessage) reply = NULL;

    if ((g_dbus_message_get_flags(message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) != 0)
        return;
    reply = g_dbus_message_new_method_error_literal(message, name, text);
    g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

/* Others may have taken all that there is for all: root gets its own part all the same, with the next call. */
static void
ask_whether_root(BusLimit *limit, GDBusConnection *connection, const char *sender)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limit->lock);
    g_autoptr(GDBusMessage) question = NULL;
    uint32_t serial;

    if (user_of(limit, sender) != USER_UNKNOWN || g_hash_table_size(limit->asked) >= QUESTIONS)
        return;
    question = g_dbus_message_new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                              "GetConnectionUnixUser");
    g_dbus_message_set_body(question, g_variant_new("(s)", sender));
    if (!g_dbus_connection_send_message(connection, question, G_DBUS_SEND_MESSAGE_FLAGS_NONE, &serial, NULL))
        return;
    if (g_hash_table_size(limit->users) >= USERS)
        g_hash_table_remove_all(limit->users);
    g_hash_table_insert(limit->users, g_strdup(sender), GINT_TO_POINTER(USER_OTHER));
    g_hash_table_insert(limit->asked, GUINT_TO_POINTER(serial), g_strdup(sender));
}

/* An answer of the bus, maybe to that. */
static void
hear_answer(BusLimit *limit, GDBusMessage *message)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&limit->lock);
    void *serial = GUINT_TO_POINTER(g_dbus_message_get_reply_serial(message));
    const char *name = g_hash_table_lookup(limit->asked, serial);
    GVariant *body = g_dbus_message_get_body(message);
    uint32_t uid;

    if (name == NULL || g_strcmp0(g_dbus_message_get_sender(message), "org.freedesktop.DBus") != 0)
        return;
    if (body != NULL && g_variant_is_of_type(body, G_VARIANT_TYPE("(u)"))) {
        g_variant_get(body, "(u)", &uid);
        if (uid == 0 || uid == (uint32_t)geteuid())
            g_hash_table_insert(limit->users, g_strdup(name), GINT_TO_POINTER(USER_ROOT));
    }
    g_hash_table_remove(limit->asked, serial);
}

/* A GDBusMessageFilterFunction, on the connection's thread. */
static GDBusMessage *
filter(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data)
{
    const char *sender = g_dbus_message_get_sender(message);
    GVariant *body = g_dbus_message_get_body(message);
    unsigned cost;

    if (incoming && g_dbus_message_get_reply_serial(message) != 0)
        hear_answer(data, message);
    if (!incoming || g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL || sender == NULL)
        return message;
    cost = bus_limit_cost(g_dbus_message_get_interface(message), g_dbus_message_get_member(message));
    if (cost == 0)
        return message;
    if (!bus_limit_take(data, sender, cost, (uint64_t)g_get_monotonic_time())) {
        ask_whether_root(data, connection, sender);
        refuse(connection, message, DYNMEM_BUS_ERROR_TOO_OFTEN, TOO_OFTEN);
    } else if (body != NULL && g_variant_get_size(body) > BYTES_MOST) {
        refuse(connection, message, "org.freedesktop.DBus.Error.LimitsExceeded", TOO_LARGE);
    } else {
        return message;
    }
    g_object_unref(message);
    return NULL;
}

static void
release(gpointer data)
{
    bus_limit_free(data);
}

void
bus_limit_watch(BusLimit *limit, GDBusConnection *connection)
{
    g_mutex_lock(&limit->lock); /* another bus may give the same names to others */
    g_hash_table_remove_all(limit->users);
    g_hash_table_remove_all(limit->asked);
    g_mutex_unlock(&limit->lock);
    g_dbus_connection_add_filter(connection, filter, g_atomic_rc_box_acquire(limit), release);
}
