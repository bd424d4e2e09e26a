/* The options of an HTTP request: checked and copied. Main thread. */
#include "base/secret.h"
#include "base/uri.h"
#include "work/http_state.h"
#include "work/http_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct http_options http_defaults = {
    .method = "GET", .length = -1, .size = -1, .resume = true, .connect_timeout = 30, .idle = 60, .redirects = 10, .retries = 3,
};

bool http_check(const struct http_options *options, struct error *e)
{
    struct http_url url;
    struct error why;
    struct buffer decoded = {0};
    if (options->method != NULL && !http_is_token(options->method))
        return error_set(e, EINVAL, "method: expected a word such as GET");
    if (!http_url_parse(options->url, &url, &why))
        return error_set(e, EINVAL, "url: %s", why.message);
    bool ok = url.userinfo == NULL || uri_decode(&decoded, url.userinfo, url.userinfo_length, false, &why);
    buffer_free(&decoded);
    if (!ok)
        return error_set(e, EINVAL, "url: the user and password before its host are not percent-encoded");
    for (size_t i = 0; i < options->field_count; i++) {
        const struct http_field *field = &options->fields[i];
        if (!http_is_token(field->name))
            return error_set(e, EINVAL, "headers: a name has only letters, digits and - _ .");
        if (!http_is_value(field->value))
            return error_set(e, EINVAL, "headers: %s: a value has no line ends or other control bytes", field->name);
        if (strcasecmp(field->name, "Content-Length") == 0 || strcasecmp(field->name, "Transfer-Encoding") == 0)
            return error_set(e, EINVAL, "headers: %s is set as the body is", field->name);
    }
    if ((options->bearer != NULL && !http_is_value(options->bearer)))
        return error_set(e, EINVAL, "bearer: a token has no line ends or other control bytes");
    return true;
}

/* ---- copying: all texts stand in one block ---- */

static size_t length_of(const char *text) { return text != NULL ? strlen(text) + 1 : 0; }

static const char *keep(char **at, const char *text, size_t length)
{
    char *copy = *at;
    if (text == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, text, length);
    *at += length;
    return copy;
}

static size_t data_length(const struct http_options *options)
{
    return options->body == HTTP_BYTES ? (size_t)options->length : length_of(options->data);
}

static bool copy_options(struct http *h, const struct http_options *given)
{
    struct http_options *own = &h->options;
    const char **const texts[] = {&own->method, &own->username, &own->password, &own->bearer, &own->ca, &own->certificate, &own->key, &own->unix_socket};
    *own = *given;
    if (own->method == NULL)
        own->method = "GET";
    size_t fields = given->field_count * sizeof *given->fields, size = fields + data_length(given);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += length_of(*texts[i]);
    for (size_t i = 0; i < given->field_count; i++)
        size += length_of(given->fields[i].name) + length_of(given->fields[i].value);
    char *at = h->texts = malloc(size + 1);
    if (at == NULL)
        return false;
    struct http_field *copies = (struct http_field *)(void *)at; /* first: malloc aligns it */
    at += fields;
    own->fields = copies;
    for (size_t i = 0; i < given->field_count; i++) {
        copies[i].name = keep(&at, given->fields[i].name, length_of(given->fields[i].name));
        copies[i].value = keep(&at, given->fields[i].value, length_of(given->fields[i].value));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(&at, *texts[i], length_of(*texts[i]));
    own->data = keep(&at, given->data, data_length(given));
    own->url = NULL; /* see `first` */
    return true;
}

/* "user:password" */
static bool split_userinfo(struct http *h, const struct http_url *url)
{
    if (url->userinfo == NULL || url->userinfo_length == 0 || h->options.username != NULL || h->options.bearer != NULL)
        return true;
    const char *colon = memchr(url->userinfo, ':', url->userinfo_length);
    size_t user = colon != NULL ? (size_t)(colon - url->userinfo) : url->userinfo_length;
    size_t password = colon != NULL ? url->userinfo_length - user - 1 : 0;
    if (!uri_decode(&h->user, url->userinfo, user, false, NULL) || !buffer_add(&h->user, '\0'))
        return false;
    if (!uri_decode(&h->password, colon != NULL ? colon + 1 : "", password, false, NULL) || !buffer_add(&h->password, '\0'))
        return false;
    h->options.username = h->user.data;
    h->options.password = h->password.data;
    return true;
}

/* So that they are in no log line or error text, whoever writes it. */
static void remember_secrets(const struct http_options *options)
{
    const char *const secrets[] = {options->password, options->bearer};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (secrets[i] != NULL)
            secret_remember(secrets[i], strlen(secrets[i]));
    for (size_t i = 0; i < options->field_count; i++)
        if (http_is_secret_field(options->fields[i].name))
            secret_remember(options->fields[i].value, strlen(options->fields[i].value));
}

bool http_options_keep(struct http *h, const struct http_options *options)
{
    struct http_url url;
    if (!copy_options(h, options))
        return false;
    if (!http_check(options, &h->unfit)) {
        h->unfit.code = EINVAL;
        return buffer_puts(&h->first_shown, "…") && buffer_add(&h->first_shown, '\0');
    }
    h->unfit.code = 0;
    if (!http_url_parse(options->url, &url, &h->unfit) || !split_userinfo(h, &url))
        return false;
    remember_secrets(&h->options);
    return http_url_plain(&h->first, &url) && buffer_add(&h->first, '\0') && http_url_public(&h->first_shown, options->url) && buffer_add(&h->first_shown, '\0');
}
