/* Mistakes: what is said, and where. */
#include "conf/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define D "domains/events/domain.yml:"
#define OK_CONTRACT "contract: {fields: {id: string}}\n"

static void keys_of_ingot_yml(void **state)
{
    (void)state;
    expect_ingot("naem: x\n", "ingot.yml:1:1: unknown key 'naem'; did you mean 'name'?\n");
    expect_ingot("colour: red\n",
                 "ingot.yml:1:1: unknown key 'colour'; the keys of ingot.yml are name, log, store, "
                 "warehouse, registry, engine, listen, http, broker, topics, resources, process, logging\n");
    expect_ingot("name:\n", "ingot.yml:1:6: name has no value; give it a text, or leave the key out\n");
    expect_ingot("name: [a]\n", "ingot.yml:1:7: name: a list is not a text\n");
    expect_ingot("name: ''\n",
                 "ingot.yml:1:7: name: an empty name names nothing; leave the key out for the folder's\n");
    expect_ingot("resources: {memory: 512MP}\n",
                 "ingot.yml:1:21: memory: '512MP' is not a size like 64KB, 512MB or 2GB, from 64MB to 65536GB\n");
    expect_ingot("resources: {memory: 1MB}\n",
                 "ingot.yml:1:21: memory: '1MB' is not a size like 64KB, 512MB or 2GB, from 64MB to 65536GB\n");
    expect_ingot("resources: {threads: -1}\n", "ingot.yml:1:22: threads: '-1' is not a whole number from 0 to 1024\n");
    expect_ingot("resources: 512MB\n", "ingot.yml:1:12: resources: '512MB' is not a mapping of keys to values\n");
    expect_ingot("process: {every: 60}\n", "ingot.yml:1:18: every: '60' is not a duration like 250ms, 60s, 5m, 1h or "
                                           "7d, from 0s to 365d\n");
    expect_ingot("logging: jsn\n", "ingot.yml:1:10: logging: 'jsn' is not text or json; did you mean 'json'?\n");
    expect_ingot("http: 80\n", "ingot.yml:1:7: http: '80' is not an address like 127.0.0.1:8081 (port 0: any free "
                               "one), and not none\n");
    expect_ingot("http: none\n", "");
    expect_ingot("http: {listen: 127.0.0.1:0, user: me, password: secret}\n", "");
    expect_ingot("http: {user: me}\n", "ingot.yml:1:7: http: user and password go together, and neither is empty\n");
    expect_ingot("http: {certificate: a.pem}\n", "ingot.yml:1:7: http: certificate and key go together\n");
    expect_ingot("registry: kafka://a:1\n",
                 "ingot.yml:1:11: registry: 'kafka://a:1' is not a place; write inside or http(s)://HOST:PORT\n");
    expect_ingot("registry: https://a:8081\n", "");
    expect_ingot("- a\n", "ingot.yml:1:1: ingot.yml: a list is not a mapping of keys to values\n");
}

static void urls(void **state)
{
    (void)state;
    expect_ingot("log: ftp://nowhere\n", "ingot.yml:1:6: log: 'ftp://nowhere' is not a place that this version knows; "
                                         "write file:FOLDER or kafka://HOST:PORT\n");
    expect_ingot("log: kafka://host\n", "ingot.yml:1:6: log: 'kafka://host' is not like "
                                        "kafka://HOST:PORT[,HOST:PORT...][?property=value]\n");
    expect_ingot("log: kafka://a:1,b:99999\n", "ingot.yml:1:6: log: 'kafka://a:1,b:99999' is not like "
                                               "kafka://HOST:PORT[,HOST:PORT...][?property=value]\n");
    expect_ingot("log: kafka://a:1,b:2?client.id=x\n", "");
    expect_ingot("log: kafka://a:9092/?sasl.username=me\n", "");
    expect_ingot("log: kafka://me:secret@a:9092\n",
                 "ingot.yml:1:6: log: 'kafka://***@a:9092': a user and password are properties, like "
                 "kafka://HOST:PORT?sasl.username=...&sasl.password=${PASSWORD}\n");
    expect_ingot("store: s3://bucket/prefix?region=eu-west-1\n", "");
    expect_ingot("store: gs://bucket\n", "");
    expect_ingot("store: gs:///prefix\n", "ingot.yml:1:8: store: 'gs:///prefix' names no bucket\n");
    expect_ingot("store: s3://key:hunter2@bucket\n", "ingot.yml:1:8: store: keys do not belong into the URL; they come "
                                                     "from the environment (docs/stores.md)\n");
    expect_ingot("store: ftp://host\n", "ingot.yml:1:8: store: 'ftp://host' is not a place that this version knows; "
                                        "write file:FOLDER, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX\n");
    expect_ingot("store: \"file:\"\n", "ingot.yml:1:8: store: 'file:' is not a place that this version knows; write "
                                       "file:FOLDER, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX\n");
    expect_ingot("warehouse: postgres://u:hunter2@h/db\n",
                 "ingot.yml:1:12: warehouse: 'postgres://***@h/db' is not a place that this version knows; write "
                 "duckdb:FILE or none\n");
    expect_ingot("engine: spark\n",
                 "ingot.yml:1:9: engine: 'spark' is not an engine that this version knows; write duckdb:\n");
    expect_ingot("listen: 9092\n",
                 "ingot.yml:1:9: listen: '9092' is not an address like 127.0.0.1:9092 (port 0: any free one)\n");
    expect_ingot("listen: 127.0.0.1:99999\n", "ingot.yml:1:9: listen: '127.0.0.1:99999' is not an address like "
                                              "127.0.0.1:9092 (port 0: any free one)\n");
    expect_ingot("listen: '[::1]:9092'\n", "");
}

static void topics_of_no_domain(void **state)
{
    (void)state;
    expect_ingot("topics: {alerts: {partitions: 3, retention: forever}, changes: {cleanup: compact}, plain: }\n", "");
    expect_ingot("topics: [a]\n", "ingot.yml:1:9: topics: a mapping of topics is wanted, like {pipeline-alerts: "
                                  "{retention: 1d}}\n");
    expect_ingot("topics: {\"a b\": {}}\n", "ingot.yml:1:10: topics: 'a b' is not a topic's name: up to 249 letters, "
                                            "digits, '.', '_' and '-'\n");
    expect_ingot("topics: {a: {partitions: 0}}\n",
                 "ingot.yml:1:26: partitions: '0' is not a whole number from 1 to 1000\n");
    expect_ingot("topics: {a: {retention: 5 parsecs}}\n",
                 "ingot.yml:1:25: retention: '5 parsecs' is not a duration like 250ms, 60s, 5m, 1h or 7d, from 1s to "
                 "36500d\n");
    expect_ingot("topics: {a: {cleanup: wipe}}\n",
                 "ingot.yml:1:23: cleanup: 'wipe' is not delete, compact or compact,delete\n");
}

static void yaml_itself(void **state)
{
    (void)state;
    expect_ingot("name: [\n",
                 "ingot.yml:2:1: not YAML: while parsing a flow node, did not find expected node content\n");
    expect_ingot("name:\n\tb: c\n",
                 "ingot.yml:2:1: not YAML: while scanning for the next token, found character that cannot start any "
                 "token (a tab: indent with spaces)\n");
    expect_ingot("name: a\nname: b\n", "ingot.yml:2:1: the key 'name' is here twice; the first one is in line 1\n");
    expect_ingot("name: a\n---\nname: b\n", "ingot.yml:2:1: a second document ('---') begins here; a file holds one\n");
    expect_ingot("name: !!int 5\n", "ingot.yml:1:7: tags (!...) have no meaning here; write the value alone\n");
    expect_ingot("name: \"a\\0b\"\n", "ingot.yml:1:7: a value can not hold a NUL character\n");
    expect_ingot("[a]: b\n", "ingot.yml:1:1: a key is a word, not a list or a mapping\n");
    expect_ingot("name: *nobody\n",
                 "ingot.yml:1:7: an alias without its anchor: nothing before it is marked with &name\n");
    expect_ingot("name: &x [*x]\n", "ingot.yml:1:11: an alias can not stand inside of what it names\n");
    expect_ingot("name: caf\xe9\n", "ingot.yml:1:10: not YAML: incomplete UTF-8 octet sequence\n");
}

static void aliases_and_merges_work_within_bounds(void **state)
{
    (void)state;
    expect_domain("contract:\n"
                  "  fields:\n"
                  "    id: &text {type: string, required: true}\n"
                  "    city: *text\n"
                  "    land: {<<: *text, enum: [a, b]}\n",
                  "");
    expect_ingot("name: {a: &a [x,x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: &c "
                 "[*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], e: &e "
                 "[*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]}\n",
                 "ingot.yml:1:188: the file is too large once its aliases are expanded\n");
    /* a mistake behind an alias is one mistake */
    expect_domain("contract:\n  fields:\n    id: &t {type: strng}\n    city: *t\n",
                  D "3:19: type: 'strng' is not a type; did you mean 'string'?\n");
}

static void nesting_has_an_end(void **state)
{
    char deep[400];

    (void)state;
    memset(deep, '[', 200);
    memset(deep + 200, ']', 199);
    deep[399] = 0;
    expect_ingot(deep, "ingot.yml:1:49: lists and mappings are nested too deeply\n");
}

static void a_domain_has_a_contract(void **state)
{
    (void)state;
    expect_domain("description: x\n", D "1:1: a domain has a contract: add 'contract:' with 'fields:'\n");
    expect_domain("contract: {key: id}\n", D "1:11: the contract names its fields: add 'fields:', like {id: string}\n");
    expect_domain("contract: {fields: {}}\n",
                  D "1:20: fields: an empty mapping is not a mapping of names to types, like {id: string}\n");
    expect_domain("contrct: {}\n", D "1:1: a domain has a contract: add 'contract:' with 'fields:'\n" D
                                     "1:1: unknown key 'contrct'; did you mean 'contract'?\n");
}

static void field_types(void **state)
{
    (void)state;
    expect_domain("contract: {fields: {a: integer}}\n", D "1:24: type: 'integer' is not a type; did you mean 'int'?\n");
    expect_domain("contract: {fields: {a: VARCHAR}}\n",
                  D "1:24: type: 'VARCHAR' is not a type; did you mean 'string'?\n");
    expect_domain("contract: {fields: {a: blob}}\n", D "1:24: type: 'blob' is not a type; did you mean 'bool'?\n");
    expect_domain("contract: {fields: {a: wibble}}\n",
                  D "1:24: type: 'wibble' is not a type; the types are string, int, double, decimal(p,s), bool, "
                    "timestamp, date, json, list<type> and struct\n");
    expect_domain("contract: {fields: {a: decimal}}\n",
                  D "1:24: type: a decimal says its digits, all of them and those behind the point: decimal(10,2); at "
                    "most 38 digits\n");
    expect_domain("contract: {fields: {a: \"decimal(99,2)\"}}\n",
                  D "1:24: type: a decimal says its digits, all of them and those behind the point: decimal(10,2); at "
                    "most 38 digits\n");
    expect_domain("contract: {fields: {a: \"decimal(3,4)\"}}\n",
                  D "1:24: type: a decimal says its digits, all of them and those behind the point: decimal(10,2); at "
                    "most 38 digits\n");
    expect_domain("contract: {fields: {a: {required: true}}}\n",
                  D "1:24: field 'a' has no type; give it one, like 'type: string'\n");
    expect_domain("contract: {fields: {a: list}}\n",
                  D "1:24: field 'a' is a list of what? Write list<string>, or add 'items:'\n");
    expect_domain("contract: {fields: {a: struct}}\n", D "1:24: field 'a' is a struct of what? Add 'fields:'\n");
    expect_domain("contract: {fields: {a: list<itn>}}\n",
                  D "1:24: type: 'list<itn>' is not a type; did you mean 'int'?\n");
    expect_domain("contract: {fields: {a: {type: string, items: int}}}\n", D "1:39: 'items' goes with 'type: list'\n");
    expect_domain("contract: {fields: {a: {type: int, fields: {b: int}}}}\n",
                  D "1:36: 'fields' goes with 'type: struct'\n");
    expect_domain("contract: {fields: {a: [int]}}\n",
                  D "1:24: field 'a': a list is not a type, like string, or {type: string, required: true}\n");
    expect_domain("contract: {fields: {a: list<list<int>>, \"b\": \"decimal( 10 , 2 )\", c: decimal(5)}}\n", "");
}

static void rules_fit_their_type(void **state)
{
    (void)state;
    expect_domain("contract: {fields: {a: {type: bool, min: 1}}}\n",
                  D "1:37: 'min' has no meaning for type bool; it is for numbers, and for the length of strings\n");
    expect_domain("contract: {fields: {a: {type: int, enum: [1]}}}\n",
                  D "1:36: 'enum' has no meaning for type int; it is for strings\n");
    expect_domain("contract: {fields: {a: {type: date, pattern: x}}}\n",
                  D "1:37: 'pattern' has no meaning for type date; it is for strings\n");
    expect_domain("contract: {fields: {a: {type: string, unit: ms}}}\n",
                  D "1:39: 'unit' has no meaning for type string; it is for timestamps that come as numbers\n");
    expect_domain("contract: {fields: {a: {type: timestamp, unit: minutes}}}\n",
                  D "1:48: unit: 'minutes' is not s, ms or us\n");
    expect_domain("contract: {fields: {a: {type: int, min: 5, max: 4}}}\n",
                  D "1:41: min: '5' is more than the max, '4'\n");
    expect_domain("contract: {fields: {a: {type: int, min: few}}}\n", D "1:41: min: 'few' is not a number\n");
    expect_domain("contract: {fields: {a: {type: string, pattern: '[a'}}}\n",
                  D "1:48: pattern: '[a' is not an extended regular expression: Unmatched [, [^, [:, [., or [=\n");
    expect_domain("contract: {fields: {a: {type: string, pattern: '((x{1,255}){255})*'}}}\n",
                  D "1:48: pattern: '((x{1,255}){255})*' is more than 20000 characters once its repetitions are "
                    "written out\n");
    expect_domain("contract: {fields: {a: {type: string, enum: []}}}\n",
                  D "1:45: enum: an empty list allows nothing; list the values, or leave the key out\n");
    expect_domain("contract: {fields: {a: {type: string, enum: [x, y, x]}}}\n", D "1:52: enum: 'x' is listed twice\n");
    expect_domain("contract: {fields: {a: {type: string, required: yes}}}\n",
                  D "1:49: required: 'yes' is not true or false\n");
    expect_domain("contract: {fields: {a: {type: string, path: ''}}}\n", D "1:45: path: an empty path leads nowhere\n");
}

static void required_when_names_a_sibling_and_its_values(void **state)
{
    (void)state;
    expect_domain("contract: {fields: {t: {type: string, enum: [a, b]}, x: {type: int, required_when: {t: [a]}}}}\n",
                  "");
    expect_domain("contract: {fields: {kind: string, x: {type: int, required_when: {knid: [a]}}}}\n",
                  D "1:66: required_when: there is no field 'knid'; did you mean 'kind'?\n");
    expect_domain("contract: {fields: {t: {type: string, enum: [a]}, x: {type: int, required_when: {t: [c]}}}}\n",
                  D "1:85: required_when: 'c' is not among the values of 't'\n");
    expect_domain("contract: {fields: {t: json, x: {type: int, required_when: {t: [c]}}}}\n",
                  D "1:61: required_when: 't' is a json and has no single value\n");
    expect_domain("contract: {fields: {t: string, x: {type: int, required_when: t}}}\n",
                  D "1:62: required_when: 't' is not one field with its values, like {event_type: [purchase, "
                    "refund]}\n");
}

static void column_names(void **state)
{
    (void)state;
    expect_domain("contract: {fields: {_topic: string}}\n",
                  D "1:21: '_topic' is a column that ingot adds itself; take another name and 'path: _topic'\n");
    expect_domain("contract: {fields: {Record_Hash: string}}\n",
                  D "1:21: 'Record_Hash' is a column that ingot adds itself; take another name and 'path: "
                    "Record_Hash'\n");
    expect_domain("contract: {fields: {'a b': string}}\n",
                  D "1:21: 'a b' can not be a column's name: letters, digits and _ only; with 'path:' it can read any "
                    "name\n");
    expect_domain("contract: {fields: {Price: int, price: int}}\n",
                  D "1:33: 'price' and 'Price' differ only in case, and would be one column\n");
    expect_domain("contract: {fields: {event_date: string}}\n",
                  D "1:21: 'event_date' is a field and the date column too; give the date column another name with "
                    "'bronze: {partition_by: ...}'\n");
    expect_domain("contract: {event_time: event_date, fields: {event_date: date}}\n", "");
    expect_domain("bronze: {partition_by: _offset}\n" OK_CONTRACT,
                  D "1:24: partition_by: '_offset' can not be the date column's name: ingot has a column of that "
                    "name\n");
    expect_domain("bronze: {partition_by: ../x}\n" OK_CONTRACT,
                  D "1:24: partition_by: '../x' can not be the date column's name\n");
}

static void the_contract_names_its_fields(void **state)
{
    (void)state;
    expect_domain("contract: {key: oder_id, fields: {order_id: string}}\n",
                  D "1:17: key: there is no field 'oder_id'; did you mean 'order_id'?\n");
    expect_domain("contract: {key: [id, wibble], fields: {id: string}}\n",
                  D "1:22: key: there is no field 'wibble' in the contract\n");
    expect_domain("contract: {key: [id, id], fields: {id: string}}\n", D "1:22: key: 'id' is listed twice\n");
    expect_domain("contract: {key: p, fields: {p: json}}\n",
                  D "1:17: key: 'p' is of type json; a single value, not json, list or struct, is wanted\n");
    expect_domain("contract: {event_time: amount, fields: {amount: double}}\n",
                  D "1:24: event_time: 'amount' is of type double; a timestamp or date is wanted\n");
    expect_domain("contract: {key: id, order_by: ok, fields: {id: string, ok: bool}}\n",
                  D "1:31: order_by: 'ok' is of type bool; something with an order, like a timestamp or a number, is "
                    "wanted\n");
    expect_domain("contract: {order_by: id, fields: {id: string}}\n",
                  D "1:22: order_by chooses the latest row of a key; add 'key:'\n");
    expect_domain("contract: {unique: table, fields: {id: string}}\n",
                  D "1:20: unique: table needs a key to be unique by; add 'key:'\n");
    expect_domain("contract: {unique: tabel, fields: {id: string}}\n",
                  D "1:20: unique: 'tabel' is not partition or table; did you mean 'table'?\n");
    expect_domain("contract: {not_before: 2020-13-01, fields: {id: string}}\n",
                  D "1:24: not_before: '2020-13-01' is not a date like 2020-01-01\n");
}

static void topics(void **state)
{
    (void)state;
    expect_domain("topic: {name: ../raw}\n" OK_CONTRACT,
                  D "1:15: name: '../raw' is not a topic's name: up to 249 letters, digits, '.', '_' and '-'\n");
    expect_domain("topic: {partitions: 0}\n" OK_CONTRACT,
                  D "1:21: partitions: '0' is not a whole number from 1 to 1000\n");
    expect_domain("topic: {partitions: six}\n" OK_CONTRACT,
                  D "1:21: partitions: 'six' is not a whole number from 1 to 1000\n");
    expect_domain("topic: {name: x, dlq: x}\n" OK_CONTRACT,
                  D "1:23: the topic 'x' is taken by domain 'events'; every topic has its own name\n");
    expect_domain("topic: {key: user}\ncontract: {fields: {user_id: string}}\n",
                  D "1:14: key: there is no field 'user' in the contract\n");
    expect_domain("topic: {key: props.user}\ncontract: {fields: {p: {type: json, path: props}}}\n", "");
    expect_domain("topic: {key: a.b}\ncontract: {fields: {x: {type: int, path: a.b}}}\n", "");
}

static void sources(void **state)
{
    (void)state;
    expect_domain("source: {typ: file}\n" OK_CONTRACT,
                  D "1:9: source: its type is missing; add 'type: file' or 'type: generate'\n");
    expect_domain("source: {type: fil}\n" OK_CONTRACT,
                  D "1:16: type: 'fil' is not none, generate or file; did you mean 'file'?\n");
    expect_domain("source: {type: file}\n" OK_CONTRACT,
                  D "1:9: a file source names its files: add 'path: data/*.csv' or a list of paths\n");
    expect_domain("source: {type: generate}\n" OK_CONTRACT,
                  D "1:9: a generate source says what to make: add 'generator:' with clickstream, orders, restaurants "
                    "or users\n");
    expect_domain("source: {type: generate, generator: clicks, rate: 10}\n" OK_CONTRACT,
                  D "1:37: generator: 'clicks' is not clickstream, orders, restaurants or users\n" D
                    "1:51: rate: '10' is not a rate like 10/s, 600/min or max\n");
    expect_domain("source: {type: generate, generator: users, late: 120%}\n" OK_CONTRACT,
                  D "1:50: late: '120%' is not a share like 1% or 0.01, from 0 to 1\n");
    expect_domain("source: {type: generate, generator: users, start: yesterday}\n" OK_CONTRACT,
                  D "1:51: start: 'yesterday' is not a time like 2024-01-15T06:00:00Z\n");
    expect_domain("source: {type: generate, generator: users, count: 0}\n" OK_CONTRACT,
                  D "1:51: count: '0' is not a whole number from 1 up\n");
    expect_domain("source: {type: file, path: x.csv, format: tsv}\n" OK_CONTRACT,
                  D "1:43: format: 'tsv' is not auto, csv, parquet or ndjson; did you mean 'csv'?\n");
    expect_domain("source: {type: file, path: x.csv, sql: ../../x.sql}\n" OK_CONTRACT,
                  D "1:40: '../../x.sql' leaves the domain's folder; name a file in domains/events, like "
                    "gold/name.sql\n");
}

static void sql_files(void **state)
{
    struct project p;

    (void)state;
    project_begin(&p);
    project_write(&p, "ingot.yml", "");
    project_write(&p, "domains/events/domain.yml",
                  OK_CONTRACT "silver: {sql: nope.sql}\n"
                              "gold:\n"
                              "  a: {key: x}\n"
                              "  b: {sql: /etc/passwd, key: x}\n"
                              "  c: {sql: gold/../../../x.sql, key: x}\n"
                              "  d: {key: x}\n"
                              "  e: {key: x}\n"
                              "  f: {}\n"
                              "  silver_x: {sql: gold/f.sql, key: x}\n"
                              "  ../g: {key: x}\n");
    project_write(&p, "domains/events/gold/d.sql", "SELECT 1;\n\nSELECT ';' -- two\n");
    project_write(&p, "domains/events/gold/e.sql", "-- nothing; here\n/* ; */ ;\n");
    project_write(&p, "domains/events/gold/f.sql", "SELECT $$;$$, ';', \";\" /* ; */ FROM silver -- ;\n;");
    project_write(&p, "domains/events/gold/unused.sql", "SELECT 1");
    project_write(&p, "domains/events/tests/bad.sql", "SELECT '\xff'");
    project_expect(
        &p, D "2:15: there is no file domains/events/nope.sql\n" D "4:3: there is no file domains/events/gold/a.sql\n" D
              "5:12: '/etc/passwd' leaves the domain's folder; name a file in domains/events, like "
              "gold/name.sql\n" D
              "6:12: 'gold/../../../x.sql' leaves the domain's folder; name a file in domains/events, like "
              "gold/name.sql\n" D
              "9:3: the gold table 'f' needs the columns that identify a row: add 'key:', like [event_date, "
              "hour]\n" D "10:3: 'silver_x' is the name of a view that SQL of a domain sees; give the table "
              "another name\n" D
              "11:3: '../g' is not a table's name: lower-case letters, digits and _, a letter first, at most "
              "63\n"
              "domains/events/gold/d.sql:3:1: a second statement begins here; a file holds one SELECT\n"
              "domains/events/gold/e.sql:1:1: there is no statement in this file\n"
              "domains/events/gold/unused.sql:1:1: this file is not used; add it under 'gold:' in "
              "domains/events/domain.yml\n"
              "domains/events/tests/bad.sql:1:1: not a text file in UTF-8\n");
    project_end(&p);
}

static void a_link_out_of_the_project_is_refused(void **state)
{
    struct project p;
    char path[128];

    (void)state;
    project_begin(&p);
    project_write(&p, "ingot.yml", "");
    project_write(&p, "domains/events/domain.yml", OK_CONTRACT "silver: {sql: link.sql}\n");
    snprintf(path, sizeof(path), "%s/domains/events/link.sql", p.root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    project_expect(&p, D "2:15: domains/events/link.sql is a link that leaves the project's folder\n");
    project_end(&p);
}

static void folders_of_domains(void **state)
{
    struct project p;

    (void)state;
    project_begin(&p);
    project_write(&p, "ingot.yml", "");
    project_write(&p, "domains/Orders/domain.yml", OK_CONTRACT);
    project_write(&p, "domains/a-b/domain.yml", OK_CONTRACT);
    project_write(&p, "domains/9lives/domain.yml", OK_CONTRACT);
    project_write(&p, "domains/empty/notes.txt", "");
    project_write(&p, "domains/.hidden/domain.yml", "x");
    project_write(&p, "domains/README.md", "x");
#define NAME_RULE \
    " is not a domain's name: lower-case letters, digits and _, a letter first, at most 63; rename the folder\n"
    project_expect(&p, "domains/9lives:1:1: '9lives'" NAME_RULE "domains/Orders:1:1: 'Orders'" NAME_RULE
                       "domains/a-b:1:1: 'a-b'" NAME_RULE "domains/empty/domain.yml:1:1: there is no domain.yml in "
                       "this folder; every folder in domains/ is a domain\n");
    project_end(&p);
}

static void domains_among_each_other(void **state)
{
    struct project p;

    (void)state;
    project_begin(&p);
    project_write(&p, "ingot.yml", "");
    project_write(&p, "domains/a/domain.yml", OK_CONTRACT "depends_on: [b]\ngold: {t: {key: id}}\n");
    project_write(&p, "domains/b/domain.yml", OK_CONTRACT "depends_on: c\n");
    project_write(&p, "domains/c/domain.yml", OK_CONTRACT "depends_on: [zonse, a]\ntopic: {name: raw-a}\n");
    project_write(&p, "domains/d/domain.yml", OK_CONTRACT "depends_on: [d]\ngold: {t: {key: id}}\n");
    project_write(&p, "domains/zones/domain.yml", OK_CONTRACT);
    project_write(&p, "domains/a/gold/t.sql", "SELECT 1");
    project_write(&p, "domains/d/gold/t.sql", "SELECT 1");
    project_expect(&p,
                   "domains/a/domain.yml:2:14: depends_on goes in a circle: a -> b -> c -> a\n"
                   "domains/c/domain.yml:1:1: the topic 'dlq-raw-a' is taken by domain 'a'; every topic has its own "
                   "name\n"
                   "domains/c/domain.yml:2:14: depends_on: there is no domain 'zonse'; did you mean 'zones'?\n"
                   "domains/c/domain.yml:3:15: the topic 'raw-a' is taken by domain 'a'; every topic has its own "
                   "name\n"
                   "domains/d/domain.yml:2:14: depends_on goes in a circle: d -> d\n"
                   "domains/d/domain.yml:3:8: the gold table 't' is taken by domain 'a'; every gold table has its "
                   "own name\n");
    project_end(&p);
}

static void all_files_are_reported_in_one_run(void **state)
{
    struct project p;

    (void)state;
    project_begin(&p);
    project_write(&p, ".env", "A=1\nnonsense\nB=\"x\n");
    project_write(&p, "ingot.yml", "lisen: x\nname: ${NOT_SET_ANYWHERE}\n");
    project_write(&p, "domains/a/domain.yml", "retires: 3\n" OK_CONTRACT);
    project_expect(&p, ".env:2:1: not a line of the form NAME=VALUE, where a name is letters, digits and _\n"
                       ".env:3:3: the closing quote is missing\n"
                       "domains/a/domain.yml:1:1: unknown key 'retires'; did you mean 'retries'?\n"
                       "ingot.yml:1:1: unknown key 'lisen'; did you mean 'listen'?\n"
                       "ingot.yml:2:7: the variable NOT_SET_ANYWHERE is not set; set it in the environment or in "
                       ".env, or write ${NOT_SET_ANYWHERE:-default}\n");
    assert_non_null(strstr(p.err.msg, "has 5 mistakes; the first one: .env:2:1: "));
    project_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_ingot_yml),
        cmocka_unit_test(urls),
        cmocka_unit_test(topics_of_no_domain),
        cmocka_unit_test(yaml_itself),
        cmocka_unit_test(aliases_and_merges_work_within_bounds),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(a_domain_has_a_contract),
        cmocka_unit_test(field_types),
        cmocka_unit_test(rules_fit_their_type),
        cmocka_unit_test(required_when_names_a_sibling_and_its_values),
        cmocka_unit_test(column_names),
        cmocka_unit_test(the_contract_names_its_fields),
        cmocka_unit_test(topics),
        cmocka_unit_test(sources),
        cmocka_unit_test(sql_files),
        cmocka_unit_test(a_link_out_of_the_project_is_refused),
        cmocka_unit_test(folders_of_domains),
        cmocka_unit_test(domains_among_each_other),
        cmocka_unit_test(all_files_are_reported_in_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
