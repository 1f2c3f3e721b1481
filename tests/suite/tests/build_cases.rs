//! `hull build` makes of each case the image that BuildKit makes, which `build_peers` has recorded.
//!
//! `HULL_TEST_CASES` runs only the cases whose names contain it.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "build_cases/builders.rs"]
mod builders;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "build_cases/case.rs"]
mod case;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/hull_and_docker.rs"]
mod hull_and_docker;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/sandbox.rs"]
mod sandbox;

use builders::{Builder, Builders};
use hull_test_support::saved::differences;
use sandbox::Sandbox;

#[test]
fn each_case_becomes_the_image_that_buildkit_makes() {
    let Some(sandbox) = Sandbox::start() else { return };
    let served = sandbox.path("served");
    std::fs::create_dir_all(&served).unwrap();
    let mut server = sandbox.spawn(&["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", &served]);
    let builders = Builders::new(&sandbox, &[Builder::Hull]);
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let (mut complaints, mut count) = (Vec::new(), 0);
    for case in case::files().into_iter().flat_map(|file| file.cases) {
        if !case.name.contains(&wanted) {
            continue;
        }
        count += 1;
        let context = builders.prepare(&case);
        builders.load_images(Builder::Hull, &case);
        let (found, error) = match builders.build(Builder::Hull, &case, &context) {
            Ok(lines) => (lines, String::new()),
            Err(outcome) => (vec!["fails".to_owned()], outcome.stderr),
        };
        let meant = case.lines("hull");
        let differing = differences(&case.expected(), &found);
        let wrong = differences(&meant, &differing);
        for line in &wrong {
            complaints.push(format!("{}: {line}", case.name));
        }
        if found == ["fails"] && !wrong.is_empty() {
            complaints.push(format!("{}: {}", case.name, error.trim_end()));
        }
        for text in case.lines("error").iter().filter(|text| !error.contains(*text)) {
            complaints.push(format!("{}: the error lacks {text:?}: {error}", case.name));
        }
    }
    let _ = server.kill();
    let _ = server.wait();
    let text = complaints.join("\n");
    assert!(complaints.is_empty(), "{count} cases, {} complaints:\n{text}", complaints.len());
    sandbox.end(&["hull"]);
}
