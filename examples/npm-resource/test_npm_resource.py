"""npm-resource: packages made by npm, in a registry that npm installs from, and what becomes of them asked over the socket, through the plugin
manager and with the ocm CLI."""
import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import DEADLINE, Folder, Plugin, sizes
from http_server import Server
from relay import Relay

SCRIPT = Path(__file__).resolve().parent / "npm-resource"
TOKEN = "npm_s3cr3t-t0ken"
NPM = shutil.which("npm")


def npm(folder, *arguments):
    """Runs npm with nothing of the user's, and no way to another registry."""
    assert any(argument.startswith("--registry=http://127.0.0.1:") for argument in arguments) or arguments[0] == "pack"
    done = subprocess.run([NPM, *arguments, "--cache", folder / "cache", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * DEADLINE, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": str(folder), "npm_config_update_notifier": "false"})
    assert done.returncode == 0, done.stderr
    return done.stdout


class Package:
    """A version of a package, and what npm says about it; `greeting` is in it."""

    def __init__(self, name, version, greeting):
        with Folder() as folder:
            (folder / "it").mkdir()
            (folder / "it/package.json").write_text(json.dumps({"name": name, "version": version, "license": "MIT", "main": "index.js"}))
            (folder / "it/index.js").write_text(f"module.exports = {json.dumps(greeting)}\n")
            (folder / "it/noise.bin").write_bytes(os.urandom(400_000))
            [said] = json.loads(npm(folder, "pack", "./it", "--json"))
            self.tarball = (folder / said["filename"]).read_bytes()
        self.name, self.version = name, version
        self.dist = {"integrity": said["integrity"], "shasum": said["shasum"], "unpackedSize": said["unpackedSize"]}
        self.path = f"/{name}/-/{name.split('/')[-1]}-{version}.tgz"
        self.digest = {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "genericBlobDigest/v1",
                       "value": hashlib.sha256(self.tarball).hexdigest()}


class Registry(Server):
    """A registry, laid out as https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md says; with `wants`, only for
    requests with that Authorization."""
    wants = None

    def publish(self, package, **dist):
        """`dist`: other members than npm's."""
        def packument(request):
            host = request.headers["Host"]
            version = {"name": package.name, "version": package.version,
                       "dist": {**package.dist, "tarball": f"http://{host}{package.path}", **dist}}
            document = {"name": package.name, "modified": "2026-01-01T00:00:00.000Z", "dist-tags": {"latest": package.version},
                        "versions": {package.version: version}}
            self.answer(request, json.dumps(document).encode(), "application/vnd.npm.install-v1+json")

        self.handles("/" + package.name.replace("/", "%2f"), packument)
        self.serve(package.path, package.tarball)

    def serve(self, path, tarball):
        return self.handles(path, lambda request: self.answer(request, tarball, "application/octet-stream"))

    def answer(self, request, body, media_type):
        if self.wants and request.headers["Authorization"] != self.wants:
            request.send(401, b'{"error":"unauthorized"}', {"WWW-Authenticate": "Bearer"})
        else:
            request.send(200, body, {"Content-Type": media_type})


@pytest.fixture(scope="module")
def packages():
    if not NPM:
        pytest.skip("no npm, which makes the packages")
    return [Package("@acme/greeting", "1.2.3", "hello"), Package("farewell", "2.0.0-rc.1", "bye")]


@pytest.fixture
def package(packages):
    return packages[0]


@pytest.fixture
def registry(packages):
    with Registry() as server:
        for one in packages:
            server.publish(one)
        yield server


@pytest.fixture
def plugin():
    with Plugin(SCRIPT) as running:
        yield running


def spec(registry, package, /, **other):
    return {"type": "NPMPackage/v1", "registry": getattr(registry, "url", registry), "package": package.name, "version": package.version, **other}


def whose(registry):
    """The identity that its credentials are looked up by, as messages have it."""
    identity = {"hostname": "127.0.0.1", "port": registry.url.rpartition(":")[2], "scheme": "http", "type": "NpmRegistry"}
    return json.dumps(identity, separators=(",", ":"))


def ask(plugin, path, access, credentials=None, digest=None):
    resource = {"name": "it", "version": "1.0.0", "type": "npmPackage", "relation": "external", "access": access}
    headers = {"Authorization": json.dumps(credentials)} if credentials else None
    return plugin.request("POST", path, {"resource": {**resource, **({"digest": digest} if digest else {})}}, headers)


def blob(plugin, *arguments, **options):
    answer = ask(plugin, "/resource/get", *arguments, **options)
    assert answer.status == 200, answer.text
    location = json.loads(answer.body)["location"]
    assert location["mediaType"] == "application/x-tgz"
    return Path(location["value"]).read_bytes()


def refused(plugin, *arguments, **options):
    """The status and text that both ways into the plugin refuse with."""
    both = [ask(plugin, path, *arguments, **options) for path in ("/resource/get", "/resource/digest/process")]
    answers = {(answer.status, answer.text) for answer in both}
    assert len(answers) == 1, answers
    return answers.pop()


def direct(**properties):
    return {"type": "DirectCredentials/v1", "properties": properties}


# ---- the registry of these tests is one ----

def test_npm_installs_from_this_registry(registry, packages, folder):
    npm(folder, "install", f"--registry={registry.url}", *(f"{one.name}@{one.version}" for one in packages))
    assert (folder / "node_modules/@acme/greeting/index.js").read_text() == 'module.exports = "hello"\n'
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    for one in packages:
        assert locked[f"node_modules/{one.name}"]["integrity"] == one.dist["integrity"]


# ---- over the socket ----

def test_tarball_is_what_npm_gets(registry, packages, plugin, folder):
    for one in packages:
        [said] = json.loads(npm(folder, "pack", "--json", f"{one.name}@{one.version}", f"--registry={registry.url}"))
        assert blob(plugin, spec(registry, one)) == (folder / said["filename"]).read_bytes() == one.tarball


def test_registry_may_be_below_a_path_and_end_with_a_slash(registry, package, plugin):
    registry.handles("/npm/private/@acme%2fgreeting", registry.always["/@acme%2fgreeting"])
    for url in (f"{registry.url}/", f"{registry.url}/npm/private", f"{registry.url}/npm/private/"):
        assert blob(plugin, spec(url, package)) == package.tarball


def test_short_metadata_is_asked_for(registry, package, plugin):
    blob(plugin, spec(registry, package))
    assert registry.requests("/@acme%2fgreeting")[0].headers["Accept"].startswith("application/vnd.npm.install-v1+json")


def test_digest_is_the_tarballs(registry, package, plugin):
    answer = ask(plugin, "/resource/digest/process", spec(registry, package))
    assert json.loads(answer.body)["resource"]["digest"] == package.digest


def test_digest_that_the_resource_has_is_kept_when_it_fits(registry, package, plugin):
    sha512 = {**package.digest, "hashAlgorithm": "SHA-512", "value": hashlib.sha512(package.tarball).hexdigest()}
    for digest in (package.digest, sha512):
        answer = ask(plugin, "/resource/digest/process", spec(registry, package), digest=digest)
        assert json.loads(answer.body)["resource"]["digest"] == digest
        assert blob(plugin, spec(registry, package), digest=digest) == package.tarball


def test_tarball_is_refused_when_the_resource_has_another_digest(registry, package, plugin):
    assert refused(plugin, spec(registry, package), digest={**package.digest, "value": "0" * 64}) == (
        502, f"@acme/greeting@1.2.3 in {registry.url}: it is not what the component version has: blob_digest: a temporary file: "
             f"its digest is sha256:{package.digest['value']} instead of the expected sha256:{'0' * 64}")


def sri(package, *algorithms, of=None):
    return " ".join(f"{name}-{base64.b64encode(hashlib.new(name, of or package.tarball).digest()).decode()}" for name in algorithms)


def test_strongest_checksum_counts(registry, package, plugin):
    wrong = sri(package, "sha256", of=b"other")
    for integrity in (sri(package, "sha512"), sri(package, "sha384"), sri(package, "sha256"), sri(package, "sha256", "sha384", "sha512"),
                      f"{wrong} {sri(package, 'sha512')}?option md5-xyz", f"  {sri(package, 'sha384')}\n{wrong}"):
        registry.publish(package, integrity=integrity, shasum="0" * 40)
        assert blob(plugin, spec(registry, package)) == package.tarball
    for integrity in (wrong, f"{sri(package, 'sha256')} {sri(package, 'sha512', of=b'other')}"):
        registry.publish(package, integrity=integrity)
        status, text = refused(plugin, spec(registry, package))
        assert (status, "instead of the expected sha" in text) == (502, True)


def test_old_packages_have_a_sha1_alone(registry, package, plugin):
    registry.publish(package, integrity=None)
    assert blob(plugin, spec(registry, package)) == package.tarball
    registry.publish(package, integrity=None, shasum="0" * 40)
    assert f"its digest is sha1:{package.dist['shasum']} instead of the expected sha1:{'0' * 40}" in refused(plugin, spec(registry, package))[1]


def test_tampered_tarball_is_refused(registry, package, plugin):
    registry.serve(package.path, package.tarball[:-1] + b"!")
    status, text = refused(plugin, spec(registry, package))
    start = f"@acme/greeting@1.2.3 in {registry.url}: {registry.url}{package.path}: its digest is sha512:"
    assert (status, text[:len(start)]) == (502, start)
    assert not any(sizes(plugin.tmp).values())


@pytest.mark.parametrize("other, status, text", [
    ({"package": "nothing"}, 404, "nothing@1.2.3 in REGISTRY: the registry has no such package"),
    ({"version": "1.2.4"}, 404, "@acme/greeting@1.2.4 in REGISTRY: the registry has the package, but not this version"),
    ({"version": "latest"}, 400, 'version "latest": an exact one is needed, such as 1.2.3: tags and ranges change'),
    ({"version": "^1.2.3"}, 400, 'version "^1.2.3": an exact one is needed, such as 1.2.3: tags and ranges change'),
    ({"package": "../greeting"}, 400, 'package "../greeting": that is no name of an npm package'),
    ({"package": "@acme/../x"}, 400, 'package "@acme/../x": that is no name of an npm package'),
    ({"package": "@acme/greeting?write=true"}, 400, 'package "@acme/greeting?write=true": that is no name of an npm package'),
    ({"registry": "https://me:hunter2@example.org"}, 400,
     "registry: it has to be an http or https URL, without a user, query and fragment: credentials belong into the configuration"),
    ({"registry": "file:///etc"}, 400,
     "registry: it has to be an http or https URL, without a user, query and fragment: credentials belong into the configuration"),
])
def test_what_is_wrong_with_a_spec_is_said(registry, package, plugin, other, status, text):
    assert refused(plugin, spec(registry, package, **other)) == (status, text.replace("REGISTRY", registry.url))


@pytest.mark.parametrize("answer, status, text", [
    (b"<html>not here</html>", 502, "line 1, column 1: expected a value"),
    (b"null", 404, "the registry has the package, but not this version"),
    (b"[]", 404, "the registry has the package, but not this version"),
    (b'{"versions":"1.2.3"}', 404, "the registry has the package, but not this version"),
    (b'{"versions":{"1.2.3":null}}', 502, "the registry has no tarball with a checksum for it"),
    (b'{"versions":{"1.2.3":{"dist":[]}}}', 502, "the registry has no tarball with a checksum for it"),
    (b'{"versions":{"1.2.3":{"dist":{"tarball":"http://127.0.0.1:1/x"}}}}', 502, "the registry has no tarball with a checksum for it"),
    (b'{"versions":{"1.2.3":{"dist":{"tarball":"http://127.0.0.1:1/x","integrity":"sha512-","shasum":["x"]}}}}', 502,
     "the registry has no tarball with a checksum for it"),
    (b'{"versions":{"1.2.3":{"dist":{"tarball":"file:///etc/passwd","shasum":"00"}}}}', 502, "the registry has no tarball with a checksum for it"),
    (b'{"versions":{"1.2.3":{"dist":{"tarball":"http://a@b@c/","shasum":"00"}}}}', 502, "that is not a URL with a plain host name and port"),
])
def test_whatever_a_registry_answers_is_taken_for_what_it_is(registry, package, plugin, answer, status, text):
    registry.gives("/@acme%2fgreeting", answer)
    got, said = refused(plugin, spec(registry, package))
    assert (got, said[-len(text):]) == (status, text)


def test_registry_out_of_order_is_said(registry, package, plugin):
    registry.handles("/@acme%2fgreeting", lambda request: request.send(418, b"teapot"))
    assert refused(plugin, spec(registry, package)) == (502, f"@acme/greeting@1.2.3 in {registry.url}: the registry answers 418")


def test_tarball_on_another_server_is_asked_for_without_credentials(registry, package, plugin):
    registry.publish(package, tarball=registry.elsewhere(package.path))
    assert blob(plugin, spec(registry, package), direct(token=TOKEN)) == package.tarball
    [metadata], [tarball] = registry.requests("/@acme%2fgreeting"), registry.requests(package.path)
    assert (metadata.headers["Authorization"], tarball.headers["Authorization"]) == (f"Bearer {TOKEN}", None)


@pytest.mark.parametrize("properties, authorization", [
    ({"token": TOKEN}, f"Bearer {TOKEN}"),
    ({"username": "me", "password": "hunter2"}, "Basic " + base64.b64encode(b"me:hunter2").decode()),
])
def test_credentials_open_a_private_registry(registry, package, plugin, properties, authorization):
    registry.wants = authorization
    assert blob(plugin, spec(registry, package), direct(**properties)) == package.tarball


def test_refused_and_missing_credentials_are_said_without_them(registry, package, plugin):
    registry.wants = "Bearer other"
    what = f"@acme/greeting@1.2.3 in {registry.url}: the registry refuses "
    assert refused(plugin, spec(registry, package), direct(token=TOKEN)) == (401, what + "the credentials for " + whose(registry))
    assert refused(plugin, spec(registry, package)) == (401, what + "a request without credentials, and none are configured for " + whose(registry))
    plugin.stop()
    assert TOKEN not in "".join(plugin.stderr)


def test_registry_that_goes_away_and_comes_back(registry, package, plugin):
    port = registry.listener.server_address[1]
    with Relay(port) as relay:
        access = spec(f"http://127.0.0.1:{relay.port}", package)
        relay.cut_after(100_000)
        answer = ask(plugin, "/resource/get", access)
        assert answer.status == 502
        assert f"in {access['registry']}: GET {access['registry']}{package.path}: the connection broke off after" in answer.text
        assert not any(sizes(plugin.tmp).values())
        relay.mend(port)
        assert blob(plugin, access) == package.tarball


# ---- through the plugin manager ----

def test_manager_asks_for_the_identity_of_the_registry(manager, packages):
    access = {"type": "NPMPackage/v1", "registry": "https://example.org:8443/npm/", "package": "x", "version": "1.0.0"}
    resource = {"name": "it", "version": "1.0.0", "type": "npmPackage", "relation": "external", "access": access}
    assert manager.call("resourceRepository", "identity", resource=resource) == {
        "type": "NpmRegistry", "scheme": "https", "hostname": "example.org", "port": "8443", "path": "npm"}


def test_manager_gets_resources_and_cannot_add_any(manager, registry, package):
    resource = {"name": "it", "version": "1.0.0", "type": "npmPackage", "relation": "external", "access": spec(registry, package)}
    assert manager.call("resourceRepository", "GetGlobalResource", resource=resource)["blob"]["sha256"] == package.digest["value"]
    (manager.path / "new.tgz").write_bytes(b"new")
    assert "packages are only read here: publish them with npm" in manager.error(
        "resourceRepository", "AddGlobalResource", resource=resource, blob={"path": str(manager.path / "new.tgz")})


# ---- with the ocm CLI ----

def component(*specs):
    return {"name": "acme.org/it", "resources": [
        {"name": f"it{i or ''}", "type": "npmPackage", "relation": "external", "access": one} for i, one in enumerate(specs)]}


def test_cli_records_the_digest_and_downloads_the_tarball(cli, registry, packages):
    cli.add(component(*(spec(registry, one) for one in packages)))
    for one, stored in zip(packages, cli.descriptor("acme.org/it")["resources"]):
        assert (stored["access"], stored["digest"]) == (spec(registry, one), one.digest)
        assert cli.download("acme.org/it", stored["name"]).read_bytes() == one.tarball


def test_cli_takes_the_alias(cli, registry, package):
    cli.add(component(spec(registry, package, type="NPMPackage")))
    assert cli.download("acme.org/it", "it").read_bytes() == package.tarball


def test_cli_refuses_a_tampered_tarball(cli, registry, package):
    added = component(spec(registry, package))
    cli.add(added)
    registry.serve(package.path, package.tarball + b"!")
    assert "its digest is sha512:" in cli.fails("add", "cv", *cli.constructor(added), "--component-version-conflict-policy", "replace")
    assert "its digest is sha512:" in cli.download_fails("acme.org/it", "it")


def test_cli_refuses_a_version_that_was_published_anew(cli, registry, package):
    cli.add(component(spec(registry, package)))
    registry.publish(Package(package.name, package.version, "evil"))
    assert f"@acme/greeting@1.2.3 in {registry.url}: it is not what the component version has: " in cli.download_fails("acme.org/it", "it")


@pytest.mark.parametrize("other, text", [
    ({"version": "1.2.4"}, "@acme/greeting@1.2.4 in REGISTRY: the registry has the package, but not this version"),
    ({"tag": "latest"}, 'access: unknown member "tag": expected one of package, registry, type, version'),
])
def test_cli_says_what_is_wrong(cli, registry, package, other, text):
    assert text.replace("REGISTRY", registry.url) in cli.fails("add", "cv", *cli.constructor(component(spec(registry, package, **other))))


def test_cli_says_that_the_registry_went_away(cli, registry, package):
    with Relay(registry.listener.server_address[1]) as relay:
        cli.add(component(spec(f"http://127.0.0.1:{relay.port}", package)))
        relay.cut_after(100_000)
        assert f"GET http://127.0.0.1:{relay.port}{package.path}: the connection broke off after" in cli.download_fails("acme.org/it", "it")


def configure(cli, registry, token, **other):
    """As the README says it."""
    identity = {"type": "NpmRegistry", "scheme": "http", "hostname": "127.0.0.1", "port": registry.url.split(":")[-1], **other}
    cli.configure({"type": "credentials.config.ocm.software", "consumers": [
        {"identity": identity, "credentials": [{"type": "Credentials/v1", "properties": {"token": token}}]}]})


@pytest.mark.parametrize("other", [{}, {"path": "npm/private"}, {"path": "npm/*"}])
def test_cli_passes_the_token_of_the_configuration(cli, registry, package, other):
    """Without a path it is that of all registries of the server."""
    registry.handles("/npm/private/@acme%2fgreeting", registry.always["/@acme%2fgreeting"])
    registry.wants = f"Bearer {TOKEN}"
    configure(cli, registry, TOKEN, **other)
    cli.add(component(spec(f"{registry.url}/npm/private", package)))
    assert cli.download("acme.org/it", "it").read_bytes() == package.tarball


@pytest.mark.parametrize("other", [{"path": "npm"}, {"scheme": "https"}, {"type": "NPMRegistry"}])
def test_cli_passes_no_token_of_another_identity(cli, registry, package, other):
    registry.wants = f"Bearer {TOKEN}"
    configure(cli, registry, TOKEN, **other)
    text = f"@acme/greeting@1.2.3 in {registry.url}: the registry refuses a request without credentials, and none are configured for {whose(registry)}"
    assert text in cli.fails("add", "cv", *cli.constructor(component(spec(registry, package))))


def test_cli_does_not_show_a_token_that_is_refused(cli, registry, package):
    registry.wants = "Bearer other"
    configure(cli, registry, TOKEN)
    done = cli.run("add", "cv", *cli.constructor(component(spec(registry, package))))
    assert done.returncode == 1
    assert f"@acme/greeting@1.2.3 in {registry.url}: the registry refuses the credentials for {whose(registry)}" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
