"""A program at a terminal (a pty), driven as a person would:

    with Terminal(OCMLUA, "repl") as terminal:
        terminal.type("1 + 1\\n")
        terminal.shows("2")          # waits for it; returns all that came since the last match

Keys are sent as they are: "\\t", "\\x03" (Ctrl-C), "\\x04" (Ctrl-D). There is a deadline; see harness.
"""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from harness import DEADLINE, Folder, environment


class Terminal:

    def __init__(self, *command, env=None, cwd=None, size=(40, 200)):
        self.command, self.env, self.cwd, self.size = [str(part) for part in command], env, cwd, size
        self.seen, self.at = b"", 0

    def __enter__(self):
        self.tmp = Folder()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *self.size, 0, 0))
        self.process = subprocess.Popen(self.command, stdin=slave, stdout=slave, stderr=slave, cwd=self.cwd, close_fds=True,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env=environment(self.tmp.__enter__(), {"TERM": "xterm", **(self.env or {})}))
        os.close(slave)
        return self

    def type(self, keys):
        os.write(self.master, keys.encode())

    def _read(self, deadline):
        """More of what it writes; False at its end."""
        if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"nothing more within {DEADLINE} s: {self.seen[self.at:]!r}")
        try:
            more = os.read(self.master, 65536)
        except OSError: # Linux's way to say that the other side is closed
            return False
        self.seen += more
        return bool(more)

    def shows(self, text):
        deadline = time.monotonic() + DEADLINE
        while (found := self.seen.find(text.encode(), self.at)) < 0:
            assert self._read(deadline), f"ended before it showed {text!r}: {self.seen[self.at:]!r}"
        shown, self.at = self.seen[self.at:found + len(text.encode())], found + len(text.encode())
        return shown.decode(errors="backslashreplace").replace("\r\n", "\n")

    def ends(self):
        """Waits for its end: (exit status, what it showed since the last match)."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        return self.process.wait(DEADLINE), self.seen[self.at:].decode(errors="backslashreplace").replace("\r\n", "\n")

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        self.tmp.__exit__(*error)
