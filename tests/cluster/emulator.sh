#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# QEMU, for guests that migrate and are emulated, with 8 KiB more of memory than it was told to give. Before 9.0 it loses what such a
# guest writes while it is sent: pages that stay in the emulated TLB are not seen to be written again once they were sent
# (cpu_physical_memory_sync_dirty_bitmap in include/exec/ram_addr.h takes a block's bits word by word, and does not reset the TLB). So
# it is with blocks of whole 256 KiB; bits of others it takes one by one, as it should.

set -eu
arguments=() last=
for argument; do
    case $last in
    -m)
        argument="$(((${argument//[!0-9]/} << 10) + 8))k"
        ;;
    -object)
        if [[ $argument =~ '"id":"pc.ram"'.*'"size":'([0-9]+) ]]; then
            argument=${argument/"${BASH_REMATCH[1]}"/$((BASH_REMATCH[1] + 8192))}
        fi
        ;;
    esac
    arguments+=("$argument")
    last=$argument
done
exec /usr/bin/qemu-system-x86_64 "${arguments[@]}"
