/* work/http where no server is needed: its options, memory that runs out, and what is wrong before anything is sent. */
#include "work/http.h"
#include "faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct http_field fields[] = {{"Accept", "a/b"}, {"X-Empty", ""}};

static struct http_options options(void)
{
    struct http_options all = http_defaults;
    all.url = "http://user:p%40ss@127.0.0.1:1/x?secret=1#f";
    all.fields = fields;
    all.field_count = 2;
    all.body = HTTP_BYTES;
    all.data = "a\0b";
    all.length = 3;
    all.ca = "/ca.pem";
    all.method = "PUT";
    return all;
}

static void test_running_out_of_memory_is_told(void **state)
{
    (void)state;
    const struct http_options given = options();
    struct stream *s = NULL;
    int failures = -1;
    do {
        faults_memory(++failures + 1, true);
        s = http_create(&given);
        faults_memory(0, false);
    } while (s == NULL && failures < 100);
    assert_non_null(s);
    assert_true(failures >= 5);
    assert_string_equal(stream_subject(s), "http://127.0.0.1:1/x");
    stream_free(s);
}

static void test_a_stream_that_was_never_read_is_freed(void **state)
{
    (void)state;
    stream_free(http_source_create("http://127.0.0.1:1/"));
    stream_free(http_source_create("nonsense"));
}

static bool read_one(struct stream *s, struct flow *flow, struct error *e)
{
    char data[16];
    size_t got;
    s->flow = flow;
    bool ok = stream_read(s, data, sizeof data, &got, e);
    stream_free(s);
    return ok;
}

static void test_what_cannot_be_sent_fails_at_the_first_read(void **state)
{
    (void)state;
    struct flow flow = {0};
    struct error e = {0};
    assert_false(read_one(http_source_create("ftp://user:secret@h/?secret"), &flow, &e));
    assert_int_equal(e.code, EINVAL);
    assert_string_equal(e.message, "url: it begins with http:// or https://");
}

static void test_a_flow_that_is_over_sends_nothing(void **state)
{
    (void)state;
    struct flow flow = {0};
    struct error e = {0};
    flow_end(&flow);
    assert_false(read_one(http_source_create("http://127.0.0.1:1/"), &flow, &e));
    assert_int_equal(e.code, ECANCELED);
}

static void test_nobody_there_is_an_error_without_secrets(void **state)
{
    (void)state;
    struct flow flow = {0};
    struct error e = {0};
    struct http_options given = options();
    given.ca = NULL;
    given.retries = 0;
    assert_false(read_one(http_create(&given), &flow, &e));
    assert_string_equal(e.message, "PUT http://127.0.0.1:1/x: connection refused");
}

int main(void)
{
    (void)setenv("no_proxy", "*", 1); /* the machine's proxies are not for tests */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_out_of_memory_is_told),
        cmocka_unit_test(test_a_stream_that_was_never_read_is_freed),
        cmocka_unit_test(test_what_cannot_be_sent_fails_at_the_first_read),
        cmocka_unit_test(test_a_flow_that_is_over_sends_nothing),
        cmocka_unit_test(test_nobody_there_is_an_error_without_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
