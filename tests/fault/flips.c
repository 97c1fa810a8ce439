/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that errs: linked before host/base's own br_flip_is_due, this one flips the bit that
 * BATCHRANK_FLIP="PLACE:BIT" names, BIT counted over all bytes that pass the place. With
 * BATCHRANK_FLIP_TELL=FILE it writes there how many bytes passed each place, and whether the bit
 * was flipped. Places are passed by one thread at a time. */
#include "host/base/inject/flip.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PLACES 16

static struct {
    const char *name;
    size_t      n_bytes;
} place_P[MOST_PLACES];
static int             n_places;
static bool            was_flipped;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void tell(void)
{
    const char *path = getenv("BATCHRANK_FLIP_TELL");
    FILE       *file = path == NULL ? NULL : fopen(path, "w");

    if (file == NULL)
        return;
    for (int i = 0; i < n_places; i++)
        (void)fprintf(file, "%s:%zu\n", place_P[i].name, place_P[i].n_bytes);
    (void)fprintf(file, "flipped:%d\n", was_flipped);
    (void)fclose(file);
}

/* Bytes that passed the place so far, these not among them. */
static size_t pass(const char *place, size_t n_bytes)
{
    size_t before;
    int    i = 0;

    while (i < n_places && strcmp(place_P[i].name, place) != 0)
        i++;
    if (n_places == 0)
        (void)atexit(tell);
    if (i == n_places && n_places < MOST_PLACES)
        place_P[n_places++].name = place;
    before = place_P[i].n_bytes;
    place_P[i].n_bytes += n_bytes;
    return before;
}

bool br_flip_is_due(const char *place, size_t n_bytes, size_t *bit)
{
    const char *wanted = getenv("BATCHRANK_FLIP");
    size_t      n      = strlen(place), before, at;
    bool        is_due = false;

    (void)pthread_mutex_lock(&lock);
    before = pass(place, n_bytes);
    if (wanted != NULL && strncmp(wanted, place, n) == 0 && wanted[n] == ':') {
        at     = strtoull(wanted + n + 1, NULL, 10);
        is_due = at / 8 >= before && at / 8 < before + n_bytes;
        *bit   = at - before * 8;
    }
    was_flipped |= is_due;
    (void)pthread_mutex_unlock(&lock);
    return is_due;
}
