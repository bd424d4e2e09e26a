"""Repositories, and git's own servers for them on 127.0.0.1.

    repository = Repository(folder / "project.git")
    commit = repository.commit({"README.md": b"hello\n"})
    with HttpServer(folder, user="me", password="secret") as server:  # git http-backend behind Basic (or Bearer: token=)
        fetch(server.url + "/project.git")
    with Daemon(folder) as server:                                     # git daemon
        fetch(server.url + "/project.git")
"""
import base64
import contextlib
import http.server
import os
import shutil
import socketserver
import subprocess
import threading

CLEAN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
         **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
            {"NAME": "Ann", "EMAIL": "ann@example.org", "DATE": "2024-05-06T07:08:09Z"}.items()}}


def git(path, *arguments):
    """What git prints; nothing of the machine's configuration is seen."""
    return subprocess.run(["git", "-C", path, *arguments], env=CLEAN, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout


class Repository:
    """With a work tree, branch main."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments):
        return git(self.path, *arguments).decode().strip()

    def commit(self, files, message="change"):
        """Writes the files (bytes, or a text: where a symbolic link leads), and returns the commit."""
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                file.symlink_to(content)
            else:
                file.write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def archive(self, commit, *paths):
        """The oracle: what `git archive` makes of it, in this repository."""
        return git(self.path, "archive", "--format=tar", commit, *paths)


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def serve(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        owner.seen.append((self.path, self.headers.get("Authorization")))
        if owner.redirect:
            return self.answer(302, {"Location": owner.redirect + self.path})
        if owner.authorization and self.headers.get("Authorization") != owner.authorization:
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="test"'})
        path, _, query = self.path.partition("?")
        env = {**CLEAN, "GIT_PROJECT_ROOT": str(owner.root), "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command, "PATH_INFO": path,
               "QUERY_STRING": query, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=False).stdout
        head, _, content = done.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return self.answer(int(fields.pop("Status", "200").split()[0]), fields, content)

    def answer(self, status, fields, content=b""):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": len(content)}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    do_GET = do_POST = serve


class Serving:
    """Serves connections in threads until the end of the block."""
    scheme, handler = None, None

    def __enter__(self):
        class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

            def handle_error(self, *_):
                pass

        self.listener = Listener(("127.0.0.1", 0), self.handler)
        self.listener.owner = self
        self.port = self.listener.server_address[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()


class HttpServer(Serving):
    scheme, handler = "http", Backend

    def __init__(self, root, user=None, password=None, token=None, redirect=None):
        self.root, self.redirect, self.seen = root, redirect, []
        self.authorization = "Bearer " + token if token else "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None


class Inetd(socketserver.BaseRequestHandler):

    def handle(self):
        program = ["git", "-c", "safe.directory=*", "daemon", "--inetd", "--export-all", f"--base-path={self.server.owner.root}"]
        subprocess.run(program, env=CLEAN, stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL, check=False)


class Daemon(Serving):
    scheme, handler = "git", Inetd

    def __init__(self, root):
        self.root = root


def path_without_git(folder):
    """A PATH with ocmlua's needs and all else of /usr/bin, but no git."""
    folder.mkdir()
    for name in ("env", "sh"):
        (folder / name).symlink_to(shutil.which(name))
    return str(folder)
