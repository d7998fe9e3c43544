/*
 * JSON Schema.
 */
#include "registry/schema_internal.h"

static enum ig_code json_schema_parse(struct str text, const struct schema_reference *refs, size_t n_refs,
                                      struct schema **out, struct error *err)
{
    (void)text;
    (void)refs;
    (void)n_refs;
    (void)out;
    return error_set(err, IG_UNSUPPORTED, "JSON Schema schemas are not read yet");
}

const struct schema_ops schema_json_ops = {.name = "JSON", .parse = json_schema_parse};
