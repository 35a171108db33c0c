{{ config(enabled='message_reports' in var('clevertap_tables')) }}
select
  message_id,
  message_name,
  channel,
  delivery,
  status,
  date as start_day,
  start_time,
  conversion_event,
  sent,
  viewed,
  clicked
from ({{ newest(source('clevertap', 'message_reports'), 'message_id') }}) as newest
