"""How Litestar hands a body to pydantic: the bytes as they came, in strict JSON mode.

Litestar's own `PydanticDTO` decodes with msgspec first. That loses the index of a list item in an error's path, refuses
aware datetimes, turns "5" into 5, and quotes the client's values in its messages.
"""

from typing import Any, Generic, TypeVar

from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi.spec import Reference, Schema
from litestar.plugins.pydantic import PydanticDTO
from litestar.typing import FieldDefinition
from pydantic import BaseModel

from sentiment_api.errors import WrongMediaType
from sentiment_api.schemas.predictions import BatchRequest, DocumentedBatchRequest
from sentiment_api.schemas.validation import parse

M = TypeVar("M", bound=BaseModel)
_JSON = "application/json"


class StrictDTO(PydanticDTO[M], Generic[M]):
    """A `PydanticDTO` that validates the raw body, and insists on its content type."""

    def decode_bytes(self, value: bytes) -> Any:  # noqa: ANN401 - Litestar's signature
        """Return the body as the model.

        Raises:
            WrongMediaType: the request does not declare JSON.
            NotJson, RequestInvalid: as `validation.parse` says.
        """
        declared = self.asgi_connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared != _JSON and not declared.endswith("+json"):
            raise WrongMediaType(f"expected the content type {_JSON}")
        return parse(self.model_type, value)

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,  # noqa: ARG003 - Litestar's signature
        handler_id: str,  # noqa: ARG003
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        """Return the schema of the pydantic model itself."""
        shown = DocumentedBatchRequest if cls.model_type is BatchRequest else cls.model_type
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(shown))
