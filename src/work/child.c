/* Child processes: see child.h. */
#include "work/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_FREE = 3, SUBCOMMAND_MAX = 32, NAME_SIZE = 96 };

struct command {
    char **argv, **environment;
    char *cwd; /* NULL: ours */
    uint64_t memory; /* bytes of address space; 0: as many as we may have */
    char name[NAME_SIZE];
};

/* ---- what to run ---- */

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* Whether both begin with the same name of a variable. */
static bool same_variable(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return length == strcspn(b, "=") && memcmp(a, b, length) == 0;
}

static bool changed(const char *variable, const char *const *changes)
{
    for (size_t i = 0; changes != NULL && changes[i] != NULL; i++)
        if (same_variable(variable, changes[i]))
            return true;
    return false;
}

static void free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

/* Adds a copy to a list with room for it, all of it zero behind its end. */
static bool add(char **list, size_t *length, const char *text)
{
    list[*length] = strdup(text);
    return list[*length] != NULL && ++*length > 0;
}

static char **copy_list(const char *const *list)
{
    size_t length = 0;
    char **copy = calloc(count(list) + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && list[i] != NULL; i++)
        if (!add(copy, &length, list[i])) {
            free_list(copy);
            return NULL;
        }
    return copy;
}

static char **merge_environment(const char *const *changes, bool inherit)
{
    const char *const *ours = inherit ? (const char *const *)environ : NULL;
    size_t length = 0, before = count(ours), more = count(changes);
    char **merged = calloc(before + more + 1, sizeof *merged);
    bool ok = merged != NULL;
    for (size_t i = 0; ok && i < before; i++)
        if (!changed(ours[i], changes))
            ok = add(merged, &length, ours[i]);
    for (size_t i = 0; ok && i < more; i++)
        if (strchr(changes[i], '=') != NULL)
            ok = add(merged, &length, changes[i]);
    if (ok)
        return merged;
    free_list(merged);
    return NULL;
}

static bool is_subcommand(const char *argument)
{
    size_t length = strspn(argument, "abcdefghijklmnopqrstuvwxyz-");
    return length > 0 && length <= SUBCOMMAND_MAX && argument[length] == '\0' && argument[0] != '-';
}

struct command *command_create(const char *const *argv, const char *const *changes, bool inherit, const char *cwd)
{
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL)
        return NULL;
    command->argv = copy_list(argv);
    command->environment = merge_environment(changes, inherit);
    command->cwd = cwd != NULL ? strdup(cwd) : NULL;
    if (command->argv == NULL || command->environment == NULL || (cwd != NULL && command->cwd == NULL)) {
        command_free(command);
        return NULL;
    }
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash != NULL && slash[1] != '\0' ? slash + 1 : argv[0];
    bool two = argv[1] != NULL && is_subcommand(argv[1]);
    (void)snprintf(command->name, sizeof command->name, "%.60s%s%s", program, two ? " " : "", two ? argv[1] : "");
    return command;
}

void command_free(struct command *command)
{
    if (command == NULL)
        return;
    free_list(command->argv);
    free_list(command->environment);
    free(command->cwd);
    free(command);
}

void command_limit_memory(struct command *command, uint64_t bytes) { command->memory = bytes; }

const char *command_name(const struct command *command) { return command->name; }

/* ---- starting ---- */

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Both ends above the standard streams: they must not stand where the child's are put. */
static bool open_pipe(int ends[2], struct error *e)
{
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return error_errno(e, errno, "opening a pipe");
    }
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= FIRST_FREE)
            continue;
        int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, FIRST_FREE);
        if (moved < 0)
            return error_errno(e, errno, "opening a pipe");
        close(ends[i]);
        ends[i] = moved;
    }
    return true;
}

static int fill_actions(posix_spawn_file_actions_t *actions, const struct command *command, const int theirs[3])
{
    int failed = theirs[0] >= 0 ? posix_spawn_file_actions_adddup2(actions, theirs[0], STDIN_FILENO)
                                : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, theirs[1], STDOUT_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, theirs[2], STDERR_FILENO);
    if (failed == 0) /* what a script opened by io.open, for one, is not close-on-exec */
        failed = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FREE);
    if (failed == 0 && command->cwd != NULL)
        failed = posix_spawn_file_actions_addchdir_np(actions, command->cwd);
    return failed;
}

static int fill_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    if (failed == 0)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    if (failed == 0)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    if (failed == 0)
        failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return failed;
}

/* Returns an errno value, or 0. */
static int spawn(pid_t *pid, const struct command *command, const int theirs[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = fill_actions(&actions, command, theirs);
        if (failed == 0)
            failed = fill_attributes(&attributes);
        if (failed == 0)
            failed = posix_spawnp(pid, command->argv[0], &actions, &attributes, command->argv, command->environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* From outside, since posix_spawn has no such attribute: the program has begun, but has not got far.  One that has ended stays a zombie
 * until it is reaped here, so it is no stranger's limit.  Never more than our own, which is the child's already. */
static bool limit_memory(const struct child *child, const struct command *command, struct error *e)
{
    struct rlimit limit;
    if (command->memory == 0)
        return true;
    bool ok = getrlimit(RLIMIT_AS, &limit) == 0;
    if (ok && command->memory < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max = command->memory;
        ok = prlimit(child->pid, RLIMIT_AS, &limit, NULL) == 0;
    }
    return ok || error_errno(e, errno, "%s: memory", command->name);
}

/* posix_spawn tells neither whether the folder was wrong or the program, nor where that was looked for. */
static bool explain(const struct command *command, int code, struct error *e)
{
    struct stat status;
    const char *program = command->argv[0], *path = getenv("PATH"), *cwd = command->cwd;
    bool no_folder = cwd != NULL && (stat(cwd, &status) != 0 || (!S_ISDIR(status.st_mode) && (errno = ENOTDIR) != 0) || access(cwd, X_OK) != 0);
    if (no_folder)
        return error_errno(e, errno, "%s: cwd %s", command->name, cwd);
    char reason[128];
    const char *text = strerror_r(code, reason, sizeof reason);
    if (code == ENOENT && strchr(program, '/') == NULL)
        return error_set(e, code, "%s: %s in PATH (%s)", program, text, path != NULL ? path : "not set");
    if (cwd != NULL && program[0] != '/')
        return error_set(e, code, "%s: %s (cwd %s)", program, text, cwd);
    return error_set(e, code, "%s: %s", program, text);
}

/* A parent that ignores SIGCHLD hands that on, and then no child leaves a status. */
static void want_statuses(void)
{
    struct sigaction action;
    if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
        action.sa_handler = SIG_DFL;
        (void)sigaction(SIGCHLD, &action, NULL);
    }
}

bool child_start(struct child *child, const struct command *command, bool feed, struct error *e)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    *child = (struct child){.in = -1, .out = -1, .err = -1};
    bool ok = (!feed || open_pipe(in, e)) && open_pipe(out, e) && open_pipe(err, e);
    if (ok) {
        want_statuses();
        int code = spawn(&child->pid, command, (const int[]){in[0], out[1], err[1]});
        ok = code == 0 || explain(command, code, e);
        if (ok && !limit_memory(child, command, e)) {
            child_end(child, 0);
            ok = false;
        }
    }
    close_one(&in[0]);
    close_one(&out[1]);
    close_one(&err[1]);
    child->in = in[1];
    child->out = out[0];
    child->err = err[0];
    if (ok) {
        for (int i = 0; i < 3; i++) {
            int fd = (const int[]){child->in, child->out, child->err}[i];
            if (fd >= 0)
                (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        }
        return true;
    }
    child->pid = 0;
    child_close(child);
    return false;
}

/* ---- ending ---- */

bool child_exited(struct child *child)
{
    siginfo_t info = {0};
    if (child->pid == 0 || child->exited)
        return true;
    int result = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    child->lost = result != 0 && errno == ECHILD;
    child->exited = child->lost || (result == 0 && info.si_pid != 0);
    return child->exited;
}

bool child_reap(struct child *child, struct error *e)
{
    pid_t ended;
    while ((ended = waitpid(child->pid, &child->status, 0)) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    child->exited = true;
    return ended > 0 || error_errno(e, errno, "waiting for a child process");
}

static bool hung_up(int fd)
{
    struct pollfd look = {fd, 0, 0};
    return fd < 0 || (poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0);
}

void child_end(struct child *child, int grace)
{
    if (child->pid == 0)
        return;
    (void)child_exited(child);
    if (child->lost) { /* by now that may be the id of a stranger */
        child->pid = 0;
        return;
    }
    (void)kill(-child->pid, SIGTERM);
    /* It is the group's last one when nobody holds the pipes any more; whoever does without them has no time to spare. */
    for (int waited = 0, pause = 1; waited < grace && !(child_exited(child) && hung_up(child->out) && hung_up(child->err)); waited += pause) {
        (void)nanosleep(&(struct timespec){.tv_nsec = pause * 1000000L}, NULL);
        pause = pause < 16 ? 2 * pause : pause;
    }
    (void)kill(-child->pid, SIGKILL);
    struct error unused;
    (void)child_reap(child, &unused);
}

void child_close(struct child *child)
{
    close_one(&child->in);
    close_one(&child->out);
    close_one(&child->err);
}
