/* Who may do what, rule by rule; and what quotas say to whom. */
#include "broker/acl.h"
#include "broker/quota.h"

#include "test.h"

static struct acl rule(enum acl_permission permission, const char *principal, const char *host, enum acl_operation op,
                       enum acl_resource type, enum acl_pattern pattern, const char *name)
{
    return (struct acl){.type = type,
                        .pattern = pattern,
                        .operation = op,
                        .permission = permission,
                        .name = str_of(name),
                        .principal = str_of(principal),
                        .host = str_of(host)};
}

static struct acls *rules(const struct acl *list, size_t n)
{
    struct acls *as = acls_new();

    for (size_t i = 0; i < n; i++) {
        assert_null(acl_problem(&list[i]));
        acls_add(as, &list[i]);
    }
    return as;
}

static void decisions(void **state)
{
    const struct acl list[] = {
        rule(ACL_ALLOW, "User:alice", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "orders"),
        rule(ACL_ALLOW, "User:bob", "10.0.0.1", ACL_OPERATION_ALL, ACL_TOPIC, ACL_LITERAL, "orders"),
        rule(ACL_DENY, "User:carol", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "orders"),
        rule(ACL_ALLOW, "User:*", "*", ACL_READ, ACL_TOPIC, ACL_PREFIXED, "pub-"),
        rule(ACL_DENY, "User:*", "10.0.0.9", ACL_OPERATION_ALL, ACL_TOPIC, ACL_LITERAL, "*"),
        rule(ACL_ALLOW, "User:dave", "*", ACL_ALTER_CONFIGS, ACL_TOPIC, ACL_PREFIXED, "pub-x"),
        rule(ACL_ALLOW, "User:carol", "*", ACL_WRITE, ACL_TOPIC, ACL_LITERAL, "*"),
        rule(ACL_DENY, "User:erin", "*", ACL_DESCRIBE, ACL_TOPIC, ACL_LITERAL, "orders"),
        rule(ACL_ALLOW, "User:erin", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "orders"),
        rule(ACL_ALLOW, "User:alice", "*", ACL_READ, ACL_GROUP, ACL_LITERAL, "orders"),
    };
    static const struct {
        const char *principal, *host;
        enum acl_operation op;
        enum acl_resource type;
        const char *name;
        enum acl_verdict wanted;
    } cases[] = {
        {"User:alice", "10.0.0.1", ACL_READ, ACL_TOPIC, "orders", ACL_ALLOWED},
        {"User:alice", "10.0.0.1", ACL_DESCRIBE, ACL_TOPIC, "orders", ACL_ALLOWED}, /* Read implies it */
        {"User:alice", "10.0.0.1", ACL_WRITE, ACL_TOPIC, "orders", ACL_REFUSED},
        {"User:alice", "10.0.0.1", ACL_DESCRIBE_CONFIGS, ACL_TOPIC, "orders", ACL_REFUSED},
        {"User:alice", "10.0.0.9", ACL_READ, ACL_TOPIC, "orders", ACL_REFUSED}, /* the host is denied */
        {"User:alice", "10.0.0.1", ACL_READ, ACL_TOPIC, "orders2", ACL_REFUSED},
        {"User:alicex", "10.0.0.1", ACL_READ, ACL_TOPIC, "orders", ACL_REFUSED},
        {"User:bob", "10.0.0.1", ACL_DELETE, ACL_TOPIC, "orders", ACL_ALLOWED},
        {"User:bob", "10.0.0.2", ACL_DELETE, ACL_TOPIC, "orders", ACL_REFUSED},
        {"User:carol", "10.0.0.1", ACL_WRITE, ACL_TOPIC, "anything", ACL_ALLOWED},
        {"User:carol", "10.0.0.1", ACL_READ, ACL_TOPIC, "orders", ACL_REFUSED},
        {"User:carol", "10.0.0.1", ACL_DESCRIBE, ACL_TOPIC, "orders", ACL_ALLOWED}, /* deny Read does not deny it */
        {"User:zoe", "::1", ACL_READ, ACL_TOPIC, "pub-", ACL_ALLOWED},
        {"User:zoe", "::1", ACL_READ, ACL_TOPIC, "pub", ACL_REFUSED},
        {"User:zoe", "::1", ACL_READ, ACL_TOPIC, "pub-xyz", ACL_ALLOWED},
        {"User:dave", "::1", ACL_DESCRIBE_CONFIGS, ACL_TOPIC, "pub-xyz", ACL_ALLOWED},
        {"User:dave", "::1", ACL_DESCRIBE_CONFIGS, ACL_TOPIC, "pub-y", ACL_REFUSED},
        {"User:erin", "::1", ACL_DESCRIBE, ACL_TOPIC, "orders", ACL_REFUSED}, /* deny wins over what is implied */
        {"User:alice", "::1", ACL_READ, ACL_GROUP, "orders", ACL_ALLOWED},
        {"User:alice", "::1", ACL_READ, ACL_GROUP, "others", ACL_NO_RULE},
        {"User:alice", "::1", ACL_ALTER, ACL_CLUSTER, ACL_CLUSTER_NAME, ACL_NO_RULE},
    };
    struct acls *as = rules(list, IG_COUNT(list));

    (void)state;
    acls_add(as, &list[0]);
    assert_int_equal(acls_count(as), IG_COUNT(list));
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const struct acl_subject who = {str_of(cases[i].principal), str_of(cases[i].host)};

        if (acls_decide(as, &who, cases[i].op, cases[i].type, str_of(cases[i].name)) != cases[i].wanted)
            fail_msg("case %zu: %s %d %s", i, cases[i].principal, cases[i].op, cases[i].name);
    }
    acls_free(as);
}

static void any_resource_of_a_type(void **state)
{
    const struct acl list[] = {
        rule(ACL_ALLOW, "User:alice", "*", ACL_WRITE, ACL_TOPIC, ACL_PREFIXED, "a-"),
        rule(ACL_ALLOW, "User:bob", "*", ACL_WRITE, ACL_TOPIC, ACL_LITERAL, "b"),
        rule(ACL_DENY, "User:bob", "*", ACL_WRITE, ACL_TOPIC, ACL_LITERAL, "b"),
        rule(ACL_ALLOW, "User:carol", "*", ACL_WRITE, ACL_TOPIC, ACL_LITERAL, "c-1"),
        rule(ACL_DENY, "User:carol", "*", ACL_OPERATION_ALL, ACL_TOPIC, ACL_PREFIXED, "c"),
        rule(ACL_DENY, "User:dave", "*", ACL_WRITE, ACL_TOPIC, ACL_LITERAL, "*"),
    };
    static const struct {
        const char *principal;
        enum acl_verdict wanted;
    } cases[] = {{"User:alice", ACL_ALLOWED},
                 {"User:bob", ACL_NO_RULE},
                 {"User:carol", ACL_NO_RULE},
                 {"User:dave", ACL_REFUSED},
                 {"User:zoe", ACL_NO_RULE}};
    struct acls *as = rules(list, IG_COUNT(list));

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const struct acl_subject who = {str_of(cases[i].principal), STR("::1")};

        if (acls_decide_any(as, &who, ACL_WRITE, ACL_TOPIC) != cases[i].wanted)
            fail_msg("%s", cases[i].principal);
    }
    acls_free(as);
}

static size_t matching(const struct acls *as, struct acl filter)
{
    size_t n = 0;

    for (size_t i = 0; i < acls_count(as); i++)
        n += acl_matches(acls_at(as, i), &filter);
    return n;
}

static void filters_and_removal(void **state)
{
    const struct acl list[] = {
        rule(ACL_ALLOW, "User:a", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "t-1"),
        rule(ACL_ALLOW, "User:b", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "*"),
        rule(ACL_DENY, "User:b", "h", ACL_WRITE, ACL_TOPIC, ACL_PREFIXED, "t-"),
        rule(ACL_ALLOW, "User:a", "*", ACL_READ, ACL_GROUP, ACL_PREFIXED, "t-"),
    };
    struct acl f = {.type = ACL_RESOURCE_ANY,
                    .pattern = ACL_PATTERN_ANY,
                    .operation = ACL_OPERATION_ANY,
                    .permission = ACL_PERMISSION_ANY};
    struct acls *as = rules(list, IG_COUNT(list));

    (void)state;
    assert_int_equal(matching(as, f), 4);
    f.type = ACL_TOPIC;
    assert_int_equal(matching(as, f), 3);
    f.name = STR("t-1");
    assert_int_equal(matching(as, f), 1);
    f.pattern = ACL_PATTERN_MATCH;
    assert_int_equal(matching(as, f), 3);
    f.permission = ACL_DENY;
    assert_int_equal(matching(as, f), 1);
    f.permission = ACL_PERMISSION_ANY;
    f.principal = STR("User:b");
    assert_int_equal(acls_remove(as, &f), 2);
    assert_int_equal(acls_count(as), 2);
    acls_remove_all(as);
    assert_int_equal(acls_count(as), 0);
    acls_free(as);
}

static void rules_that_are_none(void **state)
{
    const struct acl bad[] = {
        rule(ACL_ALLOW, "alice", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "t"),
        rule(ACL_ALLOW, "User:", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "t"),
        rule(ACL_ALLOW, "User:a", "", ACL_READ, ACL_TOPIC, ACL_LITERAL, "t"),
        rule(ACL_ALLOW, "User:a", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, ""),
        rule(ACL_ALLOW, "User:a", "*", ACL_OPERATION_ANY, ACL_TOPIC, ACL_LITERAL, "t"),
        rule(ACL_ALLOW, "User:a", "*", (enum acl_operation)77, ACL_TOPIC, ACL_LITERAL, "t"),
        rule(ACL_PERMISSION_ANY, "User:a", "*", ACL_READ, ACL_TOPIC, ACL_LITERAL, "t"),
        rule(ACL_ALLOW, "User:a", "*", ACL_READ, ACL_RESOURCE_ANY, ACL_LITERAL, "t"),
        rule(ACL_ALLOW, "User:a", "*", ACL_READ, ACL_TOPIC, ACL_PATTERN_MATCH, "t"),
        rule(ACL_ALLOW, "User:a", "*", ACL_ALTER, ACL_CLUSTER, ACL_LITERAL, "other"),
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        if (!acl_problem(&bad[i]))
            fail_msg("rule %zu was taken", i);
    }
}

/* --- quotas ---------------------------------------------------------------------------------------------------------
 */

static struct quota_entity entity(const char *user, const char *client)
{
    struct quota_entity e = {0};

    e.part[QUOTA_USER] = str_of(user && *user == '<' ? "" : user);
    e.is_default[QUOTA_USER] = user && *user == '<';
    e.part[QUOTA_CLIENT] = str_of(client && *client == '<' ? "" : client);
    e.is_default[QUOTA_CLIENT] = client && *client == '<';
    return e;
}

/* The limits are told apart by how long who takes 1000 at once has to wait. */
static void the_most_precise_quota_holds(void **state)
{
    static const struct {
        const char *user, *client;
        double limit;
    } list[] = {{NULL, "<default>", 10}, {NULL, "c", 20}, {"<default>", NULL, 30}, {"<default>", "<default>", 40},
                {"<default>", "c", 50},  {"u", NULL, 60}, {"u", "<default>", 70},  {"u", "c", 80}};
    static const struct {
        const char *user, *client;
    } who[] = {{"x", "x"}, {"x", "c"}, {"x", "x"}, {"x", "x"}, {"x", "c"}, {"u", "x"}, {"u", "x"}, {"u", "c"}};

    (void)state;
    for (size_t n = 1; n <= IG_COUNT(list); n++) {
        struct quotas *qs = quotas_new();
        const double limit = list[n - 1].limit;
        int64_t wait_ms;

        for (size_t i = 0; i < n; i++) {
            const struct quota_entity e = entity(list[i].user, list[i].client);

            assert_null(quota_problem(&e, QUOTA_FETCH, list[i].limit));
            quotas_set(qs, &e, QUOTA_FETCH, list[i].limit, false);
        }
        wait_ms = quotas_charge(qs, QUOTA_FETCH, str_of(who[n - 1].user), str_of(who[n - 1].client), limit * 2, 5);
        if (wait_ms < 999 || wait_ms > 1001)
            fail_msg("quota %zu: %lld ms", n, (long long)wait_ms);
        quotas_free(qs);
    }
}

static void a_debt_is_paid_at_the_rate(void **state)
{
    const struct quota_entity e = entity("u", NULL), other = entity("v", NULL);
    struct quotas *qs = quotas_new();
    int64_t now_us = 1000000;

    (void)state;
    assert_int_equal(quotas_charge(qs, QUOTA_PRODUCE, STR("u"), STR("c"), 1e9, now_us), 0); /* no quota */
    quotas_set(qs, &e, QUOTA_PRODUCE, 1000, false);
    quotas_set(qs, &other, QUOTA_PRODUCE, 1000, false);
    assert_int_equal(quotas_charge(qs, QUOTA_PRODUCE, STR("u"), STR("c"), 1000, now_us), 0);
    assert_in_range(quotas_charge(qs, QUOTA_PRODUCE, STR("u"), STR("d"), 500, now_us), 500, 502); /* shared */
    assert_int_equal(quotas_charge(qs, QUOTA_PRODUCE, STR("v"), STR("c"), 1000, now_us), 0);
    assert_int_equal(quotas_charge(qs, QUOTA_FETCH, STR("u"), STR("c"), 1e9, now_us), 0);
    now_us += 2000000;
    assert_int_equal(quotas_charge(qs, QUOTA_PRODUCE, STR("u"), STR("c"), 500, now_us), 0);
    assert_in_range(quotas_charge(qs, QUOTA_PRODUCE, STR("u"), STR("c"), 1e9, now_us), 10000, 11000); /* bounded */
    quotas_set(qs, &e, QUOTA_PRODUCE, 0, false);
    assert_int_equal(quotas_count(qs), 1);
    assert_int_equal(quotas_charge(qs, QUOTA_PRODUCE, STR("u"), STR("c"), 1e9, now_us), 0);
    quotas_free(qs);
}

static void made_up_client_ids_cost_little(void **state)
{
    const struct quota_entity e = entity(NULL, "<default>");
    struct quotas *qs = quotas_new();

    (void)state;
    quotas_set(qs, &e, QUOTA_PRODUCE, 1000, false);
    for (int i = 0; i < 100000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "client-%d", i);
        (void)quotas_charge(qs, QUOTA_PRODUCE, STR("u"), str_of(name), 1, 1000000 + i * 1000);
    }
    quotas_free(qs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),
        cmocka_unit_test(any_resource_of_a_type),
        cmocka_unit_test(filters_and_removal),
        cmocka_unit_test(rules_that_are_none),
        cmocka_unit_test(the_most_precise_quota_holds),
        cmocka_unit_test(a_debt_is_paid_at_the_rate),
        cmocka_unit_test(made_up_client_ids_cost_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
