//! RUN of `hull build`: its mounts, what becomes of them, its rights, and how it ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use hull_test_support::outcome::eventually;
use hull_test_support::{Outcome, Scenario, Terminal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A scenario with a base image, and a context with this Dockerfile.
fn scenario(dockerfile: &str) -> Option<Scenario> {
    let t = Scenario::with_busybox()?;
    t.write("context/Dockerfile", dockerfile);
    Some(t)
}

fn build(t: &Scenario, more: &[&str]) -> Outcome {
    t.hull(
        &[&["build", "--network", "none", "--progress", "plain", "-t", "built"], more, &["context"]].concat(),
    )
}

/// What the steps have printed, without BuildKit's numbers and times.
fn printed(outcome: &Outcome) -> BTreeSet<String> {
    let lines = outcome.stderr.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let (time, text) = rest.split_once(' ')?;
        time.parse::<f64>().ok().map(|_| text.to_owned())
    });
    lines.collect()
}

#[track_caller]
fn prints(outcome: &Outcome, lines: &[&str]) {
    outcome.ok();
    let printed = printed(outcome);
    for line in lines {
        assert!(printed.contains(*line), "{line:?} is missing: {printed:#?}");
    }
}

/// The names of the members of the tars of all steps' layers.
fn members(t: &Scenario) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for layer in fs::read_dir(t.data_root().join("layers")).unwrap().flatten() {
        let Ok(blob) = fs::File::open(layer.path().join("blob")) else { continue };
        let mut archive = tar::Archive::new(blob);
        for member in archive.entries().unwrap() {
            names.insert(member.unwrap().path().unwrap().display().to_string());
        }
    }
    names
}

/// Every file below the data root that has these bytes.
fn files_with(directory: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_with(&entry.path(), needle, found);
        } else if kind.is_file() {
            let mut bytes = Vec::new();
            fs::File::open(entry.path()).unwrap().read_to_end(&mut bytes).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(entry.path().display().to_string());
            }
        }
    }
}

/// The ids of steps that are on disk.
fn steps(t: &Scenario) -> Vec<String> {
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    [names(&t.data_root().join("containers")), names(&t.run_root().join("containers"))].concat()
}

#[test]
fn a_bind_mount_shows_a_part_of_the_context_a_stage_or_an_image() {
    let Some(t) = scenario(
        "FROM busybox AS other\n\
         RUN mkdir -p /out/deep && echo made > /out/deep/file && ln -s /out/deep /link && ln -s /etc/passwd /etc-link\n\
         FROM busybox\n\
         WORKDIR /work\n\
         RUN --mount=target=/context cat /context/file && ! touch /context/new && test ! -e /context/ignored \\\n\
             && test ! -e /context/dir/skipped && cat /context/dir/kept && stat -c '%a of dir' /context/dir\n\
         RUN --mount=source=file,target=relative cat relative && test -f /work/relative\n\
         RUN --mount=target=/context,rw echo more >> /context/file && cat /context/file\n\
         RUN --mount=from=other,source=/link/file,target=/file sed 's/^/a file: /' /file\n\
         RUN --mount=from=other,source=link,target=/dir,rw touch /dir/new && ls /dir | sed 's/^/a dir: /'\n\
         RUN --mount=from=other,source=/etc-link,target=/users grep -c root /users | sed 's/^/users: /'\n\
         RUN --mount=from=busybox,target=/image test -x /image/bin/busybox && echo an image\n",
    ) else {
        return;
    };
    t.write("context/.dockerignore", "ignored\ndir/*\n!dir/kept\n");
    for (name, text) in
        [("file", "of the context"), ("ignored", ""), ("dir/kept", "kept"), ("dir/skipped", "")]
    {
        t.write(&format!("context/{name}"), format!("{text}\n"));
    }
    let built = build(&t, &[]);
    let wanted = [
        "of the context",
        "kept",
        "755 of dir",
        "more",
        "a file: made",
        "a dir: file",
        "a dir: new",
        "an image",
    ];
    prints(&built, &wanted);
    assert_eq!(fs::read_to_string(t.path("context/file")).unwrap(), "of the context\n");
    // Nothing of a mount is in a layer, not even the places of those that were missing.
    let own = ["out/", "out/deep/", "out/deep/file", "link", "etc-link", "work/"].map(str::to_owned);
    assert_eq!(members(&t), own.into());
    assert_eq!(steps(&t), [""; 0]);

    // The content decides about the cache, and only that of the part.
    t.write("context/ignored", "changed");
    assert_eq!(build(&t, &[]).ok(), "");
    assert!(printed(&build(&t, &[])).is_empty());
    t.write("context/file", "another\n");
    prints(&build(&t, &[]), &["another"]);
}

#[test]
fn what_a_bind_mount_names_is_looked_up_beneath_its_root() {
    let Some(t) = scenario(
        "FROM busybox AS evil\n\
         RUN ln -s ../../../../../../../../etc /up && ln -s /proc/self/root /magic && echo inside > /etc/hull-inside\n\
         FROM busybox\n\
         RUN --mount=from=evil,source=/up,target=/m cat /m/hull-inside\n\
         RUN --mount=target=/context test ! -e /context/out/secret\n",
    ) else {
        return;
    };
    t.write("outside/secret", "not for steps\n");
    fs::create_dir_all(t.path("context")).unwrap();
    symlink("../outside", t.path("context/out")).unwrap();
    prints(&build(&t, &[]), &["inside"]);
    for (mount, why) in [
        ("from=evil,source=/magic,target=/m", "magic"),
        ("source=out,target=/m", "out"),
        ("source=../outside/secret,target=/m", "outside/secret"),
        ("source=nothing,target=/m", "nothing"),
    ] {
        t.write(
            "context/Dockerfile",
            format!("FROM busybox AS evil\nRUN ln -s /proc/self/root /magic\nFROM busybox\nRUN --mount={mount} ls /m\n"),
        );
        let failed = build(&t, &[]);
        let error = failed.fails(1);
        assert!(error.contains(why) && error.contains("Dockerfile:4"), "{mount}: {error}");
        assert!(!error.contains("not for steps"));
    }
    assert_eq!(steps(&t), [""; 0]);
}

#[test]
fn a_mount_point_is_removed_beneath_the_root_only() {
    // CVE-2024-23652: the step replaces the directory above its mount point by a symlink that leads out.
    let Some(t) = scenario("") else { return };
    let victim = t.path("victim");
    fs::create_dir_all(victim.join("mnt")).unwrap();
    t.write(
        "context/Dockerfile",
        format!(
            "FROM busybox\n\
             RUN --mount=type=tmpfs,target=/a/mnt umount /a/mnt 2>/dev/null; mv /a /b && ln -s {} /a\n\
             RUN test -L /a && ls -d /b/mnt\n",
            victim.display()
        ),
    );
    let _ = build(&t, &[]);
    assert!(victim.join("mnt").is_dir(), "a directory of the host was removed");
}

#[test]
fn a_cache_outlives_builds_and_is_in_no_layer() {
    let Some(t) = scenario(
        "FROM busybox AS seed\n\
         RUN mkdir /s && echo seeded > /s/file\n\
         FROM busybox\n\
         ARG N\n\
         RUN --mount=type=cache,target=/cache echo run $N >> /cache/log && sed 's/^/log: /' /cache/log\n\
         RUN --mount=type=cache,target=/other,id=/cache,ro sed 's/^/by id: /' /other/log && ! touch /other/x\n\
         RUN --mount=type=cache,target=/owned,uid=7,gid=8,mode=0750 stat -c 'owned %u:%g %a' /owned\n\
         RUN --mount=type=cache,target=/seeded,from=seed,source=/s cat /seeded/file && echo changed > /seeded/file\n\
         RUN --mount=type=cache,target=/one,sharing=locked --mount=type=cache,id=/one,target=/two,sharing=locked \\\n\
             touch /one/x && ls /two | sed 's/^/the same: /'\n",
    ) else {
        return;
    };
    prints(
        &build(&t, &["--build-arg", "N=1"]),
        &["log: run 1", "by id: run 1", "owned 7:8 750", "seeded", "the same: x"],
    );
    prints(&build(&t, &["--build-arg", "N=2"]), &["log: run 1", "log: run 2", "changed"]);
    assert_eq!(members(&t), ["s/", "s/file"].map(str::to_owned).into());
}

#[test]
fn locked_caches_are_used_one_after_the_other() {
    let Some(t) = scenario(
        "FROM busybox AS one\n\
         RUN --mount=type=cache,target=/c,sharing=locked mkdir /c/in && sleep 0.3 && rmdir /c/in\n\
         FROM busybox AS two\n\
         RUN --mount=type=cache,target=/c,sharing=locked true && mkdir /c/in && sleep 0.3 && rmdir /c/in\n\
         FROM busybox\n\
         COPY --from=one /bin/true /1\n\
         COPY --from=two /bin/true /2\n",
    ) else {
        return;
    };
    build(&t, &[]).ok();
}

#[test]
fn a_secret_is_in_no_file() {
    let Some(t) = scenario(
        "FROM busybox\n\
         RUN --mount=type=secret,id=one cat /run/secrets/one && stat -c '%a %u:%g' /run/secrets/one\n\
         RUN --mount=type=secret,id=one,target=/file,mode=0440,uid=5,gid=6 stat -c '%a %u:%g' /file\n\
         RUN --mount=type=secret,id=two,env=TWO test \"$TWO\" = \"very-$(echo secret)-two\" && test ! -e /run/secrets/two\n\
         RUN --mount=type=secret,id=none test ! -e /run/secrets/none && echo none\n",
    ) else {
        return;
    };
    let file = t.write("one", "very-secret-one\n");
    let one = format!("id=one,src={}", file.display());
    let mut command = t.command(&["build", "--network", "none", "--progress", "plain", "-t", "built"]);
    command.args(["--secret", &one, "--secret", "id=two,env=TWO", "context"]).env("TWO", "very-secret-two");
    let built = hull_test_support::outcome::run(&mut command);
    prints(&built, &["very-secret-one", "400 0:0", "440 5:6", "none"]);
    for secret in ["very-secret-one", "very-secret-two"] {
        let mut found = Vec::new();
        files_with(&t.data_root(), secret.as_bytes(), &mut found);
        files_with(&t.run_root(), secret.as_bytes(), &mut found);
        assert_eq!(found, [""; 0], "{secret}");
    }
    assert_eq!(members(&t), BTreeSet::new());
    t.write("context/Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=none,required true\n");
    let error = build(&t, &[]).fails(1).to_owned();
    assert!(error.contains("--secret id=none") && error.contains("Dockerfile:2"), "{error}");
}

#[test]
fn rights_have_to_be_allowed() {
    let Some(t) = scenario("FROM busybox\nRUN --network=host ip link show lo >/dev/null && echo host\n")
    else {
        return;
    };
    assert!(build(&t, &[]).fails(1).contains("--allow network.host"));
    prints(&build(&t, &["--allow", "network.host"]), &["host"]);
    t.write(
        "context/Dockerfile",
        "FROM busybox\nRUN --security=insecure mount -t tmpfs x /tmp && echo mounted\n",
    );
    assert!(build(&t, &[]).fails(1).contains("--allow security.insecure"));
    prints(&build(&t, &["--allow", "security.insecure"]), &["mounted"]);
    t.write("context/Dockerfile", "FROM busybox\nRUN ! mount -t tmpfs x /tmp && echo refused\n");
    prints(&build(&t, &[]), &["refused"]);
}

#[test]
fn options_of_the_build_reach_every_run() {
    let Some(t) = scenario(
        "FROM busybox\n\
         RUN hostname && df -k /dev/shm | awk 'END { print \"shm\", $2 }' && ulimit -n\n\
         RUN grep here /etc/hosts && cat /proc/self/cgroup | grep -o our-parent | head -1\n\
         RUN --network=none ip -o link | wc -l | sed 's/^/links: /'\n",
    ) else {
        return;
    };
    let parent = format!("{}/our-parent", t.cgroup_parent());
    let options = ["--shm-size", "1m", "--ulimit", "nofile=77", "--add-host", "here:192.0.2.9", "-m", "200m"];
    let built = build(&t, &[&options[..], &["--cgroup-parent", &parent]].concat());
    prints(&built, &["buildkitsandbox", "shm 1024", "77", "192.0.2.9\there", "links: 1"]);
}

#[test]
fn a_step_that_is_killed_says_so_and_leaves_no_process() {
    let Some(t) = scenario("FROM busybox\nRUN sleep 100 & sh -c 'kill -9 $$'; exit $?\n") else { return };
    let error = build(&t, &[]).fails(1).to_owned();
    assert!(error.contains("exit code: 137 (it was killed)") && error.contains("Dockerfile:2"), "{error}");
    assert_eq!(steps(&t), [""; 0]);
    // What a step leaves running ends with it.
    t.write("context/Dockerfile", "FROM busybox\nRUN sleep 100 & true\n");
    let built = build(&t, &[]);
    built.ok();
    assert!(built.took < Duration::from_secs(30));
}

#[test]
fn an_endless_output_is_cut() {
    let Some(t) = scenario("FROM busybox\nRUN yes | head -c 8000000; echo the last words >&2; false\n")
    else {
        return;
    };
    let failed = build(&t, &[]);
    let error = failed.fails(1);
    assert!(error.contains("[output clipped, log limit 2MiB reached]") && error.contains("the last words"));
    assert!(error.len() < 12 << 20, "{}", error.len());
}

#[test]
fn a_killed_builder_takes_its_step_along() {
    let Some(t) = scenario("FROM busybox\nRUN --mount=type=cache,target=/c touch /c/started && sleep 100\n")
    else {
        return;
    };
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let builder = t.spawn(&["build", "--network", "none", "--progress", "plain", "context"]);
        eventually("the step runs", || {
            !steps(&t).is_empty() && t.traces().iter().any(|trace| trace.contains("sleep"))
        });
        kill(Pid::from_raw(builder.pid()), signal).unwrap();
        builder.wait();
        eventually("the step has ended", || !t.traces().iter().any(|trace| trace.contains("sleep")));
        // The next command that lists containers removes the rest.
        eventually("nothing is left", || {
            t.ok(&["ps", "-a"]);
            steps(&t).is_empty()
        });
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn no_verb_of_containers_sees_a_step() {
    let Some(t) = scenario("FROM busybox\nRUN sleep 100\n") else { return };
    let builder = t.spawn(&["build", "--network", "none", "context"]);
    eventually("the step runs", || {
        !fs::read_dir(t.run_root().join("containers")).into_iter().flatten().flatten().count().eq(&0)
    });
    let id = steps(&t)[0].clone();
    assert_eq!(t.ok(&["ps", "-aq", "--no-trunc"]), "");
    for verb in ["inspect", "logs", "kill", "top"] {
        assert!(t.hull(&[verb, &id]).fails(1).to_lowercase().contains("no such"), "{verb}");
    }
    let events = t.ok(&["events", "--since", "1h", "--until", "0s", "--filter", "type=container"]);
    assert_eq!(events, "");
    kill(Pid::from_raw(builder.pid()), Signal::SIGTERM).unwrap();
    builder.wait();
}

#[test]
fn a_shell_opens_in_the_failed_step() {
    let Some(t) = scenario("FROM busybox\nENV A=b\nRUN echo made > /made && false\n") else { return };
    let mut terminal =
        Terminal::start(&t.command(&["build", "--network", "none", "--shell-on-failure", "context"]));
    terminal.expect("/ # ");
    terminal.send("echo $(cat /made) of $A\n");
    terminal.expect("made of b");
    terminal.send("exit\n");
    assert_eq!(terminal.wait(), 1);
    assert_eq!(steps(&t), [""; 0]);
}

#[test]
fn two_roots_make_the_same_layers_of_the_same_dockerfile() {
    let Some(t) = scenario(
        "FROM busybox\n\
         RUN mkdir /a && echo one > /a/b && rm /bin/ls && rm -rf /var && mkdir /var && ln /a/b /a/c && chown 5:6 /a/b\n\
         RUN --mount=type=cache,target=/root/.cache touch /root/.cache/x && mv /a /d\n",
    ) else {
        return;
    };
    let second = t.second_root();
    second.busybox();
    let id = |t: &Scenario, context: &Path| {
        let mut command = t.command(&["build", "--network", "none", "-q"]);
        command.arg(context).env("SOURCE_DATE_EPOCH", "1700000000");
        hull_test_support::outcome::run(&mut command).ok().to_owned()
    };
    let context = t.path("context");
    let second_now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (one, before) = (id(&t, &context), second_now());
    // A tar has whole seconds.
    eventually("another second has begun", || second_now() > before);
    // The base image's own creation time differs between the roots, so the layers are compared and not the ids.
    let two = id(&second, &context);
    let layers = |t: &Scenario, id: &str| t.ok(&["image", "inspect", "-f", "{{json .RootFS.Layers}}", id]);
    assert_eq!(layers(&t, &one), layers(&second, &two));
}

#[test]
fn an_agent_is_a_socket_of_the_user_that_the_mount_names() {
    let Some(t) = scenario(
        "FROM busybox\n\
         RUN --mount=type=ssh,uid=7,mode=0600 stat -c '%F %a %u:%g' $SSH_AUTH_SOCK\n\
         RUN --mount=type=ssh,target=/agent test -S /agent && echo $SSH_AUTH_SOCK\n\
         RUN --mount=type=ssh,id=other test -z \"$SSH_AUTH_SOCK\" && echo none\n",
    ) else {
        return;
    };
    let path = t.path("agent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let ssh = format!("default={}", path.display());
    prints(&build(&t, &["--ssh", &ssh]), &["socket 600 7:0", "/agent", "none"]);
    t.write("context/Dockerfile", "FROM busybox\nRUN --mount=type=ssh,id=other,required true\n");
    assert!(build(&t, &["--ssh", &ssh]).fails(1).contains("--ssh other"));
}

#[test]
fn an_unprivileged_user_has_the_same_mounts() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.write("home/context/.dockerignore", "ignored\n");
    t.write("home/context/ignored", "");
    t.write("home/secret", "a secret\n");
    t.write(
        "home/context/Dockerfile",
        "FROM busybox AS other\n\
         RUN echo of another stage > /file && chown 5:6 /file\n\
         FROM busybox\n\
         RUN --mount=target=/c test ! -e /c/ignored && ls /c && ! touch /c/x\n\
         RUN --mount=target=/c,rw touch /c/x && test ! -e /c/ignored && echo discarded\n\
         RUN --mount=from=other,target=/o cat /o/file && stat -c 'owner %u:%g' /o/file\n\
         RUN --mount=type=cache,target=/cc echo cached >> /cc/l && cat /cc/l\n\
         RUN --mount=type=secret,id=s cat /run/secrets/s\n\
         RUN rm -rf /var /etc/passwd && mkdir /var && touch /var/new\n\
         RUN test ! -e /etc/passwd && ls /var | sed 's/^/replaced: /'\n",
    );
    let (context, secret) = (t.path("home/context"), t.path("home/secret"));
    let secret = format!("id=s,src={}", secret.display());
    let context = context.to_str().unwrap();
    let built = t.hull(&["build", "--network", "none", "--progress", "plain", "--secret", &secret, context]);
    let wanted =
        ["Dockerfile", "discarded", "of another stage", "owner 5:6", "cached", "a secret", "replaced: new"];
    prints(&built, &wanted);
}
