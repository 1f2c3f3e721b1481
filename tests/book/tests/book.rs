//! The book against the code: everything in it that can be wrong without anybody noticing.

mod mutants;

use hull_book::{generated, links, pages, transcripts};
use hull_test_support::skip::skip;

/// For working on one page: `HULL_BOOK_PAGE=steps/01 cargo test -p hull-book transcripts`.
const ONLY: &str = "HULL_BOOK_PAGE";

#[test]
fn what_is_generated_is_fresh() {
    let stale = generated::stale().unwrap();
    assert!(stale.is_empty(), "run `cargo xtask book`:\n  {}", stale.join("\n  "));
}

#[test]
fn every_link_leads_somewhere() {
    let broken = links::broken().unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_transcripts_are_what_is_printed() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a machine of its own for each page takes root");
    }
    let only = std::env::var(ONLY).unwrap_or_default();
    let mut different = Vec::new();
    for page in pages::all().unwrap() {
        if page.path.to_string_lossy().contains(&only) {
            different.extend(transcripts::differences(&page).unwrap());
        }
    }
    assert!(different.is_empty(), "\n{}", different.join("\n"));
}
