/*
 * OPTIMIZE, REORG, VACUUM, RESTORE, DESCRIBE HISTORY and DETAIL, CLONE: read.
 */
#include "cli/query_parse.h"

#include <string.h>

/* VERSION AS OF n | TIMESTAMP AS OF 't' */
static enum ig_code read_point(struct query_parser *p, struct error *err)
{
    struct query_upkeep *u = &p->out->upkeep;

    if (query_take(p, "VERSION AS OF")) {
        IG_TRY(query_number(p, &u->version, err));
        return u->version < 0 ? query_advise(p, err, "VERSION AS OF: there is no such version") : IG_OK;
    }
    if (!query_take(p, "TIMESTAMP AS OF"))
        return query_refuse(p, err, "here comes VERSION AS OF or TIMESTAMP AS OF");
    IG_TRY(query_string(p, "a time", &u->time, err));
    if (!timestamp_parse(str_of(u->time), &u->time_us))
        return query_advise(p, err, "TIMESTAMP AS OF: a time is written as '2024-01-31 12:00:00Z'");
    return IG_OK;
}

static enum ig_code read_optimize(struct query_parser *p, struct error *err)
{
    static const char *const until[] = {"ZORDER", NULL};
    struct query_upkeep *u = &p->out->upkeep;
    struct query_names names = {0};
    enum ig_code rc = IG_OK;

    p->out->kind = QUERY_OPTIMIZE;
    IG_TRY(query_target(p, err));
    u->full = query_take(p, "FULL");
    if (query_take(p, "WHERE"))
        IG_TRY(query_piece(p, until, false, "a condition", &p->out->where, err));
    if (query_take(p, "ZORDER BY")) {
        rc = query_name_list(p, "a column", true, &names, err);
        for (size_t i = 0; i < names.list.n; i++)
            vec_push(&p->out->columns, names.list.p[i]);
        vec_free(&names.list);
    }
    return rc ? rc : query_end(p, err);
}

/* REORG TABLE delta(...) APPLY (PURGE) */
static enum ig_code read_reorg(struct query_parser *p, struct error *err)
{
    p->out->kind = QUERY_OPTIMIZE;
    p->out->upkeep.purge = true;
    IG_TRY(query_target(p, err));
    if (query_take(p, "WHERE")) {
        static const char *const until[] = {"APPLY", NULL};

        IG_TRY(query_piece(p, until, false, "a condition", &p->out->where, err));
    }
    IG_TRY(query_expect(p, "APPLY", err));
    IG_TRY(query_expect_symbol(p, '(', err));
    IG_TRY(query_expect(p, "PURGE", err));
    IG_TRY(query_expect_symbol(p, ')', err));
    return query_end(p, err);
}

static enum ig_code read_vacuum(struct query_parser *p, struct error *err)
{
    struct query_upkeep *u = &p->out->upkeep;
    int64_t hours;

    p->out->kind = QUERY_VACUUM;
    u->retention_ms = -1;
    IG_TRY(query_target(p, err));
    for (;;) {
        if (query_take(p, "LITE")) {
            u->lite = true;
        } else if (query_take(p, "FULL")) {
            u->lite = false;
        } else if (query_take(p, "DRY RUN")) {
            u->dry_run = true;
        } else if (query_take(p, "RETAIN")) {
            IG_TRY(query_number(p, &hours, err));
            if (hours < 0 || hours > INT64_MAX / 3600000)
                return query_advise(p, err, "RETAIN: there is no such time");
            u->retention_ms = hours * 3600000;
            if (!query_take(p, "HOURS"))
                IG_TRY(query_expect(p, "HOUR", err));
        } else {
            return query_end(p, err);
        }
    }
}

static enum ig_code read_restore(struct query_parser *p, struct error *err)
{
    p->out->kind = QUERY_RESTORE;
    IG_TRY(query_target(p, err));
    IG_TRY(query_expect(p, "TO", err));
    IG_TRY(read_point(p, err));
    return query_end(p, err);
}

static enum ig_code read_describe(struct query_parser *p, struct error *err)
{
    p->out->kind = query_take(p, "HISTORY") ? QUERY_HISTORY : QUERY_DETAIL;
    if (p->out->kind == QUERY_DETAIL)
        IG_TRY(query_expect(p, "DETAIL", err));
    IG_TRY(query_target(p, err));
    if (p->out->kind == QUERY_HISTORY && query_take(p, "LIMIT")) {
        IG_TRY(query_number(p, &p->out->upkeep.limit, err));
        if (p->out->upkeep.limit < 1)
            return query_advise(p, err, "LIMIT: the history is told from 1 commit on");
    }
    return query_end(p, err);
}

enum ig_code query_read_clone(struct query_parser *p, struct error *err)
{
    struct query_change *c = p->out;

    c->kind = QUERY_CLONE;
    c->upkeep.deep = query_take(p, "DEEP");
    if (!c->upkeep.deep)
        IG_TRY(query_expect(p, "SHALLOW", err));
    IG_TRY(query_expect(p, "CLONE", err));
    if (c->or_replace)
        return query_advise(p, err, "a clone is a new table: OR REPLACE does not go with CLONE");
    IG_TRY(query_expect(p, "delta", err));
    IG_TRY(query_expect_symbol(p, '(', err));
    IG_TRY(query_string(p, "the folder or URL of the table that is cloned", &c->upkeep.source, err));
    IG_TRY(query_expect_symbol(p, ')', err));
    c->upkeep.version = LAKE_LATEST;
    if (p->t.type != SQL_END)
        IG_TRY(read_point(p, err));
    return query_end(p, err);
}

/* A table without a catalog is its folder. */
static enum ig_code refuse_drop(struct query_parser *p, struct error *err)
{
    return query_advise(p, err,
                        "there is no DROP TABLE: no catalog has the table, it is its folder. TRUNCATE TABLE takes all "
                        "rows out and keeps the history; to be rid of all of it, remove the folder");
}

bool query_read_upkeep(struct query_parser *p, enum ig_code *rc, struct error *err)
{
    static const struct {
        const char *verb;
        enum ig_code (*read)(struct query_parser *p, struct error *err);
    } verbs[] = {
        {"OPTIMIZE", read_optimize}, {"REORG", read_reorg},   {"VACUUM", read_vacuum}, {"RESTORE", read_restore},
        {"DESCRIBE", read_describe}, {"DESC", read_describe}, {"DROP", refuse_drop},
    };

    for (size_t i = 0; i < IG_COUNT(verbs); i++) {
        if (!query_is(p, verbs[i].verb))
            continue;
        if (verbs[i].read != refuse_drop)
            query_advance(p);
        *rc = verbs[i].read(p, err);
        return true;
    }
    return false;
}
