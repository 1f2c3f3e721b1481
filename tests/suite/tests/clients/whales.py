"""What python-on-whales' users do, with hull as its client. Arguments: hull's path, and a directory for files."""

import sys
from pathlib import Path

from python_on_whales import DockerClient
from python_on_whales.exceptions import DockerException

hull = DockerClient(client_call=[sys.argv[1]])
work = Path(sys.argv[2])


def containers():
    assert hull.run("busybox", ["echo", "hello"], remove=True) == "hello"
    box = hull.run(
        "busybox",
        ["sh", "-c", "echo started; echo $WHO >&2; touch /made; exec sleep 300"],
        name="box",
        detach=True,
        envs={"WHO": "whales"},
        labels={"kind": "test"},
        publish=[(8091, 80)],
        memory="64m",
        hostname="inside",
        volumes=[("data", "/data")],
        restart="on-failure:3",
    )
    assert box.name == "box" and box.state.running and box.state.status == "running"
    assert box.config.hostname == "inside" and box.config.labels["kind"] == "test"
    assert box.host_config.memory == 64 << 20
    assert box.host_config.restart_policy.maximum_retry_count == 3
    assert box.network_settings.ports["80/tcp"][0]["HostPort"] == "8091"
    assert [mount.name for mount in box.mounts] == ["data"]
    assert hull.container.exists("box") and not hull.container.exists("none")
    assert [one.name for one in hull.ps()] == ["box"]
    assert [one.name for one in hull.ps(all=True, filters=[("label", "kind=test")])] == ["box"]
    while "started" not in hull.logs(box) or "whales" not in hull.logs(box):
        pass
    assert [line for kind, line in hull.logs(box, follow=False, stream=True) if kind == "stdout"] == [b"started\n"]
    assert hull.execute(box, ["hostname"]) == "inside"
    hull.copy((work / "file"), (box, "/tmp/file"))
    hull.copy((box, "/tmp/file"), work / "back")
    assert (work / "back").read_text() == (work / "file").read_text()
    assert ("/made", "A") in [(path, kind) for path, kind in box.diff().items()]
    stats = hull.stats([box])[0]
    assert stats.container_name == "box" and stats.memory_limit == 64 << 20
    hull.update(box, memory="128m", memory_swap="256m")
    box.reload()
    assert box.host_config.memory == 128 << 20
    hull.pause(box)
    box.reload()
    assert box.state.paused
    hull.unpause(box)
    hull.rename(box, "case")
    box.reload()
    assert box.name == "case"
    image = hull.commit(box, tag="made:1")
    assert image.repo_tags == ["made:1"]
    hull.container.export(box, work / "box.tar")
    hull.restart(box, time=0)
    hull.stop(box, time=0)
    box.reload()
    assert not box.state.running
    hull.start(box)
    hull.kill(box)
    assert hull.wait(box) == 137
    hull.container.remove(box)
    created = hull.create("busybox", ["true"])
    assert hull.container.inspect(created.id).state.status == "created"
    assert hull.start(created, attach=True) in (None, "")
    hull.remove(created)
    try:
        hull.run("busybox", ["sh", "-c", "echo no >&2; exit 7"], remove=True)
        raise SystemExit("an exit code is lost")
    except DockerException as error:
        assert error.return_code == 7
    hull.create("busybox").reload()
    hull.container.prune()
    assert hull.ps(all=True) == []


def images():
    busybox = hull.image.inspect("busybox")
    assert busybox.repo_tags == ["busybox:latest"] and busybox.config.cmd == ["sh"]
    assert {tag for image in hull.images() for tag in image.repo_tags} == {"busybox:latest", "made:1"}
    assert hull.image.exists("busybox") and not hull.image.exists("none")
    busybox.tag("other:2")
    hull.save("other:2", output=work / "other.tar")
    hull.image.remove("other:2")
    assert hull.load(work / "other.tar") == ["other:2"]
    hull.image.import_(work / "box.tar", tag="imported:1")
    hull.image.remove(["other:2", "made:1", "imported:1"])
    hull.image.prune()
    assert len(hull.images()) == 1


def volumes():
    volume = hull.volume.create("mine", labels={"a": "b"})
    assert volume.name == "mine" and volume.labels == {"a": "b"} and volume.driver == "local"
    assert {one.name for one in hull.volume.list()} == {"data", "mine"}
    assert hull.volume.exists("mine") and not hull.volume.exists("none")
    hull.volume.remove(["mine", "data"])
    hull.volume.create("unused")
    hull.volume.prune(all=True)
    assert hull.volume.list() == []


def networks():
    network = hull.network.create("net", subnet="172.31.7.0/24", gateway="172.31.7.1", labels={"a": "b"})
    assert network.name == "net" and network.driver == "bridge"
    assert network.ipam.config[0]["Subnet"] == "172.31.7.0/24"
    assert "net" in [one.name for one in hull.network.list()]
    one = hull.run("busybox", ["sleep", "300"], name="one", detach=True, networks=["net"], ip="172.31.7.9")
    assert one.network_settings.networks["net"].ip_address == "172.31.7.9"
    two = hull.run("busybox", ["sleep", "300"], name="two", detach=True)
    hull.network.connect("net", "two", alias="second")
    assert "1 packets received" in hull.execute(one, ["ping", "-c1", "second"])
    network.reload()
    assert {box.name for box in network.containers.values()} == {"one", "two"}
    hull.network.disconnect("net", "two")
    hull.remove([one, two], force=True)
    hull.network.remove("net")
    hull.network.prune()


def system():
    info = hull.system.info()
    assert info.operating_system and info.n_cpu > 0 and info.images == 1
    assert hull.version().server.os == "linux"
    assert hull.system.disk_free() is not None
    hull.system.prune()


for part in (containers, images, volumes, networks, system):
    part()
    print(part.__name__)
