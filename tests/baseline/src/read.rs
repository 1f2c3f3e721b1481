//! Reads the files that `hull ps` has to read, and does nothing with them.

use std::fs;
use std::path::Path;

use anyhow::Result;

pub fn read(data: &Path, run: &Path) -> Result<u8> {
    for entry in fs::read_dir(data.join("containers"))? {
        let entry = entry?;
        // A file that is not there is an answer as well: a container that never ran has no exit.json.
        for name in ["container.json", "exit.json"] {
            let _ = fs::read(entry.path().join(name));
        }
        let _ = fs::read(run.join("containers").join(entry.file_name()).join("state.json"));
    }
    Ok(0)
}
