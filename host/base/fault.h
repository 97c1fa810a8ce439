/* SPDX-License-Identifier: Apache-2.0
 *
 * Named fault points: places where a test can make this process die, stop, wait or fail, so that
 * what lies on disk at that moment is known (docs/RELIABILITY.md). They are in every build, so that
 * what is tested is what is used; without an environment variable that names one of them a point is
 * a test of one variable, passed a few times per work unit and never per customer.
 *   BATCHRANK_FAULT=POINT[@TEXT]:HIT:ACTION
 *       POINT   a name of BR_FAULT_POINTS; with @TEXT only hits at a file whose path contains TEXT
 *       HIT     which hit of this process, from 1
 *       ACTION  kill | exit | stop | delay=MILLISECONDS | fail=STATUS (E_IO, E_MEMORY, E_DEVICE,
 * ...) BATCHRANK_FAULT_RANK=N   only in the process of that rank (variables of mpirun and srun)
 *   BATCHRANK_FAULT_LOG=FILE one line is appended per hit: RANK POINT PATH, and `fired` at the end
 *                            of the line of the hit that fired */
#ifndef BR_HOST_BASE_FAULT_H
#define BR_HOST_BASE_FAULT_H

#include <stdbool.h>

#include "host/base/status.h"

/* X(identifier, name): in the order of a run. publish.* are hit for every file that is published.
 */
#define BR_FAULT_POINTS(X)                                                                         \
    X(INPUT_OPENED, "input.opened")   /* inputs, catalogue and model are open */                   \
    X(INPUT_PLANNED, "input.planned") /* the work units are known */                               \
    X(FOLDER_MADE, "folder.made")     /* a folder is made, the one above not flushed */            \
    X(LOCK_TAKEN, "lock.taken")                                                                    \
    X(RESUME_CLEANED, "resume.cleaned")   /* temporaries are deleted */                            \
    X(RESUME_DELETED, "resume.deleted")   /* an unfinished file is deleted */                      \
    X(RESUME_ACCEPTED, "resume.accepted") /* a unit of an earlier process counts */                \
    X(RESUME_SCANNED, "resume.scanned")   /* it is known which units are done */                   \
    X(PUBLISH_MADE, "publish.made")       /* a temporary file is made */                           \
    X(PUBLISH_WRITTEN, "publish.written") /* it holds its bytes */                                 \
    X(PUBLISH_FLUSHED, "publish.flushed") /* they are on disk */                                   \
    X(PUBLISH_NAMED, "publish.named")     /* it has its final name */                              \
    X(PUBLISH_DONE, "publish.done")       /* the name is on disk */                                \
    X(AUDIT_WRITTEN, "audit.written")     /* a line is appended */                                 \
    X(AUDIT_FLUSHED, "audit.flushed")     /* it is on disk */                                      \
    X(UNIT_READ, "unit.read")                                                                      \
    X(UNIT_ENCODED, "unit.encoded")                                                                \
    X(UNIT_FUSED, "unit.fused")                                                                    \
    X(UNIT_SCORED, "unit.scored")                                                                  \
    X(UNIT_DECIDED, "unit.decided")                                                                \
    X(UNIT_IMAGED, "unit.imaged") /* the bytes of a part are made */                               \
    X(UNIT_PARTED, "unit.parted") /* a part is published, its receipt is not */                    \
    X(UNIT_DONE, "unit.done")                                                                      \
    X(ROUND_SAMPLED, "round.sampled") /* constraints: first prices */                              \
    X(ROUND_LISTED, "round.listed")   /* the shortlists of a round are a complete run */           \
    X(ROUND_PRICED, "round.priced")   /* its prices are beside it */                               \
    X(ROUND_SOLVED, "round.solved")                                                                \
    X(COMMIT_BEGUN, "commit.begun")   /* all units are done */                                     \
    X(COMMIT_VIEWED, "commit.viewed") /* lists.h5 is there */                                      \
    X(COMMIT_DONE, "commit.done")     /* manifest.json is there: the run is complete */            \
    X(LATEST_MADE, "latest.made")     /* the link has a temporary name */                          \
    X(LATEST_NAMED, "latest.named")                                                                \
    X(LATEST_DONE, "latest.done")

typedef enum br_fault {
#define X(identifier, name) BR_FAULT_##identifier,
    BR_FAULT_POINTS(X)
#undef X
        BR_N_FAULTS
} br_fault;

/* Set once by br_fault_arm, before there are threads. */
extern bool br_fault_is_armed;

const char *br_fault_name(br_fault point);
/* Reads the environment. BR_E_USAGE: no such point or action. Called by main, once. */
br_status   br_fault_arm(void);
/* One hit; `path` of the file in question, or NULL. A status only for the action fail. */
br_status   br_fault_hit(br_fault point, const char *path);

static inline br_status br_fault_point(br_fault point, const char *path)
{
    return __builtin_expect(br_fault_is_armed, 0) ? br_fault_hit(point, path) : BR_OK;
}

#endif
