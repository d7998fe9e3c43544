/* A project in a temporary folder, for the tests of conf/. */
#ifndef TEST_CONF_PROJECT_H
#define TEST_CONF_PROJECT_H

#include "conf/conf.h"

struct project {
    struct env *env;
    char root[64];
    struct conf *conf;
    struct conf_problems problems;
    struct error err;
};

void project_begin(struct project *p);
void project_end(struct project *p);
void project_write(struct project *p, const char *rel, const char *text);
void project_write_bytes(struct project *p, const char *rel, const char *text, size_t n);
enum ig_code project_load(struct project *p); /* may be repeated */

/* Writes conf_print's documents, each into its file. */
void project_write_printed(struct project *p, const char *printed);

/* Loads, and compares all mistakes, one a line: "file:line:column: text\n". */
void project_expect(struct project *p, const char *mistakes);

/* A project whose one domain `events` has this domain.yml. */
void expect_domain(const char *yaml, const char *mistakes);
/* The same for ingot.yml. */
void expect_ingot(const char *yaml, const char *mistakes);

#endif
