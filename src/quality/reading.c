/*
 * One pass over a record's JSON text: checked, cast and written to output vectors as it is read.
 *
 * A wrong value does not end the pass: the rest of the text is still checked, because "not JSON" outweighs everything
 * else. Otherwise the first problem in the order of the text is the one reported, missing fields come behind.
 */
#include "quality/contract.h"

#include <stdio.h>

void reading_init(struct reading *x, const struct contract *k)
{
    *x = (struct reading){.contract = k, .shape = &k->record};
    x->outlets = check_calloc(k->n_slots + 1, sizeof(*x->outlets));
    x->node_seen = check_calloc(k->n_nodes + 1, sizeof(*x->node_seen));
    x->present = check_calloc(k->n_slots + 1, sizeof(*x->present));
    x->demanded = check_calloc(k->n_slots + 1, sizeof(*x->demanded));
    buf_init(&x->text, 0);
}

void reading_release(struct reading *x)
{
    free(x->outlets);
    free(x->node_seen);
    free(x->present);
    free(x->demanded);
    buf_release(&x->text);
}

/* --- output ------------------------------------------------------------------------------------------- */

/* Looks up where a vector's memory is: at the start of a chunk, and again when a list's child has grown and moved. */
static void locate(struct reading *x, const struct column *c, duckdb_vector vector)
{
    struct outlet *o = &x->outlets[c->slot];

    o->vector = vector;
    o->data = c->field->type == CONF_STRUCT ? NULL : duckdb_vector_get_data(vector);
    o->validity = duckdb_vector_get_validity(vector);
    for (size_t i = 0; i < c->members.n; i++)
        locate(x, &c->members.columns[i], duckdb_struct_vector_get_child(vector, i));
    if (c->item)
        locate(x, c->item->columns[0], duckdb_list_vector_get_child(vector));
}

static void start_lists(struct reading *x, const struct column *c)
{
    for (size_t i = 0; i < c->members.n; i++)
        start_lists(x, &c->members.columns[i]);
    if (c->item) {
        struct outlet *items = &x->outlets[c->item->columns[0]->slot];

        items->size = items->room = duckdb_list_vector_get_size(x->outlets[c->slot].vector);
        start_lists(x, c->item->columns[0]);
    }
}

void reading_bind(struct reading *x, const struct column *c, duckdb_vector vector)
{
    locate(x, c, vector);
    start_lists(x, c);
}

void reading_finish(struct reading *x, const struct column *c)
{
    for (size_t i = 0; i < c->members.n; i++)
        reading_finish(x, &c->members.columns[i]);
    if (c->item && x->outlets[c->slot].vector) {
        const struct column *item = c->item->columns[0];

        if (duckdb_list_vector_set_size(x->outlets[c->slot].vector, x->outlets[item->slot].size) != DuckDBSuccess)
            IG_UNREACHABLE("a list vector refuses its size");
        reading_finish(x, item);
    }
}

/* --- objects and lists --------------------------------------------------------------------------------- */

static void read_node(struct reading *x, const struct node *node, idx_t row, uint64_t epoch);

static const struct node *find_child(const struct node *node, const struct json_value *key, size_t *hint)
{
    const size_t n = node->n_children;

    /* records name their fields in the same order again and again */
    for (size_t i = 0; i < n; i++) {
        size_t at = *hint + i;
        const struct node *child;

        at = at >= n ? at - n : at;
        child = node->children[at];
        if (key->escaped ? json_key_is(key, child->key)
                         : child->key.n == key->raw.n && memcmp(child->key.p, key->raw.p, key->raw.n) == 0) {
            *hint = at + 1 == n ? 0 : at + 1;
            return child;
        }
    }
    return NULL;
}

/* The members of an object whose bracket has been read. */
static void read_members(struct reading *x, const struct node *node, idx_t row, uint64_t epoch)
{
    struct json_value key, v;
    size_t hint = 0;

    while (json_next_key(&x->json, &key)) {
        const struct node *child = find_child(node, &key, &hint);

        if (!child) {
            if (!json_read(&x->json, &v))
                return;
            continue;
        }
        if (x->node_seen[child->id] == epoch) {
            if (reading_problem(x, "duplicate_field", child->label))
                snprintf(x->why.detail, sizeof(x->why.detail), "the object has this key twice");
        }
        x->node_seen[child->id] = epoch;
        read_node(x, child, row, epoch);
        if (x->json.problem)
            return;
    }
}

/* Behind an object: what was not there is NULL, and a problem if it is required. */
static void close_shape(struct reading *x, const struct shape *s, idx_t row, uint64_t epoch)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct column *c = &s->columns[i];

        if (x->present[c->slot] == epoch)
            continue;
        reading_null(x, c, row);
        if ((c->required || x->demanded[c->slot] == epoch) && reading_problem(x, "missing_field", c->label))
            snprintf(x->why.detail, sizeof(x->why.detail), "%s",
                     c->required ? "missing or null, and required" : "missing or null, and required in this case");
    }
}

static void read_struct(struct reading *x, const struct column *c, idx_t row)
{
    const uint64_t epoch = ++x->epoch;

    read_members(x, c->members.root, row, epoch);
    close_shape(x, &c->members, row, epoch);
}

/* Makes room for item `at` of a list; its vectors may move. */
static void grow_list(struct reading *x, const struct column *c, idx_t at)
{
    const struct column *item = c->item->columns[0];
    struct outlet *o = &x->outlets[item->slot];
    const duckdb_vector list = x->outlets[c->slot].vector;

    if (!list || at < o->room)
        return;
    o->room = at < 1024 ? 2048 : at * 2;
    if (duckdb_list_vector_reserve(list, o->room) != DuckDBSuccess)
        IG_UNREACHABLE("a list vector does not grow");
    locate(x, item, duckdb_list_vector_get_child(list));
}

static void read_list(struct reading *x, const struct column *c, idx_t row)
{
    const struct column *item = c->item->columns[0];
    struct outlet *o = &x->outlets[item->slot];
    const idx_t first = o->size;

    while (json_next_item(&x->json)) {
        const idx_t at = o->size++;
        const uint64_t epoch = ++x->epoch;

        grow_list(x, c, at);
        read_node(x, c->item, at, epoch);
        if (x->present[item->slot] != epoch) {
            reading_null(x, item, at);
            if (item->required && reading_problem(x, "missing_field", item->label))
                snprintf(x->why.detail, sizeof(x->why.detail), "a list item is null");
        }
        if (x->json.problem)
            break;
    }
    if (x->outlets[c->slot].vector)
        ((duckdb_list_entry *)x->outlets[c->slot].data)[row] = (duckdb_list_entry){first, o->size - first};
}

/* Goes through a container in place, for the column that wants what is in it. */
static void read_container(struct reading *x, const struct column *c, idx_t row, uint64_t epoch)
{
    struct json_value v;

    if (!json_begin(&x->json, &v))
        return;
    x->present[c->slot] = epoch;
    if (c->field->type == CONF_STRUCT)
        read_struct(x, c, row);
    else
        read_list(x, c, row);
}

static bool wants(const struct column *c, char bracket)
{
    return (c->field->type == CONF_STRUCT && bracket == '{') || (c->field->type == CONF_LIST && bracket == '[');
}

/* Another column of a container that was read already: from its text, once more. */
static void read_again(struct reading *x, const struct column *c, struct str text, idx_t row, uint64_t epoch)
{
    const struct json_reader outer = x->json;

    json_reader_init(&x->json, text);
    read_container(x, c, row, epoch);
    x->json = outer;
}

/* The value at a place of the tree, for all columns that look at it. */
static void read_node(struct reading *x, const struct node *node, idx_t row, uint64_t epoch)
{
    struct json_reader *r = &x->json;
    const struct column *inside = NULL;
    struct json_value v;
    char bracket;

    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    bracket = r->p < r->end ? *r->p : 0;
    for (size_t i = 0; i < node->n_columns && !inside; i++)
        if (wants(node->columns[i], bracket))
            inside = node->columns[i];

    if (node->n_children && bracket == '{') {
        inside = NULL;
        if (!json_begin(r, &v))
            return;
        read_members(x, node, row, epoch);
        v.raw.n = (size_t)(r->p - v.raw.p);
    } else if (inside) {
        v = (struct json_value){.type = bracket == '{' ? JSON_OBJECT : JSON_ARRAY, .raw = {r->p, 0}};
        read_container(x, inside, row, epoch);
        v.raw.n = (size_t)(r->p - v.raw.p);
    } else if (!json_read(r, &v)) {
        return;
    }
    if (r->problem)
        return;
    if (node->n_children && v.type != JSON_OBJECT && v.type != JSON_NULL &&
        reading_problem(x, "wrong_type", node->label))
        snprintf(x->why.detail, sizeof(x->why.detail), "expected an object");
    for (size_t i = 0; i < node->n_columns; i++) {
        const struct column *c = node->columns[i];

        if (c == inside)
            continue;
        if (wants(c, bracket))
            read_again(x, c, v.raw, row, epoch);
        else
            reading_take(x, c, &v, row, epoch);
    }
}

/* --- records ------------------------------------------------------------------------------------------ */

/* What is wrong with the text outweighs what is wrong with its values. */
static void refuse_text(struct reading *x, struct str value)
{
    const char *reason = "malformed_json";

    if (strcmp(x->json.problem, "nested too deeply") == 0)
        reason = "too_deep";
    else if (!str_is_utf8(value))
        reason = "invalid_utf8";
    x->rejected = true;
    x->why.reason = reason;
    x->why.field[0] = 0;
    snprintf(x->why.detail, sizeof(x->why.detail), "%s at byte %zu of %zu", x->json.problem, x->json.at, value.n);
}

static void refuse_whole(struct reading *x, const char *detail)
{
    x->rejected = true;
    x->why.reason = "malformed_json";
    x->why.field[0] = 0;
    snprintf(x->why.detail, sizeof(x->why.detail), "%s", detail);
}

bool reading_record(struct reading *x, struct str value, int64_t timestamp_us, idx_t row)
{
    const uint64_t epoch = ++x->epoch;
    struct json_value v;

    x->rejected = false;
    x->dated = false;
    x->timestamp_us = timestamp_us;
    json_reader_init(&x->json, value);
    if (!value.p) {
        refuse_whole(x, "the record has no value");
    } else if (json_begin(&x->json, &v)) {
        if (v.type == JSON_OBJECT) {
            read_members(x, x->shape->root, row, epoch);
        } else {
            /* read on: it may not even be JSON */
            json_reader_init(&x->json, value);
            if (json_read(&x->json, &v))
                refuse_whole(x, "the record is JSON, but no object");
        }
    }
    close_shape(x, x->shape, row, epoch);
    if (!json_end(&x->json))
        refuse_text(x, value);
    return !x->rejected;
}
