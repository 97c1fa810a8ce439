/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of host/io/export share: the folder that is being filled. */
#ifndef BR_HOST_IO_EXPORT_FOLDER_STATE_H
#define BR_HOST_IO_EXPORT_FOLDER_STATE_H

#include <limits.h>

#include "host/io/export/folder.h"

struct br_export_folder {
    char            path[PATH_MAX];  /* the final name */
    char            stage[PATH_MAX]; /* the temporary one */
    int             fd;              /* of the stage, locked; -1: none */
    bool            replaces;
    int64_t         n_files, capacity;
    br_export_file *file;
};

br_status br_export_note(br_export_folder *folder, const br_export_file *file);

#endif
