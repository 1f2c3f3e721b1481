//! Container names: the file `names/<name>` says which container has the name.
//!
//! A name is claimed before its container exists. If the command is killed in between, the name must not stay taken for
//! ever. So the claim records the process that made it: if that process is dead and no container has the name, the name
//! is free.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::file;
use crate::lock::Lock;
use crate::process_id::ProcessId;
use crate::root::Root;

#[derive(Serialize, Deserialize)]
struct Claim {
    id: String,
    maker: ProcessId,
}

/// What this module needs to know of a `container.json`.
#[derive(Deserialize)]
struct NamedRecord {
    name: String,
}

/// Whether a name follows docker's rule, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, and is not longer than a file name can be.
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    (2..=255).contains(&name.len())
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// [`is_valid`], or a single letter or digit: LXD's names may have only one character, and docker's those of networks.
pub fn is_valid_short(name: &str) -> bool {
    is_valid(name) || matches!(name.as_bytes(), [byte] if byte.is_ascii_alphanumeric())
}

/// Gives `name` to the container `id`, whose record may be written afterwards.
pub fn claim(root: &Root, name: &str, id: &str) -> Result<()> {
    let path = path(root, name)?;
    let claim = Claim { id: id.to_owned(), maker: ProcessId::of_self()? };
    if file::create_json(&path, &claim)? {
        return Ok(());
    }
    // Under a lock: a command that removes a stale claim must not remove the claim with which another one replaced it.
    let _lock = Lock::exclusive(&root.names_dir().join(".lock"))?;
    loop {
        match read(root, name)? {
            Found::Claim(held) if held.id == id => return Ok(()),
            Found::Claim(held) if is_live(root, name, &held)? => {
                return Err(Error::NameTaken { name: name.to_owned(), id: held.id });
            }
            Found::Claim(_) | Found::Damaged => file::remove(&path)?,
            Found::Nothing => {}
        }
        if file::create_json(&path, &claim)? {
            return Ok(());
        }
    }
}

/// Releases `name` if the container has it. A name of another container is not changed.
pub fn release(root: &Root, name: &str, id: &str) -> Result<()> {
    let path = path(root, name)?;
    let _lock = Lock::exclusive(&root.names_dir().join(".lock"))?;
    match read(root, name)? {
        Found::Claim(held) if held.id != id => Ok(()),
        Found::Claim(_) | Found::Damaged => file::remove(&path),
        Found::Nothing => Ok(()),
    }
}

/// The names that a container has claimed. A container whose record is damaged is found by them.
pub fn of_container(root: &Root, id: &str) -> Result<Vec<String>> {
    let mut names = crate::directory::names_in(&root.names_dir())?;
    names.retain(|name| {
        is_valid_short(name) && matches!(read(root, name), Ok(Found::Claim(claim)) if claim.id == id)
    });
    Ok(names)
}

/// Frees names that no container has and whose claiming commands were killed. Names for which `known` is true are
/// passed over: the caller has seen their containers.
pub fn collect(root: &Root, known: impl Fn(&str) -> bool) -> Result<()> {
    let dir = root.names_dir();
    for name in crate::directory::names_in(&dir)?.iter().filter(|name| is_valid_short(name) && !known(name)) {
        let _lock = Lock::exclusive(&dir.join(".lock"))?;
        let is_free = match read(root, name)? {
            Found::Claim(held) => !is_live(root, name, &held)?,
            Found::Damaged => true,
            Found::Nothing => false,
        };
        if is_free {
            file::remove(&dir.join(name))?;
        }
    }
    file::collect(&dir)
}

/// The id of the container that has exactly this name.
pub fn resolve(root: &Root, name: &str) -> Result<Option<String>> {
    // A text that cannot be a name may still be an id or the beginning of one. The caller tries that.
    if !is_valid_short(name) {
        return Ok(None);
    }
    let Found::Claim(held) = read(root, name)? else { return Ok(None) };
    Ok(is_live(root, name, &held)?.then_some(held.id))
}

/// Renames the container `id` from `old` to `new`: claims `new`, calls `record` to write it to the container's record,
/// and releases `old`.
///
/// If the command is killed in between, the container has the name that its record says, and the other name is free.
pub fn rename<E: From<Error>>(
    root: &Root,
    id: &str,
    old: &str,
    new: &str,
    record: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    if old == new {
        return Ok(());
    }
    claim(root, new, id)?;
    if let Err(error) = record() {
        // The first error is reported. A claim that cannot be released is stale once this process has ended.
        let _ = release(root, new, id);
        return Err(error);
    }
    Ok(release(root, old, id)?)
}

fn path(root: &Root, name: &str) -> Result<PathBuf> {
    if !is_valid_short(name) {
        return Err(Error::InvalidName { what: "container", name: name.to_owned() });
    }
    Ok(root.names_dir().join(name))
}

/// The content of a name's file.
enum Found {
    Nothing,
    Claim(Claim),
    /// It cannot be read, and no container's record has the name.
    Damaged,
}

/// If the file is damaged, the records of all containers are searched for the name.
fn read(root: &Root, name: &str) -> Result<Found> {
    match file::read_json::<Claim>(&path(root, name)?) {
        Ok(claim) => Ok(claim.map_or(Found::Nothing, Found::Claim)),
        Err(Error::Damaged { .. }) => {
            let maker = ProcessId { pid: 0, start_time: 0, boot_id: String::new() };
            let owner = container_named(root, name)?;
            Ok(owner.map_or(Found::Damaged, |id| Found::Claim(Claim { id, maker })))
        }
        Err(error) => Err(error),
    }
}

fn container_named(root: &Root, name: &str) -> Result<Option<String>> {
    let has_name = |id: &String| {
        let record = file::read_json::<NamedRecord>(&root.container_dir(id).join("container.json"));
        matches!(record, Ok(Some(record)) if record.name == name)
    };
    let ids = crate::directory::names_in(&root.containers_dir())?;
    Ok(ids.into_iter().filter(|id| !id.starts_with('.')).find(has_name))
}

fn is_live(root: &Root, name: &str, claim: &Claim) -> Result<bool> {
    if claim.maker.is_alive() {
        return Ok(true);
    }
    let record = root.container_dir(&claim.id).join("container.json");
    match file::read_json::<NamedRecord>(&record) {
        Ok(record) => Ok(record.is_some_and(|record| record.name == name)),
        // A container whose record cannot be read still has its name.
        Err(Error::Damaged { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;

    fn root(scratch: &Scratch) -> Root {
        Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap()
    }

    fn claim_of_the_dead(root: &Root, name: &str, id: &str) {
        let maker = ProcessId { start_time: 0, ..ProcessId::of_self().unwrap() };
        assert!(file::create_json(&root.names_dir().join(name), &Claim { id: id.into(), maker }).unwrap());
    }

    fn write_record(root: &Root, id: &str, name: &str) {
        fs::create_dir_all(root.container_dir(id)).unwrap();
        let record = serde_json::json!({ "name": name });
        file::write_json_atomic(&root.container_dir(id).join("container.json"), &record).unwrap();
    }

    #[test]
    fn a_name_is_given_once_and_again_after_its_release() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        claim(&root, "web", "one").unwrap();
        let error = claim(&root, "web", "two").unwrap_err();
        assert!(matches!(&error, Error::NameTaken { id, .. } if id == "one"), "{error}");
        assert_eq!(resolve(&root, "web").unwrap().as_deref(), Some("one"));
        release(&root, "web", "two").unwrap();
        assert!(resolve(&root, "web").unwrap().is_some(), "only its holder releases a name");
        release(&root, "web", "one").unwrap();
        claim(&root, "web", "two").unwrap();
    }

    #[test]
    fn the_name_of_a_dead_maker_without_a_container_is_free() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        claim_of_the_dead(&root, "web", "one");
        assert_eq!(resolve(&root, "web").unwrap(), None);
        claim(&root, "web", "two").unwrap();
    }

    #[test]
    fn the_name_of_a_container_outlives_its_maker() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        claim_of_the_dead(&root, "web", "one");
        write_record(&root, "one", "web");
        assert!(matches!(claim(&root, "web", "two"), Err(Error::NameTaken { .. })));
    }

    #[test]
    fn a_rename_that_was_cut_short_leaves_the_name_the_record_says() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        claim_of_the_dead(&root, "old", "one");
        claim_of_the_dead(&root, "new", "one");
        write_record(&root, "one", "old");
        assert_eq!(resolve(&root, "old").unwrap().as_deref(), Some("one"));
        assert_eq!(resolve(&root, "new").unwrap(), None);
    }

    #[test]
    fn a_rename_whose_record_fails_gives_the_new_name_back() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        claim(&root, "old", "one").unwrap();
        let fail = || Err(Error::NoSuchVolume("x".into()));
        assert!(rename(&root, "one", "old", "new", fail).is_err());
        claim(&root, "new", "two").unwrap();
        rename::<Error>(&root, "one", "old", "older", || Ok(())).unwrap();
        assert_eq!(resolve(&root, "old").unwrap(), None);
        assert_eq!(resolve(&root, "older").unwrap().as_deref(), Some("one"));
    }

    #[test]
    fn of_many_claims_for_one_name_at_once_one_wins() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        claim_of_the_dead(&root, "web", "gone");
        let wins: usize = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|n| {
                    let root = &root;
                    scope.spawn(move || usize::from(claim(root, "web", &n.to_string()).is_ok()))
                })
                .collect();
            claims.into_iter().map(|claim| claim.join().unwrap()).sum()
        });
        assert_eq!(wins, 1);
    }

    #[test]
    fn a_damaged_claim_is_the_one_of_whose_record_has_the_name_or_nobodys() {
        let scratch = Scratch::new();
        let root = root(&scratch);
        for (name, content) in [("web", "{\"id\": \"o"), ("free", "")] {
            fs::write(root.names_dir().join(name), content).unwrap();
        }
        write_record(&root, "one", "web");
        assert_eq!(resolve(&root, "web").unwrap().as_deref(), Some("one"));
        assert_eq!(resolve(&root, "free").unwrap(), None);
        assert!(matches!(claim(&root, "web", "two"), Err(Error::NameTaken { .. })));
        claim(&root, "free", "two").unwrap();
        fs::write(root.names_dir().join("left"), "[").unwrap();
        collect(&root, |_| false).unwrap();
        assert!(!root.names_dir().join("left").exists() && root.names_dir().join("web").exists());
        release(&root, "web", "one").unwrap();
        assert!(!root.names_dir().join("web").exists());
        assert_eq!(of_container(&root, "two").unwrap(), ["free"]);
    }

    #[test]
    fn names_follow_dockers_rule() {
        for good in ["ab", "a-", "web.1", "0_x", &"x".repeat(255)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a", "-a", ".a", "a/b", "..", "a b", "ä1", &"x".repeat(256)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
