/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory that is booked is to be had at once, whatever limits are being lowered; on a host of plain files. */

#include "limit_fixture.h"

#define LOWERINGS 16
#define FIRST_PID 2000
#define HIGH "memory.high"

static void
expect_web_high(Fixture *f, unsigned mib)
{
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)mib * 1024 * 1024);

    fake_host_expect(f->host, FAKE_WEB_GROUP, HIGH, bytes);
}

/* Nothing is on its way to the guest but a lowering that hangs, and was overtaken. */
static bool
is_settled(FakeHost *host, void *data)
{
    return !look(data).pending;
}

/* As the step of a lowering that passed its check just before the raise was written. */
static void
write_web_high(Fixture *f, unsigned mib)
{
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT "\n", (guint64)mib * 1024 * 1024);

    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/" HIGH, bytes);
}

static char *
group_of(pid_t pid)
{
    return g_strdup_printf("/machine.slice/machine-qemu-%d.scope/libvirt", (int)pid);
}

static void
add_guest(Fixture *f, pid_t pid)
{
    g_autofree char *group = group_of(pid);
    g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", (int)pid);
    g_autofree char *line = g_strdup_printf("0::%s/emulator\n", group);
    g_autofree char *type = g_strdup_printf("/sys/fs/cgroup%s/cgroup.type", group);
    g_autofree char *inner = g_strdup_printf("/sys/fs/cgroup%s/emulator/cgroup.type", group);

    fake_host_add_group(f->host, group, 0);
    fake_host_write(f->host, type, "domain threaded\n");
    fake_host_write(f->host, inner, "threaded\n");
    fake_host_write(f->host, file, line);
}

/* A lowering comes down in steps, and is idle between two of them. */
static bool
are_lowered(FakeHost *host, void *data)
{
    const Fixture *f = data;
    unsigned count = 0;

    for (const char *end = strstr(f->ends->str, "500 "); end != NULL; end = strstr(end + 1, "500 "))
        count++;
    return count == LOWERINGS && is_settled(host, data);
}

static void
lowerings_that_hang_hold_up_no_raise(void **state)
{
    Fixture *f = *state;

    set(f, 600);
    await_ends(f, "600 ");
    fake_gate_set("limit lowered");
    for (pid_t i = 0; i < LOWERINGS; i++) {
        g_autofree char *uuid = g_strdup_printf("guest-%d", FIRST_PID + (int)i);

        add_guest(f, FIRST_PID + i);
        set_of(f, uuid, FIRST_PID + i, 500);
    }
    fake_gate_await(LOWERINGS);
    set(f, 700);
    await_ends(f, "600 700 ");
    expect_web_high(f, 700);

    set(f, 500); /* no thread is free for this one */
    set(f, 900); /* and this one does not wait for it */
    await_ends(f, "600 700 900 ");
    expect_web_high(f, 900);
    assert_int_equal(look(f).high_kib, 900 * KIB_PER_MIB);

    fake_gate_set(NULL);
    fake_host_until(f->host, are_lowered, f);
    for (pid_t i = 0; i < LOWERINGS; i++) {
        g_autofree char *group = group_of(FIRST_PID + i);

        fake_host_expect(f->host, group, HIGH, "524288000");
    }
    expect_web_high(f, 900);
}

static void
raise_overtakes_the_lowering_of_its_own_guest(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    expect_web_high(f, 736); /* a step of 64 MiB */
    set(f, 780);
    await_ends(f, "800 780 ");
    expect_web_high(f, 780);
    limits = look(f);
    assert_true(limits.usable && limits.set && !limits.pending);
    assert_int_equal(limits.high_kib, 780 * KIB_PER_MIB);
    fake_gate_set(NULL);
    await_ends(f, "800 780 400! "); /* it has stopped */
    expect_web_high(f, 780);
    assert_true(look(f).set);
}

static void
step_that_comes_after_the_raise_is_undone(void **state)
{
    Fixture *f = *state;
    char raised[] = "817889280"; /* 780 MiB */

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    set(f, 780);
    await_ends(f, "800 780 ");
    write_web_high(f, 672);
    assert_true(look(f).pending); /* a tick sees it */
    fake_host_until(f->host, web_has, raised);
    fake_host_until(f->host, is_settled, f);
    write_web_high(f, 672);
    fake_gate_set(NULL); /* and so does the end of the lowering */
    await_ends(f, "800 780 400! ");
    fake_host_until(f->host, web_has, raised);
    fake_host_until(f->host, is_settled, f);
    assert_true(look(f).set);
}

static void
value_that_waits_goes_first_once_it_is_a_raise(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    assert_int_equal(look(f).high_kib, 736 * KIB_PER_MIB); /* that of the step is in force */
    set(f, 700);
    assert_true(look(f).pending);
    write_web_high(f, 672); /* the next step has begun all the same */
    look(f);
    await_ends(f, "800 700 ");
    expect_web_high(f, 700);
    fake_gate_set(NULL);
    await_ends(f, "800 700 400! ");
    expect_web_high(f, 700);
}

static void
limit_is_opened_at_once_and_given_back_when_no_step_can_follow(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    set(f, LIMIT_NONE);
    fake_host_until(f->host, web_has, (char[]){"max"});
    assert_string_equal(f->ends->str, "800 ");
    write_web_high(f, 672); /* the step that came after it */
    fake_gate_set(NULL);
    await_ends(f, "800 400! none ");
    fake_host_expect(f->host, FAKE_WEB_GROUP, HIGH, "max");
    fake_host_until(f->host, is_settled, f);
    assert_false(look(f).set);
}

static void
newer_lowering_follows_a_raise_that_overtook(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    set(f, 780);
    await_ends(f, "800 780 ");
    set(f, 600);
    assert_true(look(f).pending);
    assert_int_equal(look(f).high_kib, 780 * KIB_PER_MIB); /* until it has been lowered */
    fake_gate_set(NULL);
    await_ends(f, "800 780 400! 600 ");
    expect_web_high(f, 600);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lowerings_that_hang_hold_up_no_raise),
        TEST(raise_overtakes_the_lowering_of_its_own_guest),
        TEST(step_that_comes_after_the_raise_is_undone),
        TEST(value_that_waits_goes_first_once_it_is_a_raise),
        TEST(limit_is_opened_at_once_and_given_back_when_no_step_can_follow),
        TEST(newer_lowering_follows_a_raise_that_overtook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
