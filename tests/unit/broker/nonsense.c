#include "nonsense.h"

static struct str random_text(struct test_random *r, struct arena *a, bool nullable, const struct nonsense_words *words)
{
    const size_t n = test_random_below(r, 20);
    char *p;

    if (words && test_random_below(r, 8) > 0)
        return str_of(words->texts[test_random_below(r, words->n_texts)]);
    if (nullable && test_random_below(r, 4) == 0)
        return (struct str){NULL, 0};
    p = arena_alloc(a, n + 1, 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(words ? test_random_next(r) : 1 + test_random_below(r, 255));
    return (struct str){p, n};
}

static uint64_t random_number(struct test_random *r, const struct nonsense_words *words)
{
    if (words && test_random_below(r, 8) > 0)
        return (uint64_t)words->numbers[test_random_below(r, words->n_numbers)];
    return test_random_next(r);
}

static void fill_array(struct test_random *r, struct arena *a, const struct wire_field *f, int16_t version,
                       const struct nonsense_words *words, void *at)
{
    const size_t size = wire_item_bytes(f);
    struct wire_array array = {NULL, (int32_t)test_random_below(r, 5) - 1};

    if (array.n > 0)
        array.p = arena_alloc(a, size * (size_t)array.n, 16);
    for (int32_t i = 0; i < array.n; i++) {
        char *item = (char *)array.p + (size_t)i * size;

        if (f->kind == WIRE_int8s)
            *(int8_t *)(void *)item = (int8_t)test_random_next(r);
        else if (f->kind == WIRE_int32s)
            *(int32_t *)(void *)item = (int32_t)random_number(r, words);
        else if (f->kind == WIRE_int64s)
            *(int64_t *)(void *)item = (int64_t)random_number(r, words);
        else if (f->kind == WIRE_strings)
            *(struct str *)(void *)item = random_text(r, a, false, words);
        else
            nonsense_fill(r, a, f->item, version, words, item);
    }
    memcpy(at, &array, sizeof(array));
}

static void fill_field(struct test_random *r, struct arena *a, const struct wire_field *f, int16_t version,
                       const struct nonsense_words *words, char *at)
{
    const uint64_t v = random_number(r, words);
    struct str s;
    void *item;

    switch (f->kind) {
    case WIRE_bool:
        *(bool *)at = v & 1;
        break;
    case WIRE_int8:
        *(int8_t *)at = (int8_t)v;
        break;
    case WIRE_int16:
        memcpy(at, &v, 2);
        break;
    case WIRE_int32:
        memcpy(at, &v, 4);
        break;
    case WIRE_int64:
        memcpy(at, &v, 8);
        break;
    case WIRE_uuid:
        memcpy(at, &v, 8);
        break;
    case WIRE_string:
    case WIRE_nstring:
    case WIRE_bytes:
        s = random_text(r, a, f->kind == WIRE_nstring, words);
        memcpy(at, &s, sizeof(s));
        break;
    case WIRE_records:
        s = random_text(r, a, true, NULL);
        *(struct wire_records *)(void *)at = (struct wire_records){.p = s.p, .n = s.p ? (int64_t)s.n : -1};
        break;
    case WIRE_struct:
    case WIRE_nstruct:
        item = NULL;
        if ((f->kind == WIRE_struct && f->tag < 0) || v & 1) {
            item = arena_alloc(a, f->item->size, 16);
            nonsense_fill(r, a, f->item, version, words, item);
        }
        memcpy(at, &item, sizeof(item));
        break;
    default:
        fill_array(r, a, f, version, words, at);
    }
}

void nonsense_fill(struct test_random *r, struct arena *a, const struct wire_type *type, int16_t version,
                   const struct nonsense_words *words, void *message)
{
    wire_reset(type, message);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct wire_field *f = &type->fields[i];

        if (version >= f->from && version <= f->to)
            fill_field(r, a, f, version, words, (char *)message + f->offset);
    }
}
