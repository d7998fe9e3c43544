// links: base
/* The JSON reader: it stays inside the text, and what it takes it takes again, by parts and whole. */
#include "fuzz.h"

static void walk(struct json_reader *r, const struct json_value *v, struct buf *text)
{
    struct json_value key, inner;

    if (v->type == JSON_STRING) {
        buf_clear(text);
        json_unescape(v, text);
        IG_ASSERT(str_is_utf8(buf_str(text)));
    } else if (v->type == JSON_OBJECT) {
        while (json_next_key(r, &key) && json_begin(r, &inner))
            walk(r, &inner, text);
    } else if (v->type == JSON_ARRAY) {
        while (json_next_item(r) && json_begin(r, &inner))
            walk(r, &inner, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    struct json_reader whole, parts;
    struct json_value v;
    struct buf scratch;
    bool taken, taken_by_parts;

    buf_init(&scratch, 0);
    json_reader_init(&whole, text);
    taken = json_read(&whole, &v) && json_end(&whole);
    json_reader_init(&parts, text);
    if (json_begin(&parts, &v))
        walk(&parts, &v, &scratch);
    taken_by_parts = json_end(&parts);
    IG_ASSERT(taken == taken_by_parts);
    IG_ASSERT(taken || (whole.problem && whole.at <= size && whole.at == parts.at));
    buf_clear(&scratch);
    json_add_string(&scratch, text);
    json_reader_init(&whole, buf_str(&scratch));
    taken = json_read(&whole, &v) && json_end(&whole);
    IG_ASSERT(taken && v.type == JSON_STRING);
    buf_release(&scratch);
    return 0;
}
