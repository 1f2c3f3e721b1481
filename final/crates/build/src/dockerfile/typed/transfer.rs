//! COPY and ADD.

use super::super::instruction::{Kind, Transfer};
use super::{Flags, Statement, heredoc, typed};

pub(super) fn parse(
    name: &str,
    statement: &Statement,
    mut values: Vec<String>,
    flags: &Flags,
) -> Result<Kind, String> {
    let (Some(destination), false) = (values.pop(), values.is_empty()) else {
        return Err(format!(
            "{name} requires at least two arguments, but only one was provided. Destination could not be determined"
        ));
    };
    let mut transfer = Transfer {
        destination,
        from: flags.one("from"),
        chown: flags.one("chown"),
        chmod: flags.one("chmod"),
        link: flags.bool("link") == Some(true),
        parents: flags.bool("parents") == Some(true),
        exclude: flags.several("exclude"),
        checksum: flags.one("checksum"),
        unpack: flags.bool("unpack"),
        keep_git_dir: flags.bool("keep-git-dir") == Some(true),
        ..Transfer::default()
    };
    if !statement.json && heredoc::is_heredoc(&transfer.destination) {
        return Err(format!("{name} cannot accept a heredoc as a destination"));
    }
    for source in values {
        match heredoc::parse(&source) {
            // Where two heredocs have the same name, they are one file, which has the last one's content.
            Ok(Some(word)) if transfer.heredocs.iter().any(|known| known.name == word.name) => {}
            Ok(Some(word)) if !statement.json => {
                let content = statement.heredocs.iter().rfind(|heredoc| heredoc.name == word.name);
                transfer.heredocs.extend(content.map(typed));
            }
            _ => transfer.sources.push(source),
        }
    }
    Ok(if name == "ADD" { Kind::Add(transfer) } else { Kind::Copy(transfer) })
}
