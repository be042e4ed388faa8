/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest is played in steps of a tenth of a second: its memory, the dimms in it, what of them its kernel has brought online,
 * its balloon. It reports once a second and is asked once a second, and its XML is read when the case says. What it does not
 * see is known then.
 */

#include "cmocka_all.h"
#include "observe/observe.h"
#include "units.h"

#define SEC USEC_PER_SEC
#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB
#define STEP_USEC (SEC / 10)

typedef struct Play {
    Observer *observer;
    Snapshot snapshot;
    GuestSettings settings; /* as its XML was read last */
    GuestRecord record;
    uint64_t now_usec;

    /* the guest */
    uint64_t ram_kib;
    uint64_t dimm_kib, online_kib;
    uint64_t virtio_mem_kib; /* plugged and online */
    uint64_t ballooned_kib, to_balloon_kib;
    uint64_t rate_kib; /* of the balloon, a step */
    uint64_t gap_kib;  /* what its kernel keeps */
    uint64_t need_kib;
    bool constant;                                /* its balloon counts as used */
    bool no_total;                                /* its driver does not say what it sees */
    bool empty;                                   /* ... nor anything else */
    unsigned report_step, ask_step, report_steps; /* it reports in that step of each second, or of each so many steps */
    unsigned steps;
    uint64_t report_total_kib, report_usable_kib, report_size_kib;
    uint64_t report_sec;

    bool told_follows; /* the record's target is raised with what the XML tells, as QEMU's is: it keeps what it takes */
    uint64_t most_unseen_kib; /* seen by dynmem since it was set to 0 */
} Play;

static uint64_t
size(const Play *play)
{
    return play->ram_kib + play->dimm_kib - play->ballooned_kib;
}

static void
report(Play *play)
{
    uint64_t visible = play->ram_kib + play->online_kib + play->virtio_mem_kib - play->ballooned_kib - play->gap_kib;

    play->report_size_kib = size(play);
    play->report_total_kib = visible + (play->constant ? play->ballooned_kib : 0);
    play->report_usable_kib = saturating_sub(visible, play->need_kib);
    play->report_sec++;
}

static bool
no_host(void *self, HostFigures *figures, GError **error)
{
    return false;
}

static bool
no_resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    return false;
}

static const GuestSnapshot *
look(Play *play)
{
    const GuestRecord *records[] = {&play->record};
    const GuestSettings *settings[] = {&play->settings};
    const Ports ports = {.host = {.read = no_host, .resident = no_resident}};
    const GuestSnapshot *guest;

    observer_observe(play->observer, records, settings, 1, WORLD_LINK_READ_WRITE, &ports, SEC, play->now_usec,
                     &play->snapshot);
    guest = &play->snapshot.guests[0];
    play->most_unseen_kib = MAX(play->most_unseen_kib, guest->unseen_kib);
    assert_true(guest->unseen_kib <= guest->actual_kib);
    return guest;
}

static const GuestSnapshot *
ask(Play *play)
{
    GuestReport *answer = &play->record.report;

    answer->serial++;
    answer->asked_usec = play->now_usec;
    answer->answered_usec = play->now_usec;
    answer->fields = REPORT_ACTUAL | (play->empty ? 0 : REPORT_USABLE) |
                     (play->empty || play->no_total ? 0 : REPORT_TOTAL) | REPORT_LAST_UPDATE;
    answer->actual_kib = size(play);
    answer->total_kib = play->report_total_kib;
    answer->usable_kib = play->report_usable_kib;
    answer->last_update_sec = play->report_sec;
    return look(play);
}

static const GuestSnapshot *
run(Play *play, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++, play->steps++) {
        play->now_usec += STEP_USEC;
        if (play->ballooned_kib < play->to_balloon_kib)
            play->ballooned_kib = MIN(play->to_balloon_kib, play->ballooned_kib + play->rate_kib);
        else
            play->ballooned_kib = MAX(play->to_balloon_kib, saturating_sub(play->ballooned_kib, play->rate_kib));
        if (play->steps % play->report_steps == play->report_step)
            report(play);
        if (play->steps % 10 == play->ask_step)
            ask(play);
    }
    return look(play);
}

/* As QEMU does it: the balloon is to take all but this of the memory that there is now. */
static void
tell(Play *play, uint64_t target_kib)
{
    play->record.target_known = true;
    play->record.target_kib = target_kib;
    play->to_balloon_kib = play->ram_kib + play->dimm_kib - target_kib;
}

static void
read_xml(Play *play)
{
    if (play->told_follows)
        play->record.target_kib += play->dimm_kib - play->settings.dimms_kib;
    play->settings.maximum_kib = play->ram_kib + play->dimm_kib;
    play->settings.dimms_kib = play->dimm_kib;
    play->settings.fixed_kib = play->virtio_mem_kib;
}

static void
play_clear(Play *play)
{
    snapshot_clear(&play->snapshot);
    observer_free(play->observer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Play, play_clear)

static Play
guest(uint64_t ram_kib, uint64_t gap_kib)
{
    return (Play){.observer = observer_new(),
                  .settings = {.managed = true, .minimum_kib = 128 * MIB, .maximum_kib = ram_kib, .vcpus = 1},
                  .record = {.uuid = "00000000-0000-0000-0000-000000000001",
                             .name = (char *)"web",
                             .life = GUEST_LIFE_RUNNING,
                             .answering = true,
                             .boots = 1,
                             .boot_usec = 1000 * SEC},
                  .now_usec = 1000 * SEC,
                  .ram_kib = ram_kib,
                  .gap_kib = gap_kib,
                  .need_kib = 60 * MIB,
                  .rate_kib = 40 * MIB,
                  .report_step = 3,
                  .report_steps = 10,
                  .ask_step = 7,
                  .report_sec = 500};
}

/* 512 MiB, squeezed to 138. */
static Play
squeezed(void)
{
    Play play = guest(512 * MIB, 38 * MIB);

    run(&play, 50);
    tell(&play, 138 * MIB);
    run(&play, 300);
    assert_int_equal(size(&play), 138 * MIB);
    assert_int_equal(play.most_unseen_kib, 0);
    return play;
}

static void
plug(Play *play, uint64_t kib)
{
    play->dimm_kib += kib;
}

static void
assert_unseen(const Play *play, const GuestSnapshot *g, uint64_t mib)
{
    assert_int_equal(g->unseen_kib, mib * MIB);
    /* and what it needs is not wrong by the dimm */
    assert_int_equal(g->report_actual_kib - g->usable_kib, play->need_kib + play->gap_kib);
}

static void
a_dimm_that_is_not_online_is_unseen_within_one_report(void **state)
{
    /* each moment of a second for it to be plugged, and to be read in the XML: before QEMU is asked, or up to two seconds on */
    for (unsigned moment = 0; moment < 10; moment++) {
        for (unsigned c = 0; c < 40; c++) {
            g_auto(Play) play = squeezed();
            unsigned lag = c / 2;

            play.told_follows = c % 2;
            run(&play, moment);
            plug(&play, 256 * MIB);
            run(&play, MIN(lag, 10));
            if (lag < 10) {
                read_xml(&play);
                run(&play, 10 - lag);
            }
            assert_unseen(&play, look(&play), 256); /* from the first answer on */
            run(&play, lag < 10 ? 0 : lag - 10);
            if (lag >= 10)
                read_xml(&play);
            assert_unseen(&play, run(&play, 10), 256);
            assert_int_equal(look(&play)->actual_kib, 394 * MIB);
        }
    }
}

static void
a_guest_that_was_never_squeezed_does_not_see_its_dimm_either(void **state)
{
    for (unsigned c = 0; c < 30; c++) {
        g_auto(Play) play = guest(512 * MIB, 38 * MIB);
        unsigned lag = c / 2;

        play.told_follows = c % 2;
        run(&play, 50);
        tell(&play, 490 * MIB);
        run(&play, 20);
        plug(&play, 256 * MIB);
        run(&play, lag);
        if (lag >= 10)
            assert_int_equal(look(&play)->unseen_kib, 256 * MIB);
        read_xml(&play);
        assert_unseen(&play, run(&play, 20), 256);
        tell(&play, 400 * MIB);
        run(&play, 30);
        assert_unseen(&play, run(&play, 20), 256);
        play.online_kib = 256 * MIB;
        assert_unseen(&play, run(&play, 20), 0);
    }
}

static void
a_dimm_is_unseen_from_the_first_answer_on_also_without_a_report(void **state)
{
    for (unsigned moment = 0; moment < 60; moment++) {
        g_auto(Play) play = squeezed();

        play.report_steps = 30;
        play.told_follows = true;
        run(&play, 90 + moment / 2);
        plug(&play, 256 * MIB);
        if (moment % 2 == 0)
            read_xml(&play);
        assert_unseen(&play, run(&play, 10), 256);
        read_xml(&play);
        assert_unseen(&play, look(&play), 256);
        assert_unseen(&play, run(&play, 30), 256);
    }
}

/* How large it is its size alone can't tell: nothing is to be told before that is known. */
static void
a_dimm_that_comes_while_the_balloon_moves_is_waited_for(void **state)
{
    g_auto(Play) play = squeezed();
    const GuestSnapshot *g;

    tell(&play, 300 * MIB);
    run(&play, 100);
    tell(&play, 138 * MIB);
    play.rate_kib = 8 * MIB;
    run(&play, 9);
    play.report_steps = 100000;
    plug(&play, 256 * MIB);
    g = run(&play, 9);
    assert_in_range(g->unseen_kib, 100 * MIB, 250 * MIB);
    assert_true(g->announced_kib > 0);
    play.report_steps = 10;
    read_xml(&play);
    g = run(&play, 20);
    assert_int_equal(g->unseen_kib, 256 * MIB);
    assert_int_equal(g->announced_kib, 0);
}

static void
a_dimm_that_comes_while_the_balloon_moves_is_unseen_too(void **state)
{
    for (unsigned moment = 0; moment < 30; moment++) {
        for (unsigned lag = 0; lag < 12; lag++) {
            g_auto(Play) play = squeezed();

            play.told_follows = lag % 2;
            tell(&play, moment % 2 == 0 ? 500 * MIB : 160 * MIB);
            play.rate_kib = 8 * MIB;
            run(&play, moment);
            play.dimm_kib = 256 * MIB; /* its balloon goes on to what it was told */
            run(&play, lag);
            read_xml(&play);
            assert_unseen(&play, run(&play, 80), 256);
        }
    }
}

/* Nothing is to be told before the size shows the dimm that its XML has told of. */
static void
a_dimm_is_waited_for_also_where_virtio_mem_is_unplugged_meanwhile(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        g_auto(Play) play = squeezed();
        const GuestSnapshot *g;

        play.told_follows = true;
        play.virtio_mem_kib = 512 * MIB;
        read_xml(&play);
        run(&play, 30 + moment);
        plug(&play, 256 * MIB);
        read_xml(&play);
        look(&play);
        play.virtio_mem_kib -= 64 * MIB;
        read_xml(&play);
        for (unsigned i = 0; i < 40; i++) {
            g = look(&play);
            assert_true(g->announced_kib > 0 || g->unseen_kib > 200 * MIB);
            run(&play, 1);
        }
    }
}

/* Its kernel keeps more than most, and what was plugged is online. */
static void
a_large_gap_is_not_taken_for_a_dimm_for_ever(void **state)
{
    g_auto(Play) play = guest(2048 * MIB, 250 * MIB);

    run(&play, 8);
    plug(&play, 256 * MIB);
    read_xml(&play);
    run(&play, 10);
    play.online_kib = 256 * MIB;
    assert_int_equal(run(&play, 40)->unseen_kib, 0);
}

/* A balloon that was back where it had been when it was asked again: the gap is as wide as what it had moved. */
static void
a_gap_that_was_seen_once_hides_no_dimm(void **state)
{
    g_auto(Play) play = guest(1416 * MIB, 46 * MIB);

    play.rate_kib = 150 * MIB;
    tell(&play, 320 * MIB);
    run(&play, 9);
    assert_true(look(&play)->actual_kib < 1416 * MIB);
    play.report_total_kib = 189 * MIB; /* from when it had less */
    play.report_sec++;
    ask(&play);
    plug(&play, 128 * MIB);
    run(&play, 3);
    read_xml(&play);
    assert_in_range(run(&play, 40)->unseen_kib, 100 * MIB, 128 * MIB);
}

static void
it_stays_unseen_whatever_its_balloon_does(void **state)
{
    g_auto(Play) play = squeezed();

    plug(&play, 256 * MIB);
    read_xml(&play);
    run(&play, 20);
    for (unsigned i = 0; i < 40; i++) {
        tell(&play, (394 + i % 4 * 60) * MIB);
        for (unsigned step = 0; step < 30; step++)
            assert_in_range(run(&play, 1)->unseen_kib, 246 * MIB, 256 * MIB);
    }
    assert_unseen(&play, run(&play, 20), 256);
}

static void
what_goes_online_is_seen(void **state)
{
    g_auto(Play) play = squeezed();

    plug(&play, 256 * MIB);
    read_xml(&play);
    assert_unseen(&play, run(&play, 30), 256);
    play.online_kib = 128 * MIB; /* one of its two blocks */
    assert_unseen(&play, run(&play, 20), 128);
    play.online_kib = 256 * MIB;
    assert_unseen(&play, run(&play, 20), 0);
    tell(&play, 200 * MIB);
    play.most_unseen_kib = 0;
    run(&play, 100);
    assert_int_equal(play.most_unseen_kib, 0);
}

static void
a_dimm_that_is_online_at_once_is_never_unseen_for_long(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        for (unsigned lag = 0; lag < 15; lag++) {
            g_auto(Play) play = squeezed();

            play.told_follows = lag % 2;
            run(&play, moment);
            plug(&play, 256 * MIB);
            play.online_kib = 256 * MIB;
            run(&play, lag);
            read_xml(&play);
            assert_unseen(&play, run(&play, 20), 0);
        }
    }
}

static void
a_dimm_that_is_pulled_is_unseen_no_more(void **state)
{
    /* as above: QEMU is asked before the XML is read, or after, with a report or without */
    for (unsigned moment = 0; moment < 10; moment++) {
        for (unsigned lag = 0; lag < 20; lag++) {
            g_auto(Play) play = squeezed();

            plug(&play, 256 * MIB);
            read_xml(&play);
            tell(&play, 394 * MIB);
            run(&play, 30 + moment);
            play.dimm_kib = 0;
            run(&play, MIN(lag, 10));
            if (lag < 10)
                read_xml(&play);
            assert_unseen(&play, lag < 10 ? look(&play) : run(&play, lag - 10), 0);
            assert_int_equal(look(&play)->target_known, lag < 10); /* what QEMU makes of it is less */
            read_xml(&play);
            assert_true(look(&play)->target_known);
            play.record.target_kib = 138 * MIB;
            assert_unseen(&play, run(&play, 30), 0);
        }
    }
}

static void
a_balloon_that_somebody_else_inflates_pulls_no_dimm(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        g_auto(Play) play = squeezed();

        plug(&play, 256 * MIB);
        read_xml(&play);
        play.need_kib = 20 * MIB;
        tell(&play, 700 * MIB);
        run(&play, 100 + moment);
        play.rate_kib = GIB;
        play.to_balloon_kib = 280 * MIB; /* virsh setmem 488MiB; told is still 700 */
        run(&play, 20);
        assert_unseen(&play, run(&play, 1), 256);
        assert_true(look(&play)->target_known);
    }
}

/* Down to what it was told, and a call was lost that told it more; or it was told more again, and its size is from before. */
static void
a_balloon_that_is_on_its_way_down_pulls_no_dimm(void **state)
{
    for (unsigned c = 0; c < 20; c++) {
        g_auto(Play) play = squeezed();

        plug(&play, 256 * MIB);
        read_xml(&play);
        tell(&play, 700 * MIB);
        run(&play, 100 + c / 2);
        play.rate_kib = 13 * MIB;
        play.report_steps = 100000; /* its size alone tells */
        tell(&play, 488 * MIB);
        if (c % 2) {
            play.record.target_known = false;
            play.record.target_kib = 700 * MIB;
        }
        run(&play, 10);
        if (c % 2 == 0) {
            tell(&play, 700 * MIB);
            play.record.target_usec = play.now_usec;
        }
        run(&play, 9);
        assert_int_equal(look(&play)->unseen_kib, 256 * MIB);
    }
}

static void
an_ordinary_guest_has_nothing_unseen(void **state)
{
    static const struct {
        uint64_t ram_mib, gap_mib;
    } guests[] = {{256, 40}, {256, 60}, {512, 38}, {1024, 52}, {4096, 700}, {16384, 900}, {131072, 2200}};

    for (size_t i = 0; i < G_N_ELEMENTS(guests); i++) {
        for (unsigned phase = 0; phase < 10; phase++) {
            g_auto(Play) play = guest(guests[i].ram_mib * MIB, guests[i].gap_mib * MIB);

            play.record.boots = phase % 2; /* it ran before the daemon, or not */
            play.constant = phase % 3 == 0;
            play.report_step = phase;
            run(&play, 30);
            for (unsigned move = 1; move < 12; move++) {
                tell(&play, play.ram_kib - play.ram_kib * (move * 5 % 7) / 16);
                run(&play, 10 + phase);
            }
            assert_int_equal(play.most_unseen_kib, 0);
        }
    }
}

static void
a_balloon_that_was_elsewhere_between_two_answers_does_not_hide_what_is_seen(void **state)
{
    g_auto(Play) play = squeezed();

    plug(&play, 256 * MIB);
    play.online_kib = 256 * MIB;
    read_xml(&play);
    run(&play, 30);
    play.rate_kib = GIB;
    while (play.steps % 10 != play.ask_step + 1)
        run(&play, 1);
    play.to_balloon_kib = 100 * MIB; /* in no time, and back after its report */
    while (play.steps % 10 != play.report_step + 1)
        run(&play, 1);
    play.to_balloon_kib = 374 * MIB;
    play.most_unseen_kib = 0;
    run(&play, 50);
    assert_int_equal(play.most_unseen_kib, 0);
}

static void
a_daemon_that_comes_later_sees_what_is_unseen(void **state)
{
    g_auto(Play) play = guest(512 * MIB, 38 * MIB);
    g_auto(Play) online = guest(512 * MIB, 60 * MIB);
    const GuestSnapshot *g;

    play.record.boots = 0;
    plug(&play, 256 * MIB);
    play.ballooned_kib = play.to_balloon_kib = 374 * MIB;
    read_xml(&play);
    g = run(&play, 30);
    /* what its kernel keeps can only be guessed, to less than a tenth of the dimm */
    assert_in_range(g->unseen_kib, 230 * MIB, 256 * MIB);

    online.record.boots = 0;
    plug(&online, 256 * MIB);
    online.online_kib = 256 * MIB;
    read_xml(&online);
    run(&online, 10);
    online.most_unseen_kib = 0; /* before its first report nobody knows */
    run(&online, 20);
    assert_int_equal(online.most_unseen_kib, 0);
}

/* What it was told before it restarts, with all its memory void, must not be taken from what it sees. */
static void
what_is_plugged_is_unseen_to_a_later_daemon_until_a_total_tells(void **state)
{
    for (unsigned c = 0; c < 2; c++) {
        g_auto(Play) play = guest(512 * MIB, 60 * MIB);

        play.record.boots = 0;
        play.no_total = true;
        plug(&play, 256 * MIB);
        play.online_kib = c == 0 ? 0 : 256 * MIB;
        read_xml(&play);
        assert_int_equal(run(&play, 30)->unseen_kib, 256 * MIB);
        play.no_total = false;
        assert_in_range(run(&play, 20)->unseen_kib, c == 0 ? 200 * MIB : 0, c == 0 ? 256 * MIB : 0);
    }
}

/* It came with a dimm that is not online, and its balloon has been moving since before its first report. */
static void
what_is_unseen_is_guessed_before_the_balloon_has_stood_still(void **state)
{
    /* slowly and quickly: the size that goes with a report can be any of a second */
    for (unsigned c = 0; c < 2; c++) {
        g_auto(Play) play = guest(c == 0 ? 512 * MIB : 4 * GIB, 38 * MIB);

        plug(&play, 256 * MIB);
        read_xml(&play);
        tell(&play, 400 * MIB);
        play.rate_kib = c == 0 ? 3 * MIB : 40 * MIB;
        run(&play, 20);
        for (unsigned step = 0; step < 40; step++)
            assert_in_range(run(&play, 1)->unseen_kib, 200 * MIB, 256 * MIB);
    }
}

static void
of_a_guest_whose_total_is_constant_it_is_seen_by_its_maximum(void **state)
{
    g_auto(Play) play = guest(4 * GIB, 100 * MIB);

    play.constant = true;
    run(&play, 30);
    tell(&play, 2 * GIB);
    run(&play, 600);
    tell(&play, GIB);
    run(&play, 600);
    assert_int_equal(play.most_unseen_kib, 0);
    plug(&play, GIB);
    read_xml(&play);
    assert_int_equal(run(&play, 20)->unseen_kib, GIB);
    play.online_kib = GIB;
    assert_int_equal(run(&play, 20)->unseen_kib, 0);
}

static void
after_a_reset_the_dimm_is_still_there_and_not_online(void **state)
{
    g_auto(Play) play = squeezed();

    plug(&play, 256 * MIB);
    read_xml(&play);
    run(&play, 30);
    play.record.boots = 2;
    play.record.boot_in_place = true;
    play.record.boot_usec = play.now_usec + 1;
    assert_int_equal(look(&play)->unseen_kib, 0); /* nothing is known of it until its driver reports */
    assert_unseen(&play, run(&play, 40), 256);
}

static void
a_guest_that_lies_about_its_total_has_no_more_unseen_than_was_plugged(void **state)
{
    static const uint64_t totals[] = {0, 1, 100 * MIB, 512 * MIB, GIB, KIB_LIMIT};
    g_auto(Play) play = squeezed();

    for (unsigned i = 0; i < 60; i++) {
        if (i == 30) {
            plug(&play, 128 * MIB);
            read_xml(&play);
            run(&play, 20);
        }
        run(&play, 3);
        report(&play);
        play.report_total_kib = totals[i % G_N_ELEMENTS(totals)];
        ask(&play);
        assert_true(play.most_unseen_kib <= (i < 30 ? 0 : 128 * MIB));
    }
}

static void
a_balloon_that_somebody_else_moves_is_no_dimm(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        g_auto(Play) play = squeezed();

        run(&play, moment);
        play.to_balloon_kib = 112 * MIB; /* virsh setmem 400MiB; told is still 138 */
        run(&play, 20);
        play.most_unseen_kib = 0;
        assert_unseen(&play, run(&play, 30), 0);
        assert_int_equal(play.most_unseen_kib, 0);
    }
}

/* QEMU stamps the reports of a driver that puts nothing into them, and its size tells all the same. */
static void
a_dimm_is_unseen_also_where_reports_are_empty(void **state)
{
    for (unsigned moment = 0; moment < 20; moment++) {
        g_auto(Play) play = squeezed();

        play.empty = true;
        play.told_follows = true;
        run(&play, 20 + moment);
        plug(&play, 256 * MIB);
        if (moment % 2 == 0)
            read_xml(&play);
        assert_int_equal(run(&play, 10)->unseen_kib, 256 * MIB);
        read_xml(&play);
        assert_int_equal(run(&play, 400)->unseen_kib, 256 * MIB);
    }
}

/* Its XML, its size and what it had since its boot tell of one and the same dimm. */
static void
a_dimm_is_counted_once_where_nobody_says_what_is_seen(void **state)
{
    for (unsigned had = 0; had < 2; had++)
        for (unsigned lag = 0; lag < 24; lag++) {
            g_auto(Play) play = guest(512 * MIB, 38 * MIB);

            play.empty = true;
            play.told_follows = lag % 2;
            play.dimm_kib = play.online_kib = had * 512 * MIB;
            read_xml(&play);
            run(&play, 20);
            tell(&play, (300 + had * 512) * MIB);
            run(&play, 40);
            plug(&play, 256 * MIB);
            run(&play, lag % 12);
            read_xml(&play);
            if (lag >= 12) { /* it was under way */
                play.record.report.serial++;
                look(&play);
            }
            assert_int_equal(run(&play, 600)->unseen_kib, 256 * MIB);
        }
}

/* It tells nothing but its size, in which that looks like a dimm that libvirt is yet to tell of: not for ever. */
static void
a_dimm_that_comes_while_the_balloon_moves_is_unseen_where_nobody_says_what_is_seen(void **state)
{
    for (unsigned lag = 0; lag < 20; lag++) {
        g_auto(Play) play = guest(512 * MIB, 38 * MIB);

        play.empty = true;
        play.rate_kib = 8 * MIB;
        run(&play, 20);
        tell(&play, 138 * MIB);
        run(&play, 20);
        plug(&play, 256 * MIB);
        run(&play, lag);
        read_xml(&play);
        for (unsigned i = 0; i < 100; i++)
            assert_in_range(run(&play, 1)->unseen_kib, 250 * MIB, 256 * MIB);
    }
}

static void
a_balloon_that_empties_by_itself_and_reports_nothing_is_no_dimm(void **state)
{
    g_auto(Play) play = squeezed();
    const GuestSnapshot *g;

    play.report_steps = 100000;
    play.to_balloon_kib = 112 * MIB; /* told is still 138 */
    run(&play, 30);
    assert_int_equal(size(&play), 400 * MIB);
    g = run(&play, 400);
    assert_int_equal(g->unseen_kib, 0);
    assert_int_equal(g->announced_kib, 0);
}

/* It has all its memory then, in one step (drivers/virtio/virtio_balloon.c, remove_common), and tells nothing any more. */
static void
a_driver_that_is_unloaded_plugs_no_dimm(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        g_auto(Play) play = squeezed();

        run(&play, moment);
        play.report_steps = 100000;
        play.ballooned_kib = play.to_balloon_kib = 0;
        play.most_unseen_kib = 0;
        run(&play, 100);
        assert_int_equal(play.most_unseen_kib, 0);
    }
}

/* The balloon has moved since the last report but one, the next is of the moment before, and the XML is read already. */
static void
a_dimm_that_the_xml_announced_is_unseen_beside_a_report_from_before(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        g_auto(Play) play = squeezed();

        tell(&play, 110 * MIB);
        run(&play, moment);
        plug(&play, 256 * MIB);
        read_xml(&play);
        assert_int_equal(run(&play, 10)->unseen_kib, 256 * MIB);
    }
}

/* Its size tells of it before the XML does, which tells of the first one only. */
static void
a_second_dimm_comes_on_top_of_the_first(void **state)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        g_auto(Play) play = squeezed();

        plug(&play, 256 * MIB);
        run(&play, 20);
        read_xml(&play);
        run(&play, 30 + moment);
        plug(&play, 512 * MIB);
        assert_int_equal(run(&play, 20)->unseen_kib, 768 * MIB);
        read_xml(&play);
        assert_int_equal(look(&play)->unseen_kib, 768 * MIB);
        assert_int_equal(run(&play, 30)->unseen_kib, 768 * MIB);
    }
}

static void
virtio_mem_is_not_part_of_the_size_and_raises_no_doubt(void **state)
{
    g_auto(Play) play = squeezed();
    const GuestSnapshot *g;

    plug(&play, 256 * MIB);
    play.online_kib = 256 * MIB;
    read_xml(&play);
    run(&play, 20);
    play.most_unseen_kib = 0;
    play.virtio_mem_kib = GIB;
    read_xml(&play);
    for (unsigned i = 0; i < 40; i++) {
        g = run(&play, 1);
        assert_int_equal(g->unseen_kib, 0);
        assert_int_equal(g->doubts, 0);
    }
    assert_true(g->total_kib > g->actual_kib);
    assert_int_equal(g->usable_kib, (394 - 38 - 60) * MIB + GIB);
    play.virtio_mem_kib = 0; /* taken back */
    read_xml(&play);
    run(&play, 30);
    assert_int_equal(play.most_unseen_kib, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dimm_that_is_not_online_is_unseen_within_one_report),
        cmocka_unit_test(a_guest_that_was_never_squeezed_does_not_see_its_dimm_either),
        cmocka_unit_test(a_dimm_is_unseen_from_the_first_answer_on_also_without_a_report),
        cmocka_unit_test(a_dimm_that_comes_while_the_balloon_moves_is_waited_for),
        cmocka_unit_test(a_dimm_that_comes_while_the_balloon_moves_is_unseen_too),
        cmocka_unit_test(a_dimm_is_waited_for_also_where_virtio_mem_is_unplugged_meanwhile),
        cmocka_unit_test(a_large_gap_is_not_taken_for_a_dimm_for_ever),
        cmocka_unit_test(a_gap_that_was_seen_once_hides_no_dimm),
        cmocka_unit_test(it_stays_unseen_whatever_its_balloon_does),
        cmocka_unit_test(what_goes_online_is_seen),
        cmocka_unit_test(a_dimm_that_is_online_at_once_is_never_unseen_for_long),
        cmocka_unit_test(a_dimm_that_is_pulled_is_unseen_no_more),
        cmocka_unit_test(a_balloon_that_is_on_its_way_down_pulls_no_dimm),
        cmocka_unit_test(a_balloon_that_somebody_else_inflates_pulls_no_dimm),
        cmocka_unit_test(an_ordinary_guest_has_nothing_unseen),
        cmocka_unit_test(a_balloon_that_was_elsewhere_between_two_answers_does_not_hide_what_is_seen),
        cmocka_unit_test(a_daemon_that_comes_later_sees_what_is_unseen),
        cmocka_unit_test(what_is_plugged_is_unseen_to_a_later_daemon_until_a_total_tells),
        cmocka_unit_test(what_is_unseen_is_guessed_before_the_balloon_has_stood_still),
        cmocka_unit_test(of_a_guest_whose_total_is_constant_it_is_seen_by_its_maximum),
        cmocka_unit_test(after_a_reset_the_dimm_is_still_there_and_not_online),
        cmocka_unit_test(a_guest_that_lies_about_its_total_has_no_more_unseen_than_was_plugged),
        cmocka_unit_test(a_balloon_that_somebody_else_moves_is_no_dimm),
        cmocka_unit_test(a_dimm_that_comes_while_the_balloon_moves_is_unseen_where_nobody_says_what_is_seen),
        cmocka_unit_test(a_dimm_is_counted_once_where_nobody_says_what_is_seen),
        cmocka_unit_test(a_balloon_that_empties_by_itself_and_reports_nothing_is_no_dimm),
        cmocka_unit_test(a_dimm_is_unseen_also_where_reports_are_empty),
        cmocka_unit_test(a_driver_that_is_unloaded_plugs_no_dimm),
        cmocka_unit_test(a_dimm_that_the_xml_announced_is_unseen_beside_a_report_from_before),
        cmocka_unit_test(a_second_dimm_comes_on_top_of_the_first),
        cmocka_unit_test(virtio_mem_is_not_part_of_the_size_and_raises_no_doubt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
