/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents: files read whole, scanned, then parsed by cJSON. Called a few times per process. */
#include "host/config/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/inputs/stand_in.h"
#include "host/base/memory.h"
#include "host/config/json_scan.h"

struct br_json {
    cJSON *root;
};

const br_json_limits br_json_config_limits = {BR_E_USAGE, (size_t)1 << 20, 10000};

static const cJSON *tree(const br_json_node *node)
{
    return (const cJSON *)(const void *)node;
}

static const br_json_node *node_of(const cJSON *item)
{
    return (const br_json_node *)(const void *)item;
}

br_status br_json_read_text(const br_json_limits *limits, const char *what, const char *text,
                            size_t n_bytes, br_json **out)
{
    br_status st   = BR_OK;
    br_json  *json = NULL;

    *out = NULL;
    BR_TRY(st, br_json_scan(limits, what, text, n_bytes));
    BR_ALLOC(st, json, 1, "JSON document");
    json->root = cJSON_ParseWithLengthOpts(text, n_bytes, NULL, 0);
    if (json->root == NULL)
        BR_FAIL(st, limits->code, "%s: cJSON refuses the text", what);
    *out = json;
    json = NULL;
done:
    br_json_close(&json);
    return st;
}

static br_status read_all(int fd, const char *path, char *to, size_t n_bytes)
{
    size_t at = 0;

    while (at < n_bytes) {
        ssize_t n = read(fd, to + at, n_bytes - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return br_fail(BR_E_IO, "%s: read %zu of %zu bytes: %s", path, at, n_bytes,
                           n == 0 ? "the file became shorter" : strerror(errno));
        at += (size_t)n;
    }
    return BR_OK;
}

br_status br_json_read_file(const br_json_limits *limits, const char *path, br_json **out)
{
    br_status   st   = BR_OK;
    char       *text = NULL;
    int         fd   = open(br_stand_in(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    *out = NULL;
    if (fd < 0 || fstat(fd, &info) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        BR_FAIL(st, BR_E_IO, "%s: found a %s, expected a file", path,
                S_ISDIR(info.st_mode) ? "folder" : "pipe or device");
    if ((uint64_t)info.st_size > limits->max_bytes)
        BR_FAIL(st, limits->code, "%s: found %lld bytes, at most %zu are read", path,
                (long long)info.st_size, limits->max_bytes);
    BR_ALLOC(st, text, (int64_t)info.st_size + 1, "JSON text");
    BR_TRY(st, read_all(fd, path, text, (size_t)info.st_size));
    BR_TRY(st, br_json_read_text(limits, path, text, (size_t)info.st_size, out));
done:
    br_free(&text);
    if (fd >= 0)
        (void)close(fd);
    return st;
}

void br_json_close(br_json **json)
{
    if (*json == NULL)
        return;
    cJSON_Delete((*json)->root);
    br_free(json);
}

const br_json_node *br_json_root(const br_json *json)
{
    return node_of(json->root);
}

br_json_type br_json_type_of(const br_json_node *node)
{
    const cJSON *item = tree(node);

    if (cJSON_IsObject(item))
        return BR_JSON_OBJECT;
    if (cJSON_IsArray(item))
        return BR_JSON_ARRAY;
    if (cJSON_IsString(item))
        return BR_JSON_STRING;
    if (cJSON_IsNumber(item))
        return BR_JSON_NUMBER;
    return cJSON_IsBool(item) ? BR_JSON_BOOL : BR_JSON_NULL;
}

const char *br_json_type_name(const br_json_node *node)
{
    static const char *const name[] = {"null",     "true or false", "a number",
                                       "a string", "an array",      "an object"};
    return name[br_json_type_of(node)];
}

const br_json_node *br_json_first(const br_json_node *node)
{
    return node_of(tree(node)->child);
}

const br_json_node *br_json_next(const br_json_node *node)
{
    return node_of(tree(node)->next);
}

const char *br_json_name(const br_json_node *node)
{
    return tree(node)->string != NULL ? tree(node)->string : "";
}

const br_json_node *br_json_member(const br_json_node *object, const char *name)
{
    return node_of(cJSON_GetObjectItemCaseSensitive(tree(object), name));
}

int32_t br_json_count(const br_json_node *node)
{
    return cJSON_GetArraySize(tree(node));
}

const char *br_json_string(const br_json_node *node)
{
    return cJSON_GetStringValue(tree(node));
}

double br_json_number(const br_json_node *node)
{
    return cJSON_IsNumber(tree(node)) ? tree(node)->valuedouble : NAN;
}

bool br_json_bool(const br_json_node *node)
{
    return cJSON_IsTrue(tree(node)) != 0;
}

bool br_json_integer(const br_json_node *node, int64_t *out)
{
    double x = br_json_number(node);

    if (!(fabs(x) <= 9007199254740992.0) || x != floor(x))
        return false;
    *out = (int64_t)x;
    return true;
}
