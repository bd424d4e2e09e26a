"""Keys and certificates, made by the openssl tool.

    pki = PKI(folder)
    pki.issue("root", extensions=CA)
    pki.issue("leaf", "root", kind="ed25519")    # leaf.key, leaf.pem
    pki.verify("leaf", signature, digest, "SHA-256")
"""
import subprocess

CA = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
SIGNER = ("basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=codeSigning")
KINDS = {
    "ed25519": ("ed25519",), "P-256": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "P-384": ("EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
}


class PKI:

    def __init__(self, folder):
        self.folder, self.kinds = folder, {}

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def path(self, name):
        return self.folder / name

    def text(self, *names):
        return "".join(self.path(name).read_text() for name in names)

    def write(self, name, text):
        self.path(name).write_text(text)
        return self.path(name)

    def issue(self, name, issuer=None, kind="P-256", extensions=SIGNER, subject=None, days=2):
        """A key and its certificate, by an issuer that is there already, or by itself."""
        self.kinds[name] = kind
        self.openssl("genpkey", "-algorithm", *KINDS[kind], "-out", f"{name}.key")
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", subject or f"/O=Acme/CN={name}", "-out", f"{name}.csr")
        self.write(f"{name}.ext", "\n".join(extensions))
        by = ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial") if issuer else ("-signkey", f"{name}.key")
        self.openssl("x509", "-req", "-in", f"{name}.csr", *by, "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def options(self, name, algorithm, padding):
        """How openssl pkeyutl is told of a signature: an Ed25519 key signs the digest as a message, others as a hash."""
        kind = self.kinds[name]
        if kind == "ed25519":
            return ["-in", "digest.bin", "-rawin"]
        given = [f"digest:{algorithm.lower().replace('-', '')}"]
        if kind == "rsa":
            given += {"pss": ["rsa_padding_mode:pss", "rsa_pss_saltlen:digest"], "pkcs1": ["rsa_padding_mode:pkcs1"]}[padding]
        return ["-in", "digest.bin", *(part for option in given for part in ("-pkeyopt", option))]

    def sign(self, name, digest, algorithm, padding="pss"):
        self.path("digest.bin").write_bytes(digest)
        return self.openssl("pkeyutl", "-sign", "-inkey", f"{name}.key", *self.options(name, algorithm, padding))

    def verify(self, name, signature, digest, algorithm, padding="pss"):
        """Fails unless the signature of the digest is that of the certificate's key."""
        self.path("digest.bin").write_bytes(digest)
        self.path("signature.bin").write_bytes(signature)
        self.openssl("pkeyutl", "-verify", "-certin", "-inkey", f"{name}.pem", *self.options(name, algorithm, padding), "-sigfile", "signature.bin")
