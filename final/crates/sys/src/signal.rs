//! The names and numbers of signals: signal(7).

use nix::libc;
use nix::sys::signal::Signal;

/// The number of a signal in any form that docker and runc accept: `SIGTERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`. Signal 0
/// only checks that the process exists (kill(2)). `None` if there is no such signal.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..=libc::SIGRTMAX()).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let named = format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32);
    named.or_else(|| real_time(name))
}

fn real_time(name: &str) -> Option<i32> {
    let (base, sign, rest) = match name.strip_prefix("RTMIN") {
        Some(rest) => (libc::SIGRTMIN(), '+', rest),
        None => (libc::SIGRTMAX(), '-', name.strip_prefix("RTMAX")?),
    };
    let offset = match rest {
        "" => 0,
        // A number may have a sign of its own, which `parse` accepts.
        rest => {
            let digits =
                rest.strip_prefix(sign).filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))?;
            i32::from(digits.parse::<u8>().ok()?)
        }
    };
    let number = if sign == '+' { base + offset } else { base - offset };
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_real_time_signals_are_parsed() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("kill", 9),
            ("10", 10),
            ("0", 0),
            ("rtmin+3", libc::SIGRTMIN() + 3),
            ("SIGRTMIN", libc::SIGRTMIN()),
            ("SIGRTMAX-1", libc::SIGRTMAX() - 1),
        ] {
            assert_eq!(parse(text), Some(number), "{text}");
        }
        let wrong =
            ["", "65", "SIGFOO", "RTMIN+99", "-1", "RTMIN-1", "RTMAX+3", "RTMIN++3", "RTMIN3", "99999999999"];
        for wrong in wrong {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
