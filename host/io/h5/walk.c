/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects of an HDF5 input: found by hard links only, level by level, without recursion, and
 * bounded before anything is listed. Runs once per file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/h5/inner.h"

typedef struct level {
    br_h5_file *file;
    int32_t     parent;
    int32_t     depth;
    br_status   st;
} level;

static const char *link_text(H5L_type_t type)
{
    if (type == H5L_TYPE_SOFT)
        return "a soft link";
    if (type == H5L_TYPE_EXTERNAL)
        return "an external link";
    return "a user-defined link";
}

static br_status check_link(const br_h5_file *file, const char *path, H5L_type_t type)
{
    if (type == H5L_TYPE_HARD)
        return BR_OK;
    return br_fail(BR_E_INPUT, "%s: %s: is %s; only hard links are followed", file->path, path,
                   link_text(type));
}

static br_status grow(br_h5_file *file)
{
    br_status     st       = BR_OK;
    br_h5_object *object   = NULL;
    int32_t       capacity = file->capacity == 0 ? 64 : 2 * file->capacity;

    if (file->n_objects < file->capacity)
        return BR_OK;
    BR_ALLOC(st, object, capacity, "objects of an HDF5 file");
    if (file->n_objects > 0)
        memcpy(object, file->object, (size_t)file->n_objects * sizeof *object);
    br_free(&file->object);
    file->object   = object;
    file->capacity = capacity;
done:
    return st;
}

static br_status add_object(level *walk, const char *name, H5L_type_t type)
{
    br_status     st        = BR_OK;
    br_h5_file   *file      = walk->file;
    const char   *parent    = walk->parent < 0 ? "" : file->object[walk->parent].path;
    size_t        parent_at = strlen(parent);
    br_h5_object *object;

    if (!br_keys_is_utf8(name, strlen(name)))
        BR_FAIL(st, BR_E_INPUT, "%s: %s/: holds a name that is not UTF-8", file->path, parent);
    if (parent_at + 1 + strlen(name) >= BR_H5_OBJECT_PATH_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: %s/%.32s...: name of %zu bytes; paths have at most %d bytes",
                file->path, parent, name, strlen(name), BR_H5_OBJECT_PATH_BYTES - 1);
    if (file->n_objects >= BR_H5_MAX_OBJECTS)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: more than %d objects", file->path, parent,
                BR_H5_MAX_OBJECTS);
    BR_TRY(st, grow(file));
    parent = walk->parent < 0 ? "" : file->object[walk->parent].path;
    object = &file->object[file->n_objects];
    memcpy(object->path, parent, parent_at);
    object->path[parent_at] = '/';
    strcpy(object->path + parent_at + 1, name);
    object->name_at = (int32_t)parent_at + 1;
    object->parent  = walk->parent;
    BR_TRY(st, check_link(file, object->path, type));
    file->n_objects++;
done:
    return st;
}

static herr_t on_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    level *walk = context;

    (void)group;
    walk->st = add_object(walk, name, info->type);
    return walk->st == BR_OK ? 0 : 1;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const br_h5_object *)a)->path, ((const br_h5_object *)b)->path);
}

/* Lists one group: its number of links is looked at before they are. In native order, sorted here:
 * any other order makes HDF5 1.10 build a table that it frees uninitialised when a part of the
 * group is damaged (13 of 150 mutated files crashed). */
static br_status list_group(level *walk, hid_t id)
{
    br_status   st   = BR_OK;
    br_h5_file *file = walk->file;
    char        path[BR_H5_OBJECT_PATH_BYTES];
    int32_t     first = file->n_objects;
    H5G_info_t  info;

    snprintf(path, sizeof path, "%s", walk->parent < 0 ? "/" : file->object[walk->parent].path);
    if (H5Gget_info(id, &info) < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged group"));
    if (info.nlinks > BR_H5_MAX_OBJECTS)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %llu links; at most %d", file->path, path,
                (unsigned long long)info.nlinks, BR_H5_MAX_OBJECTS);
    if (info.nlinks > 0 && walk->depth >= BR_H5_MAX_DEPTH)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: groups nested deeper than %d", file->path, path,
                BR_H5_MAX_DEPTH);
    walk->st = BR_OK;
    if (H5Literate(id, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, on_link, walk) < 0 && walk->st == BR_OK)
        BR_TRY(st, br_h5_blame(file, path, "damaged group"));
    BR_TRY(st, walk->st);
    if (file->n_objects > first)
        qsort(file->object + first, (size_t)(file->n_objects - first), sizeof *file->object,
              by_path);
done:
    return st;
}

static br_status check_object(const br_h5_file *file, const char *path, const H5O_info_t *info)
{
    br_status st = BR_OK;

    if (info->type != H5O_TYPE_GROUP && info->type != H5O_TYPE_DATASET)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: is a named type; expected a group or a dataset",
                file->path, path);
    if (info->num_attrs > BR_H5_MAX_ATTRS)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %llu attributes; at most %d", file->path, path,
                (unsigned long long)info->num_attrs, BR_H5_MAX_ATTRS);
done:
    return st;
}

/* Object `at`: what it is; a group is listed, and must not have been reached before. Datasets are
 * not opened, and what is denied is not looked at. */
static br_status visit(br_h5_file *file, int32_t at, haddr_t *group_address, int32_t *n_groups)
{
    br_status   st    = BR_OK;
    hid_t       id    = -1;
    br_h5_place place = {.group = -1};
    level       walk  = {.file = file, .parent = at, .depth = 0};
    char        path[BR_H5_OBJECT_PATH_BYTES];

    snprintf(path, sizeof path, "%s", at < 0 ? "/" : file->object[at].path);
    for (const char *c = path; at >= 0 && *c != '\0'; c++)
        walk.depth += *c == '/';
    if (br_h5_is_denied(file, path))
        return BR_OK;
    BR_TRY(st, br_h5_place_find(file, path, &place));
    BR_TRY(st, check_object(file, path, &place.info));
    if (place.info.type != H5O_TYPE_GROUP)
        goto done;
    if (at >= 0)
        file->object[at].is_group = true;
    for (int32_t i = 0; i < *n_groups; i++)
        if (group_address[i] == place.info.addr)
            BR_FAIL(st, BR_E_INPUT, "%s: %s: this group has a second name (a cycle?)", file->path,
                    path);
    group_address[(*n_groups)++] = place.info.addr;
    id                           = H5Gopen2(place.group, place.name, H5P_DEFAULT);
    if (id < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged group"));
    BR_TRY(st, list_group(&walk, id));
done:
    if (id >= 0)
        H5Gclose(id);
    if (place.group >= 0)
        H5Gclose(place.group);
    return st;
}

br_status br_h5_walk(br_h5_file *file)
{
    br_status st            = BR_OK;
    haddr_t  *group_address = NULL;
    int32_t   n_groups      = 0;

    br_h5_enter();
    file->n_objects = 0;
    BR_ALLOC(st, group_address, BR_H5_MAX_OBJECTS + 1, "groups of an HDF5 file");
    for (int32_t at = -1; at < file->n_objects; at++)
        BR_TRY(st, visit(file, at, group_address, &n_groups));
done:
    br_free(&group_address);
    br_h5_leave();
    return st;
}

/* What the place's name leads to: its link is looked at before it is followed. */
static br_status look(const br_h5_file *file, const char *path, br_h5_place *place)
{
    br_status  st     = BR_OK;
    htri_t     exists = H5Lexists(place->group, place->name, H5P_DEFAULT);
    H5L_info_t link;

    if (exists < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged group"));
    if (exists == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: missing", file->path, path);
    if (H5Lget_info(place->group, place->name, &link, H5P_DEFAULT) < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged link"));
    BR_TRY(st, check_link(file, path, link.type));
    if (H5Oget_info_by_name2(place->group, place->name, &place->info,
                             H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS, H5P_DEFAULT) < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged object"));
done:
    return st;
}

/* From the group to the one that the place's name leads to. */
static br_status step_into(const br_h5_file *file, const char *path, br_h5_place *place)
{
    br_status st = BR_OK;
    hid_t     next;

    if (place->info.type != H5O_TYPE_GROUP)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: missing", file->path, path);
    next = H5Gopen2(place->group, place->name, H5P_DEFAULT);
    if (next < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged group"));
    H5Gclose(place->group);
    place->group = next;
done:
    return st;
}

br_status br_h5_place_find(const br_h5_file *file, const char *path, br_h5_place *place)
{
    br_status   st   = BR_OK;
    const char *part = path + strspn(path, "/");
    char        name[BR_H5_OBJECT_PATH_BYTES];

    *place = (br_h5_place){.group = -1, .name = "."};
    if (strlen(path) >= sizeof name)
        BR_FAIL(st, BR_E_INPUT, "%s: %.64s...: path of more than %zu bytes", file->path, path,
                sizeof name - 1);
    if (br_h5_is_denied(file, path))
        BR_FAIL(st, BR_E_SELFCHECK, "%s: %s: is denied: it must not be opened", file->path, path);
    place->group = H5Gopen2(file->id, "/", H5P_DEFAULT);
    if (place->group < 0)
        BR_TRY(st, br_h5_blame(file, "/", "damaged group"));
    if (*part == '\0' &&
        H5Oget_info2(place->group, &place->info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS) < 0)
        BR_TRY(st, br_h5_blame(file, "/", "damaged object"));
    while (*part != '\0') {
        const char *rest = part + strcspn(part, "/");

        (void)snprintf(name, sizeof name, "%.*s", (int)(rest - part), part);
        if (strcmp(name, ".") == 0)
            BR_FAIL(st, BR_E_INPUT, "%s: %s: a part named '.'", file->path, path);
        place->name = name;
        BR_TRY(st, look(file, path, place));
        rest += strspn(rest, "/");
        if (*rest == '\0')
            break;
        BR_TRY(st, step_into(file, path, place));
        part = rest;
    }
    place->name = *part == '\0' ? "." : part;
done:
    if (st != BR_OK && place->group >= 0) {
        H5Gclose(place->group);
        place->group = -1;
    }
    return st;
}

const br_h5_object *br_h5_find(br_h5_file *file, const char *path)
{
    for (int32_t i = 0; i < file->n_objects; i++) {
        if (strcmp(file->object[i].path, path) == 0) {
            file->object[i].is_known = true;
            return br_h5_is_denied(file, path) ? NULL : &file->object[i];
        }
    }
    return NULL;
}

const br_h5_object *br_h5_child(const br_h5_file *file, const char *group, int32_t *cursor)
{
    while (*cursor < file->n_objects) {
        const br_h5_object *object = &file->object[(*cursor)++];
        const char         *parent = object->parent < 0 ? "/" : file->object[object->parent].path;
        if (strcmp(parent, group) == 0 && !br_h5_is_denied(file, object->path))
            return object;
    }
    return NULL;
}

br_status br_h5_check_group(br_h5_file *file, const char *path)
{
    const br_h5_object *object = br_h5_find(file, path);

    if (object != NULL && !object->is_group)
        return br_fail(BR_E_INPUT, "%s: %s: is a dataset; expected a group", file->path, path);
    return BR_OK;
}

br_status br_h5_check_all_known(const br_h5_file *file)
{
    for (int32_t i = 0; i < file->n_objects; i++) {
        const br_h5_object *object = &file->object[i];
        if (object->is_known || br_h5_is_denied(file, object->path) ||
            strcmp(object->path, "/extra") == 0 || strncmp(object->path, "/extra/", 7) == 0)
            continue;
        return br_fail(BR_E_INPUT,
                       "%s: %s: unknown %s; the format has none of this name (your own data may "
                       "live under /extra)",
                       file->path, object->path, object->is_group ? "group" : "dataset");
    }
    return BR_OK;
}
