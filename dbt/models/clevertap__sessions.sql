with marked as (
  select *,
    coalesce(object_id, profile_id) as device,
    lag(event_time) over (
      partition by coalesce(object_id, profile_id), ct_session_id order by event_time, event_id
    ) as time_before
  from {{ ref('clevertap__events') }}
  where event_time is not null
),
numbered as (
  select *,
    sum(case
      when ct_session_id is null
        and {{ dbt.datediff('time_before', 'event_time', 'second') }} > {{ var('session_minutes') * 60 }} then 1
      else 0
    end) over (
      partition by device, ct_session_id order by event_time, event_id rows unbounded preceding
    ) as pauses
  from marked
)
select
  device || '/' || coalesce(ct_session_id, min(event_id)) as session_id,
  coalesce(max(user_identity), max(profile_id)) as profile_id,
  max(object_id) as object_id,
  ct_session_id,
  min(event_time) as started_at,
  max(event_time) as ended_at,
  min(event_day) as session_day,
  {{ dbt.datediff('min(event_time)', 'max(event_time)', 'second') }} as seconds,
  count(*) as events,
  sum(revenue) as revenue
from numbered
group by device, ct_session_id, pauses
