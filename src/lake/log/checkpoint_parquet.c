/*
 * A checkpoint's Parquet file, row by row. A column is read only where an action asks for it: those of actions that a
 * row does not hold are skipped, many rows at a time.
 */
#include "lake/log/checkpoint_reader.h"
#include "lake/log/checkpoint_stats.h"
#include "lake/parquet/parquet.h"

#include <stdlib.h>

/* A column's values in the row. */
struct cells {
    struct parquet_column column;
    bool open;
    int64_t next_row;     /* that the column stands at */
    int64_t row;          /* that the values are of, -1: none */
    int64_t absent_until; /* up to here the rows have none */
    unsigned absent_def;
    VEC(struct parquet_value) values;
    struct buf copies; /* of texts, where a row has several */
};

/* Of a file action, in the order of their names. */
enum member {
    MEMBER_PATH,
    MEMBER_SIZE,
    MEMBER_TIME,
    MEMBER_STATS,
    MEMBER_CLUSTERING,
    MEMBER_ROW_ID,
    MEMBER_ROW_VERSION,
    MEMBER_VALUES,
    MEMBER_TAGS,
    MEMBER_DV,
    MEMBER_DV_TYPE,
    MEMBERS
};

struct file_columns {
    size_t nodes[MEMBERS]; /* SIZE_MAX: not there */
    bool parsed_stats;     /* there are statistics as columns */
};

struct file_reader {
    struct checkpoint_reader *r;
    struct parquet_file file;
    struct cells **cells; /* one a column, NULL: not read yet */
    size_t group;
    int64_t row;                        /* in the group */
    size_t actions[CHECKPOINT_ACTIONS]; /* nodes, SIZE_MAX: not there */
    size_t presence[CHECKPOINT_ACTIONS];
    struct file_columns files[CHECKPOINT_FILE_ACTIONS];
    struct checkpoint_stats stats; /* of the files that are added */
    struct buf text, values, tags, dv;
};

#define NONE SIZE_MAX
#define ROWS_EXPECTED_MAX (INT64_C(1) << 24)

/* --- a row of a column ------------------------------------------------------------------------------------- */

static enum ig_code open_cells(struct file_reader *f, size_t node, struct cells **out, struct error *err)
{
    struct cells **place = &f->cells[f->file.nodes.p[node].column];

    if (!*place) {
        *place = check_calloc(1, sizeof(**place));
        buf_init(&(*place)->copies, 0);
    }
    *out = *place;
    if ((*out)->open)
        return IG_OK;
    IG_TRY(parquet_column_open(&(*out)->column, &f->file, node, f->group, err));
    (*out)->open = true;
    (*out)->next_row = (*out)->absent_until = 0;
    (*out)->row = -1;
    return IG_OK;
}

static void keep(struct cells *c, struct parquet_value *v)
{
    v->number = v->text.p ? (int64_t)c->copies.n : v->number; /* the copies may move yet */
    buf_add_str(&c->copies, v->text);
    vec_push(&c->values, *v);
}

/* All values of the row in a column of maps or lists. */
static enum ig_code load_several(struct cells *c, struct error *err)
{
    bool more = true;

    buf_clear(&c->copies);
    while (more) {
        struct parquet_value v;

        IG_TRY(parquet_next_value(&c->column, &v, err));
        if ((v.rep == 0) != (c->values.n == 0))
            return error_set(err, IG_CORRUPT, "rows of different columns do not fit together");
        keep(c, &v);
        IG_TRY(parquet_more(&c->column, &more, err));
    }
    IG_TRY(buf_check(&c->copies, err, "a row"));
    for (size_t i = 0; i < c->values.n; i++)
        if (c->values.p[i].text.p)
            c->values.p[i].text.p = c->copies.p + c->values.p[i].number;
    return IG_OK;
}

static enum ig_code load(struct file_reader *f, size_t node, struct cells **out, struct error *err)
{
    struct parquet_value v = {0};
    int64_t nulls;
    struct cells *c;

    IG_TRY(open_cells(f, node, &c, err));
    *out = c;
    if (c->row == f->row)
        return IG_OK;
    c->row = f->row;
    c->values.n = 0;
    if (f->row >= c->absent_until) {
        IG_TRY(parquet_skip_rows(&c->column, f->row - c->next_row, err));
        c->next_row = f->row;
        nulls = parquet_nulls(&c->column, &c->absent_def);
        c->absent_until = nulls > 0 ? f->row + nulls : 0;
    }
    if (f->row < c->absent_until) {
        v.def = c->absent_def;
        vec_push(&c->values, v);
        return IG_OK;
    }
    c->next_row++;
    if (c->column.node->rep)
        return load_several(c, err);
    IG_TRY(parquet_next_value(&c->column, &v, err));
    vec_push(&c->values, v);
    return IG_OK;
}

/* The value of a column that has one a row; NULL for null. */
static enum ig_code load_one(struct file_reader *f, size_t node, const struct parquet_value **out, struct error *err)
{
    struct cells *c;

    *out = NULL;
    if (node == NONE)
        return IG_OK;
    IG_TRY(load(f, node, &c, err));
    if (c->values.p[0].def == c->column.node->def)
        *out = &c->values.p[0];
    return IG_OK;
}

/* --- as JSON ----------------------------------------------------------------------------------------------- */

static void add_value(const struct cells *c, size_t i, struct buf *out)
{
    const struct parquet_value *v = &c->values.p[i];

    if (v->def < c->column.node->def)
        buf_puts(out, "null");
    else if (c->column.node->kind == PARQUET_TEXT)
        json_add_string(out, v->text);
    else if (c->column.node->kind == PARQUET_BOOLEAN)
        buf_puts(out, v->number ? "true" : "false");
    else
        buf_printf(out, "%lld", (long long)v->number);
}

/* A map or a list at `at`: which of null, empty and filled is in the first value's level. */
static enum ig_code add_items(struct file_reader *f, size_t at, struct buf *out, struct error *err)
{
    const struct parquet_node *node = &f->file.nodes.p[at];
    const bool is_map = node->shape == PARQUET_MAP;
    struct cells *first, *values = NULL;

    IG_TRY(load(f, at + 2, &first, err));
    if (is_map)
        IG_TRY(load(f, at + 3, &values, err));
    if (is_map && (values->values.n != first->values.n || values->column.node->kind != PARQUET_TEXT ||
                   first->column.node->kind != PARQUET_TEXT))
        return error_set(err, IG_UNSUPPORTED, "a map that is none of texts");
    if (first->values.p[0].def < node->def) {
        buf_puts(out, "null");
        return IG_OK;
    }
    buf_putc(out, is_map ? '{' : '[');
    for (size_t i = 0; i < first->values.n && first->values.p[0].def > node->def; i++) {
        buf_puts(out, i ? "," : "");
        if (is_map && first->values.p[i].def < first->column.node->def)
            return error_set(err, IG_CORRUPT, "a map's key is null");
        add_value(first, i, out);
        if (is_map) {
            buf_putc(out, ':');
            add_value(values, i, out);
        }
    }
    buf_putc(out, is_map ? '}' : ']');
    return IG_OK;
}

static enum ig_code add_node(struct file_reader *f, size_t at, struct buf *out, struct error *err);

static enum ig_code add_struct(struct file_reader *f, size_t at, struct buf *out, struct error *err)
{
    const struct parquet_node *nodes = f->file.nodes.p;
    struct cells *first;
    size_t leaf = at;

    for (; nodes[leaf].kind == PARQUET_GROUP; leaf++)
        if (nodes[leaf].next == leaf + 1)
            return error_set(err, IG_UNSUPPORTED, "an empty group");
    IG_TRY(load(f, leaf, &first, err));
    if (first->values.p[0].def < nodes[at].def) {
        buf_puts(out, "null");
        return IG_OK;
    }
    for (size_t i = at + 1; i < nodes[at].next; i = nodes[i].next) {
        buf_putc(out, i > at + 1 ? ',' : '{');
        json_add_string(out, nodes[i].name);
        buf_putc(out, ':');
        IG_TRY(add_node(f, i, out, err));
    }
    buf_putc(out, '}');
    return IG_OK;
}

static enum ig_code add_node(struct file_reader *f, size_t at, struct buf *out, struct error *err)
{
    const struct parquet_node *node = &f->file.nodes.p[at];
    struct cells *c;

    if (node->repetition == PARQUET_REPEATED || node->rep ||
        (node->kind == PARQUET_GROUP && node->shape == PARQUET_ODD))
        return error_set(err, IG_UNSUPPORTED, "the way in which " STR_FMT " is written", STR_ARG(node->name));
    if (node->kind == PARQUET_GROUP)
        return node->shape == PARQUET_STRUCT ? add_struct(f, at, out, err) : add_items(f, at, out, err);
    IG_TRY(load(f, at, &c, err));
    add_value(c, 0, out);
    return IG_OK;
}

/* --- which columns ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum parquet_kind kind;
    enum parquet_shape shape;
} members[MEMBERS] = {
    [MEMBER_PATH] = {"path", PARQUET_TEXT, PARQUET_STRUCT},
    [MEMBER_SIZE] = {"size", PARQUET_INTEGER, PARQUET_STRUCT},
    [MEMBER_TIME] = {NULL, PARQUET_INTEGER, PARQUET_STRUCT},
    [MEMBER_STATS] = {"stats", PARQUET_TEXT, PARQUET_STRUCT},
    [MEMBER_CLUSTERING] = {"clusteringProvider", PARQUET_TEXT, PARQUET_STRUCT},
    [MEMBER_ROW_ID] = {"baseRowId", PARQUET_INTEGER, PARQUET_STRUCT},
    [MEMBER_ROW_VERSION] = {"defaultRowCommitVersion", PARQUET_INTEGER, PARQUET_STRUCT},
    [MEMBER_VALUES] = {"partitionValues", PARQUET_GROUP, PARQUET_MAP},
    [MEMBER_TAGS] = {"tags", PARQUET_GROUP, PARQUET_MAP},
    [MEMBER_DV] = {"deletionVector", PARQUET_GROUP, PARQUET_STRUCT},
};

static enum ig_code not_known(const struct parquet_node *node, struct error *err)
{
    return error_set(err, IG_UNSUPPORTED, "the type of the column " STR_FMT, STR_ARG(node->name));
}

static enum ig_code find_file_columns(struct file_reader *f, size_t kind, size_t action, struct error *err)
{
    const struct parquet_node *nodes = f->file.nodes.p;
    struct file_columns *columns = &f->files[kind];
    bool parsed;

    for (size_t i = 0; i < MEMBERS; i++) {
        const char *name = i == MEMBER_TIME ? checkpoint_file_actions[kind].time : members[i].name;
        const size_t at = name ? parquet_find(&f->file, action, name) : NONE;

        columns->nodes[i] = at;
        if (at == NONE)
            continue;
        if (nodes[at].kind != members[i].kind || nodes[at].repetition == PARQUET_REPEATED || nodes[at].rep ||
            (nodes[at].kind == PARQUET_GROUP && nodes[at].shape != members[i].shape))
            return not_known(&nodes[at], err);
    }
    if (columns->nodes[MEMBER_DV] != NONE) {
        const size_t at = parquet_find(&f->file, columns->nodes[MEMBER_DV], "storageType");

        if (at == NONE || nodes[at].kind != PARQUET_TEXT || nodes[at].rep)
            return not_known(&nodes[columns->nodes[MEMBER_DV]], err);
        columns->nodes[MEMBER_DV_TYPE] = at;
    }
    parsed = parquet_find(&f->file, action, "stats_parsed") != NONE;
    columns->parsed_stats = parsed && checkpoint_file_actions[kind].kind == LAKE_ADD;
    if (checkpoint_file_actions[kind].kind != LAKE_ADD) /* nobody asks for those of what is gone */
        columns->nodes[MEMBER_STATS] = NONE;
    return columns->parsed_stats && columns->nodes[MEMBER_STATS] == NONE
               ? error_set(err, IG_UNSUPPORTED, "statistics that are columns")
               : IG_OK;
}

static enum ig_code find_columns(struct file_reader *f, struct error *err)
{
    const struct parquet_node *nodes = f->file.nodes.p;
    bool any = false;

    for (size_t i = 0; i < CHECKPOINT_ACTIONS; i++) {
        const size_t at = parquet_find(&f->file, 0, checkpoint_actions[i].name);

        f->actions[i] = at;
        f->presence[i] = at == NONE ? NONE : parquet_find(&f->file, at, checkpoint_actions[i].members[0]);
        any = any || f->presence[i] != NONE;
        if (f->presence[i] != NONE && (nodes[f->presence[i]].kind == PARQUET_GROUP || nodes[f->presence[i]].rep))
            return not_known(&nodes[at], err);
    }
    for (size_t i = 0; i < CHECKPOINT_FILE_ACTIONS; i++) {
        const size_t at = parquet_find(&f->file, 0, checkpoint_file_actions[i].name);

        f->files[i].nodes[MEMBER_PATH] = NONE;
        if (at != NONE && (nodes[at].kind != PARQUET_GROUP || nodes[at].rep))
            return not_known(&nodes[at], err);
        if (at != NONE)
            IG_TRY(find_file_columns(f, i, at, err));
        any = any || f->files[i].nodes[MEMBER_PATH] != NONE;
    }
    return any ? IG_OK : error_set(err, IG_CORRUPT, "no column of a checkpoint");
}

/* --- rows -------------------------------------------------------------------------------------------------- */

/* Has the row a value here? Without looking, where it is known that rows have none. */
static enum ig_code is_there(struct file_reader *f, size_t node, bool *there, struct error *err)
{
    const struct parquet_value *v = NULL;
    const struct cells *c = node == NONE ? NULL : f->cells[f->file.nodes.p[node].column];

    if (node != NONE && !(c && c->open && f->row < c->absent_until))
        IG_TRY(load_one(f, node, &v, err));
    *there = v != NULL;
    return IG_OK;
}

static enum ig_code text_of(struct file_reader *f, size_t node, struct str *out, struct error *err)
{
    const struct parquet_value *v;

    IG_TRY(load_one(f, node, &v, err));
    *out = v ? v->text : (struct str){NULL, 0};
    return IG_OK;
}

static enum ig_code number_of(struct file_reader *f, size_t node, int64_t otherwise, int64_t *out, struct error *err)
{
    const struct parquet_value *v;

    IG_TRY(load_one(f, node, &v, err));
    *out = v ? v->number : otherwise;
    return IG_OK;
}

static enum ig_code object_of(struct file_reader *f, size_t node, struct buf *room, struct str *out, struct error *err)
{
    *out = (struct str){NULL, 0};
    if (node == NONE)
        return IG_OK;
    buf_clear(room);
    IG_TRY(add_node(f, node, room, err));
    IG_TRY(buf_check(room, err, "a row"));
    if (!str_is(buf_str(room), "null"))
        *out = buf_str(room);
    return IG_OK;
}

static enum ig_code take_file(struct file_reader *f, size_t kind, struct error *err)
{
    const struct file_columns *columns = &f->files[kind];
    const size_t *nodes = columns->nodes;
    struct lake_file_row row = {0};
    bool has_dv = false;

    IG_TRY(number_of(f, nodes[MEMBER_SIZE], 0, &row.size_bytes, err));
    IG_TRY(number_of(f, nodes[MEMBER_TIME], 0, &row.time_ms, err));
    IG_TRY(number_of(f, nodes[MEMBER_ROW_ID], -1, &row.base_row_id, err));
    IG_TRY(number_of(f, nodes[MEMBER_ROW_VERSION], -1, &row.row_commit_version, err));
    IG_TRY(text_of(f, nodes[MEMBER_CLUSTERING], &row.clustering, err));
    IG_TRY(object_of(f, nodes[MEMBER_VALUES], &f->values, &row.values, err));
    IG_TRY(object_of(f, nodes[MEMBER_TAGS], &f->tags, &row.tags, err));
    IG_TRY(is_there(f, nodes[MEMBER_DV_TYPE], &has_dv, err));
    if (has_dv)
        IG_TRY(object_of(f, nodes[MEMBER_DV], &f->dv, &row.dv, err));
    if (nodes[MEMBER_STATS] != NONE)
        IG_TRY(checkpoint_stats_of(&f->stats, f->row, &row.packed, err));
    if (columns->parsed_stats && !row.packed)
        return error_set(err, IG_UNSUPPORTED, "statistics that are columns");
    IG_TRY(text_of(f, nodes[MEMBER_PATH], &row.path, err));
    return checkpoint_take_file(f->r, &row, checkpoint_file_actions[kind].kind, err);
}

static enum ig_code take_action(struct file_reader *f, size_t action, struct error *err)
{
    const struct checkpoint_action *a = &checkpoint_actions[action];
    struct buf *out = &f->text;

    buf_clear(out);
    buf_printf(out, "{\"%s\":{", a->name);
    for (size_t i = 0; a->members[i]; i++) {
        const size_t at = parquet_find(&f->file, f->actions[action], a->members[i]);

        if (at == NONE)
            continue;
        buf_printf(out, "%s\"%s\":", i ? "," : "", a->members[i]);
        IG_TRY(add_node(f, at, out, err));
    }
    buf_puts(out, "}}");
    IG_TRY(buf_check(out, err, "an action"));
    return checkpoint_take_text(f->r, buf_str(out), err);
}

static enum ig_code read_row(struct file_reader *f, struct error *err)
{
    bool there;

    for (size_t i = 0; i < CHECKPOINT_FILE_ACTIONS; i++) {
        IG_TRY(is_there(f, f->files[i].nodes[MEMBER_PATH], &there, err));
        if (there)
            IG_TRY(take_file(f, i, err));
    }
    for (size_t i = 0; i < CHECKPOINT_ACTIONS; i++) {
        IG_TRY(is_there(f, f->presence[i], &there, err));
        if (there)
            IG_TRY(take_action(f, i, err));
    }
    return IG_OK;
}

static enum ig_code begin_group(struct file_reader *f, struct error *err)
{
    const size_t node = f->files[0].nodes[MEMBER_STATS];

    const struct parquet_group *group = &f->file.groups.p[f->group];
    const size_t path = f->files[0].nodes[MEMBER_PATH];

    f->row = 0;
    /* as many as the group says, if its paths are not far too few bytes for that */
    if (path != NONE && group->n_rows <= ROWS_EXPECTED_MAX &&
        group->n_rows * 2 <= group->chunks[f->file.nodes.p[path].column].size_bytes)
        lake_replay_expect(&f->r->replay, (size_t)group->n_rows);
    return node == NONE ? IG_OK : checkpoint_stats_begin(&f->stats, &f->file, node, f->group, err);
}

/* All columns that were read must end with the group. */
static enum ig_code end_group(struct file_reader *f, struct error *err)
{
    for (size_t i = 0; i < f->file.n_columns; i++) {
        struct cells *c = f->cells[i];

        if (!c || !c->open)
            continue;
        IG_TRY(parquet_skip_rows(&c->column, f->row - c->next_row, err));
        IG_TRY(parquet_column_end(&c->column, err));
        c->open = false;
    }
    return checkpoint_stats_end(&f->stats, err);
}

static enum ig_code read_rows(struct file_reader *f, struct error *err)
{
    for (f->group = 0; f->group < f->file.groups.n; f->group++) {
        IG_TRY(begin_group(f, err));
        for (; f->row < f->file.groups.p[f->group].n_rows; f->row++)
            IG_TRY(read_row(f, err));
        IG_TRY(end_group(f, err));
    }
    return IG_OK;
}

/* --- files ------------------------------------------------------------------------------------------------- */

static void reader_init(struct file_reader *f, struct checkpoint_reader *r)
{
    *f = (struct file_reader){.r = r};
    checkpoint_stats_init(&f->stats, r->s->store ? r->s->store->env : NULL, &lake_chunk_new(r->s)->arena);
    for (size_t i = 0; i < CHECKPOINT_FILE_ACTIONS; i++)
        for (size_t k = 0; k < MEMBERS; k++)
            f->files[i].nodes[k] = NONE;
    buf_init(&f->text, 0);
    buf_init(&f->values, 0);
    buf_init(&f->tags, 0);
    buf_init(&f->dv, 0);
}

static void reader_release(struct file_reader *f)
{
    checkpoint_stats_release(&f->stats); /* ends its thread */
    for (size_t i = 0; f->cells && i < f->file.n_columns; i++) {
        if (!f->cells[i])
            continue;
        parquet_column_close(&f->cells[i]->column);
        vec_free(&f->cells[i]->values);
        buf_release(&f->cells[i]->copies);
        free(f->cells[i]);
    }
    free(f->cells);
    parquet_close(&f->file);
    buf_release(&f->text);
    buf_release(&f->values);
    buf_release(&f->tags);
    buf_release(&f->dv);
}

enum ig_code checkpoint_read_input(struct checkpoint_reader *r, const struct parquet_input *in, struct error *err)
{
    struct file_reader f;
    enum ig_code rc;

    reader_init(&f, r);
    rc = parquet_open(&f.file, in, err);
    if (!rc)
        rc = find_columns(&f, err);
    if (!rc) {
        f.cells = check_calloc(f.file.n_columns, sizeof(*f.cells));
        rc = read_rows(&f, err);
    }
    reader_release(&f);
    return rc;
}

struct local_file {
    struct env *env;
    struct env_file *file;
};

static enum ig_code read_local(void *ctx, int64_t at, void *p, size_t n, struct error *err)
{
    const struct local_file *f = ctx;

    return env_read_full(f->env, f->file, at, p, n, err);
}

static enum ig_code read_path(struct checkpoint_reader *r, const char *path, struct error *err)
{
    struct local_file file = {.env = r->s->store->env};
    struct parquet_input in = {.read = read_local, .ctx = &file};
    enum ig_code rc = env_open(file.env, path, ENV_OPEN_READ, &file.file, err);

    if (!rc)
        rc = env_size(file.env, file.file, &in.size_bytes, err);
    if (!rc)
        rc = checkpoint_read_input(r, &in, err);
    env_close(file.env, file.file);
    /* what can not be read is a broken file: the log may have another way to the version */
    rc = rc == IG_IO || rc == IG_NOT_FOUND ? IG_CORRUPT : rc;
    return rc ? error_context(err, rc, "%s", path) : IG_OK;
}

enum ig_code checkpoint_read_parquet(struct checkpoint_reader *r, const char *const *paths, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        IG_TRY(read_path(r, paths[i], err));
    return IG_OK;
}
