-- Returns the days on which the stream events and CleverTap's own counts (daily_event_counts) differ.
-- No rows: nothing is missing or duplicated. The newest day is left out, because it is still growing.
-- Both streams must have the same events and days, and event_filters must be empty.
SELECT event_name, day, max(delivered) AS delivered, max(counted) AS counted
FROM (
    SELECT event_name,
           substr(CAST(ts AS VARCHAR(20)), 1, 8) AS day,
           count(DISTINCT event_id) AS delivered,
           0 AS counted
    FROM events
    WHERE event_time IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT event_name, replace(substr(CAST(date AS VARCHAR(20)), 1, 10), '-', ''), 0, max("count")
    FROM daily_event_counts
    GROUP BY 1, 2
) AS both_sides
WHERE day < (SELECT replace(substr(CAST(max(date) AS VARCHAR(20)), 1, 10), '-', '') FROM daily_event_counts)
GROUP BY event_name, day
HAVING max(delivered) <> max(counted)
ORDER BY event_name, day
