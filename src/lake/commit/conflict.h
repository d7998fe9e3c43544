/*
 * When two commits met: may ours go on behind the one that won? The rules are Delta's, those of its reference
 * implementation. What the other writer did is judged by its actions alone: any engine may have made them.
 *
 *   ours \ theirs       added rows   removed a file   only moved rows   metaData   protocol   our txn's application
 *   blind append        goes on      goes on          goes on           refused    refused    refused
 *   reads rows          where read   if it was read   goes on           refused    refused    refused
 *   removes a file      as above     also if that one if that one       refused    refused    refused
 *   only moves rows     goes on      if that one      if that one       refused    refused    refused
 *
 * "where read": the added file may hold rows of the scope (LAKE_READ_...) of the change, by its partition values and
 * statistics. In a table whose delta.isolationLevel is WriteSerializable, blind appends of others do not count.
 */
#ifndef LAKE_CONFLICT_H
#define LAKE_CONFLICT_H

#include "lake/lake_internal.h"

/* A file action of a commit. */
struct lake_winner_file {
    struct str path, dv_id; /* decoded */
    struct str raw_values;  /* a JSON object */
    struct str raw_stats;   /* a string's content, its escapes unresolved */
    bool data_change;
    int64_t base_row_id;
};

/* Another writer's commit, as far as the rules look at it. Texts point into the commit's or are in the arena. */
struct lake_winner {
    int64_t version;
    struct arena arena;
    struct str protocol, metadata;               /* raw objects, none without */
    VEC(struct lake_winner_file) added, removed; /* `removed` by path */
    VEC(struct lake_txn) txns;
    VEC(struct str) domains; /* names */
    int64_t in_commit_ms;    /* -1: none */
    int64_t row_high;        /* row tracking's high water mark, -2: it names none */
    bool blind_append;       /* it says so, and removes nothing */
};

/* `text` must live as long as the winner. IG_CORRUPT names the line. lake_winner_free is right after a failure, too. */
IG_MUST_CHECK enum ig_code lake_winner_read(struct lake_winner *w, struct str text, int64_t version, struct error *err);
void lake_winner_free(struct lake_winner *w);

/* Files that winners have moved rows into. What was read may be in them by now: who removes one of them later removes
 * what was read. */
struct lake_moved {
    struct arena arena;
    VEC(struct str) paths;
};

/* IG_OK: the change may be tried at the next version. IG_CONFLICT names the rule and the version; IG_EXISTS: the
 * change's application version is committed already. */
IG_MUST_CHECK enum ig_code lake_check_conflict(const struct lake_change *c, const struct lake_winner *w,
                                               struct lake_moved *moved, struct error *err);

#endif
