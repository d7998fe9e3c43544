#include "lake/fixture.h"

#include <stdarg.h>

int fixture_setup(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));

    f->env = env_real_new();
    buf_init(&f->text, 0);
    test_scratch_dir(f->dir, sizeof(f->dir));
    assert_int_equal(script_open(&f->s, f->env, f->dir, &f->err), IG_OK);
    *state = f;
    return 0;
}

int fixture_setup_table(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &f->t, &f->err), IG_OK);
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    lake_close(f->t);
    script_close(&f->s);
    (void)!env_remove_tree(f->env, f->dir, NULL);
    env_real_free(f->env);
    buf_release(&f->text);
    free(f);
    return 0;
}

enum ig_code try_line(struct fixture *f, const char *line)
{
    struct buf ignored;
    enum ig_code rc;

    buf_init(&ignored, 0);
    rc = script_run(&f->s, line, &ignored, &f->err);
    buf_release(&ignored);
    return rc;
}

void run(struct fixture *f, const char *line)
{
    if (try_line(f, line))
        fail_msg("%s: %s", line, f->err.msg);
}

void answer(struct fixture *f, struct buf *out, const char *fmt, ...)
{
    char line[8192];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    assert_in_range(n, 1, sizeof(line) - 1);
    buf_clear(out);
    if (script_run(&f->s, line, out, &f->err))
        fail_msg("%s: %s", line, f->err.msg);
}

void assert_answer(struct fixture *f, const char *line, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    answer(f, &got, "%s", line);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

void assert_refused(struct fixture *f, const char *line, enum ig_code want, const char *message)
{
    const enum ig_code rc = try_line(f, line);

    if (rc != want || !strstr(f->err.msg, message))
        fail_msg("%s: %s: %s", line, error_code_name(rc), f->err.msg);
}
