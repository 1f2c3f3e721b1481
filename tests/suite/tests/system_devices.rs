//! `hull device`: added to containers that run, seen inside, kept by a restart and by a reboot from inside, and removed.

#[path = "system_devices/blocks.rs"]
mod blocks;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, System, skip};

/// A scenario with a system container `box` and a docker-style one `plain`, both running.
fn containers() -> Option<Scenario> {
    let t = Scenario::with_systems(&[System::Busybox])?;
    t.busybox();
    t.ok(&["run", "-d", "--system", "--name", "box", System::Busybox.image()]);
    t.ok(&["run", "-d", "--name", "plain", "busybox", "sleep", "1000"]);
    eventually("the system has booted", || t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success());
    Some(t)
}

/// Reboots `box` from inside, and waits for its next run.
#[track_caller]
fn reboot(t: &Scenario) {
    let before = t.pid_of("box");
    t.ok(&["exec", "-d", "box", "reboot"]);
    eventually("the system has booted again", || {
        let now = t.hull(&["inspect", "-f", "{{.State.Pid}}", "box"]);
        let pid = now.stdout.trim().parse::<i32>().unwrap_or(0);
        pid > 0 && pid != before && t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success()
    });
}

/// What the command says when it fails.
#[track_caller]
fn refusal(t: &Scenario, args: &[&str]) -> String {
    t.hull(args).fails(1).to_owned()
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().expect("ip runs");
    assert!(done.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_disk_comes_and_goes_and_survives_a_reboot() {
    let Some(t) = containers() else { return };
    let file = t.write("src/file", "of the host");
    let source = file.parent().unwrap();
    std::fs::create_dir(source.join("sub")).unwrap();
    let key = format!("source={}", source.display());
    for name in ["box", "plain"] {
        let said = t.ok(&["device", "add", name, "data", "disk", &key, "path=/mnt/data", "shift=true"]);
        assert_eq!(said, format!("Device data added to {name}"));
        assert_eq!(t.ok(&["exec", name, "cat", "/mnt/data/file"]), "of the host");
        // With shift the files have the container's ids, and what it writes is root's on the disk.
        assert_eq!(t.ok(&["exec", name, "stat", "-c", "%u", "/mnt/data/file", "/mnt"]), "0\n0");
        t.ok(&["exec", name, "sh", "-c", &format!("echo mine > /mnt/data/{name}")]);
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&source.join(name).metadata().unwrap()), 0);
        let mounts = t.inspect(name, "{{json .Mounts}}");
        assert!(mounts.contains("\"Destination\":\"/mnt/data\""), "{mounts}");
        t.ok(&["restart", "-t", "0", name]);
        assert_eq!(t.ok(&["exec", name, "cat", "/mnt/data/file"]), "of the host");
    }
    eventually("booted", || t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success());
    reboot(&t);
    assert_eq!(t.ok(&["exec", "box", "cat", "/mnt/data/file"]), "of the host");
    for name in ["box", "plain"] {
        assert_eq!(t.ok(&["device", "list", name]), "data");
        assert_eq!(t.ok(&["device", "get", name, "data", "path"]), "/mnt/data");
        let shown = t.ok(&["device", "show", name]);
        assert!(shown.contains("data:\n  path: /mnt/data\n"), "{shown}");
        t.ok(&["device", "set", name, "data", "readonly=true"]);
        assert!(t.hull(&["exec", name, "touch", "/mnt/data/x"]).stderr.contains("Read-only"));
        t.ok(&["device", "unset", name, "data", "readonly"]);
        t.ok(&["exec", name, "touch", "/mnt/data/x"]);
        t.ok(&["device", "remove", name, "data"]);
        assert_eq!(t.ok(&["exec", name, "ls", "/mnt/data"]), "");
        t.ok(&["restart", "-t", "0", name]);
        assert_eq!(t.ok(&["exec", name, "ls", "/mnt/data"]), "");
    }
}

#[test]
fn a_volume_is_a_disk_of_the_default_pool() {
    let Some(t) = containers() else { return };
    t.ok(&["volume", "create", "vol"]);
    t.ok(&["device", "add", "box", "v", "disk", "pool=default", "source=vol", "path=/v"]);
    t.ok(&["device", "add", "plain", "v", "disk", "pool=default", "source=vol", "path=/v"]);
    t.ok(&["exec", "box", "sh", "-c", "echo shared > /v/f; chown 5 /v/f"]);
    assert_eq!(t.ok(&["exec", "plain", "sh", "-c", "cat /v/f; stat -c %u /v/f"]), "shared\n5");
    assert!(refusal(&t, &["volume", "rm", "vol"]).contains("in use"));
    t.ok(&["device", "remove", "box", "v"]);
    t.ok(&["device", "remove", "plain", "v"]);
    t.ok(&["volume", "rm", "vol"]);
}

#[test]
fn no_path_of_a_container_leads_a_mount_out_of_it() {
    let Some(t) = containers() else { return };
    let file = t.write("src/file", "of the host");
    let key = format!("source={}", file.parent().unwrap().display());
    let outside = t.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let shown = outside.display();
    t.ok(&[
        "exec",
        "box",
        "sh",
        "-c",
        &format!("ln -s /../../../..{shown} /evil; ln -s /proc/1 /toproc; mkdir /real"),
    ]);
    t.ok(&["device", "add", "box", "evil", "disk", &key, "path=/evil/below"]);
    assert!(!outside.join("below").exists(), "it was made outside");
    assert_eq!(t.ok(&["exec", "box", "cat", &format!("{shown}/below/file")]), "of the host");
    t.ok(&["device", "remove", "box", "evil"]);
    assert_eq!(t.ok(&["exec", "box", "ls", &format!("{shown}/below")]), "");
    let said = refusal(&t, &["device", "add", "box", "p", "disk", &key, "path=/toproc/fdinfo"]);
    assert!(said.contains("inside /proc"), "{said}");
    assert!(refusal(&t, &["device", "add", "box", "p", "disk", &key, "path=/proc/x"]).contains("kernel"));
    assert!(refusal(&t, &["device", "add", "box", "p", "disk", &key, "path=/a/../b"]).contains(".."));
    assert_eq!(t.ok(&["device", "list", "box"]), "", "nothing of a refused device is kept");
    // What the container mounts over a device is not unmounted for it.
    t.ok(&["device", "add", "box", "real", "disk", &key, "path=/real"]);
    t.ok(&["exec", "box", "mount", "-t", "tmpfs", "none", "/real"]);
    let said = refusal(&t, &["device", "remove", "box", "real"]);
    assert!(said.contains("mounted something else on /real"), "{said}");
    assert_eq!(t.ok(&["device", "list", "box"]), "real");
    t.ok(&["exec", "box", "umount", "/real"]);
    assert_eq!(t.ok(&["exec", "box", "ls", "/real"]), "file");
    t.ok(&["device", "remove", "box", "real"]);
    assert_eq!(t.ok(&["exec", "box", "ls", "/real"]), "");
}

#[test]
fn a_removed_disk_is_gone_wherever_the_container_has_moved_it() {
    let Some(t) = containers() else { return };
    let file = t.write("src/file", "of the host");
    t.write("src/sub/below", "of the host, too");
    let key = format!("source={}", file.parent().unwrap().display());
    let inside = |script: &str| t.ok(&["exec", "box", "sh", "-c", script]);
    t.ok(&["device", "add", "box", "kept", "disk", &key, "path=/kept", "readonly=true"]);
    // A mount point cannot be renamed, but a directory above it can.
    t.ok(&["device", "add", "box", "data", "disk", &key, "path=/mnt/data"]);
    inside(
        "mv /mnt /moved && mkdir -p '/a b' /part && mount --bind /moved/data '/a b' && mount --bind /moved/data/sub /part",
    );
    assert_eq!(inside("cat /moved/data/file '/a b/file' /part/below").len(), 2 * 11 + 16);
    t.ok(&["device", "remove", "box", "data"]);
    assert_eq!(inside("ls /moved/data '/a b' /part"), "/a b:\n\n/moved/data:\n\n/part:");
    assert_eq!(inside("cat /kept/file"), "of the host", "another device with the same source stays");
    // A disk that hull cannot reach is not reported as removed.
    t.ok(&["device", "add", "box", "data", "disk", &key, "path=/mnt/data"]);
    inside("mv /mnt /elsewhere && mount -t tmpfs none /elsewhere");
    let said = refusal(&t, &["device", "remove", "box", "data"]);
    assert!(said.contains("mounted something else on /elsewhere/data"), "{said}");
    assert_eq!(t.ok(&["device", "list", "box"]), "data\nkept");
    inside("umount /elsewhere");
    t.ok(&["device", "remove", "box", "data"]);
    assert_eq!(inside("ls /elsewhere/data"), "");
    // A disk below a root that the container has covered is removed, too.
    t.ok(&["device", "add", "box", "data", "disk", &key, "path=/srv/data"]);
    inside("mount -t tmpfs none / && ls /srv/data/file");
    t.ok(&["device", "remove", "box", "data"]);
    let root = format!("/proc/{}/root/srv/data", t.pid_of("box"));
    assert_eq!(std::fs::read_dir(root).unwrap().count(), 0);
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let Some(t) = containers() else { return };
    for (args, reason) in [
        (&["dsk", "source=/srv", "path=/x"][..], "did you mean disk?"),
        (&["disk", "surce=/srv", "path=/x"], "did you mean source?"),
        (&["disk", "source=/srv", "path=x"], "absolute path"),
        (&["disk", "source=/does/not/exist", "path=/x"], "required=false"),
        (&["disk", "source=/srv", "path=/x", "readonly=perhaps"], "true or false"),
        (&["disk", "path=/x"], "needs source"),
        (&["disk", "source=/srv", "path=/bin/busybox"], "is no directory in the container"),
        (&["disk", "source=/etc/passwd", "path=/bin"], "is a directory in the container"),
        (&["disk", "source=/does/not/exist", "path=/x", "optional=false"], "required=false"),
        (&["disk", "source=/srv", "path=/x", "size=1GiB"], "only the root"),
        (&["disk", "source=/srv", "path=/x", "limits.read=0"], "more than 0"),
        (&["disk", "source=/proc", "path=/x", "limits.read=1MB"], "on no disk"),
        (&["disk", "pool=none", "source=v", "path=/x"], "pool"),
        (&["nic", "network=no-such"], "No such network"),
        (&["nic", "nictype=macvlan"], "needs parent"),
        (&["nic", "nictype=macvlan", "parent=no-such"], "no such link"),
        (&["proxy", "listen=tcp:127.0.0.1:80"], "needs connect"),
        (&["proxy", "listen=tcp:nowhere:80", "connect=tcp:127.0.0.1:80"], "tcp:ADDRESS:PORTS"),
        (&["unix-char", "source=/etc/passwd"], "no character device"),
        (&["unix-block", "source=/dev/null"], "no block device"),
        (&["unix-char", "path=/dev/x", "major=1"], "together"),
        (&["gpu", "id=none"], "vendor/class=name"),
        (&["gpu", "id=example.com/none=one"], "example.com/none=one"),
        (&["usb"], "unix-char"),
    ] {
        let mut all = vec!["device", "add", "box", "d"];
        all.extend(args);
        let said = refusal(&t, &all);
        assert!(said.contains(reason), "{args:?}: {said}");
        assert_eq!(said.matches("hull: ").count(), 1, "{args:?}: {said}");
    }
    assert_eq!(t.ok(&["device", "list", "box"]), "");
    assert!(refusal(&t, &["device", "remove", "box", "d"]).contains("no such device"));
    // A missing source is no error if it is optional, and is mounted at the next start that finds it.
    let source = t.path("later");
    let key = format!("source={}", source.display());
    t.ok(&["device", "add", "plain", "d", "disk", &key, "path=/later", "optional=true"]);
    t.ok(&["restart", "-t", "0", "plain"]);
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("f"), "").unwrap();
    t.ok(&["restart", "-t", "0", "plain"]);
    assert_eq!(t.ok(&["exec", "plain", "ls", "/later"]), "f");
}

#[test]
fn device_nodes_can_be_opened_while_they_are_devices() {
    let Some(t) = containers() else { return };
    let open = |name: &str| t.hull(&["exec", name, "sh", "-c", "head -c1 /dev/own | wc -c"]);
    for name in ["box", "plain"] {
        // 1:1 (mem) is on no list of allowed devices; 1:5 (zero) is on each.
        let numbers = ["major=1", "minor=1", "mode=0604", "uid=3", "gid=4"];
        let mut add = vec!["device", "add", name, "own", "unix-char", "path=/dev/own"];
        add.extend(numbers);
        t.ok(&add);
        let stat = t.ok(&["exec", name, "stat", "-c", "%a %u:%g %t:%T", "/dev/own"]);
        assert_eq!(stat, "604 3:4 1:1");
        t.ok(&["device", "remove", name, "own"]);
        t.ok(&["device", "add", name, "own", "unix-char", "source=/dev/zero", "path=/dev/own", "mode=666"]);
        assert_eq!(open(name).ok(), "1");
        t.ok(&["restart", "-t", "0", name]);
        assert_eq!(open(name).ok(), "1");
    }
    eventually("booted", || t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success());
    reboot(&t);
    assert_eq!(open("box").ok(), "1", "after a reboot from inside");
    for name in ["box", "plain"] {
        t.ok(&["device", "remove", name, "own"]);
        t.hull(&["exec", name, "test", "-e", "/dev/own"]).fails(1);
        // The mount point of a device goes with it, and a file of the container's own stays.
        t.ok(&["exec", name, "touch", "/dev/mine"]);
        t.ok(&["device", "add", name, "own", "unix-char", "source=/dev/zero", "path=/dev/own"]);
        t.ok(&["device", "add", name, "mine", "unix-char", "source=/dev/zero", "path=/dev/mine"]);
        t.ok(&["device", "remove", name, "own", "mine"]);
        let left =
            t.ok(&["exec", name, "sh", "-c", "ls /dev/own /dev/mine 2>/dev/null; stat -c %F /dev/mine"]);
        assert_eq!(left, "/dev/mine\nregular empty file");
    }
}

/// A server at a port of the calling thread's network namespace that sends one text to each client.
fn server(listener: TcpListener) {
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut client = client;
            let _ = client.write_all(b"from the host\n");
        }
    });
}

fn read_all(mut stream: impl Read) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn proxies_copy_in_both_directions_and_end_with_the_container() {
    let Some(t) = containers() else { return };
    ip(&["link", "set", "lo", "up"]);
    t.ok(&["exec", "-d", "box", "nc", "-ll", "-p", "80", "-e", "echo", "from the container"]);
    let ask = || TcpStream::connect(("127.0.0.1", 7070)).map(read_all).unwrap_or_default();
    t.ok(&["device", "add", "box", "p", "proxy", "listen=tcp:127.0.0.1:7070", "connect=tcp:127.0.0.1:80"]);
    eventually("the proxy answers", || ask() == "from the container\n");
    let socket = t.path("socket");
    let listen = format!("listen=unix:{}", socket.display());
    t.ok(&["device", "add", "box", "u", "proxy", &listen, "connect=tcp:127.0.0.1:80", "mode=0600"]);
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read_all(UnixStream::connect(&socket).unwrap()), "from the container\n");

    server(TcpListener::bind(("127.0.0.1", 7071)).unwrap());
    let inside = ["listen=tcp:127.0.0.1:99", "connect=tcp:127.0.0.1:7071", "bind=instance"];
    t.ok(&[&["device", "add", "box", "in", "proxy"][..], &inside].concat());
    let from_inside = || t.hull(&["exec", "box", "sh", "-c", "nc -w 2 127.0.0.1 99 </dev/null"]);
    assert_eq!(from_inside().ok(), "from the host");

    let echo = UdpSocket::bind(("127.0.0.1", 7072)).unwrap();
    t.ok(&[
        "device",
        "add",
        "plain",
        "udp",
        "proxy",
        "listen=udp:127.0.0.1:53",
        "connect=udp:127.0.0.1:7072",
        "bind=instance",
    ]);
    // A question about a name is the one packet of udp that every busybox can send.
    t.ok(&["exec", "-d", "plain", "nslookup", "question", "127.0.0.1"]);
    echo.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut packet = [0; 512];
    let (length, _) = echo.recv_from(&mut packet).expect("the packet comes through");
    assert!(packet[..length].windows(8).any(|part| part == b"question"));

    let taken = ["listen=tcp:127.0.0.1:7070", "connect=tcp:127.0.0.1:80"];
    let said = refusal(&t, &[&["device", "add", "plain", "p", "proxy"][..], &taken].concat());
    assert!(said.contains("Address already in use"), "{said}");
    assert_eq!(t.ok(&["device", "list", "plain"]), "udp");
    t.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(from_inside().ok(), "from the host", "a restart has them again");
    t.ok(&["device", "remove", "box", "p", "u"]);
    assert!(TcpStream::connect(("127.0.0.1", 7070)).is_err() && !socket.exists());
    t.ok(&["stop", "-t", "0", "plain"]);
}

#[test]
fn nics_of_every_type_come_and_go() {
    let Some(t) = containers() else { return };
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "lan"]);
    ip(&["link", "add", "br-own", "type", "bridge"]);
    ip(&["link", "set", "br-own", "up"]);
    ip(&["link", "add", "card", "type", "veth", "peer", "name", "wire"]);
    let add = |device: &str, keys: &[&str]| {
        t.ok(&[&["device", "add", "box", device, "nic"][..], keys].concat());
    };
    add("eth1", &["network=lan", "ipv4.address=10.91.0.77", "hwaddr=00:16:3e:00:00:01"]);
    add("eth2", &["nictype=bridged", "parent=br-own", "limits.ingress=10Mbit", "mtu=1400"]);
    add("eth3", &["nictype=macvlan", "parent=br-own"]);
    add("eth4", &["nictype=p2p", "host_name=host-end"]);
    add("eth5", &["nictype=physical", "parent=card", "name=card0"]);
    add("eth6", &["nictype=routed", "ipv4.address=10.92.0.5"]);
    let check = || {
        let links = t.ok(&["exec", "box", "ip", "addr"]);
        for name in ["eth1", "eth2", "eth3", "eth4", "card0", "eth6"] {
            assert!(links.contains(&format!(": {name}")), "{name}: {links}");
        }
        for part in ["10.91.0.77/24", "00:16:3e:00:00:01", "mtu 1400", "10.92.0.5/32"] {
            assert!(links.contains(part), "{part}: {links}");
        }
        assert!(!Path::new("/sys/class/net/card").exists() || links.contains("card0"));
        // Over the routed link the host reaches a server inside.
        t.ok(&["exec", "-d", "box", "nc", "-l", "-p", "81", "-e", "echo", "routed"]);
        eventually("the routed address answers", || {
            TcpStream::connect_timeout(&([10, 92, 0, 5], 81).into(), Duration::from_secs(2))
                .is_ok_and(|stream| read_all(stream) == "routed\n")
        });
        let limits = Command::new("tc").args(["qdisc", "show"]).output().unwrap().stdout;
        let limits = String::from_utf8_lossy(&limits).into_owned();
        assert!(limits.contains("tbf") && limits.contains("rate 10Mbit"), "{limits}");
    };
    check();
    t.ok(&["restart", "-t", "0", "box"]);
    check();
    t.ok(&["device", "set", "box", "eth1", "ipv4.address", "10.91.0.78"]);
    assert!(t.ok(&["exec", "box", "ip", "addr", "show", "eth1"]).contains("10.91.0.78/24"));
    t.ok(&["device", "remove", "box", "eth1", "eth2", "eth3", "eth4", "eth5", "eth6"]);
    let links = t.ok(&["exec", "box", "ip", "addr"]);
    assert!(!links.contains("eth1") && !links.contains("card0") && !links.contains("eth6"), "{links}");
    ip(&["link", "show", "card"]);
    // The end of the container gives a link back, too.
    add("eth5", &["nictype=physical", "parent=card"]);
    t.ok(&["rm", "-f", "box"]);
    ip(&["link", "show", "card"]);
    ip(&["link", "del", "card"]);
    ip(&["link", "del", "br-own"]);
}

#[test]
fn a_killed_change_leaves_nothing_or_a_whole_device() {
    let Some(t) = containers() else { return };
    let file = t.write("src/file", "of the host");
    let key = format!("source={}", file.parent().unwrap().display());
    for delay in [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20] {
        let mut command = t.command(&["device", "add", "box", "d", "disk", &key, "path=/d"]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().unwrap();
        // The next change finishes what was begun.
        t.ok(&["device", "add", "box", "other", "none"]);
        t.ok(&["device", "remove", "box", "other"]);
        let is_listed = t.ok(&["device", "list", "box"]) == "d";
        let is_there = t.hull(&["exec", "box", "cat", "/d/file"]).success();
        assert_eq!(is_listed, is_there, "killed after {delay} ms");
        if is_listed {
            t.ok(&["device", "remove", "box", "d"]);
        }
        assert!(!t.hull(&["exec", "box", "cat", "/d/file"]).success());
    }
}

#[test]
fn a_disk_is_limited_while_its_device_is_there() {
    let Some(t) = containers() else { return };
    let file = t.write("src/file", "x".repeat(3 << 20));
    let key = format!("source={}", file.parent().unwrap().display());
    if rustix::fs::major(rustix::fs::stat(&file).unwrap().st_dev) == 0 {
        return skip::skip("the test's files are on no disk");
    }
    // The read goes past the page cache, because cached data is read without the disk.
    let read = |name: &str| {
        let before = std::time::Instant::now();
        t.ok(&["exec", name, "dd", "if=/d/file", "of=/dev/null", "bs=1M", "iflag=direct"]);
        before.elapsed()
    };
    for name in ["box", "plain"] {
        t.ok(&["device", "add", name, "d", "disk", &key, "path=/d"]);
        assert!(read(name) < Duration::from_secs(1), "{name}: without a limit");
        t.ok(&["device", "set", name, "d", "limits.read=1MiB"]);
        assert!(read(name) > Duration::from_secs(2), "{name}: with a limit");
    }
    t.ok(&["restart", "-t", "0", "plain"]);
    assert!(read("plain") > Duration::from_secs(2), "after a restart");
    let said = refusal(&t, &["device", "add", "box", "e", "disk", &key, "path=/e", "limits.max=2MB"]);
    assert!(said.contains("same disk"), "{said}");
    for name in ["box", "plain"] {
        t.ok(&["device", "unset", name, "d", "limits.read"]);
        assert!(read(name) < Duration::from_secs(1), "{name}: without a limit again");
    }
}

#[test]
fn a_gpu_is_what_its_specification_says() {
    let Some(t) = containers() else { return };
    let directory = Path::new("/etc/cdi");
    let made = !directory.exists();
    std::fs::create_dir_all(directory).unwrap();
    let file = directory.join(format!("hull-test-{}.json", std::process::id()));
    let edits = r#"{"env": ["CARD=zero"], "deviceNodes": [{"path": "/dev/card", "hostPath": "/dev/zero"}]}"#;
    let text = format!(
        r#"{{"cdiVersion": "0.6.0", "kind": "hull.test/gpu", "devices": [{{"name": "0", "containerEdits": {edits}}}]}}"#
    );
    std::fs::write(&file, text).unwrap();
    let said = t.hull(&["device", "add", "box", "card", "gpu", "id=hull.test/gpu=0"]);
    t.ok(&["restart", "-t", "0", "box"]);
    let seen =
        t.hull(&["exec", "box", "sh", "-c", "head -c1 /dev/card | wc -c; tr '\\0' '\\n' < /proc/1/environ"]);
    std::fs::remove_file(&file).unwrap();
    if made {
        let _ = std::fs::remove_dir(directory);
    }
    said.ok();
    assert!(said.stderr.contains("started again"), "{}", said.stderr);
    let seen = seen.ok();
    assert!(seen.starts_with("1\n") && seen.contains("CARD=zero"), "{seen}");
}
