#include "quality/contract.h"

#include <math.h>
#include <strings.h>

typedef unsigned __int128 u128;

#define MANTISSA_DIGITS 38
#define EXPONENT_MAX 100000 /* beyond it a number is zero or too big for every type */

/* A decimal number taken apart: (-1)^negative * mantissa * 10^exponent, and whether digits were dropped. */
struct number {
    u128 mantissa;
    int64_t exponent;
    int digits; /* of the mantissa */
    bool negative, dropped;
    int first_dropped; /* the digit right behind the mantissa */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void number_digit(struct number *x, int digit, bool fraction)
{
    if (x->digits < MANTISSA_DIGITS) {
        x->mantissa = x->mantissa * 10 + (unsigned)digit;
        if (x->mantissa != 0)
            x->digits++;
        if (fraction)
            x->exponent--;
        return;
    }
    if (!x->dropped)
        x->first_dropped = digit;
    x->dropped = x->dropped || digit != 0;
    if (!fraction)
        x->exponent++;
}

static bool number_exponent(const char *p, const char *end, struct number *x)
{
    bool negative = false;
    int64_t e = 0;

    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end)
        return false;
    for (; p < end && is_digit(*p); p++)
        if (e < EXPONENT_MAX)
            e = e * 10 + (*p - '0');
    x->exponent += negative ? -e : e;
    return p == end;
}

static bool number_parse(struct str s, struct number *x)
{
    const char *p = s.p, *end = s.p + s.n;
    bool any = false;

    *x = (struct number){0};
    if (p < end && (*p == '-' || *p == '+'))
        x->negative = *p++ == '-';
    for (; p < end && is_digit(*p); p++, any = true)
        number_digit(x, *p - '0', false);
    if (p < end && *p == '.')
        for (p++; p < end && is_digit(*p); p++, any = true)
            number_digit(x, *p - '0', true);
    if (!any)
        return false;
    if (p < end && (*p == 'e' || *p == 'E'))
        return number_exponent(p + 1, end, x);
    return p == end;
}

static u128 power_of_ten(int n)
{
    u128 v = 1;

    while (n-- > 0)
        v *= 10;
    return v;
}

enum cast cast_decimal(struct str text, int precision, int scale, bool round, __int128 *out)
{
    struct number x;
    int64_t shift;
    u128 v;

    if (!number_parse(text, &x))
        return CAST_NOT_ONE;
    shift = x.exponent + scale;
    v = x.mantissa;
    if (v == 0)
        shift = 0;
    if (shift > 0) {
        if (x.digits + shift > MANTISSA_DIGITS)
            return CAST_TOO_BIG;
        v *= power_of_ten((int)shift);
    } else if (shift < 0) {
        const int down = shift < -MANTISSA_DIGITS ? MANTISSA_DIGITS : (int)-shift;
        const u128 unit = power_of_ten(down), rest = shift < -MANTISSA_DIGITS ? 0 : v % unit;

        if (!round && (rest != 0 || x.dropped || shift < -MANTISSA_DIGITS))
            return CAST_INEXACT;
        v = shift < -MANTISSA_DIGITS ? 0 : v / unit + (rest >= unit / 2 && rest != 0 ? 1 : 0);
    } else if (x.dropped || x.first_dropped) {
        if (!round && x.dropped)
            return CAST_INEXACT;
        v += x.first_dropped >= 5 ? 1 : 0;
    }
    if (v >= power_of_ten(precision))
        return CAST_TOO_BIG;
    *out = x.negative ? -(__int128)v : (__int128)v;
    return CAST_OK;
}

enum cast cast_int64(struct str text, int64_t *out)
{
    const bool negative = text.n > 0 && text.p[0] == '-';
    size_t i = negative ? 1 : 0;
    __int128 wide;
    int64_t v = 0;

    /* nearly all are short and plain */
    if (text.n - i <= 18 && text.n > i) {
        for (; i < text.n && is_digit(text.p[i]); i++)
            v = v * 10 + (text.p[i] - '0');
        if (i == text.n) {
            *out = negative ? -v : v;
            return CAST_OK;
        }
    }
    switch (cast_decimal(text, MANTISSA_DIGITS, 0, false, &wide)) {
    case CAST_OK:
        break;
    case CAST_NOT_ONE:
        return CAST_NOT_ONE;
    case CAST_INEXACT:
        return CAST_INEXACT;
    case CAST_TOO_BIG:
        return CAST_TOO_BIG;
    }
    if (wide < INT64_MIN || wide > INT64_MAX)
        return CAST_TOO_BIG;
    *out = (int64_t)wide;
    return CAST_OK;
}

enum cast cast_double(struct str text, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct number x;
    double v;

    if (!number_parse(text, &x))
        return CAST_NOT_ONE;
    /* Both factors are exact, so one rounding gives the nearest double. */
    if (!x.dropped && !x.first_dropped && x.mantissa <= (UINT64_C(1) << 53) && x.exponent >= -22 && x.exponent <= 22) {
        v = (double)(uint64_t)x.mantissa;
        v = x.exponent < 0 ? v / powers[-x.exponent] : v * powers[x.exponent];
        *out = x.negative ? -v : v;
        return CAST_OK;
    }
    if (text.p[0] == '+') {
        text.p++;
        text.n--;
    }
    if (!str_to_double(text, &v))
        return x.mantissa != 0 && x.exponent < 0 && x.exponent + x.digits < -300 ? (*out = 0, CAST_OK) : CAST_TOO_BIG;
    if (!isfinite(v))
        return CAST_TOO_BIG;
    *out = v;
    return CAST_OK;
}

bool cast_time_in_range(int64_t us)
{
    return us >= INT64_C(-62135596800) * 1000000 && us < INT64_C(253402300800) * 1000000;
}

/* A count since 1970 in the unit, cut to microseconds. */
static enum cast time_of_number(struct str text, enum conf_time_unit unit, int64_t *us)
{
    const int scale = unit == CONF_TIME_S ? 6 : unit == CONF_TIME_MS ? 3 : 0;
    struct number x;
    int64_t shift;
    u128 v;

    if (!number_parse(text, &x))
        return CAST_NOT_ONE;
    shift = x.exponent + scale;
    v = x.mantissa;
    if (v != 0 && shift > 0) {
        if (x.digits + shift > 20)
            return CAST_TOO_BIG;
        v *= power_of_ten((int)shift);
    } else if (shift < 0) {
        v = shift < -MANTISSA_DIGITS ? 0 : v / power_of_ten((int)-shift);
    }
    if (v > (u128)INT64_MAX)
        return CAST_TOO_BIG;
    *us = x.negative ? -(int64_t)v : (int64_t)v;
    return cast_time_in_range(*us) ? CAST_OK : CAST_TOO_BIG;
}

enum cast cast_time(struct str text, enum conf_time_unit unit, int64_t *us)
{
    if (unit != CONF_TIME_TEXT)
        return time_of_number(text, unit, us);
    if (!timestamp_parse(text, us))
        return CAST_NOT_ONE;
    return cast_time_in_range(*us) ? CAST_OK : CAST_TOO_BIG;
}

enum cast cast_bool(struct str text, bool *out)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true},   {"0", false}, {"t", true},
                 {"f", false},   {"yes", true},    {"no", false}, {"y", true},  {"n", false}};

    for (size_t i = 0; i < IG_COUNT(words); i++) {
        if (strlen(words[i].text) == text.n && strncasecmp(words[i].text, text.p, text.n) == 0) {
            *out = words[i].value;
            return CAST_OK;
        }
    }
    return CAST_NOT_ONE;
}
