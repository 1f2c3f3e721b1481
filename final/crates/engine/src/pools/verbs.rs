//! `storage list|create|delete|set|edit`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hull_storage::lock::Lock;
use hull_storage::pools::image::{FileSystem, Image};
use hull_storage::pools::{Layout, PoolDir, Space};
use hull_storage::process_id::ProcessId;

use super::keys::{SIZE_BOUNDS, check_keys, default_size, file_system, invalid, parse_size};
use super::record::{self, DEFAULT, Driver, Pool};
use super::{mount, usage};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};

/// A pool as `storage info` shows it.
#[derive(Debug, Clone)]
pub struct PoolInfo {
    pub pool: Pool,
    pub space: Space,
    pub users: Vec<String>,
}

impl Engine {
    /// All pools, sorted by name, the default one among them. For a pool with a damaged record the list has the error.
    pub fn pools(&self) -> Result<Vec<(String, Result<Pool>)>> {
        let mut names = record::names(self.root())?;
        names.push(DEFAULT.to_owned());
        names.sort();
        let load = |name: String| {
            let pool = record::load(self.root(), &name).transpose()?;
            Some((name, pool))
        };
        Ok(names.into_iter().filter_map(load).collect())
    }

    pub fn pool(&self, name: &str) -> Result<Pool> {
        record::find(self.root(), name)
    }

    /// The users of a pool: containers and volumes.
    pub fn pool_users(&self, name: &str) -> Result<Vec<String>> {
        usage::users(self, &record::find(self.root(), name)?)
    }

    pub fn pool_info(&self, name: &str) -> Result<PoolInfo> {
        let pool = record::find(self.root(), name)?;
        let space = mount::open_pool(self.root(), &pool)?.space()?;
        Ok(PoolInfo { users: usage::users(self, &pool)?, space, pool })
    }

    /// Makes a pool. Its record is written first, so that what an interruption leaves is found and removed.
    pub fn create_pool(
        &self,
        name: &str,
        driver: &str,
        config: &BTreeMap<String, String>,
        description: &str,
    ) -> Result<Pool> {
        if !hull_storage::names::is_valid_short(name) {
            return Err(hull_storage::Error::InvalidName { what: "pool", name: name.to_owned() }.into());
        }
        let driver = Driver::parse(driver)?;
        if driver != Driver::Dir {
            refuse_unprivileged(driver)?;
        }
        let _lock = self.lock_pools()?;
        super::clean::finish(self)?;
        if record::load(self.root(), name)?.is_some() {
            return Err(Error::PoolExists(name.to_owned()));
        }
        let mut pool = self.plan_pool(name, driver, config)?;
        pool.description = description.to_owned();
        pool.in_work = Some(ProcessId::of_self()?);
        record::store(self.root(), &pool)?;
        let made = self.make_pool(&pool);
        if let Err(error) = made {
            return Err(error.with_undo(super::clean::undo(self, &pool)));
        }
        pool.in_work = None;
        record::store(self.root(), &pool)?;
        Ok(pool)
    }

    fn plan_pool(&self, name: &str, driver: Driver, config: &BTreeMap<String, String>) -> Result<Pool> {
        check_keys(driver, config)?;
        let source = config.get("source").map(PathBuf::from);
        if let Some(source) = &source
            && !source.is_absolute()
        {
            return Err(invalid("source", "it is an absolute path"));
        }
        if let Some(source) = source.as_ref().filter(|source| driver != Driver::Image && !source.is_dir()) {
            // LXD's rule: a misspelt path, or a disk that is not mounted, must not become a new directory.
            let why = format!("there is no directory {}; without a source hull makes one", source.display());
            return Err(invalid("source", &why));
        }
        // LXD's rule: a pool of the driver btrfs without a source is kept in an image file.
        let usual = if driver == Driver::Btrfs { FileSystem::Btrfs } else { FileSystem::Xfs };
        let driver = if driver == Driver::Btrfs && source.is_none() { Driver::Image } else { driver };
        let own = record::own_source(self.root(), name)?;
        let mut config = config.clone();
        let mut pool = Pool::new(name, driver, BTreeMap::new(), PathBuf::new())?;
        pool.source = match driver {
            Driver::Image => source.unwrap_or_else(|| own.with_file_name(format!("{name}.img"))),
            Driver::Dir | Driver::Btrfs => source.unwrap_or(own),
        };
        pool.owns_source = !pool.source.exists();
        if driver == Driver::Image {
            if !pool.owns_source {
                let why = format!("{} exists: an image is a new file", pool.source.display());
                return Err(invalid("source", &why));
            }
            let fs = config.entry("fs".into()).or_insert_with(|| usual.name().into());
            pool.file_system = Some(file_system(fs)?);
            let size = match config.get("size") {
                Some(size) => parse_size(size)?,
                None => default_size(&pool.source)?,
            };
            config.entry("size".into()).or_insert_with(|| format!("{}MiB", size >> 20));
        }
        config.insert("source".into(), pool.source.display().to_string());
        pool.config = config;
        Ok(pool)
    }

    fn make_pool(&self, pool: &Pool) -> Result<()> {
        let dir = mount::dir_of(self.root(), pool);
        match mount::image_of(pool) {
            Some(image) => {
                let size = pool.config.get("size").map_or(Ok(SIZE_BOUNDS.0), |size| parse_size(size))?;
                self.make_image(&image, size)?;
                mount::ensure(self.root(), &image, dir.path())?;
            }
            None => hull_storage::directory::make_dirs(dir.path(), 0o711)?,
        }
        if pool.driver == Driver::Btrfs && dir.layout()? != Layout::Subvolumes {
            let why = format!(
                "{} is on no btrfs; without a source, hull makes a file with one",
                dir.path().display()
            );
            return Err(invalid("source", &why));
        }
        Ok(dir.make(&pool.id)?)
    }

    /// Makes an image file with an empty file system.
    pub(super) fn make_image(&self, image: &Image, bytes: u64) -> Result<()> {
        image.create(bytes)?;
        let (program, arguments, package) = image.file_system.maker();
        let action = || format!("run {program}");
        let mut command = self.program(program).map_err(|_| {
            Error::Unsupported(format!(
                "{program} is missing, which makes the file system: it is in the package {package}"
            ))
        })?;
        command.args(arguments).arg(&image.file).stdin(Stdio::null());
        run(&mut command).context(action)
    }

    /// Removes a pool that nothing uses.
    pub fn delete_pool(&self, name: &str) -> Result<()> {
        if name == DEFAULT {
            return Err(Error::Unsupported(
                "the pool default is hull's data root and cannot be removed".into(),
            ));
        }
        let _unused = self.lock_unused()?;
        let _lock = self.lock_pools()?;
        super::clean::finish(self)?;
        let mut pool = record::find(self.root(), name)?;
        // Until the record says that the pool is being removed, no volume may be made in it.
        let _volumes = self.lock_volumes(name)?;
        let users = usage::users(self, &pool)?;
        if !users.is_empty() {
            return Err(Error::PoolInUse { pool: name.to_owned(), users });
        }
        pool.in_work = Some(ProcessId::of_self()?);
        record::store(self.root(), &pool)?;
        super::clean::undo(self, &pool)
    }

    /// Sets keys of a pool. An empty value unsets its key.
    pub fn set_pool(&self, name: &str, changes: &BTreeMap<String, String>) -> Result<()> {
        self.change_pool(name, |pool| {
            let mut config = pool.config.clone();
            for (key, value) in changes {
                match value.is_empty() {
                    true => drop(config.remove(key)),
                    false => drop(config.insert(key.clone(), value.clone())),
                }
            }
            (config, pool.description.clone())
        })
    }

    /// Replaces all keys of a pool, and its description if there is one.
    pub fn replace_pool(
        &self,
        name: &str,
        config: BTreeMap<String, String>,
        description: Option<&str>,
    ) -> Result<()> {
        self.change_pool(name, |pool| (config, description.map_or(pool.description.clone(), str::to_owned)))
    }

    /// `change` returns the new keys and the new description of a pool. It is called under the pools' lock.
    fn change_pool(
        &self,
        name: &str,
        change: impl FnOnce(&Pool) -> (BTreeMap<String, String>, String),
    ) -> Result<()> {
        if name == DEFAULT {
            return Err(Error::Unsupported("the pool default has no keys: it is hull's data root".into()));
        }
        let _lock = self.lock_pools()?;
        let mut pool = record::find(self.root(), name)?;
        let (config, description) = change(&pool);
        check_keys(pool.driver, &config)?;
        for fixed in ["source", "fs"] {
            if config.get(fixed) != pool.config.get(fixed) {
                return Err(invalid(fixed, "it cannot be changed once the pool is made"));
            }
        }
        let size = config.get("size").map(|size| parse_size(size)).transpose()?;
        if pool.driver == Driver::Image {
            let size = size.ok_or_else(|| invalid("size", "an image has one"))?;
            let image = mount::image_of(&pool).ok_or_else(|| Error::NoSuchPool(name.to_owned()))?;
            let dir = mount::open_pool(self.root(), &pool)?;
            image.resize(dir.path(), size)?;
        }
        (pool.config, pool.description) = (config, description);
        record::store(self.root(), &pool)
    }

    pub(super) fn lock_pools(&self) -> Result<Lock> {
        Ok(Lock::exclusive_within(&self.root().data().join("pools.lock"), None)?)
    }

    /// Opens a pool, and returns its record and its directory.
    pub(super) fn open_pool(&self, name: &str) -> Result<(Pool, PoolDir)> {
        let pool = record::find(self.root(), name)?;
        let dir = mount::open_pool(self.root(), &pool)?;
        Ok((pool, dir))
    }
}

/// Runs a program that prints only when it fails.
fn run(command: &mut Command) -> std::io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line =
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed and says nothing");
    Err(std::io::Error::other(line.to_owned()))
}

fn refuse_unprivileged(driver: Driver) -> Result<()> {
    match hull_sys::id_map::in_user_namespace() {
        true => Err(Error::Unsupported(format!(
            "a pool of the driver {} takes root: the kernel lets nobody else mount or map its files; dir works",
            driver.name()
        ))),
        false => Ok(()),
    }
}
