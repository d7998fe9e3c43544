/* Lists of names, as users and configurations give them. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool names_have(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* What is chosen by a list of wishes: no wish is all. */
static inline bool names_choose(const char *const *names, size_t n, const char *name)
{
    return n == 0 || names_have(names, n, name);
}

#endif
