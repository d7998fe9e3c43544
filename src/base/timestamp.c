#include "base/timestamp.h"

#include <stdio.h>

/* The two conversions follow Howard Hinnant's public-domain days_from_civil / civil_from_days: years that start in
 * March, eras of 400 years. */
int32_t date_of_civil(int year, unsigned month, unsigned day)
{
    const int y = month <= 2 ? year - 1 : year;
    const int era = (y >= 0 ? y : y - 399) / 400;
    const unsigned yoe = (unsigned)(y - era * 400);
    const unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + (int32_t)doe - 719468;
}

void date_to_civil(int32_t days, int *year, unsigned *month, unsigned *day)
{
    const int64_t z = (int64_t)days + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const unsigned doe = (unsigned)(z - era * 146097);
    const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int)((int64_t)yoe + era * 400) + (*month <= 2 ? 1 : 0);
}

static bool digits(const char *p, size_t n, unsigned *out)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    *out = v;
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

bool date_parse(struct str s, int32_t *days)
{
    unsigned y, m, d;

    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
        return false;
    if (!digits(s.p, 4, &y) || !digits(s.p + 5, 2, &m) || !digits(s.p + 8, 2, &d))
        return false;
    if (y < 1 || m < 1 || m > 12 || d < 1 || d > days_in_month(y, m))
        return false;
    *days = date_of_civil((int)y, m, d);
    return true;
}

char *date_format(int32_t days, char out[16])
{
    unsigned m, d;
    int y;

    date_to_civil(days, &y, &m, &d);
    snprintf(out, 16, "%04d-%02u-%02u", y, m % 100, d % 100);
    return out;
}

/* The zone behind a time: its offset in minutes. */
static bool parse_zone(struct str s, int *minutes)
{
    unsigned h, m = 0;

    *minutes = 0;
    if (s.n == 0 || (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')))
        return true;
    if (s.p[0] != '+' && s.p[0] != '-')
        return false;
    if (s.n != 3 && s.n != 5 && s.n != 6)
        return false;
    if (!digits(s.p + 1, 2, &h))
        return false;
    if (s.n == 5 && !digits(s.p + 3, 2, &m))
        return false;
    if (s.n == 6 && (s.p[3] != ':' || !digits(s.p + 4, 2, &m)))
        return false;
    if (h > 23 || m > 59)
        return false;
    *minutes = (int)(h * 60 + m) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

bool timestamp_parse(struct str s, int64_t *us)
{
    unsigned h = 0, m = 0, sec = 0;
    int64_t fraction = 0;
    int32_t days;
    size_t at;
    int zone;

    if (s.n < 10 || !date_parse((struct str){s.p, 10}, &days))
        return false;
    if (s.n == 10) {
        *us = days * US_PER_DAY;
        return true;
    }
    if ((s.p[10] != 'T' && s.p[10] != 't' && s.p[10] != ' ') || s.n < 16 || s.p[13] != ':')
        return false;
    if (!digits(s.p + 11, 2, &h) || !digits(s.p + 14, 2, &m))
        return false;
    at = 16;
    if (at < s.n && s.p[at] == ':') {
        if (s.n < 19 || !digits(s.p + 17, 2, &sec))
            return false;
        at = 19;
        if (at < s.n && (s.p[at] == '.' || s.p[at] == ',')) {
            int64_t unit = 100000;
            size_t n = 0;

            for (at++; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, n++) {
                fraction += (s.p[at] - '0') * unit;
                unit /= 10;
            }
            if (n == 0 || n > 9)
                return false;
        }
    }
    if (h > 23 || m > 59 || sec > 60)
        return false;
    if (!parse_zone((struct str){s.p + at, s.n - at}, &zone))
        return false;
    *us = days * US_PER_DAY + ((int64_t)h * 3600 + (int64_t)m * 60 + sec - (int64_t)zone * 60) * 1000000 + fraction;
    return true;
}

int32_t timestamp_date(int64_t us)
{
    const int64_t days = us / US_PER_DAY - (us % US_PER_DAY < 0 ? 1 : 0);

    return (int32_t)days;
}

char *timestamp_format(int64_t us, char out[40])
{
    const int32_t days = timestamp_date(us);
    const int64_t in_day = us % US_PER_DAY + (us % US_PER_DAY < 0 ? US_PER_DAY : 0);
    const unsigned sec = (unsigned)(in_day / 1000000), fraction = (unsigned)(in_day % 1000000);
    char date[16];
    int n = snprintf(out, 40, "%sT%02u:%02u:%02u", date_format(days, date), sec / 3600 % 24, sec / 60 % 60, sec % 60);

    if (fraction % 1000)
        n += snprintf(out + n, 40 - (size_t)n, ".%06u", fraction);
    else if (fraction)
        n += snprintf(out + n, 40 - (size_t)n, ".%03u", fraction / 1000);
    snprintf(out + n, 40 - (size_t)n, "Z");
    return out;
}
