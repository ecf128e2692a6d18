"""Which model a configuration is about: the same keys in every YAML file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ...discovery import embedded_model, find_provider, wants_model
from ...provider.model_files import engine_of, model_path
from ...specs import is_provider_file, parse_provider
from .sections import Section, or_nothing, told

__all__ = ["ModelSection"]


class ModelSection(Section):
    """What a file begins with.

    Attributes:
        engine: "llamacpp", "transformers" or one of your own; None: what fits the model.
        model_name_or_path: see `load_provider`; None: the embedded model.
        device: "cpu", "cuda", ...; None: a GPU that is there.
        model_kwargs: for `load_provider`.
    """

    engine: str | None = None
    model_name_or_path: str | None = Field(None, validate_default=True)
    device: str | None = None
    model_kwargs: Annotated[dict[str, Any], BeforeValidator(or_nothing)] = {}

    @field_validator("engine", mode="after")
    @classmethod
    def _engine_there(cls, text: str | None) -> str | None:
        with told():
            if text is not None:
                parse_provider(text) if is_provider_file(text) else find_provider(text)
        return text

    @field_validator("model_name_or_path", mode="after")
    @classmethod
    def _model_there(cls, text: str | None, info: ValidationInfo) -> str | None:
        engine = info.data.get("engine")
        with told():
            if text is None:
                if "engine" in info.data and wants_model(parse_provider(engine)[0] if engine else None):
                    embedded_model()
            elif is_provider_file(text):
                parse_provider(text)
            elif engine is None:
                engine_of(text)
            elif engine in ("llamacpp", "transformers"):
                model_path(text)
        return text

    def model_options(self) -> dict[str, Any]:
        """What `load_provider` gets besides model and engine.

        llama.cpp evaluates prompts as they come, where nothing else is said: what they have in common counts more
        here, where each is asked hundreds of times, than that its logits are the same to the last bit (see
        `BaseProvider.piece`).
        """
        engine = self.engine or ("llamacpp" if self.model_name_or_path is None else None)
        if engine is None and not is_provider_file(self.model_name_or_path or ""):
            engine = engine_of(self.model_name_or_path or "")
        device: dict[str, Any] = {} if self.device is None else {"device": self.device}
        if device and engine == "llamacpp":  # it takes a GPU that it was made for, unless it is kept from that
            device = {"n_gpu_layers": 0} if self.device == "cpu" else {}
        pieces = {"piece": 1} if engine == "llamacpp" else {}
        return pieces | device | self.model_kwargs
