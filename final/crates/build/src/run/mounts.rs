//! `--mount` of RUN: from where, to where.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_engine::Engine;
use hull_engine::options::MountOption;
use hull_engine::steps::{Access, Metadata, Secret, Source as Handed, StepMount, StepOptions};
use rustix::fs::{Mode, OFlags};

use super::cache_mounts::{CacheMount, CacheMounts};
use super::ssh::{self, Agent};
use super::{Source, hidden};
use crate::context::Tree;
use crate::dockerfile::mount::{Mount, MountKind, Sharing};
use crate::error::IoContext;
use crate::patterns::beneath_root;
use crate::request::{Request, Secret as Given};
use crate::{Error, Result};

/// BuildKit's limit of a secret, in bytes.
const LARGEST_SECRET: u64 = 500 << 10;

/// The mounts of a step while they are collected.
pub(super) struct Mounts<'a, 'b> {
    engine: &'a Engine,
    request: &'a Request,
    options: &'b mut StepOptions,
    caches: Vec<Cache<'a>>,
    agents: Vec<Agent>,
    sockets: usize,
}

/// A cache mount whose directory has not been taken.
struct Cache<'a> {
    cache: CacheMount,
    sharing: Sharing,
    from: Source<'a>,
    part: PathBuf,
    target: PathBuf,
    access: Access,
}

impl<'a, 'b> Mounts<'a, 'b> {
    pub(super) fn new(engine: &'a Engine, request: &'a Request, options: &'b mut StepOptions) -> Self {
        Self { engine, request, options, caches: vec![], agents: vec![], sockets: 0 }
    }

    pub(super) fn add(&mut self, mount: &Mount, from: Source<'a>) -> Result<()> {
        match &mount.kind {
            MountKind::Bind { source, .. } => {
                let access = if mount.read_only { Access::Read } else { Access::Discard };
                let source = bind(from, source.as_deref())?;
                let target = self.target(mount)?;
                self.push(source, target, access);
            }
            MountKind::Cache { id, sharing, source, from: name } => {
                let target = self.target(mount)?;
                let own = (mount.uid, mount.gid, mount.mode);
                let part = beneath_root(source.as_deref().unwrap_or("/").as_bytes());
                let is_whole = part.as_os_str().is_empty();
                let metadata = metadata(mount, 0o755);
                // Owner and mode are those of an empty cache: a seed brings its own.
                let metadata = match is_whole && own != (None, None, None) {
                    true => metadata,
                    false => Metadata { uid: 0, gid: 0, mode: 0o755 },
                };
                let written = mount.target.as_deref().unwrap_or_default();
                let id = id.clone().unwrap_or_else(|| {
                    Path::new("/").join(beneath_root(written.as_bytes())).display().to_string()
                });
                let seed = name.as_ref().map(|name| seed_key(name, &from));
                let Metadata { uid, gid, mode } = metadata;
                let cache = CacheMount { id, seed, uid, gid, mode };
                let access = if mount.read_only { Access::Read } else { Access::Write };
                self.caches.push(Cache { cache, sharing: *sharing, from, part, target, access });
            }
            MountKind::Tmpfs { size } => {
                let target = self.target(mount)?;
                self.cover(&target);
                // BuildKit's: programs may be executed there.
                let mut options: Vec<String> = ["exec", "dev"].map(Into::into).into();
                options.extend(size.filter(|size| *size > 0).map(|size| format!("size={size}")));
                if mount.read_only {
                    options.push("ro".into());
                }
                self.options.options.mounts.push(MountOption::Tmpfs {
                    target,
                    options,
                    from_mount_flag: true,
                });
            }
            MountKind::Secret { id, env } => self.add_secret(mount, id.as_deref(), env.as_deref())?,
            MountKind::Ssh { id } => self.add_agent(mount, id.as_deref().unwrap_or("default"))?,
        }
        Ok(())
    }

    /// A heredoc that is the program.
    pub(super) fn add_script(&mut self, name: &str, content: Vec<u8>) -> Result<()> {
        let target = Path::new("/dev/pipes").join(name);
        let metadata = Metadata { uid: 0, gid: 0, mode: 0o755 };
        self.push(Handed::Content { bytes: Secret(content), metadata }, target, Access::Read);
        Ok(())
    }

    /// Takes the directories of the caches. Returns what has to live until the step has ended.
    pub(super) fn finish(mut self) -> Result<Vec<Agent>> {
        let store = CacheMounts::of(self.engine.root());
        let mut caches = std::mem::take(&mut self.caches);
        // In the same order in every step, so that two steps do not wait for each other.
        caches.sort_by(|a, b| a.cache.cmp(&b.cache));
        let mut taken: BTreeMap<CacheMount, PathBuf> = BTreeMap::new();
        for Cache { cache, sharing, from, part, target, access } in caches {
            let data = match taken.get(&cache) {
                Some(data) => data.clone(),
                None => {
                    let seed = Seed::open(self.engine, from)?;
                    let mounted = store.take(&cache, sharing, seed.path().as_deref())?;
                    self.options.kept.push(mounted.lock);
                    taken.insert(cache, mounted.data.clone());
                    mounted.data
                }
            };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let root = rustix::fs::open(&data, flags, Mode::empty());
            let root = detached(&root.context(|| format!("open {}", data.display()))?, "the cache")?;
            self.push(Handed::Tree { root, part, hidden: vec![] }, target, access);
        }
        Ok(self.agents)
    }

    fn push(&mut self, source: Handed, target: PathBuf, access: Access) {
        self.cover(&target);
        self.options.mounts.push(StepMount { source, target, access });
    }

    /// The last mount at a place is the one that counts.
    fn cover(&mut self, target: &Path) {
        self.options.mounts.retain(|mount| mount.target != target);
        self.options.options.mounts.retain(|mount| mount.target() != target);
    }

    fn target(&self, mount: &Mount) -> Result<PathBuf> {
        let written = mount.target.as_deref().unwrap_or_default();
        self.target_of(written)
    }

    fn target_of(&self, written: &str) -> Result<PathBuf> {
        let whole = Path::new("/").join(&self.options.working_dir).join(written);
        let target = Path::new("/").join(beneath_root(whole.as_os_str().as_encoded_bytes()));
        if written.is_empty() || target == Path::new("/") {
            let what = "target of a mount".to_owned();
            return Err(Error::Invalid { what, why: format!("invalid mount target {written:?}") });
        }
        Ok(target)
    }

    fn add_secret(&mut self, mount: &Mount, id: Option<&str>, env: Option<&str>) -> Result<()> {
        let target = mount.target.as_deref().filter(|target| !target.is_empty());
        let base = |path: &str| {
            Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let id = id.map_or_else(|| base(target.unwrap_or_default()), str::to_owned);
        let Some(given) = self.request.secrets.get(&id) else {
            return match mount.required {
                true => Err(Error::Invalid {
                    what: format!("secret {id:?}"),
                    why: format!("the build has no such secret: add --secret id={id}"),
                }),
                false => Ok(()),
            };
        };
        let bytes = read_secret(&id, given)?;
        if let Some(name) = env {
            let value = String::from_utf8(bytes.clone()).ok().filter(|value| !value.contains('\0'));
            let value = value.ok_or_else(|| Error::Invalid {
                what: format!("secret {id:?}"),
                why: "it is not text, and an environment variable has to be".into(),
            })?;
            self.options.secret_env.push(format!("{name}={value}"));
            if target.is_none() {
                return Ok(());
            }
        }
        let target = match target {
            Some(target) => self.target_of(target)?,
            None => Path::new("/run/secrets").join(base(&id)),
        };
        let metadata = metadata(mount, 0o400);
        self.push(Handed::Content { bytes: Secret(bytes), metadata }, target, Access::Read);
        Ok(())
    }

    fn add_agent(&mut self, mount: &Mount, id: &str) -> Result<()> {
        let target = match mount.target.as_deref().filter(|target| !target.is_empty()) {
            Some(target) => self.target_of(target)?,
            None => PathBuf::from(format!("/run/buildkit/ssh_agent.{}", self.sockets)),
        };
        self.sockets += 1;
        let Some(paths) = self.request.ssh.get(id) else {
            return match mount.required {
                true => Err(Error::Invalid {
                    what: format!("ssh {id:?}"),
                    why: format!("the build has no such agent: add --ssh {id}"),
                }),
                false => Ok(()),
            };
        };
        let (opened, agent) = ssh::open(self.engine, id, paths)?;
        self.agents.extend(agent);
        let is_first = self.sockets == 1;
        let has_own = self.options.env.iter().any(|entry| entry.starts_with("SSH_AUTH_SOCK="));
        if is_first && !has_own {
            self.options.env.push(format!("SSH_AUTH_SOCK={}", target.display()));
        }
        let metadata = metadata(mount, 0o600);
        self.push(Handed::Socket { opened, metadata }, target, Access::Write);
        Ok(())
    }
}

fn metadata(mount: &Mount, mode: u32) -> Metadata {
    Metadata {
        uid: mount.uid.unwrap_or(0),
        gid: mount.gid.unwrap_or(0),
        mode: mount.mode.unwrap_or(mode) & 0o7777,
    }
}

fn bind(from: Source<'_>, source: Option<&str>) -> Result<Handed> {
    let part = beneath_root(source.unwrap_or("/").as_bytes());
    match from {
        Source::Layers(directories) => Ok(Handed::Layers { directories, part }),
        Source::Tree(tree) => {
            check_exists(tree, &part)?;
            let hidden = hidden::of(tree, &part)?;
            Ok(Handed::Tree { root: detached(&tree.root, &tree.name)?, part, hidden })
        }
        Source::Nothing => Ok(Handed::Layers { directories: vec![], part }),
    }
}

/// The error names the tree, and not a path of the monitor's.
fn check_exists(tree: &Tree, part: &Path) -> Result<()> {
    let at = if part.as_os_str().is_empty() { Path::new(".") } else { part };
    let missing = || Error::NoSuchFile { path: part.to_owned(), place: tree.name.clone() };
    match hull_sys::fs::open_in_root(&tree.root, at, OFlags::PATH) {
        Ok(_) if tree.ignore.excludes(part) && !tree.ignore.may_include_beneath(part) => Err(missing()),
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => Err(missing()),
        found => found.map(drop).context(|| format!("open {} in {}", part.display(), tree.name)),
    }
}

/// A copy of the mount that a directory is on, which shows this directory: mounts of another namespace could not be
/// bound (open_tree(2)).
fn detached(root: &OwnedFd, name: &str) -> Result<OwnedFd> {
    hull_sys::mount::clone_tree(root.as_fd(), c"", true).context(|| format!("bind {name}"))
}

/// A cache that begins with other files is another cache.
fn seed_key(name: &str, from: &Source<'_>) -> String {
    match from {
        Source::Layers(directories) => {
            let mut ids = directories.iter().filter_map(|path| path.parent()?.file_name());
            ids.next_back().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default()
        }
        _ => name.to_owned(),
    }
}

fn read_secret(id: &str, given: &Given) -> Result<Vec<u8>> {
    let bytes = match given {
        Given::Value(bytes) => bytes.clone(),
        Given::File(path) => {
            let context = || format!("read {} for the secret {id:?}", path.display());
            // Without waiting for the writer of a FIFO.
            let file = hull_storage::file::open(path).context(context)?;
            let is_file = file.metadata().context(context)?.is_file();
            let not_file = || std::io::Error::other("it is not a regular file");
            if !is_file {
                return Err(not_file()).context(context);
            }
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(file, LARGEST_SECRET + 1), &mut bytes)
                .context(context)?;
            bytes
        }
    };
    match bytes.len() as u64 > LARGEST_SECRET {
        true => Err(Error::Invalid {
            what: format!("secret {id:?}"),
            why: "it is too big: at most 500 KB".into(),
        }),
        false => Ok(bytes),
    }
}

/// The first files of a cache, while they are copied.
enum Seed<'a> {
    Nothing,
    Borrowed(&'a Tree),
    Owned(Box<Tree>),
}

impl<'a> Seed<'a> {
    fn open(engine: &Engine, from: Source<'a>) -> Result<Self> {
        Ok(match from {
            Source::Nothing => Self::Nothing,
            Source::Tree(tree) => Self::Borrowed(tree),
            Source::Layers(layers) => {
                Self::Owned(Box::new(Tree::of_layers(engine.root(), &layers, "the first files of a cache")?))
            }
        })
    }

    fn path(&self) -> Option<PathBuf> {
        let tree = match self {
            Self::Nothing => return None,
            Self::Borrowed(tree) => tree,
            Self::Owned(tree) => &**tree,
        };
        Some(hull_sys::fs::fd_path(&tree.root).into())
    }
}
