"""Every Prometheus metric of the service. `docs/metrics.md` lists them for readers of dashboards.

Each process has one registry, which is passed on; nothing registers globally. Label `route` is the route's template,
and every other label has few values too, so the number of series is bounded.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from sentiment_api import __version__
from sentiment_api.schemas.limits import MAX_TEXT_CHARACTERS

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKENS = (8, 16, 32, 64, 128, 192, 256, 384, 512)
_CHARACTERS = (25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, MAX_TEXT_CHARACTERS)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)
_BATCH_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
_APPEND = (5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
_DISTANCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SHARES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0)
_ENTROPIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
"""HTTP's own. Methods that clients invent share one label value; otherwise each would add a series."""


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        """Register all metrics in a new registry."""
        # A `_created` series for each would double the number of series; the process has its start time.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it untyped
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, GCCollector, PlatformCollector):
            collector(registry=self.registry)
        self._gauge("build_info", "1, with the version of the service.", "version").labels(__version__).set(1)
        self.model = self._gauge("model", "1, with the model that serves.", "name", "version", "engine")
        self._add_requests()
        self._add_answers()
        self._add_work()
        self._add_queue()
        self._add_cache()
        self._add_shadow()
        self._add_prediction_log()
        self._add_disks()
        self._add_drift_gauges()

    def initialize_counters(self, *, labels: Iterable[str], reasons: Iterable[str]) -> None:
        """Start counters at 0: to Prometheus, a counter that first appears as 1 has not increased.

        `labels` are those of the model, `reasons` the slugs of problems.
        """
        for label in labels:
            self.predictions.labels(label)
        for reason in reasons:
            self.refused.labels(reason)
        for kind in ("prediction", "feedback"):
            self.spooled.labels(kind)
            self.shipped.labels(kind)
        for reason in ("cancelled", "deadline"):
            self.dropped_texts.labels(reason)
        for reason in ("expired", "erased"):
            self.left_out.labels(reason)

    def _add_requests(self) -> None:
        """Register what clients see of the service."""
        self.http_requests = self._counter(
            "http_requests",
            "Responses, with the status that the client saw; 499 when it hung up before there was one.",
            *("method", "route", "status"),
        )
        self.http_duration = self._histogram(
            "http_request_duration_seconds", "From the request's head to the last byte of the reply.", _SECONDS, "route"
        )
        self.http_in_progress = self._gauge("http_requests_in_progress", "Requests being answered.")
        self.body_bytes = self._gauge(
            "body_bytes", "Bytes of the bodies that are being read, or whose replies have not begun."
        )
        self.body_max_bytes = self._gauge("body_max_bytes", "Bound of the bytes of bodies.")
        self.keys_read = self._gauge(
            "keys_read_timestamp_seconds", "When API keys were last read, Unix time; 0 where none are."
        )
        self.refused = self._counter("refused_requests", "Requests refused, by the slug of the problem.", "reason")
        self.refused_items = self._counter(
            "refused_items",
            "Items of batch requests that have a problem instead of a prediction, by its slug.",
            "reason",
        )

    def _add_answers(self) -> None:
        """Register what customers sent and were told; predictions on the service's own behalf are not among it."""
        self.predictions = self._counter("predictions", "Customers' predictions that were recorded, by label.", "label")
        self.score = self._histogram("prediction_score", "Calibrated probability of the label given.", _SHARES)
        self.entropy = self._histogram(
            "prediction_entropy_ratio",
            "Entropy of the calibrated probabilities, as a share of the highest possible: 0 is certain.",
            _ENTROPIES,
        )
        self.characters = self._histogram(
            "input_characters", "Characters of each text, without white space around it.", _CHARACTERS
        )
        self.tokens = self._histogram("input_tokens", "Tokens given to the model, for each text.", _TOKENS)
        self.truncated = self._counter("truncated_texts", "Texts with more tokens than the model takes.")

    def _add_work(self) -> None:
        """Register what the answers cost: tokenizing, waiting, the engine."""
        self.queue_seconds = self._histogram("queue_duration_seconds", "Wait for an engine thread.", _SECONDS)
        self.inference_seconds = self._histogram("inference_duration_seconds", "One forward pass.", _SECONDS)
        self.tokenize_seconds = self._histogram(
            "tokenize_duration_seconds", "Tokenizing of one request's texts.", _SECONDS
        )
        self.batch_texts = self._histogram("batch_texts", "Texts in one forward pass.", _TEXTS)
        self.batch_tokens = self._histogram("batch_tokens", "Tokens of the texts in one forward pass.", _BATCH_TOKENS)
        # Computed / asked is what padding costs: 1 is none.
        self.asked_tokens = self._counter("asked_tokens", "Tokens of texts that went through the engine.")
        self.computed_tokens = self._counter("computed_tokens", "Tokens that the engine computed, padding included.")
        self.dropped_texts = self._counter(
            "dropped_texts",
            "Texts taken from the queue uncomputed: their client had gone, or their deadline.",
            "reason",
        )

    def _add_queue(self) -> None:
        """Register what waits, the bounds of it, and who works it off."""
        self.queued_tokens = self._gauge("queued_tokens", "Tokens waiting for an engine thread.")
        self.queued_texts = self._gauge("queued_texts", "Texts, or windows of them, waiting for an engine thread.")
        self.queued_requests = self._gauge("queued_requests", "Requests with a text that waits for an engine thread.")
        self.admitted_tokens = self._gauge(
            "admitted_tokens", "Tokens of the requests that are in the service, waiting or being computed.", "lane"
        )
        self.admitted_requests = self._gauge(
            "admitted_requests", "Requests for predictions that are in the service, waiting or being computed.", "lane"
        )
        self.admitted_max_tokens = self._gauge("admitted_max_tokens", "Bound of the admitted tokens of all lanes.")
        self.admitted_max_requests = self._gauge(
            "admitted_max_requests", "Bound of the admitted requests of all lanes."
        )
        self.engine_rate = self._gauge("engine_tokens_per_second", "What the engine does with all its threads.")
        self.engine_threads = self._gauge("engine_threads", "Engine threads that there should be.")
        self.engine_threads_alive = self._gauge("engine_threads_alive", "Engine threads that run.")

    def _add_cache(self) -> None:
        """Register how often a text was known."""
        self.cache_lookups = self._counter("cache_lookups", "Texts looked up in the result cache.", "result")
        self.cache_bytes = self._gauge("cache_bytes", "Bytes in the result cache.")

    def _add_shadow(self) -> None:
        """Register how the shadow model does beside the one that serves."""
        self.shadow_compared = self._counter(
            "shadow_compared", "Texts that the shadow model scored, by whether it gave the same label.", "agreement"
        )
        self.shadow_distance = self._histogram(
            "shadow_score_distance", "Between the two models' probabilities of the label given.", _DISTANCES
        )
        self.shadow_dropped = self._counter(
            "shadow_dropped",
            "Texts chosen for the shadow model and not scored, or whose answer was not kept.",
            "reason",
        )
        self.shadow_waiting = self._gauge("shadow_waiting_texts", "Texts that wait for the shadow model.")
        self.shadow_disabled = self._gauge("shadow_disabled", "1 when the shadow model failed and was given up.")
        self.shadow_model = self._gauge(
            "shadow_model", "1, with the shadow model; 0 once it was given up.", "name", "version", "engine"
        )

    def _add_prediction_log(self) -> None:
        """Register what becomes of records on their way to Postgres."""
        self.spooled = self._counter("spooled_records", "Records appended to the spool, by kind.", "kind")
        self.spooled_bytes = self._counter("spooled_bytes", "Bytes of records appended to the spool.")
        self.shipped = self._counter("shipped_records", "Records that Postgres holds, by kind.", "kind")
        self.set_aside = self._counter(
            "set_aside_records", "Records that Postgres refused as data, by SQLSTATE.", "sqlstate"
        )
        self.set_aside_waiting = self._gauge(
            "set_aside_records_waiting", "Records set aside that nobody has mended and replayed yet."
        )
        self.newer = self._gauge("newer_records_waiting", "Records that only a newer release can read.")
        self.left_out = self._counter(
            "left_out_records", "Records not stored: erased, or older than what is kept.", "reason"
        )
        self.dropped = self._counter("dropped_records", "Records lost because the spool was full (drop_oldest).")
        self.append_seconds = self._histogram("spool_append_duration_seconds", "One append to the spool.", _APPEND)
        self.damaged = self._counter("damaged_spool_bytes", "Bytes of the spool that could not be read as records.")
        self.ship_failures = self._counter("ship_failures", "Attempts to ship that will be repeated, by kind.", "kind")
        self.shipper_defect = self._gauge(
            "shipper_defect", "1 while a defect of the service itself keeps records from being shipped."
        )
        self.spool_bytes = self._gauge("spool_bytes", "Bytes in the spool.")
        self.spool_max_bytes = self._gauge("spool_max_bytes", "Bound of the bytes in the spool.")
        self.spool_lag = self._gauge(
            "spool_lag_seconds", "Age of the oldest record that Postgres does not hold yet; NaN when unknown."
        )

    def _add_disks(self) -> None:
        """Register what the disks have on which the spool and the embedded Postgres lie."""
        self.disk_free = self._gauge(
            "disk_free_bytes", "Bytes that the service can still write to the disk; NaN when unknown.", "folder"
        )
        self.disk_size = self._gauge("disk_size_bytes", "Size of the disk; NaN when unknown.", "folder")
        self.disk_free_files = self._gauge(
            "disk_free_files", "Files that can still be made on the disk; +Inf without such a bound.", "folder"
        )

    def _add_drift_gauges(self) -> None:
        """Register what is known of the latest drift run on the model that serves."""
        self.drift_verdict = self._gauge(
            "drift_verdict", "The latest drift run: 0 none, 1 watch, 2 drift, -1 not judged.", "model_version"
        )
        self.drift_effect = self._gauge(
            "drift_effect", "Effect of each metric on the latest run's whole window.", "model_version", "metric"
        )
        self.drift_rows = self._gauge("drift_window_rows", "Rows of the latest run's window.", "model_version")
        self.drift_floor = self._gauge(
            "drift_floor", "The effect that each metric must reach to matter.", "model_version", "metric"
        )
        self.drift_finished = self._gauge(
            "drift_last_run_timestamp_seconds", "When the latest drift run finished, Unix time.", "model_version"
        )
        self.drift_judged = self._gauge(
            "drift_last_success_timestamp_seconds",
            "When the last drift run on any window finished that could be judged, Unix time.",
            "model_version",
        )
        self.estimated_accuracy = self._gauge(
            "estimated_accuracy",
            "Accuracy on the latest run's window, estimated without labels, with its 95 % interval; not if withdrawn.",
            *("model_version", "bound"),
        )
        self.labelled_accuracy = self._gauge(
            "labelled_accuracy",
            "Accuracy on the rows of the latest run's window that have feedback, and its 95 % interval.",
            *("model_version", "bound"),
        )
        self.label_coverage = self._gauge(
            "label_coverage", "Share of the latest run's rows that have feedback.", "model_version"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sentiment_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"sentiment_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sentiment_{name}", text, labels, buckets=buckets, registry=self.registry)
