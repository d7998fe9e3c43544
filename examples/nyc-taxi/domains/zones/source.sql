-- A lookup table has no date. It gets the one since when trips have zone numbers, so that every run has the same tables.
SELECT "LocationID"      AS zone_id,
       "Borough"         AS borough,
       "Zone"            AS zone,
       "service_zone"    AS service_zone,
       '2016-07-01'      AS valid_from
FROM input
