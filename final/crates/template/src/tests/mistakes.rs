//! What happens to templates that are wrong.

use serde_json::json;

use super::{check, container, run};

#[test]
fn a_missing_name_is_an_error_in_a_struct_and_no_value_in_a_map() {
    let data = container();
    check(
        &data,
        &[
            ("{{.Config.Labels.nope}} {{.Config.Labels.a}}", "<no value> 1"),
            ("{{.HostConfig.LogConfig.Config.nope}}", "<no value>"),
            ("{{.NetworkSettings.Networks.nope}}", "<no value>"),
            ("{{with .Config}}{{with .Labels}}{{.nope}}{{end}}{{end}}", "<no value>"),
            ("{{$l := index .Config \"Labels\"}}{{$l.nope}}", "<no value>"),
            (
                "{{.State.Nope}}",
                "template: 1:8: <.State.Nope>: no field \"Nope\" here; fields are: Status, Running, Pid, ExitCode, Health",
            ),
            (
                "{{.NetworkSettings.Networks.web.Nope}}",
                "template: 1:31: <.NetworkSettings.Networks.web.Nope>: no field \"Nope\" here; fields are: IPAddress, MacAddress",
            ),
            (
                "{{.state}}",
                "template: 1:2: <.state>: no field \"state\" here; fields are: Id, Name, Args, State, Mounts, HostConfig, Config, NetworkSettings",
            ),
            (
                "{{.State.Health.Status}}",
                "template: 1:15: <.State.Health.Status>: .State.Health is null and has no field \"Status\"",
            ),
            ("{{.Id.Nope}}", "template: 1:5: <.Id.Nope>: .Id is a string and has no field \"Nope\""),
            (
                "{{range .Args}}{{.Nope}}{{end}}",
                "template: 1:17: <.Nope>: . is a string and has no field \"Nope\"",
            ),
            (
                "{{(index .Mounts 0).Nope}}",
                "template: 1:19: <(index .Mounts 0).Nope>: no field \"Nope\" here; fields are: Type, Source, Destination, RW",
            ),
        ],
    );
}

#[test]
fn mistakes_are_named_with_line_and_column() {
    let functions = "and, eq, ge, gt, index, join, json, le, len, lower, lt, ne, not, or, pad, print, printf, println, \
                     slice, split, title, truncate, upper";
    let nonsense = format!(
        "template parsing error: 1:5: function \"nonsense\" is not supported; supported are: {functions}"
    );
    let parsing = "template parsing error: ";
    let cases = [
        ("{{ \n", "template: 1:0: \"{{\" is not closed"),
        ("ab{{", "template: 1:2: \"{{\" is not closed"),
        ("a\nbé{{.A", "template: 2:2: \"{{\" is not closed"),
        ("{{/* a", "template: 1:0: comment \"{{/*\" is not closed"),
        ("{{/* a */ .}}", "template: 1:0: \"}}\" has to follow the \"*/\" of a comment"),
        ("{{\"a}}", "template: 1:2: the quote \" is not closed"),
        ("{{\"a\n\"}}", "template: 1:2: the quote \" is not closed"),
        (r#"{{"\z"}}"#, r#"template: 1:2: "\z": unknown escape \z"#),
        (r#"{{"\xff"}}"#, r#"template: 1:2: "\xff": the escapes do not make UTF-8"#),
        (r#"{{"\u12"}}"#, r#"template: 1:2: "\u12": bad escape \u12"#),
        ("{{'ab'}}", "template: 1:2: 'ab': more than one character; strings are in double quotes"),
        ("{{1x}}", "template: 1:2: bad number \"1x\""),
        ("{{99999999999999999999}}", "template: 1:2: bad number \"99999999999999999999\""),
        (
            "{{.A-b}}",
            "template: 1:4: unexpected '-' after \".A\"; a key that is not one word is reached with index: (index . \"a-key\")",
        ),
        ("{{ & }}", "template: 1:3: unexpected '&'"),
        ("{{   nonsense .A}}", &nonsense),
        ("{{}}", &format!("{parsing}1:2: a value is missing before \"}}}}\"")),
        ("{{1 |}}", &format!("{parsing}1:5: a value is missing before \"}}}}\"")),
        ("{{(1}}", &format!("{parsing}1:2: \"(\" is not closed")),
        ("{{1)}}", &format!("{parsing}1:3: unexpected \")\"")),
        ("{{.A.}}", &format!("{parsing}1:4: unexpected \".\" directly after \".A\"")),
        ("{{(1)(2)}}", &format!("{parsing}1:5: unexpected \"(\" directly after \"(1)\"")),
        ("{{if 1}}", &format!("{parsing}1:2: \"if\" has no {{{{end}}}}")),
        ("{{range .}}{{else}}", &format!("{parsing}1:2: \"range\" has no {{{{end}}}}")),
        ("{{if}}{{end}}", &format!("{parsing}1:4: a value is missing before \"}}}}\"")),
        ("{{end}}", &format!("{parsing}1:2: unexpected \"end\": no block is open")),
        ("{{else}}", &format!("{parsing}1:2: unexpected \"else\": no block is open")),
        ("{{if 1}}{{else}}{{else}}{{end}}", &format!("{parsing}1:18: a second \"else\" in one \"if\"")),
        ("{{if 1}}{{end 1}}", &format!("{parsing}1:14: unexpected \"1\" after end")),
        ("{{range .}}{{else if 1}}{{end}}", &format!("{parsing}1:18: unexpected \"if\" after else")),
        ("{{break}}", &format!("{parsing}1:2: \"break\" outside of a range")),
        (
            "{{range .}}{{else}}{{continue}}{{end}}",
            &format!("{parsing}1:21: \"continue\" outside of a range"),
        ),
        (
            "{{print if}}",
            &format!("{parsing}1:8: unexpected \"if\": it has to be the first word between {{{{ and }}}}"),
        ),
    ];
    check(&json!({}), &cases);
    for word in ["define", "template", "block"] {
        let expected = format!("{parsing}1:2: {word:?} is not supported");
        let error = run(&format!("{{{{{word} \"x\"}}}}"), &json!({}));
        assert!(error.starts_with(&expected), "{error}");
    }
    assert_eq!(run("{{.A}}", &json!({})), "template: 1:2: <.A>: no field \"A\" here; the object is empty");
}

#[test]
fn depth_and_size_are_limited() {
    let deep = "{{if 1}}".repeat(5000);
    assert!(run(&deep, &json!({})).contains("\"if\" is nested deeper than 100"), "blocks");
    let deep = format!("{{{{{}", "(".repeat(5000));
    assert!(run(&(deep + "}}"), &json!({})).contains("\"(\" is nested deeper than 100"), "parentheses");
    let fits = format!(
        "{}{{{{{}1{}}}}}{}",
        "{{with 1}}".repeat(50),
        "(print ".repeat(50),
        ")".repeat(50),
        "{{end}}".repeat(50)
    );
    assert_eq!(run(&fits, &json!({})), "1");
    let large = "{{$x := \"aaaaaaaa\"}}{{range 99}}{{$x = print $x $x}}{{end}}";
    assert!(run(large, &json!({})).contains("print: the result is larger than"), "values");
    let large = "{{range 99999999}}{{pad \"a\" 9999 0}}{{end}}";
    assert!(run(large, &json!({})).contains("the output is larger than"), "output");
    assert!(run("{{pad \"a\" 99999999 0}}", &json!({})).contains("pad: more than"), "padding");
}

#[test]
fn no_mutation_of_a_template_panics() {
    let templates = [
        "{{- range $p, $conf := .NetworkSettings.Ports -}} {{$p}} -> {{(index $conf 0).HostPort}}\n{{else}}é{{end}}",
        r#"{{with $x := index .Mounts 0}}{{$x.Source | printf "%-20.3q|%05d" 'é' | upper}}{{else with .Id}}{{.}}{{end}}"#,
        "{{/* é */ -}} {{if and (gt (len .Args) 1) (not .State.Health)}}{{slice .Name 1 3}}{{else if 0x1F}}{{break}}{{end}}",
        "{{range $i := 3}}{{if eq $i 1}}{{continue}}{{end}}{{$i = print $i 1.5e3 `raw`}}{{$i}}{{end}}{{.Label \"a\"}}",
        r#"{{printf "%s\u00e9\x41" (join (split .Config.Image ":") "é") | truncate | pad 1 2}}{{json .}}{{.Id.X}}"#,
    ];
    let data = container();
    let mut runs = 0;
    for template in templates {
        let chars: Vec<char> = template.chars().collect();
        for at in 0..chars.len() {
            let (before, after) = (&chars[..at], &chars[at + 1..]);
            let mut mutations = vec![before.to_vec(), after.to_vec(), [before, after].concat()];
            for c in "{}()|.$-\"\\`'/ \nx0é%".chars() {
                mutations.push([before, &[c], after].concat());
                mutations.push([before, &[c], &chars[at..]].concat());
            }
            for mutation in mutations {
                run(&mutation.into_iter().collect::<String>(), &data);
                runs += 1;
            }
        }
    }
    assert!(runs > 10_000, "{runs}");
}
