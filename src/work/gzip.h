#pragma once
/* The stage that compresses with gzip, on all processors. `level`: 1 to 9. */
#include "work/stream.h"

struct stream *gzip_stage_create(int level);
