# The left terminal. It asks while the box is there, and prints what both have seen.
(echo 0 > "$CGROUP/box/cgroup.procs"; exec $MAKE ./box > answers 2>&1) &
read line < ready
# Not in a subshell, which ps would show.
ask() { echo "$MARK host $1"; eval "$1" 2>&1; }
for kind in $KINDS; do echo "$MARK label $kind $(readlink /proc/self/ns/$kind)"; done
while read -r command; do ask "$command"; done <<END
$COMMANDS
END
echo > go
wait
cat answers
