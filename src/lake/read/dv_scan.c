/*
 * Deletion vectors in a scan: a scalar function of the engine, _ingot_live(vectors, file, row), that says for each row
 * of a scan whether it is live. `vectors` is a constant, a JSON array with null or a descriptor for each file; it is
 * read when the query is bound, once for all threads.
 */
#include "lake/lake_internal.h"
#include "lake/read/dv.h"

#include <stdlib.h>

#define LIVE "_ingot_live"

/* What the function is bound with. */
struct vectors {
    atomic_int refs;
    VEC(struct lake_dv *) list; /* by file, NULL for one without */
};

static void vectors_free(void *p)
{
    struct vectors *v = p;

    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    for (size_t i = 0; i < v->list.n; i++)
        lake_dv_free(v->list.p[i]);
    vec_free(&v->list);
    free(v);
}

static void *vectors_ref(void *p)
{
    struct vectors *v = p;

    atomic_fetch_add(&v->refs, 1);
    return v;
}

static enum ig_code read_vectors(struct str text, struct vectors *v, struct error *err)
{
    struct env *env = env_real_new();
    struct json_reader r;
    struct json_value item;
    enum ig_code rc = IG_OK;

    json_reader_init(&r, text);
    if (!json_begin(&r, &item) || item.type != JSON_ARRAY)
        rc = error_set(err, IG_INVALID, "no list of deletion vectors");
    while (!rc && json_next_item(&r) && json_read(&r, &item)) {
        struct lake_dv *dv = NULL;

        if (item.type == JSON_OBJECT)
            rc = lake_dv_read_located(env, item.raw, &dv, err);
        vec_push(&v->list, dv);
    }
    if (!rc && !json_end(&r))
        rc = error_set(err, IG_INVALID, "no list of deletion vectors");
    env_real_free(env);
    return rc;
}

/* The constant first argument; NULL if it is none. The caller frees it. */
static char *constant_text(duckdb_bind_info info)
{
    duckdb_expression argument = duckdb_scalar_function_bind_get_argument(info, 0);
    duckdb_client_context context = NULL;
    duckdb_error_data problem = NULL;
    duckdb_value value = NULL;
    char *text = NULL;

    duckdb_scalar_function_get_client_context(info, &context);
    if (duckdb_expression_is_foldable(argument)) {
        problem = duckdb_expression_fold(context, argument, &value);
        if (!duckdb_error_data_has_error(problem))
            text = duckdb_get_varchar(value);
        duckdb_destroy_error_data(&problem);
        duckdb_destroy_value(&value);
    }
    duckdb_destroy_client_context(&context);
    duckdb_destroy_expression(&argument);
    return text;
}

static void bind_live(duckdb_bind_info info)
{
    char *text = constant_text(info);
    struct vectors *v = check_calloc(1, sizeof(*v));
    struct error err = {0};
    enum ig_code rc;

    atomic_init(&v->refs, 1);
    if (text)
        rc = read_vectors(str_of(text), v, &err);
    else
        rc = error_set(&err, IG_INVALID, LIVE " takes a constant list of deletion vectors");
    duckdb_free(text);
    if (rc) {
        duckdb_scalar_function_bind_set_error(info, err.msg);
        vectors_free(v);
        return;
    }
    duckdb_scalar_function_set_bind_data(info, v, vectors_free);
    duckdb_scalar_function_set_bind_data_copy(info, vectors_ref);
}

static void run_live(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct vectors *v = duckdb_scalar_function_get_bind_data(info);
    const uint64_t *files = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 1));
    const int64_t *rows = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 2));
    const size_t n = (size_t)duckdb_data_chunk_get_size(input);
    bool *live = duckdb_vector_get_data(output);

    for (size_t from = 0, to; from < n; from = to) {
        const struct lake_dv *dv = files[from] < v->list.n ? v->list.p[files[from]] : NULL;

        for (to = from + 1; to < n && files[to] == files[from];)
            to++;
        if (dv)
            lake_dv_mark_live(dv, rows + from, to - from, live + from);
        else
            memset(live + from, true, to - from);
    }
}

/* Input and output have the same type. */
static void run_opaque(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const duckdb_vector from = duckdb_data_chunk_get_vector(input, 0);
    const size_t n = (size_t)duckdb_data_chunk_get_size(input);
    const uint64_t *valid = duckdb_vector_get_validity(from);
    duckdb_logical_type type = duckdb_vector_get_column_type(from);
    const size_t width = duckdb_get_type_id(type) == DUCKDB_TYPE_FLOAT ? sizeof(float) : sizeof(double);

    (void)info;
    memcpy(duckdb_vector_get_data(output), duckdb_vector_get_data(from), n * width);
    if (valid) {
        duckdb_vector_ensure_validity_writable(output);
        memcpy(duckdb_vector_get_validity(output), valid, (n + 63) / 64 * sizeof(*valid));
    }
    duckdb_destroy_logical_type(&type);
}

static bool is_registered(struct engine_conn *c)
{
    struct engine_shape shape;
    const enum ig_code rc = engine_describe(
        c, "SELECT " LIVE "('[]', 0::UBIGINT, 0), " LAKE_OPAQUE "(0::FLOAT), " LAKE_OPAQUE "(0::DOUBLE)", &shape, NULL);

    engine_shape_free(&shape);
    return rc == IG_OK;
}

static duckdb_scalar_function new_function(const char *name, const duckdb_type *parameters, size_t n,
                                           duckdb_type result)
{
    duckdb_scalar_function f = duckdb_create_scalar_function();
    duckdb_logical_type type;

    duckdb_scalar_function_set_name(f, name);
    for (size_t i = 0; i < n; i++) {
        type = duckdb_create_logical_type(parameters[i]);
        duckdb_scalar_function_add_parameter(f, type);
        duckdb_destroy_logical_type(&type);
    }
    type = duckdb_create_logical_type(result);
    duckdb_scalar_function_set_return_type(f, type);
    duckdb_destroy_logical_type(&type);
    return f;
}

static duckdb_state register_live(struct engine_conn *c)
{
    static const duckdb_type parameters[] = {DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_UBIGINT, DUCKDB_TYPE_BIGINT};
    duckdb_scalar_function f = new_function(LIVE, parameters, IG_COUNT(parameters), DUCKDB_TYPE_BOOLEAN);
    duckdb_state state;

    duckdb_scalar_function_set_bind(f, bind_live);
    duckdb_scalar_function_set_function(f, run_live);
    state = duckdb_register_scalar_function(engine_handle(c), f);
    duckdb_destroy_scalar_function(&f);
    return state;
}

static duckdb_state register_opaque(struct engine_conn *c)
{
    static const duckdb_type types[] = {DUCKDB_TYPE_FLOAT, DUCKDB_TYPE_DOUBLE};
    duckdb_scalar_function_set both = duckdb_create_scalar_function_set(LAKE_OPAQUE);
    duckdb_state state = DuckDBSuccess;

    for (size_t i = 0; i < IG_COUNT(types) && state == DuckDBSuccess; i++) {
        duckdb_scalar_function f = new_function(LAKE_OPAQUE, &types[i], 1, types[i]);

        duckdb_scalar_function_set_function(f, run_opaque);
        state = duckdb_add_scalar_function_to_set(both, f);
        duckdb_destroy_scalar_function(&f);
    }
    if (state == DuckDBSuccess)
        state = duckdb_register_scalar_function_set(engine_handle(c), both);
    duckdb_destroy_scalar_function_set(&both);
    return state;
}

enum ig_code lake_dv_register(struct engine_conn *c, struct error *err)
{
    if (is_registered(c))
        return IG_OK;
    /* Another connection may have been quicker. */
    if ((register_live(c) != DuckDBSuccess || register_opaque(c) != DuckDBSuccess) && !is_registered(c))
        return error_set(err, IG_IO, "engine: the functions " LIVE " and " LAKE_OPAQUE " cannot be registered");
    return IG_OK;
}

enum ig_code lake_dv_add_condition(const struct lake_snapshot *s, const struct lake_entry *const *entries,
                                   const int64_t *n_rows, size_t n, struct buf *sql, struct error *err)
{
    struct buf text;
    enum ig_code rc = IG_OK;

    buf_init(&text, 0);
    buf_putc(&text, '[');
    for (size_t i = 0; i < n && !rc; i++) {
        buf_puts(&text, i ? "," : "");
        if (!lake_entry_dv(entries[i]).n) {
            buf_puts(&text, "null");
            continue;
        }
        rc = lake_dv_locate(s->store, s->table_path, lake_entry_dv(entries[i]), n_rows[i], &text, err);
        if (rc)
            error_context(err, rc, "file " STR_FMT, STR_ARG(lake_entry_name(entries[i])));
    }
    buf_putc(&text, ']');
    buf_puts(sql, " WHERE " LIVE "(");
    engine_add_literal(sql, buf_str(&text));
    buf_puts(sql, ", f.file_index, f.file_row_number)");
    buf_release(&text);
    return rc;
}
