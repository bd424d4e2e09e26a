"""The `ocm` CLI with plugins of ours, in a home of its own.

    with Cli() as cli:
        cli.plugin("greeter", 'return record.plugin { inputRepository = { … } }')
        cli.add({"name": "acme.org/a", "resources": [{"name": "blob", "input": {"type": "Greeting/v1"}}]})
        assert cli.descriptor("acme.org/a")["resources"][0]["type"] == "blob"

Components get what the CLI insists on (version, provider, a resource's type) when it isn't given. The repository is a CTF.
"""
import json
import os
import signal
import subprocess

from harness import DEADLINE
from reference import Home, program

OCM = program("ocm")
VERSION = "1.0.0"


def complete(element):
    return {"version": VERSION, "type": "blob", **element}


class Cli(Home):

    def __enter__(self):
        super().__enter__()
        self.configure()
        return self

    def configure(self, *configurations):
        """The user's configuration file."""
        self.write("config.yaml", {"type": "generic.config.ocm.software/v1", "configurations": configurations})

    def write(self, name, value):
        """A YAML file: JSON is YAML, but for surrogate escapes."""
        (self.path / name).write_text(json.dumps(value, ensure_ascii=False))
        return name

    def start(self, *arguments, env=None):
        """`ocm ARGUMENTS` in a process group of its own, as a shell runs it: a subprocess.Popen."""
        command = [OCM, "--plugin-directory", self.plugins, "--config", "config.yaml", "--loglevel", "debug", *arguments]
        return subprocess.Popen([str(part) for part in command], cwd=self.path, env={**self.environment(), **(env or {})}, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    @staticmethod
    def finish(process):
        """Waits for the end of a started command: (stdout, stderr). Nothing of it outlives a failure."""
        try:
            return process.communicate(timeout=4 * DEADLINE)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def run(self, *arguments, env=None):
        """`ocm ARGUMENTS`, to the end of it and of its plugins: a subprocess.CompletedProcess."""
        process = self.start(*arguments, env=env)
        stdout, stderr = self.finish(process)
        self.settle()
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def ok(self, *arguments, env=None):
        """A command that succeeds."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, done.stderr
        return done

    def fails(self, *arguments, env=None):
        """A command that fails: what the user sees in the end, the error message."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 1, done
        return done.stderr[done.stderr.rindex("Error: "):]

    def constructor(self, *components):
        """A constructor file: the arguments that name it and the repository."""
        for component in components:
            for elements in ("resources", "sources"):
                if elements in component:
                    component[elements] = [complete(element) for element in component[elements]]
        complete_ones = [{"version": VERSION, "provider": {"name": "acme"}, **component} for component in components]
        return "--repository", "ctf", "--constructor", self.write("constructor.yaml", {"components": complete_ones})

    def add(self, *components, flags=()):
        return self.ok("add", "cv", *self.constructor(*components), *flags)

    def descriptor(self, component, version=VERSION, repository="ctf"):
        """The `component` of the version's descriptor, as the CLI reads it back."""
        return json.loads(self.ok("get", "cv", f"{repository}//{component}:{version}", "-o", "json").stdout)[0]["component"]

    def download(self, component, name, *flags, command=None):
        """Downloads a resource; returns the file or directory."""
        output = self.path / f"download-{name}"
        (command or self.ok)("download", "resource", f"ctf//{component}:{VERSION}", "--identity", f"name={name}", "--output", output, *flags)
        return output

    def download_fails(self, component, name):
        """What the user sees when a resource can't be downloaded; nothing is left of it."""
        said = self.fails("download", "resource", f"ctf//{component}:{VERSION}", "--identity", f"name={name}", "--output", "refused")
        assert not (self.path / "refused").exists()
        return said
