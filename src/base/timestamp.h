/*
 * Dates and times, always UTC, proleptic Gregorian. A date is a count of days since 1970-01-01, a time a count of
 * microseconds since then.
 */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include "base/str.h"

#define DATE_NONE INT32_MIN
#define US_PER_DAY INT64_C(86400000000)

/* "2024-01-15". Years 0001 to 9999. */
bool date_parse(struct str s, int32_t *days);
/* Writes YYYY-MM-DD and a NUL; returns `out`. Years outside 0..9999 are written as they are. */
char *date_format(int32_t days, char out[16]);

/* ISO 8601: date, 'T' or a space, hh:mm[:ss[.fraction up to 9 digits]], then Z, +hh:mm, +hhmm, +hh or nothing (UTC); or
 * a date alone. Rejects what does not exist (month 13, 25:00; second 60 is taken as the next minute's 0). */
bool timestamp_parse(struct str s, int64_t *us);
/* 2024-01-15T06:00:00.123456Z, with no fraction if it is zero, ms if that is exact. */
char *timestamp_format(int64_t us, char out[40]);

/* The date that a time falls on (floor, also before 1970). */
int32_t timestamp_date(int64_t us);

void date_to_civil(int32_t days, int *year, unsigned *month, unsigned *day);
int32_t date_of_civil(int year, unsigned month, unsigned day);

#endif
