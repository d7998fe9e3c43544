/*
 * A partition that went all the way without a log: bronze, silver, gold, warehouse, and its row in partition_meta.
 */
#ifndef UNIT_STAGE_LEDGER_H
#define UNIT_STAGE_LEDGER_H

#include "project.h"

#define DAY "2024-01-01"
#define NEXT_DAY "2024-01-02"

/* The domain t: key id, order_by v, gold by_city (by date) and totals (whole table), a warehouse. */
void ledger_begin(struct project *p, const char *more_contract);
void ledger_end(struct project *p);
void ledger_record(struct project *p, int64_t offset, const char *day, const char *id, const char *city, int v);
/* Bronze -> silver -> gold -> warehouse of the remembered files, and the row that says so. */
void ledger_process(struct project *p, const char *day);
void ledger_state(struct project *p, const char *day, const char *status);
void ledger_load(struct project *p);

#endif
