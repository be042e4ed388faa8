/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster/constraints.h"

#include <glib.h>

char *
cluster_wish_attribute(const char *resource)
{
    return g_strconcat(CLUSTER_WISH_PREFIX, resource, NULL);
}

char *
cluster_constraints_xml(const char *guests)
{
    /* %1 is what the first parentheses of the pattern match: the resource's name */
    return g_markup_printf_escaped(
        "<rsc_location id=\"" CLUSTER_WISH_CONSTRAINT "\" rsc-pattern=\"^(%s)$\">\n"
        "  <rule id=\"dynmem-move-rule\" score-attribute=\"" CLUSTER_WISH_PREFIX "%%1\">\n"
        "    <expression id=\"dynmem-move-defined\" attribute=\"" CLUSTER_WISH_PREFIX "%%1\" operation=\"defined\"/>\n"
        "  </rule>\n"
        "</rsc_location>\n"
        "<rsc_location id=\"" CLUSTER_ROOM_CONSTRAINT "\" rsc-pattern=\"^(%s)$\">\n"
        "  <rule id=\"dynmem-room-rule\" score-attribute=\"" CLUSTER_ROOM_ATTRIBUTE "\">\n"
        "    <expression id=\"dynmem-room-defined\" attribute=\"" CLUSTER_ROOM_ATTRIBUTE "\" operation=\"defined\"/>\n"
        "  </rule>\n"
        "</rsc_location>\n",
        guests, guests);
}
