/* Any bytes as an archive: the first says how (bit 0: zip; 1: links; 2: overwrite; 3: strip a component; 4: decompress first; 5: the directory exists;
 * 6: permissions are kept).
 *
 * What must hold: beside the directory nothing appears; what failed leaves nothing; no link in it leads outside; nothing in it is a
 * device, a fifo or has a special bit.
 *
 * libFuzzer wants -malloc_limit_mb=5000: libarchive reserves whatever dictionary an entry in lzma asks for. */
#include "work/codec.h"
#include "work/memory.h"
#include "work/unpack.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[PATH_MAX], target[PATH_MAX + 8];

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "broken: %s (in %s)\n", what, folder);
    abort();
}

static int entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir != NULL)
        (void)closedir(dir);
    return count;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status, (void)kind, (void)at;
    (void)remove(path);
    return 0;
}

static int check_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    char resolved[PATH_MAX];
    (void)kind, (void)at;
    require(S_ISREG(status->st_mode) || S_ISDIR(status->st_mode) || S_ISLNK(status->st_mode), "files, directories and links only");
    require(S_ISLNK(status->st_mode) || (status->st_mode & 07000) == 0, "no special bits");
    if (S_ISLNK(status->st_mode) && realpath(path, resolved) != NULL)
        require(strncmp(resolved, target, strlen(target)) == 0, "links stay inside");
    return 0;
}

static void remove_folder(void) { (void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static void make_folder(void)
{
    char path[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/ocmlua-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(path) == NULL || realpath(path, folder) == NULL)
        abort();
    (void)snprintf(target, sizeof target, "%s/out", folder);
    (void)atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e = {0};
    struct flow flow = {0};
    if (folder[0] == '\0')
        make_folder();
    if (size == 0)
        return 0;
    uint8_t how = data[0];
    const struct unpack_options options = {.overwrite = (how & 4) != 0, .links = (how & 2) != 0, .keep_modes = (how & 64) != 0, .strip = (how & 8) != 0, .files = 100, .bytes = 1 << 20};
    struct stream *source = bytes_source_create((const char *)data + 1, size - 1), *last = source;
    struct stream *stage = how & 16 ? detect_stage_create() : NULL;
    struct sink *sink = how & 1 ? unzip_sink_create(target, &options) : untar_sink_create(target, &options);
    if (source == NULL || sink == NULL || (how & 16 && stage == NULL))
        abort();
    source->flow = sink->flow = &flow;
    if (stage != NULL) {
        stage->from = source;
        stage->flow = &flow;
        last = stage;
    }
    bool exists = (how & 32) != 0;
    require(!exists || mkdir(target, 0755) == 0, "the directory can be made");
    bool ok = sink->type->run(sink, last, &e) && sink->type->commit(sink, &e);
    require(ok || e.message[0] != '\0', "a failure has a text");
    sink_free(sink);
    stream_free(stage);
    stream_free(source);
    require(entries(folder) == (ok || exists), "nothing appears beside the directory");
    require(ok || !exists || entries(target) == 0, "what failed leaves nothing");
    if (ok)
        (void)nftw(target, check_entry, 16, FTW_PHYS);
    (void)nftw(target, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
