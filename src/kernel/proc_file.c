/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static gssize
read_open(int fd, char *buffer, size_t size, bool records)
{
    size_t length = 0;

    while (length + 1 < size) {
        ssize_t got = pread(fd, buffer + length, size - 1 - length, (off_t)length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
        /* most such files are one record, which the kernel hands out whole where it fits; no second read to see its end */
        if (!records && length == (size_t)got && length + 1 < size && buffer[length - 1] == '\n')
            break;
    }
    buffer[length] = '\0';
    return (gssize)length;
}

static gssize
read_file(const char *path, int *fd, char *buffer, size_t size, bool records)
{
    for (;;) {
        bool opened = *fd < 0;
        gssize length;
        int why;

        if (opened)
            *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (*fd < 0)
            return -1;
        length = read_open(*fd, buffer, size, records);
        if (length >= 0)
            return length;
        why = errno;
        close(*fd);
        *fd = -1;
        errno = why;
        if (opened)
            return -1;
    }
}

gssize
proc_file_read(const char *path, int *fd, char *buffer, size_t size)
{
    return read_file(path, fd, buffer, size, false);
}

gssize
proc_file_read_records(const char *path, int *fd, char *buffer, size_t size)
{
    return read_file(path, fd, buffer, size, true);
}

const char *
proc_file_number(const char *text, uint64_t *value)
{
    const char *p = text;
    uint64_t number = 0;

    for (; g_ascii_isdigit(*p); p++) {
        if (number > (UINT64_MAX - 9) / 10)
            return NULL;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return NULL;
    *value = number;
    return p;
}

bool
proc_file_find(const char *text, const char *name, uint64_t *value)
{
    size_t length = strlen(name);

    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');

        if (strncmp(line, name, length) == 0) {
            const char *p = line + length;

            p += strspn(p, " \t");
            return proc_file_number(p, value) != NULL;
        }
        if (end == NULL)
            break;
        line = end + 1;
    }
    return false;
}
