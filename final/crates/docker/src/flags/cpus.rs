//! `--cpus`: how many CPUs' time a container may use
//! (<https://docs.docker.com/engine/containers/resource_constraints/#configure-the-default-cfs-scheduler>).

/// Billionths of a CPU.
pub fn parse(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(count) if (5e-10..=1e6).contains(&count) => Ok((count * 1e9).round() as u64),
        _ => Err(format!("{text:?} is not a number of CPUs: expected something like 0.5 or 2")),
    }
}

/// The text that [`parse`] reads as `nano_cpus` billionths: `1.5`.
pub fn print(nano_cpus: u64) -> String {
    let (whole, fraction) = (nano_cpus / 1_000_000_000, nano_cpus % 1_000_000_000);
    match fraction {
        0 => whole.to_string(),
        _ => format!("{whole}.{fraction:09}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fractions_are_billionths() {
        for (text, nano_cpus) in [("1", 1_000_000_000), ("0.5", 500_000_000), (".5", 500_000_000)] {
            assert_eq!(parse(text), Ok(nano_cpus), "{text}");
        }
        assert_eq!(print(1_500_000_000), "1.5");
        for wrong in ["", "0", "-1", "x", "1/2", "nan", "inf", "0.0000000001"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nano_cpus in 1..1_000_000_u64 * 1_000_000_000) {
            // A float holds 15 digits, and no machine has a million CPUs.
            let nano_cpus = nano_cpus / 1000 * 1000;
            prop_assume!(nano_cpus > 0);
            prop_assert_eq!(parse(&print(nano_cpus)), Ok(nano_cpus));
        }
    }
}
