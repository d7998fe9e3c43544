/*
 * Can a reader with one JSON Schema read what was written with another? Every value that the writer's schema admits
 * must be one that the reader's admits, told by Confluent's names of the differences (its strict policy). "Original" is
 * the writer's, "update" the reader's.
 *
 * Only differences that break something are kept. A pair of subschemas is compared once; a pair that is met again while
 * it is being compared (a recursive schema) is taken for compatible, and if that turns out wrong for any pair, all is
 * compared again with what is known now, until nothing new comes up.
 */
#include "registry/json_diff.h"

#include <stdlib.h>

static const struct {
    const char *name;
    enum wording wording;
} TYPES[] = {
#define X(name, wording) {#name, wording},
    DIFFERENCES(X)
#undef X
};

/* The sentence, with what the update (%1) and the original (%2) are called, and the path (%3). */
static const char *const SENTENCES[] = {
    [ADDED] = "The keyword at path '%3' in the %1 schema is not present in the %2 schema",
    [INCREASED] = "The value at path '%3' in the %1 schema is more than its value in the %2 schema",
    [DECREASED] = "The value at path '%3' in the %1 schema is less than its value in the %2 schema",
    [CHANGED] = "The value at path '%3' is different between the %1 and %2 schema",
    [FEWER] = "An array or combined type at path '%3' has fewer elements in the %1 schema than the %2 schema",
    [MORE] = "An array or combined type at path '%3' has more elements in the %1 schema than the %2 schema",
    [RETYPED] = "A type at path '%3' is different between the %1 schema and the %2 schema",
    [OPEN] = "The %1 schema has an open content model and has a property or item at path '%3' which is missing in "
             "the %2 schema",
    [UNOPEN] = "The %1 schema has an unopen content model and has a required property at path '%3' which is missing "
               "in the %2 schema",
    [LOST] = "The %1 has a closed content model and is missing a property or item present at path '%3' in the %2 "
             "schema",
    [UNCOVERED_LOST] = "A property or item is missing in the %1 schema but present at path '%3' in the %2 schema "
                       "and is not covered by its partially open content model",
    [UNCOVERED_NEW] = "The %1 schema has a property or item at path '%3' which is missing in the %2 schema and is "
                      "not covered by its partially open content model",
};

/* What the lenient policy lets pass, too. */
static bool is_lenient(enum difference_type type)
{
    static const enum difference_type LENIENT[] = {
        D_ADDITIONAL_PROPERTIES_NARROWED,
        D_ADDITIONAL_PROPERTIES_REMOVED,
        D_UNEVALUATED_PROPERTIES_NARROWED,
        D_UNEVALUATED_PROPERTIES_REMOVED,
        D_REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL,
        D_OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL,
        D_PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL,
        D_PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL,
        D_PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL,
    };

    for (size_t i = 0; i < IG_COUNT(LENIENT); i++)
        if (LENIENT[i] == type)
            return true;
    return false;
}

void diff_add(struct found *f, const char *path, enum difference_type type)
{
    const struct difference d = {type, path};

    if (f->diff->lenient && is_lenient(type))
        return;

    if (f->list.n < DIFFERENCES_MAX)
        vec_push(&f->list, d);
}

const char *diff_below(struct found *f, const char *path, struct str step)
{
    return arena_printf(&f->diff->arena, "%s/" STR_FMT, path, STR_ARG(step));
}

const char *diff_below_word(struct found *f, const char *path, const char *word)
{
    return diff_below(f, path, str_of(word));
}

/* --- pairs ------------------------------------------------------------------------------------------- */

static struct pair *pair_place(struct diff *d, const struct shape *original, const struct shape *update)
{
    const uint64_t key =
        ((uint64_t)(uintptr_t)original >> 4) * 0x9e3779b97f4a7c15u ^ ((uint64_t)(uintptr_t)update >> 4);
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (d->cap - 1);

    while (d->pairs[at].used && (d->pairs[at].original != original || d->pairs[at].update != update))
        at = (at + 1) & (d->cap - 1);
    return &d->pairs[at];
}

static void grow(struct diff *d)
{
    struct pair *old = d->pairs;
    const size_t n = d->cap;

    d->cap = n ? n * 2 : 256;
    d->pairs = check_calloc(d->cap, sizeof(*d->pairs));
    for (size_t i = 0; i < n; i++)
        if (old[i].used)
            *pair_place(d, old[i].original, old[i].update) = old[i];
    free(old);
}

static struct pair *pair_of(struct diff *d, const struct shape *original, const struct shape *update)
{
    struct pair *p;

    if (d->n_pairs * 2 >= d->cap)
        grow(d);
    p = pair_place(d, original, update);
    if (!p->used) {
        *p = (struct pair){.original = original, .update = update, .used = true};
        d->n_pairs++;
    }
    return p;
}

bool diff_is_compatible(struct found *f, const struct shape *original, const struct shape *update)
{
    struct found inner = {.diff = f->diff};
    bool ok;

    diff_compare(&inner, "", original, update);
    ok = inner.list.n == 0;
    vec_free(&inner.list);
    return ok;
}

/* --- allOf, anyOf, oneOf ---------------------------------------- */

static bool same_shape(const struct shape *a, const struct shape *b)
{
    if (a == b)
        return true;
    return a->kind == b->kind && a->integer == b->integer && a->criterion == b->criterion && a->doc == b->doc &&
           json_tree_equal(a->node, b->node);
}

typedef VEC(const struct shape *) sub_list;

static void distinct_subs(const struct shape *x, sub_list *out)
{
    for (size_t i = 0; i < x->n_subs; i++) {
        bool seen = false;

        for (size_t k = 0; k < out->n && !seen; k++)
            seen = same_shape(out->p[k], x->subs[i]);
        if (!seen)
            vec_push(out, x->subs[i]);
    }
}

/* Which of the update's could each of the original's become? A maximum matching, by augmenting paths. */
struct matching {
    const bool *fits; /* n_a rows of n_b */
    size_t n_a, n_b;
    size_t *partner_of_b; /* 1 + index in a, 0: none */
    bool *seen;
};

static bool augment(struct matching *m, size_t a)
{
    for (size_t b = 0; b < m->n_b; b++) {
        if (!m->fits[a * m->n_b + b] || m->seen[b])
            continue;
        m->seen[b] = true;
        if (m->partner_of_b[b] == 0 || augment(m, m->partner_of_b[b] - 1)) {
            m->partner_of_b[b] = a + 1;
            return true;
        }
    }
    return false;
}

static size_t match(const bool *fits, size_t n_a, size_t n_b)
{
    struct matching m = {fits, n_a, n_b, check_calloc(n_b + 1, sizeof(size_t)), check_calloc(n_b + 1, sizeof(bool))};
    size_t n = 0;

    for (size_t a = 0; a < n_a; a++) {
        memset(m.seen, 0, n_b);
        n += augment(&m, a) ? 1 : 0;
    }
    free(m.partner_of_b);
    free(m.seen);
    return n;
}

static bool criteria_changed(const struct shape *a, const struct shape *b)
{
    if (a->criterion == b->criterion || b->criterion == SHAPE_ANY_OF)
        return false;
    if (a->n_subs == 1 && (b->n_subs == 1 || b->criterion == SHAPE_ONE_OF))
        return false;
    return !(b->n_subs == 1 && a->criterion == SHAPE_ALL_OF);
}

/* Of what is the only one of its kind on both sides, it can be told what broke it. */
static void explain(struct found *f, const char *path, const sub_list *was, const sub_list *now)
{
    for (size_t i = 0; i < was->n; i++) {
        const struct shape *partner = NULL;
        size_t n = 0;

        for (size_t k = 0; k < was->n; k++)
            n += was->p[k]->kind == was->p[i]->kind;
        for (size_t k = 0; k < now->n; k++)
            if (now->p[k]->kind == was->p[i]->kind) {
                partner = now->p[k];
                n++;
            }
        if (n == 2 && partner)
            diff_compare(f, path, was->p[i], partner);
    }
}

static void compare_combined(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    sub_list was = {0}, now = {0};
    bool *fits;

    if (criteria_changed(a, b)) {
        diff_add(f, path, D_COMBINED_TYPE_CHANGED);
        return;
    }
    if (a->n_subs > SUBS_MAX || b->n_subs > SUBS_MAX) {
        f->diff->gave_up = true;
        diff_add(f, path, D_TOO_COMPLEX_TO_COMPARE);
        return;
    }
    distinct_subs(a, &was);
    distinct_subs(b, &now);
    if (was.n < now.n && b->criterion == SHAPE_ALL_OF)
        diff_add(f, path, D_PRODUCT_TYPE_EXTENDED);
    if (was.n > now.n && a->criterion != SHAPE_ALL_OF)
        diff_add(f, path, D_SUM_TYPE_NARROWED);
    fits = check_calloc(was.n * now.n + 1, sizeof(bool));
    for (size_t i = 0; i < was.n; i++)
        for (size_t k = 0; k < now.n; k++)
            fits[i * now.n + k] = diff_is_compatible(f, was.p[i], now.p[k]);
    if (match(fits, was.n, now.n) < (was.n < now.n ? was.n : now.n)) {
        const size_t before = f->list.n;

        if (f->diff->lenient) /* which Confluent's words are not expected of */
            explain(f, path, &was, &now);
        if (f->list.n == before)
            diff_add(f, path, D_COMBINED_TYPE_SUBSCHEMAS_CHANGED);
    }
    free(fits);
    vec_free(&was);
    vec_free(&now);
}

/* One of two is combined: is the other one of its choices, or one of its conditions? */
static bool fits_one_of(struct found *f, const struct shape *a, const struct shape *b)
{
    if (b->kind == SHAPE_COMBINED && a->kind != SHAPE_COMBINED && (b->n_subs == 1 || b->criterion != SHAPE_ALL_OF)) {
        for (size_t i = 0; i < b->n_subs; i++)
            if (diff_is_compatible(f, a, b->subs[i]))
                return true;
    }
    if (a->kind == SHAPE_COMBINED && b->kind != SHAPE_COMBINED && (a->n_subs == 1 || a->criterion == SHAPE_ALL_OF)) {
        for (size_t i = 0; i < a->n_subs; i++)
            if (diff_is_compatible(f, a->subs[i], b))
                return true;
    }
    return false;
}

/* --- any two ---------------------------------------- */

/* Connect writes decimals as "connect.type": "bytes" over different types. */
static bool both_connect_bytes(const struct shape *a, const struct shape *b)
{
    return str_is(json_tree_string(a->node, "connect.type"), "bytes") &&
           str_is(json_tree_string(b->node, "connect.type"), "bytes");
}

static bool conditions_equal(const struct shape *a, const struct shape *b)
{
    static const char *const KEYWORDS[] = {"if", "then", "else"};

    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        const struct json_node *x = json_tree_member(a->node, KEYWORDS[i]), *y = json_tree_member(b->node, KEYWORDS[i]);

        if ((x == NULL) != (y == NULL) || (x && !json_tree_equal(x, y)))
            return false;
    }
    return true;
}

static void compare_kinds(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    const struct json_node *x, *y;

    switch (a->kind) {
    case SHAPE_STRING:
        diff_strings(f, path, a, b);
        break;
    case SHAPE_NUMBER:
        diff_numbers(f, path, a, b);
        break;
    case SHAPE_OBJECT:
        diff_objects(f, path, a, b);
        break;
    case SHAPE_ARRAY:
        diff_arrays(f, path, a, b);
        break;
    case SHAPE_ENUM:
        diff_enums(f, path, a, b);
        break;
    case SHAPE_CONST:
        x = json_tree_member(a->node, "const");
        y = json_tree_member(b->node, "const");
        if (!json_tree_equal(x, y))
            diff_add(f, diff_below_word(f, path, "const"), D_ENUM_ARRAY_CHANGED);
        break;
    case SHAPE_NOT: /* what must not be may only become less */
        if (!diff_is_compatible(f, b->target, a->target))
            diff_add(f, diff_below_word(f, path, "not"), D_NOT_TYPE_EXTENDED);
        break;
    case SHAPE_CONDITION:
        if (!conditions_equal(a, b))
            diff_add(f, path, D_COMBINED_TYPE_SUBSCHEMAS_CHANGED);
        break;
    case SHAPE_COMBINED:
        compare_combined(f, path, a, b);
        break;
    case SHAPE_ANY:
    case SHAPE_NEVER:
    case SHAPE_BOOLEAN:
    case SHAPE_NULL:
    case SHAPE_REF:
        break;
    }
}

static void compare_pair(struct found *f, const struct shape *a, const struct shape *b)
{
    if (fits_one_of(f, a, b))
        return;
    if (a->kind == b->kind)
        compare_kinds(f, "", a, b);
    else if (a->kind != SHAPE_NEVER && b->kind != SHAPE_ANY && !both_connect_bytes(a, b))
        diff_add(f, "", D_TYPE_CHANGED);
}

static const struct shape *follow(const struct shape *x)
{
    return x && x->kind == SHAPE_REF ? x->target : x;
}

void diff_compare(struct found *f, const char *path, const struct shape *original, const struct shape *update)
{
    struct diff *d = f->diff;
    struct found inner = {.diff = d};
    struct pair *p;

    if (!update)
        return;
    if (!original) {
        diff_add(f, path, D_SCHEMA_ADDED);
        return;
    }
    original = follow(original);
    update = follow(update);
    p = pair_of(d, original, update);
    if (p->busy)
        d->guessed = true;
    if (!p->busy && !p->done) {
        if (d->n_pairs > PAIRS_MAX || d->depth >= DEPTH_MAX) {
            d->gave_up = true;
            diff_add(f, path, D_TOO_COMPLEX_TO_COMPARE);
            return;
        }
        p->busy = true;
        d->depth++;
        compare_pair(&inner, original, update);
        d->depth--;
        p = pair_of(d, original, update); /* the table may have moved */
        p->busy = false;
        p->done = true;
        p->n = inner.list.n;
        p->p = ARENA_ARRAY(&d->arena, struct difference, inner.list.n + 1);
        if (inner.list.n)
            memcpy(p->p, inner.list.p, inner.list.n * sizeof(*p->p));
        vec_free(&inner.list);
    }
    for (size_t i = 0; i < p->n; i++)
        diff_add(f, *path ? arena_printf(&d->arena, "%s%s", path, p->p[i].path) : p->p[i].path, p->p[i].type);
}

/* Before all is compared again: what was found broken is known of pairs that are met while they are compared, too. */
static size_t forget_good(struct diff *d)
{
    size_t broken = 0;

    for (size_t i = 0; i < d->cap; i++) {
        d->pairs[i].done = false;
        broken += d->pairs[i].used && d->pairs[i].n > 0;
    }
    return broken;
}

static void tell(struct schema_problems *problems, enum difference_type type, const char *path)
{
    const char *const words[] = {schema_reader_name(problems), schema_writer_name(problems), path};
    struct buf text;

    buf_init(&text, 0);
    for (const char *p = SENTENCES[TYPES[type].wording]; *p; p++) {
        if (*p == '%' && p[1] >= '1' && p[1] <= '3')
            buf_puts(&text, words[*++p - '1']);
        else
            buf_putc(&text, *p);
    }
    schema_problem(problems, "{errorType:\"%s\", description:\"%s'}", TYPES[type].name, buf_cstr(&text));
    buf_release(&text);
}

bool json_schema_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems)
{
    const struct json_schema *update = (const struct json_schema *)reader;
    const struct json_schema *original = (const struct json_schema *)writer;
    struct diff d = {.lenient = problems && problems->lenient};
    struct found f = {.diff = &d};
    size_t broken = SIZE_MAX, before;
    bool ok;

    arena_init(&d.arena);
    do {
        before = broken;
        d.guessed = false;
        f.list.n = 0;
        diff_compare(&f, "", original->shape, update->shape);
        broken = d.guessed && !d.gave_up ? forget_good(&d) : before;
    } while (broken != before);
    ok = f.list.n == 0;
    for (size_t i = 0; i < f.list.n; i++)
        tell(problems, f.list.p[i].type, arena_printf(&d.arena, "#%s", *f.list.p[i].path ? f.list.p[i].path : "/"));
    vec_free(&f.list);
    free(d.pairs);
    arena_release(&d.arena);
    return ok;
}
