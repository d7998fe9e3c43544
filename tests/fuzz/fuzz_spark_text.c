// links: lake
/* Texts that a table's metadata hold and that we read without the engine: types of char and varchar columns, lists of
 * columns, sizes, the words of an expression, members of a column's metadata. The first byte says which. */
#include "fuzz.h"
#include "lake/maintain/alter.h"
#include "lake/table/schema_text.h"
#include "lake/write/expression.h"

static void read_type(struct arena *a, const char *text)
{
    const struct schema_type *type, *again;
    struct buf out, second;

    if (schema_of_text(a, NULL, text, &type, NULL))
        return;
    buf_init(&out, 0);
    buf_init(&second, 0);
    schema_add_text(&out, type);
    IG_ASSERT(schema_of_text(a, NULL, buf_cstr(&out), &again, NULL) == IG_OK);
    schema_add_text(&second, again);
    IG_ASSERT(str_eq(buf_str(&out), buf_str(&second)));
    buf_release(&second);
    buf_release(&out);
}

static void read_paths(struct arena *a, const char *text)
{
    size_t n, n_parts, n_again;
    const char *const *list = lake_list_of(a, text, &n);

    for (size_t i = 0; i < n; i++) {
        const char **parts, **again;
        struct buf out;

        if (lake_path_of(a, list[i], &parts, &n_parts, NULL))
            continue;
        buf_init(&out, 0);
        lake_add_path(&out, parts, n_parts);
        IG_ASSERT(lake_path_of(a, buf_cstr(&out), &again, &n_again, NULL) == IG_OK && n_again == n_parts);
        for (size_t k = 0; k < n_parts; k++)
            IG_ASSERT(strcmp(parts[k], again[k]) == 0);
        buf_release(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_value v;
    struct arena a;
    const char *text;
    int64_t bytes;

    if (size < 1 || size > 4096)
        return 0;
    arena_init(&a);
    text = arena_strndup(&a, (const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        read_type(&a, text);
        break;
    case 1:
        read_paths(&a, text);
        break;
    case 2:
        (void)lake_mentions(text, "id");
        (void)lake_parse_size(text, &bytes);
        break;
    default: {
        const char *out = lake_object_set(&a, text, "k", "1");

        if (json_member(str_of(text), "other", &v))
            IG_ASSERT(json_member(str_of(out), "k", &v) && json_member(str_of(out), "other", &v));
        break;
    }
    }
    arena_release(&a);
    return 0;
}
