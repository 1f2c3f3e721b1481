//! The built-in image `host`: this machine's own programs, read-only, with an /etc of the container's own.
//!
//! The image has one small layer of empty directories and a few files, the same on all machines with the same /usr. The
//! programs come from bind mounts of /usr and of the few files in /etc that programs need.

use std::path::{Path, PathBuf};

use crate::archive::{ImportOptions, import};
use crate::config::RunConfig;
use crate::digest::Digest;
use crate::error::{IoContext, Result};
use crate::reference::Reference;
use crate::store::{Image, Images};

const LABEL: &str = "org.hull.host";

/// The directories of the layer and their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/tmp", 0o1777),
    ("var/lib", 0o755),
    ("var/log", 0o755),
];

const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// The prompt of an interactive sh or bash: `root@3f2a9c1b7d04:/# `. It says in which container the user is, because the
/// image's files are the machine's own, and nothing else differs at first sight. The image has no shell's start file, so
/// a shell takes the prompt from its environment. `test -O /` asks whether the user is root without another program.
const PROMPT: &str =
    "PS1=$(test -O / && echo \"root@$HOSTNAME:$PWD#\" || echo \"$(id -un 2>/dev/null)@$HOSTNAME:$PWD$\") ";

/// Names at the top of the root: symlinks into /usr on a merged-/usr system, directories elsewhere.
const TOP: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Bind-mounted paths. Programs look for these files outside /usr.
const BOUND: &[&str] = &[
    "/usr",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/etc/pki",
    "/etc/localtime",
    "/etc/terminfo",
    "/etc/os-release",
];

/// Returns the image. It is created when it is first used, and again if another image has taken its name.
pub fn ensure_host_image(images: &Images) -> Result<Image> {
    if let Ok(image) = images.resolve("host")
        && is_host_image(&image)?
    {
        return Ok(image);
    }
    let options = ImportOptions {
        config: run_config(),
        message: Some("this machine's own /usr".into()),
        // A fixed time, so that the same content is the same image.
        created: Some("1970-01-01T00:00:00Z".into()),
        platform: None,
        ..ImportOptions::default()
    };
    import(images, layer()?.as_slice(), Some(&Reference::parse("host")?), options)?;
    images.resolve("host")
}

/// Whether an image is the built-in one. Its label is not enough: otherwise any image could decide that its containers
/// see this machine's files.
pub fn is_host_image(image: &Image) -> Result<bool> {
    let config = &image.config;
    let claims = config.config.as_ref().and_then(|config| config.labels.as_ref());
    if !claims.is_some_and(|labels| labels.contains_key(LABEL)) {
        return Ok(false);
    }
    let same_files = config.rootfs.diff_ids == [Digest::of(&layer()?)];
    Ok(same_files && config.config.as_ref() == Some(&run_config()))
}

fn run_config() -> RunConfig {
    RunConfig {
        cmd: Some(vec!["sh".into()]),
        env: Some(vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            PROMPT.into(),
        ]),
        labels: Some([(LABEL.to_owned(), "true".to_owned())].into()),
        ..RunConfig::default()
    }
}

/// The read-only bind mounts: path on the host, path in the container.
pub fn host_binds() -> Vec<(PathBuf, PathBuf)> {
    let top =
        TOP.iter().map(|name| Path::new("/").join(name)).filter(|path| path.is_dir() && !path.is_symlink());
    let bound = BOUND.iter().map(PathBuf::from).filter(|path| path.exists());
    top.chain(bound).map(|path| (path.clone(), path)).collect()
}

fn layer() -> Result<Vec<u8>> {
    let context = || "write the host image".to_owned();
    let mut archive = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, mode: u32, size: u64| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    };
    for (path, mode) in DIRECTORIES {
        let mut header = header(tar::EntryType::Directory, *mode, 0);
        archive.append_data(&mut header, format!("{path}/"), std::io::empty()).context(context)?;
    }
    for (path, text) in FILES {
        let mut header = header(tar::EntryType::Regular, 0o644, text.len() as u64);
        archive.append_data(&mut header, path, text.as_bytes()).context(context)?;
    }
    for name in TOP {
        if let Ok(target) = std::fs::read_link(Path::new("/").join(name)) {
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            archive.append_link(&mut header, name, target).context(context)?;
        }
    }
    archive.into_inner().context(context)
}
