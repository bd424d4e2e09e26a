/* base/glob: the two dialects.  What Go's filepath.Match says of the first was taken from its own tests. */
#include "base/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_whole_paths_match_as_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *path;
        bool matches;
    } cases[] = {
        {"abc", "abc", true},       {"*", "abc", true},          {"*c", "abc", true},         {"a*", "a", true},
        {"a*", "abc", true},        {"a*", "ab/c", false},       {"a*/b", "abc/b", true},     {"a*/b", "a/c/b", false},
        {"a*b*c*d*e*/f", "axbxcxdxe/f", true},  {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},     {"a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false},
        {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},             {"a*b?c*x", "abxbbxdbxebxczzx", true},  {"a*b?c*x", "abxbbxdbxebxczzy", false},
        {"ab[c]", "abc", true},     {"ab[b-d]", "abc", true},    {"ab[e-g]", "abc", false},   {"ab[^c]", "abc", false},
        {"ab[^b-d]", "abc", false}, {"ab[^e-g]", "abc", true},   {"a\\*b", "a*b", true},      {"a\\*b", "ab", false},
        {"a?b", "a☺b", true},       {"a[^a]b", "a☺b", true},     {"a???b", "a☺b", false},     {"a[^a][^a][^a]b", "a☺b", false},
        {"[a-ζ]*", "α", true},      {"*[a-ζ]", "A", false},      {"a?b", "a/b", false},       {"a*b", "a/b", false},
        {"[\\]a]", "]", true},      {"[\\-]", "-", true},        {"[x\\-]", "x", true},       {"[x\\-]", "z", false},
        {"[\\-x]", "-", true},      {"*x", "xxx", true},         {"", "", true},              {"", "a", false},
        {"a", "", false},           {"*", "", true},             {"**", "ab", true},          {"**", "a/b", false},
        {"[", "a", false},          {"a[", "a", false},          {"[^]", "a", false},         {"a\\", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (glob_match(cases[i].glob, cases[i].path) != cases[i].matches)
            fail_msg("%s and %s", cases[i].glob, cases[i].path);
}

static void test_what_is_malformed_is_told(void **state)
{
    (void)state;
    static const char *const good[] = {"", "*", "a/b", "[a-z]", "[^a]", "[\\]]", "\\[", "☺?"};
    static const char *const bad[] = {"[", "[a", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "[^bc", "a\\", "[\\", "[a-\\"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(glob_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (glob_valid(bad[i]))
            fail_msg("%s", bad[i]);
}

static void test_deep_globs_match_what_is_below(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *path;
        bool matches;
    } cases[] = {
        {"*.md", "a.md", true},          {"*.md", "docs/deep/a.md", true}, {"/*.md", "a.md", true},        {"/*.md", "docs/a.md", false},
        {"docs", "docs", true},          {"docs", "docs/a", true},         {"docs", "x/docs/a", true},     {"docs", "docs.md", false},
        {"docs/", "docs/a", true},       {"docs/*.md", "docs/a.md", true}, {"docs/*.md", "docs/x/a.md", false}, {"docs/*.md", "x/docs/a.md", false},
        {"docs/**/*.md", "docs/a.md", true}, {"docs/**/*.md", "docs/x/y/a.md", true}, {"docs/**/*.md", "docs/x/y/a.txt", false}, {"docs/**", "docs/x", true},
        {"**/a/**/b", "x/a/y/a/z/b", true}, {"**/a/**/b", "x/b/a", false},  {"**", "a/b", true},            {"a**b", "a/x/b", true},
        {"b???k", "block", true},        {"z?rich/*", "zürich/x", true},   {"[a-z]*", "a", false},         {".+", "a", false},
        {"", "a", false},                {"/", "a", false},                {"a*c", "a/c", false},          {"*a*b*", "xxaxxbxx/y", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (glob_match_deep(cases[i].glob, cases[i].path) != cases[i].matches)
            fail_msg("%s and %s", cases[i].glob, cases[i].path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_paths_match_as_in_go),
        cmocka_unit_test(test_what_is_malformed_is_told),
        cmocka_unit_test(test_deep_globs_match_what_is_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
