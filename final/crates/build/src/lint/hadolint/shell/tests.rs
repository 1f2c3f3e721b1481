use super::{Command, Script};

fn commands(text: &str) -> Vec<String> {
    let line = |command: &Command| {
        let words: Vec<_> =
            std::iter::once(&command.name).chain(&command.arguments).map(String::as_str).collect();
        words.join(" ")
    };
    Script::parse(text).commands.iter().map(line).collect()
}

#[test]
fn operators_and_keywords_separate_commands() {
    assert_eq!(commands("a 1 && b||c;d & e | f"), ["a 1", "b", "c", "d", "e", "f"]);
    assert_eq!(
        commands("if a; then b; else c; fi; for i in x y; do d $i; done"),
        ["a", "b", "c", "d ${VAR}"]
    );
    assert_eq!(commands("(a; { b; }); f() { c; }"), ["a", "b", "c"]);
    assert_eq!(commands("case $x in a|b) c;; *) d;; esac; e"), ["c", "d", "e"]);
    assert_eq!(commands("[ -f a ] && [[ -f b && c ]] && d"), ["d"]);
}

#[test]
fn quotes_assignments_and_redirections_are_no_arguments() {
    assert_eq!(commands(r#"A=1 B="x y" 'a b' "c" d\ e >f 2>&1 <g h"#), ["a b c d e h"]);
    assert_eq!(commands("A=1"), Vec::<String>::new());
    assert_eq!(commands("$X a"), Vec::<String>::new());
    assert_eq!(commands("'open"), Vec::<String>::new());
}

#[test]
fn substitutions_have_commands_too() {
    assert_eq!(commands("a \"$(b c)\" `d` ${e:-$(f)}"), ["a ${VAR} ${VAR} ${VAR}", "b c", "d"]);
    assert!(Script::parse("a $(b | c)").has_pipe);
    assert!(!Script::parse("a 'b | c' || d").has_pipe);
}

#[test]
fn flags_and_their_values_are_told_from_arguments() {
    let script = Script::parse("apt-get -qy install -t stable --no-install-recommends a b");
    let command = &script.commands[0];
    assert_eq!(command.plain(&["t"]), ["install", "a", "b"]);
    assert!(command.has_flag(&["y"]) && command.has_flag(&["no-install-recommends"]));
    assert_eq!(command.value_of("t"), Some("stable"));
}
