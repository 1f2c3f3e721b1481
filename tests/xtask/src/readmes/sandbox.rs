//! The clone in which the READMEs are typed. Its path is always the same, so that cargo finds the results of earlier builds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use hull_test_support::{cgroups, fixtures, program};
use tempfile::TempDir;

use crate::book;
use crate::workspace::{root, run, target};

const SETUP: &str = include_str!("sandbox.sh");

/// The images, as OCI layouts, that a local registry serves instead of Docker Hub.
pub struct Sandbox {
    images: PathBuf,
}

/// The objects that a session has made. Dropping it removes them.
pub struct Traces {
    _files: TempDir,
    cgroup: String,
}

impl Sandbox {
    pub fn prepare() -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("the READMEs are typed in namespaces of their own, which takes root");
        }
        let images = program::cache().join("readme-images");
        let debian = fixtures::debian().map_err(|why| anyhow!("an image of Debian: {why}"))?;
        image(&images, "debian", &debian, "bash", None)?;
        image(&images, "alpine", &fixtures::busybox(), "sh", Some("NAME=\"Alpine Linux\"\nID=alpine\n"))?;
        Ok(Self { images })
    }

    /// The environment of the shell, and the files that it leaves.
    pub fn shell(&self) -> Result<(Command, Traces)> {
        let files = tempfile::tempdir().context("making a directory")?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cgroup = format!("/hull-readme-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let own = |name: &str| std::env::var(name).ok();
        let path = own("PATH").unwrap_or_default();
        let target = target()?;
        // The clone has a target directory of its own, and no network to build mdBook from.
        let tools = book::mdbook()?;
        let tools = tools.parent().unwrap_or(Path::new("/usr/bin")).display();
        let shown = |path: &Path| path.display().to_string();
        let variables = [
            ("HOME", own("HOME")),
            ("CARGO_HOME", own("CARGO_HOME")),
            ("RUSTUP_HOME", own("RUSTUP_HOME")),
            // The READMEs of the steps say to put `target/*/debug` in front of their programs' names.
            ("PATH", Some(format!("/usr/local/bin:{path}:{tools}:/usr/sbin:/sbin:/srv/programs"))),
            ("PROGRAMS", Some(shown(&target.join("debug")))),
            ("ROOT", Some(shown(root()))),
            ("FILES", Some(shown(files.path()))),
            ("IMAGES", Some(shown(&self.images))),
            ("TARGET", target.parent().map(|target| shown(&target.join("readmes")))),
            ("HULL_ROOT", Some("/srv/root".into())),
            ("HULL_RUNROOT", Some("/srv/run".into())),
            ("HULL_CGROUP_PARENT", Some(cgroup.clone())),
            ("PS1", Some("# ".into())),
            ("TERM", Some("dumb".into())),
            ("LC_ALL", Some("C.UTF-8".into())),
        ];
        let variables = variables.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        // The environment without the settings of this machine's user, such as a proxy.
        let mut command = Command::new("env");
        // A shell cannot change the signals that its parent ignores, and a job in the background ignores ctrl-c.
        command.args(["-i", "--default-signal=INT,QUIT"]).args(variables);
        command.args(["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]);
        command.args(["--propagation=private", "sh", "-euc", SETUP]);
        Ok((command, Traces { _files: files, cgroup }))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // The kernel may still be ending the processes of the namespaces.
        for _ in 0..250 {
            let (below, own) = (cgroups::below(&self.cgroup), cgroups::directories_of(&self.cgroup));
            if below.iter().chain(&own).filter(|cgroup| fs::remove_dir(cgroup).is_err()).count() == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// An OCI layout of one root file system, which is kept between runs. It is made under another name and renamed, so it is
/// complete or missing.
fn image(images: &Path, name: &str, tar: &Path, shell: &str, os_release: Option<&str>) -> Result<()> {
    let layout = images.join(name);
    if layout.exists() {
        return Ok(());
    }
    fs::create_dir_all(images)?;
    let work = tempfile::tempdir_in(images)?;
    let (tree, unfinished) = (work.path().join("tree"), work.path().join("layout"));
    fs::create_dir(&tree)?;
    run(Command::new("tar").arg("-C").arg(&tree).arg("-xf").arg(tar))?;
    if let Some(text) = os_release {
        fs::write(tree.join("etc/os-release"), text)?;
    }
    let image = format!("{}:latest", unfinished.display());
    let umoci = |args: &[&str]| run(Command::new("umoci").args(args));
    umoci(&["init", "--layout", &unfinished.to_string_lossy()])?;
    umoci(&["new", "--image", &image])?;
    umoci(&["insert", "--image", &image, &tree.to_string_lossy(), "/"])?;
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    umoci(&["config", "--image", &image, "--config.cmd", shell, "--config.env", path])?;
    fs::rename(&unfinished, &layout).with_context(|| format!("writing {}", layout.display()))
}
