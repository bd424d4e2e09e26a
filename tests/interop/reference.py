"""Finds the programs that ocmlua is tested against, and a home for one of their runs.

    program("ocm")       -> Path; where there is none, the test module that asks is skipped, and the reason said
    with Home() as home: -> a directory with plugins/, tmp/ (TMPDIR) and record/; see Home

A program comes from its variable ($OCM, $OCM_MANAGER, $OCM_GO_PLUGIN), the ocm CLI also from $PATH, then from
../shared/interop beside the repository, which is unpacked once into build/interop.
"""
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from harness import OCMLUA, ROOT, Folder, until

HERE = Path(__file__).resolve().parent
SHARED = ROOT.parent / "shared/interop"
CACHE = ROOT / "build/interop"
VARIABLES = {"ocm": "OCM", "manager": "OCM_MANAGER", "go-plugin": "OCM_GO_PLUGIN"}


def unpack(name):
    """The program in the cache, unpacked first when it isn't there; other test processes wait meanwhile."""
    if (CACHE / name).exists():
        return CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / name).exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
                subprocess.run([SHARED / "unpack", fresh], check=True)
                for file in Path(fresh).iterdir():
                    file.replace(CACHE / file.name)
    return CACHE / name


@cache
def find(name):
    """(program, None) or (None, why there is none)"""
    variable = VARIABLES[name]
    if variable in os.environ:
        path = Path(os.environ[variable]).resolve()
        assert os.access(path, os.X_OK), f"${variable} names {path}, which can't be run"
        return path, None
    if name == "ocm" and shutil.which("ocm"):
        return Path(shutil.which("ocm")).resolve(), None
    if not (SHARED / f"{name}.xz").exists():
        places = [f"${variable} is not set", *(["there is none in $PATH"] if name == "ocm" else []), "../shared/interop has none"]
        return None, f"no {name}: {', '.join(places)}"
    try:
        return unpack(name), None
    except (OSError, subprocess.CalledProcessError) as failure:
        return None, f"no {name}: ../shared/interop does not unpack: {failure}"


def program(name):
    path, reason = find(name)
    if path is None:
        pytest.skip(reason, allow_module_level=True)
    return path


def is_locked(directory):
    with suppress(FileNotFoundError):
        opened = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(opened)
    return False


class Home(Folder):
    """What a run of the CLI or the manager needs, removed at the end of the block:

    path      a short directory, $HOME and the working directory
    plugins   the plugin directory
    tmp       TMPDIR: nothing of a plugin is left in it when settle() returns
    """

    def __enter__(self):
        super().__enter__()
        self.plugins, self.tmp, self.record, self.bin = (self.path / name for name in ("plugins", "tmp", "record", "bin"))
        for directory in (self.plugins, self.tmp, self.record, self.bin):
            directory.mkdir()
        (self.bin / "ocmlua").symlink_to(OCMLUA)
        return self

    def environment(self):
        """`ocmlua` is in PATH, as scripts expect it; nothing of the user's OCM configuration is seen."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OCM_", "XDG_"))}
        return {**kept, "HOME": str(self.path), "TMPDIR": str(self.tmp), "RECORD": str(self.record), "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def plugin(self, name, script, folder=None):
        """Installs a script as users do: executable, with a shebang line, without a dot in its name. record.lua is beside it;
        `record` and `ocm` are at hand."""
        folder = folder or self.plugins
        folder.mkdir(exist_ok=True)
        shutil.copy(HERE / "record.lua", folder)
        file = folder / name
        file.write_text('#!/usr/bin/env ocmlua\nlocal ocm, record = require "ocm", require "record" ' + script)
        file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        return file

    def calls(self, name, method=None):
        """What the plugin of that name was asked so far: [{"method", "request", "credentials"}], in order; see record.lua."""
        file = self.record / name
        lines = file.read_text().split("\n")[:-1] if file.exists() else []  # what is behind the last newline is still being written
        made = [json.loads(line) for line in lines]
        return [call for call in made if method in (None, call["method"])]

    def plugin_pid(self, name):
        """The process of a plugin that is in use, as soon as it is there."""
        script = os.fsencode(self.plugins / name)

        def look():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    arguments = (process / "cmdline").read_bytes().split(b"\0")
                    if b"--config" in arguments and any(argument.startswith(script) for argument in arguments):
                        return int(process.name)
            return None
        return until(look)

    def kill_plugin(self, name):
        """Ends it by force; returns when nothing of it is left that has its run directory locked: the next plugin removes that when it starts."""
        os.kill(self.plugin_pid(name), signal.SIGKILL)
        until(lambda: not any(is_locked(run) for run in self.tmp.glob(f"ocm-{name}-*")))

    def settle(self):
        """Waits until the plugins have ended: most are sent SIGINT and not waited for. Their run directories go last."""
        until(lambda: not list(self.tmp.glob("ocm-*")))

    def __exit__(self, *error):
        try:
            if error[0] is None:
                self.settle()
        finally:
            super().__exit__(*error)
