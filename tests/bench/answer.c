// A state machine over lines and counted runs of bytes: status line, headers, then a body of Content-Length or of chunks.
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_start(struct answer *answer, _Bool head_only) {
  memset(answer, 0, offsetof(struct answer, line));
  answer->head_only = head_only;
}

static void read_status(struct answer *answer) {
  const char *line = answer->line;
  if (strncmp(line, "HTTP/1.", 7) != 0 || answer->line_size < 12 || line[8] != ' ') {
    answer->state = ANSWER_BAD;
    return;
  }
  answer->status = atoi(line + 9);
  answer->close = line[7] == '0';
  answer->state = ANSWER_HEADERS;
}

// The value of a header if the line has that name, else NULL. The name is given with its colon.
static const char *header_value(const char *line, const char *name) {
  size_t length = strlen(name);
  if (strncasecmp(line, name, length) != 0) return NULL;
  return line + length + strspn(line + length, " \t");
}

static void head_is_complete(struct answer *answer) {
  if (answer->status / 100 == 1)
    answer_start(answer, answer->head_only);  // 100 Continue and its like: the answer itself follows
  else if (answer->head_only || answer->status == 204 || answer->status == 304)
    answer->state = ANSWER_DONE;
  else if (answer->chunked)
    answer->state = ANSWER_CHUNK_SIZE;
  else if (!answer->sized)
    answer->state = ANSWER_BAD;
  else
    answer->state = answer->left ? ANSWER_BODY : ANSWER_DONE;
}

static void read_header(struct answer *answer) {
  const char *value;
  if (answer->line_size == 0) {
    head_is_complete(answer);
  } else if ((value = header_value(answer->line, "content-length:"))) {
    answer->left = strtoull(value, NULL, 10);
    answer->sized = 1;
  } else if ((value = header_value(answer->line, "transfer-encoding:"))) {
    answer->chunked = strncasecmp(value, "chunked", 7) == 0;
  } else if ((value = header_value(answer->line, "connection:"))) {
    answer->close = strncasecmp(value, "close", 5) == 0;
  }
}

static void read_chunk_size(struct answer *answer) {
  char *end = NULL;
  answer->left = strtoull(answer->line, &end, 16);
  if (end == answer->line)
    answer->state = ANSWER_BAD;
  else
    answer->state = answer->left ? ANSWER_CHUNK : ANSWER_TRAILERS;
}

static void line_is_complete(struct answer *answer) {
  if (answer->line_size && answer->line[answer->line_size - 1] == '\r') answer->line_size--;
  answer->line[answer->line_size] = '\0';
  switch (answer->state) {
    case ANSWER_STATUS: read_status(answer); break;
    case ANSWER_HEADERS: read_header(answer); break;
    case ANSWER_CHUNK_SIZE: read_chunk_size(answer); break;
    case ANSWER_CHUNK_END: answer->state = answer->line_size ? ANSWER_BAD : ANSWER_CHUNK_SIZE; break;
    case ANSWER_TRAILERS: answer->state = answer->line_size ? ANSWER_TRAILERS : ANSWER_DONE; break;
    default: break;
  }
  answer->line_size = 0;
}

static size_t feed_line(struct answer *answer, const char *bytes, size_t size) {
  const char *newline = memchr(bytes, '\n', size);
  size_t length = newline ? (size_t)(newline - bytes) : size;
  size_t room = sizeof answer->line - 1 - answer->line_size, kept = length < room ? length : room;
  memcpy(answer->line + answer->line_size, bytes, kept);
  answer->line_size += kept;
  if (!newline) return size;
  line_is_complete(answer);
  return length + 1;
}

static size_t feed_body(struct answer *answer, size_t size) {
  size_t taken = size < answer->left ? size : (size_t)answer->left;
  answer->left -= taken;
  answer->body += taken;
  if (answer->left == 0) answer->state = answer->state == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_DONE;
  return taken;
}

size_t answer_feed(struct answer *answer, const char *bytes, size_t size) {
  size_t taken = 0;
  while (taken < size && answer->state != ANSWER_DONE && answer->state != ANSWER_BAD) {
    if (answer->state == ANSWER_BODY || answer->state == ANSWER_CHUNK)
      taken += feed_body(answer, size - taken);
    else
      taken += feed_line(answer, bytes + taken, size - taken);
  }
  return taken;
}
