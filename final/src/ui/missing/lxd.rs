//! LXD 5's `lxc`, without what docker and podman have, too.

use super::{Flags, Verbs};

const ALIAS: &str = "hull has no aliases of commands: the shell's do the same";
const ATTACH: &str = "`hull profile device add` with a nic gives a network to the containers of a profile, and `hull profile device remove` takes it";
const CLUSTER: &str = "hull runs containers on one machine and has no cluster";
const DELETE: &str = "`hull rm` removes containers, and `hull rmi` images";
const MACHINE: &str = "hull runs containers, and no virtual machines";
const NETWORK_NAME: &str = "a network keeps its name: `hull network rm` and `hull network create` replace it";
const PUBLIC: &str = "hull serves no images: `hull push` sends them to a registry";
const OPERATION: &str = "hull does nothing in the background: a command ends when its work is done";
const PROJECT: &str = "hull has no projects: another --root and --runroot keep containers and images apart";
const STORAGE: &str = "an image is below --root: `hull create --storage` puts a container into a pool";
/// systemd gives many services a UTS namespace of their own (ProtectHostname=), and CRIU saves no nested ones.
const STATEFUL: &str = "hull saves no state of processes, because CRIU cannot save those of systemd: `hull snapshot` keeps the files";

pub const VERBS: Verbs = &[
    ("alias", ALIAS),
    ("cluster", CLUSTER),
    ("delete", DELETE),
    ("image delete", DELETE),
    ("query", "hull has no service for its API: `hull inspect` prints what there is as JSON"),
    ("shell", "`hull exec --interactive --tty` with a container and sh opens a shell in it"),
    ("monitor", "`hull events` shows what happens, and `hull logs --follow` what a container prints"),
    (
        "network acl",
        "hull has no lists of access rules: `hull network create --internal` isolates a network, and nothing else reaches ports that are not published",
    ),
    ("network attach-profile", ATTACH),
    ("network delete", "`hull network rm` removes networks"),
    ("network detach-profile", ATTACH),
    ("network forward", "`hull run --publish` forwards a port of the host"),
    ("network info", "`hull network inspect` shows a network, and `hull network trace` a container's links"),
    (
        "network load-balancer",
        "`hull run --publish` forwards a port of the host to one container; hull balances no load",
    ),
    ("network mv", NETWORK_NAME),
    (
        "network peer",
        "networks of hull do not reach each other: `hull network connect` puts a container on both",
    ),
    ("network rename", NETWORK_NAME),
    ("network zone", "hull serves names to its own containers only, and has no zones for others"),
    ("operation", OPERATION),
    ("project", PROJECT),
    ("storage volume edit", "`hull storage volume set` changes a key of a volume"),
    ("warning", "hull keeps no list of warnings: a command prints what it notices"),
];

const MOVED: &str =
    "`hull cp` copies files between a container and here: `hull copy` makes a copy of a container";
const TARGET: &str = "hull runs containers on one machine, and has no members of a cluster to choose from";

pub const FLAGS: Flags = &[
    (".", "--all --sub-commands", "`hull --help` lists all commands"),
    (".", "--force-local", "hull works on this machine and nowhere else"),
    (".", "--project", PROJECT),
    (
        ".",
        "-q --quiet",
        "it is a flag of the commands that print more than their result, as in `hull pull --quiet`",
    ),
    (".", "--verbose", "hull has no levels of messages: an error says what failed, on what, and why"),
    ("image copy, image import, import, publish, remote add", "--public", PUBLIC),
    ("image copy, image export, image info, image show", "--vm", MACHINE),
    ("image copy", "--auto-update", "`hull image refresh` fetches a newer image"),
    ("image copy", "--mode", "hull fetches images itself: no server sends them"),
    ("image copy", "--target-project", PROJECT),
    (
        "remote add",
        "--accept-certificate --auth-type --domain --password --project",
        "remotes are servers of images, whose certificates have to be valid; hull has no server of LXD's protocol",
    ),
    (
        "publish",
        "--compression",
        "an image's layers are stored as they are, and `hull save --compress` packs what is written to a file",
    ),
    (
        "publish",
        "--expire",
        "hull removes no image by itself: `hull image prune --filter` with until=TIME removes old ones",
    ),
    (
        "cp",
        "--allow-inconsistent -c --config -d --device -e --ephemeral --instance-only --mode --no-profiles -p --profile --refresh --stateless -s --storage --target --target-project",
        MOVED,
    ),
    ("copy, move", "--mode --target", TARGET),
    ("copy, move", "--target-project", PROJECT),
    ("copy, move", "--stateless", "hull saves no state of processes, so each start is a new one"),
    ("copy, move", "--allow-inconsistent", "hull freezes a container while its files are copied"),
    ("ps", "--all-projects", PROJECT),
    (
        "file mount",
        "--auth-user --listen --no-auth",
        "`hull file mount` mounts at a directory of this machine; sshd in the container serves others",
    ),
    ("profile copy", "--target-project", PROJECT),
    ("images", "-c --columns", "`hull images --format` chooses the columns"),
    ("export", "--compression", "gzip(1) or zstd(1) compresses what `hull export` writes"),
    (
        "export",
        "--instance-only --optimized-storage",
        "`hull export` writes the files of one container, as they are",
    ),
    ("restart, start, stop", "--console", "`hull start --attach` and `hull attach` show the output"),
    ("restart, stop", "--force", "`hull kill` ends a container at once, and so does a stop with --time 0"),
    ("restore, snapshot, stop", "--stateful", STATEFUL),
    ("start", "--stateless", "hull saves no state of processes, so each start is a new one"),
    ("exec", "-n --disable-stdin", "stdin is not passed on unless `hull exec --interactive` says so"),
    (
        "exec",
        "-T --force-noninteractive --force-interactive",
        "`hull exec --mode` interactive and non-interactive do it",
    ),
    ("launch", "--console", "`hull launch` starts a container, and `hull console` joins its console"),
    ("launch", "--empty --vm", "hull runs containers from images, and no virtual machines"),
    ("launch", "--target", TARGET),
    (
        "launch",
        "-t --type",
        "`hull launch --config` limits.cpu and limits.memory set what a type of instance has",
    ),
    ("console", "-t --type", "a container has one console, a terminal"),
    ("exec", "--group", "`hull exec --user` takes USER:GROUP"),
    ("rm", "--interactive", "`hull rm` removes without asking, but nothing that runs"),
    ("import", "-s --storage", STORAGE),
    ("info", "--resources --show-log", "`hull info` shows the machine, and `hull logs` a container's log"),
    (
        "info, network create, network edit, network get, network set, network show, network unset",
        "--target",
        TARGET,
    ),
    (
        "storage create, storage get, storage info, storage set, storage show, storage unset, storage volume copy, storage volume create, storage volume delete, storage volume export, storage volume get, storage volume import, storage volume info, storage volume move, storage volume rename, storage volume restore, storage volume set, storage volume show, storage volume snapshot, storage volume unset",
        "--target",
        TARGET,
    ),
    ("storage show", "--resources", "`hull storage info` shows how much space a pool has"),
    ("storage volume copy, storage volume move", "--destination-target --mode", TARGET),
    ("storage volume copy, storage volume move", "--target-project", PROJECT),
    (
        "storage volume copy",
        "--refresh",
        "hull makes each copy anew: `hull storage volume delete` removes the old one first",
    ),
    (
        "storage volume create",
        "--type",
        "a volume of hull is a directory of files, and `hull storage create` with image makes a file system in a file",
    ),
    (
        "storage volume export",
        "--optimized-storage --volume-only",
        "`hull storage volume export` writes the files of a volume as a tar, and no snapshots",
    ),
    ("storage volume list", "--all-projects", PROJECT),
    ("storage volume list", "-c --columns", "`hull storage volume list --format` chooses the columns"),
    (
        "storage volume snapshot",
        "--no-expiry --reuse",
        "a snapshot of a volume stays until `hull storage volume delete` removes it",
    ),
    ("network create", "-t --type", "`hull network create --driver` chooses the kind"),
];
