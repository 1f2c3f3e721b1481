//! The differences between hull's JSON and dockerd's, with reasons. Each table has paths and reasons. The name of a
//! container, network or volume is not part of a path, `*` stands for everything below, and elements of a list have the
//! list's path.

const DAEMON: &str = "about the daemon's own process, and hull has none that stays";
const DRIVERS: &str = "each engine has its own drivers";
const PATHS: &str = "each engine has its own layout of directories";
const NOT_GO: &str = "facts about a build of Go, which is not what hull is written in";
const ITSELF: &str = "each program has its own name and version";
const RUNTIMES: &str = "hull's own runtime is among them, and those that --runtime finds, by their paths";
const NO_COMMENT: &str = "import leaves no comment, so that the same tree gives the same digest";

/// Keys that dockerd has and hull does not have.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("info.Runtimes.*", RUNTIMES),
    ("info.Containerd", "hull has no containerd"),
    ("info.ClientInfo", "there is one program, and not a client beside a daemon"),
    (
        "row of ps.Platform",
        "docker's client fills it only where an image is for another platform, and null otherwise",
    ),
];

/// Keys that only hull has.
pub const OWN: &[(&str, &str)] = &[
    ("container.HostConfig.LogConfig.Config.*", "hull limits logs by default, and shows the limits"),
    (
        "image.Descriptor",
        "dockerd has it where containerd stores its images, and hull's store is one of manifests, too",
    ),
    ("network.Bridge", "the link of the bridge, for scripts on the host"),
    ("network.IPAM.Config.Gateway", "dockerd leaves it out for an internal network that was given none"),
    ("info.Runtimes.*", RUNTIMES),
    ("info.Rootless", "dockerd says it only among the SecurityOptions, where hull says it, too"),
    ("version.Client.Platform", "docker's client has it in official builds"),
    ("version.Server.Experimental", "dockerd leaves it out where it is false; older clients expect it"),
];

/// Values of the same type that differ.
pub const DIFFERENT: &[(&str, &str)] = &[
    ("info.Runtimes.*", RUNTIMES),
    ("container.ResolvConfPath", PATHS),
    ("container.HostnamePath", PATHS),
    ("container.HostsPath", PATHS),
    ("container.LogPath", PATHS),
    ("container.Mounts.Source", PATHS),
    ("container.GraphDriver.Data.*", PATHS),
    (
        "container.NetworkSettings.SandboxKey",
        "the network namespace is reached through the container's process",
    ),
    (
        "container.NetworkSettings.Networks.bridge.NetworkID",
        "the endpoint of a stopped container is released",
    ),
    ("container.HostConfig.Runtime", ITSELF),
    (
        "container.HostConfig.SecurityOpt",
        "dockerd adds label=disable to privileged containers; hull has no SELinux labels",
    ),
    (
        "container.Config.Hostname",
        "with --uts host the name is the host's; dockerd shows one that nothing has",
    ),
    ("image.Comment", NO_COMMENT),
    ("image.DockerVersion", ITSELF),
    ("image.GraphDriver.Data.*", PATHS),
    ("image.Metadata.LastTagTime", "the store does not record when a name was given"),
    ("network.Created", "the networks host and none are not created"),
    ("volume.Mountpoint", PATHS),
    ("network.Options.com.docker.network.bridge.name", "each engine has its own bridge"),
    ("info.ID", DAEMON),
    ("info.Plugins.Network", DRIVERS),
    ("info.Plugins.Log", DRIVERS),
    ("info.KernelMemoryTCP", "hull has no limit of the kernel's memory for TCP"),
    ("info.NFd", DAEMON),
    ("info.NGoroutines", DAEMON),
    ("info.LiveRestoreEnabled", "containers need no daemon"),
    ("info.InitBinary", "the init of --init is a part of hull"),
    ("info.ContainerdCommit.ID", "hull has no containerd"),
    ("info.RuncCommit.ID", ITSELF),
    ("info.FirewallBackend.Driver", "hull's rules are always in nftables"),
    ("info.DefaultRuntime", ITSELF),
    ("info.DockerRootDir", PATHS),
    ("info.ServerVersion", ITSELF),
    ("version.Client.Version", ITSELF),
    ("version.Client.ApiVersion", "the version of the API whose keys hull has"),
    ("version.Client.DefaultAPIVersion", "the version of the API whose keys hull has"),
    ("version.Client.GitCommit", NOT_GO),
    ("version.Client.GoVersion", NOT_GO),
    ("version.Client.BuildTime", NOT_GO),
    ("version.Server.Platform.Name", ITSELF),
    ("version.Server.Components", "the server is one program"),
    ("version.Server.Version", ITSELF),
    ("version.Server.GitCommit", NOT_GO),
    ("version.Server.GoVersion", NOT_GO),
    ("version.Server.BuildTime", NOT_GO),
    ("row of ps.Names", "the alias of a link is no name of the container's"),
    ("row of images.Digest", "every image of hull's has a manifest, pulled or not"),
    ("row of images.VirtualSize", "three digits, as Size has"),
    ("row of history.Comment", NO_COMMENT),
    ("row of volume ls.Mountpoint", PATHS),
];

const MACHINE: &str = "the reference was made on another machine";

/// Values that may differ from machine to machine.
pub const OF_MACHINE: &[(&str, &str)] = &[
    (
        "container.HostConfig.CgroupnsMode",
        "dockerd's default is host on cgroup v1; hull's is private on both",
    ),
    ("image.Architecture", MACHINE),
    ("image.Size", MACHINE),
    ("info.Architecture", MACHINE),
    ("info.CgroupDriver", MACHINE),
    ("info.CgroupVersion", MACHINE),
    ("info.KernelVersion", MACHINE),
    ("info.MemTotal", MACHINE),
    ("info.NCPU", MACHINE),
    ("info.Name", MACHINE),
    (
        "info.OperatingSystem",
        "dockerd adds that it runs in a container, which it takes the test's namespaces for",
    ),
    ("info.SecurityOptions", MACHINE),
    ("row of history.Size", MACHINE),
    ("row of images.Size", MACHINE),
    ("version.Client.Arch", MACHINE),
    ("version.Server.Arch", MACHINE),
    ("version.Server.KernelVersion", MACHINE),
];
