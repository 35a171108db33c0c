{{ clevertap_funnel(var('funnel_events'), var('funnel_days')) }}
