use std::time::{Duration, SystemTime};

use hull_build::dockerfile::Span;
use hull_build::progress::{Event, Outcome, Step};

use super::board::Board;
use super::frame::{Colours, fit, frame};
use super::plain::Plain;
use super::raw_json;

fn at(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + Duration::from_millis(milliseconds)
}

fn planned(id: u32, name: &str) -> (Event, SystemTime) {
    let step = Step { id, name: name.into(), stage: None, span: None, inputs: vec![] };
    (Event::Planned(step), at(0))
}

fn started(step: u32, time: u64) -> (Event, SystemTime) {
    (Event::Started { step, at: at(time) }, at(time))
}

fn output(step: u32, time: u64, text: &str) -> (Event, SystemTime) {
    (Event::Output { step, stderr: false, bytes: text.into() }, at(time))
}

fn finished(step: u32, time: u64, took: u64, outcome: Outcome) -> (Event, SystemTime) {
    (Event::Finished { step, at: at(time), took: Duration::from_millis(took), outcome }, at(time))
}

fn plain(events: &[(Event, SystemTime)]) -> String {
    let (mut board, mut out) = (Board::default(), Vec::new());
    let mut plain = Plain::new(&mut out);
    for (event, now) in events {
        if let Some(at) = board.note(event, *now) {
            plain.show(&board, event, at, *now);
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn the_lines_of_one_step_stay_together() {
    let shown = plain(&[
        planned(7, "[a 1/2] RUN one"),
        planned(8, "[b 1/1] RUN two"),
        planned(9, "[a 2/2] RUN three"),
        started(7, 0),
        started(8, 0),
        output(7, 123, "one\nunfin"),
        output(8, 200, "other\n"),
        output(7, 300, "ished\n"),
        finished(7, 400, 400, Outcome::Done(None)),
        output(8, 500, "more\n"),
        finished(9, 600, 0, Outcome::Cached),
        finished(8, 700, 700, Outcome::Failed("exit code: 1".into())),
    ]);
    let wanted = "\
#1 [a 1/2] RUN one
#1 0.123 one
#1 0.300 unfinished
#1 DONE 0.4s

#2 [b 1/1] RUN two
#2 0.200 other
#2 0.500 more
#2 ...

#3 [a 2/2] RUN three
#3 CACHED

#2 [b 1/1] RUN two
#2 ERROR: exit code: 1
";
    assert_eq!(shown, wanted);
}

#[test]
fn a_step_that_is_silent_gives_way_to_one_that_prints() {
    let shown = plain(&[
        planned(0, "RUN sleep"),
        planned(1, "RUN make"),
        started(0, 0),
        output(0, 0, "waiting\n"),
        started(1, 0),
        output(1, 1000, "first\n"),
        output(1, 7000, "second\n"),
        finished(0, 8000, 8000, Outcome::Done(None)),
    ]);
    assert!(
        shown.contains("#1 ...\n\n#2 RUN make\n#2 1.000 first\n#2 7.000 second\n#2 ...\n\n#1 RUN sleep\n"),
        "{shown}"
    );
}

#[test]
fn what_a_step_prints_cannot_pass_for_the_view() {
    let shown = plain(&[
        planned(0, "RUN \x1b[2J"),
        started(0, 0),
        output(0, 0, "\x1b]0;title\x07\x1b[31mred\rover\n\u{202e}x\n"),
    ]);
    assert_eq!(shown, "#1 RUN \\x1b[2J\n#1 0.000 over\n#1 0.000 \\u202ex\n");
}

#[test]
fn ten_thousand_lines_at_once_are_all_shown() {
    let text = (0..10_000).map(|line| format!("{line}\n")).collect::<String>();
    let shown = plain(&[
        planned(0, "RUN seq"),
        started(0, 0),
        output(0, 0, &text),
        output(0, 0, "end"),
        finished(0, 0, 0, Outcome::Done(None)),
    ]);
    let wanted = text.lines().chain(["end"]).map(|line| format!("#1 0.000 {line}\n")).collect::<String>();
    assert_eq!(shown, format!("#1 RUN seq\n{wanted}#1 DONE 0.0s\n"));
}

#[test]
fn a_reason_and_a_transfer_belong_to_their_step() {
    let why = Event::Why { step: 0, reason: "a.txt: its content".into() };
    let what = || "transferring context:".to_owned();
    let moved = Event::Transferred { step: 0, what: what(), current: 2000, total: None };
    let events = [
        planned(0, "COPY a.txt"),
        started(0, 0),
        (why, at(1)),
        (moved, at(2)),
        finished(0, 100, 100, Outcome::Done(None)),
    ];
    let wanted =
        "#1 COPY a.txt\n#1 why: a.txt: its content\n#1 transferring context: 2kB done\n#1 DONE 0.1s\n";
    assert_eq!(plain(&events), wanted);
}

fn board(events: &[(Event, SystemTime)]) -> Board {
    let mut board = Board::default();
    for (event, now) in events {
        board.note(event, *now);
    }
    board
}

#[test]
fn the_live_view_shows_what_runs_and_what_it_says() {
    let board = board(&[
        planned(0, "[1/2] FROM a"),
        planned(1, "[2/2] RUN make"),
        finished(0, 100, 0, Outcome::Cached),
        started(1, 100),
        output(1, 200, "one\ntwo\n"),
    ]);
    let shown = frame(&board, at(0), at(2100), (10, 40), Colours(false), false);
    let wanted = [
        "[+] Building 2.1s (1/2)",
        " => CACHED [1/2] FROM a            0.0s",
        " => [2/2] RUN make                 2.0s",
        " => => # one",
        " => => # two",
    ];
    assert_eq!(shown, wanted);
    let coloured = frame(&board, at(0), at(2100), (10, 40), Colours(true), false);
    assert!(coloured[1].starts_with("\x1b[34m => CACHED") && coloured[1].ends_with("0.0s\x1b[0m"));
}

#[test]
fn the_live_view_shows_progress_that_is_written_over() {
    let board = board(&[planned(0, "RUN curl"), started(0, 0), output(0, 200, "begin\n10%\r20%")]);
    let shown = frame(&board, at(0), at(1000), (10, 40), Colours(false), false);
    assert_eq!(shown[2..], [" => => # begin", " => => # 20%"]);
}

#[test]
fn steps_that_have_ended_make_room_for_the_output_of_one_that_runs() {
    let mut events = vec![];
    for id in 0..40 {
        events.push(planned(id, &format!("RUN {id}")));
        events.push(finished(id, 10 + u64::from(id), 1, Outcome::Done(None)));
    }
    events.extend([planned(40, "RUN make"), started(40, 100), output(40, 200, "one\ntwo\nthree\n")]);
    let shown = frame(&board(&events), at(0), at(1000), (12, 40), Colours(false), false);
    assert_eq!(shown.len(), 12);
    assert!(shown[1].starts_with(" => RUN 33 ") && shown[8].starts_with(" => RUN make "), "{shown:#?}");
    assert_eq!(shown[9..], [" => => # one", " => => # two", " => => # three"]);
}

#[test]
fn what_was_made_is_still_said_in_the_end() {
    let note = |what: &str| {
        let event = Event::Transferred { step: 0, what: what.into(), current: 0, total: None };
        (event, at(1))
    };
    let moved = Event::Transferred { step: 0, what: "a layer".into(), current: 5, total: Some(10) };
    let board = board(&[
        planned(0, "exporting to image"),
        started(0, 0),
        (moved, at(1)),
        note("writing image sha256:1"),
        note("naming to docker.io/library/app:latest"),
        finished(0, 100, 100, Outcome::Done(None)),
    ]);
    let shown = frame(&board, at(0), at(1000), (3, 60), Colours(false), true);
    let wanted = [" => => writing image sha256:1", " => => naming to docker.io/library/app:latest"];
    assert_eq!(shown[2..], wanted, "{shown:#?}");
}

#[test]
fn steps_that_still_run_when_the_build_is_over_are_cancelled() {
    let mut board = board(&[
        planned(0, "RUN a"),
        planned(1, "RUN b"),
        planned(2, "RUN c"),
        started(0, 0),
        started(1, 0),
        finished(1, 500, 500, Outcome::Failed("exit code: 1".into())),
    ]);
    let events = board.cancellations(at(700));
    assert_eq!(events.len(), 1);
    for event in &events {
        board.note(event, at(700));
    }
    let shown = frame(&board, at(0), at(1000), (10, 40), Colours(false), true);
    assert!(shown[1].starts_with(" => CANCELED RUN a ") && shown[1].ends_with("0.7s"), "{shown:#?}");
    assert!(shown[2].starts_with(" => ERROR RUN b ") && shown.len() == 3, "{shown:#?}");
}

#[test]
fn the_live_view_is_never_larger_than_its_window() {
    let mut events = Vec::new();
    for id in 0..50 {
        events.push(planned(id, &format!("[{id}/50] RUN with a name that is rather long 世界")));
        events.push(started(id, 0));
        events.push(output(id, 10, &"a long line of output with\ttabs and 世界 \n".repeat(20)));
        if id < 40 {
            events.push(finished(id, 100 + u64::from(id), 100, Outcome::Done(None)));
        }
    }
    let board = board(&events);
    for rows in [1, 2, 5, 11, 24, 60, 200] {
        for columns in [1, 5, 12, 20, 80, 300] {
            let lines = frame(&board, at(0), at(1000), (rows, columns), Colours(false), false);
            assert!(lines.len() <= rows, "{} lines in {rows} rows", lines.len());
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest < columns, "{widest} columns in {columns}");
        }
    }
    let lines = frame(&board, at(0), at(1000), (12, 80), Colours(false), false);
    assert_eq!(lines.iter().filter(|line| line.contains("/50] RUN")).count(), 10, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("[49/50]")), "all that run are shown: {lines:#?}");
    assert!(lines.len() == 12 && lines.iter().any(|line| line.contains("# a long line")), "{lines:#?}");
    let lines = frame(&board, at(0), at(1000), (100, 80), Colours(false), false);
    assert!(lines.iter().any(|line| line.contains("[39/50]")), "and the last that ended: {lines:#?}");
    let all = frame(&board, at(0), at(1000), (12, 80), Colours(false), true);
    assert_eq!(all.len(), 51, "at the end all steps are shown");
}

#[test]
fn a_text_is_cut_by_the_columns_it_takes() {
    assert_eq!(fit("abcdef", 4), "abc");
    assert_eq!(fit("世界人", 6), "世界");
    assert_eq!(fit("a\tb", 10), "a b");
}

#[test]
fn raw_json_is_what_clients_of_buildkit_read() {
    let mut board = Board::default();
    let mut out = Vec::new();
    let span = Some(Span { first: 3, last: 3 });
    let step = Step { id: 1, name: "RUN x".into(), stage: None, span, inputs: vec![0] };
    for (event, now) in [
        planned(0, "FROM a"),
        (Event::Planned(step), at(0)),
        started(1, 5),
        output(1, 6, "hi\n"),
        finished(1, 10, 5, Outcome::Failed("exit code: 1".into())),
    ] {
        let place = board.note(&event, now);
        raw_json::show(&mut out, &board, &event, place, now);
    }
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    let (base, last) = (&lines[0]["vertexes"][0], &lines[4]["vertexes"][0]);
    assert_eq!(last["inputs"][0], base["digest"]);
    assert_eq!(last["error"], "exit code: 1");
    assert!(last["started"].as_str().unwrap().ends_with('Z') && last["completed"].is_string());
    assert_eq!((&lines[3]["logs"][0]["data"], &lines[3]["logs"][0]["stream"]), (&"aGkK".into(), &1.into()));
    assert_eq!(lines[3]["logs"][0]["vertex"], last["digest"]);
}
