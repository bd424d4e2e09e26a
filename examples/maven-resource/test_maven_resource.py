"""maven-resource: a repository that Maven resolves from, and what becomes of its artifacts asked over the socket, through the plugin manager and
with the ocm CLI."""
import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from harness import DEADLINE, Plugin, sizes
from http_server import Server
from relay import Relay

SCRIPT = Path(__file__).resolve().parent / "maven-resource"
PASSWORD = "s3cr3t-passw0rd"
BUILD = "1.1-20260102.030405-2"


def jar(text, noise=400_000):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        archive.writestr("greeting.txt", text)
        archive.writestr("noise.bin", os.urandom(noise))
    return out.getvalue()


def pom(artifact, version, more=""):
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>org.acme.tools</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{more}</project>
""".encode()


def metadata(artifact, version, *builds):
    """As Maven writes it behind a deployment; builds: (extension, classifier, version), the newest last."""
    time, number = builds[-1][-1].rsplit("-", 2)[1:]
    entries = "".join(f"""
      <snapshotVersion>{f"<classifier>{classifier}</classifier>" if classifier else ""}
        <extension>{extension}</extension>
        <value>{build}</value>
        <updated>20260102030405</updated>
      </snapshotVersion>""" for extension, classifier, build in builds)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<metadata modelVersion="1.1.0">
  <groupId>org.acme.tools</groupId>
  <artifactId>{artifact}</artifactId>
  <version>{version}</version>
  <versioning>
    <snapshot>
      <timestamp>{time}</timestamp>
      <buildNumber>{number}</buildNumber>
    </snapshot>
    <lastUpdated>20260102030405</lastUpdated>
    <snapshotVersions>{entries}
    </snapshotVersions>
  </versioning>
</metadata>
""".encode()


class Repository(Server):
    """A repository, laid out as https://maven.apache.org/repositories/layout.html says; with `wants`, only for requests with that Authorization."""
    wants = None

    def put(self, folder, name, body, checksums=("md5", "sha1"), group="org/acme/tools", write=lambda digest, name: digest):
        """A file, with its checksums. Returns its path."""
        path = f"/maven2/{group}/{folder}/{name}"
        self.serve(path, body)
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            if algorithm in checksums:
                self.serve(f"{path}.{algorithm}", write(hashlib.new(algorithm, body).hexdigest(), name).encode())
            else:
                self.always.pop(f"{path}.{algorithm}", None)
        return path

    def serve(self, path, body):
        def answer(request):
            if self.wants and request.headers["Authorization"] != self.wants:
                request.send(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="Maven"'})
            else:
                request.send(200, body)
        self.handles(path, answer)

    @property
    def root(self):
        return self.url + "/maven2"


class Shelf:
    """What is in the repository of these tests."""

    def __init__(self):
        self.jar, self.sources, self.pom = jar("released"), jar("sources", 10), pom("greeting", "1.0")
        self.old, self.new, self.new_pom = jar("first build", 10), jar("second build", 10), pom("greeting", "1.1-SNAPSHOT")
        self.path = "/maven2/org/acme/tools/greeting/1.0/greeting-1.0.jar"

    def fill(self, repository):
        repository.put("greeting/1.0", "greeting-1.0.jar", self.jar, ("md5", "sha1", "sha256", "sha512"))
        repository.put("greeting/1.0", "greeting-1.0-sources.jar", self.sources)
        repository.put("greeting/1.0", "greeting-1.0.pom", self.pom)
        snapshots = "greeting/1.1-SNAPSHOT"
        repository.put(snapshots, "greeting-1.1-20260101.000000-1.jar", self.old)
        repository.put(snapshots, f"greeting-{BUILD}.jar", self.new)
        repository.put(snapshots, f"greeting-{BUILD}.pom", self.new_pom)
        # the sources are those of the build before
        repository.put(snapshots, "greeting-1.1-20260101.000000-1-sources.jar", self.sources)
        repository.put(snapshots, "maven-metadata.xml", metadata("greeting", "1.1-SNAPSHOT", ("jar", "sources", "1.1-20260101.000000-1"),
                                                                ("jar", "", BUILD), ("pom", "", BUILD)))


@pytest.fixture(scope="module")
def shelf():
    return Shelf()


@pytest.fixture
def repository(shelf):
    with Repository() as server:
        shelf.fill(server)
        yield server


@pytest.fixture
def plugin():
    with Plugin(SCRIPT) as running:
        yield running


def spec(repository, version="1.0", /, **other):
    return {"type": "MavenArtifact/v1", "repoUrl": getattr(repository, "root", repository), "groupId": "org.acme.tools", "artifactId": "greeting",
            "version": version, **other}


def whose(repository):
    """The identity that its credentials are looked up by, as messages have it."""
    identity = {"hostname": "127.0.0.1", "path": "maven2", "port": repository.url.rpartition(":")[2], "scheme": "http", "type": "MavenRepository"}
    return json.dumps(identity, separators=(",", ":"))


def digest_of(body):
    return {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "genericBlobDigest/v1", "value": hashlib.sha256(body).hexdigest()}


def ask(plugin, path, access, credentials=None, digest=None):
    resource = {"name": "it", "version": "1.0.0", "type": "mavenPackage", "relation": "external", "access": access}
    headers = {"Authorization": json.dumps(credentials)} if credentials else None
    return plugin.request("POST", path, {"resource": {**resource, **({"digest": digest} if digest else {})}}, headers)


def located(plugin, *arguments, **options):
    answer = ask(plugin, "/resource/get", *arguments, **options)
    assert answer.status == 200, answer.text
    return json.loads(answer.body)["location"]


def blob(plugin, *arguments, **options):
    return Path(located(plugin, *arguments, **options)["value"]).read_bytes()


def refused(plugin, *arguments, **options):
    """The status and text that both ways into the plugin refuse with."""
    both = [ask(plugin, path, *arguments, **options) for path in ("/resource/get", "/resource/digest/process")]
    answers = {(answer.status, answer.text) for answer in both}
    assert len(answers) == 1, answers
    return answers.pop()


def direct(**properties):
    return {"type": "DirectCredentials/v1", "properties": properties}


# ---- the repository of these tests is one ----

@pytest.mark.skipif(not shutil.which("mvn"), reason="no mvn, which resolves from the repository")
def test_maven_resolves_the_same_files(repository, shelf, plugin, folder):
    """Parents and extensions, since those need no plugins, which would have to come from elsewhere."""
    repository.put("parent/1.1-SNAPSHOT", f"parent-{BUILD}.pom", pom("parent", "1.1-SNAPSHOT", "<packaging>pom</packaging>"))
    repository.put("parent/1.1-SNAPSHOT", "maven-metadata.xml", metadata("parent", "1.1-SNAPSHOT", ("pom", "", BUILD)))
    repository.put("plexus-utils/1.1", "plexus-utils-1.1.jar", jar("none", 0), group="org/codehaus/plexus") # Maven adds it to extensions
    places = f"<id>central</id><url>{repository.root}</url><snapshots><enabled>true</enabled></snapshots>" # nothing is asked elsewhere
    extension = "<groupId>org.acme.tools</groupId><artifactId>greeting</artifactId><version>1.1-SNAPSHOT</version>"
    (folder / "pom.xml").write_text(f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
      <parent><groupId>org.acme.tools</groupId><artifactId>parent</artifactId><version>1.1-SNAPSHOT</version><relativePath/></parent>
      <artifactId>app</artifactId><packaging>pom</packaging>
      <repositories><repository>{places}</repository></repositories>
      <pluginRepositories><pluginRepository>{places}</pluginRepository></pluginRepositories>
      <build><extensions><extension>{extension}</extension></extensions></build></project>""")
    (folder / "settings.xml").write_text("<settings/>")
    done = subprocess.run(["mvn", "-B", "-C", "-s", "settings.xml", "-gs", "settings.xml", "-Dmaven.repo.local=m2", "validate"], cwd=folder,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * DEADLINE, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    assert done.returncode == 0, done.stdout
    kept = folder / "m2/org/acme/tools/greeting/1.1-SNAPSHOT"
    assert (kept / f"greeting-{BUILD}.jar").read_bytes() == blob(plugin, spec(repository, "1.1-SNAPSHOT")) == shelf.new
    assert (kept / f"greeting-{BUILD}.pom").read_bytes() == blob(plugin, spec(repository, "1.1-SNAPSHOT", extension="pom"))


# ---- over the socket ----

def test_release_is_the_file_of_its_coordinates(repository, shelf, plugin):
    for other, body, media_type in (
        ({}, shelf.jar, "application/java-archive"), ({"classifier": ""}, shelf.jar, "application/java-archive"),
        ({"classifier": "sources"}, shelf.sources, "application/java-archive"), ({"extension": "pom"}, shelf.pom, "application/xml"),
        ({"extension": "pom", "mediaType": "text/xml"}, shelf.pom, "text/xml"),
    ):
        location = located(plugin, spec(repository, **other))
        assert (Path(location["value"]).read_bytes(), location["mediaType"]) == (body, media_type)
    assert blob(plugin, spec(repository.root + "/")) == shelf.jar


@pytest.mark.parametrize("extension, media_type", [
    ("tar.gz", "application/x-tgz"), ("tgz", "application/x-tgz"), ("bin", "application/octet-stream")])
def test_archives_have_media_types_that_the_cli_leaves_alone(repository, plugin, extension, media_type):
    repository.put("greeting/1.0", f"greeting-1.0-bin.{extension}", b"archive")
    location = located(plugin, spec(repository, classifier="bin", extension=extension))
    assert (Path(location["value"]).read_bytes(), location["mediaType"]) == (b"archive", media_type)


@pytest.mark.parametrize("version, other, body", [
    ("1.1-SNAPSHOT", {}, "new"), ("1.1-SNAPSHOT", {"extension": "pom"}, "new_pom"), ("1.1-SNAPSHOT", {"classifier": "sources"}, "sources"),
    ("1.1-20260101.000000-1", {}, "old"), (BUILD, {}, "new"),
])
def test_snapshot_is_the_newest_build_of_the_artifact_and_a_build_is_itself(repository, shelf, plugin, version, other, body):
    assert blob(plugin, spec(repository, version, **other)) == getattr(shelf, body)


def put_metadata(repository, body):
    repository.put("greeting/1.1-SNAPSHOT", "maven-metadata.xml", body)


def test_snapshot_without_a_list_of_files_is_that_of_the_time_and_number(repository, shelf, plugin):
    """Maven 2 wrote no list."""
    whole = metadata("greeting", "1.1-SNAPSHOT", ("pom", "", BUILD)).decode()
    put_metadata(repository, re.sub("<snapshotVersions>.*</snapshotVersions>", "", whole, flags=re.DOTALL).encode())
    assert blob(plugin, spec(repository, "1.1-SNAPSHOT")) == shelf.new


def test_snapshot_without_builds_is_the_file_of_that_name(repository, plugin):
    repository.put("greeting/1.1-SNAPSHOT", "greeting-1.1-SNAPSHOT.jar", b"only one")
    put_metadata(repository, b"<metadata><versioning><snapshot><localCopy>true</localCopy></snapshot></versioning></metadata>")
    assert blob(plugin, spec(repository, "1.1-SNAPSHOT")) == b"only one"
    del repository.always["/maven2/org/acme/tools/greeting/1.1-SNAPSHOT/maven-metadata.xml"]
    assert blob(plugin, spec(repository, "1.1-SNAPSHOT")) == b"only one"


def test_comments_in_metadata_say_nothing(repository, shelf, plugin):
    old = metadata("greeting", "1.1-SNAPSHOT", ("jar", "", "1.1-20260101.000000-1")).partition(b"<snapshotVersions>")[2]
    new = metadata("greeting", "1.1-SNAPSHOT", ("jar", "", BUILD))
    put_metadata(repository, new.replace(b"</metadata>", b"<!-- <snapshotVersions>" + old + b" --></metadata>"))
    assert blob(plugin, spec(repository, "1.1-SNAPSHOT")) == shelf.new


def value(text):
    return f"<metadata><snapshotVersion><extension>jar</extension><value>{text}</value></snapshotVersion></metadata>".encode()


@pytest.mark.parametrize("body", [
    b"", b"<html>moved</html>", b"\0\xff\xfe", b"<metadata>" * 10_000, value(""), value("../../../../../etc/passwd"),
    value("1.1-20260101.000000-1/../../x"), value("1.0"), value("1.1-SNAPSHOT"), value("2.0-20260102.030405-2"),
    value("&v;"), value("<![CDATA[1.1-20260102.030405-2]]>"),
    b'<!DOCTYPE m [<!ENTITY v SYSTEM "file:///etc/passwd">]>' + value(BUILD),
    b"<metadata><!-- " + value(BUILD) + b" --></metadata>",
    b"<metadata><snapshot><timestamp>..</timestamp><buildNumber>/</buildNumber></snapshot></metadata>",
])
def test_metadata_that_names_no_build_is_refused(repository, plugin, body):
    put_metadata(repository, body)
    assert refused(plugin, spec(repository, "1.1-SNAPSHOT")) == (
        502, f"org.acme.tools:greeting:jar:1.1-SNAPSHOT in {repository.root}: its maven-metadata.xml does not name a build of it")
    assert all("passwd" not in seen.path and ".." not in seen.path for seen in repository.seen)


def test_digest_is_the_files(repository, shelf, plugin):
    answer = ask(plugin, "/resource/digest/process", spec(repository))
    assert json.loads(answer.body)["resource"]["digest"] == digest_of(shelf.jar)


def test_file_is_refused_when_the_resource_has_another_digest(repository, shelf, plugin):
    assert refused(plugin, spec(repository), digest=digest_of(b"other")) == (
        502, f"org.acme.tools:greeting:jar:1.0 in {repository.root}: it is not what the component version has: blob_digest: a temporary file: "
             f"its digest is sha256:{digest_of(shelf.jar)['value']} instead of the expected sha256:{digest_of(b'other')['value']}")


@pytest.mark.parametrize("checksums", [("sha512",), ("sha256", "md5"), ("sha1", "md5")])
@pytest.mark.parametrize("write", [lambda digest, name: digest, lambda digest, name: digest.upper() + "\n",
                                   lambda digest, name: f"{digest}  {name}\n"])
def test_checksum_is_checked_however_it_is_written(repository, shelf, plugin, checksums, write):
    repository.put("greeting/1.0", "greeting-1.0.jar", shelf.jar, checksums, write=write)
    assert blob(plugin, spec(repository)) == shelf.jar
    repository.serve(shelf.path, shelf.jar + b"!")
    status, text = refused(plugin, spec(repository))
    start = f"org.acme.tools:greeting:jar:1.0 in {repository.root}: {repository.url}{shelf.path}: its digest is {checksums[0]}:"
    assert (status, text[:len(start)]) == (502, start)


def test_strongest_checksum_counts(repository, shelf, plugin):
    repository.serve(shelf.path + ".sha256", b"0" * 64)
    assert blob(plugin, spec(repository)) == shelf.jar


def test_file_without_a_checksum_needs_a_digest(repository, shelf, plugin):
    repository.put("greeting/1.0", "greeting-1.0.jar", shelf.jar, ("md5",))
    assert refused(plugin, spec(repository)) == (
        502, f"org.acme.tools:greeting:jar:1.0 in {repository.root}: the repository has no .sha512, .sha256 or .sha1 of it, "
             "and the component version no digest")
    assert blob(plugin, spec(repository), digest=digest_of(shelf.jar)) == shelf.jar
    assert refused(plugin, spec(repository), digest=digest_of(b"other"))[0] == 502


def test_checksum_that_is_none_is_said(repository, shelf, plugin):
    repository.serve(shelf.path + ".sha512", b"<html>Login</html>")
    assert refused(plugin, spec(repository)) == (
        502, f"org.acme.tools:greeting:jar:1.0 in {repository.root}: what is in {repository.url}{shelf.path}.sha512 is not a checksum")


@pytest.mark.parametrize("other, status, text", [
    ({"version": "1.2"}, 404, "org.acme.tools:greeting:jar:1.2 in ROOT: the repository has no ROOT/org/acme/tools/greeting/1.2/greeting-1.2.jar"),
    ({"classifier": "tests"}, 404,
     "org.acme.tools:greeting:jar:tests:1.0 in ROOT: the repository has no ROOT/org/acme/tools/greeting/1.0/greeting-1.0-tests.jar"),
    ({"version": "LATEST"}, 400, "version LATEST: an exact one is needed, as that one changes"),
    ({"version": "[1.0,2.0)"}, 400, '"[1.0,2.0)" is no part of Maven coordinates'),
    ({"version": "1.0/../2.0"}, 400, '"1.0/../2.0" is no part of Maven coordinates'),
    ({"version": ".."}, 400, '".." is no part of Maven coordinates'),
    ({"groupId": "org..acme"}, 400, '"org..acme" is no part of Maven coordinates'),
    ({"artifactId": "greeting?x=%2f"}, 400, '"greeting?x=%2f" is no part of Maven coordinates'),
    ({"extension": "jar#"}, 400, '"jar#" is no part of Maven coordinates'),
    ({"repoUrl": "https://me:hunter2@example.org"}, 400,
     "repoUrl: it has to be an http or https URL, without a user, query and fragment: credentials belong into the configuration"),
])
def test_what_is_wrong_with_a_spec_is_said(repository, plugin, other, status, text):
    assert refused(plugin, {**spec(repository), **other}) == (status, text.replace("ROOT", repository.root))


def test_repository_out_of_order_is_said(repository, shelf, plugin):
    repository.handles(shelf.path + ".sha512", lambda request: request.send(418, b"teapot"))
    assert refused(plugin, spec(repository)) == (
        502, f"org.acme.tools:greeting:jar:1.0 in {repository.root}: the repository answers 418 for {repository.url}{shelf.path}.sha512")


def test_redirected_file_is_asked_for_without_credentials(repository, shelf, plugin):
    repository.serve("/elsewhere.jar", shelf.jar)
    repository.handles(shelf.path, lambda request: request.send(302, b"", {"Location": repository.elsewhere("/elsewhere.jar")}))
    assert blob(plugin, spec(repository), direct(username="me", password=PASSWORD)) == shelf.jar
    assert repository.requests(shelf.path)[0].headers["Authorization"].startswith("Basic ")
    assert [seen.headers["Authorization"] for seen in repository.requests("/elsewhere.jar")] == [None]


def basic(username, password):
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def test_credentials_open_a_private_repository(repository, shelf, plugin):
    repository.wants = basic("me", PASSWORD)
    assert blob(plugin, spec(repository, "1.1-SNAPSHOT"), direct(username="me", password=PASSWORD)) == shelf.new


def test_refused_and_missing_credentials_are_said_without_them(repository, plugin):
    repository.wants = basic("me", "other")
    for version in ("1.0", "1.1-SNAPSHOT"):
        what = f"org.acme.tools:greeting:jar:{version} in {repository.root}: the repository refuses "
        assert refused(plugin, spec(repository, version), direct(username="me", password=PASSWORD)) == (401, what + "the credentials for " + whose(repository))
        assert refused(plugin, spec(repository, version)) == (401, what + "a request without credentials, and none are configured for " + whose(repository))
    plugin.stop()
    assert PASSWORD not in "".join(plugin.stderr)


def test_repository_that_goes_away_and_comes_back(repository, shelf, plugin):
    port = repository.listener.server_address[1]
    with Relay(port) as relay:
        access = spec(f"http://127.0.0.1:{relay.port}/maven2")
        relay.cut_after(100_000)
        answer = ask(plugin, "/resource/get", access)
        assert answer.status == 502
        assert f"in {access['repoUrl']}: GET http://127.0.0.1:{relay.port}{shelf.path}: the connection broke off after" in answer.text
        assert not [path for path, size in sizes(plugin.tmp).items() if size > 0 and b"noise.bin" in path.read_bytes()]
        relay.mend(port)
        assert blob(plugin, access) == shelf.jar


# ---- through the plugin manager ----

def test_manager_asks_for_the_identity_of_the_repository(manager):
    access = spec("https://example.org/maven/releases/")
    resource = {"name": "it", "version": "1.0.0", "type": "mavenPackage", "relation": "external", "access": access}
    assert manager.call("resourceRepository", "identity", resource=resource) == {
        "type": "MavenRepository", "scheme": "https", "hostname": "example.org", "path": "maven/releases"}


def test_manager_gets_resources_and_cannot_add_any(manager, repository, shelf):
    resource = {"name": "it", "version": "1.0.0", "type": "mavenPackage", "relation": "external", "access": spec(repository)}
    got = manager.call("resourceRepository", "GetGlobalResource", resource=resource)["blob"]
    assert (got["sha256"], got["mediaType"]) == (digest_of(shelf.jar)["value"], "application/java-archive")
    (manager.path / "new.jar").write_bytes(b"new")
    assert "artifacts are only read here: deploy them with Maven" in manager.error(
        "resourceRepository", "AddGlobalResource", resource=resource, blob={"path": str(manager.path / "new.jar")})


# ---- with the ocm CLI ----

def component(*specs):
    return {"name": "acme.org/it", "resources": [
        {"name": f"it{i or ''}", "type": "mavenPackage", "relation": "external", "access": one} for i, one in enumerate(specs)]}


def test_cli_records_the_digest_and_downloads_the_file(cli, repository, shelf):
    repository.put("greeting/1.0", "greeting-1.0-bin.tar.gz", b"\x1f\x8b not really")
    repository.put("greeting/1.0", "greeting-1.0-bin.zip", shelf.sources)
    wanted = [(spec(repository), shelf.jar), (spec(repository, "1.1-SNAPSHOT", extension="pom"), shelf.new_pom),
              (spec(repository, type="MavenArtifact", classifier="bin", extension="tar.gz"), b"\x1f\x8b not really"),
              (spec(repository, classifier="bin", extension="zip"), shelf.sources)]
    cli.add(component(*(one for one, _ in wanted)))
    for (one, body), stored in zip(wanted, cli.descriptor("acme.org/it")["resources"], strict=True):
        assert (stored["access"], stored["digest"]) == (one, digest_of(body))
        assert cli.download("acme.org/it", stored["name"]).read_bytes() == body


def test_cli_refuses_a_tampered_file(cli, repository, shelf):
    added = component(spec(repository))
    cli.add(added)
    repository.serve(shelf.path, shelf.jar + b"!")
    assert "its digest is sha512:" in cli.fails("add", "cv", *cli.constructor(added), "--component-version-conflict-policy", "replace")
    assert "its digest is sha512:" in cli.download_fails("acme.org/it", "it")


def test_cli_refuses_a_snapshot_that_has_moved_on(cli, repository):
    cli.add(component(spec(repository, "1.1-SNAPSHOT")))
    put_metadata(repository, metadata("greeting", "1.1-SNAPSHOT", ("jar", "", "1.1-20260101.000000-1")))
    assert f"org.acme.tools:greeting:jar:1.1-SNAPSHOT in {repository.root}: it is not what the component version has: " in cli.download_fails("acme.org/it", "it")


@pytest.mark.parametrize("other, text", [
    ({"version": "1.2"}, "org.acme.tools:greeting:jar:1.2 in ROOT: the repository has no ROOT/org/acme/tools/greeting/1.2/greeting-1.2.jar"),
    ({"artifactID": "greeting"}, 'access: unknown member "artifactID", did you mean "artifactId"?'),
])
def test_cli_says_what_is_wrong(cli, repository, other, text):
    assert text.replace("ROOT", repository.root) in cli.fails("add", "cv", *cli.constructor(component({**spec(repository), **other})))


def test_cli_says_that_the_repository_went_away(cli, repository, shelf):
    with Relay(repository.listener.server_address[1]) as relay:
        cli.add(component(spec(f"http://127.0.0.1:{relay.port}/maven2")))
        relay.cut_after(100_000)
        assert f"GET http://127.0.0.1:{relay.port}{shelf.path}: the connection broke off after" in cli.download_fails("acme.org/it", "it")


def configure(cli, repository, password):
    """As the README says it."""
    identity = {"type": "MavenRepository", "scheme": "http", "hostname": "127.0.0.1", "port": repository.url.split(":")[-1], "path": "maven2"}
    cli.configure({"type": "credentials.config.ocm.software", "consumers": [
        {"identity": identity, "credentials": [{"type": "Credentials/v1", "properties": {"username": "me", "password": password}}]}]})


def test_cli_passes_the_credentials_of_the_configuration(cli, repository, shelf):
    repository.wants = basic("me", PASSWORD)
    configure(cli, repository, PASSWORD)
    cli.add(component(spec(repository)))
    assert cli.download("acme.org/it", "it").read_bytes() == shelf.jar


def test_cli_does_not_show_a_password_that_is_refused(cli, repository):
    repository.wants = basic("me", "other")
    configure(cli, repository, PASSWORD)
    done = cli.run("add", "cv", *cli.constructor(component(spec(repository))))
    assert done.returncode == 1
    assert f"org.acme.tools:greeting:jar:1.0 in {repository.root}: the repository refuses the credentials for {whose(repository)}" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert basic("me", PASSWORD).split()[1] not in done.stdout + done.stderr
