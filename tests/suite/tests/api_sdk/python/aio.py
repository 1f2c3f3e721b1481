"""aiodocker against the server of DOCKER_HOST, which has the image busybox; a registry is at REGISTRY.

What aiodocker sends here, as seen on the socket:
- GET /version without a version in the path, and then the server's own version in every path.
- Booleans as 1 and 0; every key of a query even where it is the default, an empty detachKeys too.
- Content-Type: application/json with every request, so also with GET, DELETE, and with the tar of PUT archive.
- attach and exec start with Connection: Upgrade and Upgrade: tcp; it takes 101 and 200.
- GET containers/ID/attach/ws for its `websocket`.
- build and images/load with application/x-tar in chunks, build with Content-Encoding: identity.
- X-Registry-Auth: placeholder for a push without a password, which is not JSON in base64.
- JSON in queries where blanks are `+`, and slashes and colons that are not percent-encoded.
- events on a connection that it drops in the middle.
"""

import asyncio
import io
import os
import tarfile

import aiodocker

REGISTRY = os.environ["REGISTRY"]
SLEEP = {"Image": "busybox", "Cmd": ["sleep", "1000"]}


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


async def refused(status, awaitable):
    try:
        await awaitable
    except aiodocker.DockerError as error:
        assert error.status == status, error
        return error.message
    raise AssertionError(f"should be refused with {status}")


async def containers(docker):
    made = await docker.containers.create_or_replace("one", SLEEP)
    made = await docker.containers.create_or_replace("one", SLEEP | {"Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}},
                                                     "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "18082"}]}}})
    assert (await made.show())["Config"]["Labels"] == {"a": "b"}
    await made.start()
    await made.show()
    assert (await made.port(80))[0]["HostPort"] == "18082"
    listed = await docker.containers.list(all=True, filters='{"label":["a=b"]}')
    assert [c.id for c in listed] == [made.id]
    assert (await docker.containers.get("one")).id == made.id and docker.containers.container(made.id).id == made.id
    await made.pause()
    await made.unpause()
    await made.rename("two")
    assert (await made.top(ps_args="-ef"))["Processes"]
    await made.resize(h=10, w=20)
    assert (await made.stats(stream=False))[0]["name"] == "/two"
    async for one in made.stats(stream=True):
        assert one["pids_stats"]["current"] == 1
        break
    await made.restart(t=0)
    await made.put_archive("/tmp", archive({"file": "put"}))
    assert (await made.get_archive("/tmp/file")).extractfile("file").read() == b"put"
    await made.kill(signal="KILL")
    assert (await made.wait())["StatusCode"] == 137
    committed = await made.commit(repository="aio", tag="1", message="m", author="a", changes=["ENV A=b"], pause=False)
    assert committed["Id"].startswith("sha256:")
    await docker.images.delete("aio:1")
    await made.stop(t=0)
    await made.delete(v=True, force=True)
    await refused(404, docker.containers.get("two"))
    ran = await docker.containers.run({"Image": "busybox", "Cmd": ["sh", "-c", "echo out; echo err >&2"]}, name="ran")
    await ran.wait()
    assert await ran.log(stdout=True) == ["out\n"] and await ran.log(stderr=True) == ["err\n"]
    assert [line async for line in ran.log(stdout=True, follow=True)] == ["out\n"]
    assert (await docker.containers.prune())["ContainersDeleted"] == [ran.id]


async def streams(docker):
    config = {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
    made = await docker.containers.create(config)
    async with made.attach(stdin=True, stdout=True, stderr=True) as stream:
        await stream.write_in(b"")
        await made.start()
        await stream.write_in(b"through it\n")
        assert (await stream.read_out()).data == b"through it\n"
    await made.delete(force=True)
    made = await docker.containers.create(SLEEP)
    await made.start()
    run = await made.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
    async with run.start(detach=False) as stream:
        seen = {}
        while message := await stream.read_out():
            seen[message.stream] = seen.get(message.stream, b"") + message.data
    assert seen == {1: b"out\n", 2: b"err\n"}, seen
    assert (await run.inspect())["ExitCode"] == 3
    run = await made.exec("cat", stdin=True, tty=True, environment={"A": "b"}, workdir="/tmp", user="0", privileged=True)
    async with run.start(detach=False) as stream:
        await stream.write_in(b"typed\n")
        await run.resize(h=20, w=30)
        assert (await stream.read_out()).data.startswith(b"typed")
    run = await made.exec(["touch", "/tmp/detached"])
    await run.start(detach=True)
    while (await docker.containers.exec(run.id).inspect())["Running"]:
        await asyncio.sleep(0.02)
    await made.get_archive("/tmp/detached")
    await made.delete(force=True)
    made = await docker.containers.create(config | {"Tty": True})
    await made.start()
    socket = await made.websocket(stdin=True, stdout=True, stderr=True, stream=True)
    await socket.send_str("by websocket\n")
    said = b""
    while b"by websocket\r\n" not in said:
        message = await socket.receive(timeout=20)
        said += message.data if isinstance(message.data, bytes) else message.data.encode()
    await socket.close()
    await made.delete(force=True)


async def images(docker):
    assert (await docker.images.inspect("busybox"))["Os"] == "linux" == (await docker.images.get("busybox"))["Os"]
    assert (await docker.images.history("busybox"))[0]["Tags"] == ["busybox:latest"]
    name = f"{REGISTRY}/aio"
    await docker.images.tag("busybox", name, tag="1")
    assert any("digest" in line.get("status", "") for line in await docker.images.push(name, tag="1"))
    async for line in docker.images.push(f"{name}:1", auth={"username": "a", "password": "b"}, stream=True):
        assert "error" not in line, line
    assert {"Untagged": f"{name}:1"} in await docker.images.delete(f"{name}:1", force=True)
    pulled = await docker.images.pull(name, tag="1")
    assert pulled[-1]["status"].startswith("Status: "), pulled
    async for line in docker.images.pull(f"{name}:1", stream=True, platform="linux/amd64"):
        assert "error" not in line, line
    await refused(404, docker.images.pull(f"{name}:none"))
    await docker.images.delete(f"{name}:1")
    tar = io.BytesIO(archive({"Dockerfile": "FROM busybox\nARG A\nRUN echo $A > /a\n"}))
    built = await docker.images.build(fileobj=tar, encoding="identity", tag="aio:built", buildargs={"A": "b"}, labels={"l": "v"})
    assert "Successfully tagged aio:built\n" in [line.get("stream") for line in built], built
    tar.seek(0)
    async for line in docker.images.build(fileobj=tar, encoding="identity", tag="aio:built", stream=True, nocache=True, pull=False):
        assert "error" not in line, line
    async with docker.images.export_image("aio:built") as exported:
        data = await exported.read()
    await docker.images.delete("aio:built")
    assert any("Loaded image: aio:built" in line.get("stream", "") for line in await docker.images.import_image(data))
    listed = await docker.images.list(filters='{"reference":["aio"]}', all=1)
    assert [tag for image in listed for tag in image["RepoTags"]] == ["aio:built"], listed
    await docker.images.delete("aio:built")
    await docker.images.prune(filters={"dangling": ["true"]})
    await docker.images.prune_builds(all_builds=True)


async def networks_and_volumes(docker):
    net = await docker.networks.create({"Name": "aio", "Driver": "bridge", "Labels": {"a": "b"}})
    assert (await net.show())["Name"] == "aio" and (await (await docker.networks.get("aio")).show())["Labels"] == {"a": "b"}
    made = await docker.containers.run(SLEEP, name="in-it")
    await net.connect({"Container": "in-it", "EndpointConfig": {"Aliases": ["x"]}})
    assert "aio" in (await made.show())["NetworkSettings"]["Networks"]
    await net.disconnect({"Container": "in-it", "Force": True})
    await made.delete(force=True)
    assert [n["Name"] for n in await docker.networks.list(filters={"label": ["a=b"]})] == ["aio"]
    assert await net.delete() and (await docker.networks.prune())["NetworksDeleted"] in (None, [])
    volume = await docker.volumes.create({"Name": "aio", "Labels": {"a": "b"}})
    assert (await volume.show())["Driver"] == "local" and await (await docker.volumes.get("aio")).show()
    assert [v["Name"] for v in (await docker.volumes.list(filters={"label": ["a=b"]}))["Volumes"]] == ["aio"]
    await volume.delete(force=True)
    assert (await docker.volumes.prune())["VolumesDeleted"] in (None, [])


async def system(docker):
    assert (await docker.version())["ApiVersion"] and (await docker.system.info())["OSType"] == "linux"
    assert (await docker.auth(username="a", password="b", serveraddress=f"http://{REGISTRY}"))["Status"] == "Login Succeeded"
    subscriber = docker.events.subscribe()
    await asyncio.sleep(0)
    made = None
    seen = []
    while "destroy" not in seen:
        if made is None:
            made = await docker.containers.create({"Image": "busybox", "Cmd": ["true"], "Labels": {"mine": ""}})
            await made.delete()
        try:
            event = await asyncio.wait_for(subscriber.get(), 2)
            seen.append(event["Action"])
            assert event["time"].year >= 2024
        except asyncio.TimeoutError:
            # The subscription may be later than the container, which is then made again.
            made = None
    await docker.events.stop()


async def main():
    for case in (containers, streams, images, networks_and_volumes, system):
        async with aiodocker.Docker() as docker:
            await asyncio.wait_for(case(docker), 60)
            print(f"ok {case.__name__}", flush=True)


asyncio.run(main())
