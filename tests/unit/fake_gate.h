/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where threads of a daemon stand as if the kernel or a disk took its time, until a test lets them go on. One a program. */

/*
 * Closes the gate at these steps, "limit lowered, limit raised"; NULL opens it. Whoever stands there and needn't any more goes on. The
 * text is borrowed. To be opened before the host is freed: an end waits for its threads.
 */
void fake_gate_set(const char *steps);
/* Stands there while the gate is closed at this step; a function for ActSystem.step. */
void fake_gate_pass(const char *step);
/* Waits until so many stand there who came, or had to stay, since the gate was set; fails the test after ten seconds. */
void fake_gate_await(unsigned count);
