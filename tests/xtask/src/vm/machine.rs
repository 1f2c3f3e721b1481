//! The two machines, and everything in which they differ.

use std::path::PathBuf;

use hull_test_support::System;

use crate::workspace::root;

/// The processors that hull runs on.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Architecture {
    #[value(name = "x86_64")]
    X86_64,
    Aarch64,
}

/// A test program: its package, and its name among the package's targets.
pub type Test = (&'static str, &'static str);

/// The parts of a machine and the programs that run in it.
#[derive(Debug)]
pub struct Machine {
    /// Its directory below `target/vm`.
    name: &'static str,
    /// The target for which its programs are cross-compiled; `None` if it is this machine's own.
    pub cross: Option<&'static str>,
    /// Debian's name for its architecture, if packages have to be fetched for it.
    pub debian: Option<&'static str>,
    /// The metapackage whose dependency is the current kernel for virtual machines.
    pub kernel: &'static str,
    pub qemu: &'static str,
    pub qemu_args: &'static [&'static str],
    /// The serial console's device.
    pub console: &'static str,
    /// Programs that this machine needs to make it.
    pub needs: &'static [&'static str],
    /// Packages whose unit tests run in it.
    pub units: &'static [&'static str],
    pub tests: &'static [Test],
    /// Roots that the tests boot.
    pub systems: &'static [System],
    /// The lines of shell that run the tests, by the names of their programs.
    pub script: &'static str,
}

impl Machine {
    pub fn of(architecture: Architecture) -> &'static Self {
        match architecture {
            Architecture::X86_64 => &CGROUP_V2,
            Architecture::Aarch64 => &AARCH64,
        }
    }

    pub fn dir(&self) -> PathBuf {
        root().join("target/vm").join(self.name)
    }
}

/// This machine tests everything that depends on the version of cgroups. systemd, the programs with which its test enters
/// its namespaces, and CRIU are copied from this machine, with their libraries.
const CGROUP_V2: Machine = Machine {
    name: "x86_64",
    cross: None,
    debian: None,
    kernel: "linux-image-cloud-amd64",
    qemu: "qemu-system-x86_64",
    qemu_args: &["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "2048"],
    console: "ttyS0",
    needs: &["ldd", "systemctl", "criu"],
    units: &[],
    tests: &[
        ("hull-test-suite", "limits"),
        ("hull-test-suite", "stats"),
        ("hull-test-suite", "update"),
        ("hull-test-suite", "delegation"),
        ("hull-test-suite", "exec_instances"),
        ("hull-test-suite", "events"),
        ("hull-test-suite", "health"),
        ("hull-test-suite", "userns"),
        ("hull-test-suite", "bundles"),
        ("hull-test-suite", "build_run"),
        ("hull-test-suite", "build_network"),
        ("hull-test-suite", "compose_up"),
        ("hull-test-suite", "oci_systemd"),
        ("hull-test-suite", "api_systemd"),
        ("hull-test-suite", "oci_checkpoint"),
        ("hull-test-suite", "system_boot"),
        ("hull-test-suite", "system_isolation"),
        ("hull-test-suite", "system_config"),
        ("hull-test-suite", "system_devices"),
        (super::programs::LESSON, "lesson"),
        ("hull-book", "cgroup_v2"),
    ],
    systems: &[System::Busybox, System::Systemd],
    script: include_str!("tests-x86_64.sh"),
};

/// This machine tests everything that depends on the processor: the numbers of system calls, the layout of the kernel's
/// structures, the seccomp filter, the size of a page and the sign of a `char`. Its user space comes from Debian's packages
/// for it.
const AARCH64: Machine = Machine {
    name: "aarch64",
    cross: Some("aarch64-unknown-linux-gnu"),
    debian: Some("arm64"),
    kernel: "linux-image-cloud-arm64",
    qemu: "qemu-system-aarch64",
    // With the architecture's own algorithm, an emulator would spend most of its time on signing pointers.
    qemu_args: &[
        "-machine",
        "virt",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,pauth-impdef=on",
        "-smp",
        "2",
        "-m",
        "3072",
    ],
    console: "ttyAMA0",
    needs: &["rustup", "aarch64-linux-gnu-gcc"],
    units: &[
        "hull-sys",
        "hull-storage",
        "hull-runtime",
        "hull-image",
        "hull-netlink",
        "hull-network",
        "hull-engine",
    ],
    tests: &[
        ("hull-test-suite", "limits"),
        ("hull-test-suite", "bundles"),
        ("hull-test-suite", "lifecycle"),
        ("hull-test-suite", "isolation"),
    ],
    systems: &[],
    script: include_str!("tests-aarch64.sh"),
};
