use std::time::{Duration, Instant};

use hull_compose::progress::{Event, container, network};

use super::board::Board;
use super::frame::Layout;
use super::screen::over;
use super::{Json, Plain};

fn board(events: &[(Event, u64)]) -> (Board, Instant) {
    let begin = Instant::now();
    let mut board = Board::default();
    for (event, milliseconds) in events {
        board.take(event.clone(), begin + Duration::from_millis(*milliseconds));
    }
    (board, begin + Duration::from_secs(1))
}

fn layout(rows: usize) -> Layout<'static> {
    Layout {
        title: "Running",
        rows,
        columns: 60,
        is_monochrome: true,
        is_dry_run: false,
        tick: 0,
        is_last: false,
    }
}

#[test]
fn rows_are_aligned_and_have_their_own_time() {
    let (board, now) = board(&[
        (Event::working(network("shop_default"), "Creating"), 0),
        (Event::done(network("shop_default"), "Created"), 40),
        (Event::working(container("shop-web-1"), "Starting"), 100),
        (Event::error(container("shop-db-1"), "no such image, and a long sentence about it"), 100),
    ]);
    assert_eq!(
        layout(24).lines(&board, now),
        [
            "[+] Running 2/3",
            " ✔ Network shop_default  Created                       0.0s ",
            " ⠋ Container shop-web-1  Starting                      0.9s ",
            " ✘ Container shop-db-1   no such image, and a long se… 0.0s ",
        ]
    );
}

#[test]
fn a_small_window_shows_what_is_in_work() {
    let mut events: Vec<_> =
        (0..9).map(|n| (Event::done(container(&format!("d{n}")), "Started"), 0)).collect();
    events.push((Event::working(container("last"), "Starting"), 0));
    let (board, now) = board(&events);
    let lines = layout(5).lines(&board, now);
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().any(|line| line.contains("last")), "{lines:?}");
    assert!(lines[4].contains("and 7 more"), "{lines:?}");
    let last = Layout { is_last: true, ..layout(5) };
    assert_eq!(last.lines(&board, now).len(), 11);
}

#[test]
fn layers_are_cells_of_their_image() {
    let layer = |id: &str, percent, current, total| Event {
        parent: "web".into(),
        percent,
        current,
        total,
        ..Event::working(id, "Downloading")
    };
    let (board, now) = board(&[
        (Event::working("web", "Pulling"), 0),
        (layer("aaa", 50, 500_000, 1_000_000), 0),
        (layer("bbb", 100, 1_000_000, 1_000_000), 0),
    ]);
    let lines = layout(3).lines(&board, now);
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("[⣤⣿]   1.5MB / 2MB"), "{lines:?}");
    assert_eq!(layout(24).lines(&board, now).len(), 4);
}

#[test]
fn plain_lines_and_objects_are_compose_s() {
    let event = Event::done(container("shop-web-1"), "Created");
    assert_eq!(Plain { is_dry_run: false }.line(&event), " Container shop-web-1  Created\n");
    assert_eq!(Plain { is_dry_run: true }.line(&event), " DRY-RUN MODE -  Container shop-web-1  Created\n");
    assert_eq!(
        Json { is_dry_run: false }.line(&event),
        "{\"id\":\"Container shop-web-1\",\"status\":\"Created\"}\n"
    );
}

#[test]
fn lines_replace_those_before() {
    let lines = ["a".to_owned(), "b".to_owned()];
    assert_eq!(over(&lines, 0), "\x1b[?25la\x1b[K\r\nb\x1b[K\r\n\x1b[J\x1b[?25h");
    assert_eq!(over(&lines, 3), "\x1b[?25l\x1b[3A\ra\x1b[K\r\nb\x1b[K\r\n\x1b[J\x1b[?25h");
    assert_eq!(over(&[], 0), "");
}
