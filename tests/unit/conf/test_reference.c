/* docs/configuration.md knows every key, with its default. */
#include "conf/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_documented(const char *page, const char *prefix, struct key_table t)
{
    for (size_t i = 0; i < t.n; i++) {
        const struct key *key = &t.keys[i];
        char row[200], pair[200];
        const char *line;

        snprintf(row, sizeof(row), "\n| `%s%s` |", prefix, key->name);
        snprintf(pair, sizeof(pair), "`%s", key->name); /* `min`, `max` share a row; `resources.memory` is two */
        line = strstr(page, row);
        if (!line && !strstr(page, pair))
            fail_msg("%s%s is not in docs/configuration.md", prefix, key->name);
        /* the same key may be in several tables: one of its rows has the default */
        while (line && key->default_text && *key->default_text) {
            char wanted[200], text[400];

            snprintf(text, sizeof(text), "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
            snprintf(wanted, sizeof(wanted), "| `%s` |", key->default_text);
            if (strstr(text, wanted))
                break;
            line = strstr(line + 1, row);
            if (!line)
                fail_msg("docs/configuration.md has another default of %s%s than %s", prefix, key->name,
                         key->default_text);
        }
    }
}

static void every_key_is_in_the_reference(void **state)
{
    struct env *env = env_real_new();
    struct error err;
    struct buf page;

    (void)state;
    buf_init(&page, 0);
    assert_int_equal(env_read_file(env, INGOT_SOURCE_DIR "/docs/configuration.md", &page, &err), IG_OK);
    expect_documented(buf_cstr(&page), "", conf_project_table);
    expect_documented(buf_cstr(&page), "resources.", conf_resources_table);
    expect_documented(buf_cstr(&page), "process.", conf_process_table);
    expect_documented(buf_cstr(&page), "", conf_broker_table);
    expect_documented(buf_cstr(&page), "", conf_listener_table);
    expect_documented(buf_cstr(&page), "", conf_tls_table);
    expect_documented(buf_cstr(&page), "", conf_quota_table);
    expect_documented(buf_cstr(&page), "limits.", conf_limits_table);
    expect_documented(buf_cstr(&page), "", conf_topics_table);
    expect_documented(buf_cstr(&page), "", conf_domain_table);
    expect_documented(buf_cstr(&page), "", conf_generate_table);
    expect_documented(buf_cstr(&page), "", conf_file_table);
    expect_documented(buf_cstr(&page), "", conf_topic_table);
    expect_documented(buf_cstr(&page), "", conf_contract_table);
    expect_documented(buf_cstr(&page), "", conf_field_table);
    expect_documented(buf_cstr(&page), "", conf_bronze_table);
    expect_documented(buf_cstr(&page), "", conf_silver_table);
    expect_documented(buf_cstr(&page), "", conf_gold_table);
    buf_release(&page);
    env_real_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_in_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
