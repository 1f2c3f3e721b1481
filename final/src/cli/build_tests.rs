//! Command lines of `build`, and the requests that they make.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Parser;
use hull_build::request::{ContextSource, FileSource, OutputKind, Request, Secret};

use super::{Cli, Command};

fn request(flags: &str) -> Result<Request> {
    let words = ["hull", "build"].into_iter().chain(flags.split_whitespace());
    let cli = Cli::try_parse_from(words)?;
    let Command::Build(build) = &cli.command else { bail!("another verb") };
    build.request()
}

#[test]
fn a_plain_build_keeps_an_image() {
    let plain = request(".").unwrap();
    assert_eq!(plain.context, ContextSource::Directory(".".into()));
    assert_eq!(plain.outputs.len(), 1);
    assert_eq!(plain.outputs[0].kind, OutputKind::Image);
    assert!(
        plain.tags.is_empty() && plain.file.is_none() && !plain.pull && !plain.never_pull && !plain.no_cache
    );
    assert!(plain.trusts_redirects && !plain.keep_failed);
}

#[test]
fn flags_say_what_is_built() {
    // A variable that every caller of the tests has.
    let path = std::env::var("PATH").unwrap();
    let built = request(
        "-t a -t b:1 -t a --build-arg X=1 --build-arg PATH --build-arg HULL_TEST_UNSET --label k=v --label e \
         --target last --platform linux/arm64,linux/amd64 --platform linux/arm64 --annotation index:a=b \
         --no-cache-filter one,two --timestamp 7 -f other/Dockerfile https://example.org/r.git#main:sub",
    )
    .unwrap();
    let tags: Vec<String> = built.tags.iter().map(|tag| tag.familiar()).collect();
    assert_eq!(tags, ["a:latest", "b:1"]);
    assert_eq!(built.args["X"].as_deref(), Some("1"));
    assert_eq!(built.args["PATH"].as_deref(), Some(&*path));
    assert!(!built.args.contains_key("HULL_TEST_UNSET"));
    assert_eq!((built.labels["k"].as_str(), built.labels["e"].as_str()), ("v", ""));
    assert_eq!(built.target.as_deref(), Some("last"));
    assert_eq!(built.platforms.len(), 2);
    assert_eq!(built.annotations, [("index:a".to_owned(), "b".to_owned())]);
    assert_eq!(built.no_cache_filter, ["one", "two"]);
    assert_eq!(built.source_date_epoch, Some(7));
    assert_eq!(built.file, Some(FileSource::Path("other/Dockerfile".into())));
    assert_eq!(built.context, ContextSource::Git("https://example.org/r.git#main:sub".into()));
}

#[test]
fn flags_say_what_run_gets() {
    let path = std::env::var("PATH").unwrap();
    let built = request(
        "--network host --add-host db:192.0.2.1 --add-host six=[::1] --shm-size 1m --ulimit nofile=5 --ulimit nofile=9:10 \
         -m 64m --memory-swap -1 -c 512 --cpu-period 100000 --cpu-quota 50000 --cpuset-cpus 0-1 --cpuset-mems 0 \
         --security-opt seccomp=unconfined --cgroup-parent up --isolation oci --allow network.host,security.insecure \
         --secret id=a,env=PATH --secret id=b,src=Cargo.toml --ssh k=/one,/two .",
    )
    .unwrap();
    let run = &built.run;
    assert_eq!(run.network.as_deref(), Some("host"));
    assert_eq!(run.add_hosts, ["db:192.0.2.1", "six:::1"]);
    assert_eq!((run.shm_size, run.memory, run.memory_swap), (Some(1 << 20), Some(64 << 20), Some(-1)));
    assert_eq!((run.ulimits.len(), run.ulimits[0].hard), (1, 10));
    assert_eq!((run.cpu_shares, run.cpu_period, run.cpu_quota), (Some(512), Some(100_000), Some(50_000)));
    assert_eq!(built.allow, ["network.host", "security.insecure"]);
    assert!(matches!(&built.secrets["a"], Secret::Value(value) if value == path.as_bytes()));
    assert!(matches!(&built.secrets["b"], Secret::File(path) if path == Path::new("Cargo.toml")));
    assert_eq!(built.ssh["k"], [Path::new("/one"), Path::new("/two")]);
}

#[test]
fn flags_say_where_the_result_goes() {
    let kinds = |flags: &str| -> Vec<OutputKind> {
        request(flags).unwrap().outputs.iter().map(|output| output.kind).collect()
    };
    assert_eq!(kinds("--push ."), [OutputKind::Registry]);
    assert_eq!(kinds("--load ."), [OutputKind::Image]);
    assert_eq!(kinds("-o out ."), [OutputKind::Local]);
    assert_eq!(kinds("-o out --load ."), [OutputKind::Local, OutputKind::Image]);
    assert_eq!(kinds("-o type=docker ."), [OutputKind::Image]);
    assert_eq!(
        kinds("-o type=docker,dest=a.tar -o type=oci,dest=b.tar ."),
        [OutputKind::Docker, OutputKind::Oci]
    );
    assert_eq!(kinds("-o type=image,push=true ."), [OutputKind::Registry]);
    let dash = &request("-o - .").unwrap().outputs[0];
    assert_eq!((dash.kind, &dash.destination), (OutputKind::Tar, &None));
    let pushed = &request("-o type=image,compression=zstd --push .").unwrap().outputs;
    assert_eq!(pushed.len(), 1);
    assert_eq!((&*pushed[0].attributes["compression"], &*pushed[0].attributes["push"]), ("zstd", "true"));
    assert_eq!(request("--format docker .").unwrap().outputs[0].attributes["oci-mediatypes"], "false");
}

#[test]
fn pull_is_dockers_boolean_or_podmans_policy() {
    let pulls = |flags: &str| request(flags).map(|request| (request.pull, request.never_pull)).unwrap();
    for (flags, wanted) in [
        (".", (false, false)),
        ("--pull .", (true, false)),
        ("--pull=true .", (true, false)),
        ("--pull=false .", (false, false)),
        ("--pull=always .", (true, false)),
        ("--pull=newer .", (true, false)),
        ("--pull=missing .", (false, false)),
        ("--pull=never .", (false, true)),
    ] {
        assert_eq!(pulls(flags), wanted, "{flags}");
    }
    assert!(request("--pull=sometimes .").is_err());
    assert!(request("--isolation chroot .").is_err());
}

#[test]
fn the_latest_time_is_one_that_an_image_can_have() {
    let epoch = |flags: &str| request(flags).map(|built| built.source_date_epoch);
    assert_eq!(epoch("--build-arg SOURCE_DATE_EPOCH=5 .").unwrap(), Some(5));
    assert_eq!(epoch("--build-arg SOURCE_DATE_EPOCH=5 --timestamp 0 .").unwrap(), Some(0));
    assert_eq!(epoch("--timestamp 253402300799 .").unwrap(), Some(253_402_300_799));
    for flags in ["--timestamp 253402300800 .", "--timestamp=-1 .", "--build-arg SOURCE_DATE_EPOCH=x ."] {
        let error = epoch(flags).unwrap_err().to_string();
        assert!(error.contains("a number of seconds"), "{error}");
    }
}

#[test]
fn caches_and_contexts_have_kinds() {
    let built = request(
        "--cache-from a/b --cache-from type=local,src=d --cache-to type=inline --build-context x=docker-image://y:1 \
         --build-context z=oci-layout://dir -",
    )
    .unwrap();
    let kinds: Vec<&str> = built.cache_from.iter().map(|cache| cache.kind.as_str()).collect();
    assert_eq!(kinds, ["registry", "local"]);
    assert_eq!(built.cache_to[0].kind, "inline");
    assert_eq!(built.contexts["x"], ContextSource::Image("y:1".into()));
    assert_eq!(built.contexts["z"], ContextSource::OciLayout("dir".into()));
    assert_eq!(built.context, ContextSource::Stdin);
    assert!(request("-f - -").is_err(), "stdin is one of them");
    assert_eq!(request("-f - .").unwrap().file, Some(FileSource::Stdin));
}
