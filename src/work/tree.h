#pragma once
/* A walk through a folder and all below it, that holds a bounded number of descriptors however deep it is, and follows no link
 * that it was not told to follow.
 *
 * tree_next gives names one after the other; the folder that holds one is open as tree->dir, so that whoever acts on the name
 * (fstatat, unlinkat) cannot be led elsewhere by a link that somebody puts into the path.  A folder is entered by tree_enter, at
 * its name, and left by tree_next after its last name.  One thread at a time. */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct tree {
    int dir;            /* the folder that `name` is in */
    const char *name;   /* the tree's, until the next call */
    const char *path;   /* from the root, "a/b/name"; likewise */
    size_t level;       /* of the name: 1 in the root */

    /* the tree's own */
    bool sorted;
    struct frame *frames;
    size_t capacity, pinned, waiting;
    struct buffer text;
};

enum tree_step {
    TREE_NAME,   /* a name */
    TREE_LEFT,   /* a folder that was entered has been left: `name` again, in `dir` */
    TREE_END,
    TREE_FAILED, /* e is filled */
};

/* Opens the folder, through links. `sorted`: names come in the order of their bytes; else in any, and such that they may be removed meanwhile. */
bool tree_open(struct tree *tree, const char *path, bool sorted, struct error *e);

/* The same, but the only name in the root is the last one of the path, which may be anything. Nothing of it is followed. EINVAL: it
 * has none ("/", "a/.."). */
bool tree_open_at(struct tree *tree, const char *path, struct error *e);

enum tree_step tree_next(struct tree *tree, struct error *e);

/* Enters the folder at the name; `follow`: also where that is a link, but not into a folder that is being walked already (ELOOP).
 * Returns an errno value, or 0. */
int tree_enter(struct tree *tree, bool follow);

void tree_close(struct tree *tree); /* also one that could not be opened */
