/*
 * Where a delta('PLACE') is: a folder, file:PATH, or a URL of another store.
 */
#ifndef CLI_QUERY_PLACE_H
#define CLI_QUERY_PLACE_H

#include "base/base.h"
#include "store/store.h"

struct query_place {
    struct store *store;
    bool owned;       /* it is the caller's to free; else it goes with the project's */
    const char *path; /* of the table in it; "" for its root */
};

/* A folder must be there, unless the table is to be made (`create`). `project` is the project's store, whose cache and
 * account other buckets share; NULL outside of one. Errors name the place. */
IG_MUST_CHECK enum ig_code query_place_open(struct env *env, struct store *project, struct arena *a, const char *place,
                                            bool create, struct query_place *out, struct error *err);

#endif
