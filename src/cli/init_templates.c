#include "cli/init_templates.h"

#include "base/base.h"

const struct init_file init_minimal[] = {
    {"ingot.yml", "# The platform. Every key has a default; `ingot check --print` shows what is in effect.\n"
                  "log: file:./data/log                        # or kafka://host:9092\n"
                  "store: file:./data/lake\n"
                  "warehouse: duckdb:./data/warehouse.duckdb\n"
                  "listen: ${INGOT_LISTEN:-127.0.0.1:0}        # the log's Kafka port; 0 is any free one\n"
                  "http: ${INGOT_HTTP:-127.0.0.1:0}            # the schema registry\n"
                  "process: {every: 10s}\n"},
    {"domains/events/domain.yml",
     "description: What the users of an app do\n"
     "source:\n"
     "  type: generate                            # made up; for files: {type: file, path: data/*.csv}\n"
     "  generator: clickstream\n"
     "  rate: 500/s\n"
     "  count: 20000\n"
     "  malformed: 0.5%                           # some are wrong on purpose: they go to dlq-raw-events\n"
     "  duplicates: 0.5%                          # some come twice: silver has them once\n"
     "topic: {partitions: 3, key: user_id}\n"
     "contract:\n"
     "  key: event_id\n"
     "  event_time: event_timestamp\n"
     "  not_before: 2020-01-01                    # records of before have a wrong clock: refused\n"
     "  fields:\n"
     "    event_id: {type: string, required: true}\n"
     "    event_type:\n"
     "      type: string\n"
     "      required: true\n"
     "      enum: [app_open, search, restaurant_view, menu_item_view, add_to_cart, remove_from_cart,\n"
     "             checkout_start, payment_attempt, order_placed, order_tracked, app_close]\n"
     "    event_timestamp: {type: timestamp, required: true}\n"
     "    user_id: {type: string, required: true}\n"
     "    session_id: string\n"
     "    device_type: {type: string, enum: [ios, android, web]}\n"
     "    city: string\n"
     "    total: {type: \"decimal(10,2)\", min: 0, path: properties.total, required_when: {event_type: "
     "[order_placed]}}\n"
     "    properties: json\n"
     "bronze: {partition_by: event_date, flush_records: 5000, flush_interval: 5s}\n"
     "gold:\n"
     "  hourly_events: {key: [event_date, hour, event_type]}\n"
     "  city_revenue: {key: [event_date, city]}\n"},
    {"domains/events/gold/hourly_events.sql", "SELECT event_date, hour(event_timestamp) AS hour, event_type,\n"
                                              "       count(*) AS events, count(DISTINCT user_id) AS users\n"
                                              "FROM silver\n"
                                              "GROUP BY ALL\n"},
    {"domains/events/gold/city_revenue.sql", "SELECT event_date, city, count(*) AS orders, sum(total) AS revenue\n"
                                             "FROM silver\n"
                                             "WHERE event_type = 'order_placed'\n"
                                             "GROUP BY ALL\n"},
    {"domains/events/tests/hours_are_hours.sql", "-- A check passes if it returns no row.\n"
                                                 "SELECT * FROM hourly_events WHERE hour NOT BETWEEN 0 AND 23\n"},
    {".gitignore", "/data/\n/.env\n"},
};
const size_t init_minimal_count = IG_COUNT(init_minimal);
