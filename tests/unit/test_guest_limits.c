/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* memory.high of guests on a host of plain files. */

#include "cmocka_all.h"
#include "error.h"
#include "fake_host.h"
#include "units.h"

#include <unistd.h>

#define HIGH "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.high"

/* How set calls ended: "kib " where it worked, "kib! " where not. */
typedef struct Ends {
    GString *text;
    unsigned count;
} Ends;

static void
ended(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    Ends *ends = user_data;

    ends->count++;
    g_string_append_printf(ends->text, "%" G_GINT64_FORMAT "%s ", (gint64)high_kib, error != NULL ? "!" : "");
}

static void
set(FakeHost *host, uint64_t high_kib, Ends *ends)
{
    GuestRecord guest = fake_guest(FAKE_WEB, FAKE_WEB_PID);

    host->limit_world.set(host->limit_world.self, &guest, high_kib, ended, ends);
}

static void
await_ends(FakeHost *host, Ends *ends, unsigned count)
{
    gint64 limit = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (ends->count < count && g_get_monotonic_time() < limit)
        g_main_context_iteration(NULL, FALSE);
    assert_int_equal(ends->count, count);
}

static GuestLimits
look(FakeHost *host, const char *uuid, pid_t pid)
{
    GuestRecord guest = fake_guest(uuid, pid);
    GuestLimits limits;

    host->limit_world.read(host->limit_world.self, &guest, &limits);
    return limits;
}

static void
stop(FakeHost *host)
{
    int left = 1;

    limits_stop(host->limits, 5 * USEC_PER_SEC, fake_count_down, &left);
    fake_host_until(host, fake_is_zero, &left);
}

typedef struct Fixture {
    FakeHost *host;
    Ends ends;
} Fixture;

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->host = fake_host_new();
    fake_host_start(f->host);
    f->ends.text = g_string_new(NULL);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    fake_host_free(f->host);
    g_string_free(f->ends.text, TRUE);
    g_free(f);
    return 0;
}

/* ---- looking ---- */

static void
figures_are_those_of_the_guests_own_group(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "40960\n");
    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.max", "1048576\n");
    for (int i = 0; i < 3; i++) {
        limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
        assert_true(limits.usable);
        assert_null(limits.bar);
        assert_false(limits.set);
        assert_false(limits.pending);
        assert_true(limits.high_kib == LIMIT_NONE);
        assert_int_equal(limits.charged_kib, 800 * KIB_PER_MIB);
        assert_int_equal(limits.swapped_kib, 40);
        assert_int_equal(limits.swap_max_kib, 1024);
        assert_int_equal(limits.held_back, 3);
    }
}

static void
what_bounds_a_guest_beside_is_told(void **state)
{
    Fixture *f = *state;
    GuestLimits limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);

    assert_int_equal(limits.max_kib, 0);
    assert_int_equal(limits.above.group[0].id, 0);
    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.max", "2147483648\n");
    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/memory.max", "8589934592\n");
    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/memory.current", "5368709120\n");
    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/memory.stat", "inactive_file 1073741824\nactive_file 0\n");
    fake_host_kill(f->host);
    fake_host_start(f->host);
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_int_equal(limits.max_kib, 2 * KIB_PER_GIB);
    assert_true(limits.above.group[0].id != 0);
    assert_int_equal(limits.above.group[0].limit_kib, 8 * KIB_PER_GIB);
    assert_int_equal(limits.above.group[0].charged_kib, 4 * KIB_PER_GIB);
}

static void
what_a_partition_lies_in_is_told(void **state)
{
    Fixture *f = *state;
    const LimitWorld *world = &f->host->limit_world;
    GroupsAbove groups;

    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/memory.max", "8589934592\n");
    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/memory.current", "0\n");
    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/machine-apart.slice/memory.max", "4294967296\n");
    fake_host_write(f->host, "/sys/fs/cgroup/machine.slice/machine-apart.slice/memory.current", "0\n");
    world->above(world->self, NULL, &groups);
    assert_int_equal(groups.group[0].limit_kib, 8 * KIB_PER_GIB);
    assert_int_equal(groups.group[1].id, 0);
    world->above(world->self, "/machine/apart", &groups);
    assert_int_equal(groups.group[0].limit_kib, 4 * KIB_PER_GIB);
    assert_int_equal(groups.group[1].limit_kib, 8 * KIB_PER_GIB);
}

static bool
glance(FakeHost *host, const char *uuid, pid_t pid, GuestGlance *glance)
{
    GuestRecord guest = fake_guest(uuid, pid);

    return host->limit_world.glance(host->limit_world.self, &guest, glance);
}

static void
times_it_was_held_back_are_looked_at_near_its_limit(void **state)
{
    Fixture *f = *state;
    GuestGlance seen = {0};

    assert_false(glance(f->host, FAKE_WEB, FAKE_WEB_PID, &seen)); /* nobody has found it yet */
    look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_false(glance(f->host, FAKE_DB, FAKE_WEB_PID, &seen));
    set(f->host, KIB_PER_GIB, &f->ends);
    await_ends(f->host, &f->ends, 1);
    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.events", "low 0\nhigh 4\nmax 0\n");
    assert_true(glance(f->host, FAKE_WEB, FAKE_WEB_PID, &seen));
    assert_int_equal(seen.charged_kib, 800 * KIB_PER_MIB);
    assert_int_equal(seen.held_back, 3);
    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.current", "1063256064\n");
    assert_true(glance(f->host, FAKE_WEB, FAKE_WEB_PID, &seen));
    assert_int_equal(seen.charged_kib, 1014 * KIB_PER_MIB);
    assert_int_equal(seen.held_back, 4);
}

static void
a_guest_without_a_group_of_its_own_says_why(void **state)
{
    Fixture *f = *state;
    GuestRecord off = fake_guest(FAKE_WEB, 0);
    GuestLimits limits;

    off.life = GUEST_LIFE_OFF;
    f->host->limit_world.read(f->host->limit_world.self, &off, &limits);
    assert_false(limits.usable);
    assert_non_null(strstr(limits.bar, "does not run"));

    limits = look(f->host, FAKE_WEB, 4711);
    assert_false(limits.usable);

    /* a process that is only just starting may still get one */
    fake_host_write(f->host, "/proc/1003/cgroup", "0::/user.slice/user-1000.slice/session-1.scope\n");
    limits = look(f->host, FAKE_DB, 1003);
    assert_false(limits.usable);
    assert_null(limits.bar);
    g_usleep(60 * 1000);
    limits = look(f->host, FAKE_DB, 1003);
    assert_false(limits.usable);
    assert_non_null(strstr(limits.bar, "of its own"));
}

static void
a_host_with_old_control_groups_says_so(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    fake_host_kill(f->host);
    fake_host_remove(f->host, "/sys/fs/cgroup/cgroup.controllers");
    fake_host_remove(f->host, HIGH);
    fake_host_start(f->host);
    assert_non_null(strstr(look(f->host, FAKE_DB, 4711).bar, "version 1")); /* also of who is not there yet */
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_false(limits.usable);
    assert_non_null(strstr(limits.bar, "version 1"));
}

/* libvirt tells nobody of virsh memtune. */
static void
a_hard_limit_of_old_control_groups_is_read(void **state)
{
    static const char file[] = "/sys/fs/cgroup/memory/machine/qemu-1-web.libvirt-qemu/memory.limit_in_bytes";
    Fixture *f = *state;
    g_autofree char *cgroup = g_strdup_printf("/proc/%d/cgroup", FAKE_WEB_PID);

    fake_host_kill(f->host);
    fake_host_remove(f->host, "/sys/fs/cgroup/cgroup.controllers");
    fake_host_write(
        f->host, cgroup,
        "9:memory:/machine/qemu-1-web.libvirt-qemu\n4:cpu,cpuacct:/machine/qemu-1-web.libvirt-qemu/emulator\n");
    fake_host_write(f->host, file, "9223372036854771712\n");
    fake_host_start(f->host);
    assert_true(look(f->host, FAKE_WEB, FAKE_WEB_PID).max_kib == LIMIT_NONE);
    fake_host_write(f->host, file, "555745280\n");
    assert_int_equal(look(f->host, FAKE_WEB, FAKE_WEB_PID).max_kib, 530 * KIB_PER_MIB);
    assert_int_equal(look(f->host, FAKE_DB, 4711).max_kib, 0);
    assert_false(look(f->host, FAKE_WEB, FAKE_WEB_PID).usable);
}

static void
a_limit_of_somebody_else_is_not_touched(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    fake_host_write(f->host, HIGH, "524288000\n");
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_false(limits.usable);
    assert_false(limits.set);
    assert_non_null(strstr(limits.bar, "somebody else"));
    assert_int_equal(limits.high_kib, 512000);
    stop(f->host);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "524288000");
    fake_host_write(f->host, HIGH, "max\n"); /* taken away: it is ours to set again */
    assert_true(look(f->host, FAKE_WEB, FAKE_WEB_PID).usable);
}

/* ---- setting ---- */

static void
a_limit_is_set_and_put_back(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    set(f->host, 409603, &f->ends);
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_true(limits.pending);
    await_ends(f->host, &f->ends, 1);
    assert_string_equal(f->ends.text->str, "409603 ");
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "419430400"); /* whole pages */
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_true(limits.usable && limits.set && !limits.pending);
    assert_int_equal(limits.high_kib, 409600);

    set(f->host, LIMIT_NONE, &f->ends);
    await_ends(f->host, &f->ends, 2);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "max");
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_true(limits.usable && !limits.set);
}

static void
a_limit_is_lowered_in_steps_and_raised_in_one(void **state)
{
    Fixture *f = *state;
    unsigned before;

    set(f->host, 800 * KIB_PER_MIB, &f->ends);
    await_ends(f->host, &f->ends, 1);
    before = fake_faults.steps;
    set(f->host, 600 * KIB_PER_MIB, &f->ends); /* 200 MiB in steps of 64 */
    await_ends(f->host, &f->ends, 2);
    assert_int_equal(fake_faults.steps - before, 4);
    before = fake_faults.steps;
    set(f->host, 900 * KIB_PER_MIB, &f->ends);
    await_ends(f->host, &f->ends, 3);
    assert_int_equal(fake_faults.steps - before, 1);
}

static void
only_the_newest_value_waits_for_a_write(void **state)
{
    Fixture *f = *state;

    set(f->host, 700 * KIB_PER_MIB, &f->ends);
    set(f->host, 500000, &f->ends);
    set(f->host, 600000, &f->ends);
    assert_int_equal(f->ends.count, 1); /* the one that waited and is not wanted any more */
    assert_string_equal(f->ends.text->str, "500000! ");
    await_ends(f->host, &f->ends, 3);
    assert_true(g_str_has_suffix(f->ends.text->str, " 600000 "));
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "614400000");
}

static void
a_write_that_fails_is_told_and_leaves_no_claim(void **state)
{
    Fixture *f = *state;
    g_autofree char *path = g_strconcat(f->host->root, "/var/lib/dynmem/held/x", NULL);

    g_mkdir_with_parents(path, 0700); /* nothing can be remembered: nothing may be changed */
    set(f->host, 409600, &f->ends);
    await_ends(f->host, &f->ends, 1);
    assert_string_equal(f->ends.text->str, "409600! ");
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "max");
    assert_false(look(f->host, FAKE_WEB, FAKE_WEB_PID).set);
    fake_host_write(f->host, HIGH, "524288000\n"); /* somebody else's */
    assert_false(look(f->host, FAKE_WEB, FAKE_WEB_PID).usable);
    fake_host_remove(f->host, "/var/lib/dynmem/held");
    stop(f->host);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "524288000");
}

static void
what_somebody_else_sets_meanwhile_is_theirs(void **state)
{
    Fixture *f = *state;

    set(f->host, 409600, &f->ends);
    await_ends(f->host, &f->ends, 1);
    assert_true(look(f->host, FAKE_WEB, FAKE_WEB_PID).set);
    fake_host_write(f->host, HIGH, "524288000\n");
    assert_false(look(f->host, FAKE_WEB, FAKE_WEB_PID).usable);
    stop(f->host);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "524288000");
}

/* ---- from one daemon to the next ---- */

static void
an_orderly_stop_puts_limits_back(void **state)
{
    Fixture *f = *state;

    set(f->host, 409600, &f->ends);
    await_ends(f->host, &f->ends, 1);
    stop(f->host);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "max");
    set(f->host, 409600, &f->ends); /* nothing is set any more */
    assert_string_equal(f->ends.text->str, "409600 409600! ");
}

static void
a_stop_while_a_limit_is_lowered_puts_it_back_too(void **state)
{
    Fixture *f = *state;

    set(f->host, 409600, &f->ends);
    set(f->host, 309600, &f->ends);
    stop(f->host);
    assert_int_equal(f->ends.count, 2);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "max");
}

static void
a_limit_left_by_a_crash_is_known_as_ours(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    set(f->host, 409600, &f->ends);
    await_ends(f->host, &f->ends, 1);
    fake_host_kill(f->host);
    fake_host_start(f->host);
    limits = look(f->host, FAKE_WEB, FAKE_WEB_PID);
    assert_true(limits.usable && limits.set);
    assert_int_equal(limits.high_kib, 409600);
    fake_host_kill(f->host);
    fake_host_start(f->host);
    stop(f->host); /* also where the guest was not looked at */
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "max");
}

static void
after_a_boot_of_the_host_nothing_is_ours(void **state)
{
    Fixture *f = *state;

    set(f->host, 409600, &f->ends);
    await_ends(f->host, &f->ends, 1);
    fake_host_kill(f->host);
    fake_host_boot(f->host);
    fake_host_write(f->host, HIGH, "524288000\n");
    fake_host_start(f->host);
    assert_false(look(f->host, FAKE_WEB, FAKE_WEB_PID).usable);
    stop(f->host);
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", "524288000");
}

static void
guests_that_are_gone_are_not_remembered(void **state)
{
    Fixture *f = *state;
    GuestRecord db = fake_guest(FAKE_DB, FAKE_DB_PID);
    g_autofree char *held = NULL;

    set(f->host, 409600, &f->ends);
    await_ends(f->host, &f->ends, 1);
    fake_host_remove(f->host, "/sys/fs/cgroup/machine.slice/machine-qemu\\x2d1\\x2dweb.scope");
    f->host->limit_world.set(f->host->limit_world.self, &db, 409600, ended, &f->ends);
    await_ends(f->host, &f->ends, 2);
    held = fake_host_read(f->host, "/var/lib/dynmem/held");
    assert_non_null(strstr(held, "db.scope"));
    assert_null(strstr(held, "web.scope"));
}

static bool
none_is_disowned(FakeHost *host, void *data)
{
    return limits_disowned(host->limits) == 0;
}

static void
limits_of_others_are_not_remembered_for_ever(void **state)
{
    Fixture *f = *state;

    for (unsigned i = 0; i < 30; i++) {
        g_autofree char *uuid = g_strdup_printf("33333333-3333-4333-8333-%012u", i);
        g_autofree char *group = g_strdup_printf("/machine.slice/machine-qemu\\x2d%u\\x2dg.scope", 10 + i);
        g_autofree char *high = g_strdup_printf("/sys/fs/cgroup%s/memory.high", group);
        g_autofree char *proc = g_strdup_printf("/proc/%u/cgroup", 2000 + i);
        g_autofree char *line = g_strdup_printf("0::%s\n", group);
        GuestRecord guest = fake_guest(uuid, (pid_t)(2000 + i));

        fake_host_add_group(f->host, group, 0);
        fake_host_write(f->host, proc, line);
        f->host->limit_world.set(f->host->limit_world.self, &guest, 409600, ended, &f->ends);
        await_ends(f->host, &f->ends, i + 1);
        assert_true(look(f->host, uuid, guest.pid).set);
        fake_host_write(f->host, high, "524288000\n");
        assert_false(look(f->host, uuid, guest.pid).usable);
        assert_in_range(limits_disowned(f->host->limits), 1, i + 1);
    }
    fake_host_until(f->host, none_is_disowned, NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(figures_are_those_of_the_guests_own_group),
        TEST(what_bounds_a_guest_beside_is_told),
        TEST(what_a_partition_lies_in_is_told),
        TEST(times_it_was_held_back_are_looked_at_near_its_limit),
        TEST(a_guest_without_a_group_of_its_own_says_why),
        TEST(a_host_with_old_control_groups_says_so),
        TEST(a_hard_limit_of_old_control_groups_is_read),
        TEST(a_limit_of_somebody_else_is_not_touched),
        TEST(a_limit_is_set_and_put_back),
        TEST(a_limit_is_lowered_in_steps_and_raised_in_one),
        TEST(only_the_newest_value_waits_for_a_write),
        TEST(a_write_that_fails_is_told_and_leaves_no_claim),
        TEST(what_somebody_else_sets_meanwhile_is_theirs),
        TEST(an_orderly_stop_puts_limits_back),
        TEST(a_stop_while_a_limit_is_lowered_puts_it_back_too),
        TEST(a_limit_left_by_a_crash_is_known_as_ours),
        TEST(after_a_boot_of_the_host_nothing_is_ours),
        TEST(guests_that_are_gone_are_not_remembered),
        TEST(limits_of_others_are_not_remembered_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
