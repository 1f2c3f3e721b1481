//! The pictures of every page, measured in a browser: on a wide page, on a phone, in every theme and on paper.

use std::path::{Path, PathBuf};

use hull_book::browser::Browser;
use hull_book::built;
use serde_json::{Value, json};

/// Defines `pictures()`, the visible pictures of a page, and the functions that measure them.
const MEASURE: &str = include_str!("measure.js");

const THEMES: [&str; 5] = ["light", "rust", "coal", "navy", "ayu"];

const WIDE: (u32, u32) = (1200, 900);
const PHONE: (u32, u32) = (390, 844);

/// The pages with pictures.
fn pages(book: &Path) -> Vec<PathBuf> {
    let pages = built::pages(book).unwrap().into_iter().filter(|page| page != Path::new("print.html"));
    let has_picture = |page: &PathBuf| {
        std::fs::read_to_string(book.join(page)).unwrap().contains("<figure class=\"diagram\">")
    };
    pages.filter(has_picture).collect()
}

fn open(browser: &Browser, page: &Path, (width, height): (u32, u32)) {
    browser.resize(width, height).unwrap();
    browser.open(page, "").unwrap();
    browser
        .wait_for("return document.fonts.status == 'loaded' && document.readyState == 'complete'")
        .unwrap();
    // Answers behind a fold can have pictures, too.
    browser.run("document.querySelectorAll('details').forEach((fold) => fold.open = true)").unwrap();
}

/// What the function of `measure.js` complains about on this page.
fn measure(browser: &Browser, call: &str) -> Vec<String> {
    let found = browser.run(&format!("{MEASURE}\nreturn {call};")).unwrap();
    let found = found.as_array().unwrap().iter();
    found.map(|complaint| complaint.as_str().unwrap().to_owned()).collect()
}

#[test]
fn labels_of_pictures_are_large_and_touch_nothing() {
    let Some((browser, book)) = crate::begin() else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages(book) {
        let mut check = |width: &str| {
            let found = measure(&browser, "pictures().flatMap(labels)");
            wrong.extend(found.into_iter().map(|what| format!("{} at {width}: {what}", page.display())));
            let seen = browser.run(&format!("{MEASURE}\nreturn pictures().length;")).unwrap();
            count += seen.as_u64().unwrap();
        };
        open(&browser, &book.join(&page), PHONE);
        check("390");
        browser.resize(WIDE.0, WIDE.1).unwrap();
        check("1200");
        // The narrowest figure that has the wide drawing, which is scaled down there.
        let narrowest =
            "document.querySelectorAll('figure.diagram').forEach((figure) => figure.style.width = '640px')";
        browser.run(narrowest).unwrap();
        check("640");
    }
    assert!(wrong.is_empty(), "a label of a picture cannot be read:\n{}", wrong.join("\n"));
    assert!(count >= 100, "only {count} drawings were measured, so the measurement looks in the wrong place");
}

#[test]
fn a_label_that_is_small_or_touches_a_border_is_noticed() {
    let Some((browser, book)) = crate::begin() else { return };
    let page = book.join("steps/01-uts/uts.html");
    let mutants = [
        ("text.setAttribute('x', rect.x.baseVal.value)", "touches a border"),
        ("text.setAttribute('y', rect.y.baseVal.value + 4)", "touches a border"),
        ("text.style.fontSize = '8px'", "is 8.0 pixels"),
        ("text.setAttribute('y', 5000)", "is outside the picture"),
        ("text.after(text.cloneNode(true))", "touches the text"),
    ];
    for (change, complaint) in mutants {
        open(&browser, &page, PHONE);
        let change = format!(
            "const picture = pictures()[0]; const rect = picture.querySelector('rect');
             const text = picture.querySelector('text'); {change};"
        );
        browser.run(&format!("{MEASURE}\n{change}")).unwrap();
        let found = measure(&browser, "pictures().flatMap(labels)");
        assert!(found.iter().any(|what| what.contains(complaint)), "after {change}: {found:?}");
    }
}

#[test]
fn each_picture_has_one_drawing_that_fits_the_page() {
    let Some((browser, book)) = crate::begin() else { return };
    let mut wrong = Vec::new();
    for page in pages(book) {
        open(&browser, &book.join(&page), PHONE);
        for width in [320, 390, 640, 700, 820, 1200, 1600] {
            browser.resize(width, 900).unwrap();
            let found = measure(&browser, "figures()");
            wrong.extend(found.into_iter().map(|what| format!("{} at {width}: {what}", page.display())));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn labels_of_pictures_stand_out_in_every_theme_and_on_paper() {
    let Some((browser, book)) = crate::begin() else { return };
    let mut wrong = Vec::new();
    for page in pages(book) {
        open(&browser, &book.join(&page), WIDE);
        for theme in THEMES {
            let set = format!(
                "document.documentElement.classList.remove(...{}); document.documentElement.classList.add('{theme}')",
                json!(THEMES)
            );
            browser.run(&set).unwrap();
            for medium in ["screen", "print"] {
                browser.emulate(medium).unwrap();
                let paper = if medium == "print" { Value::from("rgb(255, 255, 255)") } else { Value::Null };
                let found = measure(
                    &browser,
                    &format!("pictures().flatMap((picture) => contrast(picture, {paper}))"),
                );
                let where_ = format!("{}, {theme}, {medium}", page.display());
                wrong.extend(found.into_iter().map(|what| format!("{where_}: {what}")));
            }
            browser.emulate("screen").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn host_and_container_differ_without_colours() {
    let Some((browser, book)) = crate::begin() else { return };
    open(&browser, &book.join("steps/01-uts/uts.html"), WIDE);
    let corners = "return ['.host', '.container'].map((name) =>
                       document.querySelector('.picture rect' + name).rx.baseVal.value)";
    let corners = browser.run(corners).unwrap();
    assert_ne!(corners[0], corners[1], "the corners of a host's box and of a container's box");
    let weights = "return ['.container.new', '.container:not(.new)'].map((name) =>
                       getComputedStyle(document.querySelector('.picture rect' + name)).strokeWidth)";
    let weights = browser.run(weights).unwrap();
    assert_ne!(weights[0], weights[1], "the borders of a new box and of another one");
    let flags =
        "return [...document.querySelectorAll('.picture text')].some((text) => text.textContent == 'new')";
    assert_eq!(browser.run(flags).unwrap(), json!(true), "a new box says so in a word");
}

#[test]
fn the_picture_of_the_readme_stands_alone() {
    let Some((browser, _)) = crate::begin() else { return };
    let picture = hull_book::book().join("src/generated").join(hull_book::diagrams::README);
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).unwrap();
        open(&browser, &picture, (830, 900));
        assert_eq!(measure(&browser, "labels(document.documentElement)"), [""; 0], "in {scheme}");
        assert_eq!(
            measure(&browser, "contrast(document.documentElement, 'rgb(0, 0, 0)')"),
            [""; 0],
            "in {scheme}"
        );
        papers.push(browser.run("return getComputedStyle(document.querySelector('.paper')).fill").unwrap());
    }
    assert_ne!(papers[0], papers[1], "the paper of the light and of the dark picture");
}
