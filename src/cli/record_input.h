/*
 * Records from files and stdin: pieces of a byte stream that end with a delimiter. Of any size up to a limit, of any
 * bytes.
 */
#ifndef CLI_RECORD_INPUT_H
#define CLI_RECORD_INPUT_H

#include "base/base.h"

#define RECORD_INPUT_MAX ((size_t)256 << 20)

struct record_input {
    struct str delimiter; /* at least a byte */
    bool whole;           /* no delimiter: all of it is one record */
    /* False: no more. The text is borrowed; lines count from 1, whatever the delimiter is. */
    bool (*on_record)(void *ctx, struct str text, int64_t line);
    bool (*on_idle)(void *ctx); /* from time to time while nothing comes */
    void *ctx;
};
/* `path` "-": stdin. What is behind the last delimiter is a record if it is not empty. */
IG_MUST_CHECK enum ig_code record_input_read(const struct record_input *in, const char *path, struct error *err);

#endif
