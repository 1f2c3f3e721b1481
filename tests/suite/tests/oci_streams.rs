//! `hull-oci` and the streams of a program: their owner, and the line endings.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use hull_test_support::outcome::eventually;
use oci_fixture::{Fixture, as_user, in_user_namespace};
use serde_json::json;

const AGAIN: &str = "echo to-out >/dev/stdout && echo to-err >/dev/stderr";

/// A pipe, a file, and the same file twice.
#[test]
fn stdout_and_stderr_can_be_opened_again_by_every_user() {
    let Some(w) = Fixture::start() else { return };
    for (uid, is_user_namespace) in [(0, false), (1000, false), (0, true), (1000, true)] {
        let mut config = w.config(&["sh", "-c", AGAIN]);
        as_user(&mut config, uid);
        if is_user_namespace {
            in_user_namespace(&mut config);
            w.give_root_away();
        }
        w.bundle(&config);
        let case = format!("uid {uid}, user namespace {is_user_namespace}");
        let outcome = w.oci(&["run", "--bundle", "bundle", "box"]);
        assert_eq!((outcome.ok(), outcome.stderr.as_str()), ("to-out", "to-err\n"), "{case}");

        let file = File::options().append(true).create(true).open(w.path("file")).unwrap();
        file.set_len(0).unwrap();
        let mut command = w.command(&["run", "--bundle", "bundle", "box"]);
        command.stdout(file.try_clone().unwrap()).stderr(file.try_clone().unwrap());
        assert!(command.status().unwrap().success(), "{case}: {:?}", std::fs::read_to_string(w.path("file")));
        assert_eq!(std::fs::read_to_string(w.path("file")).unwrap(), "to-out\nto-err\n", "{case}");
        assert_eq!(file.metadata().unwrap().uid(), 0, "{case}: the file is still its owner's");
    }
    w.assert_nothing_left();
}

#[test]
fn a_second_process_can_open_them_too() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sleep", "1000"]);
    in_user_namespace(&mut config);
    w.give_root_away();
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    for user in ["0:0", "1000:1000"] {
        let outcome = w.oci(&["exec", "--user", user, "box", "sh", "-c", AGAIN]);
        assert_eq!((outcome.ok(), outcome.stderr.as_str()), ("to-out", "to-err\n"), "{user}");
        let file = File::create(w.path("file")).unwrap();
        let mut command = w.command(&["exec", "--user", user, "box", "sh", "-c", AGAIN]);
        assert!(command.stdout(file.try_clone().unwrap()).stderr(Stdio::piped()).status().unwrap().success());
        assert_eq!(std::fs::read_to_string(w.path("file")).unwrap(), "to-out\n", "{user}");
        assert_eq!(file.metadata().unwrap().uid(), 0, "{user}");
    }
}

/// All output is copied before the exit code is reported, and a reader that leaves ends no process.
#[test]
fn what_is_copied_is_whole() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh", "-c", "dd if=/dev/zero bs=1000 count=3000 2>/dev/null; exit 7"]);
    as_user(&mut config, 1000);
    w.bundle(&config);
    let file = File::create(w.path("file")).unwrap();
    let mut command = w.command(&["run", "--bundle", "bundle", "box"]);
    assert_eq!(command.stdout(file.try_clone().unwrap()).status().unwrap().code(), Some(7));
    assert_eq!(file.metadata().unwrap().len(), 3_000_000);
}

/// A caller that copies the output of the terminal to a file wants plain lines. A caller that copies it to a terminal lets
/// that terminal add the carriage returns.
#[test]
fn a_terminal_in_the_foreground_prints_newlines_alone() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh", "-c", "echo one; echo two"]);
    config["process"]["terminal"] = true.into();
    w.bundle(&config);
    let outcome = w.oci(&["run", "--bundle", "bundle", "box"]);
    assert_eq!(outcome.stdout, "one\ntwo\n");

    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let outcome = w.oci(&["exec", "-t", "box", "sh", "-c", "echo one; echo two"]);
    assert_eq!(outcome.stdout, "one\ntwo\n");
}

/// A device that the container has replaced is named in a warning and never opened. Nobody ever writes to that FIFO.
#[test]
fn a_dev_that_is_a_fifo_holds_nobody_up() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh", "-c", "rm -rf /dev && mkfifo /dev && echo made; sleep 1000"]);
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] == "/proc");
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    eventually("the FIFO is there", || w.output().contains("made"));
    let outcome = w.oci(&["exec", "-t", "box", "true"]);
    assert!(!outcome.success() && outcome.stderr.contains("/dev"), "{outcome:?}");
}

/// A warning does not stop the container.
#[test]
fn a_capability_that_cannot_be_given_is_warned_about() {
    let Some(w) = Fixture::start() else { return };
    let names = ["CAP_KILL", "CAP_OF_TOMORROW"];
    let mut config = w.config(&["grep", "CapPrm", "/proc/self/status"]);
    config["process"]["capabilities"] =
        json!({"bounding": names, "effective": names, "permitted": names, "ambient": ["CAP_KILL"]});
    w.bundle(&config);
    let outcome = w.oci(&["run", "--bundle", "bundle", "box"]);
    assert!(outcome.ok().ends_with("0000000000000020"), "{outcome:?}");
    assert!(outcome.stderr.contains("capabilities: [CAP_OF_TOMORROW]"), "{outcome:?}");
    assert!(outcome.stderr.contains("can't raise ambient capability CAP_KILL"), "{outcome:?}");
}
