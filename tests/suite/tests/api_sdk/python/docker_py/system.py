"""docker-py's client itself, and what hull does not have: swarm, services, secrets, configs and plugins.

What docker-py sends here, as seen on the socket:
- GET /v1.NN/_ping, GET /version with a version in the path and without.
- events?since=…&until=…&filters=…, with times as whole numbers; it closes the connection in the middle of the stream.
- auth with username, password, email and serveraddress; email is null.
"""

import datetime
import threading

import docker

from harness import IMAGE, REGISTRY, Refused, case


@case
def client_itself(client):
    assert client.ping() is True
    version = client.version()
    assert version["ApiVersion"] == "1.51" or version["ApiVersion"].startswith("1.4") and version["Os"] == "linux"
    info = client.info()
    assert info["OSType"] == "linux" and info["Images"] >= 1 and info["ID"], info
    client.containers.create(IMAGE, "true", name="counted")
    used = client.df()
    assert [c["Names"] for c in used["Containers"]] == [["/counted"]], used["Containers"]
    assert [IMAGE] in [i["RepoTags"] for i in used["Images"]], used["Images"]
    assert set(used) >= {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"}
    older = docker.from_env(version="1.30")
    assert older.containers.list(all=True)[0].name == "counted"
    older.close()
    # A version that the server does not know is refused before anything else.
    with Refused(400, "client version 1.99 is too new"):
        docker.from_env(version="1.99").version()
    answer = client.login("tester", "password", registry=f"http://{REGISTRY}", reauth=True)
    assert answer.get("Status") == "Login Succeeded", answer


@case
def events(client):
    before = int(datetime.datetime.now().timestamp()) - 1
    stream = client.events(decode=True, filters={"type": ["container"], "label": "watched"})
    seen = []

    def watch():
        for event in stream:
            seen.append(event["Action"])
            if event["Action"] == "destroy":
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    container = client.containers.run(IMAGE, ["sh", "-c", "exit 2"], detach=True, labels=["watched"])
    container.wait()
    container.remove()
    watcher.join(timeout=20)
    assert not watcher.is_alive() and seen == ["create", "start", "die", "destroy"], seen
    stream.close()
    until = int(datetime.datetime.now().timestamp()) + 1
    # What was is told until a time in the past or the near future, and then the stream ends.
    past = list(client.events(since=before, until=until, decode=True, filters={"event": "die", "container": container.id}))
    assert [event["Actor"]["Attributes"]["exitCode"] for event in past] == ["2"], past
    assert past[0]["status"] == "die" and past[0]["id"] == container.id and past[0]["Type"] == "container"
    text = client.events(since=before, until=datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None))
    assert b"container.id" not in (first := next(text)) and b'"Action"' in first, first


@case
def what_is_not_here(client):
    for ask in (client.swarm.reload, client.nodes.list, client.services.list, client.configs.list, client.secrets.list):
        with Refused(503, "This node is not a swarm manager"):
            ask()
    with Refused(503, "This node is not part of a swarm"):
        client.swarm.leave()
    assert client.plugins.list() == []
    with Refused(404, "none"):
        client.plugins.get("none")
