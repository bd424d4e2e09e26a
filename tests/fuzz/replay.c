/* The main of a fuzz target without libFuzzer: runs every file of the given folders (or given files) through it once.
 *
 * So the corpus, with all that fuzzing ever found, is an ordinary test, for any compiler.  No file at all is a failure. */
#include "base/buffer.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Noreturn void fail(const char *path)
{
    perror(path);
    exit(EXIT_FAILURE);
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail(path);
    struct buffer input = {0};
    size_t count;
    do {
        if (!buffer_reserve(&input, 4096))
            fail(path);
        count = fread(input.data + input.length, 1, 4096, file);
        input.length += count;
    } while (count > 0);
    if (ferror(file))
        fail(path);
    (void)fclose(file);
    size_t size;
    char *bytes = buffer_take(&input, &size);
    char *exact = malloc(size > 0 ? size : 1); /* so that a sanitizer sees a read behind the end */
    if (exact == NULL)
        fail(path);
    memcpy(exact, bytes, size);
    free(bytes);
    (void)fprintf(stderr, "%s\n", path); /* the last line names the file that crashes */
    (void)LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
    free(exact);
}

static int replay(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        fail(path);
    if (!S_ISDIR(about.st_mode)) {
        replay_file(path);
        return 1;
    }
    struct dirent **entries;
    int found = scandir(path, &entries, NULL, alphasort), count = 0;
    if (found < 0)
        fail(path);
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.') {
            char inner[4096];
            (void)snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
            count += replay(inner);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
