//! `--chown`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::view::{Found, View, resolve};
use crate::error::IoContext;
use crate::{Error, Result};

/// Bytes of /etc/passwd or /etc/group.
const LONGEST_FILE: u64 = 16 << 20;

/// The user and group of `user[:group]`. Names are looked up in the layers below; without them, only numbers have a
/// meaning. As in docker, a user's number without a group is the group's as well, and no file is asked about it.
pub(super) fn find(chown: &str, below: Option<&View>) -> Result<(u32, u32)> {
    let (user, group) = match chown.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (chown, None),
    };
    let (uid, user_group) = match number(user, chown)? {
        _ if user.is_empty() => (0, 0),
        Some(id) => (id, id),
        None => {
            let fields = look_up(below, "etc/passwd", user, chown)?;
            (field(&fields, 2, chown)?, field(&fields, 3, chown)?)
        }
    };
    let gid = match group {
        None => user_group,
        Some(group) => match number(group, chown)? {
            Some(id) => id,
            None => field(&look_up(below, "etc/group", group, chown)?, 2, chown)?,
        },
    };
    Ok((uid, gid))
}

fn invalid(chown: &str, why: String) -> Error {
    Error::Invalid { what: format!("--chown={chown}"), why }
}

/// `None` if it is a name. The largest number means "do not change" to chown(2).
fn number(text: &str, chown: &str) -> Result<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        _ => Err(invalid(chown, format!("{text} is not the number of a user or group"))),
    }
}

/// The fields of the name's line. passwd(5), group(5).
fn look_up(below: Option<&View>, path: &str, name: &str, chown: &str) -> Result<Vec<String>> {
    let text = match below {
        Some(below) => read(below, Path::new(path)).context(|| format!("read /{path} in the image"))?,
        None => None,
    };
    let Some(text) = text else {
        let why = format!("there is no /{path} below this layer to look up {name:?} in, so use a number");
        return Err(invalid(chown, why));
    };
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(|line| line.trim().split(':'));
    let fields = lines.find(|fields| fields.clone().next() == Some(name));
    let fields = fields.ok_or_else(|| invalid(chown, format!("no {name:?} in the image's /{path}")))?;
    Ok(fields.map(str::to_owned).collect())
}

fn field(fields: &[String], at: usize, chown: &str) -> Result<u32> {
    let id = fields.get(at).and_then(|id| id.parse().ok()).filter(|id| *id != u32::MAX);
    id.ok_or_else(|| invalid(chown, format!("the image has a damaged line for {:?}", fields[0])))
}

/// `None` if there is no such file.
fn read(below: &View, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let resolved = resolve(below, path)?;
    let (Some(Found::Other(directory)), Some(name)) = (resolved.found, resolved.path.file_name()) else {
        return Ok(None);
    };
    // NONBLOCK: it may be a FIFO.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&*directory, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut text)?;
    Ok(Some(text))
}
