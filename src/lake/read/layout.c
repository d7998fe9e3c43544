/*
 * What the footers say of a file's columns, for the tables where names alone do not tell: with field ids a column is
 * where its id is, and a variant may be marked as one or be two plain binaries. Files that have everything in its usual
 * place share one layout; each other file gets its own.
 */
#include "lake/read/mapping.h"

#include <stdlib.h>
#include <strings.h>

#define NO_ID INT64_MIN

struct node {
    const char *name;
    int64_t id, n_children;
    const struct node *children; /* the first; the others follow, each behind all of the one before */
    const struct node *end;      /* behind the last of what is below */
};

struct file_columns {
    VEC(struct node) nodes; /* depth first; the root is the first */
    bool native_variants;   /* they are marked as such */
};

struct match {
    const char *path;
    struct arena *arena;
    bool by_id;
    bool irregular;
    bool native_variants;
};

static enum ig_code match_type(struct match *m, const struct schema_type *type, const struct node *node,
                               const struct schema_type **out, struct error *err);

static const struct node *next_of(const struct node *n)
{
    return n->end;
}

static const struct node *child_by_id(const struct node *parent, int64_t id)
{
    for (const struct node *n = parent->children; n < parent->end; n = next_of(n))
        if (n->id == id)
            return n;
    return NULL;
}

static const struct node *child_by_name(const struct node *parent, const char *name)
{
    for (const struct node *n = parent->children; n < parent->end; n = next_of(n))
        if (strcasecmp(n->name, name) == 0)
            return n;
    return NULL;
}

static bool has_ids(const struct node *parent)
{
    for (const struct node *n = parent->children; n < parent->end; n = next_of(n))
        if (n->id != NO_ID)
            return true;
    return false;
}

/* Where a field is in the file: NULL if nowhere. All of a mapped table's have an id; a change data file's own column is
 * found by its name. */
static const struct node *find_child(struct match *m, const struct schema_field *f, const struct node *parent)
{
    const struct node *by_name = child_by_name(parent, f->physical), *found = by_name;
    int64_t id;

    if (m->by_id && json_member_int64(str_of(f->metadata), "delta.columnMapping.id", &id))
        found = child_by_id(parent, id);
    m->irregular = m->irregular || found != by_name;
    return found;
}

static enum ig_code match_struct(struct match *m, const struct schema_type *type, const struct node *node,
                                 const struct schema_type **out, struct error *err)
{
    struct schema_type *copy = ARENA_NEW(m->arena, struct schema_type);

    *copy = *type;
    copy->fields = ARENA_ARRAY(m->arena, struct schema_field, type->n_fields ? type->n_fields : 1);
    for (size_t i = 0; i < type->n_fields; i++) {
        struct schema_field *f = &copy->fields[i];
        const struct node *child;

        *f = type->fields[i];
        child = find_child(m, f, node);
        if (child) {
            f->physical = child->name;
            IG_TRY(match_type(m, f->type, child, &f->type, err));
        } else if (m->by_id) {
            f->physical = arena_printf(m->arena, LAKE_OWN_PREFIX "missing_%zu", i);
        }
    }
    *out = copy;
    return IG_OK;
}

/* The node of a list's elements: the group "list" between is left out by old writers. */
static const struct node *element_node(const struct node *list)
{
    const struct node *middle = list->n_children == 1 ? list->children : NULL;

    if (!middle)
        return NULL;
    if (middle->n_children == 1 && strcmp(middle->name, "array") != 0 &&
        !str_has_suffix(str_of(middle->name), "_tuple"))
        return middle->children;
    return middle;
}

static enum ig_code match_variant(struct match *m, const struct node *node, struct error *err)
{
    if (!m->native_variants && child_by_name(node, "typed_value"))
        return error_set(err, IG_UNSUPPORTED, "the file uses the feature variantShredding without marking it");
    return IG_OK;
}

static enum ig_code match_type(struct match *m, const struct schema_type *type, const struct node *node,
                               const struct schema_type **out, struct error *err)
{
    const struct node *element, *key;
    struct schema_type *copy;

    *out = type;
    switch (type->kind) {
    case SCHEMA_VARIANT:
        return match_variant(m, node, err);
    case SCHEMA_STRUCT:
        return match_struct(m, type, node, out, err);
    case SCHEMA_ARRAY:
        element = element_node(node);
        key = NULL;
        break;
    case SCHEMA_MAP:
        key = node->n_children == 1 && node->children->n_children == 2 ? node->children->children : NULL;
        element = key ? next_of(key) : NULL;
        break;
    default:
        return IG_OK;
    }
    if (!element)
        return error_set(err, IG_CORRUPT, "the column %s is no list or map", node->name);
    copy = ARENA_NEW(m->arena, struct schema_type);
    *copy = *type;
    if (key)
        IG_TRY(match_type(m, type->key, key, &copy->key, err));
    IG_TRY(match_type(m, type->element, element, &copy->element, err));
    *out = copy;
    return IG_OK;
}

/* --- footers ----------------------------------------------------------------------------------------------- */

/* Gives a node and those below it their places; false if the counts do not fit. */
static bool link_nodes(struct node *nodes, size_t n, size_t *at, int depth)
{
    struct node *node = &nodes[*at];

    if (depth > 100)
        return false;
    node->children = nodes + ++*at;
    for (int64_t i = 0; i < node->n_children; i++)
        if (*at >= n || !link_nodes(nodes, n, at, depth + 1))
            return false;
    node->end = nodes + *at;
    return true;
}

static enum ig_code match_file(const struct lake_snapshot *s, struct match *m, struct file_columns *f,
                               const struct lake_layout *usual, const struct lake_layout **out, struct error *err)
{
    struct lake_layout *own;
    size_t at = 0;

    if (f->nodes.n == 0 || !link_nodes(f->nodes.p, f->nodes.n, &at, 0) || at != f->nodes.n)
        return error_set(err, IG_CORRUPT, "%s: its columns are not well-formed", m->path);
    if (m->by_id && !has_ids(&f->nodes.p[0]))
        return error_set(err, IG_CORRUPT, "columnMapping by id: %s: the file has no field ids", m->path);
    own = ARENA_NEW(m->arena, struct lake_layout);
    if (match_struct(m, s->metadata.schema, &f->nodes.p[0], &own->schema, err))
        return error_context(err, err ? err->code : IG_CORRUPT, "%s", m->path);
    own->native_variants = m->native_variants;
    *out = m->irregular ? own : &usual[m->native_variants];
    return IG_OK;
}

/* One row of parquet_schema: file, name, children, field id. */
static void add_node(struct arena *a, struct engine_rows *rows, struct file_columns *f)
{
    const struct str name = engine_str(rows, 1);
    const struct node node = {
        .name = arena_strndup(a, name.p ? name.p : "", name.n),
        .n_children = engine_int64(rows, 2),
        .id = engine_is_null(rows, 3) ? NO_ID : engine_int64(rows, 3),
    };

    vec_push(&f->nodes, node);
}

/* parquet_schema does not tell the mark of a variant; the types of the columns do. */
static enum ig_code find_marks(struct engine_conn *c, const char *path, bool *marked, struct error *err)
{
    enum ig_code rc;
    int64_t n = 0;
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT count(*) FROM (DESCRIBE SELECT * FROM read_parquet(");
    lake_add_path_literal(&sql, str_of(path));
    buf_puts(&sql, ")) WHERE regexp_matches(column_type, '(^|[ (])VARIANT($|[],)[])')");
    rc = engine_query_int64(c, buf_cstr(&sql), &n, err);
    *marked = n > 0;
    buf_release(&sql);
    return rc;
}

static enum ig_code read_footers(struct engine_conn *c, const char *const *paths, size_t n, struct arena *a,
                                 struct file_columns *files, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = IG_OK;
    struct buf sql;

    buf_init(&sql, 0);
    for (size_t i = 0; i < n && !rc; i++) {
        buf_clear(&sql);
        buf_puts(&sql, "SELECT file_name, name, num_children, field_id FROM parquet_schema(");
        lake_add_path_literal(&sql, str_of(paths[i]));
        buf_putc(&sql, ')');
        rc = engine_query(c, buf_cstr(&sql), &rows, err);
        while (!rc && engine_next(&rows))
            add_node(a, &rows, &files[i]);
        engine_rows_free(&rows);
        if (!rc)
            rc = find_marks(c, paths[i], &files[i].native_variants, err);
        if (rc)
            rc = error_context(err, rc == IG_INVALID ? IG_CORRUPT : rc, "%s", paths[i]);
    }
    buf_release(&sql);
    return rc;
}

/* The engine's connections belong to others here: an engine of our own reads the footers. */
static enum ig_code read_all(const char *const *paths, size_t n, struct arena *a, struct file_columns *files,
                             struct error *err)
{
    const struct engine_options options = {.threads = 1};
    struct engine_conn *c = NULL;
    struct engine *e = NULL;
    enum ig_code rc = engine_open(&options, &e, err);

    if (!rc)
        rc = engine_connect(e, &c, err);
    if (!rc)
        rc = read_footers(c, paths, n, a, files, err);
    engine_disconnect(c);
    engine_close(e);
    return rc;
}

static bool has_variants(const struct schema_type *type)
{
    if (!type)
        return false;
    for (size_t i = 0; i < type->n_fields; i++)
        if (has_variants(type->fields[i].type))
            return true;
    return type->kind == SCHEMA_VARIANT || has_variants(type->key) || has_variants(type->element);
}

enum ig_code lake_layouts(const struct lake_snapshot *s, const char *const *paths, size_t n, struct arena *a,
                          const struct lake_layout **out, struct error *err)
{
    const bool by_id = lake_mapping_of(s) == LAKE_MAPPING_ID;
    struct lake_layout *usual = ARENA_ARRAY(a, struct lake_layout, 2);
    struct file_columns *files;
    enum ig_code rc;

    usual[0] = (struct lake_layout){s->metadata.schema, false};
    usual[1] = (struct lake_layout){s->metadata.schema, true};
    for (size_t i = 0; i < n; i++)
        out[i] = &usual[0];
    if (n == 0 || (!by_id && !has_variants(s->metadata.schema)))
        return IG_OK;
    files = check_calloc(n, sizeof(*files));
    rc = read_all(paths, n, a, files, err);
    for (size_t i = 0; i < n && !rc; i++) {
        struct match m = {.path = paths[i], .arena = a, .by_id = by_id, .native_variants = files[i].native_variants};

        rc = match_file(s, &m, &files[i], usual, &out[i], err);
    }
    for (size_t i = 0; i < n; i++)
        vec_free(&files[i].nodes);
    free(files);
    return rc;
}
