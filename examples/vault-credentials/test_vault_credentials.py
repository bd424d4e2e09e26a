"""vault-credentials, through the plugin manager, with a Vault that speaks the API as HashiCorp's documentation has it."""
import json
import os
import shutil
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import unquote
from urllib.request import Request, urlopen

import pytest
from harness import Plugin, free_port, until
from http_server import Server
from relay import Relay

SCRIPT = Path(__file__).resolve().parent / "vault-credentials"
ROLE, SECRET_ID = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8", "84896a0c-1347-aa90-a4f6-aca8b7558780"
TOKEN = "hvs.CAESIJdUsersOwnToken"
PASSWORD = "correct-horse-battery-staple"
SECRETS = [ROLE, SECRET_ID, TOKEN, PASSWORD, "hvs.login"]
QUAY = {"type": "OCIRegistry", "hostname": "quay.io", "path": "acme/app"}
METADATA = {"created_time": "2026-03-22T02:24:06.945319214Z", "custom_metadata": None, "deletion_time": "", "destroyed": False, "version": 1}


class Vault:
    """AppRole at auth/approle, a key-value engine of version 2 at `mount`, tokens that can be revoked. State is changed by attributes."""

    def __init__(self, tls=None):
        self.lock, self.tokens, self.logins, self.lease, self.sealed, self.valid = threading.Lock(), {TOKEN}, 0, 3600, False, True
        self.secrets, self.metadata, self.warnings, self.mount = {"registries/quay.io": {"username": "robot", "password": PASSWORD}}, {}, None, "secret"
        self.server = Server(tls)
        self.server.always = self # for every path: see get

    def __enter__(self):
        self.server.__enter__()
        self.url = self.server.url
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def get(self, path):
        return lambda request: self.answer(request, unquote(path.removeprefix("/v1/")))

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def answer(self, request, path):
        assert request.seen.headers["X-Vault-Request"] == "true"
        with self.lock:
            if self.sealed:
                return self.error(request, 503, "Vault is sealed")
            if request.seen.method == "POST" and path == "auth/approle/login":
                return self.login(request, json.loads(request.seen.body))
            if not self.valid or request.seen.headers["X-Vault-Token"] not in self.tokens:
                return self.error(request, 403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
            mount, _, name = path.partition("/data/")
            if mount != self.mount or name not in {*self.secrets, *self.metadata}:
                return self.error(request, 404)
            metadata = self.metadata.get(name, METADATA)
            data = None if metadata["deletion_time"] or metadata["destroyed"] else self.secrets[name]
            return self.send(request, 200 if data else 404, data={"data": data, "metadata": metadata})

    def login(self, request, body):
        if body != {"role_id": ROLE, "secret_id": SECRET_ID}:
            return self.error(request, 400, f"invalid role or secret ID: {body['secret_id']}") # more talkative than the real one
        self.logins += 1
        token = f"hvs.login{self.logins}"
        self.tokens.add(token)
        return self.send(request, 200, auth={
            "client_token": token, "accessor": "fd6c9a00-d2dc-3b11-0be5-af7ae0e1d374", "policies": ["default", "ocm"], "token_policies": ["default", "ocm"],
            "metadata": {"role_name": "ocm"}, "lease_duration": self.lease, "renewable": True, "entity_id": "", "token_type": "service", "orphan": True})

    def send(self, request, status, data=None, auth=None):
        request.send(status, json.dumps({
            "request_id": "8ec1cb4f-2b5b-3d4a-a9ce-4c4e2e4d6ad8", "lease_id": "", "renewable": False, "lease_duration": 0, "data": data,
            "wrap_info": None, "warnings": self.warnings, "auth": auth}).encode(), {"Content-Type": "application/json"})

    @staticmethod
    def error(request, status, *messages):
        request.send(status, json.dumps({"errors": messages}).encode(), {"Content-Type": "application/json"})

    def spec(self, **more):
        return {"type": "HashiCorpVault/v1", "serverURL": self.url, "path": "registries/{hostname}", **more}

    @property
    def reads(self):
        return [seen for seen in self.server.seen if seen.method == "GET"]


def approle(**more):
    return {"type": "Credentials/v1", "properties": {"role_id": ROLE, "secret_id": SECRET_ID, **more}}


def token(value=TOKEN):
    return {"type": "Credentials/v1", "properties": {"token": value}}


@pytest.fixture
def vault():
    with Vault() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(manager):
    yield
    log = manager.whole_log()
    assert [secret for secret in SECRETS if secret in log] == []


def resolve(manager, vault, credentials=None, identity=None, **spec):
    return manager.call("credentialRepository", "Resolve", spec=vault.spec(**spec), identity=identity or QUAY, consumer="HashiCorpVault/v1",
                        credentials=credentials or approle())


def refusal(manager, vault, credentials=None, identity=None, **spec):
    """The plugin's part of the error: no secret is in any of it."""
    error = manager.error("credentialRepository", "Resolve", spec=vault.spec(**spec), identity=identity or QUAY, consumer="HashiCorpVault/v1",
                          credentials=credentials or approle())
    assert [secret for secret in SECRETS if secret in error] == []
    return error.partition("additional information: ")[2]


# ---- what it is for ----

def test_repository_says_whose_credentials_open_vault_and_resolves(manager, vault):
    spec = vault.spec(namespace="team")
    whose = manager.call("credentialRepository", "ConsumerIdentityForConfig", spec=spec)
    assert whose == {"type": "HashiCorpVault/v1", "scheme": "http", "hostname": "127.0.0.1", "port": str(vault.port), "namespace": "team"}
    assert resolve(manager, vault, namespace="team") == {"type": "Credentials/v1", "properties": {"username": "robot", "password": PASSWORD}}
    login, read = vault.server.seen
    assert [(seen.method, seen.path) for seen in (login, read)] == [("POST", "/v1/auth/approle/login"), ("GET", "/v1/secret/data/registries/quay.io")]
    assert [seen.headers["X-Vault-Namespace"] for seen in (login, read)] == ["team", "team"]
    assert [seen.headers["X-Vault-Token"] for seen in (login, read)] == [None, "hvs.login1"]


def test_plugin_resolves_for_whom_the_graph_asks(manager, vault):
    """As the graph does it: at first it names the credentials of the configuration, then it asks with the consumer's identity."""
    vault.secrets["registries/ghcr.io"] = {"token": "ghp"}
    for same in vault.spec(), vault.spec(): # two consumers with the same credentials
        assert manager.call("credentialPlugin", "GetConsumerIdentity", spec=same)["type"] == "HashiCorpVault/v1"
    for hostname in "quay.io", "ghcr.io":
        resolved = manager.call("credentialPlugin", "Resolve", spec=vault.spec(), identity={"type": "OCIRegistry", "hostname": hostname}, credentials=token())
        assert resolved == {"type": "Credentials/v1", "properties": vault.secrets[f"registries/{hostname}"]}


def test_plugin_that_cannot_know_the_spec_sends_no_token_anywhere(manager, vault):
    ask = {"spec": vault.spec(), "identity": QUAY, "credentials": token()}
    assert "credentials of type HashiCorpVault have been named, where one is expected" in manager.error("credentialPlugin", "Resolve", **ask)
    manager.call("credentialPlugin", "GetConsumerIdentity", spec=vault.spec())
    manager.call("credentialPlugin", "GetConsumerIdentity", spec=vault.spec(serverURL="http://localhost:1"))
    assert "2 different credentials of type HashiCorpVault" in manager.error("credentialPlugin", "Resolve", **ask)
    assert vault.server.seen == []


def test_mount_path_and_odd_names_are_asked_for_as_they_are(manager, vault):
    vault.mount, vault.secrets = "teams/a b", {"quay.io/acme/ü%2F?x#": {"k": "v"}}
    assert resolve(manager, vault, identity={**QUAY, "path": "acme/ü%2F?x#"}, mountPath="teams/a b", path="{hostname}/{path}")["properties"] == {"k": "v"}
    assert vault.reads[0].path == "/v1/teams/a%20b/data/quay.io/acme/%C3%BC%252F%3Fx%23"


# ---- logins ----

def test_login_is_kept_for_its_lease(manager, vault):
    for _ in range(3):
        resolve(manager, vault)
    assert (vault.logins, len(vault.reads)) == (1, 3)
    resolve(manager, vault, namespace="other") # is another one's
    assert vault.logins == 2


@pytest.mark.parametrize("lease, logins", [(29, 3), (0, 1)], ids=["ends soon", "has no end"])
def test_login_whose_lease_ends_soon_is_not_kept(manager, vault, lease, logins):
    vault.lease = lease
    for _ in range(3):
        resolve(manager, vault)
    assert vault.logins == logins


def test_token_that_was_revoked_is_replaced_by_one_more_login(manager, vault):
    resolve(manager, vault)
    vault.tokens.clear()
    resolve(manager, vault)
    assert (vault.logins, [seen.headers["X-Vault-Token"] for seen in vault.reads]) == (2, ["hvs.login1", "hvs.login1", "hvs.login2"])


def test_fresh_token_that_is_refused_is_no_reason_for_another_login(manager, vault):
    vault.valid = False
    assert "permission denied" in refusal(manager, vault)
    assert vault.logins == 1


# ---- what goes wrong ----

def test_wrong_credentials_are_told_and_not_shown(manager, vault):
    wrong = "11111111-wrong-secret-id"
    where = f"Vault {vault.url}: "
    assert refusal(manager, vault, approle(secret_id=wrong)) == \
        where + "login as AppRole: it does not accept the request (400: invalid role or secret ID: ***)"
    assert refusal(manager, vault, token("hvs.wrong-token")) == \
        where + "secret/data/registries/quay.io: permission denied: the token is not valid (any more), or none of its policies allows to read this " \
        "(403: 2 errors occurred: * permission denied * invalid token)"
    none = refusal(manager, vault, {"type": "Credentials/v1", "properties": {"role_id": ROLE}})
    assert none.startswith(where + 'no token, and no role_id with secret_id, in the credentials for {"hostname":"127.0.0.1",')
    log = manager.whole_log()
    assert wrong not in log and "hvs.wrong-token" not in log


@pytest.mark.parametrize("metadata, says", [
    (None, "it has nothing of that name (404)"),
    ({**METADATA, "version": 3, "deletion_time": "2026-03-22T02:36:43.986212308Z"}, "its version 3 was deleted at 2026-03-22T02:36:43.986212308Z (404)"),
    ({**METADATA, "destroyed": True}, "its version 1 was destroyed (404)"),
], ids=["missing", "deleted", "destroyed"])
def test_secret_that_is_not_there_is_said_to_be(manager, vault, metadata, says):
    vault.secrets = {}
    vault.metadata = {"registries/quay.io": metadata} if metadata else {}
    assert refusal(manager, vault) == f"Vault {vault.url}: secret/data/registries/quay.io: {says}"


@pytest.mark.parametrize("status, body, says", [
    (412, '{"errors":["required index state not present"]}', "this node has not caught up with the others yet: try again (412: required index state not present)"),
    (473, "", "it is a standby node (473)"),
    (418, "<html>a proxy's own", "it failed (418)"),
    (400, '{"errors":{"a":1}}', "it does not accept the request (400)"),
    (200, '{"data":{"username":"x"}}', "that is no secret of a key-value engine of version 2"),
    (200, "[", "that is no secret of a key-value engine of version 2"),
    (200, '{"data":{"data":{"port":5432}}}', 'the value of "port" is no string'),
])
def test_answer_of_any_kind_becomes_a_sentence(manager, vault, status, body, says):
    vault.server.plans("/v1/secret/data/registries/quay.io", lambda request: request.send(status, body.encode()))
    assert refusal(manager, vault, token()) == f"Vault {vault.url}: secret/data/registries/quay.io: {says}"


def test_sealed_vault_is_said_to_be(manager, vault):
    vault.sealed = True
    assert refusal(manager, vault) == f"Vault {vault.url}: login as AppRole: it is sealed, or down for maintenance (503: Vault is sealed)"
    vault.sealed = False
    assert resolve(manager, vault)["properties"]["username"] == "robot"


def test_redirect_is_not_followed_with_a_secret_id(manager, vault):
    with Server() as other:
        vault.server.plans("/v1/auth/approle/login", lambda request: request.send(307, b"", {"Location": other.url + "/v1/auth/approle/login"}))
        assert refusal(manager, vault) == f"Vault {vault.url}: login as AppRole: it redirects to another server: name that one as serverURL (307)"
        assert other.seen == []


def test_vault_that_ends_in_the_middle_is_told_and_asked_again_when_it_is_back(manager, vault):
    with Relay(vault.port) as relay:
        at = {"serverURL": f"http://127.0.0.1:{relay.port}"}
        resolve(manager, vault, **at)
        relay.cut_after(300) # in the middle of the secret's metadata
        told = refusal(manager, vault, **at)
        assert relay.cut
        assert told.startswith(f"Vault {at['serverURL']}: GET {at['serverURL']}/v1/secret/data/registries/quay.io: "), told
        relay.mend(vault.port)
        assert resolve(manager, vault, **at)["properties"] == {"username": "robot", "password": PASSWORD}
    assert vault.logins == 1
    assert refusal(manager, vault, **at) == f"Vault {at['serverURL']}: GET {at['serverURL']}/v1/secret/data/registries/quay.io: connection refused (tried several times)"


def test_warnings_are_logged(manager, vault):
    vault.warnings = ["Endpoint ignored these unrecognized parameters: [x]"]
    resolve(manager, vault)
    until(lambda: [line for line in manager.log if "level=WARN" in line and "unrecognized parameters" in line])


def test_certificate_of_a_private_authority_is_trusted_when_the_credentials_name_it(manager, folder):
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl command")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key", "-out", "pem", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "pem", folder / "key")
    with Vault(tls) as vault:
        assert resolve(manager, vault, approle(certificateAuthority=(folder / "pem").read_text()))["properties"]["password"] == PASSWORD
        told = refusal(manager, vault, approle(secret_id="11111111-other"))
        assert told.startswith(f"Vault {vault.url}: POST {vault.url}/v1/auth/approle/login: ") and "certificate" in told


# ---- a real Vault ----

class Real:
    """`vault server -dev`"""

    root = "token-of-root"

    def __init__(self, folder):
        if not shutil.which("vault"):
            pytest.skip("there is no vault command")
        self.port, self.folder = free_port(), folder
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(["vault", "server", "-dev", f"-dev-root-token-id={self.root}", f"-dev-listen-address=127.0.0.1:{self.port}", "-dev-no-store-token"],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.folder)})
        until(self.up)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def up(self):
        try:
            return self.ask("GET", "secret/config") is not None
        except OSError:
            return False

    def ask(self, method, path, **body):
        request = Request(f"{self.url}/v1/{path}", method=method, headers={"X-Vault-Token": self.root}, data=json.dumps(body).encode() if body else None)
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "{}")

    def spec(self, **more):
        return {"type": "HashiCorpVault/v1", "serverURL": self.url, "path": "registries/{hostname}", **more}


def test_real_vault_answers_as_the_one_above(manager, folder):
    with Real(folder) as vault:
        vault.ask("POST", "sys/auth/approle", type="approle")
        vault.ask("PUT", "sys/policies/acl/ocm", policy='path "secret/data/registries/*" { capabilities = ["read"] }')
        vault.ask("POST", "auth/approle/role/ocm", token_policies="ocm", token_ttl="1h")
        role = vault.ask("GET", "auth/approle/role/ocm/role-id")["data"]["role_id"]
        secret = vault.ask("POST", "auth/approle/role/ocm/secret-id", ttl="1h")["data"]["secret_id"]
        vault.ask("POST", "secret/data/registries/quay.io", data={"username": "robot", "password": PASSWORD})
        good, where = approle(role_id=role, secret_id=secret), f"Vault {vault.url}: secret/data/registries/"

        assert resolve(manager, vault, good)["properties"] == {"username": "robot", "password": PASSWORD}
        vault.ask("POST", "sys/leases/revoke-force/auth/approle/login", x="") # the login that is kept
        assert resolve(manager, vault, good)["properties"] == {"username": "robot", "password": PASSWORD}
        until(lambda: len([line for line in manager.log if "/auth/approle/login" in line]) == 2)
        assert resolve(manager, vault, token(vault.root))["properties"]["password"] == PASSWORD

        assert refusal(manager, vault, approle(role_id=role)) == f"Vault {vault.url}: login as AppRole: it does not accept the request (400: invalid role or secret ID)"
        assert refusal(manager, vault, token("hvs.wrong")).startswith(f"{where}quay.io: permission denied: the token is not valid (any more), or")
        assert refusal(manager, vault, good, path="elsewhere/{hostname}").startswith(f"Vault {vault.url}: secret/data/elsewhere/quay.io: permission denied: ")
        assert refusal(manager, vault, good, identity={**QUAY, "hostname": "ghcr.io"}) == f"{where}ghcr.io: it has nothing of that name (404)"
        vault.ask("DELETE", "secret/data/registries/quay.io")
        assert refusal(manager, vault, good).startswith(f"{where}quay.io: its version 1 was deleted at 20")
        vault.ask("PUT", "secret/destroy/registries/quay.io", versions=[1])
        assert refusal(manager, vault, good) == f"{where}quay.io: its version 1 was destroyed (404)"
        vault.ask("PUT", "sys/seal", x="")
        assert refusal(manager, vault, good) == f"{where}quay.io: it is sealed, or down for maintenance (503: Vault is sealed)"
    assert "connection refused" in refusal(manager, vault, good)
    log = manager.whole_log()
    assert [given for given in (secret, vault.root) if given in log] == []


# ---- identities and specs from elsewhere ----

@pytest.mark.parametrize("identity, path, says", [
    ({"hostname": "quay.io/../ghcr.io"}, "registries/{hostname}", r'the consumer\'s hostname is "quay.io/../ghcr.io", which is no plain name'),
    ({"hostname": ".."}, "registries/{hostname}", r'the consumer\'s hostname is "..", which is no plain name'),
    ({"path": "a/../../b"}, "registries/{path}", r'the consumer\'s path is "a/../../b", which is no plain name'),
    ({"path": "/a"}, "registries/{path}", r'the consumer\'s path is "/a", which is no plain name'),
    ({"hostname": "a\nb"}, "registries/{hostname}", r"which is no plain name"),
    ({"path": ""}, "registries/{path}", "the consumer's identity has no path: "),
    ({}, "registries/{port}", "the consumer's identity has no port: "),
    ({}, "../sys/{hostname}", "mountPath and path: expected names with single slashes between them"),
])
def test_identity_leads_to_no_other_secret(manager, vault, identity, path, says):
    assert says.replace("\\'", "'") in refusal(manager, vault, identity={**QUAY, **identity}, path=path)
    assert vault.server.seen == []


@pytest.mark.parametrize("url", ["vault.example.org", "ftp://vault.example.org", "https://me:hvs.login@vault.example.org", "https://vault.example.org#@evil.example.org",
                                 "https://vault.example.org/x", "https://vault.example.org:8200?"])
def test_url_is_a_server_and_nothing_else(manager, vault, url):
    assert refusal(manager, vault, serverURL=url) == "serverURL: expected https://HOST or https://HOST:PORT, with nothing before or behind"


def test_misspelt_field_is_found_by_the_schema(manager, vault):
    assert "additional properties 'mountpath' not allowed" in manager.error("credentialRepository", "ConsumerIdentityForConfig", spec=vault.spec(mountpath="kv"))


def test_many_at_once_over_the_socket(vault):
    with Plugin(SCRIPT) as plugin:
        plugin.json("POST", "/consumer-identity", {"config": vault.spec()})
        answers, header = [], {"Authorization": json.dumps(approle())}
        threads = [threading.Thread(target=lambda: answers.append(plugin.json("POST", "/resolve", {"config": vault.spec(), "identity": QUAY}, header)))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer["properties"]["password"] for answer in answers] == [PASSWORD] * 8
    assert [secret for secret in SECRETS if secret in "".join(plugin.stderr)] == []
