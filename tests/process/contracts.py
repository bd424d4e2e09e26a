"""The nine contracts as the protocol's section 4 has them, written down once more: what the tests compare lua/ocm/contract.lua with.

ENDPOINTS: one for each method, with a request and an answer that are right.
"""
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

LOCATION = {"type": "localFile", "value": "/tmp/blob"}
DIGEST = {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "genericBlobDigest/v1", "value": "00"}
RESOURCE = {"name": "r", "version": "1", "type": "blob", "relation": "local", "access": {"type": "localBlob/v1"}, "labels": [], "extraIdentity": {}}
SOURCE = {"name": "s", "version": "1", "type": "git", "access": {"type": "localBlob/v1"}}
SIGNATURE_INFO = {"algorithm": "RSA", "value": "00", "mediaType": "application/x"}
SIGNATURE = {"name": "sig", "digest": DIGEST, "signature": SIGNATURE_INFO}
DESCRIPTOR = {"meta": {"schemaVersion": "v2"}, "component": {
    "name": "acme.org/c", "version": "1.0.0", "provider": "acme", "repositoryContexts": [], "resources": [RESOURCE], "sources": [],
    "componentReferences": []}}
IDENTITY = {"type": "Id/v1", "hostname": "h"}


def spec(capability):
    """A spec of the type that a capability has in these tests."""
    return {"type": capability + "/v1", "settings": {}}


class Endpoint(NamedTuple):
    capability: str
    method: str
    http: str
    path: str
    request: dict  # the body, or the query
    answer: Any    # None: 200 without a body
    credentials: bool = True
    optional: tuple = ()    # fields of the request that may be left out
    default: bool = False   # answers without a handler
    loose: tuple = ()       # fields of which only the kind is checked

    @property
    def name(self):
        return f"{self.capability}.{self.method}"

    @property
    def spec(self):
        return spec(self.capability)

    def target(self, request=None):
        """The path, and for a GET the query."""
        query = {name: value for name, value in (request or self.request).items() if value is not None}
        return self.path + ("?" + urlencode(query) if self.http == "GET" else "")

    def send(self, plugin, request=None, headers=None):
        request = self.request if request is None else request
        return plugin.request(self.http, self.target(request), None if self.http == "GET" else request, headers)


def identity(capability):
    return Endpoint(capability, "GetIdentity", "POST", "/identity", {"type": spec(capability)}, {"identity": IDENTITY}, False, default=True)


CVR, LISTER, CREDENTIALS, PLUGIN = "componentVersionRepository", "componentLister", "credentialRepository", "credentialPlugin"
DIGESTS, INPUT, RESOURCES, TRANSFORMER, SIGNING = (
    "digestProcessorRepository", "inputRepository", "resourceRepository", "blobTransformer", "signingHandler")
NAMED = {"name": "acme.org/c", "version": "1.0.0"}
ACCESSED = {"resource": {**RESOURCE, "access": spec(RESOURCES)}}

ENDPOINTS = [
    Endpoint(CVR, "GetComponentVersion", "GET", "/component-version/download", NAMED, DESCRIPTOR),
    Endpoint(CVR, "ListComponentVersions", "GET", "/component-versions", {"name": "acme.org/c"}, ["1.0.0", "2.0.0"]),
    Endpoint(CVR, "GetLocalResource", "GET", "/local-resource/download", {**NAMED, "identity": "eyJuYW1lIjoiciJ9"},
             {"location": LOCATION, "resource": RESOURCE}, optional=("identity",)),
    Endpoint(CVR, "GetLocalSource", "GET", "/local-source/download", {**NAMED, "identity": "eyJuYW1lIjoiciJ9"},
             {"location": LOCATION, "source": SOURCE}, optional=("identity",)),
    Endpoint(CVR, "AddComponentVersion", "POST", "/component-version/upload", {"repository": spec(CVR), "descriptor": DESCRIPTOR}, None),
    Endpoint(CVR, "AddLocalResource", "POST", "/local-resource/upload",
             {"repository": spec(CVR), **NAMED, "resourceLocation": LOCATION, "resource": RESOURCE}, RESOURCE),
    Endpoint(CVR, "AddLocalSource", "POST", "/local-source/upload",
             {"repository": spec(CVR), **NAMED, "sourceLocation": LOCATION, "source": SOURCE}, SOURCE),
    Endpoint(CVR, "CheckHealth", "POST", "/component-version/check-health", {"repository": spec(CVR)}, None, default=True),
    identity(CVR),
    Endpoint(LISTER, "ListComponents", "POST", "/components/list", {"repository": spec(LISTER), "last": "a"},
             {"list": ["b", "c"], "header": {"last": "c"}}, optional=("last",)),
    identity(LISTER),
    Endpoint(CREDENTIALS, "ConsumerIdentityForConfig", "POST", "/consumer-identity", {"config": spec(CREDENTIALS)}, IDENTITY, False),
    Endpoint(CREDENTIALS, "Resolve", "POST", "/resolve", {"config": spec(CREDENTIALS), "identity": IDENTITY},
             {"type": "Direct/v1", "properties": {"username": "u"}}),
    Endpoint(PLUGIN, "GetConsumerIdentity", "POST", "/consumer-identity", {"credential": spec(PLUGIN)}, IDENTITY, False),
    Endpoint(PLUGIN, "Resolve", "POST", "/resolve", {"identity": IDENTITY}, {"type": "Direct/v1", "properties": {"username": "u"}}),
    Endpoint(DIGESTS, "ProcessResourceDigest", "POST", "/resource/digest/process", {"resource": {**RESOURCE, "access": spec(DIGESTS)}},
             {"resource": {**RESOURCE, "digest": DIGEST}}),
    identity(DIGESTS),
    Endpoint(INPUT, "ProcessResource", "POST", "/resource/process", {"resource": {"name": "r", "type": "blob", "input": spec(INPUT)}},
             {"resource": RESOURCE, "location": LOCATION}),
    Endpoint(INPUT, "ProcessSource", "POST", "/source/process", {"source": {"name": "s", "type": "git", "input": spec(INPUT)}},
             {"source": SOURCE, "location": {**LOCATION, "mediaType": "text/plain"}}),
    identity(INPUT),
    Endpoint(RESOURCES, "GetGlobalResource", "POST", "/resource/get", ACCESSED, {"location": LOCATION}),
    Endpoint(RESOURCES, "AddGlobalResource", "POST", "/resource/add", {"resourceLocation": LOCATION, **ACCESSED}, {"resource": RESOURCE}),
    identity(RESOURCES),
    Endpoint(TRANSFORMER, "TransformBlob", "POST", "/blob/transform", {"location": LOCATION, "specification": spec(TRANSFORMER)},
             {"location": LOCATION}),
    identity(TRANSFORMER),
    Endpoint(SIGNING, "GetSignerIdentity", "POST", "/sign/identity", {"digest": DIGEST, "config": spec(SIGNING), "name": "sig"},
             {"identity": IDENTITY}, False, optional=("name",)),
    Endpoint(SIGNING, "Sign", "POST", "/sign", {"digest": DIGEST, "config": spec(SIGNING)}, {"signature": SIGNATURE_INFO}),
    Endpoint(SIGNING, "GetVerifierIdentity", "POST", "/verify/identity", {"signature": SIGNATURE, "config": spec(SIGNING)},
             {"identity": IDENTITY}, False),
    Endpoint(SIGNING, "Verify", "POST", "/verify", {"signature": SIGNATURE, "config": spec(SIGNING)}, {}),
]
CAPABILITIES = list(dict.fromkeys(endpoint.capability for endpoint in ENDPOINTS))
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def lua(value):
    """A value as a Lua expression, through JSON."""
    return f"ocm.json.decode [==[{json.dumps(value)}]==]"


def script(handlers, before="", after=""):
    """A plugin of the capabilities in `handlers`: {capability: {method: Lua expression of a function}}."""
    declared = "".join(
        f'  {capability} = {{ types = {{ "{capability}/v1" }},\n' +
        "".join(f"    {method} = {function},\n" for method, function in methods.items()) + "  },\n"
        for capability, methods in handlers.items())
    return f"{before}\nreturn ocm.plugin {{\n{declared}{after}}}"


def answering(endpoint, expression):
    """A plugin of one capability, whose one method answers with a Lua expression."""
    return script({endpoint.capability: {endpoint.method: f"function(request, credentials) return {expression} end"}})
