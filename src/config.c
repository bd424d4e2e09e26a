/* --config: see options.h. */
#include "base/json.h"
#include "options.h"

#include <errno.h>
#include <string.h>

static const uint64_t HOUR = 3600u * UINT64_C(1000000000);

static bool take_string(char *out, size_t size, const char *name, const struct json_event *event, struct error *e)
{
    if (event->kind == JSON_NULL)
        return true;
    if (event->kind != JSON_STRING)
        return error_set(e, EINVAL, "--config: %s: expected a string", name);
    if (event->length >= size || memchr(event->text, '\0', event->length) != NULL)
        return error_set(e, EINVAL, "--config: %s: expected at most %zu bytes, none of them NUL", name, size - 1);
    memcpy(out, event->text, event->length);
    out[event->length] = '\0';
    return true;
}

static bool take_idle_timeout(struct config *config, const struct json_event *event, struct error *e)
{
    if (event->kind == JSON_NULL)
        return true;
    if (event->kind != JSON_INTEGER || event->integer <= 0)
        return error_set(e, EINVAL, "--config: idleTimeout: expected nanoseconds, an integer above 0");
    config->idle_timeout = (uint64_t)event->integer;
    return true;
}

bool config_read(struct config *config, const char *text, size_t length, struct error *e)
{
    *config = (struct config){.idle_timeout = HOUR, .text = text, .length = length};
    struct json_reader reader;
    struct json_event event;
    struct error at;
    char type[16] = "", name[32];
    bool ok = false;
    json_reader_init(&reader, text, length);
    if (!json_next(&reader, &event, &at)) {
        error_set(e, at.code, "--config: %s", at.message);
        goto out;
    }
    if (event.kind != JSON_OBJECT) {
        error_set(e, EINVAL, "--config: expected a JSON object");
        goto out;
    }
    for (;;) {
        if (!json_next(&reader, &event, &at)) {
            error_set(e, at.code, "--config: %s", at.message);
            goto out;
        }
        if (event.kind == JSON_OBJECT_END)
            break;
        name[0] = '\0';
        if (event.length < sizeof name && memchr(event.text, '\0', event.length) == NULL) {
            memcpy(name, event.text, event.length);
            name[event.length] = '\0';
        }
        if (!json_next(&reader, &event, &at)) {
            error_set(e, at.code, "--config: %s", at.message);
            goto out;
        }
        if (strcmp(name, "id") == 0 ? !take_string(config->id, sizeof config->id, "id", &event, e) :
            strcmp(name, "type") == 0 ? (event.kind == JSON_STRING && event.length >= sizeof type ? (type[0] = '?', false) : !take_string(type, sizeof type, "type", &event, e)) :
            strcmp(name, "location") == 0 ? !take_string(config->location, sizeof config->location, "location", &event, e) :
            strcmp(name, "idleTimeout") == 0 ? !take_idle_timeout(config, &event, e) : false)
            goto out;
        if (!json_skip(&reader, &event, &at)) {
            error_set(e, at.code, "--config: %s", at.message);
            goto out;
        }
    }
    if (!json_next(&reader, &event, &at)) {
        error_set(e, at.code, "--config: %s", at.message);
        goto out;
    }
    if (config->id[0] == '\0') {
        error_set(e, EINVAL, "--config: id is missing");
        goto out;
    }
    if (strcmp(type, "unix") != 0 && strcmp(type, "tcp") != 0) {
        error_set(e, EINVAL, type[0] == '\0' ? "--config: type is missing: expected \"unix\" or \"tcp\"" : "--config: unknown type: expected \"unix\" or \"tcp\"");
        goto out;
    }
    config->transport = strcmp(type, "tcp") == 0 ? TRANSPORT_TCP : TRANSPORT_UNIX;
    ok = true;
out:
    json_reader_free(&reader);
    return ok;
}
