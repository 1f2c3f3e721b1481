//! skopeo, without what the others have, too.

use super::{Flags, Verbs};

const SIGNATURES: &str = "hull verifies digests and neither makes nor checks signatures";

const IMAGES: &str =
    "`hull copy` is for containers: `hull pull` and `hull push` copy images, and `hull save` into a file";

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
        "copy",
        "-a --additional-tag --all --authfile --decryption-key --dest-authfile --dest-cert-dir --dest-compress --dest-compress-format --dest-compress-level --dest-creds --dest-daemon-host --dest-decompress --dest-no-creds --dest-oci-accept-uncompressed-layers --dest-password --dest-precompute-digests --dest-registry-token --dest-shared-blob-dir --dest-tls-verify --dest-username --digestfile --encrypt-layer --encryption-key -f --format --image-parallel-copies --multi-arch --preserve-digests -q --quiet --remove-signatures --retry-delay --retry-times --sign-by --sign-by-sigstore --sign-by-sigstore-private-key --sign-identity --sign-passphrase-file --src-authfile --src-cert-dir --src-creds --src-daemon-host --src-no-creds --src-password --src-registry-token --src-shared-blob-dir --src-tls-verify --src-username",
        IMAGES,
    ),
    (
        "inspect",
        "--authfile --cert-dir --config --creds --daemon-host -n --no-creds --no-tags --password --raw --registry-token --retry-delay --retry-times --shared-blob-dir --tls-verify --username",
        REMOTE,
    ),
    ("logout", "--tls-verify", "`hull logout` only changes a file and connects to no registry"),
];
