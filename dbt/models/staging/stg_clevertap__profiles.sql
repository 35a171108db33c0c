{{ config(enabled='profiles' in var('clevertap_tables')) }}
select
  profile_id,
  {{ raw('identity') }} as user_identity,
  name,
  email,
  phone,
  active_through,
  {% for channel, property in var('opt_ins').items() %}
  lower({{ json_text(raw('profileData'), property) }}) in ('true', '1') as opt_in_{{ channel }},
  {% endfor %}
  {{ contains(json_string(raw('platformInfo')), 'push_token') }} as has_push_token,
  {{ raw('profileData') }} as profile_data
from ({{ newest(source('clevertap', 'profiles'), 'profile_id') }}) as newest
