/*
 * Where the tables and files of a domain are. All names are relative to the store.
 */
#include "stage/stage.h"

void stage_bronze_prefix(const struct conf_domain *d, int32_t date, struct buf *out)
{
    char text[16];

    buf_printf(out, "bronze/%s/%s=%s/", d->name, d->bronze.date_column, date_format(date, text));
}

void stage_silver_path(const struct conf_domain *d, struct buf *out)
{
    buf_printf(out, "silver/%s", d->name);
}

void stage_quarantine_path(const struct conf_domain *d, struct buf *out)
{
    buf_printf(out, "quarantine/%s", d->name);
}

void stage_gold_path(const struct conf_domain *d, const struct conf_gold *g, struct buf *out)
{
    buf_printf(out, "gold/%s/%s", d->name, g->name);
}
