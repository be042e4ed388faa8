/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "dm-ctl check" makes of the files of a host: each thing that is wrong is found, and a host where nothing is gives no alarm. */

#include "cmocka_all.h"
#include "ctl/guest_checks.h"
#include "ctl/guest_files.h"
#include "ctl/hook_file.h"
#include "ctl/host_checks.h"
#include "ctl/killer_checks.h"
#include "ctl/memory_checks.h"
#include "units.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEMINFO "MemTotal: 67108864 kB\nMemFree: 1000 kB\nMemAvailable: 8388608 kB\n"
#define GROUP "/machine.slice/machine-qemu-1-web.scope/libvirt"
#define SLICE "sys/fs/cgroup/machine.slice/"
#define SWAPS "Filename Type Size Used Priority\n"
/* Memory that the host keeps, 2 GiB. */
#define RESERVE (UINT64_C(2) << 30)

typedef struct Host {
    char *root;
    GPtrArray *checks;
    Settings *settings;
} Host;

static void
check_clear(void *data)
{
    Check *check = data;

    g_free(check->text);
    g_free(check->advice);
    g_free(check);
}

static void
put_bytes(const Host *host, const char *path, const char *text, gssize length)
{
    g_autofree char *whole = g_build_filename(host->root, path, NULL);
    g_autofree char *directory = g_path_get_dirname(whole);

    assert_int_equal(g_mkdir_with_parents(directory, 0700), 0);
    assert_true(g_file_set_contents(whole, text, length, NULL));
}

static void
put(const Host *host, const char *path, const char *text)
{
    put_bytes(host, path, text, -1);
}

static void
put_guest(const Host *host, const char *path, const char *name, const char *balloon, const char *more)
{
    g_autofree char *xml = g_strdup_printf(
        "<domstatus state='running'><domain type='kvm' id='1'><name>%s</name><memory>4194304</memory>"
        "<metadata><d:memory xmlns:d='urn:dynmem:domain:1'/></metadata>%s<devices>%s<disk type='file' device='disk'>"
        "<driver name='qemu' cache='none'/><source file='/d'/></disk></devices></domain></domstatus>",
        name, more, balloon);

    put(host, path, xml);
}

/* A host where nothing is wrong: a guest that runs in its group. */
static int
setup(void **state)
{
    Host *host = g_new0(Host, 1);

    host->root = g_dir_make_tmp("dynmem-checks-XXXXXX", NULL);
    host->settings = settings_new();
    put(host, "proc/meminfo", MEMINFO);
    put(host, "proc/swaps", SWAPS);
    put(host, "proc/77/comm", "qemu-system-x86\n");
    put(host, "proc/77/cgroup", "0::" GROUP "/emulator\n");
    put(host, "sys/fs/cgroup/cgroup.controllers", "memory\n");
    put(host, "sys/fs/cgroup" GROUP "/emulator/cgroup.type", "threaded\n");
    put(host, "sys/fs/cgroup" GROUP "/memory.oom.group", "0\n");
    put(host, SLICE "memory.max", "max\n");
    put(host, SLICE "memory.high", "max\n");
    put(host, SLICE "memory.swap.max", "max\n");
    put(host, "sys/kernel/mm/ksm/run", "0\n");
    put(host, "sys/kernel/mm/ksm/pages_sharing", "0\n");
    put(host, "run/libvirt/qemu/web.pid", "77\n");
    put_guest(host, "run/libvirt/qemu/web.xml", "web",
              "<memballoon model='virtio' freePageReporting='on'><stats period='1'/></memballoon>", "");
    *state = host;
    return 0;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *entry;

    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *below = g_build_filename(path, entry, NULL);

        remove_tree(below);
    }
    g_remove(path);
}

static int
teardown(void **state)
{
    Host *host = *state;

    remove_tree(host->root);
    g_free(host->root);
    settings_free(host->settings);
    g_clear_pointer(&host->checks, g_ptr_array_unref);
    g_free(host);
    return 0;
}

static void
look(Host *host)
{
    bool denied = true;
    g_autoptr(GPtrArray) guests = guest_files_read(host->root, &denied);

    assert_false(denied);
    g_clear_pointer(&host->checks, g_ptr_array_unref);
    host->checks = g_ptr_array_new_with_free_func(check_clear);
    memory_checks_add(host->checks, host->root);
    memory_checks_nodes(host->checks, guests, host->root);
    killer_checks_add(host->checks, guests, host->root, RESERVE);
    guest_checks_add(host->checks, guests, host->root, host->settings);
}

/* The first of this name is of that level, with that in its text. */
static void
assert_check(Host *host, const char *name, CheckLevel level, const char *part)
{
    look(host);
    for (guint i = 0; i < host->checks->len; i++) {
        const Check *check = g_ptr_array_index(host->checks, i);

        if (strcmp(check->name, name) != 0)
            continue;
        if (check->level != level || strstr(check->text, part) == NULL ||
            (level == CHECK_WARNING && check->advice == NULL))
            fail_msg("%s: %s: %s", name, check_level_name(check->level), check->text);
        return;
    }
    fail_msg("nothing is said of %s", name);
}

static void
a_host_that_is_set_up_right_gives_no_alarm(void **state)
{
    Host *host = *state;

    look(host);
    assert_true(host->checks->len >= 7);
    for (guint i = 0; i < host->checks->len; i++) {
        const Check *check = g_ptr_array_index(host->checks, i);

        if (check->level != CHECK_OK)
            fail_msg("%s: %s", check->name, check->text);
    }
}

static void
swap_of_the_host_is_told_and_what_bars_paging_files(void **state)
{
    Host *host = *state;

    put(host, "proc/swaps", SWAPS "/srv/11111111.dynmem-paging file 1000 1000 5\n");
    assert_check(host, "swap", CHECK_OK, "no swap");
    put(host, "proc/swaps", SWAPS "/dev/sda2 partition 8388608 1024 -2\n");
    assert_check(host, "swap", CHECK_NOTE, "/dev/sda2");
    put(host, "proc/swaps", SWAPS "/dev/zram0 partition 8388608 1024 100\n");
    assert_check(host, "swap", CHECK_NOTE, "into memory");
    /* half of the 8 GiB that are available, and a page */
    put(host, "proc/swaps", SWAPS "/dev/sda2 partition 8388608 4194308 -2\n");
    assert_check(host, "swap", CHECK_WARNING, "paging file");
}

static void
caches_and_merged_pages_are_told(void **state)
{
    Host *host = *state;

    put(host, "proc/spl/kstat/zfs/arcstats", "1 2 3\nname type data\nc_min 4 1\nc_max 4 6000000000\n");
    assert_check(host, "arc", CHECK_OK, "5.6 GiB");
    put(host, "proc/spl/kstat/zfs/arcstats", "1 2 3\nname type data\nc_max 4 34359738368\n");
    assert_check(host, "arc", CHECK_NOTE, "32 GiB");
    put(host, "proc/spl/kstat/zfs/arcstats", "1 2 3\nname type data\nc_max 4 60000000000\n");
    assert_check(host, "arc", CHECK_WARNING, "55.9 GiB");
    put(host, "sys/kernel/mm/ksm/run", "1\n");
    assert_check(host, "ksm", CHECK_NOTE, "runs");
    put(host, "sys/kernel/mm/ksm/run", "0\n");
    put(host, "sys/kernel/mm/ksm/pages_sharing", "262144\n");
    assert_check(host, "ksm", CHECK_NOTE, "1 GiB");
}

static void
nodes_matter_where_there_are_several(void **state)
{
    Host *host = *state;
    static const char node[] = "Node 0 MemTotal: 33554432 kB\n",
                      strict[] = "<numatune><memory mode='strict' nodeset='0'/></numatune>";

    put(host, "sys/devices/system/node/node0/meminfo", node);
    put(host, "sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 0 kB\n");
    look(host);
    for (guint i = 0; i < host->checks->len; i++)
        assert_string_not_equal(((const Check *)g_ptr_array_index(host->checks, i))->name, "numa");
    put(host, "sys/devices/system/node/node1/meminfo", node);
    assert_check(host, "numa", CHECK_OK, "2 nodes");
    put_guest(host, "etc/libvirt/qemu/db.xml", "db", "<memballoon model='virtio'/>", strict);
    assert_check(host, "numa", CHECK_NOTE, "db");
    put(host, "proc/sys/vm/zone_reclaim_mode", "1\n");
    assert_check(host, "numa", CHECK_WARNING, "zone_reclaim_mode");
}

static void
earlyoom_threatens_guests_unless_it_is_told_not_to(void **state)
{
    Host *host = *state;
    struct rusage usage;
    static const struct {
        const char *words; /* each with its zero */
        gssize length;
        CheckLevel level;
        const char *part;
    } rows[] = {
#define WORDS(words) words, sizeof words - 1
#define KILLS CHECK_WARNING, "kills the largest process"
#define RESERVED CHECK_OK, "which the host keeps for itself"
#define AVOIDS CHECK_OK, "avoid guests, but for one of more than half"
#define IGNORES CHECK_OK, "pass guests over"
        {WORDS("earlyoom\0-r\0"
               "3600\0"),
         KILLS},
        {WORDS("earlyoom\0-m\0"
               "4\0"),
         KILLS},
        {WORDS("earlyoom\0-m\0"
               "3,1\0"),
         RESERVED},
        {WORDS("earlyoom\0-m3\0"), RESERVED},
        {WORDS("earlyoom\0-M\0"
               "1048576\0"),
         RESERVED},
        {WORDS("earlyoom\0-M\0"
               "4194304,1\0"),
         KILLS},
        {WORDS("earlyoom\0--avoid\0^qemu\0"), AVOIDS},
        {WORDS("earlyoom\0--ignore=^(qemu|sshd)\0"), IGNORES},
        {WORDS("earlyoom\0--ignore-root-user\0--prefer\0^qemu\0"), KILLS},
        /* who is passed over is not chosen at all; of two of a kind the last counts */
        {WORDS("earlyoom\0--avoid\0^qemu\0--ignore\0^qemu\0"), IGNORES},
        {WORDS("earlyoom\0--ignore\0^qemu\0--avoid\0^qemu\0"), IGNORES},
        {WORDS("earlyoom\0--ignore\0^sshd$\0--avoid=^qemu\0"), AVOIDS},
        {WORDS("earlyoom\0--avoid\0^sshd$\0--avoid\0^qemu\0"), AVOIDS},
        {WORDS("earlyoom\0--avoid\0^qemu\0--avoid\0^sshd$\0"), KILLS},
        {WORDS("earlyoom\0--ignore-root-user\0"
               "^qemu\0"),
         KILLS},
        {WORDS("earlyoom\0--avoid\0^sshd$\0"), KILLS},
        {WORDS("earlyoom\0--avoid\0(\0"), KILLS},
        {WORDS("earlyoom\0--avoid\0((((a{255}){255}){255}){255})\0"), KILLS},
        {WORDS("earlyoom\0--avoid\0"), KILLS},
        {WORDS(""), KILLS},
#undef IGNORES
#undef AVOIDS
#undef RESERVED
#undef KILLS
#undef WORDS
    };

    put(host, "proc/5/comm", "earlyoom\n");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        put_bytes(host, "proc/5/cmdline", rows[i].words, rows[i].length);
        assert_check(host, "earlyoom", rows[i].level, rows[i].part);
    }
    /* anybody may call a process so, and say what he likes to it */
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_in_range(usage.ru_maxrss, 1, 1024 * 1024);
    /* it also waits for swap to be full */
    put(host, "proc/swaps", SWAPS "/dev/sda2 partition 8388608 1024 -2\n");
    assert_check(host, "earlyoom", CHECK_NOTE, "are available and the host's swap is full;");
    put_bytes(host, "proc/5/cmdline",
              "earlyoom\0-s\0"
              "100\0",
              sizeof "earlyoom\0-s\0"
                     "100");
    assert_check(host, "earlyoom", CHECK_WARNING, "are available;");
}

/* The text between the two; fails where it is not there. The caller frees it. */
static char *
cut_out(const char *text, const char *before, const char *after)
{
    const char *start = strstr(text, before), *end;

    assert_non_null(start);
    start += strlen(before);
    end = strstr(start, after);
    assert_non_null(end);
    return g_strndup(start, (gsize)(end - start));
}

/* earlyoom's options are what a shell makes of these. */
static void
assert_earlyoom_told(Host *host, const char *options, const char *part)
{
    g_autofree char *line = g_strconcat("earlyoom -r 3600 ", options, NULL);
    g_auto(GStrv) words = NULL;
    g_autoptr(GString) bytes = g_string_new(NULL);

    assert_true(g_shell_parse_argv(line, NULL, &words, NULL));
    for (char **word = words; *word != NULL; word++)
        g_string_append_len(bytes, *word, (gssize)strlen(*word) + 1);
    put_bytes(host, "proc/5/cmdline", bytes->str, (gssize)bytes->len);
    assert_check(host, "earlyoom", CHECK_OK, part);
}

/*
 * --ignore is new in version 1.8 (rfjakob/earlyoom, CHANGELOG), and one that does not know an option does not start. So what is advised for
 * older ones is another option, and each does what it is advised for, whatever QEMU is called there.
 */
static void
what_is_advised_for_each_version_of_earlyoom_spares_guests(void **state)
{
    Host *host = *state;
    static const char *const names[] = {"qemu-system-x86\n", "qemu-system-aar\n", "qemu-kvm\n"};
    g_autofree char *since_1_8 = NULL, *before_1_8 = NULL;
    const char *advice = "";

    put(host, "proc/5/comm", "earlyoom\n");
    put(host, "proc/5/cmdline", "earlyoom");
    look(host);
    for (guint i = 0; i < host->checks->len; i++) {
        const Check *check = g_ptr_array_index(host->checks, i);

        if (strcmp(check->name, "earlyoom") == 0 && check->advice != NULL)
            advice = check->advice;
    }
    since_1_8 = cut_out(advice, "add ", " (");
    before_1_8 = cut_out(advice, "(before version 1.8: ", ")");
    assert_true(g_str_has_prefix(since_1_8, "--ignore "));
    assert_null(strstr(before_1_8, "--ignore"));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        put(host, "proc/77/comm", names[i]);
        assert_earlyoom_told(host, since_1_8, "pass guests over");
        assert_earlyoom_told(host, before_1_8, "avoid guests, but for one of more than half");
    }
}

static void
oomd_threatens_guests_only_where_it_can_choose_one(void **state)
{
    Host *host = *state;

    put(host, "proc/5/comm", "systemd-oomd\n");
    assert_check(host, "oomd", CHECK_OK, "does not watch");
    put(host, "usr/lib/systemd/system/-.slice.d/10-defaults.conf", "[Slice]\nManagedOOMSwap=kill\n");
    assert_check(host, "oomd", CHECK_OK, "can't choose");
    put(host, "proc/swaps", SWAPS "/dev/sda2 partition 8388608 1024 -2\n");
    assert_check(host, "oomd", CHECK_NOTE, "service");
    put(host, "sys/fs/cgroup/machine.slice/machine-qemu-1-web.scope/memory.oom.group", "1\n");
    assert_check(host, "oomd", CHECK_WARNING, "web");
    /* a drop-in of the same name hides that of the vendor, a later one is the last word */
    put(host, "etc/systemd/system/-.slice.d/10-defaults.conf", "[Slice]\n# ManagedOOMSwap=kill\n");
    assert_check(host, "oomd", CHECK_OK, "does not watch");
    put(host, "run/systemd/system/machine.slice.d/50-oomd.conf", "[Slice]\nManagedOOMMemoryPressure = kill\n");
    assert_check(host, "oomd", CHECK_WARNING, "web");
    put(host, "etc/systemd/system/machine.slice.d/99-own.conf", "[Slice]\nManagedOOMMemoryPressure=auto\n");
    assert_check(host, "oomd", CHECK_OK, "does not watch");
    put(host, "sys/fs/cgroup/machine.slice/machine-qemu-1-web.scope/memory.oom.group", "0\n");
    put(host, "etc/systemd/system/-.slice", "[Slice]\nManagedOOMMemoryPressure=kill\n");
    assert_check(host, "oomd", CHECK_WARNING, "services");
}

static void
limits_above_guests_are_told(void **state)
{
    Host *host = *state;

    put(host, SLICE "memory.max", "34359738368\n");
    assert_check(host, "limits", CHECK_NOTE, "machine.slice has memory.max of 32 GiB");
    put(host, SLICE "memory.swap.max", "0\n");
    assert_check(host, "limits", CHECK_WARNING, "memory.swap.max");
    put(host, SLICE "memory.high", "34359738368\n");
    assert_check(host, "limits", CHECK_WARNING, "memory.high");
    put(host, SLICE "memory.high", "max\n");
    put(host, SLICE "memory.max", "max\n");
    host->settings->paging_enabled = false;
    assert_check(host, "limits", CHECK_OK, "no control group");
    put(host, SLICE "machine-qemu-1-web.scope/memory.high", "1073741824\n");
    assert_check(host, "limits", CHECK_WARNING, "machine.slice/machine-qemu-1-web.scope");
}

static void
definitions_that_cost_something_are_told(void **state)
{
    Host *host = *state;

    /* what a guest runs with counts, not what its next start is made from */
    put_guest(host, "etc/libvirt/qemu/web.xml", "web", "<memballoon model='virtio'/>", "");
    assert_check(host, "reporting", CHECK_OK, "");
    put_guest(host, "etc/libvirt/qemu/db.xml", "db", "<memballoon model='virtio'><stats period='60'/></memballoon>",
              "");
    assert_check(host, "reporting", CHECK_NOTE, "db");
    assert_check(host, "period", CHECK_OK, "");
    put_guest(host, "run/libvirt/qemu/db.xml", "db", "<memballoon model='virtio'><stats period='10'/></memballoon>",
              "");
    assert_check(host, "period", CHECK_NOTE, "db");
    put_guest(
        host, "etc/libvirt/qemu/mail.xml", "mail",
        "<memballoon model='virtio'/><disk type='file' device='cdrom'/><disk type='block'><driver name='qemu'/></disk>",
        "");
    assert_check(host, "cache", CHECK_NOTE, "mail");
    host->settings->memory_high = false;
    look(host);
    for (guint i = 0; i < host->checks->len; i++)
        assert_string_not_equal(((const Check *)g_ptr_array_index(host->checks, i))->name, "cache");
}

static void
guests_that_are_not_moved_do_not_matter(void **state)
{
    Host *host = *state;

    put_guest(host, "etc/libvirt/qemu/db.xml", "db", "<memballoon model='none'/>", "");
    put_guest(host, "etc/libvirt/qemu/ci.xml", "ci",
              "<memballoon model='virtio'/><hostdev mode='subsystem' type='pci'/>", "");
    put(host, "etc/libvirt/qemu/other.xml",
        "<domain type='kvm'><name>other</name><memory>1</memory><devices><memballoon "
        "model='virtio'/></devices></domain>");
    put(host, "etc/libvirt/qemu/broken.xml", "<domain type='kvm'><name>broken</name>");
    put(host, "etc/libvirt/qemu/upside.xml", "</domain><domain ");
    assert_check(host, "reporting", CHECK_OK, "");
    host->settings->manage_all = true;
    assert_check(host, "reporting", CHECK_NOTE, "other");
}

static void
hooks_before_ours_are_found_in_their_order(void **state)
{
    Host *host = *state;
    const HookPlace place = {.root = host->root, .template_path = ""};
    static const struct {
        const char *name;
        int mode;
    } files[] = {{"qemu", 0755},        {"qemu.d/60-late", 0755}, {"qemu.d/50-dynmem", 0755},
                 {"qemu.d/20-b", 0755}, {"qemu.d/10-a", 0755},    {"qemu.d/05-off", 0644}};
    g_autoptr(GPtrArray) found = NULL;
    g_autofree char *names = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *below = g_build_filename("etc/libvirt/hooks", files[i].name, NULL);
        g_autofree char *path = g_build_filename(host->root, below, NULL);

        put(host, below, "#!/bin/sh\n");
        g_chmod(path, files[i].mode);
    }
    found = hook_file_earlier(&place);
    names = check_names(found);
    assert_string_equal(names,
                        "/etc/libvirt/hooks/qemu, /etc/libvirt/hooks/qemu.d/10-a, /etc/libvirt/hooks/qemu.d/20-b");
}

/* ---- the configuration ---- */

/* What is said of it, each in a line; caller frees. */
static char *
configuration_text(const Host *host, unsigned *rows)
{
    g_autoptr(GPtrArray) checks = g_ptr_array_new_with_free_func(check_clear);
    g_autoptr(Settings) settings = host_checks_config(checks, host->root);
    GString *text = g_string_new(NULL);

    *rows = 0;
    for (guint i = 0; i < checks->len; i++) {
        const Check *check = g_ptr_array_index(checks, i);

        if (strcmp(check->name, "configuration") != 0)
            continue;
        ++*rows;
        g_string_append_printf(text, "%s: %s\n", check_level_name(check->level), check->text);
    }
    assert_non_null(settings);
    return g_string_free(text, FALSE);
}

static void
all_complaints_about_the_configuration_are_told_and_not_without_end(void **state)
{
    Host *host = *state;
    g_autofree char *few = NULL;
    g_autofree char *many = NULL;
    g_autoptr(GString) lines = g_string_new("[Policy]\n");
    unsigned rows;

    put(host, "etc/dynmem/dynmemd.conf", "[Policy]\nBufer=30\nPriority=101\n[Host]\nReserve=much\n");
    few = configuration_text(host, &rows);
    assert_int_equal(rows, 3);
    assert_non_null(strstr(few, "dynmemd.conf:2: "));
    assert_non_null(strstr(few, "dynmemd.conf:3: "));
    assert_non_null(strstr(few, "dynmemd.conf:5: "));

    for (unsigned i = 0; i < 50; i++)
        g_string_append_printf(lines, "Nothing%u=1\n", i);
    put(host, "etc/dynmem/dynmemd.conf", lines->str);
    many = configuration_text(host, &rows);
    assert_int_equal(rows, 21);
    assert_non_null(strstr(many, "30 more complaints are not shown"));
}

static void
a_reserve_that_leaves_nothing_is_told_with_its_place(void **state)
{
    Host *host = *state;
    static const struct {
        const char *reserve;
        bool told;
    } cases[] = {{"63GiB", false}, {"auto", false}, {"64GiB", true}, {"2TiB", true}};
    unsigned rows;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *file = g_strdup_printf("[Policy]\n[Host]\nReserve=%s\n", cases[i].reserve);
        g_autofree char *text = NULL;

        put(host, "etc/dynmem/dynmemd.conf.d/10-host.conf", file);
        text = configuration_text(host, &rows);
        assert_int_equal(rows, 1);
        assert_int_equal(strstr(text, "10-host.conf:3: Reserve= is ") != NULL, cases[i].told);
        assert_int_equal(strstr(text, "this host has 64 GiB") != NULL, cases[i].told);
    }
    /* huge pages are nobody's ordinary memory */
    put(host, "etc/dynmem/dynmemd.conf.d/10-host.conf", "[Host]\nReserve=8GiB\n");
    put(host, "proc/meminfo", MEMINFO "Hugetlb: 60817408 kB\n");
    {
        g_autofree char *text = configuration_text(host, &rows);

        assert_non_null(strstr(text, "this host has 6 GiB"));
    }
}

/* root may read everything, and dynmemd, which is root without the capability for that, may not. */
static void
a_file_that_the_daemon_can_not_read_is_told_to_root(void **state)
{
    Host *host = *state;
    g_autofree char *path = g_build_filename(host->root, "etc/dynmem/dynmemd.conf.d/20-mine.conf", NULL);
    g_autofree char *denied = NULL;
    g_autofree char *allowed = NULL;
    g_autofree char *again = NULL;
    unsigned rows;

    put(host, "etc/dynmem/dynmemd.conf.d/20-mine.conf", "[Policy]\nBuffer=30\n");
    if (geteuid() != 0 || chown(path, 65534, 65534) != 0)
        return; /* there is nobody else */
    assert_int_equal(g_chmod(path, 0600), 0);
    denied = configuration_text(host, &rows);
    assert_non_null(strstr(denied, "warning: "));
    assert_non_null(strstr(denied, "20-mine.conf: can't be opened: "));
    /* the capability is back */
    assert_true(g_file_get_contents(path, &again, NULL, NULL));
    assert_int_equal(g_chmod(path, 0604), 0);
    allowed = configuration_text(host, &rows);
    assert_non_null(strstr(allowed, "ok: "));
}

static void
many_names_are_cut(void **state)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *text = NULL;
    char name[] = "a";

    for (int i = 0; i < 11; i++)
        g_ptr_array_add(names, name);
    text = check_names(names);
    assert_string_equal(text, "a, a, a, a, a, a, a, a and 3 more");
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_host_that_is_set_up_right_gives_no_alarm),
        CASE(swap_of_the_host_is_told_and_what_bars_paging_files),
        CASE(caches_and_merged_pages_are_told),
        CASE(nodes_matter_where_there_are_several),
        CASE(earlyoom_threatens_guests_unless_it_is_told_not_to),
        CASE(what_is_advised_for_each_version_of_earlyoom_spares_guests),
        CASE(oomd_threatens_guests_only_where_it_can_choose_one),
        CASE(limits_above_guests_are_told),
        CASE(definitions_that_cost_something_are_told),
        CASE(guests_that_are_not_moved_do_not_matter),
        CASE(hooks_before_ours_are_found_in_their_order),
        CASE(all_complaints_about_the_configuration_are_told_and_not_without_end),
        CASE(a_reserve_that_leaves_nothing_is_told_with_its_place),
        CASE(a_file_that_the_daemon_can_not_read_is_told_to_root),
        cmocka_unit_test(many_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
