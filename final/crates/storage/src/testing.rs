//! What the unit tests of this crate share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of the test's own, removed with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hull-storage-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a test that only root can; says so otherwise.
pub fn as_root(name: &str, test: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        return skip(name, "needs root");
    }
    test();
}

/// Runs a test in a mount namespace of its own, so that its mounts end with it whatever happens. The scratch directory
/// outlives the mounts: removing it must not reach into them.
pub fn in_mount_namespace(name: &str, test: impl FnOnce(&Scratch) + Send) {
    let scratch = Scratch::new();
    let ran = std::thread::scope(|scope| scope.spawn(|| enter().map(|()| test(&scratch))).join());
    match ran {
        Ok(Ok(())) => {}
        Ok(Err(error)) => skip(name, &format!("no mount namespace: {error}")),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn enter() -> nix::Result<()> {
    use nix::mount::{MsFlags, mount};
    // CLONE_NEWNS brings CLONE_FS: it is this thread's alone, and ends with it.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>)
}

/// No silent skip, and none at all where every test has to run.
fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("HULL_TESTS_MUST_RUN").is_none(), "{name} cannot run: {why}");
    eprintln!("SKIP {name}: {why}");
}
