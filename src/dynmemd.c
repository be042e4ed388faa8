/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dynmemd: wires the stages together, runs the main loop, answers signals. Everything it does is in
 * the engine's tick; this file decides when one is due.
 */

#include "act/guest_limits.h"
#include "act/paging.h"
#include "act/swap_off.h"
#include "config/config.h"
#include "engine.h"
#include "keep/state_lock.h"
#include "member/member.h"
#include "names.h"
#include "observe/host_files.h"
#include "report/report.h"
#include "units.h"
#include "watch/watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Things that happened are looked at once they have been quiet, or half done, for so long. */
#define URGENT_DELAY_MSEC 50
/* An orderly stop does not wait longer than this for libvirt and for limits that are put back. */
#define STOP_DEADLINE_USEC (2 * USEC_PER_SEC)
/* The key of KEEP_HOOK. */
#define KEEP_HOOK_CALLED "called"

typedef struct Options {
    char *connect;
    char *config;
    char *run_directory;
    char *state_directory;
    gboolean dry_run;
    gboolean session_bus;
    gboolean version;
} Options;

typedef struct Daemon {
    Options options;
    GMainLoop *loop;
    Watch *watch;
    HostFiles *files;
    Report *report;
    Keep *keep;
    bool keep_told; /* that it can't be written */
    int lock_fd;    /* -1: of nothing */
    Held *held;     /* these three: NULL in a dry run */
    Limits *limits;
    Paging *paging;
    Engine *engine;
    Member *member;
    guint tick_source;
    guint glance_source;
    guint urgent_source;
    uint64_t hook_kept_usec; /* as it was written last */
    bool stopping;
    unsigned stops; /* parts that have not stopped yet */
    int status;
} Daemon;

static uint64_t
monotonic_usec(void *self)
{
    return (uint64_t)g_get_monotonic_time();
}

static void
look_at_keep(Daemon *daemon)
{
    const char *problem = keep_problem(daemon->keep);

    if (problem != NULL && !daemon->keep_told)
        g_warning("%s; it is tried again, and a dynmemd that follows does not know what has changed meanwhile",
                  problem);
    daemon->keep_told = problem != NULL;
}

static gboolean
part_due(gpointer data)
{
    Daemon *daemon = data;

    look_at_keep(daemon);
    engine_tick_part(daemon->engine);
    member_look(daemon->member);
    return G_SOURCE_CONTINUE;
}

static gboolean
glance_due(gpointer data)
{
    Daemon *daemon = data;

    engine_glance(daemon->engine);
    return G_SOURCE_CONTINUE;
}

static void
schedule_ticks(Daemon *daemon)
{
    uint64_t part_usec = engine_settings(daemon->engine)->interval_usec / ENGINE_PARTS;

    if (daemon->tick_source != 0)
        g_source_remove(daemon->tick_source);
    daemon->tick_source = g_timeout_add((guint)(part_usec / USEC_PER_MSEC), part_due, daemon);
}

static gboolean
urgent_due(gpointer data)
{
    Daemon *daemon = data;

    daemon->urgent_source = 0;
    engine_tick(daemon->engine);
    return G_SOURCE_REMOVE;
}

/* Something should not wait for the next tick. Several such things are one tick. */
static void
tick_soon(Daemon *daemon)
{
    if (daemon->urgent_source == 0 && !daemon->stopping)
        daemon->urgent_source = g_timeout_add(URGENT_DELAY_MSEC, urgent_due, daemon);
}

static void
world_changed(void *user_data)
{
    Daemon *daemon = user_data;
    GuestWorld world = watch_guest_world(daemon->watch);

    report_link(daemon->report, world.link(world.self), watch_link_text(daemon->watch));
    tick_soon(daemon);
}

static void
host_pressed(void *user_data)
{
    Daemon *daemon = user_data;

    engine_note_pressure(daemon->engine);
    tick_soon(daemon);
}

static Settings *
load_settings(Daemon *daemon)
{
    g_autoptr(GPtrArray) problems = NULL;
    Settings *settings = config_load("", daemon->options.config, &problems);
    uint64_t hugepage_kib = host_files_hugepage_kib(daemon->files);
    HostWorld host = host_files_world(daemon->files);
    HostFigures figures;

    if (hugepage_kib != 0)
        settings->hugepage_kib = hugepage_kib;
    if (host.read(host.self, &figures, NULL))
        config_check_host(settings, saturating_sub(figures.total_kib, figures.hugepages_kib), problems);
    report_config(daemon->report, problems);
    return settings;
}

static void
reload(void *user_data)
{
    Daemon *daemon = user_data;

    if (daemon->stopping)
        return; /* no tick begins any more */
    report_reloading(daemon->report);
    engine_set_settings(daemon->engine, load_settings(daemon));
    schedule_ticks(daemon);
    tick_soon(daemon);
    report_ready(daemon->report);
}

static void
retire(void *user_data)
{
    Daemon *daemon = user_data;

    engine_retire(daemon->engine);
    tick_soon(daemon);
}

static gboolean
on_hangup(gpointer data)
{
    reload(data);
    return G_SOURCE_CONTINUE;
}

static void
stopped(void *user_data)
{
    Daemon *daemon = user_data;

    if (--daemon->stops == 0)
        g_main_loop_quit(daemon->loop);
}

/* Guests keep what they have: an orderly stop changes no target. Nobody would raise their limits any more, so these go. */
static void
stop(Daemon *daemon, int status)
{
    if (daemon->stopping)
        return;
    daemon->stopping = true;
    daemon->status = status;
    engine_stop(daemon->engine);
    g_clear_handle_id(&daemon->tick_source, g_source_remove);
    g_clear_handle_id(&daemon->glance_source, g_source_remove);
    g_clear_handle_id(&daemon->urgent_source, g_source_remove);
    report_stopping(daemon->report);
    daemon->stops = daemon->limits != NULL ? 3 : 1;
    watch_stop(daemon->watch, STOP_DEADLINE_USEC, stopped, daemon);
    if (daemon->limits == NULL)
        return;
    limits_stop(daemon->limits, STOP_DEADLINE_USEC, stopped, daemon);
    paging_stop(daemon->paging, STOP_DEADLINE_USEC, stopped, daemon);
}

static gboolean
on_terminate(gpointer data)
{
    stop(data, EXIT_SUCCESS);
    return G_SOURCE_CONTINUE;
}

/* Why it ends: plain words for whoever has started it by hand; with its priority in the journal. */
G_GNUC_PRINTF(1, 2)
static void
print_end(const char *format, ...)
{
    g_autofree char *why = NULL;
    va_list arguments;

    va_start(arguments, format);
    why = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_printerr("%sdynmemd: %s; ending\n", g_log_writer_is_journald(STDERR_FILENO) ? "<3>" : "", why);
}

/* Two daemons must not balance one host. */
static void
bus_name_lost(void *user_data, bool taken, const char *why)
{
    if (!taken) {
        g_message("%s; balancing goes on", why);
        return;
    }
    print_end("%s", why);
    stop(user_data, EXIT_FAILURE);
}

static bool
parse_options(int argc, char **argv, Options *options)
{
    const GOptionEntry entries[] = {
        {"connect", 'c', 0, G_OPTION_ARG_STRING, &options->connect, "libvirt to manage (qemu:///system)", "URI"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options->config,
         "configuration file, with its drop-ins in FILE.d (/etc/dynmem/dynmemd.conf)", "FILE"},
        {"run-directory", 0, 0, G_OPTION_ARG_FILENAME, &options->run_directory,
         "where metrics.prom is written (/run/dynmem)", "DIRECTORY"},
        {"state-directory", 0, 0, G_OPTION_ARG_FILENAME, &options->state_directory,
         "what outlives a restart of dynmemd or of the host (/var/lib/dynmem)", "DIRECTORY"},
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &options->dry_run,
         "work everything out and show it, but change nothing in any guest", NULL},
        {"session-bus", 0, 0, G_OPTION_ARG_NONE, &options->session_bus,
         "serve D-Bus on the session bus, not the system bus", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "show the version", NULL},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, "The memory manager of a KVM host: see dynmemd(8).");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("dynmemd: %s; see dynmemd --help\n", error->message);
        return false;
    }
    if (argc > 1) {
        g_printerr("dynmemd: '%s' is not expected: dynmemd takes options only; see dynmemd --help\n", argv[1]);
        return false;
    }
    return true;
}

static void
options_clear(Options *options)
{
    g_free(options->connect);
    g_free(options->config);
    g_free(options->run_directory);
    g_free(options->state_directory);
}

static const char *
state_directory(const Daemon *daemon)
{
    return daemon->options.state_directory != NULL ? daemon->options.state_directory : DYNMEM_STATE_DIRECTORY;
}

/* Two daemons on what is remembered: each would finish what the other has just begun, and give its limits back. */
static bool
lock_state(Daemon *daemon)
{
    const char *directory = state_directory(daemon);
    g_autofree char *process = NULL;
    pid_t owner = 0;

    if (daemon->options.dry_run || g_mkdir_with_parents(directory, 0700) != 0 ||
        state_lock(directory, &daemon->lock_fd, &owner))
        return true;
    process = owner != 0 ? g_strdup_printf(", process %d,", (int)owner) : g_strdup("");
    print_end("another dynmemd runs%s and uses %s", process, directory);
    return false;
}

/* A dry run changes nothing, here neither. */
static void
open_keep(Daemon *daemon)
{
    g_autofree char *problem = NULL;

    daemon->keep = keep_open(daemon->options.dry_run ? NULL : state_directory(daemon), NULL, &problem);
    if (problem != NULL)
        g_warning("%s", problem);
}

/* Limits and paging files, with what an earlier daemon left of them. A dry run leaves that alone too. */
static void
open_limits(Daemon *daemon)
{
    g_autofree char *problem = NULL;
    g_autofree char *paging_directory = g_build_filename(state_directory(daemon), "paging", NULL);

    if (daemon->options.dry_run)
        return;
    daemon->held = held_open(act_system_host(), state_directory(daemon), &problem);
    if (problem != NULL)
        g_warning("%s", problem);
    daemon->limits = limits_new(act_system_host(), daemon->held);
    daemon->paging = paging_new(act_system_host(), daemon->held, daemon->limits, paging_directory);
}

static void
ask_start(void *user_data, const StartAsk *ask, StartAnswer answer, void *answer_data)
{
    Daemon *daemon = user_data;

    if (engine_ask_start(daemon->engine, ask, answer, answer_data))
        engine_tick_now(daemon->engine);
}

static bool
release_start(void *user_data, const char *uuid)
{
    Daemon *daemon = user_data;

    if (!engine_release_start(daemon->engine, uuid))
        return false;
    tick_soon(daemon);
    return true;
}

static void
owner_gone(void *user_data, const char *owner)
{
    Daemon *daemon = user_data;

    engine_drop_owner(daemon->engine, owner);
    tick_soon(daemon);
}

/* So that "dm-ctl check" knows that libvirt calls, though this daemon is a new one. To the minute is enough for that. */
static void
hook_called(void *user_data, uint64_t real_usec)
{
    Daemon *daemon = user_data;
    g_autofree char *text = g_strdup_printf("%" PRIu64, real_usec / USEC_PER_SEC);

    if (distance_u64(real_usec, daemon->hook_kept_usec) < 60 * USEC_PER_SEC)
        return;
    daemon->hook_kept_usec = real_usec;
    keep_set(daemon->keep, KEEP_HOOK, KEEP_HOOK_CALLED, text);
}

/* Under an earlier daemon; 0: not known. */
static uint64_t
hook_called_before(const Keep *keep)
{
    g_autofree char *text = keep_get(keep, KEEP_HOOK, KEEP_HOOK_CALLED);
    guint64 seconds = 0;

    if (text != NULL)
        g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &seconds, NULL);
    return seconds * USEC_PER_SEC;
}

static void
note_start(void *user_data, const char *uuid, StartNote note)
{
    Daemon *daemon = user_data;

    engine_note_start(daemon->engine, uuid, note);
    tick_soon(daemon);
}

static void
start_guest(void *user_data, const char *uuid, GuestStartDone done, void *done_data)
{
    Daemon *daemon = user_data;
    GuestWorld world = watch_guest_world(daemon->watch);

    world.start(world.self, uuid, done, done_data);
}

static void
rate_start(void *user_data, uint64_t startup_kib, uint32_t priority, StartRating *rating)
{
    Daemon *daemon = user_data;

    engine_rate(daemon->engine, startup_kib, priority, rating);
}

static void
tell_move(void *user_data, ClusterNews news, const ClusterMotion *motion, const char *detail)
{
    Daemon *daemon = user_data;

    report_move(daemon->report, news, motion, detail);
}

static SettingsChange *
preview_settings(void *user_data, const char *uuid, const SettingsAsk *ask, GError **error)
{
    Daemon *daemon = user_data;

    return engine_preview_settings(daemon->engine, uuid, ask, error);
}

static void
change_settings(void *user_data, const char *uuid, const SettingsAsk *ask, ElementDone done, void *done_data)
{
    Daemon *daemon = user_data;

    engine_change_settings(daemon->engine, uuid, ask, done, done_data);
}

/*
 * A host that is short of memory drops first what it can read from a disk again, programs for one, and a daemon that waits for its own
 * code is ended by its watchdog when it is needed most. What it has once used stays in memory; address space that it does not use
 * costs nothing. Only where it may lock any amount (LimitMEMLOCK=): under a limit a later allocation would fail.
 */
static void
stay_in_memory(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY &&
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        g_info("dynmemd can't be kept in memory: %s", g_strerror(errno));
}

static void
run(Daemon *daemon)
{
    g_autoptr(GError) error = NULL;
    Ports ports = {
        .guests = watch_guest_world(daemon->watch),
        .host = host_files_world(daemon->files),
        .clock = {.now_usec = monotonic_usec},
        .sink = report_sink(daemon->report),
    };

    if (daemon->limits != NULL) {
        ports.limits = limits_world(daemon->limits);
        ports.paging = paging_world(daemon->paging);
    }
    daemon->engine = engine_new(&ports, load_settings(daemon), daemon->keep, daemon->options.dry_run);
    member_attach(daemon->member, daemon->engine);
    if (!host_files_watch_pressure(daemon->files, host_pressed, daemon, &error))
        g_info("memory pressure is not watched: %s", error->message);

    g_unix_signal_add(SIGHUP, on_hangup, daemon);
    g_unix_signal_add(SIGTERM, on_terminate, daemon);
    g_unix_signal_add(SIGINT, on_terminate, daemon);
    watch_start(daemon->watch);
    schedule_ticks(daemon);
    daemon->glance_source = g_timeout_add(ENGINE_GLANCE_USEC / USEC_PER_MSEC, glance_due, daemon);
    report_ready(daemon->report);
    g_main_loop_run(daemon->loop);
}

int
main(int argc, char **argv)
{
    Daemon daemon = {.status = EXIT_SUCCESS, .lock_fd = -1};
    int status;

    if (argc == 3 && strcmp(argv[1], SWAP_OFF_OPTION) == 0)
        return swap_off_main(argv[2]);
    if (!parse_options(argc, argv, &daemon.options)) {
        options_clear(&daemon.options);
        return 2;
    }
    if (daemon.options.version) {
        g_print("dynmemd %s\n", DYNMEM_VERSION);
        options_clear(&daemon.options);
        return EXIT_SUCCESS;
    }
    if (!lock_state(&daemon)) {
        options_clear(&daemon.options);
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    stay_in_memory();

    daemon.loop = g_main_loop_new(NULL, FALSE);
    open_keep(&daemon);
    open_limits(&daemon);
    daemon.files = host_files_new("");
    daemon.watch =
        watch_new(&(WatchOptions){.uri = daemon.options.connect, .keep = daemon.keep}, world_changed, &daemon);
    daemon.member = member_new(&(MemberOptions){.clock = {.now_usec = monotonic_usec},
                                                .dry = daemon.options.dry_run,
                                                .keep = daemon.keep,
                                                .tell = tell_move,
                                                .user_data = &daemon});
    daemon.report = report_new(&(ReportOptions){
        .bus_type = daemon.options.session_bus ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM,
        .run_directory = daemon.options.run_directory,
        .dry_run = daemon.options.dry_run,
        .reload = reload,
        .retire = daemon.options.dry_run ? NULL : retire,
        .name_lost = bus_name_lost,
        .ask_start = ask_start,
        .release_start = release_start,
        .owner_gone = owner_gone,
        .note_start = note_start,
        .hook_called = hook_called,
        .hook_called_usec = hook_called_before(daemon.keep),
        .start_guest = start_guest,
        .rate = rate_start,
        .preview_settings = preview_settings,
        .change_settings = change_settings,
        .cluster = member_port(daemon.member),
        .user_data = &daemon,
    });
    run(&daemon);

    status = daemon.status;
    paging_free(daemon.paging);
    limits_free(daemon.limits); /* tells those whose values are still under way, in the engine */
    engine_free(daemon.engine); /* answers who waits, through the others */
    report_free(daemon.report);
    member_free(daemon.member);
    watch_free(daemon.watch);
    g_clear_pointer(&daemon.held, held_unref);
    keep_free(daemon.keep);
    if (daemon.lock_fd >= 0)
        close(daemon.lock_fd);
    host_files_free(daemon.files);
    g_main_loop_unref(daemon.loop);
    options_clear(&daemon.options);
    return status;
}
