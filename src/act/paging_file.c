/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_file.h"

#include "error.h"
#include "names.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* The header of a swap file (kernel include/linux/swap.h, union swap_header). */
#define SIGNATURE "SWAPSPACE2"
#define SIGNATURE_BYTES 10
#define LABEL "dynmem"
#define SWAP_VERSION 1

typedef struct SwapHeader {
    char boot[1024]; /* left to boot loaders */
    uint32_t version;
    uint32_t last_page;
    uint32_t bad_pages;
    unsigned char uuid[16];
    char label[16];
} SwapHeader;

char *
paging_file_name(const char *uuid)
{
    return g_strconcat(uuid, DYNMEM_PAGING_SUFFIX, NULL);
}

bool
paging_file_uuid(const char *path, char uuid[37])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char start[37];

    g_strlcpy(start, name, sizeof start);
    if (strlen(name) != 36 + strlen(DYNMEM_PAGING_SUFFIX) || strcmp(name + 36, DYNMEM_PAGING_SUFFIX) != 0 ||
        !g_uuid_string_is_valid(start))
        return false;
    memcpy(uuid, start, sizeof start);
    return true;
}

static bool
fail(GError **error, const char *directory, const char *name, const char *what)
{
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s/%s %s: %s", directory, name, what, g_strerror(errno));
    return false;
}

static bool
has_our_header(const ActSystem *system, int fd)
{
    SwapHeader header;
    char signature[SIGNATURE_BYTES];

    return pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
           pread(fd, signature, sizeof signature, (off_t)(system->page_bytes - SIGNATURE_BYTES)) == SIGNATURE_BYTES &&
           memcmp(signature, SIGNATURE, SIGNATURE_BYTES) == 0 && strncmp(header.label, LABEL, sizeof header.label) == 0;
}

bool
paging_file_is_ours(const ActSystem *system, const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool ours = fd >= 0 && has_our_header(system, fd);

    if (fd >= 0)
        close(fd);
    return ours;
}

/* ---- deleting ---- */

bool
paging_file_delete(const ActSystem *system, int directory_fd, const char *directory, const char *uuid, bool check,
                   GError **error)
{
    g_autofree char *name = paging_file_name(uuid);
    struct stat facts;
    bool ours;
    int fd = -1;

    if (fstatat(directory_fd, name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || fail(error, directory, name, "can't be looked at");
    if (S_ISREG(facts.st_mode)) {
        fd = openat(directory_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return fail(error, directory, name, "can't be opened");
    }
    ours = fd >= 0 && facts.st_uid == system->owner && facts.st_nlink == 1 && (!check || has_our_header(system, fd));
    if (!ours) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "%s/%s is not a paging file that dynmem made, and is not touched; move it away", directory, name);
        if (fd >= 0)
            close(fd);
        return false;
    }
    /* gives its blocks back to the file system, and to a disk that is told; where that can't be it is deleted all the same */
    system->allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (uint64_t)facts.st_size);
    act_system_step(system, "file discarded");
    close(fd);
    if (unlinkat(directory_fd, name, 0) != 0 && errno != ENOENT)
        return fail(error, directory, name, "can't be deleted");
    act_system_step(system, "file deleted");
    return true;
}

bool
paging_file_stays_deleted(int directory_fd, const char *directory, const char *uuid, GError **error)
{
    g_autofree char *name = paging_file_name(uuid);
    int fd;

    if (fsync(directory_fd) != 0 && errno != EINVAL)
        return fail(error, directory, name, "can't be deleted for good");
    fd = openat(directory_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EIO || errno == EROFS))
        return fail(error, directory, name, "can't be deleted for good");
    if (fd >= 0)
        close(fd);
    return true;
}

/* ---- making ---- */

/* btrfs swaps only to files that are not copied on write, which holds for files that are empty when they are marked. */
static bool
mark_nocow(int fd)
{
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return false;
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

/* Into a file of zeros, as mkswap(8) does; not through a mapping, where an error of the disk is a SIGBUS. */
static bool
write_header(const ActSystem *system, int fd, uint64_t bytes)
{
    SwapHeader header = {.version = SWAP_VERSION, .last_page = (uint32_t)(bytes / system->page_bytes - 1)};

    if (getrandom(header.uuid, sizeof header.uuid, GRND_NONBLOCK) != (ssize_t)sizeof header.uuid)
        memset(header.uuid, 0, sizeof header.uuid); /* it only tells areas apart for people */
    g_strlcpy(header.label, LABEL, sizeof header.label);
    return pwrite(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
           pwrite(fd, SIGNATURE, SIGNATURE_BYTES, (off_t)(system->page_bytes - SIGNATURE_BYTES)) == SIGNATURE_BYTES &&
           fsync(fd) == 0;
}

static bool
goes_on(const ActSystem *system, const char *step, const int *stop, GError **error)
{
    act_system_step(system, step);
    if (!g_atomic_int_get(stop))
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "its making was called off");
    return false;
}

static bool
fill(const ActSystem *system, int fd, const char *directory, const char *name, uint64_t bytes, bool nocow,
     const int *stop, GError **error)
{
    if (nocow && !mark_nocow(fd))
        return fail(error, directory, name, "can't be kept from copying on write");
    if (fchmod(fd, 0600) != 0)
        return fail(error, directory, name, "can't be closed to others");
    if (system->allocate(fd, 0, bytes) != 0)
        return fail(error, directory, name, "can't be allocated in full");
    if (!goes_on(system, "file allocated", stop, error))
        return false;
    if (!write_header(system, fd, bytes))
        return fail(error, directory, name, "can't be written");
    return goes_on(system, "header written", stop, error);
}

int
paging_file_make(const ActSystem *system, int directory_fd, const char *directory, const char *uuid, uint64_t size_kib,
                 bool nocow, const int *stop, GError **error)
{
    g_autofree char *name = paging_file_name(uuid);
    uint64_t pages = (bytes_from_kib(size_kib) + system->page_bytes - 1) / system->page_bytes + 1;
    int fd;

    if (pages > UINT32_MAX) {
        g_autofree char *size = units_format_size(size_kib);

        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "a paging file of %s is larger than swap files can be",
                    size);
        return -1;
    }
    fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail(error, directory, name, "can't be made");
        return -1;
    }
    act_system_step(system, "file made");
    if (fill(system, fd, directory, name, pages * system->page_bytes, nocow, stop, error) &&
        (fsync(directory_fd) == 0 || fail(error, directory, name, "can't be written")))
        return fd;
    unlinkat(directory_fd, name, 0);
    fsync(directory_fd);
    close(fd);
    return -1;
}
