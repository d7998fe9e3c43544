/*
 * Avro.
 */
#include "registry/schema_internal.h"

static enum ig_code avro_parse(struct str text, const struct schema_reference *refs, size_t n_refs, struct schema **out,
                               struct error *err)
{
    (void)text;
    (void)refs;
    (void)n_refs;
    (void)out;
    return error_set(err, IG_UNSUPPORTED, "Avro schemas are not read yet");
}

const struct schema_ops schema_avro_ops = {.name = "AVRO", .parse = avro_parse};
