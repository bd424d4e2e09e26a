/* gzip on all processors: see gzip.h.
 *
 * The input is cut into blocks of BLOCK bytes.  Each is deflated on its own, with the WINDOW bytes before it as its dictionary,
 * and ends on a byte (Z_SYNC_FLUSH): one behind the other they are one deflate stream, a little larger than one made in one
 * go.  The cuts do not depend on how many threads there are, so neither does the output.
 *
 * The thread that reads from the stage reads the input into a ring of blocks, and takes out what is done in order.  Small
 * inputs it deflates itself; when ALONE blocks have passed it starts threads.  They end with the stage. */
#include "work/gzip.h"
#include "work/thread.h"
#include "work/zlib_library.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 128 * 1024,
    WINDOW = 32 * 1024,
    PACKED = BLOCK + BLOCK / 64 + 256, /* more than deflate's worst case, with the flush */
    ALONE = 4,
    THREADS_MOST = 8,
    RING = THREADS_MOST * 2,
    HEADER = 10,
    TRAILER = 8,
};

struct block {
    bool done, failed, last;
    size_t before, length; /* dictionary and data */
    size_t packed;
    uLong crc;
    unsigned char in[WINDOW + BLOCK]; /* the data begins at WINDOW, the dictionary `before` bytes earlier */
    unsigned char out[PACKED];
};

struct gzip {
    struct stream stream;
    const struct zlib_library *zlib; /* NULL: not opened */
    int level;
    z_stream own;         /* what this thread deflates with; open: initialised */
    bool open;
    bool alone;           /* there are no threads to be had */
    unsigned threads;
    pthread_t thread[THREADS_MOST];
    struct block *blocks[RING];
    unsigned ring;        /* how many of them are used */
    uint64_t filled, given; /* blocks that were read and that are out; block n is in blocks[n % ring] */
    bool drained;
    /* what is to be given before the next block: header, or trailer, or a block's bytes */
    const unsigned char *rest;
    size_t rest_length;
    bool rest_is_block;
    unsigned char edge[HEADER];
    bool over;
    uLong crc;
    uint64_t total;
    /* below: guarded by the lock, as are `filled` and the blocks' `done` while there are threads */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t taken;       /* blocks that a thread has, or had */
    bool closing;
};

static struct block *block_of(struct gzip *g, uint64_t number) { return g->blocks[number % g->ring]; }

static bool init(const struct gzip *g, z_stream *z)
{
    memset(z, 0, sizeof *z);
    return g->zlib->deflateInit2_(z, g->level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int)sizeof *z) == Z_OK;
}

static bool pack(const struct gzip *g, z_stream *z, struct block *b)
{
    b->crc = g->zlib->crc32(0, b->in + WINDOW, (uInt)b->length);
    if (g->zlib->deflateReset(z) != Z_OK)
        return false;
    if (b->before > 0 && g->zlib->deflateSetDictionary(z, b->in + WINDOW - b->before, (uInt)b->before) != Z_OK)
        return false;
    z->next_in = b->in + WINDOW;
    z->avail_in = (uInt)b->length;
    z->next_out = b->out;
    z->avail_out = PACKED;
    int result = g->zlib->deflate(z, b->last ? Z_FINISH : Z_SYNC_FLUSH);
    b->packed = PACKED - z->avail_out;
    return result == (b->last ? Z_STREAM_END : Z_OK) && z->avail_in == 0 && z->avail_out > 0;
}

/* ---- threads ---- */

static void *run(void *argument)
{
    struct gzip *g = argument;
    z_stream z;
    bool usable = init(g, &z);
    pthread_mutex_lock(&g->lock);
    for (;;) {
        while (!g->closing && g->taken == g->filled)
            pthread_cond_wait(&g->work, &g->lock);
        if (g->closing)
            break;
        struct block *b = block_of(g, g->taken++);
        pthread_mutex_unlock(&g->lock);
        bool ok = usable && pack(g, &z, b);
        pthread_mutex_lock(&g->lock);
        b->failed = !ok;
        b->done = true;
        pthread_cond_signal(&g->done);
    }
    pthread_mutex_unlock(&g->lock);
    if (usable)
        (void)g->zlib->deflateEnd(&z);
    return NULL;
}

/* Everything that was read so far is out: the ring may change its size. */
static void start_threads(struct gzip *g)
{
    unsigned wanted = thread_processors(THREADS_MOST);
    struct block *before = block_of(g, g->filled - 1); /* holds the next dictionary */
    unsigned ring = 1;
    while (ring < wanted * 2 && (g->blocks[ring] = malloc(sizeof *g->blocks[ring])) != NULL)
        ring++;
    g->blocks[0] = g->blocks[(g->filled - 1) % ring];
    g->blocks[(g->filled - 1) % ring] = before;
    g->ring = ring;
    while (ring > 1 && g->threads < wanted && thread_start(&g->thread[g->threads], run, g))
        g->threads++;
    g->alone = g->threads == 0;
}

/* ---- the way of the bytes ---- */

static bool fill(struct gzip *g, struct error *e)
{
    struct block *b = block_of(g, g->filled);
    if (g->filled > 0) {
        const struct block *previous = block_of(g, g->filled - 1); /* whole: it was not the last */
        memmove(b->in, previous->in + BLOCK, WINDOW);
        b->before = WINDOW;
    } else {
        b->before = 0;
    }
    if (!stream_read_full(g->stream.from, (char *)b->in + WINDOW, BLOCK, &b->length, e))
        return false;
    b->last = g->drained = b->length < BLOCK;
    b->failed = false;
    pthread_mutex_lock(&g->lock);
    b->done = false;
    g->filled++;
    if (g->threads == 0)
        g->taken++;
    pthread_cond_signal(&g->work);
    pthread_mutex_unlock(&g->lock);
    return true;
}

/* The next block, when it is done. */
static bool await(struct gzip *g, struct block *b)
{
    pthread_mutex_lock(&g->lock);
    while (!b->done && !flow_over(g->stream.flow))
        thread_wait(&g->done, &g->lock, STREAM_POLL);
    bool done = b->done;
    pthread_mutex_unlock(&g->lock);
    return done;
}

static void put_number(unsigned char *out, uint64_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(number >> 8 * i);
}

static void begin(struct gzip *g)
{
    static const unsigned char unix_system = 3;
    unsigned char how = g->level == 9 ? 2 : g->level == 1 ? 4 : 0;
    memcpy(g->edge, (unsigned char[HEADER]){0x1f, 0x8b, Z_DEFLATED, 0, 0, 0, 0, 0, how, unix_system}, HEADER);
    g->rest = g->edge;
    g->rest_length = HEADER;
}

static void end(struct gzip *g)
{
    put_number(g->edge, g->crc);
    put_number(g->edge + 4, g->total); /* modulo 2^32, as RFC 1952 has it */
    g->rest = g->edge;
    g->rest_length = TRAILER;
    g->over = true;
}

/* Makes the next bytes ready. */
static bool advance(struct gzip *g, struct error *e)
{
    if (g->given > 0 && g->given == g->filled && g->drained) {
        end(g);
        return true;
    }
    if (g->threads == 0 && !g->alone && g->filled >= ALONE && g->given == g->filled)
        start_threads(g);
    while (!g->drained && g->filled - g->given < (g->threads > 0 ? g->ring : 1))
        if (!fill(g, e))
            return false;
    struct block *b = block_of(g, g->given);
    if (g->threads == 0) {
        b->failed = !pack(g, &g->own, b);
        b->done = true;
    }
    if (!await(g, b))
        return error_set(e, ECANCELED, "cancelled");
    if (b->failed)
        return stream_fail(&g->stream, e, ENOMEM, "out of memory");
    g->crc = g->zlib->crc32_combine(g->crc, b->crc, (z_off_t)b->length);
    g->total += b->length;
    g->rest = b->out;
    g->rest_length = b->packed;
    g->rest_is_block = true;
    return true;
}

static bool open_stage(struct gzip *g, struct error *e)
{
    struct error why;
    const struct zlib_library *zlib = zlib_load(&why);
    if (zlib == NULL)
        return stream_fail(&g->stream, e, why.code, "%s", why.message);
    g->zlib = zlib;
    g->blocks[0] = malloc(sizeof *g->blocks[0]);
    g->open = g->blocks[0] != NULL && init(g, &g->own);
    if (!g->open)
        return stream_fail(&g->stream, e, ENOMEM, "out of memory");
    begin(g);
    return true;
}

static bool gzip_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct gzip *g = (struct gzip *)s;
    if (!g->open && !open_stage(g, e))
        return false;
    while (g->rest_length == 0) {
        if (g->rest_is_block)
            g->given++;
        g->rest_is_block = false;
        if (g->over)
            return true;
        if (!advance(g, e))
            return false;
    }
    *got = g->rest_length < size ? g->rest_length : size;
    memcpy(data, g->rest, *got);
    g->rest += *got;
    g->rest_length -= *got;
    return true;
}

static void gzip_free(struct stream *s)
{
    struct gzip *g = (struct gzip *)s;
    pthread_mutex_lock(&g->lock);
    g->closing = true;
    pthread_cond_broadcast(&g->work);
    pthread_mutex_unlock(&g->lock);
    for (unsigned i = 0; i < g->threads; i++)
        (void)pthread_join(g->thread[i], NULL);
    if (g->open)
        (void)g->zlib->deflateEnd(&g->own);
    for (int i = 0; i < RING; i++)
        free(g->blocks[i]);
    pthread_cond_destroy(&g->work);
    pthread_cond_destroy(&g->done);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

struct stream *gzip_stage_create(int level)
{
    static const struct stream_type type = {.name = "gzip", .computes = true, .read = gzip_read, .free = gzip_free};
    struct gzip *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->stream.type = &type;
    g->level = level;
    g->ring = 1;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->work, NULL);
    thread_condition_init(&g->done);
    return &g->stream;
}
