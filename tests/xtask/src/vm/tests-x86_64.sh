limits || ended=$?
stats --skip an_unprivileged_user || ended=$?
# The machine has no other engine to compare with.
update --skip dockerd_ || ended=$?
# An unprivileged user's own ids take programs with rights.
chmod 4755 /usr/bin/newuidmap /usr/bin/newgidmap
touch /etc/subuid /etc/subgid
HULL_TESTS_MUST_RUN_HERE=1 delegation || ended=$?
exec_instances || ended=$?
events --skip twenty_followers --skip kill_9_of_writers || ended=$?
# Checks that are frozen with their container, or killed with it, or bounded by its limit.
health froz before_it_has_started paused multiply while_its_check_hangs || ended=$?
# The tmpfs of this kernel cannot be mounted with other ids.
mkdir /disk
truncate -s 1G /run/disk
mkfs.ext4 -q /run/disk
mount -o loop /run/disk /disk
TMPDIR=/disk userns || ended=$?
# That tmpfs has no attributes for an unprivileged user's overlays, either. There are no agents.
TMPDIR=/disk build_run --skip agent || ended=$?
# The machine has no user-mode network's program.
build_network --skip unprivileged || ended=$?
umount /disk
rm /run/disk
compose_up || ended=$?
bundles || ended=$?
# The machine has no dbus-daemon: the bus is the same on v1.
oci_systemd --skip a_bus_does || ended=$?
api_systemd || ended=$?
HULL_CRIU_MUST_WORK=1 oci_checkpoint || ended=$?
STEP_PROGRAM=/bin/step-03-cgroups lesson || ended=$?
# What the book shows of cgroup v2.
cgroup_v2 --ignored || ended=$?
