/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool of threads for calls that can block, with calls that block on command. */
#include "cmocka_all.h"

#include "units.h"
#include "watch/calls.h"

#include <string.h>

#define WAIT_USEC (30 * USEC_PER_SEC)
#define DEADLINE_USEC (100 * USEC_PER_MSEC)
#define LONG_USEC (60 * USEC_PER_SEC)

static GMutex lock;
static GCond changed;
/* under lock */
static unsigned lanes_opened, lanes_open, lanes_refused, running_max, running_now;
static bool hang_open;
static GHashTable *held; /* keys whose calls hang */
static unsigned payloads;

static CallPool *pool;
/* main thread */
static GPtrArray *done_keys, *late_keys;
static unsigned expired, disconnected, withdrawn;

typedef struct Lane {
    unsigned running;
} Lane;

typedef struct Payload {
    char *key;
    bool breaks;
} Payload;

static void *
open_lane(void *self, GError **error)
{
    Lane *lane = NULL;

    g_mutex_lock(&lock);
    while (hang_open)
        g_cond_wait(&changed, &lock);
    if (lanes_refused > 0) {
        lanes_refused--;
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "refused");
    } else {
        lane = g_new0(Lane, 1);
        lanes_opened++;
        lanes_open++;
    }
    g_mutex_unlock(&lock);
    return lane;
}

static void
close_lane(void *data)
{
    Lane *lane = data;

    g_mutex_lock(&lock);
    assert_int_equal(lane->running, 0);
    lanes_open--;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
    g_free(lane);
}

static bool
run_call(void *data, void *payload_data)
{
    Lane *lane = data;
    Payload *payload = payload_data;

    g_mutex_lock(&lock);
    lane->running++;
    running_now++;
    running_max = MAX(running_max, lane->running);
    while (g_hash_table_contains(held, payload->key))
        g_cond_wait(&changed, &lock);
    lane->running--;
    running_now--;
    g_mutex_unlock(&lock);
    return !payload->breaks;
}

static void
payload_free(void *data)
{
    Payload *payload = data;

    g_mutex_lock(&lock);
    payloads--;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
    g_free(payload->key);
    g_free(payload);
}

static void
on_late(void *user_data, const char *key)
{
    g_ptr_array_add(late_keys, g_strdup(key));
}

static void
on_done(void *user_data, const char *key, void *data, CallEnd end)
{
    assert_string_equal(key, ((Payload *)data)->key);
    assert_false(call_pool_is_busy(pool, key));
    expired += end == CALL_EXPIRED;
    disconnected += end == CALL_DISCONNECTED;
    withdrawn += end == CALL_WITHDRAWN;
    g_ptr_array_add(done_keys, g_strdup(key));
}

static void
submit_for(const char *key, uint64_t deadline_usec, uint64_t wait_usec, bool breaks)
{
    Payload *payload = g_new0(Payload, 1);

    payload->key = g_strdup(key);
    payload->breaks = breaks;
    g_mutex_lock(&lock);
    payloads++;
    g_mutex_unlock(&lock);
    call_pool_submit(pool, key,
                     &(CallSpec){.run = run_call,
                                 .data = payload,
                                 .data_free = payload_free,
                                 .deadline_usec = deadline_usec,
                                 .wait_usec = wait_usec,
                                 .late = on_late,
                                 .done = on_done});
}

/* May take long. */
static void
submit(const char *key)
{
    submit_for(key, LONG_USEC, LONG_USEC, false);
}

/* Is late soon. */
static void
submit_short(const char *key)
{
    submit_for(key, DEADLINE_USEC, LONG_USEC, false);
}

static void
hold(const char *key)
{
    g_mutex_lock(&lock);
    g_hash_table_add(held, g_strdup(key));
    g_mutex_unlock(&lock);
}

static void
release(const char *key)
{
    g_mutex_lock(&lock);
    if (key == NULL)
        g_hash_table_remove_all(held);
    else
        g_hash_table_remove(held, key);
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
}

static bool
contains(GPtrArray *keys, const char *key)
{
    return g_ptr_array_find_with_equal_func(keys, key, g_str_equal, NULL);
}

static gboolean
wake(void *data)
{
    return G_SOURCE_CONTINUE;
}

static void
wait_for(GPtrArray *keys, unsigned count)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + WAIT_USEC;
    guint source = g_timeout_add(10, wake, NULL);

    while (keys->len < count) {
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(source);
}

static void
run_loop_for(uint64_t usec)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + usec;
    guint source = g_timeout_add(10, wake, NULL);

    while ((uint64_t)g_get_monotonic_time() < end_usec)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
}

/* How many calls are being made. */
static void
wait_for_running(unsigned count)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + WAIT_USEC;

    for (;;) {
        unsigned now;

        g_mutex_lock(&lock);
        now = running_now;
        g_mutex_unlock(&lock);
        if (now == count)
            return;
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        run_loop_for(10 * USEC_PER_MSEC);
    }
}

static void
wait_for_lanes(unsigned count)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + WAIT_USEC;

    for (;;) {
        unsigned now;

        g_mutex_lock(&lock);
        now = lanes_open;
        g_mutex_unlock(&lock);
        if (now == count)
            return;
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        run_loop_for(10 * USEC_PER_MSEC);
    }
}

static void
hold_lanes(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *key = g_strdup_printf("hung-%u", i);

        hold(key);
        submit(key);
    }
    wait_for_running(count);
}

static int
setup_with(uint64_t patience_usec)
{
    static const CallLaneOps ops = {.open = open_lane, .close = close_lane};
    CallPoolOptions options = {
        .usual_lanes = 2, .lanes = 4, .patience_usec = patience_usec, .reopen_usec = 50 * USEC_PER_MSEC};

    /* Not lanes_open and payloads: a lane that the test before left behind while it was being opened counts itself out. */
    lanes_opened = lanes_refused = running_max = running_now = 0;
    expired = disconnected = withdrawn = 0;
    hang_open = false;
    held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    done_keys = g_ptr_array_new_with_free_func(g_free);
    late_keys = g_ptr_array_new_with_free_func(g_free);
    pool = call_pool_new(&options, &ops, g_strdup("self"), g_free);
    return 0;
}

static int
setup(void **state)
{
    return setup_with(30 * USEC_PER_MSEC);
}

/* However slow this machine is, no call is taken for hung. */
static int
setup_patient(void **state)
{
    return setup_with(LONG_USEC);
}

/* Everything is given back in the end, whatever hung before. */
static int
teardown(void **state)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + WAIT_USEC;

    g_clear_pointer(&pool, call_pool_free);
    release(NULL);
    g_mutex_lock(&lock);
    hang_open = false;
    g_cond_broadcast(&changed);
    while (lanes_open > 0 || payloads > 0) {
        g_mutex_unlock(&lock);
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        run_loop_for(10 * USEC_PER_MSEC);
        g_mutex_lock(&lock);
    }
    g_mutex_unlock(&lock);
    g_ptr_array_unref(done_keys);
    g_ptr_array_unref(late_keys);
    g_hash_table_unref(held);
    return 0;
}

static void
call_runs_and_ends_once(void **state)
{
    submit("a");
    assert_true(call_pool_is_busy(pool, "a"));
    wait_for(done_keys, 1);
    assert_false(call_pool_is_busy(pool, "a"));
    run_loop_for(2 * DEADLINE_USEC);
    assert_int_equal(done_keys->len, 1);
    assert_int_equal(late_keys->len, 0);
}

static void
few_calls_share_one_lane(void **state)
{
    for (int i = 0; i < 10; i++) {
        g_autofree char *key = g_strdup_printf("guest-%d", i);

        submit(key);
    }
    wait_for(done_keys, 10);
    assert_int_equal(lanes_opened, 1);
    assert_int_equal(running_max, 1);
}

static void
many_calls_get_the_usual_lanes(void **state)
{
    hold("guest-0");
    for (int i = 0; i < 100; i++) {
        g_autofree char *key = g_strdup_printf("guest-%d", i);

        submit(key);
    }
    wait_for(done_keys, 99);
    assert_int_equal(lanes_opened, 2);
    release(NULL);
    wait_for(done_keys, 100);
    assert_int_equal(running_max, 1);
    run_loop_for(20 * USEC_PER_MSEC);
    assert_int_equal(call_pool_figures(pool).lanes, 2); /* they stay */
}

static void
hung_call_delays_nobody(void **state)
{
    hold("hung");
    submit_short("hung");
    for (unsigned round = 1; round <= 20; round++) {
        for (int i = 0; i < 5; i++) {
            g_autofree char *key = g_strdup_printf("guest-%d", i);

            submit(key);
        }
        wait_for(done_keys, round * 5);
    }
    assert_false(contains(done_keys, "hung"));
    assert_int_equal(running_max, 1);
}

static void
late_call_is_told_once_and_taken_back(void **state)
{
    hold("a");
    submit_short("a");
    wait_for(late_keys, 1);
    assert_true(call_pool_is_late(pool, "a"));
    assert_true(call_pool_is_busy(pool, "a"));
    run_loop_for(2 * DEADLINE_USEC);
    assert_int_equal(late_keys->len, 1);
    assert_int_equal(done_keys->len, 0);
    release("a");
    wait_for(done_keys, 1);
    assert_false(call_pool_is_late(pool, "a"));
    submit("a");
    wait_for(done_keys, 2);
}

static void
lanes_follow_the_calls_that_hang(void **state)
{
    hold_lanes(3);
    for (int i = 0; i < 10; i++) {
        g_autofree char *key = g_strdup_printf("guest-%d", i);

        submit(key);
    }
    wait_for(done_keys, 10);
    assert_int_equal(lanes_opened, 4);
    assert_int_equal(running_max, 1);
    assert_int_equal(call_pool_figures(pool).running, 3);
    /* Back to the usual number when they have returned. */
    release(NULL);
    wait_for(done_keys, 13);
    wait_for_lanes(2);
}

/* Calls are taken for hung well before their deadline when others wait. */
static void
others_wait_no_longer_than_the_patience(void **state)
{
    uint64_t begin_usec;

    hold_lanes(3);
    begin_usec = (uint64_t)g_get_monotonic_time();
    submit("quick");
    wait_for(done_keys, 1);
    assert_true((uint64_t)g_get_monotonic_time() - begin_usec < LONG_USEC / 2);
    assert_true(contains(done_keys, "quick"));
}

static void
beyond_the_limit_calls_expire_until_one_returns(void **state)
{
    hold_lanes(4);
    submit_for("x", LONG_USEC, DEADLINE_USEC, false);
    wait_for(done_keys, 1);
    assert_int_equal(expired, 1);
    assert_int_equal(late_keys->len, 0); /* its guest did nothing wrong */
    assert_int_equal(lanes_opened, 4);
    submit("y");
    release("hung-2");
    wait_for(done_keys, 3);
    assert_true(contains(done_keys, "y"));
}

/* A call that waited for a lane has its whole deadline from then on. */
static void
call_may_wait_longer_than_it_may_take(void **state)
{
    hold_lanes(4);
    hold("waits");
    submit_short("waits");
    run_loop_for(2 * DEADLINE_USEC);
    assert_int_equal(done_keys->len, 0);
    assert_int_equal(late_keys->len, 0);
    release("hung-0");
    wait_for(late_keys, 1);
    assert_true(contains(late_keys, "waits"));
    assert_int_equal(expired, 0);
    release("waits");
    wait_for(done_keys, 2);
}

static void
reset_leaves_lanes_behind(void **state)
{
    hold_lanes(3);
    submit("waits");
    call_pool_reset(pool, g_strdup("other"), g_free);
    assert_int_equal(disconnected, 1);
    assert_true(contains(done_keys, "waits"));
    /* The guests whose calls hang get none on the new lane either. */
    assert_true(call_pool_is_busy(pool, "hung-0"));
    submit("fine");
    wait_for(done_keys, 2);
    assert_int_equal(call_pool_figures(pool).lanes, 1);
    release(NULL);
    wait_for(done_keys, 5);
    wait_for_lanes(1);
    assert_int_equal(call_pool_figures(pool).left, 0);
}

static void
broken_lane_is_replaced(void **state)
{
    submit_for("a", LONG_USEC, LONG_USEC, true);
    wait_for(done_keys, 1);
    submit("b");
    wait_for(done_keys, 2);
    assert_int_equal(lanes_opened, 2);
}

static void
lane_that_can_not_be_opened_is_tried_again(void **state)
{
    g_mutex_lock(&lock);
    lanes_refused = 3;
    g_mutex_unlock(&lock);
    submit("a");
    wait_for(done_keys, 1);
    assert_int_equal(expired, 0);
    assert_int_equal(lanes_opened, 1);
}

static void
lane_that_hangs_in_opening_is_survived(void **state)
{
    g_mutex_lock(&lock);
    hang_open = true;
    g_mutex_unlock(&lock);
    submit_for("a", LONG_USEC, DEADLINE_USEC, false);
    submit_for("b", DEADLINE_USEC, 0, false); /* 0: it may wait as long as it may take */
    wait_for(done_keys, 2);
    assert_int_equal(expired, 2);
    assert_int_equal(late_keys->len, 0);
    call_pool_reset(pool, NULL, NULL);
}

static void
only_what_waits_can_be_withdrawn(void **state)
{
    hold_lanes(4);
    submit("waits");
    call_pool_withdraw(pool, "waits");
    assert_int_equal(withdrawn, 1);
    assert_false(call_pool_is_busy(pool, "waits"));
    call_pool_withdraw(pool, "hung-0");
    call_pool_withdraw(pool, "nobody");
    assert_int_equal(done_keys->len, 1);
    release(NULL);
    wait_for(done_keys, 5);
    assert_int_equal(withdrawn, 1);
}

static void
pool_can_go_while_calls_hang(void **state)
{
    hold_lanes(2);
    submit("waits");
    g_clear_pointer(&pool, call_pool_free);
    release(NULL);
    run_loop_for(20 * USEC_PER_MSEC);
    assert_int_equal(done_keys->len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(call_runs_and_ends_once, setup, teardown),
        cmocka_unit_test_setup_teardown(few_calls_share_one_lane, setup_patient, teardown),
        cmocka_unit_test_setup_teardown(many_calls_get_the_usual_lanes, setup_patient, teardown),
        cmocka_unit_test_setup_teardown(hung_call_delays_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(late_call_is_told_once_and_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(lanes_follow_the_calls_that_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(others_wait_no_longer_than_the_patience, setup, teardown),
        cmocka_unit_test_setup_teardown(beyond_the_limit_calls_expire_until_one_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(call_may_wait_longer_than_it_may_take, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_leaves_lanes_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_lane_is_replaced, setup_patient, teardown),
        cmocka_unit_test_setup_teardown(lane_that_can_not_be_opened_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(lane_that_hangs_in_opening_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_waits_can_be_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(pool_can_go_while_calls_hang, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
