/* SPDX-License-Identifier: Apache-2.0
 *
 * How an explanation is worded; private to this folder. */
#ifndef BR_HOST_PIPELINE_LOOK_EXPLAIN_SAY_H
#define BR_HOST_PIPELINE_LOOK_EXPLAIN_SAY_H

#include "host/pipeline/look/explain/facts.h"

/* --- reason.c --- */
br_status   br_explain_reason(br_facts *facts);
const char *br_explain_why_word(br_why why);
/* One sentence. */
void        br_explain_answer(const br_facts *facts, br_strbuf *out);

/* --- words.c --- */
const char *br_explain_hold_kind(br_hold_kind kind);
const char *br_explain_never_kind(br_never_kind kind);
/* What candidates are the best by: "linear sum", "score". */
const char *br_explain_linear(const br_facts *facts);
#define BR_TIME_TEXT_BYTES 40
const char *br_explain_time(int64_t time, char text[BR_TIME_TEXT_BYTES]); /* ISO 8601, UTC */

/* --- json.c, text.c --- */
void br_explain_json(const br_facts *facts, br_strbuf *out);
void br_explain_text(const br_facts *facts, bool answer_first, br_strbuf *out);

#endif
