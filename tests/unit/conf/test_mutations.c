/*
 * Damaged projects: whatever is in the files, loading ends with a configuration or with mistakes, never with a crash;
 * and every mistake has a place. The seed is printed; INGOT_SEED sets it, `fresh` draws one.
 */
#include "conf/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char good[] =
    "description: &d \"a ${HOME:-x} \\u00e9\"\n"
    "source: {type: generate, generator: clickstream, rate: 10/s, count: 5, late: 1%, start: 2024-01-15T00:00:00Z}\n"
    "topic: {name: raw-events, partitions: 3, retention: 7d, key: user_id}\n"
    "contract:\n"
    "  key: [event_id]\n"
    "  event_time: at\n"
    "  order_by: at\n"
    "  not_before: 2020-01-01\n"
    "  fields:\n"
    "    event_id: &t {type: string, required: true, pattern: '^[a-z]+$', min: 1}\n"
    "    user_id: *t\n"
    "    at: {type: timestamp, unit: ms}\n"
    "    price: {<<: *t, type: \"decimal(10,2)\", path: a.b, required_when: {event_id: [x, y]}}\n"
    "    items: {type: list, items: {type: struct, fields: {sku: string, n: list<int>}}}\n"
    "bronze: {partition_by: event_date, flush_records: 10, flush_interval: 5s}\n"
    "gold:\n"
    "  hourly: {key: [event_date, hour], scope: table}\n"
    "depends_on: []\n"
    "retries: 3\n";

static const char sql[] = "SELECT $a$;$a$, 'it''s', \"x\" /* ; /* */ */ FROM silver -- end\n;\n";
static const char dotenv[] = "A=1\nexport B='two'\nC=\"th\\\"ree\" # c\n";

/* Pieces that mean something to a reader of these files. */
static const char *const pieces[] = {
    "${",           "}",     "${A}",   "$$",       ":-", "&a ", "*a",
    "*t",           "<<: ",  "- ",     "[",        "]",  "{",   "}",
    ": ",           "\n",    "\t",     "'",        "\"", "#",   "|\n",
    "---\n",        "...\n", "!!str ", "null",     "~",  "\\",  "\xff",
    "\xef\xbb\xbf", "list<", ">",      "decimal(", "%",  "/s",  "99999999999999999999",
    "-1",           "1e400", "..",     "/",        ";",  "/*",  "--",
    "$x$",          "\r\n",  "  ",
};

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static size_t below(uint64_t *s, size_t n)
{
    return (size_t)(next(s) % n);
}

/* A damaged copy in `out`; gives its length. */
static size_t damage(uint64_t *s, const char *text, size_t n, char *out, size_t max)
{
    memcpy(out, text, n);
    for (size_t times = 1 + below(s, 4); times-- > 0;) {
        const size_t at = below(s, n + 1);
        const char *piece = pieces[below(s, IG_COUNT(pieces))];
        size_t add = strlen(piece), cut = 0;

        switch (below(s, 5)) {
        case 0: /* a byte */
            if (at < n)
                out[at] = (char)below(s, 256);
            continue;
        case 1: /* something goes */
            cut = below(s, 20);
            add = 0;
            break;
        case 2: /* something comes instead */
            cut = below(s, 8);
            break;
        case 3: /* a piece of the text again */
            piece = text + below(s, strlen(text) / 2);
            add = below(s, strlen(piece) < 40 ? strlen(piece) : 40);
            break;
        default:
            break;
        }
        cut = cut < n - at ? cut : n - at;
        if (n - cut + add > max)
            continue;
        memmove(out + at + add, out + at + cut, n - at - cut);
        memcpy(out + at, piece, add);
        n = n - cut + add;
    }
    return n;
}

static void expect_print_loads_again(struct project *p, struct buf *printed)
{
    struct buf again;

    buf_clear(printed);
    buf_init(&again, 0);
    conf_print(p->conf, printed);
    project_write_printed(p, buf_cstr(printed));
    project_expect(p, "");
    conf_print(p->conf, &again);
    assert_string_equal(buf_cstr(printed), buf_cstr(&again));
    buf_release(&again);
}

static void damaged_projects_load_or_are_refused(void **state)
{
    const char *given = getenv("INGOT_SEED");
    uint64_t seed = 0, s;
    struct project p;
    char text[4096];
    size_t refused = 0;
    struct buf printed;

    (void)state;
    project_begin(&p);
    if (given && strcmp(given, "fresh") == 0)
        env_random(p.env, &seed, sizeof(seed));
    else
        seed = strtoull(given ? given : "1", NULL, 10);
    seed |= 1;
    s = seed;
    print_message("INGOT_SEED=%llu\n", (unsigned long long)seed);
    buf_init(&printed, 0);
    for (int i = 0; i < 1500; i++) {
        const int which = (int)below(&s, 8);

        project_write(&p, "ingot.yml", "name: x\nlisten: 127.0.0.1:0\nresources: {memory: 64MB}\n");
        project_write(&p, "domains/events/domain.yml", good);
        project_write(&p, "domains/events/gold/hourly.sql", sql);
        project_write(&p, ".env", dotenv);
        if (which == 0)
            project_write_bytes(&p, "domains/events/gold/hourly.sql", text,
                                damage(&s, sql, strlen(sql), text, sizeof(text)));
        else if (which == 1)
            project_write_bytes(&p, ".env", text, damage(&s, dotenv, strlen(dotenv), text, sizeof(text)));
        else
            project_write_bytes(&p, "domains/events/domain.yml", text,
                                damage(&s, good, strlen(good), text, sizeof(text)));
        if (project_load(&p) == IG_OK) {
            assert_int_equal(p.problems.n, 0);
            expect_print_loads_again(&p, &printed);
            continue;
        }
        refused++;
        assert_int_equal(p.err.code, IG_INVALID);
        assert_true(p.problems.n > 0);
        for (size_t k = 0; k < p.problems.n; k++)
            assert_true(p.problems.p[k].line > 0 && p.problems.p[k].column > 0 && *p.problems.p[k].file &&
                        *p.problems.p[k].text);
    }
    assert_true(refused > 300); /* the damage is real */
    buf_release(&printed);
    project_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_projects_load_or_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
