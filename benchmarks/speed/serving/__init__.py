"""The service over HTTP: answers a second and latencies, beside its peers, under overload and with a shadow.

`servers` starts what is measured, `wrk` asks it.
"""
