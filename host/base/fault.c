/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens at a fault point that is armed. */
#include "host/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/log.h"

#define TEXT_BYTES 256

typedef enum fault_action {
    ACTION_NONE, /* hits are written down */
    ACTION_KILL,
    ACTION_EXIT,
    ACTION_STOP,
    ACTION_DELAY,
    ACTION_FAIL
} fault_action;

bool br_fault_is_armed;

static struct {
    br_fault     point;
    char         at[TEXT_BYTES]; /* "": at any file */
    long         hit;
    fault_action action;
    long         delay_ms;
    br_status    status;
    const char  *log_path; /* NULL: none */
    const char  *rank;     /* of this process, as text */
    bool         is_here;  /* is it this rank that breaks? */
    atomic_long  n_hits;
} fault;

const char *br_fault_name(br_fault point)
{
    static const char *const names[] = {
#define X(identifier, name) name,
        BR_FAULT_POINTS(X)
#undef X
    };

    return names[point];
}

/* As the launcher tells it; "0" without one. */
static const char *rank_text(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                            "SLURM_PROCID"};

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i]) != NULL)
            return getenv(variables[i]);
    return "0";
}

static bool read_status(const char *text)
{
#define X(name, exit_code, words)                                                                  \
    if (strcmp(text, #name) == 0)                                                                  \
        fault.status = BR_##name;
    BR_STATUS_MAP(X)
#undef X
    return fault.status != BR_OK;
}

static bool read_action(const char *text)
{
    char *end;

    if (strcmp(text, "kill") == 0)
        fault.action = ACTION_KILL;
    else if (strcmp(text, "exit") == 0)
        fault.action = ACTION_EXIT;
    else if (strcmp(text, "stop") == 0)
        fault.action = ACTION_STOP;
    else if (strncmp(text, "delay=", 6) == 0)
        fault.action = ACTION_DELAY;
    else if (strncmp(text, "fail=", 5) == 0)
        fault.action = ACTION_FAIL;
    if (fault.action == ACTION_FAIL)
        return read_status(text + 5);
    if (fault.action != ACTION_DELAY)
        return fault.action != ACTION_NONE;
    fault.delay_ms = strtol(text + 6, &end, 10);
    return end != text + 6 && *end == '\0' && fault.delay_ms >= 0;
}

/* POINT[@TEXT]:HIT:ACTION; the fields are cut out of `text`. */
static bool read_fault(char *text)
{
    char *action = strrchr(text, ':'), *hit, *at, *end;

    if (action == NULL)
        return false;
    *action++ = '\0';
    hit       = strrchr(text, ':');
    if (hit == NULL)
        return false;
    *hit++ = '\0';
    at     = strchr(text, '@');
    if (at != NULL)
        *at++ = '\0';
    (void)snprintf(fault.at, sizeof fault.at, "%s", at != NULL ? at : "");
    fault.point = 0;
    while (fault.point < BR_N_FAULTS && strcmp(br_fault_name(fault.point), text) != 0)
        fault.point++;
    fault.hit = strtol(hit, &end, 10);
    return fault.point < BR_N_FAULTS && end != hit && *end == '\0' && fault.hit > 0 &&
           read_action(action);
}

br_status br_fault_arm(void)
{
    const char *setting = getenv("BATCHRANK_FAULT"), *rank = getenv("BATCHRANK_FAULT_RANK");
    char        text[TEXT_BYTES];

    fault.log_path = getenv("BATCHRANK_FAULT_LOG");
    fault.rank     = rank_text();
    fault.is_here  = rank == NULL || strcmp(rank, fault.rank) == 0;
    if (setting == NULL) {
        br_fault_is_armed = fault.log_path != NULL;
        return BR_OK;
    }
    (void)snprintf(text, sizeof text, "%s", setting);
    if (!read_fault(text))
        return br_fail(BR_E_USAGE,
                       "BATCHRANK_FAULT: found '%s', expected POINT[@TEXT]:HIT:ACTION "
                       "(docs/RELIABILITY.md); unset it for a run without faults",
                       setting);
    br_log(BR_LOG_WARN, "fault", "rank %s will break: BATCHRANK_FAULT=%s", fault.rank, setting);
    br_fault_is_armed = true;
    return BR_OK;
}

/* One write, so that lines of several processes do not mix. */
static void note(br_fault point, const char *path, bool fires)
{
    char line[PATH_MAX + TEXT_BYTES];
    int  fd, n;

    if (fault.log_path == NULL)
        return;
    n  = snprintf(line, sizeof line, "%s %s %s%s\n", fault.rank, br_fault_name(point),
                 path != NULL ? path : "-", fires ? " fired" : "");
    fd = open(fault.log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        br_log(BR_LOG_WARN, "fault", "%s: %s", fault.log_path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

static br_status act(br_fault point, const char *path)
{
    struct timespec wait = {fault.delay_ms / 1000, fault.delay_ms % 1000 * 1000000};

    switch (fault.action) {
    case ACTION_NONE:
        break;
    case ACTION_KILL:
        (void)kill(getpid(), SIGKILL);
        break;
    case ACTION_EXIT:
        _exit(br_status_exit_code(BR_E_IO));
    case ACTION_STOP:
        (void)kill(getpid(), SIGSTOP);
        break;
    case ACTION_DELAY:
        (void)nanosleep(&wait, NULL);
        break;
    case ACTION_FAIL:
        return br_fail(fault.status, "fault point %s%s%s: fails as asked for", br_fault_name(point),
                       path != NULL ? " at " : "", path != NULL ? path : "");
    }
    return BR_OK;
}

br_status br_fault_hit(br_fault point, const char *path)
{
    bool is_it = fault.action != ACTION_NONE && fault.is_here && point == fault.point &&
                 (fault.at[0] == '\0' || (path != NULL && strstr(path, fault.at) != NULL));
    bool fires = is_it && atomic_fetch_add(&fault.n_hits, 1) + 1 == fault.hit;

    note(point, path, fires);
    return fires ? act(point, path) : BR_OK;
}
