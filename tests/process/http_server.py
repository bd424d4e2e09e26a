"""HTTP servers for test_http.py: one that answers what a test says, and one that sends raw bytes.

    with Server() as server:
        server.answers("/x", 503, b"later", {"Retry-After": "0"})   # once; the next one in line comes after it
        server.handles("/y", lambda request: request.send(200, b"hi"))  # always
"""
import contextlib
import http.server
import socket
import socketserver
import ssl
import threading
from collections import defaultdict, deque
from typing import NamedTuple


class Seen(NamedTuple):
    """A request that came."""
    method: str
    path: str
    headers: dict
    body: bytes
    client: object
    certificate: object


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    timeout = 30

    def address_string(self):
        return "test"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status, body=b"", headers=None, length=None):
        """A whole answer; `length`: another Content-Length than the body's, None in `headers` removes one."""
        fields = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}
        self.send_response(status)
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    self.send_header(name, one)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(body)

    def cut(self):
        """Ends the connection as it is."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def any_method(self):
        owner = self.server.owner
        path = self.path.split("?")[0]
        handle = owner.always.get(path)
        raw = getattr(handle, "reads_itself", False)
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        self.seen = Seen(self.command, self.path, self.headers, b"" if raw else self.body(), self.client_address, certificate)
        with owner.lock:
            owner.seen.append(self.seen)
            planned = owner.planned[path].popleft() if owner.planned[path] else None
        if planned:
            planned(self)
        elif handle:
            handle(self)
        else:
            self.send(404, b"no such thing")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = any_method


class Server:
    """Listens on 127.0.0.1, or on a unix socket; `context`: serves TLS."""

    def __init__(self, context=None, path=None):
        self.lock, self.seen, self.always, self.planned = threading.Lock(), [], {}, defaultdict(deque)
        self.connections, owner = 0, self

        class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer if path else socketserver.TCPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

            def get_request(self):
                connection, address = super().get_request()
                owner.connections += 1
                if context:
                    connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return connection, address

            def handle_error(self, *_):
                pass

        self.listener = Listener(str(path) if path else ("127.0.0.1", 0), Handler)
        self.listener.owner = self
        self.url = "http://localhost" if path else f"{'https' if context else 'http'}://127.0.0.1:{self.listener.server_address[1]}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()

    def handles(self, path, handle):
        self.always[path] = handle
        return self.url + path

    def gives(self, path, body, headers=None):
        """Always this."""
        return self.handles(path, lambda request: request.send(200, body, headers))

    def answers(self, path, *arguments, **options):
        """Once this, before what `handles` says."""
        return self.plans(path, lambda request: request.send(*arguments, **options))

    def plans(self, path, handle):
        self.planned[path].append(handle)
        return self.url + path

    def requests(self, path):
        return [seen for seen in self.seen if seen.path.split("?")[0] == path]

    def elsewhere(self, path):
        """The same server under another name: another origin."""
        return self.url.replace("127.0.0.1", "localhost") + path


class RawServer:
    """Calls serve(connection) for each connection, in a thread, behind the request's head."""

    def __init__(self, serve):
        self.serve, self.connections = serve, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections += 1
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            self.serve(connection)
