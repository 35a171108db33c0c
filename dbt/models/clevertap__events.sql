{{ config(materialized='incremental', unique_key='event_id', on_schema_change='fail') }}
with copies as (
  select *, row_number() over (partition by event_id order by loaded_at desc) as place
  from {{ ref('stg_clevertap__events') }}
  {% if is_incremental() %}
  where loaded_at >= (
    select coalesce(max(loaded_at), cast('2000-01-01' as {{ dbt.type_timestamp() }})) from {{ this }}
  )
  {% endif %}
)
select
  event_id,
  event_name,
  event_time,
  event_day,
  profile_id,
  user_identity,
  object_id,
  ct_session_id,
  wzrk_id,
  utm_source,
  platform,
  app_version,
  revenue,
  {% for column in property_names() %}
  {{ column }},
  {% endfor %}
  event_props,
  loaded_at
from copies
where place = 1
