/* Walks through folders: see tree.h.
 *
 * A frame a folder on the way down, with the names that are still to come.  Only the last OPEN of them are open: further up
 * is "..", where it is then made sure that this is the folder one came from.  Behind a link ".." leads elsewhere, so the
 * folder that holds the link stays open. */
#include "work/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPEN = 32,             /* folders that are open at once, */
    PINNED = 32,           /* and those that hold a followed link */
    AT_ONCE = 4096,        /* names read at once, where the order does not matter */
    WAITING = 2000000,     /* names kept at once, in all frames */
};

struct frame {
    int fd; /* -1: closed */
    bool pinned, more; /* more: the folder has further names, to be read when these are done */
    dev_t device;
    ino_t inode;
    size_t prefix;  /* bytes of the path that lead here, the slash included */
    char *names;    /* NUL-terminated, one behind the other */
    size_t *order;  /* where each begins */
    size_t count, at;
};

static struct frame *top(const struct tree *tree) { return &tree->frames[tree->level - 1]; }

static void free_names(struct tree *tree, struct frame *frame)
{
    tree->waiting -= frame->count;
    free(frame->names);
    free(frame->order);
    frame->names = NULL;
    frame->order = NULL;
    frame->count = frame->at = 0;
}

static void pop(struct tree *tree)
{
    struct frame *frame = top(tree);
    free_names(tree, frame);
    tree->pinned -= frame->pinned;
    if (frame->fd >= 0)
        close(frame->fd);
    tree->level--;
}

void tree_close(struct tree *tree)
{
    while (tree->level > 0)
        pop(tree);
    free(tree->frames);
    buffer_free(&tree->text);
    *tree = (struct tree){.dir = -1};
}

/* ---- names ---- */

static int compare(const void *a, const void *b, void *names)
{
    return strcmp((const char *)names + *(const size_t *)a, (const char *)names + *(const size_t *)b);
}

static bool keep_order(struct frame *frame, size_t begins)
{
    if ((frame->count & (frame->count - 1)) == 0) { /* room for twice as many */
        size_t *larger = realloc(frame->order, (frame->count > 0 ? 2 * frame->count : 1) * sizeof *larger);
        if (larger == NULL)
            return false;
        frame->order = larger;
    }
    frame->order[frame->count++] = begins;
    return true;
}

/* Returns an errno value, or 0. */
static int fill(struct tree *tree, struct frame *frame, DIR *folder)
{
    struct buffer names = {0};
    const struct dirent *entry;
    int code = 0;
    frame->more = false;
    while (code == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (!tree->sorted && frame->count == AT_ONCE) {
            frame->more = true;
            break;
        }
        size_t begins = names.length;
        if (tree->waiting == WAITING)
            code = EOVERFLOW;
        else if (!buffer_append(&names, name, strlen(name) + 1) || !keep_order(frame, begins))
            code = ENOMEM;
        else
            tree->waiting++;
    }
    if (code == 0 && entry == NULL)
        code = errno;
    frame->names = names.data;
    if (code == 0 && tree->sorted && frame->count > 1)
        qsort_r(frame->order, frame->count, sizeof *frame->order, compare, frame->names);
    return code;
}

static int read_names(struct tree *tree, struct frame *frame)
{
    free_names(tree, frame);
    int copy = fcntl(frame->fd, F_DUPFD_CLOEXEC, 3);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (folder == NULL) {
        int code = errno;
        if (copy >= 0)
            close(copy);
        return code;
    }
    rewinddir(folder);
    int code = fill(tree, frame, folder);
    closedir(folder);
    return code;
}

/* ---- down and up ---- */

/* Adds a frame, which then owns fd. Returns an errno value; fd is closed then. */
static int push(struct tree *tree, int fd, size_t prefix)
{
    struct stat status;
    if (tree->level == tree->capacity) {
        size_t capacity = tree->capacity > 0 ? 2 * tree->capacity : 8;
        struct frame *larger = realloc(tree->frames, capacity * sizeof *larger);
        if (larger == NULL) {
            close(fd);
            return ENOMEM;
        }
        tree->frames = larger;
        tree->capacity = capacity;
    }
    if (fstat(fd, &status) != 0) {
        int code = errno;
        close(fd);
        return code;
    }
    tree->frames[tree->level++] = (struct frame){.fd = fd, .device = status.st_dev, .inode = status.st_ino, .prefix = prefix};
    return 0;
}

static void close_far(struct tree *tree)
{
    if (tree->level <= OPEN)
        return;
    struct frame *far = &tree->frames[tree->level - 1 - OPEN];
    if (far->pinned || far->fd < 0)
        return;
    close(far->fd);
    far->fd = -1;
}

static bool is_walked(const struct tree *tree, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return true;
    for (size_t i = 0; i < tree->level; i++)
        if (tree->frames[i].device == status.st_dev && tree->frames[i].inode == status.st_ino)
            return true;
    return false;
}

int tree_enter(struct tree *tree, bool follow)
{
    enum { FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK };
    struct frame *from = top(tree);
    size_t prefix = tree->text.length;
    int fd = openat(tree->dir, tree->name, FOLDER | O_NOFOLLOW);
    bool link = fd < 0 && follow && (errno == ELOOP || errno == ENOTDIR);
    if (link)
        fd = openat(tree->dir, tree->name, FOLDER);
    if (fd < 0)
        return errno;
    if (link && (tree->pinned == PINNED || is_walked(tree, fd))) {
        close(fd);
        return ELOOP;
    }
    if (!buffer_reserve(&tree->text, 1)) {
        close(fd);
        return ENOMEM;
    }
    if (link && !from->pinned) {
        from->pinned = true;
        tree->pinned++;
    }
    tree->text.data[prefix - 1] = '/'; /* in place of the NUL */
    int code = push(tree, fd, prefix);
    if (code == 0 && (code = read_names(tree, top(tree))) != 0)
        pop(tree);
    if (code != 0)
        tree->text.data[prefix - 1] = '\0';
    else
        close_far(tree);
    return code;
}

static bool leave(struct tree *tree, struct error *e)
{
    struct frame *child = top(tree), *parent = child - 1;
    struct stat status;
    if (parent->fd < 0) {
        parent->fd = openat(child->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (parent->fd < 0)
            return error_errno(e, errno, "going up from %.*s", (int)child->prefix, tree->text.data);
        if (fstat(parent->fd, &status) != 0 || status.st_dev != parent->device || status.st_ino != parent->inode)
            return error_set(e, ESTALE, "going up from %.*s: it was moved meanwhile", (int)child->prefix, tree->text.data);
    }
    pop(tree);
    return true;
}

static bool give(struct tree *tree, struct error *e)
{
    struct frame *frame = top(tree);
    const char *name = frame->names + frame->order[frame->at - 1];
    tree->text.length = frame->prefix;
    if (!buffer_append(&tree->text, name, strlen(name) + 1))
        return error_set(e, ENOMEM, "out of memory");
    tree->path = tree->text.data;
    tree->name = tree->text.data + frame->prefix;
    tree->dir = frame->fd;
    return true;
}

enum tree_step tree_next(struct tree *tree, struct error *e)
{
    struct frame *frame = top(tree);
    if (frame->at == frame->count && frame->more) {
        int code = read_names(tree, frame);
        if (code != 0) {
            error_errno(e, code, "reading %.*s", (int)frame->prefix, tree->text.data);
            return TREE_FAILED;
        }
    }
    if (frame->at < frame->count) {
        frame->at++;
        return give(tree, e) ? TREE_NAME : TREE_FAILED;
    }
    if (tree->level == 1)
        return TREE_END;
    return leave(tree, e) && give(tree, e) ? TREE_LEFT : TREE_FAILED;
}

/* ---- opening ---- */

static bool start(struct tree *tree, int fd, const char *path, struct error *e)
{
    *tree = (struct tree){.dir = -1, .sorted = tree->sorted};
    int code = fd >= 0 ? push(tree, fd, 0) : errno;
    return code == 0 || error_errno(e, code, "opening %s", path);
}

bool tree_open(struct tree *tree, const char *path, bool sorted, struct error *e)
{
    *tree = (struct tree){.sorted = sorted};
    if (!start(tree, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK), path, e))
        return false;
    int code = read_names(tree, top(tree));
    return code == 0 || error_errno(e, code, "reading %s", path);
}

bool tree_open_at(struct tree *tree, const char *path, struct error *e)
{
    *tree = (struct tree){.dir = -1};
    size_t length = strlen(path), begin;
    while (length > 0 && path[length - 1] == '/')
        length--;
    for (begin = length; begin > 0 && path[begin - 1] != '/'; begin--)
        ;
    size_t dots = strspn(path + begin, ".");
    if (begin == length || (dots <= 2 && begin + dots == length))
        return error_set(e, EINVAL, "%s: there is no name at its end", path);
    char *parent = begin > 0 ? strndup(path, begin) : strdup(".");
    struct frame *root = NULL;
    if (parent != NULL && start(tree, open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC), parent, e)) {
        root = top(tree);
        root->pinned = true; /* it could not be opened again: that takes leave to read it */
        tree->pinned++;
        root->names = strndup(path + begin, length - begin);
    }
    bool ok = root != NULL && root->names != NULL && keep_order(root, 0);
    if (parent == NULL || (root != NULL && !ok))
        error_set(e, ENOMEM, "out of memory");
    tree->waiting += ok ? 1 : 0;
    free(parent);
    return ok;
}
