#include "project.h"

static void must(struct project *p, enum ig_code rc)
{
    if (rc)
        fail_msg("%s", p->err.msg);
}

void project_file(struct project *p, const char *name, const char *content)
{
    struct buf path;
    char *slash;

    buf_init(&path, 0);
    buf_printf(&path, "%s/%s", p->folder, name);
    slash = strrchr(path.p, '/');
    *slash = 0;
    must(p, env_make_dirs(p->x.env, path.p, &p->err));
    *slash = '/';
    must(p, env_replace_file(p->x.env, path.p, str_of(content), &p->err));
    buf_release(&path);
}

void project_begin(struct project *p)
{
    *p = (struct project){0};
    buf_init(&p->text, 0);
    p->x.env = env_real_new();
    p->x.env->log_level = ENV_LOG_ERROR;
    test_scratch_dir(p->folder, sizeof(p->folder));
    project_file(p, "ingot.yml", "name: t\nwarehouse: none\n");
    bronze_rows_init(&p->rows, "raw-t");
}

void project_open(struct project *p)
{
    struct engine_options options = {.threads = 2, .unordered = true};
    struct conf_problems problems = {0};
    struct buf path;
    enum ig_code rc = conf_load(p->x.env, p->folder, &p->conf, &problems, &p->err);

    for (size_t i = 0; i < problems.n; i++)
        print_error("%s:%d: %s\n", problems.p[i].file, problems.p[i].line, problems.p[i].text);
    conf_problems_free(&problems);
    must(p, rc);
    p->x.conf = p->conf;
    buf_init(&path, 0);
    buf_printf(&path, "%s/lake", p->folder);
    must(p, store_open(p->x.env, buf_cstr(&path), &p->x.store, &p->err));
    must(p, engine_open(&options, &p->x.engine, &p->err));
    must(p, engine_connect(p->x.engine, &p->conn, &p->err));
    buf_release(&path);
}

void project_end(struct project *p)
{
    project_forget(p);
    bronze_rows_release(&p->rows);
    buf_release(&p->text);
    engine_disconnect(p->conn);
    engine_close(p->x.engine);
    store_free(p->x.store);
    conf_free(p->conf);
    must(p, env_remove_tree(p->x.env, p->folder, &p->err));
    env_real_free(p->x.env);
}

const struct conf_domain *project_domain(struct project *p, const char *name)
{
    const struct conf_domain *d = conf_domain(p->conf, str_of(name));

    assert_non_null(d);
    return d;
}

void project_record(struct project *p, int32_t partition, int64_t offset, const char *value)
{
    const struct log_record r = {.topic = "raw-t",
                                 .partition = partition,
                                 .offset = offset,
                                 .timestamp_ms = 1704067200000 + offset * 1000,
                                 .key = STR("k"),
                                 .value = str_of(value)};

    bronze_rows_add(&p->rows, &r);
}

void project_bronze(struct project *p, const char *domain, const char *date)
{
    struct buf body, name;

    buf_init(&body, 0);
    buf_init(&name, 0);
    stage_bronze_prefix(project_domain(p, domain), project_date(date), &name);
    buf_printf(&name, "part-%zu.parquet", p->n_files);
    must(p, bronze_parquet_write(&p->rows, 1704067200000000, &body, &p->err));
    must(p, store_put(p->x.store, buf_cstr(&name), buf_str(&body), STORE_REPLACE, &p->err));
    p->files = check_realloc(p->files, (p->n_files + 1) * sizeof(*p->files));
    p->files[p->n_files++] = buf_take(&name);
    buf_release(&body);
    buf_release(&name);
    bronze_rows_release(&p->rows);
    bronze_rows_init(&p->rows, "raw-t");
}

void project_forget(struct project *p)
{
    for (size_t i = 0; i < p->n_files; i++)
        free(p->files[i]);
    free(p->files);
    p->files = NULL;
    p->n_files = 0;
}

int32_t project_date(const char *text)
{
    int32_t date;

    assert_true(date_parse(str_of(text), &date));
    return date;
}

enum ig_code project_try_silver(struct project *p, const char *domain, const char *date,
                                struct stage_silver_result *out)
{
    return stage_silver(&p->x, project_domain(p, domain), project_date(date), (const char *const *)p->files, p->n_files,
                        p->again, out, &p->err);
}

struct stage_silver_result project_silver(struct project *p, const char *domain, const char *date)
{
    struct stage_silver_result result;

    must(p, project_try_silver(p, domain, date, &result));
    return result;
}

enum ig_code project_try_gold(struct project *p, const char *domain, const char *date, struct gold_result *out)
{
    const int32_t day = project_date(date);

    return stage_gold(&p->x, project_domain(p, domain), &day, 1, &out->gold_rows, &out->checks_run, &p->err);
}

static void add_table(struct project *p, struct str path, struct buf *sql)
{
    struct lake_table *table;
    struct lake_snapshot *snapshot;
    char name[128];

    snprintf(name, sizeof(name), STR_FMT, STR_ARG(path));
    must(p, lake_open(p->x.store, p->conn, name, &table, &p->err));
    must(p, lake_snapshot_open(table, LAKE_LATEST, &snapshot, &p->err));
    must(p, lake_add_scan(snapshot, NULL, sql, &p->err));
    lake_snapshot_free(snapshot);
    lake_close(table);
}

const char *project_ask(struct project *p, const char *query)
{
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT columns(*)::VARCHAR FROM (");
    for (const char *q = query; *q; q++) {
        const char *end = *q == '{' && q[1] >= 'a' && q[1] <= 'z' ? strchr(q, '}') : NULL;

        if (end) {
            add_table(p, (struct str){q + 1, (size_t)(end - q - 1)}, &sql);
            q = end;
        } else {
            buf_putc(&sql, *q);
        }
    }
    buf_putc(&sql, ')');
    buf_clear(&p->text);
    must(p, engine_query_str(p->conn, buf_cstr(&sql), &p->text, &p->err));
    buf_release(&sql);
    return buf_cstr(&p->text);
}
