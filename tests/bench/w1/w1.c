/*
 * Workload W1 on ingot's own stages: NDJSON -> bronze Parquet -> silver + quarantine -> three gold MERGEs, and the
 * same MERGEs again. Prints the same lines as the peers' programs (STAGE, CHECK, TIMES), so that results can be
 * compared.
 *
 * usage: w1 PROJECT IN.ndjson OUTDIR [MEMORY [THREADS]]
 *
 * There is no log here: the peers have none. Records get the coordinates that a log would have given them, and what can
 * not be dated (the sink's dead letters) is counted and kept in OUTDIR/dead-letters.ndjson.
 */
#include "conf/conf.h"
#include "quality/quality.h"
#include "stage/bronze_parquet.h"
#include "stage/stage.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_PER_FILE 50000
#define BLOCK ((size_t)4 << 20)
#define PARTS 6 /* "partitions" of the log: equal shares of the input */

struct bench {
    struct stage_context x;
    const struct conf_domain *d;
    struct contract *contract;
    int input;
    size_t input_bytes;
    FILE *dead_letters;
    pthread_mutex_t lock; /* guards what is below, and dead_letters */
    size_t next_part;
    int64_t records, undated;
    VEC(struct bronze_file {
        int32_t date;
        char *name;
    })
    files;
};

static void die(const struct error *err)
{
    fprintf(stderr, "w1: %s\n", err->msg);
    exit(1);
}

static void check(enum ig_code rc, const struct error *err)
{
    if (rc)
        die(err);
}

/* --- bronze --------------------------------------------------------------------------------------------- */

/* Rows of one date that are not in a file yet. */
struct open_date {
    int32_t date;
    struct bronze_rows rows;
};

static void write_file(struct bench *b, struct open_date *o)
{
    struct error err = {0};
    struct buf body, name;
    char uuid[37];

    if (o->rows.n == 0)
        return;
    buf_init(&body, 0);
    buf_init(&name, 0);
    env_uuid(b->x.env, uuid);
    stage_bronze_prefix(b->d, o->date, &name);
    buf_printf(&name, "part-%lld-%.8s.parquet", (long long)env_now_ms(b->x.env), uuid);
    check(bronze_parquet_write(&o->rows, env_now_us(b->x.env), &body, &err), &err);
    check(store_put(b->x.store, buf_cstr(&name), buf_str(&body), STORE_IF_ABSENT, &err), &err);
    pthread_mutex_lock(&b->lock);
    vec_push(&b->files, ((struct bronze_file){o->date, buf_take(&name)}));
    pthread_mutex_unlock(&b->lock);
    buf_release(&body);
    buf_release(&name);
    bronze_rows_release(&o->rows);
    bronze_rows_init(&o->rows, b->d->topic.name);
}

static void take_line(struct bench *b, struct open_date *open, size_t *n_open, const struct log_record *r)
{
    struct contract_reject why;
    int64_t event_us;
    int32_t date;
    size_t i;

    if (!contract_event_time(b->contract, r->value, r->timestamp_ms, 0, &event_us, &why)) {
        pthread_mutex_lock(&b->lock);
        b->undated++;
        fprintf(b->dead_letters, STR_FMT "\n", STR_ARG(r->value));
        pthread_mutex_unlock(&b->lock);
        return;
    }
    date = timestamp_date(event_us);
    for (i = 0; i < *n_open && open[i].date != date; i++)
        ;
    if (i == *n_open) {
        open[i].date = date;
        bronze_rows_init(&open[i].rows, b->d->topic.name);
        ++*n_open;
    }
    bronze_rows_add(&open[i].rows, r);
    if (open[i].rows.n >= ROWS_PER_FILE)
        write_file(b, &open[i]);
}

/* The input from `at` up to (not with) `end`, a block at a time. */
struct lines {
    int fd;
    size_t at, end;
    char *block;
    size_t from, n; /* what of the block is not used yet */
};

static void more(struct lines *l)
{
    ssize_t got;

    memmove(l->block, l->block + l->from, l->n);
    l->from = 0;
    got = pread(l->fd, l->block + l->n, BLOCK - l->n, (off_t)l->at);
    IG_ASSERT(got >= 0);
    l->at += (size_t)got;
    l->n += (size_t)got;
}

/* Where the next line begins at or behind `at`. */
static size_t line_start(const struct bench *b, char *block, size_t at)
{
    struct lines l = {.fd = b->input, .at = at, .block = block};
    const char *nl;

    if (at == 0 || at >= b->input_bytes)
        return at;
    more(&l);
    nl = memchr(block, '\n', l.n);
    IG_ASSERT(nl);
    return at + (size_t)(nl - block) + 1;
}

/* The next line; {NULL, 0} behind the last one that begins in front of l->end. */
static struct str next_line(struct lines *l)
{
    struct str line;
    const char *nl;

    if (l->at - l->n >= l->end)
        return (struct str){0};
    nl = memchr(l->block + l->from, '\n', l->n);
    if (!nl) {
        more(l);
        nl = memchr(l->block, '\n', l->n);
        IG_ASSERT(nl);
    }
    line = (struct str){l->block + l->from, (size_t)(nl - l->block) - l->from};
    l->from += line.n + 1;
    l->n -= line.n + 1;
    return line;
}

static void bronze_part(struct bench *b, size_t part)
{
    struct open_date *open = check_calloc(64, sizeof(*open)); /* W1 has few dates */
    struct log_record r = {.topic = b->d->topic.name, .partition = (int32_t)part, .timestamp_ms = 1767225600000};
    struct lines lines = {.fd = b->input, .block = check_malloc(BLOCK)};
    const size_t share = b->input_bytes / PARTS;
    size_t n_open = 0;

    lines.at = line_start(b, lines.block, share * part);
    lines.end = part + 1 == PARTS ? b->input_bytes : line_start(b, lines.block, share * (part + 1));
    for (;; r.offset++) {
        r.value = next_line(&lines);
        if (!r.value.p)
            break;
        IG_ASSERT(n_open < 63);
        take_line(b, open, &n_open, &r);
    }
    for (size_t i = 0; i < n_open; i++) {
        write_file(b, &open[i]);
        bronze_rows_release(&open[i].rows);
    }
    free(open);
    free(lines.block);
    pthread_mutex_lock(&b->lock);
    b->records += r.offset;
    pthread_mutex_unlock(&b->lock);
}

static void *bronze_thread(void *arg)
{
    struct bench *b = arg;

    for (;;) {
        size_t part;

        pthread_mutex_lock(&b->lock);
        part = b->next_part++;
        pthread_mutex_unlock(&b->lock);
        if (part >= PARTS)
            return NULL;
        bronze_part(b, part);
    }
}

static void bronze(struct bench *b, const char *path, int threads)
{
    pthread_t thread[16];
    struct stat st;

    b->input = open(path, O_RDONLY | O_CLOEXEC);
    IG_ASSERT(b->input >= 0 && fstat(b->input, &st) == 0 && st.st_size > 0);
    b->input_bytes = (size_t)st.st_size;
    for (int i = 0; i < threads; i++)
        IG_ASSERT(pthread_create(&thread[i], NULL, bronze_thread, b) == 0);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    close(b->input);
}

/* --- silver, gold --------------------------------------------------------------------------------------- */

static int by_date(const void *a, const void *b)
{
    const struct bronze_file *x = a, *y = b;

    return x->date != y->date ? (x->date < y->date ? -1 : 1) : strcmp(x->name, y->name);
}

typedef void partition_fn(struct bench *b, int32_t date, const char *const *files, size_t n);

static void each_partition(struct bench *b, partition_fn *fn)
{
    const char **names = check_calloc(b->files.n + 1, sizeof(*names));

    for (size_t i = 0; i < b->files.n; i++)
        names[i] = b->files.p[i].name;
    for (size_t i = 0, n; i < b->files.n; i += n) {
        for (n = 1; i + n < b->files.n && b->files.p[i + n].date == b->files.p[i].date; n++)
            ;
        fn(b, b->files.p[i].date, names + i, n);
    }
    free(names);
}

static void silver(struct bench *b, int32_t date, const char *const *files, size_t n)
{
    struct stage_silver_result result;
    struct error err = {0};

    check(stage_silver(&b->x, b->d, date, files, n, false, &result, &err), &err);
}

/* The dates of the partitions, each once; free(). */
static int32_t *dates_of(const struct bench *b, size_t *n)
{
    int32_t *dates = check_calloc(b->files.n + 1, sizeof(*dates));

    *n = 0;
    for (size_t i = 0; i < b->files.n; i++)
        if (*n == 0 || dates[*n - 1] != b->files.p[i].date)
            dates[(*n)++] = b->files.p[i].date;
    return dates;
}

static void gold(struct bench *b)
{
    size_t n;
    int32_t *dates = dates_of(b, &n);
    int64_t *rows = check_calloc(n + 1, sizeof(*rows)), checks;
    struct error err = {0};

    check(stage_gold(&b->x, b->d, dates, n, rows, &checks, &err), &err);
    free(dates);
    free(rows);
}

/* --- what came out --------------------------------------------------------------------------------------- */

static void view(struct bench *b, struct engine_conn *c, const char *path, const char *name)
{
    struct lake_table *table;
    struct lake_snapshot *snapshot;
    struct error err = {0};
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE TEMP VIEW %s AS SELECT * FROM ", name);
    check(lake_open(b->x.store, c, path, &table, &err), &err);
    check(lake_snapshot_open(table, LAKE_LATEST, &snapshot, &err), &err);
    check(lake_add_scan(snapshot, NULL, &sql, &err), &err);
    check(engine_exec(c, &err, buf_cstr(&sql)), &err);
    lake_snapshot_free(snapshot);
    lake_close(table);
    buf_release(&sql);
}

static void print_check(struct bench *b)
{
    struct engine_conn *c;
    struct error err = {0};
    struct buf out, sql;

    check(engine_connect(b->x.engine, &c, &err), &err);
    view(b, c, "silver/events", "silver");
    view(b, c, "quarantine/events", "quarantine");
    view(b, c, "gold/events/hourly", "gold_hourly");
    view(b, c, "gold/events/funnel", "gold_funnel");
    view(b, c, "gold/events/revenue", "gold_revenue");
    buf_init(&out, 0);
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT to_json({silver: (SELECT [[count(*)::VARCHAR]] FROM silver),"
               " quarantine: (SELECT [[(count(*) + %lld)::VARCHAR]] FROM quarantine),"
               " hourly: (SELECT [[sum(events)::VARCHAR, sum(users)::VARCHAR, count(*)::VARCHAR]] FROM gold_hourly),"
               " funnel: (SELECT list([event_date::VARCHAR, views::VARCHAR, carts::VARCHAR, checkouts::VARCHAR,"
               " purchases::VARCHAR, conversion::VARCHAR] ORDER BY event_date) FROM gold_funnel),"
               " revenue: (SELECT [[sum(revenue)::VARCHAR]] FROM gold_revenue)})::VARCHAR",
               (long long)b->undated);
    check(engine_query_str(c, buf_cstr(&sql), &out, &err), &err);
    printf("CHECK %s\n", buf_cstr(&out));
    buf_release(&out);
    buf_release(&sql);
    engine_disconnect(c);
}

/* --- running --------------------------------------------------------------------------------------------- */

static double seconds(struct bench *b)
{
    return (double)env_monotonic_us(b->x.env) / 1e6;
}

/* Says how long it was since `*from`, and begins anew. */
static void stage_done(struct bench *b, const char *name, double *from, struct buf *times)
{
    const double now = seconds(b);

    printf("STAGE %s %.2f\n", name, now - *from);
    fflush(stdout);
    buf_printf(times, "\"%s\": %.2f, ", name, now - *from);
    *from = now;
}

static void open_bench(struct bench *b, const char *project, const char *out, const char *memory, int threads)
{
    struct conf_problems problems = {0};
    struct engine_options options = {.threads = threads, .unordered = true};
    struct error err = {0};
    struct buf path;
    struct conf *conf;
    enum ig_code rc;

    b->x.env = env_real_new();
    b->x.env->log_level = ENV_LOG_WARN;
    pthread_mutex_init(&b->lock, NULL);
    rc = conf_load(b->x.env, project, &conf, &problems, &err);
    for (size_t i = 0; i < problems.n; i++)
        fprintf(stderr, "%s:%d: %s\n", problems.p[i].file, problems.p[i].line, problems.p[i].text);
    check(rc, &err);
    b->x.conf = conf;
    b->d = conf_domain(conf, STR("events"));
    IG_ASSERT(b->d && str_to_bytes(str_of(memory), &options.memory_bytes));
    check(contract_new(b->d, &b->contract, &err), &err);
    check(store_open(b->x.env, out, &b->x.store, &err), &err);
    buf_init(&path, 0);
    buf_printf(&path, "%s/spill", out);
    options.temp_dir = buf_cstr(&path);
    check(engine_open(&options, &b->x.engine, &err), &err);
    buf_clear(&path);
    buf_printf(&path, "%s/dead-letters.ndjson", out);
    b->dead_letters = fopen(buf_cstr(&path), "w");
    IG_ASSERT(b->dead_letters);
    buf_release(&path);
}

int main(int argc, char **argv)
{
    const int threads = argc > 5 ? atoi(argv[5]) : 2;
    struct bench b = {0};
    struct rusage used;
    struct buf times;
    double begin, from;

    if (argc < 4) {
        fprintf(stderr, "usage: w1 PROJECT IN.ndjson OUTDIR [MEMORY [THREADS]]\n");
        return 2;
    }
    buf_init(&times, 0);
    open_bench(&b, argv[1], argv[3], argc > 4 ? argv[4] : "512MB", threads);
    begin = from = seconds(&b);
    bronze(&b, argv[2], threads);
    stage_done(&b, "bronze", &from, &times);
    qsort(b.files.p, b.files.n, sizeof(*b.files.p), by_date);
    each_partition(&b, silver);
    stage_done(&b, "silver", &from, &times);
    gold(&b);
    stage_done(&b, "gold", &from, &times);
    gold(&b);
    stage_done(&b, "gold_remerge", &from, &times);
    getrusage(RUSAGE_SELF, &used);
    buf_printf(&times, "\"total_in_job\": %.2f, \"peak_mb\": %ld, \"cpu\": %.2f", from - begin, used.ru_maxrss / 1024,
               (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 + (double)used.ru_stime.tv_sec +
                   (double)used.ru_stime.tv_usec / 1e6);
    print_check(&b);
    printf("TIMES {%s}\n", buf_cstr(&times));
    fclose(b.dead_letters);
    buf_release(&times);
    for (size_t i = 0; i < b.files.n; i++)
        free(b.files.p[i].name);
    vec_free(&b.files);
    engine_close(b.x.engine);
    store_free(b.x.store);
    contract_free(b.contract);
    conf_free((struct conf *)(uintptr_t)b.x.conf);
    env_real_free(b.x.env);
    return 0;
}
