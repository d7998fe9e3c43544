/* XML and percent-encoding, of peers that may send anything. */
#include "base/percent.h"
#include "store/http.h"
#include "store/xml.h"
#include "test.h"

/* The document as "<a>text</a>" events in a line, or "bad". */
static void assert_events(const char *document, const char *want)
{
    struct xml_reader r;
    enum xml_event event;
    struct buf got;

    buf_init(&got, 0);
    xml_reader_init(&r, str_of(document));
    while ((event = xml_next(&r)) != XML_EOF && event != XML_BAD) {
        if (event == XML_TEXT)
            buf_printf(&got, "'" STR_FMT "'", STR_ARG(r.text));
        else
            buf_printf(&got, "%s" STR_FMT, event == XML_START ? "+" : "-", STR_ARG(r.name));
    }
    if (event == XML_BAD)
        buf_puts(&got, " bad");
    assert_string_equal(buf_cstr(&got), want);
    assert_int_equal(event == XML_BAD, r.problem != NULL);
    buf_release(&got);
}

static void elements_and_texts_come_in_order(void **state)
{
    (void)state;
    assert_events("<a/>", "+a-a");
    assert_events("\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<a x='>' y=\"/>\"><b>t</b><!-- <c> --><d/></a>\n",
                  "+a+b't'-b+d-d-a");
    assert_events("<s:a xmlns:s='u'><s:b >t&amp;</s:b></s:a>", "+a+b't&amp;'-b-a");
    assert_events("<a><![CDATA[<&>]]></a>", "+a'<&>'-a");
}

static void what_is_not_xml_is_found(void **state)
{
    static const struct {
        const char *document, *want;
    } bad[] = {
        {"", " bad"},
        {"text", " bad"},
        {"<", " bad"},
        {"<a", " bad"},
        {"<a>", "+a bad"},
        {"<a></b>", "+a bad"},
        {"</a>", " bad"},
        {"<a><b></a>", "+a+b bad"},
        {"<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", " bad"},
        {"<a><!-- ", "+a bad"},
        {"<a><![CDATA[", "+a bad"},
        {"<a x='", " bad"},
        {"<a <b>", " bad"},
        {"<a/>text", "+a-a bad"},
        {"<html><p>Bad Gateway<br></html>", "+html+p'Bad Gateway'+br bad"},
    };
    struct buf deep;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(bad); i++)
        assert_events(bad[i].document, bad[i].want);
    buf_init(&deep, 0);
    for (int i = 0; i < 100000; i++)
        buf_puts(&deep, "<a>");
    assert_events(buf_cstr(&deep), "+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a bad");
    buf_release(&deep);
}

static void assert_text(const char *text, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    assert_int_equal(xml_unescape(str_of(text), &got), want != NULL);
    if (want)
        assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

static void escapes_are_resolved_or_refused(void **state)
{
    (void)state;
    assert_text("a &lt;&gt;&amp;&quot;&apos; b", "a <>&\"' b");
    assert_text("&#65;&#x42;&#xe4;&#x20AC;&#x1F600;", "AB\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    assert_text("&nbsp;", NULL);
    assert_text("&lt", NULL);
    assert_text("&#0;", NULL);
    assert_text("&#xD800;", NULL);
    assert_text("&#x110000;", NULL);
    assert_text("&#99999999999;", NULL);
    assert_text("&#;", NULL);
    assert_text("&;", NULL);
}

static void a_text_is_found_by_its_elements_name(void **state)
{
    const struct str answer = STR("<Error><Code>NoSuchKey</Code><Resource>/a</Resource><Empty/></Error>");
    struct buf got;

    (void)state;
    buf_init(&got, 0);
    assert_true(xml_find(answer, "Code", &got));
    assert_string_equal(buf_cstr(&got), "NoSuchKey");
    buf_clear(&got);
    assert_true(xml_find(answer, "Empty", &got));
    assert_int_equal(got.n, 0);
    assert_false(xml_find(answer, "Message", &got));
    assert_false(xml_find(STR("Service Unavailable"), "Code", &got));
    buf_release(&got);
}

/* Cut and changed documents end, and never read beyond their bytes (the sanitizer looks). */
static void broken_documents_end(void **state)
{
    static const char good[] = "<?xml version='1.0'?><L xmlns='x'><C><Key>a&amp;b</Key><Size>1</Size></C><!-- c -->"
                               "<T><![CDATA[x]]></T><E/></L>";
    struct test_random random = test_random_new();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        const size_t n = test_random_below(&random, sizeof(good));
        char *copy = check_malloc(n + 1);
        struct xml_reader r;
        enum xml_event event;
        unsigned events = 0;

        memcpy(copy, good, n);
        if (n)
            copy[test_random_below(&random, n)] = "<>/&;'\"![]-? a"[test_random_below(&random, 14)];
        xml_reader_init(&r, (struct str){copy, n});
        while ((event = xml_next(&r)) != XML_EOF && event != XML_BAD)
            events++;
        assert_true(events < sizeof(good));
        free(copy);
    }
}

static void urls_are_encoded_as_signatures_want_it(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 0);
    http_add_encoded(&got, STR("aZ0-._~/ +%&=?#\xC3\xA4*'()!$,;:@"), true);
    assert_string_equal(buf_cstr(&got), "aZ0-._~/%20%2B%25%26%3D%3F%23%C3%A4%2A%27%28%29%21%24%2C%3B%3A%40");
    buf_clear(&got);
    http_add_encoded(&got, STR("a/b"), false);
    assert_string_equal(buf_cstr(&got), "a%2Fb");
    buf_clear(&got);
    assert_true(percent_decode(&got, STR("a%2fb%C3%A4+")));
    assert_string_equal(buf_cstr(&got), "a/b\xC3\xA4+");
    assert_false(percent_decode(&got, STR("%")));
    assert_false(percent_decode(&got, STR("%2")));
    assert_false(percent_decode(&got, STR("%2x")));
    buf_release(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_and_texts_come_in_order),
        cmocka_unit_test(what_is_not_xml_is_found),
        cmocka_unit_test(escapes_are_resolved_or_refused),
        cmocka_unit_test(a_text_is_found_by_its_elements_name),
        cmocka_unit_test(broken_documents_end),
        cmocka_unit_test(urls_are_encoded_as_signatures_want_it),
    };

    return cmocka_run_group_tests_name("XML", tests, NULL, NULL);
}
