#pragma once
/* Keys and certificates as userdata, which the files of ocm.crypto share.  Main thread. */
#include "vm/state.h"
#include "work/crypto_certificate.h"
#include "work/crypto_key.h"

/* Pushes one that is still empty, to be filled. */
struct crypto_key *lib_crypto_new_key(lua_State *L);
struct crypto_certificate *lib_crypto_new_certificate(lua_State *L);

/* NULL: the value is none. */
struct crypto_key *lib_crypto_key(lua_State *L, int index);
struct crypto_certificate *lib_crypto_certificate(lua_State *L, int index);

/* Keeps the private key that PEM text holds unencrypted out of the logs, line by line. */
void lib_crypto_hide(const char *pem, size_t length);

/* Makes their metatables. */
void lib_crypto_key_open(lua_State *L);
