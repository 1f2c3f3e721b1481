//! hull beside its baseline, which the bench measures, and beside what else is installed.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hull_test_support::skip::find_program;
use serde::{Deserialize, Serialize};

use super::{Machine, median, shell, succeed};
use crate::transcripts::lab::Shell;

/// Others are measured so many times.
const RUNS: usize = 20;

/// `book/measured/speed.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Speed {
    #[serde(flatten)]
    pub machine: Machine,
    pub ratios: Vec<Ratio>,
    pub others: Vec<Other>,
}

/// A line of the benchmark.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ratio {
    pub what: String,
    pub baseline: String,
    pub hull: String,
    pub result: String,
    pub target: String,
}

/// A program, and its time from the start of the command to its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Other {
    pub what: String,
    pub milliseconds: f64,
}

pub fn measure(binaries: &Path, ratios: &str) -> Result<Speed> {
    Ok(Speed { machine: Machine::this()?, ratios: parse(ratios)?, others: measure_others(binaries)? })
}

/// Parses the output of the benchmark: a heading, and then columns with at least two spaces between them.
fn parse(printed: &str) -> Result<Vec<Ratio>> {
    let lines = printed.lines().skip_while(|line| !line.starts_with("what ")).skip(1);
    let ratios: Vec<_> = lines.filter(|line| !line.trim().is_empty()).map(ratio).collect::<Result<_>>()?;
    ensure!(!ratios.is_empty(), "the benchmark printed no table:\n{printed}");
    Ok(ratios)
}

fn ratio(line: &str) -> Result<Ratio> {
    let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let (what, baseline, hull, result, target) = match cells[..] {
        [what, baseline, hull, result, target] => (what, baseline, hull, result, target),
        // Rows without a baseline.
        [what, result, target] => (what, "", "", result, target),
        _ => anyhow::bail!("a line of the benchmark has another form: {line}"),
    };
    let owned = |cell: &str| cell.replace("<=", "≤").replace("x ", "× ");
    let what = what.to_owned();
    Ok(Ratio {
        what,
        baseline: owned(baseline),
        hull: owned(hull),
        result: owned(result),
        target: owned(target),
    })
}

/// All on the same tree, without a network, one after the other. Who does not run here, as crun does not on a machine with both
/// versions of cgroups, is left out, and the page says so.
fn measure_others(binaries: &Path) -> Result<Vec<Other>> {
    let mut shell = shell(binaries)?;
    let mut others = vec![timed(&mut shell, "hull run", "hull run --rm --network none busybox /bin/true")?];
    let mut add = |other: Result<Other>| match other {
        Ok(other) => others.push(other),
        Err(error) => eprintln!("left out: {error:#}"),
    };
    let bundle = "mkdir -p bundle && cd bundle && runc spec \
                  && sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"\\/bin\\/true\"/; s/\"readonly\": true/\"readonly\": false/' config.json \
                  && mkdir rootfs && cd .. && hull create --name tree busybox && hull export tree | tar -C bundle/rootfs -x && hull rm tree";
    if find_program("runc").is_some() {
        succeed(&mut shell, bundle)?;
        for runtime in ["crun", "runc"] {
            if find_program(runtime).is_some() {
                let what = format!("{runtime} run");
                add(timed(&mut shell, &what, &format!("{runtime} run --bundle bundle book-$$")));
            }
        }
    }
    if find_program("podman").is_some() {
        let podman = "podman --root $HOME/podman --runroot $HOME/podman-run --tmpdir $HOME/podman-tmp --storage-driver overlay \
                      --cgroup-manager cgroupfs --events-backend none --runtime runc";
        succeed(&mut shell, &format!("tar -C bundle/rootfs -c . | {podman} import -q - busybox"))?;
        let cgroups = "--cgroup-parent $HULL_CGROUP_PARENT";
        let run = format!("{podman} run --rm --network none {cgroups} busybox /bin/true");
        add(timed(&mut shell, "podman run", &run));
    }
    if find_program("dockerd").is_some() {
        add(docker(&mut shell));
    }
    Ok(others)
}

/// Measures docker. Its daemon ends with the shell.
fn docker(shell: &mut Shell) -> Result<Other> {
    let daemon = "dockerd -H unix://$HOME/docker.sock --data-root $HOME/docker --exec-root $HOME/docker-run \
                  --pidfile $HOME/docker.pid --storage-driver overlay2 --bridge none --iptables=false --ip6tables=false \
                  --cgroup-parent $HULL_CGROUP_PARENT > dockerd.log 2>&1 &";
    shell.enter(daemon)?;
    let docker = "docker -H unix://$HOME/docker.sock";
    succeed(shell, &format!("for i in $(seq 300); do {docker} version && break; sleep 0.1; done"))?;
    succeed(shell, &format!("tar -C bundle/rootfs -c . | {docker} import - busybox"))?;
    timed(shell, "docker run", &format!("{docker} run --rm --network none busybox /bin/true"))
}

fn timed(shell: &mut Shell, what: &str, command: &str) -> Result<Other> {
    // The first run fills the caches and is not counted.
    succeed(shell, command)?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        succeed(shell, command)?;
        times.push(started.elapsed());
    }
    let middle = median(times).context("at least one run")?;
    Ok(Other { what: what.to_owned(), milliseconds: (middle.as_secs_f64() * 10_000.0).round() / 10.0 })
}

/// The table of the chapter on speed.
pub fn table(speed: &Speed) -> Result<String> {
    let mut text = String::from("| what | baseline | hull | | held to |\n|---|---:|---:|---:|---|\n");
    for Ratio { what, baseline, hull, result, target } in &speed.ratios {
        writeln!(text, "| {what} | {baseline} | {hull} | {result} | {target} |")?;
    }
    writeln!(text, "\nMedians of pairs; {}.", speed.machine.shown())?;
    Ok(text)
}

/// The times of other engines on the same machine.
pub fn others(speed: &Speed) -> Result<String> {
    let mut text = String::from("| from command to end | ms |\n|---|---:|\n");
    for Other { what, milliseconds } in &speed.others {
        writeln!(text, "| `{what}` | {milliseconds} |")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_bench_prints_is_read() {
        let printed = "what (medians)     baseline   hull     target\n\
                       run --rm IMAGE     2.40 ms    2.90 ms     x 1.21   <= x 2.0\n\
                       monitor memory (PSS), mean of ten          412 KB   <= 500 KB\n";
        let ratios = parse(printed).unwrap();
        assert_eq!((ratios[0].hull.as_str(), ratios[0].result.as_str()), ("2.90 ms", "× 1.21"));
        assert_eq!((ratios[1].baseline.as_str(), ratios[1].target.as_str()), ("", "≤ 500 KB"));
        assert!(parse("").is_err());
    }
}
