/* SPDX-License-Identifier: Apache-2.0
 *
 * Words for kinds and times. Called a few times per explanation. */
#include <stdio.h>
#include <time.h>

#include "host/pipeline/look/explain/say.h"

const char *br_explain_hold_kind(br_hold_kind kind)
{
    static const char *const words[] = {
        [BR_HOLD_CONSENT] = "consent",     [BR_HOLD_SUPPRESSION] = "suppression file",
        [BR_HOLD_CONDITION] = "condition", [BR_HOLD_QUIET] = "quiet day",
        [BR_HOLD_CAP] = "frequency cap",   [BR_HOLD_HOUSEHOLD] = "one per household"};

    return words[kind];
}

const char *br_explain_never_kind(br_never_kind kind)
{
    static const char *const words[] = {[BR_NEVER_EXCLUDE] = "exclude",
                                        [BR_NEVER_HISTORY] = "exclude_history",
                                        [BR_NEVER_RECENT]  = "recent"};

    return words[kind];
}

const char *br_explain_linear(const br_facts *f)
{
    return f->x->setup->objective.n_linear > 0 ? "linear sum" : "score";
}

const char *br_explain_time(int64_t seconds, char text[BR_TIME_TEXT_BYTES])
{
    struct tm field;
    time_t    at = (time_t)seconds;

    if (gmtime_r(&at, &field) == NULL ||
        strftime(text, BR_TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &field) == 0)
        (void)snprintf(text, BR_TIME_TEXT_BYTES, "%lld", (long long)seconds);
    return text;
}
