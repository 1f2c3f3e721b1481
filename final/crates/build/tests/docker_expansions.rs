//! Variables are expanded as BuildKit expands them: `expansions/labels.json` has the labels of the image that dockerd 28.5
//! made of `expansions/Dockerfile`.

use std::collections::BTreeMap;

use hull_build::dockerfile::{Kind, parse};
use hull_build::variables::word;

#[test]
fn labels_are_dockers() {
    let file = parse("Dockerfile", include_bytes!("expansions/Dockerfile")).expect("docker builds it");
    let wanted: BTreeMap<String, String> =
        serde_json::from_str(include_str!("expansions/labels.json")).expect("JSON");
    let mut environment = BTreeMap::new();
    let mut labels = BTreeMap::new();
    for instruction in &file.instructions {
        let (Kind::Env(pairs) | Kind::Label(pairs)) = &instruction.kind else { continue };
        let expanded: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| {
                let value = word(value, file.escape, &|name| environment.get(name).cloned());
                (name.clone(), value.unwrap_or_else(|error| panic!("{}: {error}", instruction.original)))
            })
            .collect();
        match instruction.kind {
            Kind::Env(_) => environment.extend(expanded),
            _ => labels.extend(expanded),
        }
    }
    let differs = |(name, wanted): (&String, &String)| {
        let got = &labels[name];
        let line = file.instructions.iter().find(|instruction| instruction.original.contains(name))?;
        (got != wanted).then(|| format!("{}: {got:?}, docker {wanted:?}", line.original))
    };
    let wrong: Vec<String> = wanted.iter().filter_map(differs).collect();
    assert!(wrong.is_empty() && labels.len() == wanted.len(), "{}", wrong.join("\n"));
}
