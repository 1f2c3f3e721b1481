use std::collections::BTreeSet;

use clap::{Command, CommandFactory};

use super::*;
use crate::cli::Cli;

const PEERS: [(&str, &str); 5] = [
    ("docker", include_str!("peers/docker.txt")),
    ("podman", include_str!("peers/podman.txt")),
    ("lxc", include_str!("peers/lxd.txt")),
    ("buildah", include_str!("peers/buildah.txt")),
    ("skopeo", include_str!("peers/skopeo.txt")),
];

fn hull() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

/// hull's verb of this name, by which `.` is the program.
fn find<'a>(root: &'a Command, verb: &str) -> Option<&'a Command> {
    let mut words = verb.split(' ').filter(|word| *word != ".");
    words.try_fold(root, |command, word| command.find_subcommand(word))
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| match flag.strip_prefix("--") {
        Some(long) => {
            argument.get_long() == Some(long)
                || argument.get_all_aliases().is_some_and(|all| all.contains(&long))
        }
        None => {
            let short = flag.chars().nth(1).unwrap();
            argument.get_short() == Some(short)
                || argument.get_all_short_aliases().is_some_and(|all| all.contains(&short))
        }
    })
}

/// A verb's name as hull's own error would call it.
fn own_name(root: &Command, verb: &str) -> String {
    let words: Vec<String> = verb.split(' ').filter(|word| *word != ".").map(str::to_owned).collect();
    hull_usage::verb(root, &words).0.trim_start_matches("hull").trim().to_owned()
}

#[test]
fn whatever_others_have_is_here_or_explained() {
    let root = hull();
    let mut forgotten = BTreeSet::new();
    for (peer, list) in PEERS {
        for line in list.lines() {
            let (name, flags) = line.split_once(':').unwrap();
            match find(&root, name) {
                None if verb(name).is_none() => {
                    forgotten.insert(format!("{peer} {name}"));
                }
                None => {}
                Some(command) => {
                    let own = own_name(&root, name);
                    let unknown = flags.split_whitespace().filter(|one| !has(command, one));
                    let unexplained = unknown.filter(|one| flag(&own, one).is_none());
                    forgotten.extend(unexplained.map(|one| format!("{peer} {name} {one}")));
                }
            }
        }
    }
    let list: Vec<String> = forgotten.into_iter().collect();
    assert!(list.is_empty(), "neither in hull nor in ui/missing:\n{}", list.join("\n"));
}

#[test]
fn what_hull_has_is_not_called_missing() {
    let root = hull();
    let mut wrong = Vec::new();
    for (name, _) in VERBS.iter().copied().flatten() {
        if find(&root, name).is_some() {
            wrong.push((*name).to_owned());
        }
    }
    for (verbs, flags, _) in FLAGS.iter().copied().flatten() {
        for verb in verbs.split(", ") {
            let Some(command) = find(&root, verb) else { continue };
            let had = flags.split(' ').filter(|flag| has(command, flag));
            wrong.extend(had.map(|flag| format!("{verb} {flag}")));
        }
    }
    assert!(wrong.is_empty(), "hull has these; take them out of ui/missing:\n{}", wrong.join("\n"));
}

/// The commands in a sentence stand between backticks.
#[test]
fn sentences_name_commands_and_flags_that_exist() {
    let root = hull();
    let verbs = VERBS.iter().copied().flatten().map(|(_, sentence)| *sentence);
    let flags = FLAGS.iter().copied().flatten().map(|(.., sentence)| *sentence);
    for sentence in verbs.chain(flags) {
        assert!(!sentence.ends_with('.') && !sentence.contains('\n'), "{sentence}");
        let commands = sentence.split('`').skip(1).step_by(2).filter_map(|text| text.strip_prefix("hull "));
        for line in commands {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let mut named = words.iter().filter(|word| !word.starts_with('-'));
            let command = named.try_fold(&root, |at, word| at.find_subcommand(word));
            let command = command.unwrap_or_else(|| panic!("{line:?} in {sentence:?}"));
            for flag in words.iter().filter(|word| word.starts_with('-') && *word != "--help") {
                assert!(has(command, flag), "{line:?} in {sentence:?}");
            }
        }
    }
}

#[test]
fn no_name_has_two_sentences() {
    let mut names = BTreeSet::new();
    let mut twice = Vec::new();
    for (name, _) in VERBS.iter().copied().flatten() {
        twice.extend((!names.insert((*name).to_owned())).then_some((*name).to_owned()));
    }
    for (verbs, flags, _) in FLAGS.iter().copied().flatten() {
        for verb in verbs.split(", ") {
            for flag in flags.split(' ') {
                let name = format!("{verb} {flag}");
                twice.extend((!names.insert(name.clone())).then_some(name));
            }
        }
    }
    assert!(twice.is_empty(), "{}", twice.join("\n"));
}

#[test]
fn the_longest_name_answers() {
    assert_eq!(verb("swarm init --force"), verb("swarm"));
    assert_ne!(verb("buildx bake"), verb("buildx stop"));
    assert_eq!(verb("swarming"), None);
    assert_eq!(flag("container run", "--isolation"), flag("create", "--isolation"));
    assert_eq!(flag("ps", "--isolation"), None);
}
