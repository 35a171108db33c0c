-- Views for the DuckDB file that `make sync` writes. `make questions` creates them first.

CREATE OR REPLACE VIEW users AS -- those who have logged in, one row for each (before login the key is the device)
SELECT *
FROM profiles
WHERE identity IS NOT NULL;

CREATE OR REPLACE VIEW device_users AS -- the identity that used each device last
SELECT object_id, max_by(identity, event_time) AS identity, max(event_time) AS last_seen
FROM events
GROUP BY object_id;

CREATE OR REPLACE VIEW daily_active_users AS -- by day in the project's time zone
SELECT date AS day,
       count(DISTINCT profile_id) AS users,
       count(*) AS events
FROM events
WHERE event_time IS NOT NULL
GROUP BY 1;

CREATE OR REPLACE VIEW user_events AS -- of known and anonymous users, with the profile as it is now
SELECT e.event_name,
       e.event_time,
       e.event_props,
       e.profile_id,
       p.name,
       p.email,
       p.profileData
FROM events AS e
LEFT JOIN profiles AS p ON p.profile_id = e.profile_id;

CREATE OR REPLACE VIEW counted_daily_users AS -- CleverTap's count of daily active users, by event
SELECT date AS day, event_name, users
FROM daily_event_users;

CREATE OR REPLACE VIEW charges AS -- with typed properties (values that are not numbers become NULL)
SELECT event_id,
       event_time,
       profile_id,
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
