/*
 * Carrying out a statement that changes a Delta table.
 */
#ifndef CLI_QUERY_RUN_H
#define CLI_QUERY_RUN_H

#include "cli/query_dml.h"

struct query_done {
    const char *what; /* "DELETE" */
    struct lake_result result;
    int64_t version;  /* the table's now */
    bool changed;     /* was there a commit? */
    bool counts_rows; /* is it about rows? */
    const char *rows; /* a SELECT of the statement's own answer, which then is all that there is to tell; NULL: none */
};

/* Reads and runs statement i of the text; the views that it names are there. Errors say where in the text. */
IG_MUST_CHECK enum ig_code query_change_run(struct env *env, struct store *project, struct engine_conn *conn,
                                            const struct query_text *text, size_t i, struct query_done *out,
                                            struct error *err);
/* What was done, as one line for people or as a JSON object. */
void query_add_done(const struct query_done *done, bool json, struct buf *out);

#endif
