"""`source-clevertap-doctor`: checks the connector's assumptions on a real account.

It only reads, one request at a time, and prints what it saw. Its report contains no values of the
account.
"""
