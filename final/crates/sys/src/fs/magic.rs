//! Which file system a file is on, by the magic number that statfs(2) returns (linux/magic.h).

use std::os::fd::AsFd;

use nix::errno::Errno;

pub const PROC: u32 = 0x0000_9fa0;
pub const SYSFS: u32 = 0x6265_6572;
pub const DEVPTS: u32 = 0x0000_1cd1;
pub const FUSE: u32 = 0x6573_5546;

/// File systems whose files the kernel generates while they are read.
const GENERATED: &[u32] = &[
    PROC,
    SYSFS,
    DEVPTS,
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0x5a3c_69f0, // apparmorfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0x4249_4e4d, // binfmt_misc
    0x6573_5543, // fusectl
    0x6e73_6673, // nsfs
    0x5049_4446, // pidfs
    0x1980_0202, // mqueue
    0x0765_5821, // resctrl
    0x6759_6969, // rpc_pipefs
    0x6e66_7364, // nfsd
    0xabba_1974, // xenfs
    0x6c6f_6f70, // binderfs
    0x0000_9fa2, // usbdevfs
];

/// The magic number of the file system that an open file is on.
pub fn file_system_of(file: impl AsFd) -> nix::Result<u32> {
    let stat = rustix::fs::fstatfs(file).map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    Ok(stat.f_type as u32)
}

/// True for a file on a file system such as procfs or sysfs. Its content is generated while it is read, may never end, and
/// can reveal facts about the host.
pub fn is_generated(file: impl AsFd) -> nix::Result<bool> {
    Ok(GENERATED.contains(&file_system_of(file)?))
}
