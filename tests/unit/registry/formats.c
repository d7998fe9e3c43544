#include "registry/formats.h"

struct schema *parse_ok(enum schema_type type, const char *text, const struct schema_reference *refs, size_t n)
{
    struct schema *s;
    struct error err;

    if (schema_parse(type, str_of(text), refs, n, &s, &err))
        fail_msg("%s\n%s", err.msg, text);
    return s;
}

void from_hex(const char *hex, struct buf *out)
{
    for (; *hex; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};

        buf_putc(out, (char)strtol(digits, NULL, 16));
    }
}

/* What is printed is as expected, and is read again as the same. */
static void check_printed(const struct schema *s, bool normal, const char *expected)
{
    struct schema *again;
    struct buf out;

    buf_init(&out, 0);
    (normal ? schema_normalize : schema_canonical)(s, &out);
    assert_string_equal(buf_cstr(&out), expected);
    again = parse_ok(schema_type(s), expected, NULL, 0);
    buf_clear(&out);
    (normal ? schema_normalize : schema_canonical)(again, &out);
    assert_string_equal(buf_cstr(&out), expected);
    assert_true(schema_can_read(s, again, NULL));
    schema_free(again);
    buf_release(&out);
}

void check_texts(enum schema_type type, const struct text_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct schema *s = parse_ok(type, cases[i].text, NULL, 0);

        check_printed(s, false, cases[i].canonical);
        check_printed(s, true, cases[i].normal ? cases[i].normal : cases[i].canonical);
        schema_free(s);
    }
}

void check_pairs(enum schema_type type, const struct pair_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct schema *reader = parse_ok(type, cases[i].reader, NULL, 0),
                      *writer = parse_ok(type, cases[i].writer, NULL, 0);
        struct schema_problems problems = {.reader = "%s", .writer = "%s"};
        const bool can = schema_can_read(reader, writer, &problems);
        struct buf text;

        buf_init(&text, 0);
        for (size_t k = 0; k < problems.list.n; k++)
            buf_printf(&text, "%s|", problems.list.p[k]);
        if (can != !cases[i].problems || strcmp(buf_cstr(&text), cases[i].problems ? cases[i].problems : ""))
            fail_msg("reader %s\nwriter %s\nsays %s\nnot %s", cases[i].reader, cases[i].writer, buf_cstr(&text),
                     cases[i].problems ? cases[i].problems : "");
        assert_true(schema_can_read(reader, writer, NULL) == can);
        schema_problems_free(&problems);
        buf_release(&text);
        schema_free(reader);
        schema_free(writer);
    }
}

void check_wrong(enum schema_type type, const struct wrong_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct schema *s;
        struct error err = {0};

        if (schema_parse(type, str_of(cases[i].text), NULL, 0, &s, &err) != IG_INVALID)
            fail_msg("taken: %s", cases[i].text);
        assert_null(s);
        if (!strstr(err.msg, cases[i].words))
            fail_msg("%s\nsays \"%s\", not \"%s\"", cases[i].text, err.msg, cases[i].words);
    }
}

void check_decoded(enum schema_type type, const struct value_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct schema *s = parse_ok(type, cases[i].schema, NULL, 0);
        struct buf bytes, json;
        struct error err = {0};
        enum ig_code rc;

        buf_init(&bytes, 0);
        buf_init(&json, 0);
        from_hex(cases[i].hex, &bytes);
        rc = schema_decode(s, buf_str(&bytes), &json, &err);
        if (cases[i].json && rc)
            fail_msg("%s: %s", cases[i].hex, err.msg);
        if (cases[i].json) {
            assert_string_equal(buf_cstr(&json), cases[i].json);
        } else {
            if (rc == IG_OK)
                fail_msg("%s %s is read as %s", cases[i].schema, cases[i].hex, buf_cstr(&json));
            assert_true(err.msg[0] != 0);
        }
        buf_release(&json);
        buf_release(&bytes);
        schema_free(s);
    }
}

void check_encoded(enum schema_type type, const struct value_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct schema *s = parse_ok(type, cases[i].schema, NULL, 0);
        struct buf bytes, expected;
        struct error err = {0};
        enum ig_code rc;

        buf_init(&bytes, 0);
        buf_init(&expected, 0);
        from_hex(cases[i].hex ? cases[i].hex : "", &expected);
        rc = schema_encode(s, str_of(cases[i].json), &bytes, &err);
        if (!cases[i].hex) {
            if (rc == IG_OK)
                fail_msg("taken: %s", cases[i].json);
        } else {
            if (rc)
                fail_msg("%s: %s", cases[i].json, err.msg);
            assert_int_equal(bytes.n, expected.n);
            assert_memory_equal(bytes.p ? bytes.p : "", expected.p ? expected.p : "", expected.n);
        }
        buf_release(&expected);
        buf_release(&bytes);
        schema_free(s);
    }
}
