/* Requests and answers on libmicrohttpd: see server.h.
 *
 * The daemon runs no thread: MHD_run is called by the loop when its epoll descriptor is readable.  It calls on_uri with the
 * target as sent, on_request for the head, for each piece of the body and for its end, and on_completed when the answer
 * is out.  A handler that never waits is answered in that last on_request; otherwise the connection is suspended, and
 * resumed when the vm has the answer. */
#include "serve/server.h"
#include "base/log.h"
#include "base/uri.h"
#include "serve/peer.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CONNECTIONS_MOST = 4096, CONNECTIONS_LEAST = 256, DESCRIPTORS_KEPT = 64, DRAIN_TIMES = 4 };

struct server {
    struct MHD_Daemon *daemon;
    struct MHD_Response *empty; /* 200 without a body, for all of them */
    struct vm *vm;
    const struct listener *listener;
    void (*on_shutdown)(void *context);
    void *context;
    struct peers peers;
    uint64_t now; /* of this turn of the loop */
    uint64_t served;
    unsigned active;
    bool quiesced;
};

/* One request on its way. */
struct exchange {
    struct vm_request request; /* first */
    struct server *server;
    struct MHD_Connection *connection;
    char *target;        /* as sent */
    struct buffer path;  /* decoded */
    struct buffer body;
    size_t discarded;    /* bytes of a body that is too long */
    bool begun, received, answered, suspended, too_long, no_memory;
};

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* ---- what the vm sees of a request ---- */

static const char *get_header(struct vm_request *request, const char *name)
{
    return MHD_lookup_connection_value(((struct exchange *)request)->connection, MHD_HEADER_KIND, name);
}

struct visitor {
    void (*visit)(void *context, const char *name, const char *value);
    void *context;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct visitor *visitor = cls;
    (void)kind;
    visitor->visit(visitor->context, name, value != NULL ? value : "");
    return MHD_YES;
}

static void each_header(struct vm_request *request, void (*visit)(void *context, const char *name, const char *value), void *context)
{
    struct visitor visitor = {visit, context};
    MHD_get_connection_values(((struct exchange *)request)->connection, MHD_HEADER_KIND, visit_header, &visitor);
}

static void completed(struct vm_request *request)
{
    struct exchange *x = (struct exchange *)request;
    x->answered = true;
    if (x->suspended)
        MHD_resume_connection(x->connection);
}

/* ---- the answer ---- */

static enum MHD_Result queue_answer(struct exchange *x)
{
    struct vm_request *request = &x->request;
    if (request->status == 200 && request->answer.length == 0 && request->content_type == NULL && request->fields.length == 0)
        return MHD_queue_response(x->connection, MHD_HTTP_OK, x->server->empty);
    size_t length;
    char *body = buffer_take(&request->answer, &length);
    struct MHD_Response *response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    bool ok = request->content_type == NULL || MHD_add_response_header(response, "Content-Type", request->content_type) == MHD_YES;
    for (size_t at = 0; at < request->fields.length;) {
        const char *name = request->fields.data + at;
        const char *value = name + strlen(name) + 1;
        at += strlen(name) + 1 + strlen(value) + 1;
        if (MHD_add_response_header(response, name, value) != MHD_YES)
            log_event(LEVEL_WARN, "a header of the answer cannot be sent", "name", name, NULL);
    }
    enum MHD_Result result = ok ? MHD_queue_response(x->connection, request->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct exchange *x, unsigned status, const char *text)
{
    vm_request_answer(&x->request, status, "%s", text);
    x->answered = true;
    return queue_answer(x);
}

/* ---- the request ---- */

/* Whether a Host header has this name, with a port or without one. */
static bool is_own(const char *host, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(host, name, length) != 0)
        return false;
    return host[length] == '\0' || (host[length] == ':' && strspn(host + length + 1, "0123456789") == strlen(host + length + 1));
}

/* A browser must not drive a plugin: no page has business here, and a name that points at this machine is not ours. */
static const char *foreign(const struct exchange *x)
{
    const struct listener *listener = x->server->listener;
    if (!listener->tcp)
        return NULL;
    if (MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Origin") != NULL)
        return "requests from web pages are refused";
    const char *host = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Host");
    if (host == NULL)
        return "there is no Host header";
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (is_own(host, own[i]))
            return NULL;
    if (listener->host[0] != '\0' && is_own(host, listener->host))
        return NULL;
    return "the Host header names another machine";
}

/* What the head says of the body. */
struct framing {
    const char *length; /* the first Content-Length, or NULL */
    unsigned lengths;
    bool coded; /* there is a Transfer-Encoding */
};

static enum MHD_Result read_framing(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct framing *framing = cls;
    (void)kind;
    if (strcasecmp(name, "Content-Length") == 0) {
        if (framing->lengths++ == 0)
            framing->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->coded = true;
    }
    return MHD_YES;
}

/* RFC 9112 section 6.3: two lengths, or a length and a transfer coding, are somebody's attempt to smuggle a request. */
static bool ambiguous(const struct framing *framing) { return framing->lengths > 1 || (framing->lengths == 1 && framing->coded); }

/* Splits the target (RFC 9112 section 3.2) and decodes its path. */
static bool read_target(struct exchange *x, struct error *e)
{
    char *target = x->target;
    if (strncasecmp(target, "http://", 7) == 0)
        target += 7 + strcspn(target + 7, "/?");
    char *query = strchr(target, '?');
    x->request.raw_path = target;
    x->request.raw_path_length = query != NULL ? (size_t)(query - target) : strlen(target);
    x->request.query = query != NULL ? query + 1 : NULL;
    if (!uri_decode(&x->path, target, x->request.raw_path_length, false, e))
        return false;
    x->request.path = x->path.data;
    x->request.path_length = x->path.length;
    return true;
}

static enum MHD_Result refuse_body(struct exchange *x)
{
    char text[96];
    if (x->no_memory)
        return refuse(x, MHD_HTTP_INTERNAL_SERVER_ERROR, "not enough memory for the body");
    (void)snprintf(text, sizeof text, "the body is longer than limits.body allows: %zu bytes", vm_limits(x->server->vm)->body);
    return refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, text);
}

/* How much there is to come of the request, for who looks at slow senders. */
static void watch_body(struct exchange *x, const struct framing *framing, uint64_t length)
{
    struct peer *peer = peer_of(x->connection);
    if (peer == NULL)
        return;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    peer_body(&x->server->peers, peer, info != NULL ? info->header_size : SIZE_MAX, length, framing->coded, x->server->now);
}

/* The head is there. */
static enum MHD_Result begin(struct exchange *x)
{
    struct server *server = x->server;
    struct error e;
    size_t limit = vm_limits(server->vm)->body;
    struct framing framing = {0};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, read_framing, &framing);
    uint64_t length = framing.length != NULL ? strtoull(framing.length, NULL, 10) : 0;
    watch_body(x, &framing, length);
    x->body.limit = limit;
    if (server->quiesced)
        return refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "the plugin is shutting down");
    const char *why = foreign(x);
    if (why != NULL)
        return refuse(x, MHD_HTTP_FORBIDDEN, why);
    if (!read_target(x, &e)) {
        char text[sizeof e.message + 8];
        (void)snprintf(text, sizeof text, "path: %s", e.message);
        return refuse(x, e.code == ENOMEM ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_BAD_REQUEST, text);
    }
    if (ambiguous(&framing)) {
        const char close_it[] = "Connection\0close";
        enum MHD_Result result = MHD_NO;
        vm_request_answer(&x->request, MHD_HTTP_BAD_REQUEST, "it is unclear where the body ends: Content-Length and Transfer-Encoding contradict each other");
        x->answered = true;
        if (buffer_append(&x->request.fields, close_it, sizeof close_it))
            result = queue_answer(x);
        return result;
    }
    if (length > limit) {
        /* A sender that is not asked first is easier to answer when it has sent all: so a body that is not absurd is read, and dropped. */
        x->too_long = true;
        if (length / DRAIN_TIMES > limit || MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Expect") != NULL)
            return refuse_body(x);
    } else if (length > 0) {
        (void)buffer_reserve(&x->body, (size_t)length);
    }
    return MHD_YES;
}

static enum MHD_Result collect(struct exchange *x, const char *data, size_t *size)
{
    struct peer *peer = peer_of(x->connection);
    if (peer != NULL)
        peer_progress(peer, *size, x->server->now);
    if (!x->too_long && !buffer_append(&x->body, data, *size)) {
        x->too_long = true;
        x->no_memory = *size <= x->body.limit - x->body.length;
        buffer_free(&x->body);
    }
    if (x->too_long) {
        x->discarded += *size;
        if (x->discarded / DRAIN_TIMES > vm_limits(x->server->vm)->body)
            return MHD_NO; /* it never ends: cut it off */
    }
    *size = 0;
    return MHD_YES;
}

static bool is_path(const struct exchange *x, const char *path) { return x->path.length == strlen(path) && memcmp(x->path.data, path, x->path.length) == 0; }

static void healthz(struct exchange *x)
{
    bool known = strcmp(x->request.method, "GET") == 0 || strcmp(x->request.method, "HEAD") == 0;
    if (known)
        x->request.status = MHD_HTTP_OK;
    else
        vm_request_answer(&x->request, MHD_HTTP_METHOD_NOT_ALLOWED, "this endpoint may only be called with either HEAD or GET method");
    x->answered = true;
}

/* All of it is there. */
static void start(struct exchange *x)
{
    struct peer *peer = peer_of(x->connection);
    if (peer != NULL)
        peer_busy(peer);
    x->received = true;
    if (is_path(x, "/healthz")) {
        healthz(x);
    } else if (is_path(x, "/shutdown")) {
        x->request.status = MHD_HTTP_OK;
        x->answered = true;
        x->server->on_shutdown(x->server->context);
    } else {
        x->request.body = x->body.data != NULL ? x->body.data : "";
        x->request.body_length = x->body.length;
        vm_request_start(x->server->vm, &x->request);
    }
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data, size_t *size, void **context)
{
    struct exchange *x = *context;
    (void)cls, (void)url, (void)version;
    if (x == NULL)
        return MHD_NO; /* there was no memory for it */
    if (!x->begun) {
        x->begun = true;
        x->connection = connection;
        x->request.method = method;
        return begin(x);
    }
    if (*size > 0)
        return collect(x, data, size);
    if (x->too_long)
        return refuse_body(x);
    if (!x->received)
        start(x);
    x->suspended = false;
    if (x->answered)
        return queue_answer(x);
    x->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct server *server = cls;
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL || (x->target = strdup(uri)) == NULL) {
        free(x);
        return NULL;
    }
    x->server = server;
    x->connection = connection;
    x->request.header = get_header;
    x->request.headers = each_header;
    x->request.completed = completed;
    server->active++;
    server->served++;
    struct peer *peer = peer_of(connection);
    if (peer != NULL)
        peer_head(&server->peers, peer, server->now);
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    struct server *server = cls;
    struct exchange *x = *context;
    (void)code;
    struct peer *peer = peer_of(connection);
    if (peer != NULL)
        peer_kept(&server->peers, peer, server->now);
    if (x == NULL)
        return;
    *context = NULL;
    server->active--;
    vm_request_free(&x->request);
    buffer_free(&x->path);
    buffer_free(&x->body);
    free(x->target);
    free(x);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct server *server = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info != NULL ? peer_add(&server->peers, info->connect_fd, server->now) : NULL;
    } else if (*context != NULL) {
        peer_remove(&server->peers, *context);
        *context = NULL;
    }
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format, va_list arguments)
{
    char text[512];
    (void)cls;
    int length = vsnprintf(text, sizeof text, format, arguments);
    if (length <= 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    log_event(LEVEL_DEBUG, "http", "detail", text, NULL);
}

/* As many connections as there are descriptors for, with some kept for files. */
static unsigned connection_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return CONNECTIONS_LEAST;
    rlim_t wanted = CONNECTIONS_MOST + DESCRIPTORS_KEPT;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur >= wanted ? CONNECTIONS_MOST : limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? (unsigned)limit.rlim_cur - DESCRIPTORS_KEPT : DESCRIPTORS_KEPT;
}

/* libmicrohttpd shall decode nothing: on_uri's copy is decoded, once. */
static size_t unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

struct server *server_create(const struct listener *listener, struct vm *vm, void (*on_shutdown)(void *), void *context, struct error *e)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    server->vm = vm;
    server->listener = listener;
    server->on_shutdown = on_shutdown;
    server->context = context;
    server->now = vm_now();
    peers_init(&server->peers);
    server->empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
                                      MHD_OPTION_EXTERNAL_LOGGER, on_log, server, MHD_OPTION_LISTEN_SOCKET, listener->fd,
                                      MHD_OPTION_CONNECTION_LIMIT, connection_limit(), MHD_OPTION_CONNECTION_MEMORY_LIMIT, vm_limits(vm)->header,
                                      MHD_OPTION_URI_LOG_CALLBACK, on_uri, server, MHD_OPTION_UNESCAPE_CALLBACK, unescape, server,
                                      MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    if (server->empty == NULL || server->daemon == NULL) {
        error_errno(e, errno, "starting the HTTP server");
        server_destroy(server);
        return NULL;
    }
    return server;
}

int server_fd(const struct server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info != NULL ? info->epoll_fd : -1;
}

int server_timeout(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG own;
    uint64_t timeout = MHD_get_timeout(server->daemon, &own) == MHD_YES ? own : UINT64_MAX;
    if (server->peers.next_sweep != 0) {
        uint64_t left = server->peers.next_sweep > server->now ? (server->peers.next_sweep - server->now) / 1000000 + 1 : 0;
        timeout = left < timeout ? left : timeout;
    }
    return timeout == UINT64_MAX ? -1 : timeout > 3600000 ? 3600000 : (int)timeout;
}

void server_run(struct server *server)
{
    server->now = vm_now();
    peers_look(&server->peers, server->now);
    MHD_run(server->daemon);
    peers_sweep(&server->peers, server->now);
}

unsigned server_active(const struct server *server) { return server->active; }

uint64_t server_served(const struct server *server) { return server->served; }

void server_quiesce(struct server *server)
{
    server->quiesced = true;
    MHD_socket listening = MHD_quiesce_daemon(server->daemon);
    if (listening != MHD_INVALID_SOCKET)
        close(listening); /* whoever connects now is refused, not left waiting */
}

void server_destroy(struct server *server)
{
    if (server == NULL)
        return;
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    if (server->empty != NULL)
        MHD_destroy_response(server->empty);
    peers_free(&server->peers);
    free(server);
}
