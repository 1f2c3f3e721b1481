"""docker-py's containers: the collection, and what one of them can do.

What docker-py sends here, as seen on the socket:
- GET /version first, without a version in the path (`version="auto"`), then /v1.NN/… with the server's own.
- Booleans as `True` and `False` in queries where the method passes them on as they are: DELETE containers/ID?v=False&
  link=False&force=True, stats?stream=False&one-shot=True, commit?pause=True. As 1 and 0 elsewhere: logs?follow=0,
  json?limit=-1&all=1&size=0&trunc_cmd=0. trunc_cmd is a key that no server has read for years.
- limit=-1 for no limit, and tail=all; a number of seconds with a fraction: since=1795970553.0.
- Filters with a list of strings for each key, also for booleans and numbers: {"exited": ["0"], "dangling": ["true"]},
  with blanks, which are `+` in the query.
- POST with no body and Content-Length: 0 (start, stop, kill, wait); commit with the body {}.
- The head of a request and its body in two pieces.
- attach and exec start with Connection: Upgrade and Upgrade: tcp; it accepts 101 and 200, and then takes the socket from
  below urllib3. attach?stream=0&logs=1 with an upgrade too, to be read to the end.
- run(): create, start, logs?follow=1&tail=all, wait, DELETE if it is to be removed; with detach only create and start.
- run() with an image that is missing: a 404 of create whose text is not looked at, then images/create?tag&fromImage.
- exec start of a detached command without an upgrade.
- PUT archive with the tar as a body of known length and no Content-Type, or in chunks when it is a stream.
"""

import json
import os
import socket
import struct

import docker
from docker.types import LogConfig, Mount, Ulimit

from harness import IMAGE, Refused, archive, case, eventually, unpacked


def sleeper(client, **options):
    """A container that runs until it is killed."""
    return client.containers.run(IMAGE, ["sleep", "1000"], detach=True, **options)


@case
def run_returns_output(client):
    assert client.containers.run(IMAGE, "echo hello", remove=True) == b"hello\n"
    assert client.containers.run(IMAGE, ["sh", "-c", "echo out; echo err >&2"], stdout=False, stderr=True) == b"err\n"
    assert list(client.containers.run(IMAGE, ["printf", "a\\nb\\n"], stream=True)) == [b"a\n", b"b\n"]
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
        raise AssertionError("an exit code is an error")
    except docker.errors.ContainerError as error:
        assert (error.exit_status, error.stderr) == (3, b"bad\n"), error
    with Refused(400, "no-such-program"):
        client.containers.run(IMAGE, "no-such-program", remove=True)
    try:
        client.containers.run("localhost:1/none:1", "true")
        raise AssertionError("it cannot be pulled")
    except docker.errors.APIError as error:
        assert error.status_code in (404, 500), error


@case
def create_get_and_list(client):
    one = client.containers.create(IMAGE, ["sleep", "1000"], name="one", labels={"a": "1", "b": ""})
    two = sleeper(client, name="two", labels=["a"])
    assert client.containers.get("one") == one and client.containers.get(one.short_id).id == one.id
    assert (one.name, one.status, two.status) == ("one", "created", "created")
    two.reload()
    assert two.status == "running" and two.image.tags == [IMAGE]
    assert one.labels == {"a": "1", "b": ""} and two.labels == {"a": ""}
    names = lambda **options: sorted(c.name for c in client.containers.list(**options))
    assert names() == ["two"] and names(all=True) == ["one", "two"]
    assert names(limit=1) == ["two"] and names(since="one") == ["two"]
    assert names(all=True, filters={"before": "two"}) == ["one"]
    # What is sparse has the fields of the list alone, so docker-py finds no name there.
    sparse = client.containers.list(all=True, sparse=True, ignore_removed=True)
    assert [c.attrs["Names"] for c in sparse] == [["/two"], ["/one"]]
    assert names(filters={"status": "created"}) == ["one"]
    assert names(filters={"status": ["created", "running"]}) == ["one", "two"]
    assert names(all=True, filters={"label": "a=1"}) == ["one"]
    assert names(all=True, filters={"label": ["a", "b"]}) == ["one"]
    assert names(filters={"name": "tw", "ancestor": IMAGE}) == ["two"]
    assert names(filters={"id": two.id[:20]}) == ["two"]
    with Refused(404, "No such container: none"):
        client.containers.get("none")
    with Refused(409, "already in use"):
        client.containers.create(IMAGE, name="one")
    with Refused(404, "No such image"):
        client.containers.create("no-such-image:1")


@case
def options_of_create(client):
    client.volumes.create("data")
    os.makedirs(os.path.join(os.environ["WORK"], "bound"), exist_ok=True)
    container = client.containers.create(
        IMAGE, ["sleep", "1000"], entrypoint=["env"], blkio_weight=None, cap_add=["NET_ADMIN"], cap_drop=["MKNOD"],
        cpu_period=100000, cpu_quota=50000, cpu_shares=512, cpuset_cpus="0", cpuset_mems="0", devices=["/dev/null:/dev/n:r"],
        dns=["10.0.0.2"], dns_opt=["ndots:2"], dns_search=["example.org"], domainname="example.org",
        environment={"A": "b", "C": None}, extra_hosts={"one": "10.0.0.1"}, group_add=["2000"], hostname="inside", init=True,
        ipc_mode="private", labels={"l": "v"}, log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
        mac_address="02:42:ac:11:00:99", mem_limit="64m", mem_reservation="32m", mem_swappiness=None, memswap_limit="128m",
        mounts=[Mount("/m", "data", labels={"x": "y"}), Mount("/t", None, type="tmpfs", tmpfs_size=4096)],
        name="options", network_mode="bridge", oom_kill_disable=False, oom_score_adj=100, pid_mode="", pids_limit=50,
        ports={"80/tcp": ("127.0.0.1", 18080), "81/udp": None}, privileged=False, read_only=True,
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 3}, security_opt=["no-new-privileges"], shm_size="1m",
        stdin_open=True, stop_signal="SIGINT", sysctls={"net.ipv4.ip_forward": "0"}, tmpfs={"/tmp": "size=1m"}, tty=True,
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)], user="1000:1000", volumes={
            os.path.join(os.environ["WORK"], "bound"): {"bind": "/b", "mode": "ro"}}, working_dir="/tmp")
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    assert config["Entrypoint"] == ["env"] and config["Cmd"] == ["sleep", "1000"]
    assert "A=b" in config["Env"] and config["Hostname"] == "inside" and config["User"] == "1000:1000"
    assert config["Tty"] and config["OpenStdin"] and config["WorkingDir"] == "/tmp"
    assert config["StopSignal"] == "SIGINT" and config["ExposedPorts"] == {"80/tcp": {}, "81/udp": {}}
    expected = {
        "CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"], "CpuPeriod": 100000, "CpuQuota": 50000, "CpuShares": 512,
        "CpusetCpus": "0", "Dns": ["10.0.0.2"], "ExtraHosts": ["one:10.0.0.1"], "GroupAdd": ["2000"], "Init": True,
        "Memory": 64 << 20, "MemoryReservation": 32 << 20, "MemorySwap": 128 << 20, "NetworkMode": "bridge",
        "OomScoreAdj": 100, "PidsLimit": 50, "ReadonlyRootfs": True, "ShmSize": 1 << 20, "Tmpfs": {"/tmp": "size=1m"},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "Sysctls": {"net.ipv4.ip_forward": "0"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        "Ulimits": [{"Name": "nofile", "Hard": 200, "Soft": 100}],
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}], "81/udp": [{"HostIp": "", "HostPort": ""}]},
    }
    for key, value in expected.items():
        assert host[key] == value or (key == "CapAdd" and host[key] == ["CAP_NET_ADMIN"]) \
            or (key == "CapDrop" and host[key] == ["CAP_MKNOD"]), (key, host[key])
    container.start()
    container.reload()
    assert container.status == "running", (container.attrs["State"], container.logs())
    assert container.ports["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "18080"}], container.ports
    assert container.ports["81/udp"][0]["HostPort"].isdigit()
    code, output = container.exec_run(["sh", "-c", "ls -d /b /m /t; hostname; ulimit -n; id -u; pwd"])
    assert (code, output) == (0, b"/b\n/m\n/t\ninside\n100\n1000\n/tmp\n"), (code, output)
    with Refused(400):
        client.containers.create(IMAGE, "true", mem_limit="1")


@case
def lifecycle(client):
    container = client.containers.create(IMAGE, ["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"])
    container.start()
    eventually("it traps", lambda: container.logs() == b"up\n")
    container.start()
    container.pause()
    container.reload()
    assert container.status == "paused"
    with Refused(409, "already paused"):
        container.pause()
    container.unpause()
    container.stop(timeout=20)
    assert container.wait() == {"StatusCode": 9}
    container.stop()
    container.restart(timeout=0)
    container.reload()
    assert container.status == "running" and container.health == "unknown"
    container.rename("renamed")
    container.kill(signal="SIGKILL")
    assert container.wait(condition="not-running", timeout=20)["StatusCode"] == 137
    with Refused(409, "is not running"):
        container.kill()
    container.update(mem_limit="32m", memswap_limit="64m", restart_policy={"Name": "no"})
    container.reload()
    assert container.name == "renamed" and container.attrs["HostConfig"]["Memory"] == 32 << 20
    container.start()
    with Refused(409):
        container.remove()
    container.remove(v=True, force=True)
    with Refused(404):
        container.reload()
    ended = client.containers.create(IMAGE, "true")
    ended.start()
    assert ended.wait() == {"StatusCode": 0}
    eventually("it is listed as ended", lambda: client.containers.list(all=True, filters={"exited": 0}) == [ended])
    pruned = client.containers.prune()
    assert pruned["ContainersDeleted"] == [ended.id] and pruned["SpaceReclaimed"] >= 0
    assert not client.containers.prune(filters={"until": "1h"})["ContainersDeleted"]


@case
def logs(client):
    container = client.containers.run(
        IMAGE, ["sh", "-c", "echo one; echo two >&2; sleep 0.3; echo three"], detach=True)
    # Which of two streams comes first is not determined.
    assert sorted(b"".join(container.logs(stream=True, follow=True)).split()) == [b"one", b"three", b"two"]
    assert container.logs(stdout=True, stderr=False) == b"one\nthree\n"
    assert container.logs(stdout=False) == b"two\n"
    assert container.logs(tail=1) == b"three\n" and container.logs(tail=0) == b""
    stamped = container.logs(timestamps=True, tail=1)
    assert stamped[:2] == b"20" and stamped.endswith(b"Z three\n"), stamped
    since = float(f"{__import__('calendar').timegm(__import__('time').strptime(stamped[:19].decode(), '%Y-%m-%dT%H:%M:%S'))}")
    assert container.logs(since=since - 3600).count(b"\n") == 3
    assert container.logs(until=int(since) - 3600) == b""
    assert container.logs(since=int(since) + 3600) == b""
    terminal = client.containers.run(IMAGE, ["sh", "-c", "echo one; echo two >&2"], tty=True, detach=True)
    terminal.wait()
    assert terminal.logs() == b"one\r\ntwo\r\n"


@case
def attach(client):
    container = client.containers.create(IMAGE, ["sh", "-c", "echo out; echo err >&2"])
    stream = container.attach(stream=True, logs=True, demux=True)
    container.start()
    parts = list(stream)
    assert b"".join(o for o, _ in parts if o) == b"out\n" and b"".join(e for _, e in parts if e) == b"err\n", parts
    container.wait()
    # dockerd now and then answers nothing here, when the container has ended.
    eventually("what it said", lambda: container.attach(stderr=False, logs=True) == b"out\n")
    eventually("both streams", lambda: sorted(container.attach(logs=True).split()) == [b"err", b"out"])


def frames(sock):
    """Reads multiplexed frames until the end: (stream, bytes)."""
    stream = sock.makefile("rb") if isinstance(sock, socket.socket) else sock
    while head := stream.read(8):
        kind, length = struct.unpack(">BxxxL", head)
        yield kind, stream.read(length)


@case
def attach_socket(client):
    container = client.containers.create(IMAGE, ["cat"], stdin_open=True)
    opened = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    opened._sock.sendall(b"through the socket\n")
    opened._sock.shutdown(socket.SHUT_WR)
    assert b"".join(data for _, data in frames(opened)) == b"through the socket\n"
    # docker-py sets StdinOnce, so the half that is closed ends the program.
    assert container.wait()["StatusCode"] == 0
    # With a terminal nothing is framed.
    terminal = client.containers.create(IMAGE, ["sh"], stdin_open=True, tty=True)
    opened = terminal.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    terminal.start()
    terminal.resize(41, 97)
    opened._sock.sendall(b"stty size; exit 4\n")
    said = b""
    while piece := opened.read(4096):
        said += piece
    assert b"41 97" in said, said
    assert terminal.wait()["StatusCode"] == 4


@case
def exec_run(client):
    container = sleeper(client)
    assert container.exec_run("echo hello") == (0, b"hello\n")
    both = ["sh", "-c", "echo out; echo err >&2; exit 5"]
    assert container.exec_run(both, demux=True) == (5, (b"out\n", b"err\n"))
    assert container.exec_run(both, stdout=False) == (5, b"err\n")
    code, stream = container.exec_run(["printf", "a\\nb"], stream=True)
    assert code is None and b"".join(stream) == b"a\nb"
    _, stream = container.exec_run(both, stream=True, demux=True)
    assert [part for pair in stream for part in pair if part] in ([b"out\n", b"err\n"], [b"err\n", b"out\n"])
    code, output = container.exec_run(
        ["sh", "-c", "echo $A; id -u; pwd"], environment={"A": "b"}, user="1000", workdir="/tmp", privileged=True)
    assert (code, output) == (0, b"b\n1000\n/tmp\n"), output
    assert container.exec_run("tty", tty=True)[1].startswith(b"/dev/pts/")
    assert container.exec_run(["sleep", "100"], detach=True) .exit_code is None
    eventually("it runs", lambda: any("sleep 100" == row[-1] for row in container.top()["Processes"]))
    opened = container.exec_run("cat", stdin=True, socket=True).output
    opened._sock.sendall(b"into it")
    opened._sock.shutdown(socket.SHUT_WR)
    assert b"".join(data for _, data in frames(opened)) == b"into it"
    code, output = container.exec_run("no-such-program")
    assert code in (126, 127) and b"no-such-program" in output, (code, output)
    container.kill()
    container.wait()
    with Refused(409, "is not running"):
        container.exec_run("true")


@case
def archives(client):
    container = client.containers.create(IMAGE, ["sh", "-c", "cat /etc/put; sleep 1000"])
    # Before the start, as Compose puts its configs there.
    assert container.put_archive("/etc", archive({"put": "put before\n", "dir/inner": "inner"}))
    container.start()
    eventually("it printed the file", lambda: container.logs() == b"put before\n")
    chunks, stat = container.get_archive("/etc/put")
    assert stat["name"] == "put" and stat["size"] == 11 and stat["mode"] & 0o777 == 0o644 and stat["linkTarget"] == ""
    assert unpacked(chunks) == {"put": "put before\n"}
    chunks, stat = container.get_archive("/etc/dir", chunk_size=100, encode_stream=True)
    assert unpacked(chunks) == {"dir/inner": "inner"} and stat["mode"] & (1 << 31)
    with open(os.path.join(os.environ["WORK"], "up.tar"), "w+b") as file:
        file.write(archive({"big": "x" * 1_000_000}))
        file.seek(0)
        assert container.put_archive("/tmp", iter(lambda: file.read(65536), b""))
    assert container.exec_run("wc -c /tmp/big")[1] == b"1000000 /tmp/big\n"
    with Refused(404, "/none"):
        container.get_archive("/none")
    with Refused(404):
        container.put_archive("/none", archive({"a": "b"}))
    with Refused(400):
        container.put_archive("/etc/put", archive({"a": "b"}))
    changes = {change["Path"]: change["Kind"] for change in container.diff()}
    assert changes["/etc/put"] == 1 and changes["/etc"] == 0 and changes["/tmp/big"] == 1
    files = unpacked(container.export(chunk_size=65536))
    assert files["etc/put"] == "put before\n" and "bin/busybox" in files
    image = container.commit(repository="committed", tag="v1", message="why", author="me", changes=["CMD [\"cat\", \"/etc/put\"]"])
    assert image.tags == ["committed:v1"] and image.history()[0]["Comment"] == "why"
    assert client.containers.run("committed:v1") == b"put before\n"
    for left in client.containers.list(all=True, filters={"ancestor": "committed:v1"}):
        left.remove()
    client.images.remove("committed:v1")


@case
def stats_and_top(client):
    container = sleeper(client, mem_limit="64m")
    once = container.stats(stream=False)
    assert once["memory_stats"]["limit"] == 64 << 20 and once["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert once["id"] == container.id and once["precpu_stats"]["cpu_usage"]["total_usage"] > 0
    stream = container.stats(decode=True)
    assert next(stream)["pids_stats"]["current"] == 1 and "eth0" in next(stream)["networks"]
    stream.close()
    text = container.stats()
    assert json.loads(next(text))["name"] == f"/{container.name}"
    top = container.top()
    assert top["Titles"][:2] == ["UID", "PID"] and top["Processes"][0][-1] == "sleep 1000"
    assert container.top(ps_args="-eo pid,comm")["Processes"][0][1] == "sleep"


@case
def health(client):
    options = {"test": ["CMD-SHELL", "test -e /tmp/well"], "interval": 200_000_000, "retries": 1, "timeout": 5_000_000_000}
    container = sleeper(client, healthcheck=options)
    state = lambda: (container.reload(), container.health)[1]
    eventually("unhealthy", lambda: state() == "unhealthy")
    container.exec_run("touch /tmp/well")
    eventually("healthy", lambda: state() == "healthy")
    assert client.containers.list(filters={"health": "healthy"}) == [container]
