"""Libraries that only some plugins need: nobody pays for them before, and a missing one is named with its package."""
import fnmatch
import os
import re
import shutil
import subprocess

import pytest
from harness import OCMLUA, Folder, Plugin, environment, runner, script_file

PLUGIN = 'return ocm.plugin { inputRepository = { types = { "T/v1" } } }'
LIBRARIES = ("libcrypto", "libcurl", "libarchive", "libz.", "libzstd", "liblzma", "libbz2", "libisal")

# What is asked for, the files that are taken away meanwhile, and what the error then says.
MISSING = [
    ('ocm.hex.encode(ocm.crypto.digest("sha256", "x"))', "libcrypto.so.3", "apt-get install libssl3"),
    ('ocm.digest_of(ocm.bytes "x")', "libcrypto.so.3", "apt-get install libssl3"),
    ('ocm.digest_of(ocm.bytes "x", "crc32c")', "libisal.so.2", "apt-get install libisal2"),
    ('ocm.http.request { url = "http://127.0.0.1:9/" }', "libcurl*.so.4", "apt-get install libcurl4"),
    ('ocm.pipe(ocm.bytes "x", ocm.gzip(), ocm.null())', "libz.so.1", "apt-get install zlib1g"),
    ('ocm.pipe(ocm.bytes "x", ocm.zstd(), ocm.null())', "libzstd.so.1", "apt-get install libzstd1"),
    ('ocm.pipe(ocm.bytes "x", ocm.xz(), ocm.null())', "liblzma.so.5", "apt-get install liblzma5"),
    ('ocm.pipe(ocm.bytes "x", ocm.bzip2(), ocm.null())', "libbz2.so.1.0", "apt-get install libbz2-1.0"),
    ('ocm.pipe(ocm.bytes(("\\0"):rep(1024)), ocm.untar(ocm.tempfile():path() .. ".d"))', "libarchive.so.13", "apt-get install libarchive13"),
    ('ocm.pipe(ocm.zip "/", ocm.null())', "libarchive.so.13", "apt-get install libarchive13"),
]


def loaded(text):
    return sorted({name for name in LIBRARIES if name in text})


def test_capabilities_and_serving_load_none_of_them():
    with Folder() as folder:
        done = subprocess.run([OCMLUA, script_file(folder, PLUGIN), "capabilities"], env=environment(folder, {"LD_DEBUG": "files"}), capture_output=True, text=True, check=True)
        assert loaded(done.stderr) == []
    with Plugin(runner()) as plugin:
        assert plugin.run("ocm.base64.encode 'x'") == ["eA=="]
        with open(f"/proc/{plugin.pid}/maps") as maps:
            assert loaded(maps.read()) == []
        plugin.run('#ocm.crypto.digest("sha256", "x")')
        with open(f"/proc/{plugin.pid}/maps") as maps:
            assert loaded(maps.read()) == ["libcrypto"]


def hide(pattern):
    """A command that runs its arguments where these files are empty; skips where nobody may mount."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    files = sorted({os.path.realpath(line.split("=> ")[1]) for line in known.splitlines() if "=> " in line and fnmatch.fnmatch(line.split()[0], pattern)})
    if not files:
        pytest.skip(f"there is no {pattern} here")
    mounts = " && ".join(f"mount --bind /dev/null {file}" for file in files)
    command = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("nobody may mount here")
    return command


@pytest.mark.parametrize("code, pattern, advice", MISSING)
def test_a_missing_library_is_an_error_that_names_its_package(code, pattern, advice):
    with Folder() as folder:
        script = script_file(folder, runner())
        with Plugin(script, command=[*hide(pattern), OCMLUA, script]) as plugin:
            text = plugin.run_error(code)
            assert re.search(r"is not installed: " + re.escape(advice), text), text
            assert plugin.run("1") == [1]


def test_commands_need_zlib_and_say_so_while_plugins_do_not():
    without = hide("libz.so.1")
    with Folder() as folder:
        done = subprocess.run([*without, OCMLUA, "help"], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "zlib is not installed: apt-get install zlib1g" in done.stderr
        done = subprocess.run([*without, OCMLUA, script_file(folder, PLUGIN), "capabilities"], capture_output=True, text=True, check=True)
        assert "inputRepository" in done.stdout
