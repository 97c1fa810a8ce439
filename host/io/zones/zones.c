/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds and reads one zone's file. A name never leaves the folder of zones. */
#include "host/io/zones/zones.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/memory.h"

#define MAX_NAME_BYTES 64
#define MAX_FILE_BYTES (1 << 20)

/* Letters, digits, _ + - in parts joined by /, as all IANA names are. */
static bool is_name(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n >= MAX_NAME_BYTES || name[0] == '/' || name[n - 1] == '/' ||
        strstr(name, "//") != NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("_+-/", name[i]) == NULL)
            return false;
    return true;
}

/* The first of the usual folders that is there; NULL: none. */
static const char *folder_of_zones(void)
{
    static const char *const usual[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
                                        "/usr/share/lib/zoneinfo", "/etc/zoneinfo"};
    const char              *chosen  = getenv("TZDIR");
    struct stat              info;

    if (chosen != NULL && chosen[0] != '\0')
        return stat(chosen, &info) == 0 && S_ISDIR(info.st_mode) ? chosen : NULL;
    for (size_t f = 0; f < sizeof usual / sizeof *usual; f++)
        if (stat(usual[f], &info) == 0 && S_ISDIR(info.st_mode))
            return usual[f];
    return NULL;
}

static br_status read_file(const char *path, uint8_t **bytes, size_t *n_bytes)
{
    br_status   st = BR_OK;
    int         fd = br_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    ssize_t     got = 1;

    *n_bytes = 0;
    if (fd < 0 || fstat(fd, &info) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
    if (info.st_size < 1 || info.st_size > MAX_FILE_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: %lld bytes, expected 1 to %d", path, (long long)info.st_size,
                MAX_FILE_BYTES);
    BR_ALLOC(st, *bytes, info.st_size, "time zone file");
    while (*n_bytes < (size_t)info.st_size && got > 0) {
        got = read(fd, *bytes + *n_bytes, (size_t)info.st_size - *n_bytes);
        if (got < 0)
            BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
        *n_bytes += (size_t)got;
    }
done:
    if (fd >= 0)
        (void)close(fd);
    return st;
}

br_status br_zones_read(const char *name, br_zone **out)
{
    br_status   st     = BR_OK;
    const char *folder = folder_of_zones();
    char        path[4096];
    uint8_t    *bytes = NULL;
    size_t      n_bytes;
    struct stat info;

    if (strcmp(name, "UTC") == 0)
        return br_zone_create_utc(out);
    if (!is_name(name))
        BR_FAIL(st, BR_E_INPUT, "time zone '%s', expected an IANA name such as Europe/Paris", name);
    if (folder == NULL)
        BR_FAIL(st, BR_E_IO,
                "time zone '%s': this machine has no time zones but UTC; install the package "
                "tzdata, or set TZDIR to a folder of zone files",
                name);
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        BR_FAIL(st, BR_E_IO, "TZDIR is too long");
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        BR_FAIL(st, BR_E_INPUT,
                "time zone '%s' is not in %s, expected an IANA name such as Europe/Paris (a newer "
                "name may need a newer tzdata)",
                name, folder);
    BR_TRY(st, read_file(path, &bytes, &n_bytes));
    BR_TRY(st, br_zone_create(name, bytes, n_bytes, out));
done:
    br_free(&bytes);
    return st;
}
