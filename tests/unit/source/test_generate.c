/* What the generators promise: the same records for the same seed, from any ordinal on; ratios; sensible stories. */
#include "source/reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

struct world {
    struct env *env;
    char folder[64];
    struct conf conf;
    struct conf_domain domain;
    struct source_options options;
    struct source_state *state;
    struct source_reader *reader;
};

static int setup(void **state)
{
    struct world *w = check_calloc(1, sizeof(*w));

    w->env = env_real_new();
    snprintf(w->folder, sizeof(w->folder), "/tmp/ingot-generate-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->conf.data_dir = w->conf.root = w->folder;
    w->domain.name = "made";
    w->domain.source = (struct conf_source){.type = CONF_SOURCE_GENERATE,
                                            .generator = "clickstream",
                                            .seed = 42,
                                            .users = 50,
                                            .rate_per_s = 10,
                                            .count = 5000,
                                            .start = "2024-01-15T00:00:00Z"};
    w->options = (struct source_options){.env = w->env, .conf = &w->conf, .domain = &w->domain, .to_end = true};
    *state = w;
    return 0;
}

static void close_reader(struct world *w)
{
    if (w->reader)
        w->reader->ops->free(w->reader);
    w->reader = NULL;
    state_close(w->state);
    w->state = NULL;
}

static int teardown(void **state)
{
    struct world *w = *state;

    close_reader(w);
    assert_int_equal(env_remove_tree(w->env, w->folder, NULL), IG_OK);
    env_real_free(w->env);
    free(w);
    return 0;
}

static void open_reader(struct world *w)
{
    struct error e;

    assert_int_equal(state_open(w->env, w->folder, w->domain.name, &w->state, &e), IG_OK);
    assert_int_equal(generate_reader_new(&w->options, w->state, &w->reader, &e), IG_OK);
}

struct records {
    VEC(char *) lines;
    VEC(int64_t) ordinals;
    VEC(int64_t) due_us;
};

static void records_free(struct records *r)
{
    for (size_t i = 0; i < r->lines.n; i++)
        free(r->lines.p[i]);
    vec_free(&r->lines);
    vec_free(&r->ordinals);
    vec_free(&r->due_us);
}

static void read_some(struct world *w, size_t limit, struct records *out)
{
    struct source_batch batch;
    struct error e;

    while (out->lines.n < limit) {
        assert_int_equal(w->reader->ops->next(w->reader, 100, &batch, &e), IG_OK);
        if (batch.end)
            break;
        for (size_t i = 0; i < batch.n && out->lines.n < limit; i++) {
            struct buf line;

            buf_init(&line, 0);
            buf_add_str(&line, batch.items[i].value);
            vec_push(&out->lines, buf_take(&line));
            vec_push(&out->ordinals, batch.items[i].ordinal);
            vec_push(&out->due_us, batch.items[i].due_us);
        }
    }
}

static struct records read_all(struct world *w)
{
    struct records r = {0};

    open_reader(w);
    read_some(w, SIZE_MAX, &r);
    close_reader(w);
    return r;
}

static char *member(const char *line, const char *name)
{
    struct buf text;

    buf_init(&text, 0);
    if (!json_member_string(str_of(line), name, &text))
        buf_puts(&text, "");
    return buf_take(&text);
}

static bool is_json(const char *line)
{
    struct json_reader r;
    struct json_value v;

    json_reader_init(&r, str_of(line));
    return json_read(&r, &v) && json_end(&r) && v.type == JSON_OBJECT;
}

/* --- all generators ------------------------------------------------------------------------------------------ */

static void the_same_seed_gives_the_same_records(void **state)
{
    static const char *const generators[] = {"clickstream", "orders", "restaurants", "users"};
    struct world *w = *state;

    w->domain.source.late_ratio = 0.05;
    w->domain.source.duplicate_ratio = 0.05;
    w->domain.source.malformed_ratio = 0.05;
    for (size_t i = 0; i < IG_COUNT(generators); i++) {
        struct records first, second;

        w->domain.source.generator = generators[i];
        first = read_all(w);
        second = read_all(w);
        assert_int_equal(first.lines.n, 5000);
        assert_int_equal(second.lines.n, 5000);
        for (size_t k = 0; k < first.lines.n; k++) {
            assert_string_equal(first.lines.p[k], second.lines.p[k]);
            assert_int_equal(first.ordinals.p[k], (int64_t)k);
        }
        records_free(&first);
        records_free(&second);
    }
}

static void another_seed_gives_other_records(void **state)
{
    struct world *w = *state;
    struct records first = read_all(w), second;

    w->domain.source.seed = 43;
    second = read_all(w);
    assert_string_not_equal(first.lines.p[0], second.lines.p[0]);
    records_free(&first);
    records_free(&second);
}

static void a_reader_goes_on_from_the_stored_position(void **state)
{
    static const char *const generators[] = {"clickstream", "orders", "restaurants", "users"};
    struct world *w = *state;

    w->domain.source.count = 70000; /* more than an epoch */
    w->domain.source.duplicate_ratio = 0.01;
    w->domain.source.malformed_ratio = 0.01;
    for (size_t i = 0; i < IG_COUNT(generators); i++) {
        struct records all, rest = {0};
        struct error e;

        w->domain.source.generator = generators[i];
        all = read_all(w);
        open_reader(w);
        state_last_part(w->state, "")->next = 68000;
        state_last_part(w->state, "")->dirty = true;
        assert_int_equal(state_store(w->state, &e), IG_OK);
        close_reader(w);
        open_reader(w);
        read_some(w, SIZE_MAX, &rest);
        close_reader(w);
        assert_int_equal(rest.lines.n, 2000);
        assert_int_equal(rest.ordinals.p[0], 68000);
        for (size_t k = 0; k < rest.lines.n; k++)
            assert_string_equal(rest.lines.p[k], all.lines.p[68000 + k]);
        records_free(&all);
        records_free(&rest);
    }
}

static void records_are_json_unless_malformed_on_request(void **state)
{
    static const char *const generators[] = {"clickstream", "orders", "restaurants", "users"};
    struct world *w = *state;

    for (size_t i = 0; i < IG_COUNT(generators); i++) {
        struct records r;
        size_t broken = 0;

        w->domain.source.generator = generators[i];
        w->domain.source.malformed_ratio = 0;
        r = read_all(w);
        for (size_t k = 0; k < r.lines.n; k++)
            if (!is_json(r.lines.p[k]))
                fail_msg("%s", r.lines.p[k]);
        records_free(&r);

        w->domain.source.malformed_ratio = 0.2;
        r = read_all(w);
        for (size_t k = 0; k < r.lines.n; k++)
            broken += !is_json(r.lines.p[k]);
        /* 2 of the 7 ways are no JSON at all */
        assert_in_range(broken, 200, 380);
        records_free(&r);
    }
}

static void duplicates_are_of_records_shortly_before(void **state)
{
    struct world *w = *state;
    struct records r;
    size_t twice = 0;

    w->domain.source.duplicate_ratio = 0.1;
    r = read_all(w);
    for (size_t k = 1; k < r.lines.n; k++)
        for (size_t b = 1; b <= 128 && b <= k; b++)
            if (strcmp(r.lines.p[k], r.lines.p[k - b]) == 0) {
                twice++;
                break;
            }
    assert_in_range(twice, 400, 600);
    records_free(&r);
}

static void late_records_claim_an_earlier_time_but_none_before_the_start(void **state)
{
    struct world *w = *state;
    struct records r;
    int64_t start, last = 0, us;
    size_t late = 0;

    w->domain.source.rate_per_s = 0.02; /* 5000 events take three days */
    w->domain.source.late_ratio = 0.05;
    assert_true(timestamp_parse(str_of(w->domain.source.start), &start));
    r = read_all(w);
    for (size_t k = 0; k < r.lines.n; k++) {
        char *text = member(r.lines.p[k], "event_timestamp");

        assert_true(timestamp_parse(str_of(text), &us));
        assert_true(us >= start);
        if (us < last)
            late++;
        else
            last = us;
        free(text);
    }
    assert_in_range(late, 150, 350);
    records_free(&r);
}

static void a_span_spreads_the_count_over_days_with_busy_hours(void **state)
{
    struct world *w = *state;
    struct records r;
    int64_t start, us;
    size_t by_day[4] = {0}, night = 0, evening = 0;

    w->domain.source.span_ms = INT64_C(60) * 3600 * 1000;
    assert_true(timestamp_parse(str_of(w->domain.source.start), &start));
    r = read_all(w);
    for (size_t k = 0; k < r.lines.n; k++) {
        char *text = member(r.lines.p[k], "event_timestamp");
        int64_t hour;

        assert_true(timestamp_parse(str_of(text), &us));
        free(text);
        assert_in_range((us - start) / US_PER_DAY, 0, 2);
        by_day[(us - start) / US_PER_DAY]++;
        hour = us % US_PER_DAY / (US_PER_DAY / 24);
        night += hour == 3;
        evening += hour == 19;
    }
    assert_int_equal(by_day[0], 2000);
    assert_int_equal(by_day[1], 2000);
    assert_int_equal(by_day[2], 1000);
    assert_true(evening > 10 * night);
    records_free(&r);
}

static void a_run_without_a_count_gives_nothing(void **state)
{
    struct world *w = *state;
    struct records r;

    w->domain.source.count = 0;
    r = read_all(w);
    assert_int_equal(r.lines.n, 0);
    records_free(&r);
}

static void a_higher_count_goes_on_with_the_same_sequence(void **state)
{
    struct world *w = *state;
    struct source_part *part;
    struct records r;
    struct error e;

    r = read_all(w);
    records_free(&r);
    open_reader(w);
    part = state_last_part(w->state, "");
    part->next = 5000;
    part->dirty = true;
    assert_int_equal(state_store(w->state, &e), IG_OK);
    close_reader(w);
    w->domain.source.count = 5010;
    r = read_all(w);
    assert_int_equal(r.lines.n, 10);
    assert_int_equal(r.ordinals.p[0], 5000);
    records_free(&r);
}

/* --- each ------------------------------------------------------------------------------------------------ */

static void the_clickstream_has_eleven_types_and_orders_follow_checkouts(void **state)
{
    static const char *const types[] = {"app_open",     "search",           "restaurant_view", "menu_item_view",
                                        "add_to_cart",  "remove_from_cart", "checkout_start",  "payment_attempt",
                                        "order_placed", "order_tracked",    "app_close"};
    struct world *w = *state;
    struct records r;
    size_t counts[IG_COUNT(types)] = {0};

    w->domain.source.count = 20000;
    r = read_all(w);
    for (size_t k = 0; k < r.lines.n; k++) {
        char *type = member(r.lines.p[k], "event_type");
        size_t t = 0;

        while (t < IG_COUNT(types) && strcmp(types[t], type) != 0)
            t++;
        assert_true(t < IG_COUNT(types));
        counts[t]++;
        free(type);
    }
    for (size_t t = 0; t < IG_COUNT(types); t++)
        assert_true(counts[t] > 100);
    assert_true(counts[2] > counts[4] && counts[4] > counts[6] && counts[6] > counts[8]);
    records_free(&r);
}

static void an_order_keeps_its_content_and_moves_on_to_its_end(void **state)
{
    static const char *const statuses[] = {"placed",           "confirmed", "preparing",
                                           "out_for_delivery", "delivered", "cancelled"};
    struct world *w = *state;
    struct records r;
    size_t checked = 0, delivered = 0;

    w->domain.source.generator = "orders";
    w->domain.source.count = 1500;
    r = read_all(w);
    for (size_t k = 0; k < 300; k++) {
        char *id = member(r.lines.p[k], "order_id"), *created = member(r.lines.p[k], "created_at");
        char *status = member(r.lines.p[k], "status"), *updated = member(r.lines.p[k], "updated_at");
        struct json_value items;
        size_t at = 0;

        if (strcmp(status, "placed") == 0) {
            assert_true(json_member(str_of(r.lines.p[k]), "items", &items));
            for (size_t j = k + 1; j < r.lines.n; j++) {
                char *other = member(r.lines.p[j], "order_id");
                char *then = member(r.lines.p[j], "created_at"), *next = member(r.lines.p[j], "status");
                char *later = member(r.lines.p[j], "updated_at");
                struct json_value same;

                if (strcmp(other, id) == 0) {
                    const size_t before = at;

                    assert_string_equal(then, created);
                    assert_true(json_member(str_of(r.lines.p[j]), "items", &same));
                    assert_true(str_eq(items.raw, same.raw));
                    assert_true(strcmp(later, updated) >= 0);
                    while (at < IG_COUNT(statuses) && strcmp(statuses[at], next) != 0)
                        at++;
                    assert_true(at < IG_COUNT(statuses) && at > before);
                    assert_true(at == before + 1 || strcmp(next, "cancelled") == 0);
                }
                free(other);
                free(then);
                free(next);
                free(later);
            }
            assert_true(at >= 4); /* delivered or cancelled */
            delivered += at == 4;
            checked++;
        }
        free(id);
        free(created);
        free(status);
        free(updated);
    }
    assert_true(checked > 40);
    assert_true(delivered * 10 > checked * 8);
    records_free(&r);
}

static void every_hour_has_a_snapshot_of_all_restaurants(void **state)
{
    struct world *w = *state;
    struct records r;
    int64_t start;

    w->domain.source.generator = "restaurants";
    w->domain.source.count = 200;
    assert_true(timestamp_parse(str_of(w->domain.source.start), &start));
    r = read_all(w);
    for (size_t k = 0; k < r.lines.n; k++) {
        char *at = member(r.lines.p[k], "snapshot_at"), *id = member(r.lines.p[k], "restaurant_id");
        char wanted[16];
        int64_t us;

        snprintf(wanted, sizeof(wanted), "rest_%03zu", k % 40 + 1);
        assert_string_equal(id, wanted);
        assert_true(timestamp_parse(str_of(at), &us));
        assert_int_equal(us, start + (int64_t)(k / 40) * 3600 * 1000000);
        assert_int_equal(r.due_us.p[k], us);
        free(at);
        free(id);
    }
    records_free(&r);
}

static void users_come_all_at_first_then_a_tenth_a_day_masked(void **state)
{
    struct world *w = *state;
    struct records r;

    w->domain.source.generator = "users";
    w->domain.source.count = 60;
    r = read_all(w);
    for (size_t k = 0; k < r.lines.n; k++) {
        char *email = member(r.lines.p[k], "email"), *at = member(r.lines.p[k], "snapshot_at");

        assert_memory_equal(email + 1, "***@example.", 12);
        assert_memory_equal(at, k < 50 ? "2024-01-15" : k < 55 ? "2024-01-16" : "2024-01-17", 10);
        free(email);
        free(at);
    }
    records_free(&r);
}

static void a_wrong_start_or_generator_is_refused(void **state)
{
    struct world *w = *state;
    struct error e;

    assert_int_equal(state_open(w->env, w->folder, w->domain.name, &w->state, &e), IG_OK);
    w->domain.source.start = "tomorrow";
    assert_int_equal(generate_reader_new(&w->options, w->state, &w->reader, &e), IG_INVALID);
    assert_non_null(strstr(e.msg, "tomorrow"));
    w->domain.source.start = NULL;
    w->domain.source.generator = "weather";
    assert_int_equal(generate_reader_new(&w->options, w->state, &w->reader, &e), IG_INVALID);
    assert_non_null(strstr(e.msg, "weather"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(the_same_seed_gives_the_same_records),
        TEST(another_seed_gives_other_records),
        TEST(a_reader_goes_on_from_the_stored_position),
        TEST(records_are_json_unless_malformed_on_request),
        TEST(duplicates_are_of_records_shortly_before),
        TEST(late_records_claim_an_earlier_time_but_none_before_the_start),
        TEST(a_span_spreads_the_count_over_days_with_busy_hours),
        TEST(a_run_without_a_count_gives_nothing),
        TEST(a_higher_count_goes_on_with_the_same_sequence),
        TEST(the_clickstream_has_eleven_types_and_orders_follow_checkouts),
        TEST(an_order_keeps_its_content_and_moves_on_to_its_end),
        TEST(every_hour_has_a_snapshot_of_all_restaurants),
        TEST(users_come_all_at_first_then_a_tenth_a_day_masked),
        TEST(a_wrong_start_or_generator_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
