"""docker-py's networks and volumes.

What docker-py sends here, as seen on the socket:
- networks/create with Options, IPAM and Driver as null when they are not given; CheckDuplicate; Internal, EnableIPv6,
  Attachable and Scope only when they are set.
- networks?filters={"type": ["custom"]}, and one inspect for each network with `greedy`.
- volumes/create with Driver, DriverOpts and Labels, null or not; DELETE volumes/NAME?force=True.
- volumes/prune without filters, which spares volumes with names since API 1.42.
"""

from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from harness import IMAGE, Refused, case


@case
def networks(client):
    pool = IPAMPool(subnet="172.31.250.0/24", gateway="172.31.250.9", iprange="172.31.250.128/25")
    net = client.networks.create(
        "net", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), internal=True, labels={"l": "v"}, enable_ipv6=False,
        attachable=True, options={"com.docker.network.bridge.name": "hullpy0"}, scope="local", check_duplicate=True)
    net.reload()
    config = net.attrs["IPAM"]["Config"][0]
    assert config["Subnet"] == "172.31.250.0/24" and config["Gateway"] == "172.31.250.9" and net.attrs["Internal"]
    assert net.name == "net" and net.attrs["Labels"] == {"l": "v"} and net.id.startswith(net.short_id)
    assert client.networks.get("net").id == net.id and client.networks.get(net.id[:12]).name == "net"
    assert {n.name for n in client.networks.list()} >= {"net", "bridge", "host", "none"}
    assert client.networks.list(names=["net"], greedy=True) == [net] and client.networks.list(ids=[net.id]) == [net]
    assert client.networks.list(filters={"label": "l=v", "driver": "bridge"}) == [net]
    one = client.containers.run(IMAGE, ["sleep", "1000"], detach=True, name="one", network="net")
    two = client.containers.run(IMAGE, ["sleep", "1000"], detach=True, name="two")
    net.connect(two, aliases=["second"], ipv4_address="172.31.250.77")
    two.reload()
    settings = two.attrs["NetworkSettings"]["Networks"]["net"]
    assert settings["IPAddress"] == "172.31.250.77" and "second" in settings["Aliases"], settings
    net.reload()
    assert sorted(c.name for c in net.containers) == ["one", "two"]
    assert one.exec_run("ping -c1 -W2 second").exit_code == 0
    assert b"172.31.250.77" in one.exec_run("nslookup two")[1]
    with Refused(403):
        net.connect("two")
    with Refused(403, "has active endpoints"):
        net.remove()
    net.disconnect("two", force=True)
    net.disconnect(one)
    net.reload()
    assert net.containers == []
    with Refused(404):
        net.connect("none")
    with Refused(409, "already exists"):
        client.networks.create("net", check_duplicate=True)
    net.remove()
    with Refused(404, "network net not found"):
        client.networks.get("net")
    with Refused(403):
        client.networks.get("bridge").remove()
    client.networks.create("unused")
    assert client.networks.prune()["NetworksDeleted"] == ["unused"]
    config = {"net2": EndpointConfig(client.api._version, aliases=["third"], ipv4_address="172.31.251.5")}
    client.networks.create("net2", ipam=IPAMConfig(pool_configs=[IPAMPool(subnet="172.31.251.0/24")]))
    three = client.containers.run(
        IMAGE, ["sleep", "1000"], detach=True, network="net2", networking_config=config)
    three.reload()
    assert three.attrs["NetworkSettings"]["Networks"]["net2"]["IPAddress"] == "172.31.251.5"


@case
def volumes(client):
    named = client.volumes.create(name="named", driver="local", labels={"l": "v"})
    anonymous = client.volumes.create()
    options = client.volumes.create("ram", driver="local", driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    assert named.name == "named" and named.attrs["Labels"] == {"l": "v"} and named.id == "named"
    assert anonymous.short_id == anonymous.id[:20] or anonymous.short_id
    named.reload()
    assert client.volumes.get("named") == named and options.attrs["Options"]["o"] == "size=1m"
    names = lambda **filters: sorted(v.name for v in client.volumes.list(**filters))
    assert names() == sorted(["named", anonymous.name, "ram"])
    assert names(filters={"label": "l=v"}) == ["named"] and names(filters={"dangling": True, "name": "nam"}) == ["named"]
    client.containers.run(IMAGE, ["sh", "-c", "echo kept > /v/file"], volumes={"named": {"bind": "/v", "mode": "rw"}}, remove=True)
    user = client.containers.run(IMAGE, ["sleep", "100"], detach=True, volumes=["named:/v:ro", "ram:/ram"])
    assert user.exec_run("cat /v/file")[1] == b"kept\n" and b"1.0M" in user.exec_run("df -h /ram")[1]
    assert names(filters={"dangling": False}) == ["named", "ram"]
    with Refused(409, "volume is in use"):
        named.remove()
    user.remove(force=True)
    assert client.volumes.prune()["VolumesDeleted"] == [anonymous.name]
    # A volume with options stays.
    assert client.volumes.prune(filters={"all": True})["VolumesDeleted"] == ["named"]
    options.remove()
    with Refused(404, "no such volume"):
        client.volumes.get("named")
    client.volumes.create("gone").remove(force=True)
