/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "glance.h"

#include "units.h"

void
glance_look(Glance *glance, const LimitWorld *limits, const GuestRecord *record)
{
    bool same = glance->known && glance->boots == record->boots;

    glance->known = record->life == GUEST_LIFE_RUNNING && limits->glance(limits->self, record, &glance->now);
    glance->boots = record->boots;
    if (!same) {
        glance->low_kib = glance->before_kib = glance->reported_kib = glance->now.charged_kib;
        glance->awaited_usec = 0;
        return;
    }
    /* what was given back and is taken again was not needed meanwhile: it counts as growth */
    glance->low_kib = MIN(glance->low_kib, glance->now.charged_kib);
    glance->reported_kib = MIN(glance->reported_kib, glance->now.charged_kib);
}

void
glance_note_questions(Glance *glance)
{
    glance->before_kib = glance->low_kib;
    glance->low_kib = glance->now.charged_kib;
}

void
glance_await(Glance *glance, uint64_t now_usec, uint64_t until_usec)
{
    glance->before_kib = glance->low_kib = glance->now.charged_kib;
    glance->asked_usec = now_usec;
    glance->awaited_usec = until_usec;
}

void
glance_note_report(Glance *glance, uint64_t question_usec)
{
    glance->reported_kib = glance->before_kib;
    /* one that was on its way already is not the one */
    if (question_usec > glance->asked_usec)
        glance->awaited_usec = 0;
}

bool
glance_moment(const Glance *glance, GuestMoment *moment)
{
    if (!glance->known)
        return false;
    *moment = (GuestMoment){.grown_kib = saturating_sub(glance->now.charged_kib, glance->reported_kib),
                            .held_back = glance->now.held_back};
    return true;
}
