"""A fake CleverTap over real HTTP.

The account it serves: account.py (profiles, events), tables.py (the rest). Its API: server.py (exports,
faults), endpoints.py (the rest).
"""

from source_clevertap.sandbox.account import Account
from source_clevertap.sandbox.server import Fault, Sandbox

__all__ = ["Account", "Fault", "Sandbox"]
