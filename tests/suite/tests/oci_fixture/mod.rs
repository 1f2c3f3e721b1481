//! A bundle with busybox, and `hull-oci` with its own root in a scenario.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hull_test_support::{Outcome, Scenario, cgroups, fixtures, leaks, outcome, program};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde_json::{Value, json};

pub struct Fixture(Scenario, PathBuf);

impl Fixture {
    pub fn start() -> Option<Self> {
        Self::of(program::hull_oci())
    }

    /// The same for any program with runc's command line.
    pub fn of(runtime: &Path) -> Option<Self> {
        let fixture = Self(Scenario::start()?, runtime.to_owned());
        let rootfs = fixture.path("bundle/rootfs");
        std::fs::create_dir_all(&rootfs).expect("the scenario's directory can be written");
        let mut tar = Command::new("tar");
        fixtures::run_quietly(tar.arg("-C").arg(&rootfs).arg("-xf").arg(fixtures::busybox())).expect("a tar");
        Some(fixture)
    }

    pub fn scenario(&self) -> &Scenario {
        &self.0
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.path(relative)
    }

    /// A small static program in the container's root. `None` without a C compiler: the test is skipped then.
    #[track_caller]
    pub fn compile(&self, name: &str, text: &str) -> Option<()> {
        let program = hull_test_support::helper::compile(&self.0, name, text)?;
        std::fs::copy(program, self.path("bundle/rootfs").join(name)).expect("the bundle can be written");
        Some(())
    }

    /// The container's root directory belongs to the user that [`in_user_namespace`] maps to root.
    #[track_caller]
    pub fn give_root_away(&self) {
        let mut chown = Command::new("chown");
        chown.args(["-hR", "100000:100000"]).arg(self.path("bundle/rootfs"));
        fixtures::run_quietly(&mut chown).expect("root gives files away");
    }

    pub fn cgroup(&self) -> String {
        format!("{}/box", self.0.cgroup_parent())
    }

    /// A container with all kinds of namespaces of its own, which runs this command.
    pub fn config(&self, args: &[&str]) -> Value {
        let mount =
            |destination: &str, kind: &str| json!({"destination": destination, "type": kind, "source": kind});
        json!({
            "ociVersion": "1.0.2",
            "process": {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}},
            "root": {"path": "rootfs"},
            "hostname": "box",
            "mounts": [
                mount("/proc", "proc"),
                mount("/dev", "tmpfs"),
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                    "options": ["newinstance", "ptmxmode=0666", "mode=0620"]},
            ],
            "linux": {
                "cgroupsPath": self.cgroup(),
                "resources": {"memory": {}, "pids": {}},
                "namespaces": [
                    {"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network"}
                ],
            },
        })
    }

    pub fn bundle(&self, config: &Value) {
        std::fs::write(self.path("bundle/config.json"), config.to_string())
            .expect("the bundle can be written");
    }

    /// Writes a JSON file and returns its path.
    pub fn write(&self, name: &str, value: &Value) -> String {
        self.0.write(name, value.to_string()).to_str().expect("a plain path").to_owned()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.1);
        // A later --root overrides this one.
        if args.first() != Some(&"--root") {
            command.arg("--root").arg(self.path("oci"));
        }
        command.args(args).current_dir(self.path("")).stdin(Stdio::null());
        command
    }

    pub fn oci(&self, args: &[&str]) -> Outcome {
        outcome::run(&mut self.command(args))
    }

    pub fn cgroup_parent(&self) -> &str {
        self.0.cgroup_parent()
    }

    /// For a command whose container keeps stdout and stderr open: both are a file here.
    pub fn detached(&self, args: &[&str]) -> Outcome {
        self.run_to_file(self.command(args))
    }

    pub fn run_to_file(&self, mut command: Command) -> Outcome {
        let started = std::time::Instant::now();
        let file = File::create(self.path("out")).expect("the scenario's directory can be written");
        command.stdout(file.try_clone().expect("a descriptor")).stderr(file);
        let status = command.status().expect("hull-oci runs");
        Outcome {
            command: format!("{command:?}"),
            status,
            stdout: String::new(),
            stderr: self.output(),
            took: started.elapsed(),
        }
    }

    /// The output of [`Self::detached`] and of its container.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.path("out")).unwrap_or_default()
    }

    #[track_caller]
    pub fn state(&self, id: &str) -> Value {
        serde_json::from_str(self.oci(&["state", id]).ok()).expect("JSON")
    }

    /// Checks that no container, cgroup, mount or process is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left = self.left_behind();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    pub fn left_behind(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("oci")).into_iter().flatten().flatten();
        // Compiled filters are kept for the next container.
        let entries = entries.filter(|entry| entry.file_name() != "seccomp:compiled");
        let states = entries.map(|entry| format!("state {}", entry.path().display()));
        let groups = cgroups::below(self.0.cgroup_parent()).into_iter();
        let groups = groups.map(|directory| format!("cgroup {}", directory.display()));
        states.chain(groups).chain(leaks::settle(&self.0)).collect()
    }

    pub fn console_socket(&self) -> (UnixListener, String) {
        let path = self.path("console.sock");
        let listener = UnixListener::bind(&path).expect("a short enough path");
        (listener, path.to_str().expect("a plain path").to_owned())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let ids = self.oci(&["list", "-q"]).stdout;
        for id in ids.lines() {
            self.oci(&["delete", "--force", id]);
        }
    }
}

pub fn as_user(config: &mut Value, uid: u32) {
    config["process"]["user"] = json!({"uid": uid, "gid": uid});
}

/// Root in the container is user 100000 outside.
pub fn in_user_namespace(config: &mut Value) {
    let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    config["linux"]["uidMappings"] = ids.clone();
    config["linux"]["gidMappings"] = ids;
    config["linux"]["namespaces"].as_array_mut().expect("an array").push(json!({"type": "user"}));
}

/// The master of a terminal, received through a console socket.
pub struct Console(File);

impl Console {
    pub fn accept(listener: &UnixListener) -> Self {
        let (socket, _) = listener.accept().expect("somebody connects");
        let mut name = [0; 64];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut name)];
        let received = rustix::net::recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        assert!(received.expect("a message").bytes > 0, "the terminal has a name");
        let fd = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        Self(File::from(fd.expect("a descriptor")))
    }

    /// The pid of the process that the descriptor refers to, by fdinfo (pidfd_open(2)).
    pub fn pid_of_pidfd(&self) -> i64 {
        let path = format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(&self.0));
        let text = std::fs::read_to_string(path).expect("a descriptor");
        let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")).expect("a pidfd");
        pid.trim().parse().expect("a number")
    }

    pub fn type_in(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("a terminal takes input");
    }

    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let mut seen = String::new();
        let mut buffer = [0; 1024];
        while !seen.contains(text) {
            match self.0.read(&mut buffer) {
                Ok(length @ 1..) => seen.push_str(&String::from_utf8_lossy(&buffer[..length])),
                end => panic!("{text:?} is not printed but {seen:?}, then {end:?}"),
            }
        }
    }
}
