/*
 * Delta's conflict rules (conflict.h has the matrix).
 */
#include "lake/commit/conflict.h"

#include "lake/read/prune.h"

#include <stdio.h>
#include <stdlib.h>

/* What a check knows. */
struct check {
    const struct lake_change *c;
    const struct lake_winner *w;
    struct lake_moved *moved; /* of the winners before this one */
    struct error *err;
};

static enum ig_code conflict(const struct check *k, const char *rule, const char *fmt, ...) IG_PRINTF(3, 4);

static enum ig_code conflict(const struct check *k, const char *rule, const char *fmt, ...)
{
    va_list args;
    char line[600];

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    error_set(k->err, IG_CONFLICT, "%s: version %lld %s", rule, (long long)k->w->version, line);
    return IG_CONFLICT;
}

/* --- protocol, metadata, domains, applications ------------------------------------------------------------- */

static enum ig_code check_protocol(const struct check *k)
{
    if (k->w->protocol.n && !(k->c->base && !k->c->protocol && str_eq(k->w->protocol, k->c->base->protocol.raw)))
        return conflict(k, "ProtocolChanged", "changed the protocol");
    return IG_OK;
}

/* The text without the digits behind each mention of an identity column's high water mark, and without time stamps. */
static void add_without_high_marks(struct str text, struct buf *out)
{
    static const char mark[] = "delta.identity.highWaterMark\\\":";

    for (size_t i = 0; i < text.n;) {
        if (text.n - i > sizeof(mark) && memcmp(text.p + i, mark, sizeof(mark) - 1) == 0) {
            buf_puts(out, mark);
            i += sizeof(mark) - 1;
            while (i < text.n && ((text.p[i] >= '0' && text.p[i] <= '9') || text.p[i] == '-'))
                i++;
        } else {
            buf_putc(out, text.p[i++]);
        }
    }
}

/* Did it only count an identity column on? Then a commit that has nothing to do with that goes on. */
static bool moves_high_marks_only(struct str was, struct str is)
{
    struct buf a, b;
    bool same;

    buf_init(&a, 0);
    buf_init(&b, 0);
    add_without_high_marks(was, &a);
    add_without_high_marks(is, &b);
    same = str_eq(buf_str(&a), buf_str(&b));
    buf_release(&b);
    buf_release(&a);
    return same;
}

static enum ig_code check_metadata(const struct check *k)
{
    if (!k->w->metadata.n)
        return IG_OK;
    if (k->c->metadata || !moves_high_marks_only(k->c->base->metadata.raw, k->w->metadata))
        return conflict(k, "MetadataChanged", "changed the schema or the properties");
    return IG_OK;
}

/* Row tracking's domain is counted on instead (commit.c). */
static enum ig_code check_domains(const struct check *k)
{
    enum ig_code rc = IG_OK;
    struct buf name;

    buf_init(&name, 0);
    for (size_t i = 0; i < k->c->n_domains && !rc; i++) {
        buf_clear(&name);
        json_member_string(str_of(k->c->domains[i]), "domain", &name);
        for (size_t n = 0; n < k->w->domains.n && !rc; n++)
            if (str_eq(k->w->domains.p[n], buf_str(&name)) && !str_is(buf_str(&name), "delta.rowTracking"))
                rc = conflict(k, "ConcurrentTransaction", "changed the domain %s", buf_cstr(&name));
    }
    buf_release(&name);
    return rc;
}

static enum ig_code check_applications(const struct check *k)
{
    const struct lake_commit_options *o = k->c->options;

    for (size_t i = 0; o && o->app_id && i < k->w->txns.n; i++) {
        if (!str_is(k->w->txns.p[i].app_id, o->app_id))
            continue;
        if (k->w->txns.p[i].version >= o->app_version)
            return error_set(k->err, IG_EXISTS, "%s has committed its version %lld already", o->app_id,
                             (long long)o->app_version);
        return conflict(k, "ConcurrentTransaction", "is of the same application, %s", o->app_id);
    }
    return IG_OK;
}

/* --- files ------------------------------------------------------------------------------------------------- */

static const struct lake_winner_file *removed_by(const struct lake_winner *w, struct str path)
{
    size_t low = 0, high = w->removed.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (str_cmp(w->removed.p[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->removed.n && str_eq(w->removed.p[low].path, path) ? &w->removed.p[low] : NULL;
}

/* The added file's partition values in the order of the base's columns; NULL if it lacks one. */
static const char *const *values_of(const struct check *k, struct arena *a, const struct lake_winner_file *f)
{
    const struct lake_metadata *m = &k->c->base->metadata;
    const char **values = ARENA_ARRAY(a, const char *, m->n_partition_columns ? m->n_partition_columns : 1);
    size_t found = 0;
    struct json_value key, v;
    struct json_reader r;
    struct buf text;

    buf_init(&text, 0);
    json_reader_init(&r, f->raw_values.n ? f->raw_values : STR("{}"));
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        for (size_t i = 0; i < m->n_partition_columns; i++) {
            if (!json_key_is(&key, str_of(m->partition_fields[i]->physical)))
                continue;
            found++;
            buf_clear(&text);
            if (v.type == JSON_STRING)
                json_unescape(&v, &text);
            values[i] = text.n ? arena_strndup(a, buf_cstr(&text), text.n) : NULL;
        }
    }
    buf_release(&text);
    return found < m->n_partition_columns ? NULL : values;
}

static bool in_partitions(const struct lake_change *c, const struct lake_entry *e)
{
    for (size_t i = 0; i < c->n_partitions; i++)
        if (lake_entry_matches(c->base, e, c->partitions + i * c->n_columns, c->n_columns))
            return true;
    return false;
}

/* May rows of the file be those that the predicate is true for, by its partition values and statistics? */
static bool may_match(const struct lake_change *c, const struct lake_entry *e)
{
    const struct lake_entry *kept;

    return lake_prune(c->base, c->read_where, &e, 1, &kept) > 0;
}

/* May the added file hold rows of what was read? */
static bool adds_to_scope(const struct check *k, const struct lake_winner_file *f)
{
    const struct json_value text = {.type = JSON_STRING, .raw = f->raw_stats, .escaped = true};
    const struct lake_change *c = k->c;
    struct lake_entry as_entry = {.path = f->path.p, .path_n = (uint32_t)f->path.n, .rows = -1};
    struct lake_values values;
    struct arena arena;
    struct buf stats;
    bool found = true;

    if (c->scope == LAKE_READ_NOTHING || c->scope == LAKE_READ_ALL || (c->scope == LAKE_READ_WHERE && !c->read_where))
        return c->scope != LAKE_READ_NOTHING;
    arena_init(&arena);
    buf_init(&stats, 0);
    values = (struct lake_values){.list = values_of(k, &arena, f)};
    as_entry.values = &values;
    json_unescape(&text, &stats);
    as_entry.stats = buf_cstr(&stats);
    as_entry.stats_n = (uint32_t)stats.n;
    (void)!json_member_int64(buf_str(&stats), "numRecords", &as_entry.rows);
    if (values.list)
        found = c->scope == LAKE_READ_PARTITIONS ? in_partitions(c, &as_entry) : may_match(c, &as_entry);
    buf_release(&stats);
    arena_release(&arena);
    return found;
}

static enum ig_code check_added(const struct check *k)
{
    const char *level = lake_property(k->c->base, "delta.isolationLevel", "Serializable");

    if (k->c->no_data_change || k->c->scope == LAKE_READ_NOTHING)
        return IG_OK;
    if (k->w->blind_append && !k->c->metadata && strcmp(level, "WriteSerializable") == 0)
        return IG_OK;
    for (size_t i = 0; i < k->w->added.n; i++) {
        const struct lake_winner_file *f = &k->w->added.p[i];

        if (f->data_change && adds_to_scope(k, f))
            return conflict(k, "ConcurrentAppend", "added %s, where this commit reads", f->path.p);
    }
    return IG_OK;
}

/* A file that it read was removed, and its rows with it. (Files whose rows were only moved still say what was read.) */
static enum ig_code check_read(const struct check *k, struct str path)
{
    const struct lake_winner_file *f = removed_by(k->w, path);

    if (f && f->data_change)
        return conflict(k, "ConcurrentDeleteRead", "removed %s, which this commit has read", f->path.p);
    return IG_OK;
}

static bool was_read(const struct lake_change *c, const struct lake_entry *e)
{
    return lake_entry_is_live(e) && (c->scope != LAKE_READ_PARTITIONS || in_partitions(c, e));
}

static enum ig_code check_all_read(const struct check *k)
{
    const struct lake_change *c = k->c;

    if (c->no_data_change || !k->w->removed.n)
        return IG_OK;
    for (size_t i = 0; i < k->moved->paths.n; i++)
        IG_TRY(check_read(k, k->moved->paths.p[i]));
    if (c->read) {
        for (size_t i = 0; i < c->n_read; i++)
            IG_TRY(check_read(k, lake_entry_name(c->read[i])));
        return IG_OK;
    }
    for (size_t i = 0; c->scope != LAKE_READ_NOTHING && i < c->base->entries.n; i++)
        if (was_read(c, &c->base->entries.p[i]))
            IG_TRY(check_read(k, lake_entry_name(&c->base->entries.p[i])));
    return IG_OK;
}

/* Rows that only went to another file are where they were read, for now. */
static void note_moved(const struct check *k)
{
    const struct lake_change *c = k->c;

    for (size_t i = 0; i < k->w->added.n && (c->read || c->scope != LAKE_READ_NOTHING); i++) {
        const struct lake_winner_file *f = &k->w->added.p[i];

        if (!f->data_change && (c->read || adds_to_scope(k, f))) {
            const struct str path = arena_str(&k->moved->arena, f->path);

            vec_push(&k->moved->paths, path);
        }
    }
}

static enum ig_code check_gone(const struct check *k, const struct lake_entry *e)
{
    const struct lake_winner_file *f = removed_by(k->w, lake_entry_name(e));

    if (f)
        return conflict(k, "ConcurrentDeleteDelete", "removed %s, as this commit would", f->path.p);
    return IG_OK;
}

static enum ig_code check_removed(const struct check *k)
{
    const struct lake_change *c = k->c;

    for (size_t i = 0; k->w->removed.n && i < c->n_removed; i++)
        IG_TRY(check_gone(k, c->removed[i]));
    for (size_t i = 0; k->w->removed.n && i < c->n_readds; i++)
        IG_TRY(check_gone(k, c->readds[i].entry));
    return IG_OK;
}

/* A file added again as it was (new statistics, row ids): who adds it again, too, would undo that. */
static enum ig_code check_readded(const struct check *k)
{
    const struct lake_change *c = k->c;

    for (size_t i = 0; i < k->w->added.n; i++) {
        const struct lake_winner_file *f = &k->w->added.p[i];

        for (size_t n = 0; n < c->n_readds; n++)
            if (str_eq(f->path, lake_entry_name(c->readds[n].entry)))
                return conflict(k, "ConcurrentDeleteDelete", "added %s again, as this commit would", f->path.p);
        for (size_t n = 0; n < c->n_restored; n++)
            if (str_eq(f->path, lake_entry_name(c->restored[n])))
                return conflict(k, "ConcurrentAppend", "added %s, as this commit would", f->path.p);
    }
    return IG_OK;
}

enum ig_code lake_check_conflict(const struct lake_change *c, const struct lake_winner *w, struct lake_moved *moved,
                                 struct error *err)
{
    const struct check k = {c, w, moved, err};

    if (!c->base)
        return conflict(&k, "ProtocolChanged", "has created the table");
    IG_TRY(check_applications(&k));
    if (c->options && c->options->only_on_version != LAKE_LATEST)
        return error_set(err, IG_CONFLICT, "the table has gone on to version %lld", (long long)w->version);
    IG_TRY(check_protocol(&k));
    IG_TRY(check_metadata(&k));
    IG_TRY(check_domains(&k));
    IG_TRY(check_added(&k));
    IG_TRY(check_all_read(&k));
    IG_TRY(check_removed(&k));
    IG_TRY(check_readded(&k));
    note_moved(&k);
    return IG_OK;
}
