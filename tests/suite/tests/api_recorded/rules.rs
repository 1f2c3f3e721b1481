//! Differences between hull and dockerd that many answers have, with reasons. A difference of one answer is in its case.

use crate::describe::STREAMS;
use crate::masks::matches;

/// An endpoint, a difference (`- KEY VALUE` or `+ KEY VALUE`), both with `*` for any text, and the reason.
#[derive(Debug)]
pub struct Rule(
    pub &'static str,
    pub &'static str,
    #[allow(dead_code, reason = "it is for readers")] pub &'static str,
);

const NO_NULLS: &str = "hull records options and not the request, so a list that was not given is empty";
const PATHS: &str =
    "each engine has its own layout of directories, and hull's files have their paths before the first start";
const LOGS: &str = "hull limits logs by default, and shows the limits";
const NO_HTTP: &str = "what is no HTTP is answered with JSON as every other failure";
const BUILDER: &str =
    "hull's builder writes the history that BuildKit writes, and an image of hull's is its last step only";
const ITSELF: &str = "each program has its own name and version";
const INSPECT: &str = "GET /containers/*/json";
const USUAL: &str = "hull's usual headers are in every answer; dockerd leaves them out where it has found no handler, where the \
                     version is wrong, and of hijacked connections";

#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    Rule("*", "+ headers usual", USUAL),
    Rule("*", "- Api-Version: 1.*", USUAL),
    Rule("*", "- Ostype: linux", USUAL),
    Rule("*", "- Server: *", USUAL),
    Rule("HEAD /containers/*/archive", "* length *", "there is no body"),
    Rule(INSPECT, "- .HostConfig.* null", NO_NULLS),
    Rule(INSPECT, "+ .HostConfig.* []", NO_NULLS),
    Rule(INSPECT, "+ .HostConfig.PortBindings {}", NO_NULLS),
    Rule(INSPECT, "* .HostConfig.CgroupnsMode *", "dockerd's default is host on cgroup v1; hull's is private on both"),
    Rule(INSPECT, "* .HostConfig.Runtime *", ITSELF),
    Rule(INSPECT, "* .HostConfig.LogConfig.Config*", LOGS),
    Rule(INSPECT, "* .NetworkSettings.SandboxID *", "a sandbox has the id of its container"),
    Rule("raw", "- Content-Type: text/plain*", NO_HTTP),
    Rule("raw", "+ Content-Type: application/json", NO_HTTP),
    Rule("raw", "- length closed", NO_HTTP),
    Rule("raw", "- text *", NO_HTTP),
    Rule("raw", "+ .message *", NO_HTTP),
    Rule("* /networks*", "* *Created *", "the networks host and none are not created"),
    Rule("GET /networks*", "* *.\"com.docker.network.bridge.name\" *", ITSELF),
    Rule("GET /images/*/json", "* .ContainerConfig.*", NO_NULLS),
    Rule("GET /images/*/json", "* .DockerVersion *", ITSELF),
    Rule("GET /networks*", "+ *.IPAM.Config[*].Gateway *", "the gateway that was chosen is shown as well as one that was given"),
    Rule("* /volumes*", "- *.Options {}", NO_NULLS),
    Rule("* /volumes*", "+ *.Options null", NO_NULLS),
    Rule("*", "* *.Mounts[*].Source *", PATHS),
    Rule("*", "* *.RepoDigests null", NO_NULLS),
    Rule("*", "* *.RepoDigests []", NO_NULLS),
    Rule("GET /containers/*", "- member .dockerenv *", "nothing in a container tells it that hull runs it"),
    Rule("GET /containers/*", "* member *etc/host* regular *", "a container's own files are shown with what is in them"),
    Rule("GET /containers/*", "* member *link/host* regular *", "a container's own files are shown with what is in them"),
    Rule("GET /containers/*", "* member *resolv.conf regular *", "a container's own files are shown with what is in them"),
    Rule("GET /info", "* .Plugins.*", "hull has its own drivers, and no plugins"),
    Rule("GET /info", "* .*Commit.*", "hull has no containerd, and its runtime and init are parts of it"),
    Rule("GET /info", "* .Containerd.*", "hull has no containerd"),
    Rule("GET /info", "* .Runtimes.*", "hull's own runtime is among them, and those that --runtime finds, by their paths"),
    Rule("GET /info", "* .DefaultRuntime *", ITSELF),
    Rule("GET /info", "* .KernelMemory*", "kernels have no such limit any more"),
    Rule("GET /info", "* .LiveRestoreEnabled *", "containers outlive the server, whether or not it is told so"),
    Rule("GET /version", "* .Components*", "the server is one program"),
    Rule("GET /version", "+ .Experimental *", "dockerd leaves it out where it is false; older clients expect it"),
    Rule("GET /images/*/history", "* *.CreatedBy *", BUILDER),
    Rule("GET /images/*/history", "* *.Comment *", BUILDER),
    Rule("GET /images/*/history", "* *.Id *", BUILDER),
    Rule("GET /images/*/history", "* *.Tags*", BUILDER),
    Rule("GET /images/*/json", "* .Parent *", "images have no parents, only layers"),
    Rule("GET /images/*/json", "* .Container \"*", "an image does not name the container that it was made of"),
    Rule("GET /images/*/json", "* .Comment \"*", BUILDER),
    Rule("GET /images/*/json", "+ .Descriptor.*", "dockerd has it where containerd stores its images, and hull's store is one of manifests, too"),
    Rule("GET /distribution/*", "* .Descriptor.mediaType *", "hull pushes OCI manifests"),
    Rule("*", "* Builder-Version: *", "1 is the builder without a session, the only one that hull's API has: docker's CLI asks for it"),
];

/// Parts of error messages that clients look for. hull has these words, too, and explains everything else in its own words.
const LOOKED_FOR: &[&str] = &[
    "no such container",
    "no such image",
    "no such exec instance",
    "no such network",
    "no such volume",
    "not found",
    "is already in use",
    "already exists",
    "is not running",
    "is already paused",
    "is not paused",
    "is paused",
    "client version",
    "page not found",
    "conflict: unable to",
    "must be forced",
    "volume is in use",
    "has active endpoints",
    "manifest unknown",
    "pull access denied",
    "does not match the specified platform",
];

/// Leaves out what the rules cover. `used` learns which rules were needed.
pub fn uncovered(endpoint: &str, differences: Vec<String>, used: &mut impl Extend<usize>) -> Vec<String> {
    let is_stream = STREAMS.iter().any(|pattern| matches(pattern, endpoint)) || endpoint.ends_with("/wait");
    // Go sends a short document with its length, and a longer one in chunks.
    let is_of_go = |line: &str| {
        !is_stream
            && ["- length chunked", "+ length chunked", "- length sized", "+ length sized"].contains(&line)
    };
    let blames_itself = blames_itself(&differences);
    let is_explained = explained(&differences);
    let mut left = Vec::new();
    for line in differences {
        let rule =
            RULES.iter().position(|Rule(at, pattern, _)| matches(at, endpoint) && matches(pattern, &line));
        used.extend(rule);
        let is_status = blames_itself && line[2..].starts_with("status");
        let is_known = is_status || is_of_go(&line) || is_explained && is_message(&line);
        if rule.is_none() && !is_known {
            left.push(line);
        }
    }
    left
}

fn is_message(line: &str) -> bool {
    let key = crate::describe::split(line.get(2..).unwrap_or_default()).0;
    key.ends_with(".message") || key.ends_with(".error")
}

/// dockerd answers 500, and hull sees that the request is wrong.
fn blames_itself(differences: &[String]) -> bool {
    let is = |sign: &str, code: &str| {
        differences.iter().any(|line| line.starts_with(&format!("{sign} status {code}")))
    };
    is("-", "500") && (is("+", "4") || is("+", "501"))
}

/// hull has an error message, and in it what clients look for in one of dockerd's.
fn explained(differences: &[String]) -> bool {
    let messages =
        |sign: char| differences.iter().filter(move |line| line.starts_with(sign) && is_message(line));
    let own: Vec<String> = messages('+').map(|line| line.to_lowercase()).collect();
    let fits = |line: &String| {
        let line = line.to_lowercase();
        let parts: Vec<_> = LOOKED_FOR.iter().filter(|part| line.contains(*part)).collect();
        own.iter().all(|own| parts.iter().all(|part| own.contains(*part)))
    };
    !own.is_empty() && messages('-').any(fits)
}
