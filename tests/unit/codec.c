/* work/codec: what goes in comes out, for every format; what is cut short, altered or too large is told, and never passed on. */
#include "faults.h"
#include "work/codec.h"
#include "work/memory.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const packing[CODEC_FORMATS] = {"gzip", "zstd", "xz", "bzip2"};
static const char *const unpacking[CODEC_FORMATS] = {"gunzip", "unzstd", "unxz", "bunzip2"};

struct bytes {
    char *data;
    size_t length;
};

/* ---- running a stage over bytes ---- */

static struct flow flow;

/* All that comes out, in reads of `piece` bytes.  False: e filled; what came before it is in *out. */
static bool run(struct stream *stage, const void *data, size_t length, size_t piece, struct bytes *out, struct error *e)
{
    struct stream *source = bytes_source_create(data, length);
    if (stage == NULL || source == NULL) {
        stream_free(stage);
        stream_free(source);
        *out = (struct bytes){0};
        return error_set(e, ENOMEM, "out of memory");
    }
    source->subject = "/tmp/it";
    stage->from = source;
    source->flow = stage->flow = &flow;
    size_t got = 1, room = 0;
    bool ok = true;
    *out = (struct bytes){0};
    while (ok && got > 0) {
        if (room - out->length < piece) {
            room = room * 2 + piece;
            faults_memory(0, false);
            out->data = realloc(out->data, room);
            assert_non_null(out->data);
        }
        ok = stream_read(stage, out->data + out->length, piece, &got, e);
        out->length += got;
    }
    stream_free(stage);
    stream_free(source);
    return ok;
}

static struct bytes pack(enum codec_format format, int level, const void *data, size_t length)
{
    struct error e;
    struct bytes out;
    if (!run(compress_stage_create(format, level), data, length, 5000, &out, &e))
        fail_msg("%s", e.message);
    return out;
}

static struct bytes pack_text(enum codec_format format, const char *text) { return pack(format, codec_levels(format).usual, text, strlen(text)); }

static void assert_unpacks(enum codec_format format, struct bytes packed, const void *data, size_t length)
{
    struct error e;
    struct bytes out;
    if (!run(decompress_stage_create(format), packed.data, packed.length, 5000, &out, &e))
        fail_msg("%s", e.message);
    assert_int_equal(out.length, length);
    assert_memory_equal(out.data, data, length);
    free(out.data);
}

static void assert_fails(struct stream *stage, struct bytes packed, int code, const char *message)
{
    struct error e = {0};
    struct bytes out;
    assert_false(run(stage, packed.data, packed.length, 5000, &out, &e));
    assert_string_equal(e.message, message);
    assert_int_equal(e.code, code);
    free(out.data);
}

/* Text-like bytes, the same every time: a word in three is repeated from before. */
static struct bytes sample(size_t length)
{
    struct bytes b = {malloc(length + 1), length};
    unsigned state = 12345;
    assert_non_null(b.data);
    for (size_t i = 0; i < length;) {
        state = state * 1103515245 + 12345;
        size_t run_length = 4 + (state >> 16) % 8, back = 1 + (state >> 8) % 20000;
        for (size_t k = 0; k < run_length && i < length; k++, i++)
            b.data[i] = (state >> 28) < 6 && i >= back ? b.data[i - back] : (char)('a' + (state >> (k % 20)) % 26);
    }
    return b;
}

/* ---- there and back ---- */

static void test_every_size_and_level_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 1500 * 1000};
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct codec_levels levels = codec_levels((enum codec_format)format);
        const int tried[] = {levels.least, levels.usual, format == CODEC_ZSTD ? levels.usual + 1 : levels.most};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t k = 0; k < 3; k++) {
                struct bytes data = sample(sizes[i]);
                struct bytes packed = pack((enum codec_format)format, tried[k], data.data, data.length);
                assert_true(packed.length > 0); /* nothing, too, has a form */
                assert_unpacks((enum codec_format)format, packed, data.data, data.length);
                free(packed.data);
                free(data.data);
            }
    }
}

static void test_a_byte_at_a_time_is_enough(void **state)
{
    (void)state;
    struct bytes data = sample(300 * 1000);
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct error e;
        struct bytes packed, out, whole = pack((enum codec_format)format, codec_levels((enum codec_format)format).least, data.data, data.length);
        assert_true(run(compress_stage_create((enum codec_format)format, codec_levels((enum codec_format)format).least), data.data, data.length, 1, &packed, &e));
        assert_int_equal(packed.length, whole.length);
        assert_memory_equal(packed.data, whole.data, whole.length);
        assert_true(run(decompress_stage_create((enum codec_format)format), packed.data, packed.length, 1, &out, &e));
        assert_int_equal(out.length, data.length);
        assert_memory_equal(out.data, data.data, data.length);
        free(out.data);
        free(packed.data);
        free(whole.data);
    }
    free(data.data);
}

static void test_the_number_of_processors_changes_nothing(void **state)
{
    (void)state;
    cpu_set_t before, one;
    struct bytes data = sample(12 * 1000 * 1000);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    for (int format = CODEC_GZIP; format <= CODEC_ZSTD; format++) {
        struct bytes many = pack((enum codec_format)format, 1, data.data, data.length);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        struct bytes alone = pack((enum codec_format)format, 1, data.data, data.length);
        assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
        assert_int_equal(many.length, alone.length);
        assert_memory_equal(many.data, alone.data, alone.length);
        if (format == CODEC_GZIP)
            assert_memory_equal(many.data, "\x1f\x8b\x08\0\0\0\0\0\x04\x03", 10); /* no name, no time */
        free(many.data);
        free(alone.data);
    }
    free(data.data);
}

/* ---- members ---- */

static struct bytes joined(struct bytes a, const void *more, size_t length)
{
    struct bytes out = {malloc(a.length + length), a.length + length};
    assert_non_null(out.data);
    memcpy(out.data, a.data, a.length);
    memcpy(out.data + a.length, more, length);
    return out;
}

static void test_members_follow_each_other(void **state)
{
    (void)state;
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct bytes one = pack_text((enum codec_format)format, "one, "), none = pack_text((enum codec_format)format, ""), two = pack_text((enum codec_format)format, "two");
        struct bytes first = joined(one, none.data, none.length), all = joined(first, two.data, two.length);
        assert_unpacks((enum codec_format)format, all, "one, two", 8);
        free(one.data), free(none.data), free(two.data), free(first.data), free(all.data);
    }
}

static void test_garbage_behind_is_treated_as_the_tools_do(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        bool passes[CODEC_FORMATS];
    } cases[] = {
        {"garbage", 7, {true, false, false, true}},
        {"\0\0\0\0\0\0\0\0", 8, {true, false, true, true}}, /* xz: stream padding */
        {"\0", 1, {true, false, false, true}},
        {"!", 1, {true, false, false, true}},
    };
    for (int format = 0; format < CODEC_FORMATS; format++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct bytes one = pack_text((enum codec_format)format, "one"), all = joined(one, cases[i].bytes, cases[i].length), out;
            struct error e = {0};
            assert_int_equal(run(decompress_stage_create((enum codec_format)format), all.data, all.length, 4, &out, &e), cases[i].passes[format]);
            if (cases[i].passes[format])
                assert_int_equal(out.length, 3);
            else
                assert_true(e.code == EBADMSG || e.code == EPIPE);
            free(out.data), free(one.data), free(all.data);
        }
}

static void test_a_second_member_that_is_cut_is_an_error(void **state)
{
    (void)state;
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct bytes one = pack_text((enum codec_format)format, "one"), cut = joined(one, one.data, one.length - 3);
        char message[200], count[COUNT_SIZE];
        (void)snprintf(message, sizeof message, "%s of /tmp/it: unexpected end of file after %s bytes", unpacking[format], count_text(cut.length, count));
        assert_fails(decompress_stage_create((enum codec_format)format), cut, EPIPE, message);
        free(one.data), free(cut.data);
    }
}

/* ---- what is broken ---- */

static void test_truncation_is_found_at_every_byte(void **state)
{
    (void)state;
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct bytes packed = pack_text((enum codec_format)format, "a small text, a small text, and its end");
        for (size_t length = 0; length < packed.length; length++) {
            char message[200];
            (void)snprintf(message, sizeof message, "%s of /tmp/it: unexpected end of file after %zu bytes", unpacking[format], length);
            assert_fails(decompress_stage_create((enum codec_format)format), (struct bytes){packed.data, length}, EPIPE, message);
        }
        free(packed.data);
    }
}

static void test_a_flipped_bit_never_gives_other_bytes(void **state)
{
    (void)state;
    static const char text[] = "a small text, a small text, and its end";
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct bytes packed = pack_text((enum codec_format)format, text);
        size_t found = 0;
        for (size_t bit = 0; bit < packed.length * 8; bit++) {
            struct error e = {0};
            struct bytes out;
            packed.data[bit / 8] = (char)(packed.data[bit / 8] ^ (1 << bit % 8));
            bool ok = run(decompress_stage_create((enum codec_format)format), packed.data, packed.length, 5000, &out, &e);
            packed.data[bit / 8] = (char)(packed.data[bit / 8] ^ (1 << bit % 8));
            if (ok) { /* a bit that says nothing about the data: gzip's time, zstd's reserved ones */
                assert_int_equal(out.length, sizeof text - 1);
                assert_memory_equal(out.data, text, sizeof text - 1);
            } else {
                assert_true(strncmp(e.message, unpacking[format], strlen(unpacking[format])) == 0);
                found++;
            }
            free(out.data);
        }
        assert_true(found > packed.length * 8 * 8 / 10 || format == CODEC_GZIP);
        assert_true(found > packed.length * 8 * 6 / 10);
        free(packed.data);
    }
}

static void test_another_format_is_refused_by_name(void **state)
{
    static char plain[] = "plain text";
    (void)state;
    for (int format = 0; format < CODEC_FORMATS; format++) {
        char message[100];
        (void)snprintf(message, sizeof message, "%s of /tmp/it: not in %s format", unpacking[format], packing[format]);
        assert_fails(decompress_stage_create((enum codec_format)format), (struct bytes){plain, sizeof plain - 1}, EBADMSG, message);
    }
}

static void test_corrupt_data_says_where_and_why(void **state)
{
    (void)state;
    struct bytes packed = pack_text(CODEC_GZIP, "text");
    packed.data[packed.length - 8] ^= 1;
    char message[200];
    (void)snprintf(message, sizeof message, "gunzip of /tmp/it: corrupt data after %zu bytes (incorrect data check)", packed.length - 4);
    assert_fails(decompress_stage_create(CODEC_GZIP), packed, EBADMSG, message);
    free(packed.data);
}

static void test_windows_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    static const unsigned char zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00};          /* 256 MiB */
    static const unsigned char zstd_enough[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00};   /* 128 MiB */
    static const unsigned char xz[] = { /* 256 MiB */
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01,
        0x20, 0x00, 0x00, 0x00, 0x09, 0x88, 0xa5, 0x76, 0x01, 0x00, 0x00, 0x78, 0x00, 0x00, 0x00, 0x00,
        0x45, 0xae, 0xef, 0x83, 0xf8, 0xee, 0x16, 0x0a, 0x00, 0x01, 0x19, 0x01, 0xa5, 0x2c, 0x81, 0xcc,
        0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a};
    assert_fails(decompress_stage_create(CODEC_ZSTD), (struct bytes){(char *)(uintptr_t)zstd, sizeof zstd}, ENOMEM,
                 "unzstd of /tmp/it: it was compressed with a window of more than 128 MiB: decompressing would take as much memory");
    assert_fails(decompress_stage_create(CODEC_XZ), (struct bytes){(char *)(uintptr_t)xz, sizeof xz}, ENOMEM,
                 "unxz of /tmp/it: it was compressed with a window of more than 128 MiB: decompressing would take as much memory");
    assert_unpacks(CODEC_ZSTD, (struct bytes){(char *)(uintptr_t)zstd_enough, sizeof zstd_enough}, "", 0);
}

/* ---- telling the format ---- */

static const char *detected; /* what the last stage of detect said */

static bool detect(const void *data, size_t length, struct bytes *out, struct error *e)
{
    struct stream *source = bytes_source_create(data, length), *stage = detect_stage_create();
    assert_non_null(source);
    assert_non_null(stage);
    source->subject = "/tmp/it";
    source->flow = stage->flow = &flow;
    stage->from = source;
    out->data = malloc(1000);
    assert_non_null(out->data);
    bool ok = stream_read_full(stage, out->data, 1000, &out->length, e);
    detected = detect_stage_format(stage);
    stream_free(stage);
    stream_free(source);
    return ok;
}

static void test_the_format_is_told_by_the_first_bytes(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "B", "BZh", "BZh0 is no bzip2", "\x1f", "plain text that is long enough"};
    struct bytes out;
    struct error e = {0};
    for (int format = 0; format < CODEC_FORMATS; format++) {
        struct bytes packed = pack_text((enum codec_format)format, "text");
        assert_true(detect(packed.data, packed.length, &out, &e));
        assert_string_equal(detected, packing[format]);
        assert_int_equal(out.length, 4);
        assert_memory_equal(out.data, "text", 4);
        free(out.data);
        assert_false(detect(packed.data, packed.length - 1, &out, &e));
        assert_true(strncmp(e.message, "decompress of /tmp/it: unexpected end", 30) == 0);
        free(out.data), free(packed.data);
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        assert_true(detect(plain[i], strlen(plain[i]), &out, &e));
        assert_null(detected);
        assert_int_equal(out.length, strlen(plain[i]));
        assert_memory_equal(out.data, plain[i], out.length);
        free(out.data);
    }
}

/* ---- memory, and giving up ---- */

/* Reads all while the `first`th allocation and all after it fail. True: it did without, `length` bytes came. */
static bool survives(struct stream *stage, const char *name, struct bytes data, long first, size_t *length, long *seen)
{
    static char chunk[5000];
    struct error e = {0};
    struct stream *source = bytes_source_create(data.data, data.length);
    assert_non_null(source);
    assert_non_null(stage);
    source->flow = stage->flow = &flow;
    source->subject = "/tmp/it";
    stage->from = source;
    *length = 0;
    size_t got = 1;
    bool ok = true;
    faults_memory(first, true);
    for (; ok && got > 0; *length += got)
        ok = stream_read(stage, chunk, sizeof chunk, &got, &e);
    *seen = faults_seen();
    faults_memory(0, false);
    stream_free(stage);
    stream_free(source);
    char message[100];
    (void)snprintf(message, sizeof message, "%s of /tmp/it: out of memory", name);
    if (!ok)
        assert_string_equal(e.message, message);
    return ok;
}

static void test_running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    struct bytes data = sample(1000 * 1000);
    for (int format = 0; format < CODEC_FORMATS; format++) {
        enum codec_format f = (enum codec_format)format;
        struct bytes packed = pack(f, 1, data.data, data.length);
        faults_memory(1, true);
        struct stream *packer = compress_stage_create(f, 1), *unpacker = decompress_stage_create(f), *detector = detect_stage_create();
        faults_memory(0, false);
        assert_true(packer == NULL && unpacker == NULL && detector == NULL);
        long seen = 1, failures = 0;
        size_t length;
        for (long first = 1; seen >= first; first++)
            if (survives(compress_stage_create(f, 1), packing[f], data, first, &length, &seen))
                assert_int_equal(length, packed.length); /* gzip does without its threads */
            else
                failures++;
        seen = 1;
        for (long first = 1; seen >= first; first++)
            if (survives(decompress_stage_create(f), unpacking[f], packed, first, &length, &seen))
                assert_int_equal(length, data.length);
            else
                failures++;
        assert_true(failures > 0 || f == CODEC_ZSTD); /* whose library allocates by itself */
        free(packed.data);
    }
    free(data.data);
}

static void test_a_flow_that_is_over_ends_it(void **state)
{
    (void)state;
    struct bytes data = sample(3 * 1000 * 1000);
    for (int format = 0; format < CODEC_FORMATS; format++) {
        static char chunk[1000];
        struct error e = {0};
        size_t got;
        struct stream *stage = compress_stage_create((enum codec_format)format, codec_levels((enum codec_format)format).usual);
        struct stream *source = bytes_source_create(data.data, data.length);
        assert_non_null(stage);
        assert_non_null(source);
        struct flow own = {0};
        source->flow = stage->flow = &own;
        stage->from = source;
        assert_true(stream_read(stage, chunk, sizeof chunk, &got, &e));
        flow_end(&own);
        assert_false(stream_read(stage, chunk, sizeof chunk, &got, &e));
        assert_int_equal(e.code, ECANCELED);
        stream_free(stage);
        stream_free(source);
    }
    free(data.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size_and_level_comes_back),
        cmocka_unit_test(test_a_byte_at_a_time_is_enough),
        cmocka_unit_test(test_the_number_of_processors_changes_nothing),
        cmocka_unit_test(test_members_follow_each_other),
        cmocka_unit_test(test_garbage_behind_is_treated_as_the_tools_do),
        cmocka_unit_test(test_a_second_member_that_is_cut_is_an_error),
        cmocka_unit_test(test_truncation_is_found_at_every_byte),
        cmocka_unit_test(test_a_flipped_bit_never_gives_other_bytes),
        cmocka_unit_test(test_another_format_is_refused_by_name),
        cmocka_unit_test(test_corrupt_data_says_where_and_why),
        cmocka_unit_test(test_windows_beyond_the_limit_are_refused),
        cmocka_unit_test(test_the_format_is_told_by_the_first_bytes),
        cmocka_unit_test(test_running_out_of_memory_is_an_error),
        cmocka_unit_test(test_a_flow_that_is_over_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
