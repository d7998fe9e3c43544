#include "cli/cli.h"

#include "engine/engine.h"

#include <librdkafka/rdkafka.h>

static int run(struct cli_context *c, const void *options)
{
    (void)options;
    if (c->global.json)
        fprintf(c->out, "{\"version\":\"%s\",\"duckdb\":\"%s\",\"librdkafka\":\"%s\"}\n", INGOT_VERSION,
                duckdb_library_version(), rd_kafka_version_str());
    else
        fprintf(c->out, "ingot %s (DuckDB %s, librdkafka %s)\n", INGOT_VERSION, duckdb_library_version(),
                rd_kafka_version_str());
    return CLI_OK;
}

const struct cli_verb cli_verb_version = {
    .name = "version",
    .summary = "Print the versions of ingot and of what it stands on",
    .run = run,
};
