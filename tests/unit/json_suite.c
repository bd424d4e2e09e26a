/* nst/JSONTestSuite against the reader: every y_ text is read, every n_ text refused, and for each i_ text, where RFC 8259
 * leaves the choice, ours is written down here with the reason.
 *
 * The folder with its files (test_parsing) is named by $JSON_TEST_SUITE or, when that isn't set, at configuration. */
#include "base/json.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EXACT "read, as its text: no double has this value"
#define UTF_8 "refused: the bytes are not UTF-8"
#define UTF_16 "refused: JSON between systems is UTF-8 (RFC 8259 section 8.1)"
#define HALF "refused: half a surrogate pair is no character, and has no UTF-8"

static const struct {
    const char *name;
    bool read;
    const char *why;
} choices[] = {
    {"i_number_double_huge_neg_exp.json", true, EXACT},
    {"i_number_huge_exp.json", true, EXACT},
    {"i_number_neg_int_huge_exp.json", true, EXACT},
    {"i_number_pos_double_huge_exp.json", true, EXACT},
    {"i_number_real_neg_overflow.json", true, EXACT},
    {"i_number_real_pos_overflow.json", true, EXACT},
    {"i_number_real_underflow.json", true, EXACT},
    {"i_number_too_big_neg_int.json", true, EXACT},
    {"i_number_too_big_pos_int.json", true, EXACT},
    {"i_number_very_big_negative_int.json", true, EXACT},
    {"i_object_key_lone_2nd_surrogate.json", false, HALF},
    {"i_string_1st_surrogate_but_2nd_missing.json", false, HALF},
    {"i_string_1st_valid_surrogate_2nd_invalid.json", false, HALF},
    {"i_string_UTF-16LE_with_BOM.json", false, UTF_16},
    {"i_string_UTF-8_invalid_sequence.json", false, UTF_8},
    {"i_string_UTF8_surrogate_U+D800.json", false, UTF_8},
    {"i_string_incomplete_surrogate_and_escape_valid.json", false, HALF},
    {"i_string_incomplete_surrogate_pair.json", false, HALF},
    {"i_string_incomplete_surrogates_escape_valid.json", false, HALF},
    {"i_string_invalid_lonely_surrogate.json", false, HALF},
    {"i_string_invalid_surrogate.json", false, HALF},
    {"i_string_invalid_utf-8.json", false, UTF_8},
    {"i_string_inverted_surrogates_U+1D11E.json", false, HALF},
    {"i_string_iso_latin_1.json", false, UTF_8},
    {"i_string_lone_second_surrogate.json", false, HALF},
    {"i_string_lone_utf8_continuation_byte.json", false, UTF_8},
    {"i_string_not_in_unicode_range.json", false, UTF_8},
    {"i_string_overlong_sequence_2_bytes.json", false, UTF_8},
    {"i_string_overlong_sequence_6_bytes.json", false, UTF_8},
    {"i_string_overlong_sequence_6_bytes_null.json", false, UTF_8},
    {"i_string_truncated-utf-8.json", false, UTF_8},
    {"i_string_utf16BE_no_BOM.json", false, UTF_16},
    {"i_string_utf16LE_no_BOM.json", false, UTF_16},
    {"i_structure_500_nested_arrays.json", true, "read: the limit is 512"},
    {"i_structure_UTF-8_BOM_empty_object.json", false, "refused: a mark of the byte order is no part of JSON (section 8.1)"},
};

static bool expected(const char *name, const char **why)
{
    *why = name[0] == 'y' ? "read: it is JSON" : "refused: it is not JSON";
    if (name[0] != 'i')
        return name[0] == 'y';
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        *why = choices[i].why;
        if (strcmp(choices[i].name, name) == 0)
            return choices[i].read;
    }
    fail_msg("%s is not in the table", name);
    return false;
}

static bool is_read(const char *folder, const char *name, struct error *e)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s can't be opened", path);
    struct buffer text = {0};
    size_t count;
    do {
        assert_true(buffer_reserve(&text, 4096));
        count = fread(text.data + text.length, 1, 4096, file);
        text.length += count;
    } while (count > 0);
    assert_int_equal(ferror(file), 0);
    (void)fclose(file);
    struct json_reader r;
    struct json_event event;
    bool ok;
    json_reader_init(&r, text.data, text.length);
    do
        ok = json_next(&r, &event, e);
    while (ok && event.kind != JSON_END);
    json_reader_free(&r);
    buffer_free(&text);
    return ok;
}

static void test_json_test_suite(void **state)
{
    (void)state;
    const char *folder = getenv("JSON_TEST_SUITE");
    if (folder == NULL || *folder == '\0')
        folder = JSON_TEST_SUITE;
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        print_message("skipped: no JSONTestSuite in '%s'\n", folder);
        skip();
    }
    int read = 0, refused = 0, wrong = 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const char *name = entry->d_name, *why;
        size_t length = strlen(name);
        if (length < 7 || name[1] != '_' || strcmp(name + length - 5, ".json") != 0)
            continue;
        struct error e = {0};
        bool ok = is_read(folder, name, &e);
        if (ok != expected(name, &why)) {
            print_error("%s is %s, but should be %s\n", name, ok ? "read" : e.message, why);
            wrong++;
        }
        read += ok;
        refused += !ok;
    }
    (void)closedir(entries);
    print_message("%d texts read, %d refused\n", read, refused);
    assert_int_equal(wrong, 0);
    assert_true(read >= 95 && refused >= 188);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json_test_suite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
