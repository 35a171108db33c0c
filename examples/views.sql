-- Views for the DuckDB file that `make sync` writes. `make questions` creates them first.

-- Before login a user is known by the device only: identity is null, object_id is the device's.
CREATE OR REPLACE VIEW users AS -- one row per identity: the device in the latest export window
SELECT * EXCLUDE (place)
FROM (
    SELECT *, row_number() OVER (PARTITION BY identity ORDER BY active_through DESC, object_id) AS place
    FROM profiles
    WHERE identity IS NOT NULL
)
WHERE place = 1;

CREATE OR REPLACE VIEW device_users AS -- the identity that used each device last
SELECT object_id, max_by(identity, event_time) AS identity, max(event_time) AS last_seen
FROM events
GROUP BY object_id;

CREATE OR REPLACE VIEW daily_active_users AS -- by day in the project's time zone, like ts
SELECT strptime(substr(CAST(ts AS VARCHAR), 1, 8), '%Y%m%d')::DATE AS day,
       count(DISTINCT coalesce(identity, object_id)) AS users,
       count(*) AS events
FROM events
WHERE event_time IS NOT NULL
GROUP BY 1;

CREATE OR REPLACE VIEW counted_daily_users AS -- CleverTap's count of daily active users, by event
SELECT date AS day, event_name, users
FROM daily_event_users;

CREATE OR REPLACE VIEW charges AS -- with typed properties (values that are not numbers become NULL)
SELECT event_id,
       event_time,
       identity,
       object_id,
       TRY_CAST(event_props ->> '$.Amount' AS DOUBLE) AS amount,
       event_props ->> '$.Currency' AS currency
FROM events
WHERE event_name = 'Charged';

CREATE OR REPLACE VIEW message_performance AS
SELECT message_id,
       message_name,
       channel,
       start_time,
       sent,
       viewed,
       clicked,
       round(100.0 * viewed / nullif(sent, 0), 1) AS viewed_percent,
       round(100.0 * clicked / nullif(viewed, 0), 1) AS clicked_percent
FROM message_reports;
