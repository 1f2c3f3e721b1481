//! Parsing signals in all forms that runc accepts: `SIGTERM`, `term`, `15`, `RTMIN+3`.

use anyhow::{Result, bail};
use nix::libc;
use nix::sys::signal::Signal;

/// The number of a signal (signal(7)). Signal 0 only checks that the process exists (kill(2)).
pub fn parse(text: &str) -> Result<i32> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = || {
        let (base, sign, rest) = match name.strip_prefix("RTMIN") {
            Some(rest) => (libc::SIGRTMIN(), '+', rest),
            None => (libc::SIGRTMAX(), '-', name.strip_prefix("RTMAX")?),
        };
        let offset: u8 = if rest.is_empty() { 0 } else { rest.strip_prefix(sign)?.parse().ok()? };
        let number = if sign == '+' { base + i32::from(offset) } else { base - i32::from(offset) };
        (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number).then_some(number)
    };
    let number = text.parse::<i32>().ok().filter(|number| (0..=libc::SIGRTMAX()).contains(number));
    let named = || format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32);
    match number.or_else(named).or_else(real_time) {
        Some(number) => Ok(number),
        None => bail!("unknown signal {text:?}: see signal(7) for the names"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_real_time_signals_are_parsed() {
        for (text, number) in
            [("SIGTERM", 15), ("kill", 9), ("10", 10), ("0", 0), ("rtmin+3", libc::SIGRTMIN() + 3)]
        {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        assert_eq!(parse("SIGRTMAX-1").unwrap(), libc::SIGRTMAX() - 1);
        for wrong in ["", "65", "SIGFOO", "RTMIN+99", "-1", "RTMIN-1", "99999999999"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
