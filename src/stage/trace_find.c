/*
 * Which records does an id mean? TOPIC/PARTITION/OFFSET says it itself; a key is looked for in bronze, in what is on
 * the way to bronze, and in the DLQ.
 */
#include "stage/tables.h"
#include "stage/trace.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MENTION_MIN_BYTES 8 /* shorter ids occur in malformed text by chance */

static void add_place(struct trace *t, struct trace_place p)
{
    for (size_t i = 0; i < t->places.n; i++) {
        const struct trace_place *q = &t->places.p[i];

        if (q->partition == p.partition && q->offset == p.offset && strcmp(q->topic, p.topic) == 0)
            return;
    }
    if (t->places.n < TRACE_PLACES_MAX)
        vec_push(&t->places, p);
}

/* --- by coordinates -------------------------------------------------------------------------------------------- */

struct letter_search {
    struct trace *t;
    const struct conf_domain *d;
    int64_t partition, offset;
};

static enum ig_code take_letter(void *ctx, const struct log_record *record, struct error *err)
{
    const struct letter_search *s = ctx;
    struct trace_place p = {.domain = s->d};
    struct topic_letter letter;

    (void)err;
    if (record->partition != s->partition || record->offset != s->offset || !topic_read_letter(record, &letter))
        return IG_OK;
    p.topic = arena_strndup(&s->t->arena, letter.topic.p, letter.topic.n);
    p.partition = letter.partition;
    p.offset = letter.offset;
    add_place(s->t, p);
    return IG_OK;
}

/* A dead letter's own coordinates mean the record that it is about. */
static enum ig_code find_letter(struct trace *t, const struct conf_domain *d, int64_t partition, int64_t offset,
                                struct error *err)
{
    struct letter_search search = {t, d, partition, offset};
    struct topic_bounds bounds = {0};
    const struct topic_reading reading = {
        .x = t->x, .topic = d->topic.dlq_name, .bounds = &bounds, .on_record = take_letter, .ctx = &search};
    enum ig_code rc;

    if (!t->x->log)
        return IG_OK;
    rc = topic_bounds_read(t->x, d->topic.dlq_name, &bounds, err);
    if (!rc)
        rc = topic_read(&reading, err);
    vec_free(&bounds);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

/* Is the id of the form TOPIC/PARTITION/OFFSET, with a topic of this project? */
static enum ig_code find_by_coordinates(struct trace *t, struct error *err)
{
    const char *text = arena_strndup(&t->arena, t->id.p, t->id.n);
    char *slash = strrchr(text, '/'), *first = NULL;
    struct trace_place p = {0};

    if (slash) {
        *slash = '\0';
        first = strrchr(text, '/');
    }
    if (!first || !str_to_int64(str_of(slash + 1), 0, INT64_MAX, &p.offset) ||
        !str_to_int64(str_of(first + 1), 0, INT32_MAX, &p.partition))
        return IG_OK;
    *first = '\0';
    p.topic = text;
    for (size_t i = 0; i < t->x->conf->n_domains; i++) {
        p.domain = &t->x->conf->domains[i];
        if (strcmp(text, p.domain->topic.name) == 0)
            add_place(t, p);
        else if (strcmp(text, p.domain->topic.dlq_name) == 0)
            IG_TRY(find_letter(t, p.domain, p.partition, p.offset, err));
    }
    return IG_OK;
}

/* --- SQL ------------------------------------------------------------------------------------------------------- */

void trace_add_key(const struct conf_contract *contract, const char *prefix, struct buf *sql)
{
    buf_puts(sql, "concat_ws(','");
    for (size_t i = 0; i < contract->n_key; i++) {
        buf_printf(sql, ", coalesce(%s", prefix);
        engine_add_name(sql, str_of(contract->key[i]));
        buf_puts(sql, "::VARCHAR, '')");
    }
    buf_putc(sql, ')');
}

void trace_add_where(const struct trace_place *p, struct buf *sql)
{
    buf_puts(sql, " WHERE _topic = ");
    engine_add_literal(sql, str_of(p->topic));
    buf_printf(sql, " AND _partition = %lld AND _offset = %lld", (long long)p->partition, (long long)p->offset);
}

enum ig_code trace_add_bronze(struct trace *t, const struct conf_domain *d, struct buf *sql, size_t *n,
                              struct error *err)
{
    struct buf files, names;
    enum ig_code rc;

    buf_init(&files, 0);
    buf_init(&names, 0);
    rc = tables_add_bronze_files(t->x, d, DATE_NONE, &files, &names, n, err);
    if (!rc && *n > 0) { /* the objects' names: a local copy has another */
        buf_puts(sql, "(SELECT *, string_split(");
        engine_add_literal(sql, buf_str(&names));
        buf_printf(sql,
                   ", chr(10))[file_index::BIGINT + 1] AS filename FROM read_parquet(%s, union_by_name = true, "
                   "hive_partitioning = false))",
                   buf_cstr(&files));
    }
    buf_release(&names);
    buf_release(&files);
    return rc;
}

/* --- by key ---------------------------------------------------------------------------------------------------- */

/* Characters that JSON writers put as they are; others may be escaped, and are no use for a quick look at the text. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("-_.:@# +", s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_text(const struct conf_domain *d, const char *column)
{
    const int i = conf_column(&d->contract, str_of(column));

    return i >= 0 && d->contract.fields[i].type == CONF_STRING;
}

/* " WHERE contains(_value, 'PART') AND ...": a quick look at the text before records are parsed. Only strings are
 * written in a record as they are in a key: numbers and times have many forms. */
static void add_quick_look(const struct conf_domain *d, struct str key, struct buf *sql)
{
    const struct conf_contract *k = &d->contract;
    size_t from = 0, part = 0, n = 1;

    for (size_t i = 0; i < key.n; i++)
        n += key.p[i] == ',';
    buf_puts(sql, " WHERE _value IS NOT NULL");
    if (n != k->n_key)
        return;
    for (size_t i = 0; i <= key.n; i++) {
        const struct str piece = {key.p + from, i - from};

        if (i < key.n && key.p[i] != ',')
            continue;
        if (is_text(d, k->key[part]) && is_plain(piece)) {
            buf_puts(sql, " AND contains(_value, ");
            engine_add_literal(sql, piece);
            buf_putc(sql, ')');
        }
        from = i + 1;
        part++;
    }
}

static enum ig_code add_places(struct trace *t, const struct conf_domain *d, const char *sql, struct error *err)
{
    struct engine_rows rows = {0};
    const enum ig_code rc = engine_query(t->c, sql, &rows, err);

    while (!rc && engine_next(&rows)) {
        const struct str topic = engine_str(&rows, 0);

        add_place(t, (struct trace_place){d, arena_strndup(&t->arena, topic.p, topic.n), engine_int64(&rows, 1),
                                          engine_int64(&rows, 2)});
    }
    engine_rows_free(&rows);
    return rc;
}

/* Records of `from` (columns _topic, _partition, _offset, _timestamp, _value) with the key. A text that is no JSON has
 * no key; it counts if it mentions the id. */
static enum ig_code find_in(struct trace *t, const struct conf_domain *d, const char *from, struct str key,
                            bool mentions, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT DISTINCT _topic, _partition, _offset FROM (SELECT _topic, _partition, _offset, _value, "
               "ingot_trace_%s(_value, _timestamp) AS k FROM %s",
               d->name, from);
    add_quick_look(d, key, &sql);
    buf_puts(&sql, ") WHERE ");
    trace_add_key(&d->contract, "k.", &sql);
    buf_puts(&sql, " = ");
    engine_add_literal(&sql, key);
    if (mentions && key.n >= MENTION_MIN_BYTES) {
        buf_puts(&sql, " OR (k._reject IN ('malformed_json', 'invalid_utf8') AND contains(_value, ");
        engine_add_literal(&sql, key);
        buf_puts(&sql, "))");
    }
    buf_puts(&sql, " ORDER BY ALL");
    rc = buf_check(&sql, err, "the search in bronze");
    if (!rc)
        rc = add_places(t, d, buf_cstr(&sql), err);
    buf_release(&sql);
    return rc;
}

/* --- what is not in bronze ------------------------------------------------------------------------------------- */

struct outside {
    struct trace *t;
    struct engine_conn *c;
    struct str key; /* rows are kept only if they may have it */
    const char *first_part;
    bool letters;
    int64_t n;
    struct buf sql;
};

static enum ig_code keep_outside(void *ctx, const struct log_record *record, struct error *err)
{
    struct outside *o = ctx;
    struct topic_letter at = {.topic = str_of(record->topic), .partition = record->partition, .offset = record->offset};
    enum ig_code rc;

    o->n++;
    if (o->first_part &&
        !(record->value.n && memmem(record->value.p, record->value.n, o->first_part, strlen(o->first_part))))
        return IG_OK;
    if (!str_is_utf8(record->value) || (o->letters && !topic_read_letter(record, &at)))
        return IG_OK;
    buf_clear(&o->sql);
    buf_puts(&o->sql, "INSERT INTO trace_outside VALUES (");
    engine_add_literal(&o->sql, at.topic);
    buf_printf(&o->sql, ", %lld, %lld, make_timestamptz(%lld), ", (long long)at.partition, (long long)at.offset,
               (long long)record->timestamp_ms * 1000);
    engine_add_literal(&o->sql, record->value);
    buf_putc(&o->sql, ')');
    rc = buf_check(&o->sql, err, "a record");
    return rc ? rc : engine_exec(o->c, err, buf_cstr(&o->sql));
}

static enum ig_code read_outside(struct trace *t, struct outside *o, const char *topic, bool tail, struct error *err)
{
    struct topic_bounds bounds = {0};
    const struct topic_reading reading = {
        .x = t->x, .topic = topic, .bounds = &bounds, .tail = tail, .on_record = keep_outside, .ctx = o};
    enum ig_code rc;

    o->letters = !tail;
    o->n = 0;
    rc = topic_bounds_read(t->x, topic, &bounds, err);
    if (!rc)
        rc = topic_read(&reading, err);
    vec_free(&bounds);
    if (!rc)
        buf_printf(&t->looked, tail ? ", %lld records of %s that are on the way" : ", %lld dead letters of %s",
                   (long long)o->n, topic);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

static enum ig_code find_outside(struct trace *t, const struct conf_domain *d, struct str key, struct error *err)
{
    struct outside o = {.t = t, .c = t->c, .key = key};
    enum ig_code rc;

    if (!t->x->log) {
        buf_puts(&t->looked, "; the log was not looked at");
        return IG_OK;
    }
    if (d->contract.n_key == 1 && is_text(d, d->contract.key[0]) && is_plain(key))
        o.first_part = arena_strndup(&t->arena, key.p, key.n);
    buf_init(&o.sql, 0);
    rc = engine_exec(t->c, err,
                     "CREATE OR REPLACE TEMP TABLE trace_outside(_topic VARCHAR, _partition INTEGER, _offset BIGINT, "
                     "_timestamp TIMESTAMPTZ, _value VARCHAR)");
    if (!rc)
        rc = read_outside(t, &o, d->topic.name, true, err);
    if (!rc)
        rc = read_outside(t, &o, d->topic.dlq_name, false, err);
    if (!rc)
        rc = find_in(t, d, "trace_outside", key, true, err);
    buf_release(&o.sql);
    return rc;
}

enum ig_code trace_find_key(struct trace *t, const struct conf_domain *d, struct str key, struct error *err)
{
    struct buf from;
    size_t n = 0;
    enum ig_code rc;

    if (d->contract.n_key == 0)
        return IG_OK;
    buf_init(&from, 0);
    rc = trace_add_bronze(t, d, &from, &n, err);
    if (!rc && n)
        rc = find_in(t, d, buf_cstr(&from), key, false, err);
    buf_printf(&t->looked, "%s%zu bronze files of %s", t->looked.n ? "; " : "", n, d->name);
    if (!rc)
        rc = find_outside(t, d, key, err);
    buf_release(&from);
    return rc;
}

enum ig_code trace_find(struct trace *t, struct error *err)
{
    IG_TRY(find_by_coordinates(t, err));
    t->by_coordinates = t->places.n > 0;
    for (size_t i = 0; i < t->x->conf->n_domains && !t->by_coordinates; i++) {
        const struct conf_domain *d = &t->x->conf->domains[i];
        const enum ig_code rc = trace_find_key(t, d, t->id, err);

        if (rc)
            return error_context(err, rc, "look for it in %s", d->name);
    }
    return IG_OK;
}
