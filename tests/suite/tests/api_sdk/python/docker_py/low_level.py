"""docker-py's APIClient, where the objects above it do not use a method, or not all of it.

It ends with the list of the public methods that no case called, which must be those of swarm and plugins.
"""

import json
import os
import socket

import docker
import requests

from harness import CALLED, CASES, IMAGE, REGISTRY, WORK, Refused, archive, case, eventually, public_methods


@case
def containers_by_id(client):
    api = client.api
    host = api.create_host_config(port_bindings={80: 18081}, binds=["named:/v"], auto_remove=False, links={})
    networking = api.create_networking_config({"bridge": api.create_endpoint_config()})
    made = api.create_container(
        IMAGE, ["sleep", "1000"], ports=[80], volumes=["/v"], host_config=host, networking_config=networking, name="low",
        detach=True, use_config_proxy=True, stop_timeout=1, runtime=None, platform="linux/amd64")
    assert made["Warnings"] in (None, []), made
    config = api.create_container_config(IMAGE, ["true"], user="0", labels={"a": "b"})
    second = api.create_container_from_config(config, name="second")
    api.start(made)
    assert api.inspect_container(made["Id"])["State"]["Running"]
    assert api.port("low", 80) == [{"HostIp": "0.0.0.0", "HostPort": "18081"}] or len(api.port("low", 80)) == 2
    listed = api.containers(all=True, latest=False, quiet=False, size=True, limit=-1)
    assert [c["Names"] for c in listed] == [["/second"], ["/low"]] and "SizeRootFs" in listed[1], listed
    assert [c["Id"] for c in api.containers(quiet=True)] == [made["Id"]] and len(api.containers(latest=True)) == 1
    assert api.diff(second) in (None, []) and api.top("low")["Processes"]
    api.rename("second", "third")
    api.resize("low", 10, 20)
    api.update_container("low", cpu_shares=300, restart_policy={"Name": "always"})
    api.stop("low", timeout=0)
    api.restart("low", timeout=0)
    assert api.stats("low", stream=False, one_shot=True)["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    api.kill("low", 9)
    api.remove_container("low", v=True, force=True)
    api.remove_container("third", link=False)


@case
def exec_by_id(client):
    api = client.api
    container = client.containers.run(IMAGE, ["sleep", "1000"], detach=True)
    made = api.exec_create(container.id, ["sh"], stdin=True, tty=True, environment=["A=b"], workdir="/tmp", detach_keys="ctrl-x")
    before = api.exec_inspect(made)
    assert before["Running"] is False and before["ExitCode"] is None and before["ProcessConfig"]["tty"] is True
    opened = api.exec_start(made, socket=True, tty=True)
    api.exec_resize(made, 33, 77)
    opened._sock.sendall(b"stty size; echo $A; exit 6\n")
    said = b""
    while piece := opened.read(4096):
        said += piece
    assert b"33 77" in said and b"\nb" in said, said
    assert eventually("it ended", lambda: api.exec_inspect(made["Id"])["ExitCode"]) == 6
    assert api.exec_inspect(made["Id"])["ContainerID"] == container.id
    with Refused(409, "has already run"):
        api.exec_start(made, detach=True)
    with Refused(404, "No such exec instance"):
        api.exec_inspect("none")


@case
def streams_without_upgrade(client):
    api = client.api
    made = api.create_container(IMAGE, ["sh", "-c", "echo out; sleep 0.2"], tty=True)
    opened = api.attach_socket(made, ws=False)
    api.start(made)
    assert opened.read(5) == b"out\r\n"
    # The older form of attach: no upgrade, and the answer's body is the stream.
    url = f"{api.base_url}/v{api.api_version}/containers/{made['Id']}/attach?stdout=1&logs=1"
    api.wait(made)
    assert api.post(url, stream=False).content == b"out\r\n"
    assert b"".join(api.logs(made, stream=True)) == b"out\r\n"


@case
def images_by_name(client):
    api = client.api
    path = os.path.join(WORK, "import.tar")
    with open(path, "wb") as file:
        file.write(archive({"only": "file\n"}))
    said = [json.loads(api.import_image_from_file(path, repository="imported", tag="file").splitlines()[-1])]
    said.append(json.loads(api.import_image_from_data(archive({"a": "b"}), repository="imported", tag="data", changes=["CMD [\"x\"]"])))
    # docker-py ends the lines of its chunks with \n alone, which newer dockerds refuse, and hull.
    with open(path, "rb") as file, Any():
        api.import_image_from_stream(file, repository="imported", tag="stream")
    said.append(json.loads(api.import_image(path, repository="imported", tag="any").splitlines()[-1]))
    assert all(line["status"].startswith("sha256:") for line in said), said
    assert api.inspect_image("imported:data")["Config"]["Cmd"] == ["x"]
    with Any():
        api.import_image_from_url("http://127.0.0.1:1/none.tar", repository="imported")
    with Any():
        api.import_image_from_image("no-such-image", repository="imported")
    assert len(api.images(name="imported")) >= 1 and api.images(quiet=True, all=True)
    assert api.tag("imported:file", "imported", "tagged", force=True)
    assert api.history("imported:file")[0]["Comment"].startswith("Imported from"), api.history("imported:file")
    assert b"".join(api.get_image("imported:file"))
    # docker-py has no method for two at once.
    names = "?names=imported:file&names=imported:data"
    data = api.get(f"{api.base_url}/v{api.api_version}/images/get{names}").content
    for tag in ("file", "data", "any", "tagged"):
        api.remove_image(f"imported:{tag}", force=True)
    lines = list(api.load_image(data, quiet=False))
    assert sum("Loaded image: imported:" in line.get("stream", "") for line in lines) == 2, lines
    for tag in ("file", "data"):
        api.remove_image(f"imported:{tag}", noprune=False)
    api.tag(IMAGE, f"{REGISTRY}/low", "1")
    statuses = [line.get("status", "") for line in api.push(f"{REGISTRY}/low", tag="1", stream=True, decode=True)]
    assert statuses[0] == f"The push refers to repository [{REGISTRY}/low]" and "digest: sha256:" in statuses[-2] + statuses[-1]
    assert api.inspect_distribution(f"{REGISTRY}/low:1")["Platforms"][0]["os"] == "linux"
    api.remove_image(f"{REGISTRY}/low:1")
    statuses = [line.get("status", "") for line in api.pull(f"{REGISTRY}/low:1", stream=True, decode=True)]
    assert statuses[0] == "Pulling from low" and statuses[-1].startswith("Status: "), statuses
    api.remove_image(f"{REGISTRY}/low:1")
    built = list(api.build(path=context(), rm=True, decode=True, tag="low:built", cache_from=["busybox"], squash=False))
    assert built[-1]["stream"] == "Successfully tagged low:built\n", built[-3:]
    api.remove_image("low:built")
    api.prune_images(filters={"dangling": True})
    api.prune_builds()


def context():
    """A directory with a Dockerfile."""
    path = os.path.join(WORK, "low")
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "Dockerfile"), "w", encoding="utf8") as file:
        file.write("FROM busybox\nRUN true\n")
    return path


class Any:
    """Any error of the server's, in the stream or by its status."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return error is None or isinstance(error, docker.errors.APIError)


@case
def networks_and_volumes_by_name(client):
    api = client.api
    made = api.create_network("low", driver="bridge", enable_ipv6=False)
    container = api.create_container(IMAGE, ["sleep", "1000"], host_config=api.create_host_config(network_mode="low"))
    api.start(container)
    api.connect_container_to_network(container["Id"], "bridge")
    api.disconnect_container_from_network(container["Id"], "bridge", force=False)
    assert api.inspect_network(made["Id"], verbose=False, scope="local")["Containers"].keys() == {container["Id"]}
    assert [n["Name"] for n in api.networks(names=["low"], ids=[made["Id"]])] == ["low"]
    api.remove_container(container, force=True)
    api.remove_network("low")
    api.prune_networks(filters={"until": "1h"})
    api.create_volume("low", labels={"a": "b"})
    assert api.inspect_volume("low")["Mountpoint"] and api.volumes(filters={"name": "low"})["Volumes"][0]["Scope"] == "local"
    api.remove_volume("low")
    api.prune_volumes()
    api.prune_containers(filters={"until": "1h"})


@case
def daemon(client):
    api = client.api
    assert api.ping() and api.version(api_version=False)["ApiVersion"] and api.info()["Driver"]
    assert api.df()["LayersSize"] >= 0 and api.reload_config() is None
    assert api.get_adapter(api.base_url) is not None
    assert next(iter(api.events(since=0, until=1, decode=True)), None) is None
    # Requests as none of the methods sends them.
    get = lambda path: api.get(api.base_url + path)
    assert get("/no/such/path").json() == {"message": "page not found"}
    assert get("/v1.41/_ping").text == "OK" and get("/_ping").headers["Api-Version"]
    assert get("/containers/json?all=True&limit=-1&size=False").json() == []
    assert get("/v1.10/version").status_code == 400


# Neither has hull a swarm or plugins, nor can a search be answered on a machine without a network.
NOT_HERE = {
    f"APIClient.{name}" for name in (
        "configs configure_plugin create_config create_plugin create_secret create_service create_swarm_spec "
        "disable_plugin enable_plugin get_unlock_key init_swarm inspect_config inspect_node inspect_secret "
        "inspect_service inspect_swarm inspect_task join_swarm leave_swarm nodes plugin_privileges pull_plugin push_plugin "
        "remove_config remove_node remove_plugin remove_secret remove_service secrets service_logs services tasks "
        "unlock_swarm update_node update_service update_swarm upgrade_plugin").split()
} | {"PluginCollection.create", "PluginCollection.install"}


@case
def z_the_whole_surface_was_called(client):
    from docker.models import containers, images, networks, plugins, volumes

    if len(CASES) < 20 or not CALLED & {"APIClient.search"}:
        return
    missing = set()
    for cls in (docker.APIClient, docker.DockerClient, containers.ContainerCollection, containers.Container,
                images.ImageCollection, images.Image, images.RegistryData, networks.NetworkCollection, networks.Network,
                volumes.VolumeCollection, volumes.Volume, plugins.PluginCollection):
        missing |= {f"{cls.__name__}.{name}" for name, _ in public_methods(cls)}
    missing -= CALLED | NOT_HERE
    missing = {name for name in missing if not name.endswith((".prepare_model", ".from_env", ".from_context"))}
    missing -= {"ImageCollection.create", "RegistryData.reload"}  # They are abstract.
    assert not missing, f"never called: {sorted(missing)}"
