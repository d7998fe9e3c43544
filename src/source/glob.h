/*
 * File names by pattern: `*`, `?` and `[...]` within one level, `**` for any number of levels. Names that begin with a
 * dot are matched only by patterns that do.
 */
#ifndef SOURCE_GLOB_H
#define SOURCE_GLOB_H

#include "base/base.h"

struct glob_file {
    char *path;
    int64_t size_bytes, mtime_ms;
};
struct glob_files {
    struct glob_file *p;
    size_t n, cap;
};

/* Adds the files (no folders) that an absolute pattern matches. A pattern that matches none is no error. */
IG_MUST_CHECK enum ig_code glob_expand(struct env *env, const char *pattern, struct glob_files *out, struct error *err);
/* By path, each once. */
void glob_sort(struct glob_files *files);
void glob_free(struct glob_files *files);

#endif
