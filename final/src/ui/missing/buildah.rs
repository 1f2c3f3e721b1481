//! buildah, without what docker and podman have, too.

use super::{Flags, Verbs};

const WORKING: &str = "buildah's working containers are containers here: `hull create` makes one, `hull cp` and `hull exec` change it, `hull commit` makes the image";

pub const VERBS: Verbs = &[
    ("add", WORKING),
    ("containers", "`hull ps --all` lists the containers"),
    ("from", WORKING),
    ("mkcw", "hull makes no images for confidential virtual machines"),
    ("prune", "`hull system prune` removes what is unused"),
    ("source", "hull stores no images of source code"),
];

const CONFIDENTIAL: &str = "hull makes no images for confidential virtual machines";
const JSON: &str = "--format json does the same";
const ONE_LAYER: &str = "`hull commit` adds one layer with the container's changes, and its own time";
const SBOM: &str =
    "hull makes no software bills of materials: tools such as syft read what `hull save` writes";
const SETTINGS: &str =
    "hull reads docker's daemon.json, and none of the files below /etc/containers but those of credentials";

pub const FLAGS: Flags = &[
    (
        "copy",
        "--add-history --cert-dir --checksum --chmod --chown --contextdir --exclude --from --ignorefile --retry --tls-verify",
        "`hull copy` is for containers: `hull cp` copies files into one",
    ),
    (".", "--registries-conf --registries-conf-dir --short-name-alias-conf", SETTINGS),
    (
        ".",
        "--userns-gid-map --userns-uid-map",
        "hull takes an unprivileged user's ids from /etc/subuid and /etc/subgid",
    ),
    (
        "commit",
        "--add-file --manifest --omit-history --pull --rm --timestamp --unsetenv --identity-label -D --disable-compression",
        ONE_LAYER,
    ),
    (
        "commit",
        "--authfile --cert-dir --creds --tls-verify --encrypt-layer --encryption-key --sign-by",
        "`hull commit` keeps the image here: `hull push` sends it",
    ),
    ("build, commit", "--cw", CONFIDENTIAL),
    ("commit", "--sbom", SBOM),
    (
        "build, commit",
        "--sbom-image-output --sbom-image-purl-output --sbom-merge-strategy --sbom-output --sbom-purl-output --sbom-scanner-command --sbom-scanner-image",
        SBOM,
    ),
    ("run, build", "--runtime-flag", "hull's own runtime takes no flags"),
    (
        "build",
        "--runtime",
        "RUN uses hull's own runtime: `hull run --runtime` chooses another one for a container",
    ),
    ("run", "--add-history --contextdir --no-pivot", WORKING),
    ("run", "--terminal", "`hull run --tty` gives the program a terminal"),
    ("run", "--workingdir", "`hull run --workdir` sets the directory"),
    ("info", "-d --debug", "`hull info` shows everything"),
    ("images, mount, ps, version", "--json", JSON),
    ("ps", "--notruncate", "`hull ps --no-trunc` shortens nothing"),
    ("pull", "--policy", "`hull pull` asks the registry each time: `hull run --pull` takes a policy"),
    ("pull", "--remove-signatures", "hull stores no signatures"),
    ("push", "-D --disable-compression --rm", "hull sends an image as it is stored: skopeo copy converts it"),
    ("push", "--all", "`hull push --all-tags` sends all tags of a repository"),
    ("rmi", "-p --prune", "`hull image prune` removes the images that nothing uses"),
];
