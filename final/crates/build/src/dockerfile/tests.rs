use super::{Command, Kind, parse};

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
