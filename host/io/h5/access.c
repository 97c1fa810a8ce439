/* SPDX-License-Identifier: Apache-2.0
 *
 * Which objects of a file are denied, which were opened. Called when a file is opened. */
#include <string.h>

#include "host/io/h5/inner.h"

br_status br_h5_deny(br_h5_file *file, const br_names *objects)
{
    return br_names_add_all(&file->access->denied, objects);
}

bool br_h5_covers(const br_names *objects, const char *object)
{
    for (int32_t i = 0; i < objects->n; i++) {
        size_t n = strlen(objects->name[i]);

        if (strncmp(object, objects->name[i], n) == 0 && (object[n] == '\0' || object[n] == '/'))
            return true;
    }
    return false;
}

bool br_h5_is_denied(const br_h5_file *file, const char *object)
{
    return br_h5_covers(&file->access->denied, object);
}

const br_names *br_h5_opened(const br_h5_file *file)
{
    return &file->access->opened;
}

typedef struct links {
    br_names *to;
    br_status st;
} links;

static herr_t on_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    links *l = context;

    (void)group;
    (void)info;
    if (l->to->n >= BR_H5_MAX_OBJECTS)
        return 1; /* br_h5_walk says so */
    l->st = br_names_add(l->to, name);
    return l->st == BR_OK ? 0 : 1;
}

static br_status list(const br_h5_file *file, const char *group, br_names *out)
{
    br_status   st    = BR_OK;
    br_h5_place place = {.group = -1};
    links       l     = {.to = out};

    BR_TRY(st, br_h5_place_find(file, group, &place));
    if (place.info.type == H5O_TYPE_GROUP &&
        H5Literate_by_name(place.group, place.name, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, on_link,
                           &l, H5P_DEFAULT) < 0)
        BR_TRY(st, br_h5_blame(file, group, "damaged group"));
    BR_TRY(st, l.st);
done:
    if (place.group >= 0)
        H5Gclose(place.group);
    return st;
}

br_status br_h5_links(const br_h5_file *file, const char *group, br_names *out)
{
    br_status st;

    br_h5_enter();
    st = list(file, group, out);
    br_h5_leave();
    return st;
}
