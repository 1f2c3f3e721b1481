"""Runs the cases of the docker-py test, and keeps which of docker-py's public methods they called.

The environment: DOCKER_HOST, the server; REGISTRY, a registry on loopback; WORK, a directory of the test's own. The
server has the image busybox.
"""

import functools
import io
import os
import sys
import tarfile
import time
import traceback

import docker

REGISTRY = os.environ["REGISTRY"]
WORK = os.environ["WORK"]
IMAGE = "busybox:latest"

CASES = []
CALLED = set()


def case(function):
    """Registers a case; it is called with a DockerClient."""
    CASES.append(function)
    return function


def public_methods(cls):
    """The names of the methods of docker-py's own that a class has, with the class's name."""
    for name in dir(cls):
        method = getattr(cls, name)
        if name.startswith("_") or not callable(method) or isinstance(method, type):
            continue
        if getattr(method, "__module__", "").startswith("docker."):
            yield name, method


def watch(cls):
    """Replaces the public methods of a class by such that note their call."""
    for name, method in public_methods(cls):
        if isinstance(cls.__dict__.get(name), (staticmethod, classmethod)):
            continue

        def noted(self, *args, __method=method, __name=f"{cls.__name__}.{name}", **kwargs):
            CALLED.add(__name)
            return __method(self, *args, **kwargs)

        setattr(cls, name, functools.wraps(method)(noted))


def eventually(what, condition):
    """Tries until the condition holds, for half a minute; its value."""
    deadline = time.monotonic() + 30
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still not so after 30 s: {what}"
        time.sleep(0.02)


class Refused:
    """The error that the block must end with: its status, and a part of its text."""

    def __init__(self, status, text=""):
        self.status, self.text = status, text

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert error is not None, f"should be refused with {self.status}"
        if not isinstance(error, docker.errors.APIError):
            return False
        assert error.response.status_code == self.status, f"{error} should have status {self.status}"
        assert self.text in str(error), f"{error} should say {self.text!r}"
        return True


def archive(files):
    """A tar of names and texts, as bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpacked(chunks):
    """The names and contents of the files in a tar that comes in pieces."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        files = [entry for entry in tar if entry.isfile()]
        return {entry.name: tar.extractfile(entry).read().decode(errors="replace") for entry in files}


def clean(client):
    """Removes what a case left, so that the next one starts with busybox alone."""
    for container in client.api.containers(all=True):
        client.api.remove_container(container["Id"], force=True, v=True)
    for network in client.networks.list(filters={"type": "custom"}):
        network.remove()
    for volume in client.volumes.list():
        volume.remove(force=True)


def run(chosen):
    """Runs the cases whose names contain one of the words, or all; the number of those that failed."""
    failed = 0
    for function in CASES:
        name = function.__name__
        if chosen and not any(word in name for word in chosen):
            continue
        client = docker.from_env(version="auto", timeout=30)
        started = time.monotonic()
        try:
            function(client)
            print(f"ok {name} {time.monotonic() - started:.2f}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        try:
            clean(client)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED cleaning after {name}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        client.close()
    return failed
