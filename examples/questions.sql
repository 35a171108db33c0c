-- Three common questions about CleverTap's data. The queries run in DuckDB after `make sync`
-- (`make questions`, or `duckdb sandbox.duckdb < examples/questions.sql`), and with few changes elsewhere.

-- 1. How many users raised each event on a day, and how often? The day is that of ts, the device's clock.
SELECT event_name,
       substr(ts, 1, 8) AS day,
       count(DISTINCT profile_id) AS users,
       count(*) AS times
FROM events
WHERE event_time IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2;

-- 2. Who raised an event? profile_id joins events and profiles. Users who never logged in have no e-mail address.
SELECT e.event_name,
       coalesce(p.email, 'no e-mail address') AS email,
       count(*) AS times,
       max(e.event_time) AS last_time
FROM events AS e
JOIN profiles AS p ON p.profile_id = e.profile_id
GROUP BY 1, 2
ORDER BY times DESC, 1, 2;

-- 3. How many recipients of a message viewed it, and how many clicked? Messages without counts are left out.
SELECT channel,
       count(*) AS messages,
       sum(sent) AS sent,
       sum(viewed) AS viewed,
       sum(clicked) AS clicked,
       round(100.0 * sum(viewed) / nullif(sum(sent), 0), 1) AS viewed_percent,
       round(100.0 * sum(clicked) / nullif(sum(viewed), 0), 1) AS clicked_percent
FROM message_reports
WHERE sent IS NOT NULL
GROUP BY 1
ORDER BY sent DESC, 1;
