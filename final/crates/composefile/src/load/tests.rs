use std::collections::BTreeMap;

use super::*;
use crate::merge::shown;

/// A directory with files, and what a project of it is loaded with.
struct Case {
    directory: tempfile::TempDir,
    options: LoadOptions,
}

/// The files of a text: each begins with a line `== NAME`.
fn case(files: &str) -> Case {
    let directory = tempfile::tempdir().unwrap();
    for file in files.split("== ").filter(|file| !file.trim().is_empty()) {
        let (name, text) = file.split_once('\n').unwrap();
        let path = directory.path().join(name.trim());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let options = LoadOptions {
        current_directory: directory.path().to_owned(),
        environment: BTreeMap::from([("HOME".to_owned(), "/home/me".to_owned())]),
        project_name: Some("p".into()),
        service_environment: ServiceEnvironment::Enabled,
        ..LoadOptions::default()
    };
    Case { directory, options }
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut LoadOptions)) -> Self {
        change(&mut self.options);
        self
    }

    fn variable(self, name: &str, value: &str) -> Self {
        self.with(|options| drop(options.environment.insert(name.into(), value.into())))
    }

    fn load(&self) -> Loaded {
        load(&self.options)
    }

    fn project(&self) -> Project {
        self.load().result.unwrap()
    }

    /// The error with its line, without the directory's path.
    fn error(&self) -> String {
        let error = self.load().result.unwrap_err();
        let line = error.place.map_or(0, |place| place.line);
        self.short(&format!("{line}: {}", error.why))
    }

    fn warnings(&self) -> Vec<String> {
        self.load().warnings.iter().map(|warning| self.short(&warning.text)).collect()
    }

    fn short(&self, text: &str) -> String {
        text.replace(self.directory.path().to_str().unwrap(), "DIR")
    }

    /// An attribute of a service as the merged document has it, without the directory's path.
    fn of(&self, service: &str, key: &str) -> String {
        let project = self.project();
        let mut node = &project.tree;
        for key in ["services", service, key] {
            let Value::Mapping(entries) = &node.value else { panic!("{key}") };
            match entries.get(key) {
                Some(entry) => node = &entry.node,
                None => return "none".into(),
            }
        }
        self.short(&shown(&node.value))
    }
}

const WEB: &str = "== compose.yaml\nservices:\n  web:\n    image: x\n";

#[test]
fn the_default_file_is_looked_for_upwards_and_has_an_override() {
    let files = format!("{WEB}== compose.override.yml\nservices: {{web: {{image: y}}}}\n== a/b/c\n");
    let found = case(&files).with(|options| options.current_directory.push("a/b"));
    assert_eq!(found.of("web", "image"), "y");
    let project = found.project();
    assert_eq!(project.compose_files.len(), 2);
    assert_eq!(project.working_dir, found.directory.path());
    let both = case(&format!("{WEB}== docker-compose.yml\nservices: {{}}\n"));
    assert!(
        both.warnings()[0].starts_with("Found multiple config files with supported names: DIR/compose.yaml")
    );
    assert_eq!(case("== x\n").error(), "0: no configuration file provided: not found");
    assert_eq!(
        case("== x\n").with(|options| options.files.push("y".into())).error(),
        "0: open DIR/y: no such file or directory"
    );
}

#[test]
fn the_first_file_says_what_the_directory_is() {
    let files = "== a/c.yaml\nservices: {web: {image: x, volumes: ['./v:/v']}}\n== b/x\n";
    let named = case(files).with(|options| options.files.push("a/c.yaml".into()));
    assert_eq!(named.project().working_dir, named.directory.path().join("a"));
    let moved = named.with(|options| options.project_directory = Some("b".into()));
    assert_eq!(
        moved.project().services["web"].volumes[0].source,
        moved.directory.path().join("b/v").to_str().unwrap()
    );
    let stdin = case("== x\n").with(|options| {
        options.files.push("-".into());
        options.stdin = Some("services: {web: {image: x}}".into());
    });
    assert_eq!(stdin.project().compose_files, ["-"]);
    assert_eq!(stdin.project().working_dir, stdin.directory.path());
}

#[test]
fn the_process_goes_before_env_files_and_a_later_file_before_an_earlier_one() {
    let files = "== compose.yaml\nservices: {web: {image: 'x:${A}${B}${C}'}}\n== .env\nA=dot\nB=dot\nC=dot\n\
                 == one\nA=one\nB=one\nC=\n== two\nB=two\n";
    assert_eq!(case(files).of("web", "image"), "x:dotdotdot");
    assert_eq!(case(files).variable("A", "shell").of("web", "image"), "x:shelldotdot");
    let named = case(files).with(|options| options.env_files = vec!["one".into(), "two".into()]);
    assert_eq!(named.of("web", "image"), "x:onetwo");
    let listed = case(files).variable("COMPOSE_ENV_FILES", "one,two");
    assert_eq!(listed.of("web", "image"), "x:onetwo");
    assert_eq!(listed.load().env_files.len(), 2);
    let disabled = case(files).variable("COMPOSE_DISABLE_ENV_FILE", "1");
    assert_eq!(disabled.of("web", "image"), "x:");
    assert_eq!(disabled.warnings().len(), 3);
    let wrong = case(files).variable("COMPOSE_DISABLE_ENV_FILE", "maybe");
    assert_eq!(wrong.error(), "0: strconv.ParseBool: parsing \"maybe\": invalid syntax");
    let missing = case(files).with(|options| options.env_files.push("three".into()));
    assert_eq!(missing.error(), "0: couldn't find env file: DIR/three");
    let wrong = case(&format!("{WEB}== .env\nA=1\n\n B C=2\nD=$N\n"));
    assert_eq!(wrong.error(), "3: failed to read DIR/.env: line 3: key cannot contain a space");
    let unset = case(&format!("{WEB}== .env\nA=1\n D=$N\n")).load();
    let place = unset.warnings[0].place.unwrap();
    assert_eq!((place.line, place.column), (2, 2));
    assert!(unset.sources.get(place).unwrap().name.ends_with(".env"));
}

#[test]
fn an_env_file_can_name_the_files_the_project_and_its_profiles() {
    let files = "== x.yaml\nservices: {web: {image: x}, dev: {image: d, profiles: [dev]}}\n\
                 == y.yaml\nservices: {web: {image: y}}\n\
                 == .env\nCOMPOSE_FILE=x.yaml;y.yaml\nCOMPOSE_PATH_SEPARATOR=;\nCOMPOSE_PROJECT_NAME=named\n\
                 COMPOSE_PROFILES=dev\nCOMPOSE_PROGRESS=plain\n";
    let found = case(files).with(|options| options.project_name = None);
    let project = found.project();
    assert_eq!((project.name.as_str(), project.services.len()), ("named", 2));
    assert_eq!(found.of("web", "image"), "y");
    assert_eq!(compose_variables(&found.options)["COMPOSE_PROGRESS"], "plain");
    let flags = found.with(|options| {
        options.profiles.push("other".into());
        options.project_name = Some("flag".into());
    });
    let project = flags.project();
    assert_eq!((project.name.as_str(), project.services.len()), ("flag", 1));
    assert_eq!(case("== .env\nCOMPOSE_FILE=no\n").error(), "0: stat DIR/no: no such file or directory");
}

#[test]
fn the_name_is_that_of_the_flag_the_file_or_the_directory() {
    let unnamed = |files: &str| case(files).with(|options| options.project_name = None);
    let named = "== compose.yaml\nname: ${N:-My}App\nservices: {web: {image: '${COMPOSE_PROJECT_NAME}'}}\n";
    assert_eq!(unnamed(named).project().name, "myapp");
    assert_eq!(unnamed(named).of("web", "image"), "myapp");
    assert_eq!(case(named).project().name, "p");
    let directory =
        unnamed(&WEB.replace("== ", "== My.Dir/")).with(|options| options.current_directory.push("My.Dir"));
    assert_eq!(directory.project().name, "mydir");
    let wrong = case(WEB).with(|options| options.project_name = Some("P".into()));
    assert!(wrong.error().starts_with("0: invalid project name \"P\""));
    let empty = "== compose.yaml\nname: ${N:-_}\nservices: {}\n";
    assert_eq!(unnamed(empty).error(), "0: project name must not be empty");
}

#[test]
fn variables_are_replaced_before_services_extend_and_files_merge() {
    let files = "== compose.yaml\nservices:\n  web: {extends: '${BASE:-base}', ports: ['${P:-1}:1']}\n  base: {image: x, init: '${I:-yes}'}\n";
    let found = case(files);
    assert_eq!(found.of("web", "init"), "true");
    assert_eq!(found.warnings(), ["\"yes\" for boolean is not supported by YAML 1.2, please use `true`"]);
    let missing = case(&format!("{WEB}    hostname: ${{N:?give one}}\n"));
    assert_eq!(
        missing.error(),
        "4: error while interpolating services.web.hostname: required variable N is missing a value: give one"
    );
    let raw = case(&format!("{WEB}    hostname: ${{N:?}}\n")).with(|options| options.no_interpolate = true);
    assert!(load_model(&raw.options).result.is_ok());
}

#[test]
fn services_extend_others_of_their_file_and_of_other_files() {
    let files = "== compose.yaml\nservices:\n  web: {extends: base, environment: [B=2]}\n  \
                 base: {extends: {file: sub/c.yaml, service: top}, environment: {A: 1}}\n\
                 == sub/c.yaml\nservices:\n  top: {extends: {file: d.yaml, service: deep}, build: ./b}\n\
                 == sub/d.yaml\nservices:\n  deep: {volumes: ['./v:/v'], env_file: e, hostname: h}\n== sub/e\nE=1\n";
    let found = case(files);
    assert_eq!(found.of("web", "hostname"), "h");
    let web = &found.project().services["web"];
    assert_eq!(web.environment.keys().collect::<Vec<_>>(), ["A", "B", "E"]);
    assert_eq!(found.short(&web.volumes[0].source), "DIR/sub/v");
    assert_eq!(found.short(&web.build.as_ref().unwrap().context), "DIR/sub/b");
    assert_eq!(found.of("web", "extends"), "none");
}

#[test]
fn what_cannot_be_extended_is_refused_where_it_is_named() {
    let error = |text: &str| {
        case(&format!("== compose.yaml\nservices:\n  a:\n    extends: {text}\n== n.yaml\nservices: {{x: {{}}}}\n== e.yaml\nx-a: 1\n")).error()
    };
    assert_eq!(error("b"), "3: cannot extend service \"a\" in DIR/compose.yaml: service \"b\" not found");
    assert_eq!(
        error("{file: n.yaml, service: b}"),
        "3: cannot extend service \"a\" in DIR/compose.yaml: service \"b\" not found in n.yaml"
    );
    assert_eq!(
        error("{file: e.yaml, service: b}"),
        "3: cannot extend service \"a\" in DIR/e.yaml: no services section"
    );
    assert_eq!(error("{file: m.yaml, service: b}"), "3: open DIR/m.yaml: no such file or directory");
    assert_eq!(error("{file: n.yaml}"), "3: extends.a.service is required");
    assert!(error("{file: 'https://example.com/a.git', service: b}").contains("git repository"));
    assert!(error("{file: compose.yaml, service: a}").contains("Circular reference:\n  a in compose.yaml"));
    let cycle = case("== compose.yaml\nservices: {a: {extends: b}, b: {extends: a}}\n").error();
    assert_eq!(cycle.lines().last(), Some("  extends a in DIR/compose.yaml"));
    let chain: String = (0..1000).map(|n| format!("  s{n}: {{extends: s{}}}\n", n + 1)).collect();
    let deep = case(&format!("== compose.yaml\nservices:\n{chain}  s1000: {{image: x}}\n"));
    assert!(deep.error().contains("more than 200 services extend each other"));
}

#[test]
fn an_included_file_has_its_directory_and_its_variables() {
    let files = "== compose.yaml\ninclude:\n  - one/a.yaml\n  - {path: b.yaml, project_directory: pd, env_file: i.env}\n\
                 services: {web: {image: 'x:${V:-none}'}}\n\
                 == one/a.yaml\ninclude: [two/c.yaml]\nservices: {a: {image: 'a:${V}', volumes: ['./v:/v']}}\n== one/.env\nV=one\n\
                 == one/two/c.yaml\nservices: {c: {image: 'c:${V}', env_file: e}}\nvolumes: {vol: {}}\n== one/two/e\nE=1\n\
                 == b.yaml\nservices: {b: {image: 'b:${V}', build: .}}\n== i.env\nV=i\n== pd/.env\nV=no\n";
    let found = case(files);
    assert_eq!(found.of("web", "image"), "x:none");
    assert_eq!(found.of("a", "image"), "a:one");
    assert_eq!(found.of("c", "image"), "c:one");
    assert_eq!(found.of("b", "image"), "b:i");
    let project = found.project();
    assert_eq!(found.short(&project.services["a"].volumes[0].source), "DIR/one/v");
    assert_eq!(project.services["c"].environment["E"].as_deref(), Some("1"));
    assert_eq!(found.short(&project.services["b"].build.as_ref().unwrap().context), "DIR/pd");
    let shell = case(files).variable("V", "shell");
    assert_eq!(shell.of("c", "image"), "c:shell");
}

#[test]
fn includes_that_clash_or_go_round_are_refused() {
    let clash = case(
        "== compose.yaml\ninclude: [b.yaml]\nservices: {web: {image: y}}\n== b.yaml\nservices: {web: {image: x}}\n",
    );
    assert_eq!(clash.error(), "2: services.web conflicts with imported resource");
    let twice = "== compose.yaml\ninclude: [b.yaml, c.yaml]\n== b.yaml\ninclude: [d.yaml]\n== c.yaml\ninclude: [d.yaml]\n== d.yaml\nservices: {web: {image: x}}\n";
    assert_eq!(case(twice).of("web", "image"), "x");
    let overridden = "== compose.yaml\ninclude: [{path: [b.yaml, c.yaml]}]\n== b.yaml\nservices: {web: {image: x}}\n== c.yaml\nservices: {web: {image: y}}\n";
    assert_eq!(case(overridden).of("web", "image"), "y");
    let cycle = case("== compose.yaml\ninclude: [b.yaml]\n== b.yaml\ninclude:\n- compose.yaml\n");
    assert_eq!(
        cycle.error(),
        "2: include cycle detected:\nDIR/compose.yaml\n include DIR/b.yaml\n include DIR/compose.yaml"
    );
    for remote in ["oci://docker.io/a/b", "https://example.com/c.yaml", "git@example.com:a/b.git"] {
        let refused = case(&format!("== compose.yaml\ninclude:\n- {remote}\n"));
        assert!(refused.error().contains("hull reads local files only"), "{remote}");
        let refused = case(WEB).with(|options| options.files.push(remote.into()));
        assert!(refused.error().contains("hull reads local files only"), "{remote}");
    }
    let unknown = case("== compose.yaml\ninclude: [{path: b.yaml, pahts: c}]\n== b.yaml\nservices: {}\n");
    assert_eq!(unknown.warnings(), ["include[0].pahts is unknown, and has no effect"]);
}

#[test]
fn a_bomb_of_includes_is_refused() {
    let mut files = String::from("== compose.yaml\ninclude: [0.yaml]\n");
    for level in 0..14 {
        let next = format!("{}.yaml", level + 1);
        files += &format!("== {level}.yaml\ninclude: [{next}, {next}, {next}]\n");
    }
    let bomb = case(&(files + "== 14.yaml\nservices: {web: {image: x}}\n"));
    assert!(bomb.error().contains("more than 5000 times"));
}

#[test]
fn reset_removes_and_override_replaces_what_was_there() {
    let files = "== compose.yaml\nservices:\n  web: {image: x, command: a, ports: ['1:1'], environment: {A: 1, B: 2}, cap_add: [A]}\n\
                 == compose.override.yaml\nservices:\n  web: {command: !reset null, ports: !override ['2:2'], environment: {A: !reset null}, cap_add: !reset []}\n";
    let found = case(files);
    assert_eq!(found.of("web", "command"), "none");
    assert_eq!(found.of("web", "cap_add"), "none");
    assert_eq!(found.of("web", "environment"), "[B=2]");
    let ports = &found.project().services["web"].ports;
    assert_eq!((ports.len(), ports[0].target), (1, 2));
    let extended = "== compose.yaml\nservices:\n  a: {extends: b, ports: !reset []}\n  b: {extends: c, command: !reset null}\n  c: {image: x, command: x, ports: ['1:1']}\n";
    assert_eq!(case(extended).of("a", "ports"), "none");
    assert_eq!(case(extended).of("a", "command"), "none");
    let documents = format!("{WEB}    command: a\n---\nservices: {{web: {{image: y, command: !reset a}}}}\n");
    assert_eq!(case(&documents).of("web", "command"), "none");
    assert_eq!(case(&documents).of("web", "image"), "y");
}

#[test]
fn variables_of_env_files_go_after_those_of_the_service() {
    let files = format!(
        "{WEB}    environment: {{A: own, N: null, ENV: null}}\n    env_file: [one, {{path: no, required: false}}, two]\n\
                 == one\nA=file\nB=one\nC=${{A}}-${{ENV}}\nN=file\n== two\nB=two\nD=$B\nENV\n"
    );
    let found = case(&files).variable("ENV", "shell");
    let web = &found.project().services["web"];
    let value = |name: &str| web.environment[name].as_deref().unwrap_or("null").to_owned();
    let values: Vec<_> = ["A", "B", "C", "D", "ENV", "N"].map(value).into();
    assert_eq!(values, ["own", "two", "own-shell", "two", "shell", "null"]);
    assert!(web.env_file.is_empty());
    let missing = case(&format!("{WEB}    env_file: no\n"));
    assert_eq!(missing.error(), "4: env file DIR/no not found: stat DIR/no: no such file or directory");
    let unresolved = missing.with(|options| options.service_environment = ServiceEnvironment::Unresolved);
    assert_eq!(unresolved.project().services["web"].env_file.len(), 1);
}

#[test]
fn env_files_of_services_that_are_not_selected_may_be_missing() {
    let files = format!("{WEB}  other: {{image: y, env_file: no}}\n");
    let found = case(&files).with(|options| {
        options.service_environment = ServiceEnvironment::Selected;
        options.services.push("web".into());
    });
    assert_eq!(found.project().services.len(), 1);
    assert!(case(&files).error().starts_with("4: env file DIR/no not found"));
    let named = files.replace("image: y", "image: y, profiles: [p]");
    assert!(case(&named).load().result.is_ok());
    let named = case(&named).with(|options| options.services.push("other".into()));
    assert!(named.error().starts_with("4: env file DIR/no not found"));
}

#[test]
fn labels_come_from_files_too() {
    let files = format!(
        "{WEB}    label_file: [one, two]\n    labels: {{a: own}}\n== one\na=1\nb=${{a}}\n== two\nb=2\nc=${{b}}${{HOME}}\n"
    );
    let found = case(&files);
    let labels: Vec<_> = found.project().services["web"]
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(labels, ["a=own", "b=2", "c=1"]);
    let missing = case(&format!("{WEB}    label_file: no\n"));
    assert_eq!(missing.error(), "4: label file DIR/no not found: stat DIR/no: no such file or directory");
}

#[test]
fn profiles_and_names_select_services() {
    let files = "== compose.yaml\nservices:\n  web: {image: x, depends_on: [db]}\n  db: {image: x}\n  a: {image: x, profiles: [p, q]}\n  b: {image: x, profiles: [q]}\n";
    let names = |case: Case| case.project().services.into_keys().collect::<Vec<_>>().join(" ");
    assert_eq!(names(case(files)), "db web");
    assert_eq!(names(case(files).with(|options| options.profiles.push("p".into()))), "a db web");
    assert_eq!(names(case(files).variable("COMPOSE_PROFILES", " p , q")), "a b db web");
    assert_eq!(names(case(files).with(|options| options.profiles.push("*".into()))), "a b db web");
    assert_eq!(names(case(files).with(|options| options.services.push("web".into()))), "db web");
    assert_eq!(names(case(files).with(|options| options.services.push("b".into()))), "b");
    let refused = case(files).with(|options| options.services.push("wbe".into()));
    assert_eq!(refused.error(), "0: no such service: wbe");
}

#[test]
fn a_document_must_be_a_mapping_and_must_not_be_empty() {
    for (text, expected) in [
        ("", "0: DIR/compose.yaml: empty compose file"),
        ("{}", "0: DIR/compose.yaml: empty compose file"),
        ("---\n", "2: top-level object must be a mapping"),
        ("- a\n", "1: top-level object must be a mapping"),
        ("services: [a]\n", "1: services must be a mapping"),
    ] {
        assert_eq!(case(&format!("== compose.yaml\n{text}")).error(), expected, "{text}");
    }
    let dated = case(&format!("{WEB}version: '3'\n"));
    assert!(dated.warnings()[0].starts_with("DIR/compose.yaml: the attribute `version` is obsolete"));
}

#[test]
fn what_grows_without_end_is_refused() {
    let doubling: String = (1..60).map(|line| format!("A{line}=$A{}$A{}\n", line - 1, line - 1)).collect();
    let env = case(&format!("{WEB}== .env\nA0=0123456789\n{doubling}"));
    assert!(env.error().contains("too long with its variables replaced"), "{}", env.error());
    let large: String = (0..20_000).map(|number| format!("      k{number}: v\n")).collect();
    let services: String = (0..1000).map(|number| format!("  s{number}: {{extends: base}}\n")).collect();
    let extended =
        case(&format!("== compose.yaml\nservices:\n{services}  base:\n    image: x\n    labels:\n{large}"));
    assert!(extended.error().contains("nodes with what they include and extend"));
    let value = "x".repeat(1 << 20);
    let texts: String = (0..200).map(|number| format!("      K{number}: $BIG\n")).collect();
    let texts = case(&format!("{WEB}    environment:\n{texts}")).variable("BIG", &value);
    assert!(texts.error().contains("bytes of text with all variables replaced"));
}
