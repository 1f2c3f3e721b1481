use super::*;

fn one(text: &str) -> Node {
    let mut nodes = parse(text, 0).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(nodes.len(), 1, "{text:?}");
    nodes.remove(0)
}

fn refused(text: &str) -> String {
    match parse(text, 0) {
        Ok(nodes) => panic!("{text:.60?}: {nodes:?}"),
        Err(error) => error.to_string(),
    }
}

fn at<'a>(node: &'a Node, path: &str) -> &'a Entry {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let Value::Mapping(entries) = &node.value else { panic!("{path}: {node:?}") };
    let entry = entries.get(first).unwrap_or_else(|| panic!("{path}: {node:?}"));
    if rest.is_empty() { entry } else { at(&entry.node, rest) }
}

#[test]
fn nodes_and_keys_know_their_places() {
    let node = one(
        "# a file\nservices:\n  wéb:   {image: 'x',\n     command: [a, b]}\n  db: &db\n    image: y\n  more: *db\n",
    );
    let place = |path| {
        let Entry { key, node } = at(&node, path);
        (key.line, key.column, node.place.line, node.place.column)
    };
    assert_eq!(place("services"), (2, 1, 3, 3));
    assert_eq!(place("services.wéb"), (3, 3, 3, 10));
    assert_eq!(place("services.wéb.image"), (3, 11, 3, 18));
    assert_eq!(place("services.wéb.command"), (4, 6, 4, 15));
    assert_eq!(place("services.db"), (5, 3, 5, 7));
    assert_eq!(place("services.more"), (7, 3, 5, 7));
    assert_eq!(parse("a", 7).unwrap()[0].place, Place { file: 7, line: 1, column: 1 });
}

#[test]
fn a_text_has_any_number_of_documents() {
    assert_eq!(parse("", 0), Ok(Vec::new()));
    assert_eq!(parse("# nothing\n", 0), Ok(Vec::new()));
    assert_eq!(parse("a: 1\n---\nb: 2\n---\n", 0).unwrap().len(), 3);
}

#[test]
fn merge_keys_fill_what_a_mapping_lacks() {
    let node = one(
        "x: &x {a: 1, b: 1}\ny: &y {<<: *x, b: 2, c: 2}\nz: {<<: [*y, {c: 3, d: 3}], e: 4}\nq: {'<<': 5}\n",
    );
    let number = |path| match at(&node, path).node.value {
        Value::Integer(number) => number,
        ref other => panic!("{path}: {other:?}"),
    };
    assert_eq!(["y.a", "y.b", "y.c"].map(number), [1, 2, 2]);
    assert_eq!(["z.a", "z.b", "z.c", "z.d", "z.e"].map(number), [1, 2, 2, 3, 4]);
    assert_eq!(number("q.<<"), 5);
    for text in ["a: {<<: 1}", "a: {<<: }", "a: {<<: [1]}", "a: {<<: [[]]}", "a: {<<: {}, <<: {}}"] {
        refused(text);
    }
}

#[test]
fn a_reset_is_done_before_a_merge() {
    let node = one("x: &x {a: 1, b: !reset 1, c: !reset }\ny: {<<: *x, a: !reset , b: 2}\n");
    assert_eq!(at(&node, "y.a").node, Node { tag: Some(OVERRIDE.into()), ..at(&node, "x.a").node.clone() });
    assert!(at(&node, "y.b").node.has_tag(OVERRIDE));
    assert!(at(&node, "y.c").node.has_tag(RESET));
}

#[test]
fn keys_are_strings_and_are_there_once() {
    assert_eq!(
        refused("a:\n  b:\n  - c: 1\n    \"c\": 2\n"),
        "a.b[0]: mapping key \"c\" already defined at line 3 at line 4 column 5"
    );
    assert_eq!(refused("a: {1: b}"), "non-string key in a: 1 at line 1 column 5");
    assert_eq!(refused("true: b"), "non-string key at top level: true at line 1 column 1");
    for text in ["~: b", "{[a]: b}", "{{}: b}", "2001-01-01: b", "? 1.5\n: b"] {
        refused(text);
    }
    assert!(matches!(at(&one("yes: 1"), "yes").node.value, Value::Integer(1)));
}

#[test]
fn tags_stay_unless_they_are_of_the_core_schema() {
    let node = one(
        "a: !reset []\nb: !override {}\nc: !own 5\nd: !!str 5\ne: ! 5\nf: !!map []\ng: !<tag:yaml.org,2002:str> 5\n",
    );
    let tag = |path| at(&node, path).node.tag.clone();
    assert_eq!(["a", "b", "c"].map(tag), ["!reset", "!override", "!own"].map(|tag| Some(tag.to_owned())));
    assert_eq!(["d", "e", "f", "g"].map(tag), [None, None, None, None]);
    assert_eq!(at(&node, "c").node.value, Value::String("5".into()));
    assert_eq!(at(&node, "e").node.value, Value::Integer(5));
    assert_eq!(at(&node, "g").node.value, Value::String("5".into()));
}

#[test]
fn scalars_end_where_yaml_v3_ends_them() {
    let text = |text: &str| match at(&one(text), "a").node.value.clone() {
        Value::String(text) => text,
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(text("a: |\n  b\n"), "b\n");
    assert_eq!(text("a: |\n  b"), "b");
    assert_eq!(text("a: >+\n  b\n\n  c\n  "), "b\nc\n");
}

#[test]
fn what_yaml_v3_reads_beyond_yaml_is_read() {
    let same = |lenient: &str, strict: &str| {
        let bare = |text: &str| format!("{:?}", parse(text, 0)).replace(|c: char| c.is_ascii_digit(), "");
        assert_eq!(bare(lenient), bare(strict), "{lenient}");
    };
    same("  a: \"b\n\nc\\\"\\\n d\" # e\n", "  a: \"b\\nc\\\"d\"\n");
    same("  a: 'b''\nc'\n  d: 'e\nf'\n", "  a: b' c\n  d: e f\n");
    same("x:\n  a: [\n   b,\nc, d\n]\n", "x:\n  a: [b, c, d]\n");
    same("x:\n  - {\n  a: b }\n", "x:\n  - {a: b}\n");
    same("a:\tb\nc: \td\n", "a: b\nc: d\n");
    same("a: 'b'# c\nd: [e]#f\n", "a: b\nd: [e]\n");
    let node = one("x:\n  y: {a: 'b\nc', d: e,\nf: g}\n");
    let entry = at(&node, "x.y.d");
    assert_eq!((entry.key.line, entry.key.column), (3, 5));
    let entry = at(&node, "x.y.f");
    assert_eq!((entry.key.line, entry.key.column, entry.node.place.column), (4, 1, 4));
    assert!(refused("  a: 'b\nc").contains("end of stream"));
    assert!(refused("a:\n\tb: c").contains("tab"));
    // Each line is read again from the beginning, but not without end.
    assert!(refused(&"  - 'a\nb'\n".repeat(20_000)).contains("indentation"));
    assert!(refused(&format!("  - [a,\n{}]", "b,\n".repeat(20_000))).contains("indentation"));
}
