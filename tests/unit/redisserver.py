"""A small Redis on loopback that answers as it was recorded."""

import socketserver
import threading
from contextlib import contextmanager


@contextmanager
def serving(answers, otherwise=b""):
    """A server that answers each command as told, hangs up after any other; yields its port and what it was asked."""
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while head := self.rfile.readline():
                words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
                asked.append(b" ".join(words).decode())
                self.wfile.write(answers.get(asked[-1], otherwise))
                if asked[-1] not in answers:
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()
