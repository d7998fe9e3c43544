/* JSON Schema: what is a schema, what changes break something, and which values are valid. */
#include "registry/schema.h"
#include "test.h"

static struct schema *parse(const char *text)
{
    struct schema *s = NULL;
    struct error err = {0};

    if (schema_parse(SCHEMA_JSON, str_of(text), NULL, 0, &s, &err))
        fail_msg("%s: %s", text, err.msg);
    return s;
}

/* NULL if `reader` can read what was written with `writer`, or the first reason why not. */
static const char *reason(const char *writer, const char *reader, bool lenient)
{
    static char text[600];
    struct schema *w = parse(writer), *r = parse(reader);
    struct schema_problems problems = {.reader = "new", .writer = "old", .lenient = lenient};
    const bool ok = schema_can_read(r, w, &problems);

    assert_int_equal(ok, problems.list.n == 0);
    snprintf(text, sizeof(text), "%s", ok ? "" : problems.list.p[0]);
    schema_problems_free(&problems);
    schema_free(r);
    schema_free(w);
    return ok ? NULL : text;
}

#define OPEN(properties, more) "{\"type\":\"object\",\"properties\":{" properties "}" more "}"
#define CLOSED(properties, more) OPEN(properties, ",\"additionalProperties\":false" more)
#define A "\"a\":{\"type\":\"string\"}"
#define B "\"b\":{\"type\":\"integer\"}"

static void what_breaks_readers(void **state)
{
    static const struct {
        const char *old, *new, *reason; /* NULL: nothing */
    } CASES[] = {
        {"{\"type\":\"string\"}", "{}", NULL},
        {"{}", "{\"type\":\"string\"}", "TYPE_CHANGED"},
        {"false", "{\"type\":\"string\"}", NULL},
        {"{\"type\":\"integer\"}", "{\"type\":\"number\"}", NULL},
        {"{\"type\":\"number\"}", "{\"type\":\"integer\"}", "TYPE_NARROWED"},
        {"{\"type\":\"string\"}", "{\"type\":[\"string\",\"null\"]}", NULL},
        {"{\"type\":[\"string\",\"null\"]}", "{\"type\":\"string\"}", "TYPE_CHANGED"},
        {"{\"type\":\"string\"}", "{\"type\":\"string\",\"maxLength\":5}", "MAX_LENGTH_ADDED"},
        {"{\"type\":\"string\",\"maxLength\":5}", "{\"type\":\"string\",\"maxLength\":4}", "MAX_LENGTH_DECREASED"},
        {"{\"type\":\"string\",\"minLength\":5}", "{\"type\":\"string\",\"minLength\":4}", NULL},
        {"{\"type\":\"string\",\"pattern\":\"a\"}", "{\"type\":\"string\",\"pattern\":\"b\"}", "PATTERN_CHANGED"},
        {"{\"type\":\"number\",\"minimum\":1}", "{\"type\":\"number\",\"minimum\":2}", "MINIMUM_INCREASED"},
        {"{\"type\":\"number\",\"minimum\":1.0}", "{\"type\":\"number\",\"minimum\":1}", NULL},
        {"{\"type\":\"number\",\"exclusiveMaximum\":9}", "{\"type\":\"number\",\"exclusiveMaximum\":8}",
         "EXCLUSIVE_MAXIMUM_DECREASED"},
        {"{\"type\":\"number\",\"multipleOf\":4}", "{\"type\":\"number\",\"multipleOf\":2}", NULL},
        {"{\"type\":\"number\",\"multipleOf\":2}", "{\"type\":\"number\",\"multipleOf\":4}", "MULTIPLE_OF_EXPANDED"},
        {"{\"enum\":[1,2]}", "{\"enum\":[2,1,3]}", NULL},
        {"{\"enum\":[1,2]}", "{\"enum\":[1]}", "ENUM_ARRAY_NARROWED"},
        {"{\"const\":1}", "{\"const\":2}", "ENUM_ARRAY_CHANGED"},
        {OPEN(A, ""), OPEN(A "," B, ""), "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"},
        {OPEN(A, ""), OPEN(A ",\"b\":{}", ""), NULL},
        {CLOSED(A, ""), CLOSED(A "," B, ""), NULL},
        {CLOSED(A, ""), CLOSED(A "," B, ",\"required\":[\"b\"]"), "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"},
        {OPEN(A "," B, ""), OPEN(A, ""), NULL},
        {CLOSED(A "," B, ""), CLOSED(A, ""), "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"},
        {OPEN(A, ""), OPEN(A, ",\"required\":[\"a\"]"), "REQUIRED_ATTRIBUTE_ADDED"},
        {OPEN(A, ",\"required\":[\"a\"]"), OPEN(A, ""), NULL},
        {OPEN(A, ""), CLOSED(A, ""), "ADDITIONAL_PROPERTIES_REMOVED"},
        {CLOSED(A, ""), OPEN(A, ""), NULL},
        {OPEN(A, ",\"patternProperties\":{\"^b\":{\"type\":\"integer\"}}"),
         OPEN(A "," B, ",\"patternProperties\":{\"^b\":{\"type\":\"integer\"}}"), NULL},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
         "{\"type\":\"array\",\"items\":{\"type\":\"number\"}}", NULL},
        {"{\"type\":\"array\"}", "{\"type\":\"array\",\"uniqueItems\":true}", "UNIQUE_ITEMS_ADDED"},
        {"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "{\"oneOf\":[{\"type\":\"string\"}]}",
         "SUM_TYPE_NARROWED"},
        {"{\"oneOf\":[{\"type\":\"string\"}]}", "{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}", NULL},
        {"{\"allOf\":[{\"type\":\"string\"}]}", "{\"allOf\":[{\"type\":\"string\"},{\"minLength\":1}]}",
         "PRODUCT_TYPE_EXTENDED"},
        {"{\"oneOf\":[{\"type\":\"string\"}]}", "{\"oneOf\":[{\"type\":\"null\"}]}",
         "COMBINED_TYPE_SUBSCHEMAS_CHANGED"},
        {"{\"not\":{\"type\":\"string\"}}", "{\"not\":{\"type\":[\"string\",\"null\"]}}", "NOT_TYPE_EXTENDED"},
        {"{\"$ref\":\"#/definitions/x\",\"definitions\":{\"x\":{\"type\":\"string\"}}}", "{\"type\":\"string\"}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(CASES); i++) {
        const char *got = reason(CASES[i].old, CASES[i].new, false);

        if ((got == NULL) != (CASES[i].reason == NULL) || (got && !strstr(got, CASES[i].reason)))
            fail_msg("%s -> %s: %s", CASES[i].old, CASES[i].new, got ? got : "compatible");
    }
}

static void the_lenient_policy_lets_optional_properties_come_and_go(void **state)
{
    (void)state;
    assert_null(reason(OPEN(A, ""), OPEN(A "," B, ""), true));
    assert_null(reason(OPEN(A "," B, ""), OPEN(A, ""), true));
    assert_non_null(reason(OPEN(A, ""), OPEN(A "," B, ",\"required\":[\"b\"]"), true));
    assert_non_null(reason(OPEN(A, ""), OPEN("\"a\":{\"type\":\"integer\"}", ""), true));
}

#define TREE(value)                                                                            \
    "{\"$ref\":\"#/definitions/"                                                               \
    "t\",\"definitions\":{\"t\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"" value \
    "\"},\"l\":{\"$ref\":\"#/definitions/t\"},\"r\":{\"$ref\":\"#/definitions/t\"}}}}}"

static void recursive_schemas_are_compared(void **state)
{
    (void)state;
    assert_null(reason(TREE("string"), TREE("string"), false));
    assert_null(reason(TREE("integer"), TREE("number"), false));
    assert_non_null(reason(TREE("string"), TREE("integer"), false));
}

static void what_is_no_schema(void **state)
{
    static const char *const TEXTS[] = {
        "",
        "[]",
        "1",
        "{",
        "{\"type\":\"strin\"}",
        "{\"type\":5}",
        "{\"properties\":[]}",
        "{\"properties\":{\"a\":1}}",
        "{\"required\":\"a\"}",
        "{\"required\":[1]}",
        "{\"minLength\":-1}",
        "{\"minLength\":\"1\"}",
        "{\"pattern\":\"(\"}",
        "{\"enum\":1}",
        "{\"allOf\":{}}",
        "{\"anyOf\":[1]}",
        "{\"$ref\":\"#/definitions/none\"}",
        "{\"$ref\":\"other.json\"}",
        "{\"$ref\":\"#\"}",
        "{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},\"b\":{\"$ref\":\"#/"
        "definitions/a\"}}}",
        "{\"items\":[5]}",
        "{\"not\":5}",
        "{\"$ref\":7}",
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(TEXTS); i++) {
        struct schema *s = NULL;
        struct error err = {0};

        if (schema_parse(SCHEMA_JSON, str_of(TEXTS[i]), NULL, 0, &s, &err) != IG_INVALID)
            fail_msg("%s was taken", TEXTS[i]);
        assert_true(err.msg[0] != '\0');
        assert_null(s);
    }
}

static bool is_valid(const char *schema, const char *value)
{
    struct schema *s = parse(schema);
    struct buf out;
    enum ig_code rc;

    buf_init(&out, 0);
    rc = schema_encode(s, str_of(value), &out, NULL);
    if (rc == IG_OK)
        assert_string_equal(buf_cstr(&out), value);
    buf_release(&out);
    schema_free(s);
    return rc == IG_OK;
}

static void values_are_validated(void **state)
{
    static const struct {
        const char *schema, *good, *bad;
    } CASES[] = {
        {"{\"type\":\"integer\"}", "1.0", "1.5"},
        {"{\"type\":[\"string\",\"null\"]}", "null", "true"},
        {"{\"minimum\":2,\"exclusiveMaximum\":3}", "2", "3"},
        {"{\"multipleOf\":0.01}", "19.99", "0.005"},
        {"{\"maxLength\":2}", "\"\xc3\xa4\xc3\xb6\"", "\"abc\""},
        {"{\"pattern\":\"^\\\\d+$\"}", "\"12\"", "\"1x\""},
        {"{\"enum\":[{\"a\":[1]}]}", "{\"a\":[1.0]}", "{\"a\":[2]}"},
        {CLOSED(A, ",\"required\":[\"a\"]"), "{\"a\":\"x\"}", "{}"},
        {CLOSED(A, ""), "{}", "{\"z\":1}"},
        {"{\"patternProperties\":{\"^x\":{\"type\":\"null\"}}}", "{\"xa\":null,\"b\":1}", "{\"xa\":1}"},
        {"{\"propertyNames\":{\"maxLength\":1}}", "{\"a\":1}", "{\"ab\":1}"},
        {"{\"items\":[{\"type\":\"null\"}],\"additionalItems\":{\"type\":\"string\"}}", "[null,\"a\"]", "[null,1]"},
        {"{\"uniqueItems\":true}", "[1,2]", "[1,1.0]"},
        {"{\"contains\":{\"const\":1}}", "[0,1]", "[0]"},
        {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":5}]}", "6", "3"},
        {"{\"not\":{\"type\":\"string\"}}", "1", "\"\""},
        {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", "{\"a\":1,\"b\":1}", "{\"a\":1}"},
        {"{\"dependencies\":{\"a\":[\"b\"]}}", "{\"b\":1}", "{\"a\":1}"},
        {TREE("string"), "{\"l\":{\"r\":{\"v\":\"x\"}}}", "{\"l\":{\"r\":{\"v\":1}}}"},
        {"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"allOf\":[{\"properties\":{\"a\":true}}],"
         "\"unevaluatedProperties\":false}",
         "{\"a\":1}", "{\"a\":1,\"b\":2}"},
        {"{\"$schema\":\"https://json-schema.org/draft/2020-12/"
         "schema\",\"prefixItems\":[{\"type\":\"null\"}],\"items\":false}",
         "[null]", "[null,1]"},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"minimum\":1,\"exclusiveMinimum\":true}", "2", "1"},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(CASES); i++) {
        if (!is_valid(CASES[i].schema, CASES[i].good))
            fail_msg("%s: %s is refused", CASES[i].schema, CASES[i].good);
        if (is_valid(CASES[i].schema, CASES[i].bad))
            fail_msg("%s: %s is taken", CASES[i].schema, CASES[i].bad);
    }
}

static void references_are_other_schemas(void **state)
{
    struct schema *city =
        parse("{\"$id\":\"http://x/city.json\",\"type\":\"string\",\"definitions\":{\"n\":{\"type\":\"integer\"}}}");
    const struct schema_reference refs[] = {{"city.json", city}};
    static const char *const TEXTS[] = {
        "{\"properties\":{\"c\":{\"$ref\":\"city.json\"}}}",
        "{\"properties\":{\"c\":{\"$ref\":\"http://x/city.json\"}}}",
        "{\"$id\":\"http://x/top.json\",\"properties\":{\"c\":{\"$ref\":\"city.json\"}}}",
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(TEXTS); i++) {
        struct schema *s = NULL;
        struct error err = {0};
        struct buf out;

        if (schema_parse(SCHEMA_JSON, str_of(TEXTS[i]), refs, 1, &s, &err))
            fail_msg("%s: %s", TEXTS[i], err.msg);
        buf_init(&out, 0);
        assert_int_equal(schema_encode(s, STR("{\"c\":\"x\"}"), &out, &err), IG_OK);
        assert_int_equal(schema_encode(s, STR("{\"c\":1}"), &out, &err), IG_INVALID);
        assert_non_null(strstr(err.msg, "/c"));
        buf_release(&out);
        schema_free(s);
    }
    schema_free(city);
}

static void canonical_keeps_the_order_and_normal_has_one(void **state)
{
    struct schema *s = parse("{ \"type\": \"object\", \"b\": 1.50, \"a\": [ 1e2 ] }");
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    schema_canonical(s, &out);
    assert_string_equal(buf_cstr(&out), "{\"type\":\"object\",\"b\":1.50,\"a\":[1e2]}");
    buf_clear(&out);
    schema_normalize(s, &out);
    assert_string_equal(buf_cstr(&out), "{\"a\":[1e2],\"b\":1.50,\"type\":\"object\"}");
    buf_release(&out);
    schema_free(s);
}

/* Schemas made to take for ever, or all of the stack. */
static void entangled_schemas_come_to_an_end(void **state)
{
    struct buf b;
    struct schema *s, *t;
    struct error err;

    (void)state;
    buf_init(&b, 0);
    buf_puts(&b, "{\"$ref\":\"#/definitions/d0\",\"definitions\":{");
    for (int i = 0; i < 2000; i++)
        buf_printf(
            &b,
            "\"d%d\":{\"properties\":{\"a\":{\"$ref\":\"#/definitions/d%d\"},\"b\":{\"$ref\":\"#/definitions/d%d\"}}},",
            i, i + 1, i + 1);
    buf_puts(&b, "\"d2000\":{\"type\":\"string\"}}}");
    s = parse(buf_cstr(&b));
    buf_puts(&b, " ");
    t = parse(buf_cstr(&b));
    (void)schema_can_read(s, t, NULL);
    schema_free(s);
    schema_free(t);
    buf_clear(&b);
    buf_puts(&b, "{\"$ref\":\"#/definitions/d0\",\"definitions\":{");
    for (int i = 0; i < 60; i++)
        buf_printf(&b, "\"d%d\":{\"anyOf\":[{\"$ref\":\"#/definitions/d%d\"},{\"$ref\":\"#/definitions/d%d\"}]},", i,
                   i + 1, i + 1);
    buf_puts(&b, "\"d60\":{\"type\":\"string\"}}}");
    s = parse(buf_cstr(&b));
    assert_true(schema_can_read(s, s, NULL));
    buf_clear(&b);
    assert_int_equal(schema_encode(s, STR("1"), &b, &err), IG_INVALID); /* 2^60 ways to be wrong */
    assert_int_equal(schema_encode(s, STR("\"x\""), &b, &err), IG_OK);
    schema_free(s);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_breaks_readers),
        cmocka_unit_test(the_lenient_policy_lets_optional_properties_come_and_go),
        cmocka_unit_test(recursive_schemas_are_compared),
        cmocka_unit_test(what_is_no_schema),
        cmocka_unit_test(values_are_validated),
        cmocka_unit_test(references_are_other_schemas),
        cmocka_unit_test(canonical_keeps_the_order_and_normal_has_one),
        cmocka_unit_test(entangled_schemas_come_to_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
