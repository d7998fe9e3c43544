/*
 * The change data feed, as a query. A version that has change data files says there what changed; any other one added
 * and removed whole files, or marked rows of them by deletion vectors: those are scanned.
 *
 * The rows are read with the schema of the range's end. What a version of the range had under another schema must fit
 * into it: columns that came later are null; with column mapping a column may have been renamed, or dropped (then it is
 * left out).
 */
#include "lake/lake_internal.h"
#include "lake/log/action.h"
#include "lake/table/features.h"

#include <stdlib.h>

#define CHANGE_TYPE "_change_type"
#define COMMIT_VERSION "_commit_version"
#define COMMIT_TIMESTAMP "_commit_timestamp"

enum kind { KIND_INSERT, KIND_DELETE, KIND_CDC, KINDS };

struct moment {
    int64_t version, time_ms;
};

/* Files of one kind, each with its commit. */
struct part {
    struct lake_snapshot *s; /* what the scan is made of: the end's schema, the files as entries */
    VEC(struct moment) moments;
};

/* A file whose deletion vector changed: entries of `s`, first as it was, then as it is. */
struct pair {
    struct lake_snapshot *s;
    struct moment moment;
};

struct feed {
    struct lake_table *t;
    struct lake_snapshot *end;
    struct lake_log log;
    int64_t *times;
    struct lake_chunk *chunk; /* of parts[0].s: the actions' texts, and the schemas of cdc files */
    struct lake_parser parser;
    struct part parts[KINDS];
    VEC(struct pair) pairs;
    bool enabled, in_commit; /* as of the version that is being read */
};

/* --- what a version's metadata must be like ---------------------------------------------------------------- */

static enum ig_code no_longer_readable(int64_t version, const char *what, const char *column, struct error *err)
{
    return error_set(err, IG_UNSUPPORTED,
                     "the changes of version %lld do not fit into the schema at the end of the range: %s %s",
                     (long long)version, what, column);
}

static const struct schema_field *find_field(const struct schema_type *type, const struct schema_field *like,
                                             bool mapped)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (strcmp(mapped ? type->fields[i].physical : type->fields[i].name, mapped ? like->physical : like->name) == 0)
            return &type->fields[i];
    return NULL;
}

static enum ig_code check_schema(const struct feed *f, const struct lake_snapshot *s, int64_t version,
                                 struct error *err)
{
    const struct lake_metadata *end = &f->end->metadata, *m = &s->metadata;
    const bool mapped = strcmp(lake_property(f->end, "delta.columnMapping.mode", "none"), "none") != 0 &&
                        strcmp(lake_property(s, "delta.columnMapping.mode", "none"), "none") != 0;

    for (size_t i = 0; i < m->schema->n_fields; i++) {
        const struct schema_field *was = &m->schema->fields[i], *is = find_field(end->schema, was, mapped);

        if (!is && !mapped)
            return no_longer_readable(version, "there is no column", was->name, err);
        if (is && !schema_can_hold(is->type, was->type))
            return no_longer_readable(version, "another type has", was->name, err);
    }
    if (m->n_partition_columns != end->n_partition_columns)
        return no_longer_readable(version, "the partitioning is another one", "", err);
    for (size_t i = 0; i < m->n_partition_columns; i++)
        if (strcmp(m->partition_fields[i]->physical, end->partition_fields[i]->physical) != 0)
            return no_longer_readable(version, "the table was partitioned by", m->partition_columns[i], err);
    return IG_OK;
}

static enum ig_code take_state(struct feed *f, const struct lake_snapshot *s, int64_t version, struct error *err)
{
    f->enabled = lake_is_on(s, "delta.enableChangeDataFeed");
    f->in_commit = lake_is_on(s, "delta.enableInCommitTimestamps");
    if (!f->enabled)
        return error_set(err, IG_NOT_FOUND,
                         "change data was not recorded for version %lld: delta.enableChangeDataFeed is not on there",
                         (long long)version);
    return check_schema(f, s, version, err);
}

/* Metadata within the range. The protocol is the end's: it only grows. */
static enum ig_code take_metadata(struct feed *f, struct str raw, int64_t version, struct error *err)
{
    struct lake_snapshot *s = lake_snapshot_new(f->t->store, f->t->path);
    enum ig_code rc;

    s->metadata.raw = raw;
    s->protocol = f->end->protocol;
    rc = lake_replay_finish(s, err);
    if (!rc)
        rc = take_state(f, s, version, err);
    lake_snapshot_free(s);
    return rc;
}

/* --- one commit -------------------------------------------------------------------------------------------- */

static struct lake_snapshot *like_end(const struct feed *f)
{
    struct lake_snapshot *s = lake_snapshot_new(f->t->store, f->t->path);

    s->version = f->end->version;
    s->metadata = f->end->metadata;
    s->protocol = f->end->protocol;
    return s;
}

static void put_entry(struct lake_snapshot *s, const struct lake_entry *e)
{
    vec_push(&s->entries, *e);
    s->entries.p[s->entries.n - 1].live = true;
    s->n_live++;
}

static void put_file(struct feed *f, enum kind kind, const struct lake_entry *e, struct moment moment)
{
    put_entry(f->parts[kind].s, e);
    vec_push(&f->parts[kind].moments, moment);
}

/* Spark leaves the columns whose value is null out of a remove. */
static bool says_all_values(const struct feed *f, const struct lake_entry *removed)
{
    struct json_reader r;
    struct json_value key, v;
    size_t n = 0;

    json_reader_init(&r, removed->values->raw);
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v))
        n++;
    return n >= f->end->metadata.n_partition_columns;
}

/* A remove does not always say of which partition the file was: the version before knows. */
static enum ig_code find_values(struct feed *f, struct lake_entry *removed, int64_t version, struct error *err)
{
    struct lake_snapshot *before = NULL;
    const struct lake_entry *e;

    if (f->end->metadata.n_partition_columns == 0 || (removed->values && says_all_values(f, removed)))
        return IG_OK;
    IG_TRY(lake_snapshot_open(f->t, version - 1, &before, err));
    e = lake_snapshot_find(before, lake_entry_name(removed), lake_entry_dv_id(removed));
    if (e && e->values) {
        removed->values = ARENA_NEW(&f->chunk->arena, struct lake_values);
        removed->values->raw = arena_str(&f->chunk->arena, e->values->raw);
    }
    lake_snapshot_free(before);
    return IG_OK;
}

static void put_pair(struct feed *f, const struct lake_entry *was, const struct lake_entry *is, struct moment moment)
{
    struct pair pair = {like_end(f), moment};

    put_entry(pair.s, was);
    put_entry(pair.s, is);
    vec_push(&f->pairs, pair);
}

/* The add of the same file, with another deletion vector. */
static struct lake_action *partner_of(const struct lake_actions *actions, const struct lake_entry *removed)
{
    for (size_t i = 0; i < actions->list.n; i++) {
        struct lake_action *a = &actions->list.p[i];

        if (a->kind == LAKE_ADD && a->data_change && a->u.file.hash == removed->hash &&
            str_eq(lake_entry_name(&a->u.file), lake_entry_name(removed)))
            return a;
    }
    return NULL;
}

static enum ig_code take_files(struct feed *f, struct lake_actions *actions, struct moment moment, struct error *err)
{
    bool any_vector = false;

    for (size_t i = 0; i < actions->list.n; i++)
        any_vector = any_vector || (actions->list.p[i].kind == LAKE_ADD && lake_entry_dv(&actions->list.p[i].u.file).n);
    for (size_t i = 0; i < actions->list.n; i++) {
        struct lake_action *a = &actions->list.p[i];
        struct lake_action *partner;

        if (a->kind != LAKE_REMOVE || !a->data_change)
            continue;
        IG_TRY(find_values(f, &a->u.file, moment.version, err));
        if (!a->says_size) /* nor of which size */
            a->u.file.size_bytes = -1;
        partner = any_vector || lake_entry_dv(&a->u.file).n ? partner_of(actions, &a->u.file) : NULL;
        if (partner) {
            put_pair(f, &a->u.file, &partner->u.file, moment);
            partner->data_change = false; /* done */
        } else {
            put_file(f, KIND_DELETE, &a->u.file, moment);
        }
    }
    for (size_t i = 0; i < actions->list.n; i++)
        if (actions->list.p[i].kind == LAKE_ADD && actions->list.p[i].data_change)
            put_file(f, KIND_INSERT, &actions->list.p[i].u.file, moment);
    return IG_OK;
}

static enum ig_code take_commit(struct feed *f, struct lake_actions *actions, struct moment moment, struct error *err)
{
    bool has_cdc = false;

    for (size_t i = 0; i < actions->list.n; i++) {
        if (actions->list.p[i].kind == LAKE_METADATA)
            IG_TRY(take_metadata(f, actions->list.p[i].u.raw, moment.version, err));
        has_cdc = has_cdc || actions->list.p[i].kind == LAKE_CDC;
    }
    if (f->in_commit && f->parser.in_commit_ms >= 0)
        moment.time_ms = f->parser.in_commit_ms;
    if (!has_cdc)
        return take_files(f, actions, moment, err);
    for (size_t i = 0; i < actions->list.n; i++)
        if (actions->list.p[i].kind == LAKE_CDC)
            put_file(f, KIND_CDC, &actions->list.p[i].u.file, moment);
    return IG_OK;
}

static enum ig_code read_commit(struct feed *f, const struct lake_log_commit *commit, struct buf *text,
                                struct error *err)
{
    const struct moment moment = {commit->version, f->times[commit - f->log.commits.p]};
    struct lake_actions actions = {0};
    struct buf name;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_clear(text);
    lake_add_log_name(&name, f->t->path, commit->version, ".json");
    rc = store_get(f->t->store, buf_cstr(&name), text, err);
    if (!rc && text->n == 0)
        rc = error_set(err, IG_CORRUPT, "the file is empty");
    if (!rc)
        rc = lake_seal_check(buf_str(text), err);
    if (!rc)
        rc = lake_parse_actions(&f->parser, buf_str(text), &actions, err);
    if (rc)
        error_context(err, rc, "version %lld: %s", (long long)commit->version, buf_cstr(&name));
    else
        rc = take_commit(f, &actions, moment, err);
    vec_free(&actions.list);
    buf_release(&name);
    return rc;
}

static enum ig_code read_commits(struct feed *f, int64_t from, int64_t to, struct error *err)
{
    struct lake_snapshot *start = NULL;
    enum ig_code rc = lake_snapshot_open(f->t, from, &start, err);
    struct buf text;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    if (!rc)
        rc = take_state(f, start, from, err);
    for (int64_t version = from; version <= to && !rc; version++) {
        const struct lake_log_commit *commit = lake_log_commit_of(&f->log, version);

        if (commit)
            rc = read_commit(f, commit, &text, err);
        else
            rc = error_set(err, IG_NOT_FOUND, "version %lld is not in the log any more", (long long)version);
    }
    buf_release(&text);
    lake_snapshot_free(start);
    return rc;
}

/* --- the query --------------------------------------------------------------------------------------------- */

static void add_names(const struct feed *f, const char *table, struct buf *sql)
{
    const struct schema_type *schema = f->end->metadata.schema;

    for (size_t i = 0; i < schema->n_fields; i++) {
        buf_printf(sql, "%s.", table);
        engine_add_name(sql, str_of(schema->fields[i].name));
        buf_puts(sql, ", ");
    }
}

/* Gives the columns their types, also where nothing changed. */
static void add_empty(const struct feed *f, struct buf *sql)
{
    const struct schema_type *schema = f->end->metadata.schema;

    buf_puts(sql, "(SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        buf_puts(sql, "NULL::");
        schema_add_sql(sql, schema->fields[i].type);
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(schema->fields[i].name));
        buf_puts(sql, ", ");
    }
    buf_puts(sql, "NULL::VARCHAR AS " CHANGE_TYPE ", NULL::BIGINT AS " COMMIT_VERSION
                  ", NULL::TIMESTAMPTZ AS " COMMIT_TIMESTAMP " WHERE false");
}

static void add_moment(struct buf *sql, struct moment moment)
{
    buf_printf(sql, "%lld::BIGINT, make_timestamptz(%lld)", (long long)moment.version,
               (long long)moment.time_ms * 1000);
}

static enum ig_code add_part(struct feed *f, enum kind kind, struct buf *sql, struct error *err)
{
    static const char *const types[KINDS] = {"'insert'", "'delete'", ("_ingot_s." CHANGE_TYPE)};
    const struct lake_scan scan = {.file_column = true};
    struct part *part = &f->parts[kind];

    if (part->moments.n == 0)
        return IG_OK;
    IG_TRY(lake_replay_finish(part->s, err));
    buf_puts(sql, " UNION ALL SELECT ");
    add_names(f, "_ingot_s", sql);
    buf_printf(sql, "%s, _ingot_v.v, _ingot_v.t FROM ", types[kind]);
    IG_TRY(lake_add_scan(part->s, &scan, sql, err));
    buf_puts(sql, " AS _ingot_s JOIN (VALUES ");
    for (size_t i = 0; i < part->moments.n; i++) {
        buf_printf(sql, "%s(%zu::BIGINT, ", i ? ", " : "", i);
        add_moment(sql, part->moments.p[i]);
        buf_putc(sql, ')');
    }
    buf_puts(sql, ") AS _ingot_v(f, v, t) ON _ingot_s." LAKE_FILE_COLUMN " = _ingot_v.f");
    return IG_OK;
}

/* The rows that are live in entry `in` and not in entry `out` of the pair. */
static enum ig_code add_difference(const struct feed *f, const struct pair *pair, size_t in, size_t out,
                                   const char *type, struct buf *sql, struct error *err)
{
    const struct lake_scan scan = {.row_column = true};
    const struct lake_entry *entries[2] = {&pair->s->entries.p[in], &pair->s->entries.p[out]};

    if (lake_entry_dv(entries[1]).n == 0)
        return IG_OK; /* all rows are live there */
    buf_puts(sql, " UNION ALL SELECT ");
    add_names(f, "_ingot_s", sql);
    buf_printf(sql, "'%s', ", type);
    add_moment(sql, pair->moment);
    buf_puts(sql, " FROM ");
    IG_TRY(lake_add_scan_of(pair->s, entries, 1, &scan, sql, err));
    buf_puts(sql, " AS _ingot_s ANTI JOIN (SELECT " LAKE_ROW_COLUMN " FROM ");
    IG_TRY(lake_add_scan_of(pair->s, entries + 1, 1, &scan, sql, err));
    buf_puts(sql, ") AS _ingot_o USING (" LAKE_ROW_COLUMN ")");
    return IG_OK;
}

static enum ig_code add_query(struct feed *f, struct buf *sql, struct error *err)
{
    add_empty(f, sql);
    for (int kind = 0; kind < KINDS; kind++)
        IG_TRY(add_part(f, (enum kind)kind, sql, err));
    for (size_t i = 0; i < f->pairs.n; i++) {
        const struct pair *pair = &f->pairs.p[i];

        IG_TRY(lake_replay_finish(pair->s, err));
        IG_TRY(add_difference(f, pair, 0, 1, "delete", sql, err));
        IG_TRY(add_difference(f, pair, 1, 0, "insert", sql, err));
    }
    buf_putc(sql, ')');
    return buf_check(sql, err, "the query of a table's changes");
}

/* --- all of it --------------------------------------------------------------------------------------------- */

/* Change data files have one column more than the table. */
static void add_change_type(struct feed *f)
{
    struct lake_metadata *m = &f->parts[KIND_CDC].s->metadata;
    struct arena *a = &f->chunk->arena;
    struct schema_type *type = ARENA_NEW(a, struct schema_type), *text = ARENA_NEW(a, struct schema_type);

    *type = *m->schema;
    type->fields = ARENA_ARRAY(a, struct schema_field, type->n_fields + 1);
    memcpy(type->fields, m->schema->fields, m->schema->n_fields * sizeof(*type->fields));
    text->kind = SCHEMA_STRING;
    type->fields[type->n_fields++] = (struct schema_field){
        .name = CHANGE_TYPE, .type = text, .nullable = true, .metadata = "{}", .physical = CHANGE_TYPE};
    m->partition_fields = ARENA_ARRAY(a, const struct schema_field *, m->n_partition_columns + 1);
    for (size_t i = 0; i < m->n_partition_columns; i++) /* they point into the fields */
        m->partition_fields[i] = schema_find(type, str_of(m->partition_columns[i]));
    m->schema = type;
}

static enum ig_code check_names(const struct feed *f, struct error *err)
{
    static const char *const own[] = {CHANGE_TYPE, COMMIT_VERSION, COMMIT_TIMESTAMP};

    for (size_t i = 0; i < IG_COUNT(own); i++)
        if (schema_find(f->end->metadata.schema, str_of(own[i])))
            return error_set(err, IG_UNSUPPORTED, "the table has a column %s of its own", own[i]);
    return IG_OK;
}

static enum ig_code open_range(struct feed *f, int64_t from, int64_t *to, struct error *err)
{
    int64_t latest;

    IG_TRY(lake_log_list(f->t->store, f->t->path, &f->log, err));
    latest = lake_log_latest(&f->log);
    if (latest < 0)
        return error_set(err, IG_NOT_FOUND, "there is no table");
    *to = *to == LAKE_LATEST ? latest : *to;
    if (from < 0 || from > *to)
        return error_set(err, IG_INVALID, "the range ends, at version %lld, before it begins, at %lld", (long long)*to,
                         (long long)from);
    f->times = lake_log_times(&f->log);
    return lake_snapshot_open(f->t, *to, &f->end, err);
}

enum ig_code lake_add_changes(struct lake_table *t, int64_t from, int64_t to, struct buf *sql, struct error *err)
{
    struct feed f = {.t = t};
    enum ig_code rc = open_range(&f, from, &to, err);

    for (int kind = 0; kind < KINDS && !rc; kind++)
        f.parts[kind].s = like_end(&f);
    if (!rc) {
        f.chunk = lake_chunk_new(f.parts[KIND_INSERT].s);
        lake_parser_init(&f.parser, &f.chunk->arena);
        f.parser.wants_changes = true;
        add_change_type(&f);
        rc = check_names(&f, err);
        if (!rc)
            rc = read_commits(&f, from, to, err);
        if (!rc)
            rc = add_query(&f, sql, err);
        lake_parser_release(&f.parser);
    }
    for (size_t i = 0; i < f.pairs.n; i++)
        lake_snapshot_free(f.pairs.p[i].s);
    for (int kind = KINDS; kind-- > 0;) { /* the first one holds what the others point to */
        lake_snapshot_free(f.parts[kind].s);
        vec_free(&f.parts[kind].moments);
    }
    vec_free(&f.pairs);
    free(f.times);
    lake_log_free(&f.log);
    lake_snapshot_free(f.end);
    if (rc && err && !str_has_prefix(str_of(err->msg), "table ")) /* a snapshot has said it already */
        error_context(err, rc, "table %s", *t->path ? t->path : t->store->url);
    return rc;
}
