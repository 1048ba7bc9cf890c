"""A Redis of its own, on a socket in a temporary directory, and on a port of the loopback where one is given."""

import subprocess
import time
from contextlib import contextmanager

import redis


@contextmanager
def running_redis(directory, port=0):
    """A session with an empty Redis that keeps nothing."""
    socket = directory / "redis.sock"
    command = ["redis-server", "--port", str(port), "--unixsocket", str(socket), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            with redis.Redis(unix_socket_path=str(socket), single_connection_client=False, protocol=2) as session:
                _await(socket, server)
                yield session
        finally:
            server.terminate()


def _await(socket, server):
    while not socket.exists():
        assert server.poll() is None, "redis-server ended"
        time.sleep(0.02)
