// links: quality
/* Records against a contract with every kind of field: refused with a reason, or taken; never anything else. */
#include "fuzz.h"
#include "quality/contract.h"

static const char *const statuses[] = {"placed", "paid"};
static const struct conf_field item_fields[] = {
    {.name = "sku", .path = "sku", .type = CONF_STRING, .required = true},
    {.name = "n", .path = "n", .type = CONF_INT, .has_min = true, .min = 1},
};
static const struct conf_field item = {
    .name = "item", .path = "item", .type = CONF_STRUCT, .fields = item_fields, .n_fields = IG_COUNT(item_fields)};
static const struct conf_field fields[] = {
    {.name = "id", .path = "id", .type = CONF_STRING, .required = true, .has_max = true, .max = 20},
    {.name = "at", .path = "at", .type = CONF_TIMESTAMP, .required = true},
    {.name = "unix", .path = "a.unix", .type = CONF_TIMESTAMP, .time_unit = CONF_TIME_MS, .lenient = true},
    {.name = "status",
     .path = "status",
     .type = CONF_STRING,
     .one_of = (const char **)(uintptr_t)statuses,
     .n_one_of = 2},
    {.name = "price", .path = "a.price", .type = CONF_DECIMAL, .precision = 38, .scale = 2, .lenient = true},
    {.name = "ratio", .path = "ratio", .type = CONF_DOUBLE, .lenient = true},
    {.name = "ok", .path = "ok", .type = CONF_BOOL, .lenient = true},
    {.name = "day", .path = "day", .type = CONF_DATE},
    {.name = "any", .path = "any", .type = CONF_JSON},
    {.name = "items", .path = "items", .type = CONF_LIST, .fields = &item, .n_fields = 1},
};
static const struct conf_domain domain = {
    .name = "fuzz",
    .contract = {.fields = fields, .n_fields = IG_COUNT(fields), .event_time = "at", .has_not_before = true},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct contract *contract; /* made once: the fuzzer calls us a million times */
    const struct str value = {(const char *)data, size};
    struct contract_reject why = {0};
    struct reading reading;
    int64_t event_us = 0;
    struct error err;

    if (!contract && contract_new(&domain, &contract, &err))
        check_panic(__FILE__, __LINE__, __func__, err.msg);
    reading_init(&reading, contract);
    if (!reading_record(&reading, value, 0, 0))
        IG_ASSERT(reading.why.reason && *reading.why.reason);
    else if (!contract_event_time(contract, value, 0, INT64_MAX / 2000, &event_us, &why))
        check_panic(__FILE__, __LINE__, __func__, why.detail); /* a good record has a date */
    reading_release(&reading);
    return 0;
}
