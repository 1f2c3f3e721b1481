use hull_yaml::tree::Place;

use super::*;

/// The result, and the names that had no value.
fn run(template: &str) -> (Result<String, String>, Vec<String>) {
    struct Fixed(Vec<String>);
    impl Lookup for Fixed {
        fn get(&mut self, name: &str) -> Option<String> {
            match name {
                "A" | "a_1" => Some("one".into()),
                "B" => Some("two".into()),
                "EMPTY" => Some(String::new()),
                _ => None,
            }
        }
        fn unset(&mut self, name: &str) {
            self.0.push(name.into());
        }
    }
    let mut fixed = Fixed(Vec::new());
    let result = substitute(template, &mut fixed).map_err(|error| error.to_string());
    (result, fixed.0)
}

fn ok(template: &str) -> String {
    run(template).0.unwrap()
}

#[test]
fn names_are_replaced_with_and_without_braces() {
    assert_eq!(ok("$A ${A}x $a_1 $A-$B"), "one onex one one-two");
    assert_eq!(run("x$NONE${NONE2}y"), (Ok("xy".into()), vec!["NONE".into(), "NONE2".into()]));
}

#[test]
fn a_dollar_that_begins_nothing_stays() {
    assert_eq!(ok("$$A $1 $ a$"), "$A $1 $ a$");
    assert_eq!(ok("$$$A"), "$one");
    assert_eq!(ok("$${A}"), "${A}");
}

#[test]
fn each_operator_has_its_rule_for_unset_and_empty() {
    let table = [("-", "one", "", "w"), (":-", "one", "w", "w"), ("+", "w", "w", ""), (":+", "w", "", "")];
    for (operator, set, empty, unset) in table {
        assert_eq!(ok(&format!("${{A{operator}w}}")), set, "{operator}");
        assert_eq!(ok(&format!("${{EMPTY{operator}w}}")), empty, "{operator}");
        assert_eq!(ok(&format!("${{NONE{operator}w}}")), unset, "{operator}");
    }
    assert_eq!(ok("${A?w}${A:?w}${EMPTY?w}"), "oneone");
    let missing = |text| run(text).0.unwrap_err();
    assert_eq!(missing("${EMPTY:?give one}"), "required variable EMPTY is missing a value: give one");
    assert_eq!(missing("${NONE?}"), "required variable NONE is missing a value");
    assert_eq!(missing("${NONE:?${B} is $A}"), "required variable NONE is missing a value: two is one");
    assert!(run("${NONE:-w}").1.is_empty());
}

#[test]
fn words_nest_and_are_looked_up_even_when_they_are_not_needed() {
    assert_eq!(ok("${NONE:-${NONE:-${A}x}}y"), "onexy");
    assert_eq!(ok("${NONE:-a}b${B}}"), "abtwo}");
    assert_eq!(ok("${NONE:-{\"a\": {\"b\": 1}}}"), "{\"a\": {\"b\": 1}}");
    assert_eq!(ok("${NONE-${A}}/${B:+${A}${B}}"), "one/onetwo");
    assert_eq!(ok("${NONE:-http://${A:-h}:80/}${NONE--}"), "http://one:80/-");
    assert_eq!(run("${A:-$NONE}"), (Ok("one".into()), vec!["NONE".into()]));
    assert!(run("${A:-${NONE:?}}").0.is_err());
    assert_eq!(ok("${NONE:-{x}"), "{x");
}

#[test]
fn what_has_no_meaning_is_refused_with_the_whole_text() {
    for template in ["${", "${}", "a ${1}", "${A", "${A!x}", "${A:x}", "${ A}", "${A:-x\n}"] {
        let expected = format!("Invalid template: {template:?}");
        assert_eq!(run(template).0, Err(expected), "{template}");
    }
    assert_eq!(run("${NONE:-${}}").0, Err("Invalid template: \"${}\"".into()));
    let deep = "${A:-".repeat(100) + &"}".repeat(100);
    assert!(run(&deep).0.unwrap_err().contains("too many"));
}

#[test]
fn only_known_paths_become_numbers_and_booleans() {
    let cast = |path: &str, text: &str| {
        let mut node = Node { value: Value::String(text.into()), place: Place::default(), tag: None };
        let mut warnings = Warnings::default();
        let environment = Environment::from([("N".to_owned(), "8".to_owned())]);
        let budget = &mut Budget::default();
        let mut all = Interpolation { environment: &environment, warnings: &mut warnings, budget };
        let result = at(path, |path| all.replace(&mut node, path));
        (result.map(|()| node.value).map_err(|error| error.why), warnings.into_vec().len())
    };
    assert_eq!(cast("services.a.scale", "$N"), (Ok(Value::Integer(8)), 0));
    assert_eq!(cast("services.a.cpus", "0.1"), (Ok(Value::Float(0.1)), 0));
    assert_eq!(cast("services.a.init", "yes"), (Ok(Value::Bool(true)), 1));
    assert_eq!(cast("services.a.image", "8"), (Ok(Value::String("8".into())), 0));
    assert_eq!(cast("services.a.ports.0.target", "80"), (Ok(Value::Integer(80)), 0));
    let why =
        "error while interpolating services.a.tty: failed to cast to expected type: invalid boolean: maybe";
    assert_eq!(cast("services.a.tty", "maybe"), (Err(why.into()), 0));
}

#[test]
fn the_variables_of_a_model_are_listed_with_their_words() {
    let mut found = BTreeMap::new();
    variables::of_text("$A ${B:-x${C:?no $D}y} ${E+z}$$F", &mut found);
    let shown: Vec<_> = found
        .values()
        .map(|v| format!("{} {} {} {}", v.name, v.required, v.default_value, v.presence_value))
        .collect();
    assert_eq!(shown, ["A false  ", "B false x${C:?no $D}y ", "C true  ", "E false  z"]);
}

/// Calls with the path whose keys are separated by dots.
fn at<T>(path: &str, call: impl FnOnce(&Path<'_>) -> T) -> T {
    fn down<T>(parts: &[&str], path: &Path<'_>, call: impl FnOnce(&Path<'_>) -> T) -> T {
        match parts {
            [] => call(path),
            [part, rest @ ..] => down(rest, &path.key(part), call),
        }
    }
    down(&path.split('.').collect::<Vec<_>>(), &Path::ROOT, call)
}
