/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a fuzz target without libFuzzer: each file of the folder that is named, as it is and in some thousand mutations
 * that are the same in every run. Finds less than a fuzzer and finds it with any compiler, in a second. What a
 * fuzzer has found ("found-") has been mutated enough.
 */

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define MUTATIONS 1500
#define FOUND "found-"

static uint64_t seed;

static uint32_t
chance(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % below);
}

/* Spoils text in a few places: other bytes, pieces left out, doubled or moved. */
static void
mutate(GString *text)
{
    static const char *const pieces[] = {"<",     ">",         "/>",    "'",    "\"",
                                         "=",     "\n",        "[",     "]",    "\\\n",
                                         "xmlns", "&#0;",      "&amp;", "-1",   "99999999999999999999",
                                         "\xff",  "<![CDATA[", "]]>",   "<!--", "0"};
    unsigned changes = 1 + chance(4);

    for (unsigned i = 0; i < changes && text->len > 0; i++) {
        gssize at = (gssize)chance((uint32_t)text->len);
        gssize wished = (gssize)chance(40), length = MIN(wished, (gssize)text->len - at);
        g_autofree char *copy = NULL;

        switch (chance(5)) {
        case 0:
            text->str[at] = (char)chance(256);
            break;
        case 1:
            g_string_erase(text, at, length);
            break;
        case 2:
            copy = g_memdup2(text->str + at, (size_t)length);
            g_string_insert_len(text, (gssize)chance((uint32_t)text->len), copy, length);
            break;
        case 3:
            g_string_insert(text, at, pieces[chance(G_N_ELEMENTS(pieces))]);
            break;
        default:
            g_string_truncate(text, (gsize)at);
            break;
        }
    }
}

static void
run(const char *data, size_t size)
{
    /* a block of exactly this size, so that a sanitizer sees each byte read beyond it */
    uint8_t *exact = malloc(MAX(size, 1));

    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int
main(int argc, char **argv)
{
    unsigned files = 0;

    for (int i = 1; i < argc; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) dir = g_dir_open(argv[i], 0, &error);
        const char *name;

        if (dir == NULL) {
            fprintf(stderr, "%s\n", error->message);
            return 2;
        }
        while ((name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *path = g_build_filename(argv[i], name, NULL);
            g_autofree char *data = NULL;
            size_t size;

            if (!g_file_get_contents(path, &data, &size, &error)) {
                fprintf(stderr, "%s\n", error->message);
                return 2;
            }
            files++;
            seed = g_str_hash(name) | UINT64_C(1) << 32; /* the order of a folder's files is nobody's promise */
            run(data, size);
            for (unsigned j = 0; j < MUTATIONS && !g_str_has_prefix(name, FOUND); j++) {
                GString *text = g_string_new_len(data, (gssize)size);

                mutate(text);
                run(text->str, text->len);
                g_string_free(text, TRUE);
            }
        }
    }
    printf("%u files, those that no fuzzer found in %d mutations each\n", files, MUTATIONS);
    return files > 0 ? 0 : 2;
}
