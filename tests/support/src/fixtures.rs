//! Image archives made on this machine, because none can be pulled. They are kept in the test cache, since making
//! them takes long.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use crate::{program, skip};

/// A root file system with a static busybox and a link per applet: the `busybox-static` package as a tar.
pub fn busybox() -> PathBuf {
    cached("busybox-dated.tar", |to| {
        let tree = tempfile::tempdir().map_err(|e| e.to_string())?;
        let root = tree.path();
        for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"] {
            fs::create_dir(root.join(dir)).map_err(|e| e.to_string())?;
        }
        let busybox = skip::find_program("busybox").ok_or("busybox-static is not installed")?;
        fs::copy(&busybox, root.join("bin/busybox")).map_err(|e| e.to_string())?;
        let applets = Command::new(&busybox).arg("--list").output().map_err(|e| e.to_string())?;
        for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|a| *a != "busybox") {
            symlink("busybox", root.join("bin").join(applet)).map_err(|e| e.to_string())?;
        }
        for (file, text) in [
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/tmp:/bin/sh\n"),
            ("etc/group", "root:x:0:\nworker:x:1000:\nextra:x:2000:worker\n"),
            ("etc/issue-of-image", "made for tests\n"),
        ] {
            // The same time on every machine: recorded images of builders have it.
            let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
            fs::write(root.join(file), text)
                .and_then(|()| fs::File::open(root.join(file))?.set_modified(made))
                .map_err(|e| e.to_string())?;
        }
        tar(root, to)
    })
    .expect("the busybox image can be made")
}

/// Debian's minbase by debootstrap, from the mirror that this machine's own apt uses.
pub fn debian() -> Result<PathBuf, String> {
    cached("debian-minbase.tar", |to| {
        let (mirror, suite) = apt_source().ok_or("apt has no source with this release")?;
        if skip::find_program("debootstrap").is_none() {
            return Err("debootstrap is not installed".into());
        }
        let tree = tempfile::tempdir().map_err(|e| e.to_string())?;
        let root = tree.path().join("root");
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", &suite]).arg(&root).arg(&mirror);
        run_quietly(&mut debootstrap)?;
        tar(&root, to)
    })
}

/// Debian with a database (redis-server) and Python.
pub fn debian_tools() -> Result<PathBuf, String> {
    debian_with("debian-tools.tar", &["redis-server", "python3"])
}

/// Debian with what a site consists of: nginx, Python, PostgreSQL and Redis.
pub fn debian_services() -> Result<PathBuf, String> {
    let packages = ["nginx-light", "postgresql", "python3-psycopg2", "python3-redis", "redis-server"];
    debian_with("debian-services.tar", &packages)
}

/// [`debian`]'s tree with packages, by apt.
fn debian_with(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let debian = debian()?;
    cached(name, |to| {
        let tree = tempfile::tempdir().map_err(|e| e.to_string())?;
        unpack(&debian, tree.path())?;
        install(tree.path(), packages)?;
        tar(tree.path(), to)
    })
}

/// Unpacks what [`tar`] has packed.
pub(crate) fn unpack(archive: &Path, tree: &Path) -> Result<(), String> {
    run_quietly(Command::new("tar").arg("-C").arg(tree).arg("-xf").arg(archive))
}

/// Installs packages into a tree of Debian, and removes what no test reads.
pub(crate) fn install(root: &Path, packages: &[&str]) -> Result<(), String> {
    // The services that are installed must not start here.
    let policy = root.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")
        .and_then(|()| fs::set_permissions(&policy, PermissionsExt::from_mode(0o755)))
        .and_then(|()| fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")))
        .map_err(|e| e.to_string())?;
    let apt = |words: &[&str]| {
        let mut chroot = Command::new("chroot");
        chroot.arg(root).arg("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run_quietly(&mut chroot)
    };
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())?;
    apt(&["clean"])?;
    for unused in ["usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists"] {
        let _ = fs::remove_dir_all(root.join(unused));
    }
    Ok(())
}

/// The busybox image as umoci makes it, an OCI layout, copied by skopeo into another format:
/// `docker-archive`, `oci-archive` or `oci` (a directory).
pub fn by_skopeo(format: &str, name: &str) -> Result<PathBuf, String> {
    for program in ["skopeo", "umoci"] {
        if skip::find_program(program).is_none() {
            return Err(format!("{program} is not installed"));
        }
    }
    // Made first, because the cache makes one fixture at a time.
    let busybox = busybox();
    // The archive holds the name, so each name has an archive of its own. skopeo ends the path at a colon.
    let file = format!("busybox-{format}-{}", name.replace(['/', ':'], "-"));
    cached(&file, |to| {
        let work = tempfile::tempdir().map_err(|e| e.to_string())?;
        let (layout, root) = (work.path().join("layout"), work.path().join("root"));
        fs::create_dir(&root).map_err(|e| e.to_string())?;
        run_quietly(Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(&busybox))?;
        let image = format!("{}:latest", layout.display());
        run_quietly(Command::new("umoci").args(["init", "--layout"]).arg(&layout))?;
        run_quietly(Command::new("umoci").args(["new", "--image", &image]))?;
        run_quietly(Command::new("umoci").args(["insert", "--image", &image]).arg(&root).arg("/"))?;
        let config = ["config", "--image", &image, "--config.cmd", "sh", "--config.env", "PATH=/bin"];
        run_quietly(Command::new("umoci").args(config))?;
        let from = format!("oci:{image}");
        let target = format!("{format}:{}:{name}", to.display());
        run_quietly(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &from, &target]))
    })
}

/// The runtime youki, built from its published source.
pub fn youki() -> Result<PathBuf, String> {
    const VERSION: &str = "0.7.0";
    if let Some(installed) = skip::find_program("youki") {
        return Ok(installed);
    }
    let directory = cached(&format!("youki-{VERSION}"), |to| {
        let work = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "youki", "--quiet", "--locked", "--version", VERSION]);
        // Without the features that need C libraries.
        cargo.args(["--no-default-features", "--features", "v1,v2", "--root"]).arg(to);
        run_quietly(cargo.current_dir(work.path()).env("CARGO_TARGET_DIR", work.path()))
    })?;
    Ok(directory.join("bin/youki"))
}

/// Packs `tree` with owners, devices and extended attributes as they are.
pub fn tar(tree: &Path, to: &Path) -> Result<(), String> {
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "--xattrs", "--one-file-system", "--sort=name", "-C"]);
    // Busybox's tar, which the VM has, knows plain options only.
    let plain =
        Command::new("tar").arg("--version").output().is_ok_and(|o| !o.stdout.starts_with(b"tar (GNU"));
    if plain {
        tar = Command::new("tar");
        tar.arg("-C");
    }
    run_quietly(tar.arg(tree).arg("-cf").arg(to).arg("."))
}

/// `name` in the cache, made by `make` if it is missing. It is made under another name and renamed, so it is
/// complete or not there.
pub(crate) fn cached(name: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    let path = program::cache().join(name);
    if !path.exists() {
        let unfinished = program::cache().join(format!("{name}.{}", std::process::id()));
        make(&unfinished)?;
        fs::rename(&unfinished, &path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(path)
}

/// Mirror and release name of the first apt source that carries this machine's own release, in either format of
/// sources.list(5).
fn apt_source() -> Option<(String, String)> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let suite = release.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME="))?.to_owned();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(fs::read_dir("/etc/apt/sources.list.d").ok()?.flatten().map(|e| e.path()));
    let texts = files.iter().filter_map(|f| fs::read_to_string(f).ok());
    let mirror =
        texts.into_iter().find_map(|text| one_line_style(&text, &suite).or(deb822_style(&text, &suite)))?;
    Some((mirror, suite))
}

fn one_line_style(text: &str, suite: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let words: Vec<_> =
            line.split_whitespace().filter(|w| !w.contains('=') && !w.starts_with('[')).collect();
        (words.first() == Some(&"deb") && words.get(2) == Some(&suite)).then(|| words[1].to_owned())
    })
}

fn deb822_style(text: &str, suite: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| stanza.lines().find_map(|l| l.strip_prefix(name));
        let has_suite = field("Suites:")?.split_whitespace().any(|s| s == suite);
        has_suite.then(|| field("URIs:")?.split_whitespace().next().map(str::to_owned))?
    })
}

/// Runs a command. The error is what it printed.
pub fn run_quietly(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
