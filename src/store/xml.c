#include "store/xml.h"

void xml_reader_init(struct xml_reader *r, struct str text)
{
    *r = (struct xml_reader){.p = text.p, .end = text.p + text.n};
    if (text.n >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0)
        r->p += 3;
}

static enum xml_event bad(struct xml_reader *r, const char *problem)
{
    r->problem = problem;
    return XML_BAD;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool at(const struct xml_reader *r, const char *s)
{
    const size_t n = strlen(s);

    return (size_t)(r->end - r->p) >= n && memcmp(r->p, s, n) == 0;
}

/* Goes behind the next `stop`; *text is what was before it. */
static bool pass(struct xml_reader *r, const char *stop, struct str *text)
{
    const char *found = memmem(r->p, (size_t)(r->end - r->p), stop, strlen(stop));

    if (!found)
        return false;
    *text = (struct str){r->p, (size_t)(found - r->p)};
    r->p = found + strlen(stop);
    return true;
}

/* A name without its namespace. */
static struct str read_name(struct xml_reader *r)
{
    const char *start = r->p;

    while (r->p < r->end && !is_space(*r->p) && !strchr("/>=<&\"'", *r->p) && *r->p) {
        if (*r->p == ':')
            start = r->p + 1;
        r->p++;
    }
    return (struct str){start, (size_t)(r->p - start)};
}

/* Behind a tag's name: its attributes, up to and with '>'. */
static bool pass_attributes(struct xml_reader *r, bool *empty)
{
    char quote = 0;

    for (; r->p < r->end; r->p++) {
        if (quote) {
            quote = *r->p == quote ? 0 : quote;
        } else if (*r->p == '"' || *r->p == '\'') {
            quote = *r->p;
        } else if (*r->p == '<') {
            return false;
        } else if (*r->p == '>') {
            *empty = r->p[-1] == '/';
            r->p++;
            return true;
        }
    }
    return false;
}

static enum xml_event close_element(struct xml_reader *r)
{
    r->depth--;
    r->name = r->names[r->depth];
    return XML_END;
}

static enum xml_event read_tag(struct xml_reader *r)
{
    const bool closing = at(r, "</");
    bool empty = false;
    struct str name;

    r->p += closing ? 2 : 1;
    name = read_name(r);
    if (name.n == 0 || !pass_attributes(r, &empty))
        return bad(r, "a tag is not closed");
    if (closing) {
        if (r->depth == 0 || !str_eq(r->names[r->depth - 1], name))
            return bad(r, "an end tag closes another element");
        return close_element(r);
    }
    if (r->depth == XML_DEPTH_MAX)
        return bad(r, "elements are nested too deeply");
    r->names[r->depth++] = name;
    r->name = name;
    r->ended = empty;
    return XML_START;
}

enum xml_event xml_next(struct xml_reader *r)
{
    if (r->problem)
        return XML_BAD;
    if (r->ended) {
        r->ended = false;
        return close_element(r);
    }
    while (r->p < r->end) {
        struct str passed;

        if (at(r, "<!--") || at(r, "<?")) {
            if (!pass(r, at(r, "<?") ? "?>" : "-->", &passed))
                return bad(r, "a comment does not end");
        } else if (at(r, "<![CDATA[")) {
            r->p += 9;
            r->literal = true;
            if (r->depth == 0 || !pass(r, "]]>", &r->text))
                return bad(r, "a CDATA section does not end");
            return XML_TEXT;
        } else if (at(r, "<!")) {
            return bad(r, "a document type is not taken");
        } else if (*r->p == '<') {
            return read_tag(r);
        } else {
            const char *start = r->p;
            bool blank = true;

            for (; r->p < r->end && *r->p != '<'; r->p++)
                blank &= is_space(*r->p);
            if (r->depth > 0) {
                r->text = (struct str){start, (size_t)(r->p - start)};
                r->literal = false;
                return XML_TEXT;
            }
            if (!blank)
                return bad(r, "text outside of the document");
        }
    }
    if (r->depth > 0)
        return bad(r, "the document ends early");
    return r->name.p ? XML_EOF : bad(r, "there is no element");
}

/* UTF-8 of a character number; false for what XML does not take. */
static bool add_character(struct buf *out, uint32_t c)
{
    if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return false;
    if (c < 0x80) {
        buf_putc(out, (char)c);
    } else if (c < 0x800) {
        buf_putc(out, (char)(0xC0 | c >> 6));
        buf_putc(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buf_putc(out, (char)(0xE0 | c >> 12));
        buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
        buf_putc(out, (char)(0x80 | (c & 63)));
    } else {
        buf_putc(out, (char)(0xF0 | c >> 18));
        buf_putc(out, (char)(0x80 | (c >> 12 & 63)));
        buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
        buf_putc(out, (char)(0x80 | (c & 63)));
    }
    return true;
}

/* "lt", "#10", "#x1F600" */
static bool add_entity(struct buf *out, struct str name)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    const bool hex = name.n > 1 && name.p[0] == '#' && name.p[1] == 'x';
    uint32_t c = 0;

    for (size_t i = 0; i < IG_COUNT(known); i++) {
        if (str_is(name, known[i].name)) {
            buf_putc(out, known[i].c);
            return true;
        }
    }
    if (name.n < (hex ? 3u : 2u) || name.p[0] != '#' || name.n > 9)
        return false;
    for (size_t i = hex ? 2 : 1; i < name.n; i++) {
        const char d = name.p[i];

        if (d >= '0' && d <= '9')
            c = c * (hex ? 16 : 10) + (uint32_t)(d - '0');
        else if (hex && ((d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F')))
            c = c * 16 + (uint32_t)((d | 32) - 'a' + 10);
        else
            return false;
    }
    return add_character(out, c);
}

bool xml_unescape(struct str text, struct buf *out)
{
    const char *p = text.p, *end = text.p + text.n;

    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p)), *stop;

        buf_add(out, p, (size_t)((amp ? amp : end) - p));
        if (!amp)
            break;
        stop = memchr(amp, ';', (size_t)(end - amp));
        if (!stop || !add_entity(out, (struct str){amp + 1, (size_t)(stop - amp - 1)}))
            return false;
        p = stop + 1;
    }
    return true;
}

bool xml_leaf(struct xml_reader *r, struct buf *out)
{
    for (;;) {
        switch (xml_next(r)) {
        case XML_TEXT:
            if (r->literal) {
                buf_add_str(out, r->text);
            } else if (!xml_unescape(r->text, out)) {
                r->problem = "an entity is not known";
                return false;
            }
            break;
        case XML_END:
            return true;
        case XML_START:
            r->problem = "an element where text was expected";
            return false;
        case XML_EOF:
        case XML_BAD:
            return false;
        }
    }
}

bool xml_skip(struct xml_reader *r)
{
    const size_t depth = r->depth - 1;
    enum xml_event event;

    do
        event = xml_next(r);
    while (event != XML_BAD && event != XML_EOF && !(event == XML_END && r->depth == depth));
    return event == XML_END;
}

void xml_add_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        const unsigned char c = (unsigned char)text.p[i];

        if (c == '&')
            buf_puts(out, "&amp;");
        else if (c == '<')
            buf_puts(out, "&lt;");
        else if (c == '>')
            buf_puts(out, "&gt;");
        else if (c < 32)
            buf_printf(out, "&#%u;", c);
        else
            buf_putc(out, text.p[i]);
    }
}

bool xml_find(struct str document, const char *name, struct buf *out)
{
    struct xml_reader r;
    enum xml_event event;

    xml_reader_init(&r, document);
    do
        event = xml_next(&r);
    while (event != XML_BAD && event != XML_EOF && !(event == XML_START && str_is(r.name, name)));
    return event == XML_START && xml_leaf(&r, out);
}
