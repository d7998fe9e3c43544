/*
 * Errors. A function that can fail returns an enum ig_code and fills the struct error that its caller gave
 * (which may be NULL). The code says what to do next; the message, read from the outside in, names the object:
 * "commit silver/orders: version 7: the disk is full". It is written where the failure is known, each level up
 * may add one context in front, and only cli/ prints it.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/check.h"

#include <stdarg.h>
#include <stdbool.h>

/* Every failure has one of these codes: name, meaning, and what a caller may do about it. */
#define IG_CODE_LIST(X)                                                     \
    X(OK, "ok", NEVER)                                                      \
    X(INVALID, "the caller or the user gave something unusable", NEVER)     \
    X(NOT_FOUND, "the named thing does not exist", NEVER)                   \
    X(EXISTS, "put-if-absent lost: the name is taken", AFTER_READ)          \
    X(CONFLICT, "somebody else changed what this was based on", AFTER_READ) \
    X(LIMIT, "a configured ceiling was reached", NEVER)                     \
    X(CORRUPT, "stored bytes do not match their format", NEVER)             \
    X(UNSUPPORTED, "a feature that this version does not know", NEVER)      \
    X(UNAVAILABLE, "a peer or store is not answering now", SAFE)            \
    X(UNKNOWN_OUTCOME, "it may or may not have happened", CHECK_FIRST)      \
    X(NO_SPACE, "the disk is full", SAFE)                                   \
    X(CANCELLED, "stopped on purpose", NEVER)                               \
    X(IO, "the operating system refused", NEVER)

enum ig_code {
#define X(name, text, retry) IG_##name,
    IG_CODE_LIST(X)
#undef X
        IG_CODE_COUNT
};

enum ig_retry {
    IG_RETRY_NEVER,       /* the same call will fail again */
    IG_RETRY_SAFE,        /* nothing happened: call again after a pause */
    IG_RETRY_AFTER_READ,  /* somebody else won: re-read, then decide */
    IG_RETRY_CHECK_FIRST, /* it may have happened: look before repeating */
};

/* Lives on the caller's stack and never allocates. */
struct error {
    enum ig_code code;
    char msg[1024];
};

const char *error_code_name(enum ig_code code);
enum ig_retry error_code_retry(enum ig_code code);

/* Records a failure and returns `code`, so that it can end a function. `err` may be NULL. */
enum ig_code error_set(struct error *err, enum ig_code code, const char *fmt, ...) IG_PRINTF(3, 4);

/* The same for a failed system call: maps `saved_errno` to a code (ENOSPC, ENOENT, EEXIST, ...) and appends its
 * text. */
enum ig_code error_errno(struct error *err, int saved_errno, const char *fmt, ...) IG_PRINTF(3, 4);

/* Puts what we were doing in front of the message ("WHAT: MESSAGE") and returns `code`. */
enum ig_code error_context(struct error *err, enum ig_code code, const char *fmt, ...) IG_PRINTF(3, 4);

/* For functions that own nothing yet. With something to release, use `rc = ...; if (rc) goto out;`. */
#define IG_TRY(expr)                            \
    do {                                        \
        const enum ig_code ig_try_rc_ = (expr); \
        if (ig_try_rc_ != IG_OK)                \
            return ig_try_rc_;                  \
    } while (0)

#endif
