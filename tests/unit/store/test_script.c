/*
 * The store as a program: operations as JSON lines on standard input, an answer each on standard output, for the tests
 * in Python that bring a server. Run without a URL it goes through its operations on a folder.
 *
 *     unit_store_script URL < operations
 *
 *     {"op":"put","name":"a","body":"x","if_absent":true}   put_file: the body by way of a file; "repeat":N of it
 *     {"op":"get","name":"a"}  {"op":"range","name":"a","from":0,"n":10}  {"op":"stat","name":"a"}
 *     {"op":"list","prefix":"","after":""}  {"op":"remove","name":"a"}  {"op":"remove_many","names":"a b"}
 *     {"op":"many","names":"a b"}  {"op":"fetch","names":"a b"}  {"op":"local","name":"a"}  {"op":"probe"}
 */
#include "store/store.h"
#include "store/store_internal.h"
#include "test.h"

struct script {
    struct env *env;
    struct store *st;
    struct buf answer; /* members behind the code */
};

static void add_member(struct script *s, const char *name, struct str text)
{
    buf_printf(&s->answer, ",\"%s\":", name);
    json_add_string(&s->answer, text);
}

static enum store_put_mode mode_of(struct str line)
{
    struct json_value v;

    return json_member(line, "if_absent", &v) && v.type == JSON_TRUE ? STORE_IF_ABSENT : STORE_REPLACE;
}

static void add_body(struct str line, struct buf *body)
{
    struct buf once;
    int64_t repeat = 1;

    buf_init(&once, 0);
    (void)json_member_string(line, "body", &once);
    (void)json_member_int64(line, "repeat", &repeat);
    for (int64_t i = 0; i < repeat; i++)
        buf_add_str(body, buf_str(&once));
    buf_release(&once);
}

static enum ig_code do_put(struct script *s, struct str line, const char *name, struct error *err)
{
    struct buf body;
    enum ig_code rc;

    buf_init(&body, 0);
    add_body(line, &body);
    rc = store_put(s->st, name, buf_str(&body), mode_of(line), err);
    buf_release(&body);
    return rc;
}

static enum ig_code do_put_file(struct script *s, struct str line, const char *name, struct error *err)
{
    struct buf body, path;
    enum ig_code rc;

    buf_init(&body, 0);
    buf_init(&path, 0);
    add_body(line, &body);
    rc = store_scratch_path(s->st, ".part", &path, err);
    if (!rc)
        rc = env_replace_file(s->env, buf_cstr(&path), buf_str(&body), err);
    if (!rc)
        rc = store_put_file(s->st, name, buf_cstr(&path), mode_of(line), err);
    if (rc)
        (void)!env_unlink(s->env, buf_cstr(&path), NULL);
    buf_release(&path);
    buf_release(&body);
    return rc;
}

/* Long bodies by their length and hash. */
static void add_content(struct script *s, struct str body)
{
    char hash[65];

    buf_printf(&s->answer, ",\"size\":%zu", body.n);
    hash_sha256_hex(body.n ? body.p : "", body.n, hash);
    add_member(s, "sha256", str_of(hash));
    if (body.n <= 1000)
        add_member(s, "body", body);
}

static enum ig_code do_read(struct script *s, struct str line, const char *name, bool ranged, struct error *err)
{
    int64_t from = 0, n = 0;
    struct buf body;
    enum ig_code rc;

    buf_init(&body, 0);
    (void)json_member_int64(line, "from", &from);
    (void)json_member_int64(line, "n", &n);
    rc = ranged ? store_get_range(s->st, name, from, (size_t)n, &body, err) : store_get(s->st, name, &body, err);
    if (!rc)
        add_content(s, buf_str(&body));
    buf_release(&body);
    return rc;
}

static enum ig_code do_local(struct script *s, const char *name, struct error *err)
{
    struct buf path, body;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&body, 0);
    rc = store_local_path(s->st, name, &path, err);
    if (!rc)
        rc = env_read_file(s->env, buf_cstr(&path), &body, err);
    if (!rc)
        add_content(s, buf_str(&body));
    buf_release(&path);
    buf_release(&body);
    return rc;
}

static enum ig_code do_stat(struct script *s, const char *name, struct error *err)
{
    struct store_object found;

    IG_TRY(store_stat(s->st, name, &found, err));
    buf_printf(&s->answer, ",\"size\":%lld,\"mtime_ms\":%lld", (long long)found.size_bytes, (long long)found.mtime_ms);
    return IG_OK;
}

static enum ig_code add_object(void *ctx, const struct store_object *object, struct error *err)
{
    struct script *s = ctx;

    (void)err;
    buf_putc(&s->answer, s->answer.p[s->answer.n - 1] == '[' ? ' ' : ',');
    json_add_string(&s->answer, object->name);
    return IG_OK;
}

static enum ig_code do_list(struct script *s, struct str line, struct error *err)
{
    struct buf prefix, after;
    enum ig_code rc;

    buf_init(&prefix, 0);
    buf_init(&after, 0);
    (void)json_member_string(line, "prefix", &prefix);
    (void)json_member_string(line, "after", &after);
    buf_puts(&s->answer, ",\"names\":[");
    rc = store_list_from(s->st, buf_cstr(&prefix), buf_cstr(&after), add_object, s, err);
    buf_putc(&s->answer, ']');
    buf_release(&prefix);
    buf_release(&after);
    return rc;
}

static enum ig_code see_many(void *ctx, size_t i, struct str body, struct error *err)
{
    struct script *s = ctx;

    (void)i;
    (void)err;
    buf_putc(&s->answer, s->answer.p[s->answer.n - 1] == '[' ? ' ' : ',');
    json_add_string(&s->answer, body.n <= 1000 ? body : (struct str){body.p, 1000});
    return IG_OK;
}

/* Names between spaces. */
static enum ig_code do_names(struct script *s, const char *op, struct str line, struct error *err)
{
    VEC(char *) names = {0};
    struct buf text;
    enum ig_code rc;

    buf_init(&text, 0);
    (void)json_member_string(line, "names", &text);
    if (text.n) {
        for (char *save, *name = strtok_r(text.p, " ", &save); name; name = strtok_r(NULL, " ", &save))
            vec_push(&names, name);
    }
    if (strcmp(op, "remove_many") == 0) {
        rc = store_remove_many(s->st, (const char *const *)names.p, names.n, err);
    } else if (strcmp(op, "fetch") == 0) {
        rc = store_fetch(s->st, (const char *const *)names.p, names.n, err);
    } else {
        buf_puts(&s->answer, ",\"bodies\":[");
        rc = store_get_many(s->st, (const char *const *)names.p, names.n, 0, see_many, s, err);
        buf_putc(&s->answer, ']');
    }
    vec_free(&names);
    buf_release(&text);
    return rc;
}

static enum ig_code run(struct script *s, struct str line, struct error *err)
{
    struct buf op_text, name_text;
    const char *op, *name;
    enum ig_code rc;

    buf_init(&op_text, 0);
    buf_init(&name_text, 0);
    (void)json_member_string(line, "op", &op_text);
    (void)json_member_string(line, "name", &name_text);
    op = buf_cstr(&op_text);
    name = buf_cstr(&name_text);
    if (strcmp(op, "put") == 0)
        rc = do_put(s, line, name, err);
    else if (strcmp(op, "put_file") == 0)
        rc = do_put_file(s, line, name, err);
    else if (strcmp(op, "get") == 0 || strcmp(op, "range") == 0)
        rc = do_read(s, line, name, op[0] == 'r', err);
    else if (strcmp(op, "stat") == 0)
        rc = do_stat(s, name, err);
    else if (strcmp(op, "list") == 0)
        rc = do_list(s, line, err);
    else if (strcmp(op, "remove") == 0)
        rc = store_remove(s->st, name, err);
    else if (strcmp(op, "local") == 0)
        rc = do_local(s, name, err);
    else if (strcmp(op, "probe") == 0)
        rc = store_probe(s->st, err);
    else if (strcmp(op, "race") == 0)
        rc = store_race(s->st, err);
    else
        rc = do_names(s, op, line, err);
    buf_release(&op_text);
    buf_release(&name_text);
    return rc;
}

static void answer(struct script *s, struct str line, struct buf *out)
{
    struct error err = {0};
    enum ig_code rc;
    int64_t start_us = env_monotonic_us(s->env);

    buf_clear(&s->answer);
    rc = run(s, line, &err);
    buf_printf(out, "{\"code\":\"%s\",\"us\":%lld", error_code_name(rc),
               (long long)(env_monotonic_us(s->env) - start_us));
    if (rc) {
        buf_puts(out, ",\"message\":");
        json_add_string(out, str_of(err.msg));
    } else {
        buf_add_str(out, buf_str(&s->answer));
    }
    buf_puts(out, "}\n");
}

static int run_script(const char *url)
{
    struct script s = {.env = env_real_new()};
    struct error err = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    buf_init(&s.answer, 0);
    if (store_open(s.env, url, &s.st, &err)) {
        printf("{\"code\":\"%s\",\"message\":\"%s\"}\n", error_code_name(err.code), err.msg);
        env_real_free(s.env);
        return 1;
    }
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct buf out;

        buf_init(&out, 0);
        answer(&s, (struct str){line, (size_t)n}, &out);
        fputs(buf_cstr(&out), stdout);
        fflush(stdout);
        buf_release(&out);
    }
    free(line);
    buf_release(&s.answer);
    store_free(s.st);
    env_real_free(s.env);
    return 0;
}

static void operations_on_a_folder(void **state)
{
    static const struct {
        const char *line, *want;
    } steps[] = {
        {"{\"op\":\"put\",\"name\":\"a\",\"body\":\"xy\",\"repeat\":2,\"if_absent\":true}", "\"code\":\"OK\""},
        {"{\"op\":\"put\",\"name\":\"a\",\"body\":\"z\",\"if_absent\":true}", "\"code\":\"EXISTS\""},
        {"{\"op\":\"put_file\",\"name\":\"b\",\"body\":\"z\"}", "\"code\":\"OK\""},
        {"{\"op\":\"get\",\"name\":\"a\"}", "\"body\":\"xyxy\""},
        {"{\"op\":\"range\",\"name\":\"a\",\"from\":1,\"n\":2}", "\"body\":\"yx\""},
        {"{\"op\":\"stat\",\"name\":\"a\"}", "\"size\":4"},
        {"{\"op\":\"list\",\"after\":\"a\"}", "\"names\":[ \"b\"]"},
        {"{\"op\":\"many\",\"names\":\"a b\"}", "\"bodies\":[ \"xyxy\",\"z\"]"},
        {"{\"op\":\"local\",\"name\":\"b\"}", "\"body\":\"z\""},
        {"{\"op\":\"fetch\",\"names\":\"a b\"}", "\"code\":\"OK\""},
        {"{\"op\":\"probe\"}", "\"code\":\"OK\""},
        {"{\"op\":\"remove_many\",\"names\":\"a b\"}", "\"code\":\"OK\""},
        {"{\"op\":\"list\"}", "\"names\":[]"},
        {"{\"op\":\"get\",\"name\":\"a\"}", "\"code\":\"NOT_FOUND\""},
    };
    struct script s = {.env = env_real_new()};
    char dir[256];

    (void)state;
    test_scratch_dir(dir, sizeof(dir));
    assert_int_equal(store_open(s.env, dir, &s.st, NULL), IG_OK);
    buf_init(&s.answer, 0);
    for (size_t i = 0; i < IG_COUNT(steps); i++) {
        struct buf out;

        buf_init(&out, 0);
        answer(&s, str_of(steps[i].line), &out);
        if (!strstr(buf_cstr(&out), steps[i].want))
            fail_msg("%s: %s", steps[i].line, buf_cstr(&out));
        buf_release(&out);
    }
    buf_release(&s.answer);
    store_free(s.st);
    (void)!env_remove_tree(s.env, dir, NULL);
    env_real_free(s.env);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operations_on_a_folder)};

    if (argc > 1)
        return run_script(argv[1]);
    return cmocka_run_group_tests_name("store script", tests, NULL, NULL);
}
