/* The folders below domains/: their order, and what must be unique among them. */
#include "conf/keys.h"

#include "conf/problems.h"

#include <stdlib.h>

#define NAME_MAX_LENGTH 63

struct folders {
    struct load *l;
    VEC(const char *) names;
};

static bool is_domain_name(const char *s)
{
    const size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (i > 0 && ((s[i] >= '0' && s[i] <= '9') || s[i] == '_'))))
            return false;
    return n > 0 && n <= NAME_MAX_LENGTH;
}

static enum ig_code add_folder(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct folders *f = ctx;
    char shown[200];
    size_t n = 0;

    (void)err;
    if (!st->is_dir || name[0] == '.')
        return IG_OK;
    if (is_domain_name(name)) {
        vec_push(&f->names, arena_strdup(f->l->arena, name));
        return IG_OK;
    }
    for (const char *s = name; *s && n + 1 < sizeof(shown); s++)
        shown[n++] = (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s;
    shown[n] = 0;
    problems_add(
        f->l->problems, arena_printf(f->l->arena, "domains/%s", shown), 1, 1,
        "'%s' is not a domain's name: lower-case letters, digits and _, a letter first, at most %d; rename the "
        "folder",
        shown, NAME_MAX_LENGTH);
    return IG_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* --- unique names ---------------------------------------------------------------------------------------------- */

struct taken {
    const char *name;
    const struct conf_domain *domain;
};

/* Reports `name` at `at` if another has it, otherwise takes it. */
static void take(struct load *l, struct taken *taken, size_t *n, const char *name, const struct conf_domain *d,
                 const struct node *at, const char *what)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(taken[i].name, name) == 0) {
            load_problem(l, at, "the %s %s is taken by domain '%s'; every %s has its own name", what,
                         at->written ? node_shown(l->arena, at) : arena_printf(l->arena, "'%s'", name),
                         taken[i].domain->name, what);
            return;
        }
    taken[(*n)++] = (struct taken){name, d};
}

static void check_topics(struct load *l)
{
    struct conf *conf = l->conf;
    struct taken *taken = ARENA_ARRAY(l->arena, struct taken, conf->n_domains * 2 + 1);
    size_t n = 0;

    for (size_t i = 0; i < conf->n_domains; i++) {
        const struct conf_domain *d = &conf->domains[i];
        const struct node *root = l->nodes[i].root, *topic = node_get(root, "topic");
        const struct node *name = node_get(topic, "name"), *dlq = node_get(topic, "dlq");

        if (!root || !d->topic.name)
            continue;
        take(l, taken, &n, d->topic.name, d, name ? name : root, "topic");
        take(l, taken, &n, d->topic.dlq_name, d, dlq ? dlq : root, "topic");
    }
    for (size_t i = 0; i < n; i++) {
        const struct node *own = l->topics ? node_key(l->topics, taken[i].name) : NULL;

        if (own)
            load_problem(l, own, "topics: '%s' is a topic of domain '%s'; its settings stand in its domain.yml",
                         taken[i].name, taken[i].domain->name);
    }
}

static void check_gold_names(struct load *l)
{
    struct conf *conf = l->conf;
    struct taken *taken;
    size_t n = 0, n_gold = 0;

    for (size_t i = 0; i < conf->n_domains; i++)
        n_gold += conf->domains[i].n_gold;
    taken = ARENA_ARRAY(l->arena, struct taken, n_gold + 1);
    for (size_t i = 0; i < conf->n_domains; i++)
        for (size_t k = 0; k < conf->domains[i].n_gold; k++)
            take(l, taken, &n, conf->domains[i].gold[k].name, &conf->domains[i],
                 node_key(l->nodes[i].gold, conf->domains[i].gold[k].name), "gold table");
}

/* --- order ------------------------------------------------------------------------------------------------------- */

static size_t index_of(const struct conf *conf, const char *name)
{
    size_t i = 0;

    while (i < conf->n_domains && strcmp(conf->domains[i].name, name) != 0)
        i++;
    return i;
}

static const struct node *depends_node(const struct load *l, size_t domain, size_t dependency)
{
    const struct node *node = node_get(l->nodes[domain].root, "depends_on");

    return node->kind == NODE_LIST ? node->items[dependency].value : node;
}

static void check_dependencies_exist(struct load *l)
{
    struct conf *conf = l->conf;
    const char **names = ARENA_ARRAY(l->arena, const char *, conf->n_domains + 1);

    for (size_t i = 0; i < conf->n_domains; i++)
        names[i] = conf->domains[i].name;
    for (size_t i = 0; i < conf->n_domains; i++)
        for (size_t k = 0; k < conf->domains[i].n_depends_on; k++) {
            const char *on = conf->domains[i].depends_on[k];
            const struct node *at = depends_node(l, i, k);
            const char *near = at->written ? NULL : keys_nearest(on, names);

            if (index_of(conf, on) < conf->n_domains)
                continue;
            if (near)
                load_problem(l, at, "depends_on: there is no domain %s; did you mean '%s'?", node_shown(l->arena, at),
                             near);
            else
                load_problem(l, at, "depends_on: there is no domain %s", node_shown(l->arena, at));
        }
}

/* Who waits for whom, by index; n_domains for one that does not exist. */
struct order {
    size_t n;
    size_t **on;
    size_t *n_on;
    bool *placed;
};

static struct order order_new(struct load *l)
{
    const struct conf *conf = l->conf;
    struct order o = {.n = conf->n_domains};

    o.on = ARENA_ARRAY(l->arena, size_t *, o.n + 1);
    o.n_on = ARENA_ARRAY(l->arena, size_t, o.n + 1);
    o.placed = ARENA_ARRAY(l->arena, bool, o.n + 1);
    for (size_t i = 0; i < o.n; i++) {
        o.n_on[i] = conf->domains[i].n_depends_on;
        o.on[i] = ARENA_ARRAY(l->arena, size_t, o.n_on[i] + 1);
        for (size_t k = 0; k < o.n_on[i]; k++)
            o.on[i][k] = index_of(conf, conf->domains[i].depends_on[k]);
    }
    return o;
}

/* The first domain that i waits for, n_domains if there is none. */
static size_t waits_for(const struct order *o, size_t i, size_t *dependency)
{
    for (size_t k = 0; k < o->n_on[i]; k++) {
        *dependency = k;
        if (o->on[i][k] < o->n && !o->placed[o->on[i][k]])
            return o->on[i][k];
    }
    return o->n;
}

/* Every domain left waits for another: follow them from `at` until one comes again. Gives that one. */
static size_t report_circle(struct load *l, const struct order *o, size_t at)
{
    const struct conf *conf = l->conf;
    size_t k = 0, start;
    struct buf path;

    for (size_t steps = 0; steps < conf->n_domains; steps++) /* leads into the circle */
        at = waits_for(o, at, &k);
    start = at;
    for (size_t next = waits_for(o, at, &k); next != at; next = waits_for(o, next, &k))
        start = next < start ? next : start;
    at = start;
    buf_init(&path, 0);
    do {
        buf_printf(&path, "%s -> ", conf->domains[at].name);
        at = waits_for(o, at, &k);
    } while (at != start);
    waits_for(o, start, &k);
    load_problem(l, depends_node(l, start, k), "depends_on goes in a circle: %s%s", buf_cstr(&path),
                 conf->domains[start].name);
    buf_release(&path);
    return start;
}

/* Moves what was written for members of domain `from` along with it. */
static void move_origins(struct load *l, const struct conf_domain *from, const struct conf_domain *to)
{
    for (size_t i = 0; i < l->origins.n; i++) {
        const char *at = l->origins.p[i].at;

        if (at >= (const char *)from && at < (const char *)(from + 1))
            l->origins.p[i].at = (const char *)to + (at - (const char *)from);
    }
}

static void put_in_order(struct load *l)
{
    struct conf *conf = l->conf;
    struct conf_domain *ordered = ARENA_ARRAY(l->arena, struct conf_domain, conf->n_domains + 1);
    struct order order = order_new(l), *o = &order;

    for (size_t n = 0; n < conf->n_domains; n++) {
        size_t i = 0, k, first = conf->n_domains;

        for (i = 0; i < conf->n_domains; i++) {
            if (o->placed[i])
                continue;
            first = first == conf->n_domains ? i : first;
            if (waits_for(o, i, &k) == conf->n_domains)
                break;
        }
        if (i == conf->n_domains)
            i = report_circle(l, o, first);
        o->placed[i] = true;
        ordered[n] = conf->domains[i];
        move_origins(l, &conf->domains[i], &ordered[n]);
    }
    conf->domains = ordered;
}

void load_domains(struct load *l)
{
    const char *folder = arena_printf(l->arena, "%s/domains", l->conf->root);
    struct folders f = {.l = l};
    struct conf *conf = l->conf;
    struct error err;
    enum ig_code rc = env_list(l->env, folder, add_folder, &f, &err);

    if (rc != IG_OK && rc != IG_NOT_FOUND)
        problems_add(l->problems, "domains", 1, 1, "the folder can not be read: %s", err.msg);
    if (f.names.n)
        qsort(f.names.p, f.names.n, sizeof(*f.names.p), compare_names);
    conf->domains = ARENA_ARRAY(l->arena, struct conf_domain, f.names.n + 1);
    conf->n_domains = f.names.n;
    l->nodes = ARENA_ARRAY(l->arena, struct domain_nodes, f.names.n + 1);
    for (size_t i = 0; i < f.names.n; i++) {
        conf->domains[i].name = f.names.p[i];
        conf->domains[i].folder = arena_printf(l->arena, "%s/%s", folder, f.names.p[i]);
        load_domain(l, &conf->domains[i], &l->nodes[i]);
    }
    vec_free(&f.names);
    check_topics(l);
    check_gold_names(l);
    check_dependencies_exist(l);
    put_in_order(l);
}
