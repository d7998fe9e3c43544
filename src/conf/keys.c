#include "conf/keys.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* --- names ------------------------------------------------------------------------------------------------- */

/* The same letters in another order ("itn"): one slip, though two changes. */
static bool same_letters(const char *a, const char *b)
{
    int counts[256] = {0};

    for (; *a; a++)
        counts[(unsigned char)*a]++;
    for (; *b; b++)
        counts[(unsigned char)*b]--;
    for (size_t i = 0; i < IG_COUNT(counts); i++)
        if (counts[i])
            return false;
    return true;
}

const char *keys_nearest(const char *word, const char *const *names)
{
    const size_t length = strlen(word);
    size_t best = (length < 4 ? 1 : length < 8 ? 2 : 3) + 1;
    const char *found = NULL;

    for (; *names; names++) {
        const size_t distance = same_letters(word, *names) ? 1 : str_distance(str_of(word), str_of(*names));

        if (distance < best && distance < length) {
            best = distance;
            found = *names;
        }
    }
    return found;
}

static void unknown_key(struct load *l, const struct node *key, const char *what, const struct key *keys, size_t n)
{
    const char **names = ARENA_ARRAY(l->arena, const char *, n + 1);
    const char *near;
    struct buf all;

    for (size_t i = 0; i < n; i++)
        names[i] = keys[i].name;
    near = keys_nearest(key->text, names);
    if (near) {
        load_problem(l, key, "unknown key %s; did you mean '%s'?", node_shown(l->arena, key), near);
        return;
    }
    buf_init(&all, 0);
    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%s%s", i ? ", " : "", keys[i].name);
    load_problem(l, key, "unknown key %s; the keys of %s are %s", node_shown(l->arena, key), what, buf_cstr(&all));
    buf_release(&all);
}

bool keys_check_names(struct load *l, const struct node *map, const char *what, const struct key *keys, size_t n)
{
    if (map->kind == NODE_NULL)
        return !map->written;
    if (map->kind != NODE_MAP) {
        load_problem(l, map, "%s: %s is not a mapping of keys to values", what, node_shown(l->arena, map));
        return false;
    }
    for (size_t i = 0; i < map->n; i++) {
        size_t k = 0;

        while (k < n && strcmp(keys[k].name, map->items[i].key->text) != 0)
            k++;
        if (k == n)
            unknown_key(l, map->items[i].key, what, keys, n);
    }
    return true;
}

/* --- values ------------------------------------------------------------------------------------------------ */

static void not_a(struct load *l, const char *name, const struct node *value, const char *wanted)
{
    if (value->kind == NODE_NULL && value->written)
        return; /* its variable is reported */
    if (value->kind == NODE_NULL)
        load_problem(l, value, "%s has no value; give it %s, or leave the key out", name, wanted);
    else
        load_problem(l, value, "%s: %s is not %s", name, node_shown(l->arena, value), wanted);
}

bool keys_text(struct load *l, const char *name, const struct node *value, const char **out)
{
    if (value->kind != NODE_SCALAR) {
        not_a(l, name, value, "a text");
        return false;
    }
    *out = value->text;
    return true;
}

bool keys_texts(struct load *l, const char *name, const struct node *value, const char ***out, size_t *n)
{
    const size_t wanted = value->kind == NODE_LIST ? value->n : 1;
    const char **texts = ARENA_ARRAY(l->arena, const char *, wanted + 1);
    bool ok = true;

    *out = NULL;
    *n = 0;
    if (value->kind == NODE_NULL || value->kind == NODE_MAP) {
        not_a(l, name, value, "a text or a list of texts");
        return false;
    }
    for (size_t i = 0; i < wanted; i++) {
        const struct node *item = value->kind == NODE_LIST ? value->items[i].value : value;

        ok &= keys_text(l, name, item, &texts[i]);
        if (item->written)
            load_origin(l, &texts[i], item->written);
    }
    if (!ok)
        return false;
    *out = wanted ? texts : NULL;
    *n = wanted;
    return true;
}

bool keys_bool(struct load *l, const char *name, const struct node *value, bool *out)
{
    const bool is_true = value->kind == NODE_SCALAR && strcmp(value->text, "true") == 0;

    if (!is_true && !(value->kind == NODE_SCALAR && strcmp(value->text, "false") == 0)) {
        not_a(l, name, value, "true or false");
        return false;
    }
    *out = is_true;
    return true;
}

bool keys_word(struct load *l, const char *name, const struct node *value, const char *const *words, int *out)
{
    struct buf wanted;
    const char *near;

    for (int i = 0; value->kind == NODE_SCALAR && words[i]; i++)
        if (strcmp(words[i], value->text) == 0) {
            *out = i;
            return true;
        }
    buf_init(&wanted, 0);
    near = value->kind == NODE_SCALAR && !value->written ? keys_nearest(value->text, words) : NULL;
    for (int i = 0; words[i]; i++)
        buf_printf(&wanted, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
    if (near)
        buf_printf(&wanted, "; did you mean '%s'?", near);
    not_a(l, name, value, buf_cstr(&wanted));
    buf_release(&wanted);
    return false;
}

static bool parse_ratio(struct str s, double *out)
{
    const bool percent = str_has_suffix(s, "%");

    if (percent)
        s.n--;
    if (!str_to_double(s, out))
        return false;
    *out = percent ? *out / 100 : *out;
    return *out >= 0 && *out <= 1;
}

static const struct rate_unit {
    const char *name;
    double seconds;
} rate_units[] = {{"s", 1}, {"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}};

static bool parse_rate(struct str s, double *out)
{
    const char *slash = memchr(s.p, '/', s.n);
    double count;

    *out = 0;
    if (str_is(s, "max"))
        return true;
    if (!slash || !str_to_double((struct str){s.p, (size_t)(slash - s.p)}, &count) || count <= 0)
        return false;
    for (size_t i = 0; i < IG_COUNT(rate_units); i++)
        if (str_is((struct str){slash + 1, s.n - (size_t)(slash - s.p) - 1}, rate_units[i].name)) {
            *out = count / rate_units[i].seconds;
            return true;
        }
    return false;
}

static bool parse_uint64(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 20)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const uint64_t digit = (uint64_t)(s.p[i] - '0');

        if (s.p[i] < '0' || s.p[i] > '9' || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

/* The largest unit in which a duration is whole: 60000 is 1m. */
static void add_duration(struct buf *out, int64_t ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};

    for (size_t i = 0; ms > 0 && i < IG_COUNT(units); i++)
        if (ms % units[i].ms == 0) {
            buf_printf(out, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
            return;
        }
    buf_printf(out, ms ? "%" PRId64 "ms" : "%" PRId64 "s", ms);
}

static void add_bytes(struct buf *out, int64_t n)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}};

    for (size_t i = 0; n > 0 && i < IG_COUNT(units); i++)
        if (n % units[i].bytes == 0) {
            buf_printf(out, "%" PRId64 "%s", n / units[i].bytes, units[i].name);
            return;
        }
    buf_printf(out, "%" PRId64 "B", n);
}

/* What a good value looks like, with its range. */
static const char *wanted_text(struct load *l, const struct key *key)
{
    const bool ranged = key->min || key->max;
    const char *what = "";
    const char *text;
    struct buf b;

    buf_init(&b, 0);
    switch (key->kind) {
    case KEY_INT32:
    case KEY_INT64:
    case KEY_UINT64:
        what = "a whole number";
        break;
    case KEY_DOUBLE:
        what = "a number";
        break;
    case KEY_RATIO:
        what = "a share like 1% or 0.01, from 0 to 1";
        break;
    case KEY_RATE:
        what = "a rate like 10/s, 600/min or max";
        break;
    case KEY_DURATION:
        what = "a duration like 250ms, 60s, 5m, 1h or 7d";
        break;
    case KEY_BYTES:
        what = "a size like 64KB, 512MB or 2GB";
        break;
    default:
        what = "a time like 2024-01-15T06:00:00Z";
        break;
    }
    buf_puts(&b, what);
    if (ranged && (key->kind == KEY_INT32 || key->kind == KEY_INT64)) {
        buf_printf(&b, key->max == INT64_MAX ? " from %" PRId64 " up" : " from %" PRId64, key->min);
        if (key->max != INT64_MAX)
            buf_printf(&b, " to %" PRId64, key->max);
    } else if (ranged && (key->kind == KEY_DURATION || key->kind == KEY_BYTES)) {
        buf_puts(&b, ", from ");
        key->kind == KEY_BYTES ? add_bytes(&b, key->min) : add_duration(&b, key->min);
        buf_puts(&b, " to ");
        key->kind == KEY_BYTES ? add_bytes(&b, key->max) : add_duration(&b, key->max);
    }
    text = arena_strndup(l->arena, buf_cstr(&b), b.n);
    buf_release(&b);
    return text;
}

static bool in_range(const struct key *key, int64_t v)
{
    return (key->min == 0 && key->max == 0) || (v >= key->min && v <= key->max);
}

static bool parse_scalar(const struct key *key, struct str s, char *at)
{
    int64_t number = 0, us;
    bool ok;

    switch (key->kind) {
    case KEY_INT32:
        ok = str_to_int64(s, INT32_MIN, INT32_MAX, &number) && in_range(key, number);
        if (ok)
            *(int32_t *)(void *)at = (int32_t)number;
        return ok;
    case KEY_INT64:
        ok = str_to_int64(s, INT64_MIN, INT64_MAX, &number) && in_range(key, number);
        break;
    case KEY_DURATION:
        ok = str_to_duration_ms(s, &number) && in_range(key, number);
        break;
    case KEY_BYTES:
        ok = str_to_bytes(s, &number) && in_range(key, number);
        break;
    case KEY_UINT64:
        return parse_uint64(s, (uint64_t *)(void *)at);
    case KEY_DOUBLE:
        return str_to_double(s, (double *)(void *)at);
    case KEY_RATIO:
        return parse_ratio(s, (double *)(void *)at);
    case KEY_RATE:
        return parse_rate(s, (double *)(void *)at);
    case KEY_TIME:
        ok = timestamp_parse(s, &us);
        if (ok)
            *(const char **)(void *)at = s.p;
        return ok;
    default:
        IG_UNREACHABLE("not a scalar kind");
    }
    if (ok)
        *(int64_t *)(void *)at = number;
    return ok;
}

bool keys_value(struct load *l, const struct key *key, const struct node *value, void *into)
{
    char *at = (char *)into + key->at;
    int word = 0;
    bool ok;

    switch (key->kind) {
    case KEY_ELSEWHERE:
        return true;
    case KEY_TEXT:
        ok = keys_text(l, key->name, value, (const char **)(void *)at);
        break;
    case KEY_TEXTS:
        ok = keys_texts(l, key->name, value, (const char ***)(void *)at, (size_t *)(void *)((char *)into + key->at_n));
        break;
    case KEY_BOOL:
        ok = keys_bool(l, key->name, value, (bool *)(void *)at);
        break;
    case KEY_WORD:
        ok = keys_word(l, key->name, value, key->words, &word);
        if (ok)
            *(int *)(void *)at = word;
        break;
    default:
        ok = value->kind == NODE_SCALAR && parse_scalar(key, str_of(value->text), at);
        if (!ok)
            not_a(l, key->name, value, wanted_text(l, key));
        break;
    }
    if (ok && value->written)
        load_origin(l, at, value->written);
    return ok;
}

bool keys_read(struct load *l, const struct node *map, const char *what, const struct key *keys, size_t n, void *into)
{
    if (map && !keys_check_names(l, map, what, keys, n))
        map = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct node *value = node_get(map, keys[i].name);

        if (keys[i].default_text) {
            const struct node fallback = {.kind = NODE_SCALAR, .file = "", .text = keys[i].default_text};

            IG_ASSERT(keys_value(l, &keys[i], &fallback, into));
        }
        if (value)
            keys_value(l, &keys[i], value, into);
    }
    return map != NULL;
}

/* --- printing ---------------------------------------------------------------------------------------------- */

static bool is_bare(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    const size_t n = strlen(text);

    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (strcasecmp(words[i], text) == 0)
            return false;
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';

        if (!letter && (i == 0 ? c != '/' : !strchr("./%+-", c)))
            return false;
    }
    return n > 0;
}

void keys_print_written(struct buf *out, const char *written)
{
    if (is_bare(written))
        buf_puts(out, written);
    else
        json_add_string(out, str_of(written));
}

void keys_print_text(struct buf *out, const char *text)
{
    struct buf masked, escaped;

    buf_init(&masked, 0);
    buf_init(&escaped, 0);
    conf_add_masked(&masked, text);
    for (const char *s = buf_cstr(&masked); *s; s++) {
        if (*s == '$' && (s[1] == '{' || s[1] == '$'))
            buf_putc(&escaped, '$');
        buf_putc(&escaped, *s);
    }
    keys_print_written(out, buf_cstr(&escaped));
    buf_release(&masked);
    buf_release(&escaped);
}

void keys_print_list(const struct conf *conf, struct buf *out, const char *const *texts, size_t n)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        const char *written = conf_origin_of(conf, &texts[i]);

        buf_puts(out, i ? ", " : "");
        if (written)
            keys_print_written(out, written);
        else
            keys_print_text(out, texts[i]);
    }
    buf_putc(out, ']');
}

/* The shortest digits that give the number again. */
static void add_double(struct buf *out, double v)
{
    char text[40];
    double again = 0;

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (str_to_double(str_of(text), &again) && again >= v && again <= v)
            break;
    }
    buf_puts(out, text);
}

bool keys_print_value(const struct conf *conf, const struct key *key, const void *from, struct buf *out)
{
    const void *at = (const char *)from + key->at;
    const char *written = key->kind == KEY_ELSEWHERE ? NULL : conf_origin_of(conf, at);

    if (written) {
        keys_print_written(out, written);
        return true;
    }

    switch (key->kind) {
    case KEY_ELSEWHERE:
        return false;
    case KEY_TEXT:
    case KEY_TIME:
        if (!*(const char *const *)at)
            return false;
        keys_print_text(out, *(const char *const *)at);
        return true;
    case KEY_TEXTS: {
        const size_t n = *(const size_t *)(const void *)((const char *)from + key->at_n);

        if (n)
            keys_print_list(conf, out, *(const char *const *const *)at, n);
        return n > 0;
    }
    case KEY_BOOL:
        buf_puts(out, *(const bool *)at ? "true" : "false");
        return true;
    case KEY_INT32:
        buf_printf(out, "%" PRId32, *(const int32_t *)at);
        return true;
    case KEY_INT64:
        if (!in_range(key, *(const int64_t *)at)) /* not given */
            return false;
        buf_printf(out, "%" PRId64, *(const int64_t *)at);
        return true;
    case KEY_UINT64:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)at);
        return true;
    case KEY_DOUBLE:
    case KEY_RATIO:
        add_double(out, *(const double *)at);
        return true;
    case KEY_RATE:
        if (*(const double *)at > 0) {
            add_double(out, *(const double *)at);
            buf_puts(out, "/s");
        } else {
            buf_puts(out, "max");
        }
        return true;
    case KEY_DURATION:
        if (!in_range(key, *(const int64_t *)at))
            return false;
        add_duration(out, *(const int64_t *)at);
        return true;
    case KEY_BYTES:
        add_bytes(out, *(const int64_t *)at);
        return true;
    case KEY_WORD:
        buf_puts(out, key->words[*(const int *)at]);
        return true;
    }
    IG_UNREACHABLE("key kind");
}
