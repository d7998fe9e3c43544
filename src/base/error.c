#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[IG_CODE_COUNT] = {
#define X(name, text, retry) #name,
    IG_CODE_LIST(X)
#undef X
};

static const enum ig_retry retries[IG_CODE_COUNT] = {
#define X(name, text, retry) IG_RETRY_##retry,
    IG_CODE_LIST(X)
#undef X
};

const char *error_code_name(enum ig_code code)
{
    return (unsigned)code < IG_CODE_COUNT ? names[code] : "?";
}

enum ig_retry error_code_retry(enum ig_code code)
{
    return (unsigned)code < IG_CODE_COUNT ? retries[code] : IG_RETRY_NEVER;
}

enum ig_code error_set(struct error *err, enum ig_code code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    return code;
}

static enum ig_code code_of_errno(int e)
{
    switch (e) {
    case ENOENT:
        return IG_NOT_FOUND;
    case EEXIST:
        return IG_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return IG_NO_SPACE;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return IG_UNAVAILABLE;
    default:
        return IG_IO;
    }
}

enum ig_code error_errno(struct error *err, int saved_errno, const char *fmt, ...)
{
    const enum ig_code code = code_of_errno(saved_errno);
    char reason[128];
    size_t n;
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    n = strlen(err->msg);
    snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror_r(saved_errno, reason, sizeof(reason)));
    return code;
}

enum ig_code error_context(struct error *err, enum ig_code code, const char *fmt, ...)
{
    char msg[sizeof(err->msg)];
    size_t n;
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    n = strlen(msg);
    snprintf(msg + n, sizeof(msg) - n, ": %s", err->msg);
    memcpy(err->msg, msg, sizeof(msg));
    err->code = code;
    return code;
}
