/*
 * Avro: texts, compatibility, values. What comes out of the tables of texts and pairs is what Apache's Java library
 * (avro 1.12.0) and the normalization of Confluent's registry made of them; both were run to write them down.
 */
#include "registry/avro.h"
#include "registry/formats.h"
#include "registry/number.h"

static const struct text_case TEXTS[] = {
    {"\"int\"", "\"int\"", NULL},
    {"{\"type\":\"int\"}", "\"int\"", NULL},
    {"{\"type\":\"int\",\"logicalType\":\"date\",\"doc\":\"gone\"}", "{\"type\":\"int\",\"logicalType\":\"date\"}",
     NULL},
    {"[\"null\",\"string\",{\"type\":\"array\",\"items\":\"int\"}]",
     "[\"null\",\"string\",{\"type\":\"array\",\"items\":\"int\"}]", NULL},
    {"{\"type\":\"map\",\"values\":\"long\",\"p\":[1.50,{\"b\":1,\"a\":null}]}",
     "{\"type\":\"map\",\"values\":\"long\",\"p\":[1.5,{\"b\":1,\"a\":null}]}",
     "{\"type\":\"map\",\"values\":\"long\",\"p\":[1.5,{\"a\":null,\"b\":1}]}"},
    {"{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"aliases\":[\"x.O\",\"P\"],\"foo\":{\"z\":1,\"a\":1."
     "50},\"doc"
     "\":\"d\",\"fields\":[{\"order\":\"descending\",\"name\":\"f\",\"default\":1,\"type\":\"double\",\"doc\":\"\","
     "\"aliases\""
     ":[\"g\",\"b\"],\"p\":7}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"doc\":\"d\",\"fields\":[{\"name\":\"f\",\"type\":"
     "\"double\",\""
     "doc\":\"\",\"default\":1,\"order\":\"descending\",\"aliases\":[\"g\",\"b\"],\"p\":7}],\"foo\":{\"z\":1,\"a\":1.5}"
     ",\"ali"
     "ases\":[\"x.O\",\"P\"]}",
     "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"doc\":\"d\",\"fields\":[{\"name\":\"f\",\"type\":"
     "\"double\",\""
     "doc\":\"\",\"default\":1.0,\"order\":\"descending\",\"aliases\":[\"b\",\"g\"],\"p\":7}],\"foo\":{\"a\":1.5,\"z\":"
     "1},\"a"
     "liases\":[\"P\",\"x.O\"]}"},
    {"{\"fields\":[{\"type\":{\"symbols\":[\"A\"],\"default\":\"A\",\"doc\":\"\",\"name\":\"E\",\"type\":\"enum\"},"
     "\"name\":\"e\""
     ",\"default\":\"A\"},{\"name\":\"e2\",\"type\":\"E\"}],\"name\":\"a.R\",\"type\":\"record\",\"namespace\":"
     "\"ignored\"}",
     "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a\",\"fields\":[{\"name\":\"e\",\"type\":{\"type\":\"enum\","
     "\"name\":"
     "\"E\",\"doc\":\"\",\"symbols\":[\"A\"],\"default\":\"A\"},\"default\":\"A\"},{\"name\":\"e2\",\"type\":\"E\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a\",\"fields\":[{\"name\":\"e\",\"type\":{\"type\":\"enum\","
     "\"name\":"
     "\"E\",\"symbols\":[\"A\"],\"default\":\"A\"},\"default\":\"A\"},{\"name\":\"e2\",\"type\":\"E\"}]}"},
    {"{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"],"
     "\"defau"
     "lt\":null},{\"name\":\"s\",\"type\":{\"type\":\"fixed\",\"name\":\"x.F\",\"size\":4}}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"],"
     "\"defau"
     "lt\":null},{\"name\":\"s\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"x\",\"size\":4}}]}",
     NULL},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"d\",\"type\":{\"type\":\"bytes\",\"precision\":4,"
     "\"scale\":"
     "2,\"logicalType\":\"decimal\",\"b\":1,\"a\":2}},{\"name\":\"e\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
     "\"decim"
     "al\",\"scale\":0,\"precision\":4}},{\"name\":\"bad\",\"type\":{\"type\":\"string\",\"logicalType\":\"date\","
     "\"a\":1}"
     "}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"d\",\"type\":{\"type\":\"bytes\",\"precision\":4,"
     "\"scale\":"
     "2,\"logicalType\":\"decimal\",\"b\":1,\"a\":2}},{\"name\":\"e\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
     "\"decim"
     "al\",\"scale\":0,\"precision\":4}},{\"name\":\"bad\",\"type\":{\"type\":\"string\",\"logicalType\":\"date\","
     "\"a\":1}"
     "}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"d\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
     "\"decimal"
     "\",\"precision\":4,\"scale\":2,\"a\":2,\"b\":1}},{\"name\":\"e\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
     "\"decim"
     "al\",\"precision\":4,\"scale\":0}},{\"name\":\"bad\",\"type\":{\"type\":\"string\",\"a\":1,\"logicalType\":"
     "\"date\"}"
     "}]}"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"float\",\"default\":\"NaN\"},{"
     "\"name\":\"b\",\""
     "type\":\"float\",\"default\":0.1},{\"name\":\"c\",\"type\":\"double\",\"default\":1e10},{\"name\":\"d\",\"type\":"
     "\"do"
     "uble\",\"default\":0.00001},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"double\"},\"default\":{\"b\":"
     "1,\""
     "a\":2}},{\"name\":\"l\",\"type\":\"long\",\"default\":12345678901}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"float\",\"default\":\"NaN\"},{"
     "\"name\":\"b\",\""
     "type\":\"float\",\"default\":0.1},{\"name\":\"c\",\"type\":\"double\",\"default\":1.0E10},{\"name\":\"d\","
     "\"type\":\""
     "double\",\"default\":1.0E-5},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"double\"},\"default\":{"
     "\"b\":1,"
     "\"a\":2}},{\"name\":\"l\",\"type\":\"long\",\"default\":12345678901}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"float\",\"default\":\"NaN\"},{"
     "\"name\":\"b\",\""
     "type\":\"float\",\"default\":0.1},{\"name\":\"c\",\"type\":\"double\",\"default\":1.0E10},{\"name\":\"d\","
     "\"type\":\""
     "double\",\"default\":1.0E-5},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"double\"},\"default\":{"
     "\"a\":2."
     "0,\"b\":1.0}},{\"name\":\"l\",\"type\":\"long\",\"default\":12345678901}]}"},
    {"{\"type\":\"error\",\"name\":\"Oops\",\"fields\":[]}", "{\"type\":\"error\",\"name\":\"Oops\",\"fields\":[]}",
     "{\"type\":\"record\",\"name\":\"Oops\",\"fields\":[]}"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"s\",\"type\":\"string\",\"default\":"
     "\"\\u0001\\u00e9\\b\\f/\\"
     "\"\\\\\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"s\",\"type\":\"string\",\"default\":\"\\u0001é\\b\\f/"
     "\\\"\\\\\"}"
     "]}",
     NULL},
};

/* reader, writer, the problems (NULL: it can be read) */
static const struct pair_case PAIRS[] = {
    {"\"int\"", "\"long\"",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/') of a field in the %s schema does n"
     "ot match with the %s schema', additionalInfo:'reader type: INT not compatible with writer type:"
     " LONG'}|"},
    {"\"long\"", "\"int\"", NULL},
    {"\"double\"", "\"float\"", NULL},
    {"\"string\"", "\"bytes\"", NULL},
    {"\"bytes\"", "\"string\"", NULL},
    {"\"boolean\"", "\"int\"",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/') of a field in the %s schema does n"
     "ot match with the %s schema', additionalInfo:'reader type: BOOLEAN not compatible with writer t"
     "ype: INT'}|"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":"
     "\"string\"}]}",
     NULL},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":"
     "\"string\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}",
     "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1'"
     " in the %s schema has no default value and is missing in the %s schema', additionalInfo:'b'}|"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":"
     "\"string\",\"de"
     "fault\":\"\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}", NULL},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"c\",\"type\":"
     "\"string\",\"al"
     "iases\":[\"b\"]}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":"
     "\"string\"}]}",
     NULL},
    {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[]}", "{\"type\":\"record\",\"name\":\"T\",\"fields\":[]}",
     "{errorType:'NAME_MISMATCH', description:'The name of the schema has changed (path '/name')', ad"
     "ditionalInfo:'expected: T'}|"},
    {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[],\"aliases\":[\"T\"]}",
     "{\"type\":\"record\",\"name\":\"T\",\"fields\":[]}", NULL},
    {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[],\"namespace\":\"x\"}",
     "{\"type\":\"record\",\"name\":\"S\",\"fields\":[],\"namespace\":\"y\"}", NULL},
    {"{\"type\": \"enum\", \"name\": \"E\", \"symbols\": [\"A\", \"B\"]}",
     "{\"type\": \"enum\", \"name\": \"E\", \"symbols\": [\"B\", \"C\", \"D\"]}",
     "{errorType:'MISSING_ENUM_SYMBOLS', description:'The %s schema is missing enum symbols '[C, D]' "
     "at path '/symbols' in the %s schema', additionalInfo:'[C, D]'}|"},
    {"{\"type\": \"enum\", \"name\": \"E\", \"symbols\": [\"A\", \"B\"], \"default\": \"A\"}",
     "{\"type\": \"enum\", \"name\": \"E\", \"symbols\": [\"B\", \"C\", \"D\"]}", NULL},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":4}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":5}",
     "{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field at path '/size' in "
     "the %s schema does not match with the %s schema', additionalInfo:'expected: 5, found: 4'}|"},
    {"[\"null\",\"int\"]", "[\"null\",\"int\",\"string\"]",
     "{errorType:'MISSING_UNION_BRANCH', description:'The %s schema is missing a type inside a union "
     "field at path '/2' in the %s schema', additionalInfo:'reader union lacking writer type: STRING'"
     "}|"},
    {"[\"null\",\"string\"]", "\"string\"", NULL},
    {"[\"null\",\"string\"]", "\"int\"",
     "{errorType:'MISSING_UNION_BRANCH', description:'The %s schema is missing a type inside a union "
     "field at path '/' in the %s schema', additionalInfo:'reader union lacking writer type: INT'}|"},
    {"\"string\"", "[\"string\",\"int\"]",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/1') of a field in the %s schema does "
     "not match with the %s schema', additionalInfo:'reader type: STRING not compatible with writer t"
     "ype: INT'}|"},
    {"[\"int\",\"string\"]", "[\"int\",\"bytes\"]", NULL},
    {"{\"type\":\"array\",\"items\":\"int\"}", "{\"type\":\"array\",\"items\":\"long\"}",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/items') of a field in the %s schema d"
     "oes not match with the %s schema', additionalInfo:'reader type: INT not compatible with writer "
     "type: LONG'}|"},
    {"{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"int\"}}",
     "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"string\"}}",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/values/items') of a field in the %s s"
     "chema does not match with the %s schema', additionalInfo:'reader type: INT not compatible with "
     "writer type: STRING'}|"},
    {"{\"type\":\"array\",\"items\":\"int\"}", "{\"type\":\"map\",\"values\":\"int\"}",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/') of a field in the %s schema does n"
     "ot match with the %s schema', additionalInfo:'reader type: ARRAY not compatible with writer typ"
     "e: MAP'}|"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"]},{\"name\":\"v\","
     "\"type\":\"i"
     "nt\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"]},{\"name\":\"v\","
     "\"type\":\"i"
     "nt\"}]}",
     NULL},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"]},{\"name\":\"v\","
     "\"type\":\"i"
     "nt\"}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"]},{\"name\":\"v\","
     "\"type\":\"s"
     "tring\"}]}",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/1/type') of a field in the %s "
     "schema does not match with the %s schema', additionalInfo:'reader type: INT not compatible with"
     " writer type: STRING'}|"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":{\"type\":\"record\",\"name\":\"Q\","
     "\"fields\":["
     "{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"y\",\"type\":\"int\"}]}}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":{\"type\":\"record\",\"name\":\"Q\","
     "\"fields\":["
     "{\"name\":\"x\",\"type\":\"string\"}]}}]}",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type/fields/0/type') of a fi"
     "eld in the %s schema does not match with the %s schema', additionalInfo:'reader type: INT not c"
     "ompatible with writer type: STRING'}|{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', descripti"
     "on:'The field 'y' at path '/fields/0/type/fields/1' in the %s schema has no default value and i"
     "s missing in the %s schema', additionalInfo:'y'}|"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\","
     "\"symbols\":[\""
     "A\"],\"default\":\"A\"}}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}",
     "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the %s "
     "schema does not match with the %s schema', additionalInfo:'reader type: ENUM not compatible wit"
     "h writer type: RECORD'}|"},
};

/* A schema that is none, and words of the message that says where and why. */
static const struct wrong_case WRONG[] = {
    {"", "byte 0"},
    {"{\"type\":\"int\"} x", "byte"},
    {"12", "$: a schema is a name"},
    {"\"strin\"", "$: the type \"strin\" is not defined"},
    {"{\"name\":\"A\"}", "needs a \"type\""},
    {"{\"type\":{\"type\":\"int\"}}", "needs a \"type\""},
    {"{\"type\":\"record\",\"name\":\"A\"}", "needs \"fields\""},
    {"{\"type\":\"record\",\"fields\":[]}", "needs a \"name\""},
    {"{\"type\":\"record\",\"name\":\"A-b\",\"fields\":[]}", "cannot be the name"},
    {"{\"type\":\"record\",\"name\":\"int\",\"fields\":[]}", "primitive"},
    {"{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"a..b\",\"fields\":[]}", "cannot be the name"},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\"}]}",
     "$.fields[0]: the field \"x\" needs a \"type\""},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\",\"type\":\"B\"}]}",
     "$.fields[0].type: the type \"B\""},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"x\",\"type\":"
     "\"int\"}]}",
     "\"x\" is there twice"},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\",\"type\":\"int\",\"default\":\"a\"}]}",
     "the default \"a\""},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\",\"type\":\"int\",\"default\":2147483648}]}",
     "the default"},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\",\"type\":[\"int\",\"null\"],\"default\":\"a\"}]}",
     "the default"},
    {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"x\",\"type\":\"int\",\"order\":\"up\"}]}",
     "\"order\""},
    {"{\"type\":\"record\",\"name\":\"A\",\"aliases\":\"B\",\"fields\":[]}", "\"aliases\""},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"a\"]}", "there twice"},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a-b\"]}", "symbols[0]"},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"],\"default\":\"b\"}", "not one of the symbols"},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}", "\"size\""},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":\"1\"}", "\"size\""},
    {"{\"type\":\"array\"}", "\"items\""},
    {"[\"null\",\"null\"]", "twice in the union"},
    {"[\"null\",[\"int\"]]", "$[1]: a union cannot be directly in a union"},
    {"[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}]",
     "a second time"},
};

#define RECORD                                                                                                       \
    "{\"type\":\"record\",\"name\":\"a.R\",\"fields\":[{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"u\",\"type\":[" \
    "\"null\",\"string\",\"a.R\"],\"default\":null}]}"

/* schema, bytes, what they are as JSON */
static const struct value_case VALUES[] = {
    {"\"null\"", "", "null"},
    {"\"boolean\"", "01", "true"},
    {"\"int\"", "7f", "-64"},
    {"\"long\"", "ffffffffffffffffff01", "-9223372036854775808"},
    {"\"float\"", "cdcccc3d", "0.1"},
    {"\"float\"", "0000c07f", "\"NaN\""},
    {"\"double\"", "9a9999999999b93f", "0.1"},
    {"\"double\"", "000000000000f0ff", "\"-Infinity\""},
    {"\"bytes\"", "0600ff41",
     "\"\\u0000\xc3\xbf"
     "A\""},
    {"\"string\"", "08c3a92f", NULL},   /* the length is 4, three bytes follow */
    {"\"string\"", "06c3a92f0a", NULL}, /* a byte too many */
    {"\"string\"", "04c3a9", "\"\xc3\xa9\""},
    {"\"string\"", "04c3c3", NULL},
    {"\"string\"", "01", NULL}, /* a negative length */
    {"\"string\"", "feffffffffffffffff01", NULL},
    {"\"int\"", "8080808010", NULL}, /* 33 bits */
    {"\"long\"", "80808080808080808080", NULL},
    {"\"boolean\"", "02", NULL},
    {"\"int\"", "", NULL},
    {"{\"type\":\"array\",\"items\":\"int\"}", "04020406060800", NULL},
    {"{\"type\":\"array\",\"items\":\"int\"}",
     "0402040206"
     "00",
     "[1,2,3]"},
    {"{\"type\":\"array\",\"items\":\"int\"}", "0304020400", "[1,2]"}, /* a block with its size */
    {"{\"type\":\"array\",\"items\":\"int\"}", "03fe7f", NULL},
    {"{\"type\":\"array\",\"items\":\"int\"}", "ffffffffffffffffff01", NULL},
    {"{\"type\":\"array\",\"items\":\"null\"}", "feffffffffffffffff01", NULL}, /* items without bytes, very many */
    {"{\"type\":\"map\",\"values\":\"boolean\"}",
     "02026101"
     "00",
     "{\"a\":true}"},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "4142", "\"AB\""},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "41", NULL},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "02", "\"B\""},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "04", NULL},
    {"[\"null\",\"int\"]", "00", "null"},
    {"[\"null\",\"int\"]", "0202", "{\"int\":1}"},
    {"[\"null\",\"int\"]", "04", NULL},
    {"[\"null\",\"int\"]", "01", NULL},
    {RECORD,
     "020404"
     "00",
     "{\"i\":1,\"u\":{\"a.R\":{\"i\":2,\"u\":null}}}"},
    {RECORD, "0202026b", "{\"i\":1,\"u\":{\"string\":\"k\"}}"},
};

/* schema, JSON as people write it, the bytes (NULL: refused) */
static const struct value_case WRITTEN[] = {
    {RECORD, "0200", "{\"i\":1}"},
    {RECORD, "0202026b", "{\"i\":1,\"u\":\"k\"}"},
    {RECORD, "02040400", "{\"u\":{\"i\":2},\"i\":1}"},
    {RECORD, NULL, "{\"u\":null}"},
    {RECORD, NULL, "{\"i\":1,\"x\":1}"},
    {RECORD, NULL, "{\"i\":2147483648}"},
    {RECORD, NULL, "{\"i\":1,\"u\":1}"},
    {RECORD, NULL, "{\"i\":1"},
    {"\"bytes\"", NULL, "\"\xc4\x80\""}, /* U+0100 is no byte */
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", NULL, "\"A\""},
    {"\"double\"", "000000000000f03f", "1"},
    {"[\"string\",\"long\",\"double\"]", "0204", "2"},
    {"[\"string\",\"long\",\"double\"]", "04000000000000e03f", "0.5"},
};

static void test_texts(void **state)
{
    (void)state;
    check_texts(SCHEMA_AVRO, TEXTS, IG_COUNT(TEXTS));
}

static void test_pairs(void **state)
{
    (void)state;
    check_pairs(SCHEMA_AVRO, PAIRS, IG_COUNT(PAIRS));
}

static void test_what_is_no_schema_is_refused_with_its_place(void **state)
{
    (void)state;
    check_wrong(SCHEMA_AVRO, WRONG, IG_COUNT(WRONG));
}

static void test_values_are_read(void **state)
{
    (void)state;
    check_decoded(SCHEMA_AVRO, VALUES, IG_COUNT(VALUES));
}

static void test_values_are_written(void **state)
{
    (void)state;
    check_encoded(SCHEMA_AVRO, WRITTEN, IG_COUNT(WRITTEN));
}

static void test_a_value_that_nests_too_deep_is_refused(void **state)
{
    struct schema *s = parse_ok(SCHEMA_AVRO, RECORD, NULL, 0);
    struct buf bytes, json;
    struct error err;

    (void)state;
    buf_init(&bytes, 0);
    buf_init(&json, 0);
    for (int i = 0; i < 200000; i++)
        buf_add(&bytes, "\x02\x04", 2);
    assert_int_equal(schema_decode(s, buf_str(&bytes), &json, &err), IG_INVALID);
    assert_non_null(strstr(err.msg, "too deep"));
    buf_release(&json);
    buf_release(&bytes);
    schema_free(s);
}

/* Each type is of the one before it, twice: reading takes no byte and would make 2^60 values. */
static void test_values_that_grow_without_bytes_are_refused(void **state)
{
    struct buf text, json;
    struct schema *s;
    struct error err;

    (void)state;
    buf_init(&text, 0);
    buf_init(&json, 1 << 20);
    buf_puts(&text, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}");
    for (int i = 1; i <= 60; i++)
        buf_printf(
            &text,
            ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":\"R%d\",\"default\":{}},"
            "{\"name\":\"b\",\"type\":\"R%d\",\"default\":{}}]}",
            i, i - 1, i - 1);
    buf_putc(&text, ']');
    s = parse_ok(SCHEMA_AVRO, buf_cstr(&text), NULL, 0);
    assert_int_equal(schema_decode(s, (struct str){"\x78", 1}, &json, &err), IG_LIMIT);
    buf_clear(&json);
    assert_int_equal(schema_encode(s, STR("{\"R60\":{}}"), &json, &err), IG_INVALID);
    assert_true(schema_can_read(s, s, NULL));
    schema_free(s);
    buf_release(&json);
    buf_release(&text);
}

static void test_references(void **state)
{
    struct schema *money, *item, *order;
    struct schema_reference refs[1], both[2];
    struct buf text;
    struct error err;

    (void)state;
    buf_init(&text, 0);
    money =
        parse_ok(SCHEMA_AVRO,
                 "{\"type\":\"record\",\"name\":\"x.Money\",\"fields\":[{\"name\":\"n\",\"type\":\"long\"}]}", NULL, 0);
    refs[0] = (struct schema_reference){"x.Money", money};
    item =
        parse_ok(SCHEMA_AVRO,
                 "{\"type\":\"record\",\"name\":\"x.Item\",\"fields\":[{\"name\":\"m\",\"type\":\"Money\"}]}", refs, 1);
    both[0] = (struct schema_reference){"x.Item", item};
    both[1] = refs[0];
    order = parse_ok(SCHEMA_AVRO,
                     "{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"i\",\"type\":\"x.Item\"},{\"name\":"
                     "\"t\",\"type\":\"x.Money\"}]}",
                     both, 2);
    schema_canonical(order, &text);
    assert_string_equal(buf_cstr(&text), "{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"i\",\"type\":\"x."
                                         "Item\"},{\"name\":\"t\",\"type\":\"x.Money\"}]}");
    buf_clear(&text);
    assert_int_equal(schema_formatted(order, STR("resolved"), &text, &err), IG_OK);
    assert_string_equal(
        buf_cstr(&text),
        "{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"i\",\"type\":{\"type\":\"record\",\"name\":"
        "\"Item\",\"namespace\":\"x\",\"fields\":[{\"name\":\"m\",\"type\":{\"type\":\"record\",\"name\":\"Money\","
        "\"fields\":[{\"name\":\"n\",\"type\":\"long\"}]}}]}},{\"name\":\"t\",\"type\":\"x.Money\"}]}");
    buf_clear(&text);
    assert_int_equal(schema_decode(order, (struct str){"\x02\x04", 2}, &text, &err), IG_OK);
    assert_string_equal(buf_cstr(&text), "{\"i\":{\"m\":{\"n\":1}},\"t\":{\"n\":2}}");
    schema_free(order);
    schema_free(item);
    schema_free(money);
    buf_release(&text);
}

static void test_numbers_are_written_as_java_writes_them(void **state)
{
    static const struct {
        double d;
        const char *text;
    } CASES[] = {{1, "1.0"},
                 {-0.0, "-0.0"},
                 {0.1, "0.1"},
                 {1e7, "1.0E7"},
                 {9999999, "9999999.0"},
                 {0.001, "0.001"},
                 {0.0001, "1.0E-4"},
                 {123.456, "123.456"},
                 {1e300, "1.0E300"},
                 {1.0 / 3, "0.3333333333333333"},
                 {12345678.9, "1.23456789E7"}};
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    for (size_t i = 0; i < IG_COUNT(CASES); i++) {
        buf_clear(&out);
        number_add_double(&out, CASES[i].d);
        assert_string_equal(buf_cstr(&out), CASES[i].text);
    }
    buf_clear(&out);
    number_add_float(&out, 0.1f);
    assert_string_equal(buf_cstr(&out), "0.1");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_what_is_no_schema_is_refused_with_its_place),
        cmocka_unit_test(test_values_are_read),
        cmocka_unit_test(test_values_are_written),
        cmocka_unit_test(test_a_value_that_nests_too_deep_is_refused),
        cmocka_unit_test(test_values_that_grow_without_bytes_are_refused),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_numbers_are_written_as_java_writes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
