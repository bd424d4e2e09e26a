"""The OCM plugin manager, behind the line-oriented driver of ../shared/interop, with plugins of ours, in a home of its own.

    with Manager() as manager:
        manager.plugin("texts", 'return record.plugin { … }')
        assert manager.call("inputRepository", "ProcessResource", resource={…}) == {"resource": {…}, "blob": {…}}
        assert "no such shelf" in manager.error("inputRepository", "ProcessResource", resource={…})

The driver starts with the first call, and registers all plugins then. Answers come in the order of the calls, but for those with
`async`: send() several, then receive() as many.
"""
import json
import queue
import signal
import subprocess
import threading
from contextlib import suppress

from harness import DEADLINE
from reference import Home, program

MANAGER = program("manager")


class Manager(Home):

    def __init__(self, *flags):
        self.flags, self.process, self.count = flags, None, 0
        self.answers, self.log = queue.Queue(), []

    def start(self):
        self.process = subprocess.Popen([MANAGER, self.plugins, *self.flags], cwd=self.path, env=self.environment(), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.readers = [threading.Thread(target=self.collect, args=arguments, daemon=True)
                        for arguments in ((self.process.stdout, self.answers.put), (self.process.stderr, self.log.append))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def collect(stream, keep):
        for line in stream:
            keep(line)
        keep("")

    def send(self, capability, method, **arguments):
        """Sends a call; returns its id."""
        if self.process is None:
            self.start()
        self.count += 1
        line = {"id": self.count, "capability": capability, "method": method, "timeout": f"{DEADLINE}s", **arguments}
        with suppress(BrokenPipeError):  # it says why in its last answer
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
        return self.count

    def receive(self):
        """The next answer: {"id", "ok", "result" or "error"}"""
        line = self.answers.get(timeout=2 * DEADLINE)
        if not line:
            self.answers.put("")  # for the next one, too
            raise AssertionError(f"the driver has ended: {''.join(self.log)}")
        return json.loads(line)

    def answer(self, capability, method, **arguments):
        sent = self.send(capability, method, **arguments)
        answer = self.receive()
        assert answer["id"] in (sent, None), answer
        return answer

    def call(self, capability, method, **arguments):
        """A call that succeeds: its result."""
        answer = self.answer(capability, method, **arguments)
        assert answer["ok"], answer["error"]
        return answer.get("result")

    def error(self, capability, method, **arguments):
        """A call that fails: the manager's error text."""
        answer = self.answer(capability, method, **arguments)
        assert not answer["ok"], answer
        return answer["error"]

    def end(self):
        """Closes stdin, which ends the driver; returns its exit status."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        status = self.process.wait(DEADLINE)
        for reader in self.readers:
            reader.join(DEADLINE)
        return status

    def whole_log(self):
        """What the manager and its plugins have said, to their ends."""
        if self.process is not None:
            self.end()
        return "".join(self.log)

    def __exit__(self, *error):
        try:
            if self.process is not None and error[0] is None:
                assert self.end() in (0, 1), "".join(self.log)
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)  # it shuts its plugins down
                self.process.wait(DEADLINE)
            super().__exit__(*error)
