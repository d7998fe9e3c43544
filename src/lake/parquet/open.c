/*
 * Opening a file: which columns there are, and where it has them. The field numbers are those of the format's own
 * parquet.thrift.
 */
#include "lake/parquet/parquet.h"
#include "lake/parquet/thrift.h"

#define TAIL_BYTES 8 /* the footer's length, PAR1 */
#define FOOTER_MAX_BYTES ((int64_t)64 << 20)
#define DEPTH_MAX 32

enum { TYPE_BOOLEAN = 0, TYPE_INT32 = 1, TYPE_INT64 = 2, TYPE_BYTE_ARRAY = 6 };
enum { CONVERTED_UTF8 = 0, CONVERTED_MAP = 1, CONVERTED_MAP_KEY_VALUE = 2, CONVERTED_LIST = 3 };
enum { CONVERTED_INT_8 = 15, CONVERTED_INT_64 = 18 };
enum { LOGICAL_STRING = 1, LOGICAL_MAP = 2, LOGICAL_LIST = 3, LOGICAL_INTEGER = 10 };

/* --- the schema -------------------------------------------------------------------------------------------- */

struct element {
    struct str name;
    int64_t type, repetition, converted, logical, n_children; /* -1: not said */
};

/* Which member of the union it is. */
static int64_t read_logical(struct thrift *t, int type)
{
    struct thrift_field f = {0};
    int64_t which = -1;

    if (thrift_enter(t, type))
        while (thrift_next(t, &f)) {
            which = f.number;
            thrift_skip(t, f.type);
        }
    thrift_leave(t);
    return which;
}

static struct element read_element(struct thrift *t, int type)
{
    struct element e = {.type = -1, .repetition = -1, .converted = -1, .logical = -1, .n_children = -1};
    struct thrift_field f = {0};

    if (thrift_enter(t, type))
        while (thrift_next(t, &f)) {
            if (f.number == 1)
                e.type = thrift_integer(t, f.type);
            else if (f.number == 3)
                e.repetition = thrift_integer(t, f.type);
            else if (f.number == 4)
                e.name = thrift_binary(t, f.type);
            else if (f.number == 5)
                e.n_children = thrift_integer(t, f.type);
            else if (f.number == 6)
                e.converted = thrift_integer(t, f.type);
            else if (f.number == 10)
                e.logical = read_logical(t, f.type);
            else
                thrift_skip(t, f.type);
        }
    thrift_leave(t);
    return e;
}

static enum parquet_kind kind_of(const struct element *e)
{
    if (e->type == TYPE_BYTE_ARRAY)
        return (e->converted == CONVERTED_UTF8 || e->converted < 0) &&
                       (e->logical == LOGICAL_STRING || e->logical < 0) && (e->converted >= 0 || e->logical >= 0)
                   ? PARQUET_TEXT
                   : PARQUET_OTHER;
    if (e->type == TYPE_INT32 || e->type == TYPE_INT64)
        return (e->converted < 0 || (e->converted >= CONVERTED_INT_8 && e->converted <= CONVERTED_INT_64)) &&
                       (e->logical < 0 || e->logical == LOGICAL_INTEGER)
                   ? PARQUET_INTEGER
                   : PARQUET_OTHER;
    return e->type == TYPE_BOOLEAN ? PARQUET_BOOLEAN : PARQUET_OTHER;
}

static enum parquet_shape said_shape(const struct element *e)
{
    if (e->converted == CONVERTED_MAP || e->converted == CONVERTED_MAP_KEY_VALUE || e->logical == LOGICAL_MAP)
        return PARQUET_MAP;
    if (e->converted == CONVERTED_LIST || e->logical == LOGICAL_LIST)
        return PARQUET_LIST;
    return e->converted < 0 && e->logical < 0 ? PARQUET_STRUCT : PARQUET_ODD;
}

/* A map is a repeated group of a key and a value, a list one of its items: other ways to write them are for the
 * engine. */
static enum parquet_shape checked_shape(const struct parquet_file *f, size_t at)
{
    const struct parquet_node *n = &f->nodes.p[at], *pairs = n + 1, *first = n + 2;
    const size_t columns = n->shape == PARQUET_MAP ? 2 : 1;

    if (n->shape != PARQUET_MAP && n->shape != PARQUET_LIST)
        return n->shape;
    if (n->next != at + 2 + columns || pairs->next != n->next || pairs->kind != PARQUET_GROUP ||
        pairs->repetition != PARQUET_REPEATED)
        return PARQUET_ODD;
    if (n->shape == PARQUET_LIST && (str_is(pairs->name, "array") || str_has_suffix(pairs->name, "_tuple")))
        return PARQUET_ODD; /* an old way: the items are structs */
    for (size_t i = 0; i < columns; i++)
        if (first[i].kind == PARQUET_GROUP || first[i].repetition == PARQUET_REPEATED)
            return PARQUET_ODD;
    return n->shape;
}

struct schema_reader {
    struct parquet_file *f;
    struct thrift *t;
    size_t left; /* elements */
    int item_type;
};

static enum ig_code bad_footer(struct error *err)
{
    return error_set(err, IG_CORRUPT, "its footer is damaged");
}

static enum ig_code read_node(struct schema_reader *r, const struct parquet_node *parent, unsigned depth,
                              struct error *err)
{
    struct parquet_file *f = r->f;
    const size_t at = f->nodes.n;
    struct parquet_node node = {.column = f->n_columns};
    struct element e;

    if (r->left == 0)
        return bad_footer(err);
    if (depth > DEPTH_MAX)
        return error_set(err, IG_UNSUPPORTED, "its columns are nested more than %d deep", DEPTH_MAX);
    r->left--;
    e = read_element(r->t, r->item_type);
    if (r->t->bad || (parent && (e.repetition < PARQUET_REQUIRED || e.repetition > PARQUET_REPEATED)) ||
        (e.type < 0 && e.n_children < 0) || e.type > 7)
        return bad_footer(err);
    node.name = e.name;
    node.repetition = parent ? (enum parquet_repetition)e.repetition : PARQUET_REQUIRED;
    node.def = parent ? parent->def + (node.repetition != PARQUET_REQUIRED) : 0;
    node.rep = parent ? parent->rep + (node.repetition == PARQUET_REPEATED) : 0;
    node.kind = e.type < 0 ? PARQUET_GROUP : kind_of(&e);
    node.shape = said_shape(&e);
    node.type = (int)e.type;
    vec_push(&f->nodes, node);
    if (node.kind != PARQUET_GROUP)
        f->n_columns++;
    else
        for (int64_t i = 0; i < e.n_children; i++)
            IG_TRY(read_node(r, &node, depth + 1, err));
    f->nodes.p[at].next = f->nodes.n;
    if (node.kind == PARQUET_GROUP)
        f->nodes.p[at].shape = checked_shape(f, at);
    return IG_OK;
}

static enum ig_code read_schema(struct parquet_file *f, struct thrift *t, int type, struct error *err)
{
    struct schema_reader r = {.f = f, .t = t};

    if (f->nodes.n)
        return bad_footer(err);
    r.left = thrift_list(t, type, &r.item_type);
    IG_TRY(read_node(&r, NULL, 0, err));
    return r.left || f->nodes.p[0].kind != PARQUET_GROUP ? bad_footer(err) : IG_OK;
}

/* --- row groups -------------------------------------------------------------------------------------------- */

static void read_column_meta(struct thrift *t, int type, struct parquet_chunk *c)
{
    int64_t data = -1, dictionary = -1, value;
    struct thrift_field f = {0};

    if (thrift_enter(t, type))
        while (thrift_next(t, &f)) {
            if (f.number != 1 && f.number != 4 && f.number != 5 && f.number != 7 && f.number != 9 && f.number != 11) {
                thrift_skip(t, f.type);
                continue;
            }
            value = thrift_integer(t, f.type);
            if (f.number == 1)
                c->type = value < 0 || value > 7 ? -1 : (int)value;
            else if (f.number == 4)
                c->codec = value < 0 || value > 127 ? -1 : (int)value;
            else if (f.number == 5)
                c->n_values = value;
            else if (f.number == 7)
                c->size_bytes = value;
            else if (f.number == 9)
                data = value;
            else
                dictionary = value;
        }
    thrift_leave(t);
    c->at = dictionary > 0 && dictionary < data ? dictionary : data;
}

static struct parquet_chunk read_chunk(struct thrift *t, int type)
{
    struct parquet_chunk c = {.at = -1, .size_bytes = -1, .n_values = -1, .type = -1, .codec = -1};
    struct thrift_field f = {0};

    if (thrift_enter(t, type))
        while (thrift_next(t, &f)) {
            c.elsewhere = c.elsewhere || f.number == 1 || f.number == 8;
            if (f.number == 3)
                read_column_meta(t, f.type, &c);
            else
                thrift_skip(t, f.type);
        }
    thrift_leave(t);
    return c;
}

/* Within the file, between its magic and its footer? */
static bool chunk_is_good(const struct parquet_file *f, const struct parquet_chunk *c)
{
    const int64_t end = f->in.size_bytes - TAIL_BYTES - (int64_t)f->footer.n;

    return c->elsewhere || (c->at >= 4 && c->size_bytes >= 0 && c->at <= end && c->size_bytes <= end - c->at &&
                            c->n_values >= 0 && c->codec >= 0);
}

static enum ig_code read_chunks(struct parquet_file *f, struct thrift *t, int type, struct parquet_group *group,
                                struct error *err)
{
    struct parquet_chunk *chunks;
    int item;
    size_t column = 0;

    if (thrift_list(t, type, &item) != f->n_columns || group->chunks)
        return bad_footer(err);
    chunks = ARENA_ARRAY(&f->arena, struct parquet_chunk, f->n_columns ? f->n_columns : 1);
    group->chunks = chunks;
    for (size_t i = 0; i < f->nodes.n; i++) {
        if (f->nodes.p[i].kind == PARQUET_GROUP)
            continue;
        chunks[column] = read_chunk(t, item);
        if (t->bad || !chunk_is_good(f, &chunks[column]) ||
            (!chunks[column].elsewhere && chunks[column].type != f->nodes.p[i].type))
            return bad_footer(err);
        column++;
    }
    return IG_OK;
}

static enum ig_code read_group(struct parquet_file *f, struct thrift *t, int type, struct error *err)
{
    struct parquet_group group = {.n_rows = -1};
    struct thrift_field field = {0};

    if (thrift_enter(t, type))
        while (thrift_next(t, &field)) {
            if (field.number == 1)
                IG_TRY(read_chunks(f, t, field.type, &group, err));
            else if (field.number == 3)
                group.n_rows = thrift_integer(t, field.type);
            else
                thrift_skip(t, field.type);
        }
    thrift_leave(t);
    if (t->bad || group.n_rows < 0 || !group.chunks)
        return bad_footer(err);
    vec_push(&f->groups, group);
    return IG_OK;
}

static enum ig_code read_groups(struct parquet_file *f, struct thrift *t, int type, struct error *err)
{
    int64_t n_rows = 0;
    int item;
    size_t n;

    if (!f->nodes.n || f->groups.n) /* the schema stands before them */
        return bad_footer(err);
    n = thrift_list(t, type, &item);
    for (size_t i = 0; i < n; i++) {
        IG_TRY(read_group(f, t, item, err));
        if (__builtin_add_overflow(n_rows, f->groups.p[i].n_rows, &n_rows))
            return bad_footer(err);
    }
    return n_rows == f->n_rows ? IG_OK : bad_footer(err);
}

/* --- all of it --------------------------------------------------------------------------------------------- */

static enum ig_code read_footer(struct parquet_file *f, struct error *err)
{
    struct thrift_field field = {0};
    bool encrypted = false;
    struct thrift t;

    thrift_init(&t, buf_str(&f->footer));
    f->n_rows = -1;
    if (thrift_enter(&t, THRIFT_STRUCT))
        while (thrift_next(&t, &field)) {
            encrypted = encrypted || field.number == 8;
            if (field.number == 2)
                IG_TRY(read_schema(f, &t, field.type, err));
            else if (field.number == 3)
                f->n_rows = thrift_integer(&t, field.type);
            else if (field.number == 4)
                IG_TRY(read_groups(f, &t, field.type, err));
            else
                thrift_skip(&t, field.type);
        }
    if (t.bad || !f->nodes.n || f->n_rows < 0 || (f->n_rows > 0 && !f->groups.n))
        return bad_footer(err);
    return encrypted ? error_set(err, IG_UNSUPPORTED, "it is encrypted") : IG_OK;
}

enum ig_code parquet_open(struct parquet_file *f, const struct parquet_input *in, struct error *err)
{
    uint8_t tail[TAIL_BYTES], magic[4];
    int64_t length;
    void *p;

    *f = (struct parquet_file){.in = *in};
    arena_init(&f->arena);
    buf_init(&f->footer, (size_t)FOOTER_MAX_BYTES + 1);
    if (in->size_bytes < 4 + TAIL_BYTES)
        return error_set(err, IG_CORRUPT, "it is no Parquet file");
    IG_TRY(in->read(in->ctx, 0, magic, sizeof(magic), err));
    IG_TRY(in->read(in->ctx, in->size_bytes - TAIL_BYTES, tail, sizeof(tail), err));
    length = (int64_t)((uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24);
    if (memcmp(tail + 4, "PARE", 4) == 0)
        return error_set(err, IG_UNSUPPORTED, "it is encrypted");
    if (memcmp(tail + 4, "PAR1", 4) != 0 || memcmp(magic, "PAR1", 4) != 0 || length > in->size_bytes - 4 - TAIL_BYTES)
        return error_set(err, IG_CORRUPT, "it is no Parquet file");
    if (length > FOOTER_MAX_BYTES)
        return error_set(err, IG_UNSUPPORTED, "its footer has %lld bytes", (long long)length);
    p = buf_reserve(&f->footer, (size_t)length);
    if (!p)
        return error_set(err, IG_LIMIT, "its footer has %lld bytes", (long long)length);
    IG_TRY(in->read(in->ctx, in->size_bytes - TAIL_BYTES - length, p, (size_t)length, err));
    f->footer.n = (size_t)length;
    return read_footer(f, err);
}

void parquet_close(struct parquet_file *f)
{
    arena_release(&f->arena);
    vec_free(&f->nodes);
    vec_free(&f->groups);
    buf_release(&f->footer);
}

size_t parquet_find(const struct parquet_file *f, size_t group, const char *name)
{
    if (f->nodes.p[group].kind != PARQUET_GROUP)
        return SIZE_MAX;
    for (size_t i = group + 1; i < f->nodes.p[group].next; i = f->nodes.p[i].next)
        if (str_is(f->nodes.p[i].name, name))
            return i;
    return SIZE_MAX;
}
