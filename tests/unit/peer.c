/* serve/peer: who is cut, and when. Time is what the test says it is; a connection is a pair of sockets. */
#include "serve/peer.h"
#include "faults.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
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
    peer_body(&peers, c.peer, START + SECOND);
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
        peer_body(&peers, c.peer, head);
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
        peer_body(&peers, c.peer, done);
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

/* The first byte of a further request starts the clock, and dripping does not stop it. */
static void test_a_further_request_must_not_drip(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    peer_kept(&peers, c.peer, START);
    for (unsigned s = 1; s <= 50; s++)
        turn(&peers, START + s * SECOND);
    uint64_t first = START + 50 * SECOND + 1;
    for (unsigned s = 0; s < 15; s++) {
        assert_int_equal(send(c.theirs, "G", 1, MSG_NOSIGNAL), 1);
        turn(&peers, first + s * SECOND);
        assert_false(is_cut(&c));
    }
    assert_int_equal(cut_after(&peers, &c, first), 15000);
    hang_up(&peers, &c);
    peers_free(&peers);
}

/* Connections that are busy never join the watch; those that joined leave it with their next request. */
static void test_the_watch_is_for_quiet_connections(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t now = START + i * SECOND / 100;
        peer_body(&peers, c.peer, now);
        peer_busy(c.peer);
        peer_kept(&peers, c.peer, now);
        turn(&peers, now);
    }
    assert_int_equal(peers.watch, -1);
    turn(&peers, START + 3 * SECOND);
    assert_int_equal(peers.watched, 1);
    peer_body(&peers, c.peer, START + 4 * SECOND); /* its head came in one turn */
    assert_int_equal(peers.watched, 0);
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
    turn(&peers, START + 2 * SECOND);
    assert_int_equal(peers.watched, MANY);
    for (size_t i = 0; i < MANY; i += 2) /* half of them begin a request, more than one look takes */
        assert_int_equal(send(all[i].theirs, "G", 1, MSG_NOSIGNAL), 1);
    for (int i = 0; i < 10; i++)
        turn(&peers, START + 3 * SECOND);
    assert_int_equal(peers.watched, MANY / 2);
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
    assert_int_equal(peers.watched, 0);
    peers_free(&peers);
}

static void test_a_client_that_hangs_up_while_kept_wakes_the_watch(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    struct connection c = connect_at(&peers, START);
    peer_kept(&peers, c.peer, START);
    turn(&peers, START + 2 * SECOND);
    assert_int_equal(peers.watched, 1);
    shutdown(c.theirs, SHUT_WR);
    turn(&peers, START + 3 * SECOND);
    assert_int_equal(peers.watched, 0); /* libmicrohttpd sees its end itself */
    hang_up(&peers, &c);
    peers_free(&peers);
}

static void test_without_memory_there_is_no_peer(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    faults_memory(1, false);
    assert_null(peer_add(&peers, 0, START));
    faults_memory(0, false);
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
        cmocka_unit_test(test_the_watch_is_for_quiet_connections),
        cmocka_unit_test(test_many_are_kept_apart),
        cmocka_unit_test(test_a_client_that_hangs_up_while_kept_wakes_the_watch),
        cmocka_unit_test(test_without_memory_there_is_no_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
