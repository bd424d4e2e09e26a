"""A relay in front of a service, which can make an end in the middle of it.

    with Relay(port) as relay:
        client(relay.port)                   # as if it were the service
        relay.cut_after(100_000, kill)       # once that many bytes have come back from the service: kill(), and all connections end
                                             # (of="client": have been sent to it)
        client(relay.port)                   # sees its connection break; from then on nobody answers
        relay.mend(port)                     # all as before, perhaps with the service at another port
"""
import contextlib
import socket
import threading

from harness import DEADLINE, free_port


class Relay:

    def __init__(self, target):
        self.target, self.left, self.then, self.counted = target, None, None, None
        self.lock, self.connections = threading.Lock(), set()

    def __enter__(self):
        self.port = free_port()  # nobody else's afterwards
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()
        self.end_all()

    def cut_after(self, count, then=lambda: None, of="service"):
        """Makes the end when the service (or the client) has sent `count` bytes more, headers included; they are passed on. 0: with the
        next connection."""
        with self.lock:
            self.left, self.then, self.counted = count, then, of

    @property
    def cut(self):
        """Whether the end has come."""
        return self.target is None

    def mend(self, target):
        with self.lock:
            self.target, self.left = target, None

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            target = self.target
            if self.take(0) is None or target is None:
                return
            with socket.create_connection(("127.0.0.1", target), timeout=DEADLINE) as service:
                with self.lock:
                    self.connections |= {client, service}
                if self.cut:  # while it was made
                    self.end_all()
                there = threading.Thread(target=self.copy, args=("client", client, service), daemon=True)
                there.start()
                self.copy("service", service, client)
                there.join()
                with self.lock:
                    self.connections -= {client, service}

    def take(self, count, side=None):
        """How many of `count` bytes from that side may still pass; None when the end has come."""
        with self.lock:
            if self.target is None:
                return None
            if self.left is None or side not in (None, self.counted):
                return count
            passed = min(count, self.left)
            self.left -= passed
            if self.left > 0:
                return passed
            self.target, then = None, self.then
        then()
        return passed if count else None

    def copy(self, side, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                passed = self.take(len(data), side)
                if passed:
                    sink.sendall(data[:passed])
                if self.cut:
                    self.end_all()
                    return
            sink.shutdown(socket.SHUT_WR)

    def end_all(self):
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
