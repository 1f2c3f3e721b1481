"""docker-py's images: build, pull, push, load, save and what an image can do.

What docker-py sends here, as seen on the socket:
- build?…&q=False&nocache=False&rm=False&forcerm=False&pull=False, booleans as `True` and `False`; a tar of known length
  with Content-Type: application/tar, or gzip with Content-Encoding: gzip; X-Registry-Config in base64 of all
  registries that the user logged in to. It looks for `Successfully built ID` in the stream.
- buildargs, labels, cachefrom and extra_hosts as JSON in the query.
- images/create?tag=…&fromImage=…[&platform=…], with tag=latest when none is given. It reads the stream to its end and
  then asks for images/NAME:TAG/json.
- images/load?quiet=False with Transfer-Encoding: chunked when it is given a file or an iterator. It looks for
  `Loaded image: NAME` or `Loaded image ID: ID` in the stream.
- images/create?fromSrc=-&repo=…&tag=…&changes=… with a tar as body; fromSrc=http://… for an address.
- images/NAME/push?tag=… with X-Registry-Auth, which is `{}` in base64 where it knows no password.
- images/json?only_ids=0&all=0&filter=NAME: `filter` went with API 1.41, so docker-py sends a filter `reference` beside it.
"""

import io
import os
import tarfile

import docker

from harness import IMAGE, REGISTRY, WORK, Refused, archive, case, eventually

DOCKERFILE = """FROM busybox AS base
ARG WORD=none
LABEL from=file
RUN echo $WORD > /word
FROM base
COPY file /copied
CMD ["cat", "/word", "/copied"]
"""


def context(name="context", dockerfile=DOCKERFILE):
    """A directory with a Dockerfile and a file, with one that is not to be sent."""
    path = os.path.join(WORK, name)
    os.makedirs(path, exist_ok=True)
    for file, text in {"Dockerfile": dockerfile, "file": "copied\n", "secret": "no\n", ".dockerignore": "secret\n"}.items():
        with open(os.path.join(path, file), "w", encoding="utf8") as out:
            out.write(text)
    return path


@case
def build(client):
    image, log = client.images.build(
        path=context(), tag="built:1", rm=True, forcerm=True, buildargs={"WORD": "given"}, labels={"own": "yes"},
        nocache=True, pull=False, quiet=False)
    text = "".join(line.get("stream", "") for line in log)
    assert "Step 1/8 : FROM busybox AS base" in text and "Successfully tagged built:1" in text, text
    assert image.tags == ["built:1"] and image.labels == {"from": "file", "own": "yes"}
    assert client.containers.run("built:1", remove=True) == b"given\ncopied\n"
    # The second time every step comes from the cache.
    again, log = client.images.build(path=context(), tag="built:2", buildargs={"WORD": "given"}, labels={"own": "yes"})
    assert again.id == image.id and any("Using cache" in line.get("stream", "") for line in log)
    stage, _ = client.images.build(path=context(), target="base", gzip=True, dockerfile="Dockerfile", rm=True)
    assert stage.tags == []
    tiny, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nENV A=b\n"), rm=True, tag="tiny")
    assert "A=b" in tiny.attrs["Config"]["Env"]
    packed = io.BytesIO(archive({"other/Named": "FROM built:1\nRUN test -e /copied\n"}))
    custom, _ = client.images.build(
        fileobj=packed, custom_context=True, dockerfile="other/Named", network_mode="none", shmsize=1 << 20,
        container_limits={"memory": 64 << 20}, extra_hosts={"one": "10.0.0.1"}, rm=True, platform="linux/amd64")
    assert custom.attrs["Os"] == "linux"
    try:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo said; exit 7\n"), rm=True)
        raise AssertionError("the step fails")
    except docker.errors.BuildError as error:
        assert "returned a non-zero code: 7" in error.msg, error.msg
        assert any("said" in line.get("stream", "") for line in error.build_log)
    with Refused(400):
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nNONSENSE\n"))
    for name in ("built:1", "built:2", "tiny"):
        client.images.remove(name)
    client.images.prune()
    assert "SpaceReclaimed" in client.images.prune_builds()


@case
def pull_and_push(client):
    image = client.images.get(IMAGE)
    name = f"{REGISTRY}/own/box"
    assert image.tag(name, tag="1") and image.tag(name, tag="2")
    lines = list(client.images.push(name, tag="1", stream=True, decode=True))
    assert any(line.get("status") == "Pushed" for line in lines), lines
    digest = next(line["aux"]["Digest"] for line in lines if "aux" in line)
    assert "digest" in client.images.push(name, tag="2", auth_config={"username": "a", "password": "b"})
    refused = [line for line in client.images.push("127.0.0.1:1/none", stream=True, decode=True) if "error" in line] \
        if image.tag("127.0.0.1:1/none") else []
    assert refused, "nothing listens there"
    client.images.remove("127.0.0.1:1/none")
    data = client.images.get_registry_data(f"{name}:1")
    assert data.id == digest and data.short_id == digest[:19] and data.attrs["Descriptor"]["digest"] == digest
    assert data.has_platform("linux/amd64") and not data.has_platform("linux/s390x")
    for tag in ("1", "2"):
        client.images.remove(f"{name}:{tag}")
    pulled = client.images.pull(name, tag="1")
    # Layers that are there keep the image's id.
    assert pulled.id == image.id and f"{name}:1" in pulled.tags
    assert pulled.attrs["RepoDigests"] == [f"{name}@{digest}"], pulled.attrs["RepoDigests"]
    assert data.pull().id == image.id and data.pull(platform="linux/amd64").id == image.id
    # Both tags are one image, so docker-py lists it once.
    assert [i.id for i in client.images.pull(name, all_tags=True)] == [image.id]
    client.images.pull(f"{name}@{digest}")
    with Refused(404):
        client.images.pull(f"{name}:none")
    with Refused(404):
        client.images.pull(f"{REGISTRY}/none")
    for reference in (f"{name}:1", f"{name}:2"):
        client.images.remove(reference)
    # What has a digest alone keeps it.
    for left in client.images.get(IMAGE).attrs["RepoDigests"]:
        client.images.remove(left)


@case
def save_and_load(client):
    image = client.images.get(IMAGE)
    image.tag("saved", tag="1")
    image.tag("saved", tag="2")
    path = os.path.join(WORK, "saved.tar")
    with open(path, "wb") as file:
        for chunk in client.images.get("saved:1").save(named="saved:1"):
            file.write(chunk)
    with tarfile.open(path) as tar:
        assert {"manifest.json", "index.json", "oci-layout"} <= set(tar.getnames()), tar.getnames()
        assert b'"saved:1"' in tar.extractfile("manifest.json").read()
    client.images.remove("saved:1")
    client.images.remove("saved:2")
    with open(path, "rb") as file:
        loaded = client.images.load(file)
    assert [i.tags for i in loaded] and "saved:1" in loaded[0].tags and loaded[0].id == image.id
    with open(path, "rb") as file:
        assert client.images.load(file.read())[0].id == image.id
    # Without a name the archive has only the image's id.
    data = b"".join(image.save(chunk_size=32768, named=False))
    assert client.images.load(data)[0].id == image.id
    with Refused(400) if os.environ.get("STRICT") else _any_error():
        client.images.load(b"nonsense")
    client.images.remove("saved:1")


class _any_error:
    """dockerd answers nonsense in the stream or with a status; docker-py raises for both."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert error is not None, "nonsense is no image"
        return isinstance(error, (docker.errors.ImageLoadError, docker.errors.APIError))


@case
def list_inspect_history_remove(client):
    image = client.images.get(IMAGE)
    assert image.id.startswith("sha256:") and image.short_id == image.id[:19] and image.tags == [IMAGE]
    image.reload()
    assert image.attrs["Architecture"] == "amd64" and image.attrs["RootFS"]["Type"] == "layers"
    assert image.history()[0]["Tags"] == [IMAGE] and image.history()[0]["Id"] == image.id
    assert client.images.get(image.short_id).id == image.id and client.images.get(image.id[7:19]).id == image.id
    image.tag("other", tag="1")
    image.tag("a.example/deep/other:2")
    tags = lambda **options: sorted(tag for i in client.images.list(**options) for tag in i.tags)
    assert tags() == sorted([IMAGE, "other:1", "a.example/deep/other:2"])
    assert [i.id for i in client.images.list(name="other")] == [image.id]
    assert client.images.list(name="none") == [] and client.images.list(filters={"dangling": True}) == []
    assert len(client.images.list(all=True, filters={"reference": "other*"})) == 1
    client.images.remove("other:1")
    client.images.remove(image="a.example/deep/other:2", force=True, noprune=True)
    with Refused(404, "No such image: other:1"):
        client.images.get("other:1")
    with Refused(404):
        client.images.remove("other:1")
    made, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nLABEL mine=1\nCMD [\"sleep\", \"100\"]\n"), tag="mine")
    assert client.images.list(filters={"label": "mine=1"}) == [made]
    container = client.containers.run("mine", detach=True)
    with Refused(409, "is using"):
        client.images.remove("mine", force=False)
    container.remove(force=True)
    made.remove(force=True)
    dangling, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nLABEL mine=2\n"))
    pruned = client.images.prune(filters={"dangling": True})
    assert dangling.id in [entry.get("Deleted") for entry in pruned["ImagesDeleted"]], pruned
    assert client.images.prune(filters={"dangling": False, "label": "none"})["ImagesDeleted"] in (None, [])


@case
def search(client):
    # The index is not on this machine, and the answer says so.
    with Refused(500):
        client.images.search("busybox", limit=3)
