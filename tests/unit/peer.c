/* serve/peer: who is cut, and when. Time is what the test says it is; a connection is a pair of sockets. */
#include "serve/peer.h"
#include "faults.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t SECOND = 1000000000, START = 5000000000000;

struct connection {
    int ours, theirs;
    struct peer *peer;
};

static struct connection connect_at(struct peers *peers, uint64_t now)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct connection c = {fds[0], fds[1], peer_add(peers, fds[0], now)};
    assert_non_null(c.peer);
    return c;
}

static void hang_up(struct peers *peers, struct connection *c)
{
    peer_remove(peers, c->peer);
    close(c->ours);
    close(c->theirs);
}

/* Whether its client sees the end. */
static bool is_cut(const struct connection *c)
{
    struct pollfd fd = {c->theirs, POLLIN | POLLRDHUP, 0};
    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLRDHUP) != 0;
}

/* A turn of the loop. */
static void turn(struct peers *peers, uint64_t now)
{
    peers_look(peers, now);
    peers_sweep(peers, now);
}

/* Turns of the loop until it is cut, each as soon as something is due: when that was, in milliseconds after `since`; -1: never. */
static int64_t cut_after(struct peers *peers, const struct connection *c, uint64_t since)
{
    for (int turns = 0; turns < 1000 && peers->next_sweep != 0; turns++) {
        uint64_t now = peers->next_sweep;
        turn(peers, now);
        assert_true(peers->next_sweep == 0 || peers->next_sweep > now); /* else the loop would spin */
        if (is_cut(c))
            return (int64_t)(now - since) / 1000000;
    }
    return -1;
}

static void test_who_sends_nothing_is_cut(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    turn(&peers, START + 14 * SECOND);
    assert_false(is_cut(&c));
    assert_int_equal(cut_after(&peers, &c, START), 15000);
    hang_up(&peers, &c);
    assert_null(peers.first);
    peers_free(&peers);
}

static void test_a_request_in_work_is_never_cut(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    peer_body(&peers, c.peer, 20, 0, false, START + SECOND);
    peer_busy(c.peer);
    assert_int_equal(cut_after(&peers, &c, START), -1);
    turn(&peers, START + 100000 * SECOND);
    assert_false(is_cut(&c));
    hang_up(&peers, &c);
    peers_free(&peers);
}

static void test_a_body_must_go_on(void **state)
{
    (void)state;
    static const struct {
        size_t bytes; /* of the body, every ten seconds, for a minute */
        bool enough;
    } cases[] = {{0, false}, {1, false}, {32 * 1024, false}, {64 * 1024 - 1, false}, {64 * 1024, true}, {1 << 20, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peers peers;
        peers_init(&peers);
        struct connection c = connect_at(&peers, START);
        uint64_t head = START + 3 * SECOND;
        peer_body(&peers, c.peer, 20, 1 << 30, false, head);
        for (unsigned tens = 1; tens <= 6; tens++) {
            turn(&peers, head + tens * 10 * SECOND);
            if (!is_cut(&c))
                peer_progress(c.peer, cases[i].bytes, head + tens * 10 * SECOND);
        }
        assert_int_equal(is_cut(&c), !cases[i].enough);
        if (cases[i].enough)
            assert_int_equal(cut_after(&peers, &c, head + 60 * SECOND), 15000);
        hang_up(&peers, &c);
        peers_free(&peers);
    }
}

static void test_a_connection_is_kept_for_longer_than_clients_keep_it(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    for (unsigned request = 0; request < 3; request++) {
        uint64_t done = START + (1 + 90 * request) * SECOND;
        peer_body(&peers, c.peer, 20, 0, false, done);
        peer_busy(c.peer);
        peer_kept(&peers, c.peer, done);
        for (unsigned s = 1; s < 90; s++)
            turn(&peers, done + s * SECOND);
        assert_false(is_cut(&c));
    }
    assert_int_equal(cut_after(&peers, &c, START + 181 * SECOND), 120000);
    hang_up(&peers, &c);
    peers_free(&peers);
}

/* What libmicrohttpd does: it reads what is there. */
static void send_and_read(const struct connection *c, const char *text)
{
    char bytes[256];
    ssize_t length = (ssize_t)strlen(text);
    assert_int_equal(send(c->theirs, text, strlen(text), MSG_NOSIGNAL), length);
    assert_int_equal(recv(c->ours, bytes, sizeof bytes, 0), length);
}

/* The first byte of a further request starts the clock, and dripping does not stop it. */
static void test_a_further_request_must_not_drip(void **state)
{
    (void)state;
    static const uint64_t waits[] = {0, 1, SECOND / 2, SECOND, 50 * SECOND};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct peers peers;
        peers_init(&peers);
        struct connection c = connect_at(&peers, START);
        peer_kept(&peers, c.peer, START);
        turn(&peers, START + waits[i]);
        for (unsigned s = 0; s < 15; s++) {
            turn(&peers, START + waits[i] + s * SECOND);
            send_and_read(&c, "G");
            assert_false(is_cut(&c));
        }
        assert_int_equal(cut_after(&peers, &c, START + waits[i]), 15000);
        hang_up(&peers, &c);
        peers_free(&peers);
    }
}

static const char HEAD[] = "POST / HTTP/1.1\r\n\r\n";

/* Reads the text, in which a request stands that has a head and a body, and answers it. */
static void serve(struct peers *peers, const struct connection *c, const char *text, size_t body, bool chunked)
{
    send_and_read(c, text);
    peer_head(peers, c->peer, START);
    peer_body(peers, c->peer, sizeof HEAD - 1, body, chunked, START);
    peer_busy(c->peer);
    peer_kept(peers, c->peer, START);
}

static void test_what_came_behind_a_request_begins_the_next(void **state)
{
    (void)state;
    static const struct {
        const char *behind_head;
        size_t body;
        bool chunked;
        int64_t cut;
    } cases[] = {
        {"", 0, false, 120000},
        {"G", 0, false, 15000},
        {"\r\n", 0, false, 15000},
        {"body", 4, false, 120000},
        {"bodyG", 4, false, 15000},
        {"body", 5, false, 120000}, /* answered before it was there */
        {"1\r\nx\r\n0\r\n\r\n", 0, true, 120000},
        {"1\r\nx\r\n0\r\n\r\nG", 0, true, 15000},
        {"1\r\nx\r\n0\r\n\r\n\r\n", 0, true, 15000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peers peers;
        char text[128];
        peers_init(&peers);
        struct connection c = connect_at(&peers, START);
        (void)snprintf(text, sizeof text, "%s%s", HEAD, cases[i].behind_head);
        serve(&peers, &c, text, cases[i].body, cases[i].chunked);
        assert_int_equal(cut_after(&peers, &c, START), cases[i].cut);
        hang_up(&peers, &c);
        peers_free(&peers);
    }
}

static void test_requests_that_come_at_once_are_counted_apart(void **state)
{
    (void)state;
    struct peers peers;
    char text[256];
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    (void)snprintf(text, sizeof text, "%s%s%s", HEAD, HEAD, HEAD);
    serve(&peers, &c, text, 0, false);
    assert_int_equal(c.peer->state, PEER_HEAD);
    for (int i = 0; i < 2; i++) {
        peer_body(&peers, c.peer, sizeof HEAD - 1, 0, false, START);
        peer_busy(c.peer);
        peer_kept(&peers, c.peer, START);
        assert_int_equal(c.peer->state, i == 0 ? PEER_HEAD : PEER_KEPT);
    }
    serve(&peers, &c, HEAD, 0, false);
    assert_int_equal(cut_after(&peers, &c, START), 120000);
    hang_up(&peers, &c);
    peers_free(&peers);
}

/* How much came behind chunks cannot be known: such a connection is never taken for quiet again. */
static void test_what_came_behind_chunks_stays_unclear(void **state)
{
    (void)state;
    struct peers peers;
    char text[128];
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    (void)snprintf(text, sizeof text, "%s0\r\n\r\nPOST", HEAD);
    serve(&peers, &c, text, 0, true);
    serve(&peers, &c, HEAD + 4, 0, false);
    assert_int_equal(cut_after(&peers, &c, START), 15000);
    hang_up(&peers, &c);
    peers_free(&peers);
}

static void test_the_end_of_chunks_may_come_in_pieces(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    send_and_read(&c, HEAD);
    send_and_read(&c, "1\r\nx\r\n0\r");
    send_and_read(&c, "\n");
    serve(&peers, &c, "\r\n", 0, true);
    assert_int_equal(cut_after(&peers, &c, START), 120000);
    hang_up(&peers, &c);
    peers_free(&peers);
}

static void test_many_are_kept_apart(void **state)
{
    (void)state;
    enum { MANY = 100 };
    struct peers peers;
    struct connection all[MANY];
    peers_init(&peers);
    for (size_t i = 0; i < MANY; i++) {
        all[i] = connect_at(&peers, START);
        peer_kept(&peers, all[i].peer, START);
    }
    turn(&peers, START + 3 * SECOND);
    for (size_t i = 0; i < MANY; i += 2) /* half of them begin a request */
        send_and_read(&all[i], "G");
    turn(&peers, START + 19 * SECOND);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(is_cut(&all[i]), i % 2 == 0);
    for (size_t i = 0; i < MANY; i += 3) /* from the middle of the list */
        hang_up(&peers, &all[i]);
    turn(&peers, START + 121 * SECOND);
    for (size_t i = 0; i < MANY; i++)
        if (i % 3 != 0) {
            assert_true(is_cut(&all[i]));
            hang_up(&peers, &all[i]);
        }
    assert_null(peers.first);
    peers_free(&peers);
}

/* Who reads another descriptor, or reads when there is no server, is not looked at. */
static void test_other_descriptors_are_nobodys(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    hang_up(&peers, &c);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct connection other = {fds[0], fds[1], NULL};
    send_and_read(&other, "G");
    peers_free(&peers);
    send_and_read(&other, "G");
    close(fds[0]);
    close(fds[1]);
}

static void test_without_memory_there_is_no_peer(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    for (long n = 1; n <= 2; n++) {
        faults_memory(n, false);
        assert_null(peer_add(&peers, 0, START));
        faults_memory(0, false);
    }
    assert_null(peers.first);
    assert_int_equal(peers.next_sweep, 0);
    peers_free(&peers);
    peers_free(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_sends_nothing_is_cut),
        cmocka_unit_test(test_a_request_in_work_is_never_cut),
        cmocka_unit_test(test_a_body_must_go_on),
        cmocka_unit_test(test_a_connection_is_kept_for_longer_than_clients_keep_it),
        cmocka_unit_test(test_a_further_request_must_not_drip),
        cmocka_unit_test(test_what_came_behind_a_request_begins_the_next),
        cmocka_unit_test(test_requests_that_come_at_once_are_counted_apart),
        cmocka_unit_test(test_what_came_behind_chunks_stays_unclear),
        cmocka_unit_test(test_the_end_of_chunks_may_come_in_pieces),
        cmocka_unit_test(test_many_are_kept_apart),
        cmocka_unit_test(test_other_descriptors_are_nobodys),
        cmocka_unit_test(test_without_memory_there_is_no_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
