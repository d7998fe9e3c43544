/*
 * A project in a scratch folder, its bronze files made by the test, its tables looked at through SQL.
 */
#ifndef UNIT_STAGE_PROJECT_H
#define UNIT_STAGE_PROJECT_H

#include "test.h"

#include "stage/bronze_parquet.h"
#include "stage/stage.h"

struct project {
    char folder[64];
    struct stage_context x;
    struct conf *conf;
    struct engine_conn *conn;
    struct bronze_rows rows; /* of the file that is being made */
    char **files;
    size_t n_files;
    bool again; /* what project_try_silver tells stage_silver */
    struct buf text;
    struct error err;
};

/* Writes a file of the project (folders are made). */
void project_file(struct project *p, const char *name, const char *content);
void project_begin(struct project *p); /* makes the folder, and an ingot.yml */
void project_open(struct project *p);  /* loads it and opens store and engine */
void project_end(struct project *p);
const struct conf_domain *project_domain(struct project *p, const char *name);

/* A record of the bronze file that project_bronze then writes. Its log time is 2024-01-01 plus `offset` seconds. */
void project_record(struct project *p, int32_t partition, int64_t offset, const char *value);
/* Its name is remembered in p->files, which project_forget empties. */
void project_bronze(struct project *p, const char *domain, const char *date);
void project_forget(struct project *p);

int32_t project_date(const char *text);
/* Runs the stage over all remembered files. */
struct stage_silver_result project_silver(struct project *p, const char *domain, const char *date);
enum ig_code project_try_silver(struct project *p, const char *domain, const char *date,
                                struct stage_silver_result *out);
struct gold_result {
    int64_t gold_rows, checks_run;
};
enum ig_code project_try_gold(struct project *p, const char *domain, const char *date, struct gold_result *out);

/* The first column of the first row of a query as text; in it {silver/orders} is that table. */
const char *project_ask(struct project *p, const char *query);

#define assert_sql(p, query, expected) assert_string_equal(project_ask((p), (query)), (expected))

#endif
