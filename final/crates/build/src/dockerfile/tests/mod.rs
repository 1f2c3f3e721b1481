use super::{Command, Kind, Script, parse, trigger};

fn kinds(text: &str) -> Vec<Kind> {
    let file = parse("Dockerfile", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    file.instructions.into_iter().map(|instruction| instruction.kind).collect()
}

#[test]
fn an_ordinary_file() {
    let text = "# syntax=docker/dockerfile:1\n\n# build compiles\nFROM golang AS Build\nRUN go \\\n  # why\n\n  build\nCMD [\"a\", \"b\"]\nCOPY --from=x --chown=1:2 a b /c/\n";
    let file = parse("Dockerfile", text.as_bytes()).unwrap();
    assert_eq!(file.directives, [("syntax".into(), "docker/dockerfile:1".into(), 1)]);
    assert_eq!(file.empty_continuations, [8]);
    let [from, run, cmd, copy] = &file.instructions[..] else { panic!("{file:#?}") };
    assert_eq!((from.span.first, &from.comments[..]), (4, &["build compiles".to_owned()][..]));
    assert_eq!((run.span.first, run.span.last, &*run.original), (5, 8, "RUN go   build"));
    assert_eq!(cmd.kind, Kind::Cmd(Command::Exec(vec!["a".into(), "b".into()])));
    let Kind::Copy(copy) = &copy.kind else { panic!("{copy:?}") };
    assert_eq!((&copy.sources[..], &*copy.destination), (&["a".to_owned(), "b".into()][..], "/c/"));
}

#[test]
fn heredocs_are_attached() {
    let text =
        "FROM a\nRUN <<-\"A\" cat && cat <<B\n\tx\n\tA\ny $z\nB\nCOPY <<f /x/\n1\nf\nONBUILD RUN <<E\n2\nE\n";
    let kinds = kinds(text);
    let Kind::Run(run) = &kinds[1] else { panic!() };
    let seen: Vec<_> = run.heredocs.iter().map(|doc| (&*doc.name, &*doc.content, doc.expands)).collect();
    assert_eq!(seen, [("A", "x\n", false), ("B", "y $z\n", true)]);
    let Kind::Copy(copy) = &kinds[2] else { panic!() };
    assert_eq!((copy.sources.len(), &*copy.heredocs[0].content), (0, "1\n"));
    let Kind::OnBuild(text, _) = &kinds[3] else { panic!() };
    assert_eq!(text, "RUN <<E\n2\nE");
}

mod hostile;
mod mounts;

#[test]
fn a_json_list_with_text_behind_it_is_for_the_shell() {
    let kinds = kinds("FROM a\nRUN [\"a\", \"b\"] && c\nCMD [\"\\u00e9\"]\nENTRYPOINT []\n");
    assert!(
        matches!(&kinds[1], Kind::Run(run) if run.command == Command::Shell("[\"a\", \"b\"] && c".into()))
    );
    assert_eq!(kinds[2], Kind::Cmd(Command::Exec(vec!["é".into()])));
    assert_eq!(kinds[3], Kind::Entrypoint(Command::Exec(vec![])));
}

#[test]
fn flags_are_given_as_written_and_checked() {
    let text = "FROM a\nCOPY --link --parents=FALSE --exclude=a --exclude=b --chmod= x y\n";
    let file = parse("Dockerfile", text.as_bytes()).unwrap();
    let Kind::Copy(copy) = &file.instructions[1].kind else { panic!() };
    assert_eq!((copy.link, copy.parents, &copy.chmod), (true, false, &None));
    assert_eq!(copy.exclude, ["a", "b"]);
    assert_eq!(file.instructions[1].flags[0], ("link".into(), None));
    assert_eq!(file.instructions[1].flags[4], ("chmod".into(), Some(String::new())));
}

#[test]
fn comments_describe_what_they_are_above() {
    let text = "# x\n#\n# one\n\n# two\nFROM a\n# \u{fc}\nRUN b \\\n# within\n c\nCMD d\n";
    let file = parse("Dockerfile", text.as_bytes()).unwrap();
    let comments: Vec<_> = file.instructions.iter().map(|one| one.comments.join(",")).collect();
    assert_eq!(comments, ["one,two", "ü", ""]);
}

#[test]
fn the_script_of_a_run_is_its_heredoc() {
    let script = |text: &str| match &kinds(&format!("FROM a\n{text}"))[1] {
        Kind::Run(run) => run.script(),
        other => panic!("{other:?}"),
    };
    let shell = |text: &str| Script::Command(Command::Shell(text.into()));
    assert_eq!(script("RUN <<E\na\nE\n"), shell("a\n"));
    assert_eq!(script("RUN <<-E\n\ta\nE\n"), shell("a\n"));
    assert_eq!(script("RUN <<E cat\na\nE\n"), shell("<<E cat\na\nE"));
    assert_eq!(script("RUN <<A a <<B\n1\nA\n2\nB\n"), shell("<<A a <<B\n1\nA\n2\nB"));
    let file = Script::File { name: "E".into(), content: "#!/bin/x\n".into() };
    assert_eq!(script("RUN <<E\n#!/bin/x\nE\n"), file);
    assert_eq!(script("RUN [\"a\"]\n"), Script::Command(Command::Exec(vec!["a".into()])));
}

#[test]
fn a_base_images_triggers_are_single_instructions() {
    let found = trigger("ONBUILD of a", "RUN <<E\n2\nE").unwrap();
    assert!(matches!(found.kind, Kind::Run(_)));
    let wrong = [
        ("FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("onbuild RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("RUN a\nRUN b", "onbuild trigger should be a single expression: \"RUN a\\nRUN b\""),
        ("", "file with no instructions"),
    ];
    for (text, why) in wrong {
        let error = trigger("ONBUILD of a", text).unwrap_err().to_string();
        assert_eq!(error, format!("ONBUILD of a:1: {why}"));
    }
}

#[test]
fn directives_are_found_where_buildkit_finds_them() {
    let cases = [
        ("#syntax=a b\n# CHECK = x ; y \n#escape=`\n", "1 syntax a b, 2 check x ; y, 3 escape `", '`'),
        ("#!/usr/bin/env x\n# syntax=a\n# escape=`\n# check=b\n", "2 syntax a, 4 check b", '\\'),
        ("# x\n# syntax=a\n", "", '\\'),
        ("\u{feff}# syntax=a\n", "1 syntax a", '\\'),
    ];
    for (text, wanted, escape) in cases {
        let file = parse("Dockerfile", format!("{text}FROM a\n").as_bytes()).unwrap();
        let show = |(name, value, line): &(String, String, u32)| format!("{line} {name} {value}");
        let found: Vec<_> = file.directives.iter().map(show).collect();
        assert_eq!((&*found.join(", "), file.escape), (wanted, escape));
    }
}
