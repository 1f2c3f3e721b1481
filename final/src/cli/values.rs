//! Reads the values of flags that clap only collects: the crate `docker` parses the texts, and an error names the flag.

use anyhow::Result;
use hull_docker::size;

use crate::ui::errors::{Exit, Hint};
use crate::ui::hints::OWN_FAILURE;

/// The help of the flag that chooses the columns of LXD's list.
pub const LXD_COLUMNS: &str = "LXD's list, with these columns, such as ns46tS: 4 IPv4, 6 IPv6, a architecture, b storage pool, \
    c created, d description, D disk usage, e project, f F image, l last used, L location, m M memory usage, n name, \
    N processes, p PID, P profiles, s state, S snapshots, t type, u CPU usage, and KEY:TITLE for a key such as user.note";

/// The error for a flag's value that clap has not read: the sentence, hint and exit code that clap's own errors get.
pub(super) fn invalid_value(flag: &str, text: &str, why: &str) -> anyhow::Error {
    let words = crate::persona::words_as_text();
    let mut root = <super::Cli as clap::CommandFactory>::command();
    root.build();
    let verb = hull_usage::verb(&root, &words).0;
    // Compose has one exit code for all mistakes.
    let code = if verb.split(' ').nth(1) == Some("compose") { 1 } else { OWN_FAILURE };
    anyhow::anyhow!("invalid argument {text:?} for {flag}: {why}")
        .context(Hint(format!("{verb} --help says what it takes")))
        .context(Exit(code))
}

/// Reads the value of a flag.
pub fn read<T>(flag: &str, text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T> {
    parse(text).map_err(|why| invalid_value(flag, text, &why))
}

pub(super) fn read_all<T>(
    flag: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>> {
    texts.iter().map(|text| read(flag, text, &parse)).collect()
}

/// Reads an optional flag.
pub fn read_if_given<T>(
    flag: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>> {
    text.map(|text| read(flag, text, &parse)).transpose()
}

pub(super) fn bytes(flag: &str, given: Option<&str>) -> Result<i64> {
    Ok(read_if_given(flag, given, size::parse)?.map_or(0, signed))
}

/// docker's numbers are signed, and 0 where a flag is not given.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn text(given: &Option<String>) -> String {
    given.clone().unwrap_or_default()
}
