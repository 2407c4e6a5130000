"""The keys of a request's state (`scope["state"]`): what each one holds, and which module writes it.

Anything above `errors` may read them. A key that is not listed here does not exist.
"""

from typing import Final

REQUEST_ID: Final = "request_id"
"""str: the client's `X-Request-ID` if it is short and plain, else a new UUID. Written by `http.edge`."""
PATH: Final = "path"
"""str: the path that the client asked for, with the prefix; `http.path_prefix` and `routes.drift` replace the scope's.
Written by `http.edge`, and by `http.path_prefix`."""
PREFIX: Final = "prefix"
"""str: what a proxy puts before the service's paths, such as `/reviews`; empty without one. Written by
`http.path_prefix`."""
CREDENTIALS: Final = "credentials"
"""tuple[str, ...]: the API keys presented; the scope's headers no longer hold them. Written by `http.edge`."""
KEY: Final = "key"
"""Key: the stored key of an authenticated request; absent on public routes. Written by `access.authentication`."""
KEY_NAME: Final = "key_name"
"""str: the name of that key, for the log and the record. Written by `access.authentication`."""
BODY: Final = "body"
"""Pieces: the whole body, unpacked; whoever parses it takes it out. Written by `http.bodies`, as the next two; all
three are absent for methods without a body."""
BODY_BYTES: Final = "body_bytes"
"""int: the size of the body, unpacked."""
RECEIVE: Final = "receive"
"""Receive: the server's own. With the body read, it returns only once the client disconnects."""
TICKET: Final = "ticket"
"""Ticket: what an admitted request may use of the model. Written by `http.admission`."""
RUN_ID: Final = "run_id"
"""str: the id in the path of a report page. Written by `routes.drift`."""
TRACE_ID: Final = "trace_id"
"""str: the id of the request's trace; absent if it has none. Written by `telemetry.spans`."""
SPAN_ID: Final = "span_id"
"""str: the id of the request's span, written with `TRACE_ID`."""
EXEMPLAR: Final = "exemplar"
"""dict[str, str]: the exemplar for histograms; absent if the trace is not sampled. Written by `telemetry.spans`."""
