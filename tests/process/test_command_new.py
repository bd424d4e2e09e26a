"""`ocmlua new`: what it makes runs, is checked, and answers; nothing is overwritten; it asks at a terminal."""
import json
import os
import shutil
import subprocess

import pytest
from harness import DEADLINE, OCMLUA, Plugin, environment, run
from terminal import Terminal

CAPABILITIES = ["componentVersionRepository", "componentLister", "credentialRepository", "credentialPlugin", "digestProcessorRepository",
                "inputRepository", "resourceRepository", "blobTransformer", "signingHandler"]
SHA256_OF_HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def env(folder):
    """With `ocmlua` in PATH."""
    (folder / "bin").mkdir()
    (folder / "bin" / "ocmlua").symlink_to(OCMLUA)
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def new(folder, *arguments):
    done = run("new", *arguments, cwd=folder)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def check(folder, plugin, env):
    return json.loads(run("check", plugin, "--json", cwd=folder, env=env).stdout)


def with_one(folder, capability):
    new(folder, "it", "--capability", capability)
    return folder / "it" / "it"


# ---- what it makes ----

@pytest.mark.parametrize("capability", CAPABILITIES)
def test_plugin_passes_check_and_runs(folder, env, capability):
    plugin = with_one(folder, capability)
    assert os.access(plugin, os.X_OK)
    assert sorted(os.listdir(folder / "it")) == ["README.md", "it", "it_test.lua"]
    report = check(folder, plugin, env)
    wrong = [finding for finding in report["findings"] if finding["level"] == "warning" and " ms" not in finding["text"]] # which is of the machine
    assert (report["problems"], wrong) == (0, [])
    assert {endpoint["state"] for endpoint in report["endpoints"]} <= {"handler", "default"}
    done = run("capabilities", program=plugin, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert [entry["type"] for entry in json.loads(done.stdout)["capabilities"]] == [capability]


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_nothing_of_the_templates_is_left(folder, capability):
    plugin = with_one(folder, capability)
    for name in os.listdir(plugin.parent):
        text = (plugin.parent / name).read_text()
        for left in ("@only", "@end", "NAME", "TABLE", "CAPABILITY", "UNREACHED", "Type/v1"):
            assert left not in text, (name, left)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_handlers_are_annotated_with_the_types_of_the_contract(folder, capability):
    text = with_one(folder, capability).read_text()
    handlers = text.count(" = function(request")
    assert handlers > 0 and text.count("---@param request ocm.") == handlers


@pytest.mark.parametrize("capabilities", [[each] for each in CAPABILITIES] + [CAPABILITIES], ids=lambda names: names[0] if len(names) == 1 else "all")
def test_luacheck_finds_nothing(folder, capabilities):
    luacheck = shutil.which("luacheck") or pytest.skip("no luacheck")
    new(folder, "it", *(f"--capability={name}" for name in capabilities))
    done = subprocess.run([luacheck, "--std", "lua54", "--max-line-length", "160", "it", "it_test.lua"], cwd=folder / "it", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("capabilities", [[each] for each in CAPABILITIES] + [CAPABILITIES], ids=lambda names: names[0] if len(names) == 1 else "all")
def test_its_own_test_passes(folder, capabilities):
    if run("help", "test").returncode != 0:
        pytest.skip("there is no command test")
    new(folder, "it", *(f"--capability={name}" for name in capabilities))
    done = run("test", cwd=folder / "it")
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_several_capabilities_have_types_of_their_own_where_their_specs_differ(folder, env):
    new(folder, "my-shop", *(f"--capability={name}" for name in CAPABILITIES), "--type", "Shop/v2")
    report = check(folder, "my-shop/my-shop", env)
    assert report["problems"] == 0, report
    types = {entry["type"]: next(value[0]["type"] for name, value in sorted(entry.items(), reverse=True) if name.startswith("supported") and "Consumer" not in name)
             for entry in report["capabilities"]["capabilities"]}
    assert types["componentVersionRepository"] == types["componentLister"] == "ShopRepository/v2"
    assert types["digestProcessorRepository"] == types["resourceRepository"] == "ShopAccess/v2"
    assert len(set(types.values())) == 7


def test_the_type_is_made_of_the_name(folder):
    new(folder, "my-shop_2", "-c", "inputRepository")
    assert '["MyShop2/v1"]' in (folder / "my-shop_2" / "my-shop_2").read_text()


def test_folder_may_be_another(folder):
    (folder / "there").mkdir()
    (folder / "there" / "notes.txt").write_text("mine")
    new(folder, "it", "-c", "inputRepository", "--dir", "there")
    assert sorted(os.listdir(folder / "there")) == ["README.md", "it", "it_test.lua", "notes.txt"]
    new(folder, "it", "-c", "inputRepository", "--dir", "deep/in/side")
    assert (folder / "deep/in/side/it").exists()


def test_what_to_do_next_can_be_done(folder, env):
    """The commands that it prints, those that there are."""
    printed = new(folder, "it", "-c", "inputRepository")
    steps = [line.strip().split("  ")[0] for line in printed.split("Next\n")[1].splitlines()]
    assert steps[0] == "cd it" and "ocmlua check it" in steps
    steps = [step for step in steps if not step.startswith("ocmlua") or run("help", step.split()[1]).returncode == 0]
    done = subprocess.run(["sh", "-euc", "\n".join(steps)], cwd=folder, env=environment(folder, env), capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)


# ---- what its handlers answer ----

def content(location):
    with open(location["value"], encoding="utf-8") as file:
        return file.read()


def test_input_is_a_blob_of_the_spec(folder):
    with Plugin(with_one(folder, "inputRepository")) as plugin:
        element = {"name": "it", "version": "1.0.0", "type": "blob", "input": {"type": "It/v1", "text": "hello"}}
        for path, name in (("/resource/process", "resource"), ("/source/process", "source")):
            answer = plugin.json("POST", path, {name: element})
            assert content(answer["location"]) == "hello" and answer["location"]["mediaType"] == "text/plain"


def test_digest_is_that_of_the_file(folder):
    (folder / "file").write_text("hello")
    with Plugin(with_one(folder, "digestProcessorRepository")) as plugin:
        resource = {"name": "it", "version": "1.0.0", "type": "blob", "relation": "external", "access": {"type": "It/v1", "path": str(folder / "file")}}
        assert plugin.json("POST", "/resource/digest/process", {"resource": resource})["resource"]["digest"]["value"] == SHA256_OF_HELLO
        resource["access"]["path"] = "/nonexistent"
        assert plugin.request("POST", "/resource/digest/process", {"resource": resource}).status == 404


def test_resource_is_stored_and_fetched(folder):
    (folder / "file").write_text("hello")
    with Plugin(with_one(folder, "resourceRepository")) as plugin:
        resource = {"name": "it", "version": "1.0.0", "type": "blob", "relation": "external", "access": {"type": "It/v1", "path": str(folder / "copy")}}
        plugin.json("POST", "/resource/add", {"resourceLocation": {"type": "localFile", "value": str(folder / "file")}, "resource": resource})
        assert content(plugin.json("POST", "/resource/get", {"resource": resource})["location"]) == "hello"


def test_blob_is_transformed(folder):
    (folder / "file").write_text("hello")
    with Plugin(with_one(folder, "blobTransformer")) as plugin:
        answer = plugin.json("POST", "/blob/transform", {"location": {"type": "localFile", "value": str(folder / "file")},
                                                         "specification": {"type": "It/v1", "case": "upper"}})
        assert content(answer["location"]) == "HELLO"


def test_signature_verifies_and_of_another_digest_does_not(folder):
    for command in (["genpkey", "-algorithm", "RSA", "-out", "key"], ["pkey", "-in", "key", "-pubout", "-out", "public"]):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    keys = {"privateKey": (folder / "key").read_text(), "publicKey": (folder / "public").read_text()}
    credentials = {"Authorization": json.dumps({"type": "Credentials/v1", "properties": keys})}
    digest = {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "n", "value": "ab" * 32}
    with Plugin(with_one(folder, "signingHandler")) as plugin:
        config = {"type": "It/v1"}
        signature = plugin.json("POST", "/sign", {"digest": digest, "config": config}, credentials)["signature"]
        signed = {"signature": {"name": "mine", "digest": digest, "signature": signature}, "config": config}
        assert plugin.json("POST", "/verify", signed, credentials) == {}
        signed["signature"]["digest"] = {**digest, "value": "cd" * 32}
        assert plugin.request("POST", "/verify", signed, credentials).status == 400
        assert plugin.request("POST", "/sign", {"digest": digest, "config": config}).status == 401


@pytest.mark.parametrize("capability, paths", [
    ("credentialRepository", ("/consumer-identity", "config")), ("credentialPlugin", ("/consumer-identity", "credential")),
])
def test_credentials_are_found(folder, capability, paths):
    (folder / "file").write_text('{"example.org":{"username":"me"}}')
    with Plugin(with_one(folder, capability)) as plugin:
        spec = {"type": "It/v1", "path": str(folder / "file"), "hostname": "example.org"}
        identity = plugin.json("POST", paths[0], {paths[1]: spec})
        asked = {"identity": {**identity, "hostname": "example.org"}, **({"config": spec} if capability == "credentialRepository" else {})}
        assert plugin.json("POST", "/resolve", asked) == {"type": "DirectCredentials/v1", "properties": {"username": "me"}}


def test_component_version_comes_back_with_its_blob(folder):
    (folder / "file").write_text("hello")
    repository = {"type": "It/v1", "path": str(folder / "repository")}
    with Plugin(with_one(folder, "componentVersionRepository")) as plugin:
        resource = plugin.json("POST", "/local-resource/upload", {
            "repository": repository, "name": "example.org/../it", "version": "1.0.0", "resourceLocation": {"type": "localFile", "value": str(folder / "file")},
            "resource": {"name": "blob", "type": "blob", "version": "1.0.0", "extraIdentity": {"os": "linux"}}})
        descriptor = {"meta": {"schemaVersion": "v2"}, "component": {"name": "example.org/../it", "version": "1.0.0", "resources": [resource], "sources": []}}
        plugin.request("POST", "/component-version/upload", {"repository": repository, "descriptor": descriptor})
        at = "name=example.org/../it&version=1.0.0"
        assert plugin.json("GET", "/component-version/download?" + at) == descriptor
        assert plugin.json("GET", "/component-versions?name=example.org/../it") == ["1.0.0"]
        assert content(plugin.json("GET", "/local-resource/download?" + at)["location"]) == "hello"
        assert plugin.request("GET", "/component-version/download?name=other&version=1").status == 404
    assert os.listdir(folder / "repository") == ["example.org%2F..%2Fit"]


def test_components_are_listed(folder):
    for name in ("example.org%2Fb", "example.org%2Fa", ".hidden"):
        (folder / "repository" / name).mkdir(parents=True)
    with Plugin(with_one(folder, "componentLister")) as plugin:
        for path, names in (("repository", ["example.org/a", "example.org/b"]), ("none", [])):
            assert plugin.json("POST", "/components/list", {"repository": {"type": "It/v1", "path": str(folder / path)}}) == {"list": names}


# ---- what it refuses ----

@pytest.mark.parametrize("arguments, message", [
    (["it", "-c", "inputRepo"], 'unknown capability "inputRepo", did you mean "inputRepository"?'),
    (["it", "-c", "signinghandler"], 'did you mean "signingHandler"?'),
    (["it", "-c", ""], "expected at least one of componentVersionRepository"),
    (["it.lua", "-c", "inputRepository"], "only files without a dot"),
    (["a/b", "-c", "inputRepository"], "expected letters, digits, - and _"),
    (["it", "-c", "inputRepository", "--type", "a/b/c"], '--type "a/b/c": expected a name'),
    (["it"], "usage: ocmlua new NAME --capability NAME"),
    ([], "usage: ocmlua new NAME --capability NAME"),
    (["it", "--capabilty", "x"], 'unknown option --capabilty, did you mean "--capability"?'),
])
def test_wrong_arguments_are_named_and_nothing_is_made(folder, arguments, message):
    done = run("new", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert os.listdir(folder) == []


@pytest.mark.parametrize("there", ["it", "it_test.lua", "README.md"])
def test_nothing_is_overwritten(folder, there):
    (folder / "it").mkdir()
    (folder / "it" / there).write_text("precious")
    done = run("new", "it", "-c", "inputRepository", cwd=folder)
    assert done.returncode == 1 and f"it/{there}: already there" in done.stderr
    assert os.listdir(folder / "it") == [there] and (folder / "it" / there).read_text() == "precious"


def test_a_link_that_leads_nowhere_is_not_overwritten_either(folder):
    (folder / "it").mkdir()
    (folder / "it" / "it").symlink_to("nowhere")
    done = run("new", "it", "-c", "inputRepository", cwd=folder)
    assert done.returncode == 1 and os.listdir(folder / "it") == ["it"]


def test_folder_that_cannot_be_made_is_named(folder):
    (folder / "it").write_text("a file")
    done = run("new", "it", "-c", "inputRepository", cwd=folder)
    assert done.returncode == 1 and "it cannot be made: " in done.stderr
    assert (folder / "it").read_text() == "a file"


# ---- at a terminal ----

def say(terminal, question, answer):
    """Answers the question that ends with a text; returns what stood before it."""
    shown = terminal.shows(question)
    terminal.type(answer)
    return shown


def test_it_asks_for_what_is_missing_until_it_is_right(folder, env):
    with Terminal(OCMLUA, "new", cwd=folder) as terminal:
        say(terminal, "Name of the plugin: ", "no.dots\n")
        assert "without a dot" in say(terminal, "Name of the plugin: ", "shop\n")
        assert "ProcessResource" in say(terminal, "Numbers or names: ", "inputRepos\n")
        assert 'did you mean "inputRepository"?' in say(terminal, "Numbers or names: ", "6, signingHandler\n")
        say(terminal, "Type of its specs [Shop/v1]: ", "\n")
        status, rest = terminal.ends()
    assert status == 0 and "shop/shop" in rest
    report = check(folder, "shop/shop", env)
    assert {entry["type"] for entry in report["capabilities"]["capabilities"]} == {"inputRepository", "signingHandler"}
    assert report["problems"] == 0


def test_end_of_input_makes_nothing(folder):
    with Terminal(OCMLUA, "new", "shop", cwd=folder) as terminal:
        say(terminal, "Numbers or names: ", "\x04")
        status, rest = terminal.ends()
    assert status == 1 and "nothing was made" in rest and os.listdir(folder) == []
