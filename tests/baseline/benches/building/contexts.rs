//! What is built, and its work alone.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::{Digest, Sha256};

const BUFFER: usize = 128 * 1024;
const LARGE: usize = 500_000_000;

/// Takes one second of a processor, however many others there are: setrlimit(2), RLIMIT_CPU.
pub const COMPUTES: &str = "sh -c 'ulimit -c 0; ulimit -t 1; while :; do :; done' || true";

pub struct Contexts(PathBuf);

impl Contexts {
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    fn context(&self, name: &str, dockerfile: &str) -> PathBuf {
        let context = self.0.join(name);
        fs::create_dir_all(&context).expect("own directory");
        fs::write(context.join("Dockerfile"), dockerfile).expect("own file");
        context
    }

    pub fn steps(&self) -> PathBuf {
        let mut dockerfile = "FROM busybox\n".to_owned();
        (0..10).for_each(|n| dockerfile += &format!("RUN echo {n}\n"));
        self.context("steps", &dockerfile)
    }

    /// So many small files, a hundred in each directory.
    pub fn files(&self, count: usize) -> PathBuf {
        let context = self.context(&format!("files-{count}"), "FROM busybox\nCOPY tree /tree\n");
        for number in 0..count {
            let directory = context.join(format!("tree/{}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&directory).expect("own directory");
            }
            let text = format!("The content of file number {number}.\n");
            fs::write(directory.join(format!("file-{number}")), text.repeat(10)).expect("own file");
        }
        context
    }

    /// A file of 500 MB without holes.
    pub fn large(&self) -> PathBuf {
        let context = self.context("large", "FROM busybox\nCOPY file /file\n");
        let mut file = File::create(context.join("file")).expect("own file");
        let mut state = 1_u64;
        let block: Vec<u8> = (0..1_000_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        (0..LARGE / block.len()).for_each(|_| file.write_all(&block).expect("own file"));
        context
    }

    /// Four stages with one step each, and one that takes a file of each.
    pub fn stages(&self, work: &str) -> PathBuf {
        let mut dockerfile = String::new();
        for stage in 0..4 {
            let _ = writeln!(dockerfile, "FROM busybox AS stage{stage}\nRUN {work}; echo {stage} >/done");
        }
        dockerfile += "FROM scratch\n";
        (0..4).for_each(|n| dockerfile += &format!("COPY --from=stage{n} /done /{n}\n"));
        self.context("stages", &dockerfile)
    }
}

/// `cp`, and SHA-256 of the file, one after the other.
pub fn copy_and_hash(file: &Path, copy: &Path) {
    crate::common::succeed(Command::new("cp").arg(file).arg(copy));
    let mut file = File::open(file).expect("own file");
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer).expect("own file") {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    std::hint::black_box(hash.finalize());
}

/// The work of a step, in so many processes at once, without containers.
pub fn side_by_side(work: &str, count: usize) {
    let start = |_| {
        Command::new("busybox")
            .args(["sh", "-c", work])
            .stderr(Stdio::null())
            .spawn()
            .expect("busybox is installed")
    };
    let children: Vec<Child> = (0..count).map(start).collect();
    for mut child in children {
        child.wait().expect("own child");
    }
}
