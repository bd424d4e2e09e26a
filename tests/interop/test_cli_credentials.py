"""Credentials that the user configured reach the plugin, in each flow of the CLI, for the identity that the plugin gave, and no other."""
import json

import pytest
from cli import VERSION, Cli
from plugins import DIGEST, INPUT, REPOSITORY, RESOURCE, SIGNING

REPLACE = ("--component-version-conflict-policy", "replace")


def add(element, spec):
    def flow(cli):
        cli.add({"name": "acme.org/a", **({element: [{"name": "it", **spec}]})}, flags=REPLACE)
    return flow


def download(cli):
    add("resources", {"access": {"type": "File/v1", "path": "/dev/null"}})(cli)
    cli.download("acme.org/a", "it")


def follow(cli):
    (cli.path / f"acme.org.b-{VERSION}.json").write_text(json.dumps(
        {"meta": {"schemaVersion": "v2"}, "component": {"name": "acme.org/b", "version": VERSION, "provider": "acme"}}))
    add("componentReferences", {"version": VERSION, "componentName": "acme.org/b"})(cli)


def sign(cli):
    cli.add({"name": "acme.org/a"}, flags=REPLACE)
    cli.ok("sign", "cv", f"ctf//acme.org/a:{VERSION}")


def verify(cli):
    sign(cli)
    cli.write("verifier.yaml", {"type": "Plain/v1"})
    cli.ok("verify", "cv", f"ctf//acme.org/a:{VERSION}", "--verifier-spec", "verifier.yaml")


# flow: the plugin, its type, what the user does, the method that is called with the credentials
TEXT = {"input": {"type": "Text/v1", "text": "x", "mediaType": "text/plain"}}
FLOWS = {
    "input resource": (INPUT, "Text/v1", add("resources", TEXT), "ProcessResource"),
    "input source": (INPUT, "Text/v1", add("sources", TEXT), "ProcessSource"),
    "digest": (DIGEST, "File/v1", add("resources", {"access": {"type": "File/v1", "digest": "x"}}), "ProcessResourceDigest"),
    "resource": (RESOURCE, "File/v1", download, "GetGlobalResource"),
    "repository": (REPOSITORY, "Folder/v1", follow, "GetComponentVersion"),
    "sign": (SIGNING, "Plain/v1", sign, "Sign"),
    "verify": (SIGNING, "Plain/v1", verify, "Verify"),
}

IDENTITY = {"type": "Shop/v1", "hostname": "example.com"}
SECRET = {"type": "Credentials/v1", "properties": {"username": "jürgen", "password": 'p"ä\\ss'}}
LARGE = {"type": "Credentials/v1", "properties": {"token": "t" * 48 * 1024}}


def configure(cli, *consumers):
    """For all flows: a resolver, a signer, and credentials for these (identity, credentials)."""
    cli.configure(
        {"type": "resolvers.config.ocm.software/v1alpha1",
         "resolvers": [{"componentNamePattern": "acme.org/b", "repository": {"type": "Folder/v1", "path": str(cli.path)}}]},
        {"type": "signing.config.ocm.software/v1alpha1", "signer": {"type": "Plain/v1"}},
        {"type": "credentials.config.ocm.software",
         "consumers": [{"identity": identity, "credentials": [credentials]} for identity, credentials in consumers]})


def credentials_of(cli, flow, *consumers):
    """What the plugin's handler got as credentials; None for none."""
    _, _, run, method = FLOWS[flow]
    configure(cli, *consumers)
    before = len(cli.calls("plugin", method))
    run(cli)
    made = cli.calls("plugin", method)[before:]
    assert made
    seen = {json.dumps(call.get("credentials")) for call in made}
    assert len(seen) == 1
    return json.loads(seen.pop())


def with_identity(script):
    identity = 'function() return { identity = { type = "Shop/v1", hostname = "example.com" } } end'
    methods = ("GetSignerIdentity", "GetVerifierIdentity") if script == SIGNING else ("GetIdentity",)
    return script.replace("types = {", "".join(f"{method} = {identity}, " for method in methods) + "types = {", 1)


@pytest.mark.parametrize("flow", FLOWS)
def test_credentials_for_the_plugin_s_identity_reach_it(flow):
    with Cli() as cli:
        cli.plugin("plugin", with_identity(FLOWS[flow][0]))
        assert credentials_of(cli, flow) is None
        assert credentials_of(cli, flow, ({"type": "Shop/v1", "hostname": "elsewhere.com"}, SECRET)) is None
        for secret in SECRET, LARGE:
            got = credentials_of(cli, flow, (IDENTITY, secret))
            assert got == secret


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow not in ("sign", "verify")])
def test_without_an_identity_of_its_own_a_plugin_gets_those_for_its_type(flow):
    with Cli() as cli:
        script, spec_type, _, _ = FLOWS[flow]
        cli.plugin("plugin", script)
        assert credentials_of(cli, flow) is None
        got = credentials_of(cli, flow, ({"type": spec_type}, SECRET))
        assert got == SECRET


@pytest.mark.parametrize("flow", ["sign", "verify"])
def test_signing_without_an_identity_works_without_credentials(flow):
    with Cli() as cli:
        cli.plugin("plugin", SIGNING)
        assert credentials_of(cli, flow, ({"type": "Plain/v1"}, SECRET)) is None
