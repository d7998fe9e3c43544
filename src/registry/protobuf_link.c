/*
 * Protobuf: names to types. A name is looked for from the innermost message outwards; what is visible are the file's
 * own types, those of all references, and the well-known ones, imported or not, as in Confluent's registry.
 */
#include "registry/protobuf.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const SCALARS[] = {
    [PB_DOUBLE] = "double",     [PB_FLOAT] = "float",     [PB_INT64] = "int64",     [PB_UINT64] = "uint64",
    [PB_INT32] = "int32",       [PB_FIXED64] = "fixed64", [PB_FIXED32] = "fixed32", [PB_BOOL] = "bool",
    [PB_TEXT] = "string",       [PB_BYTES] = "bytes",     [PB_UINT32] = "uint32",   [PB_SFIXED32] = "sfixed32",
    [PB_SFIXED64] = "sfixed64", [PB_SINT32] = "sint32",   [PB_SINT64] = "sint64",
};

bool pb_scalar_of(struct str name, enum pb_kind *out)
{
    for (size_t i = 0; i < IG_COUNT(SCALARS); i++) {
        if (SCALARS[i] && str_is(name, SCALARS[i])) {
            *out = (enum pb_kind)i;
            return true;
        }
    }
    return false;
}

const char *pb_scalar_name(enum pb_kind kind)
{
    return SCALARS[kind];
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static struct pb_name *place_of(const struct pb_names *names, struct str full)
{
    size_t at = hash_fnv1a(full.p, full.n) & names->mask;

    while (names->places[at].what && !str_eq(names->places[at].full, full))
        at = (at + 1) & names->mask;
    return &names->places[at];
}

void *pb_names_find(const struct pb_names *names, struct str full)
{
    return names->places ? place_of(names, full)->what : NULL;
}

/* False: there is one of that name, which stays. */
static bool names_add(struct pb_names *names, struct str full, void *what)
{
    struct pb_name *place;

    if (!names->places || names->n * 2 > names->mask) {
        struct pb_names old = *names;

        names->mask = old.places ? old.mask * 2 + 1 : 63;
        names->places = check_calloc(names->mask + 1, sizeof(*names->places));
        for (size_t i = 0; old.places && i <= old.mask; i++)
            if (old.places[i].what)
                *place_of(names, old.places[i].full) = old.places[i];
        free(old.places);
    }
    place = place_of(names, full);
    if (place->what)
        return false;
    *place = (struct pb_name){full, what};
    names->n++;
    return true;
}

/* Calls up from the innermost scope; the name that was found is in `full`. */
static void *find_name(const struct pb_names *names, struct str scope, struct str name, struct str *full)
{
    char text[2048];
    size_t n;

    IG_ASSERT(scope.p || scope.n == 0);
    if (name.n && name.p[0] == '.') {
        *full = (struct str){name.p + 1, name.n - 1};
        return pb_names_find(names, *full);
    }
    for (;;) {
        void *what;

        n = scope.n ? scope.n + 1 + name.n : name.n;
        if (n <= sizeof(text)) {
            memcpy(text, scope.p ? scope.p : "", scope.n);
            if (scope.n)
                text[scope.n] = '.';
            memcpy(text + n - name.n, name.p, name.n);
            what = pb_names_find(names, (struct str){text, n});
            if (what) {
                *full = place_of(names, (struct str){text, n})->full;
                return what;
            }
        }
        if (scope.n == 0)
            return NULL;
        while (scope.n > 0 && scope.p[scope.n - 1] != '.')
            scope.n--;
        scope.n -= scope.n > 0;
    }
}

const struct pb_type *pb_find_type(const struct pb_schema *s, struct str scope, struct str name)
{
    struct str full;

    return find_name(&s->types, scope, name, &full);
}

const struct pb_field *pb_find_extension(const struct pb_schema *s, struct str scope, struct str name, struct str *full)
{
    return find_name(&s->extensions, scope, name, full);
}

struct str pb_option_text(const struct pb_option *options, const char *name)
{
    for (; options; options = options->next)
        if (!options->custom && str_is(options->name, name) && options->value->kind < PB_MAP)
            return options->value->text;
    return (struct str){NULL, 0};
}

/* --- linking -------------------------------------------------------------------------------------------------------
 */

struct linker {
    struct pb_schema *s;
    struct pb_file *file;
    struct error *err;
};

static struct str join(struct linker *l, struct str scope, struct str name)
{
    return scope.n ? str_of(arena_printf(&l->s->arena, STR_FMT "." STR_FMT, STR_ARG(scope), STR_ARG(name))) : name;
}

static void collect_extends(struct linker *l, struct str scope, struct pb_extend *extends)
{
    for (struct pb_extend *e = extends; e; e = e->next)
        for (struct pb_field *f = e->fields; f; f = f->next)
            (void)names_add(&l->s->extensions, join(l, scope, f->name), f);
}

static enum ig_code collect_types(struct linker *l, struct str scope, struct pb_type *types,
                                  const struct pb_type *parent)
{
    for (struct pb_type *t = types; t; t = t->next) {
        t->full = join(l, scope, t->name);
        t->parent = parent;
        t->file = l->file;
        t->is_map_entry = !t->is_enum && str_is(pb_option_text(t->options, "map_entry"), "true");
        if (!names_add(&l->s->types, t->full, t) && l->file == l->s->file)
            return error_set(l->err, IG_INVALID, "\"%.300s\" is defined a second time",
                             arena_strndup(&l->s->arena, t->full.p, t->full.n));
        collect_extends(l, t->full, t->extends);
        IG_TRY(collect_types(l, t->full, t->types, t));
    }
    return IG_OK;
}

static enum ig_code unknown_type(struct linker *l, struct str type, struct str scope)
{
    return error_set(l->err, IG_INVALID, "Could not resolve type: %.*s (in " STR_FMT ")",
                     (int)(type.n > 300 ? 300 : type.n), type.p, (int)(scope.n > 300 ? 300 : scope.n),
                     scope.p ? scope.p : "");
}

static enum ig_code link_kind(struct linker *l, struct str scope, struct str name, enum pb_kind *kind,
                              const struct pb_type **of)
{
    if (pb_scalar_of(name, kind))
        return IG_OK;
    *of = pb_find_type(l->s, scope, name);
    if (!*of)
        return unknown_type(l, name, scope);
    *kind = (*of)->is_enum ? PB_ENUM_TYPE : PB_MESSAGE;
    return IG_OK;
}

/* foo_bar as fooBar. */
static struct str camel_case(struct linker *l, struct str name)
{
    char *out = arena_alloc(&l->s->arena, name.n + 1, 1);
    size_t n = 0;
    bool up = false;

    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];

        if (c != '_')
            out[n++] = up && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        up = c == '_';
    }
    return (struct str){out, n};
}

static const struct pb_field *entry_field(const struct pb_type *entry, int32_t tag)
{
    for (const struct pb_field *f = entry->fields; f; f = f->next)
        if (f->tag == tag)
            return f;
    return NULL;
}

/* A map that is written as its entries are on the wire: repeated messages that say map_entry. */
static enum ig_code link_map_entry(struct linker *l, struct pb_field *f)
{
    const struct pb_type *entry = f->of;
    const struct pb_field *key = entry_field(entry, 1), *value = entry_field(entry, 2);

    if (f->label != PB_REPEATED || !key || !value || !str_is(key->name, "key") || !str_is(value->name, "value") ||
        !pb_scalar_of(key->type, &f->key_kind) || f->key_kind == PB_BYTES || f->key_kind == PB_DOUBLE ||
        f->key_kind == PB_FLOAT)
        return error_set(l->err, IG_INVALID, "the map \"%.300s\" needs a repeated field, a key and a value",
                         arena_strndup(&l->s->arena, entry->full.p, entry->full.n));
    f->kind = PB_KIND_MAP;
    f->of = NULL;
    return link_kind(l, entry->full, value->type, &f->value_kind, &f->of);
}

static bool can_be_packed(enum pb_kind kind)
{
    return kind != PB_TEXT && kind != PB_BYTES && kind != PB_MESSAGE && kind != PB_GROUP && kind != PB_KIND_MAP;
}

static enum ig_code link_message(struct linker *l, struct pb_type *m);

static enum ig_code link_group(struct linker *l, struct str scope, struct pb_field *f)
{
    struct pb_type *type = ARENA_NEW(&l->s->arena, struct pb_type);
    char *lower = arena_strndup(&l->s->arena, f->name.p, f->name.n);

    for (size_t i = 0; i < f->name.n; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] - 'A' + 'a');
    f->json = camel_case(l, (struct str){lower, f->name.n});
    type->name = f->name;
    type->full = scope; /* the scope of what is in it */
    type->file = l->file;
    type->fields = f->group;
    f->of = type;
    f->kind = PB_GROUP;
    return link_message(l, type);
}

/* A number, true, false, inf, or the name of a constant: a word, as it is printed. */
static bool is_literal(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool plus = c == '+' && i > 0 && (s.p[i - 1] | 0x20) == 'e';

        if (!plus && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '_' && c != '-' &&
            c != '.')
            return false;
    }
    return s.n > 0;
}

static enum ig_code link_field(struct linker *l, struct str scope, struct pb_field *f, const struct pb_oneof *oneof)
{
    const struct str packed = pb_option_text(f->options, "packed");

    if (f->tag < 1 || f->tag > PROTOBUF_TAG_MAX || (f->tag >= 19000 && f->tag <= 19999))
        return error_set(l->err, IG_INVALID, "the field \"%.200s\" cannot have the number %d", f->name.p, f->tag);
    f->oneof = oneof;
    f->json = f->json_name.p ? f->json_name : camel_case(l, f->name);
    if (f->is_group) {
        IG_TRY(link_group(l, scope, f));
    } else if (f->key_type.p) {
        f->kind = PB_KIND_MAP;
        (void)pb_scalar_of(f->key_type, &f->key_kind);
        IG_TRY(link_kind(l, scope, f->value_type, &f->value_kind, &f->of));
    } else {
        IG_TRY(link_kind(l, scope, f->type, &f->kind, &f->of));
        if (f->kind == PB_MESSAGE && f->of->is_map_entry)
            IG_TRY(link_map_entry(l, f));
    }
    if (f->default_value.p && f->kind != PB_TEXT && f->kind != PB_BYTES && !is_literal(f->default_value))
        return error_set(l->err, IG_INVALID, "the default of the field \"%.200s\" is no value of its type", f->name.p);
    f->presence = f->label != PB_REPEATED && f->kind != PB_KIND_MAP &&
                  (oneof || f->label != PB_NO_LABEL || f->kind == PB_MESSAGE || f->kind == PB_GROUP);
    f->packed = f->label == PB_REPEATED && can_be_packed(f->kind) &&
                (l->file->syntax == PB_PROTO3 ? !str_is(packed, "false") : str_is(packed, "true"));
    return IG_OK;
}

static int by_tag(const void *a, const void *b)
{
    const struct pb_field *const *x = a, *const *y = b;

    return (*x)->tag<(*y)->tag ? -1 : (*x)->tag>(*y)->tag;
}

static int by_name(const void *a, const void *b)
{
    const struct pb_field *const *x = a, *const *y = b;

    return str_cmp((*x)->name, (*y)->name);
}

static enum ig_code check_twice(struct linker *l, const struct pb_type *m)
{
    struct pb_field **names = check_malloc((m->n + 1) * sizeof(struct pb_field *));
    enum ig_code rc = IG_OK;

    memcpy(names, m->in_order, m->n * sizeof(struct pb_field *));
    qsort(names, m->n, sizeof(struct pb_field *), by_name);
    for (size_t i = 1; i < m->n && rc == IG_OK; i++) {
        if (m->by_tag[i - 1]->tag == m->by_tag[i]->tag)
            rc = error_set(l->err, IG_INVALID, "%.300s: the fields \"%.100s\" and \"%.100s\" have the same number %d",
                           arena_strndup(&l->s->arena, m->full.p, m->full.n), m->by_tag[i - 1]->name.p,
                           m->by_tag[i]->name.p, m->by_tag[i]->tag);
        else if (str_eq(names[i - 1]->name, names[i]->name))
            rc = error_set(l->err, IG_INVALID, "%.300s: the field \"%.100s\" is there twice",
                           arena_strndup(&l->s->arena, m->full.p, m->full.n), names[i]->name.p);
    }
    free(names);
    return rc;
}

static enum ig_code link_list(struct linker *l, struct pb_type *m, struct pb_field *fields,
                              const struct pb_oneof *oneof)
{
    for (struct pb_field *f = fields; f; f = f->next) {
        IG_TRY(link_field(l, m->full, f, oneof));
        m->in_order[m->n++] = f;
    }
    return IG_OK;
}

static size_t count(const struct pb_field *f)
{
    size_t n = 0;

    for (; f; f = f->next)
        n++;
    return n;
}

static enum ig_code link_extends(struct linker *l, struct str scope, struct pb_extend *extends)
{
    for (struct pb_extend *e = extends; e; e = e->next) {
        if (!pb_find_type(l->s, scope, e->name))
            return unknown_type(l, e->name, scope);
        for (struct pb_field *f = e->fields; f; f = f->next)
            IG_TRY(link_field(l, scope, f, NULL));
    }
    return IG_OK;
}

static enum ig_code link_message(struct linker *l, struct pb_type *m)
{
    size_t n = count(m->fields) + count(m->groups);

    for (struct pb_oneof *o = m->oneofs; o; o = o->next) {
        o->index = m->n_oneofs++;
        n += count(o->fields) + count(o->groups);
    }
    m->in_order = ARENA_ARRAY(&l->s->arena, struct pb_field *, n + 1);
    m->by_tag = ARENA_ARRAY(&l->s->arena, struct pb_field *, n + 1);
    IG_TRY(link_list(l, m, m->fields, NULL));
    for (const struct pb_oneof *o = m->oneofs; o; o = o->next) {
        IG_TRY(link_list(l, m, o->fields, o));
        IG_TRY(link_list(l, m, o->groups, o));
    }
    IG_TRY(link_list(l, m, m->groups, NULL));
    memcpy(m->by_tag, m->in_order, m->n * sizeof(struct pb_field *));
    qsort(m->by_tag, m->n, sizeof(struct pb_field *), by_tag);
    IG_TRY(check_twice(l, m));
    IG_TRY(link_extends(l, m->full, m->extends));
    for (struct pb_type *t = m->types; t; t = t->next)
        if (!t->is_enum)
            IG_TRY(link_message(l, t));
    return IG_OK;
}

const struct pb_field *pb_field_by_tag(const struct pb_type *type, int64_t tag)
{
    size_t low = 0, high = type->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (type->by_tag[mid]->tag < tag)
            low = mid + 1;
        else
            high = mid;
    }
    return low < type->n && type->by_tag[low]->tag == tag ? type->by_tag[low] : NULL;
}

static enum ig_code link_file(struct linker *l)
{
    const struct pb_file *f = l->file;

    for (struct pb_type *t = f->types; t; t = t->next)
        if (!t->is_enum)
            IG_TRY(link_message(l, t));
    IG_TRY(link_extends(l, f->package, f->extends));
    for (const struct pb_service *s = f->services; s; s = s->next) {
        for (const struct pb_rpc *r = s->rpcs; r; r = r->next) {
            if (!pb_find_type(l->s, f->package, r->request))
                return unknown_type(l, r->request, s->name);
            if (!pb_find_type(l->s, f->package, r->response))
                return unknown_type(l, r->response, s->name);
        }
    }
    return IG_OK;
}

/* --- other files -----------------------------------------------------------------------------------------------------
 */

static void add_linked_types(struct pb_schema *s, const struct pb_schema *from)
{
    for (size_t i = 0; from->types.places && i <= from->types.mask; i++)
        if (from->types.places[i].what)
            (void)names_add(&s->types, from->types.places[i].full, from->types.places[i].what);
    for (size_t i = 0; from->extensions.places && i <= from->extensions.mask; i++)
        if (from->extensions.places[i].what)
            (void)names_add(&s->extensions, from->extensions.places[i].full, from->extensions.places[i].what);
}

static enum ig_code load_known(struct linker *outer, struct str name);

static enum ig_code load_known_imports(struct linker *l, const struct pb_file *file)
{
    const struct pb_import *const lists[] = {file->imports, file->public_imports, file->weak_imports};

    for (size_t i = 0; i < IG_COUNT(lists); i++)
        for (const struct pb_import *import = lists[i]; import; import = import->next)
            IG_TRY(load_known(l, import->name));
    return IG_OK;
}

/* A well-known file, unless it is there, or a reference has its name. */
static enum ig_code load_known(struct linker *outer, struct str name)
{
    const char *text = pb_known_text(name);
    struct pb_schema *s = outer->s;
    struct linker l = {.s = s, .err = outer->err};

    if (!text)
        return IG_OK;
    for (size_t i = 0; i < s->reference_names.n; i++)
        if (str_is(name, s->reference_names.p[i]))
            return IG_OK;
    for (size_t i = 0; i < s->known.n; i++)
        if (s->known.p[i] == text)
            return IG_OK;
    vec_push(&s->known, text);
    IG_TRY(pb_parse_text(&s->arena, str_of(text), &l.file, l.err));
    IG_TRY(load_known_imports(&l, l.file));
    IG_TRY(collect_types(&l, l.file->package, l.file->types, NULL));
    collect_extends(&l, l.file->package, l.file->extends);
    return link_file(&l);
}

/* Types of Google and Confluent are known without an import, too: the file is loaded when one is not found. */
static bool mentions(const struct pb_type *types, const char *word)
{
    for (const struct pb_type *t = types; t; t = t->next) {
        for (const struct pb_field *f = t->fields; f; f = f->next)
            if (memmem(f->type.p, f->type.n, word, strlen(word)))
                return true;
        for (const struct pb_oneof *o = t->oneofs; o; o = o->next)
            for (const struct pb_field *f = o->fields; f; f = f->next)
                if (memmem(f->type.p, f->type.n, word, strlen(word)))
                    return true;
        if (mentions(t->types, word))
            return true;
    }
    return false;
}

static enum ig_code load_mentioned(struct linker *l)
{
    static const char *const WORDS[] = {"google.protobuf.", "google.type.", "confluent."};
    static const char *const FOLDERS[] = {"google/protobuf/", "google/type/", "confluent/"};

    for (size_t i = 0; i < IG_COUNT(WORDS); i++) {
        if (!mentions(l->file->types, WORDS[i]))
            continue;
        for (size_t k = 0; pb_known_name(k); k++)
            if (str_has_prefix(str_of(pb_known_name(k)), FOLDERS[i]) && !strstr(pb_known_name(k), "descriptor"))
                IG_TRY(load_known(l, str_of(pb_known_name(k))));
    }
    if (l->file->extends)
        return load_known(l, STR("google/protobuf/descriptor.proto"));
    return IG_OK;
}

/* --- the whole
 * ---------------------------------------------------------------------------------------------------------- */

static void protobuf_free(struct schema *schema)
{
    struct pb_schema *s = (struct pb_schema *)schema;

    for (size_t i = 0; i < s->reference_names.n; i++)
        free(s->reference_names.p[i]);
    vec_free(&s->reference_names);
    vec_free(&s->references);
    vec_free(&s->known);
    free(s->types.places);
    free(s->extensions.places);
    arena_release(&s->arena);
    free(s);
}

/* The text, or (as clients in Python and Go send it) a FileDescriptorProto in base64. */
static enum ig_code parse_any(struct pb_schema *s, struct str text, struct error *err)
{
    enum ig_code rc = pb_parse_text(&s->arena, text, &s->file, err);
    struct buf bytes;

    if (rc == IG_OK)
        return rc;
    buf_init(&bytes, 0);
    if (pb_from_base64(text, &bytes) == IG_OK && bytes.n) {
        const struct str kept = arena_str(&s->arena, buf_str(&bytes));
        struct error other = {0};

        const enum ig_code as_descriptor = pb_parse_descriptor(&s->arena, kept, &s->file, &other);

        if (as_descriptor == IG_OK)
            rc = IG_OK;
        else if (as_descriptor != IG_NOT_FOUND && err)
            *err = other;
    }
    buf_release(&bytes);
    return rc;
}

static enum ig_code add_references(struct pb_schema *s, const struct schema_reference *refs, size_t n_refs,
                                   struct error *err)
{
    for (size_t i = 0; i < n_refs; i++) {
        if (refs[i].schema->type != SCHEMA_PROTOBUF)
            return error_set(err, IG_INVALID, "the reference \"%.200s\" is no Protobuf schema", refs[i].name);
        vec_push(&s->references, pb_of(refs[i].schema));
        vec_push(&s->reference_names, check_strdup(refs[i].name));
    }
    return IG_OK;
}

static enum ig_code protobuf_parse(struct str text, const struct schema_reference *refs, size_t n_refs,
                                   struct schema **out, struct error *err)
{
    struct pb_schema *s = check_calloc(1, sizeof(*s));
    struct linker l = {.s = s, .err = err};
    enum ig_code rc;

    arena_init(&s->arena);
    rc = add_references(s, refs, n_refs, err);
    if (rc == IG_OK)
        rc = parse_any(s, text, err);
    if (rc != IG_OK)
        goto out;
    l.file = s->file;
    rc = collect_types(&l, s->file->package, s->file->types, NULL);
    if (rc != IG_OK)
        goto out;
    collect_extends(&l, s->file->package, s->file->extends);
    for (size_t i = 0; i < s->references.n; i++)
        add_linked_types(s, s->references.p[i]);
    rc = load_known_imports(&l, s->file);
    if (rc == IG_OK)
        rc = load_mentioned(&l);
    if (rc == IG_OK)
        rc = link_file(&l);
out:
    if (rc == IG_OK)
        *out = &s->schema;
    else
        protobuf_free(&s->schema);
    return rc;
}

const struct schema_ops schema_protobuf_ops = {
    .name = "PROTOBUF",
    .parse = protobuf_parse,
    .free = protobuf_free,
    .canonical = protobuf_canonical,
    .formatted = protobuf_formatted,
    .normalize = protobuf_normalize,
    .can_read = protobuf_can_read,
    .decode = protobuf_decode,
    .encode = protobuf_encode,
};
