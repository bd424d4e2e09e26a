// Reads HTTP/1.1 answers out of whatever pieces the socket delivers. Bodies are counted and thrown away.
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stddef.h>
#include <stdint.h>

enum answer_state { ANSWER_STATUS, ANSWER_HEADERS, ANSWER_BODY, ANSWER_CHUNK_SIZE, ANSWER_CHUNK, ANSWER_CHUNK_END, ANSWER_TRAILERS, ANSWER_DONE, ANSWER_BAD };

struct answer {
  enum answer_state state;
  _Bool head_only;  // the request was a HEAD: no body, whatever the headers say
  _Bool chunked, sized, close;
  int status;
  uint64_t left;  // bytes of the body, or of this chunk, that are still to come
  uint64_t body;  // bytes of the body so far
  size_t line_size;
  char line[4096];  // the line that is being read; the rest of a longer one is dropped
};

void answer_start(struct answer *answer, _Bool head_only);

// Takes up to size bytes and returns how many it took: all of them until the state is ANSWER_DONE or ANSWER_BAD. An
// answer without Content-Length that is not chunked is ANSWER_BAD, since it can only end by closing the connection.
size_t answer_feed(struct answer *answer, const char *bytes, size_t size);

#endif
