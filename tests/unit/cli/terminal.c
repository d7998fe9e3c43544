#include "cli/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void open_streams(struct terminal *t)
{
    t->c.out = open_memstream(&t->out, &t->n_out);
    t->c.err = open_memstream(&t->err, &t->n_err);
    assert_non_null(t->c.out);
    assert_non_null(t->c.err);
}

static void close_streams(struct terminal *t)
{
    fclose(t->c.out);
    fclose(t->c.err);
    free(t->out);
    free(t->err);
}

void terminal_begin(struct terminal *t)
{
    *t = (struct terminal){.env = env_real_new()};
    t->c.env = t->env;
    arena_init(&t->c.arena);
    open_streams(t);
    strcpy(t->folder, "/tmp/test-cli-XXXXXX");
    assert_non_null(mkdtemp(t->folder));
}

void terminal_end(struct terminal *t)
{
    close_streams(t);
    arena_release(&t->c.arena);
    assert_int_equal(env_remove_tree(t->env, t->folder, NULL), IG_OK);
    env_real_free(t->env);
}

const char *terminal_out(struct terminal *t)
{
    fflush(t->c.out);
    return t->out;
}

const char *terminal_err(struct terminal *t)
{
    fflush(t->c.err);
    return t->err;
}

void terminal_clear(struct terminal *t)
{
    close_streams(t);
    open_streams(t);
}

int terminal_run(struct terminal *t, const char *words)
{
    char text[512], *argv[32] = {text}, *rest = NULL;
    int argc = 1;

    terminal_clear(t);
    snprintf(text, sizeof(text), "ingot %s", words);
    argv[0] = strtok_r(text, " ", &rest);
    for (char *word = strtok_r(NULL, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < 31);
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return cli_run(t->env, argc, argv, t->c.out, t->c.err);
}

void terminal_write(struct terminal *t, const char *rel, const char *text)
{
    char path[512];
    struct error err;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", t->folder, rel);
    *strrchr(path, '/') = 0;
    assert_int_equal(env_make_dirs(t->env, path, &err), IG_OK);
    snprintf(path, sizeof(path), "%s/%s", t->folder, rel);
    f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}
