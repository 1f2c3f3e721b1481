//! podman 4.3 and 5, without what docker has, too.

use super::{Flags, Verbs};

const ARTIFACT: &str = "hull stores images and no other artifacts: skopeo copy fetches them into a directory";
const CHECKPOINT: &str = "hull does not save a running container's processes: `hull commit` keeps its files, and hull-oci checkpoint saves the processes of a bundle";
const CONNECTION: &str =
    "hull connects to no service: it works on this machine, and ssh HOST hull on another";
const KUBE: &str = "hull reads and writes no Kubernetes files: `hull run` starts a pod's containers, with --network container:NAME to share a network";
const MACHINE: &str = "hull runs on Linux itself and needs no virtual machine";
const POD: &str = "hull has no pods: `hull run --network` with container:NAME shares a network; podman-compose takes --in-pod=false";
const QUADLET: &str = "hull reads no quadlets: `hull generate systemd` makes a unit of a container";
const SIGNATURES: &str = "hull verifies digests and neither makes nor checks signatures: skopeo does";
const UNSHARE: &str = "hull gives no shell in its user namespace: `hull cp` and `hull export` read a container's files with their owners";

pub const VERBS: Verbs = &[
    ("artifact", ARTIFACT),
    (
        "auto-update",
        "hull replaces no containers by itself: `hull pull` fetches the newer image, and `hull run` starts it",
    ),
    ("container checkpoint", CHECKPOINT),
    ("container restore", CHECKPOINT),
    (
        "container cleanup",
        "hull cleans up when a container ends, and after a killed one with the next command",
    ),
    ("container clone", "`hull copy` makes a container of another one, with its files and settings"),
    ("container init", "hull prepares a container when it starts it: `hull create` and then `hull start`"),
    ("init", "hull prepares a container when it starts it: `hull create` and then `hull start`"),
    (
        "container runlabel",
        "hull runs no commands that an image brings: `hull image inspect` shows its labels",
    ),
    ("farm", "hull builds on this machine, and knows no farm of others"),
    ("generate kube", KUBE),
    (
        "generate spec",
        "`hull inspect` shows how a container was made, and a running one's config.json is below its run root",
    ),
    (
        "image mount",
        "`hull mount` mounts a container of the image, and `hull save` writes the image with its layers",
    ),
    ("image umount", "hull mounts containers on the host, and no images: `hull unmount` unmounts them"),
    ("image unmount", "hull mounts containers on the host, and no images: `hull unmount` unmounts them"),
    ("image scp", "`hull save` and `hull load` carry an image to another machine, through ssh in a pipe"),
    ("image sign", SIGNATURES),
    ("image trust", SIGNATURES),
    ("kube", KUBE),
    ("machine", MACHINE),
    (
        "network update",
        "hull asks the host's name servers: those of a container are set with `hull run --dns`",
    ),
    ("play", KUBE),
    ("pod", POD),
    ("quadlet", QUADLET),
    ("system connection", CONNECTION),
    ("system migrate", "hull needs no migration: a container's next start uses what is installed"),
    ("system renumber", "hull has no numbered locks that could run out"),
    (
        "system reset",
        "`hull system prune --all --volumes` removes what is unused, after `hull rm --force` of the containers",
    ),
    ("unshare", UNSHARE),
    (
        "volume mount",
        "`hull volume inspect` shows a volume's directory, and one with a device is mounted where its containers are",
    ),
    ("volume reload", "hull's volumes have no plugins whose lists could be out of date"),
    ("volume unmount", "a volume with a device is unmounted when the last container that uses it has ended"),
];

const ARCHITECTURE: &str = "--platform OS/ARCH[/VARIANT] says all three in one";
const MONITOR: &str = "a container's monitor is hull itself: `hull inspect` shows the container's process";
const PASSWD: &str = "hull adds no users to the container's /etc/passwd: `hull run --user` takes numbers";
const PUSH_FORMAT: &str = "hull sends an image as it is stored: skopeo copy converts it";
const RETRY: &str = "hull resumes what was interrupted with the next pull or push";
const SORT: &str = "sort(1) sorts the lines, which --format makes";
const STARTUP_HEALTH: &str =
    "hull has no check of its own for a container's start: --health-start-period gives it time";
const STORE: &str = "hull keeps everything below --root and --runroot, with overlayfs: `hull storage create` makes pools of other kinds";

pub const FLAGS: Flags = &[
    ("system service", "--cors", "hull's API is docker's, for programs and not for web pages"),
    ("build", "--all-platforms", "`hull build --platform` names the platforms, with a comma between two"),
    (
        "build",
        "--cap-add --cap-drop --device --group-add",
        "RUN has the rights of `hull run` without flags: RUN --security=insecure in the Dockerfile and `hull build --allow` give it all",
    ),
    (
        "build",
        "--cgroupns --ipc --pid --uts --userns --userns-gid-map --userns-gid-map-group --userns-uid-map --userns-uid-map-user",
        "each RUN has namespaces of its own: `hull build --network` chooses the network",
    ),
    (
        "build",
        "--cache-ttl",
        "a cached step is as good as a new one at any age: `hull build --no-cache` runs all again",
    ),
    ("build", "--compat-volumes", "RUN may change a directory after VOLUME, and the image keeps the change"),
    (
        "build",
        "--cpp-flag",
        "hull does not run a Dockerfile through the C preprocessor: ARG and --build-arg change it",
    ),
    ("build", "--decryption-key --sign-by", "hull neither encrypts nor signs images"),
    (
        "build",
        "--dns --dns-option --dns-search --no-hosts --no-hostname",
        "RUN looks names up as `hull run` without flags does: `hull build --add-host` adds one",
    ),
    ("build", "--env", "ENV in the Dockerfile sets a variable, and with ARG and --build-arg its value"),
    ("build", "--from", "ARG before FROM and `hull build --build-arg` choose the base image"),
    ("build", "--hooks-dir", "RUN starts no hooks"),
    ("build", "--identity-label", "hull adds no label of its own to an image"),
    ("build", "--jobs", "stages that do not need each other are built side by side"),
    ("build", "--layer-label", "`hull build --label` labels the image"),
    ("build", "--logsplit", "`hull build --logfile` writes one file for all platforms"),
    (
        "build",
        "--manifest",
        "`hull build --platform` with several platforms makes an index, and --tag names it",
    ),
    ("build", "--omit-history", "the history of an image says how it was made: `hull history` shows it"),
    ("build", "--os-feature --os-version", "they are for images of Windows, and hull's run on Linux"),
    ("build", "--retry --retry-delay", "hull repeats what a registry could not answer"),
    ("build", "--stdin", "RUN reads an empty input: a heredoc in the Dockerfile gives it a text"),
    (
        "build",
        "--unsetenv --unsetlabel",
        "a last ENV or LABEL in the Dockerfile, with an empty value, overrides it",
    ),
    (
        "build",
        "-v --volume",
        "RUN --mount=type=bind and --mount=type=cache in the Dockerfile mount what only the build needs",
    ),
    ("generate systemd", "--pod-prefix", POD),
    (
        "generate systemd",
        "--template",
        "a unit of hull is for one container: `hull generate systemd --new` writes each",
    ),
    (".", "--cgroup-manager", "hull makes its cgroups itself, below --cgroup-parent"),
    (".", "--conmon", MONITOR),
    (".", "--connection --identity -r --remote --ssh --url", CONNECTION),
    (".", "--events-backend", "hull has no choice of where events are kept"),
    (".", "--hooks-dir", "hull reads no directory of hooks: hull-oci runs those of a bundle"),
    (".", "--imagestore --storage-driver --storage-opt --tmpdir --transient-store --volumepath", STORE),
    (".", "--module", "hull reads docker's daemon.json and none of podman's settings"),
    (
        ".",
        "--namespace",
        "hull has no namespaces of containers: another --root and --runroot keep them apart",
    ),
    (
        ".",
        "--network-cmd-path --network-config-dir",
        "hull makes its networks itself and keeps them below --root",
    ),
    (".", "--noout --out", "the shell sends the output where it should go: > FILE"),
    (".", "--runtime-flag", "runtimeArgs of a runtime in docker's daemon.json are the flags of that runtime"),
    (".", "--runtime", "it is a flag of `hull run` and `hull create`"),
    (".", "--syslog", "hull writes to stderr, and logger(1) sends that to syslog"),
    ("volume inspect", "-a --all", "name the volumes: `hull volume ls --quiet` lists them"),
    ("logout", "-a --all", "`hull logout` forgets one registry at a time: name each"),
    ("run, create, import, pull", "--arch --os --variant", ARCHITECTURE),
    (
        "run, create",
        "--authfile --decryption-key --retry --retry-delay --tls-verify",
        "`hull pull` fetches the image first and takes what is needed for that",
    ),
    (
        "run, create",
        "--cgroup-conf",
        "hull sets the files of cgroups by their flags only, such as `hull run --memory`",
    ),
    ("run, create", "--cgroups", "each container of hull has a cgroup of its own, by which its end is sure"),
    ("run, create", "--chrootdirs", "hull writes /etc/hosts and its like in the container's root only"),
    ("run, create", "--init-path", "`hull run --init` uses hull's own init: name another one as the command"),
    (
        "run, create",
        "--personality",
        "setarch(8) within the container starts a program with another personality",
    ),
    (
        "run, create",
        "--rdt-class",
        "hull does not set the processor's caches: `hull run --cpuset-cpus` parts processors",
    ),
    (
        "run, create",
        "--seccomp-policy",
        "a filter comes from hull or from `hull run --security-opt` with seccomp=FILE, and never from an image",
    ),
    (
        "run, create",
        "--shm-size-systemd",
        "`hull run --system` prepares a container for systemd: `hull run --tmpfs` mounts a directory with another size",
    ),
    (
        "run, create",
        "--conmon-pidfile --pidfile",
        "`hull inspect` shows the container's pid, and its monitor is its parent",
    ),
    ("run, create", "--env-merge", "`hull run --env` sets a variable as a whole"),
    ("run, create", "--group-entry --hostuser --passwd --passwd-entry", PASSWD),
    (
        "run, create",
        "--health-log-destination --health-max-log-count --health-max-log-size",
        "hull has no settings for the results of health checks",
    ),
    (
        "run, create",
        "--health-startup-cmd --health-startup-interval --health-startup-retries --health-startup-success --health-startup-timeout",
        STARTUP_HEALTH,
    ),
    (
        "run, create",
        "--hosts-file",
        "hull writes /etc/hosts: `hull run --volume` mounts another file over it, and --no-hosts leaves the image's",
    ),
    (
        "run, create",
        "--http-proxy",
        "the proxies of docker's config.json are passed on; `hull run --env` sets others",
    ),
    (
        "run, create",
        "--image-volume",
        "an image's volumes become anonymous ones: `hull run --tmpfs` puts something else there",
    ),
    ("create", "--init-ctr", POD),
    ("run, create", "--pod --pod-id-file", POD),
    ("ps", "-p --pod", POD),
    ("run, create", "--preserve-fd --preserve-fds", "no descriptor of the caller's enters a container"),
    ("exec", "--preserve-fd --preserve-fds", "no descriptor of the caller's enters a container"),
    ("run, create", "--read-only-tmpfs", "with --read-only, `hull run --tmpfs` makes a directory writable"),
    ("run", "--rmi", "`hull rmi` removes the image afterwards"),
    (
        "run, create",
        "--rootfs",
        "`hull import` makes an image of a directory's tar, and hull-oci runs a bundle's directory",
    ),
    (
        "run, create",
        "--sdnotify",
        "hull tells systemd nothing: the container has started when `hull run --detach` returns",
    ),
    (
        "run, create",
        "--secret",
        "hull keeps no secrets: give the container a file that only you can read, with `hull run --volume`",
    ),
    ("run, create", "--systemd", "`hull run --system` prepares a container for systemd, or for another init"),
    ("run, create", "--timeout", "timeout(1) ends a container that it runs, and `hull stop` any"),
    (
        "run, create",
        "--tz",
        "`hull run --env` with TZ=ZONE sets the time zone, where the image has the zones",
    ),
    ("logs", "--names", "`hull logs` shows one container at a time, as it is"),
    ("login, logout", "--compat-auth-file", "--authfile takes docker's file, too"),
    ("login", "--secret", "`hull login --password-stdin` reads the password from a file that is redirected"),
    ("login", "-v --verbose", "`hull login --get-login` says who is logged in"),
    ("search", "--compatible", "`hull search` prints docker's columns already"),
    ("search", "--list-tags", "`hull image tags` lists a repository's tags"),
    (
        "push",
        "--compress --compression-format --compression-level --force-compression -f --format",
        PUSH_FORMAT,
    ),
    (
        "pull, push",
        "--decryption-key --encrypt-layer --encryption-key",
        "hull neither encrypts nor decrypts layers: skopeo copy does",
    ),
    (
        "push",
        "--remove-signatures --sign-by --sign-by-sigstore --sign-by-sigstore-private-key --sign-passphrase-file",
        SIGNATURES,
    ),
    ("pull, push", "--retry --retry-delay", RETRY),
    ("commit", "--config", "`hull commit --change` sets what the configuration says"),
    (
        "commit",
        "-f --format -s --squash",
        "hull adds one layer with an OCI manifest: skopeo copy --format v2s2 converts it",
    ),
    ("commit", "--iidfile", "`hull commit` prints the id: redirect it"),
    ("commit", "--include-volumes", "volumes stay outside of images: `hull cp` copies their files"),
    ("commit, import, save", "-q --quiet", "it prints no progress anyway"),
    ("save", "-m --multi-image-archive", "`hull save` takes several images already"),
    ("save", "--uncompressed", "layers are saved as they are: `hull save --compress` compresses them"),
    ("rm", "--depend", "a container that others need is removed after them: name all"),
    ("cp", "--overwrite", "hull puts no file in a directory's place: remove it first, with `hull exec`"),
    ("rm", "-t --time", "`hull stop --time` waits before it kills"),
    ("network rm, volume rm", "-t --time", "`hull stop --time` waits for the containers first"),
    ("diff", "--format", "`hull diff` prints one change on each line"),
    ("image diff", "--format", "`hull image diff` prints one change on each line"),
    ("images", "--history", "`hull history` shows how one image was made"),
    ("images, ps", "--sort", SORT),
    ("ps", "--ns", "`hull inspect` shows the container's pid, and lsns(8) its namespaces"),
    ("ps", "--sync", "hull asks the kernel each time, so nothing can be out of date"),
    ("ps", "-w --watch", "watch(1) repeats a command: watch hull ps"),
    ("ps, image prune, system prune", "--external", "hull's store holds no containers of other programs"),
    ("image prune", "--build-cache", "`hull builder` manages the build cache"),
    ("system prune", "--build", "`hull builder` manages the build cache"),
    (
        "system check",
        "-f --force -m --max -r",
        "`hull system check --repair` repairs what can be repaired, and removes nothing that is whole",
    ),
    ("system check", "-q", "`hull system check --quick` leaves out the unpacked layers"),
    (
        "image tree",
        "--whatrequires",
        "`hull ps --all --filter` with ancestor=IMAGE lists the containers of an image",
    ),
    (
        "network connect",
        "--mac-address",
        "the address is a flag of `hull run --mac-address`, for the first network",
    ),
    (
        "network create",
        "--disable-dns --dns --interface-name --route",
        "hull's networks have names for all their containers, and no further routes or links",
    ),
    (
        "update",
        "--health-cmd --health-interval --health-log-destination --health-max-log-count --health-max-log-size --health-on-failure --health-retries --health-start-period --health-startup-cmd --health-startup-interval --health-startup-retries --health-startup-success --health-startup-timeout --health-timeout --no-healthcheck",
        "a container keeps the health check that it was created with: it is a flag of `hull run` and `hull create`",
    ),
    ("network reload", "-l --latest", "it restores the rules of all running containers"),
    ("exec", "--cidfile", "the shell reads it: `hull exec` \"$(cat FILE)\" …"),
    (
        "volume create",
        "--gid --uid",
        "a container can own what it mounts: `hull run --volume` with the option U, or chown(1) within it",
    ),
    ("restart", "--running", "`hull ps --quiet` lists the running containers"),
    ("start", "--sig-proxy", "`hull start --attach` passes signals on unless the container has a terminal"),
];
