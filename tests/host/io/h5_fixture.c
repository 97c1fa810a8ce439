/* SPDX-License-Identifier: Apache-2.0
 *
 * Small HDF5 files, written by the library directly: the reader under test shares no code. */
#include "tests/host/io/h5_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "host/io/h5.h"

hid_t fixture_create(const char *name, const char *format, char path[FIXTURE_PATH_BYTES])
{
    hid_t file;

    assert_int_equal(br_h5_setup(), BR_OK);
    snprintf(path, FIXTURE_PATH_BYTES, "/tmp/batchrank-test-%s-%d.h5", name, (int)getpid());
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    fixture_text(file, "format", format);
    fixture_number(file, "version", 1);
    return file;
}

void fixture_put(hid_t file, const char *path, hid_t type, int rank, const hsize_t *dims,
                 const void *data)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t set;

    H5Pset_create_intermediate_group(links, 1);
    set = H5Dcreate2(file, path, type, space, links, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(links);
}

void fixture_put_1d(hid_t file, const char *path, hid_t type, int64_t n, const void *data)
{
    hsize_t dim = (hsize_t)n;

    fixture_put(file, path, type, 1, &dim, data);
}

static hid_t text_type(size_t width_bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    H5Tset_size(type, width_bytes);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    return type;
}

void fixture_keys(hid_t file, const char *path, int64_t n, size_t width_bytes, const char *data)
{
    hid_t type = text_type(width_bytes);

    fixture_put_1d(file, path, type, n, data);
    H5Tclose(type);
}

static void put_attr(hid_t object, const char *name, hid_t type, const void *data)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attr  = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);

    assert_true(H5Awrite(attr, type, data) >= 0);
    H5Aclose(attr);
    H5Sclose(space);
}

void fixture_text(hid_t object, const char *name, const char *text)
{
    hid_t type = text_type(strlen(text));

    put_attr(object, name, type, text);
    H5Tclose(type);
}

void fixture_number(hid_t object, const char *name, int64_t number)
{
    put_attr(object, name, H5T_STD_I64LE, &number);
}
