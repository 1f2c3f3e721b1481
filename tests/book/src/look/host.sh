# The left terminal. It asks while the box runs, and prints the answers of both sides.
for kind in $KINDS; do echo "$MARK label $kind $(readlink /proc/self/ns/$kind)"; done
# A message queue of System V IPC, which every process of the same IPC namespace sees.
ipcmk -Q > made
# Nothing would open the pipes if the kernel refused to make the box.
if ! $MAKE true > refused 2>&1; then
    echo "$MARK refused"
    cat refused
else
    (echo 0 > "$CGROUP/box/cgroup.procs"; exec $MAKE ./box > answers 2>&1) &
    read line < ready
fi
# Not in a subshell, which ps would show.
ask() { echo "$MARK host $1"; eval "$1" 2>&1; }
while read -r command; do ask "$command"; done <<END
$COMMANDS
END
if test -e answers; then
    echo > go
    wait
    cat answers
fi
