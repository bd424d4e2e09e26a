/* ocm.native.crypto: what lua/ocm/crypto.lua makes ocm.crypto of.  Keys and certificates: lib_crypto_key.c.
 *
 * What is quick runs where it stands, the rest as a job: the limits below were measured.  Arguments are not copied: a table with all of them
 * is anchored until the job is released, even if its task has ended long before.
 * An outcome that the script may expect is nil (or false) and a text. */
#include "vm/lib_crypto.h"

#include "work/crypto_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    SMALL = 64 << 10,    /* bytes that are hashed, or read as certificates, where they stand */
    RANDOM_MOST = 1 << 20,
    CHAIN_MOST = 100,
    BITS_QUICK = 4096,   /* of an RSA key that verifies, */
    CURVE_QUICK = 256,   /* and of an elliptic curve, where they stand */
};

/* ---- the job ---- */

struct call {
    struct crypto_job crypto; /* first */
    lua_State *main;
    int anchor; /* registry reference of the arguments */
};

static void release(struct job *job)
{
    struct call *call = (struct call *)job;
    if (call->anchor != LUA_NOREF && lua_checkstack(call->main, 3))
        luaL_unref(call->main, LUA_REGISTRYINDEX, call->anchor); /* writes to slots that are there: raises nothing */
    crypto_job_clear(&call->crypto);
    free(call);
}

/* Pushes a handle with a job; the arguments are all below it. */
static struct crypto_job *new_job(lua_State *L, bool (*run)(struct crypto_job *))
{
    struct job **job = job_handle(L);
    struct call *call = malloc(sizeof *call);
    if (call == NULL) {
        luaL_error(L, "not enough memory");
        return NULL;
    }
    crypto_job_init(&call->crypto, run);
    call->crypto.job.release = release;
    call->main = vm_of(L)->L;
    call->anchor = LUA_NOREF;
    *job = &call->crypto.job;
    return &call->crypto;
}

static struct crypto_job *job_at(lua_State *L, lua_KContext index) { return *(struct crypto_job **)lua_touserdata(L, (int)index); }

/* Runs the job of the handle on top, and goes on with finish. */
static int perform(lua_State *L, bool quick, lua_KFunction finish)
{
    int index = lua_gettop(L);
    struct crypto_job *crypto = job_at(L, index);
    if (quick) {
        crypto->job.work(&crypto->job);
        return finish(L, LUA_OK, index);
    }
    lua_createtable(L, index - 1, 0);
    for (int i = 1; i < index; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    ((struct call *)crypto)->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    return job_run(L, index, finish);
}

/* nil or false, and the text */
static int refuse(lua_State *L, const struct error *e)
{
    if (e->code == EBADMSG)
        lua_pushboolean(L, 0);
    else
        luaL_pushfail(L);
    lua_pushstring(L, e->message);
    return 2;
}

/* A string without a NUL inside. */
static const char *check_word(lua_State *L, int index)
{
    size_t length;
    const char *word = luaL_checklstring(L, index, &length);
    luaL_argcheck(L, strlen(word) == length, index, "it has a NUL byte");
    return word;
}

/* ---- digests ---- */

static int after_digest(lua_State *L, int status, lua_KContext index)
{
    struct crypto_job *crypto = job_at(L, index);
    (void)status;
    if (!crypto->ok)
        return luaL_error(L, "%s", crypto->error.message);
    lua_pushlstring(L, (const char *)crypto->digest, crypto->digest_length);
    return 1;
}

/* digest(algorithm, data) -> bytes */
static int l_digest(lua_State *L)
{
    size_t length;
    const char *algorithm = check_word(L, 1), *data = luaL_checklstring(L, 2, &length);
    lua_settop(L, 2);
    struct crypto_job *crypto = new_job(L, crypto_run_digest);
    crypto->message.hash = algorithm;
    crypto->message.data = data;
    crypto->message.length = length;
    return perform(L, length <= SMALL, after_digest);
}

/* hmac(algorithm, key, data) -> bytes */
static int l_hmac(lua_State *L)
{
    size_t key_length, length;
    const char *algorithm = check_word(L, 1), *key = luaL_checklstring(L, 2, &key_length), *data = luaL_checklstring(L, 3, &length);
    lua_settop(L, 3);
    struct crypto_job *crypto = new_job(L, crypto_run_hmac);
    crypto->message.hash = algorithm;
    crypto->message.data = data;
    crypto->message.length = length;
    crypto->second = key;
    crypto->second_length = key_length;
    return perform(L, key_length <= SMALL && length <= SMALL, after_digest);
}

/* digest_size(algorithm) -> the canonical name, bytes; nil: unknown */
static int l_digest_size(lua_State *L)
{
    const char *algorithm = check_word(L, 1);
    lua_pushstring(L, digest_name(algorithm));
    lua_pushinteger(L, (lua_Integer)digest_size(algorithm));
    return 2;
}

/* random(n) -> bytes */
static int l_random(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 0 && count <= RANDOM_MOST, 1, "expected 0 to 1048576 bytes");
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, (size_t)count);
    for (size_t made = 0; made < (size_t)count;) {
        ssize_t got = getrandom(out + made, (size_t)count - made, 0);
        if (got < 0 && errno != EINTR)
            return luaL_error(L, "random: %s", strerror(errno));
        made += got > 0 ? (size_t)got : 0;
    }
    luaL_pushresultsize(&buffer, (size_t)count);
    return 1;
}

/* equal(a, b) -> boolean */
static int l_equal(lua_State *L)
{
    struct error e;
    size_t length, other;
    const char *a = luaL_checklstring(L, 1, &length), *b = luaL_checklstring(L, 2, &other);
    bool equal;
    if (!digest_equal(a, b, length < other ? length : other, &equal, &e))
        return luaL_error(L, "%s", e.message);
    lua_pushboolean(L, equal && length == other);
    return 1;
}

/* ---- keys and certificates ---- */

static int after_key(lua_State *L, int status, lua_KContext index)
{
    struct crypto_job *crypto = job_at(L, index);
    (void)status;
    if (!crypto->ok)
        return refuse(L, &crypto->error);
    struct crypto_key *key = lib_crypto_new_key(L);
    *key = crypto->key;
    crypto->key = (struct crypto_key){0};
    if (key->is_private && crypto->message.data != NULL && !crypto_key_is_encrypted(crypto->message.data, crypto->message.length))
        lib_crypto_hide(crypto->message.data, crypto->message.length);
    return 1;
}

/* key(pem [, passphrase]) -> key, or nil and a text */
static int l_key(lua_State *L)
{
    size_t length, passphrase_length = 0;
    const char *pem = luaL_checklstring(L, 1, &length), *passphrase = luaL_optlstring(L, 2, NULL, &passphrase_length);
    lua_settop(L, 2);
    struct crypto_job *crypto = new_job(L, crypto_run_key);
    crypto->message.data = pem;
    crypto->message.length = length;
    crypto->second = passphrase;
    crypto->second_length = passphrase_length;
    return perform(L, false, after_key); /* OpenSSL's decoders take a millisecond, a passphrase any time */
}

/* generate(type, curve, bits) -> key, or nil and a text */
static int l_generate(lua_State *L)
{
    const char *type = check_word(L, 1), *curve = check_word(L, 2);
    lua_Integer bits = luaL_checkinteger(L, 3);
    lua_settop(L, 3);
    struct crypto_job *crypto = new_job(L, crypto_run_generate);
    crypto->type = type;
    crypto->curve = curve;
    crypto->bits = bits > 0 && bits <= INT32_MAX ? (unsigned)bits : 0;
    return perform(L, strcmp(type, "rsa") != 0, after_key);
}

static int after_certificates(lua_State *L, int status, lua_KContext index)
{
    struct crypto_job *crypto = job_at(L, index);
    (void)status;
    if (!crypto->ok)
        return refuse(L, &crypto->error);
    lua_createtable(L, (int)crypto->count, 0);
    for (size_t i = 0; i < crypto->count; i++) {
        struct crypto_certificate *certificate = lib_crypto_new_certificate(L);
        *certificate = crypto->certificates[i];
        crypto->certificates[i].x509 = NULL;
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* certificates(pem) -> array, or nil and a text */
static int l_certificates(lua_State *L)
{
    size_t length;
    const char *pem = luaL_checklstring(L, 1, &length);
    lua_settop(L, 1);
    struct crypto_job *crypto = new_job(L, crypto_run_certificates);
    crypto->message.data = pem;
    crypto->message.length = length;
    return perform(L, length <= SMALL, after_certificates);
}

/* kind(value) -> "key", "certificate" or nil */
static int l_kind(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lib_crypto_key(L, 1) != NULL)
        lua_pushliteral(L, "key");
    else if (lib_crypto_certificate(L, 1) != NULL)
        lua_pushliteral(L, "certificate");
    else
        luaL_pushfail(L);
    return 1;
}

/* ---- signatures ---- */

/* The first six arguments: key, algorithm, hash, salt, data, whether it is hashed. */
static struct crypto_message check_message(lua_State *L)
{
    struct crypto_message message = {.key = lib_crypto_key(L, 1)};
    if (message.key == NULL || message.key->pkey == NULL)
        luaL_typeerror(L, 1, "key");
    message.algorithm = check_word(L, 2);
    message.hash = check_word(L, 3);
    lua_Integer salt = luaL_checkinteger(L, 4);
    luaL_argcheck(L, salt >= SALT_MAX && salt <= INT16_MAX, 4, "not a salt length");
    message.salt = (int)salt;
    message.data = luaL_checklstring(L, 5, &message.length);
    message.hashed = lua_toboolean(L, 6);
    return message;
}

static void set_message(struct crypto_job *crypto, const struct crypto_message *message)
{
    crypto->message = *message;
    crypto->message.cancelled = &crypto->job.cancelled;
}

static bool is_quick(const struct crypto_message *message, bool signs)
{
    const char *type = message->key->type;
    if (message->length > SMALL)
        return false;
    if (strcmp(type, "ed25519") == 0)
        return true;
    if (strcmp(type, "ec") == 0)
        return crypto_key_bits(message->key) <= CURVE_QUICK;
    return !signs && crypto_key_bits(message->key) <= BITS_QUICK;
}

static int after_sign(lua_State *L, int status, lua_KContext index)
{
    struct crypto_job *crypto = job_at(L, index);
    (void)status;
    if (!crypto->ok)
        return refuse(L, &crypto->error);
    lua_pushlstring(L, crypto->signature.data, crypto->signature.length);
    return 1;
}

/* sign(key, algorithm, hash, salt, data, hashed) -> bytes, or nil and a text */
static int l_sign(lua_State *L)
{
    struct crypto_message message = check_message(L);
    lua_settop(L, 6);
    set_message(new_job(L, crypto_run_sign), &message);
    return perform(L, is_quick(&message, true), after_sign);
}

static int after_verify(lua_State *L, int status, lua_KContext index)
{
    struct crypto_job *crypto = job_at(L, index);
    (void)status;
    if (!crypto->ok)
        return refuse(L, &crypto->error);
    lua_pushboolean(L, 1);
    return 1;
}

/* verify(key, algorithm, hash, salt, data, hashed, signature) -> true; false and why; nil and a text */
static int l_verify(lua_State *L)
{
    size_t length;
    struct crypto_message message = check_message(L);
    const char *signature = luaL_checklstring(L, 7, &length);
    lua_settop(L, 7);
    struct crypto_job *crypto = new_job(L, crypto_run_verify);
    set_message(crypto, &message);
    crypto->second = signature;
    crypto->second_length = length;
    return perform(L, is_quick(&message, false), after_verify);
}

/* Pushes an array of the certificates in the one at `index`, which keeps them alive: each also as a value in a table that is pushed, too. */
static const struct crypto_certificate *const *check_list(lua_State *L, int index, size_t most, size_t *count)
{
    luaL_checktype(L, index, LUA_TTABLE);
    *count = (size_t)lua_rawlen(L, index);
    luaL_argcheck(L, *count <= most, index, "too many certificates");
    lua_createtable(L, (int)*count, 0);
    const struct crypto_certificate **list = lua_newuserdatauv(L, (*count + 1) * sizeof *list, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        list[i] = lib_crypto_certificate(L, -1);
        luaL_argcheck(L, list[i] != NULL && list[i]->x509 != NULL, index, "certificates expected");
        lua_rawseti(L, -3, (lua_Integer)i + 1);
    }
    return list;
}

/* verify_chain(chain, roots, system, at, purpose, name or nil) -> true; false and why; nil and a text */
static int l_verify_chain(lua_State *L)
{
    struct crypto_chain chain = {.system = lua_toboolean(L, 3), .at = luaL_checkinteger(L, 4), .purpose = check_word(L, 5)};
    if (!lua_isnoneornil(L, 6))
        chain.name = check_word(L, 6);
    lua_settop(L, 6);
    chain.chain = check_list(L, 1, CHAIN_MOST, &chain.chain_count);
    chain.roots = check_list(L, 2, CRYPTO_CERTIFICATES_MOST, &chain.roots_count);
    new_job(L, crypto_run_chain)->chain = chain;
    return perform(L, false, after_verify);
}

static const luaL_Reg functions[] = {
    {"digest", l_digest}, {"hmac", l_hmac}, {"digest_size", l_digest_size}, {"random", l_random}, {"equal", l_equal}, {"key", l_key},
    {"generate", l_generate}, {"certificates", l_certificates}, {"kind", l_kind}, {"sign", l_sign}, {"verify", l_verify},
    {"verify_chain", l_verify_chain}, {NULL, NULL},
};

int luaopen_ocm_crypto(lua_State *L)
{
    lib_crypto_key_open(L);
    luaL_newlib(L, functions);
    return 1;
}
