/*
 * A predicate against what the log says of a file: partition values, and the statistics' bounds and counts of nulls.
 *
 * Bounds are taken as wide as any writer may have meant them: times are cut to milliseconds, long texts to a prefix,
 * floats do not count NaN (which is greater than all), decimals may have gone through a double. Deleted rows only make
 * the truth narrower. What is missing or not understood bounds nothing.
 */
#include "lake/read/prune.h"

#include "lake/read/predicate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define ALL (PREDICATE_MAY_BE_TRUE | PREDICATE_MAY_BE_FALSE | PREDICATE_MAY_BE_NULL)
/* A text's maximum of so many bytes may have been cut. */
#define CUT_FROM 32
/* The widest distance of a time zone from UTC, and some. */
#define ZONE_US (INT64_C(16) * 3600 * 1000000)
#define EXACT_IN_DOUBLE (INT64_C(1) << 53)

enum domain { NO_DOMAIN, INTEGERS, NUMBERS, TEXTS };

struct value {
    int64_t i;
    double d;
    struct str text;
};

/* What is known of a column's values in a file. */
struct range {
    enum domain domain;
    bool has_low, has_high;
    struct value low, high;
    bool may_be_nan;  /* which is above `high` */
    bool high_is_cut; /* a text that begins with `high` is within */
    bool may_be_null, may_be_value;
};

static enum domain domain_of(const struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
    case SCHEMA_DATE:
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
    case SCHEMA_BOOLEAN:
        return INTEGERS;
    case SCHEMA_FLOAT:
    case SCHEMA_DOUBLE:
    case SCHEMA_DECIMAL:
        return NUMBERS;
    case SCHEMA_STRING:
        return TEXTS;
    default:
        return NO_DOMAIN;
    }
}

/* How far a number may be from what was written of it. */
static double margin(const struct schema_type *type, double d)
{
    if (type->kind == SCHEMA_DOUBLE)
        return 0;
    return fabs(d) * (type->kind == SCHEMA_FLOAT ? 1e-6 : 1e-12);
}

static bool has_zone(struct str text)
{
    if (text.n && (text.p[text.n - 1] == 'Z' || text.p[text.n - 1] == 'z'))
        return true;
    for (size_t i = 11; i < text.n; i++)
        if (text.p[i] == '+' || text.p[i] == '-')
            return true;
    return false;
}

/* --- what the log says ------------------------------------------------------------------------------------- */

/* A text as a value of the type, as low and as high as it may be meant. `exact`: a partition value. */
static bool bounds_of_text(const struct schema_type *type, struct str text, bool exact, struct value *low,
                           struct value *high)
{
    int32_t day;
    double d;

    switch (type->kind) {
    case SCHEMA_DATE:
        if (!date_parse(text, &day))
            return false;
        low->i = high->i = day;
        return true;
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        if (!timestamp_parse(text, &low->i) || (!exact && type->kind == SCHEMA_TIMESTAMP && !has_zone(text)))
            return false;
        high->i = exact ? low->i : low->i + 999;
        return true;
    case SCHEMA_STRING:
        low->text = high->text = text;
        return true;
    case SCHEMA_BOOLEAN:
        low->i = high->i = str_is(text, "true");
        return str_is(text, "true") || str_is(text, "false");
    case SCHEMA_FLOAT:
    case SCHEMA_DOUBLE:
    case SCHEMA_DECIMAL:
        if (!str_to_double(text, &d))
            return false;
        low->d = d - margin(type, d);
        high->d = d + margin(type, d);
        return true;
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
        if (!str_to_int64(text, INT64_MIN, INT64_MAX, &low->i))
            return false;
        high->i = low->i;
        return true;
    default:
        return false;
    }
}

static void range_of_partition(const struct schema_type *type, const char *value, struct range *r)
{
    r->may_be_null = !value;
    r->may_be_value = value != NULL;
    if (!value)
        return;
    r->has_low = r->has_high = bounds_of_text(type, str_of(value), true, &r->low, &r->high);
    r->may_be_nan = !r->has_low && r->domain == NUMBERS;
}

/* A member of minValues and its like, by the physical names on the way. */
static bool find_stat(struct str stats, const char *kind, const struct predicate *p, struct json_value *out)
{
    if (!json_member(stats, kind, out))
        return false;
    for (size_t i = 0; i < p->n_path; i++)
        if (out->type != JSON_OBJECT || !json_member(out->raw, p->path[i]->physical, out))
            return false;
    return true;
}

/* The texts of a minimum or maximum, in `scratch` behind the statistics' own (which may move). */
static bool read_bound(struct str stats, const char *kind, const struct predicate *p, struct arena *texts,
                       struct value *low, struct value *high)
{
    const struct schema_type *type = p->path[p->n_path - 1]->type;
    struct json_value v;
    struct buf text;
    bool ok;

    if (!find_stat(stats, kind, p, &v))
        return false;
    if (v.type == JSON_TRUE || v.type == JSON_FALSE) {
        low->i = high->i = v.type == JSON_TRUE;
        return type->kind == SCHEMA_BOOLEAN;
    }
    if (v.type == JSON_NUMBER)
        return domain_of(type) != TEXTS && type->kind != SCHEMA_DATE && type->kind != SCHEMA_TIMESTAMP &&
               type->kind != SCHEMA_TIMESTAMP_NTZ && bounds_of_text(type, v.raw, false, low, high);
    if (v.type != JSON_STRING || (domain_of(type) == NUMBERS))
        return false;
    buf_init(&text, 0);
    json_unescape(&v, &text);
    ok = bounds_of_text(type, (struct str){arena_strndup(texts, buf_cstr(&text), text.n), text.n}, false, low, high);
    buf_release(&text);
    return ok;
}

/* What may have been cut holds all that begins with it. Old Spark puts U+FFFD for the rest, which sorts before a rest
 * that begins with a character beyond 16 bits; where it cut through such a character, half of it became a question
 * mark. */
static void take_text_maximum(struct range *r)
{
    struct str *text = &r->high.text;

    r->high_is_cut = text->n >= CUT_FROM;
    if (text->n < 3 || memcmp(text->p + text->n - 3, "\xef\xbf\xbd", 3) != 0)
        return;
    text->n -= 3;
    if (text->n && text->p[text->n - 1] == '?')
        text->n--;
    r->high_is_cut = true;
}

static void range_of_statistics(struct str stats, const struct predicate *p, struct arena *texts, struct range *r)
{
    const enum schema_kind kind = p->path[p->n_path - 1]->type->kind;
    int64_t rows = -1, nulls = -1;
    struct json_value v;
    struct value other;

    r->may_be_null = r->may_be_value = true;
    r->may_be_nan = kind == SCHEMA_FLOAT || kind == SCHEMA_DOUBLE;
    if (!stats.n)
        return;
    if (find_stat(stats, "nullCount", p, &v) && v.integer && str_to_int64(v.raw, 0, INT64_MAX, &nulls)) {
        (void)!json_member_int64(stats, "numRecords", &rows);
        r->may_be_value = rows < 0 || nulls < rows;
        r->may_be_null = nulls > 0 || p->n_path > 1; /* is a member null where its struct is? Writers differ */
    }
    if (r->domain == NO_DOMAIN)
        return;
    r->has_low = read_bound(stats, "minValues", p, texts, &r->low, &other);
    r->has_high = read_bound(stats, "maxValues", p, texts, &other, &r->high);
    if (r->domain == TEXTS && r->has_high)
        take_text_maximum(r);
}

/* --- what the predicate says ------------------------------------------------------------------------------- */

static bool time_of_constant(const struct schema_type *type, const struct predicate_constant *c, struct value *low,
                             struct value *high)
{
    const bool zone = has_zone(c->text);

    if (c->kind != PREDICATE_TEXT && c->kind != PREDICATE_DATE && c->kind != PREDICATE_TIMESTAMP &&
        c->kind != PREDICATE_TIMESTAMPTZ)
        return false;
    if (!timestamp_parse(c->text, &low->i))
        return false;
    high->i = low->i;
    if (type->kind == SCHEMA_TIMESTAMP_NTZ)
        return !zone && c->kind != PREDICATE_TIMESTAMPTZ;
    if (c->kind == PREDICATE_TIMESTAMP && zone)
        return false;
    if (!zone) { /* the session's time zone counts, whatever it will be */
        low->i -= ZONE_US;
        high->i += ZONE_US;
    }
    return true;
}

static bool date_of_constant(const struct predicate_constant *c, struct value *low, struct value *high)
{
    int32_t day;

    if ((c->kind != PREDICATE_TEXT && c->kind != PREDICATE_DATE) || !date_parse(c->text, &day))
        return false;
    low->i = high->i = day;
    return true;
}

static bool integer_of_constant(const struct predicate_constant *c, struct value *low, struct value *high)
{
    if (c->kind == PREDICATE_INTEGER) {
        low->i = high->i = c->integer;
        return true;
    }
    if (c->kind == PREDICATE_NUMBER && fabs(c->number) < (double)EXACT_IN_DOUBLE) {
        /* 5.5 is between 5 and 6: comparisons with integers come out as with one of them. */
        low->i = (int64_t)floor(c->number);
        high->i = (int64_t)ceil(c->number);
        return true;
    }
    if (c->kind != PREDICATE_TEXT || !str_to_int64(c->text, INT64_MIN, INT64_MAX, &low->i))
        return false;
    high->i = low->i;
    return true;
}

/* The constant as a value of the column's type, as low and high as it may be; false: unknown. */
static bool bounds_of_constant(const struct schema_type *type, const struct predicate_constant *c, struct value *low,
                               struct value *high)
{
    switch (type->kind) {
    case SCHEMA_BOOLEAN:
        low->i = high->i = c->integer;
        return c->kind == PREDICATE_BOOLEAN;
    case SCHEMA_DATE:
        return date_of_constant(c, low, high);
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        return time_of_constant(type, c, low, high);
    case SCHEMA_STRING:
        low->text = high->text = c->text;
        return c->kind == PREDICATE_TEXT || c->kind == PREDICATE_VARCHAR;
    case SCHEMA_FLOAT:
    case SCHEMA_DOUBLE:
    case SCHEMA_DECIMAL:
        if (c->kind != PREDICATE_INTEGER && c->kind != PREDICATE_NUMBER)
            return false;
        low->d = c->number - margin(type, c->number);
        high->d = c->number + margin(type, c->number);
        /* Beyond 2^53 an integer is not what its double is. */
        low->d -= fabs(c->number) * DBL_EPSILON;
        high->d += fabs(c->number) * DBL_EPSILON;
        return true;
    default:
        return integer_of_constant(c, low, high);
    }
}

static int compare(enum domain domain, const struct value *a, const struct value *b)
{
    if (domain == TEXTS)
        return str_cmp(a->text, b->text);
    if (domain == NUMBERS)
        return (a->d > b->d) - (a->d < b->d);
    return (a->i > b->i) - (a->i < b->i);
}

/* The highest value against a constant; positive also where it may be higher. */
static int compare_high(const struct range *r, const struct value *c)
{
    if (!r->has_high)
        return 1;
    if (r->high_is_cut && c->text.n >= r->high.text.n && memcmp(c->text.p, r->high.text.p, r->high.text.n) == 0)
        return 1;
    return compare(r->domain, &r->high, c);
}

static int compare_low(const struct range *r, const struct value *c)
{
    return r->has_low ? compare(r->domain, &r->low, c) : -1;
}

/* Text that begins with a prefix, by its bounds. */
static unsigned outcomes_of_prefix(const struct range *r, struct str prefix)
{
    const struct value p = {.text = prefix};

    if (compare_high(r, &p) < 0)
        return PREDICATE_MAY_BE_FALSE;
    if (r->has_low && str_cmp(r->low.text, prefix) > 0 &&
        (r->low.text.n < prefix.n || memcmp(r->low.text.p, prefix.p, prefix.n) != 0))
        return PREDICATE_MAY_BE_FALSE;
    return PREDICATE_MAY_BE_TRUE | PREDICATE_MAY_BE_FALSE;
}

static unsigned outcomes_of(bool may_be_true, bool may_be_false)
{
    return (may_be_true ? PREDICATE_MAY_BE_TRUE : 0u) | (may_be_false ? PREDICATE_MAY_BE_FALSE : 0u);
}

/* For the values that are not null. */
static unsigned compare_values(const struct predicate *p, const struct range *r)
{
    struct value low = {0}, high = {0}; /* of the constant */

    if (r->domain == NO_DOMAIN || !bounds_of_constant(p->path[p->n_path - 1]->type, &p->constant, &low, &high))
        return PREDICATE_MAY_BE_TRUE | PREDICATE_MAY_BE_FALSE;
    switch (p->kind) {
    case PREDICATE_LESS:
        return outcomes_of(compare_low(r, &high) < 0, r->may_be_nan || compare_high(r, &low) >= 0);
    case PREDICATE_LESS_EQ:
        return outcomes_of(compare_low(r, &high) <= 0, r->may_be_nan || compare_high(r, &low) > 0);
    case PREDICATE_GREATER:
        return outcomes_of(r->may_be_nan || compare_high(r, &low) > 0, compare_low(r, &high) <= 0);
    case PREDICATE_GREATER_EQ:
        return outcomes_of(r->may_be_nan || compare_high(r, &low) >= 0, compare_low(r, &high) < 0);
    case PREDICATE_PREFIX:
        return r->domain == TEXTS ? outcomes_of_prefix(r, p->constant.text)
                                  : PREDICATE_MAY_BE_TRUE | PREDICATE_MAY_BE_FALSE;
    default:
        return outcomes_of(compare_low(r, &high) <= 0 && compare_high(r, &low) >= 0,
                           r->may_be_nan || compare_low(r, &high) != 0 || compare_high(r, &low) != 0 ||
                               compare(r->domain, &low, &high) != 0);
    }
}

/* --- lists ------------------------------------------------------------------------------------------------- */

struct bounds {
    struct value low, high;
};

/* By `low`; `reach` is the highest `high` up to there: so one search says whether any of them is within a range. */
struct predicate_values {
    struct bounds *list;
    struct value *reach;
    size_t n;
    bool has_null, has_unknown;
};

static int compare_integers(const void *a, const void *b)
{
    return compare(INTEGERS, &((const struct bounds *)a)->low, &((const struct bounds *)b)->low);
}

static int compare_numbers(const void *a, const void *b)
{
    return compare(NUMBERS, &((const struct bounds *)a)->low, &((const struct bounds *)b)->low);
}

static int compare_texts(const void *a, const void *b)
{
    return compare(TEXTS, &((const struct bounds *)a)->low, &((const struct bounds *)b)->low);
}

const struct predicate_values *predicate_sort_values(struct arena *a, const struct schema_type *type,
                                                     const struct predicate_constant *constants, size_t n)
{
    struct predicate_values *out = ARENA_NEW(a, struct predicate_values);
    const enum domain domain = domain_of(type);

    *out = (struct predicate_values){
        .list = ARENA_ARRAY(a, struct bounds, n + 1),
        .reach = ARENA_ARRAY(a, struct value, n + 1),
    };
    for (size_t i = 0; i < n; i++) {
        struct bounds b = {0};

        if (constants[i].kind == PREDICATE_NULL)
            out->has_null = true;
        else if (domain == NO_DOMAIN || !bounds_of_constant(type, &constants[i], &b.low, &b.high))
            out->has_unknown = true;
        else
            out->list[out->n++] = b;
    }
    if (out->n)
        qsort(out->list, out->n, sizeof(*out->list),
              domain == TEXTS     ? compare_texts
              : domain == NUMBERS ? compare_numbers
                                  : compare_integers);
    for (size_t i = 0; i < out->n; i++)
        out->reach[i] =
            i && compare(domain, &out->reach[i - 1], &out->list[i].high) > 0 ? out->reach[i - 1] : out->list[i].high;
    return out;
}

/* How many begin at or below the highest value. */
static size_t begin_within(const struct predicate_values *values, const struct range *r)
{
    size_t from = 0, to = values->n;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;

        if (compare_high(r, &values->list[middle].low) >= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* For the values that are not null: each is one of the list, or not. */
static unsigned find_values(const struct predicate_values *values, const struct range *r)
{
    const size_t n = begin_within(values, r);
    const bool any = n > 0 && compare_low(r, &values->reach[n - 1]) <= 0;
    bool all = any && !r->may_be_nan && r->has_low && r->has_high && !r->high_is_cut &&
               compare(r->domain, &r->low, &r->high) == 0;

    /* The file has just one value: is it surely the last of those? */
    if (all) {
        const struct bounds *last = &values->list[n - 1];

        all = compare(r->domain, &last->low, &r->low) == 0 && compare(r->domain, &last->high, &r->low) == 0;
    }
    return outcomes_of(any || values->has_unknown, !all);
}

static unsigned outcomes_of_leaf(const struct predicate *p, const struct lake_entry *e, struct str stats,
                                 struct arena *texts)
{
    const struct schema_type *type = p->path[p->n_path - 1]->type;
    struct range r = {.domain = domain_of(type)};
    unsigned out = 0;

    if (p->partition != SIZE_MAX)
        range_of_partition(type, lake_entry_values(e)[p->partition], &r);
    else
        range_of_statistics(stats, p, texts, &r);
    if (p->kind == PREDICATE_IS_NULL)
        return outcomes_of(r.may_be_null, r.may_be_value);
    if (p->kind == PREDICATE_IN)
        return (r.may_be_value ? find_values(p->values, &r) : 0u) |
               (r.may_be_null || p->values->has_null ? PREDICATE_MAY_BE_NULL : 0u);
    if (p->constant.kind == PREDICATE_NULL)
        return p->kind == PREDICATE_SAME ? ALL : PREDICATE_MAY_BE_NULL;
    if (r.may_be_value)
        out |= compare_values(p, &r);
    if (r.may_be_null)
        out |= p->kind == PREDICATE_SAME ? PREDICATE_MAY_BE_FALSE : PREDICATE_MAY_BE_NULL;
    return out;
}

/* The outcomes of AND (or OR, which is the same with true and false exchanged) of any pair of outcomes. */
static unsigned both(unsigned left, unsigned right, unsigned weak, unsigned strong)
{
    unsigned out = 0;

    if ((left | right) & strong)
        out |= strong;
    if (left & weak && right & weak)
        out |= weak;
    if ((left & PREDICATE_MAY_BE_NULL && right & (weak | PREDICATE_MAY_BE_NULL)) ||
        (right & PREDICATE_MAY_BE_NULL && left & (weak | PREDICATE_MAY_BE_NULL)))
        out |= PREDICATE_MAY_BE_NULL;
    return out;
}

static unsigned outcomes(const struct predicate *p, const struct lake_entry *e, struct str stats, struct arena *texts)
{
    unsigned left, right;

    switch (p->kind) {
    case PREDICATE_UNKNOWN:
        return ALL;
    case PREDICATE_NOT:
        left = outcomes(p->left, e, stats, texts);
        return (left & PREDICATE_MAY_BE_NULL) |
               outcomes_of(left & PREDICATE_MAY_BE_FALSE, left & PREDICATE_MAY_BE_TRUE);
    case PREDICATE_AND:
    case PREDICATE_OR:
        left = outcomes(p->left, e, stats, texts);
        right = outcomes(p->right, e, stats, texts);
        /* A file without rows has no outcome at all; it must not hide the other side's. */
        if (!left || !right)
            return left | right;
        return p->kind == PREDICATE_AND ? both(left, right, PREDICATE_MAY_BE_TRUE, PREDICATE_MAY_BE_FALSE)
                                        : both(left, right, PREDICATE_MAY_BE_FALSE, PREDICATE_MAY_BE_TRUE);
    default:
        return outcomes_of_leaf(p, e, stats, texts);
    }
}

unsigned predicate_outcomes_of_stats(const struct predicate *p, const struct lake_entry *e, struct str stats)
{
    struct arena texts;
    unsigned out;

    arena_init(&texts);
    out = outcomes(p, e, stats, &texts);
    arena_release(&texts);
    return out;
}

unsigned predicate_outcomes(const struct predicate *p, const struct lake_entry *e, struct buf *scratch)
{
    buf_clear(scratch);
    lake_entry_add_stats(e, scratch);
    return predicate_outcomes_of_stats(p, e, buf_str(scratch));
}

size_t lake_prune(const struct lake_snapshot *s, const char *where, const struct lake_entry *const *entries, size_t n,
                  const struct lake_entry **kept)
{
    const struct predicate *p;
    struct buf scratch;
    struct arena arena;
    size_t n_kept = 0;

    arena_init(&arena);
    buf_init(&scratch, 0);
    p = predicate_parse(&arena, s, where);
    for (size_t i = 0; i < n; i++)
        if (predicate_outcomes(p, entries[i], &scratch) & PREDICATE_MAY_BE_TRUE)
            kept[n_kept++] = entries[i];
    buf_release(&scratch);
    arena_release(&arena);
    return n_kept;
}
