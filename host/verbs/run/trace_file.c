/* SPDX-License-Identifier: Apache-2.0 */
#include "host/verbs/run/trace_file.h"

#include <limits.h>
#include <stdio.h>

#include "host/base/log.h"
#include "host/base/watch/trace.h"
#include "host/io/publish.h"

static void path_of(const br_comm *comm, const br_config *config, char path[PATH_MAX + 16])
{
    if (br_comm_rank(comm) == 0)
        (void)snprintf(path, PATH_MAX, "%s", config->log_trace);
    else
        (void)snprintf(path, PATH_MAX + 16, "%s.%d", config->log_trace, br_comm_rank(comm));
}

br_status br_trace_file_open(const br_comm *comm, const br_config *config)
{
    br_status         st       = BR_OK;
    const char *const inputs[] = {config->input_customers, config->input_catalogue,
                                  config->input_model, config->output_path};
    char              path[PATH_MAX + 16];

    if (config->log_trace[0] == '\0')
        return BR_OK;
    path_of(comm, config, path);
    BR_TRY(st, br_publish_check_target(path, inputs, 4));
    br_trace_open(br_comm_rank(comm));
done:
    return st;
}

static br_status write_trace(const br_comm *comm, const br_config *config)
{
    br_status st   = BR_OK;
    br_strbuf text = {0};
    char      path[PATH_MAX + 16];

    path_of(comm, config, path);
    BR_TRY(st, br_trace_render(&text));
    BR_TRY(st, br_publish_file(path, text.data, text.n_bytes));
    br_log(BR_LOG_INFO, "run", "timeline: %s", path);
done:
    br_strbuf_free(&text);
    return st;
}

br_status br_trace_file_close(const br_comm *comm, const br_config *config, br_status st)
{
    br_status written;
    br_error  error;

    if (!br_trace_is_open())
        return st;
    br_error_take(&error); /* of the run, if any */
    written = write_trace(comm, config);
    br_trace_close();
    if (st == BR_OK)
        return written;
    if (written != BR_OK)
        br_log(BR_LOG_WARN, "run", "no timeline: %s", br_error_last()->text);
    return br_error_put(&error);
}
