/* Files as a source: every format, hostile ones too; which files are read, and from where on. */
#include "engine/engine.h"
#include "source/glob.h"
#include "source/reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

struct world {
    struct env *env;
    char folder[64];
    struct conf conf;
    struct conf_domain domain;
    struct source_options options;
    struct source_state *state;
    struct source_reader *reader;
    struct engine *engine;
    const char *paths[2];
    char *pattern;
};

static void use_pattern(struct world *w, const char *pattern)
{
    struct buf path;

    buf_init(&path, 0);
    buf_printf(&path, "%s/%s", w->folder, pattern);
    free(w->pattern);
    w->pattern = buf_take(&path);
    w->paths[0] = w->pattern;
    w->domain.source.paths = w->paths;
    w->domain.source.n_paths = 1;
}

static int setup(void **state)
{
    struct world *w = check_calloc(1, sizeof(*w));
    struct error e;

    w->env = env_real_new();
    w->env->log_level = ENV_LOG_ERROR + 1; /* what goes wrong here is meant to */
    snprintf(w->folder, sizeof(w->folder), "/tmp/ingot-files-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->conf.data_dir = w->conf.root = w->folder;
    w->conf.memory_bytes = 256 << 20;
    w->domain.name = "files";
    w->domain.source.type = CONF_SOURCE_FILE;
    w->options = (struct source_options){.env = w->env, .conf = &w->conf, .domain = &w->domain, .to_end = true};
    assert_int_equal(engine_open(&(struct engine_options){.threads = 2}, &w->engine, &e), IG_OK);
    use_pattern(w, "*");
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
    engine_close(w->engine);
    assert_int_equal(env_remove_tree(w->env, w->folder, NULL), IG_OK);
    env_real_free(w->env);
    free(w->pattern);
    free(w);
    return 0;
}

static void put_bytes(struct world *w, const char *name, const void *p, size_t n)
{
    struct buf path;
    struct error e;
    char *slash;

    buf_init(&path, 0);
    buf_printf(&path, "%s/%s", w->folder, name);
    slash = strrchr(path.p, '/');
    *slash = 0;
    assert_int_equal(env_make_dirs(w->env, path.p, &e), IG_OK);
    *slash = '/';
    assert_int_equal(env_replace_file(w->env, path.p, (struct str){p, n}, &e), IG_OK);
    buf_release(&path);
}

static void put(struct world *w, const char *name, const char *text)
{
    put_bytes(w, name, text, strlen(text));
}

/* Makes a Parquet file of a query. */
static void put_parquet(struct world *w, const char *name, const char *query)
{
    struct engine_conn *c;
    struct error e;

    assert_int_equal(engine_connect(w->engine, &c, &e), IG_OK);
    if (engine_execf(c, &e, "COPY (%s) TO '%s/%s' (FORMAT parquet)", query, w->folder, name) != IG_OK)
        fail_msg("%s", e.msg);
    engine_disconnect(c);
}

struct got {
    char *part, *text, *reason, *detail;
    size_t n;
    int64_t ordinal;
};
struct gots {
    struct got *p;
    size_t n, cap;
};

static char *copy(struct str s)
{
    struct buf b;

    buf_init(&b, 0);
    buf_add_str(&b, s);
    return buf_take(&b);
}

static void gots_free(struct gots *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->p[i].part);
        free(g->p[i].text);
        free(g->p[i].reason);
        free(g->p[i].detail);
    }
    vec_free(g);
}

static void take(struct gots *out, const struct source_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        const struct source_item *item = &batch->items[i];
        const struct got g = {check_strdup(batch->part->name),
                              copy(item->value),
                              item->reason ? check_strdup(item->reason) : NULL,
                              copy(item->detail),
                              item->value.n,
                              item->ordinal};

        vec_push(out, g);
    }
}

/* Reads to the end, and marks parts as a pump would that has seen everything acknowledged. */
static struct gots read_on(struct world *w, size_t max)
{
    struct gots out = {0};
    struct source_batch batch;
    struct error e;

    for (;;) {
        if (w->reader->ops->next(w->reader, max, &batch, &e) != IG_OK)
            fail_msg("%s", e.msg);
        if (batch.end)
            break;
        take(&out, &batch);
        if (batch.n > 0)
            batch.part->next = batch.items[batch.n - 1].ordinal + 1;
        if (batch.part_done)
            batch.part->finished = true;
        batch.part->dirty = true;
    }
    assert_int_equal(state_store(w->state, &e), IG_OK);
    return out;
}

static void open_reader(struct world *w)
{
    struct error e;

    if (state_open(w->env, w->folder, w->domain.name, &w->state, &e) != IG_OK)
        fail_msg("%s", e.msg);
    assert_int_equal(file_reader_new(&w->options, w->state, &w->reader, &e), IG_OK);
}

static struct gots read_all(struct world *w)
{
    struct gots out;

    open_reader(w);
    out = read_on(w, 3);
    return out;
}

static void assert_texts(const struct gots *g, size_t n, const char *const *texts)
{
    for (size_t i = 0; i < g->n && i < n; i++)
        assert_string_equal(g->p[i].text, texts[i]);
    assert_int_equal(g->n, n);
}
#define ASSERT_TEXTS(g, ...)                                              \
    do {                                                                  \
        const char *const wanted_[] = {__VA_ARGS__};                      \
        assert_texts((g), sizeof(wanted_) / sizeof(wanted_[0]), wanted_); \
    } while (0)

/* --- JSON lines ------------------------------------------------------------------------------------------------ */

static void lines_are_passed_on_as_they_are(void **state)
{
    static const char text[] = "{\"a\": 1}\r\n\n  \n{broken\n{\"b\":\"\xff\"}\n{\"last\":true}";
    struct world *w = *state;
    struct gots g;

    put_bytes(w, "a.ndjson", text, sizeof(text) - 1);
    use_pattern(w, "*.ndjson");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"a\": 1}", "{broken", "{\"b\":\"\xff\"}", "{\"last\":true}");
    assert_int_equal(g.p[0].ordinal, 0);
    assert_int_equal(g.p[1].ordinal, 3);
    assert_int_equal(g.p[3].ordinal, 5);
    assert_string_equal(g.p[0].part, "a.ndjson");
    assert_int_equal(w->reader->failures, 0);
    gots_free(&g);
}

static void a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "a.jsonl", "\xef\xbb\xbf{\"a\":1}\n");
    use_pattern(w, "a.jsonl");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"a\":1}");
    gots_free(&g);
}

static void gzip_is_unpacked_member_by_member(void **state)
{
    struct world *w = *state;
    struct buf path;
    struct gots g;
    gzFile f;

    buf_init(&path, 0);
    buf_printf(&path, "%s/a.ndjson.gz", w->folder);
    for (int i = 0; i < 2; i++) {
        f = gzopen(buf_cstr(&path), i ? "ab" : "wb");
        assert_non_null(f);
        assert_true(gzprintf(f, "{\"n\":%d}\n", i) > 0);
        assert_int_equal(gzclose(f), Z_OK);
    }
    buf_release(&path);
    use_pattern(w, "*.gz");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"n\":0}", "{\"n\":1}");
    assert_int_equal(w->reader->failures, 0);
    gots_free(&g);
}

static void a_cut_gzip_file_gives_what_it_has_and_is_reported(void **state)
{
    static const uint8_t bytes[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56};
    struct world *w = *state;
    struct gots g;

    put_bytes(w, "a.ndjson.gz", bytes, sizeof(bytes));
    use_pattern(w, "*.gz");
    g = read_all(w);
    assert_int_equal(w->reader->failures, 1);
    assert_non_null(strstr(w->reader->failure.msg, "a.ndjson.gz"));
    assert_non_null(strstr(w->reader->failure.msg, "cut off"));
    gots_free(&g);
}

static void long_lines_pass_and_endless_ones_are_named(void **state)
{
    struct world *w = *state;
    const size_t ten = (size_t)10 << 20, huge = (size_t)70 << 20;
    char *text = check_malloc(ten + huge + 16);
    struct gots g;

    memset(text, 'x', ten + huge + 16);
    text[ten] = '\n';
    text[ten + 1 + huge] = '\n';
    memcpy(text + ten + huge + 2, "{}\n", 3);
    put_bytes(w, "a.ndjson", text, ten + huge + 5);
    free(text);
    use_pattern(w, "*.ndjson");
    g = read_all(w);
    assert_int_equal(g.n, 3);
    assert_int_equal(g.p[0].n, ten);
    assert_null(g.p[0].reason);
    assert_string_equal(g.p[1].reason, "record_too_large");
    assert_int_equal(g.p[1].ordinal, 1);
    assert_string_equal(g.p[2].text, "{}");
    assert_int_equal(g.p[2].ordinal, 2);
    gots_free(&g);
}

/* --- CSV ----------------------------------------------------------------------------------------------------- */

static void csv_rows_become_objects_of_text(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "a.csv",
        "id,name,note\r\n1,\"Smith, J\",\"say \"\"hi\"\"\"\r\n2,,\"two\nlines\"\r\n3,5\" pipe,caf\xc3\xa9\r\n");
    use_pattern(w, "a.csv");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"id\":\"1\",\"name\":\"Smith, J\",\"note\":\"say \\\"hi\\\"\"}",
                 "{\"id\":\"2\",\"name\":null,\"note\":\"two\\nlines\"}",
                 "{\"id\":\"3\",\"name\":\"5\\\" pipe\",\"note\":\"caf\xc3\xa9\"}");
    assert_int_equal(g.p[2].ordinal, 4); /* its line */
    gots_free(&g);
}

static void the_delimiter_is_what_the_header_has_most_of(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "a.csv", "a;b;\"c,d,e,f\"\n1;2,5;3\n");
    put(w, "b.tsv", "a\tb\n1\t2\n");
    use_pattern(w, "*.?sv");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"a\":\"1\",\"b\":\"2,5\",\"c,d,e,f\":\"3\"}", "{\"a\":\"1\",\"b\":\"2\"}");
    gots_free(&g);
}

static void names_of_columns_are_made_distinct(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "a.csv", " a ,A,\n1,2,3\n");
    use_pattern(w, "a.csv");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"a\":\"1\",\"A_2\":\"2\",\"column_3\":\"3\"}");
    gots_free(&g);
}

static const char ragged[] = "a,b,c\n"
                             "1,2,3\n"
                             "4,5\n"
                             "6,7,8,9\n"
                             "\"un\"closed,2,3\n"
                             "x,\xff,z\n"
                             "NA,10,11\n"
                             "12,\"never closed,13\n"
                             "14,15,16\n";

static void assert_ragged(const struct got *g, const char *text, const char *detail)
{
    assert_string_equal(g->text, text);
    assert_string_equal(g->reason, "malformed_csv");
    if (!strstr(g->detail, detail))
        fail_msg("'%s' is not in '%s'", detail, g->detail);
}

static void lines_that_are_no_rows_are_given_out_as_they_are(void **state)
{
    struct world *w = *state;
    struct gots g;

    w->domain.source.null_text = "NA";
    put(w, "a.csv", ragged);
    use_pattern(w, "a.csv");
    g = read_all(w);
    assert_int_equal(g.n, 8);
    assert_string_equal(g.p[0].text, "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}");
    assert_ragged(&g.p[1], "4,5", "line 3: 2 fields where the header has 3");
    assert_ragged(&g.p[2], "6,7,8,9", "line 4: 4 fields");
    assert_ragged(&g.p[3], "\"un\"closed,2,3", "line 5: a quote");
    assert_ragged(&g.p[4], "x,\xff,z", "line 6: bytes that are not UTF-8");
    assert_string_equal(g.p[5].text, "{\"a\":null,\"b\":\"10\",\"c\":\"11\"}");
    assert_ragged(&g.p[6], "12,\"never closed,13", "line 8: a quote that is not closed");
    assert_string_equal(g.p[7].text, "{\"a\":\"14\",\"b\":\"15\",\"c\":\"16\"}");
    assert_int_equal(w->reader->failures, 0);
    gots_free(&g);
}

static void with_sql_rows_come_first_and_what_is_none_behind(void **state)
{
    struct world *w = *state;
    struct gots g;

    w->domain.source.null_text = "NA";
    w->domain.source.sql = "SELECT c AS sea, CAST(b AS INTEGER) + 1 AS more FROM input WHERE b <> '2' ;\n";
    put(w, "a.csv", ragged);
    use_pattern(w, "a.csv");
    g = read_all(w);
    assert_int_equal(g.n, 7);
    assert_string_equal(g.p[0].text, "{\"sea\":\"11\",\"more\":11}");
    assert_string_equal(g.p[1].text, "{\"sea\":\"16\",\"more\":16}");
    assert_ragged(&g.p[2], "4,5", "line 3: 2 fields where the header has 3");
    assert_ragged(&g.p[6], "12,\"never closed,13", "line 8");
    for (size_t i = 0; i < g.n; i++)
        assert_int_equal(g.p[i].ordinal, (int64_t)i);
    gots_free(&g);
}

static void a_row_may_span_reads(void **state)
{
    struct world *w = *state;
    struct buf text;
    struct gots g;

    buf_init(&text, 0);
    buf_puts(&text, "a,b\r\n");
    for (int i = 0; i < 60000; i++)
        buf_printf(&text, "%d,\"x%d\"\r\n", i, i);
    put(w, "a.csv", buf_cstr(&text));
    use_pattern(w, "a.csv");
    open_reader(w);
    g = read_on(w, 500);
    assert_int_equal(g.n, 60000);
    for (int i = 0; i < 60000; i++) {
        buf_clear(&text);
        buf_printf(&text, "{\"a\":\"%d\",\"b\":\"x%d\"}", i, i);
        assert_string_equal(g.p[i].text, buf_cstr(&text));
    }
    buf_release(&text);
    gots_free(&g);
}

/* --- Parquet ------------------------------------------------------------------------------------------------- */

static void parquet_rows_keep_their_values_exactly(void **state)
{
    struct world *w = *state;
    struct gots g;

    put_parquet(
        w, "a.parquet",
        "SELECT 1::BIGINT AS i, 12.10::DECIMAL(10,2) AS d, 0.1::DOUBLE AS f, 'nan'::DOUBLE AS nan, NULL::INTEGER "
        "AS nothing, TIMESTAMP '2023-01-01 00:26:10' AS t, TIMESTAMP '2023-01-01 00:26:10.5' AS tf, "
        "TIMESTAMPTZ '2023-01-01 02:00:00+02' AS z, DATE '2023-01-02' AS day, true AS b, 'a\"b' AS s, "
        "[1, 2] AS l, {'x': 1} AS o, 12345678901234567890123456.123::DECIMAL(38,3) AS big");
    use_pattern(w, "*.parquet");
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"i\":1,\"d\":12.10,\"f\":0.1,\"nan\":null,\"nothing\":null,\"t\":\"2023-01-01T00:26:10\","
                     "\"tf\":\"2023-01-01T00:26:10.5\",\"z\":\"2023-01-01T00:00:00+00\",\"day\":\"2023-01-02\","
                     "\"b\":true,\"s\":\"a\\\"b\",\"l\":[1,2],\"o\":{\"x\":1},\"big\":12345678901234567890123456.123}");
    gots_free(&g);
}

static void parquet_rows_come_in_the_order_of_the_file_and_from_where_it_stopped(void **state)
{
    struct world *w = *state;
    struct error e;
    struct gots g;

    put_parquet(w, "a.parquet", "SELECT range AS n FROM range(300000)");
    use_pattern(w, "*.parquet");
    for (int round = 0; round < 2; round++) {
        struct source_part *part;

        open_reader(w);
        if (round) { /* as if stopped behind row 299990 */
            part = state_last_part(w->state, "a.parquet");
            part->next = 299990;
            part->finished = false;
            part->dirty = true;
            assert_int_equal(state_store(w->state, &e), IG_OK);
        }
        g = read_on(w, 1000);
        assert_int_equal(g.n, round ? 10 : 300000);
        for (size_t i = 0; i < g.n; i++) {
            char text[64];

            snprintf(text, sizeof(text), "{\"n\":%zu}", i + (round ? 299990 : 0));
            assert_string_equal(g.p[i].text, text);
        }
        gots_free(&g);
        close_reader(w);
    }
}

/* Some Variant columns end in an internal error of DuckDB 1.5, which invalidates the database. */
static void a_file_that_breaks_the_engine_breaks_nothing_else(void **state)
{
    static const int cases[] = {41, 88, 131};
    struct world *w = *state;
    struct error e;
    struct gots g;

    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        char path[512], name[32];
        struct buf bytes;

        snprintf(path, sizeof(path),
                 INGOT_SHARED_DIR "/data/hard-formats/parquet-testing/shredded_variant/case-%03d.parquet", cases[i]);
        snprintf(name, sizeof(name), "a-%d.parquet", cases[i]);
        buf_init(&bytes, 0);
        if (env_read_file(w->env, path, &bytes, &e) != IG_OK)
            skip();
        put_bytes(w, name, bytes.p, bytes.n);
        buf_release(&bytes);
    }
    put_parquet(w, "b-good.parquet", "SELECT 1 AS n");
    use_pattern(w, "*.parquet");
    open_reader(w);
    g = read_on(w, 1000);
    assert_int_equal(w->reader->failures, IG_COUNT(cases));
    assert_true(g.n >= 1);
    assert_string_equal(g.p[g.n - 1].part, "b-good.parquet");
    assert_string_equal(g.p[g.n - 1].text, "{\"n\":1}");
    gots_free(&g);
}

/* --- which files ------------------------------------------------------------------------------------------------ */

static void bad_files_are_named_and_the_others_are_read(void **state)
{
    static const char *const bad[] = {"b.csv", "c.parquet", "d.parquet", "e.txt", "f.csv"};
    struct world *w = *state;
    struct gots g;

    put(w, "a.csv", "n\n1\n");
    put(w, "b.csv", "");
    put(w, "c.parquet", "");
    put(w, "d.parquet", "PAR1 but not for long");
    put(w, "e.txt", "what am I");
    put(w, "f.csv", "\n\n");
    put(w, "g.csv", "n\n2\n");
    use_pattern(w, "*.*");
    open_reader(w);
    (void)bad;
    g = read_on(w, 10);
    /* state.db of the test is in the folder too; it has no format either */
    ASSERT_TEXTS(&g, "{\"n\":\"1\"}", "{\"n\":\"2\"}");
    assert_true(w->reader->failures >= (int64_t)IG_COUNT(bad));
    assert_non_null(strstr(w->reader->failure.msg, "b.csv: the file is empty (0 bytes)"));
    gots_free(&g);
    g = read_on(w, 10);
    assert_int_equal(g.n, 0); /* and not again */
    gots_free(&g);
}

static void a_truncated_parquet_file_is_named(void **state)
{
    struct world *w = *state;
    struct buf path, bytes;
    struct error e;
    struct gots g;

    put_parquet(w, "whole.parquet", "SELECT range AS n, md5(range::VARCHAR) AS h FROM range(10000)");
    buf_init(&path, 0);
    buf_init(&bytes, 0);
    buf_printf(&path, "%s/whole.parquet", w->folder);
    assert_int_equal(env_read_file(w->env, buf_cstr(&path), &bytes, &e), IG_OK);
    put_bytes(w, "cut.parquet", bytes.p, bytes.n / 2);
    buf_release(&path);
    buf_release(&bytes);
    use_pattern(w, "*.parquet");
    open_reader(w);
    g = read_on(w, 1000);
    assert_int_equal(g.n, 10000); /* of the whole one */
    assert_int_equal(w->reader->failures, 1);
    assert_non_null(strstr(w->reader->failure.msg, "cut.parquet"));
    gots_free(&g);
}

static void damage_within_a_parquet_file_is_found_and_named(void **state)
{
    struct world *w = *state;
    struct buf path, bytes;
    struct error e;
    struct gots g;

    put_parquet(w, "a.parquet", "SELECT range AS n, md5(range::VARCHAR) AS h FROM range(300000)");
    buf_init(&path, 0);
    buf_init(&bytes, 0);
    buf_printf(&path, "%s/a.parquet", w->folder);
    assert_int_equal(env_read_file(w->env, buf_cstr(&path), &bytes, &e), IG_OK);
    memset(bytes.p + bytes.n / 2, 0xee, bytes.n / 4);
    put_bytes(w, "a.parquet", bytes.p, bytes.n);
    buf_release(&path);
    buf_release(&bytes);
    use_pattern(w, "*.parquet");
    open_reader(w);
    g = read_on(w, 1000);
    assert_int_equal(w->reader->failures, 1);
    assert_non_null(strstr(w->reader->failure.msg, "a.parquet"));
    assert_false(state_last_part(w->state, "a.parquet")->finished);
    gots_free(&g);
}

static void files_are_read_by_name_each_once_and_new_ones_later(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "in/b.csv", "n\n2\n");
    put(w, "in/a.csv", "n\n1\n");
    put(w, "in/sub/deep/d.csv", "n\n4\n");
    use_pattern(w, "in/**/*.csv");
    open_reader(w);
    g = read_on(w, 10);
    ASSERT_TEXTS(&g, "{\"n\":\"1\"}", "{\"n\":\"2\"}", "{\"n\":\"4\"}");
    assert_string_equal(g.p[2].part, "in/sub/deep/d.csv");
    gots_free(&g);
    put(w, "in/c.csv", "n\n3\n");
    g = read_on(w, 10);
    ASSERT_TEXTS(&g, "{\"n\":\"3\"}");
    gots_free(&g);
    close_reader(w);
    g = read_all(w); /* after a restart nothing is left */
    assert_int_equal(g.n, 0);
    gots_free(&g);
}

static void paths_may_go_up_and_many_files_are_no_burden(void **state)
{
    struct world *w = *state;
    struct gots g;

    for (int i = 0; i < 300; i++) {
        char name[32], text[32];

        snprintf(name, sizeof(name), "in/f%03d.csv", i);
        snprintf(text, sizeof(text), "n\n%d\n", i);
        put(w, name, text);
    }
    put(w, "in/sub/x.csv", "n\n-1\n");
    use_pattern(w, "in/sub/../f*.csv");
    open_reader(w);
    g = read_on(w, 10);
    assert_int_equal(g.n, 300);
    assert_string_equal(g.p[299].text, "{\"n\":\"299\"}");
    gots_free(&g);
    close_reader(w);
    g = read_all(w);
    assert_int_equal(g.n, 0);
    gots_free(&g);
}

static void a_changed_file_is_read_again_only_on_request(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "a.csv", "n\n1\n");
    use_pattern(w, "a.csv");
    g = read_all(w);
    assert_int_equal(g.n, 1);
    gots_free(&g);
    close_reader(w);
    put(w, "a.csv", "n\n1\n2\n");
    g = read_all(w);
    assert_int_equal(g.n, 0);
    gots_free(&g);
    close_reader(w);
    w->domain.source.reread_on_change = true;
    g = read_all(w);
    ASSERT_TEXTS(&g, "{\"n\":\"1\"}", "{\"n\":\"2\"}");
    assert_string_equal(g.p[0].part, "a.csv#2");
    gots_free(&g);
    close_reader(w);
    g = read_all(w);
    assert_int_equal(g.n, 0);
    gots_free(&g);
}

static void a_file_that_changed_half_read_is_named(void **state)
{
    struct world *w = *state;
    struct source_part *part;
    struct error e;
    struct gots g;

    put(w, "a.csv", "n\n1\n2\n");
    use_pattern(w, "a.csv");
    g = read_all(w);
    gots_free(&g);
    part = state_last_part(w->state, "a.csv");
    part->next = 2;
    part->finished = false;
    part->dirty = true;
    assert_int_equal(state_store(w->state, &e), IG_OK);
    close_reader(w);
    put(w, "a.csv", "n\n7\n8\n9\n");
    g = read_all(w);
    assert_int_equal(g.n, 0);
    assert_non_null(strstr(w->reader->failure.msg, "has changed since"));
    gots_free(&g);
}

static void a_path_that_matches_nothing_is_an_error_of_a_run(void **state)
{
    struct world *w = *state;
    struct gots g;

    use_pattern(w, "nothing/*.csv");
    g = read_all(w);
    assert_int_equal(g.n, 0);
    assert_int_equal(w->reader->failures, 1);
    assert_non_null(strstr(w->reader->failure.msg, "nothing/*.csv: no file matches"));
    gots_free(&g);
}

static void a_file_that_is_being_written_waits_unless_it_is_a_run(void **state)
{
    struct world *w = *state;
    struct gots g;

    w->options.to_end = false;
    put(w, "a.csv", "n\n1\n");
    use_pattern(w, "a.csv");
    g = read_all(w);
    assert_int_equal(g.n, 0);
    gots_free(&g);
}

static void wrong_sql_is_named(void **state)
{
    struct world *w = *state;
    struct gots g;

    put(w, "a.csv", "n\n1\n");
    w->domain.source.sql = "SELECT m FROM input";
    use_pattern(w, "a.csv");
    g = read_all(w);
    assert_int_equal(g.n, 0);
    assert_non_null(strstr(w->reader->failure.msg, "the source's sql"));
    gots_free(&g);
}

/* The TLC's files as they are: a carriage return in some lines and not in others. */
static void real_csv_files_are_read_whole(void **state)
{
    static const char path[] = INGOT_SHARED_DIR "/data/nyc-tlc-yellow/yellow_tripdata_sample_2019-01.csv";
    struct world *w = *state;
    struct env_stat st;
    struct gots g;

    if (env_stat(w->env, path, &st, NULL) != IG_OK)
        skip();
    w->paths[0] = path;
    open_reader(w);
    g = read_on(w, 1000);
    assert_int_equal(g.n, 10000);
    for (size_t i = 0; i < g.n; i++)
        assert_null(g.p[i].reason);
    assert_non_null(strstr(g.p[0].text, "\"congestion_surcharge\":null}"));
    gots_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(lines_are_passed_on_as_they_are),
        TEST(a_byte_order_mark_is_no_part_of_the_first_line),
        TEST(gzip_is_unpacked_member_by_member),
        TEST(a_cut_gzip_file_gives_what_it_has_and_is_reported),
        TEST(long_lines_pass_and_endless_ones_are_named),
        TEST(csv_rows_become_objects_of_text),
        TEST(the_delimiter_is_what_the_header_has_most_of),
        TEST(names_of_columns_are_made_distinct),
        TEST(lines_that_are_no_rows_are_given_out_as_they_are),
        TEST(with_sql_rows_come_first_and_what_is_none_behind),
        TEST(a_row_may_span_reads),
        TEST(parquet_rows_keep_their_values_exactly),
        TEST(parquet_rows_come_in_the_order_of_the_file_and_from_where_it_stopped),
        TEST(a_file_that_breaks_the_engine_breaks_nothing_else),
        TEST(bad_files_are_named_and_the_others_are_read),
        TEST(a_truncated_parquet_file_is_named),
        TEST(damage_within_a_parquet_file_is_found_and_named),
        TEST(files_are_read_by_name_each_once_and_new_ones_later),
        TEST(paths_may_go_up_and_many_files_are_no_burden),
        TEST(a_changed_file_is_read_again_only_on_request),
        TEST(a_file_that_changed_half_read_is_named),
        TEST(a_path_that_matches_nothing_is_an_error_of_a_run),
        TEST(a_file_that_is_being_written_waits_unless_it_is_a_run),
        TEST(wrong_sql_is_named),
        TEST(real_csv_files_are_read_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
