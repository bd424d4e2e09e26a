/* Keys and certificates, as scripts have them: ocm.crypto.key, .generate and .certificates make them.
 *
 * Text that libcrypto writes is kept in a userdata until it is a Lua string, and wiped then. */
#include "vm/lib_crypto.h"

#include "base/secret.h"
#include "vm/value.h"

static const char key_type[] = "ocm.crypto.key", certificate_type[] = "ocm.crypto.certificate", text_type[] = "ocm.crypto.text";

/* ---- text ---- */

static int text_collect(lua_State *L)
{
    struct buffer *text = luaL_checkudata(L, 1, text_type);
    if (text->data != NULL)
        explicit_bzero(text->data, text->capacity);
    buffer_free(text);
    return 0;
}

/* Pushes a buffer, to be written to. */
static struct buffer *new_text(lua_State *L)
{
    struct buffer *text = lua_newuserdatauv(L, sizeof *text, 0);
    *text = (struct buffer){0};
    luaL_setmetatable(L, text_type);
    lua_toclose(L, -1);
    return text;
}

static int push_text(lua_State *L, const struct buffer *text, bool ok, const struct error *e)
{
    if (!ok)
        return luaL_error(L, "%s", e->message);
    lua_pushlstring(L, text->data != NULL ? text->data : "", text->length);
    return 1;
}

static int push_hex(lua_State *L, const unsigned char *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char text[128];
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, 2 * length);
    return 1;
}

/* ---- keys ---- */

struct crypto_key *lib_crypto_new_key(lua_State *L)
{
    struct crypto_key *key = lua_newuserdatauv(L, sizeof *key, 0);
    *key = (struct crypto_key){0};
    luaL_setmetatable(L, key_type);
    return key;
}

struct crypto_key *lib_crypto_key(lua_State *L, int index) { return luaL_testudata(L, index, key_type); }

static struct crypto_key *check_key(lua_State *L)
{
    struct crypto_key *key = luaL_checkudata(L, 1, key_type);
    luaL_argcheck(L, key->pkey != NULL, 1, "an empty key"); /* its finaliser ran */
    return key;
}

static int key_collect(lua_State *L)
{
    crypto_key_free(luaL_checkudata(L, 1, key_type));
    return 0;
}

static int l_type(lua_State *L)
{
    lua_pushstring(L, check_key(L)->type);
    return 1;
}

static int l_bits(lua_State *L)
{
    lua_pushinteger(L, crypto_key_bits(check_key(L)));
    return 1;
}

static int l_is_private(lua_State *L)
{
    lua_pushboolean(L, check_key(L)->is_private);
    return 1;
}

static int l_public(lua_State *L)
{
    struct error e;
    const struct crypto_key *key = check_key(L);
    struct crypto_key *public = lib_crypto_new_key(L);
    if (!crypto_key_public(public, key, &e))
        return luaL_error(L, "%s", e.message);
    return 1;
}

static int l_key_pem(lua_State *L)
{
    struct error e;
    const struct crypto_key *key = check_key(L);
    struct buffer *text = new_text(L);
    return push_text(L, text, crypto_key_write_public(key, text, &e), &e);
}

/* private_pem([passphrase]) */
static int l_private_pem(lua_State *L)
{
    struct error e;
    size_t length = 0;
    const struct crypto_key *key = check_key(L);
    const char *passphrase = luaL_optlstring(L, 2, NULL, &length);
    struct buffer *text = new_text(L);
    bool ok = crypto_key_write_private(key, passphrase, length, text, &e);
    if (ok && passphrase == NULL)
        lib_crypto_hide(text->data, text->length);
    return push_text(L, text, ok, &e);
}

/* Never key material. */
static int key_tostring(lua_State *L)
{
    const struct crypto_key *key = luaL_checkudata(L, 1, key_type);
    if (key->pkey == NULL)
        lua_pushliteral(L, "key");
    else
        lua_pushfstring(L, "%s key (%s, %d bits)", key->is_private ? "private" : "public", key->type, (int)crypto_key_bits(key));
    return 1;
}

static int key_equal(lua_State *L)
{
    const struct crypto_key *a = lib_crypto_key(L, 1), *b = lib_crypto_key(L, 2);
    lua_pushboolean(L, a != NULL && b != NULL && a->pkey != NULL && b->pkey != NULL && a->is_private == b->is_private && crypto_key_equal(a, b));
    return 1;
}

/* ---- certificates ---- */

struct crypto_certificate *lib_crypto_new_certificate(lua_State *L)
{
    struct crypto_certificate *certificate = lua_newuserdatauv(L, sizeof *certificate, 0);
    *certificate = (struct crypto_certificate){0};
    luaL_setmetatable(L, certificate_type);
    return certificate;
}

struct crypto_certificate *lib_crypto_certificate(lua_State *L, int index) { return luaL_testudata(L, index, certificate_type); }

static struct crypto_certificate *check_certificate(lua_State *L)
{
    struct crypto_certificate *certificate = luaL_checkudata(L, 1, certificate_type);
    luaL_argcheck(L, certificate->x509 != NULL, 1, "an empty certificate");
    return certificate;
}

static int certificate_collect(lua_State *L)
{
    crypto_certificate_free(luaL_checkudata(L, 1, certificate_type));
    return 0;
}

typedef bool write_function(const struct crypto_certificate *, struct buffer *, struct error *);

static int push_written(lua_State *L, write_function *function)
{
    struct error e;
    const struct crypto_certificate *certificate = check_certificate(L);
    struct buffer *text = new_text(L);
    return push_text(L, text, function(certificate, text, &e), &e);
}

static int l_subject(lua_State *L) { return push_written(L, crypto_certificate_subject); }
static int l_issuer(lua_State *L) { return push_written(L, crypto_certificate_issuer); }
static int l_serial(lua_State *L) { return push_written(L, crypto_certificate_serial); }
static int l_certificate_pem(lua_State *L) { return push_written(L, crypto_certificate_write); }

static int validity(lua_State *L, bool end)
{
    int64_t from, to;
    if (!crypto_certificate_validity(check_certificate(L), &from, &to))
        return luaL_error(L, "the certificate's validity is malformed");
    lua_pushinteger(L, end ? to : from);
    return 1;
}

static int l_not_before(lua_State *L) { return validity(L, false); }
static int l_not_after(lua_State *L) { return validity(L, true); }

static int l_certificate_key(lua_State *L)
{
    struct error e;
    const struct crypto_certificate *certificate = check_certificate(L);
    if (!crypto_certificate_key(certificate, lib_crypto_new_key(L), &e))
        return luaL_error(L, "%s", e.message);
    return 1;
}

static int l_fingerprint(lua_State *L)
{
    struct error e;
    unsigned char digest[64];
    size_t length = crypto_certificate_fingerprint(check_certificate(L), luaL_checkstring(L, 2), digest, &e);
    if (length == 0)
        return luaL_error(L, "%s", e.message);
    return push_hex(L, digest, length);
}

/* The names, one behind the other in a buffer, since Lua may raise and OpenSSL holds memory meanwhile: kind, length, text. */
struct name {
    enum name_kind kind;
    size_t length;
};

static bool keep_name(void *context, enum name_kind kind, const char *text, size_t length)
{
    struct buffer *names = context;
    const struct name name = {kind, length};
    if (buffer_append(names, &name, sizeof name) && buffer_append(names, text, length))
        return true;
    names->limit = 1; /* what was kept is incomplete */
    return false;
}

/* names() -> { dns = {…}, email = {…}, uri = {…} } */
static int l_names(lua_State *L)
{
    static const struct {
        enum name_kind kind;
        const char *field;
    } kinds[] = {{NAME_DNS, "dns"}, {NAME_EMAIL, "email"}, {NAME_URI, "uri"}};
    const struct crypto_certificate *certificate = check_certificate(L);
    struct buffer *names = new_text(L);
    crypto_certificate_names(certificate, keep_name, names);
    if (names->limit != 0)
        return luaL_error(L, "not enough memory");
    lua_createtable(L, 0, 3);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        lua_Integer count = 0;
        lua_newtable(L);
        value_mark_array(L, -1);
        for (size_t at = 0; at < names->length;) {
            struct name name;
            memcpy(&name, names->data + at, sizeof name);
            at += sizeof name;
            if (name.kind == kinds[i].kind) {
                lua_pushlstring(L, names->data + at, name.length);
                lua_rawseti(L, -2, ++count);
            }
            at += name.length;
        }
        lua_setfield(L, -2, kinds[i].field);
    }
    return 1;
}

static int certificate_tostring(lua_State *L)
{
    struct error e;
    const struct crypto_certificate *certificate = luaL_checkudata(L, 1, certificate_type);
    struct buffer *text = new_text(L);
    if (certificate->x509 == NULL || !crypto_certificate_subject(certificate, text, &e) || !buffer_add(text, '\0'))
        lua_pushliteral(L, "certificate");
    else
        lua_pushfstring(L, "certificate (%s)", text->data);
    return 1;
}

/* ---- logs ---- */

void lib_crypto_hide(const char *pem, size_t length)
{
    static const char begin[] = "PRIVATE KEY-----", end[] = "-----END ";
    const char *body = memmem(pem, length, begin, sizeof begin - 1);
    if (body == NULL)
        return;
    body += sizeof begin - 1;
    size_t left = length - (size_t)(body - pem);
    const char *behind = memmem(body, left, end, sizeof end - 1);
    while (left > 0 && (*body == '\n' || *body == '\r')) {
        body++;
        left--;
    }
    if (behind != NULL && behind > body)
        secret_remember(body, (size_t)(behind - body));
}

static const luaL_Reg key_methods[] = {
    {"type", l_type}, {"bits", l_bits}, {"is_private", l_is_private}, {"public", l_public}, {"pem", l_key_pem}, {"private_pem", l_private_pem}, {NULL, NULL},
};
static const luaL_Reg key_metamethods[] = {{"__gc", key_collect}, {"__tostring", key_tostring}, {"__eq", key_equal}, {NULL, NULL}};

static const luaL_Reg certificate_methods[] = {
    {"subject", l_subject}, {"issuer", l_issuer}, {"serial", l_serial}, {"not_before", l_not_before}, {"not_after", l_not_after},
    {"key", l_certificate_key}, {"pem", l_certificate_pem}, {"fingerprint", l_fingerprint}, {"names", l_names}, {NULL, NULL},
};
static const luaL_Reg certificate_metamethods[] = {{"__gc", certificate_collect}, {"__tostring", certificate_tostring}, {NULL, NULL}};

static const luaL_Reg text_metamethods[] = {{"__gc", text_collect}, {"__close", text_collect}, {NULL, NULL}};

static void open_type(lua_State *L, const char *name, const luaL_Reg *metamethods, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, metamethods, 0);
    if (methods != NULL) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}

void lib_crypto_key_open(lua_State *L)
{
    open_type(L, text_type, text_metamethods, NULL);
    open_type(L, key_type, key_metamethods, key_methods);
    open_type(L, certificate_type, certificate_metamethods, certificate_methods);
}
