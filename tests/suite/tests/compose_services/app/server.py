import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis
from database import connect

cache = redis.Redis(host=os.environ["CACHE_HOST"])


def visit(path):
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO visits (path) VALUES (%s)", (path,))
        cursor.execute("SELECT count(*) FROM visits")
        stored = cursor.fetchone()[0]
    connection.close()
    return f"stored {stored} counted {cache.incr('visits')} by {socket.gethostname()}\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            text = "ok\n" if self.path == "/health" else visit(self.path)
            self.send_response(200)
        except Exception as error:
            text = f"{error}\n"
            self.send_response(503)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        print(*words, flush=True)


ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
