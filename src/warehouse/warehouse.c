#include "warehouse/warehouse_internal.h"

static const struct {
    const char *scheme;
    enum ig_code (*open)(struct env *env, const char *path, struct warehouse **out, struct error *err);
} kinds[] = {
    {"duckdb:", warehouse_duckdb_open},
};

enum ig_code warehouse_open(struct env *env, const char *url, struct warehouse **out, struct error *err)
{
    *out = NULL;
    for (size_t i = 0; i < IG_COUNT(kinds); i++)
        if (str_has_prefix(str_of(url), kinds[i].scheme))
            return kinds[i].open(env, url + strlen(kinds[i].scheme), out, err);
    return error_set(err, IG_UNSUPPORTED, "warehouse: '%s' is no warehouse that ingot knows; duckdb:FILE is one", url);
}

void warehouse_free(struct warehouse *w)
{
    if (w)
        w->ops->free(w);
}

enum ig_code warehouse_load(struct warehouse *w, const struct warehouse_load *load, struct warehouse_result *out,
                            struct error *err)
{
    const enum ig_code rc = w->ops->load(w, load, out, err);

    return rc ? error_context(err, rc, "warehouse: load gold.%s", load->table) : IG_OK;
}

enum ig_code warehouse_loaded_version(struct warehouse *w, const char *domain, const char *table, int64_t *version,
                                      struct error *err)
{
    const enum ig_code rc = w->ops->loaded_version(w, domain, table, version, err);

    return rc ? error_context(err, rc, "warehouse") : IG_OK;
}
