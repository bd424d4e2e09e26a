--- ocm.crypto: libcrypto's functions (vm/lib_crypto.c), loaded at their first use, behind checked options; and PEM text.

local base64 = require "ocm.native.text".base64
local hex = require "ocm.native.text".hex
local native = require "ocm.native.crypto"
local suggest = require "ocm.suggest"

local crypto = {
  digest = native.digest, hmac = native.hmac, random = native.random, equal = native.equal,
  key = native.key, certificates = native.certificates,
}

---- options ----

local function fail(level, format, ...) error(("ocm.crypto." .. format):format(...), level + 1) end

local function kind_of(value)
  if value == nil then return "nothing" end
  return native.kind(value) or math.type(value) == "integer" and "integer" or type(value)
end

--- Checks a table of options: name -> "kind|kind", with a "?" at its end when it may be left out. Level: of the caller of the function.
local function check(name, options, shapes)
  if type(options) ~= "table" then fail(3, "%s: expected a table of options, got %s", name, kind_of(options)) end
  for key in pairs(options) do
    if not shapes[key] then
      local known = {}
      for option in pairs(shapes) do known[#known + 1] = option end
      fail(3, '%s: unknown option "%s"%s', name, tostring(key), suggest(tostring(key), known))
    end
  end
  for option, shape in pairs(shapes) do
    local wanted, got = shape:gsub("%?$", ""), kind_of(options[option])
    if not (got == "nothing" and wanted ~= shape) and not ("|" .. wanted .. "|"):find("|" .. got .. "|", 1, true) then
      fail(3, "%s: %s: expected %s, got %s", name, option, wanted:gsub("|", " or "), got)
    end
  end
end

---- signatures ----

-- As signatures in component descriptors call them: the RSA ones after OCM's own handler, the others after their standards.
local algorithms = { ["RSASSA-PSS"] = "rsa-pss", ["RSASSA-PKCS1-V1_5"] = "rsa-pkcs1", ECDSA = "ecdsa", Ed25519 = "ed25519" }
local salts = { digest = -1, auto = -2, max = -3 }

local message_shapes = { algorithm = "string", hash = "string?", salt = "string|integer?", data = "string?", digest = "string|table?" }

local function with_message(shapes)
  for option, shape in pairs(message_shapes) do shapes[option] = shape end
  return shapes
end

local sign_shapes = with_message { key = "key" }
local verify_shapes = with_message { key = "key?", certificate = "certificate?", signature = "string" }

--- The bytes of a digest: raw ones, hexadecimal, or a component descriptor's Digest. Returns the hash, too.
local function read_digest(name, digest, hash)
  if type(digest) == "table" then
    local value, algorithm = digest.value, digest.hashAlgorithm
    if type(value) ~= "string" or type(algorithm) ~= "string" then fail(4, "%s: digest: expected hashAlgorithm and value", name) end
    local said = native.digest_size(algorithm)
    if hash and native.digest_size(hash) ~= said then fail(4, "%s: digest: its hashAlgorithm is %s, but hash is %s", name, algorithm, hash) end
    digest, hash = value, said or algorithm
  end
  hash = hash or "sha256"
  local canonical, size = native.digest_size(hash)
  if canonical and #digest == 2 * size then
    local bytes, message = hex.decode(digest)
    if not bytes then fail(4, "%s: digest: %s", name, message) end
    digest = bytes
  end
  return digest, hash
end

--- hash, salt, data, whether it is hashed
local function read_message(name, options, default_salt)
  local salt = options.salt or default_salt
  if type(salt) == "string" then
    if not salts[salt] then fail(3, '%s: unknown salt "%s"%s', name, salt, suggest(salt, { "auto", "digest", "max" })) end
    salt = salts[salt]
  elseif salt < 0 or salt > 1024 then
    fail(3, "%s: salt: expected 0 to 1024 bytes", name)
  end
  if (options.data == nil) == (options.digest == nil) then fail(3, "%s: expected either data or digest", name) end
  if options.data then return options.hash or "sha256", salt, options.data, false end
  local digest, hash = read_digest(name, options.digest, options.hash)
  return hash, salt, digest, true
end

function crypto.sign(options)
  check("sign", options, sign_shapes)
  local hash, salt, data, hashed = read_message("sign", options, "digest")
  local signature, message = native.sign(options.key, algorithms[options.algorithm] or options.algorithm, hash, salt, data, hashed)
  if not signature then fail(2, "sign: %s", message) end
  return signature
end

function crypto.verify(options)
  check("verify", options, verify_shapes)
  local hash, salt, data, hashed = read_message("verify", options, "auto")
  if (options.key == nil) == (options.certificate == nil) then fail(2, "verify: expected either key or certificate") end
  local key = options.key or options.certificate:key()
  local fits, message = native.verify(key, algorithms[options.algorithm] or options.algorithm, hash, salt, data, hashed, options.signature)
  if fits == nil then fail(2, "verify: %s", message) end
  if not fits then return false, message end
  return true
end

---- chains and keys ----

local chain_shapes = { chain = "table", roots = "table|string", at = "integer|number?", purpose = "string?", name = "string?" }

local function check_certificates(option, list)
  for _, certificate in ipairs(list) do
    if native.kind(certificate) ~= "certificate" then fail(3, "verify_chain: %s: expected certificates, got %s", option, kind_of(certificate)) end
  end
end

function crypto.verify_chain(options)
  check("verify_chain", options, chain_shapes)
  local system = options.roots == "system"
  if type(options.roots) == "string" and not system then fail(2, 'verify_chain: roots: expected certificates, or "system"') end
  local roots = system and {} or options.roots
  check_certificates("chain", options.chain)
  check_certificates("roots", roots)
  local trusted, message = native.verify_chain(options.chain, roots, system, math.floor(options.at or os.time()), options.purpose or "any", options.name)
  if trusted == nil then fail(2, "verify_chain: %s", message) end
  if not trusted then return false, message end
  return true
end

function crypto.generate(options)
  check("generate", options, { type = "string", bits = "integer?", curve = "string?" })
  if options.bits and options.type ~= "rsa" then fail(2, "generate: bits is for rsa") end
  if options.curve and options.type ~= "ec" then fail(2, "generate: curve is for ec") end
  local key, message = native.generate(options.type, options.curve or "P-256", options.bits or 3072)
  if not key then fail(2, "generate: %s", message) end
  return key
end

---- PEM: RFC 7468, and the headers of RFC 1421 ----

local pem = {}
crypto.pem = pem

local label = "^[A-Z0-9][A-Z0-9 ]*$"

function pem.encode(type_, bytes, headers)
  if type(type_) ~= "string" or not type_:find(label) then fail(2, "pem.encode: expected a type such as SIGNATURE") end
  if type(bytes) ~= "string" then fail(2, "pem.encode: expected bytes behind the type, got %s", kind_of(bytes)) end
  if headers ~= nil and type(headers) ~= "table" then fail(2, "pem.encode: expected a table of headers, got %s", kind_of(headers)) end
  local names, lines = {}, { "-----BEGIN " .. type_ .. "-----" }
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or not name:find "^[%w-][%w -]*$" then fail(2, "pem.encode: %q is no name of a header", tostring(name)) end
    if type(value) ~= "string" or value:find "%c" then fail(2, "pem.encode: header %s: expected text of one line", name) end
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) -- Proc-Type must be the first
    if (a == "Proc-Type") ~= (b == "Proc-Type") then return a == "Proc-Type" end
    return a < b
  end)
  for _, name in ipairs(names) do lines[#lines + 1] = name .. ": " .. headers[name] end
  if names[1] then lines[#lines + 1] = "" end
  local text = base64.encode(bytes)
  for i = 1, #text, 64 do lines[#lines + 1] = text:sub(i, i + 63) end
  lines[#lines + 1] = "-----END " .. type_ .. "-----\n"
  return table.concat(lines, "\n")
end

--- One block, from the lines behind its BEGIN; `line` is that one's number. Returns the block and the number of its last line, or nil, why.
local function read_block(lines, line, type_)
  local headers, body, ended, i = {}, {}, "-----END " .. type_ .. "-----", line + 1
  while lines[i] and lines[i]:find ":" and not lines[i]:find "^%-%-%-%-%-" do
    local name, value = lines[i]:match "^([^:]+):%s*(.*)$"
    if not name then return nil, i, "a header without a name" end
    if headers[name] then return nil, i, "a header that was there before" end
    headers[name] = value
    i = i + 1
  end
  if next(headers) then
    if lines[i] ~= "" then return nil, i, "expected an empty line behind the headers" end
    i = i + 1
  end
  while lines[i] and not lines[i]:find("-----", 1, true) do
    body[#body + 1] = lines[i]
    i = i + 1
  end
  if not lines[i] then return nil, line, "this block has no end" end
  if lines[i] ~= ended then return nil, i, "expected " .. ended end
  local bytes = base64.decode(table.concat(body))
  if not bytes then return nil, line, "the block's text is not base64" end
  return { type = type_, headers = headers, bytes = bytes }, i
end

function pem.decode(text)
  if type(text) ~= "string" then fail(2, "pem.decode: expected a text, got %s", kind_of(text)) end
  local lines, blocks, i = {}, {}, 1
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line:match "^(.-)[ \t\r]*$" end
  while lines[i] do
    local type_ = lines[i]:match "^%-%-%-%-%-BEGIN (.*)%-%-%-%-%-$"
    if type_ and type_:find(label) then
      local block, at, message = read_block(lines, i, type_)
      if not block then return nil, ("PEM line %d: %s"):format(at, message) end
      blocks[#blocks + 1] = block
      i = at
    end
    i = i + 1
  end
  return blocks
end

return crypto
