---@meta ocm
-- Digests, signatures, keys and certificates.

---@class ocm
local ocm = {}

--- Digests, signatures, keys and certificates, by libcrypto of OpenSSL 3 (Debian's `libssl3`), which is loaded when one of these is first called;
--- CRC-32C by `libisal2`, and `random` by the kernel. What takes long (big data, RSA, chains) is done on another thread while the task waits.
---
--- A hash is `sha256`, `sha384`, `sha512`, `sha1` or `md5`, or OCM's spelling of it (`SHA-256`). Misuse raises; so does a missing library.
---@class ocm.crypto
ocm.crypto = {}

---@alias ocm.Hash "sha256"|"sha384"|"sha512"|"sha1"|"md5"|"SHA-256"|"SHA-384"|"SHA-512"|"SHA-1"|"MD5"

--- The digest of bytes in memory (FIPS 180-4, RFC 1321); of a file: `ocm.digest_of`.
---
---     ocm.hex.encode(ocm.crypto.digest("sha256", "abc"))   --> "ba7816bf…"
---     ocm.hex.encode(ocm.crypto.digest("crc32c", "123456789"))   --> "e3069283"
---@param algorithm ocm.Hash|"crc32c" others raise
---@param data string
---@return string bytes not hexadecimal; a CRC's most significant byte is the first
function ocm.crypto.digest(algorithm, data) end

--- HMAC (RFC 2104).
---
---     ocm.hex.encode(ocm.crypto.hmac("sha256", "Jefe", "what do ya want for nothing?"))   --> "5bdcc146…"
---@param algorithm ocm.Hash
---@param key string
---@param data string
---@return string bytes
function ocm.crypto.hmac(algorithm, key, data) end

--- Bytes that nobody can guess.
---
---     local nonce = ocm.hex.encode(ocm.crypto.random(16))
---@param count integer 0 to 1048576; others raise
---@return string bytes
function ocm.crypto.random(count) end

--- Whether two strings are the same, in a time that does not tell how far they are: for tokens and MACs.
---
---     if not ocm.crypto.equal(mac, ocm.crypto.hmac("sha256", key, body)) then ocm.fail(401, "wrong signature") end
---@param a string
---@param b string
---@return boolean equal
function ocm.crypto.equal(a, b) end

---- keys ----

--- A private or a public key. `tostring` gives its type and length, never more. Two are equal (`==`) when they are the same key, and both private or both public.
---@class ocm.Key
local key = {}

---     if key:type() ~= "rsa" then ocm.fail(400, "an RSA key is wanted") end
---@return "rsa"|"rsa-pss"|"ec"|"ed25519" type "rsa-pss": an RSA key for that algorithm alone
function key:type() end

---     if key:type() == "rsa" and key:bits() < 2048 then ocm.fail(400, "the key is too short") end
---@return integer bits of the RSA modulus, or of the curve
function key:bits() end

---     if not key:is_private() then ocm.fail(401, "a private key is needed to sign") end
---@return boolean private whether it can sign
function key:is_private() end

--- The public half, as a key of its own.
---
---     local pem = key:public():pem()
---@return ocm.Key
function key:public() end

--- The public half.
---
---     ocm.fs.write("public.pem", key:pem())
---@return string pem SubjectPublicKeyInfo ("PUBLIC KEY", RFC 5280)
function key:pem() end

--- The private half. Raises for a public key.
---
---     ocm.fs.write("key.pem", key:private_pem(), { mode = tonumber("600", 8) })
---@param passphrase? string 1 to 1023 bytes; encrypts it (PBES2, AES-256-CBC)
---@return string pem PKCS #8 ("PRIVATE KEY", RFC 5958); what is not encrypted is taken out of log lines from now on
function key:private_pem(passphrase) end

--- Reads a key from PEM text: the first private key in it, else the first public one, else that of the first certificate. Private ones are PKCS #8,
--- PKCS #1 ("RSA PRIVATE KEY") or SEC 1 ("EC PRIVATE KEY"), encrypted or not; public ones SubjectPublicKeyInfo or PKCS #1 ("RSA PUBLIC KEY").
--- The passphrase is not kept. The text of a private key that is not encrypted is taken out of log lines from now on.
---
---     local key = assert(ocm.crypto.key(credentials.private_key_pem))
---     ocm.crypto.key(text, "wrong")   --> nil, "wrong passphrase for the private key (or a damaged one)"
---@param pem string at most 16 MiB
---@param passphrase? string of an encrypted one
---@return ocm.Key? key nil: there is none, it is malformed, or encrypted and the passphrase is missing or wrong
---@return string? message
function ocm.crypto.key(pem, passphrase) end

---@class ocm.KeyOptions
---@field type "ed25519"|"ec"|"rsa"
---@field bits? integer of an RSA key: 2048 to 8192, by default 3072
---@field curve? "P-256"|"P-384"|"P-521" of an elliptic one; by default P-256

--- A new private key. An RSA key takes from a tenth of a second to many seconds.
---
---     local key = ocm.crypto.generate { type = "ed25519" }
---@param options ocm.KeyOptions
---@return ocm.Key
function ocm.crypto.generate(options) end

---- signatures ----

--- ECDSA signatures are DER, as X.509 has them. `data` or `digest` has to be there, not both.
---@class ocm.Message
---@field algorithm "rsa-pss"|"rsa-pkcs1"|"ecdsa"|"ed25519"|"RSASSA-PSS"|"RSASSA-PKCS1-V1_5"|"ECDSA"|"Ed25519" has to go with the key's type; the last four are the same, as component descriptors call them
---@field data? string what is signed
---@field digest? string|ocm.Digest the digest of what is signed: its bytes, hexadecimal, or as a component descriptor has it. Ed25519 signs no digests (RFC 8032): the digest's bytes are then the message
---@field hash? ocm.Hash by default the digest's hashAlgorithm, else sha256. Ed25519 only takes from it how long a digest is
---@field salt? "digest"|"max"|"auto"|integer of rsa-pss, in bytes: as long as the hash (default in signing), the longest that fits (as OCM's own RSA handler signs), whatever the signature has (default in verifying)

---@class ocm.Signing: ocm.Message
---@field key ocm.Key private

---@class ocm.Verifying: ocm.Message
---@field signature string bytes
---@field key? ocm.Key
---@field certificate? ocm.Certificate instead of a key. Whether it can be trusted is another question: verify_chain

--- A signature. Raises for a key that cannot sign so.
---
---     local signature = ocm.crypto.sign { key = key, algorithm = "RSASSA-PSS", digest = request.digest }
---     return { signature = { algorithm = "RSASSA-PSS", mediaType = "application/vnd.ocm.signature.rsa.pss", value = ocm.hex.encode(signature) } }
---@param options ocm.Signing
---@return string signature bytes
function ocm.crypto.sign(options) end

--- Whether a signature fits. Raises for a key that does not go with the algorithm, and a digest of a wrong length.
---
---     ocm.crypto.verify { key = key, algorithm = "ed25519", data = "tampered with", signature = signature }   --> false, "the signature does not fit"
---@param options ocm.Verifying
---@return boolean fits
---@return string? message why not
function ocm.crypto.verify(options) end

---- certificates ----

--- An X.509 certificate (RFC 5280).
---@class ocm.Certificate
local certificate = {}

---     local who = chain[1]:subject()   -- "CN=signer,O=acme"
---@return string name as RFC 4514 writes it, in UTF-8: "CN=leaf,O=Example"
function certificate:subject() end

---     local by = chain[1]:issuer()
---@return string name
function certificate:issuer() end

---     ocm.log.info("signed", { certificate = chain[1]:serial() })
---@return string serial lower-case hexadecimal
function certificate:serial() end

---     local valid = chain[1]:not_before() <= os.time()
---@return integer seconds since 1970, UTC
function certificate:not_before() end

---     local days = (chain[1]:not_after() - os.time()) // 86400
---@return integer seconds since 1970, UTC
function certificate:not_after() end

--- The public key in it. Raises when that is of a type that ocm.Key has not.
---
---     local ok, why = ocm.crypto.verify { key = chain[1]:key(), algorithm = "ecdsa", hash = "sha256", data = text, signature = bytes }
---@return ocm.Key key public
function certificate:key() end

---     local text = chain[1]:pem() .. chain[2]:pem()
---@return string pem
function certificate:pem() end

--- The digest of its DER.
---
---     certificate:fingerprint "sha256"   --> "9f86d081…"
---@param hash ocm.Hash
---@return string hex lower case
function certificate:fingerprint(hash) end

--- Its subject alternative names. They may hold any byte: compare them, don't print them.
---
---     for _, name in ipairs(chain[1]:names()) do print(name) end
---@return { dns: string[], email: string[], uri: string[] } names
function certificate:names() end

--- Reads the certificates of PEM text, in their order. Other blocks, and text between them, are passed over.
---
---     local chain = assert(ocm.crypto.certificates(signature.value))   -- behind the SIGNATURE block
---@param pem string at most 16 MiB
---@return ocm.Certificate[]? list 1 to 1000; nil: there is none, or one is malformed
---@return string? message
function ocm.crypto.certificates(pem) end

---@class ocm.Chain
---@field chain ocm.Certificate[] the leaf first, 1 to 100; the others in any order. The root may be left out
---@field roots ocm.Certificate[]|"system" what is trusted, self-signed or not; "system": what the system trusts (OpenSSL's folder, Debian's `ca-certificates`; SSL_CERT_FILE and SSL_CERT_DIR)
---@field at? number seconds since 1970; by default now
---@field purpose? "any"|"codesign"|"email"|"timestamp"|"tls-client"|"tls-server" what the extended key usages on the way have to allow where there are any; by default "any"
---@field name? string required of the leaf: its subject, exactly as `subject()` gives it, or its common name, when there is no "=" in it

--- Whether the chain leads from its leaf to a trusted root: signatures (none with SHA-1), times, that issuers may issue, purpose, name. Revocation is not looked at.
---
---     ocm.crypto.verify_chain { chain = chain, roots = anchors, purpose = "codesign" }
---     --> false, "certificate CN=leaf,O=Example: certificate has expired"
---@param options ocm.Chain
---@return boolean trusted
---@return string? message which certificate is refused, and why
function ocm.crypto.verify_chain(options) end

---- PEM ----

--- PEM text (RFC 7468) with headers (RFC 1421). Needs no library.
---@class ocm.crypto.pem
ocm.crypto.pem = {}

---@class ocm.PemBlock
---@field type string "SIGNATURE"
---@field headers table<string, string> empty when there are none
---@field bytes string

--- PEM text of bytes. Raises for a type or headers that would not be read as such.
---
---     local text = ocm.crypto.pem.encode("SIGNATURE", signature, { ["Signature Algorithm"] = "RSASSA-PSS" }) .. leaf:pem()
---@param type string upper-case letters, digits and spaces
---@param bytes string
---@param headers? table<string, string> written sorted, Proc-Type first
---@return string text lines of 64 characters, and a newline at the end
function ocm.crypto.pem.encode(type, bytes, headers) end

--- All blocks of a text, in their order. Text between them is passed over; inside of one, anything unexpected is an error.
---
---     local block = ocm.crypto.pem.decode(signature.value)[1]
---     ocm.crypto.pem.decode "-----BEGIN X-----"   --> nil, "PEM line 1: this block has no end"
---@param text string
---@return ocm.PemBlock[]? blocks empty when there is none; nil: one is malformed
---@return string? message
function ocm.crypto.pem.decode(text) end

return ocm
