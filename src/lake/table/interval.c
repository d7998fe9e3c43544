/*
 * Durations as a table's properties spell them: "interval 7 days", also of several parts: "interval 1 day 12 hours".
 */
#include "lake/lake_internal.h"

#define LOG_RETENTION_MS (INT64_C(30) * 24 * 60 * 60 * 1000)
#define NUMBER_MAX 100000000

static const struct {
    const char *unit;
    int64_t us;
} units[] = {
    {"week", INT64_C(604800000000)},
    {"day", INT64_C(86400000000)},
    {"hour", INT64_C(3600000000)},
    {"minute", 60000000},
    {"second", 1000000},
    {"millisecond", 1000},
    {"microsecond", 1},
};

static struct str next_word(struct str *text)
{
    struct str word;

    while (text->n && *text->p == ' ') {
        text->p++;
        text->n--;
    }
    word = (struct str){text->p, 0};
    while (text->n && *text->p != ' ') {
        text->p++;
        text->n--;
        word.n++;
    }
    return word;
}

/* The unit's length in microseconds, also of its plural; 0 if it is none that has a fixed length. */
static int64_t unit_us(struct str word)
{
    if (word.n > 1 && word.p[word.n - 1] == 's')
        word.n--;
    for (size_t i = 0; i < IG_COUNT(units); i++)
        if (str_is(word, units[i].unit))
            return units[i].us;
    return 0;
}

int64_t lake_interval_ms(const struct lake_snapshot *s, const char *property, int64_t otherwise_ms)
{
    struct str text = str_of(lake_property(s, property, ""));
    int64_t sum_us = 0;
    bool any = false;

    if (str_has_prefix(text, "interval ")) {
        text.p += strlen("interval ");
        text.n -= strlen("interval ");
    }
    for (struct str number = next_word(&text); number.n; number = next_word(&text)) {
        const int64_t us = unit_us(next_word(&text));
        int64_t n;

        if (!us || !str_to_int64(number, 0, NUMBER_MAX, &n) || n > (INT64_MAX - sum_us) / us)
            return otherwise_ms;
        sum_us += n * us;
        any = true;
    }
    return any ? sum_us / 1000 : otherwise_ms;
}

int64_t lake_log_retention_ms(const struct lake_snapshot *s)
{
    return lake_interval_ms(s, "delta.logRetentionDuration", LOG_RETENTION_MS);
}
