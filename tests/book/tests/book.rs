//! Compares the book with the code: everything in it that could become wrong without anybody noticing.

mod mutants;

use hull_book::measured::start;
use hull_book::transcripts::lab;
use hull_book::{commands, errors, generated, links, measured, pages, session, shape, transcripts};
use hull_test_support::skip::{find_program, skip};

/// To check one page only: `HULL_BOOK_PAGE=steps/01 cargo test -p hull-book transcripts`.
const ONLY: &str = "HULL_BOOK_PAGE";

#[test]
fn what_is_generated_is_fresh() {
    let stale = generated::stale(&generated::SUBJECTS).unwrap();
    assert!(stale.is_empty(), "run `cargo xtask book --generate`:\n  {}", stale.join("\n  "));
}

#[test]
fn a_start_is_made_of_the_calls_that_were_measured() {
    if let Some(why) = start::hindrance() {
        return skip(why);
    }
    if find_program("strace").is_none() {
        return skip("strace is not installed");
    }
    let kept = measured::read().unwrap();
    let kept: Vec<_> = kept.parts.into_iter().map(|part| (part.who, part.call)).collect();
    assert_eq!(kept, start::sequence(), "run `cargo xtask book --measure`");
    start::replay(&lab::binaries().unwrap()).unwrap();
}

#[test]
fn every_link_leads_somewhere() {
    let broken = links::broken().unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_hull_says_leads_to_the_chapter_about_it() {
    let wrong = errors::complaints().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_is_shown() {
    let hidden = commands::hidden_commands().unwrap();
    assert!(hidden.is_empty(), "these commands are not in reference/commands.md:\n{}", hidden.join("\n"));
}

#[test]
fn every_flag_is_explained() {
    let unexplained = commands::unexplained_flags().unwrap();
    assert!(unexplained.is_empty(), "these flags are not in reference/flags.md:\n{}", unexplained.join("\n"));
}

#[test]
fn every_chapter_has_its_parts() {
    let wrong = shape::complaints().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_transcripts_are_what_is_printed() {
    if !nix::unistd::geteuid().is_root() {
        return skip("the namespaces in which a page is typed need root");
    }
    let only = std::env::var(ONLY).unwrap_or_default();
    let mut different = Vec::new();
    for page in pages::all().unwrap().into_iter().chain([session::page().unwrap()]) {
        if page.path.to_string_lossy().contains(&only) {
            different.extend(transcripts::differences(&page).unwrap());
        }
    }
    assert!(different.is_empty(), "\n{}", different.join("\n"));
}
