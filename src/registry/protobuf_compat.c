/*
 * Protobuf: can a reader's schema read what a writer's wrote? What changed is found, and which changes do no harm is
 * decided, as Confluent's registry does: fields are compared by their numbers, messages by their names. A change that
 * does no harm is not reported.
 */
#include "registry/protobuf.h"

#include <stdio.h>

#define STEPS_MAX 500000 /* comparisons: types of references are compared again for each field that has them */
#define DEPTH_MAX 200

enum change {
    PACKAGE_CHANGED,
    MESSAGE_REMOVED,
    FIELD_KIND_CHANGED,
    FIELD_SCALAR_KIND_CHANGED,
    FIELD_NAMED_TYPE_CHANGED,
    FIELD_NUMERIC_LABEL_CHANGED,
    REQUIRED_FIELD_ADDED,
    REQUIRED_FIELD_REMOVED,
    ONEOF_FIELD_REMOVED,
    MULTIPLE_FIELDS_MOVED_TO_ONEOF,
    FIELD_MOVED_TO_EXISTING_ONEOF,
};

/* A step down: of a type's name it counts for finding names, too. */
struct place {
    const struct place *up;
    struct str step;
};

/* A message that is being compared further up. */
struct pending {
    const struct pending *up;
    const struct pb_type *old;
};

struct check {
    const struct pb_schema *old, *new_;
    struct schema_problems *problems;
    size_t changes, steps;
    unsigned depth;
    const struct pending *pending;
};

/* Where two messages are, and the packages of their files. */
struct context {
    struct check *c;
    struct str old_scope, new_scope; /* in which their names are looked up */
    const struct place *at;
};

static void compare_message(struct context x, const struct pb_type *old, const struct pb_type *new_);

/* --- what is said
 * ------------------------------------------------------------------------------------------------------ */

static void report(const struct context *x, enum change change)
{
    /* "%1": the path; "%r", "%w": reader and writer */
    static const struct {
        const char *kind, *text;
    } TEXTS[] = {
        [PACKAGE_CHANGED] = {"PACKAGE_CHANGED",
                             "The package at '%1' in the %r schema does not match the package in the %w schema"},
        [MESSAGE_REMOVED] = {"MESSAGE_REMOVED",
                             "The %r schema is missing a MESSAGE type at path '%1' in the %w schema"},
        [FIELD_KIND_CHANGED] = {"FIELD_KIND_CHANGED",
                                "The type of a field at path '%1' in the %r schema does not match the %w schema"},
        [FIELD_SCALAR_KIND_CHANGED] = {"FIELD_SCALAR_KIND_CHANGED",
                                       "The kind of a SCALAR field at path '%1' in the %r schema does not match its "
                                       "kind in the %w schema"},
        [FIELD_NAMED_TYPE_CHANGED] = {"FIELD_NAMED_TYPE_CHANGED",
                                      "The type of a MESSAGE field at path '%1' in the %r schema does not match its "
                                      "type in the %w schema"},
        [FIELD_NUMERIC_LABEL_CHANGED] = {"FIELD_NUMERIC_LABEL_CHANGED",
                                         "The label for a NUMERIC field at path '%1' in the %r schema does not match "
                                         "its label in the %w schema"},
        [REQUIRED_FIELD_ADDED] = {"REQUIRED_FIELD_ADDED",
                                  "A required field  at path '%1' in the %r schema is missing in the %w schema"},
        [REQUIRED_FIELD_REMOVED] = {"REQUIRED_FIELD_REMOVED",
                                    "The %r schema is missing a required field at path: '%1' in the %w schema"},
        [ONEOF_FIELD_REMOVED] = {"ONEOF_FIELD_REMOVED",
                                 "The %r schema is missing a oneof field at path '%1' in the %w schema"},
        [MULTIPLE_FIELDS_MOVED_TO_ONEOF] = {"MULTIPLE_FIELDS_MOVED_TO_ONEOF",
                                            "Multiple fields in the oneof at path '%1' in the %r schema are outside "
                                            "a oneof in the %w schema"},
        [FIELD_MOVED_TO_EXISTING_ONEOF] = {"FIELD_MOVED_TO_EXISTING_ONEOF",
                                           "A field in the oneof at path '%1' in the %r schema is outside an existing "
                                           "oneof in the %w schema"},
    };
    const struct place *steps[DEPTH_MAX + 8];
    struct buf text;
    size_t n = 0;

    x->c->changes++;
    if (!x->c->problems || x->c->problems->list.n > 1000)
        return;
    for (const struct place *p = x->at; p && n < IG_COUNT(steps); p = p->up)
        steps[n++] = p;
    buf_init(&text, 0);
    for (const char *p = TEXTS[change].text; *p; p++) {
        if (*p != '%') {
            buf_putc(&text, *p);
            continue;
        }
        p++;
        if (*p != '1') {
            buf_puts(&text, *p == 'r' ? schema_reader_name(x->c->problems) : schema_writer_name(x->c->problems));
            continue;
        }
        buf_puts(&text, "#/");
        for (size_t i = n; i > 0; i--)
            buf_printf(&text, "%s" STR_FMT, i < n ? "/" : "", STR_ARG(steps[i - 1]->step));
    }
    schema_problem(x->c->problems, "{errorType:\"%s\", description:\"%s\"}", TEXTS[change].kind, buf_cstr(&text));
    buf_release(&text);
}

/* A step further down. */
static struct context enter(const struct context *x, struct place *place, struct str step)
{
    struct context down = *x;

    *place = (struct place){x->at, step};
    down.at = place;
    return down;
}

struct number_text {
    char text[16];
};
static struct str tag_text(int32_t tag, struct number_text *out)
{
    snprintf(out->text, sizeof(out->text), "%d", tag);
    return str_of(out->text);
}

/* --- fields
 * ------------------------------------------------------------------------------------------------------------- */

enum kind { SCALAR, MAP, MESSAGE };
enum scalar { GENERAL, SIGNED, TEXT, FIXED32, FIXED64, FLOAT, DOUBLE };

/* A field's type, or a map's key or value. */
struct typed {
    enum kind kind;
    enum pb_kind scalar; /* of a scalar or enum */
    struct str name;     /* as written */
    const struct pb_type *type;
    const struct pb_field *map; /* the field that is the map */
};

static struct typed typed_of(const struct pb_schema *s, struct str scope, struct str name)
{
    struct typed t = {.kind = SCALAR, .name = name};

    if (pb_scalar_of(name, &t.scalar))
        return t;
    t.type = pb_find_type(s, scope, name);
    t.kind = t.type && t.type->is_enum ? SCALAR : MESSAGE;
    t.scalar = PB_ENUM_TYPE;
    return t;
}

static struct typed typed_of_field(const struct pb_schema *s, struct str scope, const struct pb_field *f)
{
    struct typed t;

    if (f->kind != PB_KIND_MAP)
        return typed_of(s, scope, f->type);
    t = (struct typed){.kind = MAP, .name = f->type, .map = f};
    return t;
}

static enum scalar scalar_group(enum pb_kind kind)
{
    switch (kind) {
    case PB_SINT32:
    case PB_SINT64:
        return SIGNED;
    case PB_TEXT:
    case PB_BYTES:
        return TEXT;
    case PB_FIXED32:
    case PB_SFIXED32:
        return FIXED32;
    case PB_FIXED64:
    case PB_SFIXED64:
        return FIXED64;
    case PB_FLOAT:
        return FLOAT;
    case PB_DOUBLE:
        return DOUBLE;
    default:
        return GENERAL;
    }
}

/* The name without its file's package. */
static struct str local_name(const struct pb_type *t)
{
    const struct str package = t->file->package;
    struct str name = t->full;

    if (package.n && name.n > package.n && memcmp(name.p, package.p, package.n) == 0 && name.p[package.n] == '.') {
        name.p += package.n + 1;
        name.n -= package.n + 1;
    }
    return name;
}

/* Of two types of references the contents are compared; those of the two files are compared anyway. */
static void compare_named(const struct context *x, const struct typed *old, const struct typed *new_)
{
    struct place places[PROTOBUF_NEST_MAX + 1];
    const struct place *at = NULL;
    struct context inner = *x;
    struct str name, part;
    size_t n = 0, from = 0, before;

    if (!old->type || !new_->type) {
        if (!str_eq(old->name, new_->name))
            report(x, FIELD_NAMED_TYPE_CHANGED);
        return;
    }
    name = local_name(old->type);
    if (!str_eq(name, local_name(new_->type))) {
        report(x, FIELD_NAMED_TYPE_CHANGED);
        return;
    }
    if (old->type == new_->type || (old->type->file == x->c->old->file && new_->type->file == x->c->new_->file))
        return;
    for (size_t i = 0; i <= name.n && n < IG_COUNT(places); i++) {
        if (i < name.n && name.p[i] != '.')
            continue;
        part = (struct str){name.p + from, i - from};
        places[n] = (struct place){at, part};
        at = &places[n++];
        from = i + 1;
    }
    inner.at = at;
    before = x->c->changes;
    compare_message(inner, old->type, new_->type);
    if (x->c->changes > before)
        report(x, FIELD_NAMED_TYPE_CHANGED);
}

static void compare_types(const struct context *x, enum pb_label old_label, enum pb_label new_label,
                          const struct typed *old, const struct typed *new_);

static void compare_maps(const struct context *x, const struct pb_field *old, const struct pb_field *new_)
{
    struct typed a = {.kind = SCALAR, .scalar = old->key_kind}, b = {.kind = SCALAR, .scalar = new_->key_kind};

    compare_types(x, PB_NO_LABEL, PB_NO_LABEL, &a, &b);
    a = (struct typed){
        .kind = old->value_kind == PB_MESSAGE ? MESSAGE : SCALAR, .scalar = old->value_kind, .type = old->of};
    b = (struct typed){
        .kind = new_->value_kind == PB_MESSAGE ? MESSAGE : SCALAR, .scalar = new_->value_kind, .type = new_->of};
    compare_types(x, PB_NO_LABEL, PB_NO_LABEL, &a, &b);
}

static void compare_types(const struct context *x, enum pb_label old_label, enum pb_label new_label,
                          const struct typed *old, const struct typed *new_)
{
    if (old->kind != new_->kind)
        report(x, FIELD_KIND_CHANGED);
    else if (old->kind == MESSAGE)
        compare_named(x, old, new_);
    else if (old->kind == MAP)
        compare_maps(x, old->map, new_->map);
    else if (scalar_group(old->scalar) != scalar_group(new_->scalar))
        report(x, FIELD_SCALAR_KIND_CHANGED);
    else if (old_label && new_label && old_label != new_label && scalar_group(old->scalar) != TEXT)
        report(x, FIELD_NUMERIC_LABEL_CHANGED);
}

static void compare_field(const struct context *x, const struct pb_field *old, const struct pb_field *new_)
{
    const struct typed a = typed_of_field(x->c->old, x->old_scope, old),
                       b = typed_of_field(x->c->new_, x->new_scope, new_);

    compare_types(x, old->label, new_->label, &a, &b);
}

/* --- messages
 * ----------------------------------------------------------------------------------------------------------- */

/* Groups are no fields to Confluent's comparison. */
static const struct pb_field *field_at(const struct pb_type *m, int32_t tag)
{
    const struct pb_field *f = pb_field_by_tag(m, tag);

    return f && !f->is_group ? f : NULL;
}

static const struct pb_oneof *oneof_named(const struct pb_type *m, struct str name)
{
    for (const struct pb_oneof *o = m->oneofs; o; o = o->next)
        if (str_eq(o->name, name))
            return o;
    return NULL;
}

/* A oneof that is gone with all that was in it does no harm. */
static bool is_deleted_whole(const struct context *x, const struct pb_oneof *oneof, const struct pb_type *new_)
{
    if (oneof_named(new_, oneof->name))
        return false;
    for (const struct pb_field *f = oneof->fields; f && x->c->steps <= STEPS_MAX; f = f->next, x->c->steps++)
        if (field_at(new_, f->tag))
            return false;
    return true;
}

/* Fields that could be set together, and are in one oneof now. */
static void compare_oneof(const struct context *x, const struct pb_type *old, const struct pb_oneof *oneof)
{
    const struct pb_oneof *first = NULL;
    size_t groups = 0, moved = 0;
    struct context down;
    struct place place;

    for (const struct pb_field *f = oneof->fields; f; f = f->next) {
        const struct pb_field *was = field_at(old, f->tag);

        if (!was)
            continue;
        if (!was->oneof) {
            groups++;
            moved++;
        } else if (was->oneof != first) {
            groups += !first || groups < 2; /* more than one group is all that counts */
            first = was->oneof;
        }
    }
    if (groups < 2)
        return;
    down = enter(x, &place, oneof->name);
    report(&down, moved > 1 ? MULTIPLE_FIELDS_MOVED_TO_ONEOF : FIELD_MOVED_TO_EXISTING_ONEOF);
}

static void compare_tag(const struct context *x, const struct pb_type *new_, int32_t tag, const struct pb_field *a,
                        const struct pb_field *b)
{
    struct place place, inner;
    struct number_text text;
    struct context down;

    if (!b && a->oneof && is_deleted_whole(x, a->oneof, new_))
        return;
    if (b ? b->oneof && a : a->oneof != NULL) {
        down = enter(x, &place, b ? b->oneof->name : a->oneof->name);
        down = enter(&down, &inner, tag_text(tag, &text));
    } else {
        down = enter(x, &place, tag_text(tag, &text));
    }
    if (a && b)
        compare_field(&down, a, b);
    else if (a && a->oneof)
        report(&down, ONEOF_FIELD_REMOVED);
    else if (a && a->label == PB_REQUIRED)
        report(&down, REQUIRED_FIELD_REMOVED);
    else if (b && !b->oneof && b->label == PB_REQUIRED)
        report(&down, REQUIRED_FIELD_ADDED);
}

/* Both by number, as one list. */
static void compare_fields(const struct context *x, const struct pb_type *old, const struct pb_type *new_)
{
    size_t i = 0, k = 0;

    while ((i < old->n || k < new_->n) && x->c->steps <= STEPS_MAX) {
        const struct pb_field *a = i < old->n ? old->by_tag[i] : NULL, *b = k < new_->n ? new_->by_tag[k] : NULL;
        int32_t tag;

        IG_ASSERT(a || b);
        tag = !b || (a && a->tag <= b->tag) ? a->tag : b->tag;
        a = a && a->tag == tag ? a : NULL;
        b = b && b->tag == tag ? b : NULL;
        i += a != NULL;
        k += b != NULL;
        a = a && !a->is_group ? a : NULL;
        b = b && !b->is_group ? b : NULL;
        if (a || b)
            compare_tag(x, new_, tag, a, b);
        x->c->steps++;
    }
}

/* The new message of that name in the same place. */
static const struct pb_type *type_named(const struct context *x, struct str name)
{
    const struct pb_type *t;
    struct buf full;

    buf_init(&full, 0);
    if (x->new_scope.n)
        buf_printf(&full, STR_FMT ".", STR_ARG(x->new_scope));
    buf_add_str(&full, name);
    t = pb_names_find(&x->c->new_->types, buf_str(&full));
    buf_release(&full);
    return t && !t->is_enum ? t : NULL;
}

/* Messages by name. Those that are new, and enums, do no harm. */
static void compare_lists(const struct context *x, const struct pb_type *old)
{
    for (const struct pb_type *t = old; t; t = t->next) {
        const struct pb_type *now = t->is_enum ? NULL : type_named(x, t->name);
        struct context down;
        struct place place;

        if (t->is_enum)
            continue;
        down = enter(x, &place, t->name);
        if (now)
            compare_message(down, t, now);
        else if (!t->is_map_entry)
            report(&down, MESSAGE_REMOVED);
        x->c->steps++;
    }
}

static bool is_pending(const struct check *c, const struct pb_type *old)
{
    for (const struct pending *p = c->pending; p; p = p->up)
        if (p->old == old)
            return true;
    return false;
}

static void compare_message(struct context x, const struct pb_type *old, const struct pb_type *new_)
{
    const struct pending mark = {x.c->pending, old};

    if (x.c->steps > STEPS_MAX || x.c->depth >= DEPTH_MAX || old->is_enum || new_->is_enum)
        return;
    x.c->depth++;
    x.old_scope = old->full;
    x.new_scope = new_->full;
    if (!is_pending(x.c, old)) {
        x.c->pending = &mark;
        for (const struct pb_oneof *o = new_->oneofs; o; o = o->next)
            compare_oneof(&x, old, o);
        compare_fields(&x, old, new_);
        compare_lists(&x, old->types);
        x.c->pending = mark.up;
    } else {
        compare_lists(&x, old->types);
    }
    x.c->depth--;
}

bool protobuf_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems)
{
    struct check c = {.old = pb_of(writer), .new_ = pb_of(reader), .problems = problems};
    const struct context x = {.c = &c, .old_scope = c.old->file->package, .new_scope = c.new_->file->package};

    if (!str_eq(c.old->file->package, c.new_->file->package))
        report(&x, PACKAGE_CHANGED);
    compare_lists(&x, c.old->file->types);
    if (c.steps > STEPS_MAX) {
        schema_problem(problems,
                       "Unexpected exception during compatibility check: the schemas are too large to be compared");
        return false;
    }
    return c.changes == 0;
}
