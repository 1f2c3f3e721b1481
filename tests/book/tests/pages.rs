//! The built book, by itself and in a browser. Screenshots for looking at are left in `target/book-screenshots`.

mod interactive;
mod pictures;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use hull_book::browser::Browser;
use hull_book::transcripts::lab;
use hull_book::{built, html, spelling, workspace};
use hull_test_support::skip::{find_program, skip};
use serde_json::json;

/// Where this run has built it.
static BOOK: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let mdbook = built::mdbook().unwrap()?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book-in-a-browser");
    built::build(&mdbook, &directory).unwrap();
    Some(directory)
});

/// The built book, or why there is none.
fn built_book() -> Option<&'static Path> {
    if BOOK.is_none() {
        skip("mdbook is not installed: cargo xtask book");
    }
    BOOK.as_deref()
}

/// A browser and the book, or why there is none.
fn begin() -> Option<(Browser, &'static Path)> {
    let (Some(driver), Some(_)) = (find_program("chromedriver"), find_program("chromium")) else {
        skip("chromium and chromium-driver are not installed");
        return None;
    };
    let book = built_book()?;
    Some((Browser::start(&driver).unwrap(), book))
}

#[test]
fn pages_are_well_formed_and_lead_where_they_say() {
    let Some(book) = built_book() else { return };
    let wrong = html::complaints(book).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn words_are_in_the_dictionary_or_in_the_list() {
    let Some(book) = built_book() else { return };
    if !Path::new(spelling::DICTIONARY).exists() {
        return skip("wamerican is not installed");
    }
    let wrong = spelling::complaints(book).unwrap();
    assert!(wrong.is_empty(), "correct them, or add them to book/words.txt:\n{}", wrong.join("\n"));
}

#[test]
fn no_page_raises_its_voice() {
    let Some(book) = built_book() else { return };
    let wrong = spelling::tone(book).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn hull_finds_every_chapter_of_the_installed_book() {
    let Some(book) = built_book() else { return };
    let prefix = tempfile::tempdir().unwrap();
    let (bin, doc) = (prefix.path().join("bin"), prefix.path().join("share/doc/hull"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(&doc).unwrap();
    std::fs::copy(lab::binary("hull").unwrap(), bin.join("hull")).unwrap();
    std::os::unix::fs::symlink(book, doc.join("book")).unwrap();
    for page in built::pages(book).unwrap().iter().filter(|page| !page.ends_with("print.html")) {
        let output = Command::new(bin.join("hull")).args(["book", "--path"]).arg(page).output().unwrap();
        let path = doc.join("book").join(page);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", path.display()), "{output:?}");
    }
}

fn screenshot(browser: &Browser, name: &str) {
    let path = workspace().join("target/book-screenshots").join(name).with_extension("png");
    browser.screenshot(&path).unwrap();
}

#[test]
fn pages_load_without_a_complaint_and_fit_a_phone() {
    let Some((browser, book)) = begin() else { return };
    let mut wrong = Vec::new();
    for page in built::pages(book).unwrap() {
        let name = page.with_extension("").to_string_lossy().replace('/', "-");
        browser.resize(1280, 900).unwrap();
        browser.open(&book.join(&page), "").unwrap();
        browser.wait_for("return document.readyState == 'complete'").unwrap();
        screenshot(&browser, &name);
        browser.resize(390, 844).unwrap();
        // Anew, so that the table of contents is folded away.
        browser.open(&book.join(&page), "").unwrap();
        browser.wait_for("return document.readyState == 'complete'").unwrap();
        let over = browser.run(OVERFLOWING).unwrap();
        if over != json!("") {
            wrong.push(format!("{} reaches over the edge at 390: {over}", page.display()));
        }
        screenshot(&browser, &format!("{name}-phone"));
        wrong.extend(browser.complaints().unwrap().iter().map(|line| format!("{}: {line}", page.display())));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is cut off or makes the whole page scroll, but in a frame that scrolls by itself, as code and tables do.
const OVERFLOWING: &str = "
    const page = document.querySelector('main');
    const scrolls = (e) => e != page && (getComputedStyle(e).overflowX == 'auto' || scrolls(e.parentElement));
    const over = [...page.querySelectorAll('*')]
        .filter((e) => e.getBoundingClientRect().right > 391 && !scrolls(e.parentElement));
    return over.slice(0, 5).map((e) => e.outerHTML.slice(0, 100)).join(' ');";

#[test]
fn search_finds_pivot_root() {
    let Some((browser, book)) = begin() else { return };
    browser.open(&book.join("index.html"), "").unwrap();
    // The index is loaded when the search is opened first.
    browser.wait_for("return document.readyState == 'complete'").unwrap();
    browser.run("document.getElementById('mdbook-search-toggle').click()").unwrap();
    browser.wait_for("return document.activeElement.id == 'mdbook-searchbar'").unwrap();
    browser.press("pivot_root").unwrap();
    let found = "return [...document.querySelectorAll('#mdbook-searchresults a')].some((a) => \
                 a.href.includes('02-pid-mount/mounts.html'))";
    browser.wait_for(found).unwrap();
    screenshot(&browser, "search");
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
}

#[test]
fn folds_open() {
    let Some((browser, book)) = begin() else { return };
    browser.open(&book.join("steps/01-uts/uts.html"), "").unwrap();
    let is_seen = "return document.querySelector('main details p').checkVisibility()";
    assert_eq!(browser.run(is_seen).unwrap(), json!(false));
    browser.run("document.querySelector('main summary').click()").unwrap();
    browser.wait_for(is_seen).unwrap();
}

/// As WebDriver names the keys that have no letter.
const RIGHT: &str = "\u{E014}";
const ESCAPE: &str = "\u{E00C}";
const ENTER: &str = "\u{E007}";

#[test]
fn keys_are_enough() {
    let Some((browser, book)) = begin() else { return };
    browser.open(&book.join("start/before.html"), "").unwrap();
    browser.press(RIGHT).unwrap();
    browser.wait_for("return location.pathname.endsWith('steps/01-uts/uts.html')").unwrap();
    browser.wait_for("return document.readyState == 'complete'").unwrap();
    browser.press("/").unwrap();
    browser.wait_for("return document.activeElement.id == 'mdbook-searchbar'").unwrap();
    browser.press(ESCAPE).unwrap();
    browser.wait_for("return document.activeElement.id != 'mdbook-searchbar'").unwrap();

    // A fold can be reached and opened.
    browser.open(&book.join("steps/01-uts/uts.html"), "").unwrap();
    browser.run("document.querySelector('main summary').focus()").unwrap();
    assert_eq!(browser.run("return document.activeElement.localName").unwrap(), json!("summary"));
    browser.press(ENTER).unwrap();
    browser.wait_for("return document.querySelector('main details').open").unwrap();
}

#[test]
fn on_paper_everything_is_there() {
    let Some((browser, book)) = begin() else { return };
    // What is left of A4 between the margins.
    browser.resize(720, 1000).unwrap();
    browser.open(&book.join("print.html"), "").unwrap();
    browser.emulate("print").unwrap();
    let titles =
        browser.run("return [...document.querySelectorAll('main h1')].map((h) => h.textContent)").unwrap();
    let chapters = built::pages(book).unwrap().len() - 1;
    assert!(titles.as_array().unwrap().len() >= chapters, "{chapters} chapters, {titles}");
    let answers = "return [...document.querySelectorAll('main details > p')].every((p) => p.checkVisibility({ contentVisibilityAuto: true }))";
    assert_eq!(browser.run(answers).unwrap(), json!(true), "folds are open");
    let cut = "return [...document.querySelectorAll('main pre > code')]
                   .filter((code) => code.checkVisibility() && code.scrollWidth > code.clientWidth + 1)
                   .map((code) => code.textContent.slice(0, 60)).slice(0, 5).join(' ')";
    assert_eq!(browser.run(cut).unwrap(), json!(""), "lines are cut off");
    browser.run("document.querySelector('main details').scrollIntoView()").unwrap();
    screenshot(&browser, "print-on-paper");
}

#[test]
fn the_theme_switches_and_stays() {
    let Some((browser, book)) = begin() else { return };
    browser.resize(1280, 900).unwrap();
    browser.open(&book.join("steps/02-pid-mount/mounts.html"), "").unwrap();
    let paper = "return getComputedStyle(document.querySelector('body')).backgroundColor + \
                 getComputedStyle(document.querySelector('.diagram text')).fill";
    let light = browser.run(paper).unwrap();
    browser.run("document.getElementById('mdbook-theme-toggle').click()").unwrap();
    browser.run("document.getElementById('mdbook-theme-navy').click()").unwrap();
    browser.wait_for("return document.documentElement.classList.contains('navy')").unwrap();
    let dark = browser.run(paper).unwrap();
    assert_ne!(light, dark, "paper and diagrams are in the colours of the theme");
    for page in ["look.html", "steps/02-pid-mount/mounts.html", "reference/cgroups.html"] {
        browser.open(&book.join(page), "").unwrap();
        browser.wait_for("return document.documentElement.classList.contains('navy')").unwrap();
        screenshot(&browser, &format!("{}-navy", page.replace('/', "-").trim_end_matches(".html")));
    }
}
