/*
 * ingot trace: one record's way through every hop.
 */
#include "cli/cli.h"
#include "platform/platform.h"

static int trace(struct cli_context *c, struct conf *conf)
{
    struct platform *p = NULL;
    struct error err = {0}, close_err = {0};
    struct buf out;
    enum ig_code rc;

    buf_init(&out, 0);
    rc = platform_open(c->env, conf, PLATFORM_LOG, &p, &err);
    if (!rc)
        rc = stage_trace(platform_context(p), str_of(c->args[0]), c->global.json, &out, &err);
    if (out.n)
        fwrite(out.p, 1, out.n, c->out);
    if (platform_close(p, &close_err) && !rc) {
        rc = close_err.code;
        err = close_err;
    }
    buf_release(&out);
    return rc ? cli_error(c, &err) : CLI_OK;
}

static int run(struct cli_context *c, const void *options)
{
    struct conf *conf = NULL;
    int status = cli_load_project(c, &conf);

    (void)options;
    if (!status)
        status = trace(c, conf);
    conf_free(conf);
    return status;
}

const struct cli_verb cli_verb_trace = {
    .name = "trace",
    .summary = "Follow one record through every hop",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .details = "ID is the value of the domain's key (its parts joined by commas), or TOPIC/PARTITION/OFFSET; the\n"
               "coordinates of a dead letter lead to the record that it is about. Shown are source position, log\n"
               "coordinates, bronze files, silver's version and row (or the record that this one is a duplicate of),\n"
               "quarantine and DLQ with the reason, the partition's state, gold tables and warehouse loads.\n"
               "Exit status 1 if there is no such record; the message says where it was looked for.\n\n"
               "  ingot trace 6f1c2a3e-0b8f-4a7e-9d55-2f7f0c1d9b1e\n"
               "  ingot trace raw-orders/3/120 --json | jq .",
    .run = run,
};
