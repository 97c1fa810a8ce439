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
#include "host/base/files/open.h"
#include "host/io/run/read_text.h"

#define MAX_BYTES  ((size_t)64 << 20)
#define HASH_FIELD ",\"hash\":\""
#define NO_LINE    "0000000000000000000000000000000000000000000000000000000000000000"

typedef struct log_line {
    const char *text;
    size_t      n_bytes;  /* without its end */
    bool        is_ended; /* by a newline */
    bool        is_last;
} log_line;

/* The next raw line from byte *at; false after the last. A line torn by a crash or a power cut may
 * hold anything, zeros too. */
static bool next_line(const br_strbuf *log, size_t *at, log_line *line)
{
    const char *end;

    if (*at >= log->n_bytes)
        return false;
    line->text     = log->data + *at;
    end            = memchr(line->text, '\n', log->n_bytes - *at);
    line->is_ended = end != NULL;
    line->n_bytes  = end != NULL ? (size_t)(end - line->text) : log->n_bytes - *at;
    *at += line->n_bytes + (end != NULL ? 1 : 0);
    line->is_last = *at >= log->n_bytes;
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
    size_t   at   = 0;
    log_line line = {.is_ended = true};

    (void)memcpy(hash, NO_LINE, BR_DIGEST_TEXT_BYTES);
    while (next_line(log, &at, &line))
        ;
    *is_torn = !line.is_ended;
    return line.text == NULL ? BR_OK : br_digest_bytes(line.text, line.n_bytes, hash);
}

static br_status append(const char *path, const char *data, size_t n_bytes)
{
    br_status st = BR_OK;
    int       fd;

    fd = br_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW);
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

static bool contains(const log_line *line, const char *text)
{
    return memmem(line->text, line->n_bytes, text, strlen(text)) != NULL;
}

static bool is_event(const log_line *line, const char *event)
{
    const char *field = memmem(line->text, line->n_bytes, "\"event\":\"", 9);
    size_t      n     = strlen(event);

    return field != NULL && (size_t)(line->text + line->n_bytes - field) > 9 + n &&
           memcmp(field + 9, event, n) == 0 && field[9 + n] == '"';
}

/* Is the line whole, and is its own hash right? */
static br_status is_whole(const log_line *line, bool *is_right)
{
    br_status    st;
    const size_t tail = strlen(HASH_FIELD) + BR_DIGEST_TEXT_BYTES - 1 + 2;
    const char  *end  = line->text + line->n_bytes;
    char         hash[BR_DIGEST_TEXT_BYTES];

    *is_right = false;
    if (line->n_bytes < tail || memcmp(end - tail, HASH_FIELD, strlen(HASH_FIELD)) != 0 ||
        memcmp(end - 2, "\"}", 2) != 0)
        return BR_OK;
    st        = br_digest_bytes(line->text, line->n_bytes - tail, hash);
    *is_right = memcmp(end - tail + strlen(HASH_FIELD), hash, 64) == 0;
    return st;
}

/* Does a whole line of that event stand in the log? */
static br_status has_event(const br_strbuf *log, const char *event, bool *found)
{
    br_status st = BR_OK;
    size_t    at = 0;
    log_line  line;
    bool      is_right;

    *found = false;
    while (!*found && next_line(log, &at, &line)) {
        if (!line.is_ended || !is_event(&line, event))
            continue;
        BR_TRY(st, is_whole(&line, &is_right));
        *found = is_right;
    }
done:
    return st;
}

br_status br_audit_has(const char *path, const char *event, bool *found)
{
    br_status st  = BR_OK;
    br_strbuf log = {0};

    *found = false;
    BR_TRY(st, read_log(path, &log));
    BR_TRY(st, has_event(&log, event, found));
    if (*found) /* whoever wrote it may have ended before it was on disk */
        BR_TRY(st, append(path, "", 0));
done:
    br_strbuf_free(&log);
    return st;
}

/* A line that is not whole: the last one may have been cut off while it was written. */
static br_status refuse_line(const char *path, const log_line *line, long number)
{
    if (line->is_last && (!line->is_ended || memchr(line->text, '\0', line->n_bytes) != NULL))
        return br_fail(BR_E_INTERRUPTED,
                       "%s: line %ld was cut off while it was written: run the same command again",
                       path, number);
    return br_fail(BR_E_INPUT, "%s: line %ld is not whole", path, number);
}

static br_status verify_lines(const char *path, const br_strbuf *log, const char *last_details)
{
    br_status st                         = BR_OK;
    size_t    at                         = 0;
    log_line  line                       = {0};
    char      prev[BR_DIGEST_TEXT_BYTES] = NO_LINE;
    long      number                     = 0;
    bool      is_right = true, has_commit = false, is_commit_right = false;

    while (next_line(log, &at, &line)) {
        number++;
        BR_TRY(st, is_whole(&line, &is_right));
        /* a line torn by a crash is vouched for by the next */
        if (is_right && !contains(&line, prev))
            BR_FAIL(st, BR_E_INPUT, "%s: line %ld does not follow the line before it", path,
                    number);
        if (is_right && is_event(&line, "commit")) {
            has_commit      = true;
            is_commit_right = last_details == NULL || contains(&line, last_details);
        }
        BR_TRY(st, br_digest_bytes(line.text, line.n_bytes, prev));
        if (!line.is_ended || (!is_right && line.is_last))
            BR_TRY(st, refuse_line(path, &line, number));
    }
    if (number == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is empty", path);
    if (!has_commit && last_details != NULL)
        BR_FAIL(st, BR_E_INTERRUPTED,
                "%s: no line `commit`: the run was cut off after manifest.json: run the same "
                "command again",
                path);
    if (!is_commit_right && last_details != NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: no line `commit` with this manifest.json", path);
done:
    return st;
}

br_status br_audit_verify(const char *path, const char *last_details)
{
    br_status st  = BR_OK;
    br_strbuf log = {0};

    BR_TRY(st, br_text_read(path, MAX_BYTES, &log));
    BR_TRY(st, verify_lines(path, &log, last_details));
done:
    br_strbuf_free(&log);
    return st;
}
