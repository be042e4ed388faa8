/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What it costs to look at what guests hold, ten times a second: the real engine and the real files of limits, on a host of
 * plain files. Prints a table for 100 and 1,000 guests; its microseconds are those of plain files, the kernel's of a control group
 * take some more. With --check it fails unless a look is one read a guest of a file that is kept open, and no memory.
 */

#include "engine.h"
#include "fake_host.h"
#include "heap.h"
#include "names.h"
#include "units.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GUESTS_MAX 1000
#define LOOKS 100
/* A quarter of what a process may have open is kept, and here a guest has five. */
#define FILES (4 * 5 * GUESTS_MAX)

static unsigned reads, opens;

/* All reads and openings of this program pass here. */
ssize_t
pread(int fd, void *buffer, size_t size, off_t offset)
{
    reads++;
    return syscall(SYS_pread64, fd, buffer, size, offset);
}

int
open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    opens++;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

typedef struct Bench {
    GuestRecord guests[GUESTS_MAX];
    const GuestRecord *records[GUESTS_MAX];
    char *xml[GUESTS_MAX];
    size_t count;
    uint64_t now_usec;
    unsigned asked;
} Bench;

static void
collect(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    Bench *bench = self;

    for (size_t i = 0; i < bench->count; i++) {
        GuestReport *report = &bench->guests[i].report;

        report->serial++;
        report->asked_usec = report->answered_usec = bench->now_usec;
        report->fields = REPORT_ACTUAL | REPORT_USABLE | REPORT_TOTAL | REPORT_LAST_UPDATE;
        report->actual_kib = report->total_kib = 2 * KIB_PER_GIB;
        report->usable_kib = 400 * KIB_PER_MIB;
        report->last_update_sec = bench->now_usec / USEC_PER_SEC;
    }
    done(user_data);
}

static const GuestRecord *const *
records(void *self, size_t *count)
{
    *count = ((Bench *)self)->count;
    return ((Bench *)self)->records;
}

static WorldLink
link_state(void *self)
{
    return WORLD_LINK_READ_WRITE;
}

static void
set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    done(user_data, uuid, target_kib, NULL);
}

static void
set_period(void *self, const char *uuid, uint32_t seconds)
{
}

static void
ask_now(void *self, const char *uuid)
{
    ((Bench *)self)->asked++;
}

static bool
read_host(void *self, HostFigures *figures, GError **error)
{
    *figures = (HostFigures){.total_kib = 4096 * KIB_PER_GIB, .available_kib = 2048 * KIB_PER_GIB};
    return true;
}

static bool
resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    return false;
}

static uint64_t
clock_now(void *self)
{
    return ((Bench *)self)->now_usec;
}

static void
hear(void *self, const TickReport *report)
{
}

static void
add_guest(Bench *bench, const FakeHost *host, size_t i)
{
    GuestRecord *guest = &bench->guests[i];
    g_autofree char *group = g_strdup_printf("/machine.slice/machine-qemu\\x2d%zu\\x2dg.scope/libvirt", i + 10);
    g_autofree char *file = g_strdup_printf("/proc/%zu/cgroup", 5000 + i);
    g_autofree char *line = g_strdup_printf("0::%s\n", group);

    fake_host_add_group(host, group, 0);
    fake_host_write(host, file, line);
    *guest = (GuestRecord){.serial = i + 1,
                           .definition_serial = 1,
                           .name = (char *)"g",
                           .life = GUEST_LIFE_RUNNING,
                           .answering = true,
                           .boots = 1,
                           .boot_usec = bench->now_usec - 3600 * USEC_PER_SEC,
                           .pid = (pid_t)(5000 + i)};
    snprintf(guest->uuid, sizeof guest->uuid, "00000000-0000-0000-0000-%012zu", i);
    bench->xml[i] = guest->live_xml = guest->inactive_xml = g_strdup_printf(
        "<domain type='kvm'><name>g</name><uuid>%s</uuid><metadata><dynmem:memory xmlns:dynmem='" DYNMEM_METADATA_URI
        "' minimum='1GiB' startup='2GiB'/></metadata><memory unit='GiB'>8</memory><vcpu>1</vcpu><devices>"
        "<memballoon model='virtio'/></devices></domain>",
        guest->uuid);
    bench->records[i] = guest;
}

static double
spent_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Returns whether a look is what it shall be. */
static bool
measure(size_t count)
{
    g_autofree Bench *bench = g_new0(Bench, 1);
    g_autoptr(FakeHost) host = fake_host_new();
    g_autofree char *problem = NULL;
    Keep *keep = keep_open(NULL, "bench", &problem);
    Settings *settings = settings_new();
    Ports ports = {.guests = {.self = bench,
                              .collect = collect,
                              .records = records,
                              .link = link_state,
                              .set_target = set_target,
                              .set_period = set_period,
                              .ask_now = ask_now},
                   .host = {.read = read_host, .resident = resident},
                   .clock = {.self = bench, .now_usec = clock_now},
                   .sink = {.tick = hear}};
    Engine *engine;
    size_t grown;
    double spent;

    bench->now_usec = 100000 * USEC_PER_SEC;
    bench->count = count;
    for (size_t i = 0; i < count; i++)
        add_guest(bench, host, i);
    fake_host_start(host);
    ports.limits = host->limit_world;
    settings->memory_high = false;
    engine = engine_new(&ports, settings, keep, false);
    for (unsigned tick = 0; tick < 5; tick++) {
        bench->now_usec += USEC_PER_SEC;
        engine_tick(engine);
        engine_glance(engine);
    }
    reads = opens = 0;
    grown = heap_bytes();
    spent = spent_usec();
    for (unsigned i = 0; i < LOOKS; i++) {
        bench->now_usec += 1000;
        engine_glance(engine);
    }
    spent = spent_usec() - spent;
    grown = heap_bytes() - grown;
    printf("%8zu %10.2f %10.2f %12.1f %12.3f %12zu\n", count, (double)reads / LOOKS, (double)opens / LOOKS,
           spent / LOOKS, spent / LOOKS / (double)count, grown);
    engine_free(engine);
    keep_free(keep);
    for (size_t i = 0; i < count; i++)
        g_free(bench->xml[i]);
    return reads == count * LOOKS && opens == 0 && grown == 0 && bench->asked == 0;
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    bool good = true;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = FILES;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        printf("so many files can't be opened here\n");
        return 77;
    }
    printf("%8s %10s %10s %12s %12s %12s\n", "guests", "reads", "opened", "µs a look", "µs a guest", "bytes grown");
    good = measure(100) && good;
    good = measure(GUESTS_MAX) && good;
    return check && !good ? 1 : 0;
}
