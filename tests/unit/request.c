/* vm/request: a request for which there is no memory is answered 500, never as if the caller had done wrong, and never with a
 * part of it missing.
 *
 * Any allocation of a request's fails, one after the other: alone, or with all that come after it. */
#include "base/secret.h"
#include "faults.h"
#include "scratch.h"
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* Each answers with all that it was given. */
static const char script[] =
    "local ocm = require 'ocm' "
    "return ocm.plugin { inputRepository = { types = { 'T/v1' }, ProcessResource = function(request, credentials) "
    "  return { resource = { name = request.resource.name, version = credentials.properties.password, type = 't', relation = 'local' }, location = '/x' } end }, "
    "  handlers = { ['POST /p/{name}'] = function(request) "
    "    return { headers = { ['X-A'] = 'a' }, body = table.concat({ request.params.name, request.query.q, request.headers['x-b'], request.headers.authorization, request.body }, ' ') } end } }";

struct exchange {
    struct vm_request request; /* first */
    const char *authorization;
    bool completed;
};

static const char *get_header(struct vm_request *request, const char *name)
{
    return strcasecmp(name, "Authorization") == 0 ? ((struct exchange *)request)->authorization : NULL;
}

static void each_header(struct vm_request *request, void (*visit)(void *context, const char *name, const char *value), void *context)
{
    visit(context, "Authorization", ((struct exchange *)request)->authorization);
    visit(context, "X-B", "the header");
}

static void on_completed(struct vm_request *request) { ((struct exchange *)request)->completed = true; }

struct given {
    const char *path, *raw_path, *query, *body, *before, *behind; /* the answer, before and behind the password */
};

static const struct given custom = {"/p/the name", "/p/the%20name", "q=the%20query", "the body", "the name the query the header {\"properties\":{\"password\":\"", "\\u0021\"}} the body"};
static const struct given contract = {"/resource/process", "/resource/process", NULL,
                                      "{\"resource\":{\"name\":\"the \\u006eame\",\"type\":\"t\",\"version\":\"1\",\"relation\":\"local\",\"input\":{\"type\":\"T/v1\"}}}",
                                      "{\"location\":{\"type\":\"localFile\",\"value\":\"/x\"},\"resource\":{\"name\":\"the name\",\"relation\":\"local\",\"type\":\"t\",\"version\":\"", "!\"}}"};

/* Lua's small blocks shall come from malloc, too. */
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)length, (void)protection, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return MAP_FAILED;
}

static int quiet, loud; /* what stderr is meanwhile, and before */

/* One request, whose `n`th allocation fails. Whether that many came. */
static bool ask(struct vm *vm, const struct given *given, long n, bool forever)
{
    static unsigned attempts;
    char password[32], authorization[128], expected[512];
    (void)snprintf(password, sizeof password, "password %u", ++attempts); /* a new one, which has to be remembered */
    (void)snprintf(authorization, sizeof authorization, "{\"properties\":{\"password\":\"%s\\u0021\"}}", password);
    (void)snprintf(expected, sizeof expected, "%s%s%s", given->before, password, given->behind);
    struct exchange x = {.authorization = authorization};
    x.request = (struct vm_request){.method = "POST", .path = given->path, .path_length = strlen(given->path), .raw_path = given->raw_path, .raw_path_length = strlen(given->raw_path),
                                    .query = given->query, .body = given->body, .body_length = strlen(given->body),
                                    .header = get_header, .headers = each_header, .completed = on_completed};
    assert_true(dup2(quiet, STDERR_FILENO) >= 0); /* every failure is logged */
    faults_memory(n, forever);
    vm_request_start(vm, &x.request);
    bool came = faults_seen() >= n;
    faults_memory(0, false);
    assert_true(dup2(loud, STDERR_FILENO) >= 0);
    assert_true(x.completed);
    if (x.request.status == 200) {
        assert_int_equal(x.request.answer.length, strlen(expected));
        assert_memory_equal(x.request.answer.data, expected, x.request.answer.length);
    } else {
        assert_int_equal(x.request.status, 500);
        assert_true(came);
        if (!forever) /* else there is none for the text either */
            assert_non_null(memmem(x.request.answer.data, x.request.answer.length, "memory", 6));
        if (x.request.answer.length > 0)
            assert_null(memmem(x.request.answer.data, x.request.answer.length, password, strlen(password)));
    }
    vm_request_free(&x.request);
    return came;
}

static struct vm *start(void)
{
    char *argv[] = {(char *)(size_t)scratch_write("plugin", script, sizeof script - 1), NULL};
    struct error e;
    struct buffer problems = {0};
    struct tempdir dir = {.fd = -1};
    struct vm *vm = vm_create(1, argv, VM_PLUGIN, &e);
    assert_non_null(vm);
    assert_true(vm_load(vm, argv[0], NULL, &problems));
    assert_true(vm_start(vm, &dir, "{}", 2, &e));
    return vm;
}

static void test_a_request_without_memory_is_a_500(void **state)
{
    (void)state;
    static const struct given *const all[] = {&custom, &contract};
    struct vm *vm = start();
    quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    loud = dup(STDERR_FILENO);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int forever = 0; forever < 2; forever++) {
            long n = 1;
            while (ask(vm, all[i], n, forever != 0))
                assert_true(++n < 10000);
            assert_true(n > 20);
        }
    close(loud);
    close(quiet);
    assert_true(vm_destroy(vm, EXIT_SUCCESS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request_without_memory_is_a_500, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
