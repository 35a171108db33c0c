"""A configuration for the tests, and what to change in it."""

from typing import Any

Json = dict[str, Any]

ACCOUNT_ID = "ABC-123-4567"
PASSCODE = "s3cret-passcode"
HOST = "https://in1.api.clevertap.com"
DAY = {"start_date": 20221119, "end_date": 20221119}


def config(**changes: Any) -> Json:
    """The example of the README; a change to None leaves the setting out."""
    settings = {
        **{"account_id": ACCOUNT_ID, "passcode": PASSCODE, "region": "in1", "event_name": "App Launched"},
        **{"start_date": 20220101, "end_date": 20260212, **changes},
    }
    return {name: value for name, value in settings.items() if value is not None}
