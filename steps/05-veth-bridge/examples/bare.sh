#!/bin/sh
# A container's network, made with `ip` and `nft`. It runs a command in a network namespace of its own,
# with the address 10.105.0.2, and forwards port 8080 of the host to port 8000 of the command:
#
#     unshare -Urn sh examples/bare.sh busybox httpd -f -p 8000 -h site
#
# `unshare -Urn` makes you root of a "host" that has no network yet, so nothing of your machine changes.
set -e

# This process keeps the container's network namespace alive.
unshare --net sleep infinity & inside=$!
trap exit INT TERM
trap 'kill $inside; ip link delete boxes; nft delete table ip bare' EXIT
until [ "$(readlink /proc/$inside/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done

# The host: a bridge, and a veth pair with one end at the bridge and the other in the namespace.
ip link add boxes up type bridge
ip address add 10.105.0.1/24 dev boxes
ip link add box2 up master boxes type veth peer name eth0 netns $inside

# The container: its end of the veth pair gets an address and a route to everything else.
nsenter --target $inside --net sh -ec '
    ip link set lo up
    ip address add 10.105.0.2/24 dev eth0
    ip link set eth0 up
    ip route add default via 10.105.0.1'

# The host forwards packets and changes their addresses, in both directions.
echo 1 >/proc/sys/net/ipv4/ip_forward
nft -f - <<'END'
table ip bare {
    chain prerouting { type nat hook prerouting priority -100;
                       fib daddr type local tcp dport 8080 dnat to 10.105.0.2:8000; }
    chain output { type nat hook output priority -100;
                   fib daddr type local tcp dport 8080 dnat to 10.105.0.2:8000; }
    chain postrouting { type nat hook postrouting priority 100;
                        ip saddr 10.105.0.2 oifname != "boxes" masquerade; }
}
END

nsenter --target $inside --net "$@"
