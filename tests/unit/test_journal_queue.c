/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A journal that takes nothing: nobody waits for it, and what it did not get is said. */

#include "cmocka_all.h"
#include "report/journal.h"
#include "report/journal_queue.h"
#include "units.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECORDS (3 * JOURNAL_QUEUE_MOST)
/* Whoever blocks is ended, and with him the test. */
#define PATIENCE_SEC 60

int sd_journal_sendv(const struct iovec *fields, int count);

/* In place of libsystemd's: what stands for the journal here is stderr. */
int
sd_journal_sendv(const struct iovec *fields, int count)
{
    return (int)writev(STDERR_FILENO, fields, count);
}

static int
set_up(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(PATIENCE_SEC);
    return 0;
}

/* As sd_journal_sendv does: waits where the socket is full. */
static void
send_datagram(const GPtrArray *fields, void *data)
{
    const char *message = g_ptr_array_index(fields, 0);

    (void)send(*(int *)data, message, strlen(message), 0);
}

static void
push(JournalQueue *queue, unsigned number)
{
    GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(fields, g_strdup_printf("MESSAGE=%u", number));
    journal_queue_push(queue, fields);
}

/* The next datagram; "" where none comes for a while. */
static void
receive(int fd, char *text, size_t size)
{
    ssize_t length = recv(fd, text, size - 1, 0);

    text[length > 0 ? length : 0] = '\0';
}

static void
a_socket_that_nobody_reads_stops_nobody(void **state)
{
    static int ends[2]; /* the thread stays */
    struct timeval patience = {.tv_sec = 3};
    unsigned next = 0, left_out = 0, received = 0;
    JournalQueue *queue;
    char text[256];

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    queue = journal_queue_new(send_datagram, &ends[0]);
    for (unsigned i = 0; i < RECORDS; i++)
        push(queue, i);
    /* it is read again: what was kept comes in order, then how many were not */
    for (receive(ends[1], text, sizeof text); *text != '\0'; receive(ends[1], text, sizeof text)) {
        unsigned number = (unsigned)g_ascii_strtoull(text + strlen("MESSAGE="), NULL, 10);

        assert_int_equal(left_out, 0);
        if (strstr(text, "left out") != NULL) {
            left_out = number;
            continue;
        }
        assert_in_range(number, next, RECORDS - 1);
        next = number + 1;
        received++;
    }
    assert_in_range(received, JOURNAL_QUEUE_MOST, RECORDS - 1);
    assert_int_equal(received + left_out, RECORDS);
    /* and the end waits for a moment only */
    for (unsigned i = 0; i < RECORDS; i++)
        push(queue, i);
    journal_queue_free(queue);
}

static void
what_is_pushed_is_sent_before_the_end(void **state)
{
    int ends[2];
    struct timeval patience = {.tv_sec = 1};
    JournalQueue *queue;
    char text[256];

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    queue = journal_queue_new(send_datagram, &ends[0]);
    push(queue, 1);
    push(queue, 2);
    journal_queue_free(queue);
    receive(ends[1], text, sizeof text);
    assert_string_equal(text, "MESSAGE=1");
    receive(ends[1], text, sizeof text);
    assert_string_equal(text, "MESSAGE=2");
    close(ends[0]);
    close(ends[1]);
}

static void
records_are_written_while_the_journal_hangs(void **state)
{
    g_autoptr(GPtrArray) list = change_list_new();
    Journal *journal;
    int ends[2], kept = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    journal = journal_new(NULL, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        g_ptr_array_set_size(list, 0);
        change_list_add(list, CHANGE_CONFIG_REJECTED, "", "", "", g_strdup("A line that can't be used."));
        journal_write(journal, g_ptr_array_index(list, 0), USEC_PER_SEC);
    }
    journal_free(journal);
    close(ends[0]); /* who still writes gets an error */
    close(ends[1]);
    dup2(kept, STDERR_FILENO);
    close(kept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_socket_that_nobody_reads_stops_nobody, set_up),
        cmocka_unit_test_setup(what_is_pushed_is_sent_before_the_end, set_up),
        cmocka_unit_test_setup(records_are_written_while_the_journal_hangs, set_up),
    };

    return cmocka_run_group_tests_name("journal_queue", tests, NULL, NULL);
}
