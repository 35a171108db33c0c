-- Three common questions about CleverTap's data. The queries run in DuckDB after `make sync`
-- (`duckdb sandbox.duckdb < examples/questions.sql`), in SQLite, and with few changes elsewhere.

-- 1. How many users raised each event on a day, and how often? Before login, a device counts as a user.
SELECT event_name,
       substr(CAST(ts AS VARCHAR(20)), 1, 8) AS day,
       count(DISTINCT coalesce(CAST(identity AS VARCHAR(200)), object_id)) AS users,
       count(*) AS times
FROM events
WHERE event_time IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2;

-- 2. Who raised an event? Events and profiles are joined on identity, because object_id is a device's and a user
-- can have several devices. Users who never logged in have no identity and are not included.
SELECT e.event_name,
       coalesce(p.email, 'no e-mail address') AS email,
       count(*) AS times,
       max(e.event_time) AS last_time
FROM events AS e
JOIN (
    SELECT CAST(identity AS VARCHAR(200)) AS identity, max(email) AS email
    FROM profiles
    WHERE identity IS NOT NULL
    GROUP BY 1
) AS p ON p.identity = CAST(e.identity AS VARCHAR(200))
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
