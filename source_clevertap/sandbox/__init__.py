"""A fake CleverTap over real HTTP: the account it serves (account.py) and its API (server.py)."""

from source_clevertap.sandbox.account import Account
from source_clevertap.sandbox.server import Fault, Sandbox

__all__ = ["Account", "Fault", "Sandbox"]
