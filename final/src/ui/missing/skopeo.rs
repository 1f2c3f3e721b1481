//! skopeo, without what the others have, too.

use super::{Flags, Verbs};

const SIGNATURES: &str = "hull verifies digests and neither makes nor checks signatures";

pub const VERBS: Verbs = &[
    ("generate-sigstore-key", SIGNATURES),
    ("list-tags", "`hull image tags` lists a repository's tags"),
    ("manifest-digest", "`hull image inspect` shows an image's digest; the digest of a file is its SHA-256"),
    ("standalone-sign", SIGNATURES),
    ("standalone-verify", SIGNATURES),
    ("sync", "`hull pull --all-tags` and `hull push --all-tags` copy all tags of a repository"),
];

const REMOTE: &str = "`hull image inspect --remote` shows an image in its registry, and takes credentials";

pub const FLAGS: Flags = &[
    (".", "--command-timeout", "timeout(1) ends a command that takes too long"),
    (".", "--insecure-policy --policy --registries", SIGNATURES),
    (
        ".",
        "--override-arch --override-os --override-variant",
        "`hull pull --platform` chooses another platform than this machine's",
    ),
    (
        "inspect",
        "--authfile --cert-dir --config --creds --daemon-host -n --no-creds --no-tags --password --raw --registry-token --retry-delay --retry-times --shared-blob-dir --tls-verify --username",
        REMOTE,
    ),
    ("logout", "--tls-verify", "`hull logout` only changes a file and connects to no registry"),
];
