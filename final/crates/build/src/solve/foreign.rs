//! Whether this machine runs programs of another platform: its processor does, or binfmt_misc has an interpreter for them
//! (binfmt-misc.rst).

use std::fs;
use std::path::Path;

use hull_image::platform::Platform;

use crate::{Error, Result};

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// # Errors
///
/// [`Error::Unsupported`] if a RUN for this platform could not start any program.
pub(super) fn check(platform: &Platform) -> Result<()> {
    let host = Platform::host();
    if host.suits(platform).is_some() || runs_directly(&host, platform) {
        return Ok(());
    }
    match handler(Path::new(HANDLERS), platform) {
        Some(handler) if handler.is_in_every_root => Ok(()),
        Some(handler) => Err(Error::Unsupported(format!(
            "RUN for {platform}: {} of binfmt_misc has no flag F, so its interpreter {} would have to be in the image",
            handler.name, handler.interpreter
        ))),
        None => Err(Error::Unsupported(format!(
            "RUN for {platform} on {host}: the kernel has no interpreter for such programs; packages like \
             qemu-user-static register one with binfmt_misc. COPY and ADD for other platforms need none"
        ))),
    }
}

/// 64-bit processors that run their family's 32-bit programs.
fn runs_directly(host: &Platform, platform: &Platform) -> bool {
    matches!(
        (host.architecture.as_str(), platform.architecture.as_str()),
        ("amd64", "386") | ("arm64", "arm")
    )
}

struct Handler {
    name: String,
    interpreter: String,
    /// The kernel opened the interpreter when it was registered (flag F).
    is_in_every_root: bool,
}

/// The handler that the kernel would use for a program of the platform.
fn handler(directory: &Path, platform: &Platform) -> Option<Handler> {
    let header = header_of(&platform.architecture)?;
    let mut names: Vec<_> = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let text = fs::read_to_string(directory.join(&name)).ok()?;
        let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let is_enabled = text.lines().next() == Some("enabled");
        let magic = bytes(field("magic ")?)?;
        let mask = field("mask ").map_or_else(|| Some(vec![0xff; magic.len()]), bytes)?;
        let starts_at: usize = field("offset ").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let found = header.get(starts_at..starts_at + magic.len())?;
        let fits =
            found.iter().zip(&magic).zip(&mask).all(|((found, magic), mask)| (found ^ magic) & mask == 0);
        (is_enabled && fits).then(|| Handler {
            name: name.to_string_lossy().into_owned(),
            interpreter: field("interpreter ").unwrap_or_default().to_owned(),
            is_in_every_root: field("flags: ").is_some_and(|flags| flags.contains('F')),
        })
    })
}

/// The beginning of an ELF program of an architecture (elf(5)), as far as handlers look at it.
fn header_of(architecture: &str) -> Option<[u8; 20]> {
    const LITTLE: u8 = 1;
    const BIG: u8 = 2;
    let (bits, order, machine): (u8, u8, u16) = match architecture {
        "amd64" => (64, LITTLE, 62),
        "386" => (32, LITTLE, 3),
        "arm64" => (64, LITTLE, 183),
        "arm" => (32, LITTLE, 40),
        "riscv64" => (64, LITTLE, 243),
        "ppc64le" => (64, LITTLE, 21),
        "s390x" => (64, BIG, 22),
        "loong64" => (64, LITTLE, 258),
        "mips64le" => (64, LITTLE, 8),
        "mips64" => (64, BIG, 8),
        _ => return None,
    };
    let mut header = [0; 20];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', if bits == 64 { 2 } else { 1 }, order, 1]);
    const EXECUTABLE: u16 = 2;
    let number = |value: u16| if order == LITTLE { value.to_le_bytes() } else { value.to_be_bytes() };
    header[16..18].copy_from_slice(&number(EXECUTABLE));
    header[18..20].copy_from_slice(&number(machine));
    Some(header)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AARCH64: &str = "7f454c460201010000000000000000000200b700";
    const MASK: &str = "ffffffffffffff00fffffffffffffffffeffffff";

    fn find(text: &str, platform: &str) -> Option<bool> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("qemu-aarch64"), text).unwrap();
        fs::write(directory.path().join("status"), "enabled\n").unwrap();
        handler(directory.path(), &Platform::parse(platform).unwrap()).map(|handler| handler.is_in_every_root)
    }

    #[test]
    fn a_handler_is_found_by_the_header_of_its_programs() {
        let text = |state: &str, flags: &str| {
            format!(
                "{state}\ninterpreter /usr/bin/qemu\nflags: {flags}\noffset 0\nmagic {AARCH64}\nmask {MASK}\n"
            )
        };
        assert_eq!(find(&text("enabled", "OCF"), "linux/arm64"), Some(true));
        assert_eq!(find(&text("enabled", ""), "linux/arm64/v8"), Some(false));
        assert_eq!(find(&text("disabled", "F"), "linux/arm64"), None);
        assert_eq!(find(&text("enabled", "F"), "linux/riscv64"), None);
        assert_eq!(find("enabled\ninterpreter /x\nflags: \nextension .arm\n", "linux/arm64"), None);
        assert_eq!(find("enabled\nmagic 7f4\n", "linux/arm64"), None);
    }

    #[test]
    fn the_machines_own_programs_need_no_handler() {
        check(&Platform::host()).unwrap();
        check(&Platform::parse("linux/unknown").unwrap()).unwrap_err();
    }
}
