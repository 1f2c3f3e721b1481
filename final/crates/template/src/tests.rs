mod mistakes;

use serde_json::{Value, json};

use super::Template;

/// What a template gives, or what its error says.
fn run(template: &str, data: &Value) -> String {
    match Template::parse(template).and_then(|template| template.render(data)) {
        Ok(output) => output,
        Err(error) => error.to_string(),
    }
}

fn check(data: &Value, cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(run(template, data), *expected, "{template}");
    }
}

/// Shortened from what `docker inspect` says about a container.
fn container() -> Value {
    json!({
        "Id": "4fa6e0f0c678",
        "Name": "/web",
        "Args": ["-g", "daemon off;"],
        "State": { "Status": "running", "Running": true, "Pid": 4711, "ExitCode": 0, "Health": null },
        "Mounts": [
            { "Type": "volume", "Source": "/var/lib/data", "Destination": "/data", "RW": true },
            { "Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": false },
        ],
        "HostConfig": {
            "Memory": 536870912,
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m" } },
            "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
        },
        "Config": {
            "Image": "nginx:1.29",
            "Env": ["PATH=/usr/bin", "LANG=C"],
            "Labels": { "com.example": "yes", "a": "1" },
            "Volumes": null,
        },
        "NetworkSettings": {
            "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }],
                       "443/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8443" }] },
            "Networks": { "web": { "IPAddress": "172.18.0.2", "MacAddress": "02:42:ac:12:00:02" },
                          "bridge": { "IPAddress": "172.17.0.2", "MacAddress": "02:42:ac:11:00:02" } },
        },
    })
}

/// A row of `docker ps`.
fn row() -> Value {
    json!({ "ID": "4fa6e0f0c678", "Command": "\"nginx -g\"", "Names": "web", "Labels": "com.example=yes,a=1" })
}

#[test]
fn the_examples_of_docker_inspect_work() {
    check(
        &container(),
        &[
            ("{{range .Mounts}}{{.Source}} {{end}}", "/var/lib/data /srv "),
            ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "172.17.0.2172.18.0.2"),
            (
                "{{range .NetworkSettings.Networks}}{{println .MacAddress}}{{end}}",
                "02:42:ac:11:00:02\n02:42:ac:12:00:02\n",
            ),
            (
                "{{range $p, $conf := .NetworkSettings.Ports}} {{$p}} -> {{(index $conf 0).HostPort}} {{end}}",
                " 443/tcp -> 8443  80/tcp -> 8080 ",
            ),
            (r#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}"#, "8080"),
            (r#"{{index .Config.Labels "com.example"}}"#, "yes"),
            ("{{.Config.Image}}", "nginx:1.29"),
            ("{{.HostConfig.LogConfig.Type}}", "json-file"),
            (
                "{{json .State}}",
                r#"{"Status":"running","Running":true,"Pid":4711,"ExitCode":0,"Health":null}"#,
            ),
            ("{{json .Config.Env}}", r#"["PATH=/usr/bin","LANG=C"]"#),
            ("{{join .Args \" , \"}}", "-g , daemon off;"),
            ("{{split .Config.Image \":\"}}", "[nginx 1.29]"),
            ("{{title .State.Status}} {{upper .Id}} {{lower \"ABC\"}}", "Running 4FA6E0F0C678 abc"),
            ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
            ("{{range .Config.Env}}{{$v := split . \"=\"}}{{index $v 0}};{{end}}", "PATH;LANG;"),
            ("{{.Name}} {{if eq .State.Status \"running\" \"paused\"}}up{{end}}", "/web up"),
            ("{{with index .Mounts 0}}{{.Source}}:{{.Destination}}{{end}}", "/var/lib/data:/data"),
            (
                "{{range .Mounts}}{{if eq .Type \"bind\"}}{{.Source}}{{else}}{{$.Name}}{{end}},{{end}}",
                "/web,/srv,",
            ),
            ("{{ .HostConfig.Memory }}{{/* bytes */}}", "536870912"),
            ("{{len .Mounts}} {{.State.Running}}", "2 true"),
            ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "a=1 com.example=yes "),
        ],
    );
}

#[test]
fn the_examples_of_docker_ps_work() {
    check(
        &row(),
        &[
            ("{{.ID}}: {{.Command}}", "4fa6e0f0c678: \"nginx -g\""),
            ("{{.Label \"com.example\"}}|{{.Label \"nope\"}}|{{\"a\" | .Label}}|{{$.Label `a`}}", "yes||1|1"),
            ("{{truncate .ID 4}}|{{pad .Names 2 1}}|{{pad \"\" 2 1}}", "4fa6|  web |"),
            ("{{json .Names}}", "\"web\""),
            (
                "{{.Label \"a\" \"b\"}}",
                "template: 1:2: <.Label \"a\" \"b\">: .Label is not a function; only .Label \"key\" takes an argument",
            ),
            (
                "{{.ID \"a\"}}",
                "template: 1:2: <.ID \"a\">: .ID is not a function; only .Label \"key\" takes an argument",
            ),
        ],
    );
}

#[test]
fn text_is_trimmed_where_a_dash_says_so() {
    check(
        &json!({ "A": 1 }),
        &[
            ("", ""),
            ("a {{.A}} b", "a 1 b"),
            ("a \n{{- .A -}}\t b", "a1b"),
            ("a {{- /* why */ -}} b", "ab"),
            ("a {{/* }} */}} b", "a  b"),
            ("{{3 -}} a", "3a"),
            ("{{-3}} a", "-3 a"),
            ("{{- 3}} a", "3 a"),
            ("}} } {", "}} } {"),
            ("{{- if .A -}} x {{- else -}} y {{- end -}}\n", "x"),
            ("{{\n.A\n}}", "1"),
        ],
    );
}

#[test]
fn values_print_as_in_go() {
    let data = json!({ "m": { "c": 1.5, "a": "b" }, "l": ["a", 2, null, [true]], "n": null, "big": 1e21, "u": u64::MAX });
    check(
        &data,
        &[
            (
                "{{.m}} {{.l}} {{.n}} {{.big}} {{.u}}",
                "map[a:b c:1.5] [a 2 <nil> [true]] <no value> 1e+21 18446744073709551615",
            ),
            ("{{1e3}} {{1.50}} {{.5}} {{0.00001}} {{-2}} {{+2}} {{'a'}}", "1000 1.5 0.5 1e-05 -2 2 97"),
            ("{{0x1F}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{true}}", "31 3 15 15 1000 true"),
            (
                r#"{{"a\t\"\x41\101\u00e9\U0001F600\\"}} {{`a\t"`}} {{'\''}} {{"\xc3\xa9"}}"#,
                "a\t\"AAé😀\\ a\\t\" 39 é",
            ),
            ("{{print 1 2 \"a\" 3 true}} {{print nil}} {{print}}", "1 2a3 true <nil> "),
            ("{{println 1 \"a\"}}", "1 a\n"),
            ("{{json .n}} {{json .m}} {{json \"<&>\"}}", r#"null {"c":1.5,"a":"b"} "<&>""#),
        ],
    );
}

#[test]
fn conditions_take_empty_for_false() {
    let data = json!({ "f": false, "z": 0, "d": 0.0, "s": "", "a": [], "o": {}, "n": null, "t": [0] });
    for name in ["f", "z", "d", "s", "a", "o", "n"] {
        assert_eq!(run(&format!("{{{{if .{name}}}}}yes{{{{else}}}}no{{{{end}}}}"), &data), "no", "{name}");
    }
    check(
        &data,
        &[
            ("{{if .t}}yes{{end}}", "yes"),
            ("{{if .f}}1{{else if .t}}2{{else}}3{{end}}.", "2."),
            ("{{if .f}}1{{else if .z}}2{{else}}3{{end}}.", "3."),
            ("{{if $x := .t}}{{$x}}{{end}}", "[0]"),
            ("{{with .f}}1{{else with .t}}{{index . 0}}{{else}}3{{end}}", "0"),
            ("{{with $x := .t}}{{$x}}{{.}}{{else}}3{{end}}", "[0][0]"),
            ("{{with .n}}1{{else}}{{.z}}{{end}}", "0"),
            (
                "{{and 1 .t}} {{and 0 .nope}} {{or .f 0}} {{or .t .nope}} {{not .f}} {{and 1 2 3}}",
                "[0] 0 0 [0] true 3",
            ),
            ("{{1 | and 2}} {{0 | or}}", "1 0"),
        ],
    );
}

#[test]
fn ranges_go_over_arrays_objects_and_integers() {
    let data = json!({ "l": ["a", "b", "c"], "o": { "y": 1, "x": 2 }, "e": [], "n": null });
    check(
        &data,
        &[
            ("{{range .l}}{{.}},{{end}}", "a,b,c,"),
            ("{{range $v := .l}}{{$v}}{{end}}", "abc"),
            ("{{range $i, $v := .l}}{{$i}}{{$v}} {{end}}", "0a 1b 2c "),
            ("{{range $k, $v := .o}}{{$k}}{{$v}} {{end}}", "x2 y1 "),
            ("{{range 3}}{{.}}{{end}} {{range $i := 2}}{{$i}}{{end}}", "012 01"),
            (
                "{{range .e}}1{{else}}none{{end}}{{range .n}}1{{else}}none{{end}}{{range 0}}{{else}}0{{end}}",
                "nonenone0",
            ),
            ("{{range .l}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}.", "a."),
            ("{{range .l}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}.", "ac."),
            ("{{range 2}}{{range 3}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}};{{end}}", "0;0;"),
            ("{{range split \"a/b\" \"/\"}}<{{.}}>{{end}}", "<a><b>"),
            (
                "{{range $i, $v := 3}}{{end}}",
                "template: 1:18: <3>: a range over an integer sets one variable, not two",
            ),
            ("{{range \"abc\"}}{{end}}", "template: 1:8: <\"abc\">: cannot range over a string"),
        ],
    );
}

#[test]
fn variables_live_as_long_as_their_block() {
    let data = json!({ "l": [1, 2], "A": { "B": 7 } });
    check(
        &data,
        &[
            ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
            ("{{$x := 1}}{{range .l}}{{$x = .}}{{end}}{{$x}}", "2"),
            ("{{$x := 1}}{{range .l}}{{$x := .}}{{end}}{{$x}}", "1"),
            ("{{$x := 1}}{{$x := print $x 2}}{{$x}}", "1 2"),
            ("{{$i := 9}}{{range $i, $v := .l}}{{end}}{{$i}}", "9"),
            ("{{$i := 9}}{{$v := 9}}{{range $i, $v = .l}}{{end}}{{$i}}{{$v}}", "12"),
            ("{{$a := .A}}{{$a.B}} {{with .A}}{{$.A.B}} {{$.l}}{{end}}", "7 7 [1 2]"),
            ("{{$x}}", "template parsing error: 1:2: variable \"$x\" is not defined; defined are: $"),
            ("{{$x = 1}}", "template parsing error: 1:2: variable \"$x\" is not defined; defined are: $"),
            (
                "{{if $x := 1}}{{end}}{{$x}}",
                "template parsing error: 1:23: variable \"$x\" is not defined; defined are: $",
            ),
            (
                "{{if 0}}{{$x := 1}}{{else}}{{$x}}{{end}}",
                "template parsing error: 1:29: variable \"$x\" is not defined; defined are: $",
            ),
            (
                "{{$x, $y := 1}}",
                "template parsing error: 1:4: unexpected \",\": too many variables are set here",
            ),
            (
                "{{($x := 1)}}",
                "template parsing error: 1:6: unexpected \":=\": too many variables are set here",
            ),
        ],
    );
}

#[test]
fn pipes_hand_on_the_last_argument() {
    check(
        &json!({ "s": "a,b", "l": [3, [4, 5]] }),
        &[
            ("{{.s | upper | printf \"%s-%s\" \"x\"}}", "x-A,B"),
            ("{{len (split .s \",\") | eq 2}}", "true"),
            ("{{(index .l 1 | len)}}", "2"),
            (
                "{{1 | .s}}",
                "template: 1:6: <.s>: .s is not a function; only .Label \"key\" takes an argument",
            ),
            ("{{1 | 2}}", "template parsing error: 1:6: \"2\" cannot take the value of a pipe"),
            ("{{1 2}}", "template parsing error: 1:2: \"1\" is not a function and cannot take arguments"),
            ("{{.s | len | upper}}", "template: 1:13: <upper>: upper: wants a string, not an integer (3)"),
        ],
    );
}

#[test]
fn comparisons_take_numbers_and_strings() {
    check(
        &json!({ "i": 2, "f": 2.0, "s": "b", "n": null, "l": [] }),
        &[
            (
                "{{eq .i 2}} {{eq .i 1 2}} {{eq .i .f}} {{ne .s \"a\"}} {{eq .n nil}} {{eq .s nil}}",
                "true true true true true false",
            ),
            ("{{lt 1 .i}} {{le 2 .i}} {{gt .s \"a\"}} {{ge .i 2.5}}", "true true true false"),
            ("{{eq true false}}", "false"),
            ("{{eq .s 1}}", "template: 1:2: <eq .s 1>: eq: cannot compare a string with an integer"),
            ("{{eq .l .l}}", "template: 1:2: <eq .l .l>: eq: cannot compare an array with an array"),
            ("{{lt true false}}", "template: 1:2: <lt true false>: lt: cannot compare a bool with a bool"),
            ("{{eq 1}}", "template: 1:2: <eq 1>: eq: takes at least 2 arguments, not 1"),
        ],
    );
}

#[test]
fn index_len_and_slice_reach_into_values() {
    check(
        &json!({ "s": "abc", "e": "é", "l": [1, [2, 3]], "o": { "a": { "b": 4 } }, "n": null }),
        &[
            ("{{index .l 1 0}} {{index .o \"a\" \"b\"}} {{index .s 0}} {{index .s}}", "2 4 97 abc"),
            ("{{index .o \"nope\"}} {{index .n \"x\"}}", " <no value>"),
            ("{{len .s}} {{len .e}} {{len .l}} {{len .o}} {{len .n}}", "3 2 2 1 0"),
            (
                "{{slice .s 1}} {{slice .s 1 2}} {{slice .l 1}} {{slice .s}} {{slice .l 0 1 2}}",
                "bc b [[2 3]] abc [1]",
            ),
            ("{{index .l 2}}", "template: 1:2: <index .l 2>: index: 2 is out of range; there are 2 elements"),
            ("{{index .l -1}}", "template: 1:2: <index .l -1>: index: wants an integer from 0, not -1"),
            ("{{index .n 0}}", "template: 1:2: <index .n 0>: index: 0 is out of range; the list is null"),
            ("{{index .o 1}}", "template: 1:2: <index .o 1>: index: wants a string, not an integer (1)"),
            ("{{slice .s 2 1}}", "template: 1:2: <slice .s 2 1>: slice: 2 to 1 is out of range; there are 3"),
            ("{{slice .e 1}}", "template: 1:2: <slice .e 1>: slice: 1 to 2 cuts a character in two"),
            ("{{len 3}}", "template: 1:2: <len 3>: len: an integer has no length"),
        ],
    );
}

#[test]
fn printf_formats_as_go_does() {
    let data =
        json!({ "i": -42, "f": 3.24159, "s": "héllo", "l": ["a", "b"], "m": { "b": 1, "a": 2 }, "n": null });
    check(
        &data,
        &[
            (
                "{{printf \"%d|%5d|%-5d|%05d|%+d|%x|%X|%.4d\" .i 7 7 -7 7 255 255 7}}",
                "-42|    7|7    |-0007|+7|ff|FF|0007",
            ),
            ("{{printf \"%s|%8s|%-8s|%.2s|%q\" .s .s .s .s .s}}", "héllo|   héllo|héllo   |hé|\"héllo\""),
            (
                "{{printf \"%q %q %x %c %o %b\" \"a\\n\\\"\" 'x' \"hi\" 65 8 5}}",
                r#""a\n\"" 'x' 6869 A 10 101"#,
            ),
            (
                "{{printf \"%f|%.2f|%8.2f|%-8.1f|%08.2f\" .f .f .f .f -3.5}}",
                "3.241590|3.24|    3.24|3.2     |-0003.50",
            ),
            (
                "{{printf \"%t %v %% %T %T %T %T\" true .m 1 1.5 .l .n}}",
                "true map[a:2 b:1] % int float64 []interface {} <nil>",
            ),
            ("{{printf \"%v %s %q %3s\" .l .l .l .l}}", r#"[a b] [a b] ["a" "b"] [  a   b]"#),
            ("{{printf \"%s %d %v %d\" 5 \"x\" .n}}", "%!s(int=5) %!d(string=x) <nil> %!d(MISSING)"),
            ("{{printf \"a\" 1 \"b\"}}", "a%!(EXTRA int=1, string=b)"),
            ("{{printf \"%-20s|\" \"a\"}}", "a                   |"),
            (
                "{{printf \"%z\" 1}}",
                "template: 1:2: <printf \"%z\" 1>: printf: %z is not supported; supported are: %s %v %q %d %x %X %o %b %c %f %t %T %%",
            ),
            ("{{printf \"5%\"}}", "template: 1:2: <printf \"5%\">: printf: the format ends in \"%\""),
            (
                "{{printf \"%99999d\" 1}}",
                "template: 1:2: <printf \"%99999d\" 1>: printf: a width of 99999 is more than 10000",
            ),
            ("{{printf 1}}", "template: 1:2: <printf 1>: printf: wants a string, not an integer (1)"),
        ],
    );
}

#[test]
fn a_template_renders_any_number_of_times() -> Result<(), super::TemplateError> {
    let template = Template::parse("{{.A}}{{$x := .A}}{{$x}}")?;
    for n in 0..3 {
        assert_eq!(template.render(&json!({ "A": n }))?, format!("{n}{n}"));
    }
    Ok(())
}
