/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of a publication. Called a few times per process. */
#include "host/io/export/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/export/folder_state.h"

/* Is it a name that this program gives to a file of a publication? */
static bool is_ours(const char *name)
{
    static const char *const whole[] = {BR_EXPORT_PAPER, "rejects.csv", "holdout.csv",
                                        "current.resp"};
    static const char *const stems[] = {"lists", "exposures"};
    int                      n;

    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (strcmp(name, whole[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof stems / sizeof stems[0]; i++) {
        const char *rest = name + strlen(stems[i]);
        if (strncmp(name, stems[i], strlen(stems[i])) != 0)
            continue;
        n = 0;
        if (sscanf(rest, "-%*[0-9]%n", &n) >= 0 && n > 0)
            rest += n;
        if (strcmp(rest, ".csv") == 0 || strcmp(rest, ".jsonl") == 0 || strcmp(rest, ".resp") == 0)
            return true;
    }
    return false;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The first name in a folder that is not ours, "" when there is none. */
static br_status look_into(const char *path, int64_t *n_names, char stranger[NAME_MAX + 1])
{
    DIR                 *dir = opendir(path);
    const struct dirent *entry;

    *n_names    = 0;
    stranger[0] = '\0';
    if (dir == NULL)
        return br_fail(BR_E_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        if (is_dots(entry->d_name))
            continue;
        (*n_names)++;
        if (!is_ours(entry->d_name) && stranger[0] == '\0')
            (void)snprintf(stranger, NAME_MAX + 1, "%s", entry->d_name);
    }
    (void)closedir(dir);
    return BR_OK;
}

/* Deletes our files in a folder; a stranger is BR_E_USAGE and nothing is touched. */
static br_status empty_folder(const char *path)
{
    br_status            st  = BR_OK;
    DIR                 *dir = NULL;
    const struct dirent *entry;
    int64_t              n_names;
    char                 stranger[NAME_MAX + 1];

    BR_TRY(st, look_into(path, &n_names, stranger));
    if (stranger[0] != '\0')
        BR_FAIL(st, BR_E_USAGE, "%s: holds %s, which is no file of a publication", path, stranger);
    dir = opendir(path);
    if (dir == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    while ((entry = readdir(dir)) != NULL)
        if (!is_dots(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) != 0 &&
            errno != ENOENT)
            BR_FAIL(st, BR_E_IO, "%s/%s: cannot remove this unfinished file: %s", path,
                    entry->d_name, strerror(errno));
done:
    if (dir != NULL)
        (void)closedir(dir);
    return st;
}

/* May the final name be given? */
static br_status check_place(const br_export_folder *f)
{
    br_status   st = BR_OK;
    struct stat found;
    int64_t     n_names;
    char        stranger[NAME_MAX + 1], paper[PATH_MAX + 32];

    if (lstat(f->path, &found) != 0) {
        if (errno == ENOENT)
            return BR_OK;
        BR_FAIL(st, BR_E_IO, "%s: cannot look at it: %s", f->path, strerror(errno));
    }
    if (!S_ISDIR(found.st_mode))
        BR_FAIL(st, BR_E_USAGE, "%s: is there and is no folder; expected the name of a new one",
                f->path);
    BR_TRY(st, look_into(f->path, &n_names, stranger));
    if (n_names == 0)
        return BR_OK;
    if (!f->replaces)
        BR_FAIL(st, BR_E_USAGE,
                "%s: is there already; give another name, or --force to replace "
                "an earlier publication",
                f->path);
    (void)snprintf(paper, sizeof paper, "%s/" BR_EXPORT_PAPER, f->path);
    if (stranger[0] != '\0' || access(paper, F_OK) != 0)
        BR_FAIL(st, BR_E_USAGE, "%s: %s%s; --force replaces an earlier publication only", f->path,
                stranger[0] != '\0' ? "holds " : "has no " BR_EXPORT_PAPER, stranger);
done:
    return st;
}

/* The final and the temporary name; neither inside the run, whose folder holds the run alone. */
static br_status find_names(br_export_folder *f, const char *path, const char *run_path)
{
    br_status st = BR_OK;
    char      parent[PATH_MAX];
    char     *base, *real_parent = NULL, *real_run = realpath(run_path, NULL);
    size_t    n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || n + 64 >= PATH_MAX)
        BR_FAIL(st, BR_E_USAGE, "'%.64s': expected the name of a folder", path);
    (void)snprintf(f->path, sizeof f->path, "%.*s", (int)n, path);
    (void)snprintf(parent, sizeof parent, "%s", f->path);
    base = strrchr(parent, '/');
    base = base == NULL ? parent : base + 1;
    if (base[0] == '\0' || is_dots(base) || strlen(base) + 16 > NAME_MAX)
        BR_FAIL(st, BR_E_USAGE, "%s: expected the name of a folder to make", f->path);
    (void)snprintf(f->stage, sizeof f->stage, "%.*s.%s.tmp-publish", (int)(base - parent), parent,
                   base);
    *base       = '\0';
    real_parent = realpath(parent[0] == '\0' ? "." : parent, NULL);
    if (real_parent == NULL)
        BR_FAIL(st, BR_E_IO, "%s: its folder %s: %s", f->path, parent, strerror(errno));
    n = real_run != NULL ? strlen(real_run) : 0;
    if (n > 0 && strncmp(real_parent, real_run, n) == 0 &&
        (real_parent[n] == '/' || real_parent[n] == '\0'))
        BR_FAIL(st, BR_E_USAGE, "%s: lies inside the run %s; expected a place outside", f->path,
                run_path);
done:
    free(real_parent);
    free(real_run);
    return st;
}

/* Makes the temporary folder and locks it. One that a killed process left is taken over. */
static br_status take_stage(br_export_folder *f)
{
    br_status   st = BR_OK;
    struct stat held, named;

    if (mkdir(f->stage, 0700) != 0 && errno != EEXIST)
        BR_FAIL(st, BR_E_IO, "%s: cannot make the folder: %s", f->stage, strerror(errno));
    f->fd = br_open(f->stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (f->fd < 0) {
        int error = errno;
        (void)rmdir(f->stage); /* goes when it is empty */
        BR_FAIL(st, BR_E_IO, "%s: cannot open the folder: %s", f->stage, strerror(error));
    }
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0 || fstat(f->fd, &held) != 0 ||
        lstat(f->stage, &named) != 0 || held.st_ino != named.st_ino) {
        (void)close(f->fd); /* not ours: nothing in it is touched */
        f->fd = -1;
        BR_FAIL(st, BR_E_USAGE, "%s: another process publishes there", f->path);
    }
    BR_TRY(st, empty_folder(f->stage));
done:
    return st;
}

br_status br_export_begin(const char *path, const char *run_path, bool replaces,
                          br_export_folder **out)
{
    br_status         st = BR_OK;
    br_export_folder *f  = NULL;

    *out = NULL;
    BR_ALLOC(st, f, 1, "folder to publish");
    f->fd       = -1;
    f->replaces = replaces;
    BR_TRY(st, find_names(f, path, run_path));
    BR_TRY(st, check_place(f));
    BR_TRY(st, take_stage(f));
    *out = f;
    f    = NULL;
done:
    br_export_drop(&f);
    return st;
}

static void unlock(br_export_folder *f)
{
    if (f->fd >= 0)
        (void)close(f->fd); /* nothing was written through it */
    f->fd = -1;
}

/* What stopped the publication stays what the user will read. */
static void delete_stage(const br_export_folder *f)
{
    br_error before;

    br_error_take(&before);
    if (empty_folder(f->stage) != BR_OK || rmdir(f->stage) != 0)
        br_log(BR_LOG_WARN, "io", "%s: cannot remove this unfinished folder", f->stage);
    if (br_error_put(&before) == BR_OK)
        return;
}

void br_export_drop(br_export_folder **folder)
{
    if (*folder == NULL)
        return;
    if ((*folder)->fd >= 0) /* not committed */
        delete_stage(*folder);
    unlock(*folder);
    free((*folder)->file);
    br_free(folder);
}

/* The earlier publication, now under the temporary name, goes. */
static br_status exchange(br_export_folder *f)
{
    br_status st = BR_OK;

    if (renameat2(AT_FDCWD, f->stage, AT_FDCWD, f->path, RENAME_EXCHANGE) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot replace the folder: %s", f->path, strerror(errno));
    unlock(f);
    BR_TRY(st, br_publish_sync_folder_of(f->path));
    BR_TRY(st, empty_folder(f->stage));
    if (rmdir(f->stage) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot remove the folder: %s", f->stage, strerror(errno));
done:
    return st;
}

br_status br_export_commit(br_export_folder *f)
{
    br_status   st = BR_OK;
    struct stat found;

    BR_TRY(st, check_place(f)); /* others may have been there meanwhile */
    if (fsync(f->fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        BR_FAIL(st, BR_E_IO, "%s: cannot flush the folder: %s", f->stage, strerror(errno));
    if (f->replaces && lstat(f->path, &found) == 0) {
        BR_TRY(st, exchange(f));
    } else {
        if (rename(f->stage, f->path) != 0)
            BR_FAIL(st, BR_E_IO, "%s: cannot give the finished folder its name: %s", f->path,
                    strerror(errno));
        unlock(f);
        BR_TRY(st, br_publish_sync_folder_of(f->path));
    }
done:
    return st;
}

int64_t br_export_n_files(const br_export_folder *folder)
{
    return folder->n_files;
}

const br_export_file *br_export_file_at(const br_export_folder *folder, int64_t at)
{
    return &folder->file[at];
}

br_status br_export_note(br_export_folder *f, const br_export_file *file)
{
    int64_t at = f->n_files;

    if (f->n_files == f->capacity) {
        int64_t         capacity = f->capacity == 0 ? 16 : 2 * f->capacity;
        br_export_file *grown    = realloc(f->file, (size_t)capacity * sizeof *grown);
        if (grown == NULL)
            return br_fail(BR_E_MEMORY, "%s: cannot allocate %lld names", f->path,
                           (long long)capacity);
        f->file     = grown;
        f->capacity = capacity;
    }
    while (at > 0 && strcmp(f->file[at - 1].name, file->name) > 0)
        at--;
    memmove(&f->file[at + 1], &f->file[at], (size_t)(f->n_files - at) * sizeof *f->file);
    f->file[at] = *file;
    f->n_files++;
    return BR_OK;
}
