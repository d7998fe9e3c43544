/*
 * make TABLE | SELECT or nothing | {"columns":[{"name","type","not_null","comment","generated","default","identity",
 *      "by_default","start","step"}],"partition_by":[],"cluster_by":[],"properties":{},"comment"}
 * alter TABLE | {"alter":"set", ...}: the members of struct lake_alteration; the kinds are in script_schema.c
 */
#ifndef TEST_LAKE_SCRIPT_SCHEMA_H
#define TEST_LAKE_SCRIPT_SCHEMA_H

#include "lake/lake.h"

enum ig_code script_make(struct lake_table *t, const char *select, const char *json, struct error *err);
enum ig_code script_alter(struct lake_table *t, const char *json, struct buf *out, struct error *err);

#endif
