//! The documents that a registry serves before any layer: indexes, platforms, docker's formats, referrers.

mod fake_registry;

use fake_registry::{Content, INDEX, MANIFEST, digest, tar};
use hull_test_support::Scenario;
use hull_test_support::server::{Reply, Request};
use serde_json::{Value, json};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An image that tells its platform by its only file and its command, and its entry in an index.
fn built(content: &mut Content, architecture: &str, variant: Option<&str>, kinds: &Kinds) -> Value {
    let layer = tar(&[(architecture, b"x")]);
    let diff_id = digest(&layer);
    let config = json!({
        "architecture": architecture, "variant": variant, "os": "linux", "config": { "Cmd": [architecture] },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = content.descriptor(kinds.config, config.to_string().into());
    let layer = content.descriptor(kinds.layer, fake_registry::gzip(&layer));
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kinds.manifest, "config": config, "layers": [layer] });
    let size = manifest.to_string().len();
    let digest = content.tag(architecture, kinds.manifest, &manifest);
    let platform = json!({ "architecture": architecture, "os": "linux", "variant": variant });
    json!({ "mediaType": kinds.manifest, "digest": digest, "size": size, "platform": platform })
}

struct Kinds {
    index: &'static str,
    manifest: &'static str,
    config: &'static str,
    layer: &'static str,
}

const OCI: Kinds = Kinds {
    index: INDEX,
    manifest: MANIFEST,
    config: "application/vnd.oci.image.config.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

const DOCKER: Kinds = Kinds {
    index: DOCKER_LIST,
    manifest: DOCKER_MANIFEST,
    config: "application/vnd.docker.container.image.v1+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

#[test]
fn an_index_leads_to_the_image_of_a_platform() {
    let Some(t) = Scenario::start() else { return };
    let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    for (kinds, name) in [(OCI, "oci"), (DOCKER, "docker")] {
        let mut content = Content::default();
        let mut entries = vec![
            built(&mut content, "s390x", None, &kinds),
            built(&mut content, "arm64", Some("v8"), &kinds),
            built(&mut content, "amd64", None, &kinds),
        ];
        // Entries that builders add to an index and that are not images.
        let mut attestation = entries[0].clone();
        attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
        attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
        entries.insert(0, attestation);
        let index = json!({ "schemaVersion": 2, "mediaType": kinds.index, "manifests": entries });
        let digest = content.tag("1", kinds.index, &index);
        let server = content.serve(|_, _| None);
        let image = format!("{}/{name}:1", server.host);
        let facts = "{{.Architecture}} {{index .Config.Cmd 0}}";
        let here = || t.ok(&["image", "inspect", "-f", facts, &image]);
        let pulled = t.ok(&["pull", &image]);
        assert!(pulled.contains(&format!("Digest: {digest}")), "of the index: {pulled}");
        assert_eq!(here(), format!("{own} {own}"));
        let again = t.ok(&["pull", &image]);
        assert!(again.contains("up to date"), "{again}");
        for platform in ["linux/s390x", "linux/arm64", "linux/arm64/v8", "linux/amd64"] {
            let architecture = platform.split('/').nth(1).unwrap();
            let remote = ["image", "inspect", "--remote", "--platform", platform, "-f", facts, &image];
            assert_eq!(t.ok(&remote), format!("{architecture} {architecture}"));
            t.ok(&["pull", "--platform", platform, &image]);
            assert_eq!(here(), format!("{architecture} {architecture}"), "{platform}");
        }
        let none = t.hull(&["pull", "--platform", "linux/vax", &image]);
        assert!(none.fails(1).contains("linux/s390x, linux/arm64/v8, linux/amd64"), "{none}");
        assert_eq!(here(), "amd64 amd64", "what was here stays");
        t.ok(&["image", "prune", "-a", "-f"]);
    }
}

#[test]
fn signatures_and_the_like_are_listed_however_a_registry_keeps_them() {
    let Some(t) = Scenario::start() else { return };
    let mut content = fake_registry::simple();
    let (_, image) = content.manifests["1"].clone();
    let subject = digest(&image);
    let signature = digest(b"signature");
    let entry = json!({
        "mediaType": MANIFEST, "digest": signature, "size": 9, "annotations": { "kind": "signature" },
    });
    let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    let template = "{{range .Referrers}}{{.Digest}} {{.Annotations.kind}}{{end}}";
    let listed = |host: &str| t.ok(&["image", "inspect", "--remote", "-f", template, &format!("{host}/x:1")]);
    let expected = format!("{signature} signature");

    let (bytes, plain) = (list.to_string(), content.clone());
    let by_list = content.clone().serve(move |request: &Request, _: &Content| {
        let asked = request.path.contains(&format!("/referrers/{subject}"));
        asked.then(|| Reply::new(200, bytes.clone()).header("content-type", INDEX))
    });
    assert_eq!(listed(&by_list.host), expected);
    // A registry without such a list keeps it under a tag: distribution-spec, "Referrers Tag Schema".
    content.tag(&digest(&image).replace(':', "-"), INDEX, &list);
    assert_eq!(listed(&content.serve(|_, _| None).host), expected);
    assert_eq!(listed(&plain.serve(|_, _| None).host), "", "and one without either says nothing");
}
