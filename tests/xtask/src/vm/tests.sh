#!/bin/busybox sh
# PID 1 of the machine proper: mounts what a Linux system has, runs the tests, says how they ended.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /run /etc /root /var/lib /usr
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /tmp
mount -t tmpfs none /run
mount -t cgroup2 none /sys/fs/cgroup
while read -r module; do insmod "/lib/modules/$module"; done < /lib/modules/order
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
echo 'root:x:0:' > /etc/group
export HULL_BINARY=/bin/hull HULL_OCI_BINARY=/bin/hull-oci HULL_TEST_CACHE=/cache HULL_TESTS_MUST_RUN=1 RUST_TEST_THREADS=2 HOME=/root
ip link set lo up
ended=0
@TESTS@
echo "the tests in the virtual machine ended with $ended"
poweroff -f
