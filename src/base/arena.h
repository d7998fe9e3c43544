/*
 * Memory that lives exactly as long as one unit of work: a request, a run, a snapshot, a loaded configuration.
 * Nothing in it is freed alone; arena_release() drops it all. An arena belongs to one thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

#include <stdalign.h>

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used_bytes;
};

void arena_init(struct arena *a);
void arena_release(struct arena *a); /* usable again afterwards */

/* Zeroed, never NULL. */
void *arena_alloc(struct arena *a, size_t size, size_t align);
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type), alignof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n), alignof(type)))

/* Copies; NUL-terminated. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) IG_PRINTF(2, 3);

#endif
