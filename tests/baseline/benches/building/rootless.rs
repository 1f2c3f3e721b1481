//! hull as an unprivileged user, in a scenario of its own. A scenario belongs to its thread, so builds are asked for.

use std::os::unix::fs::{MetadataExt, chown};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use hull_test_support::Scenario;
use rustix::mount::{UnmountFlags, unmount};

use super::builders::{build, on_memory};
use super::contexts::Contexts;
use crate::common::succeed;

pub struct Rootless {
    // `None` at its end.
    asks: Option<Sender<&'static [&'static str]>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Rootless {
    /// `None` where an unprivileged user cannot build.
    pub fn start() -> Option<Self> {
        let (asks, asked) = channel();
        let (tell, done) = channel();
        let thread = std::thread::spawn(move || serve(&asked, &tell));
        let rootless = Self { asks: Some(asks), done, thread: Some(thread) };
        rootless.done.recv().ok()?;
        Some(rootless)
    }

    /// Builds the ten steps.
    pub fn build(&self, flags: &'static [&'static str]) {
        let asks = self.asks.as_ref().expect("it is there until the end");
        asks.send(flags).expect("its thread waits");
        self.done.recv().expect("the build succeeds");
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(asked: &Receiver<&'static [&'static str]>, tell: &Sender<()>) {
    let Some(scenario) = Scenario::rootless() else { return };
    let (data, contexts) = (scenario.data_root(), scenario.path("contexts"));
    on_memory(&contexts);
    // hull makes its store, so that it belongs to the user.
    scenario.ok(&["images"]);
    let owner = std::fs::metadata(&data).expect("its store");
    on_memory(&data);
    chown(&data, Some(owner.uid()), Some(owner.gid())).expect("root may");
    scenario.busybox();
    let steps = Contexts::new(&contexts).steps();
    let ready = tell.send(());
    while ready.is_ok()
        && let Ok(flags) = asked.recv()
    {
        succeed(&mut build(&scenario, &steps, flags));
        if tell.send(()).is_err() {
            break;
        }
    }
    for directory in [&data, &contexts] {
        let _ = unmount(directory, UnmountFlags::DETACH);
    }
}
