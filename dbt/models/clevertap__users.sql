{% set with_profiles = 'profiles' in var('clevertap_tables') %}
with activity as (
  select
    profile_id,
    max(user_identity) as user_identity,
    min(event_time) as first_seen,
    max(event_time) as last_seen,
    min(event_day) as first_day,
    max(event_day) as last_day,
    count(*) as events,
    count(distinct event_day) as active_days,
    count(distinct object_id) as devices,
    sum(revenue) as revenue
  from {{ ref('clevertap__events') }}
  where profile_id is not null
  group by 1
),
sessions as (
  select profile_id, count(*) as sessions from {{ ref('clevertap__sessions') }} group by 1
),
platforms as (
  select profile_id, platform,
    row_number() over (partition by profile_id order by event_time desc, event_id) as place
  from {{ ref('clevertap__events') }}
  where event_time is not null and platform is not null
),
people as (
  select profile_id from activity
  {% if with_profiles %}
  union all
  select profile_id from {{ ref('stg_clevertap__profiles') }}
  where profile_id not in (select profile_id from activity)
  {% endif %}
)
select
  people.profile_id,
  {% if with_profiles %}
  coalesce(profiles.user_identity, activity.user_identity) as user_identity,
  profiles.name,
  profiles.email,
  profiles.phone,
  {% for channel in var('opt_ins') %}
  profiles.opt_in_{{ channel }},
  {% endfor %}
  profiles.has_push_token,
  {% else %}
  activity.user_identity,
  {% endif %}
  activity.first_seen,
  activity.last_seen,
  activity.first_day,
  activity.last_day,
  coalesce(activity.events, 0) as events,
  coalesce(sessions.sessions, 0) as sessions,
  coalesce(activity.active_days, 0) as active_days,
  coalesce(activity.devices, 0) as devices,
  platforms.platform as last_platform,
  coalesce(activity.revenue, 0) as revenue
from people
left join activity on activity.profile_id = people.profile_id
left join sessions on sessions.profile_id = people.profile_id
left join platforms on platforms.profile_id = people.profile_id and platforms.place = 1
{% if with_profiles %}
left join {{ ref('stg_clevertap__profiles') }} as profiles on profiles.profile_id = people.profile_id
{% endif %}
