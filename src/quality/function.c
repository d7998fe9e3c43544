/*
 * What others ask a contract: the SQL functions of the engine, and a record's event time.
 */
#include "quality/contract.h"

#include <openssl/evp.h>
#include <sched.h>
#include <stdio.h>

/* --- for the sink ------------------------------------------------------------------------------------- */

bool contract_event_time(const struct contract *k, struct str value, int64_t timestamp_ms, int64_t now_ms,
                         int64_t *event_us, struct contract_reject *why)
{
    struct outlet outlet = {0};
    uint64_t node_seen[DATING_NODES_MAX] = {0}, present = 0, demanded = 0;
    struct reading x = {.contract = k,
                        .shape = &k->dating,
                        .outlets = &outlet,
                        .node_seen = node_seen,
                        .present = &present,
                        .demanded = &demanded};
    bool ok;

    (void)now_ms;
    buf_init(&x.text, 0);
    ok = reading_record(&x, value, timestamp_ms * 1000, 0);
    buf_release(&x.text);
    if (ok)
        *event_us = x.dated ? x.event_us : timestamp_ms * 1000;
    else
        *why = x.why;
    return ok;
}

bool contract_accepts(const struct contract *k, struct str value, int64_t timestamp_ms, int64_t *event_us,
                      struct contract_reject *why)
{
    struct reading x;
    bool ok;

    reading_init(&x, k);
    ok = reading_record(&x, value, timestamp_ms * 1000, 0);
    if (ok)
        *event_us = x.dated ? x.event_us : timestamp_ms * 1000;
    else
        *why = x.why;
    reading_release(&x);
    return ok;
}

/* --- for the engine ----------------------------------------------------------------------------------- */

enum verdict { VERDICT_REASON, VERDICT_FIELD, VERDICT_DETAIL, VERDICT_HASH, VERDICT_COUNT };
static const char *const verdict_names[] = {"_reject", "_reject_field", "_reject_detail", "record_hash"};

/* One registered function: which of the contract's columns it gives. Belongs to the engine. */
struct function {
    struct contract *contract;
    const struct column **columns;
    size_t n_columns;
    bool hash;
};

static void function_free(void *p)
{
    struct function *f = p;

    contract_free(f->contract);
    free(f->columns);
    free(f);
}

/* One thread's state. */
struct state {
    struct reading reading;
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
};

static void state_free(void *p)
{
    struct state *s = p;

    reading_release(&s->reading);
    EVP_MD_CTX_free(s->digest);
    EVP_MD_free(s->sha256);
    free(s);
}

static void function_init(duckdb_init_info info)
{
    const struct function *f = duckdb_scalar_function_init_get_extra_info(info);
    struct state *s = check_calloc(1, sizeof(*s));

    reading_init(&s->reading, f->contract);
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->digest = EVP_MD_CTX_new();
    IG_ASSERT(s->sha256 && s->digest);
    duckdb_scalar_function_init_set_state(info, s, state_free);
}

static void put_hash(struct state *s, struct str value, duckdb_vector out, idx_t row)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[32];
    char hex[64];

    if (EVP_DigestInit_ex2(s->digest, s->sha256, NULL) != 1 || EVP_DigestUpdate(s->digest, value.p, value.n) != 1 ||
        EVP_DigestFinal_ex(s->digest, raw, NULL) != 1)
        IG_UNREACHABLE("OpenSSL refuses a digest");
    for (size_t i = 0; i < sizeof(raw); i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    duckdb_unsafe_vector_assign_string_element_len(out, row, hex, sizeof(hex));
}

/* Nearly all records are good: no reason, field and detail, until one is put. */
static void clear_verdicts(duckdb_vector const *out, idx_t n)
{
    for (size_t i = VERDICT_REASON; i <= VERDICT_DETAIL; i++) {
        duckdb_vector_ensure_validity_writable(out[i]);
        memset(duckdb_vector_get_validity(out[i]), 0, (n + 63) / 64 * sizeof(uint64_t));
    }
}

static void put_verdict(duckdb_vector const *out, idx_t row, const struct contract_reject *why)
{
    const char *texts[] = {why->reason, why->field, why->detail};

    for (size_t i = 0; i < IG_COUNT(texts); i++) {
        duckdb_validity_set_row_valid(duckdb_vector_get_validity(out[i]), row);
        /* checks the text: what is quoted in it may be cut anywhere */
        duckdb_vector_assign_string_element_len(out[i], row, texts[i], strlen(texts[i]));
    }
}

static void function_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct function *f = duckdb_scalar_function_get_extra_info(info);
    struct state *s = duckdb_scalar_function_get_state(info);
    const duckdb_vector values = duckdb_data_chunk_get_vector(input, 0);
    const duckdb_vector times = duckdb_data_chunk_get_vector(input, 1);
    duckdb_string_t *texts = duckdb_vector_get_data(values);
    const int64_t *timestamps = duckdb_vector_get_data(times);
    uint64_t *has_value = duckdb_vector_get_validity(values), *has_time = duckdb_vector_get_validity(times);
    const idx_t n = duckdb_data_chunk_get_size(input);
    duckdb_vector verdict[VERDICT_COUNT] = {0};

    for (size_t i = 0; i < f->n_columns; i++)
        reading_bind(&s->reading, f->columns[i], duckdb_struct_vector_get_child(output, i));
    for (size_t i = 0; i < (f->hash ? VERDICT_COUNT : VERDICT_HASH); i++)
        verdict[i] = duckdb_struct_vector_get_child(output, f->n_columns + i);
    clear_verdicts(verdict, n);
    for (idx_t row = 0; row < n; row++) {
        const bool there = duckdb_validity_row_is_valid(has_value, row);
        const int64_t time = duckdb_validity_row_is_valid(has_time, row) ? timestamps[row] : 0;
        struct str value = {0};

        if (there)
            value = (struct str){duckdb_string_t_data(&texts[row]), duckdb_string_t_length(texts[row])};
        if (!reading_record(&s->reading, value, time, row))
            put_verdict(verdict, row, &s->reading.why);
        if (f->hash)
            put_hash(s, value.p ? value : STR(""), verdict[VERDICT_HASH], row);
    }
    for (size_t i = 0; i < f->n_columns; i++)
        reading_finish(&s->reading, f->columns[i]);
}

static duckdb_logical_type logical_type(const struct conf_field *f)
{
    static const duckdb_type plain[] = {
        [CONF_STRING] = DUCKDB_TYPE_VARCHAR, [CONF_INT] = DUCKDB_TYPE_BIGINT,
        [CONF_DOUBLE] = DUCKDB_TYPE_DOUBLE,  [CONF_BOOL] = DUCKDB_TYPE_BOOLEAN,
        [CONF_DATE] = DUCKDB_TYPE_DATE,      [CONF_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [CONF_JSON] = DUCKDB_TYPE_VARCHAR,
    };
    duckdb_logical_type out, *members;
    const char **names;

    if (f->type == CONF_DECIMAL)
        return duckdb_create_decimal_type((uint8_t)f->precision, (uint8_t)f->scale);
    if (f->type == CONF_LIST) {
        duckdb_logical_type item = logical_type(&f->fields[0]);

        out = duckdb_create_list_type(item);
        duckdb_destroy_logical_type(&item);
        return out;
    }
    if (f->type != CONF_STRUCT)
        return duckdb_create_logical_type(plain[f->type]);
    members = check_calloc(f->n_fields, sizeof(duckdb_logical_type));
    names = check_calloc(f->n_fields, sizeof(*names));
    for (size_t i = 0; i < f->n_fields; i++) {
        members[i] = logical_type(&f->fields[i]);
        names[i] = f->fields[i].name;
    }
    out = duckdb_create_struct_type(members, names, f->n_fields);
    for (size_t i = 0; i < f->n_fields; i++)
        duckdb_destroy_logical_type(&members[i]);
    free(members);
    free(names);
    return out;
}

static duckdb_logical_type function_type(const struct function *f)
{
    const size_t n = f->n_columns + (f->hash ? VERDICT_COUNT : VERDICT_HASH);
    duckdb_logical_type *members = check_calloc(n, sizeof(duckdb_logical_type)), out;
    const char **names = check_calloc(n, sizeof(*names));

    for (size_t i = 0; i < n; i++) {
        const bool column = i < f->n_columns;

        members[i] = column ? logical_type(f->columns[i]->field) : duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
        names[i] = column ? f->columns[i]->field->name : verdict_names[i - f->n_columns];
    }
    out = duckdb_create_struct_type(members, names, n);
    for (size_t i = 0; i < n; i++)
        duckdb_destroy_logical_type(&members[i]);
    free(members);
    free(names);
    return out;
}

static bool is_identity(const struct conf_contract *conf, const char *name)
{
    for (size_t i = 0; i < conf->n_key; i++)
        if (strcmp(conf->key[i], name) == 0)
            return true;
    return conf->order_by && strcmp(conf->order_by, name) == 0;
}

static enum ig_code register_one(struct function *f, struct engine_conn *c, const char *name, struct error *err)
{
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type time = duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ);
    duckdb_logical_type result = function_type(f);
    duckdb_state state;

    duckdb_scalar_function_set_name(function, name);
    duckdb_scalar_function_add_parameter(function, text);
    duckdb_scalar_function_add_parameter(function, time);
    duckdb_scalar_function_set_return_type(function, result);
    /* NULL has a verdict too; and it is never worth evaluating twice, so no filter may be pushed through it */
    duckdb_scalar_function_set_special_handling(function);
    duckdb_scalar_function_set_volatile(function);
    duckdb_scalar_function_set_extra_info(function, f, function_free);
    duckdb_scalar_function_set_init(function, function_init);
    duckdb_scalar_function_set_function(function, function_run);
    state = duckdb_register_scalar_function(engine_handle(c), function);
    duckdb_destroy_scalar_function(&function);
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_logical_type(&time);
    duckdb_destroy_logical_type(&result);
    if (state != DuckDBSuccess)
        return error_set(err, IG_INVALID, "the engine does not take the function %s of a contract", name);
    return IG_OK;
}

static struct function *new_function(const struct contract *k, bool all)
{
    struct function *f = check_calloc(1, sizeof(*f));

    f->contract = contract_hold(k);
    f->hash = all;
    f->columns = check_calloc(k->record.n + 1, sizeof(struct column *));
    for (size_t i = 0; i < k->record.n; i++)
        if (all || is_identity(k->conf, k->record.columns[i].field->name))
            f->columns[f->n_columns++] = &k->record.columns[i];
    return f;
}

/* The engine refuses a name that another connection is registering at this moment, which takes it microseconds. */
static enum ig_code register_patiently(const struct contract *k, bool all, struct engine_conn *c, const char *name,
                                       struct error *err)
{
    enum ig_code rc = IG_OK;

    for (int i = 0; i < 1000; i++) {
        rc = register_one(new_function(k, all), c, name, err);
        if (rc == IG_OK)
            break;
        sched_yield();
    }
    return rc;
}

enum ig_code contract_register(const struct contract *k, struct engine_conn *c, const char *name, struct error *err)
{
    return register_patiently(k, true, c, name, err);
}

enum ig_code contract_register_identity(const struct contract *k, struct engine_conn *c, const char *name,
                                        struct error *err)
{
    return register_patiently(k, false, c, name, err);
}
