//! The book that is installed with hull: `hull book`, and the hints that lead into it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hull_test_support::Scenario;
use hull_test_support::outcome::{Outcome, eventually, run};
use hull_test_support::program;
use hull_test_support::terminal::Terminal;

const TOC: &str = "<ol><li><a href=\"index.html\" target=\"_parent\">Containers from Scratch</a></li>\
    <li><a href=\"steps/03-cgroups/limits.html\" target=\"_parent\"><strong>3.</strong> Limits: cgroups</a></li>\
    <li><a href=\"reference/cgroups.html\" target=\"_parent\">cgroup v1 &amp; v2</a></li>\
    <li><a href=\"reference/troubleshooting.html\" target=\"_parent\">Troubleshooting</a></li></ol>";

/// Puts the pages of a small book below a prefix; the directory of the book.
fn place_book(t: &Scenario, prefix: &str) -> PathBuf {
    let book = format!("{prefix}share/doc/hull/book");
    t.write(&format!("{book}/toc.html"), TOC);
    for page in ["index", "steps/03-cgroups/limits", "reference/cgroups", "reference/troubleshooting"] {
        t.write(&format!("{book}/{page}.html"), "<!DOCTYPE html>");
    }
    t.path(book)
}

/// Puts hull, as `name`, into `prefix/bin`; its path.
fn place_hull(t: &Scenario, name: &str) -> PathBuf {
    let path = t.path("prefix/bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(program::hull(), &path).unwrap();
    path
}

/// `program args…` in the environment of the scenario.
fn command(t: &Scenario, program: &str, args: &[&str]) -> Command {
    let usual = t.command(args);
    let mut command = Command::new(program);
    command.args(args).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(usual.get_current_dir().unwrap());
    command
}

#[test]
fn without_a_book_hull_says_how_to_get_one() {
    let Some(t) = Scenario::with_busybox() else { return };
    let hull = place_hull(&t, "hull");
    let run = |args: &[&str]| run(&mut command(&t, hull.to_str().unwrap(), args));
    let outcome = run(&["book"]);
    assert!(outcome.fails(1).contains("the book is not installed"), "{outcome}");
    assert!(outcome.stderr.contains("hint: `cargo xtask install --prefix DIR`"), "{outcome}");
    let outcome = run(&["run", "--rm", "busybox", "no-such-program"]);
    let hint = "hint: the book's chapter \"Troubleshooting\" explains \"executable file not found in $PATH\"; \
                `cargo xtask install --prefix DIR` installs hull with its book";
    assert!(outcome.fails(127).contains(hint), "{outcome}");
}

#[test]
fn the_installed_book_is_found_by_every_name_of_the_program() {
    let Some(t) = Scenario::with_busybox() else { return };
    let hull = place_hull(&t, "hull");
    let book = place_book(&t, "prefix/");
    let links = t.path("links");
    fs::create_dir(&links).unwrap();
    std::os::unix::fs::symlink(&hull, links.join("docker")).unwrap();
    std::os::unix::fs::symlink("../prefix/bin/hull", links.join("hull")).unwrap();
    let path = format!("{}:{}", links.display(), std::env::var("PATH").unwrap());
    let hint = format!(
        "hint: more in {}/reference/troubleshooting.html#executable-file-not-found-in-path\n",
        book.display()
    );
    for program in [hull.to_str().unwrap(), "prefix/bin/hull", "links/docker", "hull", "docker"] {
        let run = |args: &[&str]| run(command(&t, program, args).env("PATH", &path));
        assert_eq!(run(&["book"]).ok(), format!("{}/index.html", book.display()), "{program}");
        // `run` executes itself again from a protected copy, which has no path.
        let outcome = run(&["run", "--rm", "busybox", "no-such-program"]);
        assert!(outcome.fails(127).ends_with(&hint), "{program}: {outcome}");
    }
}

#[test]
fn an_unprivileged_user_finds_the_book_too() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    // The user's hull is in `bin` of the scenario's directory.
    let book = place_book(&t, "");
    assert_eq!(
        t.ok(&["book", "troubleshooting"]),
        format!("{}/reference/troubleshooting.html", book.display())
    );
    let outcome = t.hull(&["run", "--rm", "busybox", "no-such-program"]);
    let hint = format!("hint: more in {}/reference/troubleshooting.html#executable", book.display());
    assert!(outcome.fails(127).contains(&hint), "{outcome}");
}

#[test]
fn a_chapter_is_named_by_its_path_its_number_or_its_title() {
    let Some(t) = Scenario::start() else { return };
    let hull = place_hull(&t, "hull");
    let book = place_book(&t, "prefix/");
    let ask = |args: &[&str]| -> Outcome {
        run(&mut command(&t, hull.to_str().unwrap(), &[&["book"], args].concat()))
    };
    let is_at = |typed: &str, page: &str| {
        assert_eq!(ask(&[typed]).ok(), format!("{}/{page}", book.display()), "{typed}");
    };
    is_at("reference/cgroups", "reference/cgroups.html");
    is_at("steps/03-cgroups/limits.html", "steps/03-cgroups/limits.html");
    is_at("Troubleshooting#port-taken", "reference/troubleshooting.html#port-taken");
    is_at("3", "steps/03-cgroups/limits.html");
    is_at("v1 & v2", "reference/cgroups.html");
    let several = ask(&["cgroup"]);
    assert!(several.fails(1).contains("steps/03-cgroups/limits, reference/cgroups"), "{several}");
    for (typed, said) in
        [("swarm", "has no chapter \"swarm\""), ("../../x", "has no chapter"), ("\u{1b}[1m", "no chapter")]
    {
        let outcome = ask(&[typed]);
        assert!(outcome.fails(1).contains(said) && outcome.stderr.contains("hull book --list"), "{outcome}");
        assert!(!outcome.stderr.contains('\u{1b}'), "{outcome}");
    }
    let list = ask(&["--list"]);
    let line = list.ok().lines().find(|line| line.starts_with("reference/cgroups")).unwrap();
    assert!(line.ends_with("cgroup v1 & v2"), "{list}");
}

#[test]
fn on_a_display_the_book_is_opened() {
    let Some(t) = Scenario::start() else { return };
    let hull = place_hull(&t, "hull");
    let book = place_book(&t, "prefix/");
    let opened = t.path("opened");
    let browser = t.write("desktop/xdg-open", format!("#!/bin/sh\necho \"$@\" > {}\n", opened.display()));
    fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", t.path("desktop").display(), std::env::var("PATH").unwrap());
    let on_display = |args: &[&str]| {
        let mut command = command(&t, hull.to_str().unwrap(), args);
        command.env("PATH", &path).env("DISPLAY", ":0");
        command
    };
    // Into a pipe, or asked for the path alone, it opens nothing.
    run(&mut on_display(&["book"])).ok();
    assert_eq!(Terminal::start(&on_display(&["book", "--path"])).wait(), 0);
    assert!(!opened.exists());
    Terminal::start(&on_display(&["book", "3#x"]))
        .wait_and_see(&format!("{}/steps/03-cgroups/limits.html#x\r\n", book.display()));
    eventually("xdg-open is started", || fs::read_to_string(&opened).is_ok_and(|text| text.ends_with('\n')));
    let address = format!("file://{}/steps/03-cgroups/limits.html#x\n", book.display());
    assert_eq!(fs::read_to_string(&opened).unwrap(), address);
}
