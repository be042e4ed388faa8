/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A program that pushes: it takes the memory that it is told to need whether or not there is any, swapping where there is
 * not, goes on writing to all of it at the pace that it is told to keep, and counts the work that it gets done. Runs in a lab
 * guest; /run-push says "MIB MIB_A_SECOND", /run-pushed then "held work", both in MiB.
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES_A_MIB (1048576u / PAGE)
#define MOST_MIB 2048u
#define SLICE_NSEC 10000000
#define TELL_SLICES 20

/* What it could not do in time is not made up for. */
#define OWED_MOST_SEC 0.1

static double
now_sec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
read_orders(uint64_t *wanted, double *pages_a_sec)
{
    FILE *file = fopen("/run-push", "r");
    unsigned mib, pace;

    if (file == NULL)
        return;
    if (fscanf(file, "%u %u", &mib, &pace) == 2 && mib <= MOST_MIB) {
        *wanted = (uint64_t)mib * PAGES_A_MIB;
        *pages_a_sec = (double)pace * PAGES_A_MIB;
    }
    fclose(file);
}

static void
tell(uint64_t held, uint64_t done)
{
    FILE *file = fopen("/run-pushed.new", "w");

    if (file == NULL)
        return;
    fprintf(file, "%llu %llu\n", (unsigned long long)(held / PAGES_A_MIB), (unsigned long long)(done / PAGES_A_MIB));
    if (fclose(file) == 0)
        rename("/run-pushed.new", "/run-pushed");
}

int
main(void)
{
    const struct timespec slice = {.tv_nsec = SLICE_NSEC};
    unsigned char *memory =
        mmap(NULL, (size_t)MOST_MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t wanted = 0, held = 0, at = 0, done = 0;
    double pages_a_sec = 0, owed = 0, before = now_sec();

    if (memory == MAP_FAILED)
        return 1;
    for (unsigned slices = 0;; slices++) {
        double now = now_sec();

        if (slices % TELL_SLICES == 0) {
            tell(held, done);
            read_orders(&wanted, &pages_a_sec);
        }
        if (held > wanted) {
            madvise(memory + wanted * PAGE, (size_t)(held - wanted) * PAGE, MADV_DONTNEED);
            held = wanted;
        }
        owed += (now - before) * pages_a_sec;
        before = now;
        if (owed > OWED_MOST_SEC * pages_a_sec)
            owed = OWED_MOST_SEC * pages_a_sec;
        for (; owed >= 1 && wanted > 0; owed--, done++) {
            if (held < wanted) {
                memory[held++ * PAGE] = (unsigned char)(done | 1);
                continue;
            }
            at = at + 1 < held ? at + 1 : 0;
            memory[at * PAGE] = (unsigned char)(done | 1);
        }
        nanosleep(&slice, NULL);
    }
}
