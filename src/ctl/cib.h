/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a Pacemaker cluster is set up with and how it is at this moment (its CIB), as a tree; and what of it matters to guests.
 * Its names are Pacemaker's. Nothing of a tree outlives it.
 */

#include "xml_tree.h"

typedef struct Cib Cib;

/* Reads the XML. Returns NULL and sets error (DYNMEM_ERROR_INVALID) where it is none, or no CIB. Free with cib_free. */
Cib *cib_new(const char *xml, GError **error);
void cib_free(Cib *cib);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cib, cib_free)

/* The hosts that are members, of char * (uname), in their order; remote nodes left out. */
const GPtrArray *cib_hosts(const Cib *cib);

/* A guest: a resource of the agent that runs guests. */
typedef struct CibGuest {
    const char *name;
    const XmlNode *primitive;
    const XmlNode *parent; /* the group that it stands in; NULL: none */
    bool cloned;           /* it, or its group, is: there may be more of it, and none of them moves */
} CibGuest;

/* All guests, of CibGuest, in their order. agent: as in "ocf:heartbeat:VirtualDomain". */
const GPtrArray *cib_guests(Cib *cib, const char *agent);

/* The names of all resources that are no guests of cib_guests, of char *; groups and clones too. */
const GPtrArray *cib_others(const Cib *cib);

/* Whether a guest is of that agent; whether there is any resource of it. */
bool cib_is_agent(const Cib *cib, const CibGuest *guest, const char *agent);
bool cib_has_agent(const Cib *cib, const char *agent);

/*
 * What is in force for a guest: a meta attribute, also where it stands in its template, its group or the defaults of all
 * resources; a parameter; its utilization. Sets with a rule are passed over. NULL: nothing is said.
 */
const char *cib_meta(const Cib *cib, const CibGuest *guest, const char *name);
const char *cib_parameter(const Cib *cib, const CibGuest *guest, const char *name);
const char *cib_utilization(const Cib *cib, const CibGuest *guest, const char *name);

/* Whether it may be migrated live, as it is set up: it stands alone, is managed, and allow-migrate says so. */
bool cib_guest_may_move(const Cib *cib, const CibGuest *guest);

/*
 * Its operation of that name that does not recur, its own or that of its template; NULL: it has none. The next: only its own. Then a
 * value of an operation (NULL: of none), or the default of all operations.
 */
const XmlNode *cib_operation(const Cib *cib, const CibGuest *guest, const char *name);
const XmlNode *cib_own_operation(const CibGuest *guest, const char *name);
const char *cib_operation_value(const Cib *cib, const XmlNode *operation, const char *name);

/* What Pacemaker takes for yes: "true", "on", "yes", "y", "1" in any case. NULL is none of them. */
bool cib_is_true(const char *value);

/* The utilization (capacity) of a host; its transient attribute; a property of the cluster. NULL: nothing is said. */
const char *cib_capacity(const Cib *cib, const char *host, const char *name);
const char *cib_transient(const Cib *cib, const char *host, const char *name);
const char *cib_property(const Cib *cib, const char *name);

/* The names of a host's transient attributes that begin with prefix, of char *. Caller unrefs. */
GPtrArray *cib_transient_names(const Cib *cib, const char *host, const char *prefix);

/* Every name of a utilization that some resource has, of char *. Caller unrefs. */
GPtrArray *cib_utilization_names(const Cib *cib);

/* All constraints, as children of what is returned; NULL: there are none. */
const XmlNode *cib_constraints(const Cib *cib);

/* The constraint of a place with that id; NULL: there is none. */
const XmlNode *cib_constraint(const Cib *cib, const char *id);

/* The set (as "meta_attributes") of an element that its values are to be put into; NULL: it has none yet. */
const XmlNode *cib_set(const Cib *cib, const XmlNode *owner, const char *set);
/* The elements that these stand in: the one of a host, and that of the properties (crm_config). NULL: there is none. */
const XmlNode *cib_host_node(const Cib *cib, const char *host);
const XmlNode *cib_properties_node(const Cib *cib);

/* ---- how it is at this moment ---- */

/* The host that a guest runs on, as far as the history of its operations tells; NULL: none. */
const char *cib_runs_on(const Cib *cib, const char *resource);

/*
 * Whether that resource is being migrated to that host, and the end of it is not yet written down: it has been sent there and
 * not yet been stopped where it came from.
 */
bool cib_is_coming(const Cib *cib, const char *resource, const char *host);

/*
 * Whether the cluster leaves that resource alone: to send it away has failed, and nothing was done with it since. With
 * on-fail=block it stays so until an administrator refreshes it, which takes the operation out of the history.
 */
bool cib_is_blocked(const Cib *cib, const char *resource);

/*
 * Whether the cluster knows half of a move: another host remembers that it sent that resource to the one where it runs, and that one
 * neither its coming nor a start, as after crm_resource --cleanup. Pacemaker takes that for a migration that was never finished
 * (unpack_migrate_to_success in lib/pengine/unpack.c), and moves it the next time by stopping it; what a refresh forgets is all of it.
 */
bool cib_knows_half_a_move(const Cib *cib, const char *resource);
