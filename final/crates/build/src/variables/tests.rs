use super::{Options, expand, heredoc, word, words};

fn lookup(name: &str) -> Option<String> {
    let known = [
        ("FOO", "foo"),
        ("EMPTY", ""),
        ("TWO", "a b"),
        ("PATH", "/usr/bin:/bin"),
        ("FILE", "archive.tar.gz"),
        ("STARS", "a*b*c"),
        ("LINES", "one\ntwo"),
        ("0", "zero"),
        ("12", "twelve"),
        ("ÜMLAUT", "ü"),
    ];
    known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

#[track_caller]
fn is(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        let got = word(text, '\\', &lookup).map_err(|error| error.to_string());
        assert_eq!(got.as_deref(), Ok(*wanted), "{text}");
    }
}

#[track_caller]
fn fails(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        let error = word(text, '\\', &lookup).unwrap_err().to_string();
        assert_eq!(error, format!("failed to process {text:?}: {wanted}"), "{text}");
    }
}

#[test]
fn names_are_replaced_by_values() {
    is(&[
        ("$FOO", "foo"),
        ("${FOO}", "foo"),
        ("a$FOO.b", "afoo.b"),
        ("$FOOx", ""),
        ("${FOO}x", "foox"),
        ("$MISSING", ""),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$/x", "$/x"),
        ("$0x", "zerox"),
        ("$12x", "twelvex"),
        ("${12}", "twelve"),
        ("$ÜMLAUT", "ü"),
        ("$$", ""),
        ("$-x", "x"),
    ]);
}

#[test]
fn quotes_and_escapes_are_removed() {
    is(&[
        ("'$FOO'", "$FOO"),
        ("\"$FOO\"", "foo"),
        ("\\$FOO", "$FOO"),
        ("\\\\$FOO", "\\foo"),
        ("\"\\$FOO\"", "$FOO"),
        ("\"a\\b\"", "a\\b"),
        ("\"a\\\"b\"", "a\"b"),
        ("'a\\'b", "a\\b"),
        ("\"it's\"", "it's"),
        ("a\\ b", "a b"),
        ("a\\", "a"),
        ("'a'\"b\"c", "abc"),
        ("${FOO:-'a b'}", "foo"),
        ("${X:-'}'}", "}"),
        ("${X:-\"}\"}", "}"),
    ]);
    assert_eq!(word("`$FOO\\n", '`', &lookup).unwrap(), "$FOO\\n");
}

#[test]
fn defaults_alternatives_and_demands() {
    is(&[
        ("${FOO:-x}", "foo"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${X:-x}", "x"),
        ("${X-x}", "x"),
        ("${FOO:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${X:+x}", ""),
        ("${X+x}", ""),
        ("${X:-${FOO}}", "foo"),
        ("${X:-${Y:-$FOO}}z", "fooz"),
        ("${X:-a\\}b}", "a}b"),
        ("${FOO?}", "foo"),
        ("${FOO:?no}", "foo"),
        ("${EMPTY?no}", ""),
        ("${X:-}", ""),
    ]);
    fails(&[
        ("${X?}", "X: is not allowed to be unset"),
        ("${X:?}", "X: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${X:?set it}", "X: set it"),
        ("${EMPTY:?set $FOO}", "EMPTY: set foo"),
    ]);
}

#[test]
fn prefixes_and_suffixes_are_cut() {
    is(&[
        ("${FILE#*.}", "tar.gz"),
        ("${FILE##*.}", "gz"),
        ("${FILE%.*}", "archive.tar"),
        ("${FILE%%.*}", "archive"),
        ("${FILE#archive}", ".tar.gz"),
        ("${FILE#tar}", "archive.tar.gz"),
        ("${FILE%gz}", "archive.tar."),
        ("${FILE#?}", "rchive.tar.gz"),
        ("${FILE##*}", ""),
        ("${FILE#*}", "archive.tar.gz"),
        ("${STARS#*\\*}", "b*c"),
        ("${STARS##*\\*}", "c"),
        ("${STARS%\\**}", "a*b"),
        ("${STARS%%\\**}", "a"),
        ("${LINES#*o}", "ne\ntwo"),
        ("${LINES##*o}", "ne\ntwo"),
        ("${FOO#[a-z]}", "foo"),
        ("${X#a}", ""),
    ]);
    fails(&[("${FOO#\\a}", "invalid pattern (\\a) in substitution: invalid escape '\\a'")]);
}

#[test]
fn matches_are_replaced() {
    is(&[
        ("${FOO/o/0}", "f0o"),
        ("${FOO//o/0}", "f00"),
        ("${FOO//o/}", "f"),
        ("${FOO/x/y}", "foo"),
        ("${PATH/:*/}", "/usr/bin"),
        ("${PATH//\\/bin/X}", "/usrX:X"),
        ("${FILE/.*./-}", "archive-gz"),
        ("${FILE//?/x}", "xxxxxxxxxxxxxx"),
        ("${FOO//*/x}", "x"),
        ("${FOO//o/[$0]}", "f[zero][zero]"),
        ("${FOO//o/'$'0}", "foo"),
        ("${FOO/o/'$'0}", "f$0o"),
        ("${STARS/\\*/-}", "a-b*c"),
        ("${STARS//\\*/-}", "a-b-c"),
    ]);
    fails(&[("${FOO/a}", "syntax error: missing '/' in ${}"), ("${FOO/a/b", "syntax error: missing '}'")]);
}

#[test]
fn mistakes_are_named() {
    fails(&[
        ("${", "syntax error: missing '}'"),
        ("${FOO", "syntax error: missing '}'"),
        ("${FOO:", "syntax error: missing '}'"),
        ("${FOO:-x", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${{FOO}}", "syntax error: bad substitution"),
        ("${:-x}", "syntax error: bad substitution"),
        ("${FOO=x}", "unsupported modifier (=) in substitution"),
        ("${FOO:=x}", "unsupported modifier (:=) in substitution"),
        ("${FOO:#f}", "unsupported modifier (:#) in substitution"),
        ("${FOO^^}", "unsupported modifier (^) in substitution"),
        ("'a", "unexpected end of statement while looking for matching single-quote"),
        ("\"a", "unexpected end of statement while looking for matching double-quote"),
    ]);
}

#[test]
fn words_are_split_after_expansion() {
    let cases: [(&str, &[&str]); 8] = [
        ("a  b", &["a", "b"]),
        ("$TWO c", &["a", "b", "c"]),
        ("\"$TWO\" c", &["a b", "c"]),
        ("x$TWO", &["xa", "b"]),
        ("a\\ b", &["a b"]),
        ("'' a", &["a"]),
        ("$EMPTY", &[]),
        ("80 443/udp", &["80", "443/udp"]),
    ];
    for (text, wanted) in cases {
        assert_eq!(words(text, '\\', &lookup).unwrap(), wanted, "{text}");
    }
}

#[test]
fn heredocs_keep_their_quotes() {
    assert_eq!(heredoc("a\\tb \\\\ \\\nc", &lookup).unwrap(), "atb \\ \nc");
    assert_eq!(heredoc("a='$FOO' \"${FOO}\"\n\\$FOO\n", &lookup).unwrap(), "a='foo' \"foo\"\n$FOO\n");
}

#[test]
fn it_is_told_what_was_looked_up() {
    let options = Options { keep_unset: true, ..Options::default() };
    let found = expand("$FOO ${X} $X ${Y:-$FOO}", '\\', &lookup, options).unwrap();
    assert_eq!(found.text, "foo ${X} $X ${Y:-foo}");
    assert_eq!(found.used.iter().collect::<Vec<_>>(), ["FOO"]);
    assert_eq!(found.unset.iter().collect::<Vec<_>>(), ["X", "Y"]);
}

#[test]
fn a_text_cannot_grow_without_end() {
    let long = "x".repeat(100_000);
    let error = word(&"$A".repeat(20), '\\', &|_| Some(long.clone())).unwrap_err().to_string();
    assert!(error.ends_with("the values of its variables are too long"), "{error:.100}");
    let deep = |levels| format!("{}{}", "${X:-".repeat(levels), "}".repeat(levels));
    assert_eq!(word(&deep(200), '\\', &lookup).unwrap(), "");
    assert!(word(&deep(100_000), '\\', &lookup).is_err());
    let replaced = word("${A//?/$A}", '\\', &|_| Some(long.clone())).unwrap_err().to_string();
    assert!(replaced.ends_with("too long"), "{}", &replaced[replaced.len() - 60..]);
}
