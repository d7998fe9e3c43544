/*
 * One pass over a record's JSON text: checked, cast and written to output vectors as it is read.
 *
 * A wrong value does not end the pass: the rest of the text is still checked, because "not JSON" outweighs everything
 * else. Otherwise the first problem in the order of the text is the one reported, missing fields come behind.
 */
#include "quality/contract.h"

#include <stdio.h>

#define PATTERN_SUBJECT_MAX ((size_t)1 << 20) /* a longer string matches no pattern */

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

/* --- refusing ----------------------------------------------------------------------------------------- */

static const char *type_name(const struct conf_field *f, char out[32])
{
    static const char *const names[] = {
        [CONF_STRING] = "a string",       [CONF_INT] = "an int",  [CONF_DOUBLE] = "a double", [CONF_BOOL] = "a bool",
        [CONF_TIMESTAMP] = "a timestamp", [CONF_DATE] = "a date", [CONF_JSON] = "any JSON",   [CONF_LIST] = "a list",
        [CONF_STRUCT] = "an object"};

    if (f->type != CONF_DECIMAL)
        return names[f->type];
    snprintf(out, 32, "a decimal(%d,%d)", f->precision, f->scale);
    return out;
}

/* The value as far as a person needs to see it, cut between characters. */
static struct str excerpt(const struct json_value *v)
{
    struct str s = v->raw;

    if (s.n > 60) {
        s.n = 60;
        while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    return s;
}

static void set_field(struct reading *x, const char *label)
{
    snprintf(x->why.field, sizeof(x->why.field), "%s", label);
    if (!str_is_utf8(str_of(x->why.field))) /* cut inside a character */
        for (size_t n = strlen(x->why.field); n > 0 && !str_is_utf8(str_of(x->why.field));)
            x->why.field[--n] = 0;
}

static bool first_problem(struct reading *x, const char *reason, const char *label)
{
    if (x->rejected)
        return false;
    x->rejected = true;
    x->why.reason = reason;
    x->why.detail[0] = 0;
    set_field(x, label);
    return true;
}

static void refuse(struct reading *x, const struct column *c, const char *reason, const struct json_value *v,
                   const char *expected)
{
    static const char *const found[] = {
        [JSON_NONE] = "nothing",   [JSON_NULL] = "null",         [JSON_FALSE] = "a bool",
        [JSON_TRUE] = "a bool",    [JSON_NUMBER] = "the number", [JSON_STRING] = "the string",
        [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object"};
    const bool quoted = v->type == JSON_STRING, shown = quoted || v->type == JSON_NUMBER;
    const struct str text = shown ? excerpt(v) : (struct str){"", 0};

    if (first_problem(x, reason, c->label))
        snprintf(x->why.detail, sizeof(x->why.detail), "found %s%s%s" STR_FMT "%s%s, expected %.100s", found[v->type],
                 shown ? " " : "", quoted ? "\"" : "", STR_ARG(text), text.n < v->raw.n && shown ? "..." : "",
                 quoted ? "\"" : "", expected);
}

static void refuse_type(struct reading *x, const struct column *c, const char *reason, const struct json_value *v)
{
    char name[32];

    refuse(x, c, reason, v, type_name(c->field, name));
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

static void put_null(struct reading *x, const struct column *c, idx_t row)
{
    struct outlet *o = &x->outlets[c->slot];

    if (!o->vector)
        return;
    if (!o->validity) {
        duckdb_vector_ensure_validity_writable(o->vector);
        o->validity = duckdb_vector_get_validity(o->vector);
    }
    o->validity[row / 64] &= ~(UINT64_C(1) << (row % 64));
    if (c->field->type == CONF_LIST)
        ((duckdb_list_entry *)o->data)[row] = (duckdb_list_entry){0, 0};
    for (size_t i = 0; i < c->members.n; i++)
        put_null(x, &c->members.columns[i], row);
}

static void put_str(struct reading *x, const struct column *c, idx_t row, struct str s)
{
    if (x->outlets[c->slot].vector)
        duckdb_unsafe_vector_assign_string_element_len(x->outlets[c->slot].vector, row, s.p, s.n);
}

#define PUT(x, c, row, type, value)                                      \
    do {                                                                 \
        if ((x)->outlets[(c)->slot].vector)                              \
            ((type *)(x)->outlets[(c)->slot].data)[row] = (type)(value); \
    } while (0)

/* --- scalars ------------------------------------------------------------------------------------------ */

/* A scalar's value as text: a string's without escapes, anything else as it stands. */
static struct str scalar_text(struct reading *x, const struct json_value *v)
{
    if (!v->escaped)
        return v->raw;
    buf_clear(&x->text);
    json_unescape(v, &x->text);
    return buf_str(&x->text);
}

static struct str trimmed(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static size_t characters(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void refuse_range(struct reading *x, const struct column *c, const struct json_value *v, const char *what)
{
    const struct conf_field *f = c->field;
    char expected[100];

    if (f->has_min && f->has_max)
        snprintf(expected, sizeof(expected), "%s of %g to %g", what, f->min, f->max);
    else
        snprintf(expected, sizeof(expected), "%s of at %s %g", what, f->has_min ? "least" : "most",
                 f->has_min ? f->min : f->max);
    refuse(x, c, "out_of_range", v, expected);
}

static bool in_range(const struct conf_field *f, double v)
{
    return (!f->has_min || v >= f->min) && (!f->has_max || v <= f->max);
}

static bool matches(const struct column *c, struct str s)
{
    regmatch_t span = {.rm_so = 0, .rm_eo = (regoff_t)s.n};

    return s.n <= PATTERN_SUBJECT_MAX && regexec(&c->pattern, s.p ? s.p : "", 1, &span, REG_STARTEND) == 0;
}

static bool in_enum(const struct column *c, struct str s)
{
    for (size_t i = 0; i < c->field->n_one_of; i++)
        if (c->one_of[i].n == s.n && memcmp(c->one_of[i].p, s.p, s.n) == 0)
            return true;
    return false;
}

/* Each take_ function writes the value, or refuses it and returns false. */
static bool take_string(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    const struct conf_field *f = c->field;
    struct str s;

    if (v->type != JSON_STRING && !(f->lenient && v->type >= JSON_FALSE && v->type <= JSON_NUMBER)) {
        refuse_type(x, c, "wrong_type", v);
        return false;
    }
    s = scalar_text(x, v);
    if (f->n_one_of && !in_enum(c, s)) {
        refuse(x, c, "not_in_enum", v, "one of the values listed in the contract");
        return false;
    }
    if ((f->has_min || f->has_max) && !in_range(f, (double)characters(s))) {
        refuse_range(x, c, v, "a length");
        return false;
    }
    if (c->has_pattern && !matches(c, s)) {
        char expected[100];

        snprintf(expected, sizeof(expected), "a match of %.80s", f->pattern);
        refuse(x, c, "no_match", v, expected);
        return false;
    }
    put_str(x, c, row, s);
    return true;
}

/* The text of a number, or refuses: numbers are numbers, and text only where the field is lenient. */
static bool number_text(struct reading *x, const struct column *c, const struct json_value *v, struct str *out)
{
    if (v->type == JSON_NUMBER) {
        *out = v->raw;
        return true;
    }
    if (c->field->lenient && v->type == JSON_STRING) {
        *out = trimmed(scalar_text(x, v));
        return true;
    }
    refuse_type(x, c, "wrong_type", v);
    return false;
}

static bool cast_ok(struct reading *x, const struct column *c, const struct json_value *v, enum cast how)
{
    if (how == CAST_OK)
        return true;
    refuse_type(x, c, how == CAST_TOO_BIG ? "out_of_range" : "wrong_type", v);
    return false;
}

static bool take_int(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    struct str text;
    int64_t n = 0;

    if (!number_text(x, c, v, &text) || !cast_ok(x, c, v, cast_int64(text, &n)))
        return false;
    if (!in_range(c->field, (double)n)) {
        refuse_range(x, c, v, "an int");
        return false;
    }
    PUT(x, c, row, int64_t, n);
    return true;
}

static bool take_double(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    struct str text;
    double n = 0;

    if (!number_text(x, c, v, &text) || !cast_ok(x, c, v, cast_double(text, &n)))
        return false;
    if (!in_range(c->field, n)) {
        refuse_range(x, c, v, "a number");
        return false;
    }
    PUT(x, c, row, double, n);
    return true;
}

static bool decimal_in_range(const struct conf_field *f, __int128 n)
{
    double unit = 1;

    for (int i = 0; i < f->scale; i++)
        unit *= 10;
    return (!f->has_min || (double)n >= f->min * unit) && (!f->has_max || (double)n <= f->max * unit);
}

static bool take_decimal(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    const struct conf_field *f = c->field;
    struct str text;
    __int128 n = 0;

    if (!number_text(x, c, v, &text) || !cast_ok(x, c, v, cast_decimal(text, f->precision, f->scale, f->lenient, &n)))
        return false;
    if (!decimal_in_range(f, n)) {
        refuse_range(x, c, v, "a decimal");
        return false;
    }
    if (f->precision <= 4)
        PUT(x, c, row, int16_t, n);
    else if (f->precision <= 9)
        PUT(x, c, row, int32_t, n);
    else if (f->precision <= 18)
        PUT(x, c, row, int64_t, n);
    else
        PUT(x, c, row, __int128, n);
    return true;
}

static bool take_bool(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    bool b = v->type == JSON_TRUE;

    if (v->type != JSON_TRUE && v->type != JSON_FALSE) {
        if (!c->field->lenient || (v->type != JSON_STRING && v->type != JSON_NUMBER) ||
            cast_bool(trimmed(scalar_text(x, v)), &b) != CAST_OK) {
            refuse_type(x, c, "wrong_type", v);
            return false;
        }
    }
    PUT(x, c, row, bool, b);
    return true;
}

static bool read_time(struct reading *x, const struct column *c, const struct json_value *v, int64_t *us)
{
    const struct conf_field *f = c->field;
    const bool by_number = f->type == CONF_TIMESTAMP && f->time_unit != CONF_TIME_TEXT;

    if (v->type == JSON_NUMBER && by_number)
        return cast_time(v->raw, f->time_unit, us) == CAST_OK;
    if (v->type != JSON_STRING || (by_number && !f->lenient))
        return false;
    if (by_number && cast_time(trimmed(scalar_text(x, v)), f->time_unit, us) == CAST_OK)
        return true;
    return cast_time(f->lenient ? trimmed(scalar_text(x, v)) : scalar_text(x, v), CONF_TIME_TEXT, us) == CAST_OK;
}

static bool time_allowed(struct reading *x, const struct column *c, const struct json_value *v, int64_t us)
{
    const struct conf_contract *conf = x->contract->conf;
    char expected[80], text[40];

    if (conf->has_not_before && us < x->contract->not_before_us) {
        snprintf(expected, sizeof(expected), "not before %s", timestamp_format(x->contract->not_before_us, text));
        refuse(x, c, "too_early", v, expected);
        return false;
    }
    if (conf->max_future_ms && us - x->timestamp_us > conf->max_future_ms * 1000) {
        snprintf(expected, sizeof(expected), "at most %lld s after the log's %s", (long long)conf->max_future_ms / 1000,
                 timestamp_format(x->timestamp_us, text));
        refuse(x, c, "too_late", v, expected);
        return false;
    }
    return true;
}

static bool take_timestamp(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    int64_t us;

    if (!read_time(x, c, v, &us)) {
        refuse_type(x, c, "bad_timestamp", v);
        return false;
    }
    if (c->event_time) {
        x->dated = true;
        x->event_us = us;
        if (x->shape == &x->contract->record && !time_allowed(x, c, v, us))
            return false;
    }
    PUT(x, c, row, int64_t, us);
    return true;
}

static bool take_date(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    int32_t days;
    int64_t us;
    struct str text;

    if (v->type != JSON_STRING)
        goto bad;
    text = scalar_text(x, v);
    if (c->field->lenient)
        text = trimmed(text);
    if (!date_parse(text, &days)) {
        if (!c->field->lenient || cast_time(text, CONF_TIME_TEXT, &us) != CAST_OK)
            goto bad;
        days = timestamp_date(us);
    }
    if (c->event_time) {
        x->dated = true;
        x->event_us = days * US_PER_DAY;
        if (x->shape == &x->contract->record && !time_allowed(x, c, v, x->event_us))
            return false;
    }
    PUT(x, c, row, int32_t, days);
    return true;
bad:
    refuse_type(x, c, "bad_timestamp", v);
    return false;
}

typedef bool take_fn(struct reading *x, const struct column *c, const struct json_value *v, idx_t row);

static bool take_json(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    const size_t quote = v->type == JSON_STRING ? 1 : 0;

    put_str(x, c, row, (struct str){v->raw.p - quote, v->raw.n + 2 * quote});
    return true;
}

static bool take_container(struct reading *x, const struct column *c, const struct json_value *v, idx_t row)
{
    (void)row;
    refuse_type(x, c, "wrong_type", v);
    return false;
}

static take_fn *const take_fns[] = {
    [CONF_STRING] = take_string,    [CONF_INT] = take_int,   [CONF_DOUBLE] = take_double,
    [CONF_DECIMAL] = take_decimal,  [CONF_BOOL] = take_bool, [CONF_TIMESTAMP] = take_timestamp,
    [CONF_DATE] = take_date,        [CONF_JSON] = take_json, [CONF_LIST] = take_container,
    [CONF_STRUCT] = take_container,
};

/* Other columns may be required because this one has the value it has. */
static void raise_demands(struct reading *x, const struct column *c, const struct json_value *v, uint64_t epoch)
{
    struct str text;

    if (!c->n_demands || v->type < JSON_FALSE || v->type > JSON_STRING)
        return;
    text = scalar_text(x, v);
    for (size_t i = 0; i < c->n_demands; i++)
        for (size_t j = 0; j < c->demands[i].n_values; j++)
            if (str_is(text, c->demands[i].values[j]))
                x->demanded[c->demands[i].of->slot] = epoch;
}

/* An empty text where a lenient field wants something else than text is what CSV has for null. */
static bool counts_as_null(const struct column *c, const struct json_value *v)
{
    return v->type == JSON_NULL || (c->field->lenient && v->type == JSON_STRING && v->raw.n == 0 &&
                                    c->field->type != CONF_STRING && c->field->type != CONF_JSON);
}

/* A whole value, or (raw spanning it) one that was gone through, for one column. */
static void take(struct reading *x, const struct column *c, const struct json_value *v, idx_t row, uint64_t epoch)
{
    if (counts_as_null(c, v))
        return;
    x->present[c->slot] = epoch;
    raise_demands(x, c, v, epoch);
    if (!take_fns[c->field->type](x, c, v, row))
        put_null(x, c, row);
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
            if (first_problem(x, "duplicate_field", child->label))
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
        put_null(x, c, row);
        if ((c->required || x->demanded[c->slot] == epoch) && first_problem(x, "missing_field", c->label))
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
            put_null(x, item, at);
            if (item->required && first_problem(x, "missing_field", item->label))
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
    if (node->n_children && v.type != JSON_OBJECT && v.type != JSON_NULL && first_problem(x, "wrong_type", node->label))
        snprintf(x->why.detail, sizeof(x->why.detail), "expected an object");
    for (size_t i = 0; i < node->n_columns; i++) {
        const struct column *c = node->columns[i];

        if (c == inside)
            continue;
        if (wants(c, bracket))
            read_again(x, c, v.raw, row, epoch);
        else
            take(x, c, &v, row, epoch);
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
