-- ocm.crypto, called where there is no task; the openssl tool is the other side.
-- luacheck: globals TestCrypto TestKeys TestSignatures TestCertificates TestPem
local unit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"
local crypto = ocm.crypto

local folder = ocm.tempfile():path() .. "-crypto"
lfs.mkdir(folder)

local function path(name) return folder .. "/" .. name end

local function read(name)
  local file <close> = assert(io.open(path(name), "rb"))
  return file:read "a"
end

local function write(name, text)
  local file <close> = assert(io.open(path(name), "wb"))
  file:write(text)
end

--- Runs the openssl tool in the folder; returns whether it succeeded.
local function tool(format, ...)
  return os.execute(("cd '%s' && openssl %s >openssl.out 2>&1"):format(folder, format:format(...))) == true
end

local function openssl(format, ...)
  if not tool(format, ...) then error(format:format(...) .. ": " .. read "openssl.out") end
end

local has_tool = os.execute "command -v openssl >/dev/null 2>&1"

local function need_tool() unit.skipIf(not has_tool, "there is no openssl tool") end

local big = ("0123456789abcdef"):rep(20000) -- on the pool

TestCrypto = {}

function TestCrypto.test_digests_of_any_size()
  unit.assertEquals(ocm.hex.encode(crypto.digest("sha256", "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  unit.assertEquals(crypto.digest("SHA-512", "abc"), crypto.digest("sha512", "abc"))
  unit.assertEquals(ocm.hex.encode(crypto.digest("crc32c", "123456789")), "e3069283")
  for _, algorithm in ipairs { "sha256", "sha512", "sha384", "sha1", "md5", "crc32c" } do
    local expected = ocm.digest_of(ocm.bytes(big), algorithm)
    unit.assertEquals(algorithm .. ":" .. ocm.hex.encode(crypto.digest(algorithm, big)), expected)
  end
  unit.assertErrorMsgContains('unknown digest algorithm "sha3": known are crc32c, md5, sha1, sha256, sha384, sha512', crypto.digest, "sha3", "")
  unit.assertErrorMsgContains("NUL", crypto.digest, "sha256\0", "")
end

function TestCrypto.test_hmacs_of_any_size()
  unit.assertEquals(ocm.hex.encode(crypto.hmac("sha256", "Jefe", "what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  unit.assertEquals(#crypto.hmac("sha512", "k", big), 64)
  unit.assertErrorMsgContains("unknown hash algorithm", crypto.hmac, "crc32c", "k", "x")
end

function TestCrypto.test_random_and_equal()
  unit.assertEquals(#crypto.random(33), 33)
  unit.assertEquals(crypto.random(0), "")
  unit.assertNotEquals(crypto.random(16), crypto.random(16))
  unit.assertErrorMsgContains("expected 0 to 1048576 bytes", crypto.random, 1048577)
  unit.assertErrorMsgContains("expected 0 to 1048576 bytes", crypto.random, -1)
  unit.assertTrue(crypto.equal("a\0b", "a\0b"))
  for _, pair in ipairs { { "a", "b" }, { "a", "ab" }, { "", "x" }, { "a\0b", "a\0c" } } do unit.assertFalse(crypto.equal(pair[1], pair[2])) end
end

function TestCrypto.test_work_goes_on_side_by_side()
  local digests = table.pack(ocm.parallel(function() return crypto.digest("sha256", big) end, function() return crypto.digest("sha256", big .. "x") end,
    function() return crypto.generate { type = "rsa", bits = 2048 } end))
  unit.assertEquals(digests[1], crypto.digest("sha256", big))
  unit.assertEquals(digests[3]:bits(), 2048)
end

function TestCrypto.test_a_part_that_is_cancelled_lets_go()
  for _ = 1, 5 do
    local _, message = pcall(ocm.parallel, function() crypto.digest("sha256", big:rep(100)) end, function() error("enough", 0) end)
    unit.assertEquals(message, "enough")
    collectgarbage()
  end
end

TestKeys = {}

function TestKeys.test_what_is_made_can_be_written_and_read()
  for _, case in ipairs { { { type = "ed25519" }, 256 }, { { type = "ec" }, 256 }, { { type = "ec", curve = "P-384" }, 384 }, { { type = "rsa", bits = 2048 }, 2048 } } do
    local key = crypto.generate(case[1])
    unit.assertEquals({ key:type(), key:bits(), key:is_private() }, { case[1].type, case[2], true })
    unit.assertEquals(crypto.key(key:private_pem()), key)
    unit.assertEquals(crypto.key(key:private_pem "secret", "secret"), key)
    local public = crypto.key(key:pem())
    unit.assertTrue(public == key:public())
    unit.assertFalse(public == key)
    unit.assertFalse(public:is_private())
    unit.assertErrorMsgContains("this is a public key", public.private_pem, public)
    unit.assertStrMatches(tostring(key), "private key %(" .. case[1].type .. ", %d+ bits%)")
    unit.assertStrMatches(tostring(public), "public key %(" .. case[1].type .. ", %d+ bits%)")
  end
  unit.assertFalse(crypto.generate { type = "ec" } == crypto.generate { type = "ec" })
end

function TestKeys.test_what_is_no_key_is_nil_and_why()
  local encrypted = crypto.generate { type = "ed25519" }:private_pem "right"
  local function why(...) return select(2, crypto.key(...)) end
  unit.assertStrContains(why "hello", "not a PEM key")
  unit.assertStrContains(why(encrypted), "a passphrase is needed")
  unit.assertStrContains(why(encrypted, "wrong"), "wrong passphrase")
  unit.assertNotStrContains(why(encrypted, "wrong-pass"), "wrong-pass")
  unit.assertStrContains(why(encrypted, ("x"):rep(2000)), "at most 1023 bytes")
  unit.assertErrorMsgContains("bits is for rsa", crypto.generate, { type = "ec", bits = 256 })
  unit.assertErrorMsgContains("unknown type of key", crypto.generate, { type = "dsa" })
  unit.assertErrorMsgContains('unknown option "bit", did you mean "bits"?', crypto.generate, { type = "rsa", bit = 1 })
end

function TestKeys.test_what_the_tool_writes_is_read()
  need_tool()
  openssl "genrsa -out rsa.pem 2048"
  openssl "ecparam -genkey -name secp384r1 -out ec.pem" -- EC PARAMETERS stand before the key
  openssl "genpkey -algorithm ed25519 -out ed25519.pem"
  openssl "rsa -in rsa.pem -traditional -out rsa-pkcs1.pem"
  openssl "rsa -in rsa.pem -traditional -aes256 -passout pass:secret -out rsa-pkcs1-encrypted.pem"
  openssl "pkcs8 -topk8 -in rsa.pem -passout pass:secret -out rsa-encrypted.pem"
  openssl "pkcs8 -topk8 -in rsa.pem -passout pass:secret -scrypt -out rsa-scrypt.pem"
  openssl "ec -in ec.pem -aes128 -passout pass:secret -out ec-encrypted.pem"
  openssl "rsa -in rsa.pem -pubout -out rsa-public.pem"
  openssl "rsa -in rsa.pem -RSAPublicKey_out -out rsa-pkcs1-public.pem"
  local rsa, ec = assert(crypto.key(read "rsa.pem")), assert(crypto.key(read "ec.pem"))
  unit.assertEquals({ rsa:type(), ec:type(), crypto.key(read "ed25519.pem"):type() }, { "rsa", "ec", "ed25519" })
  unit.assertTrue(crypto.key(read "rsa-pkcs1.pem") == rsa)
  for _, name in ipairs { "rsa-pkcs1-encrypted.pem", "rsa-encrypted.pem", "rsa-scrypt.pem" } do
    unit.assertTrue(assert(crypto.key(read(name), "secret")) == rsa, name)
    unit.assertStrContains(select(2, crypto.key(read(name), "secreT")), "wrong passphrase")
    unit.assertStrContains(select(2, crypto.key(read(name))), "a passphrase is needed")
  end
  unit.assertTrue(assert(crypto.key(read "ec-encrypted.pem", "secret")) == ec)
  unit.assertTrue(crypto.key(read "rsa-public.pem") == rsa:public())
  unit.assertTrue(crypto.key(read "rsa-pkcs1-public.pem") == rsa:public())
  unit.assertTrue(crypto.key(read "rsa-public.pem" .. read "rsa.pem") == rsa) -- a private one goes first
end

function TestKeys.test_the_tool_reads_what_is_written()
  need_tool()
  for _, type_ in ipairs { "ed25519", "ec", "rsa" } do
    local key = crypto.generate { type = type_, bits = type_ == "rsa" and 2048 or nil }
    write("key.pem", key:private_pem())
    write("encrypted.pem", key:private_pem "secret")
    openssl "pkey -in key.pem -pubout -out public.pem"
    unit.assertEquals(read "public.pem", key:pem())
    openssl "pkey -in encrypted.pem -passin pass:secret -pubout -out public.pem"
    unit.assertEquals(read "public.pem", key:pem())
    unit.assertFalse(tool "pkey -in encrypted.pem -passin pass:other -noout")
  end
end

TestSignatures = {}

local rsa, ec, ed = crypto.generate { type = "rsa", bits = 2048 }, crypto.generate { type = "ec" }, crypto.generate { type = "ed25519" }
local p521 = crypto.generate { type = "ec", curve = "P-521" }

-- algorithm, hash, key, and how the tool is told
local cases = {
  { "rsa-pss", "sha256", rsa, "-sigopt rsa_padding_mode:pss" }, { "rsa-pss", "sha512", rsa, "-sigopt rsa_padding_mode:pss" },
  { "rsa-pkcs1", "sha256", rsa, "" }, { "rsa-pkcs1", "sha384", rsa, "" }, { "ecdsa", "sha256", ec, "" }, { "ecdsa", "sha512", p521, "" },
}

function TestSignatures.test_the_tool_verifies_what_was_signed_and_the_other_way_round()
  need_tool()
  write("data", big)
  for _, case in ipairs(cases) do
    local algorithm, hash, key, options = table.unpack(case)
    write("key.pem", key:private_pem())
    write("public.pem", key:pem())
    write("signature", crypto.sign { key = key, algorithm = algorithm, hash = hash, data = big })
    openssl("dgst -%s %s -verify public.pem -signature signature data", hash, options)
    openssl("dgst -%s %s -sign key.pem -out signature data", hash, options)
    unit.assertTrue(crypto.verify { key = key:public(), algorithm = algorithm, hash = hash, data = big, signature = read "signature" })
  end
  write("key.pem", ed:private_pem())
  write("public.pem", ed:pem())
  write("signature", crypto.sign { key = ed, algorithm = "ed25519", data = big })
  openssl "pkeyutl -verify -pubin -inkey public.pem -rawin -in data -sigfile signature"
  openssl "pkeyutl -sign -inkey key.pem -rawin -in data -out signature"
  unit.assertTrue(crypto.verify { key = ed, algorithm = "ed25519", data = big, signature = read "signature" })
end

function TestSignatures.test_whatever_is_changed_fails()
  table.insert(cases, { "ed25519", "sha256", ed })
  for _, case in ipairs(cases) do
    local algorithm, hash, key = table.unpack(case)
    local signature = crypto.sign { key = key, algorithm = algorithm, hash = hash, data = "data" }
    local other = key == rsa and crypto.generate { type = "rsa", bits = 2048 } or crypto.generate { type = key:type(), curve = key == p521 and "P-521" or nil }
    local function verify(changed)
      local options = { key = key, algorithm = algorithm, hash = hash, data = "data", signature = signature }
      for name, value in pairs(changed) do options[name] = value end
      return { crypto.verify(options) }
    end
    unit.assertEquals(verify {}, { true })
    for _, changed in ipairs { { data = "dato" }, { key = other }, { signature = signature:sub(1, -2) }, { signature = "" }, { signature = signature .. "x" },
      { signature = signature:sub(1, -2) .. string.char(signature:byte(-1) ~ 1) } } do
      unit.assertEquals(verify(changed), { false, "the signature does not fit" }, algorithm)
    end
  end
  table.remove(cases)
end

function TestSignatures.test_a_digest_stands_for_its_data()
  for _, case in ipairs(cases) do
    local algorithm, hash, key = table.unpack(case)
    local raw = crypto.digest(hash, "data")
    local spelling = { sha256 = "SHA-256", sha384 = "SHA-384", sha512 = "SHA-512" }
    local descriptor = { hashAlgorithm = spelling[hash], normalisationAlgorithm = "jsonNormalisation/v4alpha1", value = ocm.hex.encode(raw) }
    for _, digest in ipairs { raw, ocm.hex.encode(raw), descriptor } do
      local signature = crypto.sign { key = key, algorithm = algorithm, hash = hash, digest = digest }
      unit.assertTrue(crypto.verify { key = key, algorithm = algorithm, hash = hash, data = "data", signature = signature })
    end
    unit.assertTrue(crypto.verify { key = key, algorithm = algorithm, digest = descriptor, signature = crypto.sign { key = key, algorithm = algorithm, digest = descriptor } })
  end
  -- of ed25519 the digest is the message
  local digest = crypto.digest("sha256", "data")
  unit.assertEquals(crypto.sign { key = ed, algorithm = "ed25519", digest = digest }, crypto.sign { key = ed, algorithm = "ed25519", data = digest })
end

function TestSignatures.test_algorithms_as_component_descriptors_name_them()
  for theirs, ours in pairs { ["RSASSA-PSS"] = "rsa-pss", ["RSASSA-PKCS1-V1_5"] = "rsa-pkcs1", ECDSA = "ecdsa", Ed25519 = "ed25519" } do
    local key = ({ ecdsa = ec, ed25519 = ed })[ours] or rsa
    local signature = crypto.sign { key = key, algorithm = theirs, data = "x" }
    unit.assertTrue(crypto.verify { key = key, algorithm = ours, data = "x", signature = signature })
    unit.assertTrue(crypto.verify { key = key, algorithm = theirs, data = "x", signature = crypto.sign { key = key, algorithm = ours, data = "x" } })
  end
end

function TestSignatures.test_salts()
  local function round(signing, verifying)
    local signature = crypto.sign { key = rsa, algorithm = "rsa-pss", data = "x", salt = signing }
    return crypto.verify { key = rsa, algorithm = "rsa-pss", data = "x", salt = verifying, signature = signature }
  end
  for _, salt in ipairs { "digest", "max", "auto", 0, 20, 32 } do unit.assertTrue(round(salt)) end
  unit.assertTrue(round("digest", "digest"))
  unit.assertTrue(round(nil, 32))
  unit.assertTrue(round("max", "max"))
  unit.assertTrue(round("max", 256 - 32 - 2))
  unit.assertFalse(round("max", "digest"))
  unit.assertFalse(round(20, 32))
end

function TestSignatures.test_misuse_raises_where_it_was_called()
  local signature = crypto.sign { key = ec, algorithm = "ecdsa", data = "x" }
  local line = debug.getinfo(1, "l").currentline + 1
  local _, message = pcall(function() local _s = crypto.sign { key = ec, algorithm = "ecdsa", data = 5 } return _s end)
  unit.assertStrContains(message, "crypto_test.lua:" .. line .. ": ocm.crypto.sign: data: expected string, got integer")
  for _, case in ipairs {
    { { key = ec, algorithm = "ecdsa" }, "expected either data or digest" },
    { { key = ec, algorithm = "ecdsa", data = "x", digest = "y" }, "expected either data or digest" },
    { { key = ec:public(), algorithm = "ecdsa", data = "x" }, "signing takes a private key" },
    { { key = "x", algorithm = "ecdsa", data = "x" }, "key: expected key, got string" },
    { { key = ec, algorithm = "rsa-pss", data = "x" }, "rsa-pss does not go with a key of type ec" },
    { { key = ec, algorithm = "ecdsa", digest = "x" }, "a sha256 digest has 32 bytes, this one has 1" },
    { { key = ec, algorithm = "ecdsa", digest = ("g"):rep(64) }, "not hexadecimal" },
    { { key = ec, algorithm = "ecdsa", digest = {} }, "expected hashAlgorithm and value" },
    { { key = ec, algorithm = "ecdsa", hash = "sha512", digest = { hashAlgorithm = "SHA-256", value = "00" } }, "its hashAlgorithm is SHA-256, but hash is sha512" },
    { { key = ec, algorithm = "ecdsa", digest = { hashAlgorithm = "SHA-3", value = "00" } }, 'unknown hash algorithm "SHA-3"' },
    { { key = rsa, algorithm = "rsa-pss", data = "x", salt = "long" }, 'unknown salt "long"' },
    { { key = rsa, algorithm = "rsa-pss", data = "x", salt = -1 }, "0 to 1024 bytes" },
    { { key = rsa, algorithm = "rsa-pss", data = "x", salt = 1000 }, "rsa-pss" },
  } do unit.assertErrorMsgContains(case[2], crypto.sign, case[1]) end
  unit.assertErrorMsgContains("expected either key or certificate", crypto.verify, { algorithm = "ecdsa", data = "x", signature = signature })
  unit.assertErrorMsgContains("does not go with", crypto.verify, { key = rsa, algorithm = "ecdsa", data = "x", signature = signature })
end

TestCertificates = {}

local day = 86400

--- A chain of the tool's: root -> middle -> leaf, and a foreign root; made once.
local function make_chain()
  need_tool()
  if lfs.attributes(path "leaf.crt") then return end
  write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
  write("leaf.ext", "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName=DNS:example.org,email:a@example.org,URI:https://example.org/x\n")
  write("tls.ext", "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
  for _, name in ipairs { "root", "foreign", "middle", "leaf" } do openssl("ecparam -genkey -noout -name prime256v1 -out %s.key", name) end
  for _, name in ipairs { "root", "foreign" } do
    openssl("req -new -key %s.key -subj '/O=Example, Inc./CN=%s' -out %s.csr", name, name, name)
    openssl("x509 -req -in %s.csr -signkey %s.key -days 30 -extfile ca.ext -out %s.crt", name, name, name)
  end
  local function issue(name, issuer, ext, out, more)
    openssl("req -new -utf8 -key %s.key -subj '/C=DE/O=Example/CN=%s ü' -out %s.csr", name, name, name)
    openssl("x509 -req -in %s.csr -CA %s.crt -CAkey %s.key -set_serial 0x1234ab -days 10 -extfile %s %s -out %s.crt", name, issuer, issuer, ext, more or "", out)
  end
  issue("middle", "root", "ca.ext", "middle")
  issue("leaf", "middle", "leaf.ext", "leaf")
  issue("leaf", "middle", "tls.ext", "tls")
  issue("leaf", "middle", "leaf.ext", "weak", "-sha1")
end

local function certificate(name) return assert(crypto.certificates(read(name .. ".crt")))[1] end

local function chain_of(...)
  local list = {}
  for i, name in ipairs { ... } do list[i] = certificate(name) end
  return list
end

function TestCertificates.test_what_is_in_one()
  make_chain()
  local leaf = certificate "leaf"
  unit.assertEquals({ leaf:subject(), leaf:issuer() }, { "CN=leaf ü,O=Example,C=DE", "CN=middle ü,O=Example,C=DE" })
  unit.assertEquals(certificate "root":subject(), "CN=root,O=Example\\, Inc.")
  unit.assertEquals(leaf:serial(), "1234ab")
  unit.assertEquals(leaf:not_after() - leaf:not_before(), 10 * day)
  unit.assertTrue(math.abs(os.time() - leaf:not_before()) < 600)
  unit.assertEquals(leaf:names(), { dns = { "example.org" }, email = { "a@example.org" }, uri = { "https://example.org/x" } })
  unit.assertEquals(certificate "root":names(), { dns = {}, email = {}, uri = {} })
  unit.assertTrue(leaf:key() == crypto.key(read "leaf.key"):public())
  unit.assertTrue(crypto.key(read "leaf.crt") == leaf:key())
  unit.assertEquals(leaf:pem(), read "leaf.crt")
  unit.assertEquals(tostring(leaf), "certificate (CN=leaf ü,O=Example,C=DE)")
  openssl "x509 -in leaf.crt -noout -fingerprint -sha256"
  unit.assertEquals(leaf:fingerprint "sha256", read "openssl.out":match "=(.-)\n":gsub(":", ""):lower())
  unit.assertErrorMsgContains("unknown hash", leaf.fingerprint, leaf, "sha3")
end

function TestCertificates.test_several_in_one_text()
  make_chain()
  local text = "leaf:\n" .. read "leaf.crt" .. "and a key\n" .. read "leaf.key" .. read "middle.crt"
  local list = crypto.certificates(text)
  unit.assertEquals(#list, 2)
  unit.assertEquals(list[2]:subject(), "CN=middle ü,O=Example,C=DE")
  for text_, why in pairs { [""] = "no certificate", [read "leaf.key"] = "no certificate", [text:sub(1, -20)] = "malformed PEM",
    [crypto.pem.encode("CERTIFICATE", "x")] = "certificate 1 is malformed" } do
    local none, message = crypto.certificates(text_)
    unit.assertNil(none)
    unit.assertStrContains(message, why)
  end
  unit.assertEquals(#crypto.certificates(read "leaf.crt":rep(200)), 200) -- on the pool
  unit.assertStrContains(select(2, crypto.certificates(read "leaf.crt":rep(1001))), "more than 1000 certificates")
end

function TestCertificates.test_a_chain_is_trusted_or_why_not()
  make_chain()
  local now = os.time()
  local function verify(chain, roots, more)
    local options = { chain = chain_of(table.unpack(chain)), roots = chain_of(table.unpack(roots)) }
    for name, value in pairs(more or {}) do options[name] = value end
    return { crypto.verify_chain(options) }
  end
  local trusted = { true }
  unit.assertEquals(verify({ "leaf", "middle" }, { "root" }), trusted)
  unit.assertEquals(verify({ "leaf", "middle", "root" }, { "foreign", "root" }), trusted)
  unit.assertEquals(verify({ "leaf", "root", "middle" }, { "root" }), trusted)
  unit.assertEquals(verify({ "leaf" }, { "middle" }), trusted) -- an anchor need not be self-signed
  unit.assertEquals(verify({ "leaf", "middle" }, { "root" }, { purpose = "codesign", name = "CN=leaf ü,O=Example,C=DE" }), trusted)
  unit.assertEquals(verify({ "leaf", "middle" }, { "root" }, { name = "leaf ü", at = now + 5 * day }), trusted)
  for _, case in ipairs {
    { { "leaf", "middle" }, { "foreign" }, nil, "certificate CN=middle ü,O=Example,C=DE: its issuer CN=root,O=Example\\, Inc. is none of the trusted certificates, nor in the chain" },
    { { "leaf", "middle", "root" }, { "foreign" }, nil, "self-signed certificate in certificate chain" },
    { { "leaf", "middle" }, {}, nil, "its issuer CN=root,O=Example\\, Inc. is none of the trusted certificates" },
    { { "leaf" }, { "root" }, nil, "certificate CN=leaf ü,O=Example,C=DE: its issuer CN=middle ü,O=Example,C=DE is none of the trusted certificates, nor in the chain" },
    { { "middle", "leaf" }, { "root" }, nil, "certificate CN=middle ü,O=Example,C=DE: it stands first, but is no leaf" },
    { { "leaf", "middle" }, { "root" }, { at = now + 11 * day }, "certificate has expired" },
    { { "leaf", "middle" }, { "root" }, { at = now - day }, "certificate is not yet valid" },
    { { "leaf", "middle" }, { "root" }, { purpose = "tls-server" }, "certificate CN=leaf ü,O=Example,C=DE: it is not for this purpose" },
    { { "tls", "middle" }, { "root" }, { purpose = "codesign" }, "it is not for this purpose" },
    { { "leaf", "middle" }, { "root" }, { name = "leaf" }, "its subject is not leaf" },
    { { "leaf", "middle" }, { "root" }, { name = "CN=leaf" }, "its subject is not CN=leaf" },
    { { "weak", "middle" }, { "root" }, nil, "CA signature digest algorithm too weak" },
  } do
    local result = verify(case[1], case[2], case[3])
    unit.assertFalse(result[1])
    unit.assertStrContains(result[2], case[4])
  end
  unit.assertFalse((crypto.verify_chain { chain = chain_of("leaf", "middle"), roots = "system" }))
  unit.assertErrorMsgContains('"system"', crypto.verify_chain, { chain = chain_of "leaf", roots = "web" })
  unit.assertErrorMsgContains("unknown purpose", crypto.verify_chain, { chain = chain_of "leaf", roots = {}, purpose = "x" })
  unit.assertErrorMsgContains("an empty chain", crypto.verify_chain, { chain = {}, roots = {} })
  unit.assertErrorMsgContains("chain: expected certificates, got string", crypto.verify_chain, { chain = { "x" }, roots = {} })
end

TestPem = {}

--- What OCM's RSA handler writes under the encoding policy PEM.
function TestPem.test_a_signature_with_its_chain()
  make_chain()
  local key = crypto.key(read "leaf.key")
  local digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4alpha1", value = ocm.hex.encode(crypto.digest("sha256", "x")) }
  local text = crypto.pem.encode("SIGNATURE", crypto.sign { key = key, algorithm = "ecdsa", digest = digest }, { ["Signature Algorithm"] = "ECDSA" })
    .. certificate "leaf":pem() .. certificate "middle":pem()
  local blocks, chain = crypto.pem.decode(text), crypto.certificates(text)
  unit.assertEquals(#blocks, 3)
  unit.assertEquals({ blocks[1].type, blocks[1].headers, blocks[2].type }, { "SIGNATURE", { ["Signature Algorithm"] = "ECDSA" }, "CERTIFICATE" })
  unit.assertTrue(crypto.verify_chain { chain = chain, roots = chain_of "root", purpose = "codesign" })
  unit.assertTrue(crypto.verify { certificate = chain[1], algorithm = "ecdsa", digest = digest, signature = blocks[1].bytes })
end

function TestPem.test_what_is_encoded_is_decoded()
  for _, length in ipairs { 0, 1, 2, 3, 47, 48, 49, 1000 } do
    local bytes = crypto.random(length)
    local headers = { ["Proc-Type"] = "4,X", B = "a: b", A = "" }
    local text = crypto.pem.encode("SOME TYPE", bytes, headers)
    unit.assertStrContains(text, "-----BEGIN SOME TYPE-----\nProc-Type: 4,X\nA: \nB: a: b\n\n")
    unit.assertEquals(crypto.pem.decode("before\n" .. text:gsub("\n", "\r\n") .. "between\n-----BEGIN lower-----\n" .. crypto.pem.encode("T", bytes) .. "after"),
      { { type = "SOME TYPE", headers = headers, bytes = bytes }, { type = "T", headers = {}, bytes = bytes } })
  end
  unit.assertEquals(crypto.pem.decode "no block", {})
  unit.assertErrorMsgContains("expected a type", crypto.pem.encode, "x\ny", "")
  unit.assertErrorMsgContains("one line", crypto.pem.encode, "X", "", { A = "b\nc" })
  unit.assertErrorMsgContains("no name of a header", crypto.pem.encode, "X", "", { ["a:"] = "b" })
end

function TestPem.test_a_malformed_block_is_nil_and_why()
  for text, why in pairs {
    ["-----BEGIN X-----\nYWJj\n"] = "PEM line 1: this block has no end",
    ["-----BEGIN X-----\nYWJj\n-----END Y-----\n"] = "PEM line 3: expected -----END X-----",
    ["-----BEGIN X-----\nYWJj\n-----BEGIN X-----\nYWJj\n-----END X-----\n"] = "PEM line 3: expected -----END X-----",
    ["\n-----BEGIN X-----\nYW!j\n-----END X-----\n"] = "PEM line 2: the block's text is not base64",
    ["-----BEGIN X-----\nYWI\n-----END X-----\n"] = "not base64",
    ["-----BEGIN X-----\nYWI=\nYWI=\n-----END X-----\n"] = "not base64",
    ["-----BEGIN X-----\nA: b\nYWJj\n-----END X-----\n"] = "PEM line 3: expected an empty line behind the headers",
    ["-----BEGIN X-----\nA: b\nA: c\n\nYWJj\n-----END X-----\n"] = "PEM line 3: a header that was there before",
    ["-----BEGIN X-----\n: b\n\nYWJj\n-----END X-----\n"] = "PEM line 2: a header without a name",
    ["-----BEGIN X-----"] = "PEM line 1: this block has no end",
  } do
    local none, message = crypto.pem.decode(text)
    unit.assertNil(none, text)
    unit.assertStrContains(message, why)
  end
end

function TestPem.test_noise_is_survived()
  local text = crypto.pem.encode("CERTIFICATE", crypto.random(100), { A = "b" })
  for i = 1, #text do
    crypto.pem.decode(text:sub(1, i))
    local changed = text:sub(1, i - 1) .. string.char(text:byte(i) ~ 4) .. text:sub(i + 1)
    crypto.pem.decode(changed)
    crypto.certificates(changed)
    crypto.key(changed)
  end
  unit.assertEquals(#crypto.pem.decode(("-----BEGIN X-----\n-----END X-----\n"):rep(20000)), 20000)
end
