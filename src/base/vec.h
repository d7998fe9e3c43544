/*
 * A growing array of anything: `VEC(struct thing) things = {0}; vec_push(&things, thing); ... vec_free(&things);`
 * Its length comes from our own code; what a peer can size is measured first.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/check.h"

#include <stdlib.h>

#define VEC(type)      \
    struct {           \
        type *p;       \
        size_t n, cap; \
    }

#define vec_push(v, item)                                               \
    do {                                                                \
        if ((v)->n == (v)->cap) {                                       \
            (v)->cap = (v)->cap ? (v)->cap * 2 : 8;                     \
            (v)->p = check_realloc((v)->p, (v)->cap * sizeof(*(v)->p)); \
        }                                                               \
        (v)->p[(v)->n++] = (item);                                      \
    } while (0)

#define vec_free(v)            \
    do {                       \
        free((v)->p);          \
        (v)->p = NULL;         \
        (v)->n = (v)->cap = 0; \
    } while (0)

#endif
