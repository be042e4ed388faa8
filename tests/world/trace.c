/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happened last, kept as text for who reads a failure. */

#include "world.h"

#include <stdio.h>

/* WORLD_TRACE=SECOND: from that second on everything is printed as it happens, and after each tick how the guests stand. */
static double
told_from(void)
{
    static double from = -1.0;

    if (from < 0.0)
        from = g_getenv("WORLD_TRACE") != NULL ? g_ascii_strtod(g_getenv("WORLD_TRACE"), NULL) : G_MAXDOUBLE;
    return from;
}

double
world_second(const World *world)
{
    return (double)(world->now_usec - WORLD_FIRST_USEC) / (double)USEC_PER_SEC;
}

void
trace(World *world, const Seat *seat, const char *format, ...)
{
    char *line = world->trace[world->trace_next++ % TRACE_LINES];
    va_list arguments;
    int length = snprintf(line, TRACE_WIDTH, "%10.3f  %-4s ", world_second(world), seat != NULL ? seat->live.name : "");

    va_start(arguments, format);
    vsnprintf(line + length, (size_t)(TRACE_WIDTH - length), format, arguments);
    va_end(arguments);
    if (world_second(world) >= told_from())
        printf("  %s\n", line);
}

void
world_break(World *world, const Seat *seat, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    if (world->broken != NULL)
        return;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    world->broken = g_strdup_printf("second %.3f: %s%s%s", world_second(world), seat != NULL ? seat->live.name : "",
                                    seat != NULL ? " " : "", text);
}

static void
print_seat(const Seat *seat)
{
    const Machine *machine = seat->machine;
    const Told *told = &seat->told;

    printf("  %-4s ", seat->definition.name);
    if (told->planned)
        printf("ledger: %s/%s booked %.0f lent %.0f overhead %.0f limit %.0f target %.0f unseen %.0f; ",
               guest_state_name(told->state), plan_rule_name(told->rule), MIB(told->committed_kib), MIB(told->lent_kib),
               MIB(told->overhead_kib), told->limit_kib == LIMIT_NONE ? -1.0 : MIB(told->limit_kib),
               MIB(told->target_kib), MIB(told->unseen_kib));
    if (told->starting)
        printf("start booked %.0f; ", MIB(told->start_kib));
    if (machine == NULL) {
        printf("off\n");
        return;
    }
    printf(
        "world: touchable %.0f of %.0f holds %.0f need %.0f balloon %.0f asked %.0f shown %.0f high %.0f%s%s%s%s%s%s%s",
        MIB(truth_touchable(seat)), MIB(machine_ram(machine)), MIB(machine->held_kib), MIB(machine->need_kib),
        MIB(machine->balloon_kib), MIB(machine->asked_kib), MIB(machine->shown_kib),
        machine->high_kib == LIMIT_NONE ? -1.0 : MIB(machine->high_kib), machine->driver ? " driver" : "",
        machine->paused ? " paused" : "", machine->hung ? " hung" : "", machine->arriving ? " arriving" : "",
        machine->loading ? " loading" : "", machine->leaving ? " leaving" : "", machine->emptying ? " emptying" : "");
    printf("; record: life %d boots %d target %.0f%s%s\n", (int)seat->known.record.life, (int)seat->known.record.boots,
           MIB(seat->known.record.target_kib), seat->known.record.target_known ? "" : " (not known)",
           seat->known.record.target_pending ? " (pending)" : "");
}

void
trace_tick(const World *world)
{
    if (world_second(world) < told_from())
        return;
    printf("  %10.3f  tick: others %.0f, budget %.0f, committed %.0f\n", world_second(world), MIB(world->other_kib),
           MIB(world->budget_kib), MIB(world->committed_kib));
    for (unsigned i = 0; i < world->count; i++)
        print_seat(&world->seats[i]);
}

void
trace_print(const World *world)
{
    uint64_t first = world->trace_next > TRACE_LINES ? world->trace_next - TRACE_LINES : 0;

    for (uint64_t i = first; i < world->trace_next; i++)
        printf("  %s\n", world->trace[i % TRACE_LINES]);
    printf("  host of %.0f MiB, reserve %.0f, others %.0f, budget %.0f, committed %.0f, excused %.0f\n",
           MIB(world->options.memory_kib), MIB(world->options.reserve_kib), MIB(world->other_kib),
           MIB(world->budget_kib), MIB(world->committed_kib), MIB(world->debts_kib[WITHIN_HOST]));
    for (unsigned i = 0; i < world->count; i++)
        print_seat(&world->seats[i]);
}
