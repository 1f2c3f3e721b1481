# Once, as root: a network like a machine's, with a neighbour at the other end of the link, and two cgroups.
set -eu
mkdir -p "$CGROUP/box"
chown you "$CGROUP" "$CGROUP/cgroup.procs" "$CGROUP/box" "$CGROUP/box/cgroup.procs"
unshare --net sleep 100000 &
while test "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)"; do sleep 0.02; done
ip link add eth0 type veth peer name eth0 netns $!
ip address add 192.0.2.10/24 dev eth0
# An address of IPv6 would be another one each time.
ip link set eth0 addrgenmode none
ip link set eth0 up
nsenter -t $! -n ip link set eth0 up
# The kernel handles the change of carrier in a worker, a moment later.
until ip link show eth0 | grep -q 'state UP'; do sleep 0.02; done
