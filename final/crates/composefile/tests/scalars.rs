//! Scalars mean what they mean to Docker Compose.

use hull_composefile::model::Print;
use hull_composefile::print::{Form, Tree, yaml};
use hull_composefile::{LoadOptions, load};
use hull_yaml::tree::parse;

/// Each line has a scalar, and what `docker compose config` 2.40.3 prints for it: as the value of `x-a`, and as that of a
/// variable of a service's environment. `null` is an error.
const TABLE: &str = include_str!("data/scalars.jsonl");

type Row = (String, Option<String>, Option<String>);

fn rows() -> Vec<Row> {
    TABLE.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn extensions_show_the_values_of_the_table() {
    let mut differences = Vec::new();
    // The loader takes away what has the tag !reset, which it finds in the tree.
    for (scalar, wanted, _) in rows().into_iter().filter(|(scalar, ..)| !scalar.starts_with("!reset")) {
        let found = parse(&format!("services: {{}}\nx-a: {scalar}\n"), 0).ok().map(|documents| {
            let tree = Tree::of(&documents[0], Form::Yaml);
            yaml(&tree).strip_prefix("services: {}\n").expect("keys are sorted").to_owned()
        });
        if found != wanted {
            differences.push(format!("{scalar:?}: {found:?} instead of {wanted:?}"));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(rows().len() > 200);
}

#[test]
fn variables_of_an_environment_show_the_values_of_the_table() {
    let mut differences = Vec::new();
    for (scalar, _, wanted) in rows() {
        let indented = scalar.replace('\n', "\n      ");
        let text = format!("services:\n  a:\n    image: b\n    environment:\n      A: {indented}\n");
        let options = LoadOptions {
            files: vec!["-".into()],
            stdin: Some(text),
            current_directory: "/".into(),
            project_name: Some("p".into()),
            no_normalize: true,
            ..LoadOptions::default()
        };
        let found = load(&options).result.map(|project| {
            // What `config` does to its output.
            let text = yaml(&project.tree(Form::Yaml)).replace('$', "$$");
            let service = text.strip_prefix("name: p\nservices:\n  a:\n").expect(&text);
            service.strip_suffix("    image: b\n").expect(&text).to_owned()
        });
        if found.as_ref().ok() != wanted.as_ref() {
            differences.push(format!("{scalar:?}: {found:?} instead of {wanted:?}"));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}
