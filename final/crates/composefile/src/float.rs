//! Floating-point numbers as Go prints them.

/// `%v` of `fmt` and the numbers of YAML: the shortest digits that are read back as the same number.
pub(crate) fn general(value: f64) -> String {
    general_of(&format!("{value:e}"))
}

/// As `general`, with the digits that tell it from its neighbours of 32 bits.
pub(crate) fn general_single(value: f32) -> String {
    general_of(&format!("{value:e}"))
}

fn general_of(text: &str) -> String {
    shown(text, |exponent| !(-4..6).contains(&exponent), |text| text)
}

/// The numbers of `encoding/json`, which has none for infinity.
pub(crate) fn json(value: f64) -> String {
    json_of(&format!("{value:e}"))
}

pub(crate) fn json_single(value: f32) -> String {
    json_of(&format!("{value:e}"))
}

fn json_of(text: &str) -> String {
    // `1e-09` is written as `1e-9` there.
    let clean = |text: String| text.replace("e-0", "e-");
    shown(text, |exponent| !(-6..21).contains(&exponent), clean)
}

/// From Rust's scientific notation (`1.5e-7`), whose digits are the shortest ones too.
fn shown(text: &str, is_large: fn(i32) -> bool, clean: fn(String) -> String) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return match text {
            "inf" => "+Inf".into(),
            "-inf" => "-Inf".into(),
            other => other.into(),
        };
    };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (digits, exponent) = (mantissa.replace('.', ""), exponent.parse().unwrap_or(0));
    let text =
        if is_large(exponent) { clean(scientific(&digits, exponent)) } else { plain(&digits, exponent) };
    format!("{sign}{text}")
}

/// `1.5e+21`: the exponent has a sign and at least two digits.
fn scientific(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

fn plain(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (whole, fraction) = digits.split_at(whole);
    format!("{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (-1.25, "-1.25"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(general(value), text);
        }
        for (value, text) in
            [(1e6, "1000000"), (1e21, "1e+21"), (1e-6, "0.000001"), (1e-7, "1e-7"), (1e-10, "1e-10")]
        {
            assert_eq!(json(value), text);
        }
        assert_eq!(json_single(0.1), "0.1");
        assert_eq!(general_single(1.5), "1.5");
    }
}
