//! A service of OpenRC: openrc-run(8).

/// The text of the service. `hull` is the beginning of each of hull's command lines: the program and its roots.
pub fn text(hull: &[String]) -> String {
    let hull: Vec<String> = hull.iter().map(|word| quoted(word)).collect();
    let hull = hull.join(" ");
    format!(
        "#!/sbin/openrc-run\n\
         # As /etc/init.d/hull-boot, with mode 0755: rc-update add hull-boot default\n\n\
         description=\"Containers that start with the machine\"\n\n\
         depend() {{\n\tneed localmount\n\tuse cgroups net\n\tafter firewall lxcfs\n}}\n\n\
         start() {{\n\tebegin \"Starting containers\"\n\t{hull} boot start\n\teend $?\n}}\n\n\
         stop() {{\n\tebegin \"Stopping containers\"\n\t{hull} boot stop\n\teend $?\n}}\n"
    )
}

/// A word for sh(1).
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.=:,+@".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_the_program_as_it_is() {
        assert_eq!(quoted("/usr/bin/hull"), "/usr/bin/hull");
        assert_eq!(quoted("--root=/a b/it's"), "'--root=/a b/it'\\''s'");
        assert!(text(&["hull".into()]).contains("\n\thull boot start\n"));
    }
}
