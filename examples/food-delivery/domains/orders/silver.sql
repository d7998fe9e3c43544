SELECT *,
       len(items)                                          AS n_dishes,
       CAST(list_sum([i.quantity FOR i IN items]) AS BIGINT) AS n_portions,
       date_diff('second', created_at, updated_at) / 60.0  AS minutes_so_far
FROM input
