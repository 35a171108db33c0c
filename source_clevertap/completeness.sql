-- Returns the days on which the stream events and CleverTap's own counts (daily_event_counts) differ.
-- No rows: nothing is missing or duplicated. Both streams must have the same events and days, and event_filters must
-- be empty. The newest day, which is still growing, and days before the first count are left out.
-- A day is that of ts, by which, we assume, CleverTap counts. It is the day in date, too, unless the device's clock was
-- wrong: then date is the nearest day of the export window. In BigQuery, write STRING in place of VARCHAR(10).
SELECT event_name, day, max(delivered) AS delivered, max(counted) AS counted
FROM (
    SELECT event_name, substr(ts, 1, 8) AS day, count(DISTINCT event_id) AS delivered, 0 AS counted
    FROM events
    WHERE event_time IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT event_name, replace(CAST(date AS VARCHAR(10)), '-', ''), 0, max(count)
    FROM daily_event_counts
    GROUP BY 1, 2
) AS both_sides
WHERE day >= (SELECT replace(CAST(min(date) AS VARCHAR(10)), '-', '') FROM daily_event_counts)
  AND day < (SELECT replace(CAST(max(date) AS VARCHAR(10)), '-', '') FROM daily_event_counts)
GROUP BY event_name, day
HAVING max(delivered) <> max(counted)
ORDER BY event_name, day
