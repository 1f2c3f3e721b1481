//! Loop devices: a file as a block device (loop(4)).
//!
//! The kernel takes a file for several devices and keeps a cache for each, so two of them on one file system destroy it. So
//! a file's present device is looked for first. All devices here clear themselves ("autoclear"): the last process or mount that
//! lets go of the device frees it, also after a `kill -9`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

// linux/loop.h, which libc does not have.
const LOOP_GET_STATUS64: libc::Ioctl = 0x4c05 as libc::Ioctl;
const LOOP_SET_CAPACITY: libc::Ioctl = 0x4c07 as libc::Ioctl;
const LOOP_CONFIGURE: libc::Ioctl = 0x4c0a as libc::Ioctl;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4c82 as libc::Ioctl;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// An open loop device. Once it is mounted, the mount keeps it.
#[derive(Debug)]
pub struct LoopDevice {
    device: File,
    path: PathBuf,
}

impl LoopDevice {
    /// The device of the file: the one that it has, or a new one. The caller holds a lock, so that no two processes make
    /// one for the same file. LOOP_CONFIGURE came with Linux 5.8.
    pub fn of(file: &File) -> io::Result<Self> {
        if let Some(device) = Self::find(file)? {
            return Ok(device);
        }
        let control = File::options().read(true).write(true).open("/dev/loop-control")?;
        loop {
            // SAFETY: the descriptor is open; the call takes no argument.
            let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
            let number = Errno::result(number)?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path)?;
            match configure(&device, file) {
                Ok(()) => return Ok(Self { device, path }),
                // Another process has taken it since.
                Err(Errno::EBUSY) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The device that the file has, if it has one.
    pub fn find(file: &File) -> io::Result<Option<Self>> {
        let meta = file.metadata()?;
        for entry in std::fs::read_dir("/sys/block")?.flatten() {
            let name = entry.file_name();
            let is_used = name.as_encoded_bytes().starts_with(b"loop") && entry.path().join("loop").exists();
            if !is_used {
                continue;
            }
            let path = Path::new("/dev").join(&name);
            // It may have been freed meanwhile.
            let Ok(device) = open(&path) else { continue };
            if status(&device).is_ok_and(|info| (info.device, info.inode) == (meta.dev(), meta.ino())) {
                return Ok(Some(Self { device, path }));
            }
        }
        Ok(None)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the device have the size that its file has now.
    pub fn follow_size(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open; the call takes no argument.
        Ok(Errno::result(unsafe { libc::ioctl(self.device.as_raw_fd(), LOOP_SET_CAPACITY) }).map(drop)?)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

fn empty() -> Info {
    Info {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    }
}

fn configure(device: &File, file: &File) -> nix::Result<()> {
    let fd = file.as_fd().as_raw_fd() as u32;
    let info = Info { flags: LO_FLAGS_AUTOCLEAR, ..empty() };
    let config = Config { fd, block_size: 0, info, reserved: [0; 8] };
    // SAFETY: both descriptors are open, and the kernel reads one `loop_config` from the pointer.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    Errno::result(done).map(drop)
}

fn status(device: &File) -> nix::Result<Info> {
    let mut info = empty();
    // SAFETY: the descriptor is open, and the kernel writes one `loop_info64` to the pointer.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) };
    Errno::result(done).map(|_| info)
}

// The sizes in the kernel's header.
const _: () = assert!(size_of::<Info>() == 232 && size_of::<Config>() == 304);
