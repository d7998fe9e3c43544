/*
 * The text that a user gives to `ingot query`, read as far as ingot has to understand it: where one statement ends,
 * which names occur (only tables that are named are opened, so that a query starts quickly), and where delta(...)
 * stands for a table. Strings, quoted names, numbers and comments are told apart as DuckDB does; everything else is
 * DuckDB's to judge.
 */
#ifndef CLI_QUERY_SQL_H
#define CLI_QUERY_SQL_H

#include "base/base.h"

/* delta('PATH_OR_URL' [, version => N] [, timestamp => 'T'] [, row_ids => true]) or delta_changes('PATH_OR_URL', N [,
 * M]) in the text; N and M may be times. */
struct query_delta {
    size_t from, to; /* where it stands, in bytes */
    const char *place;
    int64_t version; /* -1: the latest */
    bool at_time;    /* the version of `time_us` */
    int64_t time_us;
    bool row_ids; /* with the columns _row_id and _row_commit_version */
    bool changes; /* what changed from `version` (or time_us, if at_time) to `last` (-1: the latest) */
    int64_t last;
    bool until_time; /* to the last version of `until_us` */
    int64_t until_us;
};

struct query_statement {
    size_t from, to;
    bool changes;  /* it changes a Delta table (query_dml.h) */
    size_t target; /* where that table's delta( stands: it is no table to read */
};

struct query_text {
    struct arena *arena;
    struct str text;
    VEC(struct query_statement) statements; /* those with anything in them */
    VEC(struct query_delta) deltas;
    VEC(const char *) names; /* words, quoted names and what strings hold, in lower case */
    bool asks_catalog;       /* SHOW, DESCRIBE and the like: every table must be there to be seen */
};

/* The texts belong to `arena`. IG_INVALID: a delta(...) that can not be read, with its line and column. IG_UNSUPPORTED:
 * a transaction around changes of Delta tables. */
IG_MUST_CHECK enum ig_code query_text_read(struct arena *arena, struct str text, struct query_text *out,
                                           struct error *err);
void query_text_free(struct query_text *q);
bool query_text_names(const struct query_text *q, const char *name);
/* Is NAME followed by a dot somewhere, as a catalog or schema is? */
bool query_text_qualifies(const struct query_text *q, const char *name);

/*
 * Appends statement i as DuckDB is to read it: its lines and columns are those of the whole text, so that messages
 * point to the right place, and every delta(...) is replaced by a view's name of the same length.
 */
void query_text_add_statement(const struct query_text *q, size_t i, struct buf *out);
/* The whole text, so replaced: every byte behind a delta(...) is where it was. */
void query_text_add_replaced(const struct query_text *q, struct buf *out);
void query_delta_view(size_t i, char out[16]);
/* Puts the delta(...) of the user's text back into a message. */
void query_text_restore(const struct query_text *q, const char *message, struct buf *out);

#endif
