/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A real paging file, on the file system of the build folder: whether this kernel takes what is made, and lets it go. Needs
 * root, and a file system that swap files can be on. Whatever happens, nothing stays switched on.
 */

#include "act/paging_file.h"
#include "act/paging_place.h"
#include "act/swap_off.h"
#include "act/swaps.h"
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "33333333-3333-4333-8333-333333333333"
#define PAGING "/paging"
#define FOLDER TEST_WORK PAGING
#define FILE_PATH FOLDER "/" UUID ".dynmem-paging"
#define SIZE_KIB 4096
#define SKIP 77

static ActSystem host;

static void
clean(void)
{
    swapoff(FILE_PATH);
    unlink(FILE_PATH);
    rmdir(FOLDER);
    rmdir(TEST_WORK);
}

static void
clean_and_end(int number)
{
    clean(); /* all system calls */
    _exit(1);
}

static int
open_folder(void)
{
    g_autoptr(GError) error = NULL;
    int fd = paging_place_open(&host, PAGING, true, &error);

    assert_null(error);
    return fd;
}

static int
make_file(int folder)
{
    g_autoptr(GError) error = NULL;
    bool nocow = false;
    int stop = 0, fd;

    assert_true(paging_place_check(&host, folder, PAGING, SIZE_KIB, 1024, &nocow, &error));
    fd = paging_file_make(&host, folder, PAGING, UUID, SIZE_KIB, nocow, &stop, &error);
    if (fd < 0)
        fail_msg("%s", error->message);
    return fd;
}

static int
switch_on(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return host.swap_on(path, SWAP_FLAG_PREFER | 1) == 0 ? 0 : errno;
}

static void
the_kernel_takes_a_file_and_lets_it_go(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) areas = NULL;
    const SwapArea *area;
    struct stat facts;
    GPid helper = 0;
    int folder = open_folder(), fd = make_file(folder), status;

    assert_int_equal(fstat(fd, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_true((uint64_t)facts.st_blocks * 512 >= (uint64_t)facts.st_size); /* allocated in full */
    assert_int_equal(switch_on(fd), 0);
    close(fd);

    areas = swaps_read("", &error);
    area = swaps_find(areas, FILE_PATH); /* by its true path */
    assert_non_null(area);
    assert_int_equal(area->size_kib, SIZE_KIB); /* the header comes on top */
    assert_true(paging_file_is_ours(&host, FILE_PATH));
    assert_int_equal(unlink(FILE_PATH), -1); /* nobody deletes it while it is on */

    assert_true(host.swap_off(FILE_PATH, &helper, &error));
    assert_int_equal(waitpid(helper, &status, 0), helper);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    g_clear_pointer(&areas, g_ptr_array_unref);
    areas = swaps_read("", &error);
    assert_null(swaps_find(areas, FILE_PATH));

    assert_true(host.swap_off(FILE_PATH, &helper, &error)); /* again: that is what it says of another's work */
    assert_int_equal(waitpid(helper, &status, 0), helper);
    assert_int_equal(WEXITSTATUS(status), EINVAL);

    assert_true(paging_file_delete(&host, folder, PAGING, UUID, true, &error));
    assert_int_equal(access(FILE_PATH, F_OK), -1);
    close(folder);
}

/* 0, SKIP or 1: whether the test can be done here. */
static int
try_here(void)
{
    int folder, fd, why;

    if (geteuid() != 0)
        return SKIP;
    folder = open_folder();
    fd = make_file(folder);
    why = switch_on(fd);
    close(fd);
    close(folder);
    clean();
    g_mkdir_with_parents(TEST_WORK, 0755);
    return why == 0 ? 0 : why == EPERM || why == EINVAL ? SKIP : 1;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_takes_a_file_and_lets_it_go),
    };
    int status;

    if (argc == 3 && strcmp(argv[1], SWAP_OFF_OPTION) == 0)
        return swap_off_main(argv[2]);
    host = *act_system_host();
    host.root = TEST_WORK;
    host.owner = geteuid();
    clean();
    g_mkdir_with_parents(TEST_WORK, 0755);
    signal(SIGTERM, clean_and_end);
    signal(SIGINT, clean_and_end);
    status = try_here();
    if (status == 0)
        status = cmocka_run_group_tests(tests, NULL, NULL);
    clean();
    return status;
}
