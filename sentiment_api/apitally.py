"""Apitally, told of requests and never of what is in them: reviews are personal data."""

from apitally.litestar import ApitallyPlugin
from litestar.config.app import AppConfig

from sentiment_api import __version__


class _WithoutExceptions(ApitallyPlugin):  # type: ignore[misc] # mypy does not follow apitally
    """Leaves exceptions out: their messages, and those that they come from, may quote a request."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Set Apitally up, less the hook that would report exceptions."""
        ours = list(app_config.after_exception)
        configured: AppConfig = super().on_app_init(app_config)
        configured.after_exception = ours
        return configured


def told_without_texts(write_token: str) -> ApitallyPlugin:
    """Return the plugin with everything off that could carry a text: bodies, logs, query values, exceptions."""
    return _WithoutExceptions(
        write_token=write_token,
        app_version=__version__,
        capture_request_body=False,
        capture_response_body=False,
        capture_logs=False,
        mask_query_params=[".*"],
    )
