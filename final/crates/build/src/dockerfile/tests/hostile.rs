//! Files that are to exhaust memory, time or the stack. Each is refused, or parsed in time that grows with its length.

use std::time::{Duration, Instant};

use super::super::{LARGEST, parse};

/// Tests are built without optimization and run beside others.
const SOON: Duration = Duration::from_secs(120);

/// The error, which must come soon and be short.
#[track_caller]
fn refused(text: &[u8]) -> String {
    let began = Instant::now();
    let error = parse("Dockerfile", text).unwrap_err().to_string();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(error.len() < 3000 && error.starts_with("Dockerfile:"), "{error:.300}");
    error
}

fn filled(begin: &str, piece: &str, end: &str) -> Vec<u8> {
    let count = (LARGEST - begin.len() - end.len()) / piece.len();
    [begin, &piece.repeat(count), end].concat().into_bytes()
}

#[test]
fn a_file_has_a_size() {
    assert!(refused(&vec![b'#'; 50 << 20]).contains("at most"));
    assert!(refused(&filled("FROM a\n", "RUN b\n", "")).contains("instructions"));
    let line = "x".repeat(65_536);
    let long = refused(format!("FROM a\nRUN {line}\n").as_bytes());
    assert_eq!(long, "Dockerfile:2: dockerfile line greater than max allowed size of 65535");
    assert!(parse("Dockerfile", format!("FROM a\nRUN {}\n", &line[5..]).as_bytes()).is_ok());
    let words = format!("COPY{}\n", " a".repeat(1000));
    assert!(refused(&filled("FROM a\n", &words, "")).contains("words"));
}

#[test]
fn one_instruction_may_be_long() {
    let pieces = ["x\\\n", "'a \"b ${c:-d} \\\\e\\\n", "# c\n", "\\\n", "${\\\n", "\n"];
    for piece in pieces {
        let began = Instant::now();
        let text = format!("FROM a\nRUN \\\n{}x\n", piece.repeat((2 << 20) / piece.len()));
        let _ = parse("Dockerfile", text.as_bytes());
        assert!(began.elapsed() < SOON, "{piece:?} {:?}", began.elapsed());
    }
    assert!(refused(&filled("FROM a\nFO\\\n", "O\\\n", "\n")).contains("unknown instruction"));
    assert!(refused(&filled("FROM a\nENV a=\\\n", "b\\\n", " c\n")).contains("can't find"));
}

#[test]
fn heredocs_are_bounded() {
    let kept = parse("Dockerfile", &filled("FROM a\nRUN <<E\n", "line\n", "E\n")).unwrap();
    assert_eq!(kept.instructions[1].span.first, 2);
    assert!(refused(&filled("FROM a\nRUN <<E\n", "line\n", "")).contains("unterminated heredoc"));
    assert!(refused(&filled("FROM a\nCOPY \\\n", "<<E \\\n", "/x\n")).contains("heredocs"));
    // The same heredoc many times is one file.
    let (names, ends) = ("<<E ".repeat(900), "E\n".repeat(899));
    let many = format!("FROM a\nCOPY {names} /x\n{ends}{}E\n", "x\n".repeat(1 << 20));
    assert!(parse("Dockerfile", many.as_bytes()).is_ok());
}

#[test]
fn ten_thousand_stages() {
    let began = Instant::now();
    let stage = |number: usize| format!("FROM s{} AS s{number}\nRUN x\n", number.saturating_sub(1));
    let text: String = (0..10_000).map(stage).collect();
    assert_eq!(parse("Dockerfile", text.as_bytes()).unwrap().instructions.len(), 20_000);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn bytes_that_are_no_text() {
    let nul = "Dockerfile:2: a NUL byte, which no argument of a program can hold";
    assert_eq!(refused(b"FROM a\nRUN \0\n"), nul);
    let error = refused(b"FROM a\n\nRUN echo caf\xe9 \\\n x\n");
    assert_eq!(error, "Dockerfile:3: the text is not valid UTF-8: byte 0xe9 behind \"RUN echo caf\"");
    let heredoc = refused(b"FROM a\nRUN <<E\n\xff\nE\n");
    assert!(heredoc.starts_with("Dockerfile:2: the text is not valid UTF-8"), "{heredoc}");
    let comments = parse("Dockerfile", b"# caf\xe9\nFROM a\nRUN a \\\n# \xff\n b\n");
    assert!(comments.is_ok(), "comments may hold anything");
}

#[test]
fn nested_triggers_are_refused_without_recursion() {
    assert!(refused(&filled("FROM a\n", "ONBUILD \\\n", "RUN x\n")).contains("Chaining"));
}
