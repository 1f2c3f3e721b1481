"""Stands in for testcontainers' reaper, with its protocol: a client sends lines with filters, each is acknowledged, and
when the last client has gone, what matches a filter is removed through docker's socket."""

import http.client
import json
import socket
import threading
import urllib.parse

FILTERS = set()
CLIENTS = 0
CHANGED = threading.Condition()


class Docker(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")


def ask(method, path):
    connection = Docker("docker")
    connection.request(method, path)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status < 300 or answer.status in (404, 409), (method, path, answer.status, data)
    return json.loads(data) if data else None


def serve(client):
    global CLIENTS
    try:
        with client, client.makefile("rb") as lines:
            for line in lines:
                for query in line.decode().strip().split("&"):
                    FILTERS.add(urllib.parse.unquote_plus(query))
                client.sendall(b"ACK\n")
    except ConnectionError:
        # It went away without reading its answer.
        pass
    with CHANGED:
        CLIENTS -= 1
        CHANGED.notify()


def reap(label):
    filters = urllib.parse.quote(json.dumps({"label": [label]}))
    own = socket.gethostname()
    for container in ask("GET", f"/containers/json?all=1&filters={filters}"):
        if not container["Id"].startswith(own):
            ask("DELETE", f"/containers/{container['Id']}?force=1&v=1")
    for network in ask("GET", f"/networks?filters={filters}"):
        ask("DELETE", f"/networks/{network['Id']}")
    for volume in ask("GET", f"/volumes?filters={filters}")["Volumes"] or []:
        ask("DELETE", f"/volumes/{volume['Name']}")


listener = socket.create_server(("", 8080))
# The clients wait for this line.
print("Started!")
while True:
    listener.settimeout(None if CLIENTS or not FILTERS else 0.1)
    try:
        connection, _ = listener.accept()
        with CHANGED:
            CLIENTS += 1
        threading.Thread(target=serve, args=(connection,)).start()
        with CHANGED:
            CHANGED.wait_for(lambda: CLIENTS == 0)
    except TimeoutError:
        break
for name in FILTERS:
    reap(name.split("=", 1)[1])
print("reaped")
