//! What a pull cannot do without, each part of it alone: inflate, hash, and write the files.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tar::EntryType;

const BUFFER: usize = 128 * 1024;

/// A member of a tar, and where its content is.
struct Member {
    kind: EntryType,
    path: PathBuf,
    link: PathBuf,
    mode: u32,
    owner: (u32, u32),
    modified: u64,
    content: std::ops::Range<usize>,
}

pub struct Parts {
    packed: Vec<Vec<u8>>,
    tars: Vec<Vec<u8>>,
    members: Vec<Vec<Member>>,
    times: Vec<Duration>,
}

type Part = fn(&Parts);

impl Parts {
    pub fn of(packed: Vec<Vec<u8>>) -> Self {
        let tars: Vec<Vec<u8>> = packed
            .iter()
            .map(|packed| {
                let mut tar = Vec::new();
                inflater(packed).read_to_end(&mut tar).expect("it was pulled");
                tar
            })
            .collect();
        let members = tars.iter().map(|tar| members(tar)).collect();
        let mut parts = Self { packed, tars, members, times: Vec::new() };
        parts.measure();
        parts
    }

    const ALL: [(&str, Part); 3] =
        [("inflate", Self::inflate), ("sha256", Self::hash), ("write", Self::write)];

    /// In turn, and the median of each: a machine drifts.
    fn measure(&mut self) {
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..7 {
            for ((_, part), times) in Self::ALL.iter().zip(&mut times) {
                let started = Instant::now();
                part(self);
                times.push(started.elapsed());
            }
            clear();
        }
        let median = |mut times: Vec<Duration>| {
            times.sort();
            times.swap_remove(times.len() / 2)
        };
        self.times = times.into_iter().map(median).collect();
    }

    pub fn times(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        Self::ALL.iter().zip(&self.times).map(|((name, _), time)| (*name, *time))
    }

    pub fn slowest(&self) -> (&'static str, Part) {
        let at = (0..self.times.len()).max_by_key(|at| self.times[*at]).expect("there are three");
        Self::ALL[at]
    }

    fn inflate(&self) {
        let mut buffer = vec![0; BUFFER];
        for packed in &self.packed {
            let mut stream = inflater(packed);
            while stream.read(&mut buffer).expect("it was pulled") > 0 {}
        }
    }

    /// What came, and what became of it.
    fn hash(&self) {
        for bytes in self.packed.iter().chain(&self.tars) {
            let mut hash = Sha256::new();
            bytes.chunks(BUFFER).for_each(|chunk| hash.update(chunk));
            std::hint::black_box(hash.finalize());
        }
    }

    /// The same files with the same owners, modes and times, on a tmpfs.
    fn write(&self) {
        let top = tempfile::tempdir_in("/dev/shm").expect("shared memory");
        for (number, (tar, members)) in self.tars.iter().zip(&self.members).enumerate() {
            let top = top.path().join(number.to_string());
            fs::create_dir(&top).expect("own directory");
            members.iter().for_each(|member| member.write(&top, tar));
        }
        // Removing them is no part of it.
        GOING.with(|going| going.borrow_mut().push(top));
    }
}

thread_local! {
    static GOING: std::cell::RefCell<Vec<tempfile::TempDir>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Removes what was written.
pub fn clear() {
    GOING.with(|going| going.borrow_mut().clear());
}

fn inflater(packed: &[u8]) -> flate2::bufread::MultiGzDecoder<&[u8]> {
    flate2::bufread::MultiGzDecoder::new(packed)
}

fn members(tar: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").map(|entry| entry.expect("a member"));
    let member = |entry: tar::Entry<'_, &[u8]>| {
        let header = entry.header();
        let start = entry.raw_file_position() as usize;
        let number = |value: std::io::Result<u64>| value.expect("a number");
        Member {
            kind: header.entry_type(),
            path: entry.path().expect("a path").into_owned(),
            link: entry.link_name().ok().flatten().map(|link| link.into_owned()).unwrap_or_default(),
            mode: header.mode().expect("a mode"),
            owner: (number(header.uid()) as u32, number(header.gid()) as u32),
            modified: number(header.mtime()),
            content: start..start + entry.size() as usize,
        }
    };
    entries.map(member).collect()
}

impl Member {
    fn write(&self, top: &std::path::Path, tar: &[u8]) {
        let path = top.join(&self.path);
        let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(self.modified));
        let permissions = Permissions::from_mode(self.mode & 0o7777);
        match self.kind {
            EntryType::Directory => {
                fs::create_dir_all(&path).expect("own directory");
                lchown(&path, Some(self.owner.0), Some(self.owner.1)).expect("own directory");
                fs::set_permissions(&path, permissions).expect("own directory");
            }
            EntryType::Symlink => symlink(&self.link, &path).expect("own directory"),
            EntryType::Link => fs::hard_link(top.join(&self.link), &path).expect("own directory"),
            EntryType::Regular => {
                let mut file = File::create(&path).expect("own directory");
                file.write_all(&tar[self.content.clone()]).expect("memory");
                lchown(&path, Some(self.owner.0), Some(self.owner.1)).expect("own file");
                file.set_permissions(permissions).expect("own file");
                file.set_times(times).expect("own file");
            }
            _ => {}
        }
    }
}
