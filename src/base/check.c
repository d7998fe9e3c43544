#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_panic(const char *file, int line, const char *func, const char *what)
{
    fprintf(stderr, "ingot: bug at %s:%d in %s: %s\n", file, line, func, what);
    abort();
}

void *check_malloc(size_t n)
{
    void *p = malloc(n ? n : 1);

    if (!p)
        IG_UNREACHABLE("out of memory");
    return p;
}

void *check_calloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        IG_UNREACHABLE("out of memory");
    return p;
}

void *check_realloc(void *old, size_t n)
{
    void *p = realloc(old, n ? n : 1);

    if (!p)
        IG_UNREACHABLE("out of memory");
    return p;
}

char *check_strdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(check_malloc(n), s, n);
}
