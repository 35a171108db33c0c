"""A fake CleverTap over real HTTP.

The account that it serves: account.py (profiles, events), tables.py (the rest). Its API: exports.py,
endpoints.py (the rest), faults.py, and server.py, which holds them together.
"""

from source_clevertap.sandbox.account import Account
from source_clevertap.sandbox.faults import Fault
from source_clevertap.sandbox.server import Sandbox

__all__ = ["Account", "Fault", "Sandbox"]
