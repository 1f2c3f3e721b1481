//! docker 28, with buildx and compose.

use super::{Flags, Verbs};

const BAKE: &str =
    "hull builds what a Dockerfile says, and reads no bake file: `hull build --target` builds one stage";
const ONE_BUILDER: &str =
    "hull builds by itself and has one builder, which is always there: `hull builder ls` shows it";
const BUILD_HISTORY: &str = "hull keeps no records of builds: `hull history` shows an image's steps";
const DIAL: &str = "hull's builder is no service that others connect to";
const CHECKPOINT: &str = "hull does not save a running container's processes: `hull commit` keeps its files, and hull-oci checkpoint saves the processes of a bundle";
const COMPOSE_BRIDGE: &str = "hull starts what a compose file says, and converts it to nothing else: `hull compose config` prints it for other programs";
const COMPOSE_PUBLISH: &str = "hull reads compose files from this machine only, and pushes none to a registry: `hull compose config --resolve-image-digests` prints one file that can be copied";
const COMPOSE_ALPHA: &str =
    "hull has none of Compose's experiments: `hull compose config` prints the whole project";
const CONTEXT: &str = "hull works on this machine, and has one context: docker's client keeps others, and reaches this machine by DOCKER_HOST=ssh://HOST";
const DAEMON: &str = "hull connects to no server: it works on this machine, and ssh HOST hull on another";
const MANIFEST: &str =
    "hull makes no lists of images for several platforms: skopeo, buildah manifest and docker manifest do";
const PLUGIN: &str =
    "hull loads no plugins: its drivers are built in, and `hull network create` lists those of networks";
const SECRET: &str =
    "hull keeps no secrets: give the container a file that only you can read, with `hull run --volume`";
const SWARM: &str =
    "hull runs containers on one machine and has no swarm: `hull run --restart` keeps a container running";
const CLUSTER_VOLUME: &str =
    "it belongs to a swarm's cluster volumes, and hull's volumes are directories of this machine";
const TRUST: &str =
    "hull verifies digests and no signatures: `hull pull` with NAME@sha256:… gets exactly that image";
const WINDOWS: &str = "it is for containers of Windows, and hull's run on Linux";

pub const VERBS: Verbs = &[
    ("bake", BAKE),
    ("builder bake", BAKE),
    ("builder create", ONE_BUILDER),
    ("builder dial-stdio", DIAL),
    ("builder history", BUILD_HISTORY),
    ("builder imagetools", MANIFEST),
    ("builder rm", ONE_BUILDER),
    ("builder stop", ONE_BUILDER),
    ("buildx bake", BAKE),
    ("buildx create", ONE_BUILDER),
    ("buildx dial-stdio", DIAL),
    ("buildx history", BUILD_HISTORY),
    ("buildx imagetools", MANIFEST),
    ("buildx rm", ONE_BUILDER),
    ("buildx stop", ONE_BUILDER),
    ("buildx f", BAKE),
    ("checkpoint", CHECKPOINT),
    ("compose alpha", COMPOSE_ALPHA),
    ("compose bridge", COMPOSE_BRIDGE),
    ("compose publish", COMPOSE_PUBLISH),
    (
        "config",
        "hull has no swarm's configs: `hull container config` sets LXD's keys of a container, and `hull commit --change` an image's settings",
    ),
    ("context create", CONTEXT),
    ("context export", CONTEXT),
    ("context import", CONTEXT),
    ("context remove", CONTEXT),
    ("context rm", CONTEXT),
    ("context update", CONTEXT),
    ("manifest", MANIFEST),
    ("node", SWARM),
    ("plugin", PLUGIN),
    ("secret", SECRET),
    ("service", SWARM),
    ("stack", SWARM),
    ("swarm", SWARM),
    ("trust", TRUST),
    ("volume update", CLUSTER_VOLUME),
];

const LEVELS: &str = "hull has no levels of messages: an error says what failed, on what, and why";
const TLS: &str =
    "it is for the connection to a server, and hull makes none: `hull serve` has flags for its own clients";

pub const FLAGS: Flags = &[
    (".", "--config", "hull reads docker's config.json in $DOCKER_CONFIG, or the file that --authfile names"),
    (".", "-c --context -H --host", DAEMON),
    (".", "-D --debug -l --log-level", LEVELS),
    (
        "build, builder, builder du, builder inspect, builder ls, builder prune, builder use, builder version, buildx, buildx du, buildx inspect, buildx ls, buildx prune, buildx use, buildx version",
        "-D --debug",
        LEVELS,
    ),
    (
        "builder, builder du, builder inspect, builder prune, builder use, builder version, buildx, buildx du, buildx inspect, buildx prune, buildx use, buildx version",
        "--builder",
        ONE_BUILDER,
    ),
    ("compose build", "--print", BAKE),
    ("build", "--squash --squash-all", "a last stage with COPY --from makes one layer of many"),
    (".", "--tls --tlscacert --tlscert --tlskey --tlsverify", TLS),
    ("run, create", "--cpu-count --cpu-percent --io-maxbandwidth --io-maxiops --isolation", WINDOWS),
    (
        "run, create, pull, push, build",
        "--disable-content-trust",
        "hull verifies digests and no signatures, so there is nothing to leave out",
    ),
    (
        "run, create, update",
        "--kernel-memory",
        "Linux has not limited a cgroup's kernel memory by itself since 5.16: `hull run --memory` includes it",
    ),
    ("run, create", "--use-api-socket", DAEMON),
    ("start", "--checkpoint --checkpoint-dir", CHECKPOINT),
    ("rm", "--link", "hull keeps no links between containers: names on a network are found without them"),
    (
        "images",
        "--tree",
        "`hull image tree` shows an image's layers, and hull keeps one platform of each image",
    ),
    (
        "history, push, rmi, save",
        "--platform",
        "hull keeps one platform of each image: `hull pull --platform` chooses it",
    ),
    ("rmi", "--no-prune", "the layers that nothing else uses are always removed with an image"),
    (
        "network connect",
        "--driver-opt",
        "for a new container, `hull run --network` names the interface with name=NETWORK,driver-opt=KEY=VALUE",
    ),
    (
        "network connect",
        "--link",
        "containers on a network find each other by name: `hull network connect --alias` adds one",
    ),
    (
        "network connect",
        "--gw-priority",
        "for a new container, `hull run --network` chooses the default route with name=NETWORK,gw-priority=NUMBER",
    ),
    ("network create", "--config-from --config-only --ingress --scope", SWARM),
    (
        "network create",
        "--ipam-driver --ipam-opt",
        "hull hands out addresses itself: `hull network create --subnet` and --ip-range say which",
    ),
    ("network create", "--ipv4", "a network of hull always has IPv4, and with --ipv6 both"),
    ("network inspect", "-v --verbose", SWARM),
    (
        "volume create",
        "--availability --group --limit-bytes --required-bytes --scope --secret --sharing --topology-preferred --topology-required --type",
        CLUSTER_VOLUME,
    ),
    ("volume ls", "--cluster", CLUSTER_VOLUME),
];
