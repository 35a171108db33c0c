"""`source-clevertap-doctor`: checks on a real account what the connector takes for granted.

It reads only, one request at a time, and says what it saw. Its report holds no value of the account.
"""
