//! Signal names as docker takes them: `SIGTERM`, `term`, `15`, `RTMIN+3`.

use nix::libc;
use nix::sys::signal::Signal;

use crate::error::{Error, Result};

/// The number a name means.
pub fn parse(text: &str) -> Result<i32> {
    let invalid =
        || Error::Invalid { what: format!("signal {text:?}"), why: "see signal(7) for the names".into() };
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=libc::SIGRTMAX()).contains(&number) { Ok(number) } else { Err(invalid()) };
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = |base: i32, offset: &str, sign: i32| {
        let offset =
            if offset.is_empty() { Ok(0) } else { offset.trim_start_matches(['+', '-']).parse::<i32>() };
        let number = base + sign * offset.map_err(|_| invalid())?;
        if (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number) { Ok(number) } else { Err(invalid()) }
    };
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return real_time(libc::SIGRTMIN(), offset, 1);
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        return real_time(libc::SIGRTMAX(), offset, -1);
    }
    format!("SIG{name}").parse::<Signal>().map(|signal| signal as i32).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_real_time_signals_are_understood() {
        assert_eq!(parse("SIGTERM").unwrap(), 15);
        assert_eq!(parse("kill").unwrap(), 9);
        assert_eq!(parse("10").unwrap(), 10);
        assert_eq!(parse("RTMIN+3").unwrap(), libc::SIGRTMIN() + 3);
        for wrong in ["", "0", "65", "SIGFOO", "RTMIN+99", "-1"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
