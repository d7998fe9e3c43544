#include "source/state.h"

#include <sqlite3.h>
#include <stdlib.h>

struct source_state {
    sqlite3 *db;
    char *path, *domain;
    VEC(struct source_part *) parts; /* in the order in which they were added */
    uint32_t *slots;                 /* hash table by name: 0 free, or an index into parts, plus 1 */
    size_t n_slots;                  /* a power of two, more than half of them free */
    VEC(struct source_bound *) bounds;
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS source_part ("
                             " domain TEXT NOT NULL, part TEXT NOT NULL, seq INTEGER NOT NULL, next INTEGER NOT NULL,"
                             " size_bytes INTEGER NOT NULL, mtime_ms INTEGER NOT NULL, finished INTEGER NOT NULL,"
                             " PRIMARY KEY (domain, part)) WITHOUT ROWID;"
                             "CREATE TABLE IF NOT EXISTS source_bound ("
                             " domain TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,"
                             " offset INTEGER NOT NULL, PRIMARY KEY (domain, topic, partition)) WITHOUT ROWID";

#define BUSY_LIMIT_MS 10000 /* other domains' pumps write to the same file */

static enum ig_code fail(struct source_state *s, struct error *err)
{
    const int code = sqlite3_errcode(s->db);
    enum ig_code rc = IG_IO;

    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        rc = IG_UNAVAILABLE;
    else if (code == SQLITE_FULL)
        rc = IG_NO_SPACE;
    else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        rc = IG_CORRUPT;
    return error_set(err, rc, "%s: %s", s->path, sqlite3_errmsg(s->db));
}

static enum ig_code exec(struct source_state *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? IG_OK : fail(s, err);
}

static char *column_text(sqlite3_stmt *q, int column)
{
    const unsigned char *text = sqlite3_column_text(q, column);

    return check_strdup(text ? (const char *)text : "");
}

/* Where a name is in the table, or would be. */
static uint32_t *slot_of(const struct source_state *s, struct str name)
{
    size_t i = hash_fnv1a(name.p, name.n) & (s->n_slots - 1);

    while (s->slots[i] && !str_eq(str_of(s->parts.p[s->slots[i] - 1]->name), name))
        i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static void add_part(struct source_state *s, struct source_part *p)
{
    vec_push(&s->parts, p);
    if (s->parts.n * 2 <= s->n_slots) {
        *slot_of(s, str_of(p->name)) = (uint32_t)s->parts.n;
        return;
    }
    free(s->slots);
    s->n_slots = s->n_slots ? s->n_slots * 2 : 64;
    s->slots = check_calloc(s->n_slots, sizeof(*s->slots));
    for (size_t i = 0; i < s->parts.n; i++)
        *slot_of(s, str_of(s->parts.p[i]->name)) = (uint32_t)i + 1;
}

static enum ig_code load_parts(struct source_state *s, struct error *err)
{
    static const char sql[] = "SELECT part, next, size_bytes, mtime_ms, finished FROM source_part WHERE domain = ?1"
                              " ORDER BY seq";
    sqlite3_stmt *q = NULL;
    int step;

    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        return fail(s, err);
    sqlite3_bind_text(q, 1, s->domain, -1, SQLITE_STATIC);
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        struct source_part *p = check_calloc(1, sizeof(*p));

        p->name = column_text(q, 0);
        p->next = sqlite3_column_int64(q, 1);
        p->size_bytes = sqlite3_column_int64(q, 2);
        p->mtime_ms = sqlite3_column_int64(q, 3);
        p->finished = sqlite3_column_int(q, 4) != 0;
        add_part(s, p);
    }
    sqlite3_finalize(q);
    return step == SQLITE_DONE ? IG_OK : fail(s, err);
}

static enum ig_code load_bounds(struct source_state *s, struct error *err)
{
    static const char sql[] = "SELECT topic, partition, offset FROM source_bound WHERE domain = ?1";
    sqlite3_stmt *q = NULL;
    int step;

    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        return fail(s, err);
    sqlite3_bind_text(q, 1, s->domain, -1, SQLITE_STATIC);
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        struct source_bound *b = check_calloc(1, sizeof(*b));

        b->topic = column_text(q, 0);
        b->partition = sqlite3_column_int(q, 1);
        b->offset = sqlite3_column_int64(q, 2);
        vec_push(&s->bounds, b);
    }
    sqlite3_finalize(q);
    return step == SQLITE_DONE ? IG_OK : fail(s, err);
}

enum ig_code state_open(struct env *env, const char *data_dir, const char *domain, struct source_state **out,
                        struct error *err)
{
    struct source_state *s = check_calloc(1, sizeof(*s));
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_printf(&path, "%s/state.db", data_dir);
    s->path = buf_take(&path);
    s->domain = check_strdup(domain);
    rc = env_make_dirs(env, data_dir, err);
    if (rc)
        goto out;
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        rc = fail(s, err);
        goto out;
    }
    sqlite3_busy_timeout(s->db, BUSY_LIMIT_MS);
    rc = exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err);
    if (!rc)
        rc = exec(s, schema, err);
    if (!rc)
        rc = load_parts(s, err);
    if (!rc)
        rc = load_bounds(s, err);
out:
    if (rc) {
        state_close(s);
        return error_context(err, rc, "the sources' positions");
    }
    *out = s;
    return IG_OK;
}

void state_close(struct source_state *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    for (size_t i = 0; i < s->parts.n; i++) {
        free(s->parts.p[i]->name);
        free(s->parts.p[i]);
    }
    for (size_t i = 0; i < s->bounds.n; i++) {
        free(s->bounds.p[i]->topic);
        free(s->bounds.p[i]);
    }
    vec_free(&s->parts);
    free(s->slots);
    vec_free(&s->bounds);
    free(s->domain);
    free(s->path);
    free(s);
}

struct source_part *state_part(struct source_state *s, struct str name)
{
    const uint32_t *slot = s->n_slots ? slot_of(s, name) : NULL;

    return slot && *slot ? s->parts.p[*slot - 1] : NULL;
}

struct source_part *state_last_part(struct source_state *s, const char *prefix)
{
    for (size_t i = s->parts.n; i-- > 0;)
        if (str_has_prefix(str_of(s->parts.p[i]->name), prefix))
            return s->parts.p[i];
    return NULL;
}

enum ig_code state_add_part(struct source_state *s, struct str name, int64_t size_bytes, int64_t mtime_ms,
                            struct source_part **out, struct error *err)
{
    struct source_part *p = check_calloc(1, sizeof(*p));

    p->name = check_malloc(name.n + 1);
    memcpy(p->name, name.p, name.n);
    p->name[name.n] = 0;
    p->size_bytes = size_bytes;
    p->mtime_ms = mtime_ms;
    p->dirty = true;
    add_part(s, p);
    *out = p;
    return state_store(s, err);
}

struct source_bound *state_bound(struct source_state *s, const char *topic, int32_t partition)
{
    struct source_bound *b;

    for (size_t i = 0; i < s->bounds.n; i++)
        if (s->bounds.p[i]->partition == partition && strcmp(s->bounds.p[i]->topic, topic) == 0)
            return s->bounds.p[i];
    b = check_calloc(1, sizeof(*b));
    b->topic = check_strdup(topic);
    b->partition = partition;
    b->offset = -1;
    vec_push(&s->bounds, b);
    return b;
}

static bool store_parts(struct source_state *s)
{
    static const char sql[] = "INSERT INTO source_part (domain, part, seq, next, size_bytes, mtime_ms, finished)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (domain, part) DO UPDATE SET"
                              " next = ?4, size_bytes = ?5, mtime_ms = ?6, finished = ?7";
    sqlite3_stmt *q = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK;

    for (size_t i = 0; i < s->parts.n && ok; i++) {
        const struct source_part *p = s->parts.p[i];

        if (!p->dirty)
            continue;
        sqlite3_bind_text(q, 1, s->domain, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, p->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, (sqlite3_int64)i);
        sqlite3_bind_int64(q, 4, p->next);
        sqlite3_bind_int64(q, 5, p->size_bytes);
        sqlite3_bind_int64(q, 6, p->mtime_ms);
        sqlite3_bind_int(q, 7, p->finished);
        ok = sqlite3_step(q) == SQLITE_DONE;
        sqlite3_reset(q);
    }
    sqlite3_finalize(q);
    return ok;
}

static bool store_bounds(struct source_state *s)
{
    static const char sql[] = "INSERT OR REPLACE INTO source_bound (domain, topic, partition, offset)"
                              " VALUES (?1, ?2, ?3, ?4)";
    sqlite3_stmt *q = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK;

    for (size_t i = 0; i < s->bounds.n && ok; i++) {
        const struct source_bound *b = s->bounds.p[i];

        if (!b->dirty)
            continue;
        sqlite3_bind_text(q, 1, s->domain, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, b->topic, -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 3, b->partition);
        sqlite3_bind_int64(q, 4, b->offset);
        ok = sqlite3_step(q) == SQLITE_DONE;
        sqlite3_reset(q);
    }
    sqlite3_finalize(q);
    return ok;
}

enum ig_code state_store(struct source_state *s, struct error *err)
{
    bool dirty = false;
    enum ig_code rc;

    for (size_t i = 0; i < s->parts.n; i++)
        dirty |= s->parts.p[i]->dirty;
    for (size_t i = 0; i < s->bounds.n; i++)
        dirty |= s->bounds.p[i]->dirty;
    if (!dirty)
        return IG_OK;
    rc = exec(s, "BEGIN IMMEDIATE", err);
    if (rc)
        return rc;
    if (!store_parts(s) || !store_bounds(s)) {
        rc = fail(s, err);
        (void)exec(s, "ROLLBACK", NULL);
        return rc;
    }
    rc = exec(s, "COMMIT", err);
    if (rc) {
        (void)exec(s, "ROLLBACK", NULL);
        return rc;
    }
    for (size_t i = 0; i < s->parts.n; i++)
        s->parts.p[i]->dirty = false;
    for (size_t i = 0; i < s->bounds.n; i++)
        s->bounds.p[i]->dirty = false;
    return IG_OK;
}
