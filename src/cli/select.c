#include "cli/select.h"

#include <fnmatch.h>

static void mark_upstream(const struct conf *conf, size_t i, bool *chosen)
{
    const struct conf_domain *d = &conf->domains[i];
    for (size_t k = 0; k < d->n_depends_on; k++) {
        for (size_t j = 0; j < conf->n_domains; j++) {
            if (strcmp(conf->domains[j].name, d->depends_on[k]) == 0 && !chosen[j]) {
                chosen[j] = true;
                mark_upstream(conf, j, chosen);
            }
        }
    }
}

static void mark_downstream(const struct conf *conf, size_t i, bool *chosen)
{
    for (size_t j = 0; j < conf->n_domains; j++) {
        const struct conf_domain *d = &conf->domains[j];
        for (size_t k = 0; k < d->n_depends_on; k++) {
            if (strcmp(d->depends_on[k], conf->domains[i].name) == 0 && !chosen[j]) {
                chosen[j] = true;
                mark_downstream(conf, j, chosen);
            }
        }
    }
}

static bool mark_word(struct cli_context *c, const struct conf *conf, const char *word, bool *chosen)
{
    const size_t n = strlen(word);
    const bool upstream = n > 1 && word[0] == '+', downstream = n > 1 && word[n - 1] == '+';
    const char *pattern = arena_strndup(&c->arena, word + upstream, n - upstream - downstream);
    bool any = false;
    for (size_t i = 0; i < conf->n_domains; i++) {
        if (fnmatch(pattern, conf->domains[i].name, 0) != 0)
            continue;
        any = chosen[i] = true;
        if (upstream)
            mark_upstream(conf, i, chosen);
        if (downstream)
            mark_downstream(conf, i, chosen);
    }
    return any;
}

static int no_such_domain(struct cli_context *c, const struct conf *conf, const char *word)
{
    const char **names = ARENA_ARRAY(&c->arena, const char *, conf->n_domains + 1);
    for (size_t i = 0; i < conf->n_domains; i++)
        names[i] = conf->domains[i].name;
    const char *near = cli_nearest(word, names, conf->n_domains);
    if (near)
        return cli_usage(c, "no domain matches '%s'; did you mean '%s'?", word, near);
    return cli_usage(c, "no domain matches '%s'", word);
}

int cli_select_domains(struct cli_context *c, const struct conf *conf, const struct cli_list *words,
                       struct cli_list *out)
{
    bool *chosen = ARENA_ARRAY(&c->arena, bool, conf->n_domains + 1);
    *out = (struct cli_list){0};
    if (words->n == 0)
        return CLI_OK;
    for (size_t i = 0; i < words->n; i++) {
        if (!mark_word(c, conf, words->p[i], chosen))
            return no_such_domain(c, conf, words->p[i]);
    }
    out->p = ARENA_ARRAY(&c->arena, const char *, conf->n_domains);
    for (size_t i = 0; i < conf->n_domains; i++) {
        if (chosen[i])
            out->p[out->n++] = conf->domains[i].name;
    }
    return CLI_OK;
}
