# The tmpfs of this kernel keeps no attributes of users'.
mkdir /disk
truncate -s 1G /run/disk
mkfs.ext4 -q /run/disk
mount -o loop /run/disk /disk
export TMPDIR=/disk
echo root:100000:65536 | tee /etc/subuid > /etc/subgid
# Files of the workspace are where they were when the tests were compiled.
cp -a /workspace/. /
hull-sys || ended=$?
hull-storage || ended=$?
hull-runtime || ended=$?
hull-image || ended=$?
hull-netlink || ended=$?
hull-network || ended=$?
hull-engine || ended=$?
unset TMPDIR
limits || ended=$?
bundles || ended=$?
lifecycle || ended=$?
isolation || ended=$?
