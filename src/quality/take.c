/*
 * Scalars: a JSON value becomes a column's value in an output vector, or is refused with a reason.
 */
#include "quality/contract.h"

#include <stdio.h>

#define PATTERN_SUBJECT_MAX ((size_t)1 << 20) /* a longer string matches no pattern */

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

/* Text that snprintf cut may end inside a character. */
static void mend(char *text)
{
    for (size_t n = strlen(text); n > 0 && !str_is_utf8((struct str){text, n});)
        text[--n] = 0;
}

bool reading_problem(struct reading *x, const char *reason, const char *label)
{
    if (x->rejected)
        return false;
    x->rejected = true;
    x->why.reason = reason;
    x->why.detail[0] = 0;
    snprintf(x->why.field, sizeof(x->why.field), "%s", label);
    mend(x->why.field);
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

    if (!reading_problem(x, reason, c->label))
        return;
    snprintf(x->why.detail, sizeof(x->why.detail), "found %s%s%s" STR_FMT "%s%s, expected %.100s", found[v->type],
             shown ? " " : "", quoted ? "\"" : "", STR_ARG(text), text.n < v->raw.n && shown ? "..." : "",
             quoted ? "\"" : "", expected);
    mend(x->why.detail);
}

static void refuse_type(struct reading *x, const struct column *c, const char *reason, const struct json_value *v)
{
    char name[32];

    refuse(x, c, reason, v, type_name(c->field, name));
}

void reading_null(struct reading *x, const struct column *c, idx_t row)
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
        reading_null(x, &c->members.columns[i], row);
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
void reading_take(struct reading *x, const struct column *c, const struct json_value *v, idx_t row, uint64_t epoch)
{
    if (counts_as_null(c, v))
        return;
    x->present[c->slot] = epoch;
    raise_demands(x, c, v, epoch);
    if (!take_fns[c->field->type](x, c, v, row))
        reading_null(x, c, row);
}
