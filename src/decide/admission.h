/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The verdict on a start that was asked for: admitted, to wait, or refused. It follows from the request and from what
 * the line of claims found for it; a start is admitted when its memory is seen free, never when it is only promised.
 */

#include "decide/pass.h"

/* Admitted, once at least: it may wait again for more than it was admitted with. */
bool admission_is_booked(const StartRequest *request);

/*
 * What a start claims: the rest of what it needs where it was admitted already. need_kib: overhead not included. claim's guest and
 * start are kept.
 */
void admission_claim(const Pass *pass, const StartRequest *request, uint64_t need_kib, Claim *claim);

/* Fills plan; claim is the request's own, settled. */
void admission_judge(const Pass *pass, const StartRequest *request, const Claim *claim, StartPlan *plan);
