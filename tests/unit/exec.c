/* work/exec: a child gets its stdin, gives its stdout, and goes when it has to, with all its group.
 *
 * The tools are the system's: cat, sh, env, sleep.  Streams are read here without a pipe. */
#include "faults.h"
#include "scratch.h"
#include "work/exec.h"
#include "work/memory.h"
#include "work/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECONDS = 60, MOST = 64 * 1024 };

/* ---- failing calls ---- */

static int failing_threads, failing_pipes, failing_limits; /* the n-th fails, from 1; 0: none */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
int __real_prlimit(pid_t pid, int resource, const struct rlimit *wanted, struct rlimit *before);
int __wrap_prlimit(pid_t pid, int resource, const struct rlimit *wanted, struct rlimit *before);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    if (failing_threads > 0 && --failing_threads == 0)
        return EAGAIN;
    return __real_pthread_create(thread, attributes, run, argument);
}

int __wrap_pipe2(int fds[2], int flags)
{
    if (failing_pipes > 0 && --failing_pipes == 0) {
        errno = EMFILE;
        return -1;
    }
    return __real_pipe2(fds, flags);
}

int __wrap_prlimit(pid_t pid, int resource, const struct rlimit *wanted, struct rlimit *before)
{
    if (failing_limits > 0 && --failing_limits == 0) {
        errno = EPERM;
        return -1;
    }
    return __real_prlimit(pid, resource, wanted, before);
}

/* ---- helpers ---- */

/* One run of a command. */
struct run {
    struct flow flow;
    struct exec_options options;
    const char *const *changes;
    bool alone; /* without this process's environment */
    uint64_t memory;
    const char *cwd;
    struct stream *source, *stage;
    char *output; /* with a NUL behind it */
    size_t length;
    bool ok;
    struct error error;
};

static struct run *run_new(struct stream *source)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->source = source;
    run->options = (struct exec_options){.check = true, .errors_most = MOST};
    return run;
}

static void run_free(struct run *run)
{
    flow_end(&run->flow);
    stream_free(run->stage);
    stream_free(run->source);
    free(run->output);
    free(run);
}

static void run_make(struct run *run, const char *const *argv)
{
    run->options.command = command_create(argv, run->changes, !run->alone, run->cwd);
    if (run->options.command != NULL)
        command_limit_memory(run->options.command, run->memory);
    run->stage = exec_create(run->options);
    if (run->stage == NULL)
        return;
    run->stage->from = run->source;
    run->stage->flow = &run->flow;
    if (run->source != NULL)
        run->source->flow = &run->flow;
}

static void run_read(struct run *run)
{
    size_t size = 1024, got;
    run->output = malloc(size);
    assert_non_null(run->output);
    while ((run->ok = stream_read(run->stage, run->output + run->length, size - run->length - 1, &got, &run->error)) && got > 0) {
        run->length += got;
        if (size - run->length < 512) {
            char *larger = realloc(run->output, size *= 2);
            assert_non_null(larger);
            run->output = larger;
        }
    }
    run->output[run->length] = '\0';
}

static void run_it(struct run *run, const char *const *argv)
{
    run_make(run, argv);
    assert_non_null(run->stage);
    run_read(run);
}

#define RUN(run, ...) run_it(run, (const char *const[]){__VA_ARGS__, NULL})
#define SHELL(run, text) RUN(run, "sh", "-c", text)

static void assert_ok(const struct run *run)
{
    if (!run->ok)
        fail_msg("%s", run->error.message);
}

static void assert_fails(const struct run *run, int code, const char *text)
{
    assert_false(run->ok);
    if (run->error.code != code || strcmp(run->error.message, text) != 0)
        fail_msg("expected code %d and \"%s\"; got %d: %s", code, text, run->error.code, run->error.message);
}

/* Neither running nor a zombie of ours: others are its new parent's. */
static bool gone(pid_t pid)
{
    char path[64], state = 'X';
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    int parent = 0;
    if (fscanf(file, "%*d (%*[^)]) %c %d", &state, &parent) != 2)
        state = 'X';
    (void)fclose(file);
    return (state == 'Z' && parent != getpid()) || state == 'X';
}

static void assert_gone(pid_t pid)
{
    assert_true(pid > 0);
    for (int i = 0; i < SECONDS * 1000; i++) {
        if (gone(pid))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("process %d is still there", (int)pid);
}

/* A source that gives nothing and waits until the flow is over. */
static bool blocked_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    (void)data;
    (void)size;
    *got = 0;
    while (!flow_over(s->flow))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return error_set(e, ECANCELED, "cancelled");
}

static bool failing_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    if (s->passed > 0)
        return error_set(e, EIO, "reading the source: Input/output error");
    *got = size < 10 ? size : 10;
    memset(data, 'x', *got);
    return true;
}

static bool endless_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    (void)s;
    (void)e;
    memset(data, 'x', *got = size);
    return true;
}

static void source_free(struct stream *s) { free(s); }

static struct stream *source_of(bool (*read)(struct stream *, char *, size_t, size_t *, struct error *))
{
    static struct stream_type types[3];
    struct stream_type *type = &types[read == blocked_read ? 0 : read == failing_read ? 1 : 2];
    *type = (struct stream_type){.name = "test", .read = read, .free = source_free};
    struct stream *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->type = type;
    return s;
}

/* ---- what passes ---- */

static void test_many_bytes_go_in_and_come_out(void **state)
{
    (void)state;
    enum { LENGTH = 8 << 20 };
    char *bytes = malloc(LENGTH);
    assert_non_null(bytes);
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    struct run *run = run_new(bytes_source_create(bytes, LENGTH));
    RUN(run, "cat");
    assert_ok(run);
    assert_int_equal(run->length, LENGTH);
    assert_memory_equal(run->output, bytes, LENGTH);
    run_free(run);
    free(bytes);
}

static void test_without_a_source_stdin_is_empty(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    RUN(run, "cat");
    assert_ok(run);
    assert_int_equal(run->length, 0);
    run_free(run);
}

static void test_a_child_need_not_read_its_stdin(void **state)
{
    (void)state;
    struct run *run = run_new(source_of(endless_read));
    RUN(run, "head", "-c", "5");
    assert_ok(run);
    assert_string_equal(run->output, "xxxxx");
    run_free(run);
}

static void test_arguments_arrive_as_they_are(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    RUN(run, "printf", "%s|", "", "a b", "$HOME", "*", "\xff", "-n");
    assert_ok(run);
    assert_string_equal(run->output, "|a b|$HOME|*|\xff|-n|");
    run_free(run);
}

static void test_the_environment_is_changed_not_replaced(void **state)
{
    (void)state;
    static const char *const changes[] = {"OCM_SET=new=value", "OCM_GONE", "OCM_EMPTY=", NULL};
    assert_int_equal(setenv("OCM_SET", "old", 1) | setenv("OCM_GONE", "x", 1) | setenv("OCM_KEPT", "kept", 1), 0);
    struct run *run = run_new(NULL);
    run->changes = changes;
    SHELL(run, "echo \"$OCM_SET|${OCM_GONE-none}|${OCM_EMPTY-none}|$OCM_KEPT\"");
    assert_ok(run);
    assert_string_equal(run->output, "new=value|none||kept\n");
    run_free(run);
}

static void test_the_environment_is_empty_but_for_what_is_set(void **state)
{
    (void)state;
    static const char *const changes[] = {"OCM_SET=value", "OCM_GONE", NULL};
    assert_int_equal(setenv("OCM_KEPT", "kept", 1), 0);
    struct run *run = run_new(NULL);
    run->alone = true;
    run->changes = changes;
    RUN(run, "env");
    assert_ok(run);
    assert_string_equal(run->output, "OCM_SET=value\n");
    run_free(run);
}

static void test_its_memory_is_bounded_by_what_is_less_ours_or_its_own(void **state)
{
    (void)state;
    static const struct rlimit ours = {(rlim_t)1 << 60, (rlim_t)1 << 60};
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    for (int i = 0; i < 2; i++) {
        struct run *run = run_new(bytes_source_create("x\n", 2));
        run->memory = i == 0 ? (uint64_t)1 << 30 : (uint64_t)1 << 61;
        if (i == 1)
            assert_int_equal(setrlimit(RLIMIT_AS, &ours), 0);
        SHELL(run, "read line; ulimit -Hv"); /* stdin comes after the limit */
        assert_ok(run);
        assert_string_equal(run->output, i == 0 ? "1048576\n" : "1125899906842624\n");
        run_free(run);
    }
    (void)setrlimit(RLIMIT_AS, &before); /* where that may be raised again */
}

static void test_without_its_limit_it_does_not_run(void **state)
{
    (void)state;
    int opened = entries("/proc/self/fd");
    struct run *run = run_new(bytes_source_create("x", 1));
    run->memory = 1 << 30;
    failing_limits = 1;
    RUN(run, "sleep", "1000");
    assert_fails(run, EPERM, "sleep: memory: Operation not permitted");
    run_free(run);
    assert_int_equal(entries("/proc/self/fd"), opened);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_it_runs_where_it_is_told_to(void **state)
{
    (void)state;
    char real[PATH_MAX];
    (void)scratch_write("tool", "#!/bin/sh\npwd\n", 14);
    assert_int_equal(chmod(scratch("tool"), 0700), 0);
    assert_non_null(realpath(scratch(""), real));
    struct run *run = run_new(NULL);
    run->cwd = scratch("");
    RUN(run, "./tool");
    assert_ok(run);
    run->output[strcspn(run->output, "\n")] = '\0';
    assert_string_equal(run->output, real);
    run_free(run);
}

static void test_nothing_of_ours_is_open_or_ignored_in_it(void **state)
{
    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, as what io.open opens */
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old, old_child;
    sigaction(SIGPIPE, &ignore, &old);
    sigaction(SIGCHLD, &ignore, &old_child); /* so that no child would leave a status */
    struct run *run = run_new(bytes_source_create("", 0));
    SHELL(run, "cd /proc/self/fd && echo * && grep -E 'Sig(Blk|Ign)' /proc/self/status && test \"$(cut -d' ' -f5 /proc/$$/stat)\" = $$ && echo own group");
    sigaction(SIGPIPE, &old, NULL);
    sigaction(SIGCHLD, &old_child, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(leak);
    assert_ok(run);
    char *lines[4] = {run->output};
    for (int i = 1; i < 4; i++) {
        assert_non_null(lines[i] = strchr(lines[i - 1], '\n'));
        *lines[i]++ = '\0';
    }
    assert_true(strcmp(lines[0], "0 1 2") == 0 || strcmp(lines[0], "0 1 2 3") == 0); /* 3: the shell's own, of the folder */
    assert_string_equal(lines[1], "SigBlk:\t0000000000000000");
    assert_int_equal(strtoul(strchr(lines[2], '\t'), NULL, 16) & 0x7fffffff, 0); /* but for glibc's own, 32 and 33, which sigfillset leaves out */
    assert_string_equal(lines[3], "own group\n");
    run_free(run);
}

static void test_standard_streams_that_are_closed_here_do_not_mix_up_its_own(void **state)
{
    (void)state;
    int saved[2] = {fcntl(0, F_DUPFD_CLOEXEC, 10), fcntl(1, F_DUPFD_CLOEXEC, 10)};
    close(0);
    close(1);
    struct run *run = run_new(bytes_source_create("in", 2));
    SHELL(run, "cat; echo err >&2; exit 1");
    (void)dup2(saved[0], 0);
    (void)dup2(saved[1], 1);
    close(saved[0]);
    close(saved[1]);
    assert_string_equal(run->output, "in");
    assert_fails(run, EIO, "sh: exit status 1: err");
    run_free(run);
}

/* ---- how it ends ---- */

static void test_a_status_is_told_with_the_end_of_stderr(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    SHELL(run, "echo one >&2; echo two >&2; echo three >&2; printf 'four\\033\\n\\n' >&2; exit 7");
    assert_fails(run, EIO, "sh: exit status 7: two\nthree\nfour");
    run_free(run);
    run = run_new(NULL);
    RUN(run, "false", "secret1");
    assert_fails(run, EIO, "false: exit status 1");
    run_free(run);
    run = run_new(NULL);
    RUN(run, "/bin/false", "sub-command", "secret");
    assert_fails(run, EIO, "false sub-command: exit status 1");
    run_free(run);
    run = run_new(NULL);
    SHELL(run, "echo dying >&2; kill -KILL $$");
    assert_fails(run, EIO, "sh: ended by signal 9 (KILL): dying");
    run_free(run);
}

static void test_unchecked_the_status_is_a_result(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->options.check = false;
    SHELL(run, "echo out; echo err >&2; exit 7");
    assert_ok(run);
    struct exec_outcome outcome = exec_outcome(run->stage);
    assert_string_equal(run->output, "out\n");
    assert_int_equal(outcome.status, 7);
    assert_int_equal(outcome.signal, 0);
    assert_int_equal(outcome.length, 4);
    assert_memory_equal(outcome.errors, "err\n", 4);
    run_free(run);
    run = run_new(NULL);
    run->options.check = false;
    SHELL(run, "kill -TERM $$");
    assert_ok(run);
    outcome = exec_outcome(run->stage);
    assert_int_equal(outcome.status, 128 + SIGTERM);
    assert_int_equal(outcome.signal, SIGTERM);
    run_free(run);
}

static void test_of_much_stderr_the_end_is_kept(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->options.errors_most = 1000;
    SHELL(run, "seq 1 300000 >&2; exit 1");
    assert_fails(run, EIO, "sh: exit status 1: 299998\n299999\n300000");
    struct exec_outcome outcome = exec_outcome(run->stage);
    assert_int_equal(outcome.length, 1000);
    assert_memory_equal(outcome.errors + 993, "300000\n", 7);
    run_free(run);
}

static void test_what_cannot_be_started_says_why(void **state)
{
    (void)state;
    int before = entries("/proc/self/fd");
    char expected[PATH_MAX], path[] = "/bin:/usr/bin";
    assert_int_equal(setenv("PATH", path, 1), 0);
    (void)scratch_write("data", "x", 1);
    const struct {
        const char *program, *cwd, *expected;
        int code;
    } cases[] = {
        {"no-such-program", NULL, "no-such-program: No such file or directory in PATH (/bin:/usr/bin)", ENOENT},
        {"/no/such/program", NULL, "/no/such/program: No such file or directory", ENOENT},
        {"./no-such", "/", "./no-such: No such file or directory (cwd /)", ENOENT},
        {"cat", "/no/such/folder", "cat: cwd /no/such/folder: No such file or directory", ENOENT},
        {"cat", "/dev/null", "cat: cwd /dev/null: Not a directory", ENOTDIR},
        {"", NULL, ": No such file or directory in PATH (/bin:/usr/bin)", ENOENT},
        {"/dev/null", NULL, "/dev/null: Permission denied", EACCES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run *run = run_new(NULL);
        run->cwd = cases[i].cwd;
        RUN(run, cases[i].program);
        if (strcmp(run->error.message, cases[i].expected) != 0)
            fail_msg("expected \"%s\", got \"%s\"", cases[i].expected, run->error.message);
        struct error again;
        size_t got;
        char byte;
        assert_false(stream_read(run->stage, &byte, 1, &got, &again)); /* it stays failed */
        run_free(run);
    }
    assert_int_equal(chmod(scratch("data"), 0700), 0); /* no shell takes it for a script */
    struct run *run = run_new(NULL);
    RUN(run, scratch("data"));
    (void)snprintf(expected, sizeof expected, "%s: Exec format error", scratch("data"));
    assert_fails(run, ENOEXEC, expected);
    run_free(run);
    assert_int_equal(entries("/proc/self/fd"), before);
}

static void test_output_that_a_left_process_holds_open_is_not_waited_for(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    SHELL(run, "sleep 1000 & echo $!");
    assert_ok(run);
    pid_t left = atoi(run->output);
    assert_true(left > 0);
    assert_int_equal(kill(left, 0), 0); /* and left alone */
    assert_int_equal(kill(left, SIGKILL), 0);
    run_free(run);
    run = run_new(NULL); /* nor is one that writes for ever */
    SHELL(run, "yes & echo $! >&2");
    assert_ok(run);
    run_free(run);
}

static void test_output_closed_early_is_not_the_end(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    SHELL(run, "echo x; exec >&-; sleep 0.3; echo late >&2; exit 3");
    assert_string_equal(run->output, "x\n");
    assert_fails(run, EIO, "sh: exit status 3: late");
    run_free(run);
}

/* ---- how it is ended ---- */

static const char stubborn[] = "trap '' TERM; sleep 1000 & echo $$ $!; while :; do sleep 1; done";

static void assert_pids_gone(const struct run *run)
{
    int shell = 0, child = 0;
    assert_int_equal(sscanf(run->output, "%d %d", &shell, &child), 2);
    assert_gone(shell);
    assert_gone(child);
    errno = 0;
    assert_true(kill(shell, 0) != 0 && errno == ESRCH); /* reaped */
}

static void test_a_timeout_ends_the_whole_group(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->options.timeout = 2; /* when it has told its pids */
    SHELL(run, stubborn);
    assert_fails(run, ETIME, "sh: timed out after 2 s");
    assert_pids_gone(run);
    run_free(run);
    run = run_new(source_of(blocked_read)); /* also while its source has nothing to give */
    run->options.timeout = 0.2;
    RUN(run, "cat");
    assert_fails(run, ETIME, "cat: timed out after 0.2 s");
    run_free(run);
}

static void test_sigterm_comes_first(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->cwd = scratch("");
    run->options.timeout = 0.2;
    SHELL(run, "trap 'echo > told; exit 0' TERM; echo > ready; while :; do sleep 0.01; done");
    assert_fails(run, ETIME, "sh: timed out after 0.2 s");
    assert_true(!exists(scratch("ready")) || exists(scratch("told")));
    run_free(run);
}

static void *read_all(void *run)
{
    run_read(run);
    return NULL;
}

static void test_it_ends_with_the_flow(void **state)
{
    (void)state;
    struct run *run = run_new(source_of(blocked_read));
    run->cwd = scratch("");
    run_make(run, (const char *const[]){"sh", "-c", "trap '' TERM; sleep 1000 & echo $$ $! > new; mv new ready; while :; do sleep 1; done", NULL});
    pthread_t thread;
    assert_true(thread_start(&thread, read_all, run));
    for (int i = 0; i < SECONDS * 1000 && !exists(scratch("ready")); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    flow_end(&run->flow);
    pthread_join(thread, NULL);
    assert_fails(run, ECANCELED, "cancelled");
    free(run->output);
    run->output = scratch_read(scratch("ready"), &run->length);
    assert_non_null(run->output);
    assert_pids_gone(run);
    run_free(run);
}

static void test_it_ends_with_its_stream(void **state)
{
    (void)state;
    int before = entries("/proc/self/fd");
    struct run *run = run_new(source_of(endless_read));
    run->output = calloc(1, 64);
    run_make(run, (const char *const[]){"sh", "-c", stubborn, NULL});
    assert_true(stream_read(run->stage, run->output, 63, &run->length, &run->error));
    stream_free(run->stage);
    run->stage = NULL;
    assert_pids_gone(run);
    run_free(run);
    run = run_new(NULL); /* or was never started */
    run_make(run, (const char *const[]){"cat", NULL});
    run_free(run);
    assert_int_equal(entries("/proc/self/fd"), before);
}

static void test_a_source_that_fails_ends_it_before_it_believes_to_have_all(void **state)
{
    (void)state;
    struct run *run = run_new(source_of(failing_read));
    run->cwd = scratch("");
    SHELL(run, "cat; echo > done");
    assert_fails(run, EIO, "reading the source: Input/output error");
    assert_false(exists(scratch("done")));
    run_free(run);
}

/* ---- a sink for stderr ---- */

static void test_stderr_can_have_a_sink(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->options.errors = string_sink_create(1 << 20);
    SHELL(run, "seq 1 50000 >&2; echo out; sleep 1000 & echo $! >&2");
    assert_ok(run);
    assert_string_equal(run->output, "out\n");
    size_t length;
    struct exec_outcome outcome = exec_outcome(run->stage);
    char *text = strndup(string_sink_data(outcome.sink, &length), length);
    assert_non_null(text);
    char *last = strstr(text, "\n50000\n");
    assert_non_null(last);
    assert_int_equal(kill(atoi(last + 7), SIGKILL), 0);
    free(text);
    run_free(run);
}

static void test_a_sink_for_stderr_that_fails_ends_it(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->options.errors = string_sink_create(10);
    SHELL(run, "yes >&2");
    assert_fails(run, EFBIG, "sh: its stderr: string: more than 10 bytes");
    run_free(run);
}

static void test_as_a_sink_it_gets_what_it_reads(void **state)
{
    (void)state;
    struct run *run = run_new(NULL);
    run->source = bytes_source_create("b\na\n", 4);
    run_make(run, (const char *const[]){"sort", NULL});
    struct sink *sink = through_sink_create(run->stage, 100);
    run->stage = NULL;
    assert_non_null(sink);
    sink->flow = &run->flow;
    if (!sink->type->run(sink, run->source, &run->error))
        fail_msg("%s", run->error.message);
    size_t length;
    assert_memory_equal(through_sink_data(sink, &length), "a\nb\n", 4);
    assert_int_equal(length, 4);
    assert_int_equal(sink->written, 4);
    sink_free(sink);
    run_free(run);
}

/* ---- without resources ---- */

static void test_without_threads_or_descriptors_it_says_so(void **state)
{
    (void)state;
    int before = entries("/proc/self/fd");
    for (int i = 1; i <= 2; i++) {
        struct run *run = run_new(bytes_source_create("x", 1));
        run->options.errors = null_sink_create();
        failing_threads = i;
        RUN(run, "sleep", "1000");
        assert_fails(run, EAGAIN, "sleep: starting a thread: Resource temporarily unavailable");
        run_free(run);
    }
    for (int i = 1; i <= 3; i++) {
        struct run *run = run_new(bytes_source_create("x", 1));
        failing_pipes = i;
        RUN(run, "cat");
        assert_fails(run, EMFILE, "opening a pipe: Too many open files");
        run_free(run);
    }
    assert_int_equal(entries("/proc/self/fd"), before);
}

static void test_without_memory_it_says_so(void **state)
{
    (void)state;
    static const char *const changes[] = {"A=b", NULL};
    long n = 1;
    for (struct run *run = NULL; run == NULL || run->stage == NULL; n++) {
        if (run != NULL)
            run_free(run);
        run = run_new(NULL);
        run->changes = changes;
        run->cwd = "/";
        run->options.errors = null_sink_create();
        faults_memory(n, false);
        run_make(run, (const char *const[]){"cat", "x", NULL});
        faults_memory(0, false);
        if (run->stage != NULL) {
            run_free(run);
            break;
        }
    }
    assert_true(n > 5);
    for (n = 1;; n++) {
        struct run *run = run_new(NULL);
        run->options.check = false;
        run_make(run, (const char *const[]){"sh", "-c", "echo text >&2; echo err >&2", NULL});
        char data[16];
        size_t got;
        faults_memory(n, false);
        bool ok = stream_read(run->stage, data, sizeof data, &got, &run->error), all = faults_seen() < n;
        faults_memory(0, false);
        if (!ok)
            assert_int_equal(run->error.code, ENOMEM);
        run_free(run);
        if (all) {
            assert_true(ok && n > 2);
            break;
        }
    }
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as in the program */
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_many_bytes_go_in_and_come_out),
        SCRATCH(test_without_a_source_stdin_is_empty),
        SCRATCH(test_a_child_need_not_read_its_stdin),
        SCRATCH(test_arguments_arrive_as_they_are),
        SCRATCH(test_the_environment_is_changed_not_replaced),
        SCRATCH(test_the_environment_is_empty_but_for_what_is_set),
        SCRATCH(test_its_memory_is_bounded_by_what_is_less_ours_or_its_own),
        SCRATCH(test_without_its_limit_it_does_not_run),
        SCRATCH(test_it_runs_where_it_is_told_to),
        SCRATCH(test_nothing_of_ours_is_open_or_ignored_in_it),
        SCRATCH(test_standard_streams_that_are_closed_here_do_not_mix_up_its_own),
        SCRATCH(test_a_status_is_told_with_the_end_of_stderr),
        SCRATCH(test_unchecked_the_status_is_a_result),
        SCRATCH(test_of_much_stderr_the_end_is_kept),
        SCRATCH(test_what_cannot_be_started_says_why),
        SCRATCH(test_output_that_a_left_process_holds_open_is_not_waited_for),
        SCRATCH(test_output_closed_early_is_not_the_end),
        SCRATCH(test_a_timeout_ends_the_whole_group),
        SCRATCH(test_sigterm_comes_first),
        SCRATCH(test_it_ends_with_the_flow),
        SCRATCH(test_it_ends_with_its_stream),
        SCRATCH(test_a_source_that_fails_ends_it_before_it_believes_to_have_all),
        SCRATCH(test_stderr_can_have_a_sink),
        SCRATCH(test_a_sink_for_stderr_that_fails_ends_it),
        SCRATCH(test_as_a_sink_it_gets_what_it_reads),
        SCRATCH(test_without_threads_or_descriptors_it_says_so),
        SCRATCH(test_without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
