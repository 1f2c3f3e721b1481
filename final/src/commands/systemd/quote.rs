//! The syntax of a unit's command lines: systemd.service(5), "COMMAND LINES", and systemd.syntax(7).

/// A word of an `Exec…=` line. systemd expands `%` and `$` there, and takes quotes and backslashes out.
pub fn word(text: &str) -> String {
    let plain = text.replace('%', "%%").replace('$', "$$");
    quoted(&plain)
}

/// The same for a value in which only `%` is expanded, such as a path or a variable.
pub fn value(text: &str) -> String {
    quoted(&text.replace('%', "%%"))
}

fn quoted(text: &str) -> String {
    let is_plain = |character: char| !character.is_whitespace() && !"\"'\\;".contains(character);
    if !text.is_empty() && text.chars().all(|character| is_plain(character) && !character.is_control()) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_the_program_as_it_is() {
        for (text, written) in [
            ("plain-1.2/x=y", "plain-1.2/x=y"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("100%", "100%%"),
            ("echo $A", r#""echo $$A""#),
            (r#"say "x"\"#, r#""say \"x\"\\""#),
            ("it's", r#""it's""#),
            (";", r#"";""#),
            ("two\nlines", r#""two\nlines""#),
            ("\u{1b}", r#""\x1b""#),
        ] {
            assert_eq!(word(text), written);
        }
        assert_eq!(value("$A %n"), "\"$A %%n\"");
    }
}
