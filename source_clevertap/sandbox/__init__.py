"""A fake CleverTap over real HTTP.

The account: account.py (profiles, events), tables.py (everything else). The API: exports.py,
endpoints.py (everything else), faults.py, and server.py, which combines them.
"""

try:
    import aiohttp  # noqa: F401
except ImportError:
    raise SystemExit("The sandbox needs aiohttp. Type: pip install 'source-clevertap[sandbox]'") from None

from source_clevertap.sandbox.account import Account
from source_clevertap.sandbox.faults import Fault
from source_clevertap.sandbox.server import Sandbox

__all__ = ["Account", "Fault", "Sandbox"]
