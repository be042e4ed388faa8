/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes attributes of <dynmem:memory> in its text, and nothing else in it. */

#include "settings_change.h"

/* What is to become of one attribute. */
typedef struct ElementEdit {
    bool touched;
    char *value; /* NULL: it is taken out */
} ElementEdit;

/*
 * The element with these edits, as one that stands in no namespace: so libvirt gives it and takes it (virDomainGetMetadata,
 * virDomainSetMetadata). element is the one there is, NULL: there is none. Attributes that are not touched, in whatever
 * namespace, their order and what stands inside the element stay as they are. Returns NULL and sets error
 * (DYNMEM_ERROR_INVALID) where element is no <memory>. Caller frees.
 */
char *element_text_edit(const char *element, const ElementEdit edits[ELEMENT_ATTRIBUTE_COUNT], GError **error);
