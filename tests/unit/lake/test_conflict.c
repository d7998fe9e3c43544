/* Delta's conflict rules, case by case: what another writer has committed against what ours has read and removes. */
#include "lake/commit/conflict.h"
#include "test.h"

#include <stdio.h>

static const char first_commit[] =
    "{\"commitInfo\":{\"timestamp\":1}}\n"
    "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"deletionVectors\"],"
    "\"writerFeatures\":[\"deletionVectors\",\"identityColumns\",\"domainMetadata\",\"rowTracking\"]}}\n"
    "{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\\":"
    "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"p\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,"
    "\\\"metadata\\\":{}},{\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{"
    "\\\"delta.identity.highWaterMark\\\":7}}]}\",\"partitionColumns\":[\"p\"],\"configuration\":{%s},"
    "\"createdTime\":1}}\n"
    "{\"add\":{\"path\":\"p=a/1.parquet\",\"partitionValues\":{\"p\":\"a\"},\"size\":1,\"modificationTime\":1,"
    "\"dataChange\":true}}\n"
    "{\"add\":{\"path\":\"p=b/2.parquet\",\"partitionValues\":{\"p\":\"b\"},\"size\":1,\"modificationTime\":1,"
    "\"dataChange\":true}}\n";

#define FILE_A "\"path\":\"p=a/1.parquet\",\"partitionValues\":{\"p\":\"a\"}"
#define FILE_B "\"path\":\"p=b/2.parquet\",\"partitionValues\":{\"p\":\"b\"}"
#define NEW_A "\"path\":\"p=a/3.parquet\",\"partitionValues\":{\"p\":\"a\"},\"size\":1,\"modificationTime\":1"
#define NEW_B "\"path\":\"p=b/4.parquet\",\"partitionValues\":{\"p\":\"b\"},\"size\":1,\"modificationTime\":1"
#define CHANGE ",\"dataChange\":true}}\n"
#define MOVE ",\"dataChange\":false}}\n"
#define ADDS_A "{\"add\":{" NEW_A CHANGE
#define ADDS_B "{\"add\":{" NEW_B CHANGE
#define REMOVES_A "{\"remove\":{" FILE_A ",\"deletionTimestamp\":2" CHANGE
#define REMOVES_B "{\"remove\":{" FILE_B ",\"deletionTimestamp\":2" CHANGE
#define MOVES_A "{\"remove\":{" FILE_A ",\"deletionTimestamp\":2" MOVE "{\"add\":{" NEW_A MOVE
#define MARKS_A                                                                                              \
    "{\"remove\":{" FILE_A ",\"deletionTimestamp\":2" CHANGE "{\"add\":{" FILE_A                             \
    ",\"size\":1,\"modificationTime\":1,\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"x\"," \
    "\"offset\":1,\"sizeInBytes\":36,\"cardinality\":1}" CHANGE
#define REMOVES_NEW_A "{\"remove\":{\"path\":\"p=a/3.parquet\",\"partitionValues\":{\"p\":\"a\"}" CHANGE
#define ADDS_WITH(least, most)                                                                  \
    "{\"add\":{" NEW_A ",\"stats\":\"{\\\"numRecords\\\":2,\\\"minValues\\\":{\\\"n\\\":" least \
    "},\\\"maxValues\\\":{\\\"n\\\":" most "},\\\"nullCount\\\":{\\\"n\\\":0}}\"" CHANGE
#define BLIND "{\"commitInfo\":{\"isBlindAppend\":true}}\n"
#define TXN(app, version) "{\"txn\":{\"appId\":\"" app "\",\"version\":" version "}}\n"
#define METADATA(mark, more)                                                                                          \
    "{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{"           \
    "\\\"type\\\":"                                                                                                   \
    "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"p\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,"       \
    "\\\"metadata\\\":{}},{\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{" \
    "\\\"delta.identity.highWaterMark\\\":" mark "}}]}\",\"partitionColumns\":[\"p\"],\"configuration\":{" more "},"  \
    "\"createdTime\":1}}\n"
#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define DOMAIN(name) "{\"domainMetadata\":{\"domain\":\"" name "\",\"configuration\":\"{}\",\"removed\":false}}\n"

/* What our commit is, as bits. */
enum {
    APPENDS = 0,
    READS_A = 1 << 0, /* the partition a, all of its files */
    READS_ALL = 1 << 1,
    READS_FILE_A = 1 << 2, /* of the scope only the file of a */
    REMOVES = 1 << 3,      /* the file of a */
    REMARKS = 1 << 4,      /* gives the file of a another deletion vector */
    ONLY_MOVES = 1 << 5,
    ALTERS = 1 << 6,      /* has a metaData of its own */
    UPGRADES = 1 << 7,    /* has a protocol of its own */
    APPLIES = 1 << 8,     /* is version 5 of application x */
    SETS_DOMAIN = 1 << 9, /* d */
    PINNED = 1 << 10,     /* to version 0 */
    CREATES = 1 << 11,
    WEAKLY = 1 << 12, /* the table is WriteSerializable */
    RESTORES_A = 1 << 13,
    READS_WHERE = 1 << 14, /* p = 'a' AND n > 10 */
};

static const struct {
    unsigned ours;
    const char *theirs, *then; /* then: a second winner */
    enum ig_code want;
    const char *rule;
} cases[] = {
    /* blind appends */
    {APPENDS, ADDS_A, NULL, IG_OK, NULL},
    {APPENDS, REMOVES_A, NULL, IG_OK, NULL},
    {APPENDS, MOVES_A, NULL, IG_OK, NULL},
    {APPENDS, MARKS_A, NULL, IG_OK, NULL},
    /* rows were added where we have read, or elsewhere */
    {READS_A, ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_A, ADDS_B, NULL, IG_OK, NULL},
    {READS_ALL, ADDS_B, NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_A, ADDS_B, ADDS_A, IG_CONFLICT, "ConcurrentAppend"},
    {READS_A, "{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":1" CHANGE, NULL, IG_CONFLICT,
     "ConcurrentAppend"},
    {READS_WHERE | READS_FILE_A, ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_WHERE | READS_FILE_A, ADDS_B, NULL, IG_OK, NULL},
    {READS_WHERE | READS_FILE_A, ADDS_WITH("1", "9"), NULL, IG_OK, NULL},
    {READS_WHERE | READS_FILE_A, ADDS_WITH("1", "11"), NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_WHERE | READS_FILE_A, REMOVES_B, NULL, IG_OK, NULL},
    {READS_WHERE | READS_FILE_A, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    /* blindly, in a table that lets that be */
    {READS_A, BLIND ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_A | WEAKLY, BLIND ADDS_A, NULL, IG_OK, NULL},
    {READS_A | WEAKLY, ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_A | WEAKLY | ALTERS, BLIND ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"},
    {READS_A | WEAKLY, BLIND REMOVES_B ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"}, /* it says so, but is none */
    /* a file that we have read is gone */
    {READS_A, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    {READS_A, REMOVES_B, NULL, IG_OK, NULL},
    {READS_ALL, REMOVES_B, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    {READS_ALL | READS_FILE_A, REMOVES_B, NULL, IG_OK, NULL},
    {READS_ALL | READS_FILE_A, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    {READS_A | WEAKLY, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    {READS_FILE_A, MARKS_A, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    /* or its rows are elsewhere by now */
    {READS_A, MOVES_A, NULL, IG_OK, NULL},
    {READS_ALL, MOVES_A, NULL, IG_OK, NULL},
    {READS_A, MOVES_A, REMOVES_NEW_A, IG_CONFLICT, "ConcurrentDeleteRead"},
    {READS_A, MOVES_A, REMOVES_B, IG_OK, NULL},
    {APPENDS, MOVES_A, REMOVES_NEW_A, IG_OK, NULL},
    /* both remove it */
    {REMOVES, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {REMOVES, MOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {REMOVES, MARKS_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {REMOVES, REMOVES_B, NULL, IG_OK, NULL},
    {REMOVES | READS_A, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteRead"},
    {REMARKS, MARKS_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {REMARKS, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {REMARKS, MOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {REMARKS, ADDS_A, NULL, IG_OK, NULL},
    {REMARKS, "{\"add\":{" FILE_A ",\"size\":1,\"modificationTime\":1" MOVE, NULL, IG_CONFLICT,
     "ConcurrentDeleteDelete"},
    {RESTORES_A, "{\"add\":{" FILE_A ",\"size\":1,\"modificationTime\":1" CHANGE, NULL, IG_CONFLICT,
     "ConcurrentAppend"},
    /* ours only moves rows */
    {ONLY_MOVES | REMOVES, ADDS_A, NULL, IG_OK, NULL},
    {ONLY_MOVES | REMOVES | READS_ALL, ADDS_A, NULL, IG_OK, NULL},
    {ONLY_MOVES | REMOVES | READS_ALL, REMOVES_B, NULL, IG_OK, NULL},
    {ONLY_MOVES | REMOVES, REMOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {ONLY_MOVES | REMOVES, MOVES_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    {ONLY_MOVES | REMOVES, MARKS_A, NULL, IG_CONFLICT, "ConcurrentDeleteDelete"},
    /* schema, properties, protocol */
    {APPENDS, METADATA("7", "\"a\":\"b\""), NULL, IG_CONFLICT, "MetadataChanged"},
    {ONLY_MOVES | REMOVES, METADATA("7", "\"a\":\"b\""), NULL, IG_CONFLICT, "MetadataChanged"},
    {APPENDS, METADATA("9", ""), NULL, IG_OK, NULL}, /* an identity column was counted on */
    {READS_ALL, METADATA("9", ""), NULL, IG_OK, NULL},
    {ALTERS, METADATA("9", ""), NULL, IG_CONFLICT, "MetadataChanged"},
    {ALTERS, METADATA("7", "\"a\":\"b\""), NULL, IG_CONFLICT, "MetadataChanged"},
    {ALTERS, ADDS_A REMOVES_B, NULL, IG_OK, NULL},
    {ALTERS | READS_ALL, ADDS_A, NULL, IG_CONFLICT, "ConcurrentAppend"}, /* a constraint was checked on all rows */
    {APPENDS, PROTOCOL, NULL, IG_CONFLICT, "ProtocolChanged"},
    {UPGRADES, PROTOCOL, NULL, IG_CONFLICT, "ProtocolChanged"},
    {UPGRADES, ADDS_A, NULL, IG_OK, NULL},
    /* applications, domains */
    {APPLIES, TXN("x", "5"), NULL, IG_EXISTS, NULL},
    {APPLIES, TXN("x", "6"), NULL, IG_EXISTS, NULL},
    {APPLIES, TXN("x", "4"), NULL, IG_CONFLICT, "ConcurrentTransaction"},
    {APPLIES, TXN("y", "5"), NULL, IG_OK, NULL},
    {APPENDS, TXN("x", "5"), NULL, IG_OK, NULL},
    {SETS_DOMAIN, DOMAIN("d"), NULL, IG_CONFLICT, "ConcurrentTransaction"},
    {SETS_DOMAIN, DOMAIN("e"), NULL, IG_OK, NULL},
    {SETS_DOMAIN, DOMAIN("delta.rowTracking"), NULL, IG_OK, NULL},
    /* others */
    {PINNED, ADDS_B, NULL, IG_CONFLICT, "the table has gone on"},
    {CREATES, ADDS_A, NULL, IG_CONFLICT, "ProtocolChanged"},
};

struct fixture {
    struct env *env;
    struct store *store;
    struct lake_table *table;
    struct lake_snapshot *base;
    char dir[256];
};

static void open_table(struct fixture *f, const char *properties)
{
    struct error err;
    struct buf text;

    test_scratch_dir(f->dir, sizeof(f->dir));
    f->env = env_real_new();
    assert_int_equal(store_open(f->env, f->dir, &f->store, &err), IG_OK);
    buf_init(&text, 0);
    {
        const char *mark = strstr(first_commit, "%s");

        buf_add(&text, first_commit, (size_t)(mark - first_commit));
        buf_puts(&text, properties);
        buf_puts(&text, mark + 2);
    }
    assert_int_equal(
        store_put(f->store, "t/_delta_log/00000000000000000000.json", buf_str(&text), STORE_IF_ABSENT, &err), IG_OK);
    buf_release(&text);
    assert_int_equal(lake_open(f->store, NULL, "t", &f->table, &err), IG_OK);
    if (lake_snapshot_open(f->table, LAKE_LATEST, &f->base, &err))
        fail_msg("%s", err.msg);
}

static void close_table(struct fixture *f)
{
    lake_snapshot_free(f->base);
    lake_close(f->table);
    store_free(f->store);
    (void)!env_remove_tree(f->env, f->dir, NULL);
    env_real_free(f->env);
}

static const struct lake_entry *entry_of_a(const struct lake_snapshot *s)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (str_is(lake_entry_name(&s->entries.p[i]), "p=a/1.parquet"))
            return &s->entries.p[i];
    fail();
    return NULL;
}

static enum lake_read_scope scope_of(unsigned ours)
{
    if (ours & READS_WHERE)
        return LAKE_READ_WHERE;
    return ours & READS_ALL ? LAKE_READ_ALL : ours & READS_A ? LAKE_READ_PARTITIONS : LAKE_READ_NOTHING;
}

static enum ig_code judge(const struct lake_snapshot *base, size_t i, struct error *err)
{
    static const struct lake_partition a = {"p", "a"};
    static const char *const domain = "{\"domain\":\"d\",\"configuration\":\"\",\"removed\":false}";
    const unsigned ours = cases[i].ours;
    const struct lake_entry *const files[] = {entry_of_a(base)};
    const struct lake_readd readd = {files[0], NULL, 1, true};
    const struct lake_commit_options options = {
        .app_id = ours & APPLIES ? "x" : NULL, .app_version = 5, .only_on_version = ours & PINNED ? 0 : LAKE_LATEST};
    const struct lake_change change = {
        .base = ours & CREATES ? NULL : base,
        .removed = files,
        .n_removed = (ours & REMOVES) != 0,
        .readds = &readd,
        .n_readds = (ours & REMARKS) != 0,
        .restored = files,
        .n_restored = (ours & RESTORES_A) != 0,
        .no_data_change = ours & ONLY_MOVES,
        .protocol = ours & UPGRADES ? "{\"minReaderVersion\":1,\"minWriterVersion\":2}" : NULL,
        .metadata = ours & ALTERS ? "{}" : NULL,
        .domains = &domain,
        .n_domains = (ours & SETS_DOMAIN) != 0,
        .scope = scope_of(ours),
        .read_where = "p = 'a' AND n > 10",
        .partitions = &a,
        .n_partitions = 1,
        .n_columns = 1,
        .read = ours & READS_FILE_A ? files : NULL,
        .n_read = 1,
        .options = &options,
    };
    const char *const texts[] = {cases[i].theirs, cases[i].then};
    struct lake_moved moved = {0};
    enum ig_code rc = IG_OK;

    arena_init(&moved.arena);
    for (int k = 0; k < 2 && texts[k] && !rc; k++) {
        struct lake_winner w;

        rc = lake_winner_read(&w, str_of(texts[k]), k + 1, err);
        if (!rc)
            rc = lake_check_conflict(&change, &w, &moved, err);
        lake_winner_free(&w);
    }
    vec_free(&moved.paths);
    arena_release(&moved.arena);
    return rc;
}

static void each_rule_says_what_delta_says(void **state)
{
    struct fixture strict = {0}, weak = {0};

    (void)state;
    open_table(&strict, "");
    open_table(&weak, "\"delta.isolationLevel\":\"WriteSerializable\"");
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        struct error err = {0};
        const enum ig_code rc = judge(cases[i].ours & WEAKLY ? weak.base : strict.base, i, &err);

        if (rc != cases[i].want || (cases[i].rule && strncmp(err.msg, cases[i].rule, strlen(cases[i].rule)) != 0))
            fail_msg("case %zu: %s, %s", i, error_code_name(rc), err.msg);
    }
    close_table(&weak);
    close_table(&strict);
}

static void a_broken_winner_is_named_by_its_line(void **state)
{
    static const char *const broken[] = {
        "",
        "{\"add\":{\"path\":\"x\"}",
        "{\"commitInfo\":{}}\n[]\n",
        "{\"add\":{}}",
        "{\"remove\":{\"path\":\"%zz\"}}",
        "{\"txn\":{\"appId\":\"a\"}}",
        "{\"domainMetadata\":{}}",
        "{\"add\":{\"path\":\"x\"}} more",
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(broken); i++) {
        struct lake_winner w;
        struct error err = {0};

        assert_int_equal(lake_winner_read(&w, str_of(broken[i]), 7, &err), IG_CORRUPT);
        assert_true(*err.msg);
        lake_winner_free(&w);
    }
}

static void what_a_rebase_counts_on_is_read(void **state)
{
    static const char text[] = "{\"commitInfo\":{\"inCommitTimestamp\":17,\"isBlindAppend\":true}}\n"
                               "{\"domainMetadata\":{\"domain\":\"delta.rowTracking\",\"configuration\":"
                               "\"{\\\"rowIdHighWaterMark\\\":41}\",\"removed\":false}}\n" ADDS_A;
    struct lake_winner w;

    (void)state;
    assert_int_equal(lake_winner_read(&w, str_of(text), 1, NULL), IG_OK);
    assert_int_equal(w.in_commit_ms, 17);
    assert_int_equal(w.row_high, 41);
    assert_true(w.blind_append);
    lake_winner_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_says_what_delta_says),
        cmocka_unit_test(a_broken_winner_is_named_by_its_line),
        cmocka_unit_test(what_a_rebase_counts_on_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
