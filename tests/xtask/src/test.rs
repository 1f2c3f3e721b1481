//! `cargo xtask test`: from a fresh Debian machine to every test.

use anyhow::Result;

use crate::stage::Stages;
use crate::workspace::{cargo, run, target};
use crate::{book, packages, readmes, vm};

/// Runs every stage, later ones also after a failure where that makes sense.
pub fn test() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("packages", packages::install_missing);
    let built = stages.run("build", || run(&mut cargo(&["build", "--workspace", "--bins"])));
    stages.run("format", || run(&mut cargo(&["fmt", "--all", "--check"])));
    stages.run("lints", || {
        run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    });
    if built {
        // Before the tests, which look at its pages.
        stages.run("book", book::check);
        stages.run("tests", || {
            let binaries = target()?.join("debug");
            run(cargo(&["test", "--workspace", "--no-fail-fast"])
                .env("HULL_BINARY", binaries.join("hull"))
                .env("HULL_OCI_BINARY", binaries.join("hull-oci")))
        });
        stages.run("mutants of the lessons", || {
            run(&mut cargo(&["test", "-p", "hull-test-steps", "--test", "mutations", "--", "--ignored"]))
        });
        stages.run("commands of the READMEs", || readmes::type_all(None));
        stages.run("cgroup v2 virtual machine", || vm::test(vm::Architecture::X86_64));
        stages.run("aarch64 virtual machine", || vm::test(vm::Architecture::Aarch64));
    }
    stages.finish()
}
