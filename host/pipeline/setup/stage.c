/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends input files to other machines. Called once per pass over the customers. */
#include "host/pipeline/setup/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/inputs/stand_in.h"
#include "host/base/log.h"

#define PATH_BYTES 4096

static void path_of(const br_config *config, int i, char out[PATH_BYTES])
{
    static const char *const files[] = {"model.json", "weights.safetensors", "vocabulary.h5"};

    if (i == 0)
        (void)snprintf(out, PATH_BYTES, "%s", config->input_catalogue);
    else if (config->input_model[0] != '\0')
        (void)snprintf(out, PATH_BYTES, "%s/%s", config->input_model, files[i - 1]);
    else
        out[0] = '\0';
}

/* -1: no file that can be read. */
static int64_t size_of(int fd)
{
    struct stat info;

    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)
        return -1;
    return (int64_t)info.st_size;
}

static bool read_all(int fd, char *to, int64_t n_bytes)
{
    for (int64_t at = 0; at < n_bytes;) {
        ssize_t n = pread(fd, to + at, (size_t)(n_bytes - at), (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        br_watch_tick();
    }
    return true;
}

/* n_bytes of memory with a descriptor, mapped at *to. */
static br_status take_memory(int64_t n_bytes, int *fd, char **to)
{
    br_status st = BR_OK;

    *to = MAP_FAILED;
    *fd = memfd_create("batchrank-input", MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, (off_t)n_bytes) != 0)
        BR_FAIL(st, BR_E_MEMORY, "no memory for %lld bytes of an input: %s", (long long)n_bytes,
                strerror(errno));
    *to = mmap(NULL, (size_t)n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, *fd, 0);
    if (*to == MAP_FAILED)
        BR_FAIL(st, BR_E_MEMORY, "no memory for %lld bytes of an input: %s", (long long)n_bytes,
                strerror(errno));
done:
    return st;
}

/* Between the first ranks of all machines. */
static br_status send_file(br_comm *firsts, const char *path, int *fd)
{
    br_status st      = BR_OK;
    bool      is_us   = br_comm_rank(firsts) == 0;
    int       from    = is_us ? br_open(path, O_RDONLY | O_NONBLOCK) : -1;
    int64_t   n_bytes = size_of(from);
    char     *data    = MAP_FAILED;

    BR_TRY(st, br_comm_broadcast(firsts, path, &n_bytes, sizeof n_bytes));
    if (n_bytes < 0)
        goto done;
    st = take_memory(n_bytes, fd, &data);
    if (st == BR_OK && is_us && !read_all(from, data, n_bytes))
        st = br_fail(BR_E_IO, "%s: cannot be read to its end", path);
    BR_TRY(st, br_comm_agree(firsts, st));
    BR_TRY(st, br_comm_broadcast(firsts, path, data, (size_t)n_bytes));
done:
    if (from >= 0)
        (void)close(from);
    if (data != MAP_FAILED)
        (void)munmap(data, (size_t)n_bytes);
    return st;
}

/* Where the first rank of the machine has its copies. */
typedef struct places {
    int64_t process;
    int64_t fd[BR_N_STAGED];
} places;

static br_status stand_in(const br_config *config, const places *p)
{
    br_status st = BR_OK;
    char      path[PATH_BYTES], place[64];

    for (int i = 0; i < BR_N_STAGED; i++) {
        if (p->fd[i] < 0)
            continue;
        path_of(config, i, path);
        (void)snprintf(place, sizeof place, "/proc/%lld/fd/%lld", (long long)p->process,
                       (long long)p->fd[i]);
        if (access(place, R_OK) != 0) {
            br_log(BR_LOG_DEBUG, "setup", "%s: %s: read from its own file system", path,
                   strerror(errno));
            continue;
        }
        BR_TRY(st, br_stand_in_set(path, place));
    }
done:
    return st;
}

static br_status send_files(br_comm *firsts, const br_config *config, br_stage_files *files,
                            places *p)
{
    br_status st = BR_OK;
    char      path[PATH_BYTES];

    for (int i = 0; i < BR_N_STAGED; i++) {
        path_of(config, i, path);
        if (path[0] != '\0')
            BR_TRY(st, send_file(firsts, path, &files->fd[i]));
        p->fd[i] = files->fd[i];
    }
done:
    return st;
}

br_status br_stage_open(br_comm *comm, const br_config *config, br_stage_files *out)
{
    br_status st = BR_OK;
    places    p  = {.process = getpid()};

    for (int i = 0; i < BR_N_STAGED; i++)
        out->fd[i] = -1;
    if (br_comm_n_nodes(comm) == 1)
        return BR_OK;
    if (br_comm_firsts(comm) != NULL)
        st = send_files(br_comm_firsts(comm), config, out, &p);
    BR_TRY(st, br_comm_agree(comm, st));
    BR_TRY(st, br_comm_broadcast(br_comm_node(comm), "places of inputs", &p, sizeof p));
    BR_TRY(st, br_comm_agree(comm, stand_in(config, &p)));
done:
    return st;
}

void br_stage_close(br_stage_files *files)
{
    br_stand_in_drop_all();
    for (int i = 0; i < BR_N_STAGED; i++) {
        if (files->fd[i] >= 0)
            (void)close(files->fd[i]);
        files->fd[i] = -1;
    }
}
