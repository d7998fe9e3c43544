#include "base/base.h"
#include "test.h"

#include <dirent.h>

static bool is_json(struct str text)
{
    struct json_reader r;
    struct json_value v;

    json_reader_init(&r, text);
    return json_read(&r, &v) && json_end(&r);
}

static void members_as_text(void **state)
{
    static const char object[] = "{\"a\":\"x\\n\\u00e9\",\"n\":1,\"none\":null,\"\":\"\"}";
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_string_equal(json_member_text(&a, str_of(object), "a"), "x\n\xc3\xa9");
    assert_string_equal(json_member_text(&a, str_of(object), ""), "");
    assert_null(json_member_text(&a, str_of(object), "n"));
    assert_null(json_member_text(&a, str_of(object), "none"));
    assert_null(json_member_text(&a, str_of(object), "b"));
    assert_null(json_member_text(&a, STR("no object"), "a"));
    arena_release(&a);
}

static void valid_texts_are_taken(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        " [ ] ",
                                        "0",
                                        "-0",
                                        "1.5e-3",
                                        "1E+2",
                                        "\"\"",
                                        "null",
                                        "true",
                                        "false",
                                        "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"a\":2}",
                                        "\"\\u00e9\\ud83d\\ude00\\/\"",
                                        "\"\xc3\xa9\xf0\x9f\x98\x80\"",
                                        "\t\r\n1 ",
                                        "[[],[[]],{}]",
                                        "\"\x7f\""};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(texts); i++)
        if (!is_json(str_of(texts[i])))
            fail_msg("%s was refused", texts[i]);
}

static void invalid_texts_are_refused_with_place_and_reason(void **state)
{
    static const struct {
        const char *text, *problem;
        size_t at;
    } cases[] = {
        {"", "the text ends where a value should be", 0},
        {"   ", "the text ends where a value should be", 3},
        {"{", "an object without end", 1},
        {"[1", "an array without end", 2},
        {"[1,]", "not a value", 3},
        {"[,1]", "not a value", 1},
        {"[1 2]", "a comma is missing", 3},
        {"{\"a\"}", "a colon is missing", 4},
        {"{\"a\":1,}", "a key is missing", 7},
        {"{a:1}", "a key is missing", 1},
        {"{\"a\":}", "not a value", 5},
        {"01", "text behind the value", 1},
        {"-", "a number without digits", 0},
        {"1.", "a number that ends in a point", 0},
        {"1e", "an exponent without digits", 0},
        {"+1", "not a value", 0},
        {".5", "not a value", 0},
        {"NaN", "not a value", 0},
        {"nul", "not a value", 0},
        {"'a'", "not a value", 0},
        {"1 1", "text behind the value", 2},
        {"\"a", "a string without end", 2},
        {"\"\n\"", "a control character in a string", 1},
        {"\"\\x\"", "an invalid escape", 1},
        {"\"\\u12\"", "an invalid escape", 1},
        {"\"\\ud800\"", "an invalid escape", 1},
        {"\"\\ude00\"", "an invalid escape", 1},
        {"\"\\ud83d\\u0041\"", "an invalid escape", 1},
        {"\"\xc3\"", "invalid UTF-8", 1},
        {"\"\xed\xa0\x80\"", "invalid UTF-8", 1},
        {"[1] // done", "text behind the value", 4},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        struct json_reader r;
        struct json_value v;

        json_reader_init(&r, str_of(cases[i].text));
        if (json_read(&r, &v) && json_end(&r))
            fail_msg("%s was taken", cases[i].text);
        if (!r.problem || strcmp(r.problem, cases[i].problem) != 0 || r.at != cases[i].at)
            fail_msg("%s: \"%s\" at %zu", cases[i].text, r.problem ? r.problem : "nothing", r.at);
        assert_false(json_read(&r, &v)); /* the first mistake sticks */
    }
    assert_false(is_json((struct str){NULL, 0}));
    assert_false(is_json((struct str){"1\0", 2}));
}

static void nesting_has_a_limit(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 4];
    const size_t n = JSON_DEPTH_MAX;

    (void)state;
    memset(text, '[', n);
    memset(text + n, ']', n);
    assert_true(is_json((struct str){text, 2 * n}));
    memset(text, '[', n + 1);
    memset(text + n + 1, ']', n + 1);
    assert_false(is_json((struct str){text, 2 * n + 2}));
}

static void a_document_is_gone_through_without_copies(void **state)
{
    static const char text[] = "{\"id\":\"e1\",\"price\":12.50,\"items\":[{\"sku\":\"a\"},{\"sku\":\"b\"}],\"n\":-3}";
    struct json_value key, v, item;
    struct json_reader r;
    int items = 0;

    (void)state;
    json_reader_init(&r, str_of(text));
    assert_true(json_begin(&r, &v));
    assert_int_equal(v.type, JSON_OBJECT);
    assert_true(json_next_key(&r, &key) && json_key_is(&key, STR("id")));
    assert_true(json_read(&r, &v) && v.type == JSON_STRING && str_is(v.raw, "e1"));
    assert_true(json_next_key(&r, &key) && json_key_is(&key, STR("price")));
    assert_true(json_read(&r, &v) && v.type == JSON_NUMBER && !v.integer && str_is(v.raw, "12.50"));
    assert_true(json_next_key(&r, &key) && json_key_is(&key, STR("items")));
    assert_true(json_begin(&r, &v) && v.type == JSON_ARRAY);
    while (json_next_item(&r)) {
        assert_true(json_read(&r, &item) && item.type == JSON_OBJECT && item.raw.n == 11);
        items++;
    }
    assert_int_equal(items, 2);
    assert_true(json_next_key(&r, &key) && json_key_is(&key, STR("n")));
    assert_true(json_read(&r, &v) && v.integer && str_is(v.raw, "-3"));
    assert_false(json_next_key(&r, &key));
    assert_true(json_end(&r));
}

static void members_are_found_by_name(void **state)
{
    const struct str object = STR("{\"a\":1,\"b\":\"x\\ny\",\"\\u0063\":true,\"a\":9007199254740993,\"f\":1.5}");
    struct json_value v;
    struct buf text;
    int64_t n;

    (void)state;
    buf_init(&text, 0);
    assert_true(json_member_int64(object, "a", &n) && n == INT64_C(9007199254740993)); /* the last one, exactly */
    assert_true(json_member_string(object, "b", &text));
    assert_string_equal(buf_cstr(&text), "x\ny");
    assert_true(json_member(object, "c", &v) && v.type == JSON_TRUE); /* an escaped key */
    assert_false(json_member(object, "d", &v));
    assert_false(json_member_int64(object, "f", &n));
    assert_false(json_member_int64(object, "b", &n));
    assert_false(json_member(STR("[1]"), "a", &v));
    assert_false(json_member(STR("{\"a\":1,"), "a", &v)); /* broken further on */
    buf_release(&text);
}

static void strings_come_back_as_they_went(void **state)
{
    struct test_random r = test_random_new();
    struct buf json, text;
    char s[64];

    (void)state;
    buf_init(&json, 0);
    buf_init(&text, 0);
    for (int i = 0; i < 20000; i++) {
        const size_t n = test_random_below(&r, sizeof(s));
        struct json_reader reader;
        struct json_value v;

        for (size_t k = 0; k < n; k++)
            s[k] = (char)test_random_below(&r, i % 2 ? 128 : 256);
        buf_clear(&json);
        buf_clear(&text);
        json_add_string(&json, (struct str){s, n});
        json_reader_init(&reader, buf_str(&json));
        if (!json_read(&reader, &v) || !json_end(&reader) || v.type != JSON_STRING)
            fail_msg("wrote what it can not read: %s", buf_cstr(&json));
        json_unescape(&v, &text);
        assert_true(str_is_utf8(buf_str(&text)));
        if (str_is_utf8((struct str){s, n}))
            assert_true(str_eq(buf_str(&text), (struct str){s, n}));
    }
    buf_clear(&json);
    json_add_string(&json, (struct str){NULL, 0});
    assert_string_equal(buf_cstr(&json), "\"\"");
    buf_release(&json);
    buf_release(&text);
}

/* Whatever is thrown at the reader, it ends, stays inside the text, and what it takes it takes again as a part. */
static void mutated_texts_do_no_harm(void **state)
{
    static const char seed_text[] =
        "{\"event_id\":\"a\\u00e9\\ud83d\\ude00\",\"n\":[1,-2.5e3,null,true,{\"x\":\"\xc3\xa9 long enough text\"}]}";
    struct test_random r = test_random_new();
    size_t taken = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t n = sizeof(seed_text) - 1;
        char *text = check_malloc(n + 8); /* on the heap, so that a sanitizer sees a step too far */
        struct json_reader reader;
        struct json_value v;

        memcpy(text, seed_text, n);
        for (size_t k = test_random_below(&r, 4); k > 0 && n > 1; k--) {
            const size_t at = test_random_below(&r, n);

            switch (test_random_below(&r, 4)) {
            case 0:
                text[at] = (char)test_random_next(&r);
                break;
            case 1:
                memmove(text + at, text + at + 1, n - at - 1);
                n--;
                break;
            case 2:
                text[at] = "{}[]\",:\\0-"[test_random_below(&r, 10)];
                break;
            default:
                n = at + 1;
            }
        }
        text = check_realloc(text, n);
        json_reader_init(&reader, (struct str){text, n});
        if (json_read(&reader, &v) && json_end(&reader)) {
            taken++;
            assert_true(v.raw.p >= text && v.raw.p + v.raw.n <= text + n);
            assert_true(str_is_utf8((struct str){text, n}));
        } else {
            assert_true(reader.problem && reader.at <= n);
        }
        free(text);
    }
    assert_true(taken > 1000);
}

/* JSONTestSuite's verdicts: y_ must be taken, n_ refused, i_ is free. */
static void the_json_test_suite_agrees(void **state)
{
    const char *folder = INGOT_SHARED_DIR "/data/hard-formats/json-nst/test_parsing";
    struct env *env = env_real_new();
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int wrong = 0, seen = 0;

    (void)state;
    if (!dir) {
        print_message("skipped: %s is not here\n", folder);
        env_real_free(env);
        skip();
    }
    while ((entry = readdir(dir)) != NULL) {
        struct buf text;
        char path[1024];
        bool ok;

        if (!str_has_suffix(str_of(entry->d_name), ".json"))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        buf_init(&text, 0);
        assert_int_equal(env_read_file(env, path, &text, NULL), IG_OK);
        ok = is_json(buf_str(&text));
        if ((entry->d_name[0] == 'y' && !ok) || (entry->d_name[0] == 'n' && ok)) {
            print_message("wrong about %s\n", entry->d_name);
            wrong++;
        }
        seen++;
        buf_release(&text);
    }
    closedir(dir);
    env_real_free(env);
    assert_int_equal(wrong, 0);
    assert_true(seen > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_as_text),
        cmocka_unit_test(valid_texts_are_taken),
        cmocka_unit_test(invalid_texts_are_refused_with_place_and_reason),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_document_is_gone_through_without_copies),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(strings_come_back_as_they_went),
        cmocka_unit_test(mutated_texts_do_no_harm),
        cmocka_unit_test(the_json_test_suite_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
