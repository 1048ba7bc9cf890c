"""A small web server on loopback."""

from http.server import BaseHTTPRequestHandler


class Replying(BaseHTTPRequestHandler):
    """Keeps connections, and says nothing of its requests; what is answered is its user's."""

    protocol_version = "HTTP/1.1"

    def reply(self, status, text="", **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass
