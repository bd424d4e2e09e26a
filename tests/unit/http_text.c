/* work/http_text: URLs without their secrets, fields, dates, and when to try again. */
#include "work/http_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_urls_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool secure;
        const char *userinfo, *host;
        unsigned port;
        const char *rest;
    } cases[] = {
        {"http://example.com", false, NULL, "example.com", 80, ""},
        {"HTTPS://Example.com/a?b#c", true, NULL, "Example.com", 443, "/a?b#c"},
        {"http://u:p@h:8080/x", false, "u:p", "h", 8080, "/x"},
        {"http://u:p@w@h?q", false, "u:p@w", "h", 80, "?q"},
        {"http://@h/", false, "", "h", 80, "/"},
        {"https://[::1]:99/x", true, NULL, "[::1]", 99, "/x"},
        {"https://[::1]", true, NULL, "[::1]", 443, ""},
        {"http://h:/x", false, NULL, "h", 80, "/x"},
        {"http://h/a@b:c", false, NULL, "h", 80, "/a@b:c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_url url;
        assert_true(http_url_parse(cases[i].text, &url, NULL));
        assert_int_equal(url.secure, cases[i].secure);
        assert_int_equal(url.userinfo == NULL, cases[i].userinfo == NULL);
        if (url.userinfo != NULL) {
            assert_int_equal(url.userinfo_length, strlen(cases[i].userinfo));
            assert_memory_equal(url.userinfo, cases[i].userinfo, url.userinfo_length);
        }
        assert_int_equal(url.host_length, strlen(cases[i].host));
        assert_memory_equal(url.host, cases[i].host, url.host_length);
        assert_int_equal(url.port, cases[i].port);
        assert_string_equal(url.rest, cases[i].rest);
    }
}

static void test_what_is_no_url_is_refused_without_repeating_it(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "secret", "/secret", "ftp://secret/", "file:///secret", "http:/secret", "http://", "http:///secret", "http://u:secret@/", "http://secret:0/",
        "http://secret:65536/", "http://secret:x/", "http://secret:123456/", "http://h/sec ret", "http://h/sec\nret", "http://secret\\@h/", "http://:80/secret", "http://h\x7f/",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct http_url url;
        struct error e = {0};
        struct buffer out = {0};
        assert_false(http_url_parse(texts[i], &url, &e));
        assert_null(strstr(e.message, "secret"));
        assert_true(http_url_public(&out, texts[i]) && buffer_add(&out, '\0'));
        assert_string_equal(out.data, "…");
        buffer_free(&out);
    }
}

static void test_a_url_is_shown_without_its_secrets(void **state)
{
    (void)state;
    static const char *const cases[][3] = { /* the URL, as people see it, as it is sent */
        {"http://u:p@h/x?token=1#f", "http://h/x", "http://h/x?token=1"},
        {"https://h:443/x", "https://h/x", "https://h/x"},
        {"https://h:8443?q=1", "https://h:8443", "https://h:8443/?q=1"},
        {"HTTP://h", "http://h", "http://h/"},
        {"http://a@b@[::1]:1/%20", "http://[::1]:1/%20", "http://[::1]:1/%20"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        struct http_url url;
        assert_true(http_url_public(&out, cases[i][0]) && buffer_add(&out, '\0'));
        assert_string_equal(out.data, cases[i][1]);
        buffer_clear(&out);
        assert_true(http_url_parse(cases[i][0], &url, NULL));
        assert_true(http_url_plain(&out, &url) && buffer_add(&out, '\0'));
        assert_string_equal(out.data, cases[i][2]);
        buffer_free(&out);
    }
}

static void test_an_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"http://h/a", "http://H:80/b?c", true},   {"https://h", "https://u@h:443/", true}, {"http://h/", "https://h/", false},
        {"http://h/", "http://h:81/", false},      {"http://h/", "http://hh/", false},      {"http://h/", "http://a@i/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_url a, b;
        assert_true(http_url_parse(cases[i].a, &a, NULL) && http_url_parse(cases[i].b, &b, NULL));
        assert_int_equal(http_same_origin(&a, &b), cases[i].same);
    }
}

static void test_fields_hold_nothing_that_ends_them(void **state)
{
    (void)state;
    assert_true(http_is_token("X-Test_1"));
    assert_false(http_is_token(""));
    assert_false(http_is_token("a b"));
    assert_false(http_is_token("a:"));
    assert_false(http_is_token("a\r\nb"));
    assert_false(http_is_token("\xc3\xa9"));
    assert_true(http_is_value("a\tb \xc3\xa9"));
    assert_true(http_is_value(""));
    assert_false(http_is_value("a\r\nX: y"));
    assert_false(http_is_value("a\x7f"));
}

static void test_fields_with_secrets_are_known_by_name(void **state)
{
    (void)state;
    static const char *const secret[] = {"Authorization", "authorization", "Proxy-Authorization", "Cookie", "PRIVATE-TOKEN", "X-Api-Key", "X-Vault-Token", "X-Amz-Signature"};
    static const char *const plain[] = {"Accept", "Content-Type", "Range", "User-Agent", "X-Request-Id"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        assert_true(http_is_secret_field(secret[i]));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_false(http_is_secret_field(plain[i]));
}

static void test_what_may_be_sent_again(void **state)
{
    (void)state;
    assert_true(http_is_idempotent("GET") && http_is_idempotent("PUT") && http_is_idempotent("DELETE") && http_is_idempotent("HEAD"));
    assert_false(http_is_idempotent("POST") || http_is_idempotent("PATCH") || http_is_idempotent("get"));
    assert_true(http_is_passing(429) && http_is_passing(500) && http_is_passing(502) && http_is_passing(503) && http_is_passing(504));
    assert_false(http_is_passing(200) || http_is_passing(404) || http_is_passing(501) || http_is_passing(505));
}

static void test_retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    static const int64_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {
        {"0", 0}, {"120", 120}, {" 7 ", 7}, {"Sun, 06 Nov 1994 08:49:37 GMT", 0}, {"Sun, 06 Nov 1994 08:50:37 GMT", 60}, {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
        {"Mon, 07 Nov 1994 08:49:37 GMT", 86400}, {"", -1}, {"soon", -1}, {"-1", -1}, {"1.5", -1}, {"Sun, 06 Nov 1994 08:49:37", -1}, {"Sun, 06 Now 1994 08:49:37 GMT", -1},
        {"Sun, 06 anF 1994 08:49:37 GMT", -1}, {"Sun, 06 Nov 1994 28:49:37 GMT", -1}, {"Sun, 06 Nov 1994 08:49:37 GMT x", -1}, {"99999999999999999999", 1e20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(http_retry_after(cases[i].text, now) == cases[i].seconds);
}

static void test_waits_double_up_to_a_most_and_are_spread(void **state)
{
    (void)state;
    static const double most[] = {0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30};
    for (unsigned i = 0; i < sizeof most / sizeof *most; i++) {
        assert_true(http_backoff(i + 1, 0) == most[i]);
        assert_true(http_backoff(i + 1, 1) == most[i] / 2);
    }
    assert_true(http_backoff(4000000000u, 0.5) == 22.5);
}

static void test_content_range_is_read(void **state)
{
    (void)state;
    int64_t first, last, total;
    assert_true(http_content_range("bytes 5-9/10", &first, &last, &total));
    assert_true(first == 5 && last == 9 && total == 10);
    assert_true(http_content_range(" Bytes 0-0/* ", &first, &last, &total));
    assert_true(first == 0 && last == 0 && total == -1);
    static const char *const wrong[] = {"", "bytes */10", "bytes 5-9", "bytes 5-4/10", "bytes 5-10/10", "bytes -5-9/10", "lines 5-9/10", "bytes 5-9/10x", "bytes 5-99999999999999999999/*", "bytes +5-9/10"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(http_content_range(wrong[i], &first, &last, &total));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_parsed),
        cmocka_unit_test(test_what_is_no_url_is_refused_without_repeating_it),
        cmocka_unit_test(test_a_url_is_shown_without_its_secrets),
        cmocka_unit_test(test_an_origin_is_scheme_host_and_port),
        cmocka_unit_test(test_fields_hold_nothing_that_ends_them),
        cmocka_unit_test(test_fields_with_secrets_are_known_by_name),
        cmocka_unit_test(test_what_may_be_sent_again),
        cmocka_unit_test(test_retry_after_is_seconds_or_a_date),
        cmocka_unit_test(test_waits_double_up_to_a_most_and_are_spread),
        cmocka_unit_test(test_content_range_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
