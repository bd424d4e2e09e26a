"""x509-signing: openssl makes the keys and certificates, and verifies what the plugin signs, and signs what the plugin verifies; OCM's own
RSA handler does the same; with the ocm CLI, component versions are signed and verified."""
import base64
import hashlib
import json
import re
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest
from harness import Plugin, until
from pki import CA, KINDS, PKI, SIGNER

SCRIPT = Path(__file__).resolve().parent / "x509-signing"
TYPE = "X509Signing/v1"
ALGORITHMS = {"ed25519": "Ed25519", "P-256": "ECDSA", "P-384": "ECDSA", "rsa": "RSASSA-PSS"}
SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """A root, a CA below it that issues, and those who sign: one for each kind of key, and those that nobody should believe."""
    pki = PKI(tmp_path_factory.mktemp("pki"))
    for root in ("root", "other-root"):
        pki.issue(root, kind="P-384", extensions=CA)
    pki.issue("issuing", "root", extensions=CA)
    for kind in KINDS:
        pki.issue(kind, "issuing", kind=kind)
    pki.issue("named", "issuing", extensions=(*SIGNER, "subjectAltName=email:release@acme.org,DNS:ci.acme.org,URI:https://acme.org/ci"))
    pki.issue("expired", "issuing", days=-1)
    pki.issue("foreign", "other-root")
    pki.issue("encipherer", "issuing", extensions=(SIGNER[0], "keyUsage=critical,keyEncipherment"))
    pki.issue("server", "issuing", extensions=(*SIGNER[:2], "extendedKeyUsage=serverAuth"))
    pki.issue("no-ca", "root", extensions=("basicConstraints=critical,CA:FALSE",))
    pki.issue("below-no-ca", "no-ca")
    pki.openssl("pkcs8", "-topk8", "-in", "P-256.key", "-passout", f"pass:{SECRET}", "-out", "encrypted.key")
    return pki


@pytest.fixture
def plugin():
    with Plugin(SCRIPT) as running:
        yield running


# ---- over the socket ----

def digest(algorithm="SHA-256", content=b"the normalised descriptor"):
    return {"hashAlgorithm": algorithm, "normalisationAlgorithm": "jsonNormalisation/v4alpha1",
            "value": hashlib.new(algorithm.replace("-", ""), content).hexdigest()}


def ask(plugin, path, body, properties):
    return plugin.request("POST", path, body, {"Authorization": json.dumps({"type": "Credentials/v1", "properties": properties})})


def sign(plugin, properties, digested=None, **spec):
    return ask(plugin, "/sign", {"digest": digested or digest(), "config": {"type": TYPE, **spec}}, properties)


def verify(plugin, properties, info, digested=None, **spec):
    signature = {"name": "default", "digest": digested or digest(), "signature": info}
    return ask(plugin, "/verify", {"signature": signature, "config": {"type": TYPE, **spec}}, properties)


def signer(pki, name, *chain):
    return {"privateKeyPEM": pki.text(f"{name}.key"), "publicKeyPEM": pki.text(f"{name}.pem", *(chain or ("issuing.pem",)))}


def made_by_openssl(pki, name, *chain, digested=None, **changes):
    """A signature of the digest, in the form that OCM's RSA handler has for it."""
    digested = digested or digest()
    algorithm = ALGORITHMS[pki.kinds[name]]
    bytes_ = pki.sign(name, bytes.fromhex(digested["value"]), digested["hashAlgorithm"])
    lines = "\n".join(textwrap.wrap(base64.b64encode(bytes_).decode(), 64))
    block = f"-----BEGIN SIGNATURE-----\nSignature Algorithm: {algorithm}\n\n{lines}\n-----END SIGNATURE-----\n"
    certificates = pki.text(f"{name}.pem", *(chain or ("issuing.pem",)))
    return {"algorithm": algorithm, "mediaType": "application/x-pem-file", "value": block + certificates, **changes}


def signature_bytes(info):
    block = info["value"].split("-----END SIGNATURE-----")[0].split("\n\n")[1]
    return base64.b64decode(block)


@pytest.mark.parametrize("algorithm", ["SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_verifies_what_the_plugin_signs_and_the_other_way_round(plugin, pki, kind, algorithm):
    digested = digest(algorithm)
    answer = sign(plugin, signer(pki, kind), digested)
    assert answer.status == 200, answer.text
    info = json.loads(answer.body)["signature"]
    assert (info["algorithm"], info["mediaType"], info["issuer"]) == (ALGORITHMS[kind], "application/x-pem-file", "CN=issuing,O=Acme")
    pki.verify(kind, signature_bytes(info), bytes.fromhex(digested["value"]), algorithm)
    assert info["value"].endswith(pki.text(f"{kind}.pem", "issuing.pem"))
    for signature in info, made_by_openssl(pki, kind, digested=digested):
        answer = verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, signature, digested)
        assert (answer.status, answer.body) == (200, b"{}"), answer.text


def test_spec_chooses_among_the_algorithms_of_a_key(plugin, pki):
    answer = sign(plugin, signer(pki, "rsa"), signatureAlgorithm="RSASSA-PKCS1-V1_5")
    info = json.loads(answer.body)["signature"]
    pki.verify("rsa", signature_bytes(info), bytes.fromhex(digest()["value"]), "SHA-256", padding="pkcs1")
    assert verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, info).status == 200
    refused = (verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, info, signatureAlgorithm="RSASSA-PSS"),
               sign(plugin, signer(pki, "rsa"), signatureAlgorithm="ECDSA"))
    assert [answer.text for answer in refused] == [
        "signed with RSASSA-PKCS1-V1_5, but RSASSA-PSS is wanted", 'signatureAlgorithm "ECDSA": a key of type rsa signs with RSASSA-PSS or RSASSA-PKCS1-V1_5']


def test_a_root_stays_with_its_verifiers(plugin, pki):
    info = json.loads(sign(plugin, signer(pki, "P-256", "issuing.pem", "root.pem")).body)["signature"]
    assert info["value"].endswith(pki.text("P-256.pem", "issuing.pem"))


CHAINS = { # who signed, the other certificates, and why the chain is refused, in signing and in verifying
    "expired": ("expired", ("issuing.pem",), "certificate CN=expired,O=Acme: certificate has expired"),
    "not for signatures": ("encipherer", ("issuing.pem",), "certificate CN=encipherer,O=Acme: it is not for signatures (key usage)"),
    "for something else": ("server", ("issuing.pem",), "certificate CN=server,O=Acme: it is not for this purpose (extended key usage)"),
    "issued by no CA": ("below-no-ca", ("no-ca.pem",), "certificate CN=no-ca,O=Acme: invalid CA certificate"),
    "others' certificates": ("P-256", ("no-ca.pem",), "certificate CN=P-256,O=Acme: its issuer CN=issuing,O=Acme is none of the trusted certificates, nor in the chain"),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_chain_that_cannot_be_trusted_is_refused_by_name(plugin, pki, chain):
    name, others, reason = CHAINS[chain]
    refused = sign(plugin, signer(pki, name, *others)), verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, made_by_openssl(pki, name, *others))
    assert [(answer.status, answer.text) for answer in refused] == [(422, reason)] * 2


FOREIGN = {
    "another root": ("foreign", (), "certificate CN=foreign,O=Acme: its issuer CN=other-root,O=Acme is none of the trusted certificates, nor in the chain"),
    "its own root in the signature": ("foreign", ("other-root.pem",), "certificate CN=other-root,O=Acme: self-signed certificate in certificate chain"),
    "no intermediate": ("P-256", ("P-256.pem",), "certificate CN=P-256,O=Acme: its issuer CN=issuing,O=Acme is none of the trusted certificates, nor in the chain"),
    "another certificate first": ("issuing", ("P-256.pem",),
                                  "certificate CN=issuing,O=Acme: it stands first, but is no leaf: it issued another certificate of the chain"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_chain_that_leads_to_no_trusted_root_is_refused_by_name(plugin, pki, case):
    name, others, reason = FOREIGN[case]
    answer = verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, made_by_openssl(pki, name, *(others or ("foreign.pem",))))
    assert (answer.status, answer.text) == (422, reason)


def test_what_is_trusted_is_a_root_or_any_other_certificate_or_a_key(plugin, pki):
    pki.openssl("pkey", "-in", "P-256.key", "-pubout", "-out", "P-256.pub")
    info = made_by_openssl(pki, "P-256")
    for trusted in ("root.pem", "issuing.pem", "P-256.pem", "P-256.pub"):
        assert verify(plugin, {"publicKeyPEM": pki.text(trusted)}, info).status == 200, trusted
    answer = verify(plugin, {"publicKeyPEM": pki.text("P-256.pub")}, made_by_openssl(pki, "named"))
    assert (answer.status, answer.text) == (422, "certificate CN=named,O=Acme: it is not for the public key that is trusted")


@pytest.mark.parametrize("spec, reason", [
    ({"subject": "CN=named,O=Acme"}, None), ({"subject": "named"}, None), ({"subjectAltName": "release@acme.org"}, None),
    ({"subjectAltName": "ci.acme.org"}, None), ({"subjectAltName": "https://acme.org/ci", "signatureAlgorithm": "ECDSA"}, None),
    ({"subject": "named,O=Acme"}, "certificate CN=named,O=Acme: its subject is not named,O=Acme"),
    ({"subject": "CN=named"}, "certificate CN=named,O=Acme: its subject is not CN=named"),
    ({"subjectAltName": "named"}, 'certificate CN=named,O=Acme: none of its alternative names is "named"'),
    ({"signatureAlgorithm": "Ed25519"}, 'signatureAlgorithm "Ed25519": a key of type ec signs with ECDSA'),
])
def test_spec_says_who_has_to_have_signed(plugin, pki, spec, reason):
    pki.openssl("pkey", "-in", "named.key", "-pubout", "-out", "named.pub")
    for trusted in "root.pem", "named.pub":
        answer = verify(plugin, {"publicKeyPEM": pki.text(trusted)}, made_by_openssl(pki, "named"), **spec)
        assert (answer.status, answer.text) == ((422, reason) if reason else (200, "{}"))


def test_signature_that_is_not_of_this_digest_by_this_certificate_is_refused(plugin, pki):
    root = {"publicKeyPEM": pki.text("root.pem")}
    for kind in KINDS:
        answer = verify(plugin, root, made_by_openssl(pki, kind, digested=digest(content=b"of another component")))
        assert (answer.status, answer.text) == (422, f"certificate CN={kind},O=Acme: the signature does not fit")
    swapped = made_by_openssl(pki, "P-256")["value"].replace(pki.text("P-256.pem"), pki.text("named.pem"))
    assert verify(plugin, root, made_by_openssl(pki, "P-256", value=swapped)).text == "certificate CN=named,O=Acme: the signature does not fit"


MALFORMED = [
    ({"value": ""}, "the signature's value: it does not begin with a SIGNATURE block"),
    ({"value": "-----BEGIN SIGNATURE-----\nAAAA\n"}, "the signature's value: PEM line 1: this block has no end"),
    ({"value": "-----BEGIN SIGNATURE-----\nSignature Algorithm: ECDSA\n\nAAAA\n-----END SIGNATURE-----\n"},
     "the signature's value: there is no certificate (a PEM block of type CERTIFICATE)"),
    ({"algorithm": "Ed25519"}, "the signature's algorithm is \"Ed25519\", but its value says \"ECDSA\""),
    ({"mediaType": "application/vnd.ocm.signature.rsa.pss"},
     'a signature of media type "application/vnd.ocm.signature.rsa.pss": only application/x-pem-file is read here'),
    ({"mediaType": "\x1b[2J"}, 'a signature of media type "\\27[2J": only application/x-pem-file is read here'),
    ({"issuer": "CN=somebody else"}, 'certificate CN=P-256,O=Acme: its issuer is not "CN=somebody else"'),
]


@pytest.mark.parametrize("changes, reason", MALFORMED)
def test_malformed_signature_is_refused(plugin, pki, changes, reason):
    answer = verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, made_by_openssl(pki, "P-256", **changes))
    assert (answer.status, answer.text) == (422, reason)


@pytest.mark.parametrize("value", ["zz", "00", ""])
def test_digest_that_is_none_is_not_signed_and_not_verified(plugin, pki, value):
    malformed = {**digest("SHA-256"), "value": value}
    answers = (sign(plugin, signer(pki, "P-256"), malformed),
               verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, made_by_openssl(pki, "P-256"), malformed))
    assert [(answer.status, answer.text) for answer in answers] == [(422, f"digest: \"{value}\" is no SHA-256 in hexadecimal digits")] * 2


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-1"])
def test_digest_that_others_could_have_is_not_signed_and_not_verified(plugin, pki, algorithm):
    answers = (sign(plugin, signer(pki, "P-256"), digest(algorithm)),
               verify(plugin, {"publicKeyPEM": pki.text("root.pem")}, made_by_openssl(pki, "P-256"), digest(algorithm)))
    assert [(answer.status, answer.text) for answer in answers] == [(422, f"digest: \"{algorithm}\" is none of SHA-256, SHA-384 and SHA-512")] * 2


# ---- credentials ----

def test_credentials_may_be_files_the_older_names_or_encrypted(plugin, pki):
    chain = {"publicKeyPEMFile": str(pki.write("chain.pem", pki.text("P-256.pem", "issuing.pem")))}
    for properties in ({"privateKeyPEMFile": str(pki.path("P-256.key")), **chain},
                       {"private_key_pem": pki.text("P-256.key"), "public_key_pem_file": chain["publicKeyPEMFile"]},
                       {"privateKeyPEMFile": str(pki.path("encrypted.key")), "privateKeyPassphrase": SECRET, **chain}):
        assert sign(plugin, properties).status == 200


WRONG = { # changes to good credentials, and what is said
    "nothing": ({"privateKeyPEM": None},
                "no privateKeyPEM or privateKeyPEMFile in the credentials for { type: X509Signing/v1, signature: … }: it takes a private key to sign"),
    "no certificate": ({"publicKeyPEM": None}, "no publicKeyPEM or publicKeyPEMFile in the credentials for { type: X509Signing/v1, signature: … }: "
                                               "it takes the certificates of the key to sign"),
    "another's key": ({"privateKeyPEM": "named.key"}, "certificate CN=P-256,O=Acme: it is not for the private key"),
    "another type of key": ({"privateKeyPEM": "rsa.key"}, "certificate CN=P-256,O=Acme: it is not for the private key"),
    "a certificate for a key": ({"privateKeyPEM": "P-256.pem"}, "privateKeyPEM: there is no private key in it"),
    "a key for a certificate": ({"publicKeyPEM": "P-256.key"}, "publicKeyPEM: there is no certificate (a PEM block of type CERTIFICATE)"),
    "garbage": ({"privateKeyPEM": "garbage.key"}, "privateKeyPEM: not a private key: unsupported"),
    "no PEM": ({"privateKeyPEM": "digits.key"}, "privateKeyPEM: not a PEM key: there is no block of a key or certificate"),
    "encrypted": ({"privateKeyPEM": "encrypted.key"}, "privateKeyPEM: the private key is encrypted: a passphrase is needed"),
    "wrong passphrase": ({"privateKeyPEM": "encrypted.key", "privateKeyPassphrase": "P-256.key"},
                         "privateKeyPEM: wrong passphrase for the private key (or a damaged one)"),
    "text for a file": ({"privateKeyPEM": None, "privateKeyPEMFile": "P-256.key"}, "privateKeyPEMFile: opening ***: "),
}


@pytest.fixture
def wrong(pki):
    """The credentials of a case of WRONG, and the lines that must not show."""
    first, body, *_ = pki.text("P-256.key").splitlines()
    pki.write("garbage.key", f"{first}\nAAAA{body[:-4]}\n-----END PRIVATE KEY-----\n")
    pki.write("digits.key", body)

    def make(case):
        changes = {name: file and pki.text(file) for name, file in WRONG[case][0].items()}
        properties = {name: text for name, text in {**signer(pki, "P-256"), **changes}.items() if text}
        secrets = [line for text in properties.values() if "CERTIFICATE" not in text for line in text.splitlines() if not line.startswith("--")]
        return properties, secrets
    return make


@pytest.mark.parametrize("case", WRONG)
def test_wrong_credentials_are_said_and_not_shown(plugin, wrong, case):
    properties, secrets = wrong(case)
    answer = sign(plugin, properties)
    assert answer.status == 401 and answer.text.startswith(WRONG[case][1]), answer
    plugin.wait_log(lambda entry: str(entry.get("reason")).startswith(WRONG[case][1]))
    assert not [line for line in secrets if line in answer.text or line in "\n".join(plugin.stderr)]


def test_missing_file_is_said(plugin, pki, folder):
    answer = sign(plugin, {"publicKeyPEM": pki.text("P-256.pem"), "privateKeyPEMFile": f"{folder}/nope"})
    assert (answer.status, answer.text) == (401, f"privateKeyPEMFile: opening {folder}/nope: No such file or directory")


# ---- with the ocm CLI ----

NAME = "acme.org/signed"
VERSION = f"ctf//{NAME}:1.0.0"


def consumer(credentials, signature="default", identity=None):
    return {"identity": identity or {"type": TYPE, "signature": signature}, "credentials": [{"type": "Credentials/v1", "properties": credentials}]}


def configure(cli, *consumers, signer_type=TYPE, **spec):
    cli.configure({"type": "signing.config.ocm.software/v1alpha1", "signer": {"type": signer_type, **spec}},
                  {"type": "credentials.config.ocm.software", "consumers": list(consumers)})


@pytest.fixture
def component(cli):
    """The CLI, with a component version, and a file for --verifier-spec."""
    cli.add({"name": NAME, "resources": [{"name": "text", "input": {"type": "utf8/v1", "text": "hello"}}]})
    cli.verifier = ("--verifier-spec", cli.write("verifier.yaml", {"type": TYPE}))
    return cli


def replace_descriptor(cli, change):
    """What an attacker does who can write: the descriptor, changed, and all that leads to it."""
    def write(name, data):
        (cli.path / name).unlink(missing_ok=True)  # the CLI's files can't be written to
        (cli.path / name).write_bytes(data)

    def put(value):
        data = json.dumps(value).encode()
        name = hashlib.sha256(data).hexdigest()
        write(f"ctf/blobs/sha256.{name}", data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    def get(entry):
        return json.loads((cli.path / "ctf/blobs" / entry["digest"].replace(":", ".")).read_bytes())
    index = json.loads((cli.path / "ctf/artifact-index.json").read_text())
    tagged = next(artifact for artifact in index["artifacts"] if artifact.get("tag"))
    manifest = get(tagged)
    descriptor = get(manifest["layers"][0])
    change(descriptor)
    manifest["layers"][0].update(put(descriptor))
    manifest["config"].update(put({"componentDescriptorLayer": manifest["layers"][0]}))
    tagged["digest"] = put(manifest)["digest"]
    write("ctf/artifact-index.json", json.dumps(index).encode())


def signatures(cli):
    return json.loads(cli.ok("get", "cv", VERSION, "-o", "json").stdout)[0].get("signatures") or []


def files(cli):
    return {path: path.read_bytes() for path in (cli.path / "ctf").rglob("*") if path.is_file()}


@pytest.mark.parametrize("hash_", ["SHA-256", "SHA-512"])
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_cli_signs_and_verifies(component, pki, kind, hash_):
    configure(component, consumer(signer(pki, kind)))
    component.ok("sign", "cv", VERSION, "--hash", hash_)
    [signature] = signatures(component)
    assert (signature["digest"]["hashAlgorithm"], signature["signature"]["algorithm"]) == (hash_, ALGORITHMS[kind])
    pki.verify(kind, signature_bytes(signature["signature"]), bytes.fromhex(signature["digest"]["value"]), hash_)
    configure(component, consumer({"publicKeyPEMFile": str(pki.path("root.pem"))}))
    assert "SIGNATURE VERIFICATION SUCCESSFUL" in component.ok("verify", "cv", VERSION, *component.verifier).stderr
    configure(component, consumer({"publicKeyPEMFile": str(pki.path("other-root.pem"))}))
    message = component.fails("verify", "cv", VERSION, *component.verifier)
    assert f"SIGNATURE VERIFICATION FAILED: failed to verify from plugin \"x509-signing\": plugin returned status code 422: additional information: " \
        "certificate CN=issuing,O=Acme: its issuer CN=root,O=Acme is none of the trusted certificates, nor in the chain" in message


def test_cli_verifies_all_signatures_of_a_version(component, pki):
    for name, kind in [("build", "P-384"), ("release", "rsa")]:
        configure(component, consumer(signer(pki, kind), name))
        component.ok("sign", "cv", VERSION, "--signature", name)
    trusts = [consumer({"publicKeyPEM": pki.text("root.pem")}, name) for name in ("build", "release")]
    configure(component, *trusts)
    done = component.ok("verify", "cv", VERSION, *component.verifier)
    assert done.stderr.count("signature verification completed") == 2
    configure(component, trusts[0], consumer({"publicKeyPEM": pki.text("other-root.pem")}, "release"))
    assert "certificate CN=issuing,O=Acme: its issuer CN=root,O=Acme is none of the trusted certificates, nor in the chain" in component.fails("verify", "cv", VERSION, *component.verifier)
    component.ok("verify", "cv", VERSION, "--signature", "build", *component.verifier)


RSA = {"type": "RSA/v1alpha1", "algorithm": "RSASSA-PSS", "signature": "default"}


@pytest.mark.parametrize("signer_spec", [{"signer_type": TYPE}, {"signer_type": "RSASigningConfiguration/v1alpha1", "signatureEncodingPolicy": "PEM"}])
def test_cli_s_own_rsa_handler_has_the_same_signatures_and_credentials(component, pki, signer_spec):
    def shared(credentials):
        return {"identities": [RSA, {"type": TYPE, "signature": "default"}], "credentials": [{"type": "RSACredentials/v1", **credentials}]}
    configure(component, shared(signer(pki, "rsa")), **signer_spec)
    component.ok("sign", "cv", VERSION)
    configure(component, shared({"publicKeyPEM": pki.text("root.pem")}))
    for verifier in (), component.verifier:
        component.ok("verify", "cv", VERSION, *verifier)
    configure(component, shared({"publicKeyPEM": pki.text("other-root.pem")}))
    for verifier in (), component.verifier:
        component.fails("verify", "cv", VERSION, *verifier)


def test_cli_refuses_what_was_tampered_with(component, pki):
    configure(component, consumer(signer(pki, "ed25519", "issuing.pem", "root.pem")))
    component.ok("sign", "cv", VERSION)
    component.ok("verify", "cv", VERSION, *component.verifier)

    def flip(descriptor):
        info = descriptor["signatures"][0]["signature"]
        bytes_ = signature_bytes(info)
        info["value"] = info["value"].replace(base64.b64encode(bytes_)[:64].decode(), base64.b64encode(bytes([bytes_[0] ^ 1]) + bytes_[1:])[:64].decode())
    replace_descriptor(component, flip)
    assert "certificate CN=ed25519,O=Acme: the signature does not fit" in component.fails("verify", "cv", VERSION, *component.verifier)

    def rename(descriptor):
        flip(descriptor)
        descriptor["component"]["resources"][0]["name"] = "another"
    replace_descriptor(component, rename)
    assert "digest mismatch" in component.fails("verify", "cv", VERSION, *component.verifier)


def test_cli_says_what_is_wrong_with_credentials_without_showing_them(component, pki, wrong):
    for case in "another's key", "encrypted", "garbage", "nothing":
        properties, secrets = wrong(case)
        configure(component, consumer(properties))
        done = component.run("sign", "cv", VERSION)
        assert done.returncode == 1
        assert f"Error: signing failed: failed to sign from plugin \"x509-signing\": plugin returned status code 401: additional information: {WRONG[case][1]}" \
            in done.stderr
        assert not [line for line in secrets if line in done.stderr]
    assert signatures(component) == []


def slow_key(pki):
    """An encrypted key with so many iterations that minutes pass until it is found that nobody has its passphrase."""
    pki.openssl("pkcs8", "-topk8", "-in", "P-256.key", "-iter", 0x10000, "-passout", f"pass:{SECRET}", "-outform", "DER", "-out", "slow.der")
    der, count = re.subn(rb"\x04([\x08\x10])(.+?).\x02\x03\x01\x00\x00",  # a byte less of salt is one more for their number
                         lambda found: b"\x04%c%b\x02\x04\x0f\xff\xff\xff" % (found[1][0] - 1, found[2]), pki.path("slow.der").read_bytes(), flags=re.S)
    assert count == 1
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END ENCRYPTED PRIVATE KEY-----\n"


def worker_ticks(pid):
    """The processor time of the threads that do what takes long; the first one does all else."""
    ticks = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            fields = (thread / "stat").read_text().rpartition(")")[2].split()
            ticks += 0 if thread.name == str(pid) else int(fields[11]) + int(fields[12])
    return ticks


def test_plugin_killed_while_it_signs_leaves_the_version_unsigned_and_whole(component, pki):
    configure(component, consumer({**signer(pki, "P-256"), "privateKeyPEM": slow_key(pki), "privateKeyPassphrase": SECRET}))
    before = files(component)
    command = component.start("sign", "cv", VERSION)
    pid = component.plugin_pid("x509-signing")
    try:
        until(lambda: worker_ticks(pid) > 20)  # before, none has anything to do: this is the passphrase
    finally:
        component.kill_plugin("x509-signing")
    _, stderr = component.finish(command)
    assert command.returncode == 1
    assert "Error: signing failed: failed to sign from plugin \"x509-signing\": failed to send request to plugin: " in stderr
    assert files(component) == before
    configure(component, consumer(signer(pki, "P-256")))
    component.ok("sign", "cv", VERSION)
    assert [signature["name"] for signature in signatures(component)] == ["default"]
