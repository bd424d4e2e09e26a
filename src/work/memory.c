/* Bytes in memory: see memory.h. */
#include "work/memory.h"
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

struct bytes_source {
    struct stream stream;
    size_t length, at;
    char data[];
};

static bool bytes_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct bytes_source *bytes = (struct bytes_source *)s;
    (void)e;
    *got = bytes->length - bytes->at < size ? bytes->length - bytes->at : size;
    if (*got > 0)
        memcpy(data, bytes->data + bytes->at, *got);
    bytes->at += *got;
    return true;
}

static int64_t bytes_size(struct stream *s) { return (int64_t)((struct bytes_source *)s)->length; }

static void bytes_free(struct stream *s) { free(s); }

struct stream *bytes_source_create(const char *data, size_t length)
{
    static const struct stream_type type = {.name = "bytes", .read = bytes_read, .size = bytes_size, .free = bytes_free};
    struct bytes_source *bytes = length <= SIZE_MAX - sizeof *bytes ? malloc(sizeof *bytes + length) : NULL;
    if (bytes == NULL)
        return NULL;
    *bytes = (struct bytes_source){.stream = {.type = &type}, .length = length};
    if (length > 0)
        memcpy(bytes->data, data, length);
    return &bytes->stream;
}

/* ---- sinks ---- */

struct memory_sink {
    struct sink sink;
    struct stream *stage; /* through_sink's */
    bool keep, strict;    /* strict: more than fits is an error */
    size_t most;
    struct buffer kept;
};

static bool keep(struct memory_sink *memory, const char *data, size_t length, struct error *e)
{
    if (!memory->keep)
        return true;
    size_t room = memory->most - memory->kept.length;
    if (length > room && memory->strict) {
        char count[COUNT_SIZE];
        return error_set(e, EFBIG, "string: more than %s bytes", count_text(memory->most, count));
    }
    return buffer_append(&memory->kept, data, length < room ? length : room) || error_set(e, ENOMEM, "string: out of memory");
}

static bool memory_run(struct sink *s, struct stream *from, struct error *e)
{
    struct memory_sink *memory = (struct memory_sink *)s;
    struct stream *last = from;
    if (memory->stage != NULL) {
        memory->stage->from = from;
        memory->stage->flow = s->flow;
        last = memory->stage;
    }
    char *chunk = malloc(STREAM_CHUNK);
    if (chunk == NULL)
        return error_set(e, ENOMEM, "out of memory");
    bool ok;
    size_t got;
    while ((ok = stream_read(last, chunk, STREAM_CHUNK, &got, e)) && got > 0 && (ok = keep(memory, chunk, got, e)))
        ;
    if (ok) /* else a command may still read it, in a thread of its own */
        s->written = from->passed;
    free(chunk);
    return ok;
}

static void memory_free(struct sink *s)
{
    struct memory_sink *memory = (struct memory_sink *)s;
    stream_free(memory->stage);
    buffer_free(&memory->kept);
    free(memory);
}

static struct memory_sink *create(const struct sink_type *type)
{
    struct memory_sink *memory = calloc(1, sizeof *memory);
    if (memory != NULL)
        memory->sink.type = type;
    return memory;
}

struct sink *null_sink_create(void)
{
    static const struct sink_type type = {.name = "null", .run = memory_run, .free = memory_free};
    struct memory_sink *memory = create(&type);
    return memory != NULL ? &memory->sink : NULL;
}

struct sink *string_sink_create(size_t most)
{
    static const struct sink_type type = {.name = "string", .run = memory_run, .free = memory_free};
    struct memory_sink *memory = create(&type);
    if (memory == NULL)
        return NULL;
    memory->keep = memory->strict = true;
    memory->most = most;
    return &memory->sink;
}

struct sink *through_sink_create(struct stream *stage, size_t most)
{
    static const struct sink_type type = {.name = "through", .computes = true, .run = memory_run, .free = memory_free};
    struct memory_sink *memory = stage != NULL ? create(&type) : NULL;
    if (memory == NULL) {
        stream_free(stage);
        return NULL;
    }
    memory->stage = stage;
    memory->keep = true;
    memory->most = most;
    return &memory->sink;
}

static const char *data_of(const struct memory_sink *memory, size_t *length)
{
    *length = memory->kept.length;
    return memory->kept.data != NULL ? memory->kept.data : "";
}

const char *string_sink_data(const struct sink *s, size_t *length) { return data_of((const struct memory_sink *)s, length); }
const char *through_sink_data(const struct sink *s, size_t *length) { return data_of((const struct memory_sink *)s, length); }
const struct stream *through_sink_stage(const struct sink *s) { return ((const struct memory_sink *)s)->stage; }
