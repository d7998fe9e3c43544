#include "registry/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* "d.ddde±xx" to its digits without trailing zeros, and the exponent of the first. */
static int split(const char *text, char *digits, size_t *n)
{
    const char *e = strchr(text, 'e');

    *n = 0;
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9')
            digits[(*n)++] = *p;
    while (*n > 1 && digits[*n - 1] == '0')
        (*n)--;
    return (int)strtol(e + 1, NULL, 10);
}

static void add_digits(struct buf *out, const char *digits, size_t n, int exponent)
{
    const size_t whole = exponent >= 0 ? (size_t)exponent + 1 : 0;

    if (exponent < -3 || exponent >= 7) {
        buf_printf(out, "%c.%.*sE%d", digits[0], n > 1 ? (int)(n - 1) : 1, n > 1 ? digits + 1 : "0", exponent);
    } else if (exponent < 0) {
        buf_puts(out, "0.");
        for (int i = exponent + 1; i < 0; i++)
            buf_putc(out, '0');
        buf_add(out, digits, n);
    } else {
        for (size_t i = 0; i < whole; i++)
            buf_putc(out, i < n ? digits[i] : '0');
        buf_putc(out, '.');
        if (n > whole)
            buf_add(out, digits + whole, n - whole);
        else
            buf_putc(out, '0');
    }
}

/* Zero and what is not finite. */
static bool add_special(struct buf *out, double d)
{
    if (isnan(d))
        buf_puts(out, "NaN");
    else if (isinf(d))
        buf_puts(out, d < 0 ? "-Infinity" : "Infinity");
    else if (d == 0)
        buf_puts(out, signbit(d) ? "-0.0" : "0.0");
    else
        return false;
    return true;
}

static void add_shortest(struct buf *out, double d, bool single)
{
    char text[40], digits[24];
    size_t n;
    int exponent;

    if (add_special(out, d))
        return;
    if (d < 0) {
        buf_putc(out, '-');
        d = -d;
    }
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, d);
        if (single ? strtof(text, NULL) == (float)d : strtod(text, NULL) == d)
            break;
    }
    exponent = split(text, digits, &n);
    add_digits(out, digits, n, exponent);
}

void number_add_double(struct buf *out, double d)
{
    add_shortest(out, d, false);
}

void number_add_float(struct buf *out, float f)
{
    add_shortest(out, (double)f, true);
}

void number_add_json_double(struct buf *out, double d)
{
    const char *quote = isfinite(d) ? "" : "\"";

    buf_puts(out, quote);
    number_add_double(out, d);
    buf_puts(out, quote);
}

void number_add_json_float(struct buf *out, float f)
{
    const char *quote = isfinite(f) ? "" : "\"";

    buf_puts(out, quote);
    number_add_float(out, f);
    buf_puts(out, quote);
}
