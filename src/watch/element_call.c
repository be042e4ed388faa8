/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element_call.h"

#include "names.h"
#include "virt.h"

/* The prefix that the element gets. */
#define KEY "dynmem"

ElementCall *
element_call_new(const char *uuid, ElementWork work, void *data, GDestroyNotify free_data)
{
    ElementCall *call = g_new0(ElementCall, 1);

    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
    call->work = work;
    call->work_data = data;
    call->work_free = free_data;
    return call;
}

void
element_call_free(void *data)
{
    ElementCall *call = data;

    if (call->work_free != NULL)
        call->work_free(call->work_data);
    g_clear_error(&call->error);
    g_free(call);
}

static void
half_clear(ElementHalf *half)
{
    g_free(half->xml);
    g_free(half->element);
    g_free(half->wanted);
}

static void
halves_clear(ElementHalves *halves)
{
    half_clear(&halves->live);
    half_clear(&halves->next);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ElementHalves, halves_clear)

/* Its name must have been asked for before: that forgets libvirt's last error (libvirt-domain.c, virDomainGetName). */
typedef struct Subject {
    virDomainPtr domain;
    const char *name;
} Subject;

/* ---- reading ---- */

/* Takes over text, which is libvirt's. */
static char *
take_text(char *text)
{
    char *copy = g_strdup(text);

    free(text);
    return copy;
}

/* *element is NULL where there is none. */
static bool
read_element(const Subject *subject, unsigned impact, char **element, GError **error)
{
    g_autoptr(GError) failure = NULL;

    *element = take_text(
        virDomainGetMetadata(subject->domain, VIR_DOMAIN_METADATA_ELEMENT, DYNMEM_METADATA_URI, (unsigned)impact));
    if (*element != NULL ||
        virt_take_error(&failure, "can't read the metadata of %s", subject->name) == VIR_ERR_NO_DOMAIN_METADATA)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool
read_half(const Subject *subject, unsigned xml_flags, unsigned impact, ElementHalf *half, GError **error)
{
    half->xml = take_text(virDomainGetXMLDesc(subject->domain, xml_flags));
    if (half->xml == NULL) {
        virt_take_error(error, "can't read the guest %s", subject->name);
        return false;
    }
    return read_element(subject, impact, &half->element, error);
}

static bool
read_halves(const Subject *subject, ElementHalves *halves, GError **error)
{
    int active = virDomainIsActive(subject->domain);
    int persistent = active >= 0 ? virDomainIsPersistent(subject->domain) : -1;

    if (persistent < 0) {
        virt_take_error(error, "can't read the guest %s", subject->name);
        return false;
    }
    return (active == 0 || read_half(subject, 0, VIR_DOMAIN_AFFECT_LIVE, &halves->live, error)) &&
           (persistent == 0 ||
            read_half(subject, VIR_DOMAIN_XML_INACTIVE, VIR_DOMAIN_AFFECT_CONFIG, &halves->next, error));
}

/* ---- writing ---- */

static bool
write_element(const Subject *subject, const char *element, unsigned impact, GError **error)
{
    if (virDomainSetMetadata(subject->domain, VIR_DOMAIN_METADATA_ELEMENT, element, KEY, DYNMEM_METADATA_URI, impact) ==
        0)
        return true;
    virt_take_error(error, "libvirt did not take the settings of %s", subject->name);
    return false;
}

/* In one call where both become the same; otherwise the definition first, since writing its file is what fails most. */
static bool
write_halves(const Subject *subject, const ElementHalves *halves, GError **error)
{
    const ElementHalf *live = &halves->live, *next = &halves->next;

    if (live->change && next->change && g_strcmp0(live->wanted, next->wanted) == 0)
        return write_element(subject, live->wanted, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, error);
    return (!next->change || write_element(subject, next->wanted, VIR_DOMAIN_AFFECT_CONFIG, error)) &&
           (!live->change || write_element(subject, live->wanted, VIR_DOMAIN_AFFECT_LIVE, error));
}

static bool
is_as_before(const Subject *subject, unsigned impact, const ElementHalf *half)
{
    g_autofree char *is = NULL;

    return read_element(subject, impact, &is, NULL) && g_strcmp0(is, half->element) == 0;
}

/*
 * Is the element what it was, or could it be made so? What a guest ran with that runs no more need not be put back. A
 * definition may be as it was though libvirt says that it could not be written: its file never was another.
 */
static bool
put_back_half(const Subject *subject, unsigned impact, const ElementHalf *half)
{
    if (!half->change || is_as_before(subject, impact, half))
        return true;
    return write_element(subject, half->element, impact, NULL) || is_as_before(subject, impact, half) ||
           (impact == VIR_DOMAIN_AFFECT_LIVE && virDomainIsActive(subject->domain) == 0);
}

/* A call for both can have changed one of them, and a definition is changed though its file could not be written
   (libvirt src/conf/virdomainobjlist.c and domain_conf.c, virDomainObjSetMetadata). */
static void
put_back(VirtLane *lane, const Subject *subject, const ElementHalves *halves, GError **error)
{
    bool live = put_back_half(subject, VIR_DOMAIN_AFFECT_LIVE, &halves->live);
    bool next = put_back_half(subject, VIR_DOMAIN_AFFECT_CONFIG, &halves->next);
    g_autoptr(GError) cause = g_steal_pointer(error);

    if (!virt_lane_is_alive(lane))
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                    "%s; whether anything was changed is not known: look again when libvirt is back", cause->message);
    else if (live && next)
        g_set_error(error, cause->domain, cause->code, "%s; nothing was changed", cause->message);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                    "%s; and what had been changed already could not be put back %s: see what it has with \"virsh "
                    "metadata\", and set it once more",
                    cause->message,
                    live   ? "in its definition for the next start"
                    : next ? "in what it runs with"
                           : "at all");
}

bool
element_call_run(void *lane, void *data)
{
    ElementCall *call = data;
    g_autoptr(virDomain) domain = virt_lane_domain(lane, call->uuid, true, &call->error);
    g_auto(ElementHalves) halves = {0};
    Subject subject = {.domain = domain};

    if (domain == NULL)
        return virt_lane_is_alive(lane);
    subject.name = virDomainGetName(domain);
    if (!read_halves(&subject, &halves, &call->error))
        return virt_lane_is_alive(lane);
    if (!call->work(call->work_data, &halves, &call->error) || write_halves(&subject, &halves, &call->error))
        return true;
    put_back(lane, &subject, &halves, &call->error);
    return virt_lane_is_alive(lane);
}
