//! `hull build --output`: what is written, read by other programs.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::peers::Dockerd;
use hull_test_support::registry::Registry;
use hull_test_support::{Outcome, Scenario, skip};
use serde_json::Value;

const FILE: &str = "FROM busybox\nRUN mkdir /d && echo one >/d/file && chmod 6755 /d/file && ln -s file /d/link\n\
                    RUN echo two >/two\nCMD [\"cat\", \"/two\"]\n";

/// What a Dockerfile makes of scratch, with a file of set-ID bits and a directory.
const SCRATCH: &str = "FROM busybox AS build\nRUN mkdir /out && echo x >/out/program && chmod 4755 /out/program\n\
                       FROM scratch\nCOPY --from=build /out /\nCOPY Dockerfile /sub/\n";

fn scenario(dockerfile: &str) -> Option<Scenario> {
    let t = Scenario::with_busybox()?;
    t.write("context/Dockerfile", dockerfile);
    Some(t)
}

fn build(t: &Scenario, args: &[&str]) -> Outcome {
    t.hull(&[&["build", "--progress", "plain"], args, &["context"]].concat())
}

/// skopeo's answer in JSON; the test is skipped without it.
fn skopeo(t: &Scenario, args: &[&str]) -> Option<Value> {
    if skip::find_program("skopeo").is_none() {
        skip::skip("skopeo is not installed");
        return None;
    }
    let answer = run(Command::new("skopeo").current_dir(t.path("")).args(args));
    Some(serde_json::from_str(answer.ok()).unwrap())
}

fn media_types(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["mediaType"].as_str().unwrap().to_owned()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_files_of_a_result_belong_to_the_caller() {
    let Some(t) = scenario(SCRATCH) else { return };
    build(&t, &["-o", "out"]).ok();
    let out = t.path("out");
    assert_eq!(names(&out), ["program", "sub"]);
    let program = out.join("program").metadata().unwrap();
    assert_eq!((program.mode() & 0o7777, program.uid()), (0o755, 0), "nobody vouches for its set-ID bit");
    t.write("out/stays", "");
    build(&t, &["-o", "out"]).ok();
    assert_eq!(names(&out), ["program", "stays", "sub"]);
    build(&t, &["--output", "type=local,dest=out,mode=delete"]).ok();
    assert_eq!(names(&out), ["program", "sub"]);
    assert!(t.ok(&["images", "-q"]).lines().count() == 1, "no image is stored");
}

#[test]
fn a_link_in_the_destination_leads_nowhere() {
    let Some(t) = scenario(SCRATCH) else { return };
    t.write("elsewhere/Dockerfile", "mine");
    std::fs::create_dir(t.path("out")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", t.path("out/sub")).unwrap();
    let refused = build(&t, &["-o", "out"]);
    refused.fails(1);
    assert_eq!(std::fs::read_to_string(t.path("elsewhere/Dockerfile")).unwrap(), "mine");
    std::fs::remove_file(t.path("out/sub")).unwrap();
    std::fs::remove_file(t.path("out/program")).unwrap();
    std::os::unix::fs::symlink("../elsewhere/Dockerfile", t.path("out/program")).unwrap();
    build(&t, &["-o", "out"]).ok();
    assert_eq!(std::fs::read_to_string(t.path("elsewhere/Dockerfile")).unwrap(), "mine");
    assert!(t.path("out/program").symlink_metadata().unwrap().is_file());
}

#[test]
fn a_tar_of_the_files_goes_to_a_file_or_stdout() {
    let Some(t) = scenario(SCRATCH) else { return };
    build(&t, &["-o", "type=tar,dest=a.tar"]).ok();
    let piped = build(&t, &["-o", "-"]);
    assert!(piped.success(), "{piped}");
    let listed = run(Command::new("tar").arg("tvf").arg(t.path("a.tar")));
    let listed: Vec<&str> = listed.ok().lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(listed, ["program", "sub/", "sub/Dockerfile"]);
    assert!(piped.stdout.contains("ustar") && !piped.stderr.contains("exporting layers"), "{piped}");
}

#[test]
fn dockers_archive_is_loaded_by_docker() {
    let Some(t) = scenario(FILE) else { return };
    build(&t, &["-t", "a:1", "-t", "b/c", "-o", "type=docker,dest=a.tar", "--iidfile", "id"]).ok();
    assert!(!t.hull(&["inspect", "a:1"]).success(), "it is not stored");
    let id = std::fs::read_to_string(t.path("id")).unwrap();
    let Some(shown) = skopeo(&t, &["inspect", "--config", "docker-archive:a.tar:docker.io/library/a:1"])
    else {
        return;
    };
    assert_eq!(shown["config"]["Cmd"][1], "/two");
    t.ok(&["load", "-i", t.path("a.tar").to_str().unwrap()]);
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "b/c"]), "two");
    let Some(dockerd) = Dockerd::start(&t, &t.path("run/dockerd")) else { return };
    dockerd.ok(&["load", "-i", t.path("a.tar").to_str().unwrap()]);
    assert_eq!(dockerd.ok(&["inspect", "-f", "{{.Id}}", "a:1"]), id);
    assert_eq!(dockerd.ok(&["inspect", "-f", "{{.Id}}", "b/c"]), id);
}

#[test]
fn an_oci_archive_and_a_layout_are_read_by_skopeo() {
    let Some(t) = scenario(FILE) else { return };
    build(&t, &["-t", "a:1", "-o", "type=oci,dest=a.tar,annotation.some=thing"]).ok();
    let Some(manifest) = skopeo(&t, &["inspect", "--raw", "oci-archive:a.tar"]) else { return };
    assert_eq!(manifest["annotations"]["some"], "thing");
    assert!(media_types(&manifest).iter().all(|kind| kind.ends_with("+gzip")), "{manifest}");
    for (name, content) in [("one", FILE), ("two", "FROM busybox\n"), ("one", "FROM busybox\nLABEL a=b\n")] {
        t.write("context/Dockerfile", content);
        let output = "type=oci,dest=layout,tar=false,compression=zstd,force-compression=true";
        build(&t, &["-t", &format!("x:{name}"), "-o", output]).ok();
    }
    let one = skopeo(&t, &["inspect", "--config", "oci:layout:one"]).unwrap();
    assert_eq!(one["config"]["Labels"]["a"], "b", "a name moves to the image that has it last");
    let two = skopeo(&t, &["inspect", "--raw", "oci:layout:two"]).unwrap();
    assert!(media_types(&two).iter().all(|kind| kind.ends_with("+zstd")), "{two}");
    run(Command::new("skopeo").current_dir(t.path("")).args(["copy", "-q", "oci:layout:two", "dir:copied"]))
        .ok();
}

#[test]
fn a_registry_gets_what_the_metadata_say() {
    let Some(t) = scenario(FILE) else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = registry.name("x:1");
    build(&t, &["-t", &name, "--push", "--metadata-file", "metadata", "--annotation", "k=v"]).ok();
    let metadata: Value = serde_json::from_slice(&std::fs::read(t.path("metadata")).unwrap()).unwrap();
    assert_eq!(metadata["image.name"], name);
    assert_eq!(metadata["containerimage.config.digest"], t.inspect(&name, "{{.Id}}"));
    let remote = format!("docker://{name}");
    let Some(shown) = skopeo(&t, &["inspect", "--tls-verify=false", &remote]) else { return };
    assert_eq!(shown["Digest"], metadata["containerimage.digest"]);
    let raw = skopeo(&t, &["inspect", "--tls-verify=false", "--raw", &remote]).unwrap();
    assert_eq!(raw["annotations"]["k"], "v");
    assert!(media_types(&raw).iter().all(|kind| kind.ends_with("+gzip")), "{raw}");
    // As it was pushed: nothing is left to compress.
    assert!(t.ok(&["push", &name]).contains(metadata["containerimage.digest"].as_str().unwrap()));
    let second = t.second_root();
    second.ok(&["pull", &name]);
    assert_eq!(second.ok(&["run", "--rm", "--network", "none", &name]), "two");

    let output = format!(
        "type=image,name={},push=true,push-by-digest=true,compression=uncompressed",
        registry.name("y")
    );
    build(&t, &["-o", &output, "--metadata-file", "metadata"]).ok();
    let metadata: Value = serde_json::from_slice(&std::fs::read(t.path("metadata")).unwrap()).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    let remote = format!("docker://{}@{digest}", registry.name("y"));
    let raw = skopeo(&t, &["inspect", "--tls-verify=false", "--raw", &remote]).unwrap();
    assert!(media_types(&raw).last().unwrap().ends_with(".tar"), "{raw}");
    let tags = format!("docker://{}", registry.name("y"));
    let tags = run(Command::new("skopeo").args(["list-tags", "--tls-verify=false", &tags]));
    assert!(!tags.stdout.contains("latest"), "{tags}");
    let docker = format!("type=registry,name={},oci-mediatypes=false", registry.name("z"));
    build(&t, &["-o", &docker]).ok();
    let remote = format!("docker://{}", registry.name("z"));
    let raw = skopeo(&t, &["inspect", "--tls-verify=false", "--raw", &remote]).unwrap();
    assert!(raw["mediaType"].as_str().unwrap().contains("docker.distribution"), "{raw}");
    assert!(
        media_types(&raw).iter().all(|kind| kind.ends_with("tar.gzip") && kind.contains("docker")),
        "{raw}"
    );
}

#[test]
fn several_platforms_are_one_name() {
    let Some(t) = scenario("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /of-$TARGETARCH\n") else { return };
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let all = |args: &[&str]| build(&t, &[&platforms[..], args].concat());
    all(&["-o", "out"]).ok();
    assert_eq!(names(&t.path("out")), ["linux_amd64", "linux_arm64"]);
    assert_eq!(names(&t.path("out/linux_arm64")), ["of-arm64"]);
    all(&["-o", "type=local,dest=flat,platform-split=false"]).ok();
    assert_eq!(names(&t.path("flat")), ["of-amd64", "of-arm64"]);
    all(&["-o", "type=docker,dest=x.tar"]).fails(1);
    all(&["-t", "m", "-o", "type=oci,dest=m.tar", "--annotation", "index:a=b"]).ok();
    let Some(index) = skopeo(&t, &["inspect", "--raw", "oci-archive:m.tar"]) else { return };
    assert_eq!((index["manifests"].as_array().unwrap().len(), &index["annotations"]["a"]), (2, &"b".into()));
    let Some(registry) = Registry::plain(&t) else { return };
    let name = registry.name("m:1");
    all(&["-t", &name]).ok();
    let host = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    assert_eq!(t.inspect(&name, "{{.Architecture}}"), host, "containers use this machine's");
    t.ok(&["tag", &name, &registry.name("n:1")]);
    t.ok(&["push", &registry.name("n:1")]);
    let remote = format!("docker://{}", registry.name("n:1"));
    let raw = skopeo(&t, &["inspect", "--tls-verify=false", "--raw", &remote]).unwrap();
    assert_eq!(raw["manifests"].as_array().unwrap().len(), 2, "{raw}");
    for manifest in raw["manifests"].as_array().unwrap() {
        let one = format!("docker://{}@{}", registry.name("n"), manifest["digest"].as_str().unwrap());
        let platform = manifest["platform"]["architecture"].as_str().unwrap().to_owned();
        let config =
            skopeo(&t, &["inspect", "--tls-verify=false", "--config", "--override-arch", &platform, &one]);
        assert_eq!(config.unwrap()["architecture"], platform);
    }
    t.ok(&["save", "--format", "oci-archive", "-o", t.path("n.tar").to_str().unwrap(), &name]);
    let saved = skopeo(&t, &["inspect", "--raw", "oci-archive:n.tar"]).unwrap();
    assert_eq!(saved["manifests"].as_array().unwrap().len(), 2, "{saved}");
    t.ok(&["rmi", "-f", &name, &registry.name("n:1"), "busybox"]);
    t.ok(&["builder", "prune", "-af"]);
    assert_eq!(names(&t.data_root().join("blobs/sha256")), [""; 0]);
    assert_eq!(names(&t.data_root().join("layers")), [""; 0]);
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_built() {
    let Some(t) = scenario("FROM busybox\nRUN echo built\n") else { return };
    for (args, why) in [
        (&["-o", "type=image,compression=estargz"][..], "compression"),
        (&["-o", "type=image,push=true"], "name"),
        (&["--push"], "name"),
        (&["-o", "type=image,store=false"], "store"),
        (&["-o", "type=oci,dest=x,attest:sbom="], "attest"),
        (&["-o", "type=oci,tar=false"], "tar"),
        (&["-o", "type=local,dest=x,color=red"], "color"),
        (&["-o", "type=image,compression=gzip,compression-level=20"], "compression-level"),
        (&["-o", "type=tar", "-o", "type=oci"], "standard output"),
        (&["--annotation", "index:a=b"], "--platform"),
        (&["--annotation", "layer:a=b"], "layer"),
        (&["--cache-to", "type=gha"], "gha"),
        (&["--cache-to", "type=local"], "dest"),
        (&["--cache-to", "type=local,dest=x,mode=most"], "mode"),
        (&["--cache-from", "type=s3,bucket=x"], "s3"),
        (&["--cache-from", "type=local,src=x,color=red"], "color"),
    ] {
        let refused = build(&t, args);
        // A value that is not understood at all has docker's code.
        let error = refused.fails(if refused.code() == 125 { 125 } else { 1 });
        assert!(error.contains(why) && !error.contains("built"), "{args:?}: {refused}");
    }
    assert!(!t.path("x").exists());
    assert!(!t.data_root().join("build/steps").exists(), "no step has run");
}

#[test]
fn a_full_disk_leaves_no_part_of_an_archive() {
    let Some(t) = scenario("FROM busybox\nRUN head -c 3000000 /dev/urandom >/noise\n") else { return };
    std::fs::create_dir(t.path("small")).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("tmpfs", t.path("small"), "tmpfs", flags, c"size=1m").unwrap();
    for output in [
        "type=docker,dest=small/a",
        "type=oci,dest=small/a",
        "type=tar,dest=small/a",
        "type=oci,tar=false,dest=small",
    ] {
        let failed = build(&t, &["-o", output]);
        assert!(failed.fails(1).contains("No space left"), "{failed}");
        let left = run(Command::new("find").arg(t.path("small")).args(["-type", "f"]));
        assert_eq!(left.ok(), "", "{output}");
    }
    rustix::mount::unmount(t.path("small"), rustix::mount::UnmountFlags::empty()).unwrap();
}

#[test]
fn the_same_build_gives_the_same_bytes() {
    let Some(t) = scenario(FILE) else { return };
    let base = t.path("base.tar");
    t.ok(&["save", "-o", base.to_str().unwrap(), "busybox"]);
    let second = t.second_root();
    second.ok(&["load", "-i", base.to_str().unwrap()]);
    for (t, name) in [(&t, "one"), (&second, "two")] {
        let context = t.path("context");
        std::fs::create_dir_all(&context).unwrap();
        std::fs::write(context.join("Dockerfile"), FILE).unwrap();
        for kind in ["oci", "docker"] {
            let output = format!("type={kind},dest={kind}-{name}");
            let args = [
                "build",
                "-t",
                "a:1",
                "-o",
                &output,
                "--cache-to",
                "type=local,dest=cache,mode=max",
                "context",
            ];
            let mut command = t.command(&args);
            run(command.env("SOURCE_DATE_EPOCH", "1700000000")).ok();
        }
    }
    for kind in ["oci", "docker"] {
        let [one, two] = [t.path(format!("{kind}-one")), second.path(format!("{kind}-two"))];
        assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap(), "{kind} differs");
    }
    let [one, two] = [&t, &second].map(|t| std::fs::read(t.path("cache/index.json")).unwrap());
    assert_eq!(one, two, "the caches are the same, too");
}

#[test]
fn an_unprivileged_user_writes_all_of_them() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let context = t.path("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), SCRATCH).unwrap();
    std::fs::create_dir(t.path("theirs")).unwrap();
    std::fs::set_permissions(t.path("theirs"), PermissionsExt::from_mode(0o777)).unwrap();
    for output in [
        "type=local,dest=theirs/files",
        "type=tar,dest=theirs/tar",
        "type=oci,dest=theirs/oci",
        "type=docker,dest=theirs/docker",
    ] {
        build(&t, &["-o", output]).ok();
    }
    let uid = t.data_root().metadata().unwrap().uid();
    let program = t.path("theirs/files/program").metadata().unwrap();
    assert_eq!((program.uid(), program.mode() & 0o7777), (uid, 0o755));
    assert_eq!(names(&t.path("theirs")), ["docker", "files", "oci", "tar"]);
    t.ok(&["load", "-i", t.path("theirs/docker").to_str().unwrap()]);
}
