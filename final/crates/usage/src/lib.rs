//! Errors in the command line, in the style of all other errors: one sentence and a hint.
//!
//! clap detects the error; the text is made here. Exit codes are docker's: 125 where a flag is wrong, 1 where
//! a command or an argument is.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is said of a wrong command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Explained {
    pub sentence: String,
    pub hint: String,
    /// True if it is about a flag, and not about a command or an argument.
    pub flag: bool,
}

/// What to answer for verbs and flags that other programs have, and this one has not.
pub struct Lacking {
    /// The answer for a verb, by its name and the words after it, such as `swarm init`.
    pub verb: fn(&str) -> Option<&'static str>,
    /// The answer for a flag, such as `--gpus`, of a verb by its full name without the program's.
    pub flag: fn(&str, &str) -> Option<&'static str>,
}

impl Lacking {
    /// For a program that is compared with no other.
    pub const NOTHING: Self = Self { verb: |_| None, flag: |_, _| None };
}

/// True if the user asked for help: `--help`, `--version`, or a command with subcommands that was typed without one.
pub fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingSubcommand
    )
}

/// The text to print if [`is_help`].
pub fn help(error: &clap::Error, root: &mut Command, words: &[String]) -> String {
    match error.kind() {
        ErrorKind::MissingSubcommand => {
            root.build();
            verb(root, words).1.clone().render_help().to_string()
        }
        _ => error.render().to_string(),
    }
}

/// `words` are what was typed, without the program's name; `root` is the program.
pub fn explain(error: &clap::Error, root: &mut Command, words: &[String], lacking: &Lacking) -> Explained {
    root.build();
    let given = |kind| error.get(kind).map(words_of).unwrap_or_default();
    let argument = given(ContextKind::InvalidArg);
    let flag = argument.split([' ', '=', '[']).next().unwrap_or_default().to_owned();
    let is_flag = argument.starts_with('-');
    let (path, verb) = match error.kind() {
        ErrorKind::UnknownArgument => verb(root, before(words, &flag)),
        _ => verb(root, words),
    };
    let help = format!("{path} --help");
    let usage = || usage(verb, &path);
    let explained = |sentence: String, hint: String| Explained { sentence, hint, flag: is_flag };
    match error.kind() {
        ErrorKind::UnknownArgument if is_flag => {
            let hint = (lacking.flag)(below(&path), &flag).map(str::to_owned);
            let hint = hint.or_else(|| {
                let flags = verb.get_arguments().filter_map(|argument| argument.get_long());
                let near = nearest(flags, flag.strip_prefix("--")?)?;
                Some(format!("did you mean --{near}?"))
            });
            let hint = hint.unwrap_or_else(|| format!("{help} lists the flags"));
            explained(format!("unknown flag: {flag}"), hint)
        }
        ErrorKind::UnknownArgument => explained(format!("unexpected argument {argument:?}"), usage()),
        ErrorKind::MissingRequiredArgument => {
            // An argument that takes several values is written with dots.
            let missing = argument.replace("...", "").replace(['<', '>'], "");
            let are = if missing.contains(", ") { "are" } else { "is" };
            explained(format!("{missing} {are} missing"), usage())
        }
        ErrorKind::TooFewValues if !is_flag => {
            // One argument that takes several values names them in order, and it is the last that is missing.
            let names = argument.replace("...", "").replace(['<', '>'], "");
            explained(format!("{} is missing", names.split(' ').next_back().unwrap_or_default()), usage())
        }
        ErrorKind::InvalidSubcommand => {
            let typed = given(ContextKind::InvalidSubcommand);
            let hint = (lacking.verb)(&with_words_after(below(&path), &typed, words)).map(str::to_owned);
            let hint = hint.or_else(|| {
                let names = verb.get_subcommands().filter(|command| !command.is_hide_set());
                let near = nearest(names.map(Command::get_name), &typed)?;
                Some(format!("did you mean {path} {near}?"))
            });
            explained(
                format!("unknown command: {path} {typed}"),
                hint.unwrap_or_else(|| format!("{help} lists the commands")),
            )
        }
        ErrorKind::ArgumentConflict => {
            let prior = given(ContextKind::PriorArg);
            let prior = prior.split(' ').next().unwrap_or_default();
            let explained =
                explained(format!("{flag} and {prior} cannot be used together"), format!("{help} says more"));
            Explained { flag: false, ..explained }
        }
        ErrorKind::InvalidUtf8 => {
            Explained { flag: false, ..explained("an argument is not UTF-8".into(), usage()) }
        }
        _ => value(error, &flag, is_flag, &help),
    }
}

/// A value that is missing or wrong.
fn value(error: &clap::Error, flag: &str, is_flag: bool, help: &str) -> Explained {
    let given = |kind| error.get(kind).map(words_of).unwrap_or_default();
    let (text, allowed) = (given(ContextKind::InvalidValue), given(ContextKind::ValidValue));
    let because = std::error::Error::source(error).map(ToString::to_string);
    let of = flag.replace(['<', '>'], "").replace("...", "");
    let is_missing = text.is_empty() && because.is_none();
    let sentence = match (is_missing, because) {
        (true, _) => format!("{flag} needs a value"),
        (false, Some(why)) => format!("invalid argument {text:?} for {of}: {why}"),
        (false, None) => format!("invalid argument {text:?} for {of}"),
    };
    let hint = match allowed.is_empty() {
        true => format!("{help} says what it takes"),
        false => format!("it takes one of {allowed}"),
    };
    Explained { sentence, hint, flag: is_flag }
}

fn words_of(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::StyledStrs(texts) => {
            texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        ContextValue::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// The subcommand that the words select, and its full name.
pub fn verb<'a>(root: &'a Command, words: &[String]) -> (String, &'a Command) {
    let (mut path, mut command) = (root.get_name().to_owned(), root);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.contains('=')) {
            let argument = command.get_arguments().find(|argument| argument.get_long() == Some(flag));
            if argument.is_some_and(|argument| argument.get_action().takes_values()) {
                words.next();
            }
        } else if let [b'-', short] = word.as_bytes() {
            let argument =
                command.get_arguments().find(|argument| argument.get_short() == Some(char::from(*short)));
            if argument.is_some_and(|argument| argument.get_action().takes_values()) {
                words.next();
            }
        }
        if word.starts_with('-') {
            continue;
        }
        let Some(next) = command.find_subcommand(word) else { break };
        path = format!("{path} {}", next.get_name());
        command = next;
    }
    (path, command)
}

/// The words before an unknown flag: it belongs to the verb that they select, and not to one that follows it.
fn before<'a>(words: &'a [String], flag: &str) -> &'a [String] {
    let is_it = |word: &String| word.split('=').next() == Some(flag);
    &words[..words.iter().position(is_it).unwrap_or(words.len())]
}

/// A verb's full name without the program's.
fn below(path: &str) -> &str {
    path.split_once(' ').map_or("", |(_, verb)| verb)
}

/// An unknown verb below `group`, and the words that were typed after it.
fn with_words_after(group: &str, typed: &str, words: &[String]) -> String {
    let after = words.iter().skip_while(|word| *word != typed).skip(1);
    let names = after.map(String::as_str).take_while(|word| !word.starts_with('-'));
    let all = [group, typed].into_iter().filter(|name| !name.is_empty()).chain(names);
    all.collect::<Vec<_>>().join(" ")
}

fn usage(verb: &Command, path: &str) -> String {
    let text = verb.clone().render_usage().to_string();
    let text = text.strip_prefix("Usage:").unwrap_or(&text).trim().to_owned();
    // clap knows a command that was built by itself under its own name only.
    let own = text.strip_prefix(path).or_else(|| text.strip_prefix(verb.get_name())).unwrap_or_default();
    format!("usage: {path}{own}")
}

/// The name that a slip of the keys makes of the typed one: a letter too many, too few, another, or two that changed
/// places; in a long name two of these. Or the name whose beginning was typed, which wins where both are as near.
fn nearest<'a>(names: impl Iterator<Item = &'a str>, typed: &str) -> Option<String> {
    let slips = match typed.chars().count() {
        0..=2 => 0,
        3..=6 => 1,
        _ => 2,
    };
    let near = names.map(|name| (strsim::damerau_levenshtein(name, typed), !name.starts_with(typed), name));
    let near = near.filter(|(distance, _, name)| *distance <= slips || begins(name, typed));
    near.min().map(|(.., name)| name.to_owned())
}

/// A name that was not typed to its end, but half of it was.
fn begins(name: &str, typed: &str) -> bool {
    typed.len() >= 2 && typed.len() * 2 >= name.len() && name.starts_with(typed)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    const LACKING: Lacking = Lacking {
        verb: |verb| verb.starts_with("group swarm init").then_some("there is one machine"),
        flag: |verb, flag| (verb == "group one" && flag == "--gpus").then_some("there are no GPUs"),
    };

    fn explained(words: &[&str]) -> Explained {
        let one = Command::new("one")
            .arg(Arg::new("memory").short('m').long("memory").value_parser(clap::value_parser!(u8)))
            .arg(Arg::new("when").long("when").value_parser(["always", "never"]))
            .arg(Arg::new("quiet").long("quiet").action(ArgAction::SetTrue).conflicts_with("when"))
            .arg(Arg::new("name").required(true).value_name("NAME"));
        let two = Command::new("two")
            .arg(Arg::new("words").required(true).num_args(2..).value_name("SOURCE... TARGET"));
        let group = Command::new("group").subcommand_required(true).subcommands([one, two]);
        let root = || Command::new("prog").subcommand_required(true).subcommand(group.clone());
        let error = root().try_get_matches_from([&["prog"], words].concat()).unwrap_err();
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        explain(&error, &mut root(), &words, &LACKING)
    }

    #[test]
    fn mistakes_are_named_and_answered() {
        for (words, sentence, hint, flag) in [
            (&["gruop"][..], "unknown command: prog gruop", "did you mean prog group?", false),
            (
                &["group", "swarm", "init", "-x"],
                "unknown command: prog group swarm",
                "there is one machine",
                false,
            ),
            (
                &["group", "swarm"],
                "unknown command: prog group swarm",
                "prog group --help lists the commands",
                false,
            ),
            (&["group", "one", "--gpus=all"], "unknown flag: --gpus", "there are no GPUs", true),
            (&["group", "x"], "unknown command: prog group x", "prog group --help lists the commands", false),
            (&["group", "one"], "NAME is missing", "usage: prog group one [OPTIONS] <NAME>", false),
            (
                &["group", "two", "a"],
                "TARGET is missing",
                "usage: prog group two <SOURCE... TARGET> <SOURCE... TARGET>...",
                false,
            ),
            (
                &["group", "one", "a", "b"],
                "unexpected argument \"b\"",
                "usage: prog group one [OPTIONS] <NAME>",
                false,
            ),
            (&["group", "one", "--memroy", "1"], "unknown flag: --memroy", "did you mean --memory?", true),
            (&["group", "one", "-x"], "unknown flag: -x", "prog group one --help lists the flags", true),
            (&["--quiet", "group", "one"], "unknown flag: --quiet", "prog --help lists the flags", true),
            (&["-x", "group", "one"], "unknown flag: -x", "prog --help lists the flags", true),
            (
                &["group", "--gpus=all", "one"],
                "unknown flag: --gpus",
                "prog group --help lists the flags",
                true,
            ),
            (
                &["group", "one", "-m"],
                "--memory needs a value",
                "prog group one --help says what it takes",
                true,
            ),
            (
                &["group", "one", "--when", "now"],
                "invalid argument \"now\" for --when",
                "it takes one of always, never",
                true,
            ),
        ] {
            let wanted = Explained { sentence: sentence.into(), hint: hint.into(), flag };
            assert_eq!(explained(words), wanted, "{words:?}");
        }
        assert!(
            explained(&["group", "one", "-m", "x", "a"])
                .sentence
                .starts_with("invalid argument \"x\" for --memory: ")
        );
        assert!(!explained(&["group", "one", "--quiet", "--when", "never", "a"]).flag);
    }

    #[test]
    fn a_beginning_is_nearer_than_another_slip() {
        assert_eq!(nearest(["start", "stats"].into_iter(), "stat").as_deref(), Some("stats"));
        assert_eq!(nearest(["all", "last"].into_iter(), "al").as_deref(), Some("all"));
    }

    #[test]
    fn a_suggestion_is_no_farther_than_a_slip() {
        let names = ["start", "pause", "network", "unpause", "ps", "export", "inspect"];
        for (typed, wanted) in [
            ("stats", None),
            ("update", None),
            ("import", None),
            ("sp", None),
            ("x", None),
            ("in", None),
            ("strat", Some("start")),
            ("paus", Some("pause")),
            ("netwrok", Some("network")),
            ("netwokr", Some("network")),
            ("insp", Some("inspect")),
            ("exprot", Some("export")),
            ("unpasue", Some("unpause")),
        ] {
            assert_eq!(nearest(names.into_iter(), typed).as_deref(), wanted, "{typed}");
        }
    }
}
