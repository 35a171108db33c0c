{{ config(enabled='campaigns' in var('clevertap_tables')) }}
select
  id as campaign_id,
  name as campaign_name,
  scheduled_on,
  status,
  synced_on
from ({{ newest(source('clevertap', 'campaigns'), 'id') }}) as newest
