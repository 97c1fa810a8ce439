/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 files written in blocks. Called once per block of rows. */
#include "host/io/h5_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/memory.h"

typedef struct stream_set {
    hid_t   id;
    hid_t   type;
    int64_t n_rows;
    int64_t n_cols; /* 0: rank 1 */
    int64_t n_written;
    char    path[BR_H5_OBJECT_PATH_BYTES];
} stream_set;

struct br_h5_stream {
    char       path[4096];
    char       temporary[4160];
    hid_t      file;
    bool       has_temporary; /* to be removed unless it gets its name */
    int32_t    n_sets;
    stream_set set[BR_H5_STREAM_MAX_SETS];
};

static br_status refuse(const br_h5_stream *s, const char *what)
{
    char complaint[BR_H5_COMPLAINT_BYTES];

    return br_fail(BR_E_IO, "%s: %s: %s", s->path, what, br_h5_complaint(complaint));
}

static void folder_of(const char *path, char out[4096])
{
    char *slash;

    (void)snprintf(out, 4096, "%s", path);
    slash = strrchr(out, '/');
    if (slash == NULL)
        (void)snprintf(out, 4096, ".");
    else
        slash[slash == out ? 1 : 0] = '\0';
}

static br_status check_room(const char *path, int64_t expected_bytes)
{
    char           folder[4096];
    struct statvfs info;

    folder_of(path, folder);
    if (statvfs(folder, &info) != 0)
        return br_fail(BR_E_IO, "%s: %s", folder, strerror(errno));
    if ((double)info.f_bavail * (double)info.f_frsize < (double)expected_bytes)
        return br_fail(BR_E_IO, "%s: %lld bytes are needed, the file system has %.0f free", path,
                       (long long)expected_bytes, (double)info.f_bavail * (double)info.f_frsize);
    return BR_OK;
}

static hid_t text_type(size_t n_bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    if (type >= 0 && (H5Tset_size(type, n_bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)) {
        (void)H5Tclose(type);
        return -1;
    }
    return type;
}

static br_status write_attr(br_h5_stream *s, const char *object, const char *name, hid_t type,
                            const void *value)
{
    br_status st    = BR_OK;
    hid_t     space = H5Screate(H5S_SCALAR), at = -1;

    at = H5Acreate_by_name(s->file, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT,
                           H5P_DEFAULT);
    if (at < 0 || H5Awrite(at, type, value) < 0)
        st = refuse(s, "cannot write an attribute");
    if (at >= 0)
        (void)H5Aclose(at);
    (void)H5Sclose(space);
    return st;
}

/* 0600, which H5Fcreate keeps: the vectors are people's. */
static br_status make_private(br_h5_stream *s)
{
    int fd = br_open(s->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);

    if (fd < 0)
        return br_fail(BR_E_IO, "%s: cannot create the file: %s", s->path, strerror(errno));
    s->has_temporary = true;
    (void)close(fd);
    return BR_OK;
}

static br_status create_file(br_h5_stream *s)
{
    br_status st     = BR_OK;
    hid_t     access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);

    if (access < 0 || create < 0 || H5Pset_fapl_sec2(access) < 0 ||
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110) < 0 ||
        H5Pset_obj_track_times(create, 0) < 0)
        BR_FAIL(st, BR_E_IO, "%s: HDF5 cannot prepare a file", s->path);
    BR_TRY(st, make_private(s));
    s->file = H5Fcreate(s->temporary, H5F_ACC_TRUNC, create, access);
    if (s->file < 0)
        st = refuse(s, "cannot create the file");
done:
    (void)H5Pclose(access);
    (void)H5Pclose(create);
    return st;
}

br_status br_h5_stream_create(const char *path, const char *format, int64_t expected_bytes,
                              br_h5_stream **out)
{
    br_status     st      = BR_OK;
    br_h5_stream *s       = NULL;
    int64_t       version = 1;

    *out = NULL;
    BR_TRY(st, br_h5_setup());
    br_h5_enter();
    BR_ALLOC(st, s, 1, "HDF5 stream");
    s->file = -1;
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    (void)snprintf(s->temporary, sizeof s->temporary, "%s.tmp-%ld", path, (long)getpid());
    BR_TRY(st, check_room(path, expected_bytes));
    BR_TRY(st, create_file(s));
    BR_TRY(st, br_h5_stream_attr(s, "/", "format", format));
    BR_TRY(st, write_attr(s, "/", "version", H5T_STD_I64LE, &version));
    *out = s;
    s    = NULL;
done:
    br_h5_leave();
    br_h5_stream_abort(&s);
    return st;
}

static void close_sets(br_h5_stream *s)
{
    for (int32_t i = 0; i < s->n_sets; i++) {
        (void)H5Dclose(s->set[i].id);
        (void)H5Tclose(s->set[i].type);
    }
    s->n_sets = 0;
}

void br_h5_stream_abort(br_h5_stream **stream)
{
    br_h5_stream *s = *stream;

    if (s == NULL)
        return;
    br_h5_enter();
    close_sets(s);
    if (s->file >= 0)
        (void)H5Fclose(s->file);
    if (s->has_temporary)
        (void)unlink(s->temporary);
    br_h5_leave();
    br_free(stream);
}

/* One group without times in it, unless it is there: the same data gives the same bytes. */
static bool make_group(br_h5_stream *s, const char *path)
{
    hid_t create = H5Pcreate(H5P_GROUP_CREATE), group = -1;
    bool  is_there;

    if (H5Pset_obj_track_times(create, 0) >= 0 && H5Lexists(s->file, path, H5P_DEFAULT) <= 0)
        group = H5Gcreate2(s->file, path, H5P_DEFAULT, create, H5P_DEFAULT);
    is_there = H5Lexists(s->file, path, H5P_DEFAULT) > 0;
    if (group >= 0)
        (void)H5Gclose(group);
    (void)H5Pclose(create);
    return is_there;
}

/* The groups above an object. */
static bool make_parents(br_h5_stream *s, const char *path)
{
    char parent[BR_H5_OBJECT_PATH_BYTES];
    bool is_there = true;

    for (size_t i = 1; path[i] != '\0' && i < sizeof parent && is_there; i++)
        if (path[i] == '/') {
            (void)snprintf(parent, i + 1, "%s", path);
            is_there = make_group(s, parent);
        }
    return is_there;
}

br_status br_h5_stream_group(br_h5_stream *s, const char *path)
{
    br_status st = BR_OK;

    br_h5_enter();
    if (!make_parents(s, path) || !make_group(s, path))
        st = refuse(s, path);
    br_h5_leave();
    return st;
}

br_status br_h5_stream_attr(br_h5_stream *s, const char *object, const char *name,
                            const char *value)
{
    br_status st;
    hid_t     type;

    br_h5_enter();
    type = text_type(strlen(value) > 0 ? strlen(value) : 1);
    st   = write_attr(s, object, name, type, value);
    (void)H5Tclose(type);
    br_h5_leave();
    return st;
}

static hid_t type_of(const br_h5_stream_set *what)
{
    switch (what->type) {
    case BR_H5_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case BR_H5_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case BR_H5_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case BR_H5_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case BR_H5_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    default:
        return what->key_bytes > 0 ? text_type((size_t)what->key_bytes) : H5Tcopy(H5T_STD_U64LE);
    }
}

static hid_t create_set(br_h5_stream *s, const br_h5_stream_set *what, hid_t type)
{
    hsize_t dims[2] = {(hsize_t)what->n_rows, (hsize_t)what->n_cols};
    hid_t   space   = H5Screate_simple(what->n_cols > 0 ? 2 : 1, dims, NULL);
    hid_t   create = H5Pcreate(H5P_DATASET_CREATE), id = -1;

    (void)H5Pset_obj_track_times(create, 0);
    (void)H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
    (void)H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    if (make_parents(s, what->path))
        id = H5Dcreate2(s->file, what->path, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    (void)H5Pclose(create);
    (void)H5Sclose(space);
    return id;
}

br_status br_h5_stream_dataset(br_h5_stream *s, const br_h5_stream_set *what, int32_t *set)
{
    br_status   st = BR_OK;
    stream_set *to = &s->set[s->n_sets];

    if (s->n_sets == BR_H5_STREAM_MAX_SETS)
        return br_fail(BR_E_SELFCHECK, "%s: too many datasets", s->path);
    br_h5_enter();
    *to = (stream_set){.type = type_of(what), .n_rows = what->n_rows, .n_cols = what->n_cols};
    (void)snprintf(to->path, sizeof to->path, "%s", what->path);
    to->id = create_set(s, what, to->type);
    if (to->id < 0) {
        st = refuse(s, what->path);
        (void)H5Tclose(to->type);
    } else {
        *set = s->n_sets++;
    }
    br_h5_leave();
    return st;
}

br_status br_h5_stream_append(br_h5_stream *s, int32_t set, int64_t n_rows, const void *rows)
{
    br_status   st       = BR_OK;
    stream_set *to       = &s->set[set];
    int         rank     = to->n_cols > 0 ? 2 : 1;
    hsize_t     from[2]  = {(hsize_t)to->n_written, 0};
    hsize_t     count[2] = {(hsize_t)n_rows, (hsize_t)to->n_cols};
    hid_t       memory, file;

    if (n_rows == 0)
        return BR_OK;
    if (to->n_written + n_rows > to->n_rows)
        return br_fail(BR_E_SELFCHECK, "%s: %s: more than %lld rows", s->path, to->path,
                       (long long)to->n_rows);
    br_h5_enter();
    memory = H5Screate_simple(rank, count, NULL);
    file   = H5Dget_space(to->id);
    if (H5Sselect_hyperslab(file, H5S_SELECT_SET, from, NULL, count, NULL) < 0 ||
        H5Dwrite(to->id, to->type, memory, file, H5P_DEFAULT, rows) < 0)
        st = refuse(s, to->path);
    (void)H5Sclose(memory);
    (void)H5Sclose(file);
    br_h5_leave();
    to->n_written += n_rows;
    return st;
}

static br_status sync_path(const char *path, int flags)
{
    int       fd = br_open(path, flags);
    br_status st = BR_OK;

    if (fd < 0 || fsync(fd) != 0)
        st = br_fail(BR_E_IO, "%s: cannot fsync: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return st;
}

br_status br_h5_stream_commit(br_h5_stream **stream)
{
    br_status     st = BR_OK;
    br_h5_stream *s  = *stream;
    char          folder[4096];
    herr_t        closed;

    for (int32_t i = 0; i < s->n_sets; i++)
        if (s->set[i].n_written != s->set[i].n_rows)
            BR_FAIL(st, BR_E_SELFCHECK, "%s: %s: %lld of %lld rows written", s->path,
                    s->set[i].path, (long long)s->set[i].n_written, (long long)s->set[i].n_rows);
    br_h5_enter();
    close_sets(s);
    closed  = H5Fclose(s->file);
    s->file = -1;
    br_h5_leave();
    if (closed < 0) {
        st = refuse(s, "cannot close the file");
        goto done;
    }
    BR_TRY(st, sync_path(s->temporary, O_RDONLY));
    if (rename(s->temporary, s->path) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot rename: %s", s->path, strerror(errno));
    s->has_temporary = false;
    folder_of(s->path, folder);
    BR_TRY(st, sync_path(folder, O_RDONLY | O_DIRECTORY));
done:
    br_h5_stream_abort(stream);
    return st;
}
