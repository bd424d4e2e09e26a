"""ocm.crypto in a plugin: loaded only when it is used, other requests go on meanwhile, keys stay out of the log, the system's roots."""
import json
import shutil
import subprocess
import threading

import pytest
from harness import Plugin, capabilities, runner, until

LIBRARIES = ("libcrypto", "libisal")


def test_a_plugin_without_it_loads_no_library():
    script = 'return ocm.plugin { inputRepository = { types = { "T/v1" } } }'
    result = capabilities(script, env={"LD_DEBUG": "files"})
    assert json.loads(result.stdout)
    assert "libc.so" in result.stderr # LD_DEBUG does tell
    assert not [name for name in LIBRARIES if name in result.stderr]


def test_each_library_is_loaded_when_it_is_needed():
    with Plugin(runner()) as plugin:
        def loaded():
            maps = open(f"/proc/{plugin.pid}/maps").read()
            return [name for name in LIBRARIES if name in maps]
        plugin.run('ocm.crypto.pem.encode("X", "y"), #ocm.crypto.random(8)')
        assert loaded() == []
        assert plugin.run('ocm.hex.encode(ocm.crypto.digest("crc32c", "123456789"))') == ["e3069283"]
        assert loaded() == ["libisal"]
        plugin.run('#ocm.crypto.digest("sha256", "x")')
        assert loaded() == ["libcrypto", "libisal"]


def test_a_pipe_takes_crc32c():
    with Plugin(runner()) as plugin:
        assert plugin.run('ocm.digest_of(ocm.bytes "123456789", "crc32c")') == ["crc32c:e3069283"]


def test_others_are_served_while_a_key_is_made():
    with Plugin(runner()) as plugin:
        slow = threading.Thread(target=plugin.run, args=('tostring(ocm.crypto.generate { type = "rsa", bits = 4096 })',))
        slow.start()
        while slow.is_alive():
            assert plugin.run("1 + 1") == [2]
        slow.join()


def test_shutdown_does_not_wait_for_a_key():
    """The plugin has to end in time, which the harness looks at: an 8192-bit key takes much longer."""
    with Plugin(runner()) as plugin:
        def ask():
            try:
                plugin.request("POST", "/run", 'tostring(ocm.crypto.generate { type = "rsa", bits = 8192 })')
            except OSError:
                pass
        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: "libcrypto" in open(f"/proc/{plugin.pid}/maps").read())
    thread.join()


def test_a_private_key_does_not_show_in_the_log():
    with Plugin(runner()) as plugin:
        pem, = plugin.run('ocm.crypto.generate { type = "ec" }:private_pem()')
        plugin.run('(function() local key = ocm.crypto.generate { type = "ed25519" } local pem = key:private_pem() found = pem '
                   'ocm.log.info("made " .. pem, { key = key }) print(key, pem) return 1 end)()')
        body = plugin.run("found")[0].splitlines()[1]
        plugin.wait_log(lambda entry: "made" in entry["msg"])
        plugin.wait_log(lambda entry: entry["msg"].startswith("private key (ed25519, 256 bits)"))
        log = json.dumps(plugin.log())
        assert len(body) == 64 and len(pem) > 100
        assert body not in log


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl tool")
def test_the_systems_roots_are_those_that_openssl_is_told(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=root",
                    "-keyout", tmp_path / "root.key", "-out", tmp_path / "root.pem"], check=True, capture_output=True)
    ask = f'''(function()
      local file <close> = io.open("{tmp_path}/root.pem")
      return ocm.crypto.verify_chain {{ chain = ocm.crypto.certificates(file:read "a"), roots = "system" }}
    end)()'''
    with Plugin(runner(), env={"SSL_CERT_FILE": str(tmp_path / "root.pem")}) as plugin:
        assert plugin.run(ask) == [True]
    with Plugin(runner()) as plugin:
        trusted, why = plugin.run(ask)
        assert not trusted
        assert why == "certificate CN=root: self-signed certificate"
