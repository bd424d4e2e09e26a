"""docker-registry as a test's service, the plugin as its client, and what tests put into both."""
import hashlib
import json
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest
from harness import free_port, until

COMPONENT = "acme.org/demo/app"
ROOT = {"name": "acme.org/root", "componentReferences": [{"name": "app", "componentName": COMPONENT, "version": "1.0.0"}]}
MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"

needs_registry = pytest.mark.skipif(not shutil.which("docker-registry"), reason="no docker-registry in PATH")


class Registry:
    """docker-registry on a free port, with its files in folder/storage; it can be killed and started again."""

    def __init__(self, folder, auth=None):
        self.storage, self.file, self.log = folder / "storage", folder / "registry.json", folder / "registry.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = {"version": 0.1, "log": {"level": "warn"}, "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
                  "http": {"addr": f"127.0.0.1:{self.port}"}, **({"auth": auth} if auth else {})}
        self.file.write_text(json.dumps(config)) # JSON is YAML
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(self.file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as peer:
            return peer.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def spec(self, port=None, sub="prefix"):
        return {"type": "OCIScriptRepository/v1", "baseUrl": f"http://127.0.0.1:{port or self.port}", "subPath": sub}

    def get(self, path, accept=f"{MANIFEST}, {INDEX}"):
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/v2/{path}", headers={"Accept": accept})) as answer:
            return answer.read()

    def manifest(self, tag, component=COMPONENT, sub="prefix"):
        return json.loads(self.get(f"{sub}/component-descriptors/{component}/manifests/{tag}"))

    def blob_file(self, digest):
        hexadecimal = digest.split(":")[1]
        return self.storage / f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"

    def tags(self):
        """Whatever is visible of component versions."""
        return sorted(path.parent.name for path in self.storage.rglob("_manifests/tags/*/current"))


class Repository:
    """The plugin's componentVersionRepository, through the plugin manager."""

    def __init__(self, manager, spec, credentials=None):
        self.manager, self.spec, self.credentials = manager, spec, credentials
        self.call("identity")

    def call(self, method, **arguments):
        return self.manager.call("componentVersionRepository", method, spec=self.spec, credentials=self.credentials, **arguments)

    def error(self, method, **arguments):
        return self.manager.error("componentVersionRepository", method, spec=self.spec, credentials=self.credentials, **arguments)

    def add_blob(self, element, content, kind="resource", version="1.0.0", media_type="text/plain", component=COMPONENT):
        path = self.manager.path / "handed-over"
        path.write_bytes(content)
        element = {"version": "1.0.0", "type": "blob", **({"relation": "local"} if kind == "resource" else {}), **element,
                   "access": {"type": "LocalBlob/v1", "mediaType": media_type}}
        return self.call(f"AddLocal{kind.title()}", component=component, version=version, blob={"path": str(path)}, **{kind: element})

    def blob(self, identity, kind="resource", version="1.0.0", component=COMPONENT):
        return self.call(f"GetLocal{kind.title()}", component=component, version=version, identity=identity)


def descriptor(version="1.0.0", name=COMPONENT, **component):
    return {"meta": {"schemaVersion": "v2"}, "component": {"name": name, "version": version, "provider": "acme.org", "repositoryContexts": None,
            "resources": [], "sources": [], "componentReferences": [], **component}}


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def resolve(cli, registry, *configurations, sub="prefix"):
    cli.configure({"type": "resolvers.config.ocm.software/v1alpha1", "resolvers": [
        {"componentNamePattern": "acme.org/demo/*", "repository": registry.spec(sub=sub)}]}, *configurations)
