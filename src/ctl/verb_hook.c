/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-ctl hook: what libvirt's hook file runs. It must be quick, since every start on the host waits for it, and it must end
 * in time whatever happens: an alarm ends the process when all else hangs, so that everything else can simply wait.
 */

#include "config/config.h"
#include "config/domain_xml.h"
#include "ctl.h"
#include "hook.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <unistd.h>

/* libvirt's own limit for a domain XML that travels. What is longer is read to its end and left out. */
#define XML_LIMIT ((size_t)4 * 1024 * 1024)
/* A note is for the daemon's good, and nothing that a guest should wait for. */
#define NOTE_USEC (2 * USEC_PER_SEC)
/* The daemon answers with the first tick past its own deadline; the hook waits for that tick. */
#define GRACE_USEC (2 * USEC_PER_SEC)
/* A start that would be refused waits so long for a daemon that is not there: it may be being started again. */
#define ABSENT_USEC (6 * USEC_PER_SEC)
/* The alarm comes so much later than the time-out of the call. */
#define ALARM_GRACE_USEC (USEC_PER_SEC / 2)

/* What the alarm leaves behind, made ready before. */
static char alarm_line[512];
static size_t alarm_length;
static int alarm_status;

static void
alarmed(int number)
{
    if (alarm_status != 0) {
        ssize_t written = write(STDERR_FILENO, alarm_line, alarm_length);

        (void)written;
    }
    _exit(alarm_status);
}

static void
set_alarm(HookAct act, bool allow_when_absent, uint64_t limit_usec)
{
    const struct sigaction action = {.sa_handler = alarmed};
    uint64_t usec = limit_usec + ALARM_GRACE_USEC;
    const struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(usec / USEC_PER_SEC), .tv_usec = (suseconds_t)(usec % USEC_PER_SEC)}};
    g_autofree char *line = hook_line(HOOK_ANSWER_LATE, NULL, limit_usec / USEC_PER_SEC);
    sigset_t alarm_set;

    alarm_length = (size_t)g_snprintf(alarm_line, sizeof alarm_line, "%s\n", line);
    alarm_status = hook_may_go_on(act, HOOK_ANSWER_LATE, allow_when_absent) ? 0 : 1;
    sigemptyset(&alarm_set);
    sigaddset(&alarm_set, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &alarm_set, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Who was started with closed descriptors must not write its bus traffic into them; and stdout stays clean. */
static void
settle_descriptors(void)
{
    int null = open("/dev/null", O_RDWR);

    while (null >= 0 && null <= STDERR_FILENO)
        null = open("/dev/null", O_RDWR);
    if (null < 0)
        return;
    dup2(null, STDOUT_FILENO);
    close(null);
}

/* All of stdin, or "" where it is no text, too long, or does not end in time. Caller frees. */
static char *
read_xml(int64_t deadline_usec)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool whole = true;

    for (;;) {
        int64_t left_usec = deadline_usec - g_get_monotonic_time();
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        char block[16384];
        ssize_t got;

        if (left_usec <= 0 || poll(&input, 1, (int)(left_usec / 1000) + 1) == 0)
            return g_strdup("");
        got = read(STDIN_FILENO, block, sizeof block);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return g_strdup("");
        if (got == 0)
            break;
        whole = whole && text->len + (size_t)got <= XML_LIMIT;
        if (whole)
            g_string_append_len(text, block, got);
    }
    if (!whole || !g_utf8_validate(text->str, (gssize)text->len, NULL))
        return g_strdup("");
    return g_strdup(text->str);
}

/* The guest's uuid as its XML says it, else its name; caller frees. */
static char *
guest_of(const char *xml, const char *name)
{
    g_auto(DomainXml) domain = {0};

    if (xml[0] != '\0' && domain_xml_parse(xml, &domain, NULL) && domain.uuid != NULL &&
        g_uuid_string_is_valid(domain.uuid))
        return g_ascii_strdown(domain.uuid, -1);
    return g_utf8_make_valid(name, -1);
}

static HookAnswer
talk(char **words, HookAct act, uint64_t limit_usec, bool allow_when_absent, char **reason)
{
    const HookPatience patience = {.absent_usec = act == HOOK_ACT_ASK && !allow_when_absent ? ABSENT_USEC : 0,
                                   .lost = act == HOOK_ACT_ASK};
    int64_t deadline_usec = g_get_monotonic_time() + (int64_t)limit_usec;
    g_autofree char *xml = read_xml(deadline_usec);
    g_autofree char *guest = guest_of(xml, words[0]);
    g_autofree char *extra = g_utf8_make_valid(words[3] != NULL ? words[3] : "", -1);
    /* what is done with notes is known by the uuid */
    const HookCall call = {.guest = guest,
                           .operation = words[1],
                           .suboperation = words[2],
                           .extra = extra,
                           .xml = act == HOOK_ACT_ASK ? xml : ""};

    return hook_ask(&call, deadline_usec, &patience, reason);
}

/* libvirt throws away what a hook says that does not fail. */
static void
tell_unasked(const char *name, HookAnswer answer)
{
    static const char *const texts[] = {
        [HOOK_ANSWER_ABSENT] = "does not run",
        [HOOK_ANSWER_LOST] = "ended while it was asked",
        [HOOK_ANSWER_LATE] = "has not answered in time",
        [HOOK_ANSWER_FAILED] = "could not be asked",
    };

    openlog("dm-ctl", LOG_PID, LOG_DAEMON);
    syslog(LOG_WARNING, "guest %s starts without memory being looked for: dynmemd %s, and WhenAbsent=allow is set",
           name, texts[answer]);
}

static int
run(const char *config, char **words)
{
    g_autoptr(GPtrArray) problems = NULL;
    g_autoptr(Settings) settings = NULL;
    g_autofree char *reason = NULL;
    g_autofree char *line = NULL;
    HookAct act;
    HookAnswer answer;
    uint64_t limit_usec = NOTE_USEC;

    if (words[0] == NULL || words[1] == NULL || words[2] == NULL)
        return 0;
    act = hook_act(words[1], words[2]);
    if (act == HOOK_ACT_PASS)
        return 0;

    settle_descriptors();
    settings = config_load("", config, &problems);
    if (act == HOOK_ACT_ASK)
        limit_usec = settings->admission_timeout_usec + settings->interval_usec + GRACE_USEC;
    set_alarm(act, settings->admission_allow_when_absent, limit_usec);
    answer = talk(words, act, limit_usec, settings->admission_allow_when_absent, &reason);
    if (act != HOOK_ACT_ASK || answer == HOOK_ANSWER_GRANTED)
        return 0;
    if (hook_may_go_on(act, answer, settings->admission_allow_when_absent)) {
        tell_unasked(words[0], answer);
        return 0;
    }
    line = hook_line(answer, reason, limit_usec / USEC_PER_SEC);
    fprintf(stderr, "%s\n", line);
    return 1;
}

int
hook_run(char **words)
{
    const char *config = NULL;

    for (; words[0] != NULL && g_str_has_prefix(words[0], "--"); words++) {
        if (strcmp(words[0], "--") == 0) {
            words++;
            break;
        }
        if (g_str_has_prefix(words[0], "--config="))
            config = words[0] + strlen("--config=");
    }
    return run(config, words);
}

static char *config_option;

const GOptionEntry verb_hook_options[] = {
    {"config", 0, 0, G_OPTION_ARG_FILENAME, &config_option, "configuration of dynmemd, with its drop-ins in FILE.d",
     "FILE"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

/* What libvirt calls does not come this way: dm_ctl.c gives it to hook_run, which knows no wrong usage. */
bool
verb_hook(const CtlOptions *options, char **arguments, GError **error)
{
    exit(run(config_option, arguments));
}
