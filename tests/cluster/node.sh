#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: node.sh PLACE PACKAGES NAME ADDRESS AGENT DM_CTL TWO_NODE
#
# One host of the clusters of nodes.py, in namespaces of its own that it was started in: Pacemaker's unpacked PACKAGES are laid
# over the machine's, for itself alone. What it keeps and says is below PLACE/NAME. With TWO_NODE 1 each of both hosts goes on alone when
# it does not hear of the other, with 0 neither.

set -eu
place=$1 packages=$2 name=$3 address=$4 agent=$5 dm_ctl=$6 two_node=$7
home=$place/$name

hostname "$name"
mount --make-rprivate /
mount -t proc proc /proc
mkdir -p "$home/over"
mount -t tmpfs none "$home/over"
for folder in usr etc var; do
    mkdir "$home/over/$folder" "$home/over/$folder.work"
    mount -t overlay overlay -o \
        "lowerdir=$packages/$folder:/$folder,upperdir=$home/over/$folder,workdir=$home/over/$folder.work" "/$folder"
done
mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
[ ! -d "$packages/lib" ] || cp -a "$packages/lib/." /usr/lib/
ldconfig 2>/dev/null || :
grep -q '^haclient:' /etc/group || echo "haclient:x:189:" >>/etc/group
grep -q '^hacluster:' /etc/passwd || echo "hacluster:x:189:189::/var/lib/pacemaker:/usr/sbin/nologin" >>/etc/passwd
mkdir -p /run/dbus
mkdir -p /var/lib/pacemaker/{cib,pengine,cores,blackbox} /run/crm /run/resource-agents /var/log/pacemaker /var/lib/corosync
chown 189:189 /var/lib/pacemaker/{cib,pengine,cores,blackbox} /run/crm /var/log/pacemaker
mkdir -p /usr/lib/ocf/resource.d/dynmem
cp "$agent" /usr/lib/ocf/resource.d/dynmem/host
cp "$dm_ctl" /usr/bin/dm-ctl
mkdir -p /etc/corosync
cat >/etc/corosync/corosync.conf <<END
totem {
 version: 2
 cluster_name: dynmem
 transport: udpu
 token: 10000
 crypto_cipher: none
 crypto_hash: none
}
nodelist {
 node {
  ring0_addr: 10.77.0.1
  name: a
  nodeid: 1
 }
 node {
  ring0_addr: 10.77.0.2
  name: b
  nodeid: 2
 }
}
quorum {
 provider: corosync_votequorum
 two_node: $two_node
 wait_for_all: 0
 expected_votes: 2
}
logging {
 to_syslog: no
 to_logfile: yes
 logfile: $home/corosync.log
}
END
ip link set lo up
touch "$home/ready"
# the other end of the cable is plugged in from outside
until ip link set eth0 up 2>/dev/null; do sleep 0.1; done
ip address add "$address/24" dev eth0
corosync -f >"$home/corosync.out" 2>&1 &
until corosync-cmapctl >/dev/null 2>&1; do sleep 0.5; done
touch "$home/corosync.up"
# it is process 1 here, which waits for all that lose their parents
while sleep 60; do :; done
