//! The interactive page in a browser: it asks, shows, counts, and keeps its state in the address.

use std::path::Path;

use hull_book::browser::Browser;
use serde_json::json;

use super::{begin, screenshot};

/// What the terminals print.
fn terminal(browser: &Browser, side: &str) -> String {
    let text = browser.run(&format!("return document.getElementById('look-{side}').textContent")).unwrap();
    text.as_str().unwrap().to_owned()
}

fn text(browser: &Browser, selector: &str) -> String {
    let text = browser.run(&format!("return document.querySelector('{selector}').textContent")).unwrap();
    text.as_str().unwrap().to_owned()
}

fn open(browser: &Browser, book: &Path, state: &str) {
    // A page whose address differs only by the state would not be loaded again.
    browser.open(&book.join("index.html"), "").unwrap();
    browser.open(&book.join("look.html"), state).unwrap();
    browser.wait_for("return document.readyState == 'complete'").unwrap();
}

fn guess(browser: &Browser, choice: &str) {
    let click = format!(
        "[...document.querySelectorAll('.look-choices button')].find((b) => b.textContent == '{choice}').click()"
    );
    browser.run(&click).unwrap();
}

fn address(browser: &Browser) -> String {
    browser.run("return location.hash").unwrap().as_str().unwrap().to_owned()
}

#[test]
fn the_interactive_page_asks_shows_and_counts() {
    let Some((browser, book)) = begin() else { return };
    let inside = || terminal(&browser, "inside");
    browser.resize(1280, 1400).unwrap();
    open(&browser, book, "");
    assert!(inside().contains("$ hostname\nlaptop\n"), "{}", inside());
    assert_eq!(text(&browser, "#look-score"), "No guess yet");

    // Nothing is shown before the guess.
    browser.run("document.getElementById('look-user').click()").unwrap();
    assert!(inside().contains("uid=1000(you)"), "before the guess:\n{}", inside());
    screenshot(&browser, "look-question");
    guess(&browser, "id");
    assert!(inside().contains("# id\nuid=0(root)"), "after it:\n{}", inside());
    assert!(text(&browser, ".look-question").starts_with("Yes. These change: id"));
    assert_eq!(text(&browser, "#look-score"), "1 of 1 guesses right");
    let flashes = "return document.querySelectorAll('#look-inside .look-changed').length > 0";
    assert_eq!(browser.run(flashes).unwrap(), json!(true));
    assert_eq!(browser.run("return document.activeElement.id").unwrap(), json!("look-user"));

    // The mount namespace alone changes nothing that is printed.
    browser.press("4").unwrap();
    guess(&browser, "mount | wc -l");
    assert_eq!(text(&browser, ".look-question"), "No. Nothing changes inside.");
    assert_eq!(text(&browser, "#look-score"), "1 of 2 guesses right");
    // Without the user namespace the kernel refuses it.
    browser.press("1").unwrap();
    guess(&browser, "the kernel refuses");
    assert_eq!(text(&browser, ".look-question"), "Yes. The kernel refuses.");
    assert_eq!(inside(), "unshare: unshare failed: Operation not permitted\n");

    // The score outlives the page.
    open(&browser, book, "#user");
    assert_eq!(text(&browser, "#look-score"), "2 of 3 guesses right");
    browser.run("document.querySelector('.look-score button').click()").unwrap();
    assert_eq!(text(&browser, "#look-score"), "No guess yet");
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
}

#[test]
fn the_keys_of_the_interactive_page_lead_through_the_states() {
    let Some((browser, book)) = begin() else { return };
    let inside = || terminal(&browser, "inside");
    browser.resize(1280, 1400).unwrap();
    open(&browser, book, "");
    // No guessing; the PID namespace without a /proc of its own, then with one.
    browser.press("g13").unwrap();
    assert!(inside().contains("echo $$\n1\n") && inside().contains("1 sh"), "ps of the host:\n{}", inside());
    assert!(text(&browser, ".look-notes").contains("/proc"));
    browser.press("4p").unwrap();
    assert!(inside().contains("1 box") && !inside().contains("1 sh"), "ps of the box:\n{}", inside());
    browser.press("678").unwrap();
    for answer in ["lo               DOWN", "grep -c 0x\n0\n", "00 days up"] {
        assert!(inside().contains(answer), "{answer}:\n{}", inside());
    }
    screenshot(&browser, "look-all");
    // Root without a mount namespace damages the host.
    open(&browser, book, "#root,pid,proc");
    let host = terminal(&browser, "host");
    assert!(host.contains("No such file or directory") && host.contains("1 box"), "{host}");
    screenshot(&browser, "look-damage");
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
}

#[test]
fn the_address_of_the_interactive_page_is_its_state() {
    let Some((browser, book)) = begin() else { return };
    let is_checked = |name: &str| {
        browser.run(&format!("return document.getElementById('look-{name}').checked")).unwrap() == json!(true)
    };
    open(&browser, book, "#root,pid,mnt");
    assert!(is_checked("root") && is_checked("pid") && is_checked("mnt") && !is_checked("uts"));
    assert!(terminal(&browser, "inside").contains("# echo $$\n1\n"));
    browser.press("g2").unwrap();
    assert_eq!(address(&browser), "#root,uts,pid,mnt");
    browser.run("history.back()").unwrap();
    browser.wait_for("return !document.getElementById('look-uts').checked").unwrap();
    assert_eq!(address(&browser), "#root,pid,mnt");
    browser.run("history.forward()").unwrap();
    browser.wait_for("return document.getElementById('look-uts').checked").unwrap();
    // A link from a chapter while a question is open.
    browser.press("g7").unwrap();
    assert!(text(&browser, ".look-question").contains("You turn on IPC"));
    browser.run("location.hash = 'user'").unwrap();
    browser.wait_for("return document.getElementById('look-user').checked").unwrap();
    assert!(!is_checked("ipc") && !is_checked("root") && is_checked("user"));
    assert_eq!(text(&browser, ".look-question"), "");
    // A heading of the page is no state, and stays in the address.
    browser.run("location.hash = 'the-states-as-tables'").unwrap();
    browser.run("window.dispatchEvent(new HashChangeEvent('hashchange'))").unwrap();
    assert!(is_checked("user"));
    assert_eq!(address(&browser), "#the-states-as-tables");
    browser.press("g6").unwrap();
    assert_eq!(address(&browser), "#user,net");
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
}

#[test]
fn every_note_of_the_interactive_page_leads_to_its_chapter() {
    let Some((browser, book)) = begin() else { return };
    open(&browser, book, "");
    let links = "
        const links = new Map();
        for (const row of window.lookStates.states) {
            const names = window.lookStates.names.filter((_, n) => row[1] & (1 << n));
            location.hash = [...(row[0] ? ['root'] : []), ...names].join(',') || 'nothing';
            window.dispatchEvent(new HashChangeEvent('hashchange'));
            const notes = document.querySelectorAll('.look-notes a');
            if (notes.length === 0) links.set(location.hash, 'no note');
            notes.forEach((a) => links.set(a.getAttribute('href'), a.textContent));
        }
        return [...links];";
    let links = browser.run(links).unwrap();
    assert!(links.as_array().unwrap().len() > 5, "{links}");
    let chapters = std::fs::read_to_string(book.join("toc.html")).unwrap();
    for link in links.as_array().unwrap() {
        let (page, title) = (link[0].as_str().unwrap(), link[1].as_str().unwrap());
        let listed =
            chapters.split(&format!("\"{page}\"")).nth(1).unwrap_or_else(|| panic!("no {page}: {title}"));
        let (listed, _) = listed.split_once("</a>").unwrap();
        assert!(listed.ends_with(&format!(">{title}")), "{page} is not called {title}: {listed}");
    }
}
