/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int (*fake_calls_judge)(const char *call, const char *path);
int64_t fake_clock_ahead_usec;

static struct {
    GMutex lock;
    const char *call;
    const char *path_end;
    int times; /* also read without the lock */
    int why;
} fault;

void
fake_calls_fail(const char *call, const char *path_end, int times, int why)
{
    g_mutex_lock(&fault.lock);
    fault.call = call;
    fault.path_end = path_end;
    fault.why = why;
    g_atomic_int_set(&fault.times, times);
    g_mutex_unlock(&fault.lock);
}

static int
judge_fault(const char *call, const char *path)
{
    int why = 0;

    if (g_atomic_int_get(&fault.times) == 0)
        return 0;
    g_mutex_lock(&fault.lock);
    if (g_atomic_int_get(&fault.times) > 0 && strcmp(call, fault.call) == 0 && g_str_has_suffix(path, fault.path_end)) {
        g_atomic_int_add(&fault.times, -1);
        why = fault.why;
    }
    g_mutex_unlock(&fault.lock);
    return why;
}

static bool
is_asked_for(void)
{
    return g_atomic_pointer_get(&fake_calls_judge) != NULL || g_atomic_int_get(&fault.times) > 0;
}

#define REAL(name) (__extension__(__typeof__(&(name))) dlsym(RTLD_NEXT, G_STRINGIFY(name)))

static int
judge(const char *call, const char *path)
{
    int (*now)(const char *call, const char *path) = g_atomic_pointer_get(&fake_calls_judge);
    int before = errno, why;

    if (!is_asked_for())
        return 0;
    why = now != NULL ? now(call, path) : 0;
    if (why == 0)
        why = judge_fault(call, path);
    errno = why > 0 ? why : before;
    return why;
}

/* What is at name in a directory, or behind the file itself. */
static int
judge_at(const char *call, int fd, const char *name)
{
    char link[64], path[8192];
    ssize_t length;

    if (!is_asked_for())
        return 0;
    if (fd == AT_FDCWD || (name != NULL && *name == '/'))
        return judge(call, name);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path / 2);
    length = MAX(length, 0);
    snprintf(path + length, sizeof path - (size_t)length, "%s%s", name != NULL ? "/" : "", name != NULL ? name : "");
    return judge(call, path);
}

int
fsync(int fd)
{
    return judge_at("fsync", fd, NULL) > 0 ? -1 : REAL(fsync)(fd);
}

int
fchmod(int fd, mode_t mode)
{
    return judge_at("fchmod", fd, NULL) > 0 ? -1 : REAL(fchmod)(fd, mode);
}

int
fstat(int fd, struct stat *facts)
{
    return judge_at("fstat", fd, NULL) > 0 ? -1 : REAL(fstat)(fd, facts);
}

int
stat(const char *path, struct stat *facts)
{
    return judge("stat", path) > 0 ? -1 : REAL(stat)(path, facts);
}

int
fstatat(int directory, const char *name, struct stat *facts, int flags)
{
    return judge_at("fstatat", directory, name) > 0 ? -1 : REAL(fstatat)(directory, name, facts, flags);
}

ssize_t
write(int fd, const void *data, size_t size)
{
    int why = judge_at("write", fd, NULL);

    return why > 0 ? -1 : REAL(write)(fd, data, why < 0 ? 1 : size);
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t at)
{
    int why = judge_at("pwrite", fd, NULL);

    return why > 0 ? -1 : REAL(pwrite)(fd, data, why < 0 ? 1 : size, at);
}

ssize_t
pread(int fd, void *data, size_t size, off_t at)
{
    int why = judge_at("pread", fd, NULL);

    return why > 0 ? -1 : REAL(pread)(fd, data, why < 0 ? 1 : size, at);
}

int
unlinkat(int directory, const char *name, int flags)
{
    return judge_at("unlinkat", directory, name) > 0 ? -1 : REAL(unlinkat)(directory, name, flags);
}

int
mkdirat(int directory, const char *name, mode_t mode)
{
    return judge_at("mkdirat", directory, name) > 0 ? -1 : REAL(mkdirat)(directory, name, mode);
}

int
rename(const char *from, const char *to)
{
    return judge("rename", to) > 0 ? -1 : REAL(rename)(from, to);
}

static mode_t
mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
}

int
open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return judge("open", path) > 0 ? -1 : REAL(open)(path, flags, mode);
}

int
openat(int directory, const char *name, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return judge_at("openat", directory, name) > 0 ? -1 : REAL(openat)(directory, name, flags, mode);
}

DIR *
opendir(const char *path)
{
    return judge("opendir", path) > 0 ? NULL : REAL(opendir)(path);
}

int
ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return judge_at("ioctl", fd, NULL) > 0 ? -1 : REAL(ioctl)(fd, request, argument);
}

ssize_t
getrandom(void *data, size_t size, unsigned flags)
{
    return judge("getrandom", "") > 0 ? -1 : REAL(getrandom)(data, size, flags);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *data)
{
    int why = judge("pthread_create", "");

    return why > 0 ? why : REAL(pthread_create)(thread, attributes, run, data);
}

gint64
g_get_monotonic_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000 + fake_clock_ahead_usec;
}
