/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory that is booked is to be had at once, whatever limits are being lowered; on a host of plain files. */

#include "cmocka_all.h"
#include "fake_host.h"
#include "units.h"

#define LOWERINGS 16
#define FIRST_PID 2000
#define HIGH "memory.high"

/* A lowering hangs behind its step, as in the kernel that reclaims for it. */
static struct Gate {
    GMutex lock;
    GCond changed;
    bool closed;
    unsigned hung;
} gate;

static void
stand_at_gate(const char *step)
{
    g_mutex_lock(&gate.lock);
    if (strcmp(step, "limit lowered") == 0) {
        gate.hung++;
        g_cond_broadcast(&gate.changed);
        while (gate.closed)
            g_cond_wait(&gate.changed, &gate.lock);
        gate.hung--;
    }
    g_mutex_unlock(&gate.lock);
}

static void
set_gate(bool closed)
{
    g_mutex_lock(&gate.lock);
    gate.closed = closed;
    g_cond_broadcast(&gate.changed);
    g_mutex_unlock(&gate.lock);
}

static void
await_hung(unsigned count)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    g_mutex_lock(&gate.lock);
    while (gate.hung < count && g_cond_wait_until(&gate.changed, &gate.lock, end))
        continue;
    assert_int_equal(gate.hung, count);
    g_mutex_unlock(&gate.lock);
}

typedef struct Fixture {
    FakeHost *host;
    GString *ends; /* "MIB " of a value that is in force, "MIB! " of one that is not */
} Fixture;

static void
ended(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    Fixture *f = user_data;

    if (high_kib == LIMIT_NONE)
        g_string_append(f->ends, "none");
    else
        g_string_append_printf(f->ends, "%u", (unsigned)(high_kib / KIB_PER_MIB));
    g_string_append(f->ends, error != NULL ? "! " : " ");
}

static void
set(Fixture *f, pid_t pid, uint64_t high_mib)
{
    g_autofree char *uuid = pid == FAKE_WEB_PID ? g_strdup(FAKE_WEB) : g_strdup_printf("guest-%d", (int)pid);
    GuestRecord guest = fake_guest(uuid, pid);

    f->host->limit_world.set(f->host->limit_world.self, &guest,
                             high_mib == LIMIT_NONE ? LIMIT_NONE : high_mib * KIB_PER_MIB, ended, f);
}

static GuestLimits
look(Fixture *f)
{
    GuestRecord guest = fake_guest(FAKE_WEB, FAKE_WEB_PID);
    GuestLimits limits;

    f->host->limit_world.read(f->host->limit_world.self, &guest, &limits);
    return limits;
}

typedef struct Awaited {
    const Fixture *fixture;
    const char *text;
} Awaited;

static bool
has_ended(FakeHost *host, void *data)
{
    const Awaited *awaited = data;

    return strcmp(awaited->fixture->ends->str, awaited->text) == 0;
}

/* Until all ends so far are these. */
static void
await_ends(Fixture *f, const char *text)
{
    Awaited awaited = {f, text};

    fake_host_until(f->host, has_ended, &awaited);
}

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

static bool
is_idle(FakeHost *host, void *data)
{
    bool hung;

    g_mutex_lock(&gate.lock);
    hung = gate.hung > 0;
    g_mutex_unlock(&gate.lock);
    return !hung && is_settled(host, data);
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

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->host = fake_host_new();
    f->host->system.step = stand_at_gate;
    fake_host_start(f->host);
    f->ends = g_string_new(NULL);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    set_gate(false);
    fake_host_free(f->host);
    g_string_free(f->ends, TRUE);
    g_free(f);
    return 0;
}

/* A lowering comes down in steps, and is idle between two of them. */
static bool
are_lowered(FakeHost *host, void *data)
{
    const Fixture *f = data;
    unsigned count = 0;

    for (const char *end = strstr(f->ends->str, "500 "); end != NULL; end = strstr(end + 1, "500 "))
        count++;
    return count == LOWERINGS && is_idle(host, data);
}

static void
lowerings_that_hang_hold_up_no_raise(void **state)
{
    Fixture *f = *state;

    set(f, FAKE_WEB_PID, 600);
    await_ends(f, "600 ");
    set_gate(true);
    for (pid_t i = 0; i < LOWERINGS; i++) {
        add_guest(f, FIRST_PID + i);
        set(f, FIRST_PID + i, 500);
    }
    await_hung(LOWERINGS);
    set(f, FAKE_WEB_PID, 700);
    await_ends(f, "600 700 ");
    expect_web_high(f, 700);

    set(f, FAKE_WEB_PID, 500); /* no thread is free for this one */
    set(f, FAKE_WEB_PID, 900); /* and this one does not wait for it */
    await_ends(f, "600 700 900 ");
    expect_web_high(f, 900);
    assert_int_equal(look(f).high_kib, 900 * KIB_PER_MIB);

    set_gate(false);
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

    set(f, FAKE_WEB_PID, 800);
    await_ends(f, "800 ");
    set_gate(true);
    set(f, FAKE_WEB_PID, 400);
    await_hung(1);
    expect_web_high(f, 736); /* a step of 64 MiB */
    set(f, FAKE_WEB_PID, 780);
    await_ends(f, "800 780 ");
    expect_web_high(f, 780);
    limits = look(f);
    assert_true(limits.usable && limits.set && !limits.pending);
    assert_int_equal(limits.high_kib, 780 * KIB_PER_MIB);
    set_gate(false);
    await_ends(f, "800 780 400! "); /* it has stopped */
    expect_web_high(f, 780);
    assert_true(look(f).set);
}

static bool
web_has(FakeHost *host, void *text)
{
    return fake_host_says(host, FAKE_WEB_GROUP, HIGH, text);
}

static void
step_that_comes_after_the_raise_is_undone(void **state)
{
    Fixture *f = *state;
    char raised[] = "817889280"; /* 780 MiB */

    set(f, FAKE_WEB_PID, 800);
    await_ends(f, "800 ");
    set_gate(true);
    set(f, FAKE_WEB_PID, 400);
    await_hung(1);
    set(f, FAKE_WEB_PID, 780);
    await_ends(f, "800 780 ");
    write_web_high(f, 672);
    assert_true(look(f).pending); /* a tick sees it */
    fake_host_until(f->host, web_has, raised);
    fake_host_until(f->host, is_settled, f);
    write_web_high(f, 672);
    set_gate(false); /* and so does the end of the lowering */
    await_ends(f, "800 780 400! ");
    fake_host_until(f->host, web_has, raised);
    fake_host_until(f->host, is_idle, f);
    assert_true(look(f).set);
}

static void
value_that_waits_goes_first_once_it_is_a_raise(void **state)
{
    Fixture *f = *state;

    set(f, FAKE_WEB_PID, 800);
    await_ends(f, "800 ");
    set_gate(true);
    set(f, FAKE_WEB_PID, 400);
    await_hung(1);
    set(f, FAKE_WEB_PID, 700); /* below the 736 of the step */
    assert_true(look(f).pending);
    write_web_high(f, 672); /* the next step has begun all the same */
    look(f);
    await_ends(f, "800 700 ");
    expect_web_high(f, 700);
    set_gate(false);
    await_ends(f, "800 700 400! ");
    expect_web_high(f, 700);
}

static void
limit_is_opened_at_once_and_given_back_when_no_step_can_follow(void **state)
{
    Fixture *f = *state;

    set(f, FAKE_WEB_PID, 800);
    await_ends(f, "800 ");
    set_gate(true);
    set(f, FAKE_WEB_PID, 400);
    await_hung(1);
    set(f, FAKE_WEB_PID, LIMIT_NONE);
    fake_host_until(f->host, web_has, (char[]){"max"});
    assert_string_equal(f->ends->str, "800 ");
    write_web_high(f, 672); /* the step that came after it */
    set_gate(false);
    await_ends(f, "800 400! none ");
    fake_host_expect(f->host, FAKE_WEB_GROUP, HIGH, "max");
    fake_host_until(f->host, is_idle, f);
    assert_false(look(f).set);
}

static void
newer_lowering_follows_a_raise_that_overtook(void **state)
{
    Fixture *f = *state;

    set(f, FAKE_WEB_PID, 800);
    await_ends(f, "800 ");
    set_gate(true);
    set(f, FAKE_WEB_PID, 400);
    await_hung(1);
    set(f, FAKE_WEB_PID, 780);
    await_ends(f, "800 780 ");
    set(f, FAKE_WEB_PID, 600);
    assert_true(look(f).pending);
    assert_int_equal(look(f).high_kib, 780 * KIB_PER_MIB); /* until it has been lowered */
    set_gate(false);
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
