"""command-credentials, through the plugin manager, with the real docker-credential-pass, pass and gpg, and with helpers that misbehave."""
import json
import os
import shutil
import stat
import subprocess

import pytest
from harness import DEADLINE, Folder, until

KEY = """%no-protection
Key-Type: eddsa
Key-Curve: ed25519
Subkey-Type: ecdh
Subkey-Curve: cv25519
Name-Real: Test
Name-Email: test@example.org
Expire-Date: 0
%commit
"""
QUAY = {"type": "OCIRegistry", "hostname": "quay.io"}
PASSWORD, OTHER = "correct-horse-battery-staple", "tell-nobody-of-this-one"


class Store:
    """A password store with a key of its own; the tools find it by the environment."""

    def __init__(self, path, set_variable):
        self.gnupg = path / "gnupg"
        self.gnupg.mkdir(mode=0o700)
        set_variable("GNUPGHOME", str(self.gnupg))
        set_variable("PASSWORD_STORE_DIR", str(path / "store"))

    def fill(self):
        self.run("gpg", "--batch", "--quiet", "--generate-key", stdin=KEY)
        self.run("pass", "init", "test@example.org")
        self.run("pass", "insert", "-m", "registries/quay.io", stdin=f"{PASSWORD}\nusername: robot\nurl: https://quay.io/x: y\notpauth://totp/{OTHER}\nnote\n")
        self.run("docker-credential-pass", "store", stdin=json.dumps({"ServerURL": "quay.io", "Username": "me", "Secret": PASSWORD}))

    @staticmethod
    def run(*command, stdin=""):
        return subprocess.run(command, input=stdin, text=True, check=True, capture_output=True, timeout=4 * DEADLINE).stdout

    def lose_key(self):
        self.end()
        shutil.rmtree(self.gnupg)
        self.gnupg.mkdir(mode=0o700)

    def end(self):
        """Ends the agent, which may have its socket below /run/user: the last thing that it does is to remove it."""
        self.run("gpgconf", "--kill", "all")
        socket = self.run("gpgconf", "--list-dirs", "agent-socket").strip()
        until(lambda: not os.path.exists(socket))
        self.run("gpgconf", "--remove-socketdir")


@pytest.fixture
def store(monkeypatch):
    for tool in "pass", "gpg", "docker-credential-pass":
        if not shutil.which(tool):
            pytest.skip(f"there is no {tool}")
    with Folder() as path: # short, for the agent's socket
        made = Store(path, monkeypatch.setenv)
        try:
            made.fill()
            yield made
        finally:
            made.end()


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(manager):
    yield
    log = manager.whole_log()
    assert PASSWORD not in log and OTHER not in log


@pytest.fixture
def helper(folder):
    """Writes a program, and returns its path."""
    def write(text, name="helper"):
        path = folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)
    return write


def spec(*command, **more):
    return {"type": "CommandCredentials/v1", "command": list(command), **more}


def resolve(manager, asked, identity=None):
    answer = manager.call("credentialRepository", "Resolve", spec=asked, identity=identity or QUAY, consumer="CommandCredentials/v1")
    assert answer["type"] == "Credentials/v1"
    return answer["properties"]


def refusal(manager, asked, identity=None):
    """The plugin's part of the error: no secret is in any of it."""
    error = manager.error("credentialRepository", "Resolve", spec=asked, identity=identity or QUAY, consumer="CommandCredentials/v1")
    assert PASSWORD not in error and OTHER not in error
    return error.partition("additional information: ")[2]


ASKED = ', asked for the credentials of {"hostname":"quay.io","type":"OCIRegistry"}: '
DOCKER = spec("docker-credential-pass", "get", format="docker")
PASS = spec("pass", "show", "--", "registries/{hostname}", format="pass")


# ---- the real tools ----

def test_docker_credential_helper_is_asked_as_docker_does(manager, store):
    assert resolve(manager, DOCKER) == {"username": "me", "password": PASSWORD}
    store.run("docker-credential-pass", "store", stdin=json.dumps({"ServerURL": "https://index.docker.io/v1/", "Username": "<token>", "Secret": OTHER}))
    assert resolve(manager, DOCKER, {**QUAY, "hostname": "docker.io"}) == {"refreshToken": OTHER}
    store.run("docker-credential-pass", "store", stdin=json.dumps({"ServerURL": "127.0.0.1:5000", "Username": "local", "Secret": OTHER}))
    assert resolve(manager, DOCKER, {**QUAY, "hostname": "127.0.0.1", "port": "5000"})["username"] == "local"
    assert resolve(manager, {**DOCKER, "stdin": "{hostname}"}, {**QUAY, "port": "5000"})["username"] == "me"


def test_pass_gives_the_password_and_the_fields_behind_it(manager, store):
    assert resolve(manager, PASS) == {"password": PASSWORD, "username": "robot", "url": "https://quay.io/x: y"}
    assert store.run("pass", "show", "registries/quay.io").startswith(PASSWORD + "\nusername: robot\n")


def test_what_the_tools_do_not_have_is_told(manager, store):
    ghcr = {**QUAY, "hostname": "ghcr.io"}
    asked = ASKED.replace("quay", "ghcr")
    assert refusal(manager, DOCKER, ghcr) == f"docker-credential-pass{asked}it has none for that server"
    assert refusal(manager, PASS, ghcr) == f"pass{asked}exit status 1: Error: registries/ghcr.io is not in the password store."
    assert refusal(manager, spec("pass", "show", "registries", format="pass")) == f"pass{ASKED}that is a folder of the store"


def test_key_that_is_not_there_is_told(manager, store):
    assert resolve(manager, PASS)["password"] == PASSWORD
    store.lose_key()
    assert refusal(manager, PASS) == f"pass{ASKED}exit status 2: gpg: decryption failed: No secret key"
    assert refusal(manager, DOCKER) == f"docker-credential-pass{ASKED}exit status 1: it does not say why on stderr; run it yourself"


def test_graph_asks_the_plugin_for_each_consumer(manager, store):
    """As the graph does it: at first it names the credentials of the configuration, then it asks with the consumer's identity."""
    ask = {"spec": PASS, "identity": QUAY}
    assert "credentials of type CommandCredentials have been named, where one is expected" in manager.error("credentialPlugin", "Resolve", **ask)
    for same in PASS, PASS: # two consumers with the same credentials
        assert manager.call("credentialPlugin", "GetConsumerIdentity", spec=same) == {"type": "CommandCredentials/v1"}
    assert manager.call("credentialPlugin", "Resolve", **ask)["properties"]["password"] == PASSWORD
    manager.call("credentialPlugin", "GetConsumerIdentity", spec=DOCKER)
    assert "2 different credentials of type CommandCredentials" in manager.error("credentialPlugin", "Resolve", **ask)


# ---- programs of one's own ----

def test_json_of_a_program_becomes_properties(manager, helper):
    program = helper("""#!/usr/bin/env python3
import json, sys
print(json.dumps({"arguments": "|".join(sys.argv[1:]), "stdin": sys.stdin.read()}))""")
    asked = spec(program, "--host={hostname}", "{path}", "{a}", "$HOME `id`; {hostname} *", '{"a": 1}', stdin="{type} {hostname}\n")
    identity = {**QUAY, "path": "acme/app v 1", "a": '"; reboot #$(id) {hostname}'}
    assert resolve(manager, asked, identity) == {
        "arguments": '--host=quay.io|acme/app v 1|"; reboot #$(id) {hostname}|$HOME `id`; quay.io *|{"a": 1}', "stdin": "OCIRegistry quay.io\n"}


@pytest.mark.parametrize("value", ["-o", "--output=/etc/x", "a\nb", "a\0b", "..", "a/b", "../x"])
def test_identity_becomes_no_option_path_or_line(manager, helper, folder, value):
    program = helper(f"#!/bin/sh\ntouch {folder}/ran; echo '{{}}'")
    for asked in spec(program, "{hostname}"), spec(program, stdin="{hostname}"), spec(program, format="docker"):
        assert "which is no plain name" in refusal(manager, asked, {**QUAY, "hostname": value})
    assert "the consumer's identity has no port" in refusal(manager, spec(program, "{port}"))
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("output, form, says", [
    (f"Password: {PASSWORD}", "json", "with the format json, an object of strings was expected"),
    (f'["{PASSWORD}"]', "json", "with the format json, an object of strings was expected"),
    (f'{{"password": "{PASSWORD}", "port": 5}}', "json", "with the format json, an object of strings was expected"),
    (f'{{"password": "{PASSWORD}"', "json", "with the format json, an object of strings was expected"),
    ("", "json", "with the format json, an object of strings was expected"),
    (f'{{"ServerURL": "quay.io", "Secret": "{PASSWORD}"}}', "docker", "with the format docker, JSON with ServerURL, Username and Secret was expected"),
    ("null", "docker", "with the format docker, JSON with ServerURL, Username and Secret was expected"),
    (f"\n{PASSWORD}", "pass", "the first line, which is the password, is empty"),
])
def test_garbage_is_not_quoted(manager, helper, output, form, says):
    program = helper(f"#!/bin/sh\ncat <<'END'\n{output}\nEND")
    assert refusal(manager, spec(program, format=form)) == f"{program}{ASKED}{says}"


def test_docker_helper_that_says_it_has_none_is_understood(manager, helper):
    program = helper("#!/bin/sh\necho credentials not found in native keychain; exit 1")
    assert refusal(manager, spec(program, format="docker")) == f"{program}{ASKED}it has none for that server"


def test_stderr_says_why_without_what_stdout_said(manager, helper):
    program = helper(f"""#!/bin/sh
echo '{{"password": "{PASSWORD}"}}'
echo one >&2; echo two >&2; echo 'the keyring is locked:' >&2; echo >&2
echo 'could not use {PASSWORD}' >&2
exit 7""")
    assert refusal(manager, spec(program)) == f"{program}{ASKED}exit status 7: two the keyring is locked: could not use ***"


def test_program_that_hangs_is_ended(manager, helper, folder):
    program = helper(f"#!/bin/sh\necho $$ >{folder}/pid; echo {PASSWORD} >&2; exec sleep 100")
    for timeout in 0.3, 3, 20:  # on a busy machine it may not have begun when the first is over
        assert refusal(manager, spec(program, timeout=timeout)) == f"{program}{ASKED}helper: timed out after {timeout} s"
        if (folder / "pid").exists() and (pid := (folder / "pid").read_text().strip()):
            break
    until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_program_that_writes_without_end_is_ended(manager, helper):
    program = helper(f"#!/bin/sh\nyes {PASSWORD}")
    assert refusal(manager, spec(program)) == f"{program}{ASKED}it wrote more than 65,536 bytes"
    program = helper(f"#!/bin/sh\nyes {PASSWORD} >&2", "loud")
    assert refusal(manager, spec(program)).startswith(f"{program}{ASKED}loud: its stderr: ")


def test_program_that_dies_in_the_middle_is_told_and_asked_again(manager, helper, folder):
    program = helper(f"""#!/bin/sh
if [ -e {folder}/well ]; then echo '{{"password": "{PASSWORD}"}}'; exit; fi
printf '{{"password": "{PASSWORD}'; kill -9 $$""")
    assert refusal(manager, spec(program)) == f"{program}{ASKED}it was ended by signal 9: it does not say why on stderr; run it yourself"
    (folder / "well").touch()
    assert resolve(manager, spec(program)) == {"password": PASSWORD}


def test_program_that_is_missing_is_told(manager):
    assert refusal(manager, spec("docker-credential-nope", "get", format="docker")).startswith(
        f"docker-credential-nope{ASKED}docker-credential-nope: No such file or directory in PATH (")


@pytest.mark.parametrize("wrong, says", [
    ({"command": []}, "minItems: got 0, want 1"), ({"command": "pass show"}, "got string, want array"), ({"format": "yaml"}, "value must be one of"),
    ({"timeout": 0}, "exclusiveMinimum"), ({"comand": ["x"]}, "additional properties 'comand' not allowed"),
])
def test_spec_is_checked_by_the_schema(manager, wrong, says):
    assert says in manager.error("credentialRepository", "ConsumerIdentityForConfig", spec={**spec("true"), **wrong})
