/*
 * Discovery: which partitions bronze has, which files make each, and the hash that tells when that changes.
 */
#include "lifecycle/lifecycle_internal.h"

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

void lifecycle_file_hash(const char *const *names, size_t n, char out[33])
{
    const char **sorted = check_malloc((n ? n : 1) * sizeof(*sorted));
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < n; i++)
        sorted[i] = names[i];
    qsort(sorted, n, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(&text, '\n');
        buf_puts(&text, sorted[i]);
    }
    hash_md5_hex(buf_cstr(&text), text.n, out);
    buf_release(&text);
    free(sorted);
}

/* --- listing ------------------------------------------------------------------------------------------- */

struct listing {
    struct arena *arena;
    size_t prefix_length; /* "bronze/orders/order_date=" */
    int32_t date;         /* of the names that are gathered now */
    VEC(const char *) names;
    struct bronze_partitions *out;
};

static void end_partition(struct listing *l)
{
    if (l->names.n == 0)
        return;
    const char **files = ARENA_ARRAY(l->arena, const char *, l->names.n);
    memcpy(files, l->names.p, l->names.n * sizeof(*files));
    struct bronze_partition p = {.date = l->date, .files = files, .n_files = l->names.n};
    lifecycle_file_hash(files, p.n_files, p.file_hash);
    vec_push(&l->out->list, p);
    l->names.n = 0;
}

static enum ig_code list_object(void *ctx, const struct store_object *o, struct error *err)
{
    struct listing *l = ctx;
    const struct str rest = {o->name.p + l->prefix_length, o->name.n - l->prefix_length};
    int32_t date;
    (void)err;
    /* What is not DATE/part-*.parquet is not the sink's. */
    if (rest.n < 12 || rest.p[10] != '/' || !date_parse((struct str){rest.p, 10}, &date) ||
        !str_has_suffix(rest, ".parquet") || memchr(rest.p + 11, '/', rest.n - 11))
        return IG_OK;
    if (date != l->date)
        end_partition(l);
    l->date = date;
    vec_push(&l->names, arena_strndup(l->arena, o->name.p, o->name.n));
    return IG_OK;
}

static int compare_dates(const void *a, const void *b)
{
    const struct bronze_partition *x = a, *y = b;
    return (x->date > y->date) - (x->date < y->date);
}

enum ig_code bronze_discover(const struct stage_context *x, const struct conf_domain *d, struct arena *a,
                             struct bronze_partitions *out, struct error *err)
{
    struct listing l = {.arena = a, .out = out, .date = DATE_NONE};
    struct buf prefix;
    buf_init(&prefix, 0);
    stage_bronze_prefix(d, 0, &prefix); /* ends in DATE/: the list is of all dates */
    prefix.n -= strlen("1970-01-01/");
    prefix.p[prefix.n] = '\0';
    l.prefix_length = prefix.n;
    enum ig_code rc = store_list(x->store, buf_cstr(&prefix), list_object, &l, err);
    end_partition(&l);
    vec_free(&l.names);
    buf_release(&prefix);
    if (rc != IG_OK)
        return error_context(err, rc, "look for bronze files of %s", d->name);
    if (out->list.n > 1)
        qsort(out->list.p, out->list.n, sizeof(*out->list.p), compare_dates);
    return IG_OK;
}

void bronze_partitions_free(struct bronze_partitions *p)
{
    vec_free(&p->list);
}
