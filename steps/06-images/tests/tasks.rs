//! The tasks of lesson 6, in order: what the reader's functions have to do.

// The modules have functions that no check calls.
#![allow(dead_code)]
// For reading an extended attribute.
#![allow(unsafe_code)]

#[path = "../src/digest.rs"]
mod digest;
#[path = "../src/idmap.rs"]
mod idmap;
#[path = "../src/image.rs"]
mod image;
#[path = "../src/layer.rs"]
mod layer;
#[path = "../src/netlink.rs"]
mod netlink;
#[path = "../src/overlay.rs"]
mod overlay;
#[path = "../src/registry.rs"]
mod registry;
#[path = "../src/report.rs"]
mod report;
#[path = "../src/supervisor.rs"]
mod supervisor;
#[path = "../src/veth.rs"]
mod veth;

use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

use lesson_tasks::lesson_lab::images::{self, Answer, INDEX, Layout, Tar};
use lesson_tasks::{
    Expect, Failure, Outcome, ensure, equal, failure, lesson_lab, not_checked, run, scratch, shown, task,
};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_step-06-images");

fn main() -> ExitCode {
    run(
        "06-images",
        &[
            task(1, "A digest is `sha256:` and 64 hexadecimal digits", names),
            task(2, "A reader hashes the bytes that pass through it", hashes),
            task(3, "The path of an entry is relative, and has no `..`", relative_paths),
            task(4, "A layer cannot put a file outside its directory", leaves_the_layer).escape(),
            task(5, "A whiteout hides the file of a lower layer", whiteouts),
            task(6, "An index leads to the manifest for this machine", chooses),
            task(7, "A registry's challenge leads to a token", fetches_a_token),
            task(8, "An image is pulled from a registry", pulls),
        ],
    )
}

fn names() -> Outcome {
    // printf hello | sha256sum
    let right = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let why = "`printf hello | sha256sum` prints the same digits, and every program of every engine writes a digest like this";
    equal("the digest of \"hello\"", right.to_owned(), digest::of(b"hello"), why)
}

/// Gives a few bytes at a time, as a network does.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.len().min(buffer.len()).min(7);
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn hashes() -> Outcome {
    let bytes = b"a layer arrives in pieces, and nobody knows the length of a piece";
    let mut reader = digest::Hashed::new(Drops(bytes));
    let mut read = Vec::new();
    let why = "the bytes are passed on to the next reader, which decompresses or unpacks them";
    reader.read_to_end(&mut read).expect_that("all bytes can be read", why)?;
    ensure(read == bytes, "the reader returns the bytes of the inner reader", format_args!("{read:?}"), why)?;
    let why = "only the first `length` bytes of the buffer are new, where `length` is the number that the inner reader returned";
    equal("the digest after the last byte", digest::of(bytes), reader.digest(), why)
}

fn relative_paths() -> Outcome {
    let why = "tar(1) reads a path in the same way: the path is relative to the directory in which the tar is unpacked";
    for (path, expected) in
        [("etc/motd", "etc/motd"), ("./etc/motd", "etc/motd"), ("/etc/./motd", "etc/motd"), ("./", "")]
    {
        let got =
            layer::relative(Path::new(path)).expect_that(&format!("the path {path:?} is allowed"), why)?;
        equal(&format!("the path {path:?}, made relative"), PathBuf::from(expected), got, why)?;
    }
    let why = "`..` leads out of the layer's directory, and no harmless layer needs it";
    for path in ["../etc/passwd", "a/../../b", "/.."] {
        let refused = layer::relative(Path::new(path));
        ensure(
            refused.is_err(),
            format_args!("the path {path:?} is an error"),
            format_args!("{refused:?}"),
            why,
        )?;
    }
    Ok(())
}

/// Unpacks a tar into a new directory.
fn unpack(name: &str, tar: &[u8]) -> Result<PathBuf, Failure> {
    let directory = scratch().join(name);
    fs::create_dir(&directory).expect("a directory of the task's own");
    let digest = images::digest(tar);
    let kind = "application/vnd.oci.image.layer.v1.tar".to_owned();
    let blob = image::Blob { kind, digest: digest.clone(), size: tar.len() as u64 };
    layer::unpack(tar, &blob, &digest, &directory, &mut layer::Lost::default())
        .expect_that(&format!("the layer {name:?} is unpacked"), "the layer is harmless")?;
    Ok(directory)
}

fn leaves_the_layer() -> Outcome {
    let honest = Tar::new()
        .directory("usr/lib/")
        .link("lib", "usr/lib")
        .file("lib/inside", "1")
        .file("new/deep/file", "2");
    let directory = unpack("honest", &honest.end())?;
    let text = |path: &str| fs::read_to_string(directory.join(path)).unwrap_or_default();
    let why = "a link that stays in the layer is allowed, and a missing directory is created";
    equal("the file lib/inside, behind a link to usr/lib", "1".to_owned(), text("usr/lib/inside"), why)?;
    equal("the file new/deep/file", "2".to_owned(), text("new/deep/file"), why)?;

    let outside = scratch().join("outside");
    fs::create_dir(&outside).expect("a directory of the task's own");
    let target = outside.to_string_lossy().into_owned();
    let attacks = [
        (
            "a link to a directory of the host, and a file behind the link",
            Tar::new().link("way", &target).file("way/owned", "x"),
        ),
        (
            "a link to `../outside`, and a file behind it",
            Tar::new().link("way", "../outside").file("way/owned", "x"),
        ),
        (
            "a link in a directory, and a directory behind it",
            Tar::new().directory("a/").link("a/way", &target).directory("a/way/owned/"),
        ),
    ];
    let why = "the kernel follows the link when it opens the parent of the second entry. Only the kernel can check the path while it follows it";
    for (number, (attack, tar)) in attacks.into_iter().enumerate() {
        let result = unpack(&format!("attack-{number}"), &tar.end());
        ensure(
            !outside.join("owned").exists(),
            "no file of a layer is outside the layer's directory",
            format_args!("the attack succeeded: {attack} made {}", outside.join("owned").display()),
            why,
        )?;
        ensure(
            result.is_err(),
            format_args!("a layer is refused that has {attack}"),
            "it was unpacked",
            why,
        )?;
    }
    Ok(())
}

/// An extended attribute of a file.
fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let name = CString::new(name).ok()?;
    let mut value = [0_u8; 64];
    // SAFETY: both strings end in a zero byte, and the kernel writes at most as many bytes as the buffer has.
    let length =
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    usize::try_from(length).ok().map(|length| value[..length].to_vec())
}

fn whiteouts() -> Outcome {
    let opaque = if layer::has_one_id() { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
    let tar = Tar::new()
        .file("etc/.wh.motd", "")
        .directory("cache/")
        .file("cache/.wh..wh..opq", "")
        .file("cache/new", "1")
        .directory("var/")
        .file("var/new", "1")
        .file(".wh.var", "")
        .file("kept", "1")
        .file(".wh.kept", "")
        .link("link", "var")
        .file(".wh.link", "")
        .link("dangling", "nowhere")
        .file(".wh.dangling", "");
    let directory = unpack("layer", &tar.end())?;
    let why = "overlay's whiteout is a character device with the numbers 0 and 0: it hides the name in the lower directories";
    let found = fs::symlink_metadata(directory.join("etc/motd"))
        .expect_that("the entry etc/.wh.motd makes a whiteout etc/motd", why)?;
    let is_whiteout = found.file_type().is_char_device() && found.rdev() == 0;
    ensure(
        is_whiteout,
        "etc/motd is a whiteout",
        format_args!("a file with the mode {:o}", found.mode()),
        why,
    )?;
    let why = "an opaque directory hides everything that the lower directories have under its name";
    for (name, entry) in [("cache", "cache/.wh..wh..opq"), ("var", ".wh.var, beside a new directory var,")] {
        let seen = attribute(&directory.join(name), opaque);
        ensure(
            seen.as_deref() == Some(b"y"),
            format_args!("the entry {entry} sets the attribute {opaque} of {name} to \"y\""),
            format_args!("the attribute is {seen:?}"),
            why,
        )?;
        let kept = directory.join(name).join("new").is_file();
        ensure(
            kept,
            format_args!("the file {name}/new of this layer stays"),
            "it is gone",
            "a whiteout hides only files of the lower layers",
        )?;
    }
    let kept = fs::read_to_string(directory.join("kept")).unwrap_or_default();
    equal(
        "the file `kept`, which this layer contains too",
        "1".to_owned(),
        kept,
        "a new file hides the lower one, so no whiteout is needed",
    )?;
    for link in ["link", "dangling"] {
        let found = fs::symlink_metadata(directory.join(link));
        ensure(
            found.is_ok_and(|found| found.is_symlink()) && attribute(&directory.join(link), opaque).is_none(),
            format_args!("{link}, which this layer contains too, is a link without an attribute"),
            "it is not",
            "a link is a new file, wherever it leads: only symlink_metadata does not follow it",
        )?;
    }
    let why = "such a whiteout names no file, and `..` would be the directory above";
    for name in [".wh.", ".wh...", "etc/.wh.."] {
        let refused = unpack(&format!("bad{}", name.replace('/', "-")), &Tar::new().file(name, "").end());
        ensure(
            refused.is_err(),
            format_args!("a layer with the entry {name:?} is refused"),
            "it was unpacked",
            why,
        )?;
    }
    Ok(())
}

/// A manifest and its platform.
fn manifest(layout: &Layout, architecture: &str, file: &str) -> Value {
    let mut manifest = layout.manifest(&[Tar::new().file(file, "").end()], &Value::Null);
    manifest["platform"] = json!({ "os": "linux", "architecture": architecture });
    manifest
}

fn chooses() -> Outcome {
    let layout = Layout::new(scratch().join("layout"));
    let (os, ours) = image::platform();
    let choose = |top: Value| image::choose(&mut image::Source::Layout(layout.0.clone()), top);
    let index = |manifests: &[&Value]| json!({ "schemaVersion": 2, "manifests": manifests });
    let stored = |descriptor: &Value| -> Value {
        let path = layout.path(descriptor["digest"].as_str().unwrap_or_default());
        serde_json::from_slice(&fs::read(path).unwrap_or_default()).unwrap_or_default()
    };
    let (vax, own) = (manifest(&layout, "vax", "a"), manifest(&layout, ours, "b"));
    let mut windows = manifest(&layout, ours, "c");
    windows["platform"]["os"] = "windows".into();
    let what = |document: &Value| match document {
        found if *found == stored(&own) => format!("the manifest for {os}/{ours}"),
        found if *found == stored(&vax) => "the manifest for linux/vax".to_owned(),
        found if *found == stored(&windows) => format!("the manifest for windows/{ours}"),
        found if found["manifests"].is_array() => "an index".to_owned(),
        _ => "another document".to_owned(),
    };
    let right = what(&stored(&own));
    let why = format!(
        "this machine is {os}/{ours}, and a program for another processor or another system does not run"
    );
    let got = choose(index(&[&vax, &windows, &own]))
        .expect_that("an index with three platforms has a manifest for us", &why)?;
    equal("the choice from an index with three platforms", right.clone(), what(&got), &why)?;
    let nested = layout.json(INDEX, &index(&[&vax, &own]));
    let why = "the descriptor of the inner index has no platform, so it fits";
    let got = choose(index(&[&nested])).expect_that("an index may contain an index", why)?;
    equal("the choice from an index in an index", right.clone(), what(&got), why)?;
    let why = "a document without a list `manifests` is the manifest itself";
    let got = choose(stored(&own)).expect_that("a manifest is chosen at once", why)?;
    equal("the choice from a manifest", right, what(&got), why)?;

    let why = "without the list, a user cannot know which machines the image is for";
    let Err(error) = choose(index(&[&vax])) else {
        return Err(failure("an index without our platform is an error", "a manifest was chosen", why));
    };
    let told = format!("{error:#}");
    ensure(told.contains("linux/vax"), "the error names the platforms in the index", told, why)?;

    let mut top = index(&[&own]);
    for _ in 0..5 {
        top = index(&[&layout.json(INDEX, &top)]);
    }
    let refused = choose(top);
    let why = "a hostile index could refer to another index, which refers to the next one, without end";
    ensure(refused.is_err(), "more than four nested indexes are an error", "a manifest was chosen", why)
}

/// A server on this machine, for as long as the check runs.
fn serve(answer: impl Fn(&str, &str) -> Answer + Send + 'static) -> Result<u16, Failure> {
    // The check of root has a network namespace of its own, where nobody has set `lo` up.
    if lesson_tasks::is_root() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        if !up.is_ok_and(|status| status.success()) {
            return Err(not_checked("`ip link set lo up` failed: is iproute2 installed?"));
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0")
        .map_err(|error| not_checked(format_args!("no loopback network: {error}")))?;
    let port = listener.local_addr().expect("it is bound").port();
    images::serve(listener, answer);
    Ok(port)
}

fn json_answer(value: &Value) -> Answer {
    (200, String::new(), value.to_string().into_bytes())
}

fn fetches_a_token() -> Outcome {
    let port = serve(|path, _| match path {
        "/token?service=here&scope=repository%3Ax%3Apull%2Cpush" => {
            json_answer(&json!({ "token": "secret" }))
        }
        "/oauth?service=here" => json_answer(&json!({ "access_token": "other secret" })),
        "/empty" => json_answer(&json!({})),
        _ => (404, String::new(), b"{}".to_vec()),
    })?;
    let registry = registry::Registry::new(&format!("127.0.0.1:{port}/x"))
        .expect_that("a registry on this machine has a name", "it is 127.0.0.1:PORT/NAME")?;
    let challenge = format!(
        "Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"here\",scope=\"repository:x:pull,push\""
    );
    let why = "the client sends the service and the scope to the realm, unchanged. The comma in the scope is between the quotes";
    let got = registry.fetch_token(&challenge).expect_that("the challenge leads to a token", why)?;
    equal("the token", "secret".to_owned(), got, why)?;
    let challenge = format!("Bearer realm=\"http://127.0.0.1:{port}/oauth\",service=\"here\"");
    let why = "some servers name the token access_token, as OAuth does, and some challenges have no scope";
    let got = registry.fetch_token(&challenge).expect_that("access_token is a token too", why)?;
    equal("the token", "other secret".to_owned(), got, why)?;
    let why = "the registry would only refuse a wrong token again, and the user would not know why";
    for (challenge, what) in [
        (challenge.replace("Bearer", "Basic"), "a scheme other than Bearer"),
        ("Bearer service=\"here\"".to_owned(), "a challenge without a realm"),
        (format!("Bearer realm=\"http://127.0.0.1:{port}/empty\""), "an answer without a token"),
    ] {
        let refused = registry.fetch_token(&challenge);
        ensure(refused.is_err(), format_args!("{what} is an error"), format_args!("{refused:?}"), why)?;
    }
    Ok(())
}

/// How many tokens the registry of a check has given.
static TOKENS: AtomicUsize = AtomicUsize::new(0);

/// A registry that answers only requests with a token.
fn guarded(
    content: impl Fn(&str) -> Answer + Send + 'static,
) -> impl Fn(&str, &str, &str) -> Answer + Send + 'static {
    move |host, path, authorization| {
        if path.starts_with("/token") {
            TOKENS.fetch_add(1, Ordering::Relaxed);
            return json_answer(&json!({ "token": "secret" }));
        }
        if authorization == "Bearer secret" {
            return content(path);
        }
        (401, format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"\r\n"), Vec::new())
    }
}

fn pulls() -> Outcome {
    let answer = guarded(|path| match path {
        "/v2/team/app/manifests/latest" => json_answer(&json!({ "hello": "manifest" })),
        "/v2/team/app/blobs/sha256:1" => (200, String::new(), b"a blob".to_vec()),
        "/v2/team/app/manifests/private" => (401, String::new(), Vec::new()),
        _ => (404, String::new(), Vec::new()),
    });
    // The port is known when the server runs, so the realm takes it from a cell.
    let port = std::sync::Arc::new(AtomicUsize::new(0));
    let known = port.clone();
    let number = serve(move |path, authorization| {
        answer(&format!("127.0.0.1:{}", known.load(Ordering::Relaxed)), path, authorization)
    })?;
    port.store(number.into(), Ordering::Relaxed);
    let mut registry = registry::Registry::new(&format!("127.0.0.1:{number}/team/app"))
        .expect_that("a registry on this machine has a name", "it is 127.0.0.1:PORT/NAME")?;
    let why = "the first answer is 401 and names the realm. With a token the same request succeeds";
    let got = registry.manifest("latest").expect_that("GET /v2/team/app/manifests/latest succeeds", why)?;
    equal(
        "the manifest",
        "{\"hello\":\"manifest\"}".to_owned(),
        String::from_utf8_lossy(&got).into_owned(),
        why,
    )?;
    let mut blob = Vec::new();
    registry
        .blob("sha256:1")
        .and_then(|mut bytes| Ok(bytes.read_to_end(&mut blob)?))
        .expect_that("GET /v2/team/app/blobs/sha256:1 succeeds", why)?;
    equal("the blob", "a blob".to_owned(), String::from_utf8_lossy(&blob).into_owned(), why)?;
    let why =
        "the registry asks for a token once, and the client sends the same token with every later request";
    equal("the number of tokens that were fetched", 1, TOKENS.load(Ordering::Relaxed), why)?;
    for (tag, status) in [("none", "404"), ("private", "401")] {
        let why = "the user has to know the registry's answer, and what to do about it";
        let Err(error) = registry.manifest(tag) else {
            return Err(failure(format_args!("status {status} is an error"), "manifest() returned Ok", why));
        };
        let told = format!("{error:#}");
        ensure(
            told.contains(status) && told.contains("hint: "),
            format_args!("the error of status {status} names the status, and has a context `hint: …`"),
            told,
            why,
        )?;
    }
    whole()
}

/// The program of the step pulls and runs an image.
fn whole() -> Outcome {
    for lab in lesson_lab::everyone(PROGRAM) {
        let layout = Layout::new(lab.dir.join("layout"));
        let Some(busybox) = images::busybox() else {
            return Err(not_checked("/usr/bin/busybox is not installed (package busybox-static)"));
        };
        let command = json!({ "Cmd": ["/bin/sh", "-c", "echo from a registry"] });
        layout.publish(&[("latest", &layout.manifest(&[busybox.end()], &command))]);
        let (listener, port) = lab.listen();
        let (answer, host) = (guarded(images::registry(&layout.0, "app")), format!("127.0.0.1:{port}"));
        images::serve(listener, move |path, authorization| answer(&host, path, authorization));
        let ran = lab.run(&["run", &format!("127.0.0.1:{port}/app")]);
        let why = "the program follows the digests from the index to the layers, unpacks them, and runs the command of the config";
        ensure(
            ran.stdout == "from a registry",
            "`run HOST/app` prints \"from a registry\"",
            shown(&ran),
            why,
        )?;
    }
    Ok(())
}
