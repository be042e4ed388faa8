/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Labels and what is known under them, one below the other, as "show" and "host" print. */

#include "table.h"

#include <stdint.h>

/* Prints a label and value (cleaned), wrapped to the terminal; nothing where value is "". */
void fact_print(const char *label, const char *value, CellColour colour);

/* Likewise for a size in bytes with a remark ("" for none); "-" where the size is 0 and so not known. */
void fact_print_size(const char *label, uint64_t bytes, const char *remark);

/* Likewise for a size that is known: "0" where there is none. */
void fact_print_amount(const char *label, uint64_t bytes, const char *remark);
