/* Percent-encoding. */
#include "store/http.h"

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void http_add_encoded(struct buf *out, struct str s, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if (is_unreserved(s.p[i]) || (keep_slash && c == '/')) {
            buf_putc(out, s.p[i]);
        } else {
            const char code[3] = {'%', hex[c >> 4], hex[c & 15]};

            buf_add(out, code, sizeof(code));
        }
    }
}
