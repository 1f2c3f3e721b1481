//! The columns of `-c`: letters, and keys of the configuration or of devices.

use std::time::SystemTime;

use anyhow::{Result, bail};
use hull_docker::time;

use super::row::{Measure, Row, state};

/// A column of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Letter(char),
    /// A key of the configuration, or `DEVICE.KEY` of a device. `width` is the greatest number of characters that are
    /// shown.
    Key {
        is_device: bool,
        key: String,
        title: String,
        width: Option<usize>,
    },
}

const LETTERS: &[(char, &str)] = &[
    ('4', "IPV4"),
    ('6', "IPV6"),
    ('a', "ARCHITECTURE"),
    ('b', "STORAGE POOL"),
    ('c', "CREATED AT"),
    ('d', "DESCRIPTION"),
    ('D', "DISK USAGE"),
    ('e', "PROJECT"),
    ('f', "BASE IMAGE"),
    ('F', "BASE IMAGE"),
    ('l', "LAST USED AT"),
    ('L', "LOCATION"),
    ('m', "MEMORY USAGE"),
    ('M', "MEMORY USAGE%"),
    ('n', "NAME"),
    ('N', "PROCESSES"),
    ('p', "PID"),
    ('P', "PROFILES"),
    ('s', "STATE"),
    ('S', "SNAPSHOTS"),
    ('t', "TYPE"),
    ('u', "CPU USAGE"),
];

/// `ns4,user.note:NOTE,devices:eth0.parent`: a word between commas is letters, or a key if it has a dot or a colon.
pub fn parse(text: &str) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for word in text.split(',') {
        if word.is_empty() {
            bail!("invalid columns {text:?}: an entry is empty");
        }
        if word.contains(['.', ':']) {
            columns.push(key(word)?);
            continue;
        }
        for letter in word.chars() {
            if !LETTERS.iter().any(|(known, _)| *known == letter) {
                let known: Vec<String> =
                    LETTERS.iter().map(|(letter, title)| format!("{letter} {title}")).collect();
                bail!("invalid columns {text:?}: there is no column {letter:?}, but {}", known.join(", "));
            }
            columns.push(Column::Letter(letter));
        }
    }
    Ok(columns)
}

/// `[config:|devices:]KEY[:TITLE][:WIDTH]`.
fn key(word: &str) -> Result<Column> {
    let (is_device, rest) = match (word.strip_prefix("devices:"), word.strip_prefix("config:")) {
        (Some(rest), _) => (true, rest),
        (None, rest) => (false, rest.unwrap_or(word)),
    };
    let mut parts = rest.split(':');
    let key = parts.next().unwrap_or_default().to_owned();
    let title =
        parts.next().filter(|title| !title.is_empty()).map_or_else(|| key.to_uppercase(), str::to_owned);
    let width = match parts.next().filter(|width| !width.is_empty()).map(str::parse::<i64>) {
        None | Some(Ok(-1)) => None,
        // As in LXD, no wider than the title.
        Some(Ok(0)) => Some(title.chars().count()),
        Some(Ok(width)) if width > 0 => usize::try_from(width).ok(),
        Some(_) => bail!("invalid column {word:?}: the greatest width is a number, or -1"),
    };
    if key.is_empty() || parts.next().is_some() || is_device && !key.contains('.') {
        bail!("invalid column {word:?}: it is KEY[:TITLE][:WIDTH], and of a device devices:NAME.KEY");
    }
    Ok(Column::Key { is_device, key, title, width })
}

/// What has to be measured for these columns.
pub fn measure(columns: &[Column]) -> Measure {
    let any = |letters: &[char]| columns.iter().any(|column| column.is(letters));
    Measure { usage: any(&['m', 'M', 'N', 'u']), disk: any(&['D']), snapshots: any(&['S']) }
}

impl Column {
    pub fn title(&self) -> String {
        match self {
            Self::Letter(letter) => {
                let found = LETTERS.iter().find(|(known, _)| known == letter);
                found.map_or_else(String::new, |(_, title)| (*title).to_owned())
            }
            Self::Key { title, .. } => title.clone(),
        }
    }

    pub fn is(&self, letters: &[char]) -> bool {
        matches!(self, Self::Letter(letter) if letters.contains(letter))
    }

    pub fn cell(&self, row: &Row<'_>) -> String {
        match self {
            Self::Letter(letter) => letter_cell(*letter, row),
            Self::Key { is_device, key, width, .. } => {
                let value = match is_device {
                    true => key.split_once('.').and_then(|(device, key)| row.device(device, key)),
                    false => row.key(key),
                };
                let value = value.unwrap_or_default();
                width.map_or_else(|| value.clone(), |width| value.chars().take(width).collect())
            }
        }
    }
}

fn letter_cell(letter: char, row: &Row<'_>) -> String {
    let one = row.summary;
    let addresses = |is_v6: bool| {
        let lines = one.addresses().filter(|(_, address)| address.is_ipv6() == is_v6);
        lines.map(|(interface, address)| format!("{address} ({interface})")).collect::<Vec<_>>().join("\n")
    };
    let number = |of: Option<u64>| of.map_or_else(String::new, |number| number.to_string());
    match letter {
        '4' => addresses(false),
        '6' => addresses(true),
        'a' => std::env::consts::ARCH.into(),
        'b' => one.pool().into(),
        'c' => moment(one.created),
        'd' => row.description().into(),
        'D' => row.disk.map_or_else(String::new, bytes),
        'e' => "default".into(),
        'f' => image(&one.image_id).chars().take(12).collect(),
        'F' => image(&one.image_id).into(),
        'l' => one.started.map_or_else(String::new, moment),
        'L' => "none".into(),
        'm' => row.memory.map_or_else(String::new, bytes),
        'M' => row.memory_share.map_or_else(String::new, |share| format!("{share:.1}%")),
        'n' => one.name.clone(),
        'N' => number(row.processes),
        'p' => one.init().map_or_else(String::new, |pid| pid.to_string()),
        'P' => one.instance().profiles.join("\n"),
        's' => state(one).to_uppercase(),
        'S' => number(row.snapshots),
        't' => if one.is_ephemeral() { "CONTAINER (EPHEMERAL)" } else { "CONTAINER" }.into(),
        'u' => row.cpu.map_or_else(String::new, |nanoseconds| format!("{}s", nanoseconds / 1_000_000_000)),
        _ => String::new(),
    }
}

/// `2026/11/30 01:55 UTC`.
pub fn moment(time: SystemTime) -> String {
    let text = time::go_json(time);
    let part = |range| text.get(range).unwrap_or_default();
    format!("{} {} UTC", part(0..10).replace('-', "/"), part(11..16))
}

/// A fingerprint is a digest without its algorithm.
fn image(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, hex)| hex)
}

/// LXD's sizes: two digits after the point, and units of 1024.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count}B");
    }
    let mut value = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        value /= 1024.0;
        unit = Some(next);
    }
    format!("{value:.2}{}", unit.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_is_in_the_help() {
        let help = crate::cli::values::LXD_COLUMNS;
        let words: Vec<&str> = help.split_whitespace().collect();
        for (letter, title) in LETTERS {
            assert!(words.contains(&letter.to_string().as_str()), "{letter} {title}");
        }
    }

    #[test]
    fn letters_and_keys_may_follow_one_another() {
        let column = |is_device, key: &str, title: &str, width| Column::Key {
            is_device,
            key: key.into(),
            title: title.into(),
            width,
        };
        assert_eq!(parse("ns,4").unwrap(), ['n', 's', '4'].map(Column::Letter));
        assert_eq!(
            parse("n,user.a:NOTE:5,config:image.os,devices:eth0.parent::0").unwrap(),
            [
                Column::Letter('n'),
                column(false, "user.a", "NOTE", Some(5)),
                column(false, "image.os", "IMAGE.OS", None),
                column(true, "eth0.parent", "ETH0.PARENT", Some(11)),
            ]
        );
        for wrong in ["", "n,,s", "x", "user.a:T:x", "user.a:T:-2", "devices:eth0", "a:b:1:2"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_has_minutes() {
        assert_eq!(moment(SystemTime::UNIX_EPOCH), "1970/01/01 00:00 UTC");
    }

    #[test]
    fn sizes_are_those_of_lxd() {
        assert_eq!([bytes(12), bytes(1024), bytes(1_500_000)], ["12B", "1.00KiB", "1.43MiB"]);
    }
}
