/* What docs/kafka-compatibility.md says is spoken is what is spoken. */
#include "broker/broker_internal.h"
#include "test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct row {
    int key, min, max;
};

/* "| 0 | Produce | 0-13 | ..." */
static bool read_row(const char *line, struct row *row)
{
    char versions[32];
    int n;

    if (sscanf(line, "| %d | %*s | %31s |", &row->key, versions) != 2)
        return false;
    n = sscanf(versions, "%d-%d", &row->min, &row->max);
    if (n == 1)
        row->max = row->min;
    return n >= 1;
}

static void the_page_has_the_requests_that_are_answered(void **state)
{
    struct env *env = env_real_new();
    struct buf page;
    struct error err;
    size_t rows = 0;

    (void)state;
    buf_init(&page, 0);
    if (env_read_file(env, INGOT_SOURCE_DIR "/docs/kafka-compatibility.md", &page, &err))
        fail_msg("%s", err.msg);
    for (char *line = strtok((char *)(uintptr_t)buf_cstr(&page), "\n"); line; line = strtok(NULL, "\n")) {
        const struct api *api;
        struct row row;

        if (!read_row(line, &row))
            continue;
        rows++;
        api = api_find((int16_t)row.key);
        if (!api)
            fail_msg("the page has request %d, which is not answered", row.key);
        if (api && (api->min != row.min || api->max != row.max))
            fail_msg("request %d: the page has %d to %d, the program %d to %d", row.key, row.min, row.max, api->min,
                     api->max);
    }
    if (rows != apis_n)
        fail_msg("the page has %zu requests, the program %zu", rows, apis_n);
    buf_release(&page);
    env_real_free(env);
}

static void no_request_is_in_the_table_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < apis_n; i++)
        assert_ptr_equal(api_find(apis[i].key), &apis[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_the_requests_that_are_answered),
        cmocka_unit_test(no_request_is_in_the_table_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
