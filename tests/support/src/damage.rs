//! Damages hull's files, as a power cut, a full disk or a careless editor does.

use std::fs;
use std::path::Path;

/// What [`damage`] can do to a file.
pub const DAMAGES: [&str; 5] = ["half", "empty", "garbage", "another", "inside"];

/// Damages the file, which is there, in one of the ways of [`DAMAGES`].
#[track_caller]
pub fn damage(path: &Path, how: &str) {
    let mut content = fs::read(path).unwrap_or_else(|e| panic!("cannot damage {}: {e}", path.display()));
    let length = content.len();
    match how {
        "half" => content.truncate(length / 2),
        "empty" => content.clear(),
        "garbage" => content = vec![0xff; length.max(16)],
        "another" => content = b"{\"format\": 1, \"id\": \"x\", \"name\": \"../x\"}".to_vec(),
        "inside" => {
            content.resize(length.max(length / 2 + 3), 0);
            content[length / 2..][..3].copy_from_slice(b"\x00{]");
        }
        _ => panic!("{how} is no kind of damage"),
    }
    fs::write(path, content).expect("the file can be written");
}
