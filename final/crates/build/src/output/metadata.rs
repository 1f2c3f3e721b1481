//! What `--metadata-file` gets, with buildx's keys
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file>).

use hull_image::assemble::Assembled;
use hull_image::reference::Reference;
use serde_json::{Map, Value, json};

use super::Built;

/// What is known of every result. buildx names a build by its builder, its node and a name of its own; equal results have
/// the same here.
pub(super) fn of_build(built: &[Built]) -> Map<String, Value> {
    let configs: Vec<_> =
        built.iter().map(|one| serde_json::to_vec(&one.config).unwrap_or_default()).collect();
    let name = hull_image::Digest::of(&configs.concat());
    let mut metadata = Map::new();
    metadata.insert("buildx.build.ref".into(), json!(format!("default/default/{}", &name.hex()[..25])));
    metadata
}

pub(super) fn add_image(metadata: &mut Map<String, Value>, made: &Assembled, names: &[Reference]) {
    let mut descriptor = made.top.clone();
    if !descriptor.is_index() {
        metadata.insert("containerimage.config.digest".into(), json!(made.id()));
    }
    descriptor.annotations.extend(
        made.configs
            .first()
            .filter(|_| made.configs.len() == 1)
            .map(|config| ("config.digest".to_owned(), config.digest.to_string())),
    );
    metadata.insert("containerimage.descriptor".into(), json!(descriptor));
    metadata.insert("containerimage.digest".into(), json!(made.top.digest));
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(Reference::canonical).collect();
        metadata.insert("image.name".into(), json!(names.join(",")));
    }
}
