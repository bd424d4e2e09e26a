/* The command line and --config: what is taken, and the one line that says what is wrong. */
#include "options.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the command line ---- */

/* A command line as argv has it; its words stand in `line` with a bar between. */
struct command {
    char *argv[8], text[6000];
    int argc;
};

static struct command *command(const char *line)
{
    static struct command made;
    made.argc = 0;
    (void)snprintf(made.text, sizeof made.text, "%s", line);
    char *rest = made.text;
    while (*line != '\0' && rest != NULL)
        made.argv[made.argc++] = strsep(&rest, "|");
    made.argv[made.argc] = NULL;
    return &made;
}

static void test_what_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int what;
        const char *script, *config;
        int argument_count;
    } cases[] = {
        {"ocmlua|check|plugin|--json", RUN_COMMAND, "", NULL, 3},
        {"ocmlua|check", RUN_COMMAND, "", NULL, 1},
        {"ocmlua|check|capabilities", RUN_CAPABILITIES, "check", NULL, 2},
        {"ocmlua|check|--config|{}", RUN_PLUGIN, "check", "{}", 3},
        {"./ocmlua-0.1.0|--version", RUN_VERSION, "", NULL, 0},
        {"ocmlua|p.lua|capabilities", RUN_CAPABILITIES, "p.lua", NULL, 2},
        {"ocmlua|./p|--config|{}", RUN_PLUGIN, "./p", "{}", 3},
        {"ocmlua|./p|--config={\"id\":\"=\"}", RUN_PLUGIN, "./p", "{\"id\":\"=\"}", 2},
        {"ocmlua|./p|--config=", RUN_PLUGIN, "./p", "", 2},
        {"ocmlua|./p|--config|capabilities", RUN_PLUGIN, "./p", "capabilities", 3},
        {"ocmlua|./p|--config|{}|capabilities", RUN_CAPABILITIES, "./p", "{}", 4},
        {"ocmlua|./p|--config|1|--config=2", RUN_PLUGIN, "./p", "2", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options options;
        struct error e = {0};
        struct command *c = command(cases[i].line);
        if (!options_read(&options, NULL, c->argc, c->argv, &e))
            fail_msg("case %zu: %s", i, e.message);
        assert_int_equal(options.what, cases[i].what);
        assert_string_equal(options.script, cases[i].script);
        assert_int_equal(options.argument_count, cases[i].argument_count);
        if (options.argument_count > 0)
            assert_ptr_equal(options.arguments, c->argv + 1); /* arg[0] is the script, or the command */
        if (cases[i].config == NULL)
            assert_null(options.config);
        else
            assert_string_equal(options.config, cases[i].config);
    }
}

static void test_help_is_a_command_however_it_is_asked_for(void **state)
{
    (void)state;
    static const char *const lines[] = {"ocmlua", "ocmlua|--help", "/usr/bin/ocmlua|-h"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct options options;
        struct error e = {0};
        struct command *c = command(lines[i]);
        assert_true(options_read(&options, NULL, c->argc, c->argv, &e));
        assert_int_equal(options.what, RUN_COMMAND);
        assert_int_equal(options.argument_count, 1);
        assert_string_equal(options.arguments[0], "help");
    }
}

static void test_what_is_wrong_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *message; /* a part of it */
    } cases[] = {
        {"", "not even the program's name"},
        {"ocmlua|--nothing", "unknown option --nothing"},
        {"ocmlua|-v", "unknown option -v"},
        {"ocmlua|dir/p.lua", "--config is missing: expected 'p.lua capabilities' or 'p.lua --config JSON'"},
        {"ocmlua|p|--config", "--config needs a JSON object behind it"},
        {"ocmlua|./p|capability", "unknown argument \"capability\""},
        {"ocmlua|p.lua|--configuration|{}", "unknown argument \"--configuration\""},
        {"ocmlua|./p|capabilities|more", "unknown argument \"more\""},
        {"./no-such-plugin|capabilities", "there is no script ./no-such-plugin.lua"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options options;
        struct error e = {0};
        struct command *c = command(cases[i].line);
        assert_false(options_read(&options, NULL, c->argc, c->argv, &e));
        if (strstr(e.message, cases[i].message) == NULL)
            fail_msg("expected \"%s\", got \"%s\"", cases[i].message, e.message);
        assert_null(strchr(e.message, '\n'));
        assert_int_not_equal(e.code, 0);
    }
}

static void test_a_script_path_beyond_all_limits_is_said(void **state)
{
    (void)state;
    static const char *const programs[] = {"ocmlua|", "./"};
    for (size_t i = 0; i < 2; i++) {
        struct options options;
        struct error e = {0};
        char line[6000], name[5000];
        memset(name, 'x', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        (void)snprintf(line, sizeof line, "%s%s|capabilities", programs[i], name);
        struct command *c = command(line);
        assert_false(options_read(&options, NULL, c->argc, c->argv, &e));
        assert_int_equal(e.code, ENAMETOOLONG);
    }
}

static void test_under_another_name_it_is_the_plugin_beside_it(void **state)
{
    (void)state;
    struct options options;
    struct error e = {0};
    scratch_write("hello.lua", "", 0);
    char line[5000];
    (void)snprintf(line, sizeof line, "%s|capabilities", scratch("hello"));
    struct command *c = command(line);
    assert_true(options_read(&options, NULL, c->argc, c->argv, &e));
    assert_int_equal(options.what, RUN_CAPABILITIES);
    assert_string_equal(options.script, scratch("hello.lua"));
    assert_ptr_equal(options.arguments, c->argv); /* arg[0] is the program: it was started as the script */
    assert_int_equal(options.argument_count, 2);
    c = command(scratch("hello"));
    assert_false(options_read(&options, NULL, c->argc, c->argv, &e));
    assert_non_null(strstr(e.message, "--config is missing"));
}

static void test_a_bundle_is_the_plugin_under_any_name(void **state)
{
    (void)state;
    static const char *const programs[] = {"./greeting", "greeting", "/usr/bin/ocmlua", "ocmlua-greeting"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        struct options options;
        struct error e = {0};
        char line[64];
        (void)snprintf(line, sizeof line, "%s|capabilities", programs[i]);
        struct command *c = command(line);
        assert_true(options_read(&options, "greeting.lua", c->argc, c->argv, &e));
        assert_int_equal(options.what, RUN_CAPABILITIES);
        assert_string_equal(options.script, "greeting.lua");
        assert_ptr_equal(options.arguments, c->argv);
        c = command(programs[i]);
        assert_false(options_read(&options, "greeting.lua", c->argc, c->argv, &e));
        assert_null(strstr(e.message, "greeting.lua")); /* it is called by the program's name */
        assert_non_null(strstr(e.message, "--config is missing"));
    }
}

static void test_a_bare_name_is_looked_for_in_the_path(void **state)
{
    (void)state;
    struct options options;
    struct error e = {0};
    char path[8192], *before = strdup(getenv("PATH"));
    static const char *const folders[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mkdir(scratch(folders[i]), 0700), 0);
    scratch_write("one/hello", "", 0); /* not executable */
    assert_int_equal(chmod(scratch_write("two/hello", "", 0), 0700), 0);
    assert_int_equal(chmod(scratch_write("three/hello", "", 0), 0700), 0);
    scratch_write("two/hello.lua", "", 0);
    (void)snprintf(path, sizeof path, "%s:%s:%s:%s", scratch("missing"), scratch("one"), scratch("two"), scratch("three"));
    setenv("PATH", path, 1);
    struct command *c = command("hello|capabilities");
    bool found = options_read(&options, NULL, c->argc, c->argv, &e);
    setenv("PATH", "", 1);
    struct options none;
    bool nowhere = options_read(&none, NULL, c->argc, c->argv, NULL); /* hello.lua in the working directory */
    setenv("PATH", before, 1);
    free(before);
    assert_true(found);
    assert_string_equal(options.script, scratch("two/hello.lua"));
    assert_false(nowhere);
    assert_string_equal(none.script, "hello.lua");
}

/* ---- --config ---- */

static bool read_config(struct config *config, const char *text, size_t length, struct error *e)
{
    char *exact = malloc(length + 1); /* without a byte behind it, for the address sanitizer */
    assert_non_null(exact);
    memcpy(exact + 1, text, length);
    bool ok = config_read(config, exact + 1, length, e);
    assert_true(!ok || (config->text == exact + 1 && config->length == length));
    free(exact);
    return ok;
}

static const uint64_t HOUR = UINT64_C(3600000000000);

static void test_configurations(void **state)
{
    (void)state;
    const struct {
        const char *text, *id;
        int transport;
        uint64_t idle_timeout;
        const char *location;
    } cases[] = {
        {"{\"id\":\"x\",\"type\":\"unix\"}", "x", TRANSPORT_UNIX, HOUR, ""},
        {" { \"type\" : \"tcp\" , \"id\" : \"a b\" } \n", "a b", TRANSPORT_TCP, HOUR, ""},
        /* as the manager sends it */
        {"{\"id\":\"hello\",\"type\":\"unix\",\"pluginType\":\"\",\"idleTimeout\":3600000000000,\"configTypes\":null}", "hello", TRANSPORT_UNIX, HOUR, ""},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":1}", "x", TRANSPORT_UNIX, 1, ""},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":9223372036854775807}", "x", TRANSPORT_UNIX, INT64_MAX, ""},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":null,\"location\":null}", "x", TRANSPORT_UNIX, HOUR, ""},
        {"{\"id\":\"x\",\"type\":\"tcp\",\"location\":\"127.0.0.1:0\"}", "x", TRANSPORT_TCP, HOUR, "127.0.0.1:0"},
        {"{\"id\":\"\\u00e9\\n\",\"type\":\"\\u0075nix\",\"location\":\"\\/tmp\\/x\"}", "\xC3\xA9\n", TRANSPORT_UNIX, HOUR, "/tmp/x"},
        /* the last of a name counts */
        {"{\"id\":\"x\",\"id\":\"y\",\"type\":\"tcp\",\"type\":\"unix\"}", "y", TRANSPORT_UNIX, HOUR, ""},
        /* unknown members, whatever they hold */
        {"{\"configTypes\":[{\"type\":\"t\",\"id\":\"no\",\"idleTimeout\":\"no\"}],\"id\":\"x\",\"more\":{\"type\":[1,{}]},\"type\":\"unix\",\"ID\":5,\"\":[]}", "x", TRANSPORT_UNIX, HOUR, ""},
        {"{\"id\":\"x\",\"type\":\"unix\",\"id\\u0000\":1,\"a name of more than thirty-one bytes, which is id\":2}", "x", TRANSPORT_UNIX, HOUR, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct error e = {0};
        if (!read_config(&config, cases[i].text, strlen(cases[i].text), &e))
            fail_msg("%s: %s", cases[i].text, e.message);
        assert_string_equal(config.id, cases[i].id);
        assert_int_equal(config.transport, cases[i].transport);
        assert_true(config.idle_timeout == cases[i].idle_timeout);
        assert_string_equal(config.location, cases[i].location);
    }
}

static void test_what_is_wrong_with_a_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message; /* a part of it */
    } cases[] = {
        {"", "--config: line 1, column 1: "},
        {"capabilities", "--config: line 1, column 1: "},
        {"{\"id\":\"x\",\n\"type\":unix}", "--config: line 2, column 8: "},
        {"{\"id\":\"x\",\"type\":\"unix\"", "--config: line 1, column 24: "},
        {"{\"id\":\"x\",\"type\":\"unix\"}}", "--config: line 1, column 25: "},
        {"{\"id\":\"x\",\"type\":\"unix\",\"more\":[1,2}", "--config: line 1, column 36: "},
        {"[]", "--config: expected a JSON object"},
        {"null", "--config: expected a JSON object"},
        {"\"id\"", "--config: expected a JSON object"},
        {"{}", "--config: id is missing"},
        {"{\"type\":\"unix\"}", "--config: id is missing"},
        {"{\"id\":\"\",\"type\":\"unix\"}", "--config: id is missing"},
        {"{\"id\":null,\"type\":\"unix\"}", "--config: id is missing"},
        {"{\"id\":7,\"type\":\"unix\"}", "--config: id: expected a string"},
        {"{\"id\":\"a\\u0000b\",\"type\":\"unix\"}", "--config: id: expected at most 255 bytes, none of them NUL"},
        {"{\"id\":\"x\"}", "--config: type is missing: expected \"unix\" or \"tcp\""},
        {"{\"id\":\"x\",\"type\":null}", "--config: type is missing"},
        {"{\"id\":\"x\",\"type\":\"Unix\"}", "--config: unknown type: expected \"unix\" or \"tcp\""},
        {"{\"id\":\"x\",\"type\":\"a type that is longer than any\"}", "--config: unknown type: expected \"unix\" or \"tcp\""},
        {"{\"id\":\"x\",\"type\":[\"unix\"]}", "--config: type: expected a string"},
        {"{\"id\":\"x\",\"type\":\"unix\",\"location\":{}}", "--config: location: expected a string"},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":\"1h\"}", "--config: idleTimeout: expected nanoseconds, an integer above 0"},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":0}", "--config: idleTimeout: "},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":-1}", "--config: idleTimeout: "},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":1.5}", "--config: idleTimeout: "},
        {"{\"id\":\"x\",\"type\":\"unix\",\"idleTimeout\":9223372036854775808}", "--config: idleTimeout: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct error e = {0};
        if (read_config(&config, cases[i].text, strlen(cases[i].text), &e))
            fail_msg("%s: taken", cases[i].text);
        if (strstr(e.message, cases[i].message) != e.message)
            fail_msg("%s: expected \"%s\", got \"%s\"", cases[i].text, cases[i].message, e.message);
        assert_null(strchr(e.message, '\n'));
        assert_int_not_equal(e.code, 0);
    }
}

static void test_long_names_end_where_the_limit_is(void **state)
{
    (void)state;
    struct config config;
    struct error e;
    char text[2048], value[1100];
    memset(value, 'v', sizeof value);
    for (int over = 0; over < 2; over++) {
        int length = snprintf(text, sizeof text, "{\"type\":\"unix\",\"id\":\"%.*s\"}", 255 + over, value);
        assert_int_equal(read_config(&config, text, (size_t)length, &e), !over);
        length = snprintf(text, sizeof text, "{\"type\":\"unix\",\"id\":\"x\",\"location\":\"%.*s\"}", 1023 + over, value);
        assert_int_equal(read_config(&config, text, (size_t)length, &e), !over);
    }
    assert_string_equal(e.message, "--config: location: expected at most 1023 bytes, none of them NUL");
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked_for),
        cmocka_unit_test(test_help_is_a_command_however_it_is_asked_for),
        cmocka_unit_test(test_what_is_wrong_with_it),
        cmocka_unit_test(test_a_script_path_beyond_all_limits_is_said),
        SCRATCH_TEST(test_under_another_name_it_is_the_plugin_beside_it),
        cmocka_unit_test(test_a_bundle_is_the_plugin_under_any_name),
        SCRATCH_TEST(test_a_bare_name_is_looked_for_in_the_path),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_what_is_wrong_with_a_configuration),
        cmocka_unit_test(test_long_names_end_where_the_limit_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
