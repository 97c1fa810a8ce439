/* SPDX-License-Identifier: Apache-2.0
 *
 * Every key of a configuration, once: the parser, --set, --help, the resolved dump, the run's
 * identity and the JSON Schema all come from these rows.
 *
 *   X(kind, "section.key", field, "default", lo, hi, flags, help, more)
 *
 * kind   PATH  a file or folder; a relative one is taken from the folder of the configuration
 *        TEXT  a string        NAMES an array of strings   BOOL true or false
 *        INT   whole number in [lo, hi] (at most 2^53)
 *        NUMBER number in [lo, hi]                         NUMBERS an array of them
 *        SIZE  bytes, a number or "4GiB"                   TIME "" or a date or seconds since 1970
 *        CHOICE one of the words in `more` ("a|b|c")
 *        OBJECTS an array of at most hi objects: `more` is the name of their record, whose keys are
 *              rows like these, named without a section; a key `name` is unique in its array
 * flags  REQUIRED (outside records only PATH and TEXT: not empty); SHAPING the result: part of the
 *        run's identity; LOCAL to one command: left out of the configuration that a run keeps.
 *        Rows of a record know REQUIRED only: the rest is said by the key that holds them.
 *
 * A section with records or a check of its own has two files in sections/: rows in its header,
 * tables of its records and the check in its source. */
#ifndef BR_HOST_CONFIG_KEYS_H
#define BR_HOST_CONFIG_KEYS_H

#include "host/config/sections/constraints.h"
#include "host/config/sections/deadlines.h"
#include "host/config/sections/detect.h"
#include "host/config/sections/experiment.h"
#include "host/config/sections/governance.h"
#include "host/config/sections/objective.h"
#include "host/config/sections/policy.h"
#include "host/config/sections/rules.h"
#include "host/config/sections/shadow.h"
#include "host/config/sections/shape.h"

#define BR_KEY_REQUIRED 1
#define BR_KEY_SHAPING  2
#define BR_KEY_LOCAL    4

#define BR_CHOICES_BACKEND   "auto|ref|cpu|cuda"
#define BR_CHOICES_FALLBACK  "none|popularity"
#define BR_CHOICES_PRECISION "fp32|bf16"
#define BR_CHOICES_LEVEL     "error|warn|info|debug"
#define BR_CHOICES_NCCL      "auto|off|on"

/* clang-format off */
#define BR_CONFIG_KEYS(X) \
    X(PATH, "input.customers", input_customers, "", 0, 0, BR_KEY_REQUIRED, \
      "customers.h5: keys, timelines, columns (docs/FORMATS.md)", "") \
    X(PATH, "input.catalogue", input_catalogue, "", 0, 0, BR_KEY_REQUIRED, \
      "catalogue.h5: the items", "") \
    X(PATH, "input.model", input_model, "", 0, 0, 0, \
      "folder of a model bundle; left out: both files bring ready-made vectors", "") \
    X(PATH, "output.path", output_path, "", 0, 0, BR_KEY_REQUIRED, \
      "run directory; the same command again goes on where it stopped", "") \
    X(BOOL, "output.vectors", output_vectors, "false", 0, 0, BR_KEY_SHAPING, \
      "also write the customer vectors x_u", "") \
    X(BOOL, "output.gates", output_gates, "false", 0, 0, BR_KEY_SHAPING, \
      "also write attention and gate of each modality", "") \
    X(INT, "list.k", list_k, "10", 1, 1024, BR_KEY_SHAPING, \
      "items per list", "") \
    X(BOOL, "list.probabilities", list_probabilities, "true", 0, 0, BR_KEY_SHAPING, \
      "write what the heads say: probabilities of the listed items, survival", "") \
    X(NAMES, "list.heads", list_heads, "[]", 0, 0, BR_KEY_SHAPING, \
      "heads whose probabilities or survival are written; empty: all", "") \
    X(NAMES, "list.exclude_history", list_exclude_history, "[]", 0, 0, BR_KEY_SHAPING, \
      "timelines whose items a customer is never shown again", "") \
    X(TEXT, "list.channel", list_channel, "", 0, 0, BR_KEY_SHAPING, \
      "consent asked for: customers with /consent/<channel> 0 get an empty list; empty: none", "") \
    X(CHOICE, "list.fallback", list_fallback, "popularity", 0, 0, BR_KEY_SHAPING, \
      "list of a customer without usable events", BR_CHOICES_FALLBACK) \
    X(TEXT, "list.fallback_modality", list_fallback_modality, "", 0, 0, BR_KEY_SHAPING, \
      "timeline that popularity counts; empty: every timeline of catalogue items", "") \
    X(TEXT, "list.fallback_group", list_fallback_group, "", 0, 0, BR_KEY_SHAPING, \
      "static column of the customers: what is popular in a customer's own category goes before " \
      "what is popular with everybody; empty: no such column", "") \
    X(BOOL, "list.fallback_newest", list_fallback_newest, "false", 0, 0, BR_KEY_SHAPING, \
      "behind the items that anybody met, the newest by /item/valid", "") \
    X(BOOL, "list.fill", list_fill, "false", 0, 0, BR_KEY_SHAPING, \
      "fill lists of the model too, where its candidates (objective.top) do not suffice", "") \
    X(CHOICE, "run.backend", run_backend, "auto", 0, 0, 0, \
      "where the arithmetic runs; auto: the GPU where there is one, which must work, else cpu", \
      BR_CHOICES_BACKEND) \
    X(CHOICE, "run.precision", run_precision, "fp32", 0, 0, BR_KEY_SHAPING, \
      "what the encoders multiply: fp32, or values rounded to bfloat16 (sums stay fp32): faster, " \
      "x_u differs in the third digit", BR_CHOICES_PRECISION) \
    X(INT, "run.device", run_device, "-1", -1, 1023, BR_KEY_LOCAL, \
      "which GPU `run` takes of those visible, counted from 0; ranks of a machine take this one " \
      "and those after it; -1: the first, or a rank's own", "") \
    X(CHOICE, "run.nccl", run_nccl, "auto", 0, 0, BR_KEY_LOCAL, \
      "weights and catalogue reach the GPUs of all ranks by NCCL, from that of rank 0; auto: " \
      "several ranks on GPUs that find the library; off: each uploads its own; the lists are the " \
      "same", BR_CHOICES_NCCL) \
    X(INT, "run.threads", run_threads, "0", 0, 256, BR_KEY_LOCAL, \
      "lanes (threads); 0: one per core", "") \
    X(INT, "run.writers", run_writers, "0", 0, 8, BR_KEY_LOCAL, \
      "threads that decide, check and write finished units; 0: one, or, where a GPU computes, " \
      "one for two cores, 8 at most", "") \
    X(INT, "run.catalogue_shards", run_catalogue_shards, "1", 0, 1024, BR_KEY_LOCAL, \
      "ranks that hold the catalogue together, a part each, where it is too large for a device; " \
      "divides the number of ranks; 0: as few as the plan of memory allows (docs/RANKS.md)", "") \
    X(TIME, "run.as_of", run_as_of, "", 0, 0, BR_KEY_SHAPING, \
      "later events are dropped, validity is judged at this time: \"2017-12-01\", " \
      "\"2017-12-01T08:30:00Z\" or seconds; empty: everything counts", "") \
    X(INT, "run.unit_customers", run_unit_customers, "65536", 1, 65536, BR_KEY_SHAPING, \
      "customers of a work unit (one part file), at most", "") \
    X(INT, "run.unit_events", run_unit_events, "8000000", 1000, 8388608, BR_KEY_SHAPING, \
      "events of a work unit, at most", "") \
    X(SIZE, "run.memory_limit_bytes", run_memory_limit_bytes, "0", 0, 0, BR_KEY_LOCAL, \
      "`plan` and `run` refuse a job that needs more host memory; 0: no limit", "") \
    X(CHOICE, "log.level", log_level, "info", 0, 0, BR_KEY_LOCAL, \
      "what the log says", BR_CHOICES_LEVEL) \
    X(PATH, "log.trace", log_trace, "", 0, 0, BR_KEY_LOCAL, \
      "file for a timeline of this `run`: what its threads and lanes did when, in Chrome's trace " \
      "format; of rank N above 0 the name with .N; empty: none (docs/TRACE.md)", "") \
    BR_OBJECTIVE_KEYS(X) \
    BR_POLICY_KEYS(X) \
    BR_CONSTRAINTS_KEYS(X) \
    BR_RULES_KEYS(X) \
    BR_SHAPE_KEYS(X) \
    BR_EXPERIMENT_KEYS(X) \
    BR_SHADOW_KEYS(X) \
    BR_GOVERNANCE_KEYS(X) \
    BR_DEADLINES_KEYS(X) \
    BR_DETECT_KEYS(X)

/* R(record, rows) makes br_config_<record>, br_config_<record>_list and br_record_<record>. */
#define BR_CONFIG_RECORDS(R) \
    BR_OBJECTIVE_RECORDS(R) \
    BR_POLICY_RECORDS(R) \
    BR_CONSTRAINTS_RECORDS(R) \
    BR_RULES_RECORDS(R) \
    BR_SHAPE_RECORDS(R) \
    BR_EXPERIMENT_RECORDS(R) \
    BR_SHADOW_RECORDS(R)
/* clang-format on */

#endif
