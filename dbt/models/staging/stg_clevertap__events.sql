select
  event_id,
  event_name,
  event_time,
  case when event_time is not null then {{ day_of('ts') }} end as event_day,
  profile_id,
  {{ raw('identity') }} as user_identity,
  object_id,
  nullif({{ json_text('event_props', 'CT Session Id') }}, '') as ct_session_id,
  nullif({{ json_text('event_props', 'wzrk_id') }}, '') as wzrk_id,
  {{ json_text('session_props', 'utm_source') }} as utm_source,
  {{ json_text('profile', 'platform') }} as platform,
  {{ json_text('profile', 'app_version') }} as app_version,
  case {{ property_value(var('revenue_event'), var('revenue_property'), true) }} end as revenue,
  {% for column in property_names() %}
  case
    {% for event, name, number, of in property_columns() if of == column -%}
    {{ property_value(event, name, number) }}
    {% endfor -%}
  end as {{ column }},
  {% endfor %}
  event_props,
  {{ loaded_at() }} as loaded_at
from {{ source('clevertap', 'events') }}
