/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Domain XML as libvirt writes it, so that the real reader reads it. */

#include "names.h"
#include "world.h"

static void
put_element(GString *xml, const Definition *definition)
{
    static const char *const modes[] = {
        [GUEST_MODE_DYNAMIC] = "dynamic", [GUEST_MODE_OBSERVE] = "observe", [GUEST_MODE_STATIC] = "static"};

    if (!definition->managed)
        return;
    g_string_append(xml, "  <metadata>\n    <dynmem:memory xmlns:dynmem='" DYNMEM_METADATA_URI "'");
    if (definition->minimum_kib != 0)
        g_string_append_printf(xml, " minimum='%" G_GUINT64_FORMAT "KiB'", definition->minimum_kib);
    if (definition->startup_kib != 0)
        g_string_append_printf(xml, " startup='%" G_GUINT64_FORMAT "KiB'", definition->startup_kib);
    g_string_append_printf(xml, " priority='%u' buffer='%u' mode='%s'/>\n  </metadata>\n", definition->priority,
                           definition->buffer, modes[definition->mode]);
}

static void
put_dimm(GString *xml, uint64_t kib)
{
    if (kib == 0)
        return;
    g_string_append_printf(xml,
                           "    <memory model='dimm'>\n      <target>\n        <size unit='KiB'>%" G_GUINT64_FORMAT
                           "</size>\n        <node>0</node>\n      </target>\n    </memory>\n",
                           kib);
}

static void
put_device(GString *xml, uint64_t size_kib, uint64_t requested_kib, const Machine *machine)
{
    if (size_kib == 0)
        return;
    g_string_append_printf(
        xml,
        "    <memory model='virtio-mem'>\n      <target>\n        <size unit='KiB'>%" G_GUINT64_FORMAT
        "</size>\n        <node>0</node>\n        <block unit='KiB'>2048</block>\n"
        "        <requested unit='KiB'>%" G_GUINT64_FORMAT "</requested>\n",
        size_kib, requested_kib);
    if (machine != NULL && !has_bug(BUG_BARE_XML))
        g_string_append_printf(xml, "        <current unit='KiB'>%" G_GUINT64_FORMAT "</current>\n",
                               machine->device_plugged_kib);
    g_string_append(xml, "      </target>\n    </memory>\n");
}

char *
domain_text(const Seat *seat, const Definition *definition, uint64_t current_kib, uint64_t id, const Machine *machine)
{
    static const char *const node_sets[] = {NULL, "0", "1", "0-1"};
    GString *xml = g_string_sized_new(1536);
    uint64_t dimm = machine != NULL ? machine->dimm_kib : definition->dimm_kib;
    uint64_t requested = machine != NULL ? machine->device_requested_kib : definition->device_requested_kib;

    g_string_append(xml, "<domain type='kvm'");
    if (id != 0)
        g_string_append_printf(xml, " id='%" G_GUINT64_FORMAT "'", id);
    g_string_append_printf(xml, ">\n  <name>%s</name>\n  <uuid>%s</uuid>\n", definition->name, seat->uuid);
    put_element(xml, definition);
    g_string_append_printf(xml,
                           "  <memory unit='KiB'>%" G_GUINT64_FORMAT "</memory>\n"
                           "  <currentMemory unit='KiB'>%" G_GUINT64_FORMAT "</currentMemory>\n",
                           definition->base_kib + dimm + definition->device_kib, current_kib);
    if (definition->hard_limit_kib != 0 && !has_bug(BUG_BARE_XML))
        g_string_append_printf(
            xml, "  <memtune>\n    <hard_limit unit='KiB'>%" G_GUINT64_FORMAT "</hard_limit>\n  </memtune>\n",
            definition->hard_limit_kib);
    if (definition->partition != 0)
        g_string_append_printf(xml, "  <resource>\n    <partition>/machine/apart%s</partition>\n  </resource>\n",
                               definition->partition == 1 ? "" : "/inner");
    if (definition->strict_nodes != 0)
        g_string_append_printf(xml, "  <numatune>\n    <memory mode='strict' nodeset='%s'/>\n  </numatune>\n",
                               node_sets[definition->strict_nodes]);
    if (definition->immediate || definition->huge)
        g_string_append_printf(
            xml, "  <memoryBacking>\n%s%s  </memoryBacking>\n",
            definition->huge ? "    <hugepages>\n      <page size='2048' unit='KiB'/>\n    </hugepages>\n" : "",
            definition->immediate ? "    <allocation mode='immediate'/>\n" : "");
    g_string_append(xml, "  <vcpu>1</vcpu>\n  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n  <devices>\n");
    put_dimm(xml, dimm);
    put_device(xml, definition->device_kib, requested, machine);
    if (definition->vfio)
        g_string_append(xml, "    <hostdev mode='subsystem' type='pci' managed='yes'/>\n");
    g_string_append(xml, "    <memballoon model='virtio'>\n      <stats period='1'/>\n    </memballoon>\n"
                         "  </devices>\n</domain>\n");
    return g_string_free(xml, FALSE);
}
