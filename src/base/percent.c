#include "base/percent.h"

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool percent_decode(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            buf_putc(out, s.p[i]);
            continue;
        }
        if (s.n - i < 3 || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0)
            return false;
        buf_putc(out, (char)(hex_value(s.p[i + 1]) * 16 + hex_value(s.p[i + 2])));
        i += 2;
    }
    return true;
}
