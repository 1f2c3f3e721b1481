//! LXD 5's `lxc`, without what docker and podman have, too.

use super::{Flags, Verbs};

const ALIAS: &str = "hull has no aliases of commands: the shell's do the same";
const ATTACH: &str =
    "a container's networks are flags of `hull run`, or `hull network connect` and `hull network disconnect`";
const CLUSTER: &str = "hull runs containers on one machine and has no cluster";
const DELETE: &str = "`hull rm` removes containers, and `hull rmi` images";
const FILES: &str = "`hull cp` copies files in both directions, and `hull exec` changes them inside";
const IMAGE_EDIT: &str =
    "an image is never changed: `hull commit --change` makes another, and `hull image inspect` shows it";
const NETWORK_EDIT: &str = "a network is never changed: `hull network rm` and `hull network create` replace it, and `hull network inspect` shows it";
const OPERATION: &str = "hull does nothing in the background: a command ends when its work is done";
const PROFILE: &str = "hull has no profiles: a script or a file for `hull run --env-file` and --label-file keeps what containers share";
const PROJECT: &str = "hull has no projects: another --root and --runroot keep containers and images apart";
const REMOTE: &str =
    "hull has no list of servers: an image's name contains its registry, as in `hull pull` REGISTRY/NAME";
const SNAPSHOT: &str = "hull has no snapshots: `hull commit` keeps a container's files as an image, and `hull run` starts from it";
const STORAGE: &str = "hull has no pools: everything is below --root, and `hull volume` manages volumes";

pub const VERBS: Verbs = &[
    ("alias", ALIAS),
    ("cluster", CLUSTER),
    ("console", "`hull attach` joins a container's terminal, and `hull logs` shows what it has printed"),
    ("copy", "`hull commit` and `hull run` make a copy of a container, and `hull cp` copies its files"),
    ("delete", DELETE),
    ("file", FILES),
    ("image alias", "`hull tag` and `hull untag` give an image names and take them"),
    (
        "image copy",
        "`hull pull` and `hull push` copy images from and to a registry, and `hull save` into a file",
    ),
    (
        "image cp",
        "`hull pull` and `hull push` copy images from and to a registry, and `hull save` into a file",
    ),
    ("image delete", DELETE),
    ("image edit", IMAGE_EDIT),
    ("image export", "`hull save` writes an image to a file"),
    ("image get-property", IMAGE_EDIT),
    ("image info", "`hull image inspect` shows an image, and `hull image layers` what it holds"),
    ("image refresh", "`hull pull` fetches a newer image of the name, if there is one"),
    ("image set-property", IMAGE_EDIT),
    ("image show", "`hull image inspect` shows an image, and `hull image layers` what it holds"),
    ("query", "hull has no service for its API: `hull inspect` prints what there is as JSON"),
    ("shell", "`hull exec --interactive --tty` with a container and sh opens a shell in it"),
    ("launch", "`hull run --detach` creates and starts a container"),
    ("monitor", "`hull events` shows what happens, and `hull logs --follow` what a container prints"),
    ("move", "`hull rename` gives a container another name; hull moves none to another machine"),
    ("mv", "`hull rename` gives a container another name; hull moves none to another machine"),
    (
        "network acl",
        "hull has no lists of access rules: `hull network create --internal` isolates a network, and nothing else reaches ports that are not published",
    ),
    ("network attach", ATTACH),
    ("network attach-profile", ATTACH),
    ("network delete", "`hull network rm` removes networks"),
    ("network detach", ATTACH),
    ("network detach-profile", ATTACH),
    ("network edit", NETWORK_EDIT),
    ("network forward", "`hull run --publish` forwards a port of the host"),
    ("network get", NETWORK_EDIT),
    ("network info", "`hull network inspect` shows a network, and `hull network trace` a container's links"),
    ("network list-leases", "`hull network inspect` shows the containers of a network and their addresses"),
    (
        "network load-balancer",
        "`hull run --publish` forwards a port of the host to one container; hull balances no load",
    ),
    ("network mv", NETWORK_EDIT),
    (
        "network peer",
        "networks of hull do not reach each other: `hull network connect` puts a container on both",
    ),
    ("network rename", NETWORK_EDIT),
    ("network set", NETWORK_EDIT),
    ("network show", "`hull network inspect` shows a network, and `hull network trace` a container's links"),
    ("network unset", NETWORK_EDIT),
    ("network zone", "hull serves names to its own containers only, and has no zones for others"),
    ("operation", OPERATION),
    ("profile", PROFILE),
    ("project", PROJECT),
    ("publish", "`hull commit` makes an image of a container"),
    ("remote", REMOTE),
    ("restore", SNAPSHOT),
    ("snapshot", SNAPSHOT),
    ("storage", STORAGE),
    ("warning", "hull keeps no list of warnings: a command prints what it notices"),
];

const MOVED: &str = "`hull cp` copies files between a container and here: `hull commit` and `hull run` make a copy of a container";
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
    ("image import, import", "--alias --public", "the second argument of `hull import` is the image's name"),
    (
        "cp",
        "--allow-inconsistent -c --config -d --device -e --ephemeral --instance-only --mode --no-profiles -p --profile --refresh --stateless -s --storage --target --target-project",
        MOVED,
    ),
    ("ps", "--all-projects", PROJECT),
    ("ps", "-c --columns", "`hull ps --format` chooses the columns"),
    ("ps", "--fast", "hull measures nothing unless `hull ps --size` says so"),
    ("images", "-c --columns", "`hull images --format` chooses the columns"),
    ("export", "--compression", "gzip(1) or zstd(1) compresses what `hull export` writes"),
    (
        "export",
        "--instance-only --optimized-storage",
        "`hull export` writes the files of one container, as they are",
    ),
    ("restart, start, stop", "--console", "`hull start --attach` and `hull attach` show the output"),
    ("restart, stop", "--force", "`hull kill` ends a container at once, and so does a stop with --time 0"),
    ("stop", "--stateful", SNAPSHOT),
    ("start", "--stateless", "hull saves no state of processes, so each start is a new one"),
    ("exec", "--cwd", "`hull exec --workdir` sets the directory"),
    ("exec", "-n --disable-stdin", "stdin is not passed on unless `hull exec --interactive` says so"),
    (
        "exec",
        "-T --force-noninteractive --force-interactive --mode",
        "`hull exec --tty` gives the command a terminal, and without it there is none",
    ),
    ("exec", "--group", "`hull exec --user` takes USER:GROUP"),
    ("rm", "--interactive", "`hull rm` removes without asking, but nothing that runs"),
    ("import", "-s --storage", STORAGE),
    ("info", "--resources --show-log", "`hull info` shows the machine, and `hull logs` a container's log"),
    ("info, network create", "--target", TARGET),
    ("network create", "-t --type", "`hull network create --driver` chooses the kind"),
];
