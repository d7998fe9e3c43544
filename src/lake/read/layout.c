/*
 * The columns of a table in a file, by its footer: with field ids a column is where its id is, a variant may be marked
 * as one or be two plain binaries, and values may be stored in another way than the engine expects. A column whose type
 * in the file cannot become the table's is refused here, with the file's name: the engine would cast whatever it can.
 * Files that are alike share one layout.
 */
#include "lake/parquet/footer.h"
#include "lake/read/mapping.h"
#include "lake/read/stored.h"

#include <stdlib.h>
#include <strings.h>

struct match {
    struct arena *arena;
    const struct lake_snapshot *s;
    const struct footer *footer;
    bool by_id;
    bool native_variants;
    bool loose_nan;   /* the file's writer leaves NaN out of the bounds */
    bool text_option; /* the engine is told that unmarked bytes are text */
};

static enum ig_code match_type(struct match *m, const struct schema_type *type, const struct footer_node *node,
                               const struct schema_type **out, struct error *err);

static const struct schema_type *stored_as(struct match *m, const struct schema_type *type, enum schema_stored stored)
{
    struct schema_type *copy = ARENA_NEW(m->arena, struct schema_type);

    *copy = *type;
    copy->stored = stored;
    return copy;
}

static const struct footer_node *next_of(const struct footer_node *n)
{
    return n->end;
}

static const struct footer_node *child_by_id(const struct footer_node *parent, int64_t id)
{
    for (const struct footer_node *n = parent->children; n < parent->end; n = next_of(n))
        if (n->id == id)
            return n;
    return NULL;
}

static const struct footer_node *child_by_name(const struct footer_node *parent, const char *name)
{
    for (const struct footer_node *n = parent->children; n < parent->end; n = next_of(n))
        if (strcasecmp(n->name, name) == 0)
            return n;
    return NULL;
}

static bool has_ids(const struct footer_node *parent)
{
    for (const struct footer_node *n = parent->children; n < parent->end; n = next_of(n))
        if (n->id != FOOTER_NO_ID)
            return true;
    return false;
}

/* Where a field is in the file: NULL if nowhere. All of a mapped table's have an id; a change data file's own column is
 * found by its name. */
static const struct footer_node *find_child(struct match *m, const struct schema_field *f,
                                            const struct footer_node *parent)
{
    int64_t id;

    if (m->by_id && json_member_int64(str_of(f->metadata), "delta.columnMapping.id", &id))
        return child_by_id(parent, id);
    return child_by_name(parent, f->physical);
}

/* A column that must not be null is in each file that has rows: no writer adds one later. */
static enum ig_code missing(struct match *m, struct schema_field *f, size_t i, struct error *err)
{
    if (!f->nullable && m->footer->n_rows > 0 && f->type->kind != SCHEMA_VOID)
        return error_set(err, IG_CORRUPT, "column %s is NOT NULL, and the file has no such column", f->name);
    if (m->by_id)
        f->physical = arena_printf(m->arena, LAKE_OWN_PREFIX "missing_%zu", i);
    return IG_OK;
}

static bool is_partition_field(const struct lake_snapshot *s, const struct schema_field *f)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++)
        if (s->metadata.partition_fields[i] == f)
            return true;
    return false;
}

static enum ig_code match_struct(struct match *m, const struct schema_type *type, const struct footer_node *node,
                                 const struct schema_type **out, struct error *err)
{
    const bool top = node == m->footer->root;
    struct schema_type *copy = ARENA_NEW(m->arena, struct schema_type);

    *copy = *type;
    copy->fields = ARENA_ARRAY(m->arena, struct schema_field, type->n_fields ? type->n_fields : 1);
    for (size_t i = 0; i < type->n_fields; i++) {
        struct schema_field *f = &copy->fields[i];
        const struct footer_node *child;

        *f = type->fields[i];
        if (top && is_partition_field(m->s, &type->fields[i]))
            continue;
        child = find_child(m, f, node);
        if (!child) {
            IG_TRY(missing(m, f, i, err));
            continue;
        }
        f->physical = child->name;
        IG_TRY(match_type(m, f->type, child, &f->type, err));
        if (top && m->loose_nan && (f->type->kind == SCHEMA_FLOAT || f->type->kind == SCHEMA_DOUBLE))
            f->type = stored_as(m, f->type, SCHEMA_LOOSE_NAN);
    }
    *out = copy;
    return IG_OK;
}

/* The node of a list's elements: the group "list" between is left out by old writers, and by others the list itself. */
static const struct footer_node *element_node(const struct footer_node *list)
{
    const struct footer_node *middle = list->n_children == 1 ? list->children : NULL;

    if (list->repeated)
        return list;
    if (!middle)
        return NULL;
    if (middle->n_children == 1 && strcmp(middle->name, "array") != 0 &&
        !str_has_suffix(str_of(middle->name), "_tuple"))
        return middle->children;
    return middle;
}

static enum ig_code match_variant(struct match *m, const struct footer_node *node, struct error *err)
{
    if (!m->native_variants && child_by_name(node, "typed_value"))
        return error_set(err, IG_UNSUPPORTED, "the file uses the feature variantShredding without marking it");
    return IG_OK;
}

static enum ig_code match_leaf(struct match *m, const struct schema_type *type, const struct footer_node *node,
                               const struct schema_type **out, struct error *err)
{
    enum schema_stored stored = SCHEMA_AS_IS;
    struct buf name;

    if (lake_may_be_stored(type, node, m->text_option, &stored)) {
        *out = stored == SCHEMA_AS_IS ? type : stored_as(m, type, stored);
        return IG_OK;
    }
    buf_init(&name, 0);
    schema_add_sql(&name, type);
    error_set(err, IG_CORRUPT, "column %s is %s in the table, and what the file has is no such type", node->name,
              buf_cstr(&name));
    buf_release(&name);
    return IG_CORRUPT;
}

static enum ig_code match_type(struct match *m, const struct schema_type *type, const struct footer_node *node,
                               const struct schema_type **out, struct error *err)
{
    const struct footer_node *element = NULL, *key = NULL;
    struct footer_node item;
    struct schema_type *copy;

    *out = type;
    switch (type->kind) {
    case SCHEMA_VOID:
        return IG_OK;
    case SCHEMA_VARIANT:
        return match_variant(m, node, err);
    case SCHEMA_STRUCT:
        if (node->physical == FOOTER_GROUP)
            return match_struct(m, type, node, out, err);
        break;
    case SCHEMA_ARRAY:
        element = element_node(node);
        if (element && (element == node || element == node->children)) { /* what repeats is the element itself */
            item = *element;
            item.repeated = false;
            element = &item;
        }
        break;
    case SCHEMA_MAP:
        key = node->n_children == 1 && node->children->n_children == 2 ? node->children->children : NULL;
        element = key ? next_of(key) : NULL;
        break;
    default:
        return match_leaf(m, type, node, out, err);
    }
    if (!element)
        return error_set(err, IG_CORRUPT, "the column %s is no %s", node->name,
                         type->kind == SCHEMA_STRUCT ? "struct" : "list or map");
    copy = ARENA_NEW(m->arena, struct schema_type);
    *copy = *type;
    if (key)
        IG_TRY(match_type(m, type->key, key, &copy->key, err));
    IG_TRY(match_type(m, type->element, element, &copy->element, err));
    *out = copy;
    return IG_OK;
}

/* --- layouts ----------------------------------------------------------------------------------------------- */

/* Are files read the same way by both? */
static bool same_type(const struct schema_type *a, const struct schema_type *b)
{
    if (a == b || !a || !b)
        return a == b;
    if (a->stored != b->stored || a->n_fields != b->n_fields)
        return false;
    for (size_t i = 0; i < a->n_fields; i++)
        if (strcmp(a->fields[i].physical, b->fields[i].physical) != 0 ||
            !same_type(a->fields[i].type, b->fields[i].type))
            return false;
    return same_type(a->key, b->key) && same_type(a->element, b->element);
}

/* With the names that are the file's own. */
static const struct schema_type *keep_type(struct arena *a, const struct schema_type *type)
{
    struct schema_type *copy;

    if (!type)
        return NULL;
    copy = ARENA_NEW(a, struct schema_type);
    *copy = *type;
    copy->fields = ARENA_ARRAY(a, struct schema_field, type->n_fields ? type->n_fields : 1);
    for (size_t i = 0; i < type->n_fields; i++) {
        copy->fields[i] = type->fields[i];
        copy->fields[i].physical = arena_strdup(a, type->fields[i].physical);
        copy->fields[i].type = keep_type(a, type->fields[i].type);
    }
    copy->key = keep_type(a, type->key);
    copy->element = keep_type(a, type->element);
    return copy;
}

struct layouts {
    VEC(struct lake_layout *) list;
    struct arena *arena;  /* theirs */
    struct arena scratch; /* one file's */
};

/* The layout of that kind, which the list has from then on. */
static const struct lake_layout *layout_for(struct layouts *all, const struct match *m, const struct schema_type *type)
{
    struct lake_layout *own;

    for (size_t i = 0; i < all->list.n; i++)
        if (all->list.p[i]->native_variants == m->native_variants && same_type(all->list.p[i]->schema, type))
            return all->list.p[i];
    own = ARENA_NEW(all->arena, struct lake_layout);
    *own = (struct lake_layout){keep_type(all->arena, type), m->native_variants};
    vec_push(&all->list, own);
    return own;
}

/* The engine's writer and those of Java take NaN into account, or give no bounds then. */
static bool leaves_nan_out(const char *writer)
{
    return !str_has_prefix(str_of(writer), "DuckDB") && !str_has_prefix(str_of(writer), "parquet-mr");
}

static enum ig_code layout_of(struct layouts *all, const struct lake_snapshot *s, const char *path, bool by_id,
                              bool text_option, struct lake_file_layout *out, struct error *err)
{
    struct match m = {.arena = &all->scratch, .s = s, .by_id = by_id, .text_option = text_option};
    const struct schema_type *type;
    struct footer footer;

    IG_TRY(lake_footer_read(s->store->env, path, &all->scratch, &footer, err));
    m.footer = &footer;
    m.loose_nan = leaves_nan_out(footer.writer);
    for (size_t i = 0; i < footer.n_nodes; i++)
        m.native_variants = m.native_variants || footer.root[i].meaning == FOOTER_VARIANT;
    if (by_id && !has_ids(footer.root) && footer.n_rows > 0)
        return error_set(err, IG_CORRUPT, "columnMapping by id: the file has no field ids");
    IG_TRY(match_struct(&m, s->metadata.schema, footer.root, &type, err));
    out->layout = layout_for(all, &m, type);
    out->n_rows = footer.n_rows;
    return IG_OK;
}

enum ig_code lake_layouts(const struct lake_snapshot *s, const char *const *paths, size_t n, struct arena *a,
                          struct lake_file_layout *out, struct error *err)
{
    const bool by_id = lake_mapping_of(s) == LAKE_MAPPING_ID, text_option = !lake_has_binary(s->metadata.schema);
    struct layouts all = {.arena = a};
    enum ig_code rc = IG_OK;

    arena_init(&all.scratch);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = layout_of(&all, s, paths[i], by_id, text_option, &out[i], err);
        if (rc)
            error_context(err, rc, "the file %s", paths[i]);
        arena_release(&all.scratch);
    }
    vec_free(&all.list);
    return rc;
}
