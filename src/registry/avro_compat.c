/*
 * Avro: can a reader's schema read what a writer's wrote? The rules, the order in which problems are found, and their
 * paths are those of Apache's SchemaCompatibility; the sentences are the registry's.
 */
#include "registry/avro.h"

#include <stdio.h>
#include <stdlib.h>

#define PAIRS_MAX 300000   /* of types compared: two huge unions are refused instead of compared for minutes */
#define PROBLEMS_MAX 1000  /* kept; the verdict is right with more */
#define PATH_MAX_STEPS 100 /* of a path; what is deeper is left off */

enum problem_kind {
    NAME_MISMATCH,
    FIXED_SIZE_MISMATCH,
    MISSING_ENUM_SYMBOLS,
    READER_FIELD_MISSING_DEFAULT_VALUE,
    TYPE_MISMATCH,
    MISSING_UNION_BRANCH,
    NOT_COMPARED, /* ours: the check was given up */
};

struct problem {
    enum problem_kind kind;
    const char *path, *info;
};

/* One step of the path from the root; lives on the stack of the function that takes the step. */
struct place {
    const struct place *up;
    const char *step;
};

struct pair {
    const struct avro_type *reader, *writer;
    bool done, fits;
    const struct problem **problems;
    size_t n;
};

struct check {
    struct arena arena;
    struct pair *pairs; /* what was compared, by the hash of both */
    size_t n_pairs, mask;
    VEC(const struct problem *) problems;
    unsigned depth;
    bool given_up;
};

static bool check_pair(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                       const struct place *at);

/* --- problems ----------------------------------------------------------------------------------------------- */

/* "/fields/0/type"; "/" is the root. */
static const char *path_text(struct check *c, const struct place *at)
{
    const struct place *steps[AVRO_DEPTH_MAX * 2 + 8];
    struct buf text;
    const char *copy;
    size_t n = 0;

    for (; at->up && n < IG_COUNT(steps); at = at->up)
        steps[n++] = at;
    buf_init(&text, 0);
    if (n == 0)
        buf_putc(&text, '/');
    for (size_t left = PATH_MAX_STEPS; n > 0 && left > 0; left--)
        buf_printf(&text, "/%s", steps[--n]->step);
    if (n > 0)
        buf_puts(&text, "/...");
    copy = arena_strndup(&c->arena, text.p, text.n);
    buf_release(&text);
    return copy;
}

IG_PRINTF(4, 5)
static bool problem(struct check *c, enum problem_kind kind, const struct place *at, const char *fmt, ...)
{
    struct problem *p;
    char info[1024];
    va_list args;

    if (c->problems.n >= PROBLEMS_MAX)
        return false;
    va_start(args, fmt);
    vsnprintf(info, sizeof(info), fmt, args);
    va_end(args);
    p = ARENA_NEW(&c->arena, struct problem);
    *p = (struct problem){kind, path_text(c, at), arena_strdup(&c->arena, info)};
    vec_push(&c->problems, p);
    return false;
}

static bool give_up(struct check *c, const struct place *at, const char *why)
{
    if (c->given_up)
        return false;
    c->given_up = true;
    return problem(c, NOT_COMPARED, at, "%s", why);
}

static const char *kind_upper(const struct avro_type *type, char out[12])
{
    const char *name = avro_kind_name(type->kind);
    size_t i = 0;

    for (; name[i] && i < 11; i++)
        out[i] = (char)(name[i] - 'a' + 'A');
    out[i] = 0;
    return out;
}

/* --- the rules ------------------------------------------------------------------------------------------------ */

static bool check_names(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                        const struct place *up)
{
    const struct place at = {up, "name"};

    if (str_eq(reader->name.name, writer->name.name))
        return true;
    for (size_t i = 0; i < reader->n_aliases; i++)
        if (str_eq(reader->aliases[i].full, writer->name.full))
            return true;
    return problem(c, NAME_MISMATCH, &at, "expected: " STR_FMT, STR_ARG(writer->name.full));
}

static bool check_size(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                       const struct place *up)
{
    const struct place at = {up, "size"};

    return reader->size == writer->size ||
           problem(c, FIXED_SIZE_MISMATCH, &at, "expected: %zu, found: %zu", writer->size, reader->size);
}

static bool check_symbols(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                          const struct place *up)
{
    const struct place at = {up, "symbols"};
    struct buf missing;
    size_t found;
    bool ok = true;

    buf_init(&missing, 900); /* what does not fit is left off */
    for (size_t i = 0; i < writer->n; i++) {
        if (avro_index_find(&reader->index, writer->index.keys[i].name, &found))
            continue;
        buf_printf(&missing, "%s" STR_FMT, ok ? "" : ", ", STR_ARG(writer->index.keys[i].name));
        ok = false;
    }
    if (!ok && !reader->default_symbol.p)
        (void)problem(c, MISSING_ENUM_SYMBOLS, &at, "[%s]", buf_cstr(&missing));
    buf_release(&missing);
    return ok || reader->default_symbol.p;
}

/* The writer's field that a reader's field is read from, by its name or its aliases. False: more than one. */
static bool writer_field(const struct avro_type *writer, const struct avro_field *field, const struct avro_field **out)
{
    size_t n = 0, at;

    *out = NULL;
    if (avro_index_find(&writer->index, field->name, &at)) {
        *out = &writer->fields[at];
        n++;
    }
    for (size_t i = 0; i < field->n_aliases; i++) {
        if (!avro_index_find(&writer->index, field->aliases[i], &at))
            continue;
        if (*out != &writer->fields[at] || str_eq(field->aliases[i], field->name))
            n++;
        *out = n == 1 ? &writer->fields[at] : *out;
    }
    return n <= 1;
}

static bool check_field(struct check *c, const struct avro_field *field, const struct avro_type *writer,
                        const struct place *up)
{
    const struct place at = {up, "type"};
    const struct avro_field *from;

    if (!writer_field(writer, field, &from))
        return give_up(c, up, "a field of the reader matches more than one field of the writer");
    if (from)
        return check_pair(c, field->type, from->type, &at);
    if (field->default_node)
        return true;
    if (field->type->kind == AVRO_ENUM && field->type->default_symbol.p)
        return check_pair(c, field->type, writer, &at);
    return problem(c, READER_FIELD_MISSING_DEFAULT_VALUE, up, STR_FMT, STR_ARG(field->name));
}

static bool check_fields(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                         const struct place *up)
{
    const struct place fields = {up, "fields"};
    bool ok = true;
    char number[24];

    for (size_t i = 0; i < reader->n && !c->given_up; i++) {
        const struct place at = {&fields, number};

        snprintf(number, sizeof(number), "%zu", i);
        ok = check_field(c, &reader->fields[i], writer, &at) && ok;
    }
    return ok;
}

/* Is the pair compatible? Its problems are nobody's business: they are reported as a missing branch, if at all. */
static bool fits(struct check *c, const struct avro_type *reader, const struct avro_type *writer)
{
    static const struct place ROOT = {NULL, ""};
    const size_t n = c->problems.n;
    const bool ok = check_pair(c, reader, writer, &ROOT);

    if (!c->given_up)
        c->problems.n = n;
    return ok;
}

static bool lacks_branch(struct check *c, const struct avro_type *writer, const struct place *at)
{
    char name[12];

    return problem(c, MISSING_UNION_BRANCH, at, "reader union lacking writer type: %s", kind_upper(writer, name));
}

static bool check_unions(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                         const struct place *up)
{
    bool ok = true;
    char number[24];

    for (size_t i = 0; i < writer->n && !c->given_up; i++) {
        const struct place at = {up, number};

        snprintf(number, sizeof(number), "%zu", i);
        if (!fits(c, reader, writer->branches[i]))
            ok = lacks_branch(c, writer->branches[i], &at);
    }
    return ok;
}

static bool check_same_kind(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                            const struct place *up)
{
    const struct place items = {up, "items"}, values = {up, "values"};
    bool ok;

    switch (reader->kind) {
    case AVRO_ARRAY:
        return check_pair(c, reader->of, writer->of, &items);
    case AVRO_MAP:
        return check_pair(c, reader->of, writer->of, &values);
    case AVRO_UNION:
        return check_unions(c, reader, writer, up);
    case AVRO_FIXED:
        ok = check_names(c, reader, writer, up);
        return check_size(c, reader, writer, up) && ok;
    case AVRO_ENUM:
        ok = check_names(c, reader, writer, up);
        return check_symbols(c, reader, writer, up) && ok;
    case AVRO_RECORD:
        ok = check_names(c, reader, writer, up);
        return check_fields(c, reader, writer, up) && ok;
    default:
        return true;
    }
}

static bool is_promoted(enum avro_kind reader, enum avro_kind writer)
{
    switch (reader) {
    case AVRO_LONG:
        return writer == AVRO_INT;
    case AVRO_FLOAT:
        return writer == AVRO_INT || writer == AVRO_LONG;
    case AVRO_DOUBLE:
        return writer == AVRO_INT || writer == AVRO_LONG || writer == AVRO_FLOAT;
    case AVRO_BYTES:
        return writer == AVRO_STRING;
    case AVRO_STRING:
        return writer == AVRO_BYTES;
    default:
        return false;
    }
}

static bool check_other_kind(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                             const struct place *up)
{
    char number[24], name[12], other[12];
    bool ok = true;

    if (writer->kind == AVRO_UNION) {
        for (size_t i = 0; i < writer->n && !c->given_up; i++) {
            const struct place at = {up, number};

            snprintf(number, sizeof(number), "%zu", i);
            ok = check_pair(c, reader, writer->branches[i], &at) && ok;
        }
        return ok;
    }
    if (reader->kind == AVRO_UNION) {
        for (size_t i = 0; i < reader->n && !c->given_up; i++)
            if (fits(c, reader->branches[i], writer))
                return true;
        return lacks_branch(c, writer, up);
    }
    return is_promoted(reader->kind, writer->kind) ||
           problem(c, TYPE_MISMATCH, up, "reader type: %s not compatible with writer type: %s",
                   kind_upper(reader, name), kind_upper(writer, other));
}

/* --- pairs ---------------------------------------------------------------------------------------------------- */

static struct pair *pair_place(struct pair *pairs, size_t mask, const struct avro_type *reader,
                               const struct avro_type *writer)
{
    const void *key[2] = {reader, writer};
    size_t at = hash_fnv1a(key, sizeof(key)) & mask;

    while (pairs[at].reader && (pairs[at].reader != reader || pairs[at].writer != writer))
        at = (at + 1) & mask;
    return &pairs[at];
}

static void grow_pairs(struct check *c)
{
    const size_t mask = c->mask ? c->mask * 2 + 1 : 255;
    struct pair *pairs = check_calloc(mask + 1, sizeof(*pairs));

    for (size_t i = 0; c->pairs && i <= c->mask; i++)
        if (c->pairs[i].reader)
            *pair_place(pairs, mask, c->pairs[i].reader, c->pairs[i].writer) = c->pairs[i];
    free(c->pairs);
    c->pairs = pairs;
    c->mask = mask;
}

/* What was found before is found again; what is being compared further up counts as fitting. */
static bool known_pair(struct check *c, const struct pair *pair)
{
    for (size_t i = 0; i < pair->n && c->problems.n < PROBLEMS_MAX; i++)
        vec_push(&c->problems, pair->problems[i]);
    return !pair->done || pair->fits;
}

static void keep_pair(struct check *c, const struct avro_type *reader, const struct avro_type *writer, bool ok,
                      size_t from)
{
    struct pair *pair = pair_place(c->pairs, c->mask, reader, writer);
    const size_t n = c->problems.n > from ? c->problems.n - from : 0;

    pair->done = true;
    pair->fits = ok;
    if (n) {
        pair->problems = ARENA_ARRAY(&c->arena, const struct problem *, n);
        memcpy(pair->problems, c->problems.p + from, n * sizeof(*pair->problems));
        pair->n = n;
    }
}

static bool check_pair(struct check *c, const struct avro_type *reader, const struct avro_type *writer,
                       const struct place *at)
{
    const size_t from = c->problems.n;
    const bool kept = reader->kind > AVRO_STRING; /* primitives are compared faster than looked up */
    struct pair *pair;
    bool ok;

    if (c->given_up)
        return false;
    if (kept) {
        pair = pair_place(c->pairs, c->mask, reader, writer);
        if (pair->reader)
            return known_pair(c, pair);
        if (c->n_pairs >= PAIRS_MAX)
            return give_up(c, at, "the schemas are too large to be compared");
        *pair = (struct pair){.reader = reader, .writer = writer};
        if (++c->n_pairs * 2 > c->mask)
            grow_pairs(c);
    }
    if (++c->depth > AVRO_DEPTH_MAX)
        return give_up(c, at, "the schemas nest too deep to be compared");
    ok =
        reader->kind == writer->kind ? check_same_kind(c, reader, writer, at) : check_other_kind(c, reader, writer, at);
    c->depth--;
    if (kept)
        keep_pair(c, reader, writer, ok, from);
    return ok;
}

/* --- in words --------------------------------------------------------------------------------------------------- */

static void describe(struct schema_problems *out, const struct problem *p)
{
    const char *reader = schema_reader_name(out), *writer = schema_writer_name(out);

    switch (p->kind) {
    case NAME_MISMATCH:
        schema_problem(out,
                       "{errorType:'NAME_MISMATCH', description:'The name of the schema has changed (path '%s')', "
                       "additionalInfo:'%s'}",
                       p->path, p->info);
        break;
    case FIXED_SIZE_MISMATCH:
        schema_problem(out,
                       "{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field at path '%s' in "
                       "the %s schema does not match with the %s schema', additionalInfo:'%s'}",
                       p->path, reader, writer, p->info);
        break;
    case MISSING_ENUM_SYMBOLS:
        schema_problem(out,
                       "{errorType:'MISSING_ENUM_SYMBOLS', description:'The %s schema is missing enum symbols '%s' at "
                       "path '%s' in the %s schema', additionalInfo:'%s'}",
                       reader, p->info, p->path, writer, p->info);
        break;
    case READER_FIELD_MISSING_DEFAULT_VALUE:
        schema_problem(out,
                       "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field '%s' at path '%s' in "
                       "the %s schema has no default value and is missing in the %s schema', additionalInfo:'%s'}",
                       p->info, p->path, reader, writer, p->info);
        break;
    case TYPE_MISMATCH:
        schema_problem(out,
                       "{errorType:'TYPE_MISMATCH', description:'The type (path '%s') of a field in the %s schema "
                       "does not match with the %s schema', additionalInfo:'%s'}",
                       p->path, reader, writer, p->info);
        break;
    case MISSING_UNION_BRANCH:
        schema_problem(out,
                       "{errorType:'MISSING_UNION_BRANCH', description:'The %s schema is missing a type inside a "
                       "union field at path '%s' in the %s schema', additionalInfo:'%s'}",
                       reader, p->path, writer, p->info);
        break;
    case NOT_COMPARED:
        schema_problem(out, "Unexpected exception during compatibility check: %s (path '%s')", p->info, p->path);
        break;
    }
}

bool avro_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems)
{
    const struct place root = {NULL, ""};
    struct check c = {0};
    bool ok;

    arena_init(&c.arena);
    grow_pairs(&c);
    ok = check_pair(&c, avro_of(reader)->root, avro_of(writer)->root, &root) && !c.given_up;
    for (size_t i = 0; problems && i < c.problems.n; i++)
        describe(problems, c.problems.p[i]);
    vec_free(&c.problems);
    free(c.pairs);
    arena_release(&c.arena);
    return ok;
}
