"""`sentiment-api` with a spool that keeps nothing: only to measure what the log costs.

There is no setting for this: a service that answers and does not record breaks its promise.
"""

from sentiment_api.__main__ import main
from sentiment_api.prediction_log.spool import Spool

if __name__ == "__main__":
    Spool.append = lambda _self, _payload: None  # type: ignore[method-assign, assignment] # that is the point
    main()
