/* serve/listener: where a plugin can be reached, and whose socket is never taken. */
#include "serve/listener.h"
#include "scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct tempdir run_directory(void)
{
    struct tempdir dir;
    struct error e = {0};
    if (!tempdir_create(&dir, "x", &e))
        fail_msg("%s", e.message);
    return dir;
}

static struct listener open_at(bool tcp, const char *location)
{
    static const struct tempdir none = {.fd = -1};
    struct listener listener;
    struct error e = {0};
    if (!listener_open(&listener, tcp, location, &none, &e))
        fail_msg("%s", e.message);
    assert_true(listener.fd >= 0);
    assert_int_equal(listener.tcp, tcp);
    assert_int_equal(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(listener.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    return listener;
}

static void assert_refused(bool tcp, const char *location, int code, const char *text)
{
    static const struct tempdir none = {.fd = -1, .path = "/nowhere"};
    struct listener listener;
    struct error e = {0};
    assert_false(listener_open(&listener, tcp, location, &none, &e));
    if (e.code != code || strstr(e.message, text) == NULL)
        fail_msg("expected code %d and \"%s\"; got %d: %s", code, text, e.code, e.message);
    assert_int_equal(listener.fd, -1);
    assert_int_equal(listener.lock, -1);
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) < sizeof address.sun_path);
    return address;
}

static bool can_connect(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool ok = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return ok;
}

/* The port that "http://host:port" names, after asserting that somebody listens there. */
static int port_of(const char *announced, const char *host)
{
    char begin[64];
    (void)snprintf(begin, sizeof begin, "http://%s:", host);
    assert_memory_equal(announced, begin, strlen(begin));
    int port = atoi(announced + strlen(begin));
    assert_in_range(port, 1, 65535);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool v6 = host[0] == '[';
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, v6 ? (const struct sockaddr *)&six : (const struct sockaddr *)&address, v6 ? sizeof six : sizeof address), 0);
    close(fd);
    return port;
}

static void close_all(struct listener *listener)
{
    listener_remove(listener);
    close(listener->fd);
}

/* ---- unix ---- */

static void test_the_socket_is_in_the_run_directory(void **state)
{
    (void)state;
    struct tempdir dir = run_directory();
    struct listener listener;
    struct error e;
    struct stat status;
    mode_t mask = umask(0);
    assert_true(listener_open(&listener, false, "", &dir, &e));
    assert_int_equal(umask(mask), 0); /* as it was */
    char expected[PATH_MAX + 32];
    (void)snprintf(expected, sizeof expected, "http+unix://%s/socket", dir.path);
    assert_string_equal(listener.announced, expected);
    assert_int_equal(lstat(listener.path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777u, 0600);
    assert_true(can_connect(listener.path));
    assert_int_equal(listener.lock, -1);
    char path[sizeof listener.path];
    memcpy(path, listener.path, sizeof path);
    listener_remove(&listener);
    assert_false(exists(path));
    listener_remove(&listener); /* again: nothing */
    close(listener.fd);
    tempdir_remove(&dir);
}

static void test_a_location_is_honoured_and_left_clean(void **state)
{
    (void)state;
    static const char *const schemes[] = {"", "http+unix://"};
    for (size_t i = 0; i < 2; i++) {
        char location[512];
        (void)snprintf(location, sizeof location, "%s%s", schemes[i], scratch("my.socket"));
        struct listener listener = open_at(false, location);
        assert_string_equal(listener.path, scratch("my.socket"));
        assert_memory_equal(listener.announced, "http+unix://", 12);
        assert_string_equal(listener.announced + 12, scratch("my.socket"));
        assert_true(can_connect(scratch("my.socket")));
        close_all(&listener);
        assert_int_equal(entries(scratch("")), 0);
    }
}

static void test_a_relative_location_is_announced_in_full(void **state)
{
    (void)state;
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(scratch("")), 0);
    struct listener listener = open_at(false, "here.socket");
    assert_string_equal(listener.announced + 12, scratch("here.socket"));
    assert_int_equal(chdir(before), 0);
    free(before);
    close_all(&listener);
    assert_int_equal(entries(scratch("")), 0);
}

static void leave_stale_socket(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
}

static void test_a_stale_socket_is_replaced(void **state)
{
    (void)state;
    const char *path = scratch("stale.socket");
    for (int with_lock = 0; with_lock < 2; with_lock++) {
        leave_stale_socket(path);
        if (with_lock)
            scratch_write("stale.socket.lock", "4711", 4); /* as the Go SDK leaves it */
        struct listener listener = open_at(false, path);
        assert_true(can_connect(path));
        close_all(&listener);
        assert_int_equal(entries(scratch("")), 0);
    }
}

static void test_a_live_socket_is_never_taken(void **state)
{
    (void)state;
    const char *path = scratch("live.socket");
    struct listener first = open_at(false, path);
    assert_refused(false, path, EADDRINUSE, path);
    assert_true(can_connect(path));
    assert_true(exists(scratch("live.socket.lock")));
    close_all(&first);

    leave_stale_socket(path); /* one of somebody who takes no lock */
    struct sockaddr_un address = unix_address(path);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(bind(other, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_refused(false, path, EADDRINUSE, "in use by another process");
    assert_true(can_connect(path));
    close(other);
    assert_int_equal(entries(scratch("")), 1);
}

static void test_no_other_file_is_removed(void **state)
{
    (void)state;
    const char *file = scratch_write("file", "precious", 8), *folder = scratch("folder"), *link_path = scratch("link");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink(file, link_path), 0);
    assert_refused(false, file, EEXIST, "is not a socket");
    assert_refused(false, folder, EEXIST, "is not a socket");
    assert_refused(false, link_path, EEXIST, "is not a socket");
    assert_int_equal(entries(scratch("")), 3);
}

static void test_a_path_that_cannot_be_used_is_said(void **state)
{
    (void)state;
    char path[200] = "/tmp/";
    memset(path + 5, 'p', sizeof path - 6);
    assert_refused(false, path, ENAMETOOLONG, "longer than 107 bytes: /tmp/ppp");
    assert_refused(false, scratch("missing/socket"), ENOENT, "opening ");
    struct listener listener;
    struct tempdir dir = {.fd = -1};
    memcpy(dir.path, path, sizeof path);
    struct error e;
    assert_false(listener_open(&listener, false, "", &dir, &e));
    assert_int_equal(e.code, ENAMETOOLONG);
    assert_int_equal(symlink(scratch("elsewhere"), scratch("s.lock")), 0);
    assert_refused(false, scratch("s"), ELOOP, "opening "); /* a lock that is a link is not followed */
    assert_false(exists(scratch("elsewhere")));
}

/* ---- tcp ---- */

static void test_tcp_is_loopback_only_by_default(void **state)
{
    (void)state;
    static const char *const locations[] = {"", "0", ":0", "127.0.0.1:0", "http://127.0.0.1:0", "127.0.0.1:"};
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        struct listener listener = open_at(true, locations[i]);
        struct sockaddr_in address;
        socklen_t size = sizeof address;
        assert_int_equal(getsockname(listener.fd, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(address.sin_family, AF_INET);
        assert_int_equal(ntohl(address.sin_addr.s_addr), INADDR_LOOPBACK);
        assert_int_equal(port_of(listener.announced, "127.0.0.1"), ntohs(address.sin_port));
        assert_string_equal(listener.path, "");
        close_all(&listener);
    }
}

static void test_a_port_is_honoured(void **state)
{
    (void)state;
    static const struct {
        const char *before, *host; /* what stands before the port, and is the host then */
    } forms[] = {{"", ""}, {":", ""}, {"127.0.0.1:", "127.0.0.1"}, {"http://127.0.0.1:", "127.0.0.1"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct listener listener = open_at(true, "");
        char location[64];
        (void)snprintf(location, sizeof location, "%s%d", forms[i].before, port_of(listener.announced, "127.0.0.1"));
        assert_refused(true, location, EADDRINUSE, "listening on");
        close_all(&listener);
        struct listener again = open_at(true, location);
        assert_string_equal(again.announced, listener.announced);
        assert_string_equal(again.host, forms[i].host);
        close_all(&again);
    }
}

static void test_ipv6_addresses_stand_in_brackets(void **state)
{
    (void)state;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    bool there = probe >= 0 && bind(probe, (const struct sockaddr *)&six, sizeof six) == 0;
    close(probe);
    if (!there) {
        print_message("no IPv6 here\n");
        skip();
    }
    struct listener listener = open_at(true, "[::1]:0");
    assert_true(port_of(listener.announced, "[::1]") > 0);
    close_all(&listener);
}

static void test_a_location_that_is_none_is_said(void **state)
{
    (void)state;
    static const char *const wrong[] = {"localhost", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:8080/path", ":123456789"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(true, wrong[i], EINVAL, wrong[i]);
    char host[400];
    memset(host, 'h', sizeof host);
    memcpy(host + sizeof host - 4, ":80", 4);
    assert_refused(true, host, EINVAL, "location: expected host:port");
    assert_refused(true, "256.1.1.1:0", EINVAL, "256.1.1.1");
    assert_refused(true, "192.0.2.1:0", EADDRNOTAVAIL, "192.0.2.1:0"); /* RFC 5737: nobody's */
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_the_socket_is_in_the_run_directory),
        SCRATCH_TEST(test_a_location_is_honoured_and_left_clean),
        SCRATCH_TEST(test_a_relative_location_is_announced_in_full),
        SCRATCH_TEST(test_a_stale_socket_is_replaced),
        SCRATCH_TEST(test_a_live_socket_is_never_taken),
        SCRATCH_TEST(test_no_other_file_is_removed),
        SCRATCH_TEST(test_a_path_that_cannot_be_used_is_said),
        cmocka_unit_test(test_tcp_is_loopback_only_by_default),
        cmocka_unit_test(test_a_port_is_honoured),
        cmocka_unit_test(test_ipv6_addresses_stand_in_brackets),
        cmocka_unit_test(test_a_location_that_is_none_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
