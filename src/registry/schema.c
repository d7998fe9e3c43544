/*
 * Schemas: the formats behind one table.
 */
#include "registry/schema_internal.h"

#include <stdio.h>

static const struct schema_ops *const FORMATS[SCHEMA_TYPES] = {
    [SCHEMA_AVRO] = &schema_avro_ops,
    [SCHEMA_JSON] = &schema_json_ops,
    [SCHEMA_PROTOBUF] = &schema_protobuf_ops,
};

const char *schema_type_name(enum schema_type type)
{
    return FORMATS[type]->name;
}

bool schema_type_of(struct str name, enum schema_type *out)
{
    for (int i = 0; i < SCHEMA_TYPES; i++) {
        if (str_is(name, FORMATS[i]->name)) {
            *out = (enum schema_type)i;
            return true;
        }
    }
    return false;
}

enum ig_code schema_parse(enum schema_type type, struct str text, const struct schema_reference *refs, size_t n_refs,
                          struct schema **out, struct error *err)
{
    enum ig_code rc;

    *out = NULL;
    if (text.n > SCHEMA_TEXT_MAX_BYTES)
        return error_set(err, IG_INVALID, "the schema has %zu bytes, and may have %zu", text.n, SCHEMA_TEXT_MAX_BYTES);
    rc = FORMATS[type]->parse(text, refs, n_refs, out, err);
    if (rc == IG_OK)
        (*out)->type = type;
    return rc;
}

void schema_free(struct schema *s)
{
    if (s)
        FORMATS[s->type]->free(s);
}

enum schema_type schema_type(const struct schema *s)
{
    return s->type;
}

void schema_canonical(const struct schema *s, struct buf *out)
{
    FORMATS[s->type]->canonical(s, out);
}

enum ig_code schema_formatted(const struct schema *s, struct str format, struct buf *out, struct error *err)
{
    enum ig_code rc = IG_NOT_FOUND;

    if (format.n && !str_is(format, "default") && FORMATS[s->type]->formatted)
        rc = FORMATS[s->type]->formatted(s, format, out, err);
    if (rc == IG_NOT_FOUND) {
        schema_canonical(s, out);
        rc = IG_OK;
    }
    return rc;
}

void schema_normalize(const struct schema *s, struct buf *out)
{
    FORMATS[s->type]->normalize(s, out);
}

bool schema_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems)
{
    IG_ASSERT(reader->type == writer->type);
    return FORMATS[reader->type]->can_read(reader, writer, problems);
}

enum ig_code schema_decode(const struct schema *s, struct str bytes, struct buf *json, struct error *err)
{
    return FORMATS[s->type]->decode(s, bytes, json, err);
}

enum ig_code schema_encode(const struct schema *s, struct str json, struct buf *bytes, struct error *err)
{
    return FORMATS[s->type]->encode(s, json, bytes, err);
}

/* --- problems ---------------------------------------------------------------------------------------- */

void schema_problem(struct schema_problems *p, const char *fmt, ...)
{
    struct buf text;
    va_list args;
    char small[2048];

    if (!p)
        return;
    va_start(args, fmt);
    vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    buf_init(&text, 0);
    buf_puts(&text, small);
    vec_push(&p->list, buf_take(&text));
}

void schema_problems_free(struct schema_problems *p)
{
    for (size_t i = 0; i < p->list.n; i++)
        free(p->list.p[i]);
    vec_free(&p->list);
}

const char *schema_reader_name(const struct schema_problems *p)
{
    return p && p->reader ? p->reader : "reader";
}

const char *schema_writer_name(const struct schema_problems *p)
{
    return p && p->writer ? p->writer : "writer";
}
