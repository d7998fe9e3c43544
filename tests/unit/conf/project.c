#include "conf/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void project_begin(struct project *p)
{
    *p = (struct project){.env = env_real_new()};
    strcpy(p->root, "/tmp/test-conf-XXXXXX");
    assert_non_null(mkdtemp(p->root));
}

void project_end(struct project *p)
{
    conf_free(p->conf);
    conf_problems_free(&p->problems);
    assert_int_equal(env_remove_tree(p->env, p->root, NULL), IG_OK);
    env_real_free(p->env);
}

void project_write_bytes(struct project *p, const char *rel, const char *text, size_t n)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", p->root, rel);
    *strrchr(path, '/') = 0;
    assert_int_equal(env_make_dirs(p->env, path, &p->err), IG_OK);
    snprintf(path, sizeof(path), "%s/%s", p->root, rel);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void project_write(struct project *p, const char *rel, const char *text)
{
    project_write_bytes(p, rel, text, strlen(text));
}

enum ig_code project_load(struct project *p)
{
    conf_free(p->conf);
    conf_problems_free(&p->problems);
    p->err = (struct error){0};
    return conf_load(p->env, p->root, &p->conf, &p->problems, &p->err);
}

void project_expect(struct project *p, const char *mistakes)
{
    const enum ig_code rc = project_load(p);
    struct buf found;

    buf_init(&found, 0);
    for (size_t i = 0; i < p->problems.n; i++)
        buf_printf(&found, "%s:%d:%d: %s\n", p->problems.p[i].file, p->problems.p[i].line, p->problems.p[i].column,
                   p->problems.p[i].text);
    assert_string_equal(buf_cstr(&found), mistakes);
    assert_int_equal(rc, *mistakes ? IG_INVALID : IG_OK);
    buf_release(&found);
}

void project_write_printed(struct project *p, const char *printed)
{
    while (*printed) {
        const char *end = strstr(printed, "\n---\n");
        const size_t n = end ? (size_t)(end - printed) + 1 : strlen(printed);
        const char *name = strstr(printed, "# ") + 2;
        char rel[200];

        snprintf(rel, sizeof(rel), "%.*s", (int)strcspn(name, "\n"), name);
        project_write_bytes(p, rel, printed, n);
        printed += n + (end ? 4 : 0);
    }
}

void expect_domain(const char *yaml, const char *mistakes)
{
    struct project p;

    project_begin(&p);
    project_write(&p, "ingot.yml", "");
    project_write(&p, "domains/events/domain.yml", yaml);
    project_expect(&p, mistakes);
    project_end(&p);
}

void expect_ingot(const char *yaml, const char *mistakes)
{
    struct project p;

    project_begin(&p);
    project_write(&p, "ingot.yml", yaml);
    project_expect(&p, mistakes);
    project_end(&p);
}
