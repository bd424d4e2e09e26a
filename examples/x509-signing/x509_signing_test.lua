--- Signatures by keys and certificates that the test makes; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local plugin
local digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4alpha1", value = ("0123456789abcdef"):rep(4) }

test.before(function() plugin = test.load "x509-signing" end)

--- Credentials with a key, and its certificate, which it issued itself; without the openssl tool, the test is skipped.
local function credentials(subject)
  local folder = test.folder()
  local key, certificate = folder .. "/key.pem", folder .. "/certificate.pem"
  if not os.execute "command -v openssl >/dev/null" then test.skip "there is no openssl tool" end
  assert(ocm.exec { "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", subject, "-keyout", key, "-out", certificate })
  return { type = "Credentials/v1", properties = { privateKeyPEMFile = key, publicKeyPEMFile = certificate } }
end

local function sign(by)
  local info = plugin:call("Sign", { digest = digest, config = { type = "X509Signing/v1" } }, by).signature
  return { name = "release", digest = digest, signature = info }
end

local function verify(signature, trusting, spec)
  return plugin:call("Verify", { signature = signature, config = spec or { type = "X509Signing/v1" } }, trusting)
end

test("what one signs, whoever trusts its certificate verifies", function()
  local acme = credentials "/O=Acme/CN=release"
  local signature = sign(acme)
  test.equal(signature.signature.algorithm, "Ed25519")
  test.equal(signature.signature.issuer, "CN=release,O=Acme")
  verify(signature, acme)
  verify(signature, acme, { type = "X509Signing", subject = "release" })
end)

test("others' certificates are not trusted", function()
  local signature = sign(credentials "/CN=release")
  local refusal = test.raises(422, function() verify(signature, credentials "/CN=somebody else") end)
  test.contains(refusal.text, "certificate CN=release: ")
end)

test("a signature of another digest does not fit", function()
  local acme = credentials "/CN=release"
  local signature = sign(acme)
  signature.digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = digest.normalisationAlgorithm, value = ("0"):rep(64) }
  test.equal(test.raises(422, function() verify(signature, acme) end).text, "certificate CN=release: the signature does not fit")
end)

test("credentials are asked for by the signature's name", function()
  local identity = { type = "X509Signing/v1", signature = "release" }
  local config = { type = "X509Signing/v1" }
  test.equal(plugin:call("GetSignerIdentity", { name = "release", digest = digest, config = config }), { identity = identity })
  local signature = { name = "release", digest = digest, signature = { algorithm = "Ed25519", mediaType = "application/x-pem-file", value = "" } }
  test.equal(plugin:call("GetVerifierIdentity", { signature = signature, config = config }), { identity = identity })
end)

test("without credentials it says which are missing", function()
  local refusal = test.raises(401, function() sign() end)
  test.contains(refusal.text, "no privateKeyPEM or privateKeyPEMFile in the credentials")
end)
