"""testcontainers for Python against the server of DOCKER_HOST, which has the images busybox, database:1 and reaper:1.

The argument `alone` runs it with the reaper switched off (TESTCONTAINERS_RYUK_DISABLED); `reaped` starts containers
under the reaper of RYUK_CONTAINER_IMAGE, prints their ids and ends without removing them.

What it sends in addition to docker-py, as seen on the socket:
- A field x-tc-sid in every head; labels org.testcontainers=true, …session-id and …version with each object.
- GET containers/json?filters={"id":[…]} for the ports of a container, and its inspect again and again.
- PUT archive?path=/ with an absolute name in the tar.
- GET /version for each of its clients, and images/NAME/json before each create.
- The socket as a bind mount of the reaper's container, with AutoRemove.
"""

import os
import pathlib
import re
import socket
import sys
import tempfile
import urllib.request

from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import (
    CompositeWaitStrategy, HealthcheckWaitStrategy, HttpWaitStrategy, LogMessageWaitStrategy, PortWaitStrategy)

WEB = ["sh", "-c", "mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www"]


def redis(host, port, *words):
    """One command to a redis server; its answer."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall((" ".join(words) + "\r\n").encode())
        return connection.recv(1000)


def generic():
    strategy = CompositeWaitStrategy(PortWaitStrategy(80), HttpWaitStrategy(80).for_status_code(200))
    web = DockerContainer("busybox").with_command(WEB).with_exposed_ports(80).with_env("A", "b").waiting_for(strategy)
    with web as started:
        address = f"http://{started.get_container_host_ip()}:{started.get_exposed_port(80)}/"
        assert urllib.request.urlopen(address, timeout=10).read() == b"hello\n"
        assert started.exec(["sh", "-c", "echo $A"]).output == b"b\n"
        started.copy_into_container(b"copied", "/tmp/copied")
        with tempfile.TemporaryDirectory() as directory:
            started.copy_from_container("/tmp/copied", pathlib.Path(directory) / "back")
            assert (pathlib.Path(directory) / "back").read_bytes() == b"copied"
        assert started.get_container_info().State.Running
        identity = started.get_wrapped_container().id
    assert identity not in [c.id for c in web.get_docker_client().client.containers.list(all=True)]


def database():
    ready = LogMessageWaitStrategy("Ready to accept connections")
    with DockerContainer("database:1").with_exposed_ports(6379).waiting_for(ready) as started:
        host, port = started.get_container_host_ip(), started.get_exposed_port(6379)
        assert redis(host, port, "SET", "key", "value") == b"+OK\r\n"
        assert redis(host, port, "GET", "key") == b"$5\r\nvalue\r\n"
        out, _ = started.get_logs()
        assert b"Redis version=" in out, out


def networks_and_images():
    with tempfile.TemporaryDirectory() as directory, Network() as network:
        (pathlib.Path(directory) / "Dockerfile").write_text("FROM busybox\nHEALTHCHECK --interval=1s CMD true\nCMD [\"sleep\", \"100\"]\n")
        with DockerImage(path=directory, tag="py-built:1") as image:
            client = DockerContainer(str(image)).with_network(network).waiting_for(HealthcheckWaitStrategy())
            server = DockerContainer("busybox").with_command(WEB).with_network(network).with_network_aliases("web")
            with server, client as started:
                code, output = started.exec("wget -qO- http://web")
                assert (code, output) == (0, b"hello\n"), output


def reaped():
    started = [DockerContainer("busybox").with_command("sleep 1000").start() for _ in range(2)]
    print(" ".join(c.get_wrapped_container().id for c in started), flush=True)
    # Without the cleaning of its own at the end of the process.
    os._exit(0)


if sys.argv[1] == "reaped":
    reaped()
for case in (generic, database, networks_and_images):
    case()
    print(f"ok {case.__name__}", flush=True)
