/*
 * What a query can name: views over the project's tables, made only for names that occur in its text.
 */
#ifndef CLI_QUERY_VIEWS_H
#define CLI_QUERY_VIEWS_H

#include "cli/query_sql.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "store/store.h"

/* A version of a Delta table. */
struct query_scanned {
    struct store *store;
    const char *path;
    int64_t version;
};

struct query_views {
    struct env *env;
    struct engine_conn *c;
    const struct conf *conf; /* NULL: outside of a project */
    struct store *store;     /* the project's */
    const struct query_text *text;
    struct arena *arena;
    /* Tables that the configuration knows and that have no data yet. */
    VEC(const char *) empty;
    VEC(struct query_scanned) scanned; /* what the views read */
    VEC(struct store *) opened;        /* of delta('s3://...') and delta('gs://...') */
};

/*
 * silver.DOMAIN, gold.TABLE, bronze.DOMAIN, quarantine.DOMAIN, partition_meta; gold tables, then domains, also by their
 * bare names; warehouse.gold.TABLE (the file, attached read-only).
 */
IG_MUST_CHECK enum ig_code query_views_make(struct query_views *v, struct error *err);
/* The project's Delta tables as they are now: a statement has changed one. */
IG_MUST_CHECK enum ig_code query_views_refresh(struct query_views *v, struct error *err);
/* A view for every delta(...) in statement i, as its table is now. */
IG_MUST_CHECK enum ig_code query_views_of_statement(struct query_views *v, size_t i, struct error *err);
/* The engine has said `err` of a statement: if a file that the views read is damaged, `err` names it then. */
void query_views_blame(struct query_views *v, struct error *err);
void query_views_free(struct query_views *v);

#endif
