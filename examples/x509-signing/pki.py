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

    def openssl(self, *arguments, data=None):
        done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, input=data, capture_output=True, check=False)
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

    def options(self, name, digest):
        """How openssl pkeyutl is told of OCM's algorithm for such a key; an Ed25519 key signs the digest as a message."""
        kind = self.kinds[name]
        hashed = () if kind == "ed25519" else ("-pkeyopt", f"digest:{digest.lower().replace('-', '')}")
        padding = ("-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest") if kind == "rsa" else ()
        return [*(["-rawin"] if kind == "ed25519" else []), *hashed, *padding, "-in", self.path("digest.bin")]

    def sign(self, name, value, algorithm):
        self.path("digest.bin").write_bytes(value)
        return self.openssl("pkeyutl", "-sign", "-inkey", f"{name}.key", *self.options(name, algorithm))

    def verify(self, name, signature, value, algorithm):
        """Fails unless the signature of the digest is that of the certificate's key."""
        self.path("digest.bin").write_bytes(value)
        self.path("signature.bin").write_bytes(signature)
        self.openssl("pkeyutl", "-verify", "-certin", "-inkey", f"{name}.pem", *self.options(name, algorithm), "-sigfile", "signature.bin")
