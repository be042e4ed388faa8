/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor_call.h"

#include "error.h"
#include "guest_xml.h"
#include "virt.h"

MonitorCall *
monitor_call_new(MonitorCallKind kind, const char *uuid, const char *name)
{
    MonitorCall *call = g_new0(MonitorCall, 1);

    call->kind = kind;
    call->name = g_strdup(name);
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
    return call;
}

void
monitor_call_free(void *data)
{
    MonitorCall *call = data;

    g_clear_error(&call->error);
    g_free(call->name);
    g_free(call);
}

/*
 * Whether a job holds the guest so that nothing may be changed. Setting a target then would wait for 30 s and
 * fail (virdomainjob.c, VIR_JOB_WAIT_TIME). Without a job this does not enter the monitor. A job can still begin
 * right after it: then the target does wait, past its deadline, and fails.
 */
static MonitorJob
ask_job(virDomainPtr domain)
{
    virTypedParameterPtr params = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

    if (virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) {
        int code = virGetLastErrorCode();

        /* On the receiving side of a migration this is all there is to be had (qemu_driver.c,
           qemuDomainGetJobStatsInternal; which of the two depends on libvirt's version). */
        if ((code == VIR_ERR_OPERATION_INVALID || code == VIR_ERR_OPERATION_UNSUPPORTED) &&
            virDomainIsActive(domain) == 1)
            return MONITOR_JOB_HOLDS;
        return MONITOR_JOB_UNKNOWN;
    }
    virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(params, count);
    /* A backup lets others change the guest (qemu_backup.c). */
    if (type == VIR_DOMAIN_JOB_NONE || operation == VIR_DOMAIN_JOB_OPERATION_BACKUP)
        return MONITOR_JOB_NONE;
    return type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED ? MONITOR_JOB_HOLDS : MONITOR_JOB_NONE;
}

static int
set_period(virDomainPtr domain, MonitorCall *call, uint32_t seconds)
{
    if (virDomainSetMemoryStatsPeriod(domain, (int)MIN(seconds, G_MAXINT), VIR_DOMAIN_AFFECT_LIVE) < 0)
        return virt_take_error(&call->error, "the guest %s can't be told how often to report", call->name);
    return VIR_ERR_OK;
}

/* What somebody else has set meanwhile is not overwritten before it was noticed. */
static int
ask_at_once(virDomainPtr domain, MonitorCall *call)
{
    g_autofree char *xml = virDomainGetXMLDesc(domain, 0);
    int code;

    if (xml == NULL)
        return virt_take_error(&call->error, "the guest %s can't be read", call->name);
    call->other_period = guest_xml_period(xml) != call->period_sec;
    if (call->other_period)
        return VIR_ERR_OK;
    code = set_period(domain, call, 0);
    if (code != VIR_ERR_OK) {
        call->half_done = !virt_error_is_certain(code);
        return code;
    }
    code = set_period(domain, call, call->period_sec);
    call->half_done = code != VIR_ERR_OK;
    return code;
}

static int
make_call(virDomainPtr domain, MonitorCall *call)
{
    switch (call->kind) {
    case MONITOR_CALL_REPORT:
        call->stat_count = virDomainMemoryStats(domain, call->stats, G_N_ELEMENTS(call->stats), 0);
        if (call->stat_count < 0)
            return virt_take_error(&call->error, "no report of the guest %s", call->name);
        break;
    case MONITOR_CALL_TARGET:
        if (virDomainSetMemoryFlags(domain, call->target_kib, VIR_DOMAIN_AFFECT_LIVE) < 0)
            return virt_take_error(&call->error, "the guest %s can't be given its target", call->name);
        break;
    case MONITOR_CALL_PERIOD:
        return set_period(domain, call, call->period_sec);
    case MONITOR_CALL_ASK:
        return ask_at_once(domain, call);
    case MONITOR_CALL_JOB:
        break;
    }
    return VIR_ERR_OK;
}

bool
monitor_call_run(void *lane, void *data)
{
    MonitorCall *call = data;
    g_autoptr(virDomain) domain = virt_lane_domain(lane, call->uuid, false, &call->error);
    int code;

    if (domain == NULL) {
        call->certain = true;
        call->not_running = g_error_matches(call->error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND);
        return virt_lane_is_alive(lane);
    }
    if (call->ask_job)
        call->job = ask_job(domain);
    if (call->kind == MONITOR_CALL_JOB)
        return virt_lane_is_alive(lane);
    if (call->job == MONITOR_JOB_HOLDS && call->kind != MONITOR_CALL_REPORT) {
        call->certain = true;
        call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                                  "a migration or another job holds the guest %s until it ends", call->name);
        return true;
    }
    call->asked_usec = (uint64_t)g_get_monotonic_time();
    code = make_call(domain, call);
    call->answered_usec = (uint64_t)g_get_monotonic_time();
    if (call->error == NULL)
        return true;
    call->certain = virt_error_is_certain(code);
    call->not_running = code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID;
    if (code == VIR_ERR_NO_DOMAIN)
        virt_lane_forget(lane, call->uuid);
    return virt_lane_is_alive(lane);
}

void
monitor_call_read_report(const MonitorCall *call, GuestReport *report)
{
    report->serial++;
    report->asked_usec = call->asked_usec;
    report->answered_usec = call->answered_usec;
    report->fields = 0;
    for (int i = 0; i < call->stat_count; i++) {
        uint64_t value = call->stats[i].val;

        switch (call->stats[i].tag) {
        case VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON:
            report->actual_kib = value;
            report->fields |= REPORT_ACTUAL;
            break;
        case VIR_DOMAIN_MEMORY_STAT_USABLE:
            report->usable_kib = value;
            report->fields |= REPORT_USABLE;
            break;
        case VIR_DOMAIN_MEMORY_STAT_AVAILABLE:
            report->total_kib = value;
            report->fields |= REPORT_TOTAL;
            break;
        case VIR_DOMAIN_MEMORY_STAT_UNUSED:
            report->unused_kib = value;
            report->fields |= REPORT_UNUSED;
            break;
        case VIR_DOMAIN_MEMORY_STAT_DISK_CACHES:
            report->cache_kib = value;
            report->fields |= REPORT_CACHE;
            break;
        case VIR_DOMAIN_MEMORY_STAT_SWAP_OUT:
            report->swap_out_kib = value;
            report->fields |= REPORT_SWAP_OUT;
            break;
        case VIR_DOMAIN_MEMORY_STAT_SWAP_IN:
            report->swap_in_kib = value;
            report->fields |= REPORT_SWAP_IN;
            break;
        case VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT:
            report->major_faults = value;
            report->fields |= REPORT_MAJOR_FAULTS;
            break;
        case VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE:
            report->last_update_sec = value;
            report->fields |= REPORT_LAST_UPDATE;
            break;
        case VIR_DOMAIN_MEMORY_STAT_RSS:
            report->resident_kib = value;
            report->fields |= REPORT_RESIDENT;
            break;
        default:
            break;
        }
    }
}
