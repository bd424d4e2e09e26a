"""oci-repository's credentials: both logins of registries, and which credentials go where."""
import base64
import subprocess
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from docker_registry import COMPONENT, ROOT, Registry, Repository, compact, descriptor, needs_registry, resolve
from harness import until
from http_server import Server

PASSWORD = "correct horse"
HTPASSWD = "me:$2b$04$MStGTUdHh5h0OOATne.rseGyi4g7F4zsgEH01vN57O5URk8PXY11.\n"

pytestmark = needs_registry


def direct(username, password):
    return {"type": "DirectCredentials/v1", "properties": {"username": username, "password": password}}


def credentials(username, password, typed=None, **identity):
    given = {"type": typed, "username": username, "password": password} if typed else direct(username, password)
    return {"type": "credentials.config.ocm.software", "consumers": [{
        "identity": {"type": "OCIRegistry", "hostname": "127.0.0.1", **identity}, "credentials": [given]}]}


@pytest.fixture
def guarded(folder):
    (folder / "htpasswd").write_text(HTPASSWD)
    with Registry(folder, auth={"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}) as running:
        yield running


def test_basic_credentials_are_shown_when_they_are_asked_for(guarded, manager):
    right = Repository(manager, guarded.spec(), direct("me", PASSWORD))
    right.call("CheckHealth")
    resource = right.add_blob({"name": "text"}, b"hello" * 500_000)
    right.call("AddComponentVersion", descriptor=descriptor(resources=[resource]))
    assert right.blob({"name": "text"})["blob"]["size"] == 2_500_000
    assert right.call("ListComponentVersions", component=COMPONENT) == ["1.0.0"]


def test_wrong_credentials_and_none_are_told_apart_and_not_told(guarded, manager):
    wrong = Repository(manager, guarded.spec(), direct("me", "wrong battery"))
    error = wrong.error("GetComponentVersion", component=COMPONENT, version="1.0.0")
    url = f"{guarded.url}/v2/prefix/component-descriptors/{COMPONENT}/manifests/1.0.0"
    identity = f'{{"hostname":"127.0.0.1","path":"prefix","port":"{guarded.port}","scheme":"http","type":"OCIRegistry"}}'
    assert error.endswith(f"GET {url}: 401: authentication required; it refuses the credentials for {identity}")
    assert ": 401" in wrong.error("CheckHealth")
    none = Repository(manager, guarded.spec())
    none.call("CheckHealth") # it answers
    error = none.error("GetComponentVersion", component=COMPONENT, version="1.0.0")
    assert error.endswith(f"GET {url}: 401: authentication required; no credentials are configured for {identity}")
    until(lambda: [line for line in list(manager.log) if "url=" + url in line])
    log = manager.whole_log()
    for secret in ("wrong battery", base64.b64encode(b"me:wrong battery").decode()):
        assert secret not in log + error


def docker_login(cli, port):
    """What `docker login` leaves behind, and the configuration that has ocm look there."""
    login = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    cli.write("docker.json", {"auths": {f"127.0.0.1:{port}": {"auth": login}}})
    return {"type": "credentials.config.ocm.software", "repositories": [{"repository": {"type": "DockerConfig/v1", "dockerConfigFile": str(cli.path / "docker.json")}}]}


@pytest.mark.parametrize("configuration", [
    lambda cli, port: credentials("me", PASSWORD, port=port),
    lambda cli, port: credentials("me", PASSWORD, port=port, path="prefix", scheme="http"),
    lambda cli, port: credentials("me", PASSWORD, "OCICredentials/v1", port=port),
    docker_login,
], ids=["host", "path", "typed", "docker"])
def test_credentials_that_users_have_for_ocm_are_found(guarded, cli, configuration):
    resolve(cli, guarded, configuration(cli, str(guarded.port)))
    _, _, *constructor = cli.constructor({"name": COMPONENT, "resources": [{"name": "text", "input": {"type": "utf8/v1", "text": "hello"}}]})
    cli.ok("add", "cv", "--repository", f"{guarded.url}/prefix", *constructor)
    cli.add(ROOT, flags=["--external-component-version-copy-policy", "copy-or-fail"])
    assert cli.download(COMPONENT, "text").read_bytes() == b"hello"


def test_credentials_of_one_registry_get_to_no_other(manager, guarded):
    with Server() as other:
        other.handles("/v2/x", lambda request: request.send(401, headers={"WWW-Authenticate": 'Basic realm="all of them"'}))
        Repository(manager, {"type": "OCIScriptRepository", "baseUrl": other.url})
        repository = Repository(manager, guarded.spec(), direct("me", PASSWORD))
        error = repository.error("GetComponentVersion", component=COMPONENT, version="1.0.0")
        assert "name one registry in a command, when it takes credentials" in error
        assert other.seen == []


class TokenServer(Server):
    """Gives out the tokens of a registry with `auth: token`: to `me` for all, to nobody for pulling."""

    def __init__(self, folder):
        super().__init__()
        self.key, self.certificate, self.asked = folder / "key.pem", folder / "certificate.pem", []
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens", "-days", "2",
                        "-keyout", str(self.key), "-out", str(self.certificate)], check=True, capture_output=True)
        self.auth = {"token": {"realm": self.handles("/token", self.give), "service": "registry", "issuer": "tokens", "rootcertbundle": str(self.certificate)}}

    def give(self, request):
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.seen.path).query).items()}
        login = request.seen.headers.get("Authorization")
        if login not in (None, "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()):
            return request.send(401, b'{"details": "incorrect username or password"}')
        access = []
        if "scope" in query:
            kind, name, actions = query["scope"].split(":")
            access = [{"type": kind, "name": name, "actions": [each for each in actions.split(",") if login or each == "pull"]}]
            self.asked.append((name, *sorted(actions.split(",")), "login" if login else "anonymous"))
        now = int(time.time())
        claims = {"iss": "tokens", "sub": "me", "aud": query["service"], "iat": now, "nbf": now - 10, "exp": now + 300, "jti": "1", "access": access}
        return request.send(200, compact({"token": self.sign(claims)}), {"Content-Type": "application/json"})

    def sign(self, claims):
        chain = "".join(self.certificate.read_text().splitlines()[1:-1])
        head = b".".join(base64.urlsafe_b64encode(compact(part)).rstrip(b"=") for part in ({"typ": "JWT", "alg": "RS256", "x5c": [chain]}, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.key)], input=head, capture_output=True, check=True).stdout
        return (head + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_token_is_fetched_for_what_the_registry_asks(folder, manager):
    with TokenServer(folder) as tokens, Registry(folder, auth=tokens.auth) as registry:
        right = Repository(manager, registry.spec(), direct("me", PASSWORD))
        resource = right.add_blob({"name": "text"}, b"hello" * 500_000)
        right.call("AddComponentVersion", descriptor=descriptor(resources=[resource]))
        name = f"prefix/component-descriptors/{COMPONENT}"
        assert set(tokens.asked) == {(name, "pull", "login"), (name, "pull", "push", "login")}
        anyone = Repository(manager, registry.spec())
        assert anyone.blob({"name": "text"})["blob"]["size"] == 2_500_000 # anonymous, for pulling
        assert (name, "pull", "anonymous") in tokens.asked
        wrong = Repository(manager, registry.spec(), direct("me", "wrong battery"))
        error = wrong.error("GetComponentVersion", component=COMPONENT, version="1.0.0")
        assert f"GET {tokens.url}/token: 401: incorrect username or password; it refuses the credentials for" in error
        assert "wrong battery" not in error
        path = manager.path / "blob"
        path.write_bytes(b"other")
        error = anyone.error("AddLocalResource", component=COMPONENT, version="1.0.0", resource=resource, blob={"path": str(path)})
        assert "blobs/uploads/: 401: authentication required; no credentials are configured for " in error
