"""What `ocmlua new` makes, in the hands of the real plugin manager and the ocm CLI; and the README's first plugin, command by command."""
import re
import subprocess

import pytest
from driver import Manager
from harness import DEADLINE, OCMLUA, ROOT, run
from reference import Home, find

DIGEST = {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "jsonNormalisation/v4alpha1", "value": "ab" * 32}
RESOURCE = {"name": "it", "version": "1.0.0", "type": "blob", "relation": "external"}
HELLO = {"digest": {**DIGEST, "normalisationAlgorithm": "genericBlobDigest/v1", "value": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}
FILE = {"path": "hello.txt"}  # seen from where the manager runs
ME = {"properties": {"username": "me"}}

# capability: (spec beside its type, [(method, what the driver is given, what it must find in the result)])
CALLS = {
    "componentVersionRepository": ({"path": "repository"}, [
        ("CheckHealth", {}, None),
        ("AddLocalResource", {"component": "example.org/it", "version": "1.0.0", "resource": {**RESOURCE, "access": {"type": "localBlob/v1"}},
                              "blob": FILE}, {"name": "it"}),
        ("AddComponentVersion", {"descriptor": {"meta": {"schemaVersion": "v2"}, "component": {
            "name": "example.org/it", "version": "1.0.0", "provider": "acme", "repositoryContexts": None, "resources": None, "sources": None,
            "componentReferences": None}}}, None),
        ("GetComponentVersion", {"component": "example.org/it", "version": "1.0.0"}, {"component": {"name": "example.org/it"}}),
        ("ListComponentVersions", {"component": "example.org/it"}, ["1.0.0"]),
    ]),
    "componentLister": ({"path": "repository"}, [("ListComponents", {}, {})]),
    "credentialRepository": ({"path": "accounts.json"}, [("Resolve", {"identity": {"type": "credentialRepositoryConsumer/v1", "hostname": "example.org"}}, ME)]),
    "credentialPlugin": ({"path": "accounts.json"}, [
        ("GetConsumerIdentity", {}, {"type": "credentialPlugin/v1"}),
        ("Resolve", {"identity": {"type": "HelmChartRepository", "hostname": "example.org"}}, ME)]),
    "digestProcessorRepository": (FILE, [("ProcessResourceDigest", {"resource": RESOURCE}, HELLO)]),
    "inputRepository": ({"text": "hello"}, [("ProcessResource", {"resource": RESOURCE}, {"blob": {"content": "hello"}})]),
    "resourceRepository": (FILE, [("GetGlobalResource", {"resource": RESOURCE}, {"blob": {"content": "hello"}})]),
    "blobTransformer": ({"case": "upper"}, [("TransformBlob", {"blob": FILE}, {"blob": {"content": "HELLO"}})]),
    "signingHandler": ({}, [("Sign", {"digest": DIGEST}, {"algorithm": "RSASSA-PSS"})]),
}


@pytest.fixture(scope="module")
def manager():
    """One plugin for each capability, made by `ocmlua new`, with the capability's name as its type's."""
    with Manager() as running:
        for capability in CALLS:
            done = run("new", capability, "-c", capability, "--type", capability, cwd=running.plugins)
            assert done.returncode == 0, done.stderr
        (running.path / "hello.txt").write_text("hello")
        (running.path / "accounts.json").write_text('{"example.org":{"username":"me"}}')
        yield running


def includes(value, expected):
    if isinstance(expected, dict):
        return isinstance(value, dict) and all(includes(value.get(name), part) for name, part in expected.items())
    return value == expected


@pytest.mark.parametrize("capability", CALLS)
def test_the_manager_registers_and_calls_what_new_makes(manager, capability):
    spec, calls = CALLS[capability]
    credentials = None
    if capability == "signingHandler":
        key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA"], check=True, capture_output=True, text=True).stdout
        credentials = {"type": "Credentials/v1", "properties": {"privateKey": key}}
    for method, given, expected in calls:
        filled = {**given, "blob": {"path": str(manager.path / given["blob"]["path"])}} if "blob" in given else given
        result = manager.call(capability, method, spec={"type": f"{capability}/v1", **spec}, credentials=credentials, **filled)
        assert includes(result, expected), result


SUBSYSTEMS = {"componentVersionRepository": "ocm-repository", "inputRepository": "input", "resourceRepository": "access", "signingHandler": "signing",
              "credentialRepository": "credential-repository"}


@pytest.mark.parametrize("capability, subsystem", SUBSYSTEMS.items())
def test_check_knows_the_types_that_the_cli_has_itself(home, capability, subsystem):
    table = shell(home, f"ocm describe types {subsystem}")
    names = re.findall(r"[\w/]+", "\n".join(line for line in table.partition("TYPE")[2].splitlines()[2:] if line.startswith("|")))
    assert len(names) > 1
    (home.path / "print.lua").write_text(f"""for name in pairs(require "command.builtin".types.{capability}) do print(name) end""")
    assert sorted(shell(home, "ocmlua run print.lua").split()) == sorted(names)


def section(text, title):
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def shell_blocks(text):
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


@pytest.fixture
def home():
    """A user's home, `ocm` and `ocmlua` in PATH."""
    ocm, reason = find("ocm")
    if ocm is None:
        pytest.skip(reason)
    with Home() as made:
        (made.bin / "ocm").symlink_to(ocm)
        yield made


def shell(home, commands, cwd=None):
    done = subprocess.run(["sh", "-euc", commands], cwd=cwd or home.path, env=home.environment(), capture_output=True, text=True, timeout=4 * DEADLINE, check=False)
    home.settle()
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_the_readmes_first_plugin_works_command_by_command(home):
    blocks = shell_blocks(section((ROOT / "README.md").read_text(), "Your first plugin in five minutes"))
    assert len(blocks) >= 3
    assert shell(home, "\n".join(blocks)).endswith("Hello, World!\n")


@pytest.mark.parametrize("capability, result", [("inputRepository", "greeting"), ("digestProcessorRepository", None)])
def test_the_readme_that_new_writes_can_be_followed(home, capability, result):
    assert OCMLUA.exists()
    shell(home, f"ocmlua new it -c {capability}")
    folder = home.path / "it"
    shell(home, "\n".join(shell_blocks((folder / "README.md").read_text())), folder)
    if result:
        assert (folder / result).read_text() == "hello"
