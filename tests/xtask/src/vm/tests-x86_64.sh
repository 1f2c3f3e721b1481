# The tmpfs of this kernel cannot be mounted with other ids.
mkdir /disk
truncate -s 1G /run/disk
mkfs.ext4 -q /run/disk
mount -o loop /run/disk /disk
limits || ended=$?
stats --skip an_unprivileged_user || ended=$?
# The machine has no other engine to compare with.
update --skip dockerd_ || ended=$?
# An unprivileged user's own ids take programs with rights.
chmod 4755 /usr/bin/newuidmap /usr/bin/newgidmap
touch /etc/subuid /etc/subgid
TMPDIR=/disk HULL_TESTS_MUST_RUN_HERE=1 delegation || ended=$?
exec_instances || ended=$?
events --skip twenty_followers --skip kill_9_of_writers || ended=$?
# Checks that are frozen with their container, or killed with it, or bounded by its limit.
health froz before_it_has_started paused multiply while_its_check_hangs || ended=$?
TMPDIR=/disk userns || ended=$?
# That tmpfs has no attributes for an unprivileged user's overlays, either. There are no agents.
TMPDIR=/disk build_run --skip agent || ended=$?
# The machine has no user-mode network's program.
build_network --skip unprivileged || ended=$?
# What v2 changes for systems: who manages the cgroup, the files of the limits, and rules for devices as a program.
# Mounted as systemd does it: the namespace of a container is the boundary of what its root may change.
umount /sys/fs/cgroup
mount -t cgroup2 -o nsdelegate,memory_recursiveprot none /sys/fs/cgroup
# Importing Debian takes most of the time. One test at a time, because two of them keep each other up.
RUST_TEST_THREADS=1 TMPDIR=/disk system_boot debian_runs privileged_system reboot_starts unprivileged_users || ended=$?
TMPDIR=/disk system_isolation limits_are || ended=$?
TMPDIR=/disk system_config limits_hold set_of_cpus || ended=$?
TMPDIR=/disk system_devices device_nodes disk_is_limited || ended=$?
umount /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
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
