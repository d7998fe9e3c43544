/*
 * Assertions: for bugs in ingot, never for input. On in every build: a platform that writes other people's
 * data stops rather than guesses.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

#define IG_MUST_CHECK __attribute__((warn_unused_result))
#define IG_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define IG_UNUSED __attribute__((unused))
#define IG_COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Noreturn void check_panic(const char *file, int line, const char *func, const char *what);

#define IG_ASSERT(e) ((e) ? (void)0 : check_panic(__FILE__, __LINE__, __func__, #e))
#define IG_UNREACHABLE(why) check_panic(__FILE__, __LINE__, __func__, why)

/* malloc and friends that do not fail: for small things whose size no peer decides. */
void *check_malloc(size_t n);
void *check_calloc(size_t n, size_t size);
void *check_realloc(void *p, size_t n);
char *check_strdup(const char *s);

#endif
