/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit log. A line ends with the hash of the line before it and its own, so that a change
 * anywhere shows. Called a few times per run. */
#include "host/io/run/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/fault.h"
#include "host/io/run/read_text.h"

#define MAX_BYTES  ((size_t)64 << 20)
#define HASH_FIELD ",\"hash\":\""
#define NO_LINE    "0000000000000000000000000000000000000000000000000000000000000000"

/* The next raw line from *at (without its end); false after the last. */
static bool next_line(const char **at, const char **line, size_t *n_bytes, bool *is_ended)
{
    const char *end;

    if (**at == '\0')
        return false;
    end       = strchr(*at, '\n');
    *line     = *at;
    *is_ended = end != NULL;
    *n_bytes  = end != NULL ? (size_t)(end - *at) : strlen(*at);
    *at += *n_bytes + (end != NULL ? 1 : 0);
    return true;
}

static br_status read_log(const char *path, br_strbuf *out)
{
    *out = (br_strbuf){0};
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        br_strbuf_add_bytes(out, "", 0);
        return br_strbuf_check(out);
    }
    return br_text_read(path, MAX_BYTES, out);
}

/* The hash of the last raw line, and whether the file ends in the middle of one. */
static br_status last_hash(const br_strbuf *log, char hash[BR_DIGEST_TEXT_BYTES], bool *is_torn)
{
    const char *at = log->data, *line = NULL;
    size_t      n_bytes  = 0;
    bool        is_ended = true;

    (void)memcpy(hash, NO_LINE, BR_DIGEST_TEXT_BYTES);
    *is_torn = false;
    while (next_line(&at, &line, &n_bytes, &is_ended))
        *is_torn = !is_ended;
    return line == NULL ? BR_OK : br_digest_bytes(line, n_bytes, hash);
}

static br_status append(const char *path, const char *data, size_t n_bytes)
{
    br_status st = BR_OK;
    int       fd;

    do
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    while (n_bytes > 0) {
        ssize_t n = write(fd, data, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            BR_FAIL(st, BR_E_IO, "%s: cannot append %zu bytes: %s", path, n_bytes,
                    n == 0 ? "nothing was written" : strerror(errno));
        data += n;
        n_bytes -= (size_t)n;
    }
    BR_TRY(st, br_fault_point(BR_FAULT_AUDIT_WRITTEN, path));
    if (fsync(fd) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot flush to disk: %s", path, strerror(errno));
    BR_TRY(st, br_fault_point(BR_FAULT_AUDIT_FLUSHED, path));
done:
    if (fd >= 0)
        (void)close(fd); /* flushed already */
    return st;
}

br_status br_audit_append(const char *path, const char *event, const char *details_json)
{
    br_status st  = BR_OK;
    br_strbuf log = {0}, line = {0};
    char      hash[BR_DIGEST_TEXT_BYTES], when[32];
    bool      is_torn;
    time_t    now = time(NULL);
    struct tm utc;
    size_t    from;

    BR_TRY(st, read_log(path, &log));
    BR_TRY(st, last_hash(&log, hash, &is_torn));
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    if (is_torn)
        br_strbuf_add(&line, "\n");
    from = line.n_bytes;
    br_strbuf_add(&line, "{\"time\":\"%s\",\"event\":\"%s\",\"details\":%s,\"prev\":\"%s\"", when,
                  event, details_json, hash);
    BR_TRY(st, br_strbuf_check(&line));
    for (size_t i = from; i < line.n_bytes; i++)
        if (line.data[i] == '\n' || line.data[i] == '\r')
            line.data[i] = ' '; /* white space between JSON values */
    BR_TRY(st, br_digest_bytes(line.data + from, line.n_bytes - from, hash));
    br_strbuf_add(&line, HASH_FIELD "%s\"}\n", hash);
    BR_TRY(st, br_strbuf_check(&line));
    BR_TRY(st, append(path, line.data, line.n_bytes));
done:
    br_strbuf_free(&log);
    br_strbuf_free(&line);
    return st;
}

static bool contains(const char *line, size_t n_bytes, const char *text)
{
    return memmem(line, n_bytes, text, strlen(text)) != NULL;
}

static bool is_event(const char *line, size_t n_bytes, const char *event)
{
    const char *field = memmem(line, n_bytes, "\"event\":\"", 9);
    size_t      n     = strlen(event);

    return field != NULL && (size_t)(line + n_bytes - field) > 9 + n &&
           memcmp(field + 9, event, n) == 0 && field[9 + n] == '"';
}

br_status br_audit_has(const char *path, const char *event, bool *found)
{
    br_status   st  = BR_OK;
    br_strbuf   log = {0};
    const char *at, *line;
    size_t      n_bytes;
    bool        is_ended;

    *found = false;
    BR_TRY(st, read_log(path, &log));
    at = log.data;
    while (next_line(&at, &line, &n_bytes, &is_ended))
        *found = *found || (is_ended && is_event(line, n_bytes, event));
done:
    br_strbuf_free(&log);
    return st;
}

/* Is the line whole, and is its own hash right? */
static br_status is_whole(const char *line, size_t n_bytes, bool *is_right)
{
    br_status    st;
    const size_t tail = strlen(HASH_FIELD) + BR_DIGEST_TEXT_BYTES - 1 + 2;
    char         hash[BR_DIGEST_TEXT_BYTES];

    *is_right = false;
    if (n_bytes < tail || memcmp(line + n_bytes - tail, HASH_FIELD, strlen(HASH_FIELD)) != 0 ||
        memcmp(line + n_bytes - 2, "\"}", 2) != 0)
        return BR_OK;
    st        = br_digest_bytes(line, n_bytes - tail, hash);
    *is_right = memcmp(line + n_bytes - tail + strlen(HASH_FIELD), hash, 64) == 0;
    return st;
}

static br_status verify_lines(const char *path, const br_strbuf *log, const char *last_details)
{
    br_status   st = BR_OK;
    const char *at = log->data, *line;
    size_t      n_bytes;
    char        prev[BR_DIGEST_TEXT_BYTES] = NO_LINE;
    long        number                     = 0;
    bool        is_ended, is_right = true, is_commit_right = last_details == NULL;

    while (next_line(&at, &line, &n_bytes, &is_ended)) {
        number++;
        BR_TRY(st, is_whole(line, n_bytes, &is_right));
        /* a line torn by a crash is vouched for by the next */
        if (is_right && !contains(line, n_bytes, prev))
            BR_FAIL(st, BR_E_INPUT, "%s: line %ld does not follow the line before it", path,
                    number);
        if (last_details != NULL && is_event(line, n_bytes, "commit"))
            is_commit_right = contains(line, n_bytes, last_details);
        BR_TRY(st, br_digest_bytes(line, n_bytes, prev));
        if (!is_ended || (!is_right && *at == '\0'))
            BR_FAIL(st, BR_E_INPUT, "%s: line %ld is not whole", path, number);
    }
    if (number == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is empty", path);
    if (!is_commit_right)
        BR_FAIL(st, BR_E_INPUT, "%s: no line `commit` with this manifest.json", path);
done:
    return st;
}

br_status br_audit_verify(const char *path, const char *last_details)
{
    br_status st  = BR_OK;
    br_strbuf log = {0};

    BR_TRY(st, br_text_read(path, MAX_BYTES, &log));
    if (strlen(log.data) != log.n_bytes)
        BR_FAIL(st, BR_E_INPUT, "%s: holds a NUL byte", path);
    BR_TRY(st, verify_lines(path, &log, last_details));
done:
    br_strbuf_free(&log);
    return st;
}
