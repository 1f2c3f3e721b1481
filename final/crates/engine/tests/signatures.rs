//! Answers are typed: no public function, field or type of the library crates has a JSON value.

use std::path::Path;

/// The public declarations in a file: from `pub` to where the body or the value begins.
fn declarations(source: &str) -> impl Iterator<Item = String> {
    let starts = source.match_indices("pub ").map(|(at, _)| &source[at..]);
    starts.map(|text| text.split(['{', ';', '=']).next().unwrap_or_default().replace('\n', " "))
}

fn json_values(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("the sources are beside the test").flatten() {
        let path = entry.path();
        // Tests and fuzz targets may have them.
        if path.is_dir() && !["fuzz", "tests"].iter().any(|name| path.ends_with(name)) {
            json_values(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).expect("a source file is text");
            if !source.contains("serde_json") {
                continue;
            }
            let is_value =
                |text: &String| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Value");
            let public = declarations(&source).filter(is_value);
            found.extend(public.map(|text| format!("{}: {text}", path.display())));
        }
    }
}

#[test]
fn no_public_signature_has_a_json_value() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates are side by side");
    let mut found = Vec::new();
    for name in ["docker", "engine", "image", "network", "storage"] {
        json_values(&crates.join(name).join("src"), &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}
